//! The way between one player and the server: what all its connections have in common. Connections themselves are
//! cables.

use crate::net::{LinkConfig as Conditions, Side};
use core::time::Duration;

/// What is true of the way between a player (side A) and the server (side B).
#[derive(Clone, Debug)]
pub struct Line {
    /// By sending side.
    pub(super) conditions: [Conditions; 2],
    /// By sending side: how many cuts lie on it.
    cuts: [u32; 2],
    /// Whether the player's side takes what arrives.
    pub(super) is_reading: bool,
    /// Whether the server refuses connections from here.
    pub(super) is_refused: bool,
}

impl Line {
    /// A way with these conditions, by sending side.
    pub fn new(conditions: [Conditions; 2]) -> Self {
        Line { conditions, cuts: [0; 2], is_reading: true, is_refused: false }
    }

    /// One cut more, or one fewer, of the way from this side.
    pub(super) fn cut(&mut self, from: Side, is_cut: bool) {
        let cuts = &mut self.cuts[usize::from(from == Side::B)];
        *cuts = if is_cut { *cuts + 1 } else { cuts.saturating_sub(1) };
    }

    /// No cut is left.
    pub(super) fn heal(&mut self) {
        self.cuts = [0; 2];
    }

    pub(super) fn is_up(&self, from: Side) -> bool {
        self.cuts[usize::from(from == Side::B)] == 0
    }

    pub(super) fn is_clear(&self) -> bool {
        self.cuts == [0; 2]
    }

    /// From this side to the other without jitter.
    pub(super) fn delay(&self, from: Side) -> Duration {
        self.conditions[usize::from(from == Side::B)].delay
    }

    /// There and back without jitter.
    pub(super) fn round_trip(&self) -> Duration {
        self.conditions[0].delay + self.conditions[1].delay
    }
}
