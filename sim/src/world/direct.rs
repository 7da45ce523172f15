//! Direct ways between seats: orders of machines, packets, cuts. What one such way does is the wire's business. The words
//! of a negotiation go through the server, so it must be there, and both must reach it.

use super::alarms::Who;
use super::seat::SeatId;
use super::wire::{End, Wire, WireNews};
use super::{Watch, Way, World};
use crate::net::{LinkConfig as Conditions, Side};
use bytes::Bytes;
use std::collections::BTreeMap;
use webstar_core::id::{PathId, PlayerId};
use webstar_core::path::{Order, PathKind};
use webstar_core::peer::{Input, PeerEvent};
use webstar_core::wire::signal::LobbyName;

/// Packets that wait for a machine that is asleep; the system below drops what comes beyond.
pub(super) const MOST_ASLEEP: usize = 256;

/// All direct ways, who is who, and who cannot reach whom.
#[derive(Debug, Default)]
pub(super) struct Direct {
    pub(super) wires: Vec<Wire>,
    /// Who sits where, by the name of the lobby and the number in it.
    pub(super) people: BTreeMap<(LobbyName, PlayerId), usize>,
    /// Orders for players of whom nobody knows yet where they sit.
    unanswered: Vec<(usize, u32, PlayerId, PathId, Order)>,
    /// By direction from seat to seat: how many cuts lie on it.
    apart: BTreeMap<(usize, usize), u32>,
}

impl Direct {
    pub(super) fn is_up(&self, from: usize, to: usize) -> bool {
        !self.apart.contains_key(&(from, to))
    }
}

impl World {
    /// From now on this is how a seat is connected for direct ways: from it, to it.
    pub fn set_access(&mut self, seat: SeatId, access: [Conditions; 2]) {
        self.seats[seat.index()].access = access;
        for wire in self.wires_of(seat.index()) {
            let ends = self.direct.wires[wire].ends;
            let access = ends.map(|end| &self.seats[end.seat].access);
            self.direct.wires[wire].set_conditions(self.now, access);
            self.set_wire(wire);
        }
        self.ether.of(seat.index()).into_iter().for_each(|cord| self.follow_access(cord));
    }

    /// One cut more of the direct way from one seat to another, or one fewer.
    pub fn part(&mut self, from: SeatId, to: SeatId, is_apart: bool) {
        let way = (from.index(), to.index());
        let cuts = self.direct.apart.get(&way).copied().unwrap_or(0);
        let cuts = if is_apart { cuts + 1 } else { cuts.saturating_sub(1) };
        match cuts {
            0 => self.direct.apart.remove(&way),
            cuts => self.direct.apart.insert(way, cuts),
        };
        self.follow_cuts(from.index());
    }

    /// No cut is left between any two seats.
    pub fn rejoin_all(&mut self) {
        self.direct.apart.clear();
        (0..self.seats.len()).for_each(|seat| self.follow_cuts(seat));
    }

    fn follow_cuts(&mut self, from: usize) {
        for wire in self.wires_of(from) {
            let side = self.direct.wires[wire].side(from);
            let to = self.direct.wires[wire].end(side.other()).seat;
            let is_up = self.direct.is_up(from, to);
            self.direct.wires[wire].set_up(side, is_up);
        }
        for cord in self.ether.of(from) {
            let to = self.ether.seats(cord).into_iter().find(|seat| *seat != from);
            let is_up = to.is_none_or(|to| self.direct.is_up(from, to));
            self.ether.set_up(cord, from, is_up);
        }
    }

    /// Where the machine at a seat is, as it was told: the lobby, and its number there.
    pub fn place(&self, seat: SeatId) -> Option<(LobbyName, PlayerId)> {
        self.seats[seat.index()].place.clone()
    }

    pub(super) fn wires_of(&self, seat: usize) -> Vec<usize> {
        self.seats[seat].wires.iter().map(|(_, _, wire)| *wire).collect()
    }

    /// A machine tells where it is, which is how others find it.
    pub(super) fn learn_place(&mut self, seat: usize, event: &PeerEvent) {
        match event {
            PeerEvent::Joined { player, lobby, .. } => {
                let place = (lobby.lobby_id.clone(), *player);
                self.direct.people.insert(place.clone(), seat);
                self.seats[seat].place = Some(place);
                self.answer_waiting();
                self.begin_connections(seat, *player);
            }
            PeerEvent::Closed(_) => self.forget_place(seat),
            _ => {}
        }
    }

    /// Whoever sat here is gone, and its direct ways with it.
    pub(super) fn forget_direct(&mut self, seat: usize) {
        self.forget_place(seat);
        self.forget_connections(seat);
        self.seats[seat].life += 1;
        for (_, _, wire) in core::mem::take(&mut self.seats[seat].wires) {
            let side = self.direct.wires[wire].side(seat);
            self.direct.wires[wire].forget(side);
            self.set_wire(wire);
        }
    }

