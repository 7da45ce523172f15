//! What came and went in a churn, how long it took until everybody heard everybody again, and where that never was.

use super::super::report::{Samples, locked};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

/// So many stuck lobbies are described; more are only counted.
const DESCRIBED: usize = 20;
/// So many of the changes that took longest are told.
const SLOWEST: usize = 10;

/// Everything that is counted of lobbies and those in them.
#[derive(Default)]
pub(super) struct Tally(Mutex<Sums>);

/// How somebody went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// With a goodbye.
    Leaves,
    /// Without a word: its socket is dropped.
    Crashes,
}

#[derive(Default)]
struct Sums {
    opened: u64,
    closed: u64,
    left: u64,
    crashed: u64,
    hosts_left: u64,
    hosts_crashed: u64,
    continuity_lost: u64,
    failed: BTreeMap<String, u64>,
    retried: u64,
    settle: Samples,
    /// What was longest until everybody heard everybody, and after what.
    slowest: BTreeSet<(Duration, String)>,
    stuck_count: u64,
    stuck: Vec<String>,
}

impl Tally {
    pub(super) fn opened(&self) {
        locked(&self.0).opened += 1;
    }

    pub(super) fn closed(&self) {
        locked(&self.0).closed += 1;
    }

    pub(super) fn gone(&self, way: Way, is_host: bool) {
        let mut sums = locked(&self.0);
        let host = u64::from(is_host);
        match way {
            Way::Leaves => {
                sums.left += 1;
                sums.hosts_left += host;
            }
            Way::Crashes => {
                sums.crashed += 1;
                sums.hosts_crashed += host;
            }
        }
    }

    /// All who had copies have crashed at once; the lobby goes on without what may be lost.
    pub(super) fn continuity_lost(&self) {
        locked(&self.0).continuity_lost += 1;
    }

    /// A join came to nothing.
    pub(super) fn failed(&self, reason: String) {
        *locked(&self.0).failed.entry(reason).or_default() += 1;
    }

    /// A join had to knock again.
    pub(super) fn retried(&self) {
        locked(&self.0).retried += 1;
    }

    /// Everybody has heard everybody after a change, which is told in words.
    pub(super) fn settled(&self, took: Duration, change: &str) {
        let mut sums = locked(&self.0);
        sums.settle.add(took);
        sums.slowest.insert((took, change.to_owned()));
        if sums.slowest.len() > SLOWEST {
            sums.slowest.pop_first();
        }
    }

    /// A lobby in which that never came.
    pub(super) fn stuck(&self, why: String) {
        let mut sums = locked(&self.0);
        sums.stuck_count += 1;
        if sums.stuck.len() < DESCRIBED {
            sums.stuck.push(why);
        }
    }

    pub(super) fn summary(&self, seed: u64) -> Value {
        let mut sums = locked(&self.0);
        let slowest = sums.slowest.iter().rev();
        let slowest: Vec<_> =
            slowest.map(|(took, change)| json!({ "ms": took.as_millis(), "after": change })).collect();
        json!({
            "seed": seed, "lobbies_opened": sums.opened, "lobbies_closed": sums.closed, "left": sums.left,
            "crashed": sums.crashed, "hosts_left": sums.hosts_left, "hosts_crashed": sums.hosts_crashed,
            "joins_failed": sums.failed.values().sum::<u64>(), "joins_failed_by": sums.failed,
            "joins_retried": sums.retried, "continuity_lost": sums.continuity_lost, "settle_ms": sums.settle.told(), "slowest": slowest,
            "stuck_count": sums.stuck_count, "stuck": sums.stuck,
        })
    }
}

/// The same for people, to be set below the rest.
pub(in super::super) fn told(summary: &Value) -> String {
    let of = |what: &str| &summary[what];
    let mut text = format!(
        "\n{} lobbies opened, {} closed; {} players left ({} hosts), {} crashed ({} hosts); seed {}\n\
         {} joins failed, {} knocked again; continuity was lost {} times, {} lobbies stuck\n\
         after a change everybody heard everybody within p50 {} ms, p99 {} ms",
        of("lobbies_opened"),
        of("lobbies_closed"),
        of("left"),
        of("hosts_left"),
        of("crashed"),
        of("hosts_crashed"),
        of("seed"),
        of("joins_failed"),
        of("joins_retried"),
        of("continuity_lost"),
        of("stuck_count"),
        of("settle_ms")["p50"],
        of("settle_ms")["p99"],
    );
    for slow in of("slowest").as_array().into_iter().flatten().take(3) {
        text += &format!("\n{} ms after: {}", slow["ms"], slow["after"].as_str().unwrap_or_default());
    }
    for stuck in of("stuck").as_array().into_iter().flatten() {
        text += &format!("\nstuck: {}", stuck.as_str().unwrap_or_default());
    }
    text
}
