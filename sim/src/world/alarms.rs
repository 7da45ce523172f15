//! Who is to be called when. What is done at the call is the world's business.

use std::collections::{BTreeMap, BTreeSet};
use webstar_core::time::Instant;

/// Everything in a world that can wait for a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Who {
    /// An answer to a question of the server, by number.
    Answer(u64),
    /// The wall clock is told to the server.
    WallClock,
    /// A shard of the server.
    Shard(usize),
    /// A connection.
    Cable(usize),
    /// A player, guest or probe.
    Seat(usize),
}

/// All alarms that are set.
#[derive(Debug, Default)]
pub(super) struct Alarms {
    set: BTreeSet<(Instant, Who)>,
    at: BTreeMap<Who, Instant>,
}

impl Alarms {
    /// From now on this is when to call: never, if there is no moment.
    pub(super) fn set(&mut self, who: Who, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.at.insert(who, at),
            None => self.at.remove(&who),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.set.remove(&(before, who));
        }
        if let Some(at) = at {
            self.set.insert((at, who));
        }
    }

    /// Takes the first alarm up to this moment.
    pub(super) fn take(&mut self, until: Instant) -> Option<(Instant, Who)> {
        let &(at, who) = self.set.first().filter(|(at, _)| *at <= until)?;
        self.set(who, None);
        Some((at, who))
    }
}
