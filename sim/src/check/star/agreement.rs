//! S3 for all together: within one host's life all members are given ordered messages in one common order. Members hear
//! different selections, so what is checked is that some one order agrees with every selection.

use super::chronicle::host_life;
use super::{Cast, Check, Life, Room, Seen};
use std::collections::BTreeMap;
use webstar_core::peer::Channel;
use webstar_core::wire::signal::Epoch;

/// By hearer and how often it began anew: the numbers of what was delivered.
type Selections = BTreeMap<(Life, u32), Vec<u32>>;

/// Watches the order that all have in common.
#[derive(Debug, Default)]
pub struct Agreement {
    /// By lobby and host's life.
    heard: BTreeMap<(Room, Epoch), Selections>,
    /// How often a hearer began anew.
    begun: BTreeMap<Life, u32>,
}

impl Check for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        match *seen {
            Seen::Delivered { origin: Some(origin), .. } if origin.channel == Some(Channel::Ordered) => {
                let person = cast.person(life);
                let by_life = self.heard.entry((person.room, host_life(person.epoch))).or_default();
                let begun = self.begun.get(&life).copied().unwrap_or(0);
                by_life.entry((life, begun)).or_default().push(origin.number);
            }
            Seen::ContinuityLost | Seen::Started(_) | Seen::Resynced(_) => *self.begun.entry(life).or_default() += 1,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, cast: &Cast) -> Result<(), String> {
        for ((room, epoch), by_life) in &self.heard {
            if let Some(number) = entangled(by_life) {
                let origin = &cast.submissions()[number as usize];
                return Err(format!(
                    "no one order agrees with what the members of lobby {} were given in epoch {epoch}: {} stands before \
                     itself",
                    room.lobby,
                    origin.name()
                ));
            }
        }
        Ok(())
    }
}

/// A message that would have to stand before itself, if there is one: what is left when everything that nothing has to
/// precede is taken away again and again.
fn entangled(by_life: &Selections) -> Option<u32> {
    let mut next: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    let mut preceded: BTreeMap<u32, u32> = BTreeMap::new();
    for heard in by_life.values() {
        heard.iter().for_each(|number| _ = preceded.entry(*number).or_default());
        for pair in heard.windows(2) {
            next.entry(pair[0]).or_default().push(pair[1]);
            *preceded.entry(pair[1]).or_default() += 1;
        }
    }
    let mut free: Vec<u32> = preceded.iter().filter(|(_, count)| **count == 0).map(|(number, _)| *number).collect();
    while let Some(number) = free.pop() {
        preceded.remove(&number);
        for later in next.remove(&number).unwrap_or_default() {
            let count = preceded.get_mut(&later).expect("it waits for this one");
            *count -= 1;
            if *count == 0 {
                free.push(later);
            }
        }
    }
    preceded.keys().next().copied()
}
