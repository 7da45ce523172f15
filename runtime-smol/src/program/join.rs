//! `webstar join`.

use clap::Args;
use std::process::ExitCode;

/// Joins or makes a lobby and talks.
#[derive(Args, Debug)]
pub(crate) struct Join {}

impl Join {
    pub(crate) fn go(self) -> ExitCode {
        ExitCode::from(2)
    }
}
