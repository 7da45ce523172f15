//! What all connections of a machine share: where they stand, what they are made of, and what they want done.

use super::connection::{Connection, News};
use super::gather::{Gather, Told};
use super::reach::Way;
use super::seam::WebrtcDropped;
use super::server::ServerState;
use super::stack::Stack;
use super::{PathKind, facts};
use crate::id::PlayerId;
use crate::path::{Attempt, Fact};
use crate::time::Instant;
use crate::wire::signal::RtcSignal;
use bytes::Bytes;
use core::net::SocketAddr;
use rand::rngs::ChaCha8Rng;
use std::collections::VecDeque;

/// Datagrams that wait for the embedder; the system's own buffers are smaller.
const MAX_WAITING: usize = 4_096;

/// Something for the embedder.
#[derive(Debug)]
pub(super) enum Act {
    Datagram { from: SocketAddr, to: SocketAddr, bytes: Vec<u8> },
    Signal(PlayerId, RtcSignal),
    Fact(PlayerId, PathKind, Attempt, Fact),
    Packet(PlayerId, PathKind, Bytes),
    Server(SocketAddr, ServerState),
}

/// What connections share.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) now: Instant,
    pub(super) stack: Stack,
    pub(super) random: ChaCha8Rng,
    pub(super) addresses: Vec<SocketAddr>,
    gather: Gather,
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
            dropped: WebrtcDropped::default(),
            acts: VecDeque::new(),
            waiting: 0,
            news: Vec::new(),
        }
    }

    /// A connection that knows nobody yet.
    pub(super) fn connection(&mut self) -> Connection {
        let ways = self.addresses.iter().copied().map(Way::Host).chain(self.gather.ways());
        Connection::new(&self.stack, &mut self.random, self.now, ways)
    }

    /// When servers are to be asked.
    pub(super) fn due(&self) -> Option<Instant> {
        self.gather.due()
    }

    /// Lets the gathering of ways work; what became of it, and the ways found and lost.
    pub(super) fn gather<R>(
        &mut self,
        work: impl FnOnce(&mut Gather, Instant, &[SocketAddr], &mut Vec<Told>) -> R,
    ) -> (R, Vec<Told>) {
        let mut told = Vec::new();
        let result = work(&mut self.gather, self.now, &self.addresses, &mut told);
        told.retain_mut(|told| match told {
            Told::Datagram { from, to, bytes } => {
                self.datagram(*from, *to, core::mem::take(bytes));
                false
            }
            Told::Server(address, state) => {
                self.acts.push_back(Act::Server(*address, *state));
                false
            }
            Told::Found(_) | Told::Lost(_) => true,
        });
        (result, told)
    }

    fn datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.waiting == MAX_WAITING {
            self.dropped.overflow += 1;
            return;
        }
        self.waiting += 1;
        self.acts.push_back(Act::Datagram { from, to, bytes });
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

    /// Tells that a pipe carries packets.
    pub(super) fn tell_open(&mut self, player: PlayerId, kind: PathKind, attempt: Attempt) {
        if let Some(facts) = facts(kind) {
            self.tell(player, kind, attempt, Fact::Opened(facts));
        }
    }

    /// The next thing for the embedder.
    pub(super) fn poll(&mut self) -> Option<Act> {
        let act = self.acts.pop_front()?;
        self.waiting -= usize::from(matches!(act, Act::Datagram { .. }));
        Some(act)
    }
}
