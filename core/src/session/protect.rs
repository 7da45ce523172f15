//! Forward protection of small kept messages: how much of it, and when. The coder is next door in `shield`.

use super::curve;
use super::shield::{Decoder, Encoder};

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

/// Protection of one session, both directions.
#[derive(Debug)]
pub(crate) struct Protection {
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    /// The symbol of the packet being written.
    pub(crate) symbol: Vec<u8>,
    /// Where recovered symbols are read from.
    pub(crate) recovered: Vec<u8>,
    /// The last repair found no room beside messages: it leaves in a packet of its own.
    pub(crate) is_crowded: bool,
    credit: f64,
    is_on: bool,
}

impl Protection {
    pub(crate) fn new() -> Self {
        Protection {
            encoder: Encoder::new(),
            decoder: Decoder::new(),
            symbol: Vec::new(),
            recovered: Vec::new(),
            is_crowded: false,
            credit: 0.0,
            is_on: false,
        }
    }

    /// Follows the measured loss: on above `threshold`, off again below half of it.
    pub(crate) fn update(&mut self, loss: f64, threshold: f64) -> bool {
        self.is_on = loss > if self.is_on { threshold / 2.0 } else { threshold };
        if !self.is_on {
            self.credit = 0.0;
        }
        self.is_on
    }

    /// Whether packets are protected.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Notes the packet whose symbol was written.
    pub(crate) fn on_source(&mut self, number: u64, loss: f64) {
        self.encoder.push(number, &self.symbol);
        let earned = self.symbol.len() as f64 * curve::at(&SHARES, loss);
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
