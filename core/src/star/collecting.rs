//! What a host that is to be gathers: promises, what they report, and whether that is enough. Pure; what is done with it
//! is told in `rising`.

use super::{Entry, LogEnd, Position, Promise};
use crate::id::PlayerId;
use crate::time::{Duration, Instant};
use crate::wire::signal::Epoch;
use crate::wire::view::{Certified, Proof, PublicKey, Signature, View, Voter, has_quorum, is_agreed};
use std::collections::BTreeMap;

/// With enough promises in hand, so long is waited for the rest.
pub(super) const WAIT_FOR_THE_REST: Duration = Duration::from_millis(300);
/// With so many views that may be in force none is agreed upon: only the server helps.
const MAX_REPORTED: usize = 256;

/// Who wants the view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Origin {
    /// The server.
    Server,
    /// We do: we promise it ourselves only when that is enough, so that nobody is barred in vain.
    Own,
    /// The present host, who goes on until it freezes.
    Dormant,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Stage {
    /// Promises come.
    Gathering,
    /// A better log than ours comes.
    Fetching {
        from: PlayerId,
        log: Option<Box<super::log::Log>>,
        /// What came before the state did.
        early: Vec<Entry>,
        since: Instant,
    },
    /// The log is adopted and goes to the backups.
    Copying,
}

/// A voter's promise whose signature holds.
#[derive(Clone, Debug)]
pub(super) struct Voice {
    pub(super) key: PublicKey,
    pub(super) promise: Promise,
}

/// A view that we are to host.
#[derive(Debug)]
pub(super) struct Collecting {
    pub(super) view: View,
    pub(super) origin: Origin,
    pub(super) stage: Stage,
    /// The server's promise.
    pub(super) server: Option<Signature>,
    pub(super) voices: BTreeMap<PlayerId, Voice>,
    /// Other views that may be in force: promised by those whom we heard, or by the server.
    pub(super) reported: Vec<View>,
    /// Where the present host has stopped, for a dormant view.
    pub(super) frozen: Option<Position>,
    /// The backups that were given the log, and whether they have said that they keep it.
    pub(super) copied: BTreeMap<PlayerId, bool>,
    /// After which place their copies begin.
    pub(super) began: BTreeMap<PlayerId, Position>,
    pub(super) since: Instant,
    pub(super) agreed_at: Option<Instant>,
    /// The server was asked for its weight.
    pub(super) has_asked: bool,
    /// When this stage began, or something of a log came or was stored last.
    pub(super) moved_at: Instant,
    /// When to try something else.
    pub(super) retry_at: Instant,
}

impl Collecting {
    pub(super) fn new(now: Instant, view: View, origin: Origin, retry: Duration) -> Self {
        Collecting {
            view,
            origin,
            stage: Stage::Gathering,
            server: None,
            voices: BTreeMap::new(),
            reported: Vec::new(),
            frozen: None,
            copied: BTreeMap::new(),
            began: BTreeMap::new(),
            since: now,
            agreed_at: None,
            has_asked: false,
            moved_at: now,
            retry_at: now + retry,
        }
    }

    /// The next stage; gives the one before.
    pub(super) fn enter(&mut self, now: Instant, stage: Stage) -> Stage {
        self.moved_at = now;
        core::mem::replace(&mut self.stage, stage)
    }

    /// Other views may be in force too. False: too many.
    pub(super) fn report(&mut self, views: &[View], base: Epoch) -> bool {
        for view in views {
            // What was acknowledged in another line is not promised in this one.
            let counts = view.epoch > base && view.since == self.view.since && view.is_well_formed();
            if counts && *view != self.view && !self.reported.contains(view) {
                self.reported.push(view.clone());
            }
        }
        self.reported.len() <= MAX_REPORTED
    }

    /// A promise whose signature holds.
    pub(super) fn on_promise(&mut self, from: PlayerId, key: PublicKey, promise: Promise, base: Epoch) {
        if self.report(&promise.promised, base) {
            self.voices.insert(from, Voice { key, promise });
        }
    }

    fn agrees(&self, voter: &Voter) -> bool {
        self.voices.get(&voter.player).is_some_and(|voice| voice.key == voter.key)
    }

