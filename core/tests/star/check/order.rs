//! S3: ordered messages come contiguous, in order and once from each sender, in one order to all; reliable ones once.

use super::line::lane;
use super::{Check, Fact, Id, Life, Lines};
use std::collections::BTreeMap;
use webstar_core::star::{Channel, Position};
use webstar_core::wire::signal::Epoch;

#[derive(Default)]
struct Heard {
    /// The last ordered message: where, and by sender.
    last: Position,
    from: BTreeMap<Life, u64>,
    /// Reliable messages.
    once: BTreeMap<Id, Position>,
}

pub(crate) struct Order {
    /// What is delivered cannot be taken back: reliable, ordered.
    is_safe: [bool; 2],
    heard: BTreeMap<Life, Heard>,
    /// What stands where in each line, of what cannot be taken back.
    places: BTreeMap<(Epoch, Position), Id>,
}

impl Order {
    pub(crate) fn new(is_safe: [bool; 2]) -> Self {
        Order { is_safe, heard: BTreeMap::new(), places: BTreeMap::new() }
    }

    fn hear(&mut self, lines: &Lines, by: Life, since: Epoch, id: Id, position: Position) -> Result<(), String> {
        if !lines.sent.contains_key(&id) {
            return Err(format!("{by:?} hears {id:?}, which nobody sent"));
        }
        if lines.is_for(id, by.player) == Some(false) {
            return Err(format!("{by:?} hears {id:?}, which is not for it"));
        }
        if self.is_safe[lane(id.channel)]
            && let first = *self.places.entry((since, position)).or_insert(id)
            && first != id
        {
            return Err(format!("{by:?} hears {id:?} at {position:?}, where somebody heard {first:?}"));
        }
        let heard = self.heard.entry(by).or_default();
        if id.channel == Channel::Reliable {
            return match heard.once.insert(id, position) {
                Some(before) => Err(format!("{by:?} hears {id:?} twice, at {before:?} and {position:?}")),
                None => Ok(()),
            };
        }
        if position <= heard.last {
            return Err(format!("{by:?} hears {id:?} at {position:?} after {:?}", heard.last));
        }
        heard.last = position;
        let Some(before) = heard.from.insert(id.by, id.seq) else { return Ok(()) };
        if id.seq <= before {
            return Err(format!("{by:?} hears {id:?} after {before}"));
        }
        let forsaken = lines.seats.get(&id.by).map_or(0, |seat| seat.forsaken[1]);
        let missed = (before + 1..id.seq)
            .filter(|seq| *seq > forsaken)
            .find(|seq| lines.is_for(Id { seq: *seq, ..id }, by.player) == Some(true));
        missed.map_or(Ok(()), |seq| Err(format!("{by:?} hears {id:?} after {before}, without {seq}")))
    }
}

impl Check for Order {
    fn name(&self) -> &'static str {
        "S3"
    }

    fn on(&mut self, lines: &Lines, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Began { by, .. } | Fact::ContinuityLost { by, .. } => {
                self.heard.remove(by);
                Ok(())
            }
            Fact::Delivered { by, since, id, position, .. } => {
                let is_behind = lines.seats.get(by).and_then(|seat| seat.base).is_some_and(|base| *position <= base);
                if is_behind {
                    return Err(format!("{by:?} hears {id:?} at {position:?}, which its snapshot holds"));
                }
                self.hear(lines, *by, *since, *id, *position)
            }
            _ => Ok(()),
        }
    }
}
