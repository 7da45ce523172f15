//! Deadlines of many things in one order. Each thing has at most one entry and keeps its moment beside itself; an entry
//! may come early, never late, so that a deadline which moves on all the time costs nothing until it comes.

use crate::time::Instant;
use std::collections::BTreeSet;

/// The entries.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    entries: BTreeSet<(Instant, K)>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(crate) fn new() -> Self {
        Timers { entries: BTreeSet::new() }
    }

    /// The earliest entry.
    pub(crate) fn first(&self) -> Option<(Instant, K)> {
        self.entries.first().copied()
    }

    /// Sees to it that the thing is called at `wanted` at the latest. `armed` is what the thing keeps. An entry that is
    /// earlier stays: whoever is called looks at its true deadline and arms anew.
    pub(crate) fn arm(&mut self, key: K, armed: &mut Option<Instant>, wanted: Option<Instant>) {
        let Some(wanted) = wanted else { return };
        if armed.is_some_and(|armed| armed <= wanted) {
            return;
        }
        self.disarm(key, armed);
        self.entries.insert((wanted, key));
        *armed = Some(wanted);
    }

    /// Takes the entry away: the thing is gone.
    pub(crate) fn disarm(&mut self, key: K, armed: &mut Option<Instant>) {
        if let Some(at) = armed.take() {
            self.entries.remove(&(at, key));
        }
    }

    /// The next thing that is due. Its entry is gone: what it keeps is to be emptied.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, key) = self.first()?;
        if at > now {
            return None;
        }
        self.entries.pop_first();
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: i64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn an_earlier_wish_moves_the_entry_and_a_later_one_does_not() {
        let (mut timers, mut armed) = (Timers::new(), None);
        for (wish, entry) in [(Some(9), 9), (None, 9), (Some(12), 9), (Some(4), 4), (Some(4), 4)] {
            timers.arm('a', &mut armed, wish.map(at));
            assert_eq!((armed, timers.first()), (Some(at(entry)), Some((at(entry), 'a'))));
            assert_eq!(timers.entries.len(), 1);
        }
    }

    #[test]
    fn what_is_due_comes_in_order_and_once() {
        let (mut timers, mut armed) = (Timers::new(), [None; 3]);
        for (key, nanos) in [(0, 5), (1, 3), (2, 7)] {
            timers.arm(key, &mut armed[key], Some(at(nanos)));
        }
        timers.disarm(0, &mut armed[0]);
        assert_eq!(
            [timers.pop(at(2)), timers.pop(at(7)), timers.pop(at(7)), timers.pop(at(7))],
            [None, Some(1), Some(2), None]
        );
    }
}
