//! What a session promises for its messages, whatever happens below: two sessions over two paths that lose, double,
//! reorder, damage, close and open again as an arbitrary schedule says, and become good in the end.

use crate::pipes::{Act, Fate, Flaw, KEYS, Message, Quirk, Side, World};
use quickcheck::{Arbitrary, Gen};
use std::collections::BTreeSet;
use webstar_core::config::SessionConfig;
use webstar_core::id::MessageId;
use webstar_core::time::Duration;
use webstar_core::wire::frame::{Delivery, Priority};

/// Schedules per property.
const SCHEDULES: u64 = 150;
/// How long after the pipes have become good everything kept must have arrived, in virtual time. Three probe time-outs
/// at their longest, and the bulk over a path that starts anew.
const CATCHING_UP: Duration = Duration::from_secs(120);

/// Settings and what happens.
#[derive(Clone, Debug)]
struct Schedule {
    tight: bool,
    tick: bool,
    protect: bool,
    weather: Fate,
    acts: Vec<Act>,
}

impl Arbitrary for Schedule {
    fn arbitrary(g: &mut Gen) -> Self {
        Schedule {
            tight: bool::arbitrary(g),
            tick: bool::arbitrary(g),
            protect: bool::arbitrary(g),
            weather: Fate::arbitrary(g),
            acts: Vec::arbitrary(g),
        }
    }

    fn shrink(&self) -> Box<dyn Iterator<Item = Self>> {
        let whole = self.clone();
        Box::new(self.acts.shrink().map(move |acts| Schedule { acts, ..whole.clone() }))
    }
}

impl Schedule {
    fn config(&self) -> SessionConfig {
        let (max_message, send_buffer) = if self.tight { (20_000, 30_000) } else { (100_000, 300_000) };
        SessionConfig {
            max_message,
            send_buffer,
            receive_buffer: if self.tight { 64 * 1024 } else { 4 << 20 },
            tick: self.tick.then_some(Duration::from_millis(16)),
            // Below zero: always.
            protect_above: if self.protect { -1.0 } else { 0.01 },
            ..SessionConfig::default()
        }
    }

    /// Plays it, lets the pipes become good, and waits.
    fn play(&self, quirk: Option<Quirk>) -> World {
        let mut world = World::new(self.config(), self.weather, quirk);
        for act in &self.acts {
            world.act(act);
        }
        world.become_good();
        world.wait(CATCHING_UP);
        world
    }
}

/// What a property says of one direction of a world after all has happened.
type Property = fn(&World, Side) -> Result<(), String>;

fn judge(property: Property, schedule: &Schedule) -> Result<(), String> {
    let world = schedule.play(None);
    Side::BOTH.into_iter().try_for_each(|side| property(&world, side))
}

/// A world with this quirk must break the property within as many schedules as it is judged by.
fn turns_red(property: Property, quirk: Quirk) {
    let mut g = schedules();
    let is_red = (0..SCHEDULES).any(|_| {
        let world = Schedule::arbitrary(&mut g).play(Some(quirk));
        Side::BOTH.into_iter().any(|side| property(&world, side).is_err())
    });
    assert!(is_red, "{quirk:?} went unnoticed");
}

/// The same schedules on every run.
fn schedules() -> Gen {
    Gen::from_size_and_seed(100, 1)
}

/// What was sent and what was received of one delivery, by priority.
fn by_priority(world: &World, side: Side, delivery: Delivery) -> [(Vec<&Message>, Vec<&Message>); 4] {
    Priority::ALL.map(|priority| {
        let is_of = |message: &&Message| message.delivery == delivery && message.priority == priority;
        let sent = world.sent(side).iter().map(|(_, message)| message).filter(is_of).collect();
        (sent, world.received(side.other()).iter().filter(is_of).collect())
    })
}

fn ordered_arrive_once_and_in_order(world: &World, side: Side) -> Result<(), String> {
    for (sent, received) in by_priority(world, side, Delivery::Ordered) {
        let same = sent.iter().zip(&received).take_while(|(sent, received)| sent == received).count();
        if same < sent.len().max(received.len()) {
            let (sent, received) = (sent.get(same), received.get(same));
            return Err(format!("from {side:?} {received:?} came as number {same}, where {sent:?} was sent"));
        }
    }
    Ok(())
}

fn reliable_arrive_once(world: &World, side: Side) -> Result<(), String> {
    for (mut sent, mut received) in by_priority(world, side, Delivery::Reliable) {
        sent.sort();
        received.sort();
        if sent != received {
            return Err(format!("{side:?} sent {sent:?}, {received:?} came"));
        }
    }
    Ok(())
}

