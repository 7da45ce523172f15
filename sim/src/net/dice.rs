//! The fate of each packet, as a pure function of the pipe's key, the packet's number and what is asked.
//! Nothing is stored, so turning one fault off changes no other packet's luck: runs shrink well.

use crate::seed::{Draw, GOLDEN, below_of, exponential_of, mix, unit_of};

/// What is asked of a packet's fate. Each has its own randomness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub(super) enum Ask {
    /// Is it lost?
    Loss = 1,
    /// Does it arrive twice?
    Duplicate,
    /// Is it damaged?
    Corrupt,
    /// In which way?
    Damage,
    /// How much is it late?
    Jitter,
    /// How much is its copy late?
    CopyJitter,
    /// Is it held back?
    Reorder,
    /// For how long?
    Hold,
    /// How long does this spell of good or bad weather last?
    Spell,
}

/// The dice of one direction of a pipe.
#[derive(Clone, Debug)]
pub(super) struct Dice {
    key: u64,
}

impl Dice {
    pub(super) fn new(draw: &mut Draw) -> Self {
        Dice { key: draw.word() }
    }

    /// The fate of the packet with this number.
    pub(super) fn fate(&self, number: u64) -> Fate {
        Fate(mix(self.key.wrapping_add(number.wrapping_mul(GOLDEN))))
    }
}

/// All that can be asked about one packet; the same question has the same answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate(u64);

impl Fate {
    pub(super) fn word(self, ask: Ask) -> u64 {
        mix(self.0 ^ (ask as u64).wrapping_mul(GOLDEN))
    }

    pub(super) fn chance(self, ask: Ask, probability: f64) -> bool {
        probability > 0.0 && unit_of(self.word(ask)) < probability
    }

    pub(super) fn below(self, ask: Ask, end: u64) -> u64 {
        if end == 0 { 0 } else { below_of(self.word(ask), end) }
    }

    pub(super) fn exponential(self, ask: Ask, mean: u64) -> u64 {
        exponential_of(self.word(ask), mean)
    }
}
