//! What is signed, and what proves that a view is in force.

use super::super::signal::bounded;
use super::{PublicKey, Signature, SigningKey, StarId, View, Voter, is_agreed};
use crate::id::PlayerId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a signature says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Statement {
    /// A voter promises to refuse every other view of the epoch, and everything older.
    Promised(PlayerId),
    /// The server promises the same.
    Granted,
    /// The server says that the view is in force: it has made it for an empty lobby, has forced it, or has seen a proof.
    InForce,
    /// A survivor of a lobby of two goes on alone.
    Forked(PlayerId),
}

/// Why a view is in force.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Proof {
    /// The server says so.
    Server(Signature),
    /// Enough voters, and perhaps the server, have promised.
    Quorum {
        /// The server's promise.
        server: Option<Signature>,
        /// The voters' promises.
        #[serde(deserialize_with = "bounded::list::<{ 2 * super::MAX_VOTERS }, _, _>")]
        promises: Vec<(PlayerId, Signature)>,
    },
    /// The other player of a lobby of two is gone, and so is the server.
    Fork(Signature),
}

/// A view that is in force, with its proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Certified {
    /// The view.
    pub view: View,
    /// The proof.
    pub proof: Proof,
}

/// What somebody who judges a proof relies on.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// Which star.
    pub star: StarId,
    /// The server's key.
    pub server: &'a PublicKey,
    /// The view that the judged one says to follow, if it is known to have been in force.
    pub base: Option<&'a View>,
}

impl Statement {
    fn bytes(self, star: StarId, view: &View) -> Vec<u8> {
        let (tag, player) = match self {
            Statement::Promised(player) => (0, player.0),
            Statement::Granted => (1, 0),
            Statement::InForce => (2, 0),
            Statement::Forked(player) => (3, player.0),
        };
        let view = postcard::to_stdvec(view).expect("a view has lengths that postcard knows");
        let mut bytes = b"webstar view".to_vec();
        bytes.push(tag);
        bytes.extend_from_slice(&star.0.to_le_bytes());
        bytes.extend_from_slice(&player.to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(view));
        bytes
    }

    /// Signs it.
    pub fn sign(self, key: &SigningKey, star: StarId, view: &View) -> Signature {
        key.sign(&self.bytes(star, view))
    }

    /// Whether the signature says it.
    pub fn is_signed(self, key: &PublicKey, star: StarId, view: &View, signature: &Signature) -> bool {
        key.verify(&self.bytes(star, view), signature)
    }
}

impl Certified {
    /// Whether the view is well-formed and the proof holds. A quorum proves something only to those who know the view
    /// that it follows.
    pub fn is_proven(&self, trust: &Trust<'_>) -> bool {
        let Certified { view, proof } = self;
        if !view.is_well_formed() {
            return false;
        }
        match proof {
            Proof::Server(signature) => Statement::InForce.is_signed(trust.server, trust.star, view, signature),
            Proof::Quorum { server, promises } => trust.base.is_some_and(|base| {
                let promised = |voter: &Voter| {
                    promises.iter().any(|(by, signature)| {
                        let said = Statement::Promised(voter.player);
                        *by == voter.player && said.is_signed(&voter.key, trust.star, view, signature)
                    })
                };
                let granted = server
                    .as_ref()
                    .is_some_and(|signature| Statement::Granted.is_signed(trust.server, trust.star, view, signature));
                !view.begins_line() && base.since == view.since && is_agreed(base, view, promised, granted)
            }),
            Proof::Fork(signature) => trust.base.is_some_and(|base| {
                let key = base.voter(view.host).map(|voter| &voter.key).filter(|_| base.voters.len() == 2);
                key.is_some_and(|key| {
                    view.begins_line() && Statement::Forked(view.host).is_signed(key, trust.star, view, signature)
                })
            }),
        }
    }
}

impl View {
    /// Nobody has two roles, voters are in order, and the epochs fit together.
    pub fn is_well_formed(&self) -> bool {
        let is_ordered = self.voters.is_sorted_by(|a, b| a.player < b.player);
        let roles_differ = !self.backups.contains(&self.host) && self.backups.is_sorted_by(|a, b| a != b);
        let backups_vote = self.backups.iter().all(|backup| self.voter(*backup).is_some());
        let follows = self.since <= self.base && self.base < self.epoch;
        is_ordered && roles_differ && backups_vote && (self.begins_line() || follows)
    }
}
