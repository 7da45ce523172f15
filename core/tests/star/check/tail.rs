//! S8: after a snapshot at `p` comes everything that is meant for the player from `p + 1` on, and the snapshot holds
//! what was said up to `p`.

use super::{Check, Fact, Item, Life, Lines, Why};
use std::collections::BTreeSet;
use webstar_core::star::Channel;

#[derive(Default)]
pub(crate) struct Tail {
    started: BTreeSet<Life>,
}

impl Check for Tail {
    fn name(&self) -> &'static str {
        "S8"
    }

    fn on(&mut self, lines: &Lines, fact: &Fact) -> Result<(), String> {
        if let Fact::Began { by, why: Why::Started, .. } = fact
            && !self.started.insert(*by)
        {
            return Err(format!("{by:?} starts a second time: {fact:?}"));
        }
        match fact {
            Fact::Began { by, since, position, game: Some(game), .. } => match lines.game_at(*since, *position) {
                Some(known) if known != *game => {
                    Err(format!("{by:?} begins at {position:?} with {game:?}, not {known:?}"))
                }
                _ => Ok(()),
            },
            Fact::Delivered { by, since, id, position, .. } if id.channel == Channel::Ordered => {
                let (Some(seat), Some(line)) = (lines.seats.get(by), lines.committed.get(since)) else { return Ok(()) };
                let Some(base) = seat.base else { return Ok(()) };
                for (at, item) in line.range(base.next()..*position).rev() {
                    let Item::Message(other) = item else { continue };
                    if other.channel == Channel::Ordered && lines.is_for(*other, by.player) == Some(true) {
                        let has = seat.heard.contains_key(at);
                        return if has {
                            Ok(())
                        } else {
                            Err(format!("{by:?} has {position:?} without {other:?} at {at:?}"))
                        };
                    }
                }
                Ok(())
            }
            Fact::Quiet { standings } => {
                for standing in standings {
                    let Some(seat) = lines.seats.get(&standing.life) else { continue };
                    let (Some(base), Some(line)) = (seat.base, lines.committed.get(&seat.since)) else { continue };
                    for (at, item) in line.range(base.next()..) {
                        if let Item::Message(id) = item
                            && lines.is_for(*id, standing.life.player) == Some(true)
                            && !seat.heard.contains_key(at)
                        {
                            return Err(format!("{:?} never heard {id:?} at {at:?}; began at {base:?}", standing.life));
                        }
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
