//! The log of the program: on standard error, as RUST_LOG wants it.

use std::io;
use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Begins to log; without RUST_LOG, from the level that is `usual`.
pub(crate) fn start(json: bool, usual: &str) -> Result<(), String> {
    let filter = match std::env::var("RUST_LOG") {
        Ok(text) => EnvFilter::try_new(text).map_err(|error| format!("RUST_LOG: {error}"))?,
        Err(_) => EnvFilter::new(usual),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // That standard error is gone would be told on standard error, and who cannot do that panics.
    let log = log.log_internal_errors(false);
    if json {
        log.json().finish().with(filter_fn(is_discreet)).init();
    } else {
        log.with_ansi(false).finish().with(filter_fn(is_discreet)).init();
    }
    Ok(())
}

/// At its lowest level the ICE agent tells its passwords, whatever RUST_LOG wants.
fn is_discreet(said: &Metadata<'_>) -> bool {
    *said.level() != Level::TRACE || !said.target().starts_with("is::")
}
