//! Counts and times of a load, and the summary of them. Percentiles are nearest-rank.

use crate::join::ending::code_of;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use webstar_core::path::PathKind;
use webstar_core::peer::Landed;
use webstar_smol::client::JoinError;

/// Times kept exactly up to here; beyond it each further one is counted, and every sample stands for two, four, ..
const MAX_SAMPLES: usize = 1 << 21;

/// What all players count together.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) joined: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) expected: AtomicU64,
    pub(super) delivered: AtomicU64,
    /// Messages that were not taken because the channel was full: less was sent than was planned.
    pub(super) full: AtomicU64,
    pub(super) errors: AtomicU64,
    /// The first thing that went wrong.
    first_error: Mutex<Option<String>>,
    /// The exit code of the first join that came to nothing.
    first_failure: Mutex<Option<u8>>,
    /// What brought packets, and what led players to their host in the end.
    paths: Mutex<Paths>,
    pub(super) connect: Mutex<Samples>,
    pub(super) latency: Mutex<Samples>,
}

impl Counts {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn error(&self, why: String) {
        Counts::add(&self.errors);
        locked(&self.first_error).get_or_insert(why);
    }

    /// A join came to nothing.
    pub(super) fn failure(&self, why: &JoinError) {
        let code = match why {
            JoinError::Ended(ended) => code_of(ended),
            JoinError::Start(_) => 1,
        };
        locked(&self.first_failure).get_or_insert(code);
        self.error(why.to_string());
    }

    /// A join was not answered in time.
    pub(super) fn unanswered(&self, why: String) {
        locked(&self.first_failure).get_or_insert(UNREACHABLE);
        self.error(why);
    }

    pub(super) fn first_error(&self) -> Option<String> {
        locked(&self.first_error).clone()
    }

    /// 0 no errors, 1 errors; if nobody got in, why: 3 refused, 4 unreachable.
    pub(super) fn exit_code(&self) -> u8 {
        let errors = self.errors.load(Ordering::Relaxed);
        match *locked(&self.first_failure) {
            Some(code) if self.joined.load(Ordering::Relaxed) == 0 => code,
            _ => u8::from(errors != 0),
        }
    }

    pub(super) fn note(samples: &Mutex<Samples>, time: Duration) {
        locked(samples).add(time);
    }

    /// A player goes: so many packets have come to it, and by this path it reached its host. The host itself has none.
    pub(super) fn went(&self, landed: Landed, to_host: Option<PathKind>) {
        let mut paths = locked(&self.paths);
        paths.add(PathKind::Srtp, landed.srtp);
        paths.add(PathKind::Sctp, landed.sctp);
        paths.add(PathKind::Relay, landed.relay);
        if let Some(kind) = to_host {
            paths.players[place(kind)] += 1;
        }
    }

    /// The summary: `delivered_per_s` over the time in which they talked.
    pub(super) fn summary(&self, talked: Duration) -> Value {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let of = |samples| Samples::told(&mut locked(samples));
        let [by_path, players_by_path] = locked(&self.paths).told();
        let (expected, delivered) = (read(&self.expected), read(&self.delivered));
        let seconds = talked.as_secs_f64().max(1e-9);
        json!({
            "event": "summary", "connections": read(&self.joined), "connect_ms": of(&self.connect),
            "sent": read(&self.sent), "delivered": delivered, "lost": expected.saturating_sub(delivered),
            "delivered_per_s": (delivered as f64 / seconds).round(), "latency_ms": of(&self.latency),
            "full": read(&self.full), "paths": by_path, "players_by_path": players_by_path,
            "errors": read(&self.errors), "first_error": self.first_error(), "churn": null,
        })
    }
}

/// How a load ends that could not reach the server.
const UNREACHABLE: u8 = 4;

/// A panic elsewhere leaves numbers as they were.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// By which paths it went, in the order of [`place`].
#[derive(Default)]
struct Paths {
    packets: [u64; 3],
    players: [u64; 3],
}

impl Paths {
    fn add(&mut self, kind: PathKind, packets: u64) {
        self.packets[place(kind)] += packets;
    }

    fn told(&self) -> [Value; 2] {
        [self.packets, self.players].map(|[srtp, sctp, relay]| json!({"srtp": srtp, "sctp": sctp, "relay": relay}))
    }
}

/// The players of a load bring no data channels of their own.
fn place(kind: PathKind) -> usize {
    match kind {
        PathKind::Srtp => 0,
        PathKind::Sctp | PathKind::External => 1,
        PathKind::Relay => 2,
    }
}

/// Times in bounded memory.
pub(super) struct Samples {
    nanos: Vec<u64>,
    /// One of so many is kept.
    every: u64,
    seen: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Samples { nanos: Vec::new(), every: 1, seen: 0 }
    }
}

impl Samples {
    pub(super) fn add(&mut self, time: Duration) {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.every) {
            return;
        }
        if self.nanos.len() == MAX_SAMPLES {
            let mut is_kept = false;
            self.nanos.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.every *= 2;
        }
        self.nanos.push(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The percentiles of a summary.
    pub(super) fn told(&mut self) -> Value {
        json!({"p50": self.percentile(50.0), "p99": self.percentile(99.0)})
    }

    /// The nearest-rank percentile in milliseconds; none of nothing.
    fn percentile(&mut self, percent: f64) -> Option<f64> {
        let rank = (percent / 100.0 * self.nanos.len() as f64).ceil() as usize;
        let at = rank.max(1) - 1;
        if at >= self.nanos.len() {
            return None;
        }
        let (_, nanos, _) = self.nanos.select_nth_unstable(at);
        Some((*nanos as f64 / 1e3).round() / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let mut samples = Samples::default();
        assert_eq!(samples.percentile(50.0), None);
        for millis in (1..=200).rev() {
            samples.add(Duration::from_millis(millis));
        }
        assert_eq!(samples.percentile(50.0), Some(100.0));
        assert_eq!(samples.percentile(99.0), Some(198.0));
        assert_eq!(samples.percentile(100.0), Some(200.0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut samples = Samples::default();
        for nanos in 0..2 * MAX_SAMPLES as u64 + 10 {
            samples.add(Duration::from_nanos(nanos * 1000));
        }
        assert!(samples.nanos.len() <= MAX_SAMPLES);
        let middle = samples.percentile(50.0).unwrap();
        assert!((middle / (MAX_SAMPLES as f64 / 1e3) - 1.0).abs() < 0.01, "{middle}");
    }

    #[test]
    fn a_summary_has_every_field() {
        let counts = Counts::default();
        counts.error("no".into());
        let summary = counts.summary(Duration::from_secs(1));
        let fields =
            ["connections", "connect_ms", "sent", "delivered", "lost", "delivered_per_s", "latency_ms", "errors"];
        assert!(fields.iter().all(|field| summary.get(field).is_some()), "{summary}");
        assert_eq!(summary["first_error"], "no");
        assert_eq!(summary["latency_ms"]["p50"], Value::Null);
    }
}
