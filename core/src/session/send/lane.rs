//! One priority's messages: what waits, what was lost and leaves first, and what is out and not yet acknowledged.

use super::stream::{Held, Stream};
use super::{Piece, SendError, Space};
use crate::config::{MESSAGE_OVERHEAD, SessionConfig};
use crate::id::MessageId;
use crate::session::compress;
use crate::time::Instant;
use crate::wire::frame::{Delivery, MessageFrame, Part, Priority};
use crate::wire::limits::MESSAGE_WINDOW;
use crate::wire::varint;
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// Parts smaller than this are not worth their header: the packet is closed instead.
const MIN_PART: usize = 64;

#[derive(Debug, Clone, Copy)]
struct Waiting {
    delivery: Delivery,
    seq: u64,
}

/// What came of an attempt to write one message or part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Something was written, so many bytes.
    Wrote(usize),
    /// It does not fit in what is left of the packet.
    NoRoom,
    /// Nothing may be written now.
    Nothing,
}

#[derive(Debug)]
pub(super) struct Lane {
    priority: Priority,
    streams: [Stream; 4],
    waiting: VecDeque<Waiting>,
    resend: VecDeque<Piece>,
    keys: BTreeMap<u32, u64>,
    /// Bytes held, by delivery.
    held: [usize; 4],
    was_full: bool,
}

impl Lane {
    pub(super) fn new(priority: Priority) -> Self {
        Lane {
            priority,
            streams: Default::default(),
            waiting: VecDeque::new(),
            resend: VecDeque::new(),
            keys: BTreeMap::new(),
            held: [0; 4],
            was_full: false,
        }
    }

