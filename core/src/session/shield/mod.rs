//! Forward protection: what is lost comes back from repairs sent along, a tick later instead of a round trip later.
//!
//! A sliding-window random linear code over GF(256), of the family of RFC 8681 but with a wire format of its own. This
//! module turns symbols into repairs and repairs into symbols; when to send repairs, how many, and how they stand in a
//! packet is decided by the session around it.
//!
//! # What stands on the wire
//! - The **symbol** of a packet is its protected section: the protected frames exactly as they stand in the packet, 1 to
//!   1,200 bytes. It is named by the packet number. For combining it is written as its length (u16, little endian), its
//!   bytes, and zeros without end.
//! - A **repair** names its newest covered packet (`base`) and a bitmap of the covered packets (`covered`: bit `i` is
//!   packet `base - i`; bit 0 is always set). All of them are older than the packet that carries the repair, the
//!   `carrier`. `index` counts the repairs in one carrier from 0.
//! - Its **combined bytes** are the sum, in GF(256) modulo 0x11d, of coefficient times symbol over the covered packets,
//!   cut to the longest: 2 bytes more than the longest symbol has.
//! - The **coefficient** of packet `p` in repair `index` of `carrier` is computed, with unsigned 64 bit arithmetic that
//!   wraps, as
//!   ```text
//!   z = carrier * 0x9e3779b97f4a7c15 + p * 0xd1b54a32d192ed03 + index * 0x8cb92ba72f3d8dd7
//!   z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
//!   z = (z ^ (z >> 27)) * 0x94d049bb133111eb
//!   z = z ^ (z >> 31)
//!   coefficient = 1 + (((z >> 32) * 255) >> 32)
//!   ```
//!   so it is never zero. (The middle is the output function of SplitMix64.)
//!
//! # An example
//! Packet 5 has the symbol `68 69`, packet 7 the symbol `01 02 03 04`. Repair 0 of packet 8 covers both: `base` 7,
//! `covered` 0b101. The coefficients are 0x3a for packet 7 and 0x8a for packet 5, and the combined bytes
//! `e1 00 b3 77 4e e8`.

mod decoder;
mod encoder;
mod equations;
pub mod field;

pub use decoder::Decoder;
pub use encoder::Encoder;

/// Packet numbers a repair can reach: the bits of [`Repair::covered`].
pub const WINDOW: usize = 64;

/// The longest symbol: what a packet of a datagram path holds, and some reserve. Longer messages are not protected.
pub const MAX_SYMBOL: usize = 1200;

/// The longest combined bytes: the longest symbol and its length.
pub const MAX_REPAIR: usize = LENGTH_PREFIX + MAX_SYMBOL;

/// The length in front of a symbol is a u16.
const LENGTH_PREFIX: usize = size_of::<u16>();
const _: () = assert!(MAX_SYMBOL <= u16::MAX as usize);

/// A repair as it stands in a packet, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Repair<'a> {
    /// The number of the packet that carries it.
    pub carrier: u64,
    /// Which repair of that packet it is, from 0.
    pub index: u8,
    /// The newest covered packet.
    pub base: u64,
    /// Bit `i`: packet `base - i` is covered. Bit 0 is set.
    pub covered: u64,
    /// The combined bytes.
    pub bytes: &'a [u8],
}

/// What a repair would cover, and what it would cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The newest covered packet.
    pub base: u64,
    /// Bit `i`: packet `base - i` is covered. Bit 0 is set.
    pub covered: u64,
    /// How many combined bytes there will be.
    pub len: usize,
}

impl Plan {
    /// How many packets are covered.
    #[must_use]
    pub fn symbols(&self) -> usize {
        self.covered.count_ones() as usize
    }
}

impl Repair<'_> {
    /// Whether all fields are within their bounds: covered packets exist and are older than the carrier, and the
    /// combined bytes can be those of a symbol.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        let Some(reach) = self.covered.checked_ilog2() else { return false };
        self.covered & 1 == 1
            && u64::from(reach) <= self.base
            && self.base < self.carrier
            && (LENGTH_PREFIX + 1..=MAX_REPAIR).contains(&self.bytes.len())
    }
}