fn latest_never_go_back_and_end_with_the_newest(world: &World, side: Side) -> Result<(), String> {
    for (sent, received) in by_priority(world, side, Delivery::Latest) {
        for key in 0..KEYS {
            let of_key =
                |all: &[&'_ Message]| all.iter().filter(|message| message.key == key).map(|m| (*m).clone()).collect();
            let (sent, received): (Vec<Message>, Vec<Message>) = (of_key(&sent), of_key(&received));
            if sent.last() != received.last() {
                return Err(format!("from {side:?} {received:?} came of {sent:?}, not the newest"));
            }
            let mut rest = sent.iter();
            if let Some(stray) = received.iter().find(|received| !rest.any(|sent| sent == *received)) {
                return Err(format!("from {side:?} {stray:?} came out of the order of {sent:?}"));
            }
        }
    }
    Ok(())
}

fn unreliable_arrive_at_most_once(world: &World, side: Side) -> Result<(), String> {
    for (mut sent, received) in by_priority(world, side, Delivery::Unreliable) {
        for message in received {
            let Some(at) = sent.iter().position(|sent| *sent == message) else {
                return Err(format!("{message:?} came from {side:?} once more than it was sent"));
            };
            sent.swap_remove(at);
        }
    }
    Ok(())
}

fn messages_come_as_they_were_sent(world: &World, side: Side) -> Result<(), String> {
    let sent: BTreeSet<&Message> = world.sent(side).iter().map(|(_, message)| message).collect();
    match world.received(side.other()).iter().find(|received| !sent.contains(received)) {
        Some(stray) => Err(format!("{side:?} never sent {stray:?}")),
        None => Ok(()),
    }
}

fn memory_is_bounded(world: &World, side: Side) -> Result<(), String> {
    match world.excess(side) {
        Some(excess) => Err(format!("{side:?}: {excess}")),
        None => Ok(()),
    }
}

fn kept_messages_are_acknowledged_once_and_leave_nothing_behind(world: &World, side: Side) -> Result<(), String> {
    let acked = world.acked(side);
    if !acked.is_sorted_by(|earlier, later| earlier < later) {
        return Err(format!("{side:?}: some were acknowledged twice: {acked:?}"));
    }
    let is_missing = |&&(id, ref message): &&(MessageId, Message)| {
        matches!(message.delivery, Delivery::Ordered | Delivery::Reliable) && acked.binary_search(&id).is_err()
    };
    if let Some(missing) = world.sent(side).iter().find(is_missing) {
        return Err(format!("{side:?}: {missing:?} was never acknowledged"));
    }
    match world.left_behind(side) {
        Some(left) => Err(format!("{side:?}: {left}")),
        None => Ok(()),
    }
}

fn drained_follows_full_once(world: &World, side: Side) -> Result<(), String> {
    let (refusals, drains) = world.refusals(side);
    if refusals == drains { Ok(()) } else { Err(format!("{side:?}: {drains} of {refusals} refusals were followed up")) }
}

/// A property that holds, and the quirk of a world in which it does not.
macro_rules! promises {
    ($($property:ident, $quirk:expr;)*) => {
        mod promise {
            $(#[test]
            fn $property() {
                fn judge(schedule: super::Schedule) -> Result<(), String> {
                    super::judge(super::$property, &schedule)
                }
                let mut schedules = quickcheck::QuickCheck::new().rng(super::schedules()).tests(super::SCHEDULES);
                schedules.quickcheck(judge as fn(super::Schedule) -> Result<(), String>);
            })*
        }
        mod canary {
            use super::{Flaw, Quirk};
            $(#[test]
            fn $property() {
                super::turns_red(super::$property, $quirk);
            })*
        }
    };
}

promises! {
    ordered_arrive_once_and_in_order, Quirk::Observer(Flaw::Swap);
    reliable_arrive_once, Quirk::Observer(Flaw::Double);
    latest_never_go_back_and_end_with_the_newest, Quirk::Observer(Flaw::Swap);
    unreliable_arrive_at_most_once, Quirk::Observer(Flaw::Double);
    messages_come_as_they_were_sent, Quirk::Observer(Flaw::Change);
    memory_is_bounded, Quirk::NoRoom;
    kept_messages_are_acknowledged_once_and_leave_nothing_behind, Quirk::NeverGood;
    drained_follows_full_once, Quirk::Observer(Flaw::Forget);
}
