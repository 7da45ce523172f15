//! The checkers are worth something only if a broken world turns them red. Here each is shown worlds that break its
//! property, by falsifying one thing of what two sound machines say, and must be the one that notices.

use bytes::Bytes;
use webstar_core::id::MessageId;
use webstar_core::peer::link::LinkEvent;
use webstar_core::wire::frame::Delivery;
use webstar_sim::check::{Bounds, Checks, Holding, Seen};
use webstar_sim::net::Side;
use webstar_sim::profile::pair::{self, Clear, Lens};
use webstar_sim::seed::Seed;
use webstar_sim::trace::Trace;

/// Falsifies the first event that it knows what to do with after some that it lets pass.
struct Canary<F> {
    /// What becomes of an event; none if it is not of the kind that is falsified.
    falsify: F,
    /// How many of the kind are let pass.
    wait: u32,
    acted: bool,
}

/// A side and what it hears.
type Heard = (Side, LinkEvent);

impl<F: FnMut(Side, &LinkEvent) -> Option<Vec<Heard>>> Lens for Canary<F> {
    fn pass(&mut self, side: Side, event: LinkEvent, tell: &mut dyn FnMut(Side, LinkEvent)) {
        if self.acted {
            return tell(side, event);
        }
        match (self.falsify)(side, &event) {
            Some(heard) if self.wait == 0 => {
                self.acted = true;
                heard.into_iter().for_each(|(side, event)| tell(side, event));
            }
            Some(_) => {
                self.wait -= 1;
                tell(side, event);
            }
            None => tell(side, event),
        }
    }
}

/// Runs seeds until the lens could act, and demands that this checker, and no other before it, turned red.
fn turns_red(check: &str, mut falsify: impl FnMut(Side, &LinkEvent) -> Option<Vec<Heard>>) {
    for seed in (0..2_000).map(Seed::new) {
        let mut canary = Canary { falsify: &mut falsify, wait: 3, acted: false };
        let outcome = pair::run(seed, &mut Trace::new(false), &mut canary);
        if !canary.acted || pair::run(seed, &mut Trace::new(false), Clear).red.is_some() {
            continue;
        }
        let red = outcome.red.unwrap_or_else(|| panic!("seed {}: nothing noticed", seed.number()));
        assert_eq!(red.check, check, "seed {}: {}", seed.number(), red.why);
        return;
    }
    panic!("in no seed was there anything to falsify");
}

/// The message of an event, if it is one with this promise.
fn message(event: &LinkEvent, delivery: Delivery) -> Option<webstar_core::session::Received> {
    match event {
        LinkEvent::Message(message) if message.delivery == delivery => Some(message.clone()),
        _ => None,
    }
}

fn drop_one(delivery: Delivery) -> impl FnMut(Side, &LinkEvent) -> Option<Vec<Heard>> {
    move |_, event| message(event, delivery).map(|_| Vec::new())
}

fn repeat_one(delivery: Delivery) -> impl FnMut(Side, &LinkEvent) -> Option<Vec<Heard>> {
    // Short messages that are alike cannot be told from a repetition.
    move |side, event| {
        message(event, delivery)
            .filter(|message| message.payload.len() >= 8)
            .map(|_| vec![(side, event.clone()), (side, event.clone())])
    }
}

#[test]
fn a_lost_ordered_message_turns_ordered_red() {
    turns_red("ordered", drop_one(Delivery::Ordered));
}

#[test]
fn a_repeated_ordered_message_turns_ordered_red() {
    turns_red("ordered", repeat_one(Delivery::Ordered));
}

#[test]
fn two_ordered_messages_swapped_turn_ordered_red() {
    let mut held: Option<(Side, webstar_core::session::Received)> = None;
    turns_red("ordered", move |side, event| {
        let now = message(event, Delivery::Ordered)?;
        let (first_side, first) = held.replace((side, now.clone()))?;
        // The first was told already: told after the second again, it comes where it does not belong.
        (first_side == side && first.priority == now.priority && first.payload != now.payload)
            .then(|| vec![(side, LinkEvent::Message(first)), (side, LinkEvent::Message(now))])
    });
}

#[test]
fn a_repeated_reliable_message_turns_reliable_red() {
    turns_red("reliable", repeat_one(Delivery::Reliable));
}

#[test]
fn a_lost_reliable_message_turns_reliable_red() {
    turns_red("reliable", drop_one(Delivery::Reliable));
}

#[test]
fn a_repeated_unreliable_message_turns_unreliable_red() {
    turns_red("unreliable", repeat_one(Delivery::Unreliable));
}

#[test]
fn a_repeated_latest_message_turns_latest_red() {
    turns_red("latest", repeat_one(Delivery::Latest));
}

#[test]
fn a_key_whose_last_value_is_lost_turns_latest_red() {
    deaf_for("latest", |event| message(event, Delivery::Latest).is_some());
}

/// Hears nothing of some kind.
struct Deaf {
    of: fn(&LinkEvent) -> bool,
    acted: bool,
}

impl Lens for Deaf {
    fn pass(&mut self, side: Side, event: LinkEvent, tell: &mut dyn FnMut(Side, LinkEvent)) {
        if (self.of)(&event) {
            self.acted = true;
        } else {
            tell(side, event);
        }
    }
}

