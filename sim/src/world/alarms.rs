//! Who is to be called when. What is done at the call is the world's business.

use core::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use webstar_core::time::Instant;

/// Everything in a world that can wait for a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Who {
    /// An answer to a question of the server, by number.
    Answer(u64),
    /// The wall clock is told to the server.
    WallClock,
    /// A shard of the server.
    Shard(usize),
    /// A connection.
    Cable(usize),
    /// A direct way.
    Wire(usize),
    /// A player, guest or probe.
    Seat(usize),
}

/// All alarms that are set.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// Every setting, among them those that were replaced since: cheaper than to seek and remove them.
    queue: BinaryHeap<Reverse<(Instant, Who)>>,
    answers: BTreeMap<u64, Instant>,
    wall_clock: Option<Instant>,
    shards: Vec<Option<Instant>>,
    cables: Vec<Option<Instant>>,
    wires: Vec<Option<Instant>>,
    seats: Vec<Option<Instant>>,
}

impl Alarms {
    /// From now on this is when to call: never, if there is no moment.
    pub(super) fn set(&mut self, who: Who, at: Option<Instant>) {
        if self.replace(who, at) != at
            && let Some(at) = at
        {
            self.queue.push(Reverse((at, who)));
        }
    }

    /// Takes the first alarm up to this moment.
    pub(super) fn take(&mut self, until: Instant) -> Option<(Instant, Who)> {
        while let Some(&Reverse((at, who))) = self.queue.peek() {
            if at > until {
                return None;
            }
            self.queue.pop();
            let set = self.replace(who, None);
            if set == Some(at) {
                return Some((at, who));
            }
            self.replace(who, set);
        }
        None
    }

    /// Sets one moment and tells what it was before.
    fn replace(&mut self, who: Who, at: Option<Instant>) -> Option<Instant> {
        let (list, index) = match who {
            Who::Answer(number) => {
                return match at {
                    Some(at) => self.answers.insert(number, at),
                    None => self.answers.remove(&number),
                };
            }
            Who::WallClock => return core::mem::replace(&mut self.wall_clock, at),
            Who::Shard(index) => (&mut self.shards, index),
            Who::Cable(index) => (&mut self.cables, index),
            Who::Wire(index) => (&mut self.wires, index),
            Who::Seat(index) => (&mut self.seats, index),
        };
        if list.len() <= index {
            list.resize(index + 1, None);
        }
        core::mem::replace(&mut list[index], at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_replaced_does_not_ring_and_what_rings_together_rings_in_order() {
        let at = Instant::from_nanos;
        let mut alarms = Alarms::default();
        alarms.set(Who::Seat(1), Some(at(5)));
        alarms.set(Who::Seat(0), Some(at(9)));
        alarms.set(Who::Cable(3), Some(at(5)));
        alarms.set(Who::Seat(1), Some(at(7)));
        alarms.set(Who::Seat(1), Some(at(5)));
        alarms.set(Who::Seat(0), None);
        assert_eq!(alarms.take(at(4)), None);
        let taken: Vec<_> = core::iter::from_fn(|| alarms.take(at(100))).collect();
        assert_eq!(taken, [(at(5), Who::Cable(3)), (at(5), Who::Seat(1))]);
    }
}
