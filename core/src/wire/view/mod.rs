//! A view of the star: who is host, who keeps copies, who votes; and the proof that it was agreed upon. What a proof is
//! worth is told here, because players and the server must judge alike. When views are made is not decided here.
//!
//! A **line** is a chain of views in which each was agreed upon by voters of the one before: what was acknowledged in one
//! is in the log of all that follow. A view that was forced on the lobby begins a new line ([`View::since`] is its own
//! epoch), and whoever comes to it from another line hears that continuity is lost.

mod keys;
mod proof;
mod quorum;

pub use keys::{PublicKey, Signature, Signatures, SigningKey};
pub use proof::{Certified, Proof, Statement, Trust};
pub use quorum::{has_quorum, is_agreed};

use super::signal::{Epoch, HostCause, bounded};
use crate::id::{Incarnation, PlayerId};
use serde::{Deserialize, Serialize};

/// The most voters of a view: all players of the largest lobby.
pub const MAX_VOTERS: usize = 64;
/// The rounds of views that are not voted for begin here, so that they never meet a voted one.
pub const FIRST_LONE_ROUND: u32 = 1 << 16;
/// The most backups.
pub const MAX_BACKUPS: usize = 2;
/// From so many voters on there are two backups.
const VOTERS_FOR_TWO_BACKUPS: usize = 6;

/// One life of a lobby's star, drawn at random by the server; signatures of one are worth nothing in another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct StarId(pub u64);

/// A player that votes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Voter {
    /// Who.
    pub player: PlayerId,
    /// Which life of its memory: another one has promised nothing.
    pub incarnation: Incarnation,
    /// What its promises are signed with.
    pub key: PublicKey,
}

/// Who does what in the star.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct View {
    /// Its name. At most one view of an epoch is ever agreed upon.
    pub epoch: Epoch,
    /// The view that it follows, whose voters agree to it.
    pub base: Epoch,
    /// The first view of its line.
    pub since: Epoch,
    /// Why the host of this term is another than before; nothing for the first host of a lobby.
    pub cause: Option<HostCause>,
    /// Who puts messages in order.
    pub host: PlayerId,
    /// Who keeps the whole log, the first to take over first.
    #[serde(deserialize_with = "bounded::list::<MAX_BACKUPS, _, _>")]
    pub backups: Vec<PlayerId>,
    /// Who votes about the next view, by number.
    #[serde(deserialize_with = "bounded::list::<MAX_VOTERS, _, _>")]
    pub voters: Vec<Voter>,
}

impl View {
    /// It begins a line: it was made for an empty lobby, or forced on it.
    pub fn begins_line(&self) -> bool {
        self.since == self.epoch
    }

    /// It keeps the host of the view it follows: messages go on meanwhile.
    pub fn is_light(&self) -> bool {
        self.base.term == self.epoch.term && !self.begins_line()
    }

    /// What was said in this epoch was not said in another line of the same term: a host may be forced upon the lobby in
    /// the term in which it was to be voted for.
    pub fn has_in_line(&self, said: Epoch) -> bool {
        if said.term == self.since.term {
            return said >= self.since;
        }
        said.term != self.epoch.term || said.round < FIRST_LONE_ROUND
    }

    /// Its host has given up the other: of several light views on the same base only the newest can come in force.
    pub fn supersedes(&self, other: &View) -> bool {
        let is_like = self.base == other.base && self.since == other.since && self.host == other.host;
        self.is_light() && other.is_light() && is_like && other.epoch < self.epoch
    }

    /// Whether the player holds the whole log: as host or backup.
    pub fn is_replica(&self, player: PlayerId) -> bool {
        self.host == player || self.backups.contains(&player)
    }

    /// The host and the backups.
    pub fn replicas(&self) -> impl Iterator<Item = PlayerId> {
        core::iter::once(self.host).chain(self.backups.iter().copied())
    }

    /// The player as voter.
    pub fn voter(&self, player: PlayerId) -> Option<&Voter> {
        self.voters.iter().find(|voter| voter.player == player)
    }

    /// How many backups a star with so many voters wants.
    pub fn backups_wanted(voters: usize) -> usize {
        match voters {
            0 | 1 => 0,
            few if few < VOTERS_FOR_TWO_BACKUPS => 1,
            _ => MAX_BACKUPS,
        }
    }
}
