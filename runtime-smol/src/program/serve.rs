//! `webstar serve`.

use clap::Args;
use std::process::ExitCode;

/// Runs a lobby server.
#[derive(Args, Debug)]
pub(crate) struct Serve {}

impl Serve {
    pub(crate) fn go(self) -> ExitCode {
        ExitCode::from(2)
    }
}
