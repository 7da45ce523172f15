//! The promises of the README, each held in virtual time: the figures are the same on every machine.

mod bulk;
mod connections;
mod handing;
mod latency;
mod sharing;
mod switching;
