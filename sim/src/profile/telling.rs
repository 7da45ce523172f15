//! What was drawn for a seed, in words: for people who replay it. Nothing is judged or run here.

use core::time::Duration;

/// A run's plan in words.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// What the things of `wires` are called: `wire`, `seat`.
    pub noun: &'static str,
    /// The wires by path, or the seats by number.
    pub wires: Vec<String>,
    /// Everything else that holds for the whole run, a line each.
    pub settings: Vec<String>,
    /// What goes wrong, by its number in the plan.
    pub faults: Vec<Misfortune>,
    /// When the last fault is over.
    pub quiet_at: Duration,
}

/// A fault in words.
#[derive(Clone, Debug)]
pub struct Misfortune {
    /// When it happens.
    pub at: Duration,
    /// When it is over, if it is not a matter of a moment.
    pub until: Option<Duration>,
    /// On which wire, or to which seat.
    pub wire: u8,
    /// What happens.
    pub what: String,
}
