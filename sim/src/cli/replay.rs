//! `replay`: one seed, told step by step.

use super::{Left, Which};
use crate::profile::panics;
use crate::report::{story, timeline};
use crate::seed::Seed;
use crate::trace::Trace;
use clap::Args;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Runs one seed and tells what happens.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  webstar-sim replay 42 --profile pair --html 42.html")]
pub(super) struct Replay {
    /// The seed.
    seed: u64,
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    left: Left,
    /// Writes everything that happens, one JSON object a line.
    #[arg(long, value_name = "FILE.jsonl")]
    trace: Option<PathBuf>,
    /// Writes a time line to be opened in a browser.
    #[arg(long, value_name = "FILE.html")]
    html: Option<PathBuf>,
}

impl Replay {
    /// True if nothing was broken.
    pub(super) fn go(&self) -> Result<bool, String> {
        let case = self.which.case()?;
        let profile = case.profile;
        panics::hold();
        let mask = self.left.mask();
        let telling = profile.tell(Seed::new(self.seed)).without(&mask);
        println!("seed {} of {} on {}", self.seed, profile.name(), case.carrying.name());
        print!("{}", story::opening(&telling));
        let mut trace = Trace::new(true);
        let outcome = case.run(Seed::new(self.seed), &mask, &mut trace);
        print!("{}", story::changes(&trace, &telling));
        match &outcome.red {
            None => println!("     verdict  nothing is broken"),
            Some(red) => println!("     verdict  {} is broken: {}", red.check, red.why),
        }
        println!("        hash  {:016x}", trace.hash());
        if let Some(path) = &self.trace {
            write_to(path, |out| trace.write(out))?;
        }
        if let Some(path) = &self.html {
            let title = format!("Seed {} of {} on {}", self.seed, profile.name(), case.carrying.name());
            let page = timeline::page(&title, &trace, &telling, outcome.red.as_ref());
            write_to(path, |out| out.write_all(page.as_bytes()))?;
        }
        Ok(outcome.red.is_none())
    }
}

/// Writes a file; an error names it.
pub(super) fn write_to(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> Result<(), String> {
    let written = File::create(path).map(BufWriter::new).and_then(|mut out| {
        write(&mut out)?;
        out.flush()
    });
    written.map_err(|why| format!("{} cannot be written: {why}", path.display()))
}
