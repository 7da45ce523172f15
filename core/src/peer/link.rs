//! A link: one session together with the paths it may take, their watches and the keepers that mend them. It decides
//! which path is in use; how packets look and when they leave is the session's, how a path is judged the watch's.
//!
//! It is a machine of the common idiom: one [`Link::handle`] (or [`Link::send`]), then [`Link::poll`] until it gives
//! [`Output::Timeout`]. Packets are written when polled for, into one buffer that is used again and again.
//!
//! ```
#![doc = include_str!("../../examples/link.rs")]
//! ```

use crate::config::ConfigError;
use crate::id::{MessageId, PathId, PlayerId};
use crate::path::{self, Attempt, Cause, Change, Fact, Keeper, Order, PathKind, PipeNews, Token, Watch};
use crate::session::pipe::PathState;
use crate::session::{
    MAX_PATHS, Outbound, Received, SendError, Session, SessionEvent, SessionIds, SessionStats, SessionTimer,
};
use crate::time::{Duration, Instant};
use crate::wire::frame::Priority;
use crate::wire::relay;
use crate::wire::signal::Version;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::collections::VecDeque;
use thiserror::Error;

use super::link_config::LinkPath;
pub use super::link_config::{LinkConfig, PathSetup};

/// What is told to a link.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Input<'a> {
    /// A packet came on a path. On the relay: what [`crate::wire::relay::parse`] found in the frame.
    Packet {
        /// The path.
        path: PathId,
        /// The packet.
        bytes: &'a [u8],
    },
    /// What became of an order for a path's pipe.
    Pipe {
        /// The path.
        path: PathId,
        /// The order.
        attempt: Attempt,
        /// What became of it.
        fact: Fact,
    },
    /// Nothing but time has passed.
    Timeout,
    /// The link is wanted no more.
    Close,
}

/// Why an input is misuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InputError {
    /// The link has no path of that name.
    #[error("the link has no path {}; name it when the link is made", .0.0)]
    NoSuchPath(PathId),
    /// The pipe's packets are too small or the path's number too high.
    #[error("the pipe of path {} cannot be used: packets of at least 256 bytes are needed", .0.0)]
    Unusable(PathId),
    /// The link was closed.
    #[error("the link is closed; make a new one")]
    Closed,
}

/// What a link wants done, or tells.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send this packet on that path. On the relay it is a whole frame for the server connection.
    Transmit {
        /// The path.
        path: PathId,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// Open, restart or close the pipe of a path, and answer with [`Input::Pipe`].
    Pipe {
        /// The path.
        path: PathId,
        /// What to do.
        order: Order,
    },
    /// Something for the application.
    Event(LinkEvent),
    /// Nothing more to do until then, or until the next input.
    Timeout(Option<(Instant, LinkTimer)>),
}

/// What a link tells the application.
#[derive(Clone, PartialEq, Debug)]
pub enum LinkEvent {
    /// A message has arrived.
    Message(Received),
    /// A kept message of ours has arrived whole.
    Acked(MessageId),
    /// A lane that refused a message has room again.
    Drained(Priority),
    /// A path has changed its state.
    Path {
        /// The path.
        path: PathId,
        /// From which state to which, and why.
        change: Change,
    },
    /// Packets on a path go over a TURN server from now on, or do so no more.
    Turned {
        /// The path.
        path: PathId,
    },
    /// Packets leave on this path from now on; on none if there is none left.
    Using(Option<PathId>),
}

/// Who asked to be called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LinkTimer {
    /// The session.
    Session(SessionTimer),
    /// The watch of a path.
    Watch(PathId),
    /// The ladder of a path.
    Ladder(PathId),
}

/// Round trips drift without any change of state: how often the choice is judged anew all the same.
const CHOOSE_AGAIN: Duration = Duration::from_millis(250);

/// The conversation with one other player, over all its paths.
#[derive(Debug)]
pub struct Link {
    other: PlayerId,
    pub(super) session: Session,
    pub(super) paths: Vec<LinkPath>,
    pub(super) now: Instant,
    /// When the choice of path is judged anew; at once after every change.
    choose_at: Instant,
    is_closed: bool,
    /// The path in use as last told.
    pub(super) told: Option<PathId>,
    orders: VecDeque<(PathId, Order)>,
    pub(super) events: VecDeque<LinkEvent>,
    packet: Vec<u8>,
    version: Version,
}

