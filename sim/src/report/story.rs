//! A run told to a person: what was drawn, and one line for each change of state.

use crate::profile::Telling;
use crate::trace::{Record, Step, Trace};
use core::fmt::Write;

/// The plan in lines.
pub fn opening(telling: &Telling) -> String {
    let mut text = String::new();
    let mut line = |head: &str, rest: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{head:>12}  {rest}");
    };
    for (path, wire) in telling.wires.iter().enumerate() {
        line("wire", &format!("{path} {wire}"));
    }
    telling.settings.iter().for_each(|setting| line("", setting));
    for fault in &telling.faults {
        let until = fault.until.map_or_else(String::new, |until| format!(" until {:.3}", until.as_secs_f64()));
        line("fault", &format!("{:.3} wire {}: {}{until}", fault.at.as_secs_f64(), fault.wire, fault.what));
    }
    line("quiet", &format!("from {:.3} on", telling.quiet_at.as_secs_f64()));
    text
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
            format!("fault on wire {}: {}", fault.wire, fault.what)
        }
        Step::Refused { side, priority } => format!("{side:?} lane {priority:?} is full"),
        Step::Drained { side, priority } => format!("{side:?} lane {priority:?} has room again"),
        Step::Quiet => "all faults are over".into(),
        Step::Settled => "everything has arrived".into(),
        Step::Submitted { .. } | Step::Delivered { .. } | Step::Acked { .. } | Step::Packet { .. } => return None,
    })
}
