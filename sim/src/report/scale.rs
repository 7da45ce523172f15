//! The scale table: packets, bytes and processor time over the size of a lobby in which everybody speaks.

use super::chart::{Line, Page, Panel, Unit};
use super::summary::cpu_time;
use super::{cells, round};
use crate::profile::Mask;
use crate::profile::star::{Clear, Equal, Plan, run_plan};
use crate::seed::Seed;
use crate::trace::Trace;
use core::fmt::Write;
use core::time::Duration;
use serde::Serialize;
use std::time::Instant;

/// How many players.
pub const PLAYERS: [u16; 6] = [2, 4, 8, 16, 32, 64];
/// How often everybody speaks, in a second.
pub const HERTZ: [f64; 2] = [5.0, 20.0];
const LASTS: Duration = Duration::from_secs(7);
/// Then the last of 64 has long come.
const ALL_THERE: Duration = Duration::from_secs(5);
/// So often a cell is measured: what else the machine does makes a run longer, never shorter.
const RUNS: usize = 2;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    event: &'static str,
    table: &'static str,
    stack: &'static str,
    /// Messages delivered.
    pub samples: u64,
    /// How many players there were.
    pub players: u16,
    /// Messages a second of each.
    pub hz: f64,
    /// Packets and frames that left anybody, the server too.
    pub packets_per_s: f64,
    /// Their bytes.
    pub bytes_per_s: f64,
    /// Nanoseconds for each delivered message, of all machines, the world and the checkers together.
    pub cpu_ns_per_delivered: f64,
    /// Packets and frames that left the host while everybody was there.
    pub host_packets_per_s: f64,
    /// Their bytes.
    pub host_bytes_per_s: f64,
    /// Packets and frames that left the host, for each message delivered to anybody.
    pub host_packets_per_delivered: f64,
    /// Their bytes.
    pub host_bytes_per_delivered: f64,
    /// Nanoseconds of the host's machine for each message delivered to anybody, the least of several runs.
    pub host_ns_per_delivered: f64,
}

struct Cell {
    players: u16,
    hz: f64,
}

fn all(most: u16) -> Vec<Cell> {
    let players = PLAYERS.into_iter().filter(|players| *players <= most);
    players.flat_map(|players| HERTZ.map(|hz| Cell { players, hz })).collect()
}

/// How many rows the table has, for lobbies of at most so many.
pub fn len(most: u16) -> u64 {
    all(most).len() as u64
}

/// Measures the rows of lobbies of at most so many, one after another: what else runs would be measured too.
pub fn measure(most: u16, tell: &(dyn Fn(u64) + Sync)) -> Vec<Row> {
    cells::measure(&all(most), 1, tell, Cell::measure)
}

/// A lobby of so many may cost a host so many times as much for each delivery as the smaller one. Processor time is not
/// judged: it is another on every machine.
const FROM: u16 = 8;
const TO: u16 = 64;
const GROWTH: f64 = 1.2;

/// What costs the host too much more in a large lobby than in a small one, or how much it costs.
pub fn judge(rows: &[Row]) -> Result<String, String> {
    let (mut fine, mut wrong) = (Vec::new(), Vec::new());
    for hz in HERTZ {
        let row = |players: u16| rows.iter().find(|row| row.players == players && row.hz == hz);
        let (small, large) = row(FROM).zip(row(TO)).ok_or("the rows that are compared were not measured")?;
        let costs = |row: &Row| [("packets", row.host_packets_per_delivered), ("bytes", row.host_bytes_per_delivered)];
        for ((what, small), (_, large)) in costs(small).into_iter().zip(costs(large)) {
            let is_fine = small > 0.0 && large > 0.0 && large <= small * GROWTH;
            let told =
                format!("{what} of the host for a delivery at {hz} Hz: {small} with {FROM} players, {large} with {TO}");
            if is_fine { fine.push(told) } else { wrong.push(told) }
        }
    }
    if wrong.is_empty() {
        Ok(fine.join("\n"))
    } else {
        Err(format!("more than {GROWTH} times as much: {}", wrong.join("; ")))
    }
}

