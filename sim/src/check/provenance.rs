//! S4: everything delivered was submitted by the other side, and is what it was, byte by byte.

use super::{Check, Seen};

/// Watches where messages come from.
#[derive(Debug, Default)]
pub struct Provenance;

impl Check for Provenance {
    fn name(&self) -> &'static str {
        "provenance"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let &Seen::Delivered { side, message, origin: None } = seen else { return Ok(()) };
        let (delivery, priority, bytes) = (message.delivery, message.priority, message.payload.len());
        Err(format!("{side:?} was given {delivery:?} {priority:?} of {bytes} bytes that {:?} never said", side.other()))
    }
}
