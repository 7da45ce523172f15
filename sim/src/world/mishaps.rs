//! What can happen to a player's way to the server, and to the player itself. When, and to whom, is drawn elsewhere.

use super::alarms::Who;
use super::cable::Cable;
use super::seat::{Machine, SeatId};
use super::{Watch, World};
use crate::net::{LinkConfig as Conditions, Side};
use webstar_core::peer::Input;

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
    }

    /// Whoever sits there is gone, and the system closes its sockets.
    pub fn vanish(&mut self, seat: SeatId) {
        let index = seat.index();
        let seat = &mut self.seats[index];
        seat.machine = Machine::Empty;
        seat.is_over = false;
        seat.is_asleep = false;
        seat.inbox.clear();
        let streams = core::mem::take(&mut seat.streams);
        self.alarms.set(Who::Seat(index), None);
        for (_, cable) in streams {
            self.cables[cable].close(self.now, Side::A, "");
            self.set_cable(cable);
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