    /// A replica of the view has told how far its log goes, or somebody whose log is newer.
    fn has_word(&self, view: &View) -> bool {
        self.voices.iter().any(|(player, voice)| {
            let is_newer = |end: &LogEnd| end.whole_in > view.epoch;
            voice.promise.log.as_ref().is_some_and(|end| view.is_replica(*player) || is_newer(end))
        })
    }

    /// Whether a view that may be in force is: a replica of it tells how far its log goes, or that it has none, so that
    /// the view never was.
    fn is_known(&self, view: &View) -> bool {
        let is_same = |player: PlayerId, key: PublicKey| view.voter(player).is_some_and(|voter| voter.key == key);
        let mut voices = self.voices.iter();
        self.has_word(view) || voices.any(|(player, voice)| view.is_replica(*player) && is_same(*player, voice.key))
    }

    /// Enough have promised, of the view that it follows and of every other that may be in force, and nothing that was
    /// committed can be missing.
    pub(super) fn is_enough(&self, base: &View, with_server: bool) -> bool {
        let agrees = |voter: &Voter| self.agrees(voter);
        is_agreed(base, &self.view, agrees, with_server)
            && self.has_word(base)
            && self.reported.iter().all(|view| has_quorum(&view.voters, agrees, with_server) && self.is_known(view))
    }

    /// It is enough, with what weight there is.
    pub(super) fn is_agreed(&self, base: &View) -> bool {
        self.is_enough(base, self.server.is_some())
    }

    /// Everybody whose promise is of use.
    pub(super) fn wanted(&self, base: &View) -> Vec<PlayerId> {
        let lists = self.reported.iter().chain([base, &self.view]);
        let mut wanted: Vec<PlayerId> =
            lists.flat_map(|view| view.voters.iter().map(|voter| voter.player).chain(view.replicas())).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted.retain(|player| !self.voices.contains_key(player));
        wanted
    }

    /// Whose log is best; of equal ones our own.
    pub(super) fn best_log(&self, me: PlayerId) -> Option<(PlayerId, LogEnd)> {
        let ends = self.voices.iter().filter_map(|(player, voice)| Some((*player, voice.promise.log?)));
        ends.max_by_key(|(player, end)| (*end, *player == me))
    }

    /// What the promises bring beyond it.
    pub(super) fn beyond(&self) -> Vec<Entry> {
        self.voices.values().flat_map(|voice| voice.promise.beyond.iter().cloned()).collect()
    }

