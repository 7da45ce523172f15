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
    fn bytes(self, star: StarId, view: &Digested) -> Vec<u8> {
        let (tag, player) = match self {
            Statement::Promised(player) => (0, player.0),
            Statement::Granted => (1, 0),
            Statement::InForce => (2, 0),
            Statement::Forked(player) => (3, player.0),
        };
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(b"webstar view");
        bytes.push(tag);
        bytes.extend_from_slice(&star.0.to_le_bytes());
        bytes.extend_from_slice(&player.to_le_bytes());
        bytes.extend_from_slice(&view.0);
        bytes
    }

    /// Signs it.
    pub fn sign(self, key: &SigningKey, star: StarId, view: &View) -> Signature {
        key.sign(&self.bytes(star, &Digested::new(view)))
    }

    /// Whether the signature says it.
    pub fn is_signed(self, key: &PublicKey, star: StarId, view: &View, signature: &Signature) -> bool {
        key.verify(&self.bytes(star, &Digested::new(view)), signature)
    }
}

/// What is signed of a view, made once for all who sign it.
struct Digested([u8; 32]);

impl Digested {
    fn new(view: &View) -> Self {
        let view = postcard::to_stdvec(view).expect("a view has lengths that postcard knows");
        Digested(Sha256::digest(view).into())
    }
}

/// Voters' promises of one view. To check one is dear, so each is checked at most once, and only if it counts.
struct Promises<'a> {
    said: &'a [(PlayerId, Signature)],
    star: StarId,
    view: Digested,
    judged: Vec<(PlayerId, PublicKey, bool)>,
}

