//! The most that a player sends to all others together: one bucket for all its links, and whose turn it is. It fills at the
//! given rate, and every packet is taken from it. When it is empty, messages of all links wait in their lanes until some
//! is saved again; what keeps the star alive (heartbeats, acknowledgements, critical frames) leaves all the same, and is
//! paid for by what waits. Which packets those are is the session's business.

use crate::path::relay::MAX_PACKET;
use crate::time::{Duration, Instant};

/// How much that was not used may be saved up, in time: the frames of a game at 20 Hz may come as they come.
const SAVED: Duration = Duration::from_millis(50);
/// .. but at least two of the longest packets.
const SAVED_PACKETS: usize = 2;
/// Messages never wait longer than this. A limit below what the star itself needs is broken by some packets a second then:
/// a game that says nothing at all is no better.
const PATIENCE: Duration = Duration::from_secs(2);

/// The bucket is empty.
#[derive(Clone, Copy, Debug)]
struct Closed {
    since: Instant,
    until: Instant,
}

/// The bucket of one player.
#[derive(Debug)]
pub(super) struct Upload {
    /// Bytes a second.
    rate: f64,
    /// Bytes that may be saved up.
    most: f64,
    saved: f64,
    at: Instant,
    closed: Option<Closed>,
    /// Where the link whose turn was last stood: who has been silent begins there, and saves up no turns.
    turn: u64,
}

impl Upload {
    pub(super) fn new(bytes_per_second: u64, now: Instant) -> Self {
        let rate = bytes_per_second.max(1) as f64;
        let most = (rate * SAVED.as_secs_f64()).max((SAVED_PACKETS * MAX_PACKET) as f64);
        Upload { rate, most, saved: most, at: now, closed: None, turn: 0 }
    }

    /// Until when messages wait, if they may not leave now.
    pub(super) fn closed_until(&mut self, now: Instant) -> Option<Instant> {
        let closed = self.closed?;
        if now < closed.until {
            return Some(closed.until);
        }
        self.fill(now);
        // What is not paid by now is forgiven.
        self.saved = self.saved.max(self.enough());
        self.closed = None;
        None
    }

    /// Where a link stands that has spent so much: the one that stands lowest is the next to write.
    pub(super) fn place(&self, spent: u64) -> u64 {
        spent.max(self.turn)
    }

    /// A link writes a packet; `spent` is what it has spent so far.
    pub(super) fn on_sent(&mut self, now: Instant, bytes: usize, spent: &mut u64) {
        let place = self.place(*spent);
        *spent = place + bytes as u64;
        self.fill(now);
        self.saved -= bytes as f64;
        if self.closed.is_none() {
            self.turn = place;
        }
        if self.closed.is_some() || self.saved <= 0.0 {
            let since = self.closed.map_or(now, |closed| closed.since);
            let wait = Duration::from_secs_f64((self.enough() - self.saved).max(0.0) / self.rate);
            self.closed = Some(Closed { since, until: (now + wait).min(since + PATIENCE) });
        }
    }

    /// So much is saved when messages leave again: links wake for some packets, not for each.
    fn enough(&self) -> f64 {
        self.most / 2.0
    }

    fn fill(&mut self, now: Instant) {
        self.saved = (self.saved + now.since(self.at).as_secs_f64() * self.rate).min(self.most);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_burst_leaves_at_once_and_then_half_a_burst_at_a_time() {
        let (mut upload, mut spent) = (Upload::new(100_000, at(0)), 0);
        for _ in 0..4 {
            assert_eq!(upload.closed_until(at(0)), None);
            upload.on_sent(at(0), 1_250, &mut spent);
        }
        assert_eq!(upload.closed_until(at(24)), Some(at(25)), "5,000 bytes were saved; 2,500 come in 25 ms");
        assert_eq!(upload.closed_until(at(25)), None);
        upload.on_sent(at(25), 2_600, &mut spent);
        assert_eq!(upload.closed_until(at(26)), Some(at(51)), "what was overdrawn is paid for");
    }

    #[test]
    fn what_must_leave_meanwhile_is_paid_for_by_what_waits_but_not_for_ever() {
        let (mut upload, mut spent) = (Upload::new(10_000, at(0)), 0);
        upload.on_sent(at(0), 4_096, &mut spent);
        let before = upload.closed_until(at(0)).expect("it is empty");
        upload.on_sent(at(100), 100, &mut spent);
        assert_eq!(upload.closed_until(at(100)), Some(before + Duration::from_millis(10)));
        for round in 2..=20 {
            upload.on_sent(at(round * 100), 2_000, &mut spent);
        }
        assert_eq!(upload.closed_until(at(1_999)), Some(at(2_000)));
        assert_eq!(upload.closed_until(at(2_000)), None);
    }

    #[test]
    fn the_turn_goes_by_bytes_and_silence_saves_up_none() {
        let mut upload = Upload::new(1_000_000, at(0));
        let mut spent = [0; 2];
        for _ in 0..30 {
            let next = usize::from(upload.place(spent[1]) < upload.place(spent[0]));
            upload.on_sent(at(0), [1_000, 250][next], &mut spent[next]);
        }
        assert!(spent[0].abs_diff(spent[1]) <= 1_000, "{spent:?}");
        let mut late = 0;
        upload.on_sent(at(1), 100, &mut late);
        assert!(late + 1_000 >= spent[0], "{late} {spent:?}");
    }
}
