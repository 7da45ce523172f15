//! Something of every player: a sorted list. A lobby has at most a few dozen players and nearly everything that happens
//! looks at all of them, so walking must cost nothing; coming and going may.

use crate::id::PlayerId;

/// By player, in the order of their numbers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Players<T> {
    players: Vec<PlayerId>,
    rows: Vec<T>,
}

impl<T> Default for Players<T> {
    fn default() -> Self {
        Players { players: Vec::new(), rows: Vec::new() }
    }
}

impl<T> Players<T> {
    /// Nothing of anybody.
    pub(crate) fn new() -> Self {
        Players::default()
    }

    /// Whether there is nothing of anybody.
    pub(crate) fn is_empty(&self) -> bool {
        self.players.is_empty()
    }

    #[inline]
    fn find(&self, player: PlayerId) -> Result<usize, usize> {
        // With so few players walking is quicker than halving.
        for (at, known) in self.players.iter().enumerate() {
            if *known >= player {
                return if *known == player { Ok(at) } else { Err(at) };
            }
        }
        Err(self.players.len())
    }

    /// What there is of a player.
    #[inline]
    pub(crate) fn get(&self, player: &PlayerId) -> Option<&T> {
        self.find(*player).ok().map(|at| &self.rows[at])
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn get_mut(&mut self, player: &PlayerId) -> Option<&mut T> {
        self.find(*player).ok().map(|at| &mut self.rows[at])
    }

    /// Whether there is something of a player.
    pub(crate) fn contains_key(&self, player: &PlayerId) -> bool {
        self.find(*player).is_ok()
    }

    /// This is of a player from now on; gives what was.
    pub(crate) fn insert(&mut self, player: PlayerId, row: T) -> Option<T> {
        match self.find(player) {
            Ok(at) => Some(core::mem::replace(&mut self.rows[at], row)),
            Err(at) => {
                self.players.insert(at, player);
                self.rows.insert(at, row);
                None
            }
        }
    }

    /// What there is of a player, or else this from now on.
    pub(crate) fn get_or_insert_with(&mut self, player: PlayerId, row: impl FnOnce() -> T) -> &mut T {
        let at = self.find(player).unwrap_or_else(|at| {
            self.players.insert(at, player);
            self.rows.insert(at, row());
            at
        });
        &mut self.rows[at]
    }

    /// Nothing is of a player any more; gives what was.
    pub(crate) fn remove(&mut self, player: &PlayerId) -> Option<T> {
        let at = self.find(*player).ok()?;
        self.players.remove(at);
        Some(self.rows.remove(at))
    }

    /// Nothing is of anybody any more.
    pub(crate) fn clear(&mut self) {
        self.players.clear();
        self.rows.clear();
    }

    /// Keeps what is to be kept.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&PlayerId, &mut T) -> bool) {
        let mut players = self.players.iter();
        let mut kept = Vec::with_capacity(self.players.len());
        self.rows.retain_mut(|row| {
            let player = players.next().expect("every row has its player");
            let stays = keep(player, row);
            kept.extend(stays.then_some(*player));
            stays
        });
        self.players = kept;
    }

    /// All of whom there is something.
    pub(crate) fn keys(&self) -> impl DoubleEndedIterator<Item = &PlayerId> + Clone {
        self.players.iter()
    }

    /// Everything.
    pub(crate) fn values(&self) -> impl DoubleEndedIterator<Item = &T> + Clone {
        self.rows.iter()
    }

    /// Everything, to be changed.
    pub(crate) fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut T> {
        self.rows.iter_mut()
    }

    /// Everything, and of whom it is.
    #[inline]
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&PlayerId, &T)> + Clone {
        self.players.iter().zip(&self.rows)
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&PlayerId, &mut T)> {
        self.players.iter().zip(&mut self.rows)
    }
}

impl<T> FromIterator<(PlayerId, T)> for Players<T> {
    /// Of several things of one player the last counts.
    fn from_iter<I: IntoIterator<Item = (PlayerId, T)>>(rows: I) -> Self {
        let mut players = Players::new();
        rows.into_iter().for_each(|(player, row)| drop(players.insert(player, row)));
        players
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::BTreeMap;

    quickcheck! {
        fn it_is_a_map_in_the_order_of_players(steps: Vec<(u8, Option<u16>)>) -> bool {
            let (mut players, mut model) = (Players::new(), BTreeMap::new());
            steps.into_iter().all(|(player, row)| {
                let player = PlayerId(u32::from(player % 16));
                let is_same = match row {
                    Some(row) => players.insert(player, row) == model.insert(player, row),
                    None => players.remove(&player) == model.remove(&player),
                };
                is_same
                    && players.get(&player) == model.get(&player)
                    && players.contains_key(&player) == model.contains_key(&player)
                    && players.iter().eq(&model)
                    && players.keys().eq(model.keys())
                    && players.is_empty() == model.is_empty()
            })
        }

        fn what_is_kept_keeps_its_player(rows: Vec<(u8, u8)>) -> bool {
            let rows = rows.into_iter().map(|(player, row)| (PlayerId(player.into()), row));
            let (mut players, mut model): (Players<u8>, BTreeMap<_, _>) = (rows.clone().collect(), rows.collect());
            players.retain(|player, row| (player.0 + u32::from(*row)) % 3 > 0);
            model.retain(|player, row| (player.0 + u32::from(*row)) % 3 > 0);
            players.iter().eq(&model)
        }
    }
}
