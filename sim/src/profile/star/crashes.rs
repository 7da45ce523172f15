//! The faults of a crashy world: hosts die while everybody talks, now and then another one with them, and in between they
//! hand over. Where nothing else happens a host change can be timed.

use super::deeds::{Deed, What};
use super::faults::{Fault, Harm, Whom};
use super::plan::SeatPlan;
use crate::seed::Draw;
use core::time::Duration;

/// Everybody is there and has talked for a while before anything happens.
const FIRST: Duration = Duration::from_secs(4);
/// After a crash there is time to get over it.
const APART: Duration = Duration::from_secs(9);
/// Some crashes are worse than others.
const COMPOUND: f64 = 0.25;
/// How often hosts hand over.
const HANDS_OVER: f64 = 0.5;

/// How often somebody joins while a host is being replaced.
const JOINS_THEN: f64 = 0.3;

/// What happens in a crashy world, and when the last of it is over.
pub(super) fn draw(draw: &mut Draw, seats: &mut [SeatPlan]) -> (Vec<Fault>, Vec<Deed>, Duration) {
    let crashes = draw.between(1, 3);
    let (mut faults, mut deeds) = (Vec::new(), Vec::new());
    let joins_then = draw.chance(JOINS_THEN);
    let mut at = FIRST;
    for _ in 0..crashes {
        if draw.chance(HANDS_OVER) {
            let what =
                if draw.chance(0.5) { What::HandOver } else { What::HandOverTo(draw.below(seats.len() as u64) as u16) };
            deeds.push(Deed { at: at + draw.duration(Duration::ZERO, Duration::from_secs(1)), seat: 0, what });
            at += Duration::from_secs(3);
        }
        at += draw.duration(Duration::ZERO, Duration::from_secs(1));
        let is_closed = draw.chance(0.5);
        let soon = draw.duration(Duration::ZERO, Duration::from_secs(1));
        // Three are there from the start.
        if let (true, true, Some(last)) = (joins_then, faults.is_empty(), seats.get_mut(3..).and_then(<[_]>::last_mut))
        {
            last.enters_at = at + soon;
        }
        faults.push(crash(draw, at, Whom::Host(0), is_closed));
        if draw.chance(COMPOUND) {
            let second = compound(draw, at, is_closed);
            faults.push(second);
        }
        at += APART;
    }
    faults.sort_by_key(|fault| (fault.at, fault.whom == Whom::Host(0)));
    (faults, deeds, at)
}

fn crash(draw: &mut Draw, at: Duration, whom: Whom, is_closed: bool) -> Fault {
    let again = draw.duration(Duration::from_secs(1), Duration::from_secs(5));
    Fault { at, lasts: Duration::ZERO, whom, harm: Harm::Crash { is_closed, again: Some(again) } }
}

/// What goes wrong besides.
fn compound(draw: &mut Draw, at: Duration, is_closed: bool) -> Fault {
    let soon = draw.duration(Duration::ZERO, Duration::from_millis(400));
    match draw.below(4) {
        0 => crash(draw, at, Whom::Heir(0), is_closed),
        1 => crash(draw, at + soon, Whom::Heir(0), is_closed),
        // Whoever takes over dies as soon as it has.
        2 => crash(draw, at + Duration::from_millis(600) + soon, Whom::Host(0), is_closed),
        _ => {
            let lasts = draw.duration(Duration::from_millis(200), Duration::from_secs(3));
            Fault { at: at + soon, lasts, whom: Whom::Heir(0), harm: Harm::Cut }
        }
    }
}
