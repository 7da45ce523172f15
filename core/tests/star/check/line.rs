//! What every line of views has committed, and what every player has sent and heard: the memory of the checkers. A
//! place of a line that is committed twice, differently, is a breach by itself.

use super::{Fact, Game, Id, Item, Life};
use std::collections::BTreeMap;
use webstar_core::id::PlayerId;
use webstar_core::star::{Channel, Destination, Position};
use webstar_core::wire::signal::Epoch;

/// What an application has heard since it began from a snapshot.
#[derive(Clone, Default, Debug)]
pub(crate) struct Seat {
    /// The snapshot's place; none before the first, and after a line ended until the next sign.
    pub(crate) base: Option<Position>,
    /// The line it is in.
    pub(crate) since: Epoch,
    /// Messages by place.
    pub(crate) heard: BTreeMap<Position, Id>,
    /// Its messages that are acknowledged, reliable and ordered.
    pub(crate) acked: [u64; 2],
    /// Of those, the ones that were acknowledged in a line that it has left.
    pub(crate) forsaken: [u64; 2],
    /// It was host at some time: it may have heard what was for the host.
    pub(crate) was_host: bool,
}

#[derive(Default)]
pub(crate) struct Lines {
    /// By the first epoch of each line: what is committed.
    pub(crate) committed: BTreeMap<Epoch, BTreeMap<Position, Item>>,
    /// In which epoch a place was first known to be committed.
    pub(crate) learnt: BTreeMap<(Epoch, Position), Epoch>,
    /// Where each message is committed, by line.
    pub(crate) places: BTreeMap<(Epoch, Id), Position>,
    /// Whom each message is for.
    pub(crate) sent: BTreeMap<Id, Destination>,
    pub(crate) seats: BTreeMap<Life, Seat>,
}

/// The index of a channel.
pub(crate) fn lane(channel: Channel) -> usize {
    usize::from(channel == Channel::Ordered)
}

impl Lines {
    pub(super) fn on(&mut self, fact: &Fact) -> Result<(), String> {
        match fact {
            Fact::Sent { id, to } => {
                self.sent.insert(*id, to.clone());
            }
            Fact::Committed { by, since, epoch, position, item, .. } => {
                let line = self.committed.entry(*since).or_default();
                self.learnt.entry((*since, *position)).or_insert(*epoch);
                let known = *line.entry(*position).or_insert(*item);
                if known != *item {
                    return Err(format!("{by:?} in {epoch:?} commits {item:?} at {position:?}; there is {known:?}"));
                }
                if let Item::Message(id) = item {
                    let first = *self.places.entry((*since, *id)).or_insert(*position);
                    if first != *position {
                        return Err(format!("{by:?} in {epoch:?} commits {id:?} at {position:?}; it is at {first:?}"));
                    }
                }
            }
            Fact::Delivered { by, since, id, position, .. } => {
                let seat = self.seats.entry(*by).or_default();
                seat.since = *since;
                seat.heard.insert(*position, *id);
            }
            Fact::Began { by, since, position, .. } => {
                let seat = self.seats.entry(*by).or_default();
                seat.since = *since;
                seat.base = Some(*position);
                seat.heard.clear();
            }
            Fact::ContinuityLost { by, since } => {
                let seat = self.seats.entry(*by).or_default();
                seat.since = *since;
                seat.base = None;
                seat.heard.clear();
                seat.forsaken = seat.acked;
            }
            Fact::Acked { id, .. } => {
                let acked = &mut self.seats.entry(id.by).or_default().acked[lane(id.channel)];
                *acked = (*acked).max(id.seq);
            }
            Fact::Hosting { by, .. } => self.seats.entry(*by).or_default().was_host = true,
            _ => {}
        }
        Ok(())
    }

    /// Whether a message is meant for a player; none: it depends on who was host.
    pub(crate) fn is_for(&self, id: Id, player: PlayerId) -> Option<bool> {
        Some(match self.sent.get(&id)? {
            Destination::All => true,
            Destination::Others => id.by.player != player,
            Destination::Host => return None,
            Destination::One(one) => *one == player,
            Destination::AllBut(left_out) => !left_out.contains(&player),
        })
    }

    /// What a game has heard that heard the committed messages for all of a line, up to a place. None if the line has
    /// gaps below, as far as is known.
    pub(crate) fn game_at(&self, since: Epoch, position: Position) -> Option<Game> {
        let line = self.committed.get(&since)?;
        let mut game = Game::default();
        let mut next = Position(1);
        for (at, item) in line.range(..=position) {
            if *at != next {
                return None;
            }
            next = next.next();
            if let Item::Message(id) = item
                && self.sent.get(id) == Some(&Destination::All)
            {
                game.hear(*id);
            }
        }
        (next == position.next()).then_some(game)
    }
}
