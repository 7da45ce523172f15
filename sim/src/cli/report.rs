//! `report`: measures, and draws curves.

use super::progress::Progress;
use super::replay::write_to;
use super::{StackName, name};
use crate::report::latency;
use clap::{Args, ValueEnum};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Measures, and draws curves.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  webstar-sim report --table latency --out curves")]
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
    /// One row a line on the standard output.
    #[arg(long)]
    json: bool,
}

/// The tables that the contract names.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Table {
    Latency,
    Migration,
    FalseAlarms,
    Scale,
}

impl Report {
    /// True: what is measured is not judged here.
    pub(super) fn go(&self) -> Result<bool, String> {
        self.stack.check()?;
        if self.table != Table::Latency {
            return Err(format!("table `{}` does not exist yet; there is `latency`", name(&self.table)));
        }
        let out = self.out.as_ref();
        // What cannot be written is noticed before minutes of work, not after.
        if let Some(dir) = out {
            std::fs::create_dir_all(dir).map_err(|why| format!("{} cannot be made: {why}", dir.display()))?;
        }
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let progress = Progress::new(latency::len(), "rows", self.json);
        let rows = latency::measure(jobs, &|done| progress.tell(done, 0));
        progress.end();
        if self.json {
            for row in &rows {
                println!("{}", serde_json::to_string(row).expect("a row is plain"));
            }
        } else {
            print!("{}", latency::text(&rows));
        }
        if let Some(dir) = out {
            write_to(&dir.join("latency.json"), |out| Ok(serde_json::to_writer_pretty(out, &rows)?))?;
            write_to(&dir.join("latency.svg"), |out| out.write_all(latency::page(&rows).svg().as_bytes()))?;
        }
        Ok(true)
    }
}
