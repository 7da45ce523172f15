//! The checkers of the star are worth something only if a broken world turns them red. Here each is shown worlds that
//! break its property, by falsifying one thing of what sound machines say, and must be the one that notices.

use bytes::Bytes;
use std::collections::BTreeMap;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::peer::{Channel, PeerEvent, PeerMessage, Position, Sent};
use webstar_core::wire::signal::Epoch;
use webstar_sim::check::star::{Holding, Life, STAMP};
use webstar_sim::profile::star::{self, Clear, Lens, Mood};
use webstar_sim::profile::{Mask, Numbers, Profile};
use webstar_sim::seed::Seed;
use webstar_sim::shrink::{Parts, shrink};
use webstar_sim::trace::Trace;

/// A life and what it hears.
type Heard = (Life, PeerEvent);

/// Falsifies the first event that it knows what to do with after some that it lets pass.
struct Canary<F> {
    /// What becomes of an event; none if it is not of the kind that is falsified.
    falsify: F,
    wait: u32,
    acted: bool,
}

impl<F: FnMut(Life, &PeerEvent) -> Option<Vec<Heard>>> Lens for Canary<F> {
    fn pass(&mut self, life: Life, event: PeerEvent, tell: &mut dyn FnMut(Life, PeerEvent)) {
        let told = if self.acted { None } else { (self.falsify)(life, &event) };
        match told {
            Some(heard) if self.wait == 0 => {
                self.acted = true;
                heard.into_iter().for_each(|(life, event)| tell(life, event));
            }
            Some(_) => {
                self.wait -= 1;
                tell(life, event);
            }
            None => tell(life, event),
        }
    }
}

/// Runs seeds until the lens could act in a world that is sound without it, and demands that this checker, and no other
/// before it, turned red. Several are divided by `|`; one at the end tells that another host may excuse what is false.
pub(super) fn turns_red<F: FnMut(Life, &PeerEvent) -> Option<Vec<Heard>>>(
    check: &str,
    mood: Mood,
    wait: u32,
    falsify: impl Fn() -> F,
) {
    for seed in (0..300).map(Seed::new) {
        let mut canary = Canary { falsify: falsify(), wait, acted: false };
        let outcome = star::run(seed, mood, &mut Trace::new(false), &mut canary);
        if !canary.acted || star::run(seed, mood, &mut Trace::new(false), Clear).red.is_some() {
            continue;
        }
        match outcome.red {
            Some(red) => assert!(check.split('|').any(|check| check == red.check), "seed {}: {red:?}", seed.number()),
            // What is lost just before another host comes is not missed.
            None if check.ends_with('|') => continue,
            None => panic!("seed {}: nothing noticed", seed.number()),
        }
        return;
    }
    panic!("in no seed was there anything to falsify");
}

/// The message of an event, if it is one on this channel that bears a stamp.
pub(super) fn message(event: &PeerEvent, channel: Channel) -> Option<PeerMessage> {
    match event {
        PeerEvent::Message(message) if message.channel == channel && message.seq > 0 => {
            Some(message.clone()).filter(|message| message.payload.len() > STAMP)
        }
        _ => None,
    }
}

fn drop_one(channel: Channel) -> impl FnMut(Life, &PeerEvent) -> Option<Vec<Heard>> {
    move |_, event| message(event, channel).map(|_| Vec::new())
}

fn repeat_one(channel: Channel) -> impl FnMut(Life, &PeerEvent) -> Option<Vec<Heard>> {
    move |life, event| message(event, channel).map(|_| vec![(life, event.clone()), (life, event.clone())])
}

#[test]
fn a_lost_ordered_message_turns_ordered_red() {
    turns_red("ordered|continuity|", Mood::Calm, 30, || drop_one(Channel::Ordered));
}

#[test]
fn a_repeated_ordered_message_turns_ordered_red() {
    turns_red("ordered", Mood::Calm, 30, || repeat_one(Channel::Ordered));
}

#[test]
fn messages_of_two_senders_swapped_at_one_receiver_turn_agreement_red() {
    for seed in (0..300).map(Seed::new) {
        let mut swap = Swap::default();
        let outcome = star::run(seed, Mood::Calm, &mut Trace::new(false), &mut swap);
        if !swap.acted || star::run(seed, Mood::Calm, &mut Trace::new(false), Clear).red.is_some() {
            continue;
        }
        if let Some(red) = outcome.red {
            // What was swapped is out of its place too: whichever is seen first.
            assert!(["agreement", "continuity"].contains(&red.check), "seed {}: {}", seed.number(), red.why);
            return;
        }
        // Nobody else was given both: then any order is right.
    }
    panic!("in no seed was there anything to swap");
}