    /// Bytes held, waiting and unacknowledged.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.iter().sum()
    }

    /// The part of them that is unreliable or newest state.
    pub(super) fn held_loose(&self) -> usize {
        self.held[Delivery::Unreliable as usize] + self.held[Delivery::Latest as usize]
    }

    /// Whether what is unreliable or newest state is kept from filling the lane.
    fn is_shared(&self) -> bool {
        self.priority > Priority::High
    }

    /// Whether something may be written.
    pub(super) fn has_work(&self) -> bool {
        !self.resend.is_empty() || !self.waiting.is_empty()
    }

    pub(super) fn submit(
        &mut self,
        now: Instant,
        id: MessageId,
        delivery: Delivery,
        key: u32,
        payload: Bytes,
        config: &SessionConfig,
    ) -> Result<(), SendError> {
        if payload.len() > config.max_message {
            return Err(SendError::TooLong { max: config.max_message });
        }
        let is_latest = delivery == Delivery::Latest;
        if is_latest && !self.keys.contains_key(&key) && self.keys.len() >= config.max_keys {
            return Err(SendError::TooManyKeys { max: config.max_keys });
        }
        let replaced = if is_latest { self.replaced(key) } else { None };
        let freed = replaced.map_or(0, |(_, cost)| cost);
        let cost = payload.len() + MESSAGE_OVERHEAD;
        let is_loose = matches!(delivery, Delivery::Unreliable | Delivery::Latest);
        let loose = self.held_loose() - freed;
        let crowds = is_loose && self.is_shared() && loose > 0 && loose + cost > config.loose_buffer;
        let queued = self.held_bytes();
        if crowds || queued - freed + cost > config.send_buffer {
            self.was_full = true;
            return Err(SendError::Full { queued });
        }
        let small = config.enable_compression && payload.len() > config.compression_threshold;
        let squeezed = if small { compress::compress(&payload) } else { None };
        let compressed = squeezed.is_some();
        let held = Held::new(id, key, squeezed.unwrap_or(payload), compressed, now);
        self.hold(delivery, held, replaced.map(|(seq, _)| seq));
        Ok(())
    }

    /// The value of a key that is not yet acknowledged, and what it costs.
    fn replaced(&mut self, key: u32) -> Option<(u64, usize)> {
        let seq = *self.keys.get(&key)?;
        let held = self.streams[Delivery::Latest as usize].get(seq)?;
        Some((seq, held.cost()))
    }

    fn hold(&mut self, delivery: Delivery, held: Held, replaced: Option<u64>) {
        let (stream, bytes) = (&mut self.streams[delivery as usize], &mut self.held[delivery as usize]);
        *bytes += held.cost();
        if let Some(old) = replaced {
            if let Some(waiting) = stream.get(old)
                && waiting.written.is_none()
            {
                *bytes -= waiting.cost();
                *waiting = held;
                return;
            }
            *bytes -= stream.finish(old).unwrap_or(0);
        }
        let key = held.key;
        let seq = stream.push(held);
        if delivery == Delivery::Latest {
            self.keys.insert(key, seq);
        }
        self.waiting.push_back(Waiting { delivery, seq });
    }

    /// Writes the next message or part: what was lost first, then what waits, in order of submission.
    pub(super) fn write_next(&mut self, now: Instant, config: &SessionConfig, space: &mut Space<'_>) -> Step {
        while let Some(&piece) = self.resend.front() {
            let stream = &mut self.streams[piece.delivery as usize];
            if !stream.needs(&piece) {
                self.resend.pop_front();
                continue;
            }
            let Some(held) = stream.get(piece.seq) else { continue };
            let (step, wrote) = write_piece(self.priority, held, piece, space);
            if let Some(wrote) = wrote {
                self.resend.pop_front();
                if wrote.len < piece.len {
                    let rest = Piece { offset: piece.offset + wrote.len, len: piece.len - wrote.len, ..piece };
                    self.resend.push_front(rest);
                }
            }
            return step;
        }
        self.write_waiting(now, config, space)
    }

    fn write_waiting(&mut self, now: Instant, config: &SessionConfig, space: &mut Space<'_>) -> Step {
        while let Some(&Waiting { delivery, seq }) = self.waiting.front() {
            let stream = &mut self.streams[delivery as usize];
            let base = stream.base();
            let Some(held) = stream.get(seq) else {
                self.waiting.pop_front();
                continue;
            };
            let is_once = delivery == Delivery::Unreliable;
            if is_once && held.written.is_none() && now.since(held.submitted) > config.unreliable_expiry {
                self.release(delivery, seq);
                self.waiting.pop_front();
                continue;
            }
            if seq >= base + MESSAGE_WINDOW {
                return Step::Nothing;
            }
            let total = held.payload.len();
            let offset = held.written.unwrap_or(0);
            let (offset, len) = (offset as u32, (total - offset) as u32);
            let piece = Piece { priority: self.priority, delivery, seq, offset, len, shielded: false };
            let (step, wrote) = write_piece(self.priority, held, piece, space);
            if let Some(wrote) = wrote {
                held.written = Some(offset as usize + wrote.len as usize);
                if held.written == Some(total) {
                    self.waiting.pop_front();
                    if is_once {
                        self.release(delivery, seq);
                    }
                }
            }
            return step;
        }
        Step::Nothing
    }

    fn release(&mut self, delivery: Delivery, seq: u64) {
        self.held[delivery as usize] -= self.streams[delivery as usize].finish(seq).unwrap_or(0);
    }

    /// A piece has arrived. Tells the message once it is complete.
    pub(super) fn on_acked(&mut self, piece: &Piece) -> Option<MessageId> {
        if !piece.delivery.is_kept() {
            return None;
        }
        let (id, cost) = self.streams[piece.delivery as usize].on_acked(piece)?;
        self.held[piece.delivery as usize] -= cost;
        Some(id)
    }

    /// A piece was lost or given up: it leaves again before anything new, if it is still needed.
    pub(super) fn on_lost(&mut self, piece: &Piece) {
        if piece.delivery.is_kept() && self.streams[piece.delivery as usize].needs(piece) {
            // A repeated piece may be lost twice and leaves again once.
            if !self.resend.iter().any(|queued| queued.is_same(piece)) {
                self.resend.push_back(*piece);
            }
        }
    }

    /// Whether a lane that refused has half its room again; true once.
    pub(super) fn take_drained(&mut self, config: &SessionConfig) -> bool {
        let is_crowded = self.is_shared() && self.held_loose() > config.loose_buffer / 2;
        let drained = self.was_full && !is_crowded && self.held_bytes() <= config.send_buffer / 2;
        self.was_full &= !drained;
        drained
    }
}

/// Writes as much of `piece` as fits, whole if a packet can hold it whole; tells what was written.
fn write_piece(priority: Priority, held: &Held, piece: Piece, space: &mut Space<'_>) -> (Step, Option<Piece>) {
    let bytes = &held.payload[piece.offset as usize..(piece.offset + piece.len) as usize];
    let frame = MessageFrame {
        priority,
        delivery: piece.delivery,
        seq: piece.seq,
        key: held.key,
        compressed: held.compressed,
        part: None,
        bytes,
    };
    let is_whole = bytes.len() == held.payload.len();
    if is_whole && frame.len_with(bytes.len()) <= space.full_room() {
        if frame.len_with(bytes.len()) > space.room() {
            return (Step::NoRoom, None);
        }
        return (Step::Wrote(space.write(&frame, piece)), Some(piece));
    }
    let part = Part { total: held.payload.len() as u32, offset: piece.offset };
    let frame = MessageFrame { part: Some(part), ..frame };
    let room = space.room().saturating_sub(frame.head_len() + varint::len(bytes.len() as u64));
    if room < MIN_PART.min(bytes.len()) {
        return (Step::NoRoom, None);
    }
    let len = room.min(bytes.len());
    let wrote = Piece { len: len as u32, ..piece };
    let frame = MessageFrame { bytes: &bytes[..len], ..frame };
    (Step::Wrote(space.write(&frame, wrote)), Some(wrote))
}
