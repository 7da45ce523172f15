//! What is between us and one other player: which pipes are wanted, the connection that they stand on, and who begins
//! it. Orders of the ladders become turns of the connection, and what becomes of it becomes facts.

use super::connection::{Connection, Dead, Pipe};
use super::description::Description;
use super::ground::Ground;
use super::reach::{Offers, Way};
use super::{FILL_STEP, PathKind};
use crate::id::PlayerId;
use crate::path::{Attempt, Command, Fact, Order};
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::{Candidate, RtcSignal};
use core::net::SocketAddr;
use std::collections::{BTreeMap, VecDeque};
use str0m::net::Receive;

/// How long the one who answers waits for an offer before it makes one.
const PATIENCE: Duration = Duration::from_secs(1);
/// An offer of ours that has waited for so long has got lost; another one goes before it.
const UNANSWERED: Duration = Duration::from_secs(2);
/// How long an offer is kept that nobody here wants yet.
const HELD: Duration = Duration::from_secs(10);
/// Addresses that a player may have proved; the oldest makes room.
const MAX_PROVED: usize = 16;

/// A pipe that the peer wants.
#[derive(Debug)]
struct Wish {
    attempt: Attempt,
    /// The turn of the connection that it had.
    turn: u64,
    told: Told,
}

/// What the peer knows of its newest order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Told {
    Nothing,
    Open,
    Over,
}

/// An offer that came before anybody wanted it.
#[derive(Debug)]
struct Held {
    description: Description,
    candidates: Vec<Candidate>,
    until: Instant,
}

/// What is between us and one player.
#[derive(Debug)]
pub(super) struct Partner {
    player: PlayerId,
    /// Whether we offer and the other side waits.
    is_first: bool,
    wishes: BTreeMap<PathKind, Wish>,
    /// In a place of its own: it is large, and partners come and go.
    connection: Option<Box<Connection>>,
    /// Counts connections and restarts.
    turn: u64,
    /// Those of the other side.
    offers: Offers,
    /// When we offer though the other side should.
    offer_at: Option<Instant>,
    offered_at: Instant,
    held: Option<Held>,
    /// Whether a new connection uses only addresses lent by TURN servers.
    is_relayed: bool,
    /// Whether packets go over a TURN server, as it was told last.
    is_turned: bool,
    proved: VecDeque<SocketAddr>,
    /// What the peer takes the fill of the data channel for: what it was told, and what it has sent since.
    fill: usize,
}

impl Partner {
    pub(super) fn new(player: PlayerId, is_first: bool) -> Self {
        Partner {
            player,
            is_first,
            wishes: BTreeMap::new(),
            connection: None,
            turn: 0,
            offers: Offers::default(),
            offer_at: None,
            offered_at: Instant::ZERO,
            held: None,
            is_relayed: false,
            is_turned: false,
            proved: VecDeque::new(),
            fill: 0,
        }
    }

    /// Whether there is nothing between us.
    pub(super) fn is_idle(&self) -> bool {
        self.wishes.is_empty() && self.connection.is_none() && self.held.is_none()
    }

    /// Whether it is nothing but an offer that nobody wants.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Addresses that the player has proved.
    pub(super) fn proved(&self) -> impl Iterator<Item = SocketAddr> {
        self.proved.iter().copied()
    }

    /// The player has proved an address. Which one makes room for it.
    pub(super) fn prove(&mut self, address: SocketAddr) -> Option<SocketAddr> {
        if self.proved.contains(&address) {
            return None;
        }
        self.proved.push_back(address);
        if self.proved.len() > MAX_PROVED { self.proved.pop_front() } else { None }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let connection = self.connection.as_deref().and_then(Connection::due);
        earlier(connection, earlier(self.offer_at, self.held.as_ref().map(|held| held.until)))
    }

