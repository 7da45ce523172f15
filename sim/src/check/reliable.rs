//! S3 for `Reliable`: every message is delivered once.

use super::{Check, Reference, Seen, index};
use crate::net::Side;
use std::collections::BTreeSet;
use webstar_core::wire::frame::Delivery;

/// Watches reliable messages.
#[derive(Debug, Default)]
pub struct Reliable {
    /// The numbers delivered, by receiver.
    delivered: [BTreeSet<u64>; 2],
}

impl Check for Reliable {
    fn name(&self) -> &'static str {
        "reliable"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let &Seen::Delivered { side, origin: Some(origin), .. } = seen else { return Ok(()) };
        if origin.delivery != Delivery::Reliable || self.delivered[index(side)].insert(origin.number) {
            return Ok(());
        }
        Err(format!("{side:?} was given Reliable {:?} message {} twice", origin.priority, origin.number))
    }

    fn end(&mut self, reference: &Reference) -> Result<(), String> {
        for side in Side::BOTH {
            let submitted = reference.of(side.other()).iter().filter(|s| s.delivery == Delivery::Reliable);
            let delivered = &self.delivered[index(side)];
            if let Some(lost) = { submitted }.find(|s| !delivered.contains(&s.number)) {
                return Err(format!(
                    "{side:?} was never given Reliable {:?} message {}, which is acknowledged",
                    lost.priority, lost.number
                ));
            }
        }
        Ok(())
    }
}
