//! Bad weather for trying a game: drops and delays packets of sessions on their way out. Signalling is spared, so that
//! what is tried is the star.

use crate::time::{Duration, Instant};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use std::collections::VecDeque;

/// Bytes under way at most; more are dropped, like in a full router.
const MAX_UNDER_WAY: usize = 4 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Weather {
    loss: f64,
    latency: Duration,
    random: ChaCha8Rng,
    under_way: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    /// The frame that is lent out.
    lent: Vec<u8>,
}

impl Weather {
    pub(super) fn new(loss: f64, latency: Duration, random: ChaCha8Rng) -> Self {
        Weather { loss, latency, random, under_way: VecDeque::new(), bytes: 0, lent: Vec::new() }
    }

    /// Whether there is any.
    pub(super) fn is_bad(&self) -> bool {
        self.loss > 0.0 || !self.latency.is_zero()
    }

    /// A frame wants to leave. False: it is dropped.
    pub(super) fn take(&mut self, now: Instant, frame: &[u8]) -> bool {
        let is_lost = self.random.random_bool(self.loss) || self.bytes + frame.len() > MAX_UNDER_WAY;
        if !is_lost {
            self.bytes += frame.len();
            self.under_way.push_back((now + self.latency, frame.to_vec()));
        }
        !is_lost
    }

    /// Whether a frame leaves now; [`Weather::frame`] has it then.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        match self.under_way.pop_front_if(|(at, _)| *at <= now) {
            Some((_, frame)) => {
                self.bytes -= frame.len();
                self.lent = frame;
                true
            }
            None => false,
        }
    }

    pub(super) fn frame(&self) -> &[u8] {
        &self.lent
    }

    /// The stream is gone, and with it what was under way.
    pub(super) fn clear(&mut self) {
        self.under_way.clear();
        self.bytes = 0;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _)| *at)
    }
}
