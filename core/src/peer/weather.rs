//! Bad weather for trying a game: drops and delays packets of sessions on their way out. Signalling is spared, so that
//! what is tried is the star.

use crate::id::{PathId, PlayerId};
use crate::time::{Duration, Instant};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use std::collections::VecDeque;

/// Bytes under way at most; more are dropped, like in a full router.
const MAX_UNDER_WAY: usize = 4 * 1024 * 1024;

/// Where a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// On the stream that carries.
    Relay,
    /// On a direct path.
    Direct(PlayerId, PathId),
}

#[derive(Debug)]
pub(super) struct Weather {
    loss: f64,
    latency: Duration,
    random: ChaCha8Rng,
    under_way: VecDeque<(Instant, Way, Vec<u8>)>,
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
    pub(super) fn take(&mut self, now: Instant, way: Way, frame: &[u8]) -> bool {
        let is_lost = self.random.random_bool(self.loss) || self.bytes + frame.len() > MAX_UNDER_WAY;
        if !is_lost {
            self.bytes += frame.len();
            self.under_way.push_back((now + self.latency, way, frame.to_vec()));
        }
        !is_lost
    }

    /// Where a frame goes that leaves now; [`Weather::frame`] has it then.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Way> {
        let (_, way, frame) = self.under_way.pop_front_if(|(at, _, _)| *at <= now)?;
        self.bytes -= frame.len();
        self.lent = frame;
        Some(way)
    }

    pub(super) fn frame(&self) -> &[u8] {
        &self.lent
    }

    /// No stream carries, and what was under way in it is gone.
    pub(super) fn clear_relay(&mut self) {
        self.under_way.retain(|(_, way, _)| *way != Way::Relay);
        self.bytes = self.under_way.iter().map(|(_, _, frame)| frame.len()).sum();
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.front().map(|(at, _, _)| *at)
    }
}
