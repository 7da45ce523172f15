//! Who can send a datagram to whom: seats with public addresses, seats behind boxes, seats whose UDP is blocked, and
//! servers. And from that alone: whether two of them can ever meet.

use super::turn::{TURN, TURN_SEAT};
use super::{Manner, Nat};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::time::Instant;

/// Where the STUN server answers.
pub const STUN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1)), 3_478);
/// As which seat it is spoken of.
pub const STUN_SEAT: usize = usize::MAX;
/// More rounds of questions teach nobody anything: each makes at most one more address of either known.
const ROUNDS: usize = 6;

/// How a seat is connected to the outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Home {
    /// By a public address.
    #[default]
    Open,
    /// Behind the box with this number, with everybody else who is.
    Behind(usize),
    /// No datagram comes through.
    Blocked,
}

impl Home {
    /// Whether it has a public address.
    pub fn is_open(&self) -> bool {
        *self == Home::Open
    }
}

/// Everybody's addresses, and the boxes before them.
#[derive(Debug, Default)]
pub struct Terrain {
    nats: Vec<Nat>,
    homes: Vec<Home>,
    people: BTreeMap<SocketAddr, usize>,
}

impl Terrain {
    /// Seats with these homes, and boxes of these manners. Seats beyond have public addresses.
    pub fn new(manners: &[Manner], homes: Vec<Home>) -> Self {
        let outside = |number: usize| Ipv4Addr::new(192, 0, 2, u8::try_from(number + 1).expect("boxes are few"));
        let nats = manners.iter().enumerate().map(|(number, manner)| Nat::new(outside(number), *manner)).collect();
        Terrain { nats, homes, people: BTreeMap::new() }
    }

    /// Somebody at a seat receives at an address of its own.
    pub fn arrive(&mut self, seat: usize, address: SocketAddr) {
        self.people.insert(address, seat);
    }

    /// Nobody receives there any more.
    pub fn leave(&mut self, address: SocketAddr) {
        self.people.remove(&address);
    }

    fn home(&self, seat: usize) -> Home {
        self.homes.get(seat).copied().unwrap_or_default()
    }

    /// A datagram leaves a seat: which seat it goes to, and under which addresses it comes there, if it comes anywhere.
    pub fn leave_for(&mut self, now: Instant, seat: usize, from: SocketAddr, to: SocketAddr) -> Option<Route> {
        let home = self.home(seat);
        let mut seen = from;
        if home == Home::Blocked {
            return None;
        }
        if let Home::Behind(box_) = home {
            if let Some(neighbour) = self.people.get(&to).filter(|other| self.home(**other) == home) {
                return Some(Route { seat: *neighbour, from, to });
            }
            let nat = &mut self.nats[box_];
            seen = nat.leave(now, from, to);
            if to.ip() == nat.outside() && !nat.manner().hairpins {
                return None;
            }
        }
        if to == STUN {
            return Some(Route { seat: STUN_SEAT, from: seen, to });
        }
        if to.ip() == TURN.ip() {
            return Some(Route { seat: TURN_SEAT, from: seen, to });
        }
        let seat = match self.nats.iter().find(|nat| nat.outside() == to.ip()) {
            Some(nat) => self.people.get(&nat.inside(now, to)?),
            None => self.people.get(&to).filter(|other| self.home(**other).is_open()),
        };
        Some(Route { seat: *seat?, from: seen, to })
    }

    /// A datagram has come under these addresses: at which address of whoever it is for, if it may pass.
    pub fn enter(&self, now: Instant, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        match self.nats.iter().find(|nat| nat.outside() == to.ip()) {
            Some(nat) => nat.enter(now, from, to),
            None => Some(to),
        }
    }

    /// The box before a seat begins anew.
    pub fn rebind(&mut self, seat: usize) {
        if let Home::Behind(number) = self.home(seat) {
            self.nats[number].rebind();
        }
    }
}

/// Where a datagram goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// To this seat.
    pub seat: usize,
    /// As it is seen there.
    pub from: SocketAddr,
    /// The address that it was sent to.
    pub to: SocketAddr,
}

