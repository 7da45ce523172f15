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

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: Room = Room { lobby: 0, made: 1 };
    const OWNER: PlayerId = PlayerId(2);

    fn after(seen: &[Seen<'_>]) -> (bool, u64) {
        let (mut tokens, cast) = (Tokens::default(), Cast::default());
        let used = Seen::Used { token: 0, room: ROOM, player: OWNER };
        let replayed = Seen::Replayed { token: 0, worked: true };
        let told = core::iter::once(&used).chain(seen).chain(core::iter::once(&replayed));
        let is_fine = told.fold(true, |is_fine, seen| is_fine & tokens.see(None, seen, &cast).is_ok());
        (is_fine, tokens.excused)
    }

    #[test]
    fn only_what_nobody_has_told_a_server_without_memory_is_excused() {
        let let_in = |player| Seen::LetIn { room: ROOM, player };
        assert_eq!(after(&[]), (false, 0), "it knows");
        assert_eq!(after(&[Seen::ServerRestarted]), (true, 1));
        assert_eq!(after(&[let_in(OWNER), Seen::ServerRestarted, let_in(PlayerId(1))]), (true, 1));
        assert_eq!(after(&[Seen::ServerRestarted, let_in(OWNER)]), (false, 0), "its owner has come back");
    }
}
