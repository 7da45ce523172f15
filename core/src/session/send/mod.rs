//! The sending side above packets: four lanes of messages, and who goes first when a packet has room. What is lost
//! comes back here and leaves again; what paths, numbers and time-outs do is not known here.

mod lane;
mod stream;

use crate::config::SessionConfig;
use crate::id::MessageId;
use crate::time::Instant;
use crate::wire::frame::{Delivery, MessageFrame, Priority};
use bytes::Bytes;
use lane::{Lane, Step};
use std::collections::VecDeque;
use thiserror::Error;

/// Shares of what the critical lane leaves, for the other three.
const WEIGHTS: [i64; 4] = [0, 8, 4, 1];
/// Bytes that a share of one brings per round: small against a packet, so that the lanes alternate packet by packet.
const QUANTUM: i64 = 256;

/// Why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SendError {
    /// The lane is full; `Drained` follows once.
    #[error("the lane holds {queued} bytes and takes no more until it has drained; try again after `Drained`")]
    Full {
        /// Bytes the lane holds.
        queued: usize,
    },
    /// The message is longer than the configured limit.
    #[error("the message is longer than max_message ({max} bytes); send it in pieces or raise the limit on both sides")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// The conversation was closed.
    #[error("the conversation is closed; begin a new one")]
    Closed,
    /// A new key beyond the configured number.
    #[error("all {max} latest-only keys are in use; use fewer keys or raise max_keys on both sides")]
    TooManyKeys {
        /// The limit.
        max: usize,
    },
}

/// A message, or the part of one, that went into a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) priority: Priority,
    pub(crate) delivery: Delivery,
    pub(crate) seq: u64,
    pub(crate) offset: u32,
    pub(crate) len: u32,
    /// It is part of the packet's symbol.
    pub(crate) shielded: bool,
}

impl Piece {
    fn is_same(&self, other: &Piece) -> bool {
        (self.delivery, self.seq, self.offset, self.len) == (other.delivery, other.seq, other.offset, other.len)
    }
}

/// What the space for messages in a packet is bounded by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// The length that packet and symbol may reach together.
    pub(crate) limit: usize,
    /// What an empty packet could hold.
    pub(crate) full_room: usize,
    /// The longest symbol.
    pub(crate) max_symbol: usize,
    /// Only critical messages are protected: the path has no bytes to spare for the rest.
    pub(crate) only_critical_symbols: bool,
}

/// The space for messages in a packet that is being written.
pub(crate) struct Space<'a> {
    /// The packet so far.
    pub(crate) out: &'a mut Vec<u8>,
    /// Where small kept messages go when the packet is to be protected.
    pub(crate) symbol: Option<&'a mut Vec<u8>>,
    /// Where the pieces are noted.
    pub(crate) pieces: &'a mut VecDeque<Piece>,
    /// Its bounds.
    pub(crate) bounds: Bounds,
}

impl Space<'_> {
    fn room(&self) -> usize {
        // The mark in front of a symbol takes one byte.
        let symbol = self.symbol.as_ref().map_or(0, |symbol| symbol.len() + 1);
        self.bounds.limit.saturating_sub(self.out.len() + symbol)
    }

    fn full_room(&self) -> usize {
        self.bounds.full_room
    }

    fn write(&mut self, frame: &MessageFrame<'_>, piece: Piece) -> usize {
        let len = frame.len_with(frame.bytes.len());
        let is_shielded = frame.delivery.is_kept()
            && frame.part.is_none()
            && (frame.priority == Priority::Critical || !self.bounds.only_critical_symbols);
        let symbol =
            self.symbol.as_deref_mut().filter(|symbol| is_shielded && symbol.len() + len <= self.bounds.max_symbol);
        let shielded = symbol.is_some();
        frame.write(symbol.unwrap_or(self.out));
        self.pieces.push_back(Piece { shielded, ..piece });
        len
    }
}

/// All that is to be sent, by priority.
#[derive(Debug)]
pub(crate) struct Outgoing {
    lanes: [Lane; 4],
    credit: [i64; 4],
    next_id: u64,
}

