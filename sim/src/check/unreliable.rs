//! `Unreliable`: a message is delivered once at most.

use super::{Check, Seen, index};
use std::collections::BTreeSet;
use webstar_core::wire::frame::Delivery;

/// Watches unreliable messages.
#[derive(Debug, Default)]
pub struct Unreliable {
    /// The numbers delivered, by receiver.
    delivered: [BTreeSet<u64>; 2],
}

impl Check for Unreliable {
    fn name(&self) -> &'static str {
        "unreliable"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let &Seen::Delivered { side, origin: Some(origin), .. } = seen else { return Ok(()) };
        if origin.delivery != Delivery::Unreliable || self.delivered[index(side)].insert(origin.number) {
            return Ok(());
        }
        Err(format!("{side:?} was given Unreliable {:?} message {} twice", origin.priority, origin.number))
    }
}
