//! The course of the demo: a server, players, talk, the host cut off, a hand-over, and the sum of it all.

use super::player::play;
use super::table::Screen;
use super::tally::Tally;
use async_io::Timer;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;
use webstar_core::peer::{Command, Landed, PeerEvent};
use webstar_core::wire::signal::{Epoch, HostCause};
use webstar_smol::client::{Client, Options, spawn};
use webstar_smol::server::{Server, ServerOptions};

/// How often the stage is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How long anything that is waited for may take. None of the promises hangs on it.
const PATIENCE: Duration = Duration::from_secs(30);
/// Direct paths that are not there by then are not waited for.
const PATHS_WITHIN: Duration = Duration::from_secs(15);
/// A refused hand-over is asked for again after this.
const AGAIN: Duration = Duration::from_millis(200);
/// After another host is known silence is measured for this long.
const CALM: Duration = Duration::from_millis(500);

/// What is to be done.
pub(super) struct Plan {
    pub(super) players: u32,
    pub(super) talk: Duration,
    pub(super) is_json: bool,
}

/// What a player knows of the star.
#[derive(Clone, Copy, PartialEq, Eq)]
struct View {
    epoch: Epoch,
    host: PlayerId,
    has_backup: bool,
    voters: usize,
}

/// What the players of the demo have in common.
#[derive(Default)]
pub(super) struct Stage {
    tally: Mutex<Tally>,
    views: Mutex<BTreeMap<PlayerId, View>>,
    changes: Mutex<BTreeSet<(Epoch, PlayerId, String)>>,
    is_talking: AtomicBool,
}

impl Stage {
    pub(super) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_talking(&self) -> bool {
        self.is_talking.load(Ordering::Acquire)
    }

    pub(super) fn on_view(&self, by: PlayerId, epoch: Epoch, host: PlayerId, has_backup: bool, voters: usize) {
        self.views().insert(by, View { epoch, host, has_backup, voters });
    }

    pub(super) fn on_host_changed(&self, epoch: Epoch, host: PlayerId, cause: HostCause) {
        let cause = serde_json::to_value(cause).ok().and_then(|cause| Some(cause.as_str()?.to_owned()));
        self.changes().insert((epoch, host, cause.unwrap_or_default()));
    }

    fn views(&self) -> MutexGuard<'_, BTreeMap<PlayerId, View>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> MutexGuard<'_, BTreeSet<(Epoch, PlayerId, String)>> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host, if all of these players are of one mind and another could take over.
    fn host(&self, players: &BTreeMap<PlayerId, Client>) -> Option<PlayerId> {
        let views = self.views();
        let mut known = players.keys().map(|player| views.get(player));
        let first = *known.next()??;
        let is_one = known.all(|view| view == Some(&first));
        let is_whole = first.has_backup && first.voters == players.len() && players.contains_key(&first.host);
        (is_one && is_whole).then_some(first.host)
    }
}

/// Runs the demo. True: nothing is wrong.
pub(super) fn run(plan: Plan) -> Result<bool, String> {
    async_io::block_on(async {
        let options = ServerOptions { listen: ([127, 0, 0, 1], 0).into(), shards: 1, ..ServerOptions::default() };
        let server = Server::bind(options).map_err(|error| error.to_string())?;
        let mut course = Course::new(plan);
        course
            .screen
            .tell(&json!({"event": "listening", "url": server.url()}), "a lobby server listens on this machine");
        course.gather(&server).await?;
        let gaps = course.talk().await;
        let is_good = course.sum_up(gaps);
        for client in course.players.values() {
            client.leave().await;
        }
        server.close().await;
        Ok(is_good)
    })
}

struct Course {
    plan: Plan,
    stage: Arc<Stage>,
    players: BTreeMap<PlayerId, Client>,
    /// Packets of those who are gone.
    landed: Landed,
    screen: Screen,
    begun: Instant,
}

impl Course {
    fn new(plan: Plan) -> Self {
        let screen = Screen::new(plan.is_json);
        let (stage, players) = (Arc::new(Stage::default()), BTreeMap::new());
        Course { plan, stage, players, landed: Landed::default(), screen, begun: Instant::now() }
    }

    /// Everybody comes, and waits until all see each other and the direct paths are there.
    async fn gather(&mut self, server: &Server) -> Result<(), String> {
        let target = format!("webstar://{}/demo", server.local_addr());
        for number in 1..=self.plan.players {
            let options = Options::to(&target).and_then(|options| options.name(&format!("player {number}")));
            let mut options = options.map_err(|error| error.to_string())?;
            if let Some(create) = &mut options.request.create {
                create.max_players = u16::try_from(self.plan.players).unwrap_or(u16::MAX);
            }
            let client = Client::start(options).map_err(|error| error.to_string())?;
            let me = loop {
                match client.next_event().await {
                    Some(PeerEvent::Joined { player, .. }) => break player,
                    Some(PeerEvent::Closed(why)) => return Err(why.to_string()),
                    Some(_) => {}
                    None => return Err("a player ended without a word".into()),
                }
            };
            self.stage.tally().seats.entry(me).or_default();
            spawn(play(client.clone(), me, self.stage.clone())).detach();
            self.players.insert(me, client);
        }
        let all = self.plan.players;
        self.screen.tell(&json!({"event": "joined", "players": all}), &format!("{all} players are in the lobby"));
        if self.settle(PATIENCE).await.is_none() {
            return Err("the players did not find each other within 30 s; is this machine very busy?".into());
        }
        let until = Instant::now() + PATHS_WITHIN;
        while !self.is_direct() && Instant::now() < until {
            self.look().await;
        }
        Ok(())
    }

