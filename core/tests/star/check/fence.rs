//! S2: after promising a view nothing older is delivered, handed on, acknowledged or stored.

use super::{Check, Fact, Life, Lines};
use std::collections::BTreeMap;
use webstar_core::wire::signal::Epoch;

#[derive(Default)]
pub(crate) struct Fence {
    promised: BTreeMap<Life, Epoch>,
}

impl Check for Fence {
    fn name(&self) -> &'static str {
        "S2"
    }

    fn on(&mut self, _lines: &Lines, fact: &Fact) -> Result<(), String> {
        let (by, epoch) = match fact {
            Fact::Promised { by, epoch, bars: true } => {
                let promised = self.promised.entry(*by).or_default();
                *promised = (*promised).max(*epoch);
                return Ok(());
            }
            Fact::Delivered { by, stood: true, .. } => return Err(format!("{by:?} is barred: {fact:?}")),
            Fact::Delivered { by, epoch, .. }
            | Fact::Marked { by, epoch }
            | Fact::Handed { by, epoch }
            | Fact::Appended { by, epoch, .. }
            | Fact::Stored { by, epoch } => (by, epoch),
            _ => return Ok(()),
        };
        match self.promised.get(by) {
            Some(promised) if epoch < promised => Err(format!("{by:?} promised {promised:?}: {fact:?}")),
            _ => Ok(()),
        }
    }
}
