//! The messages of `--flood`: which is due when, and what is in it. Sends nothing.

use super::values::Flood;
use std::time::Duration;
use webstar_core::id::PlayerId;
use webstar_core::time::Instant;

/// A flood that runs.
#[derive(Debug)]
pub(super) struct Flooding {
    flood: Flood,
    begun: Option<Instant>,
    sent: u64,
}

impl Flooding {
    pub(super) fn new(flood: Flood) -> Self {
        Flooding { flood, begun: None, sent: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.sent >= self.flood.count
    }

    /// How many were taken.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// When the next message is due. The first call begins the flood.
    pub(super) fn next_at(&mut self, now: Instant) -> Instant {
        let begun = *self.begun.get_or_insert(now);
        match self.flood.rate {
            0.0 => begun,
            rate => begun + Duration::try_from_secs_f64(self.sent as f64 / rate).unwrap_or(Duration::MAX),
        }
    }

    /// The next message: `sender:number:` from 1, filled up to the size.
    pub(super) fn payload(&self, sender: PlayerId) -> Vec<u8> {
        let mut payload = format!("{}:{}:", sender.0, self.sent + 1).into_bytes();
        payload.resize(payload.len().max(self.flood.size), b'x');
        payload
    }

    /// The message was taken.
    pub(super) fn on_sent(&mut self) {
        self.sent += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_due_at_their_rate() {
        let mut flooding = Flooding::new("4:8:2".parse().unwrap());
        let begin = Instant::from_nanos(5);
        assert_eq!(flooding.next_at(begin), begin);
        assert_eq!(flooding.payload(PlayerId(2)), b"2:1:xxxx");
        flooding.on_sent();
        assert!(!flooding.is_done());
        assert_eq!(flooding.next_at(begin + Duration::from_secs(9)), begin + Duration::from_millis(250));
        assert_eq!(flooding.payload(PlayerId(12_345_678)), b"12345678:2:");
        flooding.on_sent();
        assert!(flooding.is_done());
    }
}
