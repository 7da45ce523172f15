//! S9: a resume token works once.

use super::{Cast, Check, Life, Room, Seen};
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
}

impl Tokens {
    /// Whether perhaps nobody has told the server that the token was used: it has lost its memory since, and whoever used
    /// it has not come back to it. For as long as lobbies come back from what players keep it cannot know.
    pub fn is_forgotten(&self, token: usize) -> bool {
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

    #[test]
    fn only_a_server_without_memory_to_which_the_owner_has_not_come_back_may_not_know() {
        let let_in = |player| Seen::LetIn { room: ROOM, player };
        let restarted = Seen::ServerRestarted;
        let table: [(&[Seen<'_>], bool); 4] = [
            (&[], false),
            (&[restarted], true),
            (&[let_in(OWNER), restarted, let_in(PlayerId(1))], true),
            (&[restarted, let_in(OWNER)], false),
        ];
        for (seen, is_forgotten) in table {
            let (mut tokens, cast) = (Tokens::default(), Cast::default());
            let used = Seen::Used { token: 0, room: ROOM, player: OWNER };
            for seen in core::iter::once(&used).chain(seen) {
                tokens.see(None, seen, &cast).expect("nobody was let in with it");
            }
            assert_eq!(tokens.is_forgotten(0), is_forgotten, "{seen:?}");
            let replayed = Seen::Replayed { token: 0, worked: true };
            tokens.see(None, &replayed, &cast).expect_err("and it must not work");
        }
    }
}
