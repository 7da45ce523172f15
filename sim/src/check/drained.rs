//! L2 for refusals: a lane that refused messages says once, and only then, that there is room again.

use super::{Check, Reference, Seen, index};
use crate::net::Side;
use webstar_core::wire::frame::Priority;

/// Watches full lanes.
#[derive(Debug, Default)]
pub struct Drained {
    /// Whether it has refused and not said since that there is room, by side and priority.
    is_full: [[bool; 4]; 2],
}

impl Drained {
    /// How many lanes have refused and not said since that there is room.
    pub fn pending(&self) -> usize {
        self.is_full.as_flattened().iter().filter(|is_full| **is_full).count()
    }
}

impl Check for Drained {
    fn name(&self) -> &'static str {
        "drained"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let (side, priority, is_full) = match *seen {
            Seen::Refused { side, priority } => (side, priority, true),
            Seen::Drained { side, priority } => (side, priority, false),
            _ => return Ok(()),
        };
        let was_full = core::mem::replace(&mut self.is_full[index(side)][priority as usize], is_full);
        if is_full || was_full {
            return Ok(());
        }
        Err(format!("{side:?} heard that {priority:?} has room again, and it was not full"))
    }

    fn end(&mut self, _: &Reference) -> Result<(), String> {
        for side in Side::BOTH {
            for priority in Priority::ALL {
                if self.is_full[index(side)][priority as usize] {
                    return Err(format!("{side:?} never heard that {priority:?} has room again"));
                }
            }
        }
        Ok(())
    }
}
