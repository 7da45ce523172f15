//! When and how this side acknowledges: soon after a packet that asks, at once when something is missing.

use super::receive::seen::Seen;
use crate::config::SessionConfig;
use crate::time::{Duration, Instant};
use crate::wire::frame;

/// So many packets that do not ask are worth telling of with a packet that leaves anyway.
const QUIET_NEWS: u32 = 16;

/// Whether a packet wants an acknowledgement, and how soon.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) enum Asks {
    /// It does not.
    #[default]
    No,
    /// It brings nothing that would be sent again: what of it is lost is only counted.
    Later,
    /// Something waits for the answer.
    Soon,
}

/// The state of what is owed.
#[derive(Debug)]
pub(crate) struct Acking {
    pub(crate) seen: Seen,
    /// When the packet with the largest number came.
    largest_at: Instant,
    /// Packets that ask and have not been answered.
    owed: u32,
    /// When an acknowledgement leaves by itself.
    due: Option<Instant>,
    /// Packets that do not ask, since the last acknowledgement.
    quiet: u32,
    /// There is something to tell with the next packet.
    has_news: bool,
}

impl Acking {
    pub(crate) fn new(now: Instant) -> Self {
        Acking { seen: Seen::new(), largest_at: now, owed: 0, quiet: 0, due: None, has_news: false }
    }

    /// A packet was taken.
    pub(crate) fn on_packet(&mut self, now: Instant, number: u64, ask: Asks, config: &SessionConfig) {
        let is_newest = number + 1 >= self.seen.end();
        let is_orderly = is_newest && self.seen.is_gapless_below(number);
        self.seen.insert(number);
        if is_newest {
            self.largest_at = now;
        }
        if ask == Asks::No {
            // To tell of them now and then is enough: only so the other side learns what need not be told again.
            self.quiet += 1;
            self.has_news |= self.quiet >= QUIET_NEWS;
            return;
        }
        self.has_news = true;
        self.owed += 1;
        let wait = match ask {
            _ if !is_orderly || self.owed >= config.ack_every => Duration::ZERO,
            Asks::Soon => config.max_ack_delay,
            Asks::Later | Asks::No => config.max_idle_ack_delay,
        };
        let due = now + wait;
        self.due = Some(self.due.map_or(due, |old| old.min(due)));
    }

    /// The symbol of a packet that has not come is known. False if that is no news.
    pub(crate) fn on_recovered(&mut self, now: Instant, number: u64, patience: Duration) -> bool {
        if !self.seen.insert_recovered(number) {
            return false;
        }
        self.has_news = true;
        let due = now + patience;
        self.due = Some(self.due.map_or(due, |old| old.min(due)));
        true
    }

    /// When an acknowledgement leaves by itself.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether a packet that leaves anyway should carry one.
    pub(crate) fn has_news(&self) -> bool {
        self.has_news
    }

    /// Writes the acknowledgement; gives the number below which the other side need not be told again.
    pub(crate) fn write(&mut self, now: Instant, out: &mut Vec<u8>) -> u64 {
        let ranges = self.seen.tell();
        let (lowest, largest) = (ranges.lowest(), ranges.largest());
        frame::write_ack(now.since(self.largest_at), ranges.iter(), self.seen.recovered(lowest, largest), out);
        self.owed = 0;
        self.quiet = 0;
        self.due = None;
        self.has_news = self.seen.has_untold();
        ranges.told_below()
    }

    /// The other side has heard of everything below `told`.
    pub(crate) fn on_heard(&mut self, told: u64) {
        self.seen.raise_floor(told);
    }
}