    /// Talk, a crash, more talk, a hand-over, more talk. The silences of both, if there was another host.
    async fn talk(&mut self) -> [Option<Duration>; 2] {
        self.begun = Instant::now();
        self.stage.is_talking.store(true, Ordering::Release);
        self.pass(self.begun + self.plan.talk / 3).await;
        let crash = self.crash().await;
        self.pass(self.begun + self.plan.talk * 2 / 3).await;
        let graceful = self.hand_over().await;
        self.pass(self.begun + self.plan.talk).await;
        self.stage.is_talking.store(false, Ordering::Release);
        let until = Instant::now() + PATIENCE;
        while self.stage.tally().missing() > 0 && Instant::now() < until {
            self.look().await;
        }
        [crash, graceful]
    }

    /// The host is gone with its sockets, and nobody is told.
    async fn crash(&mut self) -> Option<Duration> {
        let host = self.settle(PATIENCE).await?;
        let client = self.players.remove(&host)?;
        {
            let mut tally = self.stage.tally();
            tally.seats.entry(host).or_default().is_gone = true;
            tally.begin_silence(Instant::now());
        }
        let landed = client.landed();
        client.cut().await;
        self.landed = sum([self.landed, landed]);
        self.screen
            .tell(&json!({"event": "cut_off", "player": host}), &format!("player {} is cut off: the host", host.0));
        self.await_other(host).await
    }

    /// The host hands over to another.
    async fn hand_over(&mut self) -> Option<Duration> {
        let host = self.settle(PATIENCE).await?;
        self.stage.tally().begin_silence(Instant::now());
        self.screen.tell(&json!({"event": "hands_over", "player": host}), &format!("player {} hands over", host.0));
        let until = Instant::now() + PATIENCE;
        let mut ask_at = Instant::now();
        while self.is_host_to_all(host) && Instant::now() < until {
            if ask_at <= Instant::now() {
                // A refusal says that nobody could take over just now.
                let _ = self.players.get(&host)?.command(Command::HandOver(None));
                ask_at = Instant::now() + AGAIN;
            }
            self.look().await;
        }
        self.await_other(host).await
    }

    /// Until everybody has another host, and a moment more; the longest silence since it was begun to be measured.
    async fn await_other(&mut self, old: PlayerId) -> Option<Duration> {
        let until = Instant::now() + PATIENCE;
        while self.settled().is_none_or(|host| host == old) && Instant::now() < until {
            self.look().await;
        }
        self.pass(Instant::now() + CALM).await;
        let silence = self.stage.tally().end_silence();
        let host = self.settled().filter(|host| *host != old)?;
        let told = json!({"event": "host_changed", "host": host, "gap_ms": millis(silence)});
        self.screen.tell(&told, &format!("player {} is host; the longest silence was {} ms", host.0, millis(silence)));
        Some(silence)
    }

    /// The sum, and whether nothing is wrong.
    fn sum_up(&mut self, [crash, graceful]: [Option<Duration>; 2]) -> bool {
        let paths = sum(self.players.values().map(Client::landed).chain([self.landed]));
        let tally = self.stage.tally();
        let faults = tally.faults();
        let (sent, delivered) = (tally.sent(), tally.delivered());
        drop(tally);
        let summary = json!({
            "event": "summary", "players": self.plan.players, "sent": sent, "delivered": delivered,
            "lost": faults.lost, "duplicated": faults.duplicated, "reordered": faults.reordered,
            "altered": faults.altered, "migrations": self.stage.changes().len(),
            "crash_gap_ms": crash.map(millis), "graceful_gap_ms": graceful.map(millis),
            "paths": {"srtp": paths.srtp, "sctp": paths.sctp, "relay": paths.relay},
        });
        self.screen.end(&summary);
        [faults.lost, faults.duplicated, faults.reordered, faults.altered] == [0; 4]
    }

    /// Until then.
    async fn pass(&mut self, until: Instant) {
        while Instant::now() < until {
            self.look().await;
        }
    }

    /// A moment passes, and is shown.
    async fn look(&mut self) {
        Timer::after(LOOK).await;
        let hosts: BTreeMap<PlayerId, PlayerId> =
            self.stage.views().iter().map(|(player, view)| (*player, view.host)).collect();
        self.screen.show(self.begun.elapsed(), &self.players, &self.stage.tally(), &hosts);
    }

    fn settled(&self) -> Option<PlayerId> {
        self.stage.host(&self.players)
    }

    /// Waits until everybody has the same host, and another could take over.
    async fn settle(&mut self, patience: Duration) -> Option<PlayerId> {
        let until = Instant::now() + patience;
        while self.settled().is_none() && Instant::now() < until {
            self.look().await;
        }
        self.settled()
    }

    fn is_host_to_all(&self, host: PlayerId) -> bool {
        let views = self.stage.views();
        self.players.keys().all(|player| views.get(player).is_some_and(|view| view.host == host))
    }

    /// Whether all packets between the host and the others go by SRTP.
    fn is_direct(&self) -> bool {
        let Some(host) = self.settled().and_then(|host| self.players.get(&host)) else { return false };
        let stats = host.stats();
        let direct = stats.iter().filter(|other| other.path == Some(PathKind::Srtp)).count();
        direct + 1 >= self.players.len()
    }
}

fn sum(all: impl IntoIterator<Item = Landed>) -> Landed {
    all.into_iter().fold(Landed::default(), |sum, one| Landed {
        relay: sum.relay + one.relay,
        external: sum.external + one.external,
        sctp: sum.sctp + one.sctp,
        srtp: sum.srtp + one.srtp,
    })
}

/// Milliseconds with one place.
fn millis(duration: Duration) -> Value {
    json!((duration.as_secs_f64() * 1e4).round() / 10.0)
}
