//! Two machines of the same version never find fault with what the other wrote: what is damaged on the way fails its
//! seal and is another matter.

use super::{Check, Seen};

/// Watches what the machines think of one another's packets.
#[derive(Debug, Default)]
pub struct Honesty;

impl Check for Honesty {
    fn name(&self) -> &'static str {
        "honesty"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match *seen {
            Seen::Judged { side, invalid } if invalid > 0 => {
                Err(format!("{side:?} was sent {invalid} well sealed packets that break the protocol"))
            }
            _ => Ok(()),
        }
    }
}
