//! A network in memory for WebRTC machines: delay, loss, and a lobby server that passes signals on. Time is virtual.
pub(crate) mod outside;
pub(crate) mod turn;

use bytes::Bytes;
use core::net::SocketAddr;
use outside::Outside;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use turn::{Leaving, Turn};
use webstar_core::id::PlayerId;
use webstar_core::path::webrtc::{
    Input, Output, PathKind, ServerState, Stack, StreamFact, StreamOrder, Webrtc, WebrtcConfig,
};
use webstar_core::path::{Attempt, Command, Fact, Order};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::RtcSignal;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// One player's machine and what it has told.
pub(crate) struct Node {
    pub(crate) machine: Webrtc,
    pub(crate) player: PlayerId,
    pub(crate) address: SocketAddr,
    pub(crate) facts: Vec<(Instant, PlayerId, PathKind, Attempt, Fact)>,
    pub(crate) packets: Vec<(Instant, PlayerId, PathKind, Bytes)>,
    pub(crate) signals: Vec<RtcSignal>,
    /// Where it has sent to.
    pub(crate) sent: BTreeMap<SocketAddr, usize>,
    /// The last datagrams it has sent.
    pub(crate) datagrams: Vec<Vec<u8>>,
    /// What it has told of who is reached over TURN servers.
    pub(crate) turned: Vec<(PlayerId, PathKind, bool)>,
    /// What it has told of servers.
    pub(crate) servers: Vec<(Instant, SocketAddr, ServerState)>,
    /// The streams it has asked for: their numbers, where to, and in whose name.
    pub(crate) streams: Vec<(u32, SocketAddr, Option<String>)>,
    attempts: u32,
}

enum Arrival {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Signal {
        from: PlayerId,
        to: usize,
        signal: RtcSignal,
    },
    Opened {
        seat: usize,
        stream: u32,
    },
    /// Bytes of a stream: to the server, or to the player.
    Up {
        client: SocketAddr,
        bytes: Vec<u8>,
    },
    Down {
        client: SocketAddr,
        bytes: Vec<u8>,
    },
}

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) nodes: Vec<Node>,
    pub(crate) delay: Duration,
    /// In percent.
    pub(crate) loss: u32,
    /// Datagrams do not get through.
    pub(crate) is_cut: bool,
    /// The largest datagram seen.
    pub(crate) largest: usize,
    /// Signals do not get through.
    pub(crate) is_silent: bool,
    /// What becomes of signals on their way.
    pub(crate) forge: fn(RtcSignal) -> RtcSignal,
    /// Routers and servers.
    pub(crate) outside: Outside,
    pub(crate) turn: Option<Turn>,
    random: ChaCha8Rng,
    arrivals: BTreeMap<(Instant, u64), Arrival>,
    count: u64,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the zero of virtual time can be any moment, and there is no other way to one"
)]
pub(crate) fn stack() -> Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| Stack::aws_lc(std::time::Instant::now()).expect("the library works")).clone()
}

fn address(seat: usize) -> SocketAddr {
    format!("10.0.0.{}:5000", seat + 1).parse().expect("it is an address")
}

fn machine(player: PlayerId, seed: u8, address: SocketAddr) -> Webrtc {
    let mut machine = Webrtc::new(WebrtcConfig { player, stack: stack(), seed: [seed; 32] });
    machine.handle(Instant::ZERO, Input::Addresses(vec![address])).expect("it is usable");
    machine
}

impl Net {
    /// So many players, numbered from 1, each with one socket.
    pub(crate) fn of(players: u32, delay: Duration, loss: u32) -> Net {
        let nodes = (1..=players).map(|number| {
            let address = address(number as usize - 1);
            Node {
                machine: machine(PlayerId(number), number as u8, address),
                player: PlayerId(number),
                address,
                facts: Vec::new(),
                packets: Vec::new(),
                signals: Vec::new(),
                sent: BTreeMap::new(),
                datagrams: Vec::new(),
                turned: Vec::new(),
                servers: Vec::new(),
                streams: Vec::new(),
                attempts: 0,
            }
        });
        Net {
            now: Instant::ZERO,
            nodes: nodes.collect(),
            delay,
            loss,
            is_cut: false,
            largest: 0,
            is_silent: false,
            forge: |signal| signal,
            outside: Outside::default(),
            turn: None,
            random: ChaCha8Rng::seed_from_u64(7),
            arrivals: BTreeMap::new(),
            count: 0,
        }
    }

    /// Two players that want both pipes, until both have them.
    pub(crate) fn connected(delay: Duration, loss: u32) -> Net {
        let mut net = Net::of(2, delay, loss);
        net.open(0, 1);
        net.run_until(|net| net.is_open(0, 1), Duration::from_secs(20));
        net
    }

