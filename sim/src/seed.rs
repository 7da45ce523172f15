//! One number from which a whole run is drawn: named, independent streams of randomness and portable draws from them.
//! Which faults there are, and what their rates may be, is decided elsewhere.
//!
//! A stream depends on the seed and its own name only, so a new stream disturbs none that exists. No draw depends on
//! the width of `usize` or on a mathematical library, so a seed means the same everywhere.

use core::time::Duration;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// The seed of a run, or of a named part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seed(u64);

impl Seed {
    /// The seed with this number.
    pub fn new(number: u64) -> Self {
        Seed(number)
    }

    /// The number of this seed.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The seed of the part called `name` with this index, say one pipe among many.
    pub fn child(self, name: &str, index: u64) -> Seed {
        Seed(mix(self.key(name) ^ mix(index.wrapping_add(GOLDEN))))
    }

    /// The stream called `name`.
    pub fn stream(self, name: &str) -> Draw {
        let key = self.key(name);
        let mut bytes = [0; 32];
        for (index, part) in (1u64..).zip(bytes.chunks_exact_mut(8)) {
            part.copy_from_slice(&mix(key.wrapping_add(index.wrapping_mul(GOLDEN))).to_le_bytes());
        }
        Draw(ChaCha8Rng::from_seed(bytes))
    }

    fn key(self, name: &str) -> u64 {
        // FNV-1a over the name, so that its value is pinned here and not in a library that may change its hash.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        mix(mix(self.0.wrapping_add(GOLDEN)) ^ hash)
    }
}

/// One stream of randomness.
#[derive(Debug)]
pub struct Draw(ChaCha8Rng);

impl Draw {
    /// 64 random bits.
    pub fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// True with this probability. One draw is spent whatever the probability is.
    pub fn chance(&mut self, probability: f64) -> bool {
        unit_of(self.word()) < probability
    }

    /// A number from 0 up to, not including, 1.
    pub fn unit(&mut self) -> f64 {
        unit_of(self.word())
    }

    /// A number from 0 up to, not including, `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        below_of(self.word(), end)
    }

    /// A number from `low` to `high`, both included; `low` if `high` is less.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + match high.saturating_sub(low).checked_add(1) {
            Some(width) => self.below(width),
            None => self.word(),
        }
    }

    /// A number from `low` up to, not including, `high`.
    pub fn between_f64(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// A duration from `low` to `high`, both included.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        Duration::from_nanos(self.between(nanos(low), nanos(high)))
    }

    /// A duration with this mean, exponentially distributed.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        Duration::from_nanos(exponential_of(self.word(), nanos(mean)))
    }

    /// One of the items, or nothing if there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.below(items.len() as u64);
        items.get(usize::try_from(index).unwrap_or(usize::MAX))
    }

    /// Fills the bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// 32 bytes, as the machines take for their own seed.
    pub fn key(&mut self) -> [u8; 32] {
        let mut key = [0; 32];
        self.fill(&mut key);
        key
    }
}

/// The odd number nearest to 2^64 divided by the golden ratio: counting in steps of it spreads over all words.
pub(crate) const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finisher of SplitMix64: turns a counted word into a random one.
pub(crate) fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A random word as a number from 0 up to, not including, 1.
pub(crate) fn unit_of(word: u64) -> f64 {
    (word >> 11) as f64 / (1u64 << 53) as f64
}

/// A random word as a number from 0 up to, not including, `end`. The bias is below `end` / 2^64.
pub(crate) fn below_of(word: u64, end: u64) -> u64 {
    ((u128::from(word) * u128::from(end)) >> 64) as u64
}

/// A random word as an exponentially distributed number with this mean, at most 45 times the mean.
pub(crate) fn exponential_of(word: u64, mean: u64) -> u64 {
    (minus_ln(1.0 - unit_of(word)) * mean as f64) as u64
}

/// A duration in nanoseconds, at most 584 years.
pub(crate) fn nanos(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

/// -ln(x) for 0 < x <= 1 to seven digits, by nothing but exactly rounded operations: a library's `ln` may differ in
/// its last bit from one machine to the next, and a trace must not.
fn minus_ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let exponent = 1023.0 - (bits >> 52) as f64;
    let mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let q = s * s;
    let series = 1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q * (1.0 / 11.0)))));
    (exponent * core::f64::consts::LN_2 - 2.0 * s * series).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_and_name_only() {
        let word = |seed, name| Seed::new(seed).stream(name).word();
        assert_eq!(word(1, "network"), word(1, "network"));
        assert_ne!(word(1, "network"), word(2, "network"));
        assert_ne!(word(1, "network"), word(1, "faults"));
        assert_ne!(Seed::new(1).child("pipe", 0), Seed::new(1).child("pipe", 1));
        assert_ne!(Seed::new(1).child("pipe", 0), Seed::new(1).child("link", 0));
    }

    #[test]
    fn the_meaning_of_a_seed_is_pinned() {
        let mut draw = Seed::new(42).stream("network");
        assert_eq!([draw.word(), draw.word()], [5_723_253_265_041_016_030, 15_195_292_788_295_172_352]);
        assert_eq!(draw.exponential(Duration::from_secs(1)).as_nanos(), 561_004_013);
    }

    #[test]
    fn draws_keep_their_bounds_and_means() {
        let mut draw = Seed::new(7).stream("test");
        let mut hits = 0;
        let mut sum = Duration::ZERO;
        for _ in 0..100_000 {
            hits += u32::from(draw.chance(0.1));
            sum += draw.exponential(Duration::from_millis(10));
            assert!((3..=5).contains(&draw.between(3, 5)));
            let wait = draw.duration(Duration::from_millis(1), Duration::from_millis(2));
            assert!(wait >= Duration::from_millis(1) && wait <= Duration::from_millis(2));
        }
        assert!((9_500..10_500).contains(&hits), "{hits}");
        assert!((980..1_020).contains(&sum.as_secs()), "{sum:?}");
        assert_eq!(draw.below(0), 0);
        assert_eq!(draw.between(9, 9), 9);
        draw.between(0, u64::MAX);
        assert_eq!(draw.pick::<u8>(&[]), None);
        assert!(!draw.chance(0.0) && draw.chance(1.0));
    }

    #[test]
    fn the_logarithm_is_good_to_seven_digits() {
        for step in 1..=1000 {
            let x = f64::from(step) / 1000.0;
            assert!((minus_ln(x) + x.ln()).abs() < 1e-6, "{x}");
        }
    }
}
