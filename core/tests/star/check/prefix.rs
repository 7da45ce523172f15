//! S7: logs that are whole in one epoch are prefixes of one another.

use super::{Check, Fact, Item, Life, Lines};
use std::collections::BTreeMap;
use webstar_core::star::Position;
use webstar_core::wire::signal::Epoch;

#[derive(Default)]
pub(crate) struct Prefix {
    logs: BTreeMap<Epoch, BTreeMap<Position, (Item, Life)>>,
}

impl Check for Prefix {
    fn name(&self) -> &'static str {
        "S7"
    }

    fn on(&mut self, _lines: &Lines, fact: &Fact) -> Result<(), String> {
        let Fact::Log { by, whole_in, cut, items } = fact else { return Ok(()) };
        let log = self.logs.entry(*whole_in).or_default();
        let mut last = None;
        for (position, item) in items {
            if *position <= *cut || last.is_some_and(|last: Position| last.next() != *position) {
                return Err(format!("{by:?} has a gap before {position:?}, cut {cut:?}"));
            }
            last = Some(*position);
            let (known, of) = *log.entry(*position).or_insert((*item, *by));
            if known != *item {
                return Err(format!("in {whole_in:?} {by:?} has {item:?} at {position:?}, {of:?} {known:?}"));
            }
        }
        Ok(())
    }
}
