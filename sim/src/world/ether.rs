//! The network of datagrams between seats: who is at which address, and what lies between any two. Where a datagram goes
//! is decided here; what one such way does to it is the pipe's business.

use super::between;
use crate::net::nat::{Route, STUN, STUN_SEAT, Terrain, stun};
use crate::net::{Arrival, LinkConfig as Conditions, Pipe, Side};
use crate::seed::Seed;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::BTreeMap;
use webstar_core::time::Instant;

/// The first port of a process; the next process at the same seat has the next one.
const FIRST_PORT: u16 = 5_000;

/// Addresses as they stand before a datagram on its way, from and to, and what makes damage to them known.
const LABEL: usize = 16;

/// A datagram that has arrived.
#[derive(Debug)]
pub(super) struct Datagram {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

/// What lies between two seats.
#[derive(Debug)]
struct Cord {
    seats: [usize; 2],
    pipe: Pipe,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Ether {
    cords: Vec<Cord>,
    between: BTreeMap<[usize; 2], usize>,
    terrain: Terrain,
    /// A datagram is put together here.
    labelled: Vec<u8>,
}

impl Ether {
    /// A process at a seat opens a socket.
    pub(super) fn arrive(&mut self, seat: usize, life: u32) -> SocketAddr {
        let [high, low] = u16::try_from(seat).expect("a world has few seats").to_be_bytes();
        let port = FIRST_PORT + u16::try_from(life % 50_000).expect("it is less");
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 2, high, low)), port);
        self.terrain.arrive(seat, address);
        address
    }

    /// The socket is no more.
    pub(super) fn leave(&mut self, address: SocketAddr) {
        self.terrain.leave(address);
    }

    /// Seats are connected to the outside like this.
    pub(super) fn settle(&mut self, terrain: Terrain) {
        self.terrain = terrain;
    }

    /// The box before a seat begins anew.
    pub(super) fn rebind(&mut self, seat: usize) {
        self.terrain.rebind(seat);
    }

    /// Where a datagram goes that leaves a seat.
    pub(super) fn route(&mut self, now: Instant, seat: usize, from: SocketAddr, to: SocketAddr) -> Option<Route> {
        self.terrain.leave_for(now, seat, from, to).filter(|route| route.seat != seat)
    }

    /// The way between two seats, if anything has ever been sent on it.
    pub(super) fn known(&self, a: usize, b: usize) -> Option<usize> {
        self.between.get(&[a.min(b), a.max(b)]).copied()
    }

    /// Lays a way between two seats. The conditions of a seat's access are by direction: from it, to it.
    pub(super) fn lay(&mut self, seed: Seed, now: Instant, a: usize, b: usize) -> usize {
        let seats = [a.min(b), a.max(b)];
        let number = self.cords.len();
        let pipe = Pipe::datagrams(seed.child("cord", number as u64), now, Conditions::default());
        self.cords.push(Cord { seats, pipe });
        self.between.insert(seats, number);
        number
    }

    /// All ways of a seat.
    pub(super) fn of(&self, seat: usize) -> Vec<usize> {
        (0..self.cords.len()).filter(|cord| self.cords[*cord].seats.contains(&seat)).collect()
    }

    /// Which seats a way lies between.
    pub(super) fn seats(&self, cord: usize) -> [usize; 2] {
        self.cords[cord].seats
    }

    /// From now on these are its conditions, by the access of its seats.
    pub(super) fn set_conditions(&mut self, now: Instant, cord: usize, access: [&[Conditions; 2]; 2]) {
        let pipe = &mut self.cords[cord].pipe;
        pipe.set_conditions(now, Side::A, between(&access[0][0], &access[1][1]));
        pipe.set_conditions(now, Side::B, between(&access[1][0], &access[0][1]));
    }

    /// Cuts or heals the way from a seat.
    pub(super) fn set_up(&mut self, cord: usize, from: usize, is_up: bool) {
        let Cord { seats, pipe } = &mut self.cords[cord];
        let side = side(seats, from);
        if is_up { pipe.heal(side) } else { pipe.cut(side) }
    }

    /// A datagram leaves a seat.
    pub(super) fn send(&mut self, now: Instant, cord: usize, by: usize, [from, to]: [SocketAddr; 2], bytes: &[u8]) {
        let Ether { cords, labelled, .. } = self;
        let Cord { seats, pipe } = &mut cords[cord];
        put(pipe, now, side(seats, by), labelled, [from, to], bytes);
    }

    /// What has arrived by now on a way, and at which seat; what was damaged so that nobody knows whose it is, and what a
    /// box keeps out, is gone. Questions to the STUN server are answered.
    pub(super) fn poll(&mut self, now: Instant, cord: usize) -> Option<(usize, Datagram)> {
        let Ether { cords, terrain, labelled, .. } = self;
        let Cord { seats, pipe } = &mut cords[cord];
        while let Some((at, arrival)) = pipe.poll(now) {
            let Arrival::Packet(packet) = arrival else { continue };
            let seat = seats[usize::from(at == Side::B)];
            let read = read(&packet).map(|(from, to)| Datagram { from, to, bytes: packet[LABEL..].to_vec() });
            pipe.recycle(at, packet);
            let Some(datagram) = read else { continue };
            if seat == STUN_SEAT {
                if let Some(answer) = stun::answer(datagram.from, &datagram.bytes) {
                    put(pipe, now, at, labelled, [STUN, datagram.from], &answer);
                }
            } else if let Some(to) = terrain.enter(now, datagram.from, datagram.to) {
                return Some((seat, Datagram { to, ..datagram }));
            }
        }
        None
    }

    /// When to look at a way next.
    pub(super) fn next(&self, cord: usize) -> Option<Instant> {
        self.cords[cord].pipe.next_deadline()
    }
}

