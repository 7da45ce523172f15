//! The migration table: how long it takes from the fault of a host, or its wish to hand over, to the first acknowledgement
//! under the next one, over the size of the lobby, the way and its loss.

use super::chart::{Line, Page, Panel, Unit};
use super::{Spread, cells, round};
use crate::profile::star::{Clear, Equal, Fate, run_plan};
use crate::profile::{Mask, Tally};
use crate::seed::Seed;
use crate::trace::Trace;
use core::fmt::Write;
use core::time::Duration;
use serde::Serialize;

/// What happens to the host.
pub const CAUSES: [(&str, Fate); 3] =
    [("crash_silent", Fate::Dies), ("crash_closed", Fate::Closes), ("graceful", Fate::HandsOver)];
/// How many players.
pub const PLAYERS: [u16; 2] = [3, 8];
/// The shares of lost packets.
pub const LOSSES: [f64; 4] = [0.0, 0.02, 0.05, 0.1];
/// How long a way is.
pub const WAYS_MS: [u64; 2] = [20, 60];
const HZ: f64 = 20.0;
const BYTES: u64 = 64;
/// When something happens to the host: at the first of these moments and so many steps later, one for each run.
const FIRST: Duration = Duration::from_millis(4_000);
const STEP: Duration = Duration::from_millis(37);

/// One line of the table. Times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    event: &'static str,
    table: &'static str,
    stack: &'static str,
    /// How many changes of host were measured.
    pub samples: usize,
    /// What happened to the host.
    pub cause: &'static str,
    /// How many players there were.
    pub players: u16,
    /// The share of lost packets.
    pub loss: f64,
    /// How long a way is.
    pub one_way_ms: f64,
    /// Messages a second of each player.
    pub hz: f64,
    /// Half of the changes took at most this.
    pub p50: u32,
    /// 90 of 100.
    pub p90: u32,
    /// 99 of 100.
    pub p99: u32,
    /// All.
    pub max: u32,
    /// Runs in which something was lost, or did not come to rest.
    pub lost: usize,
    /// Runs in which something came twice.
    pub duplicated: usize,
}

struct Cell {
    cause: &'static str,
    fate: Fate,
    players: u16,
    loss: f64,
    one_way: Duration,
    runs: u32,
}

fn all(runs: u32) -> Vec<Cell> {
    let mut cells = Vec::new();
    for (cause, fate) in CAUSES {
        for players in PLAYERS {
            for one_way in WAYS_MS.map(Duration::from_millis) {
                cells.extend(LOSSES.map(|loss| Cell { cause, fate, players, loss, one_way, runs }));
            }
        }
    }
    cells
}

/// How many rows the table has.
pub fn len() -> u64 {
    all(0).len() as u64
}

/// Measures all rows with so many runs each, on so many threads.
pub fn measure(runs: u32, jobs: usize, tell: &(dyn Fn(u64) + Sync)) -> Vec<Row> {
    cells::measure(&all(runs), jobs, tell, Cell::measure)
}

/// Measures one row: so many runs with this cause, so many players, and ways that lose nothing.
pub fn measure_lossless(cause: usize, players: u16, one_way: Duration, runs: u32) -> Row {
    let (cause, fate) = CAUSES[cause];
    Cell { cause, fate, players, loss: 0.0, one_way, runs }.measure()
}

impl Cell {
    fn measure(&self) -> Row {
        let (mut tally, mut lost, mut duplicated) = (Tally::default(), 0, 0);
        for run in 0..self.runs {
            let at = FIRST + STEP * run;
            let equal = Equal {
                players: self.players,
                one_way: self.one_way,
                loss: self.loss,
                jitter: Duration::ZERO,
                hz: HZ,
                bytes: BYTES,
                lasts: at + Duration::from_secs(6),
                heartbeat_timeout: None,
                fate: Some((at, self.fate)),
            };
            let mut trace = Trace::new(false);
            let outcome = run_plan(Seed::new(run.into()), &equal.plan(), &Mask::default(), &mut trace, Clear);
            match outcome.red {
                Some(red) if red.why.contains("twice") => duplicated += 1,
                Some(_) => lost += 1,
                None => {}
            }
            tally.add(&outcome.tally);
        }
        let times: Vec<u32> = tally.migrations.into_values().flatten().collect();
        let Spread { count, p50, p90, p99, max } = Spread::of(&times);
        Row {
            event: "row",
            table: "migration",
            stack: "model",
            samples: count,
            cause: self.cause,
            players: self.players,
            loss: self.loss,
            one_way_ms: round(self.one_way.as_secs_f64() * 1e3),
            hz: HZ,
            p50,
            p90,
            p99,
            max,
            lost,
            duplicated,
        }
    }
}

/// The table for people.
pub fn text(rows: &[Row]) -> String {
    let mut text =
        String::from("cause         players  one way  loss      p50     p90     p99     max  times  lost  twice\n");
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:13} {:7} {:5.0} ms {:3.0} % {:8} {:7} {:7} {:7} {:6} {:5} {:6}",
            row.cause,
            row.players,
            row.one_way_ms,
            row.loss * 100.0,
            row.p50,
            row.p90,
            row.p99,
            row.max,
            row.samples,
            row.lost,
            row.duplicated
        );
    }
    text
}

/// The median and the 90th percentile over loss, for each cause and way.
pub fn page(rows: &[Row]) -> Page {
    let mut panels = Vec::new();
    for (cause, _) in CAUSES {
        for one_way_ms in WAYS_MS.map(|ms| ms as f64) {
            let line = |players: u16, name: &str, of: fn(&Row) -> u32| {
                let is_it = |row: &&Row| row.cause == cause && row.players == players && row.one_way_ms == one_way_ms;
                let values = rows.iter().filter(is_it).map(|row| Some(f64::from(of(row)))).collect();
                Line { name: format!("{players}, {name}"), values }
            };
            let lines = PLAYERS
                .into_iter()
                .flat_map(|players| [line(players, "p50", |row| row.p50), line(players, "p90", |row| row.p90)]);
            panels.push(Panel { title: format!("{cause}, {one_way_ms:.0} ms one way"), lines: lines.collect() });
        }
    }
    Page {
        title: "From the fault of a host to the first acknowledgement under the next".into(),
        labels: LOSSES.iter().map(|loss| format!("{:.0} %", loss * 100.0)).collect(),
        axis: "packets lost; lobbies of 3 and 8, 20 messages a second each",
        unit: Unit::Milliseconds,
        panels,
    }
}
