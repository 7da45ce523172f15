//! What was drawn for a seed, in words: for people who replay it. Nothing is judged or run here.

use super::Mask;
use core::time::Duration;

/// A run's plan in words.
#[derive(Clone, Debug, Default)]
pub struct Telling {
    /// What the things of `wires` are called: `wire`, `seat`.
    pub noun: &'static str,
    /// The wires by path, or the seats by number.
    pub wires: Vec<String>,
    /// The lane of each seat, where there are seats.
    pub lanes: Vec<LaneTelling>,
    /// Everything else that holds for the whole run, a line each.
    pub settings: Vec<String>,
    /// What goes wrong, by its number in the plan.
    pub faults: Vec<Misfortune>,
    /// At how many moments something is said.
    pub messages: u32,
    /// When the last fault is over.
    pub quiet_at: Duration,
}

/// Who sits at a seat.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaneTelling {
    /// In which lobby, by number.
    pub lobby: u8,
    /// As what: `player`, `spectator`, `guest`.
    pub part: &'static str,
}

/// A fault in words.
#[derive(Clone, Debug)]
pub struct Misfortune {
    /// When it happens.
    pub at: Duration,
    /// When it is over, if it is not a matter of a moment.
    pub until: Option<Duration>,
    /// On which wire, or to which seat; [`Telling::SERVER`] is the server.
    pub wire: u16,
    /// What happens.
    pub what: String,
    /// What kind of thing it is.
    pub nature: Nature,
    /// It is left out of this run.
    pub is_left_out: bool,
}

/// What kind of thing a fault is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nature {
    /// Something breaks.
    Harm,
    /// What another one broke is whole again.
    Relief,
    /// Nothing breaks, but the way becomes another.
    Weather,
}

impl Telling {
    /// The server's number among the seats.
    pub const SERVER: u16 = u16::MAX;

    /// The same plan, of which this is left out.
    pub fn without(mut self, mask: &Mask) -> Telling {
        for (number, fault) in self.faults.iter_mut().enumerate() {
            fault.is_left_out = mask.faults.has(number) || self.noun == "seat" && mask.seats.has(fault.wire.into());
        }
        if !mask.is_empty() {
            self.settings.push(format!("left out:{mask}"));
        }
        self
    }
}