impl Promises<'_> {
    fn has(&mut self, voter: &Voter) -> bool {
        let Voter { player, key, .. } = *voter;
        if let Some((.., is_good)) = self.judged.iter().find(|(by, with, _)| (*by, *with) == (player, key)) {
            return *is_good;
        }
        let mut own = self.said.iter().filter(|(by, _)| *by == player).peekable();
        let bytes = own.peek().map(|_| Statement::Promised(player).bytes(self.star, &self.view));
        let is_good = bytes.is_some_and(|bytes| own.any(|(_, signature)| key.verify(&bytes, signature)));
        self.judged.push((player, key, is_good));
        is_good
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
                let continues = !view.begins_line() && base.since == view.since;
                let keeps_host = !view.is_light() || base.host == view.host;
                if !continues || !keeps_host {
                    return false;
                }
                let (star, judged) = (trust.star, Vec::with_capacity(promises.len()));
                let mut promises = Promises { said: promises, star, view: Digested::new(view), judged };
                let is_granted =
                    |signature: &Signature| Statement::Granted.is_signed(trust.server, star, view, signature);
                is_agreed(base, view, |voter| promises.has(voter), false)
                    || server.as_ref().is_some_and(is_granted)
                        && is_agreed(base, view, |voter| promises.has(voter), true)
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
    /// Nobody has two roles, host and backups vote, voters are in order, and the epochs fit together. That the host
    /// votes tells which life of it is meant.
    pub fn is_well_formed(&self) -> bool {
        let is_ordered = self.voters.is_sorted_by(|a, b| a.player < b.player);
        let roles_differ = !self.backups.contains(&self.host) && self.backups.is_sorted_by(|a, b| a != b);
        let replicas_vote = self.replicas().all(|replica| self.voter(replica).is_some());
        let is_bounded = self.backups.len() <= super::MAX_BACKUPS && self.voters.len() <= super::MAX_VOTERS;
        let follows = self.since <= self.base || self.begins_line();
        is_ordered && roles_differ && replicas_vote && is_bounded && follows && self.base < self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;
    use crate::wire::signal::Epoch;

    const STAR: StarId = StarId(7);

    fn key(player: u32) -> SigningKey {
        SigningKey::from_seed(&[player as u8; 32])
    }

    fn voters(players: &[u32]) -> Vec<Voter> {
        let voter =
            |player: &u32| Voter { player: PlayerId(*player), incarnation: Incarnation(1), key: key(*player).public() };
        players.iter().map(voter).collect()
    }

    fn epoch(term: u32, round: u32) -> Epoch {
        Epoch { term, round }
    }

    /// Player 1 is host, 2 its backup; 1, 2 and 3 vote.
    fn base() -> View {
        View {
            epoch: epoch(1, 4),
            base: epoch(1, 3),
            since: epoch(1, 0),
            cause: None,
            host: PlayerId(1),
            backups: vec![PlayerId(2)],
            voters: voters(&[1, 2, 3]),
        }
    }

    fn next() -> View {
        View { epoch: epoch(2, 0), base: epoch(1, 4), host: PlayerId(2), backups: vec![PlayerId(3)], ..base() }
    }

    fn server() -> SigningKey {
        key(99)
    }

    fn promise(by: u32, view: &View) -> (PlayerId, Signature) {
        (PlayerId(by), Statement::Promised(PlayerId(by)).sign(&key(by), STAR, view))
    }

    fn quorum(view: &View, by: &[u32], granted: bool) -> Certified {
        let server = granted.then(|| Statement::Granted.sign(&server(), STAR, view));
        let promises = by.iter().map(|by| promise(*by, view)).collect();
        Certified { view: view.clone(), proof: Proof::Quorum { server, promises } }
    }

    fn holds(certified: &Certified, base: Option<&View>) -> bool {
        certified.is_proven(&Trust { star: STAR, server: &server().public(), base })
    }

    #[test]
    fn a_majority_proves_a_view_to_who_knows_its_base() {
        let good = quorum(&next(), &[2, 3], false);
        assert!(holds(&good, Some(&base())));
        assert!(!holds(&good, None));
        assert!(!holds(&good, Some(&View { epoch: epoch(1, 3), ..base() })));
        assert!(!holds(&good, Some(&View { since: epoch(1, 1), ..base() })), "of another line");
    }

    #[test]
    fn half_of_the_voters_need_the_server() {
        let base = View { voters: voters(&[1, 2]), ..base() };
        let view = View { voters: voters(&[1, 2]), backups: vec![], ..next() };
        assert!(!holds(&quorum(&view, &[2], false), Some(&base)));
        assert!(holds(&quorum(&view, &[2], true), Some(&base)));
        assert!(!holds(&quorum(&view, &[], true), Some(&base)));
    }

    #[test]
    fn what_is_forged_proves_nothing() {
        let base = base();
        let twice = Certified {
            view: next(),
            proof: Proof::Quorum { server: None, promises: vec![promise(2, &next()), promise(2, &next())] },
        };
        assert!(!holds(&twice, Some(&base)), "one voter said it twice");
        let stranger = quorum(&next(), &[2, 4], false);
        assert!(!holds(&stranger, Some(&base)), "one of them has no vote");
        let mut borrowed = quorum(&next(), &[2], false);
        let Proof::Quorum { promises, .. } = &mut borrowed.proof else { panic!("it was made so") };
        promises.push((PlayerId(3), promise(2, &next()).1));
        assert!(!holds(&borrowed, Some(&base)), "another's signature");
        let mut other = quorum(&next(), &[2, 3], false);
        other.view.host = PlayerId(3);
        other.view.backups = vec![];
        assert!(!holds(&other, Some(&base)), "signed for another view");
        let replayed = quorum(&next(), &[2, 3], false);
        let elsewhere = Trust { star: StarId(8), server: &server().public(), base: Some(&base) };
        assert!(!replayed.is_proven(&elsewhere), "signed in another star");
        let usurper = View { epoch: epoch(1, 5), ..next() };
        assert!(!holds(&quorum(&usurper, &[2, 3], false), Some(&base)), "a light view keeps the host");
        let line = View { since: epoch(2, 0), ..next() };
        assert!(!holds(&quorum(&line, &[1, 2, 3], true), Some(&base)), "voters cannot begin a line");
    }

    #[test]
    fn the_server_proves_a_view_to_everybody() {
        let sign = |statement: Statement, key: &SigningKey| Certified {
            view: next(),
            proof: Proof::Server(statement.sign(key, STAR, &next())),
        };
        assert!(holds(&sign(Statement::InForce, &server()), None));
        assert!(!holds(&sign(Statement::Granted, &server()), None), "a promise is not yet agreement");
        assert!(!holds(&sign(Statement::InForce, &key(2)), None), "not the server's key");
    }

    #[test]
    fn only_a_survivor_of_two_forks() {
        let two = View { voters: voters(&[1, 2]), ..base() };
        let alone = View { since: epoch(2, 0), backups: vec![], voters: voters(&[2]), ..next() };
        let fork =
            Certified { proof: Proof::Fork(Statement::Forked(PlayerId(2)).sign(&key(2), STAR, &alone)), view: alone };
        assert!(holds(&fork, Some(&two)));
        assert!(!holds(&fork, Some(&base())), "three voters do not part");
        assert!(!holds(&fork, None));
        assert!(!holds(&Certified { view: View { host: PlayerId(1), ..fork.view }, proof: fork.proof }, Some(&two)));
    }

    #[test]
    fn malformed_views_are_refused() {
        assert!(base().is_well_formed() && next().is_well_formed());
        let table = [
            ("no order", View { voters: voters(&[2, 1, 3]), ..base() }),
            ("twice", View { voters: voters(&[1, 1, 2, 3]), ..base() }),
            ("host is its own backup", View { backups: vec![PlayerId(1)], ..base() }),
            ("a backup twice", View { backups: vec![PlayerId(2), PlayerId(2)], ..base() }),
            ("a backup without vote", View { backups: vec![PlayerId(4)], ..base() }),
            ("a host without vote", View { host: PlayerId(4), ..base() }),
            (
                "three backups",
                View { voters: voters(&[1, 2, 3, 4]), backups: [2, 3, 4].map(PlayerId).into(), ..base() },
            ),
            ("its own base", View { base: epoch(1, 4), ..base() }),
            ("a line from the future", View { since: epoch(1, 5), ..base() }),
        ];
        for (what, view) in table {
            assert!(!view.is_well_formed(), "{what}");
        }
    }
}
