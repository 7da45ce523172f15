//! One player of a load: joins, waits for the start, talks at its rate, measures what it hears, and leaves.

use super::report::Counts;
use super::run::Plan;
use async_channel::Receiver;
use async_io::Timer;
use futures_lite::FutureExt;
use futures_lite::future::{self, race};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use webstar_core::id::PlayerId;
use webstar_core::peer::{Destination, PeerEvent, PeerMessage, SendError};
use webstar_smol::client::{Client, Options, now};

/// The time at which a message was sent, and the number of the load that it belongs to.
pub(super) const STAMP: usize = 16;

const KIND: &str = "load";

/// What the players of a load are told: when the talk begins and ends, and that it is over.
#[derive(Clone)]
pub(super) struct Stage {
    /// Tells begin and end of the talk, each player one copy.
    pub(super) talk: Receiver<(Instant, Instant)>,
    /// Closes when everybody may leave.
    pub(super) over: Receiver<()>,
    /// Tells loads apart that are in the same process or lobby.
    pub(super) load: u64,
}

/// Plays one player to its end.
pub(super) async fn play(plan: Arc<Plan>, counts: Arc<Counts>, options: Options, stage: Stage, turn: f64) {
    let begun = now();
    let client = match Client::join_with(options).await {
        Ok(client) => client,
        Err(error) => return counts.failure(&error),
    };
    Counts::note(&counts.connect, now().since(begun));
    Counts::add(&counts.joined);
    let mut player = Player { plan, counts, client, stage, is_blocked: false, me: None, host: None };
    player.talk(turn).await;
    player.note_paths();
    player.client.leave().await;
}

struct Player {
    plan: Arc<Plan>,
    counts: Arc<Counts>,
    client: Client,
    stage: Stage,
    is_blocked: bool,
    me: Option<PlayerId>,
    host: Option<PlayerId>,
}

enum Turn {
    Event(Option<PeerEvent>),
    Talk(Option<(Instant, Instant)>),
    Send,
    Over,
}

impl Player {
    /// `turn`: where in the beat of all players this one speaks, 0 to 1.
    async fn talk(&mut self, turn: f64) {
        let beat = (self.plan.rate > 0.0).then(|| Duration::from_secs_f64(1.0 / self.plan.rate));
        let mut talk = None;
        let mut next = None;
        loop {
            match self.turn(talk.is_none(), next).await {
                Turn::Event(Some(PeerEvent::Closed(why))) => return self.counts.error(why.to_string()),
                Turn::Event(None) => return self.counts.error("a player ended without a word".into()),
                Turn::Event(Some(event)) => self.on_event(event),
                Turn::Talk(Some((begin, end))) => {
                    talk = Some(end);
                    next = beat.map(|beat| begin.max(Instant::now()) + beat.mul_f64(turn));
                }
                Turn::Send => {
                    self.send();
                    next = next.zip(beat).map(|(at, beat)| at + beat).filter(|at| talk.is_some_and(|end| *at < end));
                }
                Turn::Talk(None) | Turn::Over => return,
            }
        }
    }

    async fn turn(&self, is_early: bool, next: Option<Instant>) -> Turn {
        let event = async { Turn::Event(self.client.next_event().await) };
        let talk = async {
            match is_early {
                true => Turn::Talk(self.stage.talk.recv().await.ok()),
                false => future::pending().await,
            }
        };
        let send = async {
            match next {
                Some(at) if at > Instant::now() => Timer::at(at).await,
                Some(at) => at,
                None => future::pending().await,
            };
            Turn::Send
        };
        let over = async {
            let _ = self.stage.over.recv().await;
            Turn::Over
        };
        race(event, talk.or(send)).or(over).await
    }

    fn on_event(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Message(message) => self.on_message(&message),
            PeerEvent::Drained(_) => self.is_blocked = false,
            PeerEvent::Joined { player, host, .. } => (self.me, self.host) = (Some(player), host),
            PeerEvent::HostChanged { host, .. } | PeerEvent::ViewChanged { host, .. } => self.host = Some(host),
            PeerEvent::Reconnecting { why, .. } => self.counts.error(format!("a connection broke: {why}")),
            PeerEvent::ContinuityLost => self.counts.error("continuity was lost".into()),
            _ => {}
        }
    }

    /// By which ways it went.
    fn note_paths(&self) {
        let host = self.host.filter(|host| Some(*host) != self.me);
        let to_host = self.client.stats().into_iter().find(|other| Some(other.player) == host);
        self.counts.went(self.client.landed(), to_host.and_then(|other| other.path));
    }

    fn on_message(&self, message: &PeerMessage) {
        let payload = &message.payload;
        let Some((stamp, _)) = payload.split_first_chunk::<STAMP>() else { return };
        let (load, at) = stamp.split_at(8);
        if message.kind.as_str() != KIND || load != self.stage.load.to_le_bytes() {
            return;
        }
        let at = i64::from_le_bytes(at.try_into().expect("half of sixteen bytes is eight"));
        Counts::note(&self.counts.latency, now().since(webstar_core::time::Instant::from_nanos(at)));
        Counts::add(&self.counts.delivered);
    }

    fn send(&mut self) {
        if self.is_blocked {
            return Counts::add(&self.counts.full);
        }
        let mut payload = Vec::with_capacity(self.plan.size);
        payload.extend(self.stage.load.to_le_bytes());
        payload.extend(now().as_nanos().to_le_bytes());
        payload.resize(self.plan.size, 0);
        match self.client.send(&Destination::Others, self.plan.channel, KIND, payload) {
            Ok(_) => {
                Counts::add(&self.counts.sent);
                self.counts.expected.fetch_add(u64::from(self.plan.players - 1), Ordering::Relaxed);
            }
            Err(SendError::Full { .. }) => {
                self.is_blocked = true;
                Counts::add(&self.counts.full);
            }
            Err(error) => self.counts.error(error.to_string()),
        }
    }
}
