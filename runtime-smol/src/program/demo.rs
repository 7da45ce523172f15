//! `webstar demo`: everything in one process over real sockets of this machine, with the trouble that WebStar is for. What
//! it does stands in the files below.

mod payload;
mod player;
mod run;
mod table;
mod tally;

use super::log;
use clap::Args;
use std::process::ExitCode;
use std::time::Duration;

/// A server and players in this process talk over real sockets; the host is cut off without a word, and the next one
/// hands over. Everything that is heard is compared with what was said.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  webstar demo --players 8 --seconds 20\n\nExit codes: 0 nothing was lost, doubled or \
                        reordered; 1 something was; 2 usage"
)]
pub(crate) struct Demo {
    /// How many players, 3 to 64
    #[arg(long, value_name = "N", default_value_t = 4)]
    players: u32,
    /// How long they talk, at least 3
    #[arg(long, value_name = "S", default_value_t = 10)]
    seconds: u64,
    /// One JSON object a line on standard output
    #[arg(long)]
    json: bool,
}

impl Demo {
    pub(crate) fn go(self) -> ExitCode {
        match log::start(false, "error").and_then(|()| self.plan()).and_then(run::run) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::from(1),
            Err(why) => {
                eprintln!("webstar: {why}");
                ExitCode::from(2)
            }
        }
    }

    fn plan(&self) -> Result<run::Plan, String> {
        if !(3..=64).contains(&self.players) {
            return Err("--players: 3 to 64; one is cut off, one hands over, and one takes it".into());
        }
        if !(3..=3600).contains(&self.seconds) {
            return Err("--seconds: 3 to 3600".into());
        }
        Ok(run::Plan { players: self.players, talk: Duration::from_secs(self.seconds), is_json: self.json })
    }
}
