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
}

impl Rtt {
    pub(crate) fn new(initial: Duration) -> Self {
        Rtt { smoothed: None, var: initial / 2, latest: initial, min: Duration::MAX, initial }
    }

    /// A packet came back after `elapsed`, of which the other side says it waited `delay`.
    pub(crate) fn on_sample(&mut self, elapsed: Duration, delay: Duration) {
        self.min = self.min.min(elapsed);
        // A delay that would put the sample below anything seen is not believed.
        let sample = if elapsed >= self.min + delay { elapsed - delay } else { elapsed };
        self.latest = sample;
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

    /// Mean deviation.
    pub(crate) fn var(&self) -> Duration {
        self.var
    }

    /// How long an answer may take before it is asked for again.
    pub(crate) fn probe_timeout(&self, ack_delay: Duration, min: Duration) -> Duration {
        (self.smoothed() + self.var * 4 + ack_delay).max(min)
    }
}

/// The share of packets lost lately, as an average over about the last 64 packets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LossMeter {
    share: f64,
}

/// The weight of the newest packet.
const LOSS_GAIN: f64 = 1.0 / 64.0;

impl LossMeter {
    pub(crate) fn on_fate(&mut self, lost: bool) {
        self.share += (f64::from(u8::from(lost)) - self.share) * LOSS_GAIN;
    }

    /// A packet that had been counted as lost arrived after all.
    pub(crate) fn on_mistake(&mut self) {
        self.share = (self.share - LOSS_GAIN).max(0.0);
    }

    pub(crate) fn share(&self) -> f64 {
        self.share
    }
}
