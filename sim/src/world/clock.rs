//! A player's clock: it runs a little faster or slower than the world's. Nobody but its owner sees what it shows.

use webstar_core::time::Instant;

const MILLION: i64 = 1_000_000;

/// A clock that begins with the world and drifts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Clock {
    /// Parts in a million by which it is too fast.
    drift_ppm: i64,
    /// Nanoseconds that it is ahead besides.
    ahead_nanos: i64,
}

impl Clock {
    /// A clock that is so many parts in a million too fast; at most 100,000 either way.
    pub fn with_drift(drift_ppm: i64) -> Self {
        Clock { drift_ppm: drift_ppm.clamp(-MILLION / 10, MILLION / 10), ahead_nanos: 0 }
    }

    /// The same clock, so many nanoseconds further on; back, if there are fewer than none.
    pub fn moved(self, nanos: i64) -> Self {
        Clock { ahead_nanos: self.ahead_nanos.saturating_add(nanos), ..self }
    }

    /// What it shows at this moment of the world.
    pub fn local(self, world: Instant) -> Instant {
        let nanos = world.as_nanos();
        if self.drift_ppm == 0 {
            return Instant::from_nanos(nanos.saturating_add(self.ahead_nanos));
        }
        let drifted = nanos.saturating_add(scaled(nanos, self.drift_ppm, MILLION));
        Instant::from_nanos(drifted.saturating_add(self.ahead_nanos))
    }

    /// The first moment of the world at which it shows at least this.
    pub fn world(self, local: Instant) -> Instant {
        let nanos = local.as_nanos().saturating_sub(self.ahead_nanos);
        if self.drift_ppm == 0 {
            return Instant::from_nanos(nanos);
        }
        let guess = nanos.saturating_sub(scaled(nanos, self.drift_ppm, MILLION + self.drift_ppm)).saturating_sub(2);
        let is_early = |nanos: &i64| self.local(Instant::from_nanos(*nanos)) < local;
        let late = (guess..).take_while(is_early).last();
        Instant::from_nanos(late.map_or(guess, |late| late.saturating_add(1)))
    }
}

/// `nanos` times `share` divided by `of`, rounded towards zero.
fn scaled(nanos: i64, share: i64, of: i64) -> i64 {
    let scaled = i128::from(nanos) * i128::from(share) / i128::from(of);
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_met_early_and_never_a_nanosecond_too_late() {
        for drift in [-500, -1, 0, 1, 500] {
            let clock = Clock::with_drift(drift);
            for nanos in [0, 1, 999_999, 1_000_000, 30_000_000_017, 60_000_000_000] {
                let local = Instant::from_nanos(nanos);
                let world = clock.world(local);
                assert!(clock.local(world) >= local, "{drift} {nanos}");
                let before = Instant::from_nanos(world.as_nanos() - 1);
                assert!(world == Instant::ZERO || clock.local(before) < local, "{drift} {nanos}");
            }
        }
    }

    #[test]
    fn a_clock_that_jumps_is_ahead_or_behind_from_then_on() {
        let second = 1_000_000_000;
        let clock = Clock::with_drift(100).moved(10 * second);
        assert_eq!(clock.local(Instant::from_nanos(0)), Instant::from_nanos(10 * second));
        assert_eq!(clock.world(Instant::from_nanos(10 * second)), Instant::from_nanos(0));
        assert_eq!(clock.moved(-10 * second), Clock::with_drift(100));
        // What it shows already was in the past.
        assert!(clock.world(Instant::from_nanos(5 * second)) < Instant::from_nanos(0));
    }

    #[test]
    fn five_hundred_parts_in_a_million_are_fifteen_milliseconds_in_thirty_seconds() {
        let world = Instant::from_nanos(30_000_000_000);
        assert_eq!(Clock::with_drift(500).local(world), Instant::from_nanos(30_015_000_000));
        assert_eq!(Clock::with_drift(-500).local(world), Instant::from_nanos(29_985_000_000));
    }
}
