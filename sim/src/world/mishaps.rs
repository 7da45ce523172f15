//! What can happen to a player's way to the server, and to the player itself. When, and to whom, is drawn elsewhere.

use super::alarms::Who;
use super::cable::Cable;
use super::seat::{Machine, SeatId};
use super::{Watch, World};
use crate::net::{LinkConfig as Conditions, Side};
use webstar_core::id::StreamId;
use webstar_core::peer::Input;
use webstar_core::wire::signal::Frame;

impl World {
    /// The connections of a seat break, and both sides hear of it.
    pub fn reset(&mut self, seat: SeatId) {
        let now = self.now;
        self.each_cable(seat, |cable, _| cable.reset(now));
    }

    /// The connections of a seat die, and nobody hears of it.
    pub fn half_open(&mut self, seat: SeatId) {
        self.each_cable(seat, |cable, _| cable.half_open());
    }

    /// One cut more of the way from this side, or one fewer.
    pub fn cut(&mut self, seat: SeatId, from: Side, is_cut: bool) {
        self.seats[seat.index()].line.cut(from, is_cut);
        self.each_cable(seat, Cable::follow);
    }

    /// No cut is left, and the player reads and is let in again.
    pub fn heal(&mut self, seat: SeatId) {
        let line = &mut self.seats[seat.index()].line;
        line.heal();
        line.is_reading = true;
        line.is_refused = false;
        self.each_cable(seat, Cable::follow);
    }

    /// The player's side takes what arrives, or does not.
    pub fn set_reading(&mut self, seat: SeatId, is_reading: bool) {
        self.seats[seat.index()].line.is_reading = is_reading;
        self.each_cable(seat, Cable::follow);
    }

    /// The server refuses connections from here, or does not.
    pub fn set_refused(&mut self, seat: SeatId, is_refused: bool) {
        self.seats[seat.index()].line.is_refused = is_refused;
    }

    /// From now on these are the conditions of the way, by sending side.
    pub fn set_conditions(&mut self, seat: SeatId, conditions: [Conditions; 2]) {
        self.seats[seat.index()].line.conditions = conditions;
        let now = self.now;
        self.each_cable(seat, |cable, line| cable.set_conditions(now, line));
    }

    /// The player machine is not called until [`World::rouse`].
    pub fn lull(&mut self, seat: SeatId) {
        self.seats[seat.index()].is_asleep = true;
        self.alarms.set(Who::Seat(seat.index()), None);
        self.alarms.set(Who::Connections(seat.index()), None);
        self.set_reading(seat, false);
    }

    /// The player machine is called again, and hears what has happened.
    pub fn rouse(&mut self, seat: SeatId, watch: &mut impl Watch) {
        let index = seat.index();
        if !core::mem::take(&mut self.seats[index].is_asleep) {
            return;
        }
        self.set_reading(seat, true);
        self.tell_seat(index, None, Input::Timeout, watch);
        while let Some((cable, input)) = self.seats[index].inbox.pop_front() {
            self.tell_seat(index, cable, input, watch);
        }
        self.wake_connections(index, watch);
    }

    /// Whoever sits there is gone, and the system closes its sockets. On direct ways nothing is said.
    pub fn vanish(&mut self, seat: SeatId) {
        for (_, cable) in self.empty(seat) {
            self.cables[cable].close(self.now, Side::A, "");
            self.set_cable(cable);
        }
    }

    /// Whoever sits there is gone with its whole computer: nobody hears of it.
    pub fn perish(&mut self, seat: SeatId) {
        for (_, cable) in self.empty(seat) {
            self.cables[cable].forsake(Side::A);
            self.set_cable(cable);
        }
    }

    fn empty(&mut self, seat: SeatId) -> Vec<(StreamId, usize)> {
        let index = seat.index();
        self.forget_direct(index);
        let seat = &mut self.seats[index];
        seat.machine = Machine::Empty;
        seat.is_over = false;
        if core::mem::take(&mut seat.is_asleep) {
            seat.line.is_reading = true;
        }
        seat.inbox.clear();
        self.alarms.set(Who::Seat(index), None);
        core::mem::take(&mut seat.streams)
    }

    /// Somebody says to the server what the machine at this seat does not know of.
    pub fn inject(&mut self, seat: SeatId, frame: &Frame) {
        if let Some(&(_, cable)) = self.seats[seat.index()].streams.last() {
            let is_text = matches!(frame, Frame::Text(_));
            self.cables[cable].send(self.now, Side::A, is_text, frame.bytes());
            self.set_cable(cable);
        }
    }

    /// Somebody sends a packet on all direct ways of this seat.
    pub fn inject_packet(&mut self, seat: SeatId, bytes: &[u8], watch: &mut impl Watch) {
        for wire in self.wires_of(seat.index()) {
            let side = self.direct.wires[wire].side(seat.index());
            self.direct.wires[wire].send(self.now, side, bytes);
            self.set_wire(wire);
        }
        self.send_everywhere(seat.index(), bytes, watch);
    }

    /// The clock of a seat jumps by so many nanoseconds.
    pub fn jump(&mut self, seat: SeatId, nanos: i64, watch: &mut impl Watch) {
        let index = seat.index();
        self.seats[index].clock = self.seats[index].clock.moved(nanos);
        if !self.seats[index].is_asleep {
            self.tell_seat(index, None, Input::Timeout, watch);
            self.wake_connections(index, watch);
        }
    }

    /// The server's wall clock jumps by so many nanoseconds.
    pub fn jump_server(&mut self, nanos: i64, watch: &mut impl Watch) {
        self.house.jump(nanos);
        self.tell_wall_clock(watch);
    }

    /// The server is gone with everything that it knew. Its connections are closed by the system below, unless that is
    /// gone too.
    pub fn crash_server(&mut self, is_closed: bool) {
        if !self.house.is_up() {
            return;
        }
        for cable in self.house.crash() {
            if is_closed {
                self.cables[cable].close(self.now, Side::B, "");
            } else {
                self.cables[cable].forsake(Side::B);
            }
            self.set_cable(cable);
        }
        for shard in 0..self.house.shards.len() {
            self.alarms.set(Who::Shard(shard), None);
        }
    }

    /// The server is there again, with its key and without memory.
    pub fn start_server(&mut self, watch: &mut impl Watch) {
        if !self.house.is_up() {
            self.house.start(self.now);
            self.tell_wall_clock(watch);
        }
    }

    fn each_cable(&mut self, seat: SeatId, mut change: impl FnMut(&mut Cable, &super::Line)) {
        let index = seat.index();
        for cable in 0..self.cables.len() {
            if self.cables[cable].seat == index && self.cables[cable].is_alive() {
                change(&mut self.cables[cable], &self.seats[index].line);
                self.set_cable(cable);
            }
        }
    }
}
