//! The WebRTC machines of seats: they are told what their players order, what others say and which datagrams arrive, and
//! what they want done is done. What a datagram meets on its way is the ether's business.

use super::alarms::Who;
use super::direct::MOST_ASLEEP;
use super::ether::Datagram;
use super::seat::SeatId;
use super::{Watch, Way, World};
use crate::crypto::Carrying;
use crate::net::LinkConfig as Conditions;
use crate::net::nat::turn::{Leaving, PASSWORD, TURN, TURN_SEAT, Turn, USER};
use crate::net::nat::{Home, Manner, Route, STUN, Terrain};
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};
use webstar_core::id::{PathId, PlayerId};
use webstar_core::path::webrtc::{
    Credentials, IceServer, Input as Told, Output as Wanted, PathKind, Transport, TurnServer, Webrtc, WebrtcConfig,
};
use webstar_core::path::{Fact, Order};
use webstar_core::peer::Input;
use webstar_core::time::Instant;
use webstar_core::wire::signal::{RtcSignal, Secret};

/// The kinds of direct paths that such players have, in the order of their numbers from 1.
pub const KINDS: [PathKind; 2] = [PathKind::Srtp, PathKind::Sctp];

/// From the way to the STUN or TURN server and back.
const FAR: Duration = Duration::from_millis(10);

/// What a player says to its connections.
#[derive(Debug)]
pub(super) enum Word {
    Order(PlayerId, PathKind, Order),
    Signal(PlayerId, RtcSignal),
}

/// All connections of whoever sits at a seat.
#[derive(Debug)]
pub(super) struct Connections {
    machine: Webrtc,
    address: SocketAddr,
    /// Pipes that carry packets.
    open: BTreeSet<(PlayerId, PathKind)>,
    /// What has come while it was not called.
    asleep: VecDeque<Datagram>,
    /// Somebody is draining it.
    is_draining: bool,
}

/// Connections of a seat, or what is to be told to them when it is known who they are of.
#[derive(Debug, Default)]
pub(super) struct Direct {
    waiting: Vec<Word>,
    pub(super) connections: Option<Box<Connections>>,
}

fn kind_of(path: PathId) -> PathKind {
    KINDS[usize::from(path.0).saturating_sub(1).min(KINDS.len() - 1)]
}

fn path_of(kind: PathKind) -> PathId {
    PathId(if kind == KINDS[0] { 1 } else { 2 })
}

impl World {
    /// From now on direct ways are of this kind. Whoever sits down must want [`KINDS`], unless it is the model.
    pub fn carry(&mut self, carrying: Carrying) {
        self.carrying = carrying;
    }

    /// From now on seats are connected to the outside like this, and there is a STUN server.
    pub fn settle(&mut self, manners: &[Manner], homes: Vec<Home>) {
        self.ether.settle(Terrain::new(manners, homes));
        self.has_stun = true;
    }

    /// There is a TURN server, too.
    pub fn add_turn(&mut self) {
        self.turn = Some(Turn::default());
    }

    /// The TURN server dies with all that it has lent, or is there again.
    pub fn set_turn(&mut self, is_up: bool) {
        if let Some(turn) = &mut self.turn {
            if is_up { turn.begin_anew() } else { turn.die() }
        }
    }

    /// The box before a seat begins anew.
    pub fn rebind(&mut self, seat: SeatId) {
        self.ether.rebind(seat.index());
    }

    /// A player orders a pipe.
    pub(super) fn order_pipe(&mut self, seat: usize, player: PlayerId, path: PathId, order: Order) {
        self.tell_connections(seat, Word::Order(player, kind_of(path), order));
    }

    /// Somebody says something about a connection.
    pub(super) fn tell_signal(&mut self, seat: usize, player: PlayerId, signal: RtcSignal) {
        self.tell_connections(seat, Word::Signal(player, signal));
    }

    fn tell_connections(&mut self, seat: usize, word: Word) {
        let now = self.seats[seat].clock.local(self.now);
        match &mut self.seats[seat].direct.connections {
            Some(connections) => connections.hear(now, word),
            None => self.seats[seat].direct.waiting.push(word),
        }
    }

