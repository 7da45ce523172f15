//! The announcement every packet carries in one byte: "my next packet on this path comes at the latest in ..".
//! Sixteen steps an octave, rounded up, so that a promise is never stricter than what was meant.

use crate::time::Duration;

/// An announced interval as it stands on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Rhythm(pub u8);

impl Rhythm {
    /// The shortest announced interval that is not shorter than `interval`: 16 ms to about 17 minutes.
    pub fn at_least(interval: Duration) -> Rhythm {
        let whole = interval.as_secs().saturating_mul(1_000).saturating_add(u64::from(interval.subsec_millis()));
        let has_rest = !interval.subsec_nanos().is_multiple_of(1_000_000);
        let millis = whole.saturating_add(u64::from(has_rest)).clamp(16, 31 << 15);
        let exponent = (63 - millis.leading_zeros()) - 4;
        let mantissa = millis.div_ceil(1 << exponent);
        if mantissa == 32 {
            Rhythm(((exponent + 1) << 4) as u8)
        } else {
            Rhythm((exponent << 4) as u8 | (mantissa - 16) as u8)
        }
    }

    /// The interval.
    pub fn interval(self) -> Duration {
        Duration::from_millis((16 + u64::from(self.0 & 15)) << (self.0 >> 4))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_its_own_interval_and_codes_rise_with_intervals() {
        for code in 0..=255 {
            assert_eq!(Rhythm::at_least(Rhythm(code).interval()), Rhythm(code));
        }
        for code in 0..255 {
            assert!(Rhythm(code).interval() < Rhythm(code + 1).interval());
        }
    }

    #[test]
    fn intervals_are_rounded_up_by_at_most_a_sixteenth() {
        for millis in 16..20_000 {
            let meant = Duration::from_millis(millis);
            let told = Rhythm::at_least(meant).interval();
            assert!(told >= meant && told <= meant + meant / 16 + Duration::from_millis(1), "{meant:?} {told:?}");
        }
        assert_eq!(Rhythm::at_least(Duration::ZERO), Rhythm(0));
        assert_eq!(Rhythm::at_least(Duration::from_secs(1 << 40)), Rhythm(255));
    }
}