impl Outgoing {
    pub(crate) fn new() -> Self {
        Outgoing { lanes: Priority::ALL.map(Lane::new), credit: [0; 4], next_id: 0 }
    }

    /// Takes a message.
    pub(crate) fn submit(
        &mut self,
        now: Instant,
        priority: Priority,
        delivery: Delivery,
        key: u32,
        payload: Bytes,
        config: &SessionConfig,
    ) -> Result<MessageId, SendError> {
        let id = MessageId(self.next_id);
        self.lanes[priority as usize].submit(now, id, delivery, key, payload, config)?;
        self.next_id += 1;
        Ok(id)
    }

    /// Bytes held in a lane.
    pub(crate) fn held_bytes(&self, priority: Priority) -> usize {
        self.lanes[priority as usize].held_bytes()
    }

    /// Bytes of unreliable messages and newest state held in a lane.
    pub(crate) fn held_loose(&self, priority: Priority) -> usize {
        self.lanes[priority as usize].held_loose()
    }

    /// Whether anything may be written.
    pub(crate) fn has_work(&self) -> bool {
        self.lanes.iter().any(Lane::has_work)
    }

    /// Whether anything critical may be written.
    pub(crate) fn has_critical_work(&self) -> bool {
        self.lanes[Priority::Critical as usize].has_work()
    }

    /// Fills the space from the critical lane. Tells whether there is room for more.
    pub(crate) fn fill_critical(&mut self, now: Instant, config: &SessionConfig, space: &mut Space<'_>) -> bool {
        loop {
            match self.lanes[Priority::Critical as usize].write_next(now, config, space) {
                Step::Wrote(_) => {}
                Step::NoRoom => return false,
                Step::Nothing => return true,
            }
        }
    }

    /// Fills the space from the other lanes, by their shares. A lane that has to wait for its oldest message holds
    /// nobody up.
    pub(crate) fn fill_rest(&mut self, now: Instant, config: &SessionConfig, space: &mut Space<'_>) {
        let mut waits = [false; 4];
        while let Some(index) = self.next_lane(&waits) {
            match self.lanes[index].write_next(now, config, space) {
                Step::Wrote(bytes) => self.credit[index] -= bytes as i64,
                Step::Nothing => waits[index] = true,
                Step::NoRoom => return,
            }
        }
    }

    /// The lane whose turn it is: the first with credit; when none has any, each gets its share.
    fn next_lane(&mut self, waits: &[bool; 4]) -> Option<usize> {
        let lanes = &self.lanes;
        let works = |index: &usize| lanes[*index].has_work() && !waits[*index];
        for index in (1..4).filter(|index| !works(index)) {
            self.credit[index] = self.credit[index].min(0);
        }
        // When all lanes with work are in debt, as many rounds pass at once as bring the least indebted back.
        let rounds =
            (1..4).filter(works).map(|index| 1 - self.credit[index].min(1) / (WEIGHTS[index] * QUANTUM)).min()?;
        if (1..4).filter(works).all(|index| self.credit[index] <= 0) {
            for index in (1..4).filter(works) {
                self.credit[index] += rounds * WEIGHTS[index] * QUANTUM;
            }
        }
        (1..4).filter(works).find(|index| self.credit[*index] > 0)
    }

    /// A piece has arrived. Tells the message once it is complete.
    pub(crate) fn on_acked(&mut self, piece: &Piece) -> Option<MessageId> {
        self.lanes[piece.priority as usize].on_acked(piece)
    }

    /// A piece was lost or given up.
    pub(crate) fn on_lost(&mut self, piece: &Piece) {
        self.lanes[piece.priority as usize].on_lost(piece);
    }

    /// The lanes that refused a message and have room again, each once.
    pub(crate) fn take_drained(&mut self, config: &SessionConfig) -> impl Iterator<Item = Priority> {
        self.lanes
            .iter_mut()
            .zip(Priority::ALL)
            .filter_map(|(lane, priority)| lane.take_drained(config).then_some(priority))
    }
}
