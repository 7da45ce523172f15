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
    /// A way of datagrams between two seats.
    Cord(usize),
    /// The WebRTC connections of a seat.
    Connections(usize),
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
    queue: BinaryHeap<Reverse<(Instant, Who)>>,
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
        let alarm = self.alarm(who);
        alarm.at = at;
        if let Some(at) = at.filter(|at| alarm.queued.is_none_or(|queued| *at < queued)) {
            alarm.queued = Some(at);
            self.queue.push(Reverse((at, who)));
        }
    }

    /// Takes the first alarm up to this moment.
    pub(super) fn take(&mut self, until: Instant) -> Option<(Instant, Who)> {
        while let Some(&Reverse((place, who))) = self.queue.peek().filter(|Reverse((place, _))| *place <= until) {
            self.queue.pop();
            let alarm = self.alarm(who);
            if alarm.queued != Some(place) {
                continue;
            }
            alarm.queued = alarm.at.filter(|at| *at > place);
            if let Some(later) = alarm.queued {
                self.queue.push(Reverse((later, who)));
                continue;
            }
            let is_set = alarm.at.take().is_some();
            if let Who::Answer(number) = who {
                self.answers.remove(&number);
            }
            if is_set {
                return Some((place, who));
            }
        }
        None
    }

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