/// The factor of `packet` in repair `index` of `carrier`, never zero. Part of the wire format, see the module's head.
#[must_use]
pub fn coefficient(carrier: u64, index: u8, packet: u64) -> u8 {
    let z = carrier
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(packet.wrapping_mul(0xd1b5_4a32_d192_ed03))
        .wrapping_add(u64::from(index).wrapping_mul(0x8cb9_2ba7_2f3d_8dd7));
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let z = z ^ (z >> 31);
    1 + (((z >> 32) * 255) >> 32) as u8
}

/// The packets of a bitmap in which bit `i` is packet `base - i`, newest first.
fn covered_packets(base: u64, mut covered: u64) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || {
        let behind = covered.checked_ilog2().map(|_| covered.trailing_zeros())?;
        covered &= covered - 1;
        Some(base.wrapping_sub(u64::from(behind)))
    })
}

/// Writes a symbol in the form in which symbols are combined, without the zeros. No buffer grows beyond need.
fn store_symbol(buffer: &mut Vec<u8>, symbol: &[u8]) {
    debug_assert!(symbol.len() <= MAX_SYMBOL);
    buffer.clear();
    buffer.reserve_exact(LENGTH_PREFIX + symbol.len());
    buffer.extend_from_slice(&(symbol.len() as u16).to_le_bytes());
    buffer.extend_from_slice(symbol);
}

