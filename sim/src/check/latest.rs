//! `Latest`: what is delivered of a key never goes back, and its last value arrives in the end.

use super::{Check, Reference, Seen, index};
use crate::net::Side;
use std::collections::BTreeMap;
use webstar_core::wire::frame::{Delivery, Priority};

/// Watches latest-only messages.
#[derive(Debug, Default)]
pub struct Latest {
    /// The newest place delivered, by receiver, priority and key.
    newest: [BTreeMap<(Priority, u32), u64>; 2],
}

impl Check for Latest {
    fn name(&self) -> &'static str {
        "latest"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let &Seen::Delivered { side, origin: Some(origin), .. } = seen else { return Ok(()) };
        if origin.delivery != Delivery::Latest {
            return Ok(());
        }
        let (key, place) = (origin.key, origin.place);
        match self.newest[index(side)].insert((origin.priority, key), place) {
            Some(newest) if newest >= place => Err(format!(
                "{side:?} was given Latest {:?} number {place} of key {key} after number {newest}",
                origin.priority
            )),
            _ => Ok(()),
        }
    }

    fn end(&mut self, reference: &Reference) -> Result<(), String> {
        for side in Side::BOTH {
            let mut last = BTreeMap::new();
            for submission in reference.of(side.other()).iter().filter(|s| s.delivery == Delivery::Latest) {
                last.insert((submission.priority, submission.key), submission.place);
            }
            for ((priority, key), place) in last {
                let newest = self.newest[index(side)].get(&(priority, key));
                if newest != Some(&place) {
                    return Err(format!(
                        "{side:?} has {newest:?} as the newest of Latest {priority:?} key {key}, and not {place}"
                    ));
                }
            }
        }
        Ok(())
    }
}
