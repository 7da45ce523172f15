//! What lies between the players and beyond them: routers that translate addresses, and a STUN server.

use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use turn_server_proto::types::stun::attribute::XorMappedAddress;
use turn_server_proto::types::stun::message::{BINDING, Message, MessageWriteVec};
use turn_server_proto::types::stun::prelude::{MessageWrite as _, MessageWriteExt as _};

/// Where the STUN server answers.
pub(crate) const STUN: &str = "192.0.2.1:3478";

/// Routers and servers.
#[derive(Default)]
pub(crate) struct Outside {
    /// Under which address a router shows a private one to the outside.
    pub(crate) shown: BTreeMap<SocketAddr, SocketAddr>,
    /// Routers give an address another port outside for each that it sends to, and let everybody in.
    pub(crate) is_symmetric: bool,
    /// Which ports they have given, by who sends to whom.
    ports: BTreeMap<(SocketAddr, SocketAddr), u16>,
    /// To whom something was sent from a private address: only they get in.
    let_in: BTreeSet<(SocketAddr, SocketAddr)>,
    /// Routers let in what comes from servers, and nothing else.
    pub(crate) is_closed: bool,
    /// The STUN server says nothing any more.
    pub(crate) is_silent: bool,
    /// Questions that have come to the STUN server: from where.
    pub(crate) asked: Vec<SocketAddr>,
}

impl Outside {
    /// Puts an address behind a router.
    pub(crate) fn hide(&mut self, private: SocketAddr, shown: &str) {
        self.shown.insert(private, shown.parse().expect("it is an address"));
    }

    /// The router before a private address begins anew: it shows another one, and lets nobody in.
    pub(crate) fn rebind(&mut self, private: SocketAddr, shown: &str) {
        self.hide(private, shown);
        self.let_in.retain(|(inside, _)| *inside != private);
    }

    /// Under which address a datagram goes on; none if it cannot get there.
    pub(crate) fn outward(&mut self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        if self.shown.contains_key(&to) {
            return None;
        }
        self.let_in.insert((from, to));
        let shown = self.shown.get(&from).copied();
        if let Some(shown) = shown.filter(|_| self.is_symmetric) {
            let port = 20_000 + self.ports.len() as u16;
            return Some(SocketAddr::new(shown.ip(), *self.ports.entry((from, to)).or_insert(port)));
        }
        Some(shown.unwrap_or(from))
    }

    /// To whom a datagram really goes; none if a router keeps it out.
    pub(crate) fn inward(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let given = self.ports.iter().find(|((inside, _), port)| {
            self.shown.get(inside).is_some_and(|shown| (shown.ip(), **port) == (to.ip(), to.port()))
        });
        if let Some(((private, _), _)) = given {
            return Some(*private);
        }
        let Some((private, _)) = self.shown.iter().find(|(_, shown)| **shown == to) else { return Some(to) };
        let is_let_in = !self.is_closed || from.to_string().starts_with("192.0.2.");
        (is_let_in && self.let_in.contains(&(*private, from))).then_some(*private)
    }

    /// What the STUN server answers.
    pub(crate) fn answer(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
        if to.to_string() != STUN {
            return None;
        }
        let question = Message::from_bytes(bytes).expect("it is well-formed");
        assert!(question.has_method(BINDING));
        self.asked.push(from);
        if self.is_silent {
            return None;
        }
        let mut answer = Message::builder_success(&question, MessageWriteVec::new());
        let seen = XorMappedAddress::new(from, question.transaction_id());
        answer.add_attribute(&seen).expect("there is room");
        answer.add_fingerprint().expect("there is room");
        Some(answer.finish())
    }
}
