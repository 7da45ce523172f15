//! Where the host's game has the last word, what members say waits here until the game has decided. Only then does it get
//! its place in the log; so what waits is not taken, and whoever sent it says it again to the next host, which asks its
//! own game.
//!
//! An ordered message waits for the ordered ones of its sender before it, and for nothing else. Decides nothing itself,
//! but for what is too much for one sender: that is rejected unasked.

use super::table::{REACH, Table, Taking};
use super::{Channel, Destination, Kind, Ruling, StarConfig, Told};
use crate::id::{Incarnation, PlayerId};
use crate::players::Players;
use crate::wire::star::MAX_REASON;
use bytes::Bytes;
use std::collections::VecDeque;

/// What a message that waits costs besides its payload.
const PROPOSAL_BYTES: usize = 64;
/// Why what is too much for one sender is rejected.
const BUSY: &str = "too much of this player waits to be decided";

/// The name of a message that waits for the game's decision. None is used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
pub struct ProposalId(pub u64);

/// What a member wants to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    /// By which it is decided.
    pub id: ProposalId,
    /// Who sent it, stamped by the host.
    pub from: PlayerId,
    /// What was promised: [`Channel::Reliable`] or [`Channel::Ordered`].
    pub channel: Channel,
    /// Its number among its sender's on this channel, from 1.
    pub seq: u64,
    /// Whom it is for.
    pub to: Destination,
    /// What it is.
    pub kind: Kind,
    /// The bytes.
    pub payload: Bytes,
}

/// What the game makes of a proposal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is delivered as it is.
    Accept,
    /// It is delivered with these bytes, and marked as rewritten.
    Rewrite(Bytes),
    /// No player hears it; its sender is told why, in at most [`MAX_REASON`] bytes: what is longer is cut.
    Reject(String),
}

/// What becomes of something that a member says.
#[derive(Debug)]
pub(super) enum Offered {
    /// The game is to be asked.
    New(Proposal),
    /// It is rejected unasked.
    TooMuch,
    /// It has been said before, or it is not its turn.
    Known,
}

#[derive(Debug)]
struct Waiting {
    id: ProposalId,
    /// As it was sent; once it is decided, as the log is to have it.
    told: Told,
    is_decided: bool,
}

/// What waits of one sender, in the order in which it came.
#[derive(Debug)]
struct Queue {
    incarnation: Incarnation,
    waiting: VecDeque<Waiting>,
    bytes: usize,
}

/// What waits for decisions.
#[derive(Debug)]
pub(super) struct Proposals {
    is_on: bool,
    /// How much of one sender may wait: what one may have unacknowledged on both channels, a message of any size on each.
    room: usize,
    names: u64,
    queues: Players<Queue>,
}

impl Proposals {
    /// Nothing waits.
    pub(super) fn new(config: &StarConfig) -> Self {
        let room = 2 * config.window.max(config.max_message + PROPOSAL_BYTES);
        Proposals { is_on: config.has_authority, room, names: 0, queues: Players::new() }
    }

    /// The game decides about what members say.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Names of another life are not used again.
    pub(super) fn go_on_after(&mut self, former: &Proposals) {
        self.names = former.names;
    }

    /// What waits is said again to whoever is host then.
    pub(super) fn clear(&mut self) {
        self.queues.clear();
    }

    /// Who has gone says nothing any more.
    pub(super) fn forget(&mut self, player: PlayerId) {
        self.queues.remove(&player);
    }

    /// What waits costs so much.
    pub(super) fn bytes(&self) -> usize {
        self.queues.values().map(|queue| queue.bytes).sum()
    }

