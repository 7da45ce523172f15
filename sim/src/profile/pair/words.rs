//! The plan of a run of two in words.

use super::{Fault, Harm, Plan, WirePlan};
use crate::net::LinkConfig as Conditions;
use crate::profile::telling::{Misfortune, Nature, Telling};
use core::fmt::Write;
use core::time::Duration;

impl Plan {
    /// The plan in words.
    pub fn tell(&self) -> Telling {
        let session = &self.config.session;
        let tick = session.tick.map_or("none".into(), |tick| format!("{} ms", tick.as_millis()));
        let [a, b] = self.talking.period.map(|period| 1.0 / period.as_secs_f64());
        let mut settings = vec![
            format!(
                "send_buffer {}, receive_buffer {}, max_message {}, tick {tick}, protection {}",
                session.send_buffer, session.receive_buffer, session.max_message, session.enable_protection
            ),
            format!("A speaks at {a:.0} Hz, B at {b:.0} Hz, until {}", seconds(self.talking.until)),
        ];
        for voice in &self.talking.voices {
            settings.push(format!(
                "voice: {:?} {:?} at {:.0} % of the beats, up to {} bytes",
                voice.priority,
                voice.delivery,
                voice.share * 100.0,
                voice.longest
            ));
        }
        for load in &self.talking.loads {
            let kind = if load.is_text { "text" } else { "noise" };
            let (at, bytes) = (seconds(load.at), load.bytes);
            let what = format!("{:?} {:?}", load.priority, load.delivery);
            settings.push(format!("load: {:?} says {bytes} bytes of {kind} at {at}, {what}", load.side));
        }
        for burst in &self.talking.bursts {
            settings.push(format!("burst: {:?} says {} messages at {}", burst.side, burst.count, seconds(burst.at)));
        }
        for [from, until] in &self.talking.silences {
            settings.push(format!("silence from {} to {}", seconds(*from), seconds(*until)));
        }
        Telling {
            noun: "wire",
            wires: self.wires.iter().map(wire).collect(),
            lanes: Vec::new(),
            settings,
            faults: (0..).zip(&self.faults).map(|(number, fault)| self.misfortune(number, fault)).collect(),
            messages: super::count_of_messages(self),
            quiet_at: self.quiet_at,
        }
    }

    fn misfortune(&self, number: usize, fault: &Fault) -> Misfortune {
        let until = match &fault.harm {
            Harm::Cut(side) => self.faults[number..]
                .iter()
                .find(|later| later.wire == fault.wire && later.harm == Harm::Heal(*side))
                .map(|heal| heal.at),
            _ => None,
        };
        let what = match &fault.harm {
            Harm::Cut(side) => format!("the way from {side:?} is cut"),
            Harm::Heal(side) => format!("the way from {side:?} heals"),
            Harm::Reset => "reset".into(),
            Harm::HalfOpen => "dies without a word".into(),
            Harm::Conditions(conditions) => both_ways(conditions),
        };
        let nature = match fault.harm {
            Harm::Heal(_) => Nature::Relief,
            Harm::Conditions(_) => Nature::Weather,
            _ => Nature::Harm,
        };
        Misfortune { at: fault.at, until, wire: fault.wire.into(), what, nature, is_left_out: false }
    }
}

fn wire(wire: &WirePlan) -> String {
    format!("{}: {}", wire.medium.name(), both_ways(&wire.conditions))
}

fn both_ways([first, second]: &[Conditions; 2]) -> String {
    if first == second {
        conditions(first)
    } else {
        format!("from A {}; from B {}", conditions(first), conditions(second))
    }
}

/// What is unusual about a wire; its delay is always told.
fn conditions(of: &Conditions) -> String {
    let mut words = format!("delay {:.1} ms", of.delay.as_secs_f64() * 1e3);
    let mut rate = |name: &str, rate: f64| {
        if rate > 0.0 {
            // Writing to a string cannot fail.
            let _ = write!(words, ", {name} {:.1} %", rate * 100.0);
        }
    };
    rate("loss", of.loss);
    rate("held back", of.reorder);
    rate("twice", of.duplicate);
    rate("damaged", of.corrupt);
    if !of.jitter.is_zero() {
        let order = if of.keep_order { " in order" } else { "" };
        let _ = write!(words, ", jitter {} ms{order}", of.jitter.as_millis());
    }
    if let Some(bursts) = of.bursts {
        let _ = write!(words, ", bursts of {} ms, {:.1} % of the time", bursts.mean.as_millis(), bursts.share * 100.0);
    }
    if let Some(bandwidth) = of.bandwidth {
        let _ = write!(words, ", {} kbit/s with a queue of {}", bandwidth.bits_per_s / 1_000, bandwidth.queue);
    }
    words
}

fn seconds(at: Duration) -> String {
    format!("{:.3} s", at.as_secs_f64())
}
