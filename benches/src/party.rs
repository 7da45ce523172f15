//! A host and its members with real WebRTC connections (ICE, DTLS and SRTP as they are) in one process, without sockets:
//! datagrams take a made-up time and none gets lost. Each pair holds a conversation over the `srtp` pipe.

use bytes::Bytes;
use core::net::{Ipv4Addr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use webstar_core::id::{PathId, PlayerId, SessionId};
use webstar_core::path::Fact;
use webstar_core::path::webrtc::{Input, Output, PathKind, Stack, Webrtc, WebrtcConfig};
use webstar_core::peer::link::{self, Link, LinkConfig, LinkEvent, PathSetup};
use webstar_core::session::{Outbound, SessionIds};
use webstar_core::time::{Duration, Instant, earlier};
use webstar_core::wire::frame::{Delivery, Priority};
use webstar_core::wire::signal::RtcSignal;

const PATH: PathId = PathId(1);
const PORT: u16 = 5_000;

/// One player.
#[derive(Debug)]
struct Node {
    machine: Webrtc,
    links: BTreeMap<PlayerId, Box<Link>>,
    deadlines: BTreeMap<PlayerId, Option<Instant>>,
    /// Links that have something to say.
    dirty: BTreeSet<PlayerId>,
    due: Option<Instant>,
    open: BTreeSet<PlayerId>,
    delivered: u64,
}

#[derive(Debug)]
enum Thing {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Signal { from: PlayerId, to: PlayerId, signal: RtcSignal },
}

/// A host, whose number is 0, and its members.
#[derive(Debug)]
pub struct Party {
    nodes: Vec<Node>,
    now: Instant,
    delay: Duration,
    flying: VecDeque<(Instant, Thing)>,
    spare: Vec<Vec<u8>>,
    datagrams: u64,
}

fn player(seat: usize) -> PlayerId {
    PlayerId(seat as u32 + 1)
}

fn seat(player: PlayerId) -> usize {
    player.0 as usize - 1
}

fn address(seat: usize) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1 + seat as u8), PORT).into()
}

fn at(address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(address) => usize::from(address.ip().octets()[3]) - 1,
        SocketAddr::V6(_) => unreachable!("nobody has such an address"),
    }
}

impl Party {
    /// A host and so many members, at most 200, who know nothing of each other.
    pub fn new(stack: &Stack, members: usize, delay: Duration) -> Self {
        let node = |seat: usize| {
            let config = WebrtcConfig { player: player(seat), stack: stack.clone(), seed: [seat as u8; 32] };
            let mut machine = Webrtc::new(config);
            machine.handle(Instant::ZERO, Input::Addresses(vec![address(seat)])).expect("it is an address");
            Node {
                machine,
                links: BTreeMap::new(),
                deadlines: BTreeMap::new(),
                dirty: BTreeSet::new(),
                due: None,
                open: BTreeSet::new(),
                delivered: 0,
            }
        };
        Party {
            nodes: (0..=members).map(node).collect(),
            now: Instant::ZERO,
            delay,
            flying: VecDeque::new(),
            spare: Vec::new(),
            datagrams: 0,
        }
    }

    /// Every member begins a conversation with the host; until all pipes are open.
    ///
    /// # Panics
    /// When they are not within ten seconds.
    pub fn connect(&mut self) {
        for member in 1..self.nodes.len() {
            self.link(0, member);
            self.link(member, 0);
        }
        let until = self.now + Duration::from_secs(10);
        while !(1..self.nodes.len()).all(|member| self.is_open(member)) {
            assert!(self.now < until, "two neighbours do not find each other");
            self.step(until);
        }
    }

    fn is_open(&self, member: usize) -> bool {
        self.nodes[member].open.contains(&player(0)) && self.nodes[0].open.contains(&player(member))
    }

    fn link(&mut self, from: usize, to: usize) {
        let name = |seat: usize, other: usize| SessionId((seat as u64 + 1) << 32 | (other as u64 + 1));
        let ids = SessionIds { ours: name(from, to), theirs: name(to, from) };
        let setup = PathSetup { id: PATH, kind: PathKind::Srtp, relayed_only: false };
        let link = Link::new(LinkConfig::default(), ids, player(to), &[setup], [from as u8; 32], self.now)
            .expect("the settings are usable");
        self.nodes[from].links.insert(player(to), Box::new(link));
        self.nodes[from].dirty.insert(player(to));
        self.settle(from);
    }

    /// One says something to another, which leaves at once.
    ///
    /// # Panics
    /// When what was said before has not arrived for long.
    pub fn say(&mut self, from: usize, to: usize, payload: Bytes) {
        let message = Outbound { priority: Priority::High, delivery: Delivery::Ordered, key: 0, payload };
        let (now, to) = (self.now, player(to));
        let link = self.nodes[from].links.get_mut(&to).expect("they talk");
        link.send(now, message).expect("a lane that is acknowledged has room");
        self.nodes[from].dirty.insert(to);
        self.settle(from);
    }