/// Gives one receiver an ordered message only after the next one, which is another sender's.
#[derive(Default)]
struct Swap {
    seen: u32,
    held: Option<(Life, PeerMessage)>,
    acted: bool,
}

impl Lens for Swap {
    fn pass(&mut self, life: Life, event: PeerEvent, tell: &mut dyn FnMut(Life, PeerEvent)) {
        let is_next = self.held.as_ref().is_some_and(|(holder, _)| *holder == life);
        let now = message(&event, Channel::Ordered);
        if is_next && (now.is_some() || !matches!(event, PeerEvent::Message(_))) {
            let (_, first) = self.held.take().expect("it is held");
            let other = now.filter(|now| now.from != first.from);
            self.acted |= other.is_some();
            // By their places alone they would be told apart.
            let placeless = |message: PeerMessage| PeerEvent::Message(PeerMessage { position: None, ..message });
            let (early, late) = match other {
                Some(other) => (placeless(other), placeless(first)),
                None => (PeerEvent::Message(first), event),
            };
            tell(life, early);
            return tell(life, late);
        }
        self.seen += u32::from(now.is_some());
        match now {
            Some(now) if !self.acted && self.held.is_none() && self.seen > 20 => self.held = Some((life, now)),
            _ => tell(life, event),
        }
    }
}

#[test]
fn a_repeated_reliable_message_turns_reliable_red() {
    turns_red("reliable", Mood::Calm, 10, || repeat_one(Channel::Reliable));
}

#[test]
fn a_lost_reliable_message_turns_liveness_red() {
    // It is waited for until the time is over.
    turns_red("liveness|", Mood::Calm, 10, || drop_one(Channel::Reliable));
}

#[test]
fn a_repeated_unreliable_message_turns_unreliable_red() {
    turns_red("unreliable", Mood::Calm, 3, || repeat_one(Channel::Unreliable));
}

#[test]
fn a_repeated_latest_message_turns_latest_red() {
    turns_red("latest", Mood::Calm, 3, || repeat_one(Channel::Latest));
}

#[test]
fn an_altered_message_turns_provenance_red() {
    for channel in Channel::ALL {
        turns_red("provenance", Mood::Calm, 3, || {
            move |life, event: &PeerEvent| {
                let mut altered = message(event, channel)?;
                let mut bytes = altered.payload.to_vec();
                *bytes.last_mut()? ^= 1;
                altered.payload = Bytes::from(bytes);
                Some(vec![(life, PeerEvent::Message(altered))])
            }
        });
    }
}

#[test]
fn a_message_in_the_name_of_another_turns_provenance_red() {
    turns_red("provenance", Mood::Calm, 3, || {
        |life, event: &PeerEvent| {
            let mut forged = message(event, Channel::Ordered)?;
            forged.from = PlayerId(forged.from.0 + 1);
            Some(vec![(life, PeerEvent::Message(forged))])
        }
    });
}

#[test]
fn a_message_that_crosses_lobbies_turns_lobbies_red() {
    turns_red("lobbies", Mood::Calm, 3, || {
        let mut lobbies: BTreeMap<Life, String> = BTreeMap::new();
        move |life, event: &PeerEvent| {
            if let PeerEvent::Joined { lobby, .. } = event {
                lobbies.insert(life, lobby.lobby_id.to_string());
            }
            let crossing = message(event, Channel::Unreliable)?;
            let own = lobbies.get(&life)?;
            let (other, _) = lobbies.iter().find(|(_, lobby)| *lobby != own)?;
            Some(vec![(life, event.clone()), (*other, PeerEvent::Message(crossing))])
        }
    });
}

#[test]
fn a_stranger_in_the_roster_turns_lobbies_red() {
    turns_red("lobbies", Mood::Calm, 1, || {
        |life, event: &PeerEvent| {
            let PeerEvent::PlayerJoined(entry) = event else { return None };
            let mut stranger = entry.clone();
            stranger.username = webstar_core::wire::signal::Username::new("99.1").ok()?;
            Some(vec![(life, PeerEvent::PlayerJoined(stranger))])
        }
    });
}

#[test]
fn a_repeated_acknowledgement_turns_acknowledged_red() {
    turns_red("acknowledged", Mood::Calm, 3, || {
        |life, event: &PeerEvent| {
            matches!(event, PeerEvent::Acked(_)).then(|| vec![(life, event.clone()), (life, event.clone())])
        }
    });
}

