//! Worlds whose players live behind boxes of every kind: what is drawn for them, and whether everybody has the way that its
//! home allows: a direct one exactly where one is possible.

use super::faults::{Fault, Harm, Ways, Whom};
use super::plan::{LobbyPlan, Mood, Plan, SeatPlan};
use super::talk::Voice;
use super::{Lens, Run};
use crate::net::LinkConfig as Conditions;
use crate::net::nat::{Depends, Home, Manner, direct_path_possible};
use crate::seed::{Draw, Seed};
use crate::world::SeatId;
use core::time::Duration;
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;

/// How long it lasts: a way that was tried in vain is tried again only after half a minute, so nothing is tried in vain
/// here but what is never possible.
const UNTIL: Duration = Duration::from_secs(20);
/// What is delivered from then on is judged by the way it came.
pub(super) const SETTLED: Duration = Duration::from_secs(5);

impl Plan {
    /// Up to five players, each with a home of its own or in that of the one before it.
    pub(super) fn draw_nat(seed: Seed) -> Plan {
        let (mut network, ms) = (seed.stream("network"), Duration::from_millis);
        let mut manners = Vec::new();
        let mut last = Home::Open;
        let count = network.between(2, 5);
        let seats: Vec<SeatPlan> = (0..count)
            .map(|number| {
                let one_way = network.duration(ms(5), ms(60));
                let (way, half) = (Conditions::with_delay(one_way), Conditions::with_delay(one_way / 2));
                last = home(&mut network, last, &mut manners);
                let ways = Ways { line: [way; 2], access: [half; 2] };
                SeatPlan { enters_at: ms(50) * number as u32, home: last, ..SeatPlan::plain(ways) }
            })
            .collect();
        let rebinds = network.chance(0.2) && !manners.is_empty();
        let seat = network.below(count) as u16;
        let at = network.duration(ms(5_000), ms(9_000));
        let rebind = Fault { at, lasts: Duration::ZERO, whom: Whom::Seat(seat), harm: Harm::Rebinds };
        let faults = if rebinds { vec![rebind] } else { Vec::new() };
        let has_turn = draw_turn(seed);
        let plan = Plan { manners, has_turn, ..Plan::plain(Mood::Nat, LobbyPlan::plain(), seats, UNTIL) };
        plan.with(faults, Vec::new(), &Voice::steady(64))
    }

    /// Whether two seats can ever meet, be it at an address that one of them is lent.
    pub(super) fn can_meet(&self, a: usize, b: usize) -> bool {
        direct_path_possible(&self.manners, [self.seats[a].home, self.seats[b].home]) || self.can_meet_outside(a, b)
    }

    /// Whether two seats can meet at an address that one of them is lent: both must reach it. The model knows no such.
    pub(super) fn can_meet_outside(&self, a: usize, b: usize) -> bool {
        let is_lent = self.has_turn && !self.carrying.is_model();
        is_lent && [a, b].iter().all(|seat| self.seats[*seat].home != Home::Blocked)
    }
}

/// Some worlds have a TURN server.
pub(super) fn draw_turn(seed: Seed) -> bool {
    seed.stream("turn").chance(0.3)
}

pub(super) fn home(network: &mut Draw, last: Home, manners: &mut Vec<Manner>) -> Home {
    let (kind, shares) = (network.below(10), network.chance(0.2));
    let mut depends = || *network.pick(&Depends::ALL).unwrap_or(&Depends::OnNothing);
    let (mapping, filtering) = (depends(), depends());
    let hairpins = network.chance(0.5);
    match (kind, last) {
        (0, _) => Home::Blocked,
        (1 | 2, _) => Home::Open,
        (_, Home::Behind(_)) if shares => last,
        _ => {
            manners.push(Manner { mapping, filtering, hairpins });
            Home::Behind(manners.len() - 1)
        }
    }
}

impl<L: Lens> Run<'_, L> {
    /// Everybody lives where the plan says.
    pub(super) fn settle_homes(&mut self) {
        if !self.plan.mood.has_homes() {
            return;
        }
        self.world.settle(&self.plan.manners, self.plan.seats.iter().map(|seat| seat.home).collect());
        if self.plan.has_turn {
            self.world.add_turn();
            self.eye.book_mut().tally.mark("turn");
        }
        self.keep_apart();
    }

    /// The model knows no addresses: there, whoever cannot meet is cut off from each other.
    pub(super) fn keep_apart(&mut self) {
        let is_ours = self.plan.mood.has_homes() && self.plan.carrying.is_model();
        let seats = if is_ours { self.plan.seats.len() } else { 0 };
        for a in 0..seats {
            for b in (0..seats).filter(|b| !self.plan.can_meet(a, *b)) {
                self.world.part(SeatId(a as u16), SeatId(b as u16), true);
            }
        }
    }

    /// Whether everybody has the way to its host that its home allows, and has heard nearly everything on it.
    pub(super) fn judge_homes(&mut self) {
        let Some(host) = self.host(0).filter(|_| self.plan.mood == Mood::Nat) else { return };
        let Some((_, number)) = self.world.place(host) else { return };
        for seat in (0..self.plan.seats.len()).filter(|seat| *seat != usize::from(host.0)) {
            let is_possible = self.plan.can_meet(seat, usize::from(host.0));
            self.eye.book_mut().tally.mark(if is_possible { "direct_possible" } else { "direct_impossible" });
            self.judge_way(SeatId(seat as u16), number, host, is_possible);
            let landed = self.eye.book().landed[seat];
            if is_possible && self.plan.faults.is_empty() {
                let tally = &mut self.eye.book_mut().tally;
                tally.marks_add("deliveries_where_direct_is_possible", landed.all);
                tally.marks_add("of_these_direct", landed.direct);
            }
            if is_possible && self.plan.faults.is_empty() && !landed.is_direct() {
                let why = format!("only {} of {} deliveries to {seat} came directly", landed.direct, landed.all);
                self.eye.book_mut().checks.fail("homes", why);
            }
        }
    }

    /// Whether somebody has a direct way to another, by number and seat, exactly if one is possible.
    pub(super) fn judge_way(&mut self, seat: SeatId, other: PlayerId, at: SeatId, is_possible: bool) {
        let stats = self.world.stats(seat);
        let path = stats.iter().find(|stats| stats.player == other).and_then(|stats| stats.path);
        let is_direct = matches!(path, Some(PathKind::Srtp | PathKind::Sctp));
        if path.is_some() && is_direct != is_possible {
            let homes = [seat, at].map(|seat| self.home(usize::from(seat.0)));
            let why = format!(
                "{path:?} is in use between seats {} and {} with homes {homes:?}: direct is possible: {is_possible}",
                seat.0, at.0
            );
            self.eye.book_mut().checks.fail("homes", why);
        }
    }

    fn home(&self, seat: usize) -> (Home, Option<Manner>) {
        let home = self.plan.seats[seat].home;
        (home, if let Home::Behind(number) = home { Some(self.plan.manners[number]) } else { None })
    }
}
