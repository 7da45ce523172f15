//! How often a player speaks when it has nothing to say: quickly while the game talks, seldom when it is silent, so that
//! thousands of idle members are cheap for a server. Links announce what they are told here, so silence is never taken
//! for a failure.

use crate::star::Bond;
use crate::time::{Duration, Instant};

/// After so long without talk the rhythm becomes ..
const QUIET: [(Duration, Duration); 2] = [
    // .. this: a game between two rounds.
    (Duration::from_secs(10), Duration::from_millis(500)),
    // .. and this: a lobby in which people wait.
    (Duration::from_secs(30), Duration::from_secs(2)),
];

/// The rhythm of a tab in the background, which is not woken more often than about once a second.
const HIDDEN: Duration = Duration::from_secs(2);

/// How often a backup and a member speak that only keep in touch.
const STANDBY: Duration = Duration::from_millis(500);
/// How often two players speak that have nothing to do with each other now.
pub(super) const ASLEEP: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(super) struct StarRhythm {
    base: Duration,
    talked_at: Instant,
    /// How many rows of [`QUIET`] have passed.
    step: usize,
    hidden: bool,
}

impl StarRhythm {
    pub(super) fn new(base: Duration, now: Instant) -> Self {
        StarRhythm { base, talked_at: now, step: 0, hidden: false }
    }

    /// How often to speak.
    pub(super) fn interval(&self) -> Duration {
        let quiet = self.step.checked_sub(1).map_or(Duration::ZERO, |row| QUIET[row].1);
        let hidden = if self.hidden { HIDDEN } else { Duration::ZERO };
        self.base.max(quiet).max(hidden)
    }

    /// The game talks. True if that changes the rhythm.
    pub(super) fn on_talk(&mut self, now: Instant) -> bool {
        self.talked_at = now;
        core::mem::take(&mut self.step) > 0
    }

    pub(super) fn set_hidden(&mut self, hidden: bool) {
        self.hidden = hidden;
    }

    /// Time has passed. True if that changes the rhythm.
    pub(super) fn on_timeout(&mut self, now: Instant) -> bool {
        let before = self.step;
        while self.deadline().is_some_and(|at| at <= now) {
            self.step += 1;
        }
        self.step != before
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        QUIET.get(self.step).map(|(after, _)| self.talked_at + *after)
    }
}

/// How often we speak with somebody when there is nothing to say.
pub(super) fn interval(rhythm: &StarRhythm, bond: Option<Bond>) -> Duration {
    match bond {
        Some(Bond::Close) => rhythm.interval(),
        Some(Bond::Standby) => rhythm.interval().max(STANDBY),
        None => rhythm.interval().max(ASLEEP),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn silence_slows_it_in_two_steps_and_talk_brings_it_back() {
        let mut rhythm = StarRhythm::new(Duration::from_millis(100), at(0));
        assert!(!rhythm.on_timeout(at(9_999)));
        assert!(rhythm.on_timeout(at(10_000)));
        assert_eq!((rhythm.interval(), rhythm.deadline()), (Duration::from_millis(500), Some(at(30_000))));
        assert!(rhythm.on_timeout(at(40_000)));
        assert_eq!((rhythm.interval(), rhythm.deadline()), (Duration::from_secs(2), None));
        assert!(rhythm.on_talk(at(41_000)));
        assert_eq!((rhythm.interval(), rhythm.deadline()), (Duration::from_millis(100), Some(at(51_000))));
        rhythm.set_hidden(true);
        assert_eq!(rhythm.interval(), Duration::from_secs(2));
    }

    #[test]
    fn a_slow_base_is_never_made_quicker() {
        let mut rhythm = StarRhythm::new(Duration::from_secs(5), at(0));
        assert!(rhythm.on_timeout(at(100_000)));
        assert_eq!(rhythm.interval(), Duration::from_secs(5));
    }
}
