//! S5: what was acknowledged is committed; what is committed is held by all backups, and is in the log of every later
//! host of the line, or below its cut.

use super::line::lane;
use super::{Check, Fact, Id, Life, Lines};
use std::collections::BTreeMap;
use webstar_core::star::Position;

#[derive(Default)]
pub(crate) struct Kept {
    /// How far each was told that its messages are acknowledged, by channel.
    told: BTreeMap<(Life, usize), u64>,
}

impl Check for Kept {
    fn name(&self) -> &'static str {
        "S5"
    }

    fn on(&mut self, lines: &Lines, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Committed { by, position, absent, .. } if !absent.is_empty() => {
                Err(format!("{by:?} regards {position:?} as committed; not stored by {absent:?}"))
            }
            Fact::Acked { id, is_alone, .. } => {
                let is_committed =
                    |id: Id| lines.committed.keys().any(|since| lines.places.contains_key(&(*since, id)));
                let from = self.told.insert((id.by, lane(id.channel)), id.seq).unwrap_or(0);
                let mut told = (from + 1..=id.seq).map(|seq| Id { seq, ..*id });
                let lost = told.find(|id| !is_alone && !is_committed(*id));
                lost.map_or(Ok(()), |lost| Err(format!("{lost:?} is acknowledged and nowhere committed")))
            }
            Fact::Hosting { by, since, epoch, cut, items } => {
                let Some(line) = lines.committed.get(since) else { return Ok(()) };
                // What newer views have committed is none of its business: it will learn of them.
                let is_older =
                    |position: &Position| lines.learnt.get(&(*since, *position)).is_none_or(|at| at <= epoch);
                for (position, item) in line.range(cut.next()..).filter(|(position, _)| is_older(position)) {
                    let at = items.binary_search_by_key(position, |(position, _)| *position);
                    let held = at.ok().map(|at| items[at].1);
                    if held != Some(*item) {
                        return Err(format!("{by:?} hosts {epoch:?} with {held:?} at {position:?}, not {item:?}"));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
