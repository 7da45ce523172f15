//! The receiver's half of the shield: keeps the symbols of recent packets and the repairs that cannot be solved yet, and
//! gives out the symbols of lost packets as they become known. Everything in a repair may be a lie: what does not fit
//! together is dropped in silence. Reading packets and acting on what is recovered is the session's affair.

use super::equations::{COLUMNS, Equations};
use super::{MAX_SYMBOL, Repair, coefficient, covered_packets, field, parse_symbol, store_symbol};

/// Packet numbers for which symbols are kept: the window, and as much again for repairs that come late.
const RING: usize = COLUMNS;

/// The symbols of the last 128 packet numbers, and at most 32 unsolved repairs about them.
///
/// Buffers are reused: nothing is allocated once they have grown to the usual size. Never more than
/// [`Self::MAX_MEMORY`], about 35 kB where symbols have 200 bytes.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// The newest packet heard of, be it as a source or as the base of a repair.
    newest: u64,
    /// Bit `p % RING`: the symbol of packet `p` is known.
    known: u128,
    /// Bit `p % RING`: it was recovered and is still to be polled.
    unpolled: u128,
    /// The symbol of packet `p`, its length in front, stands at `p % RING`.
    symbols: Vec<Vec<u8>>,
    equations: Equations,
}

impl Decoder {
    /// What [`Self::memory`] never exceeds, whatever is received.
    pub const MAX_MEMORY: usize = 224 * 1024;

