//! The second part of a run: the faults stop. Everybody who is still in a lobby must be back, everything that is kept
//! within the present host's life must be acknowledged and delivered, a last word of everybody must reach all, and hosts
//! must keep nothing that everybody has, within a bounded time. What is still pending then is the failure.

use super::plan::Part;
use super::{Lens, Run};
use crate::check::star::{Life, Room};
use crate::world::SeatId;
use core::time::Duration;
use std::collections::BTreeMap;
use webstar_core::peer::{Channel, Command, Destination};
use webstar_core::star::Role;
use webstar_core::time::Instant;

/// Whatever was going on: by then all is well.
const PROMISED: Duration = Duration::from_secs(30);
/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(100);

impl<L: Lens> Run<'_, L> {
    /// Faults stop. Tells whether everything was well in time; if not, that is a failure.
    pub(super) fn calm_down(&mut self) -> bool {
        let quiet = self.world.now();
        self.eye.on_quiet(quiet);
        self.heal();
        self.bring_players();
        let is_well = self.wait_for(quiet, Self::pending) && {
            self.last_words();
            self.wait_for(quiet, |run| run.pending().or_else(|| run.missing()).or_else(|| run.hoarded()))
        };
        if is_well {
            let book = self.eye.book_mut();
            for why in book.checks.excuses(&book.cast) {
                *book.tally.excused.entry(why).or_default() += 1;
            }
            self.mark_time(self.world.now().since(quiet));
        }
        is_well
    }

    /// Heals all that can be healed. Whoever is out stays out.
    fn heal(&mut self) {
        let now = self.world.now();
        self.world.set_asks(self.plan.asks);
        self.relieve_all();
        if let Some(hostile) = self.plan.hostile {
            self.leave_at_once(SeatId(hostile));
        }
        self.world.rejoin_all();
        self.keep_apart();
        for (index, seat) in (0..).zip(&self.plan.seats) {
            let id = SeatId(index);
            self.world.heal(id);
            self.world.set_conditions(id, seat.calm.line);
            self.world.set_access(id, seat.calm.access);
            self.world.rouse(id, &mut self.eye);
        }
        self.comebacks.clear();
        self.advance(now);
        self.comebacks.clear();
    }

    /// Where only spectators are left nobody can be host: what they have said waits for one who can. One that was there
    /// comes again, if the lobby lets it in. Where it does not, nothing is promised.
    fn bring_players(&mut self) {
        let room_of = |life: Life| self.eye.book().cast.person(life).room;
        let rooms: Vec<Room> = self.present().map(|(_, life)| room_of(life)).collect();
        let mut lobbies: Vec<u8> =
            rooms.iter().filter(|room| !self.has_player(**room)).map(|room| room.lobby).collect();
        lobbies.dedup();
        for lobby in lobbies {
            let is_out = |seat: SeatId| !self.present().any(|(present, _)| present == seat);
            let mut seats =
                (0..).zip(&self.plan.seats).filter(|(_, plan)| plan.lobby == lobby && plan.part == Part::Player);
            if let Some((seat, _)) = seats.find(|(seat, _)| is_out(SeatId(*seat)) && self.plan.hostile != Some(*seat)) {
                self.eye.book_mut().tally.mark("player_for_spectators");
                self.enter(seat);
            }
        }
    }

    fn wait_for(&mut self, quiet: Instant, pending: impl Fn(&Self) -> Option<String>) -> bool {
        loop {
            if self.eye.red().is_some() {
                return false;
            }
            self.comebacks.clear();
            self.come_forward();
            self.decide_all();
            let Some(what) = pending(self) else { return true };
            let now = self.world.now();
            if now.since(quiet) > PROMISED {
                let why = format!("{:.0} s after the last fault {what}", now.since(quiet).as_secs_f64());
                self.eye.book_mut().checks.fail("liveness", why);
                return false;
            }
            self.advance(now + GLANCE);
        }
    }

    /// Whoever looks at another tab comes back, as soon as it can say so.
    fn come_forward(&mut self) {
        for seat in core::mem::take(&mut self.hidden) {
            let is_there = self.present().any(|(present, _)| present == seat);
            if is_there && self.world.command(seat, Command::Hidden(false), &mut self.eye).is_err() {
                self.hidden.insert(seat);
            }
        }
    }

    /// Whether somebody is left in this lobby who can be host.
    fn has_player(&self, room: Room) -> bool {
        self.present().any(|(seat, life)| {
            self.plan.seats[usize::from(seat.0)].part == Part::Player && self.eye.book().cast.person(life).room == room
        })
    }

    /// The players that are in a lobby, or ought to be.
    fn present(&self) -> impl Iterator<Item = (SeatId, Life)> {
        let seats = (0..).map(SeatId).zip(&self.plan.seats).filter(|(_, plan)| plan.part != Part::Guest);
        seats.filter_map(|(seat, _)| {
            let life = self.eye.book().sitting(seat)?;
            let is_over = self.eye.book().cast.person(life).is_over;
            (!is_over).then_some((seat, life))
        })
    }

    /// What is not as it should be, if anything is.
    fn pending(&self) -> Option<String> {
        let book = self.eye.book();
        for (_, life) in self.present() {
            let person = book.cast.person(life);
            if !person.is_joined || person.is_away {
                let player = person.player.map_or(0, |player| player.0);
                return Some(format!(
                    "{life:?}, player {player} of lobby {}, is not back in its lobby",
                    person.room.lobby
                ));
            }
            if !self.has_player(person.room) {
                continue;
            }
            if person.host.is_none() {
                return Some(format!("{life:?} of lobby {} knows no host", person.room.lobby));
            }
            let (unacknowledged, undrained) = (book.checks.unacknowledged(life), book.checks.undrained(life));
            if unacknowledged + undrained > 0 {
                return Some(format!(
                    "{life:?} has {unacknowledged} messages that are not acknowledged and {undrained} channels not drained"
                ));
            }
        }
        let mut epochs = BTreeMap::new();
        self.present().find_map(|(seat, life)| {
            let room = book.cast.person(life).room;
            let own = self.world.peer(seat).filter(|_| self.has_player(room))?.star().glance().epoch;
            let epoch = *epochs.entry(room).or_insert(own);
            (epoch != own).then(|| format!("lobby {} is in epochs {epoch} and {own}", room.lobby))
        })
    }

    fn missing(&self) -> Option<String> {
        let book = self.eye.book();
        book.checks.missing(&book.cast)
    }

    /// What a host keeps although everybody has it. For who is absent it is kept, and for the game's last state.
    fn hoarded(&self) -> Option<String> {
        let room_of = |life: Life| self.eye.book().cast.person(life).room;
        self.present().find_map(|(seat, life)| {
            let room = room_of(life);
            let peer = self.world.peer(seat)?;
            let glance = peer.star().glance();
            let (cut, _) = glance.log.filter(|_| glance.role == Role::Hosting)?;
            let present = self.present().filter(|(_, other)| room_of(*other) == room).count();
            let has_all = present == peer.stats().len() + 1;
            let keeps_states = self.plan.lobbies[usize::from(room.lobby)].snapshots.is_some();
            let cut = self.eye.lens.cut(cut);
            let is_hoarding = has_all && !keeps_states && cut < glance.committed;
            is_hoarding.then(|| format!("the host {life:?} keeps its log from {} to {}", cut.0, glance.committed.0))
        })
    }

    /// Everybody says something to all, so that whoever is cut off from anybody is noticed.
    fn last_words(&mut self) {
        let present: Vec<_> = self.present().collect();
        for (seat, life) in present {
            for channel in [Channel::Ordered, Channel::Reliable] {
                self.say(seat, life, &Destination::All, channel, "chat", 40);
            }
            self.world.flush(seat, &mut self.eye);
        }
    }

    fn mark_time(&mut self, took: Duration) {
        let tally = &mut self.eye.book_mut().tally;
        for (limit, name) in [(1, "well_in_1s"), (5, "well_in_5s"), (15, "well_in_15s")] {
            if took <= Duration::from_secs(limit) {
                return tally.mark(name);
            }
        }
        tally.mark("well_in_30s");
    }
}