impl Link {
    /// A link to `other` over the given paths; the first poll orders their pipes to be opened.
    pub fn new(
        config: LinkConfig,
        ids: SessionIds,
        other: PlayerId,
        paths: &[PathSetup],
        seed: [u8; 32],
        now: Instant,
    ) -> Result<Self, ConfigError> {
        if paths.len() > MAX_PATHS || paths.iter().any(|setup| usize::from(setup.id.0) >= MAX_PATHS) {
            return Err(ConfigError { setting: "paths", must: "at most 8, numbered from 0 to 7" });
        }
        if (1..paths.len()).any(|at| paths[..at].iter().any(|setup| setup.id == paths[at].id)) {
            return Err(ConfigError { setting: "paths", must: "numbered differently" });
        }
        let mut session = Session::new(config.session, ids, now)?;
        session.set_version(config.version);
        let mut random = ChaCha8Rng::from_seed(seed);
        let mut link_path = |setup: &PathSetup| {
            let watch = if setup.kind == PathKind::Relay { &config.relay_watch } else { &config.watch };
            let draws = ChaCha8Rng::from_rng(&mut random);
            let mut keeper = Keeper::new(setup.kind, setup.relayed_only, config.ladder.clone(), draws, now);
            keeper.open(now);
            let watch = Watch::new(watch.clone(), now);
            LinkPath { setup: *setup, watch, watch_at: None, judged: None, keeper, is_turned: false }
        };
        let mut link = Link {
            other,
            session,
            paths: paths.iter().map(&mut link_path).collect(),
            now,
            choose_at: now,
            is_closed: false,
            told: None,
            orders: VecDeque::new(),
            events: VecDeque::new(),
            packet: Vec::new(),
            version: config.version,
        };
        link.settle();
        Ok(link)
    }

    /// Takes a message for the other side. [`SendError::Full`] means not taken; [`LinkEvent::Drained`] follows once.
    pub fn send(&mut self, now: Instant, message: Outbound) -> Result<MessageId, SendError> {
        self.now = self.now.max(now);
        if self.is_closed {
            return Err(SendError::Closed);
        }
        self.session.send(self.now, message)
    }

