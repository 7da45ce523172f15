//! The player machine: what a player holds of the others. [`link`] is its conversation with one of them.

pub mod link;

pub use link::{Input, InputError, Link, LinkConfig, LinkEvent, LinkTimer, Output, PathSetup};
