//! One player of a churn, from its join to its end: talks at its rate, and notes whom it has heard, and when that was said.

use super::super::report::{Counts, locked};
use super::Stage;
use super::tally::Way;
use async_io::Timer;
use futures_lite::future::{self, race};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, Destination, PeerEvent, PeerMessage, SendError};
use webstar_core::time::Instant as Moment;
use webstar_smol::client::{Client, JoinError, now, spawn};

const KIND: &str = "churn";
/// The number of the load, the time at which it was said, and who says it.
pub(in super::super) const STAMP: usize = 20;
/// The players share a process with thousands of others: their clocks have better to do than to tick ten times a second.
const HEARTBEAT: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(8)];

/// A player that is in a lobby.
pub(super) struct Member {
    client: Client,
    ears: Arc<Ears>,
}

/// What a player knows, shared with the task that listens for it.
struct Ears {
    stage: Arc<Stage>,
    /// Its number in the lobby, given by us and never given again.
    serial: u32,
    /// When the newest was said that it has heard, of each player by its number.
    newest: Mutex<BTreeMap<u32, Moment>>,
    me: AtomicU32,
    host: AtomicU32,
    /// It goes because it shall.
    goes: AtomicBool,
    has_ended: AtomicBool,
}

/// Joins; tells what went wrong, and for how many reasons of which kind.
pub(super) async fn join(stage: Arc<Stage>, lobby: String, serial: u32, places: u32) -> Option<Member> {
    let options = stage.plan.options(&lobby, serial, places).map(|mut options| {
        [options.config.heartbeat_interval, options.config.heartbeat_timeout] = HEARTBEAT;
        options
    });
    let options = match options {
        Ok(options) => options,
        Err(why) => {
            stage.counts.error(why);
            return None;
        }
    };
    let begun = now();
    let too_long = async {
        Timer::after(stage.churn.patience).await;
        None
    };
    match race(async { Some(Client::join_with(options).await) }, too_long).await {
        Some(Ok(client)) => {
            Counts::note(&stage.counts.connect, now().since(begun));
            Counts::add(&stage.counts.joined);
            Some(Member::new(stage, client, serial))
        }
        Some(Err(error)) => {
            stage.tally.failed(reason(&error));
            stage.counts.failure(&error);
            None
        }
        None => {
            stage.tally.failed("no_answer".into());
            stage.counts.unanswered(format!("a join to {lobby} was not answered in {:?}", stage.churn.patience));
            None
        }
    }
}

fn reason(error: &JoinError) -> String {
    match error {
        JoinError::Ended(ended) => crate::join::ending::reason_of(ended),
        JoinError::Start(_) => "start".into(),
    }
}

impl Member {
    fn new(stage: Arc<Stage>, client: Client, serial: u32) -> Self {
        let ears = Arc::new(Ears {
            stage,
            serial,
            newest: Mutex::default(),
            me: AtomicU32::default(),
            host: AtomicU32::default(),
            goes: AtomicBool::default(),
            has_ended: AtomicBool::default(),
        });
        spawn(listen(client.clone(), ears.clone())).detach();
        Member { client, ears }
    }

    pub(super) fn is_host(&self) -> bool {
        self.ears.me.load(Ordering::Relaxed) == self.ears.host.load(Ordering::Relaxed)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ears.has_ended.load(Ordering::Relaxed)
    }

    /// Says something, to be heard by all who are in by now: what was said before somebody was in, that one never hears.
    pub(super) fn probe(&self) {
        say(&self.client, &self.ears);
    }

    /// Whether it has heard something that the other has said since then.
    pub(super) fn has_heard(&self, other: &Member, since: Moment) -> bool {
        locked(&self.ears.newest).get(&other.ears.serial).is_some_and(|said| *said >= since)
    }

    /// Goes, and is gone.
    pub(super) async fn go(self, way: Way) {
        let (stage, ears) = (self.ears.stage.clone(), self.ears.clone());
        ears.goes.store(true, Ordering::Relaxed);
        stage.tally.gone(way, self.is_host());
        let going = async {
            match way {
                Way::Leaves => {
                    self.client.leave().await;
                }
                Way::Crashes => self.client.cut().await,
            }
            true
        };
        let too_long = async {
            Timer::after(stage.churn.patience).await;
            false
        };
        if !race(going, too_long).await {
            stage.counts.error(format!("{} could not go ({way:?}) in {:?}", ears.name(), stage.churn.patience));
        }
    }

