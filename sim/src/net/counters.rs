//! What happened to the packets of one direction of a pipe.

use serde::Serialize;

/// Counts of one direction since it was made. Reopening a pipe does not reset them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Counters {
    /// Packets taken from the sender.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Packets handed to the receiver, copies and damaged ones included.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Packets lost one by one. On a stream: segments that had to be sent again.
    pub lost_alone: u64,
    /// Packets lost in a burst.
    pub lost_burst: u64,
    /// Packets that found the queue before the narrow place full.
    pub lost_queue: u64,
    /// Packets sent, or due, while the direction was cut.
    pub lost_cut: u64,
    /// Packets under way when the pipe was reset.
    pub lost_reset: u64,
    /// Packets of which a copy was delivered besides.
    pub duplicated: u64,
    /// Packets damaged and delivered so.
    pub corrupted: u64,
    /// Packets held back so that others overtake.
    pub reordered: u64,
    /// Writes that a full send buffer or a closed pipe refused.
    pub refused: u64,
}

impl Counters {
    /// Packets lost for whatever cause.
    pub fn lost(&self) -> u64 {
        self.lost_alone + self.lost_burst + self.lost_queue + self.lost_cut + self.lost_reset
    }
}
