//! One conversation between two players over whatever paths exist: a small QUIC without its handshake.
//!
//! Messages wait in four **lanes** ([`Priority`]), each with four kinds of [`Delivery`]. Packets are numbered for the
//! whole session and never sent twice: what was in a lost packet goes back to its lane and leaves in a new one, on
//! whatever path is in use then. The other side acknowledges ranges of numbers. Round trip, loss, congestion control
//! and time-outs are kept per path ([`pipe`] tells what a path is), so a switch of path is invisible above: the next
//! packet simply goes the other way, and what was given up by the switch leaves again by priority.
//!
//! Under loss small kept messages are protected forward: a packet also carries combinations of earlier ones, from
//! which the other side solves what it missed, usually before it could have asked for it.
//!
//! The session decides nothing about paths: which one is in use, and which are probed, is told from outside
//! ([`Session::use_path`], [`Session::probe`]); what it measures is told by [`Session::reading`].
//!
//! The law: after any call that changes it, call [`Session::poll_packet`] until it gives `None`, drain
//! [`Session::poll_event`], then come back at [`Session::deadline`] at the latest with [`Session::on_timeout`].
//! Packets are written when polled for, so that everything submitted before a drain shares packets.

mod acking;
mod budget;
mod compress;
pub mod congestion;
mod curve;
mod flow;
mod incoming;
mod outgoing;
mod pacing;
pub mod pipe;
mod protect;
mod ranges;
mod receive;
mod rtt;
mod send;
mod sent;
pub mod shield;
mod stats;
mod tempo;
mod ticks;
mod timing;

pub use compress::decompress;
pub use outgoing::Envelope;
pub use receive::Received;
pub use send::SendError;
pub use stats::{Dropped, PathStats, SessionStats};
pub use timing::SessionTimer;

use crate::config::{ConfigError, SessionConfig};
use crate::id::{MessageId, PathId, SessionId};
use crate::time::{Duration, Instant};
use crate::wire::frame::{Delivery, Priority};
use crate::wire::limits::{MAX_PACKET, MIN_MAX_PACKET};
use crate::wire::packet::SealKey;
use crate::wire::signal::Version;
use acking::Acking;
use bytes::Bytes;
use flow::Flow;
use pipe::{PathReading, PipeFacts};
use protect::Protection;
use receive::Inbox;
pub(crate) use rtt::Rtt;
use send::Outgoing;
use sent::{Fate, Opening, SentLog};
use std::collections::VecDeque;
pub(crate) use tempo::Heard;
use ticks::Ticks;

/// Paths a session can have at a time.
pub const MAX_PATHS: usize = 8;

/// The two halves of a session's name: ours and the other side's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionIds {
    /// The half this side was given.
    pub ours: SessionId,
    /// The half the other side was given.
    pub theirs: SessionId,
}

/// What a session has to tell.
#[derive(Clone, PartialEq, Debug)]
pub enum SessionEvent {
    /// A message has arrived.
    Message(Received),
    /// A kept message of ours has arrived whole.
    Acked(MessageId),
    /// A lane that refused a message has room again.
    Drained(Priority),
    /// A probe has come back on its path.
    ProbeAnswered {
        /// The path.
        path: PathId,
        /// The probe's token.
        token: u32,
        /// The round trip.
        rtt: Duration,
    },
    /// The other side says that it does not hear us on a path.
    Unheard(PathId),
    /// What was said last on the path in use is not acknowledged in time. The other side may well be heard on it.
    Unanswered(PathId),
    /// Something was heard on a path.
    Heard(PathId),
}

/// A message to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outbound {
    /// Its priority.
    pub priority: Priority,
    /// What is promised for it.
    pub delivery: Delivery,
    /// The key of a latest-only message; else unused.
    pub key: u32,
    /// The bytes.
    pub payload: Bytes,
}

/// One conversation with one other player.
#[derive(Debug)]
pub struct Session {
    config: SessionConfig,
    send_key: SealKey,
    receive_key: SealKey,
    flows: Vec<Flow>,
    openings: u32,
    active: Option<PathId>,
    outgoing: Outgoing,
    sent: SentLog,
    /// One more than the largest number the other side has acknowledged.
    acked_end: u64,
    inbox: Inbox,
    acking: Acking,
    protection: Protection,
    unheard: Option<PathId>,
    ticks: Ticks,
    /// Messages wait until then, but critical ones.
    held_until: Option<Instant>,
    /// Something waits, but nothing of it may be written before an acknowledgement comes.
    is_stuck: bool,
    events: VecDeque<SessionEvent>,
    dropped: Dropped,
    lost: Vec<u64>,
    version: Version,
}

