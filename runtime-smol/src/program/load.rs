//! `webstar load`.

use clap::Args;
use std::process::ExitCode;

/// Loads a server with players that talk, and measures.
#[derive(Args, Debug)]
pub(crate) struct Load {}

impl Load {
    pub(crate) fn go(self) -> ExitCode {
        ExitCode::from(2)
    }
}
