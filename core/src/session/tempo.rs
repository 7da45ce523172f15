//! When a path must speak, and when it is expected to be heard. Every packet announces the longest gap to the next;
//! a longer gap is used only once an announcement of it has been acknowledged, so that the other side never counts
//! as missing what was never promised.

use crate::time::{Duration, Instant};
use crate::wire::rhythm::Rhythm;

/// A slower rhythm is announced when it is this many steps (of sixteen an octave) away: a fifth.
const STEP_UP: u8 = 4;

/// The sending side of one path.
#[derive(Debug)]
pub(crate) struct Tempo {
    /// What the other side relies on.
    bound: Rhythm,
    announcing: Rhythm,
    last_sent: Instant,
    /// What follows from the last packet and what binds: it is asked for far more often than it changes.
    due: Instant,
    last_talk: Option<Instant>,
    talk_gap: Duration,
}

impl Tempo {
    pub(crate) fn new(now: Instant, interval: Duration) -> Self {
        let rhythm = Rhythm::at_least(interval);
        let due = now + rhythm.interval();
        Tempo { bound: rhythm, announcing: rhythm, last_sent: now, due, last_talk: None, talk_gap: interval }
    }

    /// What the next packet announces. `idle` is the rhythm without talk, `quickest` the quickest worth promising;
    /// `None` on paths not in use, which follow `idle` alone.
    pub(crate) fn announce(&mut self, now: Instant, idle: Duration, quickest: Option<Duration>) -> Rhythm {
        let wanted = match (quickest, self.last_talk) {
            (Some(quickest), Some(last)) => (self.talk_gap.max(now.since(last)) * 3 / 2).max(quickest).min(idle),
            _ => idle,
        };
        let wanted = Rhythm::at_least(wanted);
        let is_slower = || wanted.0 >= self.announcing.0.saturating_add(STEP_UP) || wanted == Rhythm::at_least(idle);
        if wanted < self.announcing || (wanted > self.announcing && is_slower()) {
            self.announcing = wanted;
        }
        self.bind(self.bound.min(self.announcing));
        self.announcing
    }

    fn bind(&mut self, bound: Rhythm) {
        if self.bound != bound {
            self.bound = bound;
            self.due = self.last_sent + bound.interval();
        }
    }

    /// A packet has left; `talks` if it carried messages.
    pub(crate) fn on_sent(&mut self, now: Instant, talks: bool) {
        self.last_sent = now;
        self.due = now + self.bound.interval();
        if talks {
            if let Some(last) = self.last_talk
                && now > last
            {
                self.talk_gap = (self.talk_gap * 3 + now.since(last)) / 4;
            }
            self.last_talk = Some(now);
        }
    }

    /// A packet that announced `rhythm` has been acknowledged.
    pub(crate) fn on_acked(&mut self, rhythm: Rhythm) {
        if rhythm == self.announcing {
            self.bind(self.bound.max(rhythm));
        }
    }

    /// When the next packet must leave.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }
}

/// The receiving side of one path.
#[derive(Debug)]
pub(crate) struct Heard {
    at: Instant,
    newest: Option<u64>,
    /// What the newest packet has promised.
    expected: Duration,
}

impl Heard {
    pub(crate) fn new(now: Instant) -> Self {
        Heard { at: now, newest: None, expected: Duration::ZERO }
    }

    pub(crate) fn on_packet(&mut self, now: Instant, number: u64, rhythm: Rhythm) {
        self.at = now;
        if self.newest.is_none_or(|newest| number > newest) {
            self.newest = Some(number);
            self.expected = rhythm.interval();
        }
    }

    /// When something was heard last.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// The longest gap the other side has promised; zero if it has promised nothing yet.
    pub(crate) fn expected(&self) -> Duration {
        self.expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(100);
    const QUICK: Duration = Duration::from_millis(20);

    fn at(millis: i64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_quicker_rhythm_binds_at_once_and_a_slower_one_once_acknowledged() {
        let mut tempo = Tempo::new(at(0), IDLE);
        for millis in (0..1_000).step_by(16) {
            tempo.announce(at(millis), IDLE, Some(QUICK));
            tempo.on_sent(at(millis), true);
        }
        assert_eq!(tempo.due(), at(992) + Duration::from_millis(24));
        let slow = tempo.announce(at(1_016), IDLE, Some(QUICK));
        tempo.on_sent(at(1_016), false);
        assert_eq!(slow.interval(), Duration::from_millis(36));
        assert_eq!(tempo.due(), at(1_040), "not acknowledged yet");
        tempo.on_acked(slow);
        assert_eq!(tempo.due(), at(1_052));
    }

    #[test]
    fn a_path_not_in_use_slows_down_to_its_idle_rhythm() {
        let mut tempo = Tempo::new(at(0), IDLE);
        let warm = Duration::from_secs(15);
        let announced = tempo.announce(at(10), warm, None);
        tempo.on_sent(at(10), false);
        assert_eq!(tempo.due(), at(110));
        tempo.on_acked(announced);
        assert!(tempo.due() >= at(15_010) && tempo.due() < at(16_010));
    }
}
