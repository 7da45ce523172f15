//! The receiving side above packets: puts parts together, drops what is known, keeps what is early, and delivers each
//! message as its stream promises. Memory is bounded: what finds no room is refused and comes again.

mod partial;
pub(crate) mod seen;
mod sequence;

use super::compress::decompress;
use crate::config::SessionConfig;
use crate::wire::frame::{Delivery, MessageFrame, Priority};
use bytes::Bytes;
use partial::Partial;
use sequence::{Offer, Sequence};
use std::collections::{BTreeMap, VecDeque};

/// Unreliable messages in parts at a time, per lane; the oldest makes room.
const LOOSE_PARTIALS: usize = 8;

/// What came of a message frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Taken {
    /// Delivered, kept, or known before.
    Yes,
    /// No room: the packet must not be acknowledged, so that it comes again.
    Refused,
    /// No room, and it would never come again: dropped for good.
    Dropped,
    /// It contradicts what came before or does not decompress; dropped for good.
    Broken,
}

/// A message for the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Received {
    /// Its priority.
    pub priority: Priority,
    /// What was promised for it.
    pub delivery: Delivery,
    /// The key of a latest-only message, else 0.
    pub key: u32,
    /// The bytes.
    pub payload: Bytes,
}

/// A message of which some parts have come.
#[derive(Debug)]
struct Parts {
    seq: u64,
    partial: Partial,
}

#[derive(Debug, Default)]
struct LaneIn {
    reliable: Sequence,
    ordered: Sequence,
    latest: BTreeMap<u32, u64>,
    latest_parts: VecDeque<Parts>,
    loose_parts: VecDeque<Parts>,
}

/// All streams of one direction.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    lanes: [LaneIn; 4],
    held: usize,
}

impl Inbox {
    /// Bytes held.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Takes a frame and delivers what it completes.
    pub(crate) fn take(
        &mut self,
        frame: &MessageFrame<'_>,
        config: &SessionConfig,
        deliver: &mut impl FnMut(Received),
    ) -> Taken {
        let travels = frame.part.map_or(frame.bytes.len(), |part| part.total as usize);
        if travels > config.max_message {
            self.skip(frame, config, deliver);
            return Taken::Broken;
        }
        match frame.delivery {
            Delivery::Reliable | Delivery::Ordered => self.take_kept(frame, config, deliver),
            Delivery::Unreliable | Delivery::Latest => self.take_loose(frame, config, deliver),
        }
    }

    /// A message that can never be taken leaves no hole in its stream.
    fn skip(&mut self, frame: &MessageFrame<'_>, config: &SessionConfig, deliver: &mut impl FnMut(Received)) {
        let lane = &mut self.lanes[frame.priority as usize];
        match frame.delivery {
            Delivery::Ordered => lane.ordered.skip(frame.seq, &mut self.held),
            Delivery::Reliable => lane.reliable.skip(frame.seq, &mut self.held),
            Delivery::Latest | Delivery::Unreliable => {}
        }
        self.deliver_ready(frame.priority, config, deliver);
    }

    /// Delivers what has been waiting for an earlier message. What does not unpack leaves no hole.
    fn deliver_ready(&mut self, priority: Priority, config: &SessionConfig, deliver: &mut impl FnMut(Received)) {
        while let Some((bytes, compressed)) = self.lanes[priority as usize].ordered.pop_ready(&mut self.held) {
            let payload = if compressed { decompress(&bytes, config.max_message) } else { Some(bytes) };
            if let Some(payload) = payload {
                deliver(Received { priority, delivery: Delivery::Ordered, key: 0, payload });
            }
        }
    }

    fn take_kept(
        &mut self,
        frame: &MessageFrame<'_>,
        config: &SessionConfig,
        deliver: &mut impl FnMut(Received),
    ) -> Taken {
        let lane = &mut self.lanes[frame.priority as usize];
        let is_ordered = frame.delivery == Delivery::Ordered;
        let sequence = if is_ordered { &mut lane.ordered } else { &mut lane.reliable };
        let parts = match sequence.offer(frame, config.receive_buffer, &mut self.held) {
            Offer::Kept => return Taken::Yes,
            Offer::Refused => return Taken::Refused,
            Offer::Broken => return Taken::Broken,
            Offer::Whole => None,
            Offer::Complete(bytes, compressed) => Some((bytes, compressed)),
        };
        if is_ordered && !sequence.is_next(frame.seq) {
            let whole = || (Bytes::copy_from_slice(frame.bytes), frame.compressed);
            let travelled = parts.map_or_else(whole, |(bytes, compressed)| (Bytes::from(bytes), compressed));
            sequence.keep(frame.seq, travelled, &mut self.held);
            return Taken::Yes;
        }
        let message = match parts {
            None => unpack_slice(frame, config),
            Some((bytes, compressed)) => unpack(bytes, compressed, config),
        };
        let Some(payload) = message else {
            self.skip(frame, config, deliver);
            return Taken::Broken;
        };
        sequence.take(frame.seq);
        deliver(Received { priority: frame.priority, delivery: frame.delivery, key: 0, payload });
        self.deliver_ready(frame.priority, config, deliver);
        Taken::Yes
    }

