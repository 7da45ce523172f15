//! A box between private addresses and the outside that gives everybody in it an address outside, as RFC 4787 describes
//! them: which outside address something inside has, who may send to it, and whether those inside can meet at their
//! outside addresses. Carries nothing: it says what the addresses of a datagram become, or that it goes no further.
//!
//! [`stun`] is the server outside that tells under which address it sees somebody, [`turn`] the one that lends addresses;
//! [`Terrain`] is where everybody lives.

pub mod stun;
mod terrain;
pub mod turn;

pub use terrain::{Home, Route, STUN, STUN_SEAT, Terrain, direct_path_possible};

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use serde::Serialize;
use std::collections::BTreeMap;
use webstar_core::time::Instant;

/// What nobody inside has used for so long is forgotten (REQ-5: not before two minutes).
pub const LIFETIME: Duration = Duration::from_secs(120);
/// The first port outside; the RFC wants none below 1,024.
const FIRST_PORT: u16 = 20_000;

/// What a decision of the box depends on, of whoever is outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Depends {
    /// Endpoint-independent.
    OnNothing,
    /// Address-dependent.
    OnAddress,
    /// Address- and port-dependent.
    OnAddressAndPort,
}

impl Depends {
    /// All, the most open one first.
    pub const ALL: [Depends; 3] = [Depends::OnNothing, Depends::OnAddress, Depends::OnAddressAndPort];

    /// Of an address outside, what counts.
    fn part(self, of: SocketAddr) -> Option<(IpAddr, Option<u16>)> {
        match self {
            Depends::OnNothing => None,
            Depends::OnAddress => Some((of.ip(), None)),
            Depends::OnAddressAndPort => Some((of.ip(), Some(of.port()))),
        }
    }
}

/// How a box behaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Manner {
    /// Whether something inside has another address outside for each partner.
    pub mapping: Depends,
    /// Of whom something inside hears: of those that it has spoken to.
    pub filtering: Depends,
    /// Those inside can meet at their addresses outside.
    pub hairpins: bool,
}

/// An address outside.
#[derive(Clone, Copy, Debug)]
struct Mapping {
    inside: SocketAddr,
    used: Instant,
}

/// What decides over an outside address: who is inside, and which part of whoever is outside.
type Key = (SocketAddr, Option<(IpAddr, Option<u16>)>);

/// One box.
#[derive(Clone, Debug)]
pub struct Nat {
    outside: Ipv4Addr,
    manner: Manner,
    /// By port outside.
    mappings: BTreeMap<u16, Mapping>,
    ports: BTreeMap<Key, u16>,
    /// By who is inside and who is outside: when the one spoke to the other.
    spoken: BTreeMap<(SocketAddr, SocketAddr), Instant>,
    next: u16,
}

impl Nat {
    /// A box with this address outside.
    pub fn new(outside: Ipv4Addr, manner: Manner) -> Self {
        let (mappings, ports, spoken) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Nat { outside, manner, mappings, ports, spoken, next: FIRST_PORT }
    }

    /// Its address outside.
    pub fn outside(&self) -> IpAddr {
        self.outside.into()
    }

    /// How it behaves.
    pub fn manner(&self) -> Manner {
        self.manner
    }

    /// Something inside sends to the outside: from which address it comes there.
    pub fn leave(&mut self, now: Instant, inside: SocketAddr, to: SocketAddr) -> SocketAddr {
        let key = (inside, self.manner.mapping.part(to));
        let known = self.ports.get(&key).copied().filter(|port| self.is_alive(*port, now));
        let port = known.unwrap_or_else(|| self.free_port(now));
        self.ports.insert(key, port);
        self.mappings.insert(port, Mapping { inside, used: now });
        self.spoken.insert((inside, to), now);
        SocketAddr::new(self.outside.into(), port)
    }

    /// Somebody outside sends to one of its addresses: who inside it is for, if it may pass.
    pub fn enter(&self, now: Instant, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let inside = self.inside(now, to)?;
        let part = self.manner.filtering.part(from);
        let mut heard = self.spoken.iter().filter(|((who, _), at)| *who == inside && is_fresh(**at, now));
        let may = part.is_none() || heard.any(|((_, whom), _)| self.manner.filtering.part(*whom) == part);
        may.then_some(inside)
    }

    /// Who inside has this address outside.
    pub fn inside(&self, now: Instant, outside: SocketAddr) -> Option<SocketAddr> {
        let is_ours = outside.ip() == self.outside();
        let mapping = self.mappings.get(&outside.port()).filter(|_| is_ours && self.is_alive(outside.port(), now));
        mapping.map(|mapping| mapping.inside)
    }