    /// Both order both pipes to each other.
    pub(crate) fn open(&mut self, a: usize, b: usize) {
        for kind in [PathKind::Srtp, PathKind::Sctp] {
            self.order(a, b, kind, Command::Open);
            self.order(b, a, kind, Command::Open);
        }
    }

    /// A seat orders a pipe to another, under a new number.
    pub(crate) fn order(&mut self, seat: usize, to: usize, kind: PathKind, command: Command) -> Attempt {
        let node = &mut self.nodes[seat];
        node.attempts += u32::from(command != Command::Close);
        let attempt = Attempt(node.attempts);
        self.tell(seat, Input::Order { player: player(to), kind, order: Order { attempt, command } });
        attempt
    }

    /// Orders the end of all that was ordered.
    pub(crate) fn close(&mut self, seat: usize, to: usize) {
        for (kind, attempt) in self.latest(seat, to) {
            let order = Order { attempt, command: Command::Close };
            self.tell(seat, Input::Order { player: player(to), kind, order });
        }
    }

    /// The player's process ends and begins again, on the same socket.
    pub(crate) fn forget(&mut self, seat: usize) {
        let node = &mut self.nodes[seat];
        node.machine = machine(node.player, 100 + seat as u8, node.address);
        node.facts.clear();
    }

    fn latest(&self, seat: usize, to: usize) -> BTreeMap<PathKind, Attempt> {
        let facts = self.nodes[seat].facts.iter().filter(|fact| fact.1 == player(to));
        facts.map(|(_, _, kind, attempt, _)| (*kind, *attempt)).collect()
    }

    pub(crate) fn tell(&mut self, seat: usize, input: Input<'_>) {
        self.nodes[seat].machine.handle(self.now, input).expect("it is no misuse");
        self.drain(seat);
    }

    pub(crate) fn send(&mut self, seat: usize, to: usize, kind: PathKind, payload: &[u8]) {
        self.tell(seat, Input::Packet { player: player(to), kind, payload });
    }

    pub(crate) fn is_pipe_open(&self, seat: usize, to: usize, kind: PathKind) -> bool {
        let facts = self.nodes[seat].facts.iter().rev();
        let mut facts = facts.filter(|fact| (fact.1, fact.2) == (player(to), kind));
        facts.find(|fact| !matches!(fact.4, Fact::Buffered(_))).is_some_and(|fact| matches!(fact.4, Fact::Opened(_)))
    }

    pub(crate) fn is_open(&self, a: usize, b: usize) -> bool {
        let kinds = [PathKind::Srtp, PathKind::Sctp];
        kinds.iter().all(|kind| self.is_pipe_open(a, b, *kind) && self.is_pipe_open(b, a, *kind))
    }

