//! The table of false alarms: how often a sound host is replaced, over the time after which silence is suspect, loss and
//! jitter, in lobbies of three in which nothing goes wrong but packets.

use super::chart::{Line, Page, Panel, Unit};
use super::{cells, round};
use crate::profile::Mask;
use crate::profile::star::{Clear, Equal, run_plan};
use crate::seed::Seed;
use crate::trace::Trace;
use core::fmt::Write;
use core::str::FromStr;
use core::time::Duration;
use serde::Serialize;
use webstar_core::config::PlayerConfig;

/// After how long silence is suspect.
pub const TIMES_MS: [u64; 5] = [200, 300, 400, 500, 1_000];
/// The shares of lost packets.
pub const LOSSES: [f64; 4] = [0.0, 0.02, 0.05, 0.1];
/// How much later a packet may be.
pub const JITTERS_MS: [u64; 3] = [0, 50, 100];
const PLAYERS: u16 = 3;
const ONE_WAY: Duration = Duration::from_millis(50);
/// In every second run everybody speaks at the first rate, in the others at the second: a game, and players who wait.
const HZ: [f64; 2] = [20.0, 0.2];
/// How long a run is, unless less is asked for. Each begins with fresh players.
const RUN: Duration = Duration::from_secs(600);

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    event: &'static str,
    table: &'static str,
    stack: &'static str,
    /// How many lobbies there were, one after another.
    pub samples: u32,
    /// After how many milliseconds silence is suspect.
    pub t_ms: u64,
    /// The share of lost packets.
    pub loss: f64,
    /// How many milliseconds later a packet may be.
    pub jitter_ms: u64,
    /// Hours in a lobby, all together.
    pub hours: f64,
    /// How often a sound host was replaced.
    pub alarms: u64,
    /// In which lobbies that was, by their seeds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alarmed: Vec<u64>,
}

impl Row {
    /// What came of the lobby with this seed.
    fn add(&mut self, seed: u64, lasted: Duration, alarms: u64) {
        self.samples += 1;
        self.hours += lasted.as_secs_f64() / 3_600.0;
        self.alarms += alarms;
        self.alarmed.extend((alarms > 0).then_some(seed));
    }
}

/// What a row is about.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cell {
    t_ms: u64,
    loss: f64,
    jitter_ms: u64,
}

impl FromStr for Cell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || format!("`{text}` is no row; write `500:0.05:100` for T of 500 ms, 5 % loss and 100 ms of jitter");
        let mut parts = text.split(':');
        let mut next = || parts.next().ok_or_else(wanted);
        let t_ms = next()?.parse().map_err(|_| wanted())?;
        let loss = next()?.parse().map_err(|_| wanted())?;
        let jitter_ms = next()?.parse().map_err(|_| wanted())?;
        let least = PlayerConfig::default().heartbeat_interval;
        if Duration::from_millis(t_ms) < least {
            return Err(format!("`{text}`: T is at least the {} ms between two beats", least.as_millis()));
        }
        let is_sane = t_ms <= 60_000 && (0.0..1.0).contains(&loss) && jitter_ms <= 10_000;
        if is_sane && parts.next().is_none() { Ok(Cell { t_ms, loss, jitter_ms }) } else { Err(wanted()) }
    }
}

/// All rows of the table.
pub fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for jitter_ms in JITTERS_MS {
        for loss in LOSSES {
            cells.extend(TIMES_MS.map(|t_ms| Cell { t_ms, loss, jitter_ms }));
        }
    }
    cells
}

/// How many lobbies that is, for so many hours in each row.
pub fn len(cells: &[Cell], hours: f64) -> u64 {
    cells.len() as u64 * runs(hours)
}

fn runs(hours: f64) -> u64 {
    (hours * 3_600.0 / RUN.as_secs_f64()).ceil().max(1.0) as u64
}

/// Measures these rows for so many hours each, on so many threads; tells how many lobbies are done.
pub fn measure(rows: &[Cell], hours: f64, jobs: usize, tell: &(dyn Fn(u64) + Sync)) -> Vec<Row> {
    let lasts = RUN.min(Duration::from_secs_f64(hours * 3_600.0));
    let lobbies: Vec<(Cell, u64)> = rows.iter().flat_map(|cell| (0..runs(hours)).map(|run| (*cell, run))).collect();
    let measured = cells::measure(&lobbies, jobs, tell, |(cell, run)| cell.run(*run, lasts));
    let mut rows = rows.iter().map(|cell| cell.row()).collect::<Vec<_>>();
    for ((cell, run), (lasted, alarms)) in lobbies.iter().zip(measured) {
        let is_it = |row: &&mut Row| (row.t_ms, row.loss, row.jitter_ms) == (cell.t_ms, cell.loss, cell.jitter_ms);
        let row = rows.iter_mut().find(is_it).expect("each lobby belongs to a row");
        row.add(*run, lasted, alarms);
    }
    rows.iter_mut().for_each(|row| row.hours = round(row.hours));
    rows
}

