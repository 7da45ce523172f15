//! What is drawn for one run of two players: their wires, what goes wrong on them and when, and the settings of their
//! machines. Each of these has its own stream of randomness, so that one can change and the others stay.

use super::faults::{self, Fault};
use super::talk::{self, Talking};
use crate::net::{LinkConfig as Conditions, Pipe};
use crate::pair::Wire;
use crate::seed::{Draw, Seed};
use crate::talk::Carrier;
use core::time::Duration;
use serde::Serialize;
use webstar_core::config::SessionConfig;
use webstar_core::path::PathKind;
use webstar_core::peer::link::LinkConfig;
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::time::Instant;

/// Everything drawn for a run.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The settings of both machines.
    pub config: LinkConfig,
    /// The wires between them.
    pub wires: Vec<WirePlan>,
    /// Which kinds of fault this run has.
    pub kinds: faults::Kinds,
    /// What happens to the wires, in the order of time.
    pub faults: Vec<Fault>,
    /// What the two say.
    pub talking: Talking,
    /// When the last fault is over.
    pub quiet_at: Duration,
}

/// What a wire is made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Medium {
    /// Datagrams with nothing below.
    Srtp,
    /// Datagrams with SCTP's congestion control below.
    Sctp,
    /// Datagrams that the embedder carries.
    External,
    /// An ordered stream through the server.
    Relay,
}

impl Medium {
    /// All of them.
    pub const ALL: [Medium; 4] = [Medium::Srtp, Medium::Sctp, Medium::External, Medium::Relay];

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Medium::Srtp => "srtp",
            Medium::Sctp => "sctp",
            Medium::External => "external",
            Medium::Relay => "relay",
        }
    }
}

/// A wire as it is drawn.
#[derive(Clone, Debug, Serialize)]
pub struct WirePlan {
    /// What it is made of.
    pub medium: Medium,
    /// What it is when nothing is wrong.
    pub calm: Conditions,
    /// How it begins, by sending side.
    pub conditions: [Conditions; 2],
}

impl WirePlan {
    /// The wire. The seed must be the run's own.
    pub fn wire(&self, id: u8, seed: Seed) -> Wire {
        let seed = seed.child("wire", u64::from(id));
        let mut wire = match self.medium {
            Medium::Srtp => Carrier::Srtp.wire(id, seed, self.calm),
            Medium::Sctp => Carrier::Sctp.wire(id, seed, self.calm),
            Medium::Relay => Carrier::Relay.wire(id, seed, self.calm),
            Medium::External => {
                let pipe = Pipe::datagrams(seed, Instant::ZERO, self.calm);
                let facts = PipeFacts { max_packet: 1200, control: Control::Own };
                Wire::new(id, PathKind::External, facts, pipe, self.calm.delay * 2)
            }
        };
        for (side, conditions) in crate::net::Side::BOTH.into_iter().zip(self.conditions) {
            wire.pipe.set_conditions(Instant::ZERO, side, conditions);
        }
        wire
    }
}

impl Plan {
    /// What this seed means.
    pub fn draw(seed: Seed) -> Plan {
        let mut network = seed.stream("network");
        let config = settings(&mut network);
        let media = media(&mut network);
        let calm: Vec<Conditions> = media.iter().map(|_| calm(&mut network)).collect();
        let mut harm = seed.stream("faults");
        let kinds = faults::Kinds::draw(&mut harm);
        let wires: Vec<WirePlan> = media
            .into_iter()
            .zip(calm)
            .map(|(medium, calm)| WirePlan { medium, calm, conditions: kinds.conditions(&mut harm, medium, calm) })
            .collect();
        let until = harm.duration(Duration::from_secs(6), Duration::from_secs(12));
        let faults = kinds.events(&mut harm, &wires, until);
        let quiet_at = faults.last().map_or(until, |last| last.at.max(until));
        let talking = talk::Talking::draw(&mut seed.stream("workload"), &config.session, until);
        Plan { config, wires, kinds, faults, talking, quiet_at }
    }
}

/// Nearly always as shipped; now and then with lanes so small that they fill, and other changes that users make.
fn settings(draw: &mut Draw) -> LinkConfig {
    let mut config = LinkConfig::default();
    let default = SessionConfig::default();
    let (is_small, has_tick, is_plain) = (draw.chance(0.2), draw.chance(0.1), draw.chance(0.1));
    let send_buffer = octaves(draw, 16 * 1024, 256 * 1024) as usize;
    let receive_buffer = octaves(draw, 64 * 1024, 512 * 1024) as usize;
    let tick = draw.duration(Duration::from_millis(5), Duration::from_millis(50));
    if is_small {
        // A message and what holding it costs fit into a lane, so that every message can be sent some day.
        let max_message = (send_buffer - 1024).min(receive_buffer / 2);
        config.session = SessionConfig { max_message, send_buffer, receive_buffer, ..default };
    }
    config.session.tick = has_tick.then_some(tick);
    config.session.enable_protection = !is_plain;
    config
}

/// A direct wire and the relay; one run in five has only one of them.
fn media(draw: &mut Draw) -> Vec<Medium> {
    let direct = *draw.pick(&[Medium::Srtp, Medium::Srtp, Medium::Sctp, Medium::External]).expect("there are four");
    match draw.below(10) {
        0 => vec![direct],
        1 => vec![Medium::Relay],
        _ => vec![Medium::Relay, direct],
    }
}

/// A wire across a room, a country or an ocean.
fn calm(draw: &mut Draw) -> Conditions {
    Conditions::with_delay(Duration::from_micros(octaves(draw, 200, 80_000)))
}

/// A number from `low` to `high` of which each power of two is as likely as the next: small and large ones alike.
pub(super) fn octaves(draw: &mut Draw, low: u64, high: u64) -> u64 {
    let doublings = (high / low).ilog2();
    let floor = low << draw.below(u64::from(doublings) + 1);
    draw.between(floor, (floor * 2 - 1).min(high))
}
