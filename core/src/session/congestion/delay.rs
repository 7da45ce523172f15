//! How long packets take: the smoothed and the smallest round trip, the standing queue above it freed of jitter, and
//! the mean time in flight. It decides nothing.

use crate::time::{Duration, Instant};

/// Half of the memory of the smallest round trip, in seconds.
const MIN_SECONDS: f64 = 7.0;

/// That in round trips, at least: on a thin path a round may take seconds.
const MIN_ROUND_TRIPS: f64 = 8.0;

/// How long the smallest round trip may go unseen, in that memory, before the queue should be drained to see it again.
/// Otherwise a standing queue would pass for the empty path in the end, and the next one stand upon it.
const UNSEEN_SHARE: f64 = 0.93;

/// Seconds above the smallest round trip that count as seeing it.
const SEEN_SECONDS: f64 = 0.0003;

/// Weight of one packet in the mean time in flight.
const FLIGHT_GAIN: f64 = 1.0 / 32.0;

/// Weight of one sample in the smoothed round trip.
const SRTT_GAIN: f64 = 1.0 / 8.0;

/// Weight of one sample in the jitter.
const JITTER_GAIN: f64 = 1.0 / 16.0;

/// Half of the stretch whose smallest round trip counts as standing, in jitters: long enough for some packet to pass
/// unhindered.
const STANDING_JITTERS: f64 = 20.0;

/// That stretch in round trips, at least: less would steer by single packets.
const STANDING_LEAST: f64 = 1.0 / 8.0;

/// And at most: more would steer by the past.
const STANDING_MOST: f64 = 1.0 / 2.0;

/// The smallest of n jittered round trips lies above an unhindered one by this many jitters over n.
const LUCK: f64 = 2.0;

/// Round trips seen in a stretch of time.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    min: f64,
    count: f64,
}

impl Bucket {
    const EMPTY: Bucket = Bucket { min: f64::INFINITY, count: 0.0 };

    fn add(&mut self, rtt: f64) {
        self.min = self.min.min(rtt);
        self.count += 1.0;
    }

    fn joined(self, other: Bucket) -> Bucket {
        Bucket { min: self.min.min(other.min), count: self.count + other.count }
    }
}

/// The delays of one path, in seconds.
#[derive(Debug)]
pub(super) struct Delay {
    srtt: f64,
    last: f64,
    /// Mean step between successive round trips: it sees jitter and no slow growth of a queue.
    jitter: f64,
    flight: f64,
    min_now: f64,
    min_old: f64,
    min_turned_at: Instant,
    min_seen_at: Instant,
    standing_now: Bucket,
    standing_old: Bucket,
    standing_turned_at: Instant,
    queue: f64,
}

impl Delay {
    pub(super) fn new(now: Instant) -> Self {
        Delay {
            srtt: 0.0,
            last: 0.0,
            jitter: 0.0,
            flight: 0.0,
            min_now: f64::INFINITY,
            min_old: f64::INFINITY,
            min_turned_at: now,
            min_seen_at: now,
            standing_now: Bucket::EMPTY,
            standing_old: Bucket::EMPTY,
            standing_turned_at: now,
            queue: 0.0,
        }
    }

    /// A packet was acknowledged.
    pub(super) fn on_acked(&mut self, now: Instant, sent_at: Instant) {
        let flight = seconds(now, sent_at);
        if self.flight == 0.0 {
            self.flight = flight;
        } else {
            // A pause of the path or of a side says nothing of the flights after it.
            let credible = 2.0 * self.srtt.max(self.flight);
            self.flight += (flight.min(credible) - self.flight) * FLIGHT_GAIN;
        }
    }

    /// A round trip was measured. `steers`: it belongs to the situation that is to be judged.
    pub(super) fn on_rtt(&mut self, now: Instant, rtt: Duration, steers: bool) {
        let rtt = rtt.as_nanos() as f64 * 1e-9;
        if self.last > 0.0 {
            self.jitter += ((rtt - self.last).abs() - self.jitter) * JITTER_GAIN;
        }
        self.last = rtt;
        self.srtt = if self.srtt == 0.0 { rtt } else { self.srtt + (rtt - self.srtt) * SRTT_GAIN };
        if seconds(now, self.min_turned_at) > self.min_memory() {
            self.min_turned_at = now;
            self.min_old = std::mem::replace(&mut self.min_now, rtt);
        }
        self.min_now = self.min_now.min(rtt);
        if rtt <= self.min() + SEEN_SECONDS {
            self.min_seen_at = now;
        }
        if steers {
            self.on_standing(now, rtt);
        }
    }

    fn on_standing(&mut self, now: Instant, rtt: f64) {
        let age = seconds(now, self.standing_turned_at);
        let stretch = (self.jitter * STANDING_JITTERS).clamp(self.srtt * STANDING_LEAST, self.srtt * STANDING_MOST);
        if age > stretch {
            self.standing_old = if age > 4.0 * stretch { Bucket::EMPTY } else { self.standing_now };
            self.standing_now = Bucket::EMPTY;
            self.standing_turned_at = now;
        }
        self.standing_now.add(rtt);
        let all = self.standing_now.joined(self.standing_old);
        self.queue = (all.min - self.min() - LUCK * self.jitter / all.count).max(0.0);
    }

    /// The situation has changed: what was standing is no longer.
    pub(super) fn forget_standing(&mut self) {
        self.standing_now = Bucket::EMPTY;
        self.standing_old = Bucket::EMPTY;
    }

    /// Takes what is measured now for the empty path.
    pub(super) fn rebase(&mut self, now: Instant) {
        let standing = self.standing_now.joined(self.standing_old).min;
        self.min_now = standing;
        self.min_old = f64::INFINITY;
        self.min_turned_at = now;
        self.min_seen_at = now;
        self.queue = 0.0;
    }

    /// Whether the smallest round trip went unseen for long; says so once.
    pub(super) fn wants_drain(&mut self, now: Instant) -> bool {
        let wants = seconds(now, self.min_seen_at) > self.min_memory() * UNSEEN_SHARE;
        if wants {
            self.min_seen_at = now;
        }
        wants
    }

    fn min_memory(&self) -> f64 {
        MIN_SECONDS.max(MIN_ROUND_TRIPS * self.srtt)
    }

    /// The smallest round trip, in seconds; infinite before the first.
    pub(super) fn min(&self) -> f64 {
        self.min_now.min(self.min_old)
    }

    /// The standing queue, in seconds.
    pub(super) fn queue(&self) -> f64 {
        self.queue
    }

    /// The last round trip, in seconds.
    pub(super) fn last(&self) -> f64 {
        self.last
    }

    /// The mean step between successive round trips, in seconds.
    pub(super) fn jitter(&self) -> f64 {
        self.jitter
    }

    /// The mean time from sending a packet to its acknowledgement, with the receiver's delay and jitter; zero before the
    /// first.
    pub(super) fn flight(&self) -> f64 {
        self.flight
    }
}

fn seconds(now: Instant, since: Instant) -> f64 {
    (now.as_nanos() - since.as_nanos()) as f64 * 1e-9
}