    fn take_loose(
        &mut self,
        frame: &MessageFrame<'_>,
        config: &SessionConfig,
        deliver: &mut impl FnMut(Received),
    ) -> Taken {
        let lane = &mut self.lanes[frame.priority as usize];
        if frame.delivery == Delivery::Latest {
            match lane.latest.get(&frame.key) {
                Some(&newest) if newest > frame.seq || (newest == frame.seq && frame.part.is_none()) => {
                    return Taken::Yes;
                }
                None if lane.latest.len() >= config.max_keys => return Taken::Broken,
                _ => {}
            }
        }
        let message = match frame.part {
            None => unpack_slice(frame, config),
            Some(_) => match self.take_part(frame, config) {
                Ok(Some((bytes, compressed))) => unpack(bytes, compressed, config),
                Ok(None) => return Taken::Yes,
                Err(taken) => return taken,
            },
        };
        let Some(payload) = message else { return Taken::Broken };
        if frame.delivery == Delivery::Latest {
            let lane = &mut self.lanes[frame.priority as usize];
            lane.latest.insert(frame.key, frame.seq);
            // What is left of an older value is of no use any more.
            let is_older = |parts: &Parts| parts.partial.key == frame.key && parts.seq <= frame.seq;
            if let Some(index) = lane.latest_parts.iter().position(is_older) {
                self.held -= lane.latest_parts.remove(index).map_or(0, |old| old.partial.cost());
            }
        }
        deliver(Received { priority: frame.priority, delivery: frame.delivery, key: frame.key, payload });
        Taken::Yes
    }

    /// Adds a part of a message that no stream keeps in order; gives the message once it is complete.
    fn take_part(
        &mut self,
        frame: &MessageFrame<'_>,
        config: &SessionConfig,
    ) -> Result<Option<(Vec<u8>, bool)>, Taken> {
        let Some(part) = frame.part else { return Ok(None) };
        let is_latest = frame.delivery == Delivery::Latest;
        let lane = &mut self.lanes[frame.priority as usize];
        let parts = if is_latest {
            if lane.latest.get(&frame.key).is_some_and(|&newest| newest >= frame.seq) {
                return Ok(None);
            }
            &mut lane.latest_parts
        } else {
            &mut lane.loose_parts
        };
        let is_same = |known: &Parts| if is_latest { known.partial.key == frame.key } else { known.seq == frame.seq };
        let mut index = parts.iter().position(is_same);
        if let Some(at) = index.filter(|at| parts[*at].seq != frame.seq) {
            if parts[at].seq > frame.seq {
                return Ok(None);
            }
            // A newer value of the key has begun to arrive.
            self.held -= parts.remove(at).map_or(0, |old| old.partial.cost());
            index = None;
        }
        let index = match index {
            Some(index) => index,
            None => {
                let cost = partial::cost(part.total as usize);
                let has_room = |parts: &VecDeque<Parts>, held: usize| {
                    let most = if is_latest { config.max_keys } else { LOOSE_PARTIALS };
                    // The first is always taken, or a full buffer could wait for ever for what this one holds up.
                    let fits = held + cost <= config.receive_buffer || is_latest && parts.is_empty();
                    parts.len() < most && fits
                };
                while !has_room(parts, self.held) {
                    // The oldest of what was promised nothing makes room; the newest value of a key never does.
                    let oldest = if is_latest { None } else { parts.pop_front() };
                    let Some(oldest) = oldest else {
                        return Err(if is_latest { Taken::Refused } else { Taken::Dropped });
                    };
                    self.held -= oldest.partial.cost();
                }
                self.held += cost;
                parts.push_back(Parts { seq: frame.seq, partial: Partial::new(part.total, frame) });
                parts.len() - 1
            }
        };
        if !parts[index].partial.add(part, frame) {
            return Err(Taken::Broken);
        }
        if !parts[index].partial.is_complete() {
            return Ok(None);
        }
        let Some(complete) = parts.remove(index) else { return Ok(None) };
        self.held -= complete.partial.cost();
        Ok(Some(complete.partial.into_bytes()))
    }
}

fn unpack_slice(frame: &MessageFrame<'_>, config: &SessionConfig) -> Option<Bytes> {
    if frame.compressed {
        decompress(frame.bytes, config.max_message)
    } else {
        Some(Bytes::copy_from_slice(frame.bytes))
    }
}

fn unpack(bytes: Vec<u8>, compressed: bool, config: &SessionConfig) -> Option<Bytes> {
    if compressed { decompress(&bytes, config.max_message) } else { Some(Bytes::from(bytes)) }
}
