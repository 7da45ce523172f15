//! What a session counts and tells on request.

use super::Session;
use crate::id::PathId;
use crate::time::{Duration, Instant};
use crate::wire::frame::Priority;
use serde::{Deserialize, Serialize};

/// Packets and frames that had no effect, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub struct Dropped {
    /// Damaged, of another session, or of another version.
    pub broken: u64,
    /// On a path that does not exist.
    pub stray: u64,
    /// Received before, or too old to tell.
    pub duplicate: u64,
    /// Well sealed, and still not what the protocol says.
    pub invalid: u64,
    /// Without room to keep it; it comes again, unless it was unreliable.
    pub refused: u64,
}

/// One path in numbers.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct PathStats {
    /// The path.
    pub path: PathId,
    /// Smoothed round trip, none before the first sample.
    pub rtt: Option<Duration>,
    /// Mean deviation of the round trip.
    pub jitter: Duration,
    /// The share of packets lost lately, 0 to 1.
    pub loss: f64,
    /// Packets and bytes each way since the path opened.
    pub packets_sent: u64,
    /// Bytes given to the path.
    pub bytes_sent: u64,
    /// Packets that came on it.
    pub packets_received: u64,
    /// Bytes that came on it.
    pub bytes_received: u64,
    /// Packets counted as lost.
    pub packets_lost: u64,
    /// Bytes out and not accounted for.
    pub in_flight: usize,
}

/// A session in numbers.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SessionStats {
    /// Its paths.
    pub paths: Vec<PathStats>,
    /// Bytes held for sending, by priority.
    pub queued: [usize; 4],
    /// Bytes held of messages that wait for parts or for earlier ones.
    pub held: usize,
    /// What was dropped.
    pub dropped: Dropped,
    /// Whether small messages are protected forward now.
    pub is_protected: bool,
    /// How long nothing has been heard on any path; zero without paths.
    pub unheard: Duration,
}

impl Session {
    /// The session in numbers.
    pub fn stats(&self, now: Instant) -> SessionStats {
        let paths = self.flows.iter().map(|flow| PathStats {
            path: flow.path,
            rtt: flow.rtt.measured(),
            jitter: flow.rtt.var(),
            loss: flow.loss.share(),
            packets_sent: flow.packets_sent,
            bytes_sent: flow.bytes_sent,
            packets_received: flow.packets_received,
            bytes_received: flow.bytes_received,
            packets_lost: flow.packets_lost,
            in_flight: flow.in_flight,
        });
        SessionStats {
            paths: paths.collect(),
            queued: Priority::ALL.map(|priority| self.queued(priority)),
            held: self.inbox.held(),
            dropped: self.dropped,
            is_protected: self.protection.is_on(),
            unheard: self.flows.iter().map(|flow| now.since(flow.heard.at())).min().unwrap_or_default(),
        }
    }
}
