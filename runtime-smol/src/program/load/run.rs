//! A load from beginning to end: everybody in, a talk, the stragglers, everybody out, the summary.

use super::churn::{self, Churn};
use super::player::{Stage, play};
use super::report::Counts;
use async_io::Timer;
use futures_lite::FutureExt;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use webstar_core::config::Mode;
use webstar_core::peer::{Channel, Wish};
use webstar_core::wire::signal::{CreateLobby, LobbyName, Username};
use webstar_smol::client::{Options, spawn};

/// What is still under way when the talk ends is waited for this long.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// How long everybody may take to get in, beyond the ramp, and out.
const PATIENCE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(100);
/// Events kept for each player: thousands of players share the memory.
const EVENT_QUEUE: usize = 256;

/// What is to be done.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) server: String,
    pub(super) lobbies: u32,
    pub(super) players: u32,
    pub(super) rate: f64,
    pub(super) size: usize,
    pub(super) seconds: Duration,
    pub(super) ramp: Duration,
    pub(super) channel: Channel,
    pub(super) mode: Mode,
    /// Players come and go, if they do.
    pub(super) churn: Option<Churn>,
    pub(super) certificates: Option<PathBuf>,
    pub(super) json: bool,
}

impl Plan {
    pub(super) fn total(&self) -> u32 {
        self.lobbies.saturating_mul(self.players)
    }

    /// What a player brings into a lobby for so many.
    pub(super) fn options(&self, lobby: &str, number: u32, max_players: u32) -> Result<Options, String> {
        let wrong = |error: webstar_core::wire::signal::ValueError| error.to_string();
        let name = LobbyName::new(lobby).map_err(wrong)?;
        let mut options = Options::to("new").map_err(|error| error.to_string())?;
        options.config.set_mode(self.mode);
        options.config.signaling_server.clone_from(&self.server);
        options.request.wish = Wish::Named(name);
        options.request.username = Username::new(format!("player {number}")).map_err(wrong)?;
        let max_players = u16::try_from(max_players).unwrap_or(u16::MAX);
        options.request.create = Some(CreateLobby { max_players, ..CreateLobby::default() });
        options.certificates.clone_from(&self.certificates);
        options.event_queue = EVENT_QUEUE;
        Ok(options)
    }
}

pub(super) fn run(plan: &Plan) -> ExitCode {
    let counts = Arc::new(Counts::default());
    let summary = getrandom::u32().map_err(|error| format!("the system gives no randomness: {error}")).and_then(
        |load| match &plan.churn {
            Some(churn) => async_io::block_on(churn::run(plan, churn, load, &counts)),
            None => async_io::block_on(load_with(plan, load, &counts)),
        },
    );
    let summary = match summary {
        Ok(summary) => summary,
        Err(why) => {
            eprintln!("webstar: {why}");
            return ExitCode::from(1);
        }
    };
    if let (0, Some(why)) = (counts.joined.load(Ordering::Relaxed), counts.first_error()) {
        eprintln!("webstar: nobody got in: {why}");
    } else if !plan.json {
        println!("{}", told(&summary));
    }
    if plan.json {
        println!("{summary}");
    }
    ExitCode::from(counts.exit_code())
}

