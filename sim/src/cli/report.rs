//! `report`: measures, and draws curves.

use super::StackName;
use super::progress::Progress;
use super::replay::write_to;
use crate::report::chart::Page;
use crate::report::document::{self, About, Chapter};
use crate::report::{false_alarms, joining, latency, migration, real, scale};
use clap::{Args, ValueEnum};
use serde::Serialize;
use std::fs::create_dir_all;
use std::io::Write;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Measures, and draws curves.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  webstar-sim report --table latency --out curves\n  \
    webstar-sim report --table latency --stack webrtc\n  \
    webstar-sim report --table false-alarms --hours 1000 --row 500:0.05:100 --json\n  \
    webstar-sim report --docs docs")]
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
    /// Runs the tables latency, migration, false-alarms and scale, and writes DIR/measurements.md with curves beside it.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["table", "stack", "out", "row", "json", "check"])]
    docs: Option<PathBuf>,
    /// Judges the scale table: from 8 to 64 players a delivery may cost a host a fifth more packets and bytes at most.
    #[arg(long)]
    check: bool,
    /// Threads; one for each core if not given.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Messages each way of each row of latency on the model.
    #[arg(long, value_name = "N", default_value_t = latency::MESSAGES, value_parser = messages)]
    messages: usize,
    /// The largest lobby of the scale table.
    #[arg(long, value_name = "N", default_value = "64", value_parser = clap::value_parser!(u16).range(2..=64))]
    most_players: u16,
    /// Migrations, or joins, of each row.
    #[arg(long, value_name = "N", default_value_t = RUNS)]
    runs: NonZeroU32,
    /// Hours in a lobby of each row of false alarms.
    #[arg(long, value_name = "H", default_value_t = HOURS, value_parser = hours)]
    hours: f64,
    /// Only this row of false alarms: T in milliseconds, loss, and jitter in milliseconds. May be given more than once.
    #[arg(long, value_name = "T:LOSS:JITTER")]
    row: Vec<false_alarms::Cell>,
    /// One row a line on the standard output.
    #[arg(long)]
    json: bool,
}

/// Migrations or joins of a row, if nothing else is said.
const RUNS: NonZeroU32 = NonZeroU32::new(25).expect("25 is not zero");
/// Hours of a row of false alarms, if nothing else is said.
const HOURS: f64 = 0.5;
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
    /// What is to be said about it, if it is judged; as an error, if it is not as it should be.
    verdict: Option<Result<String, String>>,
}

fn messages(text: &str) -> Result<usize, String> {
    let messages: usize = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if (1..=10_000_000).contains(&messages) {
        Ok(messages)
    } else {
        Err("at least one message, at most 10000000".into())
    }
}

fn hours(text: &str) -> Result<f64, String> {
    let hours: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    if hours > 0.0 && hours <= 1e6 { Ok(hours) } else { Err("a time in a lobby is more than nothing".into()) }
}

impl Report {
    /// False: it was to be judged, and is not as it should be.
    pub(super) fn go(&self) -> Result<bool, String> {
        if let Some(dir) = &self.docs {
            return self.write_documents(dir).map(|()| true);
        }
        if self.check && (self.table != Table::Scale || self.most_players < 64) {
            return Err("--check compares lobbies of 8 and 64 players: it goes with --table scale alone".into());
        }
        if !matches!(self.table, Table::Latency | Table::Joining) {
            self.stack.check_report()?;
        }
        // What cannot be written is noticed before minutes of work, not after.
        if let Some(dir) = &self.out {
            made(dir)?;
        }
        let Measured { name, rows, text, page, verdict } = self.measure(self.table);
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
        let verdict = verdict.filter(|_| self.check);
        if let Some(Ok(told) | Err(told)) = &verdict {
            eprintln!("{told}");
        }
        Ok(verdict.is_none_or(|verdict| verdict.is_ok()))
    }

    /// Measures all tables of the document, and writes it.
    fn write_documents(&self, dir: &Path) -> Result<(), String> {
        let curves = dir.join("measurements");
        made(&curves)?;
        let began = Instant::now();
        let tables: [(&About, Table, String); 4] = [
            (&document::LATENCY, Table::Latency, self.said(&["messages"])),
            (&document::MIGRATION, Table::Migration, self.said(&["runs"])),
            (&document::FALSE_ALARMS, Table::FalseAlarms, self.said(&["hours"])),
            (&document::SCALE, Table::Scale, self.said(&["most-players"])),
        ];
        let mut chapters = Vec::new();
        for (about, table, arguments) in tables {
            let Measured { text, page, .. } = self.measure(table);
            let page = page.expect("no table of the document is measured in part");
            write_to(&curves.join(format!("{}.svg", about.name)), |out| out.write_all(page.svg().as_bytes()))?;
            chapters.push(Chapter { about, arguments, text });
        }
        let command = format!("report --docs docs{}", self.said(&["messages", "runs", "hours", "most-players"]));
        let text = document::markdown(&chapters, &command, began.elapsed(), self.jobs());
        write_to(&dir.join("measurements.md"), |out| out.write_all(text.as_bytes()))
    }

    /// Those of these sizes that are not as usual, as they are written on the command line.
    fn said(&self, names: &[&str]) -> String {
        let sizes = [
            ("messages", self.messages.to_string(), self.messages != latency::MESSAGES),
            ("runs", self.runs.to_string(), self.runs != RUNS),
            ("hours", self.hours.to_string(), self.hours != HOURS),
            ("most-players", self.most_players.to_string(), self.most_players != 64),
        ];
        let said = sizes.iter().filter(|(name, _, is_said)| *is_said && names.contains(name));
        said.map(|(name, value, _)| format!(" --{name} {value}")).collect()
    }

    fn jobs(&self) -> usize {
        self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }

    fn measure(&self, table: Table) -> Measured {
        let jobs = self.jobs();
        let watch = |total, what| Progress::new(total, what, self.json);
        match table {
            Table::Latency if !self.stack.carrying().is_model() => {
                let cells = real::all();
                let progress = watch(cells.len() as u64, "rows");
                let rows = real::measure(self.stack.carrying(), &cells, MESSAGES, jobs, &|done| progress.tell(done, 0));
                progress.end();
                measured("latency-real", &rows, real::text(&rows), None)
            }
            Table::Latency => {
                let progress = watch(latency::len(), "rows");
                let rows = latency::measure(self.messages, jobs, &|done| progress.tell(done, 0));
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
                let progress = watch(scale::len(self.most_players), "rows");
                let rows = scale::measure(self.most_players, &|done| progress.tell(done, 0));
                progress.end();
                let verdict = Some(scale::judge(&rows));
                Measured { verdict, ..measured("scale", &rows, scale::text(&rows), Some(scale::page(&rows))) }
            }
        }
    }
}

fn measured(name: &'static str, rows: &[impl Serialize], text: String, page: Option<Page>) -> Measured {
    let rows = rows.iter().map(|row| serde_json::to_value(row).expect("a row is plain")).collect();
    Measured { name, rows, text, page, verdict: None }
}

/// Makes a directory; an error names it.
fn made(dir: &Path) -> Result<(), String> {
    create_dir_all(dir).map_err(|why| format!("{} cannot be made: {why}", dir.display()))
}
