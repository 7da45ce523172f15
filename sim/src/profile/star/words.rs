//! The plan of a whole world in words.

use super::{Fault, Harm, Plan};
use crate::net::{LinkConfig as Conditions, Side};
use crate::profile::telling::{Misfortune, Telling};
use core::fmt::Write;
use core::time::Duration;

impl Plan {
    /// The plan in words.
    pub fn tell(&self) -> Telling {
        let mut settings = vec![format!(
            "{:?}: {} shard(s), {} lobbies, {} seats, until {}",
            self.mood,
            self.shards,
            self.lobbies.len(),
            self.seats.len(),
            seconds(self.quiet_at)
        )];
        for (number, lobby) in self.lobbies.iter().enumerate() {
            settings.push(format!(
                "lobby {number}: at most {}, password {}, join in progress {}, public {}",
                lobby.max_players, lobby.has_password, lobby.join_in_progress, lobby.is_public
            ));
        }
        settings.push(format!("{:?}", self.kinds));
        if let Some(asks) = self.slow_asks {
            settings.push(format!("slow answers for half of the time: {asks:?}"));
        }
        for (number, deed) in self.deeds.iter().enumerate() {
            settings.push(format!("deed {number}: {} seat {} {:?}", seconds(deed.at), deed.seat, deed.what));
        }
        for load in &self.talking.loads {
            settings.push(format!(
                "load: seat {} says {} bytes, {:?}, {}",
                load.seat,
                load.bytes,
                load.channel,
                seconds(load.at)
            ));
        }
        Telling {
            noun: "seat",
            wires: self
                .seats
                .iter()
                .zip(&self.talking.mouths)
                .map(|(seat, mouth)| {
                    let voices: Vec<String> =
                        mouth.voices.iter().map(|voice| format!("{:?} to {:?}", voice.channel, voice.to)).collect();
                    format!(
                        "{:?} of lobby {} from {}: {}; clock {:+} ppm{}; {:.1} Hz: {}",
                        seat.part,
                        seat.lobby,
                        seconds(seat.enters_at),
                        both_ways(&seat.conditions),
                        seat.drift_ppm,
                        if seat.is_old { "; the old version" } else { "" },
                        1.0 / mouth.period.as_secs_f64(),
                        voices.join(", ")
                    )
                })
                .collect(),
            settings,
            faults: (0..).zip(&self.faults).map(|(number, fault)| self.misfortune(number, fault)).collect(),
            quiet_at: self.quiet_at,
        }
    }

    fn misfortune(&self, number: usize, fault: &Fault) -> Misfortune {
        let (what, end) = match &fault.harm {
            Harm::Cut(side) => (format!("the way from {} is cut", end_of(*side)), Some(Harm::Heal(*side))),
            Harm::Heal(side) => (format!("the way from {} heals", end_of(*side)), None),
            Harm::Reset => ("its connections break".into(), None),
            Harm::HalfOpen => ("its connections die without a word".into(), None),
            Harm::Deaf => ("it stops reading".into(), Some(Harm::Reads)),
            Harm::Reads => ("it reads again".into(), None),
            Harm::Sleeps => ("its machine is not called".into(), Some(Harm::Wakes)),
            Harm::Wakes => ("its machine is called again".into(), None),
            Harm::Refused => ("the server refuses it".into(), Some(Harm::Admitted)),
            Harm::Admitted => ("the server lets it in again".into(), None),
            Harm::Conditions(conditions) => (both_ways(conditions), None),
        };
        let until = end.and_then(|end| {
            let mut later = self.faults[number..].iter();
            later.find(|later| later.seat == fault.seat && later.harm == end).map(|over| over.at)
        });
        Misfortune { at: fault.at, until, wire: fault.seat.to_le_bytes()[0], what }
    }
}

fn end_of(side: Side) -> &'static str {
    match side {
        Side::A => "the player",
        Side::B => "the server",
    }
}

fn both_ways([up, down]: &[Conditions; 2]) -> String {
    if up == down { conditions(up) } else { format!("up {}; down {}", conditions(up), conditions(down)) }
}

/// What is unusual about a way; its delay is always told.
fn conditions(of: &Conditions) -> String {
    let mut words = format!("delay {:.1} ms", of.delay.as_secs_f64() * 1e3);
    // Writing to a string cannot fail.
    if of.loss > 0.0 {
        let _ = write!(words, ", loss {:.1} %", of.loss * 100.0);
    }
    if !of.jitter.is_zero() {
        let _ = write!(words, ", jitter {} ms", of.jitter.as_millis());
    }
    if let Some(bursts) = of.bursts {
        let _ = write!(words, ", bursts of {} ms, {:.1} % of the time", bursts.mean.as_millis(), bursts.share * 100.0);
    }
    if let Some(bandwidth) = of.bandwidth {
        let _ = write!(words, ", {} kbit/s", bandwidth.bits_per_s / 1_000);
    }
    words
}

fn seconds(at: Duration) -> String {
    format!("{:.3} s", at.as_secs_f64())
}
