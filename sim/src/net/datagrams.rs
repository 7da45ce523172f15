//! A two-way datagram pipe: a link each way, and whether it is open at all. Faults of single packets are the link's job.

use super::config::LinkConfig;
use super::counters::Counters;
use super::link::Link;
use super::{Arrival, Refused, Side};
use crate::seed::Seed;
use webstar_core::time::{Instant, earlier};

/// A two-way datagram pipe. It refuses nothing while it is open.
#[derive(Debug)]
pub struct Datagrams {
    /// By the sending side.
    links: [Link; 2],
    /// By side: whether it believes the pipe to be open.
    open: [bool; 2],
    /// By side: when it will hear that the pipe was closed.
    closes: [Option<Instant>; 2],
}

impl Datagrams {
    /// An open pipe with the same conditions both ways.
    pub fn new(seed: Seed, now: Instant, config: LinkConfig) -> Self {
        let link = |name| Link::new(&mut seed.stream(name), now, config);
        Datagrams { links: [link("from a"), link("from b")], open: [true; 2], closes: [None; 2] }
    }

    pub(super) fn send(&mut self, now: Instant, from: Side, bytes: &[u8]) -> Result<(), Refused> {
        if !self.open[from.index()] {
            return Err(Refused::Closed);
        }
        self.links[from.index()].send(now, bytes);
        if !self.open[from.other().index()] {
            self.links[from.index()].clear();
        }
        Ok(())
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<(Side, Arrival)> {
        loop {
            let next = [self.links[0].next_deadline(), self.links[1].next_deadline()];
            let from = Side::earlier(next[0], next[1]);
            if next[from.index()].is_none_or(|at| at > now) {
                break;
            }
            if let Some(packet) = self.links[from.index()].deliver(now) {
                return Some((from.other(), Arrival::Packet(packet)));
            }
        }
        for to in Side::BOTH {
            if self.closes[to.index()].take_if(|at| *at <= now).is_some() {
                self.shut(to);
                return Some((to, Arrival::Closed));
            }
        }
        None
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let closes = earlier(self.closes[0], self.closes[1]);
        earlier(closes, earlier(self.links[0].next_deadline(), self.links[1].next_deadline()))
    }

    /// Whether what came out at this side last is not as it was sent.
    pub(super) fn is_damaged(&self, to: Side) -> bool {
        self.links[to.other().index()].is_damaged()
    }

    pub(super) fn recycle(&mut self, to: Side, buffer: Vec<u8>) {
        self.links[to.other().index()].recycle(buffer);
    }

    pub(super) fn set_config(&mut self, now: Instant, from: Side, config: LinkConfig) {
        self.links[from.index()].set_config(now, config);
    }

    pub(super) fn config(&self, from: Side) -> &LinkConfig {
        self.links[from.index()].config()
    }

    pub(super) fn set_up(&mut self, from: Side, up: bool) {
        self.links[from.index()].set_up(up);
    }

    pub(super) fn is_up(&self, from: Side) -> bool {
        self.links[from.index()].is_up()
    }

    /// The word of the closing goes one way once, unprotected, like any packet of such a pipe.
    pub(super) fn close(&mut self, now: Instant, by: Side) {
        if self.open[by.index()] {
            self.shut(by);
            let link = &self.links[by.index()];
            let heard = self.open[by.other().index()] && link.is_up();
            self.closes[by.other().index()] = heard.then_some(now + link.config().delay);
        }
    }

    pub(super) fn reset(&mut self, now: Instant) {
        for side in Side::BOTH {
            if self.open[side.index()] {
                self.closes[side.index()] = Some(now);
            }
        }
        self.open = [false; 2];
        self.links.iter_mut().for_each(Link::clear);
    }

    pub(super) fn reopen(&mut self) {
        self.links.iter_mut().for_each(Link::clear);
        self.open = [true; 2];
        self.closes = [None; 2];
    }

    pub(super) fn is_open(&self, side: Side) -> bool {
        self.open[side.index()]
    }

    pub(super) fn counters(&self, from: Side) -> Counters {
        *self.links[from.index()].counters()
    }

    /// This side is done: nothing more comes to it.
    fn shut(&mut self, side: Side) {
        self.open[side.index()] = false;
        self.links[side.other().index()].clear();
        if !self.open[side.other().index()] {
            self.links[side.index()].clear();
        }
    }
}
