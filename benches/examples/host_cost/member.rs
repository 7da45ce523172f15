//! What all members of a run share: whether they shall go on, and what they have sent and heard.

use crate::{BEAT, MEMBERS};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct Talk {
    sent: AtomicU64,
    heard: AtomicU64,
    connected: AtomicU64,
    is_over: AtomicBool,
}

#[derive(Clone, Copy)]
pub(crate) struct Count {
    pub(crate) sent: u64,
    pub(crate) heard: u64,
}

impl Talk {
    pub(crate) fn count(&self) -> Count {
        Count { sent: self.sent.load(Relaxed), heard: self.heard.load(Relaxed) }
    }

    pub(crate) fn on_sent(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    pub(crate) fn on_heard(&self) {
        self.heard.fetch_add(1, Relaxed);
    }

    pub(crate) fn on_connected(&self) {
        self.connected.fetch_add(1, Relaxed);
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.connected.load(Relaxed) == MEMBERS as u64
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Relaxed)
    }
}

/// When a member speaks: all in turn, so that their messages come one by one.
pub(crate) struct Beats(Instant);

impl Beats {
    pub(crate) fn new(number: usize) -> Self {
        Beats(Instant::now() + BEAT * number as u32 / MEMBERS as u32)
    }

    /// How long until the next.
    pub(crate) fn wait(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it is time. What was missed is made up for.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.wait().is_zero();
        if is_due {
            self.0 += BEAT;
        }
        is_due
    }
}