    /// It is known who sits at a seat: it can have connections now.
    pub(super) fn begin_connections(&mut self, seat: usize, player: PlayerId) {
        if self.seats[seat].direct.connections.is_some() {
            return;
        }
        let own = self.seed.child("player", seat as u64);
        let Some(stack) = self.carrying.stack(own, self.zero) else { return };
        let life = self.seats[seat].life;
        let address = self.ether.arrive(seat, life);
        let key = own.child("connections", u64::from(life)).stream("machine").key();
        let mut machine = Webrtc::new(WebrtcConfig { player, stack, seed: key });
        let now = self.seats[seat].clock.local(self.now);
        machine.handle(now, Told::Addresses(vec![address])).expect("addresses of seats can be sent to");
        if self.has_stun {
            let mut servers = vec![IceServer::Stun { address: STUN }];
            servers.extend(self.turn.iter().map(|_| IceServer::Turn(turn_server())));
            machine.handle(now, Told::Servers(servers)).expect("it can be sent to");
        }
        let (open, asleep) = (BTreeSet::new(), VecDeque::new());
        let mut connections = Box::new(Connections { machine, address, open, asleep, is_draining: false });
        let waiting = core::mem::take(&mut self.seats[seat].direct.waiting);
        waiting.into_iter().for_each(|word| connections.hear(now, word));
        self.seats[seat].direct.connections = Some(connections);
    }

    /// Whoever sat there is gone with its socket.
    pub(super) fn forget_connections(&mut self, seat: usize) {
        if let Direct { connections: Some(gone), .. } = core::mem::take(&mut self.seats[seat].direct) {
            self.ether.leave(gone.address);
        }
        self.alarms.set(Who::Connections(seat), None);
    }

    /// A player has given packets to its connections with another.
    pub(super) fn note_given(&mut self, seat: usize, player: PlayerId, watch: &mut impl Watch) {
        if let Some(other) = self.neighbour(seat, player) {
            let delay = self.seats[seat].access[0].delay + self.seats[other].access[1].delay;
            watch.on_given(self.now, Way::Direct(id(seat), id(other)), self.now + delay);
        }
    }

    /// A packet that the player knows nothing of leaves on all its pipes.
    pub(super) fn send_everywhere(&mut self, seat: usize, payload: &[u8], watch: &mut impl Watch) {
        let now = self.seats[seat].clock.local(self.now);
        if let Some(connections) = &mut self.seats[seat].direct.connections {
            for (player, kind) in connections.open.clone() {
                connections.tell(now, Told::Packet { player, kind, payload });
            }
        }
        self.drain_connections(seat, watch);
    }

    /// Who sits where another player is in the lobby of this seat, if anybody does.
    pub(super) fn neighbour(&self, seat: usize, player: PlayerId) -> Option<usize> {
        let (lobby, _) = self.seats[seat].place.clone()?;
        self.direct.people.get(&(lobby, player)).copied()
    }

    /// The moment that connections have asked for has come, or what they were told while they were not called counts now.
    pub(super) fn wake_connections(&mut self, seat: usize, watch: &mut impl Watch) {
        let now = self.seats[seat].clock.local(self.now);
        let Some(connections) = &mut self.seats[seat].direct.connections else { return };
        connections.tell(now, Told::Timeout);
        for Datagram { from, to, bytes } in core::mem::take(&mut connections.asleep) {
            connections.tell(now, Told::Datagram { from, to, bytes: &bytes });
        }
        self.drain_connections(seat, watch);
    }

    /// Datagrams that have arrived on a way between two seats are told.
    pub(super) fn serve_cord(&mut self, cord: usize, watch: &mut impl Watch) {
        while let Some((seat, datagram)) = self.ether.poll(self.now, cord) {
            let Datagram { from, to, bytes } = datagram;
            if seat == TURN_SEAT {
                self.serve_turn(from, to, bytes);
                continue;
            }
            let now = self.seats[seat].clock.local(self.now);
            let is_asleep = self.seats[seat].is_asleep;
            let Some(connections) = &mut self.seats[seat].direct.connections else { continue };
            if connections.address != to {
                continue;
            }
            if !is_asleep {
                connections.tell(now, Told::Datagram { from, to, bytes: &bytes });
                self.drain_connections(seat, watch);
            } else if connections.asleep.len() < MOST_ASLEEP {
                connections.asleep.push_back(Datagram { from, to, bytes });
            }
        }
        self.set_cord(cord);
    }

    /// A datagram has come to the TURN server: what it hands on leaves.
    fn serve_turn(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let Some(turn) = &mut self.turn else { return };
        for Leaving { from, to, bytes } in turn.receive(self.now, from, to, bytes) {
            self.leaving = bytes;
            self.carry_datagram(TURN_SEAT, [from, to]);
        }
    }

