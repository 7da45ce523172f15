//! One stream's messages on the sending side, from submission until nothing of them is needed any more.

use super::Piece;
use crate::config::MESSAGE_OVERHEAD;
use crate::id::MessageId;
use crate::session::ranges::Ranges;
use crate::time::Instant;
use bytes::Bytes;
use std::collections::VecDeque;

/// A message that is held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: MessageId,
    pub(super) payload: Bytes,
    pub(super) key: u32,
    pub(super) compressed: bool,
    /// Bytes that have been written into packets at least once; none before the first part.
    pub(super) written: Option<usize>,
    pub(super) submitted: Instant,
    acked: Ranges,
    done: bool,
}

impl Held {
    pub(super) fn new(id: MessageId, key: u32, payload: Bytes, compressed: bool, submitted: Instant) -> Self {
        Held { id, payload, key, compressed, written: None, submitted, acked: Ranges::default(), done: false }
    }

    pub(super) fn cost(&self) -> usize {
        self.payload.len() + MESSAGE_OVERHEAD
    }
}

/// The held messages of one stream by number.
#[derive(Debug, Default)]
pub(super) struct Stream {
    base: u64,
    held: VecDeque<Held>,
}

impl Stream {
    /// The number the next message will have.
    pub(super) fn next_seq(&self) -> u64 {
        self.base + self.held.len() as u64
    }

    /// The oldest number that is still held.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn push(&mut self, held: Held) -> u64 {
        let seq = self.next_seq();
        self.held.push_back(held);
        seq
    }

    /// The message, unless nothing of it is needed any more.
    pub(super) fn get(&mut self, seq: u64) -> Option<&mut Held> {
        let index = usize::try_from(seq.checked_sub(self.base)?).ok()?;
        self.held.get_mut(index).filter(|held| !held.done)
    }

    /// Whether the piece still has to arrive.
    pub(super) fn needs(&mut self, piece: &Piece) -> bool {
        self.get(piece.seq).is_some_and(|held| !held.acked.contains(piece.offset, piece.offset + piece.len))
    }

    /// Notes that a piece has arrived; tells the message and what it cost once all of it has.
    pub(super) fn on_acked(&mut self, piece: &Piece) -> Option<(MessageId, usize)> {
        let held = self.get(piece.seq)?;
        let total = held.payload.len();
        if piece.len as usize != total {
            held.acked.insert(piece.offset, piece.offset + piece.len);
            if (held.acked.covered() as usize) < total {
                return None;
            }
        }
        let id = held.id;
        self.finish(piece.seq).map(|cost| (id, cost))
    }

    /// Lets go of a message; tells what it cost.
    pub(super) fn finish(&mut self, seq: u64) -> Option<usize> {
        let held = self.get(seq)?;
        let cost = held.cost();
        held.done = true;
        held.payload = Bytes::new();
        held.acked = Ranges::default();
        while self.held.front().is_some_and(|held| held.done) {
            self.held.pop_front();
            self.base += 1;
        }
        Some(cost)
    }
}