    /// The peer orders a pipe.
    pub(super) fn order(&mut self, ground: &mut Ground, kind: PathKind, order: Order) {
        let Order { attempt, command } = order;
        match command {
            Command::Close => {
                if self.wishes.get(&kind).is_some_and(|wish| wish.attempt == attempt) {
                    self.forgo(ground, kind);
                }
                return;
            }
            Command::OpenRelayed if !ground.can_relay() => {
                // No TURN server serves us, so there is no such way; and no other may be taken in its place.
                self.forgo(ground, kind);
                ground.tell(self.player, kind, attempt, Fact::Failed);
                return;
            }
            Command::Open | Command::Restart | Command::OpenRelayed => {}
        }
        let is_second = kind == PathKind::Sctp && self.is_told_open(PathKind::Srtp);
        let is_begun = self.connection.is_some() || self.offer_at.is_some();
        let turn = self.turn;
        let wish = self.wish(kind, attempt);
        let had_turn = wish.turn == turn;
        wish.turn = turn;
        let has_pipe = self.connection.as_ref().is_none_or(|connection| connection.pipe(kind) != Pipe::Never);
        let is_barred = command == Command::OpenRelayed && !self.is_relayed;
        if !is_begun || ((is_barred || (had_turn && has_pipe)) && !is_second) {
            self.begin(ground, kind, command);
        }
        self.settle(ground);
    }

    /// A pipe is wanted no more, and the connection with the last of them.
    fn forgo(&mut self, ground: &mut Ground, kind: PathKind) {
        self.wishes.remove(&kind);
        if !self.wishes.is_empty() {
            return;
        }
        self.offer_at = None;
        if let Some(connection) = self.connection.take() {
            ground.serve(self.player, |now, news| connection.close(now, news));
        }
    }

    /// The wish of a new order.
    fn wish(&mut self, kind: PathKind, attempt: Attempt) -> &mut Wish {
        let wish = self.wishes.entry(kind).or_insert(Wish { attempt, turn: 0, told: Told::Nothing });
        (wish.attempt, wish.told) = (attempt, Told::Nothing);
        wish
    }

    fn is_told_open(&self, kind: PathKind) -> bool {
        self.wishes.get(&kind).is_some_and(|wish| wish.told == Told::Open)
    }

    /// A new turn: a restart of what is there, or a new connection in its place.
    fn begin(&mut self, ground: &mut Ground, kind: PathKind, command: Command) {
        self.turn += 1;
        ground.doubt_ways();
        if let Some(wish) = self.wishes.get_mut(&kind) {
            wish.turn = self.turn;
        }
        if command != Command::Restart {
            self.is_relayed = command == Command::OpenRelayed;
        }
        if let Some(connection) = self.connection.as_mut()
            && command == Command::Restart
            && connection.was_up()
            && !connection.is_offering()
            && let Some(sdp) = connection.offer()
        {
            self.offered_at = ground.now;
            ground.signal(self.player, RtcSignal::Offer { sdp });
            return;
        }
        self.replace(ground);
        if let Some(held) = self.held.take() {
            self.answer(ground, &held.description);
            for candidate in &held.candidates {
                self.on_candidate(ground, candidate);
            }
        } else if self.is_first {
            self.offer(ground);
        } else {
            self.offer_at = Some(ground.now + PATIENCE);
        }
    }

    /// The connection that was is gone without a word; a farewell would be heard before what comes in its place.
    fn replace(&mut self, ground: &mut Ground) {
        self.connection = None;
        self.offer_at = None;
        for (kind, wish) in &mut self.wishes {
            if wish.told == Told::Open {
                wish.told = Told::Nothing;
                ground.tell(self.player, *kind, wish.attempt, Fact::Closed);
            }
        }
    }

    /// A new connection, offered by us.
    fn offer(&mut self, ground: &mut Ground) {
        self.offer_at = None;
        let mut connection = ground.connection(self.is_relayed);
        if let Some(sdp) = connection.offer() {
            self.offered_at = ground.now;
            ground.signal(self.player, RtcSignal::Offer { sdp });
            self.connection = Some(connection);
        }
    }

