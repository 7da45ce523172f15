//! One stream of kept messages on the receiving side: each taken once, in a window above the first that is missing.

use super::partial::{self, Partial};
use crate::wire::frame::{MessageFrame, Part};
use crate::wire::limits::MESSAGE_WINDOW;
use bytes::Bytes;
use std::collections::VecDeque;

/// What a waiting message costs beyond its bytes.
const READY_OVERHEAD: usize = 64;

/// A message as it travelled, and whether it is compressed.
pub(super) type Travelled = (Bytes, bool);

/// The state of one message number.
#[derive(Debug)]
enum Slot {
    Missing,
    Partial(Box<Partial>),
    /// Complete as it travelled, and waiting for an earlier one. It is unpacked when its turn comes: what waits may
    /// not cost more than what was received.
    Ready(Travelled),
    /// Delivered.
    Taken,
}

/// What came of a frame.
#[derive(Debug)]
pub(super) enum Offer {
    /// It is known, or kept; nothing to deliver yet.
    Kept,
    /// The message is complete, as it travelled: bytes and whether they are compressed.
    Complete(Vec<u8>, bool),
    /// The message is complete and stands whole in the frame.
    Whole,
    /// There is no room for it now; it must come again.
    Refused,
    /// It contradicts what came before.
    Broken,
}

/// The window of one stream.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    base: u64,
    slots: VecDeque<Slot>,
}

impl Sequence {
    /// Takes a frame. `limit` is how many bytes may be held in all; `held` is kept up to date.
    pub(super) fn offer(&mut self, frame: &MessageFrame<'_>, limit: usize, held: &mut usize) -> Offer {
        let Some(ahead) = frame.seq.checked_sub(self.base) else { return Offer::Kept };
        if ahead >= MESSAGE_WINDOW {
            return Offer::Refused;
        }
        let index = ahead as usize;
        while self.slots.len() <= index {
            self.slots.push_back(Slot::Missing);
        }
        let may_hold = |cost: usize| ahead == 0 || *held + cost <= limit;
        match (&mut self.slots[index], frame.part) {
            (Slot::Taken | Slot::Ready(_), _) => Offer::Kept,
            (Slot::Missing, None) if !may_hold(frame.bytes.len() + READY_OVERHEAD) => Offer::Refused,
            (Slot::Missing, None) => Offer::Whole,
            (Slot::Partial(partial), None) => {
                if ahead > 0 && *held - partial.cost() + frame.bytes.len() + READY_OVERHEAD > limit {
                    return Offer::Refused;
                }
                *held -= partial.cost();
                self.slots[index] = Slot::Missing;
                Offer::Whole
            }
            (Slot::Missing, Some(part)) => {
                if !may_hold(partial::cost(part.total as usize)) {
                    return Offer::Refused;
                }
                let partial = Partial::new(part.total, frame);
                *held += partial.cost();
                self.slots[index] = Slot::Partial(Box::new(partial));
                self.add_part(index, part, frame, held)
            }
            (Slot::Partial(_), Some(part)) => self.add_part(index, part, frame, held),
        }
    }

    fn add_part(&mut self, index: usize, part: Part, frame: &MessageFrame<'_>, held: &mut usize) -> Offer {
        let Slot::Partial(partial) = &mut self.slots[index] else { return Offer::Kept };
        if !partial.add(part, frame) {
            return Offer::Broken;
        }
        if !partial.is_complete() {
            return Offer::Kept;
        }
        *held -= partial.cost();
        match core::mem::replace(&mut self.slots[index], Slot::Missing) {
            Slot::Partial(partial) => {
                let (bytes, compressed) = partial.into_bytes();
                Offer::Complete(bytes, compressed)
            }
            _ => Offer::Kept,
        }
    }

    /// Notes that a message which [`Sequence::offer`] called complete has been delivered.
    pub(super) fn take(&mut self, seq: u64) {
        if let Some(slot) = self.slot(seq) {
            *slot = Slot::Taken;
        }
        self.pass_taken();
    }

    /// Gives up on a message that can never be taken, so that it leaves no hole.
    pub(super) fn skip(&mut self, seq: u64, held: &mut usize) {
        let Some(ahead) = seq.checked_sub(self.base).filter(|ahead| *ahead < MESSAGE_WINDOW) else { return };
        let index = ahead as usize;
        while self.slots.len() <= index {
            self.slots.push_back(Slot::Missing);
        }
        if matches!(self.slots[index], Slot::Ready(_)) {
            return;
        }
        if let Slot::Partial(partial) = core::mem::replace(&mut self.slots[index], Slot::Taken) {
            *held -= partial.cost();
        }
        self.pass_taken();
    }

    fn pass_taken(&mut self) {
        while matches!(self.slots.front(), Some(Slot::Taken)) {
            self.slots.pop_front();
            self.base += 1;
        }
    }

    /// Keeps a complete message until those before it have come.
    pub(super) fn keep(&mut self, seq: u64, message: Travelled, held: &mut usize) {
        if let Some(slot) = self.slot(seq) {
            *held += message.0.len() + READY_OVERHEAD;
            *slot = Slot::Ready(message);
        }
    }

    /// The next message in order, if it is complete.
    pub(super) fn pop_ready(&mut self, held: &mut usize) -> Option<Travelled> {
        let front = self.slots.front_mut()?;
        match core::mem::replace(front, Slot::Missing) {
            Slot::Ready(message) => {
                *held -= message.0.len() + READY_OVERHEAD;
                self.slots.pop_front();
                self.base += 1;
                self.pass_taken();
                Some(message)
            }
            other => {
                *front = other;
                None
            }
        }
    }

    /// Whether this is the first message that is missing.
    pub(super) fn is_next(&self, seq: u64) -> bool {
        seq == self.base
    }

    fn slot(&mut self, seq: u64) -> Option<&mut Slot> {
        let index = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.slots.get_mut(index)
    }
}
