//! What has arrived of what a link was given for the star: entries, and the words that they must not overtake. A link
//! acknowledges what it has got, although that may still wait at the other side for something before it.

use crate::id::MessageId;
use crate::star::Position;
use crate::wire::signal::Epoch;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// What is under way.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// Everything in the lane of entries that keep their order. It has arrived once everything before it is
    /// acknowledged too.
    in_turn: VecDeque<InTurn>,
    /// Words that entries must not overtake.
    words: BTreeSet<MessageId>,
    /// Entries in any other lane.
    entries: BTreeMap<MessageId, (Epoch, Position)>,
    /// Entries that have arrived and were not told.
    arrived: VecDeque<(Epoch, Position)>,
}

/// Something in the lane of entries that keep their order.
#[derive(Debug)]
struct InTurn {
    id: MessageId,
    is_acked: bool,
    entry: Option<(Epoch, Position)>,
}

impl Arrivals {
    /// Something has left in the lane of entries that keep their order.
    pub(super) fn on_sent_in_turn(&mut self, id: MessageId) {
        self.in_turn.push_back(InTurn { id, is_acked: false, entry: None });
    }

    /// Entries must not overtake this.
    pub(super) fn put_ahead(&mut self, id: MessageId) {
        self.words.insert(id);
    }

    /// It was an entry.
    pub(super) fn on_entry_sent(&mut self, id: MessageId, epoch: Epoch, position: Position) {
        match self.find(id) {
            Ok(index) => self.in_turn[index].entry = Some((epoch, position)),
            Err(_) => _ = self.entries.insert(id, (epoch, position)),
        }
    }

    /// Everything that entries must not overtake has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.words.is_empty()
    }

    /// The other side has got a message.
    pub(super) fn on_acked(&mut self, id: MessageId) {
        match self.find(id) {
            Ok(index) => self.in_turn[index].is_acked = true,
            Err(_) => {
                let entry = self.entries.remove(&id);
                self.arrive(id, entry);
            }
        }
        while let Some(InTurn { id, entry, .. }) = self.in_turn.pop_front_if(|first| first.is_acked) {
            self.arrive(id, entry);
        }
    }

    fn find(&self, id: MessageId) -> Result<usize, usize> {
        // What was sent last is asked for when it is said to be an entry, and what was sent first when it has arrived.
        match (self.in_turn.front(), self.in_turn.back()) {
            (Some(first), _) if first.id == id => Ok(0),
            (_, Some(last)) if last.id == id => Ok(self.in_turn.len() - 1),
            _ => self.in_turn.binary_search_by_key(&id, |said| said.id),
        }
    }

    fn arrive(&mut self, id: MessageId, entry: Option<(Epoch, Position)>) {
        if !self.words.remove(&id) {
            self.arrived.extend(entry);
        }
    }

    /// The next entry that has arrived.
    pub(super) fn next_arrived(&mut self) -> Option<(Epoch, Position)> {
        self.arrived.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch { term: 1, round: 0 };

    fn told(arrivals: &mut Arrivals) -> Vec<u64> {
        core::iter::from_fn(|| arrivals.next_arrived()).map(|(_, position)| position.0).collect()
    }

    #[test]
    fn what_waits_at_the_other_side_for_something_before_it_has_not_arrived() {
        let mut arrivals = Arrivals::default();
        for id in [1, 3, 4, 5] {
            arrivals.on_sent_in_turn(MessageId(id));
        }
        arrivals.put_ahead(MessageId(1));
        for id in [2, 3, 5] {
            arrivals.on_entry_sent(MessageId(id), EPOCH, Position(id));
        }
        arrivals.on_acked(MessageId(2));
        arrivals.on_acked(MessageId(3));
        assert_eq!(told(&mut arrivals), [2], "only what keeps no order has arrived");
        assert!(!arrivals.is_settled());
        arrivals.on_acked(MessageId(1));
        assert_eq!((told(&mut arrivals), arrivals.is_settled()), (vec![3], true));
        arrivals.on_acked(MessageId(5));
        assert_eq!(told(&mut arrivals), [0; 0], "something of another kind stands before it");
        arrivals.on_acked(MessageId(4));
        assert_eq!(told(&mut arrivals), [5]);
    }
}
