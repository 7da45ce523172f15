//! The seam between a session and what carries its packets: an unreliable datagram pipe, told by its facts.
//! `path` imports this, `session` never imports `path`.

use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// What a pipe says of itself when it opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PipeFacts {
    /// The largest packet it carries, in bytes.
    pub max_packet: usize,
    /// Who limits the rate.
    pub control: Control,
}

/// Who keeps a pipe from being overrun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Control {
    /// Nobody below (SRTP, plain datagrams): the session runs its own congestion control.
    Own,
    /// A congestion control below that collapses under loss (SCTP): the session lives within a budget.
    Below,
    /// An ordered byte stream below (the relay's TCP): the session bounds what is in the pipe. What a later packet
    /// overtakes was dropped on the way.
    Stream,
}

/// How a path is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PathState {
    /// Being set up, or up and not yet proved by a probe that came back.
    Opening,
    /// Proved.
    Usable,
    /// Silent beyond expectation; probed, and left if there is another.
    Suspect,
    /// Gone until it is opened again.
    Dead,
}

/// What a session has measured of one path; the input of every judgement on it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct PathReading {
    /// Smoothed round trip, none before the first sample.
    pub rtt: Option<Duration>,
    /// Mean deviation of the round trip.
    pub rtt_var: Duration,
    /// The share of packets lost lately, 0 to 1.
    pub loss: f64,
    /// How long nothing has been heard on it.
    pub unheard: Duration,
    /// The longest gap the other side has promised to leave between packets on it.
    pub expected: Duration,
}

impl PathReading {
    /// How many expected packets in a row are missing by now.
    pub fn missed(&self) -> u32 {
        if self.expected.is_zero() {
            return 0;
        }
        u32::try_from(self.unheard.as_nanos() / self.expected.as_nanos()).unwrap_or(u32::MAX)
    }
}