    /// Time passes, with all that happens in it.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.step(until);
        }
    }

    /// Messages delivered to a seat.
    pub fn delivered(&self, seat: usize) -> u64 {
        self.nodes[seat].delivered
    }

    /// Datagrams sent by anybody.
    pub fn datagrams(&self) -> u64 {
        self.datagrams
    }

    /// On to the next moment at which anything happens, at most to then.
    fn step(&mut self, until: Instant) {
        let due = self.nodes.iter().filter_map(Node::next).min();
        let next = earlier(due, self.flying.front().map(|(at, _)| *at)).unwrap_or(until);
        self.now = self.now.max(next.min(until));
        while self.flying.front().is_some_and(|(at, _)| *at <= self.now) {
            if let Some((_, thing)) = self.flying.pop_front() {
                self.land(thing);
            }
        }
        for seat in 0..self.nodes.len() {
            if self.nodes[seat].next().is_some_and(|due| due <= self.now) {
                self.wake(seat);
            }
        }
    }

    fn land(&mut self, thing: Thing) {
        let now = self.now;
        match thing {
            Thing::Datagram { from, to, bytes } => {
                let told = self.nodes[at(to)].machine.handle(now, Input::Datagram { from, to, bytes: &bytes });
                told.expect("whatever comes is no misuse");
                self.spare.push(bytes);
                self.settle(at(to));
            }
            Thing::Signal { from, to, signal } => {
                let told = self.nodes[seat(to)].machine.handle(now, Input::Signal { player: from, signal });
                told.expect("nobody talks to itself");
                self.settle(seat(to));
            }
        }
    }

    fn wake(&mut self, seat: usize) {
        let (now, node) = (self.now, &mut self.nodes[seat]);
        for (player, deadline) in &node.deadlines {
            if deadline.is_some_and(|deadline| deadline <= now) {
                let link = node.links.get_mut(player).expect("only links have deadlines");
                link.handle(now, link::Input::Timeout).expect("it is open");
                node.dirty.insert(*player);
            }
        }
        node.machine.handle(now, Input::Timeout).expect("time may pass");
        self.settle(seat);
    }

    /// Carries out everything that a player wants done.
    fn settle(&mut self, seat: usize) {
        loop {
            self.hear_links(seat);
            self.hear_machine(seat);
            if self.nodes[seat].dirty.is_empty() {
                return;
            }
        }
    }

    fn hear_links(&mut self, seat: usize) {
        let (now, node) = (self.now, &mut self.nodes[seat]);
        while let Some(player) = node.dirty.pop_first() {
            let link = node.links.get_mut(&player).expect("only links are dirty");
            loop {
                let input = match link.poll() {
                    link::Output::Transmit { bytes, .. } => {
                        Input::Packet { player, kind: PathKind::Srtp, payload: bytes }
                    }
                    link::Output::Pipe { order, .. } => Input::Order { player, kind: PathKind::Srtp, order },
                    link::Output::Event(event) => {
                        node.delivered += u64::from(matches!(event, LinkEvent::Message(_)));
                        continue;
                    }
                    link::Output::Timeout(next) => {
                        node.deadlines.insert(player, next.map(|(at, _)| at));
                        break;
                    }
                };
                node.machine.handle(now, input).expect("there is such a pipe");
            }
        }
    }

    fn hear_machine(&mut self, seat: usize) {
        let (now, lands, from) = (self.now, self.now + self.delay, player(seat));
        let Node { machine, links, dirty, due, open, .. } = &mut self.nodes[seat];
        loop {
            let (player, input) = match machine.poll() {
                Output::Datagram { from, to, payload } => {
                    let mut bytes = self.spare.pop().unwrap_or_default();
                    bytes.clear();
                    bytes.extend_from_slice(payload);
                    self.datagrams += 1;
                    self.flying.push_back((lands, Thing::Datagram { from, to, bytes }));
                    continue;
                }
                Output::Signal { player, signal } => {
                    self.flying.push_back((lands, Thing::Signal { from, to: player, signal }));
                    continue;
                }
                Output::Fact { player, attempt, fact, .. } => {
                    if matches!(fact, Fact::Opened(_)) {
                        open.insert(player);
                    }
                    (player, Told::Fact(link::Input::Pipe { path: PATH, attempt, fact }))
                }
                Output::Packet { player, bytes, .. } => (player, Told::Packet(bytes)),
                Output::Timeout(next) => {
                    *due = next;
                    return;
                }
                Output::Server { .. } | Output::Stream { .. } => continue,
            };
            let Some(link) = links.get_mut(&player) else { continue };
            dirty.insert(player);
            let told = match &input {
                Told::Fact(input) => link.handle(now, *input),
                Told::Packet(bytes) => link.handle(now, link::Input::Packet { path: PATH, bytes }),
            };
            told.expect("the path exists");
        }
    }
}

/// What a machine has for a link.
enum Told {
    Fact(link::Input<'static>),
    Packet(Bytes),
}

impl Node {
    fn next(&self) -> Option<Instant> {
        self.deadlines.values().copied().fold(self.due, earlier)
    }
}
