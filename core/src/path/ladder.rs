//! The rhythm in which a broken connection is mended: which step now, how long it may take, how long to pause after it
//! failed. It carries out nothing; the steps are commands to whoever holds the connection.
//!
//! The first attempt follows a break at once. After a failure comes a pause that doubles from attempt to attempt. The
//! first attempts climb the quick rungs of the kind's table, one each; from then on the slow rung is tried for as long
//! as the connection is wanted. After each `on_*` drain [`Ladder::poll`] and ask for the [`Ladder::deadline`] again.

use super::choose::PathKind;
use crate::time::{Duration, Instant};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// One attempt at mending, by what is tried.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Step {
    /// Open it again as it was.
    QuickRetry,
    /// Keep the connection and look for new ways under it (ICE restart).
    Restart,
    /// Relayed (TURN) candidates only.
    RelayedOnly,
    /// Open it anew with everything allowed, while another path carries the session.
    Background,
}

/// A step and the time it is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rung {
    /// What is tried.
    pub step: Step,
    /// When it counts as failed.
    pub within: Duration,
}

/// The ladder of one kind of path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rungs {
    /// Up to this much, at random, passes between a break and the first attempt.
    pub first_within: Duration,
    /// The quick attempts, in order. Where more are configured than stand here, the last is repeated.
    pub quick: &'static [Rung],
    /// All later attempts.
    pub slow: Rung,
}

const fn rung(step: Step, within_ms: u64) -> Rung {
    Rung { step, within: Duration::from_millis(within_ms) }
}

/// WebRTC, our own or the embedder's. A retry is checks and a handshake over ways that worked a moment ago; a restart
/// gathers and signals first; relayed candidates need an allocation besides; in the background nobody waits, and a slow
/// success is better than none.
pub const WEBRTC: Rungs = Rungs {
    first_within: Duration::ZERO,
    quick: &[rung(Step::QuickRetry, 3_000), rung(Step::Restart, 5_000), rung(Step::RelayedOnly, 6_000)],
    slow: rung(Step::Background, 10_000),
};

/// WebRTC where only relayed candidates are allowed: every attempt is one with those.
pub const TURN_ONLY: Rungs = Rungs { quick: &[rung(Step::RelayedOnly, 6_000)], ..WEBRTC };

/// The server connection can only be opened again: TCP, TLS and the WebSocket's handshake are about five round trips,
/// 2.5 s at the worst delay that is played over. A server that restarts loses all its clients in the same moment;
/// a quarter of a second spreads their return and is hardly noticed.
pub const RELAY: Rungs = Rungs {
    first_within: Duration::from_millis(250),
    quick: &[rung(Step::QuickRetry, 5_000)],
    slow: rung(Step::Background, 10_000),
};

impl Rungs {
    /// The ladder of a kind of path; `relayed_only` where only relayed candidates are allowed.
    pub const fn of(kind: PathKind, relayed_only: bool) -> Rungs {
        match (kind, relayed_only) {
            (PathKind::Relay, _) => RELAY,
            (PathKind::External | PathKind::Sctp | PathKind::Srtp, false) => WEBRTC,
            (PathKind::External | PathKind::Sctp | PathKind::Srtp, true) => TURN_ONLY,
        }
    }
}

/// The settings of a [`Ladder`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LadderConfig {
    /// The pause after the first failure; it doubles with every further one (0.5 s: a router that reboots or a phone
    /// that changes its network is not back sooner).
    pub pause_first: Duration,
    /// The longest pause (30 s: what is broken for minutes is not hurried by more, and a full server is spared).
    pub pause_most: Duration,
    /// The longest pause while the lobby is waiting for this player (4 s).
    pub pause_most_awaited: Duration,
    /// The share of a pause that is left to chance, so that those who broke together do not return together (50: a
    /// pause lasts from half of its length to all of it, never longer).
    pub jitter_percent: u32,
    /// How many attempts climb the quick rungs before the slow rhythm (3: one for each rung of the longest ladder).
    pub max_reconnect_attempts: u32,
    /// A connection that breaks sooner than this after it was mended goes on where the ladder stood, with its pause:
    /// what opens and dies at once must not be retried without end at full speed (10 s: twice the time in which an
    /// opened path that proves nothing is found dead).
    pub settled_after: Duration,
}

impl Default for LadderConfig {
    fn default() -> Self {
        LadderConfig {
            pause_first: Duration::from_millis(500),
            pause_most: Duration::from_secs(30),
            pause_most_awaited: Duration::from_secs(4),
            jitter_percent: 50,
            max_reconnect_attempts: 3,
            settled_after: Duration::from_secs(10),
        }
    }
}

