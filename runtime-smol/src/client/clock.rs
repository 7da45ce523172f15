//! The clock and the dice of a player: one time line for the process, seeds from the system.

use std::sync::LazyLock;
use std::time::Instant as Moment;
use webstar_core::time::Instant;

static ZERO: LazyLock<Moment> = LazyLock::new(Moment::now);

/// Now, on the time line of all players of this process. It begins when it is first asked for.
pub fn now() -> Instant {
    let zero = *ZERO;
    Instant::from_nanos(i64::try_from(zero.elapsed().as_nanos()).unwrap_or(i64::MAX))
}

/// The beginning of the time line.
pub(super) fn zero() -> Moment {
    *ZERO
}

/// The same moment for the system's timers.
pub(crate) fn to_system(instant: Instant) -> Moment {
    *ZERO + instant.since(Instant::ZERO)
}

/// A seed that nobody can guess.
pub(crate) fn seed() -> Result<[u8; 32], getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(seed)
}
