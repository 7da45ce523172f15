//! The summary of many runs. It is the same whatever thread ran which seed.

use crate::profile::{Outcome, Tally};
use crate::trace;
use core::fmt;
use core::time::Duration;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Failures named in a summary; more are only counted.
const MOST_FAILURES: usize = 100;
/// What can make a host change.
const CAUSES: [&str; 6] = ["crash_silent", "crash_closed", "graceful", "chosen", "voted", "forced"];
/// The kinds of path that every summary names.
const PATHS: [&str; 3] = ["srtp", "sctp", "relay"];

/// A seed that failed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What was broken, and how.
    pub why: String,
}

/// The sum of many runs.
#[derive(Clone, Debug)]
pub struct Summary {
    stack: &'static str,
    profile: &'static str,
    first: u64,
    /// How many seeds failed.
    pub failed_count: u64,
    failed: Vec<Failure>,
    lasted: Duration,
    players_lasted: Duration,
    wall: Duration,
    cpu: Duration,
    tally: Tally,
    /// By seed, counted from the first.
    hashes: BTreeMap<u64, u64>,
}

impl Summary {
    /// Of nothing yet.
    pub fn new(stack: &'static str, profile: &'static str, first: u64) -> Self {
        Summary {
            stack,
            profile,
            first,
            failed_count: 0,
            failed: Vec::new(),
            lasted: Duration::ZERO,
            players_lasted: Duration::ZERO,
            wall: Duration::ZERO,
            cpu: Duration::ZERO,
            tally: Tally::default(),
            hashes: BTreeMap::new(),
        }
    }

    /// Adds a run.
    pub fn add(&mut self, seed: u64, outcome: &Outcome) {
        if let Some(red) = &outcome.red {
            self.failed_count += 1;
            self.failed.push(Failure { seed, why: format!("{}: {}", red.check, red.why) });
        }
        self.lasted += outcome.lasted;
        self.players_lasted += outcome.lasted * outcome.players;
        self.tally.add(&outcome.tally);
        self.hashes.insert(seed - self.first, outcome.hash);
    }

    /// Adds what another thread ran.
    pub fn merge(&mut self, other: Summary) {
        self.failed_count += other.failed_count;
        self.failed.extend(other.failed);
        self.lasted += other.lasted;
        self.players_lasted += other.players_lasted;
        self.tally.add(&other.tally);
        self.hashes.extend(other.hashes);
    }

    /// All is added; it took so long on so many threads.
    pub fn finish(&mut self, wall: Duration, jobs: usize) {
        self.failed.sort();
        self.failed.truncate(MOST_FAILURES);
        self.wall = wall;
        self.cpu = cpu_time().unwrap_or(wall * u32::try_from(jobs).unwrap_or(u32::MAX));
    }

    /// The hashes of all traces, folded in the order of the seeds.
    pub fn hash(&self) -> u64 {
        self.hashes.values().fold(self.first, |hash, next| trace::fold(hash, *next))
    }

    /// Seconds that players spent in their worlds, for each second of one processor core.
    fn speed(&self) -> f64 {
        self.players_lasted.as_secs_f64() / self.cpu.as_secs_f64().max(0.01)
    }

    /// How long changes of host of a cause took.
    fn migration(&self, cause: &str) -> serde_json::Value {
        let took = Spread::of(self.tally.migrations.get(cause).map(Vec::as_slice).unwrap_or_default());
        json!({"n": took.count, "p50": took.p50, "p90": took.p90, "p99": took.p99, "max": took.max})
    }

    /// The summary for scripts.
    pub fn to_json(&self) -> serde_json::Value {
        let migration: BTreeMap<_, _> = CAUSES.into_iter().map(|cause| (cause, self.migration(cause))).collect();
        let mut delivered: BTreeMap<_, _> = PATHS.into_iter().map(|path| (path, 0)).collect();
        delivered.extend(&self.tally.delivered_by);
        json!({
            "event": "summary",
            "stack": self.stack,
            "profile": self.profile,
            "seeds": self.hashes.len(),
            "failed_count": self.failed_count,
            "failed": self.failed,
            "world_hours": hours(self.lasted),
            "player_hours": hours(self.players_lasted),
            "wall_s": self.wall.as_secs_f64(),
            "cpu_s": self.cpu.as_secs_f64(),
            "player_s_per_cpu_s": self.speed(),
            "host_crashes": self.tally.host_crashes,
            "acked": self.tally.acked,
            "views": self.tally.views,
            "forced_views": self.tally.forced_views,
            "excused": self.tally.excused,
            "marks": self.tally.marks,
            "delivered_by": delivered,
            "migration_ms": migration,
            "hash": format!("{:016x}", self.hash()),
        })
    }
}

/// How some times spread, in milliseconds; percentiles are nearest-rank.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Half of them are at most this.
    pub p50: u32,
    /// 90 of 100.
    pub p90: u32,
    /// 99 of 100.
    pub p99: u32,
    /// All.
    pub max: u32,
}

impl Spread {
    /// Of these.
    pub fn of(times: &[u32]) -> Spread {
        let mut times = times.to_vec();
        times.sort_unstable();
        let rank =
            |share: usize| times.get((times.len() * share).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        Spread { count: times.len(), p50: rank(50), p90: rank(90), p99: rank(99), max: rank(100) }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seeds = self.hashes.len();
        let wall = self.wall.as_secs_f64();
        writeln!(f, "{seeds} seeds of {} on {}: {} failed", self.profile, self.stack, self.failed_count)?;
        let (world, each) = (hours(self.lasted), self.cpu.as_secs_f64() * 1e3 / seeds.max(1) as f64);
        writeln!(f, "  {world:.2} hours of their world in {wall:.1} s, {each:.2} ms of processor time each")?;
        writeln!(f, "  {:.0} player-seconds per core-second", self.speed())?;
        writeln!(f, "  {} messages acknowledged", self.tally.acked)?;
        let Tally { views, forced_views, host_crashes, migrations, .. } = &self.tally;
        writeln!(f, "  {views} views, {forced_views} of them forced; {host_crashes} hosts crashed")?;
        for (cause, took) in migrations {
            let Spread { count, p50, p90, p99, max } = Spread::of(took);
            writeln!(f, "  {cause}: {count} times, p50 {p50}, p90 {p90}, p99 {p99}, at most {max} ms")?;
        }
        for (what, counts) in [
            ("delivered by", &self.tally.delivered_by),
            ("came up", &self.tally.marks),
            ("excused", &self.tally.excused),
        ] {
            let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
            writeln!(f, "  {what}: {}", if counts.is_empty() { "nothing".into() } else { counts.join(", ") })?;
        }
        writeln!(f, "  hash {:016x}", self.hash())
    }
}

fn hours(duration: Duration) -> f64 {
    duration.as_secs_f64() / 3_600.0
}

/// The processor time of this process, where the system tells it in a file.
pub(super) fn cpu_time() -> Option<Duration> {
    // The 14th and 15th field; the second is the name in parentheses, which may hold anything.
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // A tick is 10 ms on every Linux that matters.
    Some(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_rank() {
        let times: Vec<u32> = (1..=200).rev().collect();
        assert_eq!(Spread::of(&times), Spread { count: 200, p50: 100, p90: 180, p99: 198, max: 200 });
        assert_eq!(Spread::of(&[7]), Spread { count: 1, p50: 7, p90: 7, p99: 7, max: 7 });
        assert_eq!(Spread::of(&[]), Spread::default());
    }
}
