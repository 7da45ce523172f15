//! Two players with any homes, and a way between them that breaks in every manner while the server lives: what is drawn for
//! them, whether they ever fell silent for each other, and whether they end on the way that is possible then.

use super::faults::{Fault, Harm, Ways, Whom};
use super::homes::{draw_turn, home};
use super::plan::{LobbyPlan, Mood, Plan, SeatPlan};
use super::talk::Voice;
use super::{Lens, Run};
use crate::net::LinkConfig as Conditions;
use crate::net::nat::Home;
use crate::seed::{Draw, Seed};
use crate::world::SeatId;
use core::time::Duration;

/// When the first thing breaks at the earliest: by then there is the way that is possible.
const FIRST: Duration = Duration::from_secs(6);
/// How long the ladders have after the last: one attempt that began in vain, and the pause after it.
const LADDER: Duration = Duration::from_secs(16);
/// How long somebody may hear nothing of somebody who speaks every 50 ms, whatever happens to the direct way. What was
/// said last has to be missed, which takes a round trip and a half, and the next comes through the server.
const MOST_SILENCE: Duration = Duration::from_millis(300);
/// The same where it breaks more than once, maybe in the very moment in which it is taken again: then the other side
/// misses nothing yet. After half a second every path is asked, and two questions have to stay unanswered.
const MOST_SILENCE_IN_FLAPPING: Duration = Duration::from_secs(1);

impl Plan {
    /// Two players, and up to three things that happen to the way between them, one of which may stay.
    pub(super) fn draw_ladder(seed: Seed) -> Plan {
        let (mut network, mut harm) = (seed.stream("network"), seed.stream("faults"));
        let ms = Duration::from_millis;
        let mut manners = Vec::new();
        let mut last = Home::Open;
        let seats: Vec<SeatPlan> = (0..2)
            .map(|number| {
                let one_way = network.duration(ms(5), ms(30));
                let (way, half) = (Conditions::with_delay(one_way), Conditions::with_delay(one_way / 2));
                last = home(&mut network, last, &mut manners);
                let ways = Ways { line: [way; 2], access: [half; 2] };
                SeatPlan { enters_at: ms(50) * number, home: last, ..SeatPlan::plain(ways) }
            })
            .collect();
        let mut at = FIRST;
        let mut faults = Vec::new();
        for _ in 0..harm.between(1, 3) {
            at += harm.duration(Duration::ZERO, ms(3_000));
            let fault = fault(&mut harm, at);
            at += fault.lasts;
            faults.push(fault);
        }
        if harm.chance(0.2) {
            at += ms(1_000);
            faults.push(Fault { at, lasts: Duration::ZERO, whom: Whom::Seat(0), harm: firewall() });
        }
        let has_turn = draw_turn(seed);
        if has_turn {
            let death = death_of_turn(&mut seed.stream("death of turn"));
            at = death.iter().map(|death| death.at + death.lasts).fold(at, Duration::max);
            faults.extend(death);
        }
        // What is delivered as soon as it has come shows when it came.
        let lobby = LobbyPlan { is_safe: [false, false], ..LobbyPlan::plain() };
        let plan = Plan { manners, has_turn, ..Plan::plain(Mood::Ladder, lobby, seats, at + LADDER) };
        plan.with(faults, Vec::new(), &Voice::steady(64))
    }
}

fn fault(draw: &mut Draw, at: Duration) -> Fault {
    let whom = Whom::Seat(draw.below(2) as u16);
    let lasts = draw.duration(Duration::from_millis(200), Duration::from_secs(9));
    let (harm, lasts) = match draw.below(4) {
        0 => (Harm::Mute, lasts),
        1 => (Harm::Unheard, lasts),
        2 => (firewall(), lasts),
        _ => (Harm::Rebinds, Duration::ZERO),
    };
    Fault { at, lasts, whom, harm }
}

/// The TURN server may be gone for a while, and forgets what it has lent.
fn death_of_turn(draw: &mut Draw) -> Option<Fault> {
    let (at, lasts) =
        (draw.duration(FIRST, 2 * FIRST), draw.duration(Duration::from_millis(200), Duration::from_secs(9)));
    let harm = Harm::Crash { is_closed: false, again: None };
    draw.chance(0.5).then_some(Fault { at, lasts, whom: Whom::Turn, harm })
}

/// No datagram passes between the two.
fn firewall() -> Harm {
    Harm::Island(vec![0], false)
}

impl<L: Lens> Run<'_, L> {
    /// Whether nobody fell silent, and both are on the way that is possible as things stand.
    pub(super) fn judge_ladder(&mut self) {
        let seats = [SeatId(0), SeatId(1)];
        let places = seats.map(|seat| self.world.place(seat));
        let (Mood::Ladder, [Some((_, first)), Some((_, second))]) = (self.plan.mood, places) else { return };
        // What stands between the two does not stand between either and a server.
        let is_open = self.undo.is_empty() && self.plan.can_meet(0, 1);
        let is_possible = is_open || self.plan.can_meet_outside(0, 1);
        self.eye.book_mut().tally.mark(if is_possible { "direct_possible" } else { "direct_impossible" });
        self.judge_way(seats[0], second, seats[1], is_possible);
        self.judge_way(seats[1], first, seats[0], is_possible);
        for seat in seats {
            let silence = self.eye.book().landed[usize::from(seat.0)].silence(self.world.now());
            self.eye.book_mut().tally.mark(match silence.as_millis() {
                ..=100 => "silent_100ms_at_most",
                101..=200 => "silent_200ms_at_most",
                201..=300 => "silent_300ms_at_most",
                _ => "silent_longer",
            });
            let most = if self.plan.faults.len() > 1 { MOST_SILENCE_IN_FLAPPING } else { MOST_SILENCE };
            if silence > most {
                let why = format!("seat {} heard nothing for {silence:?} although the server lived", seat.0);
                self.eye.book_mut().checks.fail("silence", why);
            }
        }
    }
}
