//! Gathers ways to us that servers give: whom to ask, from where, and what is known by now.

use super::reach::Way;
use super::server::{AllocationStats, IceServer, MOST, ServerState, StreamFact, StreamOrder, Transport, TurnServer};
use super::stun::Bindings;
use super::turn::Allocation;
use crate::time::{Instant, earlier};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use rand::rngs::ChaCha8Rng;
use std::collections::{BTreeSet, VecDeque};

/// Others that allocations are opened to.
const MAX_PEERS: usize = 64;

/// What comes of it.
#[derive(Debug)]
pub(super) enum Told {
    /// A datagram for the wire.
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// Something to do with a stream.
    Stream(u32, StreamOrder),
    /// A new way.
    Found(Way),
    /// A way is no more.
    Lost(Way),
    /// How a server does.
    Server(SocketAddr, ServerState),
}

/// A datagram as a socket has received it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received<'a> {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: &'a [u8],
}

/// A datagram that a TURN server handed on.
#[derive(Debug)]
pub(super) struct HandedOn {
    pub(super) from: SocketAddr,
    pub(super) relay: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// Asks the servers.
#[derive(Debug)]
pub(super) struct Gather {
    servers: Vec<IceServer>,
    bindings: Bindings,
    allocations: Vec<Allocation>,
    /// Counts streams.
    streams: u32,
    peers: VecDeque<IpAddr>,
    ways: BTreeSet<Way>,
}

impl Gather {
    /// Nobody to ask yet.
    pub(super) fn new(random: ChaCha8Rng) -> Self {
        Gather {
            servers: Vec::new(),
            bindings: Bindings::new(random),
            allocations: Vec::new(),
            streams: 0,
            peers: VecDeque::new(),
            ways: BTreeSet::new(),
        }
    }

    /// From now on these are asked.
    pub(super) fn set_servers(&mut self, mut servers: Vec<IceServer>) {
        servers.truncate(MOST);
        self.servers = servers;
    }

    /// Our addresses or the servers are others now.
    pub(super) fn settle(&mut self, now: Instant, locals: &[SocketAddr], told: &mut Vec<Told>) {
        let (mut stun, mut turn) = (Vec::new(), Vec::new());
        for server in &self.servers {
            match server {
                IceServer::Stun { address } => stun.push(*address),
                IceServer::Turn(server) => turn.push(server.clone()),
            }
        }
        self.bindings.set(now, &stun, locals, told);
        for allocation in core::mem::take(&mut self.allocations) {
            let server = allocation.server();
            let is_wanted = turn.iter().any(|wanted| is_same(wanted, server));
            if is_wanted && (server.transport != Transport::Udp || locals.contains(&allocation.local())) {
                self.allocations.push(allocation);
            } else {
                allocation.close(now, told);
            }
        }
        for server in turn {
            match self.allocations.iter_mut().find(|known| is_same(known.server(), &server)) {
                Some(known) => known.set_credentials(now, server.credentials),
                None => self.allocate(now, server, locals),
            }
        }
        self.note(told);
    }

    fn allocate(&mut self, now: Instant, server: TurnServer, locals: &[SocketAddr]) {
        let local = locals.iter().copied().find(|local| local.is_ipv4() == server.address.is_ipv4());
        let nowhere: IpAddr =
            if server.address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let local = match server.transport {
            Transport::Udp => local,
            // Its stream has an address of its own, which nobody needs to know.
            Transport::Tcp | Transport::Tls { .. } => Some(local.unwrap_or(SocketAddr::new(nowhere, 0))),
        };
        self.allocations.extend(local.map(|local| Allocation::new(now, server, local, self.peers.iter().copied())));
    }

    /// The ways known by now.
    pub(super) fn ways(&self) -> impl Iterator<Item = Way> {
        self.ways.iter().copied()
    }

    /// Whether a TURN server lends us an address, or may do so soon.
    pub(super) fn can_relay(&self) -> bool {
        self.allocations.iter().any(|allocation| !allocation.is_down())
    }

    /// What TURN servers lend us, in numbers.
    pub(super) fn allocations(&self) -> impl Iterator<Item = AllocationStats> {
        self.allocations.iter().map(Allocation::stats)
    }

    /// Whether a TURN server lends us that address.
    pub(super) fn is_relay(&self, address: SocketAddr) -> bool {
        self.allocations.iter().any(|allocation| allocation.relay() == Some(address))
    }