/// Mends one connection.
#[derive(Debug)]
pub struct Ladder {
    rungs: Rungs,
    config: LadderConfig,
    random: ChaCha8Rng,
    awaited: bool,
    phase: Phase,
    now: Instant,
    /// When the present phase began.
    since: Instant,
    /// The number of the attempt that is waited for or made, from 0.
    attempt: u32,
    /// What chance says to the pause before it.
    draw: u32,
    restored: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Whole, or not wanted.
    Resting,
    /// Between a failure and the next attempt.
    Pausing,
    /// An attempt is being made.
    Trying,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Event {
    Wanted,
    Broken,
    Due,
    Failed,
    Restored,
    Unwanted,
}

/// Every transition. `None`: the event changes nothing in that phase.
fn next(phase: Phase, event: Event) -> Option<Phase> {
    use Event::{Broken, Due, Failed, Restored, Unwanted, Wanted};
    use Phase::{Pausing, Resting, Trying};
    match (phase, event) {
        (Resting, Wanted | Broken) => Some(Pausing),
        (Pausing, Due) => Some(Trying),
        (Trying, Failed) => Some(Pausing),
        (Pausing | Trying, Restored | Unwanted) => Some(Resting),
        // It is being mended already.
        (Pausing | Trying, Wanted | Broken) => None,
        // Late news of an attempt that was given up, or no attempt at all.
        (Resting | Pausing, Failed) | (Resting, Restored | Unwanted) => None,
        // A moment of the pause only.
        (Resting | Trying, Due) => None,
    }
}

impl Ladder {
    /// A ladder at rest.
    pub fn new(rungs: Rungs, config: LadderConfig, random: ChaCha8Rng, now: Instant) -> Self {
        Ladder {
            rungs,
            config,
            random,
            awaited: false,
            phase: Phase::Resting,
            now,
            since: now,
            attempt: 0,
            draw: 0,
            restored: None,
        }
    }

    /// Whether the lobby is waiting for this player. Holds for a pause that is already running, too.
    pub fn set_awaited(&mut self, awaited: bool) {
        self.awaited = awaited;
    }

    /// The step that is being tried, or that comes after the present pause; none at rest.
    pub fn step(&self) -> Option<Step> {
        (self.phase != Phase::Resting).then(|| self.rung().step)
    }

    /// The number of the present attempt, from 1; 0 at rest.
    pub fn attempt(&self) -> u32 {
        if self.phase == Phase::Resting { 0 } else { self.attempt.saturating_add(1) }
    }

    /// The connection is wanted for the first time: the first attempt is due at once.
    pub fn begin(&mut self, now: Instant) {
        self.advance(now);
        if self.apply(Event::Wanted) {
            (self.attempt, self.draw) = (0, 0);
        }
    }

    /// The connection broke.
    pub fn on_broken(&mut self, now: Instant) {
        let now = self.advance(now);
        if self.apply(Event::Broken) {
            let is_flapping = self.restored.is_some_and(|at| now.since(at) < self.config.settled_after);
            self.attempt = if is_flapping { self.attempt.saturating_add(1) } else { 0 };
            self.draw = self.random.random();
        }
    }

    /// The connection is open.
    pub fn on_restored(&mut self, now: Instant) {
        let now = self.advance(now);
        if self.apply(Event::Restored) {
            self.restored = Some(now);
        }
    }

    /// The attempt that is being made failed.
    pub fn on_attempt_failed(&mut self, now: Instant) {
        self.advance(now);
        if self.apply(Event::Failed) {
            self.attempt = self.attempt.saturating_add(1);
            self.draw = self.random.random();
        }
    }

    /// The connection is no longer wanted; what was counted is forgotten.
    pub fn stop(&mut self, now: Instant) {
        self.advance(now);
        self.apply(Event::Unwanted);
        self.restored = None;
    }

    /// The step to carry out now. It replaces the one before, which counts as failed when its time is over.
    pub fn poll(&mut self, now: Instant) -> Option<Step> {
        let now = self.advance(now);
        if self.phase == Phase::Trying && self.deadline()? <= now {
            self.on_attempt_failed(now);
        }
        if self.phase == Phase::Pausing && self.deadline()? <= now {
            self.apply(Event::Due);
            return Some(self.rung().step);
        }
        None
    }

    /// When [`Ladder::poll`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Resting => None,
            Phase::Pausing => Some(self.since + self.pause()),
            Phase::Trying => Some(self.since + self.rung().within),
        }
    }

    fn rung(&self) -> Rung {
        let last = u32::try_from(self.rungs.quick.len()).unwrap_or(u32::MAX).saturating_sub(1);
        let quick = (self.attempt < self.config.max_reconnect_attempts).then_some(self.attempt.min(last) as usize);
        quick.and_then(|index| self.rungs.quick.get(index)).copied().unwrap_or(self.rungs.slow)
    }

    fn pause(&self) -> Duration {
        let Some(doublings) = self.attempt.checked_sub(1) else {
            return share(self.rungs.first_within, 100, self.draw);
        };
        let most = if self.awaited { self.config.pause_most_awaited } else { self.config.pause_most };
        let longest = self.config.pause_first.saturating_mul(1 << doublings.min(16)).min(most);
        longest.saturating_sub(share(longest, self.config.jitter_percent, self.draw))
    }

    fn apply(&mut self, event: Event) -> bool {
        let Some(phase) = next(self.phase, event) else { return false };
        self.phase = phase;
        self.since = self.now;
        true
    }

    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}

/// `percent` of `whole`, times a draw from 0 (nothing) to `u32::MAX` (all but a trifle).
fn share(whole: Duration, percent: u32, draw: u32) -> Duration {
    let nanos = whole.as_nanos().saturating_mul(u128::from(percent.min(100)) * u128::from(draw)) / (100 << 32);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
#[path = "ladder_tests.rs"]
mod tests;
