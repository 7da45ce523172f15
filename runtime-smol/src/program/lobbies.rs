//! `webstar lobbies`.

use clap::Args;
use std::process::ExitCode;

/// Lists public lobbies.
#[derive(Args, Debug)]
pub(crate) struct Lobbies {}

impl Lobbies {
    pub(crate) fn go(self) -> ExitCode {
        ExitCode::from(2)
    }
}