    /// The proof that it was agreed upon.
    pub(super) fn certified(&self, base: &View) -> Certified {
        let votes = |player: &PlayerId, voice: &Voice| {
            [base, &self.view].iter().any(|of| of.voter(*player).is_some_and(|voter| voter.key == voice.key))
        };
        let voters = self.voices.iter().filter(|(player, voice)| votes(player, voice));
        let promises = voters.map(|(player, voice)| (*player, voice.promise.signature)).collect();
        Certified { view: self.view.clone(), proof: Proof::Quorum { server: self.server, promises } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;
    use crate::wire::view::{SigningKey, StarId, Statement};

    const STAR: StarId = StarId(1);
    const BASE: Epoch = Epoch { term: 1, round: 2 };

    fn key(player: u32) -> SigningKey {
        SigningKey::from_seed(&[player as u8; 32])
    }

    fn view(epoch: Epoch, host: u32, backups: &[u32], voters: &[u32]) -> View {
        let voter =
            |player: &u32| Voter { player: PlayerId(*player), incarnation: Incarnation(1), key: key(*player).public() };
        View {
            epoch,
            base: if epoch == BASE { Epoch { term: 1, round: 1 } } else { BASE },
            since: Epoch { term: 1, round: 0 },
            cause: None,
            host: PlayerId(host),
            backups: backups.iter().copied().map(PlayerId).collect(),
            voters: voters.iter().map(voter).collect(),
        }
    }

    /// Player 1 is host, 2 its backup, 2 is to follow; 1 to 5 vote.
    fn base() -> View {
        view(BASE, 1, &[2], &[1, 2, 3, 4, 5])
    }

    fn collecting() -> Collecting {
        let next = view(Epoch { term: 3, round: 0 }, 2, &[3], &[1, 2, 3, 4, 5]);
        Collecting::new(Instant::ZERO, next, Origin::Server, Duration::from_secs(1))
    }

    fn promise(own: &mut Collecting, from: u32, promised: &[View], log: Option<(Epoch, u64)>) {
        let promise = Promise {
            epoch: own.view.epoch,
            signature: Statement::Promised(PlayerId(from)).sign(&key(from), STAR, &own.view),
            active: BASE,
            promised: promised.to_vec(),
            log: log.map(|(whole_in, end)| LogEnd { whole_in, end: Position(end) }),
            settled: Position(0),
            beyond: Vec::new(),
        };
        own.on_promise(PlayerId(from), key(from).public(), promise, BASE);
    }

    #[test]
    fn a_quorum_and_the_word_of_a_replica_are_enough() {
        let mut own = collecting();
        for player in [3, 4, 5] {
            promise(&mut own, player, &[], None);
        }
        assert!(!own.is_agreed(&base()), "nobody has told of the log");
        promise(&mut own, 2, &[], Some((BASE, 7)));
        assert!(own.is_agreed(&base()));
        assert_eq!(own.best_log(PlayerId(2)), Some((PlayerId(2), LogEnd { whole_in: BASE, end: Position(7) })));
    }

    #[test]
    fn the_servers_promise_tips_an_even_half_only() {
        let mut own = collecting();
        promise(&mut own, 2, &[], Some((BASE, 7)));
        promise(&mut own, 3, &[], None);
        assert!(!own.is_enough(&base(), true), "two of five and the server");
        promise(&mut own, 4, &[], None);
        assert!(own.is_enough(&base(), false));
    }

    #[test]
    fn another_promised_view_counts_as_if_it_were_in_force() {
        let other = view(Epoch { term: 2, round: 0 }, 4, &[5], &[1, 2, 3, 4, 5, 6, 7, 8]);
        let mut own = collecting();
        promise(&mut own, 2, &[], Some((BASE, 7)));
        promise(&mut own, 3, core::slice::from_ref(&other), None);
        promise(&mut own, 1, &[], None);
        assert!(!own.is_agreed(&base()), "neither its voters nor its replicas have spoken");
        promise(&mut own, 5, &[], Some((other.epoch, 3)));
        assert!(!own.is_agreed(&base()), "four of its eight voters");
        promise(&mut own, 8, &[], None);
        assert!(own.is_agreed(&base()));
        let best = LogEnd { whole_in: other.epoch, end: Position(3) };
        assert_eq!(own.best_log(PlayerId(2)), Some((PlayerId(5), best)), "a later view counts for more than length");
    }

    #[test]
    fn a_copy_of_a_later_view_stands_for_the_replicas_of_an_earlier_one() {
        let later = Epoch { term: 2, round: 0 };
        let mut own = collecting();
        for player in [3, 4] {
            promise(&mut own, player, &[], None);
        }
        promise(&mut own, 5, &[], Some((later, 9)));
        assert!(own.is_agreed(&base()));
    }

    #[test]
    fn views_of_another_line_and_older_ones_are_nothing_to_wait_for() {
        let forced =
            View { since: Epoch { term: 2, round: 70_000 }, ..view(Epoch { term: 2, round: 70_000 }, 4, &[], &[4]) };
        let mut own = collecting();
        assert!(own.report(&[forced, base()], BASE));
        assert_eq!(own.reported, []);
    }

    #[test]
    fn too_many_views_that_may_be_in_force_are_too_many() {
        let many: Vec<View> =
            (0..=MAX_REPORTED as u32).map(|round| view(Epoch { term: 2, round }, 4, &[], &[4])).collect();
        assert!(!collecting().report(&many, BASE));
    }

    #[test]
    fn the_proof_names_voters_only() {
        let mut own = collecting();
        for player in [2, 3, 4, 9] {
            promise(&mut own, player, &[], Some((BASE, 1)));
        }
        let Proof::Quorum { promises, .. } = own.certified(&base()).proof else { panic!("promises prove it") };
        assert_eq!(promises.iter().map(|(player, _)| player.0).collect::<Vec<_>>(), [2, 3, 4]);
    }
}
