//! A run told to a person: what was drawn, and one line for each change of state.

use crate::profile::Telling;
use crate::trace::{Record, StarStep, Step, Trace};
use core::fmt::Write;
use webstar_core::id::PlayerId;

/// The plan in lines.
pub fn opening(telling: &Telling) -> String {
    let mut text = String::new();
    let mut line = |head: &str, rest: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{head:>12}  {rest}");
    };
    for (path, wire) in telling.wires.iter().enumerate() {
        line(telling.noun, &format!("{path} {wire}"));
    }
    telling.settings.iter().for_each(|setting| line("", setting));
    for fault in &telling.faults {
        let until = fault.until.map_or_else(String::new, |until| format!(" until {:.3}", until.as_secs_f64()));
        let (at, noun) = (fault.at.as_secs_f64(), telling.noun);
        let head = if fault.is_left_out { "(left out)" } else { "fault" };
        line(head, &format!("{at:.3} {}: {}{until}", place(noun, fault.wire), fault.what));
    }
    line("quiet", &format!("from {:.3} on", telling.quiet_at.as_secs_f64()));
    text
}

/// Where a fault is.
fn place(noun: &str, wire: u16) -> String {
    if wire == Telling::SERVER { "the server".into() } else { format!("{noun} {wire}") }
}

/// One line for each change of state.
pub fn changes(trace: &Trace, telling: &Telling) -> String {
    let mut text = String::new();
    let mut last = None;
    for Record { at, step } in trace.records() {
        let refused = matches!(step, Step::Refused { .. });
        // A lane that refuses goes on refusing: the first time tells it.
        if refused && last == Some(*step) {
            continue;
        }
        let Some(what) = change(step, telling) else { continue };
        last = Some(*step);
        let _ = writeln!(text, "{:>12.3}  {what}", at.as_millis_f64() / 1e3);
    }
    text
}

fn change(step: &Step, telling: &Telling) -> Option<String> {
    Some(match *step {
        Step::Path { side, path, from, to, why } => {
            format!("{side:?} path {}: {from:?} -> {to:?} ({why:?})", path.0)
        }
        Step::Using { side, path: Some(path) } => format!("{side:?} sends on path {}", path.0),
        Step::Using { side, path: None } => format!("{side:?} has no path"),
        Step::Order { side, path, command, attempt } => {
            format!("{side:?} orders path {}: {command:?}, attempt {attempt}", path.0)
        }
        Step::Fault { number } => {
            let fault = telling.faults.get(number as usize)?;
            format!("fault on {}: {}", place(telling.noun, fault.wire), fault.what)
        }
        Step::Refused { side, priority } => format!("{side:?} lane {priority:?} is full"),
        Step::Drained { side, priority } => format!("{side:?} lane {priority:?} has room again"),
        Step::Quiet => "all faults are over".into(),
        Step::Settled => "everything has arrived".into(),
        Step::Star(step) => return star_change(step),
        Step::Submitted { .. } | Step::Delivered { .. } | Step::Acked { .. } | Step::Packet { .. } => return None,
    })
}

fn star_change(step: StarStep) -> Option<String> {
    let host = |host: Option<PlayerId>| host.map_or_else(|| "nobody".into(), |host| format!("player {}", host.0));
    Some(match step {
        StarStep::Entered { seat, life } => format!("life {} begins at seat {}", life.0, seat.0),
        StarStep::Joined { life, player, host: of, epoch, resumed } => {
            let back = if resumed { "is back" } else { "has joined" };
            format!("life {} {back} as player {}, host {}, epoch {epoch}", life.0, player.0, host(of))
        }
        StarStep::Came { life, player } => format!("life {} hears that player {} has come", life.0, player.0),
        StarStep::Went { life, player } => format!("life {} hears that player {} has gone", life.0, player.0),
        StarStep::HostChanged { life, host: new, epoch } => {
            format!("life {} hears that {} is host, epoch {epoch}", life.0, host(Some(new)))
        }
        StarStep::Role { life, role, epoch, promised } => {
            let newer = if promised > epoch { format!(", has promised {promised}") } else { String::new() };
            format!("life {} is {role} in epoch {epoch}{newer}", life.0)
        }
        StarStep::Started { life, position } => format!("life {} begins after place {position}", life.0),
        StarStep::Resynced { life, position } => format!("life {} begins anew after place {position}", life.0),
        StarStep::Promoted { life, position, tail } => {
            format!("life {} goes on as host from place {position} with {tail} messages", life.0)
        }
        StarStep::Paused { life } => format!("life {} hears that nobody can be host", life.0),
        StarStep::Suspects { life, player } => format!("life {} no longer hears player {}", life.0, player.0),
        StarStep::ContinuityLost { life } => format!("life {} hears that continuity is lost", life.0),
        StarStep::Reconnecting { life, attempt } => format!("life {} has lost the server, attempt {attempt}", life.0),
        StarStep::Full { life } => format!("life {} has a full channel", life.0),
        StarStep::Drained { life } => format!("life {} has room again", life.0),
        StarStep::Ended { life, why } => format!("life {} is over: {why}", life.0),
        StarStep::Deed { number } => format!("deed {number}"),
        StarStep::Said { .. }
        | StarStep::Heard { .. }
        | StarStep::Safe { .. }
        | StarStep::Told { .. }
        | StarStep::Frame { .. }
        | StarStep::Packet { .. } => return None,
    })
}
