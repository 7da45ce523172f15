//! Harm is done, and over. To whom it is done may be known only then.

use super::faults::{Fault, Harm, Whom};
use super::{Lens, Run};
use crate::check::star::{Life, Person};
use crate::net::Side;
use crate::trace::Step;
use crate::world::SeatId;
use core::time::Duration;
use webstar_core::peer::Peer;

/// What has begun and is to be undone.
#[derive(Clone, Debug)]
pub(super) enum Undo {
    /// These ways between a player and the server are cut from this side.
    Lines(Vec<(SeatId, Side)>),
    /// These direct ways are cut, and these lines.
    Parted(Vec<(SeatId, SeatId)>, Vec<(SeatId, Side)>),
    /// It does not read.
    Deaf(SeatId),
    /// It is not called.
    Asleep(SeatId),
    /// It is refused.
    Refused(SeatId),
    /// The server is gone.
    Server,
    /// The TURN server is gone.
    Turn,
}

impl<L: Lens> Run<'_, L> {
    /// The fault with this number happens.
    pub(super) fn strike(&mut self, number: usize) {
        let plan = self.plan;
        let (now, Fault { whom, harm, .. }) = (self.world.now(), &plan.faults[number]);
        self.eye.note(now, Step::Fault { number: number as u32 });
        let Some(seat) = self.victim(*whom) else {
            match whom {
                Whom::Server => self.strike_server(number, harm),
                Whom::Turn => self.strike_turn(number),
                Whom::Seat(_) | Whom::Host(_) | Whom::Heir(_) => self.eye.book_mut().tally.mark("nobody_to_harm"),
            }
            return;
        };
        self.eye.book_mut().tally.mark(harm.mark());
        let harmed = match harm {
            Harm::Island(group, _) => group.iter().copied().map(SeatId).collect(),
            _ => vec![seat],
        };
        harmed.iter().for_each(|seat| self.eye.on_harm(now, Some(*seat), true));
        if let Some(undo) = self.harm(seat, harm) {
            self.undo.insert(number, (harmed, undo));
        } else if !matches!(harm, Harm::Conditions(_)) {
            // Conditions last until all faults are over.
            harmed.iter().for_each(|seat| self.eye.on_harm(now, Some(*seat), false));
        }
    }

    /// To whom it happens now; nobody, if nobody is that.
    fn victim(&self, whom: Whom) -> Option<SeatId> {
        match whom {
            Whom::Seat(seat) => Some(SeatId(seat)),
            Whom::Host(lobby) => self.host(lobby),
            Whom::Heir(lobby) => self.heir(lobby),
            Whom::Server | Whom::Turn => None,
        }
    }

    /// Players that are in a lobby, as they know themselves.
    fn inside(&self, lobby: u8) -> impl Iterator<Item = (Life, &Person)> {
        let people = self.eye.book().cast.people();
        people.filter(move |(life, person)| {
            let sits = self.eye.book().sitting(person.seat) == Some(*life);
            sits && person.room.lobby == lobby && person.is_joined && !person.is_guest
        })
    }

    /// Whoever believes to be host, in the newest view.
    pub(super) fn host(&self, lobby: u8) -> Option<SeatId> {
        let hosts = self.inside(lobby).filter(|(_, person)| person.host == person.player);
        hosts.max_by_key(|(_, person)| person.epoch).map(|(_, person)| person.seat)
    }

    /// Whoever the host's view names to be next.
    fn heir(&self, lobby: u8) -> Option<SeatId> {
        let view = self.world.peer(self.host(lobby)?)?.star().view()?;
        let heir = *view.backups.first()?;
        self.inside(lobby).find(|(_, person)| person.player == Some(heir)).map(|(_, person)| person.seat)
    }

    fn harm(&mut self, seat: SeatId, harm: &Harm) -> Option<Undo> {
        match *harm {
            Harm::Cut => return Some(self.cut_lines(vec![(seat, Side::A), (seat, Side::B)])),
            Harm::OneWay(side) => return Some(self.cut_lines(vec![(seat, side)])),
            Harm::Reset => self.world.reset(seat),
            Harm::HalfOpen => self.world.half_open(seat),
            Harm::Deaf => {
                self.world.set_reading(seat, false);
                return Some(Undo::Deaf(seat));
            }
            Harm::Sleeps => {
                self.world.lull(seat);
                return Some(Undo::Asleep(seat));
            }
            Harm::Refused => {
                self.world.set_refused(seat, true);
                return Some(Undo::Refused(seat));
            }
            Harm::Conditions(ref ways) => {
                self.world.set_conditions(seat, ways.line);
                self.world.set_access(seat, ways.access);
            }
            Harm::Mute => {
                return Some(self.cut_ways(self.others(&[seat]).map(|other| (seat, other)).collect(), Vec::new()));
            }
            Harm::Unheard => {
                return Some(self.cut_ways(self.others(&[seat]).map(|other| (other, seat)).collect(), Vec::new()));
            }
            Harm::Alone => return self.harm(seat, &Harm::Island(vec![seat.0], true)),
            Harm::Island(ref group, is_without_server) => {
                let group: Vec<SeatId> = group.iter().copied().map(SeatId).collect();
                let others: Vec<SeatId> = self.others(&group).collect();
                let both = |a: SeatId, b: SeatId| [(a, b), (b, a)];
                let ways = group.iter().flat_map(|a| others.iter().flat_map(move |b| both(*a, *b))).collect();
                let lines = group.iter().flat_map(|seat| [(*seat, Side::A), (*seat, Side::B)]);
                return Some(self.cut_ways(ways, lines.filter(|_| is_without_server).collect()));
            }
            Harm::Crash { is_closed, again } => self.crash(seat, is_closed, again),
            Harm::Rebinds => self.world.rebind(seat),
            Harm::Jump(ms) => {
                // Having gone ahead before does not help: it stands still for as long as it goes back.
                let behind = self.behind.entry(seat).or_default();
                *behind = (*behind - ms).max(0);
                self.world.jump(seat, ms * 1_000_000, &mut self.eye);
            }
        }
        None
    }

    fn others(&self, group: &[SeatId]) -> impl Iterator<Item = SeatId> + use<L> {
        let group = group.to_vec();
        self.world.seats().filter(move |seat| !group.contains(seat))
    }

    fn cut_lines(&mut self, lines: Vec<(SeatId, Side)>) -> Undo {
        for (seat, side) in &lines {
            self.world.cut(*seat, *side, true);
        }
        Undo::Lines(lines)
    }

    fn cut_ways(&mut self, ways: Vec<(SeatId, SeatId)>, lines: Vec<(SeatId, Side)>) -> Undo {
        for (from, to) in &ways {
            self.world.part(*from, *to, true);
        }
        self.cut_lines(lines.clone());
        Undo::Parted(ways, lines)
    }

    /// A process dies, or its computer.
    fn crash(&mut self, seat: SeatId, is_closed: bool, again: Option<Duration>) {
        let kept = self.world.peer(seat).and_then(Peer::ticket);
        if let Some(ticket) = kept.filter(|_| self.plan.seats[usize::from(seat.0)].keeps_ticket) {
            self.tickets.insert(seat, ticket);
        }
        self.eye.on_crash(self.world.now(), seat);
        if is_closed {
            self.world.vanish(seat);
        } else {
            self.world.perish(seat);
        }
        let index = usize::from(seat.0);
        match again.filter(|_| self.wants_in.get(index) == Some(&true)) {
            Some(after) => _ = self.comebacks.insert((self.world.now() + after, seat.0)),
            None => self.wants_in[index] = false,
        }
    }

    fn strike_server(&mut self, number: usize, harm: &Harm) {
        match *harm {
            Harm::Crash { is_closed, .. } => {
                self.eye.book_mut().tally.mark("server_crash");
                self.eye.on_harm(self.world.now(), None, true);
                self.world.crash_server(is_closed);
                self.undo.insert(number, (Vec::new(), Undo::Server));
            }
            Harm::Jump(ms) => {
                self.eye.book_mut().tally.mark("server_jump");
                self.world.jump_server(ms * 1_000_000, &mut self.eye);
            }
            _ => {}
        }
    }

    /// The TURN server dies, whatever is told to be done to it.
    fn strike_turn(&mut self, number: usize) {
        self.eye.book_mut().tally.mark("turn_crash");
        self.world.set_turn(false);
        self.undo.insert(number, (Vec::new(), Undo::Turn));
    }

    /// The fault with this number is over.
    pub(super) fn relieve(&mut self, number: usize) {
        let Some((harmed, undo)) = self.undo.remove(&number) else { return };
        self.eye.book_mut().tally.mark("recovered");
        match undo {
            Undo::Lines(lines) => lines.into_iter().for_each(|(seat, side)| self.world.cut(seat, side, false)),
            Undo::Parted(ways, lines) => {
                ways.into_iter().for_each(|(from, to)| self.world.part(from, to, false));
                lines.into_iter().for_each(|(seat, side)| self.world.cut(seat, side, false));
            }
            Undo::Deaf(seat) => self.world.set_reading(seat, true),
            Undo::Asleep(seat) => self.world.rouse(seat, &mut self.eye),
            Undo::Refused(seat) => self.world.set_refused(seat, false),
            Undo::Server => self.start_server(),
            Undo::Turn => self.world.set_turn(true),
        }
        let now = self.world.now();
        harmed.iter().for_each(|seat| self.eye.on_harm(now, Some(*seat), false));
    }

    /// Nothing that was done is left of it.
    pub(super) fn relieve_all(&mut self) {
        let all: Vec<usize> = self.undo.keys().copied().collect();
        all.into_iter().for_each(|number| self.relieve(number));
        // A clock that went back stands still for its machine until it has caught up.
        for (seat, ms) in core::mem::take(&mut self.behind) {
            self.world.jump(seat, ms * 1_000_000, &mut self.eye);
        }
    }

    fn start_server(&mut self) {
        // Where two crashes overlap it comes back when the last is over.
        if !self.undo.values().any(|(_, undo)| matches!(undo, Undo::Server)) {
            self.world.start_server(&mut self.eye);
            self.restarted_at = Some(self.world.now());
            self.eye.on_server_restarted(self.world.now());
        }
    }
}
