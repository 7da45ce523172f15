//! What was submitted, and which submission a delivery is. Judges nothing: the checkers do.

use super::index;
use crate::net::Side;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};
use webstar_core::id::MessageId;
use webstar_core::session::{Outbound, Received};
use webstar_core::wire::frame::{Delivery, Priority};

/// A message that a machine took.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Who submitted it.
    pub side: Side,
    /// Its number among all that this side submitted.
    pub number: u64,
    /// Its number among those of the same side, priority and delivery.
    pub place: u64,
    /// What the machine calls it.
    pub id: MessageId,
    /// Its priority.
    pub priority: Priority,
    /// What is promised for it.
    pub delivery: Delivery,
    /// Its key, if it is a latest-only message.
    pub key: u32,
    /// Its bytes.
    pub payload: Bytes,
    /// Their hash.
    pub content: u64,
}

/// The bytes of a message too short to carry its number, and all else that tells it from others.
type Short = (Side, Priority, Delivery, usize, u64);

/// Everything that was submitted, by side.
#[derive(Debug, Default)]
pub struct Reference {
    submissions: [Vec<Submission>; 2],
    places: [BTreeMap<(Priority, Delivery), u64>; 2],
    short: BTreeMap<Short, Alike>,
}

/// Short messages that cannot be told apart.
#[derive(Debug, Default)]
struct Alike {
    /// Those not yet delivered, in order.
    waiting: VecDeque<u64>,
    /// The one delivered last: what arrives when none is waiting is this one again.
    last: Option<u64>,
}

impl Alike {
    fn next(&mut self) -> Option<u64> {
        self.last = self.waiting.pop_front().or(self.last);
        self.last
    }
}

impl Reference {
    /// The mark that the next message of a side bears in its first eight bytes, if it has so many.
    pub fn next_stamp(&self, side: Side) -> u64 {
        (self.submissions[index(side)].len() as u64) << 1 | index(side) as u64
    }

    /// Notes a message that was taken.
    pub fn submit(&mut self, side: Side, id: MessageId, message: &Outbound) -> &Submission {
        let &Outbound { priority, delivery, key, ref payload } = message;
        let submissions = &mut self.submissions[index(side)];
        let number = submissions.len() as u64;
        let place = self.places[index(side)].entry((priority, delivery)).or_default();
        let submission = Submission {
            side,
            number,
            place: *place,
            id,
            priority,
            delivery,
            key,
            payload: payload.clone(),
            content: crate::trace::content(payload),
        };
        *place += 1;
        if stamp(payload).is_none() {
            self.short
                .entry((side, priority, delivery, payload.len(), word(payload)))
                .or_default()
                .waiting
                .push_back(number);
        }
        submissions.push(submission);
        &submissions[number as usize]
    }

    /// The submission of the other side that arrives as `message` at `side`, if there is one. Of short ones that are
    /// alike, the first that has not been delivered.
    pub fn origin(&mut self, side: Side, message: &Received) -> Option<&Submission> {
        let &Received { priority, delivery, key, ref payload } = message;
        let from = side.other();
        let number = match stamp(payload) {
            Some(stamp) if stamp & 1 == index(from) as u64 => stamp >> 1,
            Some(_) => return None,
            None => self.short.get_mut(&(from, priority, delivery, payload.len(), word(payload)))?.next()?,
        };
        let submission = self.submissions[index(from)].get(usize::try_from(number).ok()?)?;
        let is_it = (submission.priority, submission.delivery, submission.key, &submission.payload)
            == (priority, delivery, key, payload);
        is_it.then_some(submission)
    }

    /// The submission that a side's machine calls by this name.
    pub fn named(&self, side: Side, id: MessageId) -> Option<&Submission> {
        let submissions = &self.submissions[index(side)];
        // Machines count what they take, as is done here; names that differ would not be found in a log either.
        submissions.get(usize::try_from(id.0).ok()?).filter(|submission| submission.id == id)
    }

    /// Everything that a side submitted, in order.
    pub fn of(&self, side: Side) -> &[Submission] {
        &self.submissions[index(side)]
    }
}

fn stamp(payload: &[u8]) -> Option<u64> {
    payload.first_chunk().copied().map(u64::from_le_bytes)
}

fn word(short: &[u8]) -> u64 {
    short.iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
