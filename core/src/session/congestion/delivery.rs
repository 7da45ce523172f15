//! What the path delivers: rate samples per acknowledgement, their recent maximum, rounds, and the losses that are
//! the path's own. It decides nothing.

use crate::time::Instant;

/// Rounds after which the older half of the rate maximum is forgotten: long enough to bridge a drained queue, short
/// enough to follow a path that became slower.
const RATE_ROUNDS: u32 = 5;

/// Packets that make one loss sample: at 10 % loss it then scatters by 2 % and not more.
const LOSS_SAMPLE_PACKETS: u32 = 256;

/// How long half of the memory of the loss floor lasts.
const LOSS_FLOOR_NANOS: i64 = 5_000_000_000;

/// What the controller wants to remember of a sent packet.
#[derive(Clone, Copy, Debug)]
pub struct SendMark {
    /// Bytes delivered when it was sent.
    delivered: u64,
    /// When those bytes were known to be delivered.
    delivered_at: Instant,
    /// When the newest packet acknowledged at that time had been sent.
    base_sent_at: Instant,
    /// When it was sent.
    sent_at: Instant,
    /// Whether the session lacked data around that time, so that the sample may be too low.
    app_limited: bool,
    /// Whether the window was in use, so that what happened to the packet tells something about the window.
    in_use: bool,
}

impl SendMark {
    /// Whether the window, and not a lack of data, ruled when the packet was sent.
    pub(super) fn is_limited(&self) -> bool {
        self.in_use && !self.app_limited
    }
}

/// Counts what was sent, delivered and lost.
#[derive(Debug)]
pub(super) struct Delivery {
    delivered: u64,
    delivered_at: Instant,
    base_sent_at: Instant,
    app_limited_until: u64,
    round_end: u64,
    round_acked: u32,
    round_lost: u32,
    rate_now: f64,
    rate_old: f64,
    rate_last: f64,
    rate_rounds: u32,
    loss: LossFloor,
}

/// What a finished round was like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// Packets acknowledged or lost in it.
    pub(super) packets: u32,
    /// Packets lost in it.
    pub(super) lost: u32,
}

impl Delivery {
    pub(super) fn new(now: Instant) -> Self {
        Delivery {
            delivered: 0,
            delivered_at: now,
            base_sent_at: now,
            app_limited_until: 0,
            round_end: 0,
            round_acked: 0,
            round_lost: 0,
            rate_now: 0.0,
            rate_old: 0.0,
            rate_last: 0.0,
            rate_rounds: 0,
            loss: LossFloor::new(now),
        }
    }

    pub(super) fn mark(&mut self, now: Instant, in_use: bool, nothing_in_flight: bool) -> SendMark {
        if nothing_in_flight {
            self.delivered_at = now;
            self.base_sent_at = now;
        }
        SendMark {
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            base_sent_at: self.base_sent_at,
            sent_at: now,
            app_limited: self.app_limited_until > self.delivered,
            in_use,
        }
    }

    pub(super) fn on_acked(&mut self, now: Instant, bytes: usize, mark: &SendMark) {
        self.delivered += bytes as u64;
        self.delivered_at = now;
        self.base_sent_at = self.base_sent_at.max(mark.sent_at);
        self.round_acked += 1;
        self.loss.on_packet(now, false);
    }

    pub(super) fn on_lost(&mut self, now: Instant) {
        self.round_lost += 1;
        self.loss.on_packet(now, true);
    }

    pub(super) fn on_app_limited(&mut self, in_flight: usize) {
        self.app_limited_until = self.delivered + in_flight.max(1) as u64;
    }

    /// Takes a rate sample from the newest acknowledged packet.
    pub(super) fn sample(&mut self, now: Instant, mark: &SendMark) {
        let acked_for = now.as_nanos() - mark.delivered_at.as_nanos();
        let sent_for = mark.sent_at.as_nanos() - mark.base_sent_at.as_nanos();
        let nanos = acked_for.max(sent_for);
        if nanos <= 0 {
            return;
        }
        let rate = self.delivered.saturating_sub(mark.delivered) as f64 * 1e9 / nanos as f64;
        if !mark.app_limited {
            self.rate_last = rate;
        }
        if !mark.app_limited || rate > self.rate() {
            self.rate_now = self.rate_now.max(rate);
        }
    }

    /// Ends the round if this packet was sent after it had begun.
    pub(super) fn end_round(&mut self, mark: &SendMark) -> Option<Round> {
        if mark.delivered < self.round_end {
            return None;
        }
        self.round_end = self.delivered;
        let round = Round { packets: self.round_acked + self.round_lost, lost: self.round_lost };
        (self.round_acked, self.round_lost) = (0, 0);
        if !mark.app_limited {
            self.rate_rounds += 1;
            if self.rate_rounds >= RATE_ROUNDS {
                self.rate_rounds = 0;
                self.rate_old = std::mem::take(&mut self.rate_now);
            }
        }
        Some(round)
    }

    /// Forgets faster times: the path has shown that it is slower now.
    pub(super) fn forget_rates(&mut self) {
        self.rate_old = 0.0;
        self.rate_now = self.rate_last;
        self.rate_rounds = 0;
    }

    /// The highest recent delivery rate, bytes a second; zero before the first sample.
    pub(super) fn rate(&self) -> f64 {
        self.rate_now.max(self.rate_old)
    }

    /// The share of packets the path loses whatever is sent.
    pub(super) fn own_loss(&self) -> f64 {
        self.loss.floor()
    }
}

/// The lowest loss seen lately. Losses of an overrun queue vanish when less is sent; what never vanishes is the path's.
#[derive(Debug)]
struct LossFloor {
    packets: u32,
    lost: u32,
    now: f64,
    old: f64,
    turned_at: Instant,
}

impl LossFloor {
    fn new(now: Instant) -> Self {
        LossFloor { packets: 0, lost: 0, now: 1.0, old: 1.0, turned_at: now }
    }

    fn on_packet(&mut self, now: Instant, lost: bool) {
        self.packets += 1;
        self.lost += u32::from(lost);
        if self.packets < LOSS_SAMPLE_PACKETS {
            return;
        }
        if now.as_nanos() - self.turned_at.as_nanos() > LOSS_FLOOR_NANOS {
            self.turned_at = now;
            self.old = std::mem::replace(&mut self.now, 1.0);
        }
        self.now = self.now.min(f64::from(self.lost) / f64::from(self.packets));
        (self.packets, self.lost) = (0, 0);
    }

    /// Zero before the first sample.
    fn floor(&self) -> f64 {
        let floor = self.now.min(self.old);
        if floor >= 1.0 { 0.0 } else { floor }
    }
}