    /// The datagram that is leaving goes to whoever is at its address.
    fn carry_datagram(&mut self, seat: usize, [from, to]: [SocketAddr; 2]) {
        let Some(Route { seat: other, from, to }) = self.ether.route(self.now, seat, from, to) else { return };
        let cord = self.ether.known(seat, other).unwrap_or_else(|| {
            let cord = self.ether.lay(self.seed, self.now, seat, other);
            self.follow_access(cord);
            for (from, to) in [(seat, other), (other, seat)] {
                self.ether.set_up(cord, from, self.direct.is_up(from, to));
            }
            cord
        });
        self.ether.send(self.now, cord, seat, [from, to], &self.leaving);
        self.set_cord(cord);
    }

    /// A way between seats has the conditions of their access.
    pub(super) fn follow_access(&mut self, cord: usize) {
        let far = [Conditions::with_delay(FAR); 2];
        let access = self.ether.seats(cord).map(|seat| self.seats.get(seat).map_or(&far, |seat| &seat.access));
        self.ether.set_conditions(self.now, cord, access);
        self.set_cord(cord);
    }

    fn set_cord(&mut self, cord: usize) {
        let next = self.ether.next(cord);
        self.alarms.set(Who::Cord(cord), next.map(|at| at.max(self.now)));
    }

    /// Does everything that the connections of a seat want done.
    pub(super) fn drain_connections(&mut self, seat: usize, watch: &mut impl Watch) {
        let is_asleep = self.seats[seat].is_asleep;
        let Some(connections) = &mut self.seats[seat].direct.connections else { return };
        // What is told to the player can make it say something here; whoever is draining goes on with that.
        if is_asleep || core::mem::replace(&mut connections.is_draining, true) {
            return;
        }
        let due = loop {
            let Some(connections) = &mut self.seats[seat].direct.connections else { return };
            let input = match connections.machine.poll() {
                Wanted::Datagram { from, to, payload } => {
                    self.leaving.clear();
                    self.leaving.extend(payload);
                    self.carry_datagram(seat, [from, to]);
                    continue;
                }
                Wanted::Signal { player, signal } => Input::Signal { player, signal },
                Wanted::Fact { player, kind, attempt, fact } => {
                    match fact {
                        Fact::Opened(_) => connections.open.insert((player, kind)),
                        Fact::Failed | Fact::Closed => connections.open.remove(&(player, kind)),
                        Fact::Buffered(_) | Fact::Turned(_) => false,
                    };
                    Input::Pipe { player, path: path_of(kind), attempt, fact }
                }
                Wanted::Packet { player, kind, bytes } => {
                    if let Some(from) = self.neighbour(seat, player) {
                        let [from, to] = [from, seat].map(id);
                        watch.on_landed(to, kind);
                        watch.on_came(self.now, Way::Direct(from, to));
                    }
                    Input::Packet { player, path: path_of(kind), bytes }
                }
                Wanted::Timeout(due) => break due,
                // How servers do is nothing that a player wants to know.
                _ => continue,
            };
            self.tell_seat(seat, None, input, watch);
        };
        if let Some(connections) = &mut self.seats[seat].direct.connections {
            connections.is_draining = false;
        }
        let clock = self.seats[seat].clock;
        self.alarms.set(Who::Connections(seat), due.map(|due| clock.world(due).max(self.now)));
    }
}

/// How players speak to the TURN server.
fn turn_server() -> TurnServer {
    let password = Secret::new(PASSWORD).expect("it is short");
    let credentials = Credentials { user: USER.into(), password };
    TurnServer { address: TURN, transport: Transport::Udp, credentials }
}

fn id(seat: usize) -> SeatId {
    SeatId(u16::try_from(seat).expect("a world has few seats"))
}

impl Connections {
    fn tell(&mut self, now: Instant, told: Told<'_>) {
        if let Err(misuse) = self.machine.handle(now, told) {
            panic!("the world misuses the connections at {}: {misuse}", self.address);
        }
    }

    fn hear(&mut self, now: Instant, word: Word) {
        match word {
            Word::Order(player, kind, order) => self.tell(now, Told::Order { player, kind, order }),
            Word::Signal(player, signal) => self.tell(now, Told::Signal { player, signal }),
        }
    }

    /// A packet leaves on a pipe.
    pub(super) fn send(&mut self, now: Instant, player: PlayerId, path: PathId, payload: &[u8]) {
        self.tell(now, Told::Packet { player, kind: kind_of(path), payload });
    }
}
