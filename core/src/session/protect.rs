//! Forward protection of small kept messages: how much of it, and when. The coder is next door in `shield`.

use super::curve;
use super::shield::{Decoder, Encoder};
use crate::time::{Duration, Instant};

/// Symbols one repair covers at most: about a round trip of 60 Hz traffic, and bounded work per packet.
pub(crate) const MAX_COVERED: usize = 24;
/// Repairs one packet carries at most.
pub(crate) const MAX_REPAIRS: u8 = 3;
/// Bytes of repairs that may be saved up while there is no room for them.
const MAX_CREDIT: f64 = 3_600.0;
/// The share of a repair's bytes that must have been saved up: the rest is paid off by the next packets.
const DOWN_PAYMENT: f64 = 0.5;

/// Bytes of repairs per byte of symbol, by measured loss: enough that what is lost is nearly always covered by the
/// next two packets, and little enough that everything sent stays within twice the plain bytes at 10 % loss and three
/// times at 30 %.
const SHARES: [(f64, f64); 4] = [(0.01, 0.7), (0.05, 0.8), (0.12, 0.9), (0.30, 1.8)];

/// What a queue leaves of the protection.
const RESTRAIN: f64 = 0.25;
/// What is left of it at the least. A path that bears not even that, two round trips in a row, bears none: it is left
/// alone for a while, and begins again with this.
const LEAST_RESTRAINT: f64 = 0.1;
const REST: Duration = Duration::from_secs(60);
/// How fast it comes back.
const RELAX_PER_SECOND: f64 = 0.01;

/// Protection of one session, both directions.
#[derive(Debug)]
pub(crate) struct Protection {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    /// The symbol of the packet being written.
    pub(crate) symbol: Vec<u8>,
    /// Where recovered symbols are read from.
    pub(crate) recovered: Vec<u8>,
    /// The last repair found no room beside messages, or no place: it leaves in a packet of its own.
    pub(crate) is_crowded: bool,
    credit: f64,
    is_on: bool,
    /// The part of its share that the path has shown to bear, and when that was judged last.
    restraint: f64,
    judged_at: Instant,
    /// No protection until then.
    rests_until: Instant,
}

impl Protection {
    pub(crate) fn new(now: Instant) -> Self {
        Protection {
            encoder: Encoder::new(),
            decoder: Decoder::new(),
            symbol: Vec::new(),
            recovered: Vec::new(),
            is_crowded: false,
            credit: 0.0,
            is_on: false,
            restraint: 1.0,
            judged_at: now,
            rests_until: now,
        }
    }

    /// Follows the measured loss: on above `threshold`, off again below half of it, and off while the path rests.
    pub(crate) fn update(&mut self, now: Instant, loss: f64, threshold: f64) -> bool {
        let is_wanted = loss > if self.is_on { threshold / 2.0 } else { threshold };
        self.is_on = is_wanted && now >= self.rests_until;
        if !self.is_on {
            self.credit = 0.0;
        }
        self.is_on
    }

    /// A packet leaves while the path has a queue or has none. A queue quarters protection, once a round trip; it comes
    /// back slowly: on a thin path repairs would otherwise fill the queue again and again that first copies stand in.
    pub(crate) fn judge(&mut self, now: Instant, has_queue: bool, rtt: Duration) {
        let since = now.since(self.judged_at);
        if has_queue && since >= rtt {
            self.restraint = (self.restraint * RESTRAIN).max(LEAST_RESTRAINT);
            if self.restraint == LEAST_RESTRAINT {
                self.rests_until = now + REST;
            }
            self.credit = self.credit.min(0.0);
            self.judged_at = now;
        } else if !has_queue {
            self.restraint = (self.restraint + since.as_secs_f64() * RELAX_PER_SECOND).min(1.0);
            self.judged_at = now;
        }
    }

    /// Whether the path has shown a queue lately: then repairs leave behind the messages, in packets of their own, so
    /// that they make no packet longer that carries a first copy.
    pub(crate) fn is_restrained(&self) -> bool {
        self.restraint < 1.0
    }

    /// Whether packets are protected.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Notes the packet whose symbol was written.
    pub(crate) fn on_source(&mut self, number: u64, loss: f64) {
        self.encoder.push(number, &self.symbol);
        let earned = self.symbol.len() as f64 * curve::at(&SHARES, loss) * self.restraint;
        self.credit = (self.credit + earned).min(MAX_CREDIT);
    }

    /// How long the next repair may be; none if none is due.
    pub(crate) fn affordable(&self) -> Option<usize> {
        let bytes = (self.credit / DOWN_PAYMENT) as usize;
        (self.is_on && bytes > 0 && !self.encoder.is_empty()).then_some(bytes)
    }

    pub(crate) fn on_repair(&mut self, bytes: usize) {
        self.is_crowded = false;
        self.credit -= bytes as f64;
    }
}
