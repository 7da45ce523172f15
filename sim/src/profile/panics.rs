//! Where the last panic of a thread was, for whoever makes a seed's failure of it.

use std::cell::RefCell;

thread_local! {
    static PANICKED_AT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on a panic is not printed: what it said becomes the failure of its seed, with the place noted here.
pub fn hold() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        PANICKED_AT.with(|at| at.replace(place));
    }));
}

/// Where the last panic of this thread was, if panics are held.
pub(super) fn place() -> Option<String> {
    PANICKED_AT.with(RefCell::take)
}
