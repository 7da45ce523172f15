//! `report`: measures, and draws curves.

use super::StackName;
use super::progress::Progress;
use super::replay::write_to;
use crate::report::chart::Page;
use crate::report::{false_alarms, joining, latency, migration, real, scale};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::io::Write;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

/// Measures, and draws curves.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  webstar-sim report --table latency --out curves\n  \
    webstar-sim report --table latency --stack webrtc\n  \
    webstar-sim report --table false-alarms --hours 1000 --row 500:0.05:100 --json")]
pub(super) struct Report {
    /// What is measured.
    #[arg(long, value_enum, default_value = "latency")]
    table: Table,
    /// What carries packets.
    #[arg(long, value_enum, default_value = "model")]
    stack: StackName,
    /// Writes the table as JSON and as SVG into this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Threads; one for each core if not given.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Migrations, or joins, of each row.
    #[arg(long, value_name = "N", default_value = "25")]
    runs: NonZeroU32,
    /// Hours in a lobby of each row of false alarms.
    #[arg(long, value_name = "H", default_value_t = 0.5, value_parser = hours)]
    hours: f64,
    /// Only this row of false alarms: T in milliseconds, loss, and jitter in milliseconds. May be given more than once.
    #[arg(long, value_name = "T:LOSS:JITTER")]
    row: Vec<false_alarms::Cell>,
    /// One row a line on the standard output.
    #[arg(long)]
    json: bool,
}

/// Messages each way of each run of a row over real connections.
const MESSAGES: usize = 6_000;

/// The tables that the contract names.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Table {
    Latency,
    Migration,
    FalseAlarms,
    Scale,
    Joining,
}

/// A table that was measured.
struct Measured {
    name: &'static str,
    rows: Vec<serde_json::Value>,
    text: String,
    /// Nothing if only some of the rows were asked for.
    page: Option<Page>,
}

fn hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if hours > 0.0 && hours <= 1e6 { Ok(hours) } else { Err("a time in a lobby is more than nothing".into()) }
}

impl Report {
    /// True: what is measured is not judged here.
    pub(super) fn go(&self) -> Result<bool, String> {
        if !matches!(self.table, Table::Latency | Table::Joining) {
            self.stack.check_report()?;
        }
        // What cannot be written is noticed before minutes of work, not after.
        if let Some(dir) = &self.out {
            std::fs::create_dir_all(dir).map_err(|why| format!("{} cannot be made: {why}", dir.display()))?;
        }
        let Measured { name, rows, text, page } = self.measure();
        if self.json {
            rows.iter().for_each(|row| println!("{row}"));
        } else {
            print!("{text}");
        }
        if let Some(dir) = &self.out {
            let file = |end: &str| dir.join(format!("{name}.{end}"));
            write_to(&file("json"), |out| Ok(serde_json::to_writer_pretty(out, &rows)?))?;
            if let Some(page) = page {
                write_to(&file("svg"), |out| out.write_all(page.svg().as_bytes()))?;
            }
        }
        Ok(true)
    }

    fn measure(&self) -> Measured {
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let watch = |total, what| Progress::new(total, what, self.json);
        match self.table {
            Table::Latency if !self.stack.carrying().is_model() => {
                let cells = real::all();
                let progress = watch(cells.len() as u64, "rows");
                let rows = real::measure(self.stack.carrying(), &cells, MESSAGES, jobs, &|done| progress.tell(done, 0));
                progress.end();
                measured("latency-real", &rows, real::text(&rows), None)
            }
            Table::Latency => {
                let progress = watch(latency::len(), "rows");
                let rows = latency::measure(jobs, &|done| progress.tell(done, 0));
                progress.end();
                measured("latency", &rows, latency::text(&rows), Some(latency::page(&rows)))
            }
            Table::Migration => {
                let progress = watch(migration::len(), "rows");
                let rows = migration::measure(self.runs.get(), jobs, &|done| progress.tell(done, 0));
                progress.end();
                measured("migration", &rows, migration::text(&rows), Some(migration::page(&rows)))
            }
            Table::FalseAlarms => {
                let cells = if self.row.is_empty() { false_alarms::all() } else { self.row.clone() };
                let progress = watch(false_alarms::len(&cells, self.hours), "lobbies");
                let rows = false_alarms::measure(&cells, self.hours, jobs, &|done| progress.tell(done, 0));
                progress.end();
                let page = self.row.is_empty().then(|| false_alarms::page(&rows));
                measured("false-alarms", &rows, false_alarms::text(&rows), page)
            }
            Table::Joining => {
                let progress = watch(joining::LOSSES.len() as u64, "rows");
                let (carrying, runs) = (self.stack.carrying(), self.runs.get());
                let rows = joining::measure(carrying, runs, jobs, &|done| progress.tell(done, 0));
                progress.end();
                measured("joining", &rows, joining::text(&rows), None)
            }
            Table::Scale => {
                let progress = watch(scale::len(), "rows");
                let rows = scale::measure(&|done| progress.tell(done, 0));
                progress.end();
                measured("scale", &rows, scale::text(&rows), Some(scale::page(&rows)))
            }
        }
    }
}

fn measured(name: &'static str, rows: &[impl Serialize], text: String, page: Option<Page>) -> Measured {
    let rows = rows.iter().map(|row| serde_json::to_value(row).expect("a row is plain")).collect();
    Measured { name, rows, text, page }
}
