//! `webstar load`: what can be said on its command line, and the summary. The players stand in the files below.

mod churn;
mod files;
mod player;
mod report;
mod run;

use crate::join::ChannelName;
use crate::join::values::duration;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use webstar_core::config;
use webstar_smol::uri::server_url;

/// Loads a server with players that talk, and measures: how long joining took, what arrived, and how late.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  webstar load ws://127.0.0.1:8080/ws --lobbies 10 --players 8 --rate 20 --size 64 \
                        --seconds 10\n  webstar load ws://127.0.0.1:8080/ws --lobbies 625 --players 8 --rate 0 --size \
                        64 --seconds 30 --ramp 10s\n  webstar load ws://127.0.0.1:8080/ws --churn --lobbies 100 \
                        --players 5 --rate 0.2 --seconds 60\n\nExit codes: 0 no errors, 1 errors, 2 usage; if nobody \
                        got in: 3 refused by the server, 4 the server cannot be reached"
)]
pub(crate) struct Load {
    /// The lobby server
    url: String,
    /// How many lobbies
    #[arg(long, default_value_t = 1)]
    lobbies: u32,
    /// Players in each, 1 to 64
    #[arg(long, default_value_t = 8)]
    players: u32,
    /// Messages a second of each player to all others; 0: none
    #[arg(long, value_name = "HZ", default_value_t = 20.0)]
    rate: f64,
    /// Bytes of each message, at least 16, or 20 with --churn
    #[arg(long, value_name = "BYTES", default_value_t = 64)]
    size: usize,
    /// How long they talk
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds)]
    seconds: Duration,
    /// How packets travel
    #[arg(long, value_enum, default_value = "relay")]
    mode: Mode,
    /// How long joining is spread
    #[arg(long, value_name = "S", default_value = "0", value_parser = seconds)]
    ramp: Duration,
    /// What is promised for the messages
    #[arg(long, value_enum, default_value = "unreliable")]
    channel: ChannelName,
    /// A PEM file with certificates that are trusted besides those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Players come, leave and crash all the time, hosts too, in so many lobbies at a time; each is closed after a while
    /// and followed by a new one. Those who stay must hear each other after every change
    #[arg(long)]
    churn: bool,
    /// With --churn: how long a lobby lasts, on the average
    #[arg(long, value_name = "S", default_value = "20", value_parser = seconds, requires = "churn")]
    life: Duration,
    /// With --churn: a lobby is stuck in which somebody does not hear somebody for this long after the last change
    #[arg(long, value_name = "S", default_value = "30", value_parser = seconds, requires = "churn")]
    patience: Duration,
    /// With --churn: what is drawn follows from this number
    #[arg(long, value_name = "N", default_value_t = 1, requires = "churn")]
    seed: u64,
    /// Only the summary, as one JSON object, on standard output
    #[arg(long)]
    json: bool,
}

/// How packets travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Mode {
    /// By WebRTC, and through the lobby server until that is there.
    Hybrid,
    /// Through the lobby server.
    Relay,
}

/// Seconds as a number, or a duration with its unit.
fn seconds(text: &str) -> Result<Duration, String> {
    if text.ends_with(|c: char| c.is_ascii_alphabetic()) { duration(text) } else { duration(&format!("{text}s")) }
}

impl Load {
    pub(crate) fn go(self) -> ExitCode {
        match self.plan() {
            Ok(plan) => run::run(&plan),
            Err(why) => {
                eprintln!("webstar: {why}");
                ExitCode::from(2)
            }
        }
    }

    fn plan(self) -> Result<run::Plan, String> {
        let server = server_url(&self.url).map_err(|error| error.to_string())?;
        if self.lobbies == 0 || !(1..=64).contains(&self.players) {
            return Err("--lobbies is at least 1, and --players 1 to 64".into());
        }
        if self.rate != 0.0 && !(0.001..=1e6).contains(&self.rate) {
            return Err("--rate is 0.001 to 1000000 messages a second, or 0 for none".into());
        }
        let stamp = if self.churn { churn::STAMP } else { player::STAMP };
        if self.size < stamp {
            return Err(format!("--size is at least {stamp} bytes: number and time travel in the message"));
        }
        if self.churn && !matches!(self.channel, ChannelName::Unreliable | ChannelName::Ordered) {
            return Err("with --churn all is said on the ordered channel; leave --channel out".into());
        }
        if self.churn && (self.players < 2 || self.players > churn::MOST_PLAYERS) {
            return Err(format!("with --churn --players is 2 to {}", churn::MOST_PLAYERS));
        }
        let least = Duration::from_secs(1);
        if self.churn && (self.life < least || self.patience < least) {
            return Err("--life and --patience are at least 1 s".into());
        }
        let mode = if self.mode == Mode::Relay { config::Mode::Relay } else { config::Mode::Hybrid };
        // With WebRTC each player has two sockets for datagrams besides. Who leaves takes a moment to be gone.
        let each = if self.mode == Mode::Relay { 1 } else { 3 } * if self.churn { 2 } else { 1 };
        let sockets = each * u64::from(self.lobbies) * u64::from(self.players);
        files::allow(sockets)?;
        let Load { lobbies, players, rate, size, seconds, ramp, life, patience, seed, ca, json, .. } = self;
        let channel = self.channel.into();
        let churn = self.churn.then_some(churn::Churn { life, patience, seed });
        let certificates = ca;
        Ok(run::Plan { server, lobbies, players, rate, size, seconds, ramp, channel, mode, churn, certificates, json })
    }
}
