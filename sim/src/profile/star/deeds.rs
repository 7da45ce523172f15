//! What players do besides talking: they come and go, start, hand over, put each other out, and look at other tabs.

use super::plan::{Mood, Part, SeatPlan};
use crate::seed::Draw;
use core::time::Duration;
use serde::Serialize;

/// Something that is done in a lobby.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Deed {
    /// When.
    pub at: Duration,
    /// By whom, or in whose lobby by its host.
    pub seat: u16,
    /// What.
    pub what: What,
}

/// What is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Ready, or not.
    Ready(bool),
    /// The host starts the game.
    Start,
    /// The host locks or unlocks.
    Lock(bool),
    /// Leaves.
    Leave,
    /// Comes, for the first time or again.
    Enter,
    /// The host puts this one out.
    Kick,
    /// The host hands over to whoever is best.
    HandOver,
    /// The host hands over to this one.
    HandOverTo(u16),
    /// The tab goes to the background, or comes back.
    Hidden(bool),
}

/// Everybody comes.
pub(super) fn entries(seats: &[SeatPlan]) -> Vec<Deed> {
    (0..).zip(seats).map(|(seat, plan)| Deed { at: plan.enters_at, seat, what: What::Enter }).collect()
}

/// Everything that is done, in the order of time.
pub(super) fn draw(draw: &mut Draw, seats: &[SeatPlan], mood: Mood, until: Duration) -> Vec<Deed> {
    let mut deeds = entries(seats);
    for (seat, plan) in (0u16..).zip(seats) {
        of_seat(draw, seat, plan, until, &mut deeds);
    }
    let lobbies = seats.iter().map(|seat| seat.lobby).max().map_or(0, |most| u16::from(most) + 1);
    for first in 0..lobbies {
        of_lobby(draw, first, seats, mood, until, &mut deeds);
    }
    deeds.sort_by_key(|deed| deed.at);
    deeds
}

fn moment(draw: &mut Draw, until: Duration) -> Duration {
    draw.duration(Duration::from_secs(1), until.saturating_sub(Duration::from_secs(1)))
}

fn of_seat(draw: &mut Draw, seat: u16, plan: &SeatPlan, until: Duration, deeds: &mut Vec<Deed>) {
    if plan.part == Part::Player && draw.chance(0.5) {
        deeds.push(Deed { at: moment(draw, until), seat, what: What::Ready(draw.chance(0.8)) });
    }
    if draw.chance(0.15) {
        let at = moment(draw, until);
        deeds.push(Deed { at, seat, what: What::Leave });
        if draw.chance(0.6) {
            let at = at + draw.duration(Duration::from_millis(200), Duration::from_secs(2));
            deeds.push(Deed { at: at.min(until), seat, what: What::Enter });
        }
    }
    if plan.part == Part::Player && draw.chance(0.05) {
        let at = moment(draw, until);
        let lasts = draw.duration(Duration::from_millis(500), Duration::from_secs(60));
        deeds.push(Deed { at, seat, what: What::Hidden(true) });
        deeds.push(Deed { at: (at + lasts).min(until), seat, what: What::Hidden(false) });
    }
}

fn of_lobby(draw: &mut Draw, first: u16, seats: &[SeatPlan], mood: Mood, until: Duration, deeds: &mut Vec<Deed>) {
    let members: Vec<u16> = (0..).zip(seats).filter(|(_, s)| u16::from(s.lobby) == first).map(|(n, _)| n).collect();
    let any = |draw: &mut Draw| draw.pick(&members).copied().unwrap_or(first);
    if draw.chance(0.3) {
        deeds.push(Deed { at: moment(draw, until), seat: first, what: What::Start });
    }
    if draw.chance(0.15) {
        let at = moment(draw, until);
        deeds.push(Deed { at, seat: first, what: What::Lock(true) });
        deeds.push(Deed { at: (at + Duration::from_secs(1)).min(until), seat: first, what: What::Lock(false) });
    }
    if draw.chance(0.1) {
        deeds.push(Deed { at: moment(draw, until), seat: any(draw), what: What::Kick });
    }
    if draw.chance(if mood == Mood::Swarm { 0.4 } else { 0.2 }) {
        let what = if draw.chance(0.5) { What::HandOver } else { What::HandOverTo(any(draw)) };
        deeds.push(Deed { at: moment(draw, until), seat: first, what });
    }
}
