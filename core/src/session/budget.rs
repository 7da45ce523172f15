//! The budget on a path with a congestion control below that collapses under loss. The less of that window is asked
//! for, the later it collapses: so the rate follows the measured loss by a calibrated table, and nothing is written
//! while the pipe holds more than that rate can account for.

use super::curve;
use super::pacing::Room;
use crate::time::{Duration, Instant};

/// Bytes a second that the path bears without stalls, by loss: found by sweeping rates at a round trip of 100 ms, at 10 %
/// over real connections, at 5 % and 15 % between that and their neighbours, and else over the model of the path. They
/// include headers, acknowledgements and what is sent again.
const BEARABLE: [(f64, f64); 6] =
    [(0.005, 120_000.0), (0.02, 50_000.0), (0.05, 35_000.0), (0.10, 25_000.0), (0.15, 20_000.0), (0.30, 7_000.0)];
/// Below this loss the pipe's own control alone limits the rate.
const CLEAN: f64 = 0.005;
/// Bytes that may wait in a clean pipe: enough to keep it busy, little enough to keep its cost and delay low. The pipe must
/// have room for a packet more: what it refuses is lost.
const CLEAN_BUFFER: usize = 24 * 1024;
/// Bytes that a lossy pipe may hold, what is under way included: the budget of about three round trips.
const LOSSY_BUFFER: usize = 5_000;
/// How much unused budget may be saved up, in time.
const SAVED: Duration = Duration::from_millis(100);

/// The budget of one path.
#[derive(Debug)]
pub(crate) struct Budget {
    saved: f64,
    at: Instant,
    buffered: usize,
    max_packet: usize,
}

impl Budget {
    pub(crate) fn new(now: Instant, max_packet: usize) -> Self {
        Budget { saved: max_packet as f64, at: now, buffered: 0, max_packet }
    }

    /// Bytes a second at a measured loss.
    pub(crate) fn rate(loss: f64) -> f64 {
        curve::at(&BEARABLE, loss)
    }

    fn saved_by(&self, now: Instant, loss: f64) -> f64 {
        let rate = Self::rate(loss);
        let cap = (rate * SAVED.as_secs_f64()).max(self.max_packet as f64);
        (self.saved + now.since(self.at).as_secs_f64() * rate).min(cap)
    }

    pub(crate) fn room(&self, now: Instant, loss: f64) -> Room {
        if loss < CLEAN {
            return if self.buffered < CLEAN_BUFFER { Room::Now } else { Room::Later };
        }
        if self.buffered > LOSSY_BUFFER {
            return Room::Later;
        }
        match self.saved_by(now, loss) {
            saved if saved >= 0.0 => Room::Now,
            debt => Room::At(now + Duration::from_secs_f64(-debt / Self::rate(loss)) + Duration::from_micros(1)),
        }
    }

    /// Whether a critical message may overdraw the budget: by two packets at most.
    pub(crate) fn bears_critical(&self) -> bool {
        self.buffered <= LOSSY_BUFFER && self.saved > -2.0 * self.max_packet as f64
    }

    pub(crate) fn on_sent(&mut self, now: Instant, bytes: usize, loss: f64) {
        self.saved = self.saved_by(now, loss) - bytes as f64;
        self.at = now;
        self.buffered = self.buffered.saturating_add(bytes);
    }

    pub(crate) fn on_buffered(&mut self, bytes: usize) {
        self.buffered = bytes;
    }
}
