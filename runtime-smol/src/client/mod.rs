//! A player on real sockets: a handle that any thread may hold, and a task behind it on threads that all clients of the
//! process share.
//!
//! ```no_run
//! use webstar_smol::client::Client;
//! use webstar_core::peer::{Channel, Destination, PeerEvent};
//!
//! futures_lite::future::block_on(async {
//!     let client = Client::join("webstar://127.0.0.1:8080/room").await?;
//!     client.on("position", |from, (x, y): (f32, f32)| println!("{from:?} is at {x} {y}"));
//!     client.send(&Destination::All, Channel::Ordered, "chat", "hello")?;
//!     client.send_as("position", &(1.0_f32, 2.0_f32))?;
//!     while let Some(event) = client.next_event().await {
//!         match event {
//!             PeerEvent::Message(message) => println!("{message:?}"),
//!             event => println!("{event:?}"),
//!         }
//!     }
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub(crate) mod clock;
mod connect;
mod direct;
mod driver;
mod executor;
mod interfaces;
mod options;
mod record;
mod shared;
mod signal;
mod socket;

pub use clock::now;
pub use direct::DirectStats;
pub use executor::spawn;
pub use options::{DirectOptions, Options, StartError};
pub use signal::{ListError, list_lobbies};
pub use webstar_core::path::webrtc::{AllocationStats, HelpServer, WebrtcDropped};

use async_channel::Receiver;
use bytes::Bytes;
use direct::Direct;
use driver::Driver;
use record::Tape;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::Shared;
use std::fmt;
use std::sync::{Arc, Mutex};
use thiserror::Error;
use webstar_core::id::{CommandId, PlayerId};
use webstar_core::peer::{
    Channel, Command, CommandError, DecideError, Destination, Ended, Landed, PeerEvent, PlayerStats, Position,
    ProposalId, SendError, Sent, Ticket, Verdict,
};
use webstar_core::recording::Recorded;

/// A player. Clones are handles of the same player; when the last is dropped, it leaves.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    events: Receiver<PeerEvent>,
    /// Never sends; closes when the driver is done.
    done: Receiver<()>,
}

