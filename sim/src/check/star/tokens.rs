//! S9: a resume token works once.

use super::{Cast, Check, Life, Room, Seen};
use crate::profile::Tally;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::id::PlayerId;

/// Watches those who come with a token that was used.
#[derive(Debug, Default)]
pub struct Tokens {
    /// How often the server has lost its memory.
    losses: u32,
    /// Whom the server has let in since the last time.
    let_in: BTreeSet<(Room, PlayerId)>,
    /// By token: when it was used, in losses, and by whom.
    used: BTreeMap<usize, (u32, Room, PlayerId)>,
    excused: u64,
}

impl Tokens {
    /// Adds what was excused.
    pub(super) fn finish(&self, tally: &mut Tally) {
        if self.excused > 0 {
            *tally.excused.entry("memory_lost").or_default() += self.excused;
        }
    }

    /// Whether nobody has told the server that the token was used: it has lost its memory since, and whoever used it has
    /// not come back to it.
    fn is_forgotten(&self, token: usize) -> bool {
        self.used
            .get(&token)
            .is_some_and(|(losses, room, player)| *losses < self.losses && !self.let_in.contains(&(*room, *player)))
    }
}

impl Check for Tokens {
    fn name(&self) -> &'static str {
        "tokens"
    }

    fn see(&mut self, _life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        match *seen {
            Seen::ServerRestarted => {
                self.losses += 1;
                self.let_in.clear();
            }
            Seen::LetIn { room, player } => _ = self.let_in.insert((room, player)),
            Seen::Used { token, room, player } => _ = self.used.insert(token, (self.losses, room, player)),
            Seen::Replayed { token, worked: true } if self.is_forgotten(token) => self.excused += 1,
            Seen::Replayed { token, worked: true } => {
                let whose = self.used.get(&token);
                return Err(format!("a stranger came back with a token that was used before, of {whose:?}"));
            }
            _ => {}
        }
        Ok(())
    }
}
