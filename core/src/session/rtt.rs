//! The round trip of one path, measured on the sender's clock only, and what time-outs follow from it.

use crate::time::Duration;

/// Smoothed round trip and its deviation (RFC 6298's gains).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    var: Duration,
    latest: Duration,
    min: Duration,
    initial: Duration,
    /// The last samples, in a ring.
    recent: [Duration; RECENT],
    next: usize,
    standing: Duration,
}

/// Samples of which the smallest counts as unhindered by jitter.
const RECENT: usize = 8;

impl Rtt {
    pub(crate) fn new(initial: Duration) -> Self {
        Rtt {
            smoothed: None,
            var: initial / 2,
            latest: initial,
            min: Duration::MAX,
            initial,
            recent: [Duration::MAX; RECENT],
            next: 0,
            standing: Duration::ZERO,
        }
    }

    /// A packet came back after `elapsed`, of which the other side says it waited `delay`.
    pub(crate) fn on_sample(&mut self, elapsed: Duration, delay: Duration) {
        self.min = self.min.min(elapsed);
        // A delay that would put the sample below anything seen is not believed.
        let sample = if elapsed >= self.min + delay { elapsed - delay } else { elapsed };
        self.latest = sample;
        self.recent[self.next] = sample;
        self.next = (self.next + 1) % RECENT;
        self.standing =
            self.recent.iter().fold(sample, |quickest, recent| quickest.min(*recent)).saturating_sub(self.min);
        match self.smoothed {
            None => {
                self.smoothed = Some(sample);
                self.var = sample / 2;
            }
            Some(smoothed) => {
                let off = smoothed.abs_diff(sample);
                self.var = (self.var * 3 + off) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
            }
        }
    }

    /// The smoothed round trip, if one was measured.
    pub(crate) fn measured(&self) -> Option<Duration> {
        self.smoothed
    }

    /// The smoothed round trip, or the one assumed.
    pub(crate) fn smoothed(&self) -> Duration {
        self.smoothed.unwrap_or(self.initial)
    }

    /// The last sample.
    pub(crate) fn latest(&self) -> Duration {
        self.latest
    }

    /// How much longer even the quickest of the last round trips was than the quickest ever: a queue, ours or others'.
    pub(crate) fn standing(&self) -> Duration {
        self.standing
    }

    /// Mean deviation.
    pub(crate) fn var(&self) -> Duration {
        self.var
    }

    /// How long an answer may take before it is asked for again.
    pub(crate) fn probe_timeout(&self, ack_delay: Duration, min: Duration) -> Duration {
        (self.smoothed() + self.var * 4 + ack_delay).max(min)
    }
}

/// The share of packets lost lately: an average over the last 64 packets or, where more are under way, over the last
/// few round trips.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LossMeter {
    share: f64,
}

/// The packets of the average where few are under way.
const FEWEST: f64 = 64.0;
/// The round trips of the average where many are.
const ROUND_TRIPS: f64 = 4.0;

impl LossMeter {
    /// A packet's fate is known. `under_way` is how many packets are in flight.
    pub(crate) fn on_fate(&mut self, lost: bool, under_way: f64) {
        let weight = 1.0 / (FEWEST + ROUND_TRIPS * under_way);
        self.share += (f64::from(u8::from(lost)) - self.share) * weight;
    }

    /// A packet that had been counted as lost arrived after all.
    pub(crate) fn on_mistake(&mut self, under_way: f64) {
        self.share = (self.share - 1.0 / (FEWEST + ROUND_TRIPS * under_way)).max(0.0);
    }

    pub(crate) fn share(&self) -> f64 {
        self.share
    }
}