    fn forget_place(&mut self, seat: usize) {
        if let Some(place) = self.seats[seat].place.take()
            && self.direct.people.get(&place) == Some(&seat)
        {
            self.direct.people.remove(&place);
        }
    }

    fn answer_waiting(&mut self) {
        for (seat, life, player, path, order) in core::mem::take(&mut self.direct.unanswered) {
            if self.seats[seat].life == life {
                self.order_wire(seat, player, path, order);
            }
        }
    }

    /// A machine orders a direct way.
    pub(super) fn order_wire(&mut self, seat: usize, player: PlayerId, path: PathId, order: Order) {
        let found = self.seats[seat].wire(player, path).or_else(|| self.lay_wire(seat, player, path));
        let Some(wire) = found else {
            let life = self.seats[seat].life;
            self.direct.unanswered.retain(|(s, _, p, w, _)| (*s, *p, *w) != (seat, player, path));
            self.direct.unanswered.push((seat, life, player, path, order));
            return;
        };
        let side = self.direct.wires[wire].side(seat);
        self.direct.wires[wire].order(self.now, side, order);
        self.set_wire(wire);
    }

    /// Finds the wire that the other seat has ordered already, or lays one.
    fn lay_wire(&mut self, seat: usize, player: PlayerId, path: PathId) -> Option<usize> {
        let (lobby, own) = self.seats[seat].place.clone()?;
        let other = *self.direct.people.get(&(lobby, player))?;
        if other == seat {
            return None;
        }
        let wire = self.direct.wires.len();
        let lives = [seat, other].map(|seat| self.seats[seat].life);
        let known = self.seats[other].wire(own, path).filter(|wire| {
            let end = self.direct.wires[*wire].ends.iter().find(|end| end.seat == seat);
            end.is_some_and(|end| end.life == lives[0])
        });
        if let Some(known) = known {
            self.seats[seat].wires.push((player, path, known));
            return Some(known);
        }
        let ends = [End::new(seat, lives[0], own), End::new(other, lives[1], player)];
        let access = [seat, other].map(|seat| &self.seats[seat].access);
        let mut laid = Wire::new(self.seed.child("wire", wire as u64), self.now, path, ends, access);
        laid.set_up(Side::A, self.direct.is_up(seat, other));
        laid.set_up(Side::B, self.direct.is_up(other, seat));
        self.direct.wires.push(laid);
        self.seats[seat].wires.push((player, path, wire));
        self.seats[other].wires.push((own, path, wire));
        Some(wire)
    }

    /// Whatever a wire has to tell is told.
    pub(super) fn serve_wire(&mut self, index: usize, watch: &mut impl Watch) {
        let seats = self.direct.wires[index].ends.map(|end| end.seat);
        let can_negotiate = self.house.is_up() && seats.iter().all(|seat| self.seats[*seat].line.is_clear());
        loop {
            let wire = &mut self.direct.wires[index];
            let Some(news) = wire.poll(self.now, can_negotiate) else { break };
            let path = wire.path;
            let is_packet = matches!(news, WireNews::Packet(..));
            let (side, input) = match news {
                WireNews::Fact(side, attempt, fact) => {
                    let player = wire.end(side.other()).player;
                    (side, Input::Pipe { player, path, attempt, fact })
                }
                WireNews::Packet(side, bytes) => {
                    let player = wire.end(side.other()).player;
                    (side, Input::Packet { player, path, bytes: Bytes::from(bytes) })
                }
            };
            let end = *self.direct.wires[index].end(side);
            let seat = &self.seats[end.seat];
            let is_dropped = seat.is_asleep && seat.inbox.len() >= MOST_ASLEEP;
            if seat.life == end.life && !is_dropped {
                if is_packet {
                    let [from, to] = [side.other(), side].map(|side| {
                        SeatId(u16::try_from(self.direct.wires[index].end(side).seat).expect("a world has few seats"))
                    });
                    watch.on_landed(to, PathKind::Srtp);
                    // No machine hears what is damaged.
                    if !self.direct.wires[index].is_damaged(side) {
                        watch.on_came(self.now, Way::Direct(from, to));
                    }
                }
                self.tell_seat(end.seat, None, input, watch);
            }
            // Behind a packet there is nothing but what is due now too.
            let next = self.direct.wires[index].next();
            if is_packet && next.is_none_or(|at| at > self.now) {
                return self.alarms.set(Who::Wire(index), next);
            }
        }
        self.set_wire(index);
    }

    pub(super) fn set_wire(&mut self, wire: usize) {
        let next = self.direct.wires[wire].next();
        self.alarms.set(Who::Wire(wire), next.map(|at| at.max(self.now)));
    }
}