    /// It begins anew: everybody inside has other addresses, and nobody has spoken to anybody.
    pub fn rebind(&mut self) {
        self.mappings.clear();
        self.ports.clear();
        self.spoken.clear();
    }

    fn is_alive(&self, port: u16, now: Instant) -> bool {
        self.mappings.get(&port).is_some_and(|mapping| is_fresh(mapping.used, now))
    }

    fn free_port(&mut self, now: Instant) -> u16 {
        loop {
            let port = self.next;
            self.next = if port == u16::MAX { FIRST_PORT } else { port + 1 };
            if !self.is_alive(port, now) {
                return port;
            }
        }
    }
}

fn is_fresh(used: Instant, now: Instant) -> bool {
    now < used + LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;
    use Depends::{OnAddress, OnAddressAndPort, OnNothing};

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn nat(mapping: Depends, filtering: Depends) -> Nat {
        Nat::new(Ipv4Addr::new(192, 0, 2, 1), Manner { mapping, filtering, hairpins: true })
    }

    const NOW: Instant = Instant::ZERO;

    /// Section 4.1: whether X:x has the same address outside for Y1:y1 and Y2:y2.
    #[test]
    fn mapping_depends_on_what_it_is_named_for() {
        let table = [
            // The same address and port, another port, another address.
            (OnNothing, [true, true, true]),
            (OnAddress, [true, true, false]),
            (OnAddressAndPort, [true, false, false]),
        ];
        for (mapping, same) in table {
            let mut nat = nat(mapping, OnNothing);
            let first = nat.leave(NOW, at("10.0.0.1:5"), at("198.51.100.1:1"));
            assert_eq!(first.ip(), nat.outside());
            for (other, same) in ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1"].into_iter().zip(same) {
                assert_eq!(nat.leave(NOW, at("10.0.0.1:5"), at(other)) == first, same, "{mapping:?} {other}");
            }
            assert_ne!(nat.leave(NOW, at("10.0.0.1:6"), at("198.51.100.1:1")), first, "somebody else inside");
            assert_ne!(nat.leave(NOW, at("10.0.0.2:5"), at("198.51.100.1:1")), first);
        }
    }

    /// Section 5: of whom X:x hears at its address outside after it has sent to Y1:y1.
    #[test]
    fn filtering_depends_on_what_it_is_named_for() {
        let table = [
            (OnNothing, [true, true, true]),
            (OnAddress, [true, true, false]),
            (OnAddressAndPort, [true, false, false]),
        ];
        for mapping in Depends::ALL {
            for (filtering, passes) in table {
                let mut nat = nat(mapping, filtering);
                let outside = nat.leave(NOW, at("10.0.0.1:5"), at("198.51.100.1:1"));
                for (from, passes) in ["198.51.100.1:1", "198.51.100.1:2", "198.51.100.2:1"].into_iter().zip(passes) {
                    let inside = passes.then_some(at("10.0.0.1:5"));
                    assert_eq!(nat.enter(NOW, at(from), outside), inside, "{filtering:?} {from}");
                }
                assert_eq!(nat.enter(NOW, at("198.51.100.1:1"), at("192.0.2.1:9")), None, "nobody has that");
            }
        }
    }

    /// REQ-5 and REQ-6: two minutes, counted from what was sent from inside.
    #[test]
    fn what_is_not_used_is_forgotten_after_two_minutes() {
        let mut nat = nat(OnNothing, OnAddressAndPort);
        let (inside, far) = (at("10.0.0.1:5"), at("198.51.100.1:1"));
        let outside = nat.leave(NOW, inside, far);
        let late = NOW + LIFETIME - Duration::from_nanos(1);
        assert_eq!(nat.enter(late, far, outside), Some(inside));
        assert_eq!(nat.enter(NOW + LIFETIME, far, outside), None, "what came in keeps nothing open");
        assert_eq!(nat.leave(late, inside, far), outside);
        assert_eq!(nat.enter(NOW + LIFETIME, far, outside), Some(inside));
        assert_ne!(nat.leave(late + LIFETIME, inside, far), outside);
    }

    #[test]
    fn a_box_that_begins_anew_knows_nobody() {
        let mut nat = nat(OnNothing, OnNothing);
        let (inside, far) = (at("10.0.0.1:5"), at("198.51.100.1:1"));
        let outside = nat.leave(NOW, inside, far);
        nat.rebind();
        assert_eq!(nat.enter(NOW, far, outside), None);
        assert_ne!(nat.leave(NOW, inside, far), outside);
    }
}
