//! Gathers ways to us that servers give: whom to ask, from where, and what is known by now.

use super::reach::Way;
use super::server::{IceServer, MOST, ServerState};
use super::stun::Bindings;
use crate::time::Instant;
use core::net::SocketAddr;
use rand::rngs::ChaCha8Rng;
use std::collections::BTreeSet;

/// What comes of it.
#[derive(Debug)]
pub(super) enum Told {
    /// A datagram for the wire.
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    /// A new way.
    Found(Way),
    /// A way is no more.
    Lost(Way),
    /// How a server does.
    Server(SocketAddr, ServerState),
}

/// Asks the servers.
#[derive(Debug)]
pub(super) struct Gather {
    servers: Vec<IceServer>,
    bindings: Bindings,
    ways: BTreeSet<Way>,
}

impl Gather {
    /// Nobody to ask yet.
    pub(super) fn new(random: ChaCha8Rng) -> Self {
        Gather { servers: Vec::new(), bindings: Bindings::new(random), ways: BTreeSet::new() }
    }

    /// From now on these are asked.
    pub(super) fn set_servers(&mut self, mut servers: Vec<IceServer>) {
        servers.truncate(MOST);
        self.servers = servers;
    }

    /// Our addresses or the servers are others now.
    pub(super) fn settle(&mut self, now: Instant, locals: &[SocketAddr], told: &mut Vec<Told>) {
        let servers: Vec<_> = self.servers.iter().map(IceServer::address).collect();
        self.bindings.set(now, &servers, locals, told);
        self.note(told);
    }

    /// The ways known by now.
    pub(super) fn ways(&self) -> impl Iterator<Item = Way> {
        self.ways.iter().copied()
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.bindings.due()
    }

    /// Time has come for something.
    pub(super) fn on_due(&mut self, now: Instant, told: &mut Vec<Told>) {
        self.bindings.on_due(now, told);
        self.note(told);
    }

    /// A datagram has come. True: it is of a server, and nobody else's business.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
        told: &mut Vec<Told>,
    ) -> bool {
        let is_taken = self.bindings.receive(now, from, to, bytes, told);
        self.note(told);
        is_taken
    }

    fn note(&mut self, told: &[Told]) {
        for told in told {
            match told {
                Told::Found(way) => drop(self.ways.insert(*way)),
                Told::Lost(way) => drop(self.ways.remove(way)),
                Told::Datagram { .. } | Told::Server(..) => {}
            }
        }
    }
}