/// As [`turns_red`], where every event of a kind is lost.
fn deaf_for(check: &str, of: fn(&LinkEvent) -> bool) {
    for seed in (0..2_000).map(Seed::new) {
        let mut deaf = Deaf { of, acted: false };
        let outcome = pair::run(seed, &mut Trace::new(false), &mut deaf);
        if deaf.acted && pair::run(seed, &mut Trace::new(false), Clear).red.is_none() {
            assert_eq!(outcome.red.map(|red| red.check), Some(check), "seed {}", seed.number());
            return;
        }
    }
    panic!("in no seed was there anything to lose");
}

#[test]
fn an_altered_message_turns_provenance_red() {
    for delivery in Delivery::ALL {
        turns_red("provenance", |side, event| {
            let mut altered = message(event, delivery).filter(|message| message.payload.len() > 8)?;
            let mut bytes = altered.payload.to_vec();
            *bytes.last_mut()? ^= 1;
            altered.payload = Bytes::from(bytes);
            Some(vec![(side, LinkEvent::Message(altered))])
        });
    }
}

#[test]
fn a_message_in_the_name_of_the_other_turns_provenance_red() {
    for delivery in Delivery::ALL {
        turns_red("provenance", |side, event| {
            let echo = message(event, delivery).filter(|message| message.payload.len() >= 8)?;
            Some(vec![(side, event.clone()), (side.other(), LinkEvent::Message(echo))])
        });
    }
}

#[test]
fn a_message_under_another_promise_turns_provenance_red() {
    turns_red("provenance", |side, event| {
        let mut changed = message(event, Delivery::Reliable).filter(|message| message.payload.len() >= 8)?;
        changed.delivery = Delivery::Unreliable;
        Some(vec![(side, LinkEvent::Message(changed))])
    });
}

#[test]
fn a_forgotten_acknowledgement_turns_acknowledged_red() {
    // One of a message that is not replaced later: those of a key may stay without.
    let mut kept = std::collections::BTreeSet::new();
    turns_red("acknowledged", move |side, event| match event {
        LinkEvent::Message(message) if message.delivery.is_kept() && message.delivery != Delivery::Latest => {
            let stamp = message.payload.first_chunk().copied().map(u64::from_le_bytes)?;
            kept.insert((side.other() == Side::B, stamp >> 1));
            None
        }
        LinkEvent::Acked(MessageId(id)) => kept.contains(&(side == Side::B, *id)).then(Vec::new),
        _ => None,
    });
}

#[test]
fn a_repeated_acknowledgement_turns_acknowledged_red() {
    turns_red("acknowledged", |side, event| {
        matches!(event, LinkEvent::Acked(_)).then(|| vec![(side, event.clone()), (side, event.clone())])
    });
}

#[test]
fn an_acknowledgement_of_nothing_turns_acknowledged_red() {
    turns_red("acknowledged", |side, event| {
        matches!(event, LinkEvent::Acked(_)).then(|| vec![(side, LinkEvent::Acked(MessageId(1 << 40)))])
    });
}

#[test]
fn a_repeated_drained_turns_drained_red() {
    turns_red("drained", |side, event| {
        matches!(event, LinkEvent::Drained(_)).then(|| vec![(side, event.clone()), (side, event.clone())])
    });
}

#[test]
fn lanes_that_never_say_that_they_have_room_turn_drained_red() {
    deaf_for("drained", |event| matches!(event, LinkEvent::Drained(_)));
}

#[test]
fn a_change_of_a_path_that_is_not_told_turns_paths_red() {
    turns_red("paths", |_, event| matches!(event, LinkEvent::Path { .. }).then(Vec::new));
}

#[test]
fn a_path_taken_up_twice_turns_paths_red() {
    turns_red("paths", |side, event| {
        matches!(event, LinkEvent::Using(_)).then(|| vec![(side, event.clone()), (side, event.clone())])
    });
}

#[test]
fn a_machine_that_holds_too_much_turns_bounds_red() {
    struct Hoard(fn(&mut Holding));
    impl Lens for Hoard {
        fn weigh(&mut self, _: Side, mut holding: Holding) -> Holding {
            (self.0)(&mut holding);
            holding
        }
    }
    let hoards: [fn(&mut Holding); 2] = [|holding| holding.queued[2] = 1 << 30, |holding| holding.held = 1 << 30];
    for hoard in hoards {
        let outcome = pair::run(Seed::new(1), &mut Trace::new(false), Hoard(hoard));
        assert_eq!(outcome.red.map(|red| red.check), Some("bounds"));
    }
}

#[test]
fn a_machine_that_says_too_much_at_once_turns_bounds_red() {
    for (packets, events) in [(100_000, 1), (1, 1_000_000)] {
        let mut checks = Checks::new(Bounds::of(&webstar_core::config::SessionConfig::default()));
        checks.see(&Seen::Rested { side: Side::A, packets: 10, events: 10 });
        assert_eq!(checks.red(), None);
        checks.see(&Seen::Rested { side: Side::A, packets, events });
        assert_eq!(checks.red().map(|red| red.check), Some("bounds"));
    }
}

#[test]
fn a_machine_that_breaks_the_protocol_turns_honesty_red() {
    let mut checks = Checks::new(Bounds::of(&webstar_core::config::SessionConfig::default()));
    checks.see(&Seen::Judged { side: Side::A, invalid: 0 });
    assert_eq!(checks.red(), None);
    checks.see(&Seen::Judged { side: Side::A, invalid: 1 });
    assert_eq!(checks.red().map(|red| red.check), Some("honesty"));
}
