//! Packets under way, given back in the order of their arrival; and the buffers they travel in, used again and again.
//! Who arrives when is decided by the link.

use core::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use webstar_core::time::Instant;

/// Packets under way. Those that arrive in the order of sending, nearly all, never touch the heap.
#[derive(Debug, Default)]
pub(super) struct Flight {
    /// Each arrives no earlier than the one before.
    in_order: VecDeque<Flying>,
    /// The others.
    out_of_order: BinaryHeap<Flying>,
    next: u64,
}

#[derive(Debug)]
struct Flying {
    at: Instant,
    order: u64,
    packet: Vec<u8>,
    is_damaged: bool,
}

impl Flight {
    pub(super) fn push(&mut self, at: Instant, packet: Vec<u8>, is_damaged: bool) {
        let flying = Flying { at, order: self.next, packet, is_damaged };
        self.next += 1;
        if self.in_order.back().is_none_or(|last| last.at <= at) {
            self.in_order.push_back(flying);
        } else {
            self.out_of_order.push(flying);
        }
    }

    /// When the next one arrives.
    pub(super) fn next_at(&self) -> Option<Instant> {
        match (self.in_order.front(), self.out_of_order.peek()) {
            (Some(a), Some(b)) => Some(a.at.min(b.at)),
            (a, b) => a.or(b).map(|flying| flying.at),
        }
    }

    /// The next one that has arrived by now, and whether it is damaged. Those that arrive together come in the order of
    /// sending.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Vec<u8>, bool)> {
        if self.next_at()? > now {
            return None;
        }
        let from_heap = match (self.in_order.front(), self.out_of_order.peek()) {
            (Some(a), Some(b)) => (b.at, b.order) < (a.at, a.order),
            (a, _) => a.is_none(),
        };
        let flying = if from_heap { self.out_of_order.pop() } else { self.in_order.pop_front() };
        flying.map(|flying| (flying.packet, flying.is_damaged))
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.in_order.len() + self.out_of_order.len()
    }

    /// All vanish.
    pub(super) fn clear(&mut self) {
        self.in_order.clear();
        self.out_of_order.clear();
    }
}

impl Ord for Flying {
    /// The heap gives the greatest first: the earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Flying {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Flying {}

/// Empty buffers, kept so that carrying a packet allocates nothing once a run has settled.
#[derive(Debug, Default)]
pub(super) struct Pool {
    free: Vec<Vec<u8>>,
}

impl Pool {
    /// How many empty buffers are kept: more than are handed out at a time, few enough that a thousand idle pipes
    /// cost little.
    const KEEP: usize = 32;

    /// A buffer with a copy of these bytes.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let Some(mut buffer) = self.free.pop() else { return bytes.to_vec() };
        buffer.extend_from_slice(bytes);
        buffer
    }

    /// Takes a buffer back.
    pub(super) fn give(&mut self, mut buffer: Vec<u8>) {
        if self.free.len() < Pool::KEEP {
            buffer.clear();
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: i64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn packets_come_by_time_and_then_by_sending() {
        let mut flight = Flight::default();
        for (id, time) in [(0, 5), (1, 3), (2, 5), (3, 3), (4, 9), (5, 1), (6, 9)] {
            flight.push(at(time), vec![id], id == 3);
        }
        assert_eq!((flight.len(), flight.next_at()), (7, Some(at(1))));
        let early: Vec<(Vec<u8>, bool)> = core::iter::from_fn(|| flight.pop(at(5))).collect();
        assert_eq!(early, [5, 1, 3, 0, 2].map(|id| (vec![id], id == 3)));
        assert_eq!(flight.next_at(), Some(at(9)));
        let late: Vec<u8> = core::iter::from_fn(|| flight.pop(at(9))).flat_map(|(packet, _)| packet).collect();
        assert_eq!((late.as_slice(), flight.len(), flight.next_at()), ([4, 6].as_slice(), 0, None));
    }
}
