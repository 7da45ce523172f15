//! S12: hosts change with rising epochs, and whoever comes to another line hears first that continuity is lost.

use super::{Check, Fact, Life, Lines};
use std::collections::BTreeMap;
use webstar_core::wire::signal::Epoch;

#[derive(Default)]
pub(crate) struct Turns {
    hosts: BTreeMap<Life, Epoch>,
    lines: BTreeMap<Life, Epoch>,
}

impl Check for Turns {
    fn name(&self) -> &'static str {
        "S12"
    }

    fn on(&mut self, _lines: &Lines, fact: &Fact) -> Result<(), String> {
        let (by, since) = match fact {
            Fact::HostChanged { by, epoch } => {
                return match self.hosts.insert(*by, *epoch) {
                    Some(before) if before >= *epoch => Err(format!("{by:?} goes from {before:?} to {epoch:?}")),
                    _ => Ok(()),
                };
            }
            Fact::ContinuityLost { by, since } => {
                self.lines.insert(*by, *since);
                return Ok(());
            }
            Fact::Delivered { by, since, .. } | Fact::Began { by, since, .. } => (*by, *since),
            Fact::Acked { id, since, .. } => (id.by, *since),
            _ => return Ok(()),
        };
        let line = *self.lines.entry(by).or_insert(since);
        if line == since { Ok(()) } else { Err(format!("{by:?} comes from line {line:?} unwarned: {fact:?}")) }
    }
}
