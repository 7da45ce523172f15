//! A lobby that is torn while the server forgets: its host is cut off from everybody, another takes over and is cut off
//! in its turn, and the server that agreed to it loses its memory before the old host is back.

use super::faults::{Fault, Harm, Whom};
use super::plan::{Part, SeatPlan};
use crate::seed::Draw;
use core::time::Duration;

/// How often it happens where the server's half vote weighs most, and elsewhere.
const CHANCE: [f64; 2] = [0.4, 0.04];
/// The most players of a small lobby.
const FEW: usize = 3;
/// Everybody is there and has talked for a while before.
const FIRST: Duration = Duration::from_secs(3);
/// Another has taken over by then, even in a lobby of two.
const SUCCEEDED: Duration = Duration::from_millis(5_500);
/// For so long the server is gone.
const RESTARTS: Duration = Duration::from_millis(400);
/// For so long the successor is alone.
const APART: Duration = Duration::from_secs(8);

/// What strikes one of the lobbies of these seats, if it does, so that it is over by `until`.
pub(super) fn draw(draw: &mut Draw, seats: &[SeatPlan], until: Duration) -> Vec<Fault> {
    let Some(latest) = until.checked_sub(SUCCEEDED + RESTARTS + APART).filter(|latest| *latest > FIRST) else {
        return Vec::new();
    };
    let at = draw.duration(FIRST, latest);
    let lobby = draw.pick(seats).map_or(0, |seat| seat.lobby);
    let players = seats.iter().filter(|seat| seat.lobby == lobby && seat.part == Part::Player).count();
    if !draw.chance(CHANCE[usize::from(players > FEW)]) {
        return Vec::new();
    }
    let forgets = Harm::Crash { is_closed: true, again: None };
    let fault = |after: Duration, lasts: Duration, whom: Whom, harm: Harm| Fault { at: at + after, lasts, whom, harm };
    vec![
        fault(Duration::ZERO, SUCCEEDED + RESTARTS, Whom::Host(lobby), Harm::Alone),
        fault(SUCCEEDED, RESTARTS, Whom::Server, forgets),
        fault(SUCCEEDED + RESTARTS / 4, APART, Whom::Host(lobby), Harm::Alone),
    ]
}
