//! What all connections of a machine share: where they stand, what they are made of, and what they want done.

use super::connection::{Connection, News};
use super::seam::WebrtcDropped;
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
use str0m::net::Transmit;

/// Datagrams that wait for the embedder; the system's own buffers are smaller.
const MAX_WAITING: usize = 4_096;

/// Something for the embedder.
#[derive(Debug)]
pub(super) enum Act {
    Datagram(Transmit),
    Signal(PlayerId, RtcSignal),
    Fact(PlayerId, PathKind, Attempt, Fact),
    Packet(PlayerId, PathKind, Bytes),
}

/// What connections share.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) now: Instant,
    pub(super) stack: Stack,
    pub(super) random: ChaCha8Rng,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) dropped: WebrtcDropped,
    acts: VecDeque<Act>,
    waiting: usize,
    /// Emptied after every use; kept for its room.
    news: Vec<News>,
}

impl Ground {
    pub(super) fn new(stack: Stack, random: ChaCha8Rng) -> Self {
        Ground {
            now: Instant::ZERO,
            stack,
            random,
            addresses: Vec::new(),
            dropped: WebrtcDropped::default(),
            acts: VecDeque::new(),
            waiting: 0,
            news: Vec::new(),
        }
    }

    /// A connection that knows nobody yet.
    pub(super) fn connection(&mut self) -> Connection {
        Connection::new(&self.stack, &mut self.random, self.now, &self.addresses)
    }

    /// Lets a connection work, and takes what it has for the embedder.
    pub(super) fn serve<R>(&mut self, player: PlayerId, work: impl FnOnce(Instant, &mut Vec<News>) -> R) -> R {
        let mut news = core::mem::take(&mut self.news);
        let result = work(self.now, &mut news);
        for news in news.drain(..) {
            match news {
                News::Datagram(_) if self.waiting == MAX_WAITING => self.dropped.overflow += 1,
                News::Datagram(transmit) => {
                    self.waiting += 1;
                    self.acts.push_back(Act::Datagram(transmit));
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
        self.waiting -= usize::from(matches!(act, Act::Datagram(_)));
        Some(act)
    }
}