/// Why a join came to nothing.
#[derive(Clone, Debug, Error)]
pub enum JoinError {
    /// It could not even begin.
    #[error(transparent)]
    Start(#[from] StartError),
    /// It was refused, or nobody was there.
    #[error(transparent)]
    Ended(#[from] Ended),
}

/// Why a value was not sent.
#[derive(Clone, Debug, Error)]
pub enum SendAsError {
    /// It cannot be written.
    #[error("the value cannot be written: {0}")]
    Encode(#[from] postcard::Error),
    /// It was not taken.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Client {
    /// Into the lobby that a target names (see [`crate::uri`]), which is made if it is not there.
    pub async fn join(target: &str) -> Result<Self, JoinError> {
        Client::join_with(Options::to(target)?).await
    }

    /// Into a lobby; answers when the player is in it. The events tell of it too.
    pub async fn join_with(options: Options) -> Result<Self, JoinError> {
        let (client, first) = Client::begin(options)?;
        match first.recv().await {
            Ok(joined) => joined?,
            Err(_) => return Err(Ended::Left.into()),
        }
        Ok(client)
    }

    /// Begins to join, and answers at once. The events tell what comes of it.
    pub fn start(options: Options) -> Result<Self, StartError> {
        Client::begin(options).map(|(client, _)| client)
    }

    fn begin(mut options: Options) -> Result<(Self, Receiver<Result<(), Ended>>), StartError> {
        let sockets = options.direct.open(&options.config)?;
        if sockets.is_none() {
            options.config.direct_paths.clear();
        }
        let certificates = options.certificates.clone();
        let direct = sockets.map(|sockets| Direct::new(&options.config, sockets, options.direct, certificates));
        let tape = options.record.map(Tape::open).transpose()?;
        let make = if tape.is_some() { Recorded::watched } else { Recorded::unwatched };
        let peer = make(options.config, options.request, clock::seed()?, clock::now())?;
        let (first, joined) = async_channel::bounded(1);
        // The driver alone sends, and keeps to the limit; a bounded channel would reserve all of it beforehand.
        let (events, unread) = async_channel::unbounded();
        let (working, done) = async_channel::bounded::<()>(1);
        let shared = Arc::new(Shared::new(peer, first, options.event_queue.max(1)));
        let driver = Driver::new(shared.clone(), options.certificates, direct, tape, events);
        let task = async move {
            driver.await;
            drop(working);
        };
        executor::spawn(task).detach();
        Ok((Client { handle: Arc::new(Handle { shared, events: unread, done }) }, joined))
    }

    /// Sends a message. [`SendError::Full`] means not taken; [`PeerEvent::Drained`] follows once.
    pub fn send(
        &self,
        to: &Destination,
        channel: Channel,
        kind: &str,
        payload: impl Into<Bytes>,
    ) -> Result<Sent, SendError> {
        let mut state = self.handle.shared.lock();
        let sent = state.peer.send(clock::now(), to, channel, kind, payload.into());
        state.touch();
        sent
    }

    /// Sends a value to everybody, the sender included, in the order that is the same for all.
    pub fn send_as<T: Serialize + ?Sized>(&self, kind: &str, value: &T) -> Result<Sent, SendAsError> {
        self.send_value(&Destination::All, Channel::Ordered, kind, value)
    }

    /// Sends a value. It travels as postcard, so both sides must mean the same type by a kind.
    pub fn send_value<T: Serialize + ?Sized>(
        &self,
        to: &Destination,
        channel: Channel,
        kind: &str,
        value: &T,
    ) -> Result<Sent, SendAsError> {
        Ok(self.send(to, channel, kind, postcard::to_stdvec(value)?)?)
    }

    /// From now on messages of this kind go to a handler, in their order, instead of to [`Client::next_event`]. It runs
    /// on a thread of the clients and must not block; it may use the client. Messages that are no `T` go the usual way.
    pub fn on<T: DeserializeOwned>(&self, kind: &str, mut handler: impl FnMut(PlayerId, T) + Send + 'static) {
        let decode = move |message: webstar_core::peer::PeerMessage| match postcard::from_bytes(&message.payload) {
            Ok(value) => {
                handler(message.from, value);
                None
            }
            Err(_) => Some(message),
        };
        self.handle.shared.lock().handlers.insert(kind.into(), Arc::new(Mutex::new(decode)));
    }

    /// The next event; none after the last. Every event goes to one of those who ask.
    pub async fn next_event(&self) -> Option<PeerEvent> {
        let event = self.handle.events.recv().await.ok();
        self.handle.shared.on_read(&self.handle.events);
        event
    }

    /// The next event, if one is there.
    pub fn try_next_event(&self) -> Option<PeerEvent> {
        let event = self.handle.events.try_recv().ok();
        self.handle.shared.on_read(&self.handle.events);
        event
    }

    /// Asks for something; [`PeerEvent::Done`] tells what became of it.
    pub fn command(&self, command: Command) -> Result<CommandId, CommandError> {
        let mut state = self.handle.shared.lock();
        let asked = state.peer.command(clock::now(), command);
        state.touch();
        asked
    }

    /// The game's state, as [`PeerEvent::SnapshotWanted`] has asked for it.
    pub fn snapshot(&self, position: Position, state: impl Into<Bytes>) {
        let mut machine = self.handle.shared.lock();
        machine.peer.snapshot(clock::now(), position, state.into());
        machine.touch();
    }

    /// As host with `authority`: what becomes of a message that [`PeerEvent::Proposal`] has told.
    pub fn decide(&self, proposal: ProposalId, verdict: Verdict) -> Result<(), DecideError> {
        let mut state = self.handle.shared.lock();
        let decided = state.peer.decide(clock::now(), proposal, verdict);
        state.touch();
        decided
    }

    /// What brings this player back under its number after a crash or a reload, as
    /// [`Options::request`](Options)'s `ticket`: to be kept anew with each [`PeerEvent::Joined`].
    pub fn ticket(&self) -> Option<Ticket> {
        self.handle.shared.lock().peer.ticket()
    }

    /// The other players in numbers.
    pub fn stats(&self) -> Vec<PlayerStats> {
        self.handle.shared.lock().peer.stats()
    }

    /// How many packets of other players have come, by the kind of their path.
    pub fn landed(&self) -> Landed {
        self.handle.shared.lock().peer.landed()
    }

    /// The direct paths in numbers: what went over which TURN server, and what was dropped. All is zero without such paths.
    pub async fn direct_stats(&self) -> DirectStats {
        let (answer, answered) = async_channel::bounded(1);
        {
            let mut state = self.handle.shared.lock();
            if state.ended.is_some() {
                return DirectStats::default();
            }
            state.asking.push(answer);
            state.touch();
        }
        answered.recv().await.unwrap_or_default()
    }

    /// Ends at once, as if the process were killed: the system closes the sockets, and nobody is told anything. To try
    /// how others do without this player.
    pub async fn cut(self) {
        {
            let mut state = self.handle.shared.lock();
            state.is_cut = true;
            state.ended.get_or_insert(Ended::Left);
            state.touch();
        }
        let _ = self.handle.done.recv().await;
    }

    /// Asks to leave and does not wait. What was sent before is delivered first; [`PeerEvent::Closed`] follows.
    pub fn begin_leaving(&self) {
        self.handle.shared.leave();
    }

    /// Leaves for good. What was sent before is delivered first. Events that come meanwhile and find no room in the
    /// queue are dropped.
    pub async fn leave(&self) -> Ended {
        {
            let shared = &self.handle.shared;
            shared.lock().is_leaving = true;
            shared.leave();
        }
        let _ = self.handle.done.recv().await;
        self.handle.shared.lock().ended.clone().unwrap_or(Ended::Left)
    }
}

impl Shared {
    fn leave(&self) {
        let mut state = self.lock();
        // Who has left already need not.
        let _ = state.peer.command(clock::now(), Command::Leave);
        state.touch();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().is_leaving = true;
        self.shared.leave();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}
