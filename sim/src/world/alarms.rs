//! Who is to be called when. What is done at the call is the world's business.

use core::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
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
    /// A way of datagrams between two seats.
    Cord(usize),
    /// The WebRTC connections of a seat.
    Connections(usize),
}

impl Who {
    /// As a number, in the same order: the queue compares places all the time.
    fn code(self) -> u64 {
        let (kind, index) = match self {
            Who::Answer(number) => (0, number),
            Who::WallClock => (1, 0),
            Who::Shard(index) => (2, index as u64),
            Who::Cable(index) => (3, index as u64),
            Who::Wire(index) => (4, index as u64),
            Who::Seat(index) => (5, index as u64),
            Who::Cord(index) => (6, index as u64),
            Who::Connections(index) => (7, index as u64),
        };
        (kind << KIND_AT) | index.min(MOST)
    }

    fn of_code(code: u64) -> Who {
        let number = code & MOST;
        let index = number as usize;
        match code >> KIND_AT {
            0 => Who::Answer(number),
            1 => Who::WallClock,
            2 => Who::Shard(index),
            3 => Who::Cable(index),
            4 => Who::Wire(index),
            5 => Who::Seat(index),
            6 => Who::Cord(index),
            _ => Who::Connections(index),
        }
    }
}

/// Where the kind stands in the number ..
const KIND_AT: u32 = 56;
/// .. and how much that leaves: nothing in a world is as numerous.
const MOST: u64 = (1 << KIND_AT) - 1;

/// A place in the queue as one number: the moment, then who. No moment is before zero.
fn place_of(at: Instant, who: Who) -> u128 {
    (u128::from(at.as_nanos().cast_unsigned()) << 64) | u128::from(who.code())
}

/// When somebody is to be called.
#[derive(Clone, Copy, Default, Debug)]
struct Alarm {
    /// Then.
    at: Option<Instant>,
    /// The first of its places in the queue. It is no later than that: most alarms are put off again and again, and move
    /// in the queue only when their old place comes up.
    queued: Option<Instant>,
}

/// All alarms that are set.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    /// Every place of every alarm, among them those that count no more: cheaper than to seek and remove them.
    queue: BinaryHeap<Reverse<u128>>,
    set: Set,
}

/// The alarms, by whose they are.
#[derive(Debug, Default)]
struct Set {
    answers: BTreeMap<u64, Alarm>,
    wall_clock: Alarm,
    shards: Vec<Alarm>,
    cables: Vec<Alarm>,
    wires: Vec<Alarm>,
    seats: Vec<Alarm>,
    cords: Vec<Alarm>,
    connections: Vec<Alarm>,
}

impl Alarms {
    /// From now on this is when to call: never, if there is no moment.
    pub(super) fn set(&mut self, who: Who, at: Option<Instant>) {
        let alarm = self.set.alarm(who);
        alarm.at = at;
        if let Some(at) = at.filter(|at| alarm.queued.is_none_or(|queued| *at < queued)) {
            alarm.queued = Some(at);
            self.queue.push(Reverse(place_of(at, who)));
        }
    }

    /// Takes the first alarm up to this moment.
    pub(super) fn take(&mut self, until: Instant) -> Option<(Instant, Who)> {
        let end = place_of(until, Who::Connections(usize::MAX));
        while let Some(mut first) = self.queue.peek_mut().filter(|first| first.0 <= end) {
            let (at, who) = (Instant::from_nanos((first.0 >> 64) as i64), Who::of_code(first.0 as u64));
            let alarm = self.set.alarm(who);
            if alarm.queued != Some(at) {
                PeekMut::pop(first);
                continue;
            }
            alarm.queued = alarm.at.filter(|later| *later > at);
            if let Some(later) = alarm.queued {
                *first = Reverse(place_of(later, who));
                continue;
            }
            PeekMut::pop(first);
            let is_set = alarm.at.take().is_some();
            if let Who::Answer(number) = who {
                self.set.answers.remove(&number);
            }
            if is_set {
                return Some((at, who));
            }
        }
        None
    }
}

impl Set {
    fn alarm(&mut self, who: Who) -> &mut Alarm {
        let (list, index) = match who {
            Who::Answer(number) => return self.answers.entry(number).or_default(),
            Who::WallClock => return &mut self.wall_clock,
            Who::Shard(index) => (&mut self.shards, index),
            Who::Cable(index) => (&mut self.cables, index),
            Who::Wire(index) => (&mut self.wires, index),
            Who::Seat(index) => (&mut self.seats, index),
            Who::Cord(index) => (&mut self.cords, index),
            Who::Connections(index) => (&mut self.connections, index),
        };
        if list.len() <= index {
            list.resize(index + 1, Alarm::default());
        }
        &mut list[index]
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
