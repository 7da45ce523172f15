//! S6: who goes from one view to the next delivered what the line has committed, or begins anew first.

use super::{Check, Fact, Item, Life, Lines};
use std::collections::BTreeMap;
use webstar_core::star::Position;
use webstar_core::wire::signal::Epoch;

#[derive(Default)]
pub(crate) struct Same {
    /// In which epoch each delivered last.
    last: BTreeMap<Life, Epoch>,
    /// Who delivered what its line does not have: where, and in which epoch the line learnt better.
    strays: BTreeMap<Life, (Epoch, Position)>,
}

impl Check for Same {
    fn name(&self) -> &'static str {
        "S6"
    }

    fn on(&mut self, lines: &Lines, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Began { by, .. } | Fact::ContinuityLost { by, .. } => {
                self.last.remove(by);
                self.strays.remove(by);
            }
            Fact::Committed { since, epoch, position, item, .. } => {
                for (life, seat) in lines.seats.iter().filter(|(_, seat)| seat.since == *since) {
                    if seat.heard.get(position).is_some_and(|id| Item::Message(*id) != *item) {
                        self.strays.insert(*life, (*epoch, *position));
                        if self.last.get(life).is_some_and(|last| last >= epoch) {
                            return Err(format!("{life:?} heard something else than {item:?} at {position:?}"));
                        }
                    }
                }
            }
            Fact::Delivered { by, since, epoch, id, position, .. } => {
                self.last.insert(*by, *epoch);
                let item = lines.committed.get(since).and_then(|line| line.get(position));
                if item.is_some_and(|item| *item != Item::Message(*id)) {
                    let learnt = lines.learnt.get(&(*since, *position)).copied().unwrap_or_default();
                    self.strays.insert(*by, (learnt, *position));
                }
                if let Some((from, position)) = self.strays.get(by)
                    && epoch >= from
                {
                    return Err(format!("{by:?} goes on in {epoch:?} with {:?} at {position:?}", fact));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
