//! Whether a connection talks through the server, told from when its packets were passed on. A path through the server that
//! only rests beside a direct one says something every 15 s (`path::relay::KEEP_ALIVE`); one that is in
//! use, at least every 2 s.

use crate::time::{Duration, Instant};

/// Two packets that are no further apart are talk: longer than the slowest heartbeat of a path in use, shorter than the
/// quickest of one that rests.
const TALK: Duration = Duration::from_secs(4);
/// Who says nothing more for so long talks no more.
const FADE: Duration = Duration::from_secs(10);

/// When it talked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Talk {
    last: Option<Instant>,
    talked: Option<Instant>,
}

impl Talk {
    /// Something that came from it was passed on.
    pub(super) fn on_passed(&mut self, now: Instant) {
        if self.last.replace(now).is_some_and(|last| now.since(last) <= TALK) {
            self.talked = Some(now);
        }
    }

    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.talked.is_some_and(|talked| now.since(talked) <= FADE)
    }
}
