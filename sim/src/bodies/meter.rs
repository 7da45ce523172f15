//! What memory is asked for. The bodies do not own the allocator: whoever does (a fuzz target, a test) installs a meter,
//! and without one the bounds on memory are not judged.

use std::sync::OnceLock;

/// What a piece of work asked of the allocator.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cost {
    /// Bytes that were given out, given back or not.
    pub total: u64,
    /// The most bytes that were out at one moment.
    pub peak: u64,
}

/// Does the work and tells its cost.
pub type Meter = fn(&mut dyn FnMut()) -> Cost;

static METER: OnceLock<Meter> = OnceLock::new();

/// Installs the meter of this process. Only the first one counts.
pub fn install(meter: Meter) {
    METER.get_or_init(|| meter);
}

fn measure<T>(work: impl FnOnce() -> T) -> (T, Cost) {
    let Some(meter) = METER.get() else { return (work(), Cost::default()) };
    let (mut work, mut result) = (Some(work), None);
    let cost = meter(&mut || result = work.take().map(|work| work()));
    (result.expect("a meter does the work once"), cost)
}

/// Does the work and fails if it asks for more than `most` bytes, given back or not.
#[track_caller]
pub fn total_within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let (result, cost) = measure(work);
    assert!(cost.total <= most as u64, "{} bytes were asked for, {most} are allowed", cost.total);
    result
}

/// Does the work and fails if it holds more than `most` bytes at any moment.
#[track_caller]
pub fn peak_within<T>(most: usize, work: impl FnOnce() -> T) -> T {
    let (result, cost) = measure(work);
    assert!(cost.peak <= most as u64, "{} bytes were held, {most} are allowed", cost.peak);
    result
}
