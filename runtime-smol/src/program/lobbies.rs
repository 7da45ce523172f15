//! `webstar lobbies`: asks a server which public lobbies it has, and prints them.

use super::join::settings::metadata;
use super::join::values::Pair;
use clap::Args;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use webstar_core::wire::signal::{Filter, Listing, Metadata};
use webstar_smol::client::{ListError, list_lobbies};
use webstar_smol::uri::server_url;

/// Lists public lobbies, the fullest that have room first.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  webstar lobbies ws://127.0.0.1:8080/ws --where region=eu")]
pub(crate) struct Lobbies {
    /// The lobby server
    url: String,
    /// Only lobbies of which this is known
    #[arg(long = "where", value_name = "KEY=VALUE")]
    condition: Vec<Pair>,
    /// A PEM file with certificates that are trusted besides those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// One JSON object a line on standard output
    #[arg(long)]
    json: bool,
}

impl Lobbies {
    pub(crate) fn go(self) -> ExitCode {
        let read = server_url(&self.url).map_err(|error| error.to_string());
        let read = read.and_then(|url| Ok((url, metadata("--where", &Metadata::default(), &self.condition)?)));
        let (url, equal) = match read {
            Ok(read) => read,
            Err(why) => return failed(&why, 2),
        };
        let filter = Filter { equal, ..Filter::default() };
        match async_io::block_on(list_lobbies(&url, filter, self.ca)) {
            Ok(lobbies) => {
                // Nobody reads: nothing is left to do.
                let _ = print(&lobbies, self.json);
                ExitCode::SUCCESS
            }
            Err(error @ ListError::Unreachable(_)) => failed(&error.to_string(), 4),
            Err(error @ ListError::Refused(_)) => failed(&error.to_string(), 3),
        }
    }
}

fn failed(why: &str, code: u8) -> ExitCode {
    eprintln!("webstar: {why}");
    ExitCode::from(code)
}

fn print(lobbies: &[Listing], is_json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for lobby in lobbies {
        let Listing { lobby_id, players, max_players, started, has_password, metadata } = lobby;
        if is_json {
            let line = json!({
                "event": "lobby", "lobby": lobby_id, "players": players, "max_players": max_players,
                "started": started, "has_password": has_password, "metadata": metadata,
            });
            writeln!(out, "{line}")?;
            continue;
        }
        write!(out, "{lobby_id}  {players}/{max_players}")?;
        for (word, holds) in [("started", started), ("password", has_password)] {
            if *holds {
                write!(out, "  {word}")?;
            }
        }
        for (key, value) in metadata.iter() {
            write!(out, "  {}={}", key.escape_debug(), value.escape_debug())?;
        }
        writeln!(out)?;
    }
    if is_json {
        writeln!(out, "{}", json!({"event": "summary", "lobbies": lobbies.len()}))
    } else if lobbies.is_empty() {
        writeln!(out, "no public lobby; make one with: webstar join new --public")
    } else {
        Ok(())
    }
}
