//! What a process takes of the processor.

use core::time::Duration;

/// The processor time of all threads of a process so far.
///
/// # Panics
/// When there is no such process, or its system does not tell.
pub fn time(process: u32) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process runs");
    let nanos = threads.filter_map(|thread| {
        let stat = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        stat.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
