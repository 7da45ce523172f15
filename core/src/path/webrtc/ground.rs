//! What all connections of a machine share: where they stand, what they are made of, and what they want done.

use super::connection::{Connection, News};
use super::gather::{Gather, HandedOn, Told};
use super::reach::Way;
use super::rules::Rules;
use super::seam::WebrtcDropped;
use super::server::AllocationStats;
use super::server::{ServerState, StreamOrder};
use super::stack::Stack;
use super::{PathKind, facts};
use crate::id::PlayerId;
use crate::path::{Attempt, Fact};
use crate::time::Instant;
use crate::wire::signal::RtcSignal;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use rand::rngs::ChaCha8Rng;
use std::collections::VecDeque;

/// Datagrams and frames of streams that wait for the embedder; the system's own buffers are smaller.
const MAX_WAITING: usize = 4_096;

/// Something for the embedder.
#[derive(Debug)]
pub(super) enum Act {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    Signal(PlayerId, RtcSignal),
    Fact(PlayerId, PathKind, Attempt, Fact),
    Packet(PlayerId, PathKind, Bytes),
    Server(SocketAddr, ServerState),
    Stream(u32, StreamOrder),
    /// For the connections.
    Found(Way),
    /// For the connections.
    Lost(Way),
    /// For the connections.
    HandedOn(HandedOn),
}

/// What connections share.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) now: Instant,
    pub(super) stack: Stack,
    pub(super) random: ChaCha8Rng,
    pub(super) addresses: Vec<SocketAddr>,
    gather: Gather,
    pub(super) rules: Rules,
    pub(super) dropped: WebrtcDropped,
    acts: VecDeque<Act>,
    waiting: usize,
    /// Emptied after every use; kept for its room.
    news: Vec<News>,
}

impl Ground {
    /// `random` is for connections, `gather` for what servers are asked.
    pub(super) fn new(stack: Stack, random: ChaCha8Rng, gather: Gather) -> Self {
        Ground {
            now: Instant::ZERO,
            stack,
            random,
            addresses: Vec::new(),
            gather,
            rules: Rules::default(),
            dropped: WebrtcDropped::default(),
            acts: VecDeque::new(),
            waiting: 0,
            news: Vec::new(),
        }
    }

    /// A connection that knows nobody yet.
    pub(super) fn connection(&mut self, is_relayed: bool) -> Box<Connection> {
        let ways = self.addresses.iter().copied().map(Way::Host).chain(self.gather.ways());
        Box::new(Connection::new(&self.stack, &mut self.random, self.now, self.rules.clone(), is_relayed, ways))
    }

    /// When servers are to be asked.
    pub(super) fn due(&self) -> Option<Instant> {
        self.gather.due()
    }

    /// Whether a TURN server lends us an address, or may do so soon.
    pub(super) fn can_relay(&self) -> bool {
        self.gather.can_relay()
    }

    /// What TURN servers lend us, in numbers.
    pub(super) fn allocations(&self) -> impl Iterator<Item = AllocationStats> {
        self.gather.allocations()
    }

    /// A connection begins or restarts, maybe because a router on the way, or a TURN server, has forgotten us: what the
    /// outside sees of us and lends us is asked for again.
    pub(super) fn doubt_ways(&mut self) {
        self.gather.doubt(self.now);
    }

    /// These may be the addresses of others.
    pub(super) fn admit(&mut self, ips: &[IpAddr]) {
        if !ips.is_empty() {
            self.gather(|gather, now, _, told| gather.admit(now, ips, told));
        }
    }

    /// Lets the gathering of ways work.
    pub(super) fn gather<R>(
        &mut self,
        work: impl FnOnce(&mut Gather, Instant, &[SocketAddr], &mut Vec<Told>) -> R,
    ) -> R {
        let mut all = Vec::new();
        let result = work(&mut self.gather, self.now, &self.addresses, &mut all);
        for told in all {
            match told {
                Told::Datagram { from, to, bytes } => self.put(Act::Datagram { from, to, bytes }),
                Told::Stream(stream, order @ StreamOrder::Send(_)) => self.put(Act::Stream(stream, order)),
                Told::Stream(stream, order) => self.acts.push_back(Act::Stream(stream, order)),
                Told::Server(address, state) => self.acts.push_back(Act::Server(address, state)),
                Told::Found(way) => self.acts.push_back(Act::Found(way)),
                Told::Lost(way) => self.acts.push_back(Act::Lost(way)),
            }
        }
        result
    }

    /// What TURN servers handed on waits for the connections.
    pub(super) fn hand(&mut self, handed: Vec<HandedOn>) {
        self.acts.extend(handed.into_iter().map(Act::HandedOn));
    }

    /// A datagram of a connection: from a socket, or from an address that is lent to us.
    /// What another player named as its own, and became ours since, is not sent to.
    fn datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.addresses.contains(&to) {
            return;
        }
        if self.gather.is_relay(from) {
            self.gather(|gather, now, _, told| gather.send(now, from, to, bytes, told));
        } else {
            self.put(Act::Datagram { from, to, bytes });
        }
    }

    /// A datagram, or a frame of a stream: what takes its place if it is lost is the business of those above.
    fn put(&mut self, act: Act) {
        if self.waiting == MAX_WAITING {
            self.dropped.overflow += 1;
            return;
        }
        self.waiting += 1;
        self.acts.push_back(act);
    }

    /// Lets a connection work, and takes what it has for the embedder.
    pub(super) fn serve<R>(&mut self, player: PlayerId, work: impl FnOnce(Instant, &mut Vec<News>) -> R) -> R {
        let mut news = core::mem::take(&mut self.news);
        let result = work(self.now, &mut news);
        for news in news.drain(..) {
            match news {
                News::Datagram(transmit) => {
                    self.datagram(transmit.source, transmit.destination, transmit.contents.into());
                }
                News::Packet(kind, bytes) => self.acts.push_back(Act::Packet(player, kind, bytes)),
            }
        }
        self.news = news;
        result
    }

    /// Tells a player something.
    pub(super) fn signal(&mut self, player: PlayerId, signal: RtcSignal) {
        self.acts.push_back(Act::Signal(player, signal));
    }

    /// Tells what became of an order.
    pub(super) fn tell(&mut self, player: PlayerId, kind: PathKind, attempt: Attempt, fact: Fact) {
        self.acts.push_back(Act::Fact(player, kind, attempt, fact));
    }

    /// Tells that a pipe carries packets, and whether over a TURN server.
    pub(super) fn tell_open(&mut self, player: PlayerId, kind: PathKind, attempt: Attempt, is_turned: bool) {
        if let Some(facts) = facts(kind) {
            self.tell(player, kind, attempt, Fact::Turned(is_turned));
            self.tell(player, kind, attempt, Fact::Opened(facts));
        }
    }

    /// The next thing for the embedder.
    pub(super) fn poll(&mut self) -> Option<Act> {
        let act = self.acts.pop_front()?;
        self.waiting -= usize::from(is_counted(&act));
        Some(act)
    }
}

fn is_counted(act: &Act) -> bool {
    matches!(act, Act::Datagram { .. } | Act::Stream(_, StreamOrder::Send(_)))
}