    /// A decoder that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self { newest: 0, known: 0, unpolled: 0, symbols: vec![Vec::new(); RING], equations: Equations::default() }
    }

    /// Takes the protected section of a packet that arrived. Doubles, late ones and sections out of bounds are ignored.
    pub fn on_source(&mut self, packet: u64, symbol: &[u8]) {
        if symbol.is_empty() || symbol.len() > MAX_SYMBOL {
            return;
        }
        self.advance(packet);
        if self.newest - packet >= RING as u64 {
            return;
        }
        let slot = slot_of(packet);
        self.unpolled &= !(1 << slot);
        if self.known & (1 << slot) == 0 {
            self.known |= 1 << slot;
            store_symbol(&mut self.symbols[slot], symbol);
            self.equations.substitute(slot, &self.symbols[slot]);
            self.solve();
        }
    }

    /// Takes a repair that arrived. `is_received` tells of a packet number whether that packet arrived itself: if its
    /// symbol was not kept nevertheless, the repair says nothing.
    pub fn on_repair(&mut self, repair: &Repair<'_>, is_received: impl Fn(u64) -> bool) {
        if !repair.is_well_formed() {
            return;
        }
        self.advance(repair.base);
        let mut is_news = false;
        for packet in covered_packets(repair.base, repair.covered) {
            if self.newest - packet >= RING as u64 {
                return;
            }
            if self.known & (1 << slot_of(packet)) == 0 {
                if is_received(packet) {
                    return;
                }
                is_news = true;
            }
        }
        if !is_news {
            return;
        }
        let mut row = self.equations.row(repair.bytes);
        for packet in covered_packets(repair.base, repair.covered) {
            let slot = slot_of(packet);
            let factor = coefficient(repair.carrier, repair.index, packet);
            if self.known & (1 << slot) == 0 {
                row.set(slot, factor);
            } else if self.symbols[slot].len() <= row.bytes.len() {
                field::mul_add(&mut row.bytes, &self.symbols[slot], factor);
            } else {
                self.equations.release(row);
                return;
            }
        }
        self.equations.insert(row);
        self.solve();
        self.equations.trim();
    }

    /// Takes out a recovered symbol, the oldest first: its packet number; the bytes replace the content of `out`.
    ///
    /// To be called until `None` after every input: a symbol left behind is lost once the ring has moved on.
    pub fn poll_recovered(&mut self, out: &mut Vec<u8>) -> Option<u64> {
        if self.unpolled == 0 {
            return None;
        }
        let oldest = slot_of(self.newest.wrapping_add(1));
        let behind = self.unpolled.rotate_right(oldest as u32).trailing_zeros();
        let packet = self.newest.wrapping_sub(RING as u64 - 1).wrapping_add(u64::from(behind));
        let slot = slot_of(packet);
        self.unpolled &= !(1 << slot);
        out.clear();
        out.extend_from_slice(parse_symbol(&self.symbols[slot])?);
        Some(packet)
    }

    /// How many repairs wait for more: so many further symbols, well chosen, would solve all there is.
    #[must_use]
    pub fn unsolved(&self) -> usize {
        self.equations.len()
    }

    /// The bytes of memory held, at most [`Self::MAX_MEMORY`].
    #[must_use]
    pub fn memory(&self) -> usize {
        let symbols: usize = self.symbols.iter().map(Vec::capacity).sum();
        size_of::<Self>() + self.symbols.capacity() * size_of::<Vec<u8>>() + symbols + self.equations.memory()
    }

    /// Makes place for a packet newer than all, and lets go of those that fall behind the ring.
    fn advance(&mut self, packet: u64) {
        let Some(step @ 1..) = packet.checked_sub(self.newest) else {
            return;
        };
        let first = slot_of(self.newest.wrapping_add(1));
        let expired = if step < RING as u64 { ((1 << step) - 1_u128).rotate_left(first as u32) } else { u128::MAX };
        self.newest = packet;
        self.known &= !expired;
        self.unpolled &= !expired;
        self.equations.advance(expired, slot_of(packet.wrapping_add(1)));
    }

    /// Turns solved equations into known symbols; solutions that are no symbols are dropped.
    fn solve(&mut self) {
        while let Some((slot, row)) = self.equations.pop_solved() {
            if let Some(symbol) = parse_symbol(&row.bytes) {
                store_symbol(&mut self.symbols[slot], symbol);
                self.known |= 1 << slot;
                self.unpolled |= 1 << slot;
            }
            self.equations.release(row);
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The place of a packet in the ring.
fn slot_of(packet: u64) -> usize {
    (packet % RING as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::super::equations::MAX_ROWS;
    use super::super::{Encoder, MAX_REPAIR, WINDOW};
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
    use std::collections::{BTreeMap, BTreeSet};

    /// A repair with its bytes.
    #[derive(Clone)]
    struct Sent {
        carrier: u64,
        index: u8,
        base: u64,
        covered: u64,
        bytes: Vec<u8>,
    }

    impl Sent {
        fn borrowed(&self) -> Repair<'_> {
            let Self { carrier, index, base, covered, .. } = *self;
            Repair { carrier, index, base, covered, bytes: &self.bytes }
        }
    }

    fn random_symbol(rng: &mut ChaCha8Rng) -> Vec<u8> {
        let len = if rng.random_bool(0.1) { rng.random_range(1..=MAX_SYMBOL) } else { rng.random_range(1..60) };
        (0..len).map(|_| rng.random()).collect()
    }

    fn drain(decoder: &mut Decoder) -> BTreeMap<u64, Vec<u8>> {
        let mut out = vec![];
        std::iter::from_fn(|| decoder.poll_recovered(&mut out).map(|packet| (packet, out.clone()))).collect()
    }

    /// What the repairs determine of the lost packets, by elimination over bare coefficients, pivots in any order.
    fn solvable(repairs: &[Sent], lost: &BTreeSet<u64>) -> BTreeSet<u64> {
        let columns: Vec<u64> = lost.iter().copied().collect();
        let mut rows: Vec<Vec<u8>> = repairs
            .iter()
            .map(|r| {
                let covered: BTreeSet<u64> = covered_packets(r.base, r.covered).collect();
                let entry = |p: &u64| if covered.contains(p) { coefficient(r.carrier, r.index, *p) } else { 0 };
                columns.iter().map(entry).collect()
            })
            .collect();
        let mut rank = 0;
        for column in 0..columns.len() {
            let Some(at) = (rank..rows.len()).find(|&at| rows[at][column] != 0) else { continue };
            rows.swap(rank, at);
            let factor = field::inv(rows[rank][column]);
            field::scale(&mut rows[rank], factor);
            let pivot = rows[rank].clone();
            for (at, row) in rows.iter_mut().enumerate() {
                let factor = row[column];
                if at != rank {
                    field::mul_add(row, &pivot, factor);
                }
            }
            rank += 1;
        }
        let solved = rows.iter().filter(|row| row.iter().filter(|c| **c != 0).count() == 1);
        solved.filter_map(|row| row.iter().position(|c| *c != 0)).map(|column| columns[column]).collect()
    }

    #[test]
    fn exactly_what_the_repairs_determine_is_recovered_in_any_order() {
        let mut out_of = [0, 0];
        for seed in 0..300 {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
            let start = rng.random_range(0..1 << 40);
            let loss = rng.random_range(0.05..0.6);
            let (mut sources, mut repairs, mut lost) = (BTreeMap::new(), vec![], BTreeSet::new());
            for packet in start..start + rng.random_range(2..WINDOW as u64) {
                for index in 0..rng.random_range(0..3) {
                    let max_bytes = if rng.random() { MAX_REPAIR } else { 40 };
                    let Some(plan) = encoder.plan(packet, rng.random_range(1..12), max_bytes) else { continue };
                    let mut bytes = vec![];
                    encoder.write(&plan, packet, index, &mut bytes);
                    assert_eq!(bytes.len(), plan.len);
                    if !rng.random_bool(loss) && repairs.len() < MAX_ROWS {
                        repairs.push(Sent { carrier: packet, index, base: plan.base, covered: plan.covered, bytes });
                    }
                }
                if rng.random_bool(0.9) {
                    let symbol = random_symbol(rng);
                    encoder.push(packet, &symbol);
                    sources.insert(packet, symbol);
                    if rng.random_bool(loss) {
                        lost.insert(packet);
                    }
                }
            }
            // Everything that arrives, some of it twice, in any order.
            let arriving = sources.keys().filter(|packet| !lost.contains(packet));
            let mut inputs: Vec<Result<u64, Sent>> = arriving.map(|packet| Ok(*packet)).collect();
            inputs.extend(repairs.iter().cloned().map(Err));
            inputs.extend((0..inputs.len() / 3).map(|at| inputs[at * 2].clone()).collect::<Vec<_>>());
            for at in (1..inputs.len()).rev() {
                inputs.swap(at, rng.random_range(0..=at));
            }
            let (mut received, mut recovered) = (BTreeSet::new(), BTreeSet::new());
            for input in &inputs {
                match input {
                    Ok(packet) => {
                        received.insert(*packet);
                        decoder.on_source(*packet, &sources[packet]);
                    }
                    Err(sent) => decoder.on_repair(&sent.borrowed(), |packet| received.contains(&packet)),
                }
                for (packet, symbol) in drain(&mut decoder) {
                    assert_eq!(Some(&symbol), sources.get(&packet), "seed {seed}, packet {packet}");
                    assert!(!received.contains(&packet), "seed {seed}: {packet} was there");
                    assert!(recovered.insert(packet), "seed {seed}: {packet} recovered twice");
                }
            }
            let recovered: BTreeSet<u64> = recovered.intersection(&lost).copied().collect();
            assert_eq!(recovered, solvable(&repairs, &lost), "seed {seed}");
            out_of[0] += recovered.len();
            out_of[1] += lost.len();
        }
        assert!(out_of[0] > 500 && out_of[0] < out_of[1], "{out_of:?} tells nothing");
    }

    #[test]
    fn as_many_repairs_as_losses_are_enough() {
        for lost in 1..=MAX_ROWS as u64 {
            let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
            for packet in 0..lost {
                encoder.push(packet, &[packet as u8 + 1; 30]);
            }
            let plan = encoder.plan(lost, WINDOW, MAX_REPAIR).expect("something is protected");
            let mut bytes = vec![];
            for carrier in lost.. {
                bytes.clear();
                encoder.write(&plan, carrier, 0, &mut bytes);
                let repair = Repair { carrier, index: 0, base: plan.base, covered: plan.covered, bytes: &bytes };
                let before = decoder.unsolved();
                decoder.on_repair(&repair, |_| false);
                // One in 255 repairs says nothing new.
                let is_independent = decoder.unsolved() != before;
                assert!(is_independent || carrier < 2 * lost + 2);
                if decoder.unsolved() == 0 {
                    assert!(carrier + 1 >= 2 * lost, "solved before the last was there");
                    break;
                }
                assert!(decoder.unsolved() < lost as usize, "not solved by the last");
            }
            assert_eq!(drain(&mut decoder), (0..lost).map(|packet| (packet, vec![packet as u8 + 1; 30])).collect());
        }
    }

    #[test]
    fn repairs_about_packets_out_of_reach_are_dropped() {
        let mut encoder = Encoder::new();
        encoder.push(10, b"ten");
        encoder.push(11, b"eleven");
        let plan = encoder.plan(12, 2, 100).expect("two are protected");
        let mut bytes = vec![];
        encoder.write(&plan, 12, 0, &mut bytes);
        let repair = Repair { carrier: 12, index: 0, base: plan.base, covered: plan.covered, bytes: &bytes };

        let mut decoder = Decoder::new();
        decoder.on_repair(&repair, |packet| packet == 10);
        assert!(decoder.unsolved() == 0, "ten was received and not kept");

        decoder.on_repair(&repair, |_| false);
        assert!(decoder.unsolved() != 0);
        decoder.on_source(10 + RING as u64, b"far ahead");
        assert!(decoder.unsolved() == 0, "ten is behind the ring");
        decoder.on_repair(&repair, |_| false);
        decoder.on_source(10, b"ten");
        assert!(decoder.unsolved() == 0 && drain(&mut decoder).is_empty());

        let mut decoder = Decoder::new();
        decoder.on_repair(&repair, |_| false);
        decoder.on_source(11, b"eleven");
        decoder.on_source(10, b"ten");
        assert!(drain(&mut decoder).is_empty(), "ten came by itself before it was polled");
    }

    #[test]
    fn lies_are_dropped_and_memory_stays_bounded() {
        for seed in 0..60 {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            let mut decoder = Decoder::new();
            let mut now: u64 = if seed % 3 == 0 { 0 } else { rng.random() };
            for _ in 0..200 {
                now = match rng.random_range(0..100) {
                    0 => rng.random(),
                    1 => u64::MAX - rng.random_range(0..100),
                    _ => now.saturating_add(rng.random_range(0..3)),
                };
                let near = now.saturating_sub(rng.random_range(0..80));
                let len = rng.random_range(0..MAX_REPAIR + 10);
                let mut bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
                if rng.random() && bytes.len() > 2 {
                    // Small prefixes make some of the solutions plausible.
                    bytes[1] = 0;
                    bytes[3..].fill(0);
                }
                if rng.random_bool(0.3) {
                    decoder.on_source(near, &bytes);
                } else {
                    let covered = if rng.random() { rng.random::<u64>() & rng.random::<u64>() } else { 1 << 20 } | 1;
                    let covered = if rng.random_bool(0.02) { covered & !1 } else { covered };
                    let repair = Repair { carrier: now, index: rng.random(), base: near, covered, bytes: &bytes };
                    decoder.on_repair(&repair, |packet| packet % 97 == 0);
                }
                for symbol in drain(&mut decoder).values() {
                    assert!((1..=MAX_SYMBOL).contains(&symbol.len()));
                }
                assert!(decoder.memory() <= Decoder::MAX_MEMORY, "seed {seed}: {} bytes", decoder.memory());
            }
        }
    }

    #[test]
    fn a_full_decoder_stays_within_its_memory() {
        let mut decoder = Decoder::new();
        for packet in 0..RING as u64 {
            decoder.on_source(packet, &[1; MAX_SYMBOL]);
        }
        for carrier in 0..1000 {
            let base = RING as u64 + carrier / 10;
            let repair =
                Repair { carrier: base + 1, index: carrier as u8, base, covered: u64::MAX, bytes: &[9; MAX_REPAIR] };
            decoder.on_repair(&repair, |_| false);
            drain(&mut decoder);
        }
        assert!(decoder.memory() <= Decoder::MAX_MEMORY, "{} bytes", decoder.memory());
        assert!(decoder.memory() > Decoder::MAX_MEMORY / 2, "{} bytes do not test the bound", decoder.memory());
    }

    #[test]
    fn solutions_that_are_no_symbols_are_not_given_out() {
        let honest = |bytes: &[u8]| {
            let factor = coefficient(8, 0, 7);
            let mut bytes = bytes.to_vec();
            field::scale(&mut bytes, factor);
            let mut decoder = Decoder::new();
            decoder.on_repair(&Repair { carrier: 8, index: 0, base: 7, covered: 1, bytes: &bytes }, |_| false);
            drain(&mut decoder)
        };
        assert_eq!(honest(&[1, 0, 42]), BTreeMap::from([(7, vec![42])]));
        assert_eq!(honest(&[1, 0, 42, 0, 0]), BTreeMap::from([(7, vec![42])]));
        for lie in [&[0, 0, 42][..], &[2, 0, 42], &[255, 255, 42], &[1, 0, 42, 1], &[0, 0, 0], &[1, 0], &[]] {
            assert!(honest(lie).is_empty(), "{lie:?}");
        }
    }
}
