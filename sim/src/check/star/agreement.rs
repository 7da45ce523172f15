//! S3 for all together: within one host's life all members are given ordered messages in one common order. Members hear
//! different selections, so what is checked is that some one order agrees with every selection.

use super::chronicle::host_life;
use super::{Cast, Check, Life, Lives, Room, Seen};
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
    begun: Lives<u32>,
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
                let begun = self.begun.get(life).copied().unwrap_or(0);
                by_life.entry((life, begun)).or_default().push(origin.number);
            }
            Seen::ContinuityLost | Seen::Started(_) | Seen::Resynced(_) => *self.begun.or_default(life) += 1,
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
    let end = by_life.values().flatten().max().map_or(0, |last| *last as usize + 1);
    // By number: how many stand directly before it, if it was heard, and the last of the pairs that it begins.
    let mut preceded: Vec<Option<u32>> = vec![None; end];
    let mut last_pair: Vec<Option<usize>> = vec![None; end];
    // Each with the pair before that begins alike.
    let mut pairs: Vec<(u32, Option<usize>)> = Vec::with_capacity(by_life.values().map(Vec::len).sum());
    for heard in by_life.values() {
        heard.iter().for_each(|number| _ = preceded[*number as usize].get_or_insert(0));
        for pair in heard.windows(2) {
            let before = last_pair[pair[0] as usize].replace(pairs.len());
            pairs.push((pair[1], before));
            *preceded[pair[1] as usize].get_or_insert(0) += 1;
        }
    }
    let mut free: Vec<usize> = (0..end).filter(|number| preceded[*number] == Some(0)).collect();
    while let Some(number) = free.pop() {
        preceded[number] = None;
        let mut next = last_pair[number];
        while let Some((later, before)) = next.map(|pair| pairs[pair]) {
            let count = preceded[later as usize].as_mut().expect("it waits for this one");
            *count -= 1;
            if *count == 0 {
                free.push(later as usize);
            }
            next = before;
        }
    }
    preceded.iter().position(Option::is_some).map(|number| number as u32)
}