    /// Something that a member says in this life.
    pub(super) fn offer(&mut self, told: Told, incarnation: Incarnation, table: &Table) -> Offered {
        let fresh = || Queue { incarnation, waiting: VecDeque::new(), bytes: 0 };
        let queue = self.queues.get_or_insert_with(told.from, fresh);
        if queue.incarnation != incarnation {
            *queue = fresh();
        }
        if !queue.is_new(&told, table) {
            return Offered::Known;
        }
        self.names += 1;
        let id = ProposalId(self.names);
        if queue.bytes + cost(&told) > self.room {
            let told = ruled(told, Verdict::Reject(BUSY.into()));
            queue.push(Waiting { id, told, is_decided: true });
            return Offered::TooMuch;
        }
        let Told { from, channel, seq, to, kind, payload, .. } = told.clone();
        queue.push(Waiting { id, told, is_decided: false });
        Offered::New(Proposal { id, from, channel, seq, to, kind, payload })
    }

    /// The game has decided; tells whose message it was. None: nothing of that name waits for a decision.
    pub(super) fn decide(&mut self, id: ProposalId, verdict: Verdict) -> Option<PlayerId> {
        let (player, queue, index) = self.queues.iter_mut().find_map(|(player, queue)| {
            let index = queue.waiting.binary_search_by_key(&id, |waiting| waiting.id).ok()?;
            Some((*player, queue, index))
        })?;
        let waiting = queue.waiting.get_mut(index).filter(|waiting| !waiting.is_decided)?;
        let before = cost(&waiting.told);
        waiting.told = ruled(waiting.told.clone(), verdict);
        waiting.is_decided = true;
        queue.bytes = queue.bytes - before + cost(&waiting.told);
        Some(player)
    }

    /// The next message of a player that can have its place, as it was decided, and in which life it was said.
    pub(super) fn take(&mut self, player: PlayerId) -> Option<(Incarnation, Told)> {
        let queue = self.queues.get_mut(&player)?;
        let mut is_kept_back = false;
        let index = queue.waiting.iter().position(|waiting| {
            let is_ordered = waiting.told.channel == Channel::Ordered;
            let is_next = waiting.is_decided && !(is_ordered && is_kept_back);
            is_kept_back |= is_ordered;
            is_next
        })?;
        let Waiting { told, .. } = queue.waiting.remove(index)?;
        queue.bytes -= cost(&told);
        let incarnation = queue.incarnation;
        if queue.waiting.is_empty() {
            self.queues.remove(&player);
        }
        Some((incarnation, told))
    }
}

impl Queue {
    fn push(&mut self, waiting: Waiting) {
        self.bytes += cost(&waiting.told);
        self.waiting.push_back(waiting);
    }

    /// Neither taken nor waiting, and nothing that must go before is missing.
    fn is_new(&self, told: &Told, table: &Table) -> bool {
        let same_channel = self.waiting.iter().map(|waiting| &waiting.told).filter(|one| one.channel == told.channel);
        let mut known = same_channel.map(|one| one.seq);
        match told.channel {
            Channel::Ordered => {
                let taken = table.taken(told.from, self.incarnation)[1];
                let next = known.next_back().map_or(taken, |last| last.max(taken)) + 1;
                // Nobody who keeps to the rules says more that was not answered.
                told.seq == next && next - taken <= REACH
            }
            _ => table.taking(told.from, told.channel, told.seq) == Taking::New && !known.any(|seq| seq == told.seq),
        }
    }
}

fn cost(told: &Told) -> usize {
    PROPOSAL_BYTES + told.payload.len()
}

/// A message as the log has it.
fn ruled(told: Told, verdict: Verdict) -> Told {
    match verdict {
        Verdict::Accept => told,
        Verdict::Rewrite(payload) => Told { payload, ruling: Ruling::Rewritten, ..told },
        Verdict::Reject(mut reason) => {
            reason.truncate(reason.floor_char_boundary(MAX_REASON));
            Told { to: Destination::One(told.from), payload: reason.into(), ruling: Ruling::Rejected, ..told }
        }
    }
}

#[cfg(test)]
#[path = "proposals_tests.rs"]
mod tests;
