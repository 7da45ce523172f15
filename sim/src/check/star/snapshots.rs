//! S8: a snapshot is a state that some game gave for that place, and what follows it begins at the next place: a new host's
//! tail has everything kept after the snapshot, once and in order.

use super::chronicle::{Chronicle, News, What};
use super::{Cast, Check, Life, Lives, Room, Seen};
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::peer::{Channel, Destination, PeerMessage, Position, Snapshot};

/// Watches snapshots.
#[derive(Debug, Default)]
pub struct Snapshots {
    /// What was given for a place, in hashes.
    given: BTreeMap<(Room, Position), BTreeSet<u64>>,
    /// By life: where it began last.
    begun: Lives<Position>,
    /// Promotions of the present step: the place of the snapshot, and those of the tail.
    promoted: Lives<(Position, Vec<Position>)>,
}

impl Check for Snapshots {
    fn name(&self) -> &'static str {
        "snapshots"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        let room = cast.person(life).room;
        match *seen {
            Seen::SnapshotGiven(position, state) => {
                self.given.entry((room, position)).or_default().insert(crate::trace::content(state));
                Ok(())
            }
            Seen::Started(snapshot) | Seen::Resynced(snapshot) => {
                self.begun.insert(life, snapshot.position);
                self.known(life, room, snapshot)
            }
            Seen::Promoted(snapshot, tail) => {
                let places = follow(snapshot.position, tail).map_err(|why| format!("{life:?} {why}"))?;
                self.promoted.insert(life, (snapshot.position, places));
                self.known(life, room, snapshot)
            }
            Seen::Delivered { message: PeerMessage { position: Some(place), .. }, .. } => match self.begun.get(life) {
                Some(begun) if place <= begun => {
                    Err(format!("{life:?} begins after place {} and is given place {}", begun.0, place.0))
                }
                _ => Ok(()),
            },
            Seen::ContinuityLost => {
                self.begun.remove(life);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, news: &News, chronicle: &Chronicle, _cast: &Cast) -> Result<(), String> {
        let Some((from, tail)) = self.promoted.remove(news.life) else { return Ok(()) };
        let is_message = |what: &What| match what {
            What::Message { to: Destination::One(_), is_empty, .. } => !is_empty,
            what => matches!(what, What::Message { .. }),
        };
        let mut wanted = chronicle.committed(news.line, from.next()).filter(|(_, written)| is_message(&written.what));
        // What follows the tail is told as it comes.
        let end = tail.last().copied().unwrap_or(from);
        let wanted = wanted.find(|(place, _)| *place <= end && tail.binary_search(place).is_err());
        match wanted {
            Some((place, written)) => Err(format!(
                "{:?} goes on as host from place {} without {} at place {}",
                news.life,
                from.0,
                written.name(),
                place.0
            )),
            None => Ok(()),
        }
    }
}

impl Snapshots {
    fn known(&self, life: Life, room: Room, snapshot: &Snapshot) -> Result<(), String> {
        let Some(state) = &snapshot.state else { return Ok(()) };
        let given = self.given.get(&(room, snapshot.position));
        if given.is_some_and(|given| given.contains(&crate::trace::content(state))) {
            return Ok(());
        }
        let place = snapshot.position.0;
        Err(format!("{life:?} is given a state for place {place} that no game gave for it"))
    }
}

/// The places of a tail, if they rise and begin after the snapshot.
fn follow(snapshot: Position, tail: &[PeerMessage]) -> Result<Vec<Position>, String> {
    let mut last = snapshot;
    let mut places = Vec::with_capacity(tail.len());
    for message in tail.iter().filter(|message| matches!(message.channel, Channel::Ordered | Channel::Reliable)) {
        let place = message.position.unwrap_or_default();
        if place <= last {
            return Err(format!("gets a tail with place {} after place {}", place.0, last.0));
        }
        last = place;
        places.push(place);
    }
    Ok(places)
}