    /// Answers an offer: in the connection that it is about, or in a new one.
    fn answer(&mut self, ground: &mut Ground, offer: &Description) {
        self.offer_at = None;
        let mut connection = match self.connection.take() {
            Some(connection) if connection.is_with(offer) && connection.is_relayed() >= self.is_relayed => connection,
            known => {
                self.connection = known;
                self.replace(ground);
                ground.connection(self.is_relayed)
            }
        };
        match connection.answer(offer) {
            Ok(sdp) => {
                self.connection = Some(connection);
                ground.signal(self.player, RtcSignal::Answer { sdp });
            }
            Err(Dead) => {
                ground.dropped.signals += 1;
                self.lose(ground);
            }
        }
    }

    /// The player says something about the connection.
    pub(super) fn on_signal(&mut self, ground: &mut Ground, signal: &RtcSignal) {
        match signal {
            RtcSignal::Offer { sdp } => self.on_offer(ground, sdp),
            RtcSignal::Answer { sdp } => self.on_answer(ground, sdp),
            RtcSignal::IceCandidate { candidate } => self.on_candidate(ground, candidate),
        }
        self.settle(ground);
    }

    fn on_offer(&mut self, ground: &mut Ground, sdp: &str) {
        let Some(description) = Description::read(sdp) else {
            ground.dropped.signals += 1;
            return;
        };
        if self.wishes.is_empty() {
            let until = ground.now + HELD;
            self.held = Some(Held { description, candidates: Vec::new(), until });
            return;
        }
        let is_offering = self.connection.as_deref().is_some_and(Connection::is_offering);
        if is_offering && self.is_first && ground.now < self.offered_at + UNANSWERED {
            // Both have offered, and the other side gives way.
            ground.dropped.signals += 1;
            return;
        }
        if !self.offers.take(ground.now) {
            ground.dropped.signals += 1;
            return;
        }
        self.turn += 1;
        ground.doubt_ways();
        self.answer(ground, &description);
    }

    fn on_answer(&mut self, ground: &mut Ground, sdp: &str) {
        let (description, connection) = (Description::read(sdp), self.connection.as_mut());
        match description.zip(connection).map(|(answer, it)| it.on_answer(&answer)) {
            Some(Ok(true)) => {
                let early = self.connection.as_deref_mut().map(Connection::take_early).unwrap_or_default();
                early.into_iter().for_each(|way| self.on_way(ground, way));
            }
            Some(Ok(false)) | None => ground.dropped.signals += 1,
            Some(Err(Dead)) => {
                ground.dropped.signals += 1;
                self.lose(ground);
            }
        }
    }

    fn on_candidate(&mut self, ground: &mut Ground, candidate: &Candidate) {
        match (&mut self.held, &mut self.connection) {
            (Some(held), _) if held.candidates.len() < ground.rules.most_candidates => {
                held.candidates.push(candidate.clone());
            }
            (None, Some(connection)) => connection.on_candidate(candidate),
            _ => ground.dropped.signals += 1,
        }
    }

    /// We can be reached by one more way.
    pub(super) fn on_way(&mut self, ground: &mut Ground, way: Way) {
        if let Some(candidate) = self.connection.as_mut().and_then(|connection| connection.on_way(way)) {
            ground.signal(self.player, RtcSignal::IceCandidate { candidate });
        }
    }

    /// We cannot be reached by that way any more.
    pub(super) fn on_way_gone(&mut self, way: Way) {
        if let Some(connection) = &mut self.connection {
            connection.on_way_gone(way);
        }
    }

    /// Whether this datagram is of the player.
    pub(super) fn is_of(&self, receive: &str0m::Input<'_>) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_of(receive))
    }

    /// Whether the player may say this in STUN from there.
    pub(super) fn hears(&mut self, from: SocketAddr, bytes: &[u8]) -> bool {
        self.connection.as_mut().is_some_and(|connection| connection.hears(from, bytes))
    }

