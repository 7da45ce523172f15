//! Spreads packets over time at a given rate, in small bursts so that no timer is needed per packet.

use crate::time::{Duration, Instant};

/// Worth of sending that may leave at once: fewer wake-ups than packets at high rates, little queue at any.
const BURST_SECONDS: f64 = 0.001;

/// Packets that may leave at once however slow the path is.
const BURST_PACKETS: f64 = 2.0;

/// Bursts that may be left to pay for.
const FORGIVEN_BURSTS: u32 = 4;

/// A pacer. It holds the moment at which all that was sent is paid for.
#[derive(Debug)]
pub(super) struct Pacer {
    paid_at: Instant,
    rate: f64,
    burst: Duration,
}

impl Pacer {
    pub(super) fn new(now: Instant, rate: f64, packet: f64) -> Self {
        let mut pacer = Pacer { paid_at: now, rate: 1.0, burst: Duration::ZERO };
        pacer.set_rate(now, rate, packet);
        pacer
    }

    /// What was left to pay at a rate far lower, from a time when nothing came through, is forgiven.
    pub(super) fn set_rate(&mut self, now: Instant, rate: f64, packet: f64) {
        self.rate = rate.max(1.0);
        let seconds = BURST_SECONDS.max(BURST_PACKETS * packet / self.rate);
        self.burst = Duration::from_nanos((seconds * 1e9) as u64);
        self.paid_at = self.paid_at.min(now + self.burst * FORGIVEN_BURSTS);
    }

    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    pub(super) fn on_sent(&mut self, now: Instant, bytes: usize) {
        let cost = Duration::from_nanos((bytes as f64 * 1e9 / self.rate) as u64);
        self.paid_at = self.paid_at.max(now) + cost;
    }

    /// Within a burst at once; after it, when all is paid, so that the next burst is a whole one.
    pub(super) fn release(&self, now: Instant) -> Instant {
        if now + self.burst > self.paid_at { now } else { self.paid_at }
    }
}