#[test]
fn an_acknowledgement_of_nothing_turns_acknowledged_red() {
    turns_red("acknowledged", Mood::Calm, 3, || {
        |life, event: &PeerEvent| {
            let nothing = Sent { channel: Channel::Ordered, seq: 1 << 40 };
            matches!(event, PeerEvent::Acked(_)).then(|| vec![(life, PeerEvent::Acked(nothing))])
        }
    });
}

#[test]
fn a_forgotten_acknowledgement_turns_liveness_or_acknowledged_red() {
    turns_red("liveness|acknowledged", Mood::Calm, 10, || {
        |_, event: &PeerEvent| matches!(event, PeerEvent::Acked(_)).then(Vec::new)
    });
}

#[test]
fn drained_without_full_turns_drained_red() {
    turns_red("drained", Mood::Calm, 3, || {
        |life, event: &PeerEvent| {
            let drained = PeerEvent::Drained(Channel::Ordered);
            matches!(event, PeerEvent::Acked(_)).then(|| vec![(life, event.clone()), (life, drained)])
        }
    });
}

#[test]
fn an_event_after_the_end_turns_ended_red() {
    turns_red("ended", Mood::Calm, 0, || {
        |life, event: &PeerEvent| {
            let after = PeerEvent::Suspect { player: PlayerId(1) };
            let heard = vec![
                (life, event.clone()),
                (life, PeerEvent::PlayerLeft { player: PlayerId(1), reason: left() }),
                (life, after),
            ];
            matches!(event, PeerEvent::Closed(_)).then_some(heard)
        }
    });
}

fn left() -> webstar_core::wire::signal::CloseReason {
    webstar_core::wire::signal::CloseReason::Left
}

#[test]
fn a_timer_after_the_end_turns_ended_red() {
    #[derive(Default)]
    struct Restless(Option<Life>);
    impl Lens for Restless {
        fn pass(&mut self, life: Life, event: PeerEvent, tell: &mut dyn FnMut(Life, PeerEvent)) {
            if matches!(event, PeerEvent::Closed(_)) {
                self.0 = Some(life);
            }
            tell(life, event);
        }

        fn rest(&mut self, life: Life, outputs: usize, wants_more: bool) -> (usize, bool) {
            (outputs, wants_more || self.0 == Some(life))
        }
    }
    let outcome = star::run(Seed::new(1), Mood::Calm, &mut Trace::new(false), Restless::default());
    assert_eq!(outcome.red.map(|red| red.check), Some("ended"));
}

#[test]
fn an_epoch_told_twice_turns_roster_red() {
    turns_red("roster", Mood::Crashy, 1, || {
        |life, event: &PeerEvent| {
            matches!(event, PeerEvent::HostChanged { .. }).then(|| vec![(life, event.clone()), (life, event.clone())])
        }
    });
}

#[test]
fn a_player_that_comes_twice_turns_roster_red() {
    turns_red("roster", Mood::Calm, 1, || {
        |life, event: &PeerEvent| {
            matches!(event, PeerEvent::PlayerJoined(_)).then(|| vec![(life, event.clone()), (life, event.clone())])
        }
    });
}

#[test]
fn an_incarnation_that_falls_turns_roster_red() {
    turns_red("roster", Mood::Calm, 0, || {
        |life, event: &PeerEvent| {
            let PeerEvent::PlayerJoined(entry) = event else { return None };
            let (mut older, mut newer) = (entry.clone(), entry.clone());
            (older.incarnation, newer.incarnation) = (Incarnation(4), Incarnation(5));
            Some(vec![(life, PeerEvent::PlayerJoined(newer)), (life, PeerEvent::PlayerChanged(older))])
        }
    });
}

#[test]
fn an_older_epoch_turns_roster_red() {
    turns_red("roster", Mood::Crashy, 1, || {
        |life, event: &PeerEvent| {
            let PeerEvent::HostChanged { host, cause, gap, .. } = event else { return None };
            let epoch = Epoch { term: 0, round: 0 };
            let older = PeerEvent::HostChanged { epoch, host: *host, cause: *cause, gap: *gap };
            Some(vec![(life, event.clone()), (life, older)])
        }
    });
}