/// Everybody in, a talk, everybody out. `load` tells the lobbies of this run from those of others.
async fn load_with(plan: &Plan, load: u32, counts: &Arc<Counts>) -> Result<Value, String> {
    let progress = Progress::new(plan, counts.clone());
    let total = plan.total();
    let (start, talk) = async_channel::bounded(usize::try_from(total).unwrap_or(usize::MAX));
    let (running, over) = async_channel::bounded::<()>(1);
    let stage = Stage { talk, over, load: load.into() };
    let shared = Arc::new(plan.clone());
    let begun = Instant::now();
    let mut players = Vec::new();
    for index in 0..total {
        // The first of every lobby come first, so that nobody waits for a lobby.
        let (lobby, number) = (index % plan.lobbies, index / plan.lobbies);
        let options = plan.options(&format!("load-{load:08x}-{lobby}"), number, plan.players.max(2))?;
        let share = f64::from(index) / f64::from(total);
        let at = begun + plan.ramp.mul_f64(share);
        let task = play(shared.clone(), counts.clone(), options, stage.clone(), share);
        players.push(spawn(async move {
            Timer::at(at).await;
            task.await;
        }));
    }
    let settled = || counts.joined.load(Ordering::Relaxed) + counts.errors.load(Ordering::Relaxed) >= u64::from(total);
    progress.until("joining", plan.ramp + PATIENCE, settled).await;
    let begin = Instant::now() + TICK;
    for _ in 0..total {
        // There is room for every player.
        let _ = start.try_send((begin, begin + plan.seconds));
    }
    // With nobody there is nothing to wait for.
    let is_empty = counts.joined.load(Ordering::Relaxed) == 0;
    progress.until("talking", TICK + plan.seconds, || is_empty).await;
    let all_in = || counts.delivered.load(Ordering::Relaxed) >= counts.expected.load(Ordering::Relaxed);
    progress.until("waiting for the last", STRAGGLERS, all_in).await;
    drop(running);
    let out = async {
        for player in players {
            player.await;
        }
    };
    let too_long = async {
        Timer::after(PATIENCE).await;
    };
    out.or(too_long).await;
    progress.clear();
    // Not before all are out: each tells by which paths it went.
    Ok(counts.summary(plan.seconds))
}

/// A line on a terminal that says how far it is.
pub(super) struct Progress {
    is_shown: bool,
    total: u32,
    counts: Arc<Counts>,
}

impl Progress {
    pub(super) fn new(plan: &Plan, counts: Arc<Counts>) -> Self {
        Progress { is_shown: !plan.json && io::stderr().is_terminal(), total: plan.total(), counts }
    }

    pub(super) async fn until(&self, what: &str, longest: Duration, is_done: impl Fn() -> bool) {
        let begun = Instant::now();
        while begun.elapsed() < longest && !is_done() {
            Timer::after(TICK.min(longest.saturating_sub(begun.elapsed()))).await;
            if self.is_shown {
                let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
                let (joined, delivered, errors) =
                    (read(&self.counts.joined), read(&self.counts.delivered), read(&self.counts.errors));
                eprint!("\r\x1b[K{what}: {joined} of {} in, {delivered} delivered, {errors} errors", self.total);
                let _ = io::stderr().flush();
            }
        }
    }

    pub(super) fn clear(&self) {
        if self.is_shown {
            eprint!("\r\x1b[K");
        }
    }
}

fn told(summary: &Value) -> String {
    let times = |what: &str| match &summary[what]["p50"] {
        Value::Null => "-".to_owned(),
        p50 => format!("p50 {p50} ms, p99 {} ms", summary[what]["p99"]),
    };
    let by = |what: &str| {
        let of = |kind: &str| format!("{} {kind}", summary[what][kind]);
        ["srtp", "sctp", "relay"].map(of).join(", ")
    };
    let mut text = format!(
        "{} connections, joined in {}\n{} sent, {} delivered ({} a second), {} lost, {} not taken (full)\nlatency {}",
        summary["connections"],
        times("connect_ms"),
        summary["sent"],
        summary["delivered"],
        summary["delivered_per_s"],
        summary["lost"].as_u64().map_or("-".to_owned(), |lost| lost.to_string()),
        summary["full"],
        times("latency_ms"),
    );
    if summary["churn"].is_null() {
        text += &format!("\npackets came by {}; players reached their host by {}", by("paths"), by("players_by_path"));
    } else {
        text += &churn::told(&summary["churn"]);
    }
    if summary["errors"] != 0 {
        text += &format!("\n{} errors; the first: {}", summary["errors"], summary["first_error"]);
    }
    text
}
