//! The command line: what can be asked for, and what is said to somebody who asks for something else. What is asked
//! for is done by one module per command.

mod progress;
mod replay;
mod report;
mod run;
mod shrink;

use crate::crypto::Carrying;
use crate::profile::{Mask, Numbers, Outcome, Profile};
use crate::seed::Seed;
use crate::trace::Trace;
use clap::{Args, Parser, Subcommand, ValueEnum};
use core::ops::Range;
use core::str::FromStr;
use std::process::ExitCode;

/// Something was found broken.
const FOUND: u8 = 1;
/// The command line cannot be followed.
const USAGE: u8 = 2;

/// WebStar in a simulated world: whole networks with all their faults, each replayed from one number.
#[derive(Parser, Debug)]
#[command(name = "webstar-sim", version, arg_required_else_help = true)]
#[command(after_help = "Example:\n  webstar-sim run --profile pair --seeds 0..1000")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs many seeds and sums up; a seed that fails is told with the command that replays it.
    Run(run::Run),
    /// Runs one seed and tells what happens.
    Replay(replay::Replay),
    /// Cuts a failing seed down to the fewest seats, faults and messages that still break the same property.
    Shrink(shrink::Shrink),
    /// Measures, and draws curves.
    Report(report::Report),
}

/// What is left out of a run, as `shrink` tells it.
#[derive(Args, Clone, Debug)]
struct Left {
    /// Leaves these faults out, by number: `0-4,7`.
    #[arg(long, value_name = "NUMBERS", default_value_t, hide_default_value = true)]
    without_faults: Numbers,
    /// Leaves these seats empty.
    #[arg(long, value_name = "NUMBERS", default_value_t, hide_default_value = true)]
    without_seats: Numbers,
    /// Leaves out what is said at these moments, by number.
    #[arg(long, value_name = "NUMBERS", default_value_t, hide_default_value = true)]
    without_messages: Numbers,
}

impl Left {
    fn of(mask: &Mask) -> Left {
        let Mask { faults, seats, messages } = mask.clone();
        Left { without_faults: faults, without_seats: seats, without_messages: messages }
    }

    fn mask(&self) -> Mask {
        let Left { without_faults, without_seats, without_messages } = self.clone();
        Mask { faults: without_faults, seats: without_seats, messages: without_messages }
    }
}

/// Which world.
#[derive(Args, Clone, Copy, Debug)]
struct Which {
    /// What carries packets: `model` paths, or real ICE, SRTP and SCTP (`webrtc`), and real DTLS too (`dtls`).
    #[arg(long, value_enum, default_value = "model")]
    stack: StackName,
    /// Which players, workload and faults.
    #[arg(long, value_enum, default_value = "pair")]
    profile: ProfileName,
}

/// The stacks that the contract names.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum StackName {
    Model,
    Webrtc,
    Dtls,
}

/// The profiles that the contract names.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum ProfileName {
    Pair,
    Swarm,
    Calm,
    Lossy,
    Crashy,
    Nat,
    Ladder,
    Hostile,
    Speed,
}

/// A world, and what carries packets in it.
#[derive(Clone, Copy, Debug)]
struct Case {
    profile: Profile,
    carrying: Carrying,
}

impl Case {
    /// Runs a seed of which something is left out.
    fn run(self, seed: Seed, mask: &Mask, trace: &mut Trace) -> Outcome {
        self.profile.run_on(self.carrying, seed, mask, trace)
    }

    /// The arguments that ask for it.
    fn arguments(self) -> String {
        match self.carrying {
            Carrying::Model => format!("--profile {}", self.profile.name()),
            other => format!("--stack {} --profile {}", other.name(), self.profile.name()),
        }
    }
}

impl Which {
    /// The world, or a line that tells which ones there are.
    fn case(self) -> Result<Case, String> {
        let profile = match self.profile {
            ProfileName::Pair => Profile::Pair,
            ProfileName::Calm => Profile::Calm,
            ProfileName::Lossy => Profile::Lossy,
            ProfileName::Swarm => Profile::Swarm,
            ProfileName::Crashy => Profile::Crashy,
            ProfileName::Hostile => Profile::Hostile,
            ProfileName::Speed => Profile::Speed,
            ProfileName::Nat => Profile::Nat,
            ProfileName::Ladder => Profile::Ladder,
        };
        let carrying = self.stack.carrying();
        if profile == Profile::Pair && !carrying.is_model() {
            return Err("profile `pair` has no server to negotiate through: its stack is `model`".into());
        }
        Ok(Case { profile, carrying })
    }
}

impl StackName {
    fn carrying(self) -> Carrying {
        match self {
            StackName::Model => Carrying::Model,
            StackName::Webrtc => Carrying::Webrtc,
            StackName::Dtls => Carrying::Dtls,
        }
    }

    /// Whether reports can be made on it.
    fn check_report(self) -> Result<(), String> {
        match self {
            StackName::Model => Ok(()),
            other => Err(format!("reports on stack `{}` do not exist yet; there is `model`", name(&other))),
        }
    }
}

fn name(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().into())
}

/// Seeds from the first up to, not including, the second.
#[derive(Clone, Debug)]
struct Seeds(Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("`{text}` is no range of seeds; write `0..1000` for 0 up to, not including, 1000");
        let (from, to) = text.split_once("..").ok_or_else(wanted)?;
        let range = from.parse().map_err(|_| wanted())?..to.parse().map_err(|_| wanted())?;
        if range.is_empty() { Err(format!("there is no seed in `{text}`")) } else { Ok(Seeds(range)) }
    }
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(run) => run.go(),
        Command::Replay(replay) => replay.go(),
        Command::Shrink(shrink) => shrink.go(),
        Command::Report(report) => report.go(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FOUND),
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(USAGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn seeds_are_a_range_that_holds_some() {
        assert_eq!("3..5".parse::<Seeds>().map(|seeds| seeds.0), Ok(3..5));
        for wrong in ["", "3", "3..", "..5", "5..5", "5..3", "-1..3", "3...5"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }
}
