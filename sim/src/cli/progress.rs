//! One line with a bar on a terminal that tells how far long work has come, written over and over. Where nobody watches,
//! nothing.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often the line is written.
const EVERY: Duration = Duration::from_millis(200);

/// Cells of the bar.
const BAR: usize = 28;

/// The line.
#[derive(Debug)]
pub(super) struct Progress {
    total: u64,
    what: &'static str,
    is_on: bool,
    began: Instant,
    said: Mutex<Option<Instant>>,
}

impl Progress {
    /// For so many things of a kind. With `json` somebody else reads: nothing is written.
    pub(super) fn new(total: u64, what: &'static str, json: bool) -> Self {
        let is_on = !json && std::io::stderr().is_terminal();
        Progress { total, what, is_on, began: Instant::now(), said: Mutex::new(None) }
    }

    /// So many are done, of which so many failed.
    pub(super) fn tell(&self, done: u64, failed: u64) {
        if !self.is_on {
            return;
        }
        let Ok(mut said) = self.said.try_lock() else { return };
        if said.is_some_and(|said| said.elapsed() < EVERY) {
            return;
        }
        *said = Some(Instant::now());
        let share = done as f64 / self.total.max(1) as f64;
        let full = (share.min(1.0) * BAR as f64) as usize;
        let bar = format!("\x1b[32m{}\x1b[2m{}\x1b[0m", "━".repeat(full), "━".repeat(BAR - full));
        let left = self.began.elapsed().as_secs_f64() * (1.0 - share) / share.max(1e-9);
        let failed = if failed > 0 { format!(", {failed} failed") } else { String::new() };
        let Progress { total, what, .. } = self;
        eprint!("\r\x1b[K{bar} {:3.0} %  {done} of {total} {what}{failed}, {left:.0} s left", share * 100.0);
        // A line that cannot be written tells nothing, and harms nothing.
        let _ = std::io::stderr().flush();
    }

    /// The line goes away.
    pub(super) fn end(&self) {
        if self.is_on {
            eprint!("\r\x1b[K");
        }
    }
}