/// Puts a datagram into a pipe of datagrams that nobody closes, which refuses nothing.
fn put(pipe: &mut Pipe, now: Instant, by: Side, labelled: &mut Vec<u8>, [from, to]: [SocketAddr; 2], bytes: &[u8]) {
    labelled.clear();
    labelled.extend(label(from, to));
    labelled.extend(bytes);
    let _ = pipe.send(now, by, labelled);
}

fn side(seats: &[usize; 2], seat: usize) -> Side {
    if seats[0] == seat { Side::A } else { Side::B }
}

fn label(from: SocketAddr, to: SocketAddr) -> [u8; LABEL] {
    let mut label = [0; LABEL];
    for (address, part) in [from, to].into_iter().zip(label.chunks_exact_mut(6)) {
        if let IpAddr::V4(ip) = address.ip() {
            part[..4].copy_from_slice(&ip.octets());
        }
        part[4..].copy_from_slice(&address.port().to_be_bytes());
    }
    let sum = sum(&label[..12]);
    label[12..].copy_from_slice(&sum);
    label
}

fn sum(addresses: &[u8]) -> [u8; 4] {
    (crate::trace::content(addresses) as u32).to_be_bytes()
}

fn read(packet: &[u8]) -> Option<(SocketAddr, SocketAddr)> {
    let (addresses, rest) = packet.split_at_checked(12)?;
    if rest.get(..4)? != sum(addresses) {
        return None;
    }
    let address = |part: &[u8]| {
        let ip = Ipv4Addr::new(part[0], part[1], part[2], part[3]);
        SocketAddr::new(IpAddr::V4(ip), u16::from_be_bytes([part[4], part[5]]))
    };
    Some((address(&addresses[..6]), address(&addresses[6..])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn a_datagram_comes_out_where_it_was_sent_to_unless_its_label_is_damaged() {
        let mut ether = Ether::default();
        let (near, far) = (ether.arrive(3, 0), ether.arrive(1, 7));
        assert_eq!(far.port(), FIRST_PORT + 7);
        let there = Route { seat: 1, from: near, to: far };
        assert_eq!(ether.route(Instant::ZERO, 3, near, far), Some(there));
        let cord = ether.lay(Seed::new(1), Instant::ZERO, 3, 1);
        assert_eq!((ether.known(1, 3), ether.known(1, 2), ether.of(3)), (Some(cord), None, vec![cord]));
        let slow = Conditions::with_delay(Duration::from_millis(10));
        ether.set_conditions(Instant::ZERO, cord, [&[slow; 2], &[slow; 2]]);
        ether.send(Instant::ZERO, cord, 3, [near, far], b"hello");
        let due = ether.next(cord).unwrap();
        assert_eq!(due, Instant::ZERO + Duration::from_millis(20));
        let (seat, datagram) = ether.poll(due, cord).unwrap();
        assert_eq!((seat, datagram.from, datagram.to, &datagram.bytes[..]), (1, near, far, &b"hello"[..]));
        ether.set_up(cord, 1, false);
        ether.send(due, cord, 1, [far, near], b"lost");
        assert_eq!(ether.next(cord), None);
        ether.leave(far);
        assert_eq!(ether.route(due, 3, near, far), None);

        let good = label(near, far);
        assert_eq!(read(&good), Some((near, far)));
        for at in 0..LABEL {
            let mut damaged = good;
            damaged[at] ^= 1;
            assert_eq!((read(&damaged), read(&good[..at])), (None, None), "byte {at}");
        }
    }
}
