//! S3 for all together: within one host's life all members are given ordered messages in one common order. Members hear
//! different selections, so what is checked is that some one order agrees with every selection.

use super::{Cast, Check, Life, Room, Seen};
use std::collections::BTreeMap;
use webstar_core::peer::Channel;
use webstar_core::wire::signal::Epoch;

/// Watches the order that all have in common.
#[derive(Debug, Default)]
pub struct Agreement {
    /// By lobby and life of the star, by receiver: the numbers of what was delivered.
    heard: BTreeMap<(Room, Epoch), BTreeMap<Life, Vec<u32>>>,
}

impl Check for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        let (Some(life), &Seen::Delivered { origin: Some(origin), .. }) = (life, seen) else { return Ok(()) };
        if origin.channel == Some(Channel::Ordered) {
            let person = cast.person(life);
            let by_life = self.heard.entry((person.room, person.epoch)).or_default();
            by_life.entry(life).or_default().push(origin.number);
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
fn entangled(by_life: &BTreeMap<Life, Vec<u32>>) -> Option<u32> {
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