    /// Runs until it is so; panics if it is not by then.
    pub(crate) fn run_until(&mut self, done: impl Fn(&Net) -> bool, most: Duration) -> Duration {
        let (start, end) = (self.now, self.now + most);
        while !done(self) {
            assert!(
                self.now < end,
                "not within {most:?}: {:?}",
                self.nodes.iter().map(|n| &n.facts).collect::<Vec<_>>()
            );
            self.step(end);
        }
        self.now.since(start)
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step(end);
        }
    }

    /// On to the next moment at which anything happens, at most to the end.
    fn step(&mut self, end: Instant) {
        let arrival = self.arrivals.keys().next().map(|(at, _)| *at);
        let due = self.nodes.iter().filter_map(|node| node.machine.deadline()).min();
        let now = self.now;
        let turn = self.turn.as_mut().and_then(|turn| turn.due(now));
        let next = arrival.into_iter().chain(due).chain(turn).min().unwrap_or(end).min(end);
        self.now = self.now.max(next);
        let leaving = self.turn.as_mut().map(|turn| turn.work(self.now)).unwrap_or_default();
        self.leave(leaving);
        while let Some(entry) = self.arrivals.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Arrival::Datagram { from, to, bytes } if self.turn.as_ref().is_some_and(|turn| turn.is_at(to)) => {
                    let now = self.now;
                    let leaving =
                        self.turn.as_mut().map(|turn| turn.receive(now, from, to, &bytes)).unwrap_or_default();
                    self.leave(leaving);
                }
                Arrival::Opened { seat, stream } => {
                    self.tell(seat, Input::Stream { stream, fact: StreamFact::Opened });
                }
                Arrival::Up { client, bytes } => {
                    let now = self.now;
                    let leaving = self.turn.as_mut().map(|turn| turn.stream(now, client, &bytes)).unwrap_or_default();
                    self.leave(leaving);
                }
                Arrival::Down { client, bytes } => {
                    let (seat, stream) = (usize::from(client.port()) - 40_000, streams(client));
                    // A stream knows no frames.
                    for bytes in bytes.chunks(7) {
                        self.tell(seat, Input::Stream { stream, fact: StreamFact::Bytes(bytes) });
                    }
                }
                Arrival::Datagram { from, to, bytes } => {
                    if let Some(answer) = self.outside.answer(from, to, &bytes) {
                        self.fly(to, from, answer);
                        continue;
                    }
                    let Some(to) = self.outside.inward(from, to) else { continue };
                    if let Some(seat) = self.nodes.iter().position(|node| node.address == to) {
                        self.tell(seat, Input::Datagram { from, to, bytes: &bytes });
                    }
                }
                Arrival::Signal { from, to, signal } => self.tell(to, Input::Signal { player: from, signal }),
            }
        }
        for seat in 0..self.nodes.len() {
            if self.nodes[seat].machine.deadline().is_some_and(|due| due <= self.now) {
                self.tell(seat, Input::Timeout);
            }
        }
    }

    /// What a TURN server sends is on its way.
    fn leave(&mut self, leaving: Vec<Leaving>) {
        for leaving in leaving {
            match leaving {
                Leaving::Datagram { from, to, bytes } => self.fly(from, to, bytes),
                Leaving::Bytes(client, bytes) => self.later(1, Arrival::Down { client, bytes }),
            }
        }
    }

    /// Something happens so many delays from now.
    fn later(&mut self, delays: u32, arrival: Arrival) {
        self.count += 1;
        self.arrivals.insert((self.now + self.delay * delays, self.count), arrival);
    }

    fn on_stream(&mut self, seat: usize, stream: u32, order: StreamOrder) {
        let is_there = self.turn.as_ref().is_some_and(|turn| !turn.is_dead);
        match order {
            StreamOrder::Open { to, name } => {
                self.nodes[seat].streams.push((stream, to, name));
                if is_there {
                    self.later(2, Arrival::Opened { seat, stream });
                }
            }
            StreamOrder::Send(bytes) => self.later(1, Arrival::Up { client: client(seat, stream), bytes }),
            StreamOrder::Close => {}
        }
    }

    /// A datagram is on its way, if it does not get lost.
    fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let is_lost = self.is_cut || self.random.random_range(0..100) < self.loss;
        if !is_lost {
            self.count += 1;
            self.arrivals.insert((self.now + self.delay, self.count), Arrival::Datagram { from, to, bytes });
        }
    }

    /// A datagram from anywhere.
    pub(crate) fn inject(&mut self, from: SocketAddr, seat: usize, bytes: &[u8]) {
        let to = self.nodes[seat].address;
        self.tell(seat, Input::Datagram { from, to, bytes });
    }

    pub(crate) fn drain(&mut self, seat: usize) {
        loop {
            let node = &mut self.nodes[seat];
            match node.machine.poll() {
                Output::Datagram { from, to, payload } => {
                    *node.sent.entry(to).or_default() += 1;
                    node.datagrams.push(payload.to_vec());
                    self.largest = self.largest.max(payload.len());
                    let bytes = payload.to_vec();
                    if let Some(from) = self.outside.outward(from, to) {
                        self.fly(from, to, bytes);
                    }
                }
                Output::Signal { player, signal } => {
                    node.signals.push(signal.clone());
                    if !self.is_silent {
                        self.count += 1;
                        let arrival = Arrival::Signal {
                            from: node.player,
                            to: player.0 as usize - 1,
                            signal: (self.forge)(signal),
                        };
                        self.arrivals.insert((self.now + self.delay, self.count), arrival);
                    }
                }
                Output::Fact { player, kind, fact: Fact::Turned(is_turned), .. } => {
                    node.turned.push((player, kind, is_turned));
                }
                Output::Fact { player, kind, attempt, fact } => {
                    node.facts.push((self.now, player, kind, attempt, fact));
                }
                Output::Stream { stream, order } => self.on_stream(seat, stream, order),
                Output::Server { address, state } => node.servers.push((self.now, address, state)),
                Output::Packet { player, kind, bytes } => node.packets.push((self.now, player, kind, bytes)),
                Output::Timeout(deadline) => {
                    assert!(deadline.is_none_or(|at| at > self.now), "it is asked again at once");
                    break;
                }
            }
        }
    }
}

/// Under which address a TURN server sees a stream.
fn client(seat: usize, stream: u32) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, stream as u8], 40_000 + seat as u16))
}

fn streams(client: SocketAddr) -> u32 {
    match client {
        SocketAddr::V4(client) => client.ip().octets()[3].into(),
        SocketAddr::V6(_) => 0,
    }
}

pub(crate) fn player(seat: usize) -> PlayerId {
    PlayerId(seat as u32 + 1)
}
