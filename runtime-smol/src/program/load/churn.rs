//! `webstar load --churn`: so many lobbies at a time in which players come, leave and crash all the time, each closed
//! after a while and followed by a new one. What is drawn follows from a seed; how long things take does not.

mod lobby;
mod member;
mod tally;

use super::report::Counts;
use super::run::{Plan, Progress};
use async_io::Timer;
pub(super) use member::STAMP;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tally::Tally;
pub(super) use tally::told;
use webstar_smol::client::spawn;

/// More players than this at a time, and those who have crashed would soon fill the places of a lobby.
pub(super) const MOST_PLAYERS: u32 = 16;

/// How it comes and goes.
#[derive(Clone, Debug)]
pub(super) struct Churn {
    /// How long a lobby lasts, on the average.
    pub(super) life: Duration,
    /// What has not happened by then is taken for stuck.
    pub(super) patience: Duration,
    pub(super) seed: u64,
}

/// What all lobbies have in common.
struct Stage {
    plan: Plan,
    churn: Churn,
    /// Tells the lobbies of this run from those of others.
    load: u32,
    /// No lobby is opened after this, and none goes on.
    end: Instant,
    counts: Arc<Counts>,
    tally: Tally,
}

impl Stage {
    /// Joins have failed, and none has not: there is no server to be loaded.
    fn is_hopeless(&self) -> bool {
        self.counts.joined.load(Ordering::Relaxed) == 0 && self.counts.errors.load(Ordering::Relaxed) > 0
    }
}

/// From the first lobby to the last.
pub(super) async fn run(plan: &Plan, churn: &Churn, load: u32, counts: &Arc<Counts>) -> Result<Value, String> {
    let progress = Progress::new(plan, counts.clone());
    let begun = Instant::now();
    let lasts = plan.ramp + plan.seconds;
    let (plan, churn, counts, tally) = (plan.clone(), churn.clone(), counts.clone(), Tally::default());
    let stage = Arc::new(Stage { plan, churn, load, end: begun + lasts, counts, tally });
    let lobbies = stage.plan.lobbies;
    let keep = |slot: u32| {
        let (stage, at) = (stage.clone(), begun + stage.plan.ramp.mul_f64(f64::from(slot) / f64::from(lobbies)));
        spawn(async move {
            Timer::at(at).await;
            lobby::keep(&stage, slot).await;
        })
    };
    let kept: Vec<_> = (0..lobbies).map(keep).collect();
    progress.until("coming and going", lasts, || stage.is_hopeless()).await;
    // Each of them waits for nothing longer than its patience.
    for slot in kept {
        slot.await;
    }
    progress.clear();
    let mut summary = stage.counts.summary(begun.elapsed());
    // Who crashes takes along what it has not heard yet.
    summary["lost"] = Value::Null;
    // Where they are on their way has nothing to do with whether they are served.
    (summary["paths"], summary["players_by_path"]) = (Value::Null, Value::Null);
    summary["churn"] = stage.tally.summary(stage.churn.seed);
    Ok(summary)
}
