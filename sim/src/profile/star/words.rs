//! The plan of a whole world in words.

use super::{Fault, Harm, Part, Plan, SeatPlan, Ways, Whom};
use crate::net::nat::Home;
use crate::net::{LinkConfig as Conditions, Side};
use crate::profile::telling::{LaneTelling, Misfortune, Nature, Telling};
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
                "lobby {number}: at most {}, password {}, join in progress {}, public {}, survives its host {}, safe \
                 (ordered, reliable) {:?}, snapshots {:?}, forks {}, tick {:?}, \
                 authority {:?}",
                lobby.max_players,
                lobby.has_password,
                lobby.join_in_progress,
                lobby.is_public,
                lobby.survives,
                lobby.is_safe,
                lobby.snapshots,
                lobby.allow_fork,
                lobby.tick,
                lobby.authority
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
                "load: seat {} says {} times {} bytes, {:?}, {}",
                load.seat,
                load.times,
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
                    let hertz = 1.0 / mouth.period.as_secs_f64();
                    format!("{}; {hertz:.1} Hz: {}", someone(seat), voices.join(", "))
                })
                .collect(),
            lanes: self.seats.iter().map(|seat| LaneTelling { lobby: seat.lobby, part: seat.part.name() }).collect(),
            settings,
            faults: self.faults.iter().map(|fault| self.misfortune(fault)).collect(),
            messages: super::count_of_messages(self),
            quiet_at: self.quiet_at,
        }
    }

    fn misfortune(&self, fault: &Fault) -> Misfortune {
        let first_of = |lobby: u8| self.seats.iter().position(|seat| seat.lobby == lobby).unwrap_or(0) as u16;
        let (wire, whom) = match fault.whom {
            Whom::Seat(seat) => (seat, String::new()),
            Whom::Host(lobby) => (first_of(lobby), format!("whoever is host of lobby {lobby}: ")),
            Whom::Heir(lobby) => (first_of(lobby), format!("whoever follows the host of lobby {lobby}: ")),
            Whom::Server => (Telling::SERVER, String::new()),
            Whom::Turn => (Telling::SERVER, "the TURN server: ".into()),
        };
        let until = (!fault.lasts.is_zero()).then(|| fault.at + fault.lasts);
        let nature = if matches!(fault.harm, Harm::Conditions(_)) { Nature::Weather } else { Nature::Harm };
        let what = format!("{whom}{}", harm(&fault.harm));
        Misfortune { at: fault.at, until, wire, what, nature, is_left_out: false }
    }
}

fn someone(seat: &SeatPlan) -> String {
    let mut words = format!(
        "{:?} of lobby {} from {}: {}; clock {:+} ppm, {} s ahead",
        seat.part,
        seat.lobby,
        seconds(seat.enters_at),
        ways(&seat.ways),
        seat.drift_ppm,
        seat.ahead_s
    );
    let traits = [
        (!seat.is_direct && seat.part != Part::Guest, "; no direct ways"),
        (seat.is_old, "; the old version"),
        (seat.withholds, "; stores nothing"),
        (seat.keeps_ticket, "; comes back to its place after a crash"),
    ];
    match seat.home {
        Home::Open => {}
        Home::Behind(number) => words.push_str(&format!("; behind box {number}")),
        Home::Blocked => words.push_str("; no datagram comes through"),
    }
    traits.into_iter().filter(|(is_so, _)| *is_so).for_each(|(_, word)| words.push_str(word));
    words
}

fn harm(harm: &Harm) -> String {
    match harm {
        Harm::Cut => "the way to the server is cut".into(),
        Harm::OneWay(side) => format!("the way from {} is cut", end_of(*side)),
        Harm::Reset => "its connections break".into(),
        Harm::HalfOpen => "its connections die without a word".into(),
        Harm::Deaf => "it stops reading".into(),
        Harm::Sleeps => "its machine is not called".into(),
        Harm::Refused => "the server refuses it".into(),
        Harm::Conditions(now) => ways(now),
        Harm::Mute => "nobody hears it directly".into(),
        Harm::Unheard => "it hears nobody directly".into(),
        Harm::Alone => "it reaches nobody, and nobody reaches it".into(),
        Harm::Island(group, is_without_server) => {
            let server = if *is_without_server { ", without the server" } else { "" };
            format!("seats {group:?} are cut off from all others{server}")
        }
        Harm::Crash { is_closed, again } => {
            let how = if *is_closed { "its process dies" } else { "it vanishes" };
            let again = again.map_or(String::new(), |after| format!(", back after {}", seconds(after)));
            format!("{how}{again}")
        }
        Harm::Rebinds => "the box before it begins anew".into(),
        Harm::Jump(ms) => format!("its clock jumps by {ms} ms"),
    }
}

fn ways(ways: &Ways) -> String {
    format!("to the server {}; half of the way to others {}", both_ways(&ways.line), both_ways(&ways.access))
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
    for (share, what) in [(of.reorder, "held back"), (of.duplicate, "doubled"), (of.corrupt, "damaged")] {
        if share > 0.0 {
            let _ = write!(words, ", {:.1} % {what}", share * 100.0);
        }
    }
    if let Some(bandwidth) = of.bandwidth {
        let _ = write!(words, ", {} kbit/s", bandwidth.bits_per_s / 1_000);
    }
    words
}

fn seconds(at: Duration) -> String {
    format!("{:.3} s", at.as_secs_f64())
}
