//! When messages may leave, where they leave together: at one moment, and then not before a tick has passed. Who has been
//! silent for longer speaks at once.

use crate::time::{Duration, Instant};

/// Who speaks once in a tick himself is not punctual: what comes this share of a tick too early need not wait.
const EARLY: u32 = 8;

/// The ticks of one conversation.
#[derive(Debug)]
pub(crate) struct Ticks {
    /// The moment at which messages left last: more may follow at that very moment.
    last: Instant,
    /// What waits leaves then ..
    next: Instant,
    /// .. and what comes from then on at once.
    open: Instant,
}

impl Ticks {
    /// Nothing has left yet.
    pub(crate) fn new(now: Instant) -> Self {
        Ticks { last: now, next: now, open: now }
    }

    /// Whether messages may leave now.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        now >= self.open || now == self.last
    }

    /// All that waited has left.
    pub(crate) fn on_talk(&mut self, now: Instant, tick: Duration) {
        self.last = now;
        self.next = now + tick;
        self.open = self.next - tick / EARLY;
    }

    /// Others began their tick then: ours begins too, unless it has begun already.
    pub(crate) fn join(&mut self, at: Instant, tick: Duration) {
        if at >= self.open {
            self.on_talk(at, tick);
        }
    }

    /// When messages left last.
    pub(crate) fn last(&self) -> Instant {
        self.last
    }

    /// When messages may leave at the latest.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(16);

    fn at(millis: i64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn the_first_leaves_at_once_and_what_follows_with_the_next_tick() {
        let mut ticks = Ticks::new(at(0));
        assert!(ticks.is_open(at(5)));
        ticks.on_talk(at(5), TICK);
        assert!(ticks.is_open(at(5)), "more at the same moment");
        assert!(!ticks.is_open(at(6)) && !ticks.is_open(at(18)) && ticks.is_open(at(19)));
        assert_eq!((ticks.last(), ticks.next()), (at(5), at(21)));
    }

    #[test]
    fn a_tick_of_others_is_joined_and_one_that_has_begun_is_not_put_off() {
        let mut ticks = Ticks::new(at(0));
        ticks.join(at(5), TICK);
        assert!(ticks.is_open(at(5)) && !ticks.is_open(at(6)));
        ticks.join(at(12), TICK);
        assert_eq!(ticks.next(), at(21));
    }
}
