//! What all members of a run share: whether they shall go on, and what they have sent and heard.

use crate::{BEAT, MEMBERS, MESSAGE};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

/// What messages are stamped from.
static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Where the stamp stands.
const STAMP: usize = size_of::<u64>();

/// A message that tells when it was said.
pub(crate) fn stamped() -> [u8; MESSAGE] {
    let mut message = [0x5a; MESSAGE];
    message[..STAMP].copy_from_slice(&(ZERO.elapsed().as_nanos() as u64).to_le_bytes());
    message
}

#[derive(Default)]
pub(crate) struct Talk {
    sent: AtomicU64,
    heard: AtomicU64,
    connected: AtomicU64,
    is_over: AtomicBool,
    /// How long each message took.
    delays: Mutex<Vec<Duration>>,
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

    pub(crate) fn on_heard(&self, message: &[u8]) {
        let stamp = message[..STAMP].try_into().expect("every message is stamped");
        let delay = ZERO.elapsed().saturating_sub(Duration::from_nanos(u64::from_le_bytes(stamp)));
        self.heard.fetch_add(1, Relaxed);
        self.delays.lock().expect("nobody panics with it").push(delay);
    }

    /// How long the messages took that were heard since this was asked last, in order.
    pub(crate) fn take_delays(&self) -> Vec<Duration> {
        let mut delays = std::mem::take(&mut *self.delays.lock().expect("nobody panics with it"));
        delays.sort_unstable();
        delays
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