impl Cell {
    fn row(self) -> Row {
        let Cell { t_ms, loss, jitter_ms } = self;
        let (event, table, stack) = ("row", "false-alarms", "model");
        Row { event, table, stack, samples: 0, t_ms, loss, jitter_ms, hours: 0.0, alarms: 0, alarmed: Vec::new() }
    }

    /// How long a lobby lasted, and how often its host was replaced.
    fn run(self, run: u64, lasts: Duration) -> (Duration, u64) {
        let equal = Equal {
            players: PLAYERS,
            one_way: ONE_WAY,
            loss: self.loss,
            jitter: Duration::from_millis(self.jitter_ms),
            hz: HZ[(run % 2) as usize],
            bytes: 64,
            lasts,
            heartbeat_timeout: Some(Duration::from_millis(self.t_ms)),
            fate: None,
        };
        let outcome = run_plan(Seed::new(run), &equal.plan(), &Mask::default(), &mut Trace::new(false), Clear);
        // A run that a checker ends for another reason is no quiet lobby either.
        let is_red = outcome.red.is_some_and(|red| red.check != "provoked");
        (outcome.lasted.min(lasts), outcome.tally.host_changes + u64::from(is_red))
    }
}

/// The table for people.
pub fn text(rows: &[Row]) -> String {
    let mut text = String::from("     T   loss   jitter    hours   alarms   an hour\n");
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:6} {:4.0} % {:5} ms {:8.1} {:8} {:9.3}",
            row.t_ms,
            row.loss * 100.0,
            row.jitter_ms,
            row.hours,
            row.alarms,
            rate(row)
        );
    }
    text
}

fn rate(row: &Row) -> f64 {
    if row.hours > 0.0 { row.alarms as f64 / row.hours } else { 0.0 }
}

/// Alarms an hour over T, a line for each loss.
pub fn page(rows: &[Row]) -> Page {
    let panel = |jitter_ms: u64| {
        let line = |loss: f64| {
            let of_it = rows.iter().filter(|row| row.jitter_ms == jitter_ms && row.loss == loss);
            Line { name: format!("{:.0} % lost", loss * 100.0), values: of_it.map(|row| Some(rate(row))).collect() }
        };
        Panel { title: format!("{jitter_ms} ms of jitter"), lines: LOSSES.map(line).to_vec() }
    };
    Page {
        title: "Sound hosts that were replaced, in lobbies of three".into(),
        labels: TIMES_MS.iter().map(|t| format!("{t} ms")).collect(),
        axis: "silence that is suspect; what lies on the ground is none at all",
        unit: Unit::PerHour,
        panels: JITTERS_MS.map(panel).to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A false alarm that cannot be replayed cannot be mended.
    #[test]
    fn a_row_names_the_lobbies_in_which_there_was_an_alarm() {
        let mut row = Cell { t_ms: 500, loss: 0.05, jitter_ms: 100 }.row();
        row.add(3, RUN, 0);
        row.add(7, RUN, 2);
        assert_eq!((row.samples, row.alarms, row.alarmed), (2, 2, vec![7]));
    }

    /// The host's goodbye was lost again and again on its way to the server, which had not heard it when the run was over.
    #[test]
    fn a_goodbye_that_comes_late_is_no_alarm() {
        let cell = Cell { t_ms: 500, loss: 0.05, jitter_ms: 100 };
        for seed in [3_117, 5_093] {
            assert_eq!(cell.run(seed, RUN), (RUN, 0), "{seed}");
        }
    }

    #[test]
    fn a_row_is_named_by_three_numbers() {
        assert_eq!("500:0.05:100".parse(), Ok(Cell { t_ms: 500, loss: 0.05, jitter_ms: 100 }));
        for wrong in ["", "500", "500:0.05", "500:2:1", "0:0:0", "500:0.05:100:7", "x:0:0", "99:0:0"] {
            assert!(wrong.parse::<Cell>().is_err(), "{wrong}");
        }
    }
}
