//! The profiles: each is a kind of world with its workload and faults, run from one seed to a verdict.

mod mask;
pub mod pair;
pub mod panics;
pub mod star;
mod tally;
mod telling;

pub use mask::{Mask, Numbers};
pub use tally::Tally;
pub use telling::{LaneTelling, Misfortune, Nature, Telling};

use crate::check::Red;
use crate::crypto::Carrying;
use crate::seed::Seed;
use crate::trace::Trace;
use crate::world::Meter;
use core::time::Duration;
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The worlds there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Two players, one session, all link faults.
    Pair,
    /// A server and players without faults.
    Calm,
    /// A server and players with faults of links.
    Lossy,
    /// A server and players with every fault that there is.
    Swarm,
    /// Hosts die while everybody talks.
    Crashy,
    /// A swarm with one member that means harm.
    Hostile,
    /// Six players, no faults and no pause.
    Speed,
    /// Players behind boxes that translate addresses.
    Nat,
    /// Two players, and a direct way between them that breaks and comes back.
    Ladder,
}

impl Profile {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Pair => "pair",
            Profile::Calm => "calm",
            Profile::Lossy => "lossy",
            Profile::Swarm => "swarm",
            Profile::Crashy => "crashy",
            Profile::Hostile => "hostile",
            Profile::Speed => "speed",
            Profile::Nat => "nat",
            Profile::Ladder => "ladder",
        }
    }

    /// Which world with a server it is, if it is one.
    fn mood(self) -> Option<star::Mood> {
        match self {
            Profile::Pair => None,
            Profile::Calm => Some(star::Mood::Calm),
            Profile::Lossy => Some(star::Mood::Lossy),
            Profile::Swarm => Some(star::Mood::Swarm),
            Profile::Crashy => Some(star::Mood::Crashy),
            Profile::Hostile => Some(star::Mood::Hostile),
            Profile::Speed => Some(star::Mood::Speed),
            Profile::Nat => Some(star::Mood::Nat),
            Profile::Ladder => Some(star::Mood::Ladder),
        }
    }

    /// What a seed means, in words.
    pub fn tell(self, seed: Seed) -> Telling {
        match self.mood() {
            None => pair::Plan::draw(seed).tell(),
            Some(mood) => star::Plan::draw(seed, mood).tell(),
        }
    }

    /// Runs a seed on the model. A panic of the machines or of the world is the seed's failure; the trace then ends there.
    pub fn run(self, seed: Seed, trace: &mut Trace) -> Outcome {
        self.run_on(Carrying::Model, seed, &Mask::default(), trace)
    }

    /// Runs a seed of which something is left out, on one of the stacks. Without a server there is only the model.
    pub fn run_on(self, carrying: Carrying, seed: Seed, mask: &Mask, trace: &mut Trace) -> Outcome {
        carrying.alone(seed, || {
            let done = catch_unwind(AssertUnwindSafe(|| match self.mood() {
                None => pair::run_without(seed, mask, trace, pair::Clear),
                Some(mood) => star::run_on(carrying, seed, mood, mask, trace),
            }));
            done.unwrap_or_else(|panic| Outcome::of_panic(&*panic, trace.hash()))
        })
    }
}

/// What came of one seed.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was broken, if anything was.
    pub red: Option<Red>,
    /// How long the run was, in its own time.
    pub lasted: Duration,
    /// How many players it had.
    pub players: u32,
    /// What was counted.
    pub tally: Tally,
    /// The hash of its trace.
    pub hash: u64,
    /// What one player cost, if that was measured.
    pub measured: Option<Meter>,
}

impl Outcome {
    fn of_panic(panic: &(dyn core::any::Any + Send), hash: u64) -> Self {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let said = said.unwrap_or("without a word");
        let why = panics::place().map_or_else(|| said.into(), |place| format!("{said} at {place}"));
        let red = Red { check: "panic", why };
        Outcome { red: Some(red), hash, ..Outcome::default() }
    }
}