#[test]
fn whoever_holds_too_much_turns_bounds_red() {
    struct Hoard(fn(Holding) -> Holding);
    impl Lens for Hoard {
        fn weigh(&mut self, holding: Holding) -> Holding {
            (self.0)(holding)
        }
    }
    let hoards: [fn(Holding) -> Holding; 4] = [
        |_| Holding::Queued([0, 0, 1 << 30, 0]),
        |_| Holding::Streams { links: 1, up: 1 << 30, down: 0 },
        |_| Holding::Streams { links: 1, up: 0, down: 1 << 30 },
        |_| Holding::Shard { connections: 2, queued: 1 << 30 },
    ];
    for hoard in hoards {
        let outcome = star::run(Seed::new(1), Mood::Calm, &mut Trace::new(false), Hoard(hoard));
        assert_eq!(outcome.red.map(|red| red.check), Some("bounds"));
    }
}

#[test]
fn a_host_that_keeps_what_everybody_has_turns_liveness_red() {
    struct Miser;
    impl Lens for Miser {
        fn cut(&self, _: Position) -> Position {
            Position(0)
        }
    }
    for seed in (0..300).map(Seed::new) {
        let outcome = star::run(seed, Mood::Calm, &mut Trace::new(false), Miser);
        let Some(red) = outcome.red else { continue };
        assert!(red.check == "liveness" && red.why.contains("keeps its log"), "seed {}: {red:?}", seed.number());
        assert_eq!(star::run(seed, Mood::Calm, &mut Trace::new(false), Clear).red, None);
        return;
    }
    panic!("nothing noticed");
}

#[test]
fn a_machine_that_says_too_much_at_once_turns_bounds_red() {
    struct Chatter;
    impl Lens for Chatter {
        fn rest(&mut self, _: Life, _: usize, wants_more: bool) -> (usize, bool) {
            (1_000_000, wants_more)
        }
    }
    let outcome = star::run(Seed::new(1), Mood::Calm, &mut Trace::new(false), Chatter);
    assert_eq!(outcome.red.map(|red| red.check), Some("bounds"));
}

#[test]
fn a_token_that_works_twice_turns_tokens_red() {
    #[derive(Default)]
    struct Gullible(bool);
    impl Lens for Gullible {
        fn replay(&mut self, _: bool) -> bool {
            self.0 = true;
            true
        }
    }
    for seed in (0..300).map(Seed::new) {
        let mut gullible = Gullible::default();
        let outcome = star::run(seed, Mood::Swarm, &mut Trace::new(false), &mut gullible);
        if gullible.0 {
            assert_eq!(outcome.red.map(|red| red.check), Some("tokens"), "seed {}", seed.number());
            return;
        }
    }
    panic!("in no seed did anybody come back");
}

/// Everybody hears the third ordered message of everybody twice.
struct Stutter;

impl Lens for Stutter {
    fn pass(&mut self, life: Life, event: PeerEvent, tell: &mut dyn FnMut(Life, PeerEvent)) {
        if message(&event, Channel::Ordered).is_some_and(|message| message.seq == 3) {
            tell(life, event.clone());
        }
        tell(life, event);
    }
}

#[test]
fn what_fails_is_cut_down_to_what_it_needs_and_fails_again_in_the_same_way() {
    let seed = Seed::new(144);
    let run = |mask: &Mask| star::run_without(seed, Mood::Lossy, mask, &mut Trace::new(false), Stutter).red;
    let red = run(&Mask::default()).expect("it stutters");
    assert_eq!(red.check, "ordered");
    let parts = Parts::of(&Profile::Lossy.tell(seed));
    let shrunk = shrink(&parts, 2_000, |mask| run(mask).is_some_and(|now| now.check == red.check));
    let [first, again] = [run(&shrunk.mask), run(&shrunk.mask)].map(|red| red.map(|red| (red.check, red.why)));
    assert_eq!(first.as_ref().map(|(check, _)| *check), Some("ordered"));
    assert_eq!(first, again);
    let kept = |parts: &[Vec<u32>], out: &Numbers| {
        parts.iter().filter(|part| !part.iter().all(|number| out.0.contains(number))).count()
    };
    let Mask { seats, faults, messages } = &shrunk.mask;
    assert!(shrunk.is_smallest, "{shrunk:?}");
    assert!(!parts.faults.is_empty(), "there is something to be left out");
    assert_eq!(kept(&parts.faults, faults), 0, "{}", shrunk.mask);
    assert!((1..=2).contains(&kept(&parts.seats, seats)), "{}", shrunk.mask);
    assert!((1..=8).contains(&kept(&parts.messages, messages)), "{}", shrunk.mask);
}