    /// Who it is and what it believes, for people.
    pub(super) fn told(&self) -> String {
        let host = self.ears.host.load(Ordering::Relaxed);
        format!("{} with the host {host}", self.ears.name())
    }
}

impl Ears {
    fn name(&self) -> String {
        format!("player {} (the {}. to come)", self.me.load(Ordering::Relaxed), self.serial + 1)
    }

    fn set_host(&self, host: PlayerId) {
        self.host.store(host.0, Ordering::Relaxed);
    }

    fn on_event(&self, event: PeerEvent) {
        let stage = &self.stage;
        match event {
            PeerEvent::Message(message) => self.on_message(&message),
            PeerEvent::Joined { player, host, .. } => {
                self.me.store(player.0, Ordering::Relaxed);
                host.into_iter().for_each(|host| self.set_host(host));
            }
            PeerEvent::HostChanged { host, .. } | PeerEvent::ViewChanged { host, .. } => self.set_host(host),
            PeerEvent::ContinuityLost => stage.tally.continuity_lost(),
            // It is not in yet, and tries again: it may have waited too long for a busy server. Joins that fail are told.
            PeerEvent::Reconnecting { .. } if self.me.load(Ordering::Relaxed) == 0 => stage.tally.retried(),
            PeerEvent::Reconnecting { why, .. } if !self.goes.load(Ordering::Relaxed) => {
                stage.counts.error(format!("the connection of a player broke: {why}"));
            }
            PeerEvent::Closed(why) if !self.goes.load(Ordering::Relaxed) => {
                stage.counts.error(format!("a player was put out: {why}"));
            }
            _ => {}
        }
    }

    fn on_message(&self, message: &PeerMessage) {
        let Some((load, rest)) = message.payload.split_first_chunk::<8>() else { return };
        let Some((at, rest)) = rest.split_first_chunk::<8>() else { return };
        let Some((serial, _)) = rest.split_first_chunk::<4>() else { return };
        if message.kind.as_str() != KIND || u64::from_le_bytes(*load) != u64::from(self.stage.load) {
            return;
        }
        let at = Moment::from_nanos(i64::from_le_bytes(*at));
        let mut newest = locked(&self.newest);
        let known = newest.entry(u32::from_le_bytes(*serial)).or_insert(at);
        *known = at.max(*known);
        Counts::note(&self.stage.counts.latency, now().since(at));
        Counts::add(&self.stage.counts.delivered);
    }
}

/// Says something to all, itself included.
fn say(client: &Client, ears: &Ears) {
    let size = ears.stage.plan.size;
    let mut payload = Vec::with_capacity(size);
    payload.extend(u64::from(ears.stage.load).to_le_bytes());
    payload.extend(now().as_nanos().to_le_bytes());
    payload.extend(ears.serial.to_le_bytes());
    payload.resize(size, 0);
    let counts = &ears.stage.counts;
    match client.send(&Destination::All, Channel::Ordered, KIND, payload) {
        Ok(_) => Counts::add(&counts.sent),
        Err(SendError::Full { .. }) => Counts::add(&counts.full),
        // Who has ended is told of elsewhere.
        Err(_) => {}
    }
}

enum Turn {
    Event(Option<PeerEvent>),
    Say,
}

/// Listens and talks until the player has ended.
async fn listen(client: Client, ears: Arc<Ears>) {
    let rate = ears.stage.plan.rate;
    let beat = (rate > 0.0).then(|| Duration::from_secs_f64(1.0 / rate));
    let mut next = beat.map(|beat| Instant::now() + beat);
    loop {
        let event = async { Turn::Event(client.next_event().await) };
        let talk = async {
            match next {
                Some(at) => Timer::at(at).await,
                None => future::pending().await,
            };
            Turn::Say
        };
        match race(event, talk).await {
            Turn::Event(Some(event)) => {
                let is_last = matches!(event, PeerEvent::Closed(_));
                ears.on_event(event);
                if is_last {
                    break;
                }
            }
            Turn::Event(None) => break,
            Turn::Say => {
                say(&client, &ears);
                next = beat.map(|beat| Instant::now() + beat);
            }
        }
    }
    ears.has_ended.store(true, Ordering::Relaxed);
}
