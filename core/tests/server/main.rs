//! The lobby server, fed by hand: every rule of it with exact answers and deadlines.
#![allow(clippy::needless_pass_by_value, reason = "what is said is given away")]
#![allow(clippy::unwrap_used, reason = "what cannot be here is a failure of the test")]

mod allocations;
mod any;
mod attack;
mod back;
mod door;
mod hand;
mod helping;
mod hosts;
mod limits;
mod lobby;
mod promises;
mod records;
mod restart;
mod shards;
mod stars;
mod stuck;
mod talk;
mod views;
