//! As many open files as there are connections, as far as the system lets us.

/// Files besides the connections.
const SPARE: u64 = 64;

/// Raises the soft limit if that is needed, or says what to do.
#[cfg(unix)]
pub(super) fn allow(sockets: u64) -> Result<(), String> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let needed = sockets.saturating_add(SPARE);
    let known = getrlimit(Resource::Nofile);
    if known.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let is_allowed = known.maximum.is_none_or(|maximum| maximum >= needed);
    let raised = Rlimit { current: Some(needed), maximum: known.maximum };
    if is_allowed && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    Err(format!(
        "{sockets} connections need {needed} open files, more than the system allows; try `ulimit -n {needed}`"
    ))
}

/// Elsewhere there is no such limit to raise.
#[cfg(not(unix))]
pub(super) fn allow(_: u64) -> Result<(), String> {
    let _ = SPARE;
    Ok(())
}
