//! What is heard from the players of a lobby that came back from their records, after the server has lost its memory.

use crate::id::{Incarnation, PlayerId};
use crate::time::{Duration, Instant};
use crate::wire::view::{View, Voter};
use std::collections::BTreeSet;

/// After so long the server goes on without those who have not come back.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so long nobody holds a promise that the server gave before and that was not told to it.
const MEMORY: Duration = Duration::from_secs(60);

/// Who has come back and told what it has promised.
#[derive(Debug)]
pub(super) struct Recovery {
    since: Instant,
    /// Which record the lobby came back from: the server's life and the record's number in it.
    pub(super) from: (u32, u64),
    heard: BTreeSet<(PlayerId, Incarnation)>,
    /// Members of earlier lives who have gone for good since.
    gone: BTreeSet<PlayerId>,
}

impl Recovery {
    pub(super) fn new(now: Instant, from: (u32, u64)) -> Self {
        Recovery { since: now, from, heard: BTreeSet::new(), gone: BTreeSet::new() }
    }

    /// It has told all that it has promised.
    pub(super) fn hear(&mut self, player: PlayerId, incarnation: Incarnation) {
        self.heard.retain(|(heard, _)| *heard != player);
        self.heard.insert((player, incarnation));
    }

    /// It is gone for good, and no view names it.
    pub(super) fn forget(&mut self, player: PlayerId) {
        self.heard.retain(|(heard, _)| *heard != player);
    }

    /// A member of an earlier life has gone for good: no record brings it back.
    pub(super) fn let_go(&mut self, player: PlayerId) {
        self.gone.insert(player);
    }

    pub(super) fn has_gone(&self, player: PlayerId) -> bool {
        self.gone.contains(&player)
    }

    fn has_heard(&self, voter: &Voter) -> bool {
        self.heard.contains(&(voter.player, voter.incarnation))
    }

    /// So many of the voters that none could be agreed upon without one of them.
    pub(super) fn has_heard_most(&self, view: &View) -> bool {
        2 * view.voters.iter().filter(|voter| self.has_heard(voter)).count() > view.voters.len()
    }

    pub(super) fn has_heard_all(&self, view: &View) -> bool {
        view.voters.iter().all(|voter| self.has_heard(voter))
    }

    /// When the server goes on with those who are there.
    pub(super) fn ends_at(&self) -> Instant {
        self.since + PATIENCE
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.ends_at() <= now
    }

    pub(super) fn is_forgotten(&self, now: Instant) -> bool {
        self.since + MEMORY <= now
    }
}