/// Whether two with these homes can meet, if both tell each other their own address and the one that the STUN server sees,
/// ask each other there, and at every address from which they were asked: one question must arrive, and its answer. From
/// where the answer comes back is of no account: RFC 8445 would have it from where the question went to, and the stack that
/// players have takes it from anywhere, which lets more of them meet.
pub fn direct_path_possible(manners: &[Manner], homes: [Home; 2]) -> bool {
    let now = Instant::ZERO;
    let own = [1, 2].map(|last| SocketAddr::new(Ipv4Addr::new(10, 0, 0, last).into(), 5_000));
    let mut terrain = Terrain::new(manners, homes.to_vec());
    (0..2).for_each(|seat| terrain.arrive(seat, own[seat]));
    let mut known = [BTreeSet::new(), BTreeSet::new()];
    for seat in 0..2 {
        let seen = terrain.leave_for(now, seat, own[seat], STUN).map(|route| route.from);
        known[1 - seat].extend(seen.into_iter().chain([own[seat]]));
    }
    let pass = |terrain: &mut Terrain, seat: usize, to: SocketAddr| {
        let route = terrain.leave_for(now, seat, own[seat], to).filter(|route| route.seat == 1 - seat)?;
        terrain.enter(now, route.from, route.to).map(|_| route.from)
    };
    for _ in 0..ROUNDS {
        for seat in 0..2 {
            for to in known[seat].clone() {
                let Some(seen) = pass(&mut terrain, seat, to) else { continue };
                known[1 - seat].insert(seen);
                if pass(&mut terrain, 1 - seat, seen).is_some() {
                    return true;
                }
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::Depends::{self, OnAddress, OnAddressAndPort, OnNothing};
    use super::*;
    use Home::{Behind, Blocked, Open};

    fn manner(mapping: Depends, filtering: Depends) -> Manner {
        Manner { mapping, filtering, hairpins: false }
    }

    fn all() -> impl Iterator<Item = Manner> {
        Depends::ALL.into_iter().flat_map(|mapping| Depends::ALL.map(|filtering| manner(mapping, filtering)))
    }

    #[test]
    fn who_has_a_public_address_is_reached_by_everybody_who_may_send() {
        for one in all() {
            assert!(direct_path_possible(&[one], [Open, Behind(0)]), "{one:?}");
            assert!(direct_path_possible(&[one], [Behind(0), Open]), "{one:?}");
            assert!(!direct_path_possible(&[one], [Behind(0), Blocked]));
            assert!(direct_path_possible(&[one], [Behind(0), Behind(0)]), "two in one house");
        }
        assert!(direct_path_possible(&[], [Open, Open]));
        assert!(!direct_path_possible(&[], [Open, Blocked]));
    }

    #[test]
    fn two_boxes_let_their_people_meet_as_the_literature_has_it() {
        let cone = manner(OnNothing, OnNothing);
        let restricted = manner(OnNothing, OnAddress);
        let port_restricted = manner(OnNothing, OnAddressAndPort);
        let symmetric = manner(OnAddressAndPort, OnAddressAndPort);
        let table = [
            (cone, [true, true, true, true]),
            (restricted, [true, true, true, true]),
            (port_restricted, [true, true, true, false]),
            (symmetric, [true, true, false, false]),
        ];
        for (one, row) in table {
            for (other, expected) in [cone, restricted, port_restricted, symmetric].into_iter().zip(row) {
                let possible = direct_path_possible(&[one, other], [Behind(0), Behind(1)]);
                assert_eq!(possible, expected, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn it_is_the_same_from_both_sides() {
        for one in all() {
            for other in all() {
                let there = direct_path_possible(&[one, other], [Behind(0), Behind(1)]);
                assert_eq!(direct_path_possible(&[other, one], [Behind(0), Behind(1)]), there, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_box_passes_on_between_its_people_outside_only_if_it_hairpins() {
        for hairpins in [false, true] {
            let manner = Manner { mapping: OnNothing, filtering: OnNothing, hairpins };
            let mut terrain = Terrain::new(&[manner], vec![Behind(0); 2]);
            let own = ["10.0.0.1:1", "10.0.0.2:1"].map(|address| address.parse::<SocketAddr>().unwrap());
            (0..2).for_each(|seat| terrain.arrive(seat, own[seat]));
            let seen = terrain.leave_for(Instant::ZERO, 1, own[1], STUN).unwrap().from;
            let route = terrain.leave_for(Instant::ZERO, 0, own[0], seen);
            assert_eq!(route.map(|route| route.seat), hairpins.then_some(1));
            if let Some(route) = route {
                assert_ne!(route.from, own[0], "REQ-9: it comes from its address outside");
                assert_eq!(terrain.enter(Instant::ZERO, route.from, route.to), Some(own[1]));
            }
        }
    }
}
