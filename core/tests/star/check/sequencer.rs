//! S1: in one epoch one player gives out places and tells how far things are.

use super::{Check, Fact, Life, Lines};
use std::collections::BTreeMap;
use webstar_core::star::Position;
use webstar_core::wire::signal::Epoch;

#[derive(Default)]
pub(crate) struct Sequencer {
    hosts: BTreeMap<Epoch, Life>,
    /// The last place that was given out in an epoch.
    last: BTreeMap<Epoch, Position>,
}

impl Check for Sequencer {
    fn name(&self) -> &'static str {
        "S1"
    }

    fn on(&mut self, _lines: &Lines, fact: &Fact) -> Result<(), String> {
        let (Fact::Appended { by, epoch, .. } | Fact::Marked { by, epoch }) = fact else { return Ok(()) };
        if let Fact::Appended { position, .. } = fact {
            let last = self.last.entry(*epoch).or_default();
            if position <= last && self.hosts.get(epoch) == Some(by) {
                return Err(format!("{by:?} gives out {position:?} after {last:?}"));
            }
            *last = *position;
        }
        let first = *self.hosts.entry(*epoch).or_insert(*by);
        if first == *by { Ok(()) } else { Err(format!("{first:?} and {by:?} are both host in {epoch:?}: {fact:?}")) }
    }
}
