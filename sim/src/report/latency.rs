//! The latency table: how late messages are over loss, on each kind of pipe and channel, and what they cost.

use super::chart::{Line, Page, Panel, Unit};
use super::{cells, round};
use crate::seed::Seed;
use crate::talk::{Carrier, Figures, Talk};
use core::fmt::Write;
use serde::Serialize;
use webstar_core::wire::frame::Delivery;

/// The shares of lost packets.
pub const LOSSES: [f64; 4] = [0.0, 0.02, 0.1, 0.3];
/// The bytes of a message.
pub const SIZES: [usize; 2] = [200, 1_000];
/// The kinds of pipe.
pub const CARRIERS: [Carrier; 3] = [Carrier::Srtp, Carrier::Sctp, Carrier::Relay];
/// The channels, and what they promise.
pub const CHANNELS: [(&str, Delivery); 2] = [("ordered", Delivery::Ordered), ("unreliable", Delivery::Unreliable)];

/// One line of the table. Times are in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    event: &'static str,
    table: &'static str,
    stack: &'static str,
    /// Messages that arrived, both directions pooled.
    pub samples: usize,
    /// The kind of pipe.
    pub pipe: &'static str,
    /// The channel.
    pub channel: &'static str,
    /// The share of lost packets.
    pub loss: f64,
    /// The bytes of a message.
    pub size: usize,
    /// How long the way is.
    pub one_way_ms: f64,
    /// Messages a second, each way.
    pub hz: f64,
    /// Half of the messages arrive within this.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p999: f64,
    /// All.
    pub max: f64,
    /// Messages that never arrived, or were refused.
    pub lost: usize,
    /// Deliveries beyond the first.
    pub duplicated: usize,
    /// All bytes given to the path, over those of the messages with 40 each for headers.
    pub bytes_ratio: f64,
}

struct Cell {
    carrier: Carrier,
    channel: &'static str,
    delivery: Delivery,
    loss: f64,
    size: usize,
}

/// Messages each way of a row, unless fewer are asked for.
pub const MESSAGES: usize = 20_000;

/// Measures all rows with so many messages each way, on so many threads; tells how many are done. The figures are the
/// same for any number of threads.
pub fn measure(messages: usize, jobs: usize, tell: &(dyn Fn(u64) + Sync)) -> Vec<Row> {
    cells::measure(&all(), jobs, tell, |cell| cell.measure(messages))
}

/// How many rows the table has.
pub fn len() -> u64 {
    all().len() as u64
}

fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for carrier in CARRIERS {
        for (channel, delivery) in CHANNELS {
            for loss in LOSSES {
                cells.extend(SIZES.map(|size| Cell { carrier, channel, delivery, loss, size }));
            }
        }
    }
    cells
}

impl Cell {
    fn measure(&self, messages: usize) -> Row {
        let talk = Talk { messages, ..Talk::new(self.carrier, self.delivery, self.loss, self.size) };
        let figures: Figures = talk.measure(Seed::new(1));
        let percentile = |share| round(figures.percentile(share));
        Row {
            event: "row",
            table: "latency",
            stack: "model",
            samples: figures.latencies.len(),
            pipe: self.carrier.name(),
            channel: self.channel,
            loss: self.loss,
            size: self.size,
            one_way_ms: talk.conditions.delay.as_secs_f64() * 1e3,
            hz: talk.hz,
            p50: percentile(0.5),
            p99: percentile(0.99),
            p999: percentile(0.999),
            max: percentile(1.0),
            lost: figures.lost,
            duplicated: figures.duplicated,
            bytes_ratio: round(figures.bytes_ratio),
        }
    }
}

impl Row {
    /// A time, if anything came at all.
    fn came(&self, time: f64) -> Option<f64> {
        (self.samples > 0).then_some(time)
    }
}

/// The table for people.
pub fn text(rows: &[Row]) -> String {
    let mut text =
        String::from("pipe   channel     size  loss      p50      p99     p999      max    lost  twice  bytes\n");
    for row in rows {
        let shown = |time| row.came(time).map_or("-".into(), |time: f64| format!("{time:.1}"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:6} {:10} {:5} {:4.0} % {:>8} {:>8} {:>8} {:>8} {:7} {:6} {:6.2}",
            row.pipe,
            row.channel,
            row.size,
            row.loss * 100.0,
            shown(row.p50),
            shown(row.p99),
            shown(row.p999),
            shown(row.max),
            row.lost,
            row.duplicated,
            row.bytes_ratio
        );
    }
    text
}

/// The 99th percentile over loss, a line for each pipe.
pub fn page(rows: &[Row]) -> Page {
    let mut panels = Vec::new();
    for (channel, _) in CHANNELS {
        for size in SIZES {
            let line = |carrier: Carrier| {
                let of_it =
                    rows.iter().filter(|row| row.pipe == carrier.name() && row.channel == channel && row.size == size);
                Line { name: carrier.name().into(), values: of_it.map(|row| row.came(row.p99)).collect() }
            };
            panels.push(Panel { title: format!("{channel}, {size} bytes"), lines: CARRIERS.map(line).to_vec() });
        }
    }
    Page {
        title: "Latency of 99 in 100 messages, 60 a second each way over 50 ms".into(),
        labels: LOSSES.iter().map(|loss| format!("{:.0} %", loss * 100.0)).collect(),
        axis: "packets lost",
        unit: Unit::Milliseconds,
        panels,
    }
}
