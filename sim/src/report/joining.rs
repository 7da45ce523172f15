//! The table of joining: how long it takes from a player's entry until the first message over the relay is heard, and
//! until packets flow both ways on a direct path.

use super::{cells, round};
use crate::crypto::Carrying;
use crate::net::LinkConfig as Conditions;
use crate::seed::Seed;
use crate::talk::percentile;
use crate::world::{Clock, KINDS, Line, SeatId, ServerSetup, Watch, Way, World};
use bytes::Bytes;
use core::fmt::Write;
use core::time::Duration;
use serde::Serialize;
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Destination, JoinRequest, PeerEvent, Wish};
use webstar_core::time::Instant;
use webstar_core::wire::signal::{CreateLobby, LobbyName, Username};

/// The shares of lost packets, on direct ways and below streams.
pub const LOSSES: [f64; 3] = [0.0, 0.02, 0.1];
/// There and back between two players, and between a player and the server.
pub const ROUND_TRIP: Duration = Duration::from_millis(40);
/// How long the host is alone.
const ALONE: Duration = Duration::from_secs(2);
/// Between two looks.
const STEP: Duration = Duration::from_micros(100);
/// After that nothing more is expected.
const LAST: Duration = Duration::from_secs(30);
/// What is said on. What is ordered is heard when it is safe: when a crash cannot take it back.
pub const CHANNELS: [(&str, Channel); 3] =
    [("unreliable", Channel::Unreliable), ("reliable", Channel::Reliable), ("ordered", Channel::Ordered)];
/// The shares of the runs that are told.
const SHARES: [f64; 4] = [0.5, 0.9, 0.99, 1.0];

/// One line of the table. Times are in milliseconds since the newcomer was told that it is in.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    event: &'static str,
    table: &'static str,
    stack: &'static str,
    /// Runs.
    pub samples: usize,
    /// The share of lost packets.
    pub loss: f64,
    /// There and back.
    pub round_trip_ms: f64,
    /// Until the host hears what the newcomer has said at once, on the channel of that number in [`CHANNELS`]: of 50, 90,
    /// 99 and 100 of 100 runs.
    pub heard_by_host: [[f64; 4]; 3],
    /// Until the newcomer hears what the host has said as soon as it knew of it.
    pub heard_by_newcomer: [[f64; 4]; 3],
    /// Until a packet has come on a direct path at both.
    pub direct: [f64; 4],
    /// Runs in which one of these never was.
    pub unfinished: usize,
}

/// The moments of one run, since the newcomer was told that it is in.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// By the seat of who hears, and by channel.
    heard: [[Duration; 3]; 2],
    direct: Duration,
}

/// What happened when, for the host and the newcomer.
#[derive(Default)]
struct Times {
    /// The newcomer is told that it is in, and the host of it.
    joined: [Option<Instant>; 2],
    /// By the seat of who hears, and by channel.
    heard: [[Option<Instant>; 3]; 2],
    landed: [Option<Instant>; 2],
}

const HOST: SeatId = SeatId(0);

impl Times {
    /// If all of it has been.
    fn run(&self) -> Option<Run> {
        let came = self.joined[1]?;
        let [a, b] = self.landed;
        let mut heard = [[Duration::ZERO; 3]; 2];
        for (heard, at) in heard.iter_mut().flatten().zip(self.heard.iter().flatten()) {
            *heard = (*at)?.since(came);
        }
        Some(Run { heard, direct: a?.max(b?).since(came) })
    }
}

impl Watch for Times {
    fn on_event(&mut self, now: Instant, seat: SeatId, event: PeerEvent) {
        let at = usize::from(seat.0);
        match event {
            PeerEvent::Joined { .. } if seat != HOST => self.joined[at] = Some(now),
            PeerEvent::PlayerJoined { .. } if seat == HOST => self.joined[at] = Some(now),
            // Who says something to all hears it too.
            PeerEvent::Message(message) if !message.payload.starts_with(&[at as u8]) => {
                self.heard[at][usize::from(message.payload[1])].get_or_insert(now);
            }
            _ => {}
        }
    }

    fn on_came(&mut self, now: Instant, way: Way) {
        if let Way::Direct(_, to) = way {
            self.landed[usize::from(to.0)].get_or_insert(now);
        }
    }
}

