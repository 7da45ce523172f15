//! A message that arrives in parts, under a declared and checked length.

use crate::session::ranges::Ranges;
use crate::wire::frame::{MessageFrame, Part};

/// Legitimate parts are rarely shorter than this; it bounds the bookkeeping of hostile ones.
const SHORTEST_PART: usize = 32;

/// The parts so far.
#[derive(Debug)]
pub(super) struct Partial {
    bytes: Vec<u8>,
    got: Ranges,
    compressed: bool,
    pub(super) key: u32,
}

impl Partial {
    pub(super) fn new(total: u32, frame: &MessageFrame<'_>) -> Self {
        Partial { bytes: vec![0; total as usize], got: Ranges::default(), compressed: frame.compressed, key: frame.key }
    }

    /// Memory held for it.
    pub(super) fn cost(&self) -> usize {
        cost(self.bytes.len())
    }

    /// Adds a part; false if it contradicts the earlier ones.
    pub(super) fn add(&mut self, part: Part, frame: &MessageFrame<'_>) -> bool {
        let agrees =
            part.total as usize == self.bytes.len() && frame.compressed == self.compressed && frame.key == self.key;
        if !agrees || self.got.spans() > self.bytes.len() / SHORTEST_PART + 8 {
            return false;
        }
        let (start, end) = (part.offset as usize, part.offset as usize + frame.bytes.len());
        if self.got.insert(start as u32, end as u32) > 0 {
            self.bytes[start..end].copy_from_slice(frame.bytes);
        }
        true
    }

    pub(super) fn is_complete(&self) -> bool {
        self.got.covered() as usize == self.bytes.len()
    }

    /// The message as it travelled, and whether it is compressed.
    pub(super) fn into_bytes(self) -> (Vec<u8>, bool) {
        (self.bytes, self.compressed)
    }
}

/// What a partial message of `total` bytes costs.
pub(super) fn cost(total: usize) -> usize {
    total + 128
}