impl Session {
    /// A session without paths.
    pub fn new(config: SessionConfig, ids: SessionIds, now: Instant) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Session {
            config,
            send_key: SealKey::new(ids.ours, ids.theirs),
            receive_key: SealKey::new(ids.theirs, ids.ours),
            flows: Vec::with_capacity(2),
            openings: 0,
            active: None,
            outgoing: Outgoing::new(),
            sent: SentLog::default(),
            acked_end: 0,
            inbox: Inbox::default(),
            acking: Acking::new(now),
            protection: Protection::new(now),
            unheard: None,
            ticks: Ticks::new(now),
            held_until: None,
            is_stuck: false,
            events: VecDeque::new(),
            dropped: Dropped::default(),
            lost: Vec::new(),
            version: Version::CURRENT,
        })
    }

    /// Takes a message. [`SendError::Full`] means not taken; [`SessionEvent::Drained`] follows once.
    pub fn send(&mut self, now: Instant, message: Outbound) -> Result<MessageId, SendError> {
        let Outbound { priority, delivery, key, payload } = message;
        self.is_stuck = false;
        self.outgoing.submit(now, priority, delivery, key, payload, &self.config)
    }

    /// A path is there, or there again: it starts without memory. A packet size below what the protocol needs, or a
    /// path beyond [`MAX_PATHS`], is not taken.
    pub fn open_path(&mut self, now: Instant, path: PathId, facts: PipeFacts) -> bool {
        if facts.max_packet < MIN_MAX_PACKET || usize::from(path.0) >= MAX_PATHS {
            return false;
        }
        self.close_path(now, path);
        let facts = PipeFacts { max_packet: facts.max_packet.min(MAX_PACKET), ..facts };
        self.openings += 1;
        self.flows.push(Flow::new(now, path, Opening(self.openings), facts, &self.config));
        self.is_stuck = false;
        true
    }

    /// A path is gone: what was in flight on it goes back to the lanes.
    pub fn close_path(&mut self, now: Instant, path: PathId) {
        self.give_up(now, path);
        self.flows.retain(|flow| flow.path != path);
        if self.active == Some(path) {
            self.active = None;
        }
    }

    /// Sends on this path from now on. What is in flight on others stays there; see [`Session::give_up`].
    pub fn use_path(&mut self, path: Option<PathId>) {
        self.active = path.filter(|path| self.flows.iter().any(|flow| flow.path == *path));
        self.is_stuck = false;
    }

    /// The path in use.
    pub fn path(&self) -> Option<PathId> {
        self.active
    }

    /// Stops waiting for what is in flight on a path: its content goes back to the lanes and leaves by priority.
    pub fn give_up(&mut self, _now: Instant, path: PathId) {
        let Some(flow) = self.flows.iter_mut().find(|flow| flow.path == path) else { return };
        flow.on_given_up();
        let opening = flow.opening;
        for number in self.sent.base()..self.sent.next_number() {
            let Some(packet) = self.sent.get(number) else { break };
            if packet.opening == opening && packet.fate == Fate::InFlight {
                packet.fate = Fate::GivenUp;
                let packet = *packet;
                self.sent.pieces_of(&packet).for_each(|piece| self.outgoing.on_lost(piece));
            }
        }
        self.is_stuck = false;
    }

    /// Asks for an answer on this very path.
    pub fn probe(&mut self, path: PathId, token: u32) {
        if let Some(flow) = self.flow_mut(path) {
            flow.probe = Some(token);
        }
    }

    /// Tells the other side that it is not heard on a path.
    pub fn report_unheard(&mut self, path: PathId) {
        self.unheard = Some(path);
    }

    /// The pipe below a path holds so many bytes that have not left yet.
    pub fn on_buffered(&mut self, path: PathId, bytes: usize) {
        if let Some(flow) = self.flow_mut(path) {
            flow.on_buffered(bytes);
        }
    }

    /// With nothing to say a packet goes this often on the path in use.
    pub fn set_heartbeat(&mut self, interval: Duration) {
        self.config.heartbeat_interval = interval.max(self.config.min_rhythm);
    }

    /// When messages last left together, if there is a tick.
    pub(crate) fn ticked_at(&self) -> Option<Instant> {
        self.config.tick.map(|_| self.ticks.last())
    }

    /// Another conversation has let its messages leave at this moment: this one does too, so that one waking serves all.
    pub(crate) fn tick_with(&mut self, at: Instant) {
        if let Some(tick) = self.config.tick {
            self.ticks.join(at, tick);
        }
    }

    /// Messages and repairs wait until then, or no more: what several conversations send together is limited. Critical
    /// messages, heartbeats, acknowledgements and probes leave all the same.
    pub(crate) fn hold_until(&mut self, until: Option<Instant>) {
        self.held_until = until;
    }

    /// Both sides speak this version: what it does not know is neither sent nor understood.
    pub fn set_version(&mut self, version: Version) {
        self.version = version;
    }

    /// What is measured of a path.
    pub fn reading(&self, now: Instant, path: PathId) -> Option<PathReading> {
        self.flow(path).map(|flow| flow.reading(now))
    }

    /// How the other side is heard on a path.
    pub(crate) fn heard(&self, path: PathId) -> Option<&Heard> {
        self.flow(path).map(|flow| &flow.heard)
    }

    /// The round trip on a path.
    pub(crate) fn rtt(&self, path: PathId) -> Option<&Rtt> {
        self.flow(path).map(|flow| &flow.rtt)
    }

    /// The next thing to tell.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Bytes held in a lane, waiting and unacknowledged.
    pub fn queued(&self, priority: Priority) -> usize {
        self.outgoing.held_bytes(priority)
    }

    /// The part of them that is unreliable or newest state.
    pub(crate) fn queued_loose(&self, priority: Priority) -> usize {
        self.outgoing.held_loose(priority)
    }

    fn flow(&self, path: PathId) -> Option<&Flow> {
        self.flows.iter().find(|flow| flow.path == path)
    }

    fn opened(&mut self, opening: Opening) -> Option<&mut Flow> {
        self.flows.iter_mut().find(|flow| flow.opening == opening)
    }

    fn flow_mut(&mut self, path: PathId) -> Option<&mut Flow> {
        self.flows.iter_mut().find(|flow| flow.path == path)
    }
}
