//! `webstar-sim`: the simulator on the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    webstar_sim::cli::main()
}