    /// Whether the player was found there, and still is.
    pub(super) fn is_at(&self, address: SocketAddr) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.is_at(address))
    }

    /// A datagram of the player. It is drained at once: the stack keeps one packet that came, and no more.
    pub(super) fn receive(&mut self, ground: &mut Ground, datagram: Receive<'_>) {
        let Some(connection) = &mut self.connection else {
            ground.dropped.strangers += 1;
            return;
        };
        match ground.serve(self.player, |now, news| connection.receive(now, datagram, news)) {
            Ok(is_taken) => {
                ground.dropped.malformed += u64::from(!is_taken);
                self.settle(ground);
            }
            Err(Dead) => self.lose(ground),
        }
    }

    /// Sends a packet on a pipe.
    pub(super) fn send(&mut self, ground: &mut Ground, kind: PathKind, packet: &[u8]) {
        let Some(connection) = self.connection.as_mut().filter(|_| self.wishes.contains_key(&kind)) else {
            ground.dropped.packets += 1;
            return;
        };
        ground.dropped.packets += u64::from(!connection.send(ground.now, kind, packet));
        if kind == PathKind::Sctp {
            self.fill = self.fill.saturating_add(packet.len());
        }
        if connection.is_full() {
            self.drain(ground);
        }
    }

    /// Time has come for something.
    pub(super) fn on_due(&mut self, ground: &mut Ground) {
        let now = ground.now;
        self.held.take_if(|held| held.until <= now);
        if self.offer_at.is_some_and(|at| at <= now) {
            self.offer(ground);
        }
        if self.connection.as_deref().and_then(Connection::due).is_some_and(|due| due <= now) {
            self.drain(ground);
        }
    }

    fn drain(&mut self, ground: &mut Ground) {
        let Some(connection) = &mut self.connection else { return };
        match ground.serve(self.player, |now, news| connection.drain(now, news)) {
            Ok(()) => self.settle(ground),
            Err(Dead) => self.lose(ground),
        }
    }

    /// Tells what has become of the pipes.
    fn settle(&mut self, ground: &mut Ground) {
        let Some(connection) = &mut self.connection else { return };
        let (met, was_turned) = (connection.take_met(), self.is_turned);
        // What is met may say of an address that is in use that a TURN server lends it.
        if connection.take_moved() || !met.addresses.is_empty() {
            self.is_turned = connection.is_turned();
        }
        ground.admit(&met.addresses);
        ground.dropped.candidates += met.refused;
        for (kind, wish) in &mut self.wishes {
            let pipe = connection.pipe(*kind);
            if pipe == Pipe::Open {
                // A later order is for a later turn, whoever began this one.
                wish.turn = self.turn;
            }
            match (pipe, wish.told) {
                (Pipe::Open, Told::Nothing | Told::Over) => {
                    wish.told = Told::Open;
                    ground.tell_open(self.player, *kind, wish.attempt, self.is_turned);
                    self.fill = 0;
                }
                (Pipe::Open, Told::Open) if self.is_turned != was_turned => {
                    ground.tell(self.player, *kind, wish.attempt, Fact::Turned(self.is_turned));
                }
                (Pipe::Never, Told::Nothing) => {
                    wish.told = Told::Over;
                    ground.tell(self.player, *kind, wish.attempt, Fact::Failed);
                }
                (Pipe::Never, Told::Open) => {
                    wish.told = Told::Over;
                    ground.tell(self.player, *kind, wish.attempt, Fact::Closed);
                }
                _ => {}
            }
        }
        if let Some(wish) = self.wishes.get(&PathKind::Sctp).filter(|wish| wish.told == Told::Open) {
            let fill = connection.buffered();
            if fill.abs_diff(self.fill) >= FILL_STEP || (fill == 0 && self.fill != 0) {
                self.fill = fill;
                ground.tell(self.player, PathKind::Sctp, wish.attempt, Fact::Buffered(fill));
            }
        }
    }

    /// The connection is dead.
    fn lose(&mut self, ground: &mut Ground) {
        self.connection = None;
        for (kind, wish) in &mut self.wishes {
            let fact = match wish.told {
                Told::Nothing => Fact::Failed,
                Told::Open => Fact::Closed,
                Told::Over => continue,
            };
            wish.told = Told::Over;
            ground.tell(self.player, *kind, wish.attempt, fact);
        }
    }
}
