//! What can be wrong with one direction of a pipe, as plain numbers. Drawing them is the fault plan's job.

use core::time::Duration;
use serde::{Deserialize, Serialize};

/// The conditions of one direction. The default is a perfect wire without delay.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LinkConfig {
    /// How long every packet takes at least (0-500 ms).
    pub delay: Duration,
    /// How much longer a packet may take, drawn evenly from zero to this (0-300 ms).
    pub jitter: Duration,
    /// Jitter delays without reordering: a packet never overtakes an earlier one that was not held back.
    pub keep_order: bool,
    /// The share of packets held back so that later ones overtake them (0-0.3).
    pub reorder: f64,
    /// How long a held-back packet is held: from half of this up to this.
    pub hold: Duration,
    /// The share of packets that arrive twice (0-0.5).
    pub duplicate: f64,
    /// The share of packets that arrive with one to four bytes changed, or cut short (0-0.05).
    pub corrupt: f64,
    /// The share of packets lost one by one (0-0.3).
    pub loss: f64,
    /// Loss in bursts, besides.
    pub bursts: Option<Bursts>,
    /// The narrowest place of the way, if there is one.
    pub bandwidth: Option<Bandwidth>,
}

/// Loss in bursts (Gilbert-Elliott, told in time and not in packets): everything is lost in the bad state.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Bursts {
    /// The mean length of a bad spell (0.1-2 s).
    pub mean: Duration,
    /// The share of time spent in bad spells, below 1.
    pub share: f64,
}

/// A bottleneck with a drop-tail queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Bandwidth {
    /// Bits per second (16,000 and up), headers included.
    pub bits_per_s: u64,
    /// How many packets find room, the one being sent included (2-1,000). A stream has its send buffer instead.
    pub queue: u32,
}

impl LinkConfig {
    /// A wire with this delay and no faults.
    pub fn with_delay(delay: Duration) -> Self {
        LinkConfig { delay, ..LinkConfig::default() }
    }

    /// The share of packets of a long run that do not arrive whole, queues and cuts aside.
    pub fn damage(&self) -> f64 {
        let bursts = self.bursts.map_or(0.0, |bursts| bursts.share);
        1.0 - (1.0 - self.loss) * (1.0 - self.corrupt) * (1.0 - bursts)
    }
}

impl Bandwidth {
    /// How long this many bytes take to send.
    pub fn time_for(&self, bytes: usize) -> Duration {
        let bits = (bytes as u64).saturating_mul(8);
        Duration::from_nanos(bits.saturating_mul(1_000_000_000) / self.bits_per_s.max(1))
    }
}
