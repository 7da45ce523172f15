//! Whether a connection talks through the server, told from what was passed on from it. A path through the server that only
//! rests beside a direct one carries a question and an answer every 15 s (`path::relay::KEEP_ALIVE`); one that is in use
//! carries some at least every 2 s. A host has many paths, of which each may rest or not: one at a time is followed.

use crate::id::PlayerId;
use crate::time::{Duration, Instant};

/// How long one receiver is followed.
const WINDOW: Duration = Duration::from_secs(10);
/// So many packets to it within that are talk: more than those of a path that rests, less than those of one in use.
const TALK: u8 = 5;
/// Who talks no more is told so after this: longer than a window, so that it does not flicker.
const FADE: Duration = Duration::from_secs(20);

/// What is known of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Talk {
    /// Who is followed, since when, and how many packets have gone there.
    followed: Option<(PlayerId, Instant, u8)>,
    talked: Option<Instant>,
}

impl Talk {
    /// Something was passed on to that player; what is for everybody, to player 0.
    pub(super) fn on_passed(&mut self, now: Instant, to: PlayerId) {
        let followed = self.followed.filter(|(_, since, _)| now.since(*since) < WINDOW);
        self.followed = match followed {
            Some((followed, since, packets)) if followed == to => Some((to, since, packets.saturating_add(1))),
            Some(other) => Some(other),
            None => Some((to, now, 1)),
        };
        if self.followed.is_some_and(|(_, _, packets)| packets >= TALK) {
            self.talked = Some(now);
        }
    }

    pub(super) fn is_on(&self, now: Instant) -> bool {
        self.talked.is_some_and(|talked| now.since(talked) <= FADE)
    }
}