/// Measures all rows, so many runs each; tells how many rows are done. The figures are the same for any number of threads.
pub fn measure(carrying: Carrying, runs: u32, jobs: usize, tell: &(dyn Fn(u64) + Sync)) -> Vec<Row> {
    cells::measure(&LOSSES, jobs, tell, |loss| row(carrying, *loss, runs))
}

/// Measures one row.
pub fn row(carrying: Carrying, loss: f64, runs: u32) -> Row {
    let run = |number| {
        let seed = Seed::new(number);
        carrying.alone(seed, || join(carrying, seed, loss))
    };
    let all: Vec<Run> = (0..u64::from(runs)).filter_map(run).collect();
    let of = |of: &dyn Fn(&Run) -> Duration| {
        let mut times: Vec<f64> = all.iter().map(|run| of(run).as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        SHARES.map(|share| round(percentile(&times, share)))
    };
    Row {
        event: "row",
        table: "joining",
        stack: carrying.name(),
        samples: all.len(),
        loss,
        round_trip_ms: ROUND_TRIP.as_secs_f64() * 1e3,
        heard_by_host: [0, 1, 2].map(|channel| of(&|run| run.heard[0][channel])),
        heard_by_newcomer: [0, 1, 2].map(|channel| of(&|run| run.heard[1][channel])),
        direct: of(&|run| run.direct),
        unfinished: runs as usize - all.len(),
    }
}

/// One player is host, and another comes. Nothing if something never was.
fn join(carrying: Carrying, seed: Seed, loss: f64) -> Option<Run> {
    let mut world = World::new(seed, &ServerSetup::default());
    world.carry(carrying);
    let mut times = Times::default();
    for name in ["ann", "bob"] {
        let conditions = |delay| Conditions { loss, ..Conditions::with_delay(delay) };
        let seat = world.seat(Line::new([conditions(ROUND_TRIP / 2); 2]), Clock::default());
        // Half of the way lies before each of them.
        world.set_access(seat, [conditions(ROUND_TRIP / 4); 2]);
        world.enter(seat, config(), request(name), &mut times).expect("the settings are good");
        if seat == HOST {
            world.advance(Instant::ZERO + ALONE, &mut times);
            times = Times::default();
        }
    }
    let mut has_said = [false; 2];
    loop {
        let next = world.now() + STEP;
        world.advance(next, &mut times);
        for seat in [HOST, SeatId(1)] {
            let at = usize::from(seat.0);
            if times.joined[at].is_some() && !has_said[at] {
                has_said[at] = true;
                for (number, (_, channel)) in (0..).zip(CHANNELS) {
                    let word = Bytes::copy_from_slice(&[at as u8, number]);
                    world.send(seat, &Destination::All, channel, "word", word).expect("who is in may speak");
                }
                world.flush(seat, &mut times);
            }
        }
        if let Some(run) = times.run() {
            return Some(run);
        }
        if world.now() > Instant::ZERO + LAST {
            return None;
        }
    }
}

fn config() -> PlayerConfig {
    PlayerConfig {
        signaling_server: "ws://server.example/ws".into(),
        direct_paths: KINDS.to_vec(),
        ..PlayerConfig::default()
    }
}

fn request(name: &str) -> JoinRequest {
    JoinRequest {
        username: Username::new(name).expect("names are plain"),
        wish: Wish::Named(LobbyName::new("room").expect("names are plain")),
        password: None,
        create: Some(CreateLobby { max_players: 4, ..CreateLobby::default() }),
        spectator: false,
        peer_id: None,
        admission: None,
        ticket: None,
    }
}

/// The table for people.
pub fn text(rows: &[Row]) -> String {
    let mut text = String::from("ms since the entry                         p50 /  p90 /  p99 /  max   runs  never\n");
    let mut line = |row: &Row, what: &str, [p50, p90, p99, max]: [f64; 4]| {
        let loss = row.loss * 100.0;
        let _ = writeln!(
            text,
            "{loss:3.0} %  {what:32} {p50:6.0} {p90:6.0} {p99:6.0} {max:6.0} {:6} {:6}",
            row.samples, row.unfinished
        );
    };
    for row in rows {
        for (who, heard) in [("host", row.heard_by_host), ("newcomer", row.heard_by_newcomer)] {
            for ((channel, _), heard) in CHANNELS.iter().zip(heard) {
                line(row, &format!("the {who} hears, {channel}"), heard);
            }
        }
        line(row, "direct both ways", row.direct);
    }
    text
}