    /// Tells the link what has happened. An older `now` is taken as the last one.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Result<(), InputError> {
        self.now = self.now.max(now);
        if self.is_closed {
            return Err(InputError::Closed);
        }
        match input {
            Input::Packet { path, bytes } => {
                self.find(path)?;
                self.session.on_packet(self.now, path, bytes);
            }
            Input::Pipe { path, attempt, fact } => self.on_pipe(path, attempt, fact)?,
            Input::Timeout => {}
            Input::Close => self.close(),
        }
        self.settle();
        Ok(())
    }

    /// The next thing to do; drain until [`Output::Timeout`].
    pub fn poll(&mut self) -> Output<'_> {
        if let Some((path, order)) = self.poll_order() {
            return Output::Pipe { path, order };
        }
        if let Some(event) = self.poll_event() {
            return Output::Event(event);
        }
        match self.write_packet() {
            Some(path) => Output::Transmit { path, bytes: &self.packet },
            None => Output::Timeout(self.deadline()),
        }
    }

    /// The next order for a pipe. A player drains its links within its own `handle`, piece by piece.
    pub(super) fn poll_order(&mut self) -> Option<(PathId, Order)> {
        self.orders.pop_front()
    }

    /// Which step of its ladder a path is at, and the number of the attempt.
    pub(super) fn mending(&self, path: PathId) -> Option<(path::Step, u32)> {
        self.paths.iter().find(|known| known.setup.id == path)?.keeper.mending()
    }

    /// The next event.
    pub(super) fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// Writes the next packet into [`Link::packet`] and tells its path.
    pub(super) fn write_packet(&mut self) -> Option<PathId> {
        if self.is_closed {
            return None;
        }
        self.packet.clear();
        let (other, paths) = (self.other, &self.paths);
        let mut envelope = |id: PathId, out: &mut Vec<u8>| {
            if paths.iter().any(|path| path.setup.id == id && path.setup.kind == PathKind::Relay) {
                relay::begin(other, out);
            }
        };
        self.session.poll_packet(self.now, &mut self.packet, &mut envelope)
    }

    /// When messages last left together, if there is a tick.
    pub(super) fn ticked_at(&self) -> Option<Instant> {
        self.session.ticked_at()
    }

    /// Messages for others leave at this moment.
    pub(super) fn tick_with(&mut self, at: Instant) {
        self.session.tick_with(at);
    }

    /// Messages wait until then, but critical ones; or no more.
    pub(super) fn hold_until(&mut self, until: Option<Instant>) {
        self.session.hold_until(until);
    }

    /// The packet that was written last.
    pub(super) fn packet(&self) -> &[u8] {
        &self.packet
    }

    /// Bytes held for sending, waiting and unacknowledged.
    pub(super) fn queued(&self) -> usize {
        Priority::ALL.into_iter().map(|priority| self.queued_in(priority)).sum()
    }

    /// The same of one lane.
    pub(super) fn queued_in(&self, priority: Priority) -> usize {
        self.session.queued(priority)
    }

    /// The part of it that is unreliable or newest state.
    pub(super) fn loose_in(&self, priority: Priority) -> usize {
        self.session.queued_loose(priority)
    }

    /// The path in use.
    pub fn using(&self) -> Option<PathId> {
        self.session.path()
    }

    /// How a path is.
    pub fn state(&self, path: PathId) -> Option<PathState> {
        self.paths.iter().find(|known| known.setup.id == path).map(|known| known.watch.state())
    }

    /// Whether packets on a path go over a TURN server.
    pub fn is_turned(&self, path: PathId) -> bool {
        self.paths.iter().any(|known| known.setup.id == path && known.is_turned)
    }

    /// The link in numbers.
    pub fn stats(&self) -> SessionStats {
        self.session.stats(self.now)
    }

    /// With nothing to say a packet goes this often.
    pub fn set_heartbeat(&mut self, interval: Duration) {
        self.session.set_heartbeat(interval);
    }

    /// The lobby is waiting for this player: mending becomes more eager.
    pub fn set_awaited(&mut self, awaited: bool) {
        self.paths.iter_mut().for_each(|path| path.keeper.set_awaited(awaited));
    }

    pub(super) fn find(&self, path: PathId) -> Result<usize, InputError> {
        self.paths.iter().position(|known| known.setup.id == path).ok_or(InputError::NoSuchPath(path))
    }

    fn on_pipe(&mut self, path: PathId, attempt: Attempt, fact: Fact) -> Result<(), InputError> {
        let index = self.find(path)?;
        self.paths[index].judged = None;
        match self.paths[index].keeper.on_fact(self.now, attempt, fact) {
            Some(PipeNews::Opened(facts)) => {
                if !self.session.open_path(self.now, path, facts) {
                    // It is mended like a pipe that broke: perhaps the next one is better.
                    self.paths[index].keeper.on_dead(self.now);
                    self.settle();
                    return Err(InputError::Unusable(path));
                }
                let change = self.paths[index].watch.on_opened(self.now);
                self.on_change(index, change);
            }
            Some(PipeNews::Turned(is_turned)) => {
                let was_turned = core::mem::replace(&mut self.paths[index].is_turned, is_turned);
                self.events.extend((was_turned != is_turned).then_some(LinkEvent::Turned { path }));
            }
            Some(PipeNews::Closed) => {
                let change = self.paths[index].watch.on_closed(self.now);
                self.on_change(index, change);
            }
            None if matches!(fact, Fact::Buffered(_)) => {
                self.session.on_buffered(path, self.paths[index].keeper.buffered());
            }
            None => {}
        }
        Ok(())
    }

    /// The other side is to show on every path that it is there.
    pub(super) fn ask(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.paths.iter_mut().for_each(|path| path.watch.ask(self.now));
        self.settle();
    }

    fn close(&mut self) {
        self.is_closed = true;
        for path in &mut self.paths {
            self.session.close_path(self.now, path.setup.id);
            path.keeper.close(self.now);
            while let Some(order) = path.keeper.poll(self.now) {
                self.orders.push_back((path.setup.id, order));
            }
        }
        self.events.clear();
    }

    /// Brings session, watches and keepers to agree about this moment.
    fn settle(&mut self) {
        if self.is_closed {
            return;
        }
        self.session.on_timeout(self.now);
        while let Some(event) = self.session.poll_event() {
            self.on_session_event(event);
        }
        for index in 0..self.paths.len() {
            let id = self.paths[index].setup.id;
            let reading = self.session.reading(self.now, id);
            if let Some(reading) = &reading
                && self.paths[index].watch_at.is_none_or(|at| at <= self.now)
            {
                self.paths[index].judged = None;
                let change = self.paths[index].watch.on_timeout(self.now, reading);
                self.on_change(index, change);
            }
            self.probe(index);
            while let Some(order) = self.paths[index].keeper.poll(self.now) {
                self.orders.push_back((id, order));
            }
            self.paths[index].look_ahead(reading);
        }
        if self.choose_at <= self.now {
            self.choose();
            self.choose_at = self.now + CHOOSE_AGAIN;
        }
    }

    fn on_session_event(&mut self, event: SessionEvent) {
        match event {
            SessionEvent::Message(message) => self.events.push_back(LinkEvent::Message(message)),
            SessionEvent::Acked(id) => self.events.push_back(LinkEvent::Acked(id)),
            SessionEvent::Drained(priority) => self.events.push_back(LinkEvent::Drained(priority)),
            SessionEvent::Heard(path) => {
                if let Ok(index) = self.find(path) {
                    self.paths[index].judged = None;
                    self.paths[index].watch.on_heard(self.now);
                }
            }
            SessionEvent::ProbeAnswered { path, token, .. } => {
                self.choose_at = self.now;
                if let Ok(index) = self.find(path) {
                    self.paths[index].judged = None;
                    let change = self.paths[index].watch.on_probe_answered(self.now, Token(token));
                    self.on_change(index, change);
                }
            }
            SessionEvent::Unanswered(path) => {
                if let Ok(index) = self.find(path) {
                    self.paths[index].judged = None;
                    self.paths[index].watch.ask(self.now);
                }
            }
            SessionEvent::Unheard(path) => {
                if let Ok(index) = self.find(path) {
                    self.paths[index].judged = None;
                    let change = self.paths[index].watch.on_peer_report(self.now);
                    self.on_change(index, change);
                }
            }
        }
    }

    pub(super) fn on_change(&mut self, index: usize, change: Option<Change>) {
        let Some(change) = change else { return };
        let path = self.paths[index].setup.id;
        self.choose_at = self.now;
        self.events.push_back(LinkEvent::Path { path, change });
        match change.to {
            PathState::Suspect => {
                if change.why == Cause::Silent && self.version.knows_unheard() {
                    self.session.report_unheard(path);
                }
                self.shake(index, change.why);
            }
            PathState::Dead => {
                self.session.close_path(self.now, path);
                self.paths[index].keeper.on_dead(self.now);
                while let Some(order) = self.paths[index].keeper.poll(self.now) {
                    self.orders.push_back((path, order));
                }
            }
            _ => {}
        }
    }

    /// When the link must be told of the time. Write its packets before asking.
    pub(super) fn deadline(&self) -> Option<(Instant, LinkTimer)> {
        if self.is_closed {
            return None;
        }
        let mut next = self.session.deadline(self.now).map(|(at, timer)| (at, LinkTimer::Session(timer)));
        let mut offer = |at: Option<Instant>, timer| {
            if let Some(at) = at.filter(|at| next.is_none_or(|(soonest, _)| *at < soonest)) {
                next = Some((at, timer));
            }
        };
        for path in &self.paths {
            offer(path.watch_at, LinkTimer::Watch(path.setup.id));
            offer(path.keeper.deadline(), LinkTimer::Ladder(path.setup.id));
        }
        next
    }
}