    /// What servers said may be true no longer.
    pub(super) fn doubt(&mut self, now: Instant) {
        self.bindings.doubt(now);
        self.allocations.iter_mut().for_each(Allocation::doubt);
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.allocations.iter().map(Allocation::due).fold(self.bindings.due(), earlier)
    }

    /// Time has come for something.
    pub(super) fn on_due(&mut self, now: Instant, told: &mut Vec<Told>) {
        self.bindings.on_due(now, told);
        for allocation in self.allocations.iter_mut().filter(|it| it.due().is_some_and(|due| due <= now)) {
            allocation.on_due(now, &mut self.streams, told);
        }
        self.note(told);
    }

    /// These may send to us and we to them: who stands between shall let them through.
    pub(super) fn admit(&mut self, now: Instant, peers: &[IpAddr], told: &mut Vec<Told>) {
        for peer in peers.iter().filter(|peer| peer.is_ipv4()) {
            if self.peers.contains(peer) {
                continue;
            }
            if self.peers.len() == MAX_PEERS {
                self.peers.pop_front();
            }
            self.peers.push_back(*peer);
            self.allocations.iter_mut().for_each(|allocation| allocation.want(now, *peer, told));
        }
        self.note(told);
    }

    /// Sends a datagram from an address that is lent to us.
    pub(super) fn send(
        &mut self,
        now: Instant,
        relay: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
        told: &mut Vec<Told>,
    ) {
        if let Some(allocation) = self.allocations.iter_mut().find(|it| it.relay() == Some(relay)) {
            allocation.send(now, to, bytes, told);
            self.note(told);
        }
    }

    /// A datagram has come. None: it is of no server. Else what was handed on with it.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        datagram: Received<'_>,
        told: &mut Vec<Told>,
    ) -> Option<Vec<HandedOn>> {
        let Received { from, to, bytes } = datagram;
        let mut handed = Vec::new();
        let mut is_taken = self.bindings.receive(now, datagram, told);
        self.follow(now, told);
        for allocation in &mut self.allocations {
            let is_its = allocation.server().transport == Transport::Udp
                && (allocation.server().address, allocation.local()) == (from, to);
            if !is_taken && is_its {
                let relay = allocation.relay();
                is_taken =
                    allocation.receive(now, bytes, told, &mut |from, bytes| hand(&mut handed, relay, from, bytes));
            }
        }
        self.note(told);
        is_taken.then_some(handed)
    }

    /// Where a router shows one of our addresses as another than before, a TURN server no longer knows who we are there.
    fn follow(&mut self, now: Instant, told: &mut Vec<Told>) {
        let is_found =
            |base| told.iter().any(|told| matches!(told, Told::Found(Way::Reflexive { base: of, .. }) if *of == base));
        let moved: Vec<SocketAddr> = told
            .iter()
            .filter_map(|told| match told {
                Told::Lost(Way::Reflexive { base, .. }) if is_found(*base) => Some(*base),
                _ => None,
            })
            .collect();
        for allocation in &mut self.allocations {
            if allocation.server().transport == Transport::Udp && moved.contains(&allocation.local()) {
                allocation.begin_anew(now, told);
            }
        }
    }

    /// What became of a stream, and what was handed on in it.
    pub(super) fn on_stream(
        &mut self,
        now: Instant,
        stream: u32,
        fact: StreamFact<'_>,
        told: &mut Vec<Told>,
    ) -> Vec<HandedOn> {
        let mut handed = Vec::new();
        if let Some(allocation) = self.allocations.iter_mut().find(|it| it.stream() == Some(stream)) {
            let relay = allocation.relay();
            allocation.on_stream(now, fact, told, &mut |from, bytes| hand(&mut handed, relay, from, bytes));
        }
        self.note(told);
        handed
    }

    fn note(&mut self, told: &[Told]) {
        for told in told {
            match told {
                Told::Found(way) => drop(self.ways.insert(*way)),
                Told::Lost(way) => drop(self.ways.remove(way)),
                Told::Datagram { .. } | Told::Stream(..) | Told::Server(..) => {}
            }
        }
    }
}

fn is_same(a: &TurnServer, b: &TurnServer) -> bool {
    (a.address, &a.transport) == (b.address, &b.transport)
}

fn hand(handed: &mut Vec<HandedOn>, relay: Option<SocketAddr>, from: SocketAddr, bytes: &[u8]) {
    handed.extend(relay.map(|relay| HandedOn { from, relay, bytes: bytes.to_vec() }));
}
