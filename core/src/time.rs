//! Time as the core sees it: nanoseconds since a zero of the embedder's choosing. No clock is read here.

use core::fmt;
use core::ops::{Add, AddAssign, Sub};
pub use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A moment, told by the embedder with every input. It exists on every target, prints, and can be stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub struct Instant(sans_io_time::Instant);

impl Instant {
    /// The zero of the embedder's time line.
    pub const ZERO: Instant = Instant(sans_io_time::Instant::ZERO);

    /// The moment `nanos` nanoseconds after zero.
    #[inline]
    pub fn from_nanos(nanos: i64) -> Self {
        Instant(sans_io_time::Instant::from_nanos(nanos))
    }

    /// Nanoseconds since zero.
    #[inline]
    pub fn as_nanos(self) -> i64 {
        self.0.as_nanos()
    }

    /// Milliseconds since zero, with fractions.
    pub fn as_millis_f64(self) -> f64 {
        self.as_nanos() as f64 / 1e6
    }

    /// The time that has passed since `earlier`, zero if that lies in the future.
    #[inline]
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(u64::try_from(self.as_nanos().saturating_sub(earlier.as_nanos())).unwrap_or(0))
    }
}

impl From<i64> for Instant {
    fn from(nanos: i64) -> Self {
        Instant::from_nanos(nanos)
    }
}

impl From<Instant> for i64 {
    fn from(instant: Instant) -> i64 {
        instant.as_nanos()
    }
}

impl From<sans_io_time::Instant> for Instant {
    fn from(instant: sans_io_time::Instant) -> Self {
        Instant(instant)
    }
}

impl From<Instant> for sans_io_time::Instant {
    fn from(instant: Instant) -> Self {
        instant.0
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    /// Saturates at the end of time, so that a "never" can be added without care.
    #[inline]
    fn add(self, rhs: Duration) -> Instant {
        let nanos = i64::try_from(rhs.as_nanos()).unwrap_or(i64::MAX);
        Instant::from_nanos(self.as_nanos().saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, rhs: Duration) {
        *self = *self + rhs;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;
    fn sub(self, rhs: Duration) -> Instant {
        let nanos = i64::try_from(rhs.as_nanos()).unwrap_or(i64::MAX);
        Instant::from_nanos(self.as_nanos().saturating_sub(nanos))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}ms", self.as_millis_f64())
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The earlier of two optional moments, where `None` is never.
#[inline]
pub fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
