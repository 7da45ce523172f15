//! The program `webstar`: what can be asked for. Each command has a file of its own.

mod demo;
mod discover;
mod join;
mod load;
mod lobbies;
mod log;
mod replay;
mod serve;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Star networking for games: a lobby server, and players that keep talking when everything else fails.
#[derive(Parser, Debug)]
#[command(name = "webstar", version, arg_required_else_help = true)]
#[command(after_help = "Example:\n  webstar serve\n  webstar join --create room --name ann")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Shows everything in one process: a server, players, a crash, a hand-over.
    Demo(demo::Demo),
    /// Runs a lobby server.
    Serve(serve::Serve),
    /// Joins or makes a lobby and talks.
    Join(Box<join::Join>),
    /// Lists public lobbies.
    Lobbies(lobbies::Lobbies),
    /// Finds servers on the local network.
    Discover(discover::Discover),
    /// Loads a server with players that talk, and measures.
    Load(load::Load),
    /// Lives through a recording again and compares.
    Replay(replay::Replay),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Demo(demo) => demo.go(),
        Command::Serve(serve) => serve.go(),
        Command::Join(join) => join.go(),
        Command::Lobbies(lobbies) => lobbies.go(),
        Command::Discover(discover) => discover.go(),
        Command::Load(load) => load.go(),
        Command::Replay(replay) => replay.go(),
    }
}