impl Cell {
    fn measure(&self) -> Row {
        let equal = Equal {
            players: self.players,
            one_way: Duration::from_millis(30),
            loss: 0.0,
            jitter: Duration::ZERO,
            hz: self.hz,
            bytes: 64,
            lasts: LASTS,
            heartbeat_timeout: None,
            fate: None,
        };
        let plan = Plan { measured_from: Some(ALL_THERE), ..equal.plan() };
        let run = || run_plan(Seed::new(1), &plan, &Mask::default(), &mut Trace::new(false), Clear);
        let (began, worked) = (Instant::now(), cpu_time());
        let outcome = run();
        // On a busy machine more time passes than is worked.
        let work = cpu_time().zip(worked).map(|(now, before)| now.saturating_sub(before));
        let took = work.unwrap_or_else(|| began.elapsed());
        let host = outcome.measured.expect("the plan asks for it");
        let again = (1..RUNS).filter_map(|_| run().measured).map(|host| host.took);
        let host_took = again.fold(host.took, Duration::min);
        let per_s = |count: u64| round(count as f64 / host.seconds());
        let per_delivered = |count: u64| round(count as f64 / host.delivered.max(1) as f64);
        let delivered: u64 = outcome.tally.delivered_by.values().sum();
        let [packets, bytes] = outcome.tally.sent.map(|count| round(count as f64 / outcome.lasted.as_secs_f64()));
        Row {
            event: "row",
            table: "scale",
            stack: "model",
            samples: delivered,
            players: self.players,
            hz: self.hz,
            packets_per_s: packets,
            bytes_per_s: bytes,
            cpu_ns_per_delivered: round(took.as_nanos() as f64 / delivered.max(1) as f64),
            host_packets_per_s: per_s(host.packets),
            host_bytes_per_s: per_s(host.bytes),
            host_packets_per_delivered: per_delivered(host.packets),
            host_bytes_per_delivered: per_delivered(host.bytes),
            host_ns_per_delivered: round(host_took.as_nanos() as f64 / host.delivered.max(1) as f64),
        }
    }
}

/// The table for people.
pub fn text(rows: &[Row]) -> String {
    let mut text = String::from(
        "              all:                                          host:                       a delivery:\n\
         players    Hz packets/s     bytes/s    ns*  delivered   packets/s     bytes/s   packets  bytes    ns*\n",
    );
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:7} {:5} {:9.0} {:11.0} {:6.0} {:10} {:11.0} {:11.0} {:9.3} {:6.1} {:6.0}",
            row.players,
            row.hz,
            row.packets_per_s,
            row.bytes_per_s,
            row.cpu_ns_per_delivered,
            row.samples,
            row.host_packets_per_s,
            row.host_bytes_per_s,
            row.host_packets_per_delivered,
            row.host_bytes_per_delivered,
            row.host_ns_per_delivered
        );
    }
    text.push_str(
        "* for each delivery, of this machine in this run: processor time for all, time by the clock for the host\n",
    );
    text
}

/// Everything over the number of players, a line for each rate.
pub fn page(rows: &[Row]) -> Page {
    let panel = |title: &str, of: fn(&Row) -> f64| {
        let line = |hz: f64| {
            let values = rows.iter().filter(|row| row.hz == hz).map(|row| Some(of(row))).collect();
            Line { name: format!("{hz} Hz"), values }
        };
        Panel { title: title.into(), lines: HERTZ.map(line).to_vec() }
    };
    Page {
        title: "A lobby in which everybody speaks, 64 bytes at a time".into(),
        labels: rows.iter().filter(|row| row.hz == HERTZ[0]).map(|row| row.players.to_string()).collect(),
        axis: "players",
        unit: Unit::Plain,
        panels: vec![
            panel("packets a second", |row| row.packets_per_s),
            panel("bytes a second", |row| row.bytes_per_s),
            panel("bytes of the host for a delivery", |row| row.host_bytes_per_delivered),
            panel("packets a second of the host", |row| row.host_packets_per_s),
            panel("ns of a processor for a delivery, all", |row| row.cpu_ns_per_delivered),
            panel("ns by the clock for a delivery, the host", |row| row.host_ns_per_delivered),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(players: u16, hz: f64, packets: f64, bytes: f64) -> Row {
        Row {
            event: "row",
            table: "scale",
            stack: "model",
            samples: 1,
            players,
            hz,
            packets_per_s: 1.0,
            bytes_per_s: 1.0,
            cpu_ns_per_delivered: 1.0,
            host_packets_per_s: 1.0,
            host_bytes_per_s: 1.0,
            host_packets_per_delivered: packets,
            host_bytes_per_delivered: bytes,
            host_ns_per_delivered: 1.0,
        }
    }

    #[test]
    fn a_delivery_that_costs_a_fifth_more_in_a_large_lobby_is_bearable_and_more_is_not() {
        let judged = |packets, bytes| {
            let small = HERTZ.map(|hz| row(FROM, hz, 1.0, 100.0));
            let large = HERTZ.map(|hz| row(TO, hz, packets, bytes));
            judge(&[small, large].concat())
        };
        assert!(judged(1.2, 120.0).is_ok());
        assert!(judged(0.5, 50.0).is_ok_and(|told| told.lines().count() == 4));
        assert!(judged(1.21, 100.0).is_err_and(|why| why.contains("packets") && !why.contains("bytes")));
        assert!(judged(1.0, 121.0).is_err_and(|why| why.contains("bytes")));
        assert!(judged(0.0, 100.0).is_err(), "nothing was measured");
        assert!(judge(&[row(FROM, HERTZ[0], 1.0, 1.0)]).is_err(), "the large lobby is missing");
    }
}