/// Reads a symbol from the form in which symbols are combined. `None` if this is none: no length, one beyond the bytes
/// or beyond the bounds, or something else than zeros behind.
fn parse_symbol(bytes: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = bytes.split_first_chunk::<LENGTH_PREFIX>()?;
    let len = usize::from(u16::from_le_bytes(*prefix));
    let (symbol, padding) = rest.split_at_checked(len)?;
    ((1..=MAX_SYMBOL).contains(&len) && padding.iter().all(|byte| *byte == 0)).then_some(symbol)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
    use std::collections::{BTreeMap, VecDeque};

    #[test]
    fn coefficients_are_fixed_forever() {
        let table =
            [(0, 0, 0), (1, 0, 0), (8, 0, 5), (8, 0, 7), (8, 1, 7), (1 << 40, 3, (1 << 40) - 9), (u64::MAX, 255, 1)];
        let expected = [1, 226, 138, 58, 167, 119, 82];
        assert_eq!(table.map(|(carrier, index, packet)| coefficient(carrier, index, packet)), expected);
    }

    #[test]
    fn coefficients_are_spread_evenly_and_never_zero() {
        let mut counts = [0; 256];
        for carrier in 0..255 {
            for packet in 0..1000 {
                counts[usize::from(coefficient(carrier, 0, packet))] += 1;
            }
        }
        assert_eq!(counts[0], 0);
        assert!(counts[1..].iter().all(|count| (800..1200).contains(count)), "{counts:?}");
    }

    #[test]
    fn the_example_of_the_documentation_is_exact() {
        let mut encoder = Encoder::new();
        encoder.push(5, &[0x68, 0x69]);
        encoder.push(7, &[0x01, 0x02, 0x03, 0x04]);
        let plan = encoder.plan(8, 10, 100).expect("two packets are protected");
        assert_eq!(plan, Plan { base: 7, covered: 0b101, len: 6 });
        let mut bytes = vec![];
        encoder.write(&plan, 8, 0, &mut bytes);
        assert_eq!(coefficient(8, 0, 7), 0x3a);
        assert_eq!(coefficient(8, 0, 5), 0x8a);
        assert_eq!(bytes, [0xe1, 0x00, 0xb3, 0x77, 0x4e, 0xe8]);

        let mut decoder = Decoder::new();
        decoder.on_source(7, &[0x01, 0x02, 0x03, 0x04]);
        let repair = Repair { carrier: 8, index: 0, base: plan.base, covered: plan.covered, bytes: &bytes };
        decoder.on_repair(&repair, |packet| packet == 7);
        assert_eq!(decoder.poll_recovered(&mut bytes), Some(5));
        assert_eq!(bytes, [0x68, 0x69]);
        assert_eq!(decoder.poll_recovered(&mut bytes), None);
    }

    #[test]
    fn malformed_repairs_are_told() {
        let good = Repair { carrier: 9, index: 0, base: 8, covered: 0b101, bytes: &[0; 3] };
        assert!(good.is_well_formed());
        for bad in [
            Repair { covered: 0, ..good },
            Repair { covered: 0b100, ..good },
            Repair { covered: 1 << 9 | 1, ..good },
            Repair { carrier: 8, ..good },
            Repair { bytes: &[0; 2], ..good },
            Repair { bytes: &[0; MAX_REPAIR + 1], ..good },
        ] {
            assert!(!bad.is_well_formed(), "{bad:?}");
        }
    }

    /// One source and some repairs in every packet, one packet a tick. Gives the share of sources known after 0, 1, 2 ..
    /// ticks.
    fn stream(seed: u64, loss: f64, repairs: u8) -> Vec<f64> {
        const TICKS: u64 = 20_000;
        /// Ticks until the sender learns what the receiver has; such reports get lost as packets do.
        const REPORT_AGE: usize = 4;
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        let mut known = BTreeMap::new();
        let mut sources: Vec<Vec<u8>> = vec![];
        let mut reports = VecDeque::new();
        let (mut bytes, mut out) = (vec![], vec![]);
        for tick in 0..TICKS {
            let mut symbol = vec![0; rng.random_range(20..300)];
            rng.fill_bytes(&mut symbol);
            let plan = encoder.plan(tick, 10, MAX_REPAIR);
            encoder.push(tick, &symbol);
            sources.push(symbol);
            if !rng.random_bool(loss) {
                known.insert(tick, tick);
                decoder.on_source(tick, &sources[tick as usize]);
                for (index, plan) in (0..repairs).zip(plan.iter().cycle()) {
                    bytes.clear();
                    encoder.write(plan, tick, index, &mut bytes);
                    let Plan { base, covered, .. } = *plan;
                    let repair = Repair { carrier: tick, index, base, covered, bytes: &bytes };
                    decoder.on_repair(&repair, |packet| known.get(&packet) == Some(&packet));
                }
                while let Some(packet) = decoder.poll_recovered(&mut out) {
                    assert_eq!(out, sources[packet as usize]);
                    assert_eq!(known.insert(packet, tick), None, "{packet} was known");
                }
            }
            reports.push_back(known.range(tick.saturating_sub(WINDOW as u64)..).map(|(p, _)| *p).collect::<Vec<_>>());
            if reports.len() > REPORT_AGE {
                let report = reports.pop_front().expect("there are several");
                if !rng.random_bool(loss) {
                    report.into_iter().for_each(|packet| encoder.forget(packet));
                }
            }
        }
        let within = |ticks| known.iter().filter(|(sent, known)| *known - *sent <= ticks).count() as f64 / TICKS as f64;
        (0..=20).map(within).collect()
    }

    #[test]
    fn a_stream_recovers_within_a_few_ticks() {
        let [light, heavy, heavy_twice] = [(0.1, 1), (0.3, 1), (0.3, 2)].map(|(loss, repairs)| {
            let shares = stream(1, loss, repairs);
            println!("loss {loss}, {repairs} repairs a packet, share known within 0, 1, .. ticks: {shares:.5?}");
            shares
        });
        assert!(light[1] >= 0.97 && light[6] >= 0.999 && light[20] >= 0.9999);
        assert!(heavy[1] >= 0.8 && heavy[6] >= 0.92 && heavy[20] >= 0.985);
        assert!(heavy_twice[1] >= 0.85 && heavy_twice[6] >= 0.985 && heavy_twice[20] >= 0.999);
    }
}
