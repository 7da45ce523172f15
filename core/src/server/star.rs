//! What the server knows of a lobby's star, and what it has promised itself. Pure decisions over views and seats: who is
//! told is decided elsewhere.
//!
//! The server weighs half a voter and keeps the same rule as a voter: of each epoch it promises one view, nothing older
//! than what it has promised, and only what follows the view that it knows to be in force. What it has promised, and may
//! be in force, it tells with the next promise, so that a new host counts it.
//!
//! A view is known to be in force when its proof holds: the server's own word, or the promises of the voters of a view
//! that the server knows. Then the server signs for it.

use super::recovery::Recovery;
use super::watch::Watch;
use crate::id::{Incarnation, PlayerId};
use crate::time::Instant;
use crate::wire::signal::{Epoch, HostCause, MAX_PROMISED};
use crate::wire::view::{
    Certified, FIRST_LONE_ROUND, Proof, PublicKey, Signature, SigningKey, StarId, Statement, Trust, View, Voter,
    has_quorum,
};
use std::collections::VecDeque;

/// Views that are remembered to judge those that follow them.
const MAX_FORMER: usize = 8;
/// A term so far beyond the known one is nobody's honest word.
const MAX_LEAP: u32 = 1024;

/// What the server signs with. The same in every shard and after every restart.
pub(super) struct Seal {
    key: SigningKey,
    pub(super) public: PublicKey,
}

/// A member as far as the star cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Seat {
    pub(super) player: PlayerId,
    pub(super) incarnation: Incarnation,
    /// Without a key it has no vote.
    pub(super) key: Option<PublicKey>,
    /// It plays, has a key, and its tab is not hidden.
    pub(super) is_eligible: bool,
    pub(super) is_connected: bool,
    /// It has said something since it was asked, or just now: sockets that only look open are nobody's.
    pub(super) is_awake: bool,
    /// The lobby was made for it.
    pub(super) is_preferred: bool,
}

/// What becomes of a certificate that somebody presents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Adoption {
    /// It is in force, and news.
    New,
    /// It is the one that is known.
    Known,
    /// A newer one is known.
    Old,
    /// Its proof does not hold, or cannot be judged.
    Unproven,
}

/// The star of a lobby.
#[derive(Debug)]
pub(super) struct Star {
    pub(super) id: StarId,
    current: Option<Certified>,
    former: VecDeque<View>,
    /// Newer than the one in force, the oldest first.
    promised: Vec<View>,
    /// The newest term heard of.
    pub(super) term: u32,
    pub(super) watch: Watch,
    pub(super) recovery: Option<Recovery>,
}

impl core::fmt::Debug for Seal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_seed(seed);
        let public = key.public();
        Seal { key, public }
    }

    /// The view with the server's word that it is in force.
    pub(super) fn certify(&self, star: StarId, view: View) -> Certified {
        let signature = Statement::InForce.sign(&self.key, star, &view);
        Certified { view, proof: Proof::Server(signature) }
    }
}

impl Seat {
    fn is_live(&self) -> bool {
        self.is_eligible && self.is_connected && self.is_awake
    }

    fn voter(&self) -> Option<Voter> {
        let Seat { player, incarnation, key, .. } = *self;
        key.filter(|_| self.is_eligible).map(|key| Voter { player, incarnation, key })
    }

    /// It is who that view means.
    pub(super) fn is_voter_of(&self, view: &View) -> bool {
        view.voter(self.player).is_some_and(|voter| voter.incarnation == self.incarnation)
    }
}

impl Star {
    pub(super) fn new(id: StarId) -> Self {
        Star {
            id,
            current: None,
            former: VecDeque::new(),
            promised: Vec::new(),
            term: 0,
            watch: Watch::default(),
            recovery: None,
        }
    }

    /// The view in force, with the server's word for it.
    pub(super) fn current(&self) -> Option<&Certified> {
        self.current.as_ref()
    }

    /// The view in force.
    pub(super) fn view(&self) -> Option<&View> {
        self.current.as_ref().map(|current| &current.view)
    }

    /// Views promised that may be in force, older than this one.
    pub(super) fn promised_before(&self, epoch: Epoch) -> Vec<View> {
        self.promised.iter().filter(|view| view.epoch < epoch).cloned().collect()
    }

    /// Somebody says that a view is in force.
    pub(super) fn adopt(&mut self, seal: &Seal, certified: &Certified) -> Adoption {
        let epoch = certified.view.epoch;
        match self.view() {
            Some(current) if epoch < current.epoch => return Adoption::Old,
            Some(current) if *current == certified.view => return Adoption::Known,
            Some(current) if epoch == current.epoch => return Adoption::Unproven,
            _ => {}
        }
        let known = self.view().into_iter().chain(&self.former);
        let base = known.into_iter().find(|view| view.epoch == certified.view.base);
        if !certified.is_proven(&Trust { star: self.id, server: &seal.public, base }) {
            return Adoption::Unproven;
        }
        self.install(seal, certified.view.clone());
        Adoption::New
    }

    /// This view is in force from now on.
    pub(super) fn install(&mut self, seal: &Seal, view: View) {
        self.term = self.term.max(view.epoch.term);
        self.promised.retain(|promised| promised.epoch > view.epoch);
        self.watch.on_progress();
        self.rest();
        self.current = Some(seal.certify(self.id, view));
    }

    /// No view is in force any more: nobody is there who could know it.
    pub(super) fn rest(&mut self) {
        let Some(current) = self.current.take() else { return };
        if self.former.len() == MAX_FORMER {
            self.former.pop_front();
        }
        self.former.push_back(current.view);
    }

    /// The server's promise, if it may give it: the view follows the one in force, and is newer than everything promised
    /// before, or is the very view that was.
    pub(super) fn promise(&mut self, seal: &Seal, view: &View) -> Option<Signature> {
        let sign = |star: &Star| Statement::Granted.sign(&seal.key, star.id, view);
        if self.promised.contains(view) {
            return Some(sign(self));
        }
        let current = self.view()?;
        let follows = view.base == current.epoch && view.since == current.since && !view.begins_line();
        let is_newest = self.promised.iter().all(|promised| promised.epoch < view.epoch);
        if !(follows && is_newest && self.is_near(view.epoch) && view.is_well_formed()) {
            return None;
        }
        if view.is_light() {
            self.promised.retain(|promised| !view.supersedes(promised));
        }
        if self.is_full() {
            return None;
        }
        self.term = self.term.max(view.epoch.term);
        self.promised.push(view.clone());
        Some(sign(self))
    }

    /// The newest view that the server has promised, with its promise: what is older it cannot promise any more.
    pub(super) fn bound(&self, seal: &Seal) -> Option<(Epoch, Signature)> {
        let newest = self.promised.last()?;
        Some((newest.epoch, Statement::Granted.sign(&seal.key, self.id, newest)))
    }

    /// Somebody is bound to a view of this epoch: the next one is newer.
    pub(super) fn hear_of(&mut self, epoch: Epoch) {
        if self.is_near(epoch) {
            self.term = self.term.max(epoch.term);
        }
    }

    fn is_near(&self, epoch: Epoch) -> bool {
        epoch.term <= self.term.saturating_add(MAX_LEAP)
    }

    /// Somebody has promised this view, perhaps with the promise that the server gave before it lost its memory.
    pub(super) fn note_promised(&mut self, view: &View) {
        let is_newer = self.view().is_none_or(|current| view.epoch > current.epoch);
        if is_newer
            && self.is_near(view.epoch)
            && view.is_well_formed()
            && !self.promised.contains(view)
            && !self.is_full()
        {
            self.term = self.term.max(view.epoch.term);
            self.promised.push(view.clone());
            self.promised.sort_by_key(|view| view.epoch);
        }
    }

    /// More promises cannot be told: only a view that needs none helps.
    pub(super) fn is_full(&self) -> bool {
        self.promised.len() >= MAX_PROMISED
    }

    /// Newer views than the one in force that were promised.
    pub(super) fn promised(&self) -> &[View] {
        &self.promised
    }

    /// Who may take over from the host with everything that was ever acknowledged: the first is the best.
    pub(super) fn successors(&self, seats: &[Seat]) -> Vec<PlayerId> {
        let Some(view) = self.view() else { return Vec::new() };
        let is_able = |player: &PlayerId| {
            seats.iter().any(|seat| seat.player == *player && seat.is_live() && seat.is_voter_of(view))
        };
        view.backups.iter().copied().filter(is_able).collect()
    }

    /// The next view: this one takes over from the host of the one in force, whose voters agree to it.
    pub(super) fn succession(&self, seats: &[Seat], host: PlayerId, cause: HostCause) -> Option<View> {
        let base = self.view()?;
        let is_able = |player: &PlayerId| {
            let seat = seats.iter().find(|seat| seat.player == *player);
            *player != host && *player != base.host && seat.is_some_and(|seat| seat.is_live() && seat.is_voter_of(base))
        };
        let voters = base.voters.iter().map(|voter| voter.player);
        let live = voters.clone().filter(is_able).count() + 1;
        let mut backups: Vec<PlayerId> = base.backups.iter().copied().filter(is_able).collect();
        let others: Vec<PlayerId> = voters.filter(|player| is_able(player) && !backups.contains(player)).collect();
        backups.extend(others);
        backups.truncate(View::backups_wanted(live));
        Some(View {
            epoch: Epoch { term: self.term.checked_add(1)?, round: 0 },
            base: base.epoch,
            since: base.since,
            cause: Some(cause),
            host,
            backups,
            voters: base.voters.clone(),
        })
    }

    /// The view that begins a line: the first of a lobby, or one that is forced on it. Nothing if nobody can be host. It has
    /// no backups: nobody has a copy of its log yet, and its host adds them at once.
    pub(super) fn beginning(&self, seats: &[Seat], random: u32) -> Option<View> {
        let lost = self.view().map(|view| view.host);
        let live = || seats.iter().filter(|seat| seat.is_live());
        let in_vain = self.watch.named_in_vain();
        let keeps = |seat: &Seat| Some(seat.player) == lost && !in_vain.contains(&seat.player);
        let is_kept = self.watch.lost().is_none() && live().any(keeps);
        let replicas = if is_kept { lost.into_iter().collect() } else { self.successors(seats) };
        let best =
            live().max_by_key(|seat| (Some(seat.player) != lost, seat.is_preferred, core::cmp::Reverse(seat.player)));
        let is_hopeful = |seat: &&Seat| !in_vain.contains(&seat.player);
        let others = live().filter(is_hopeful).map(|seat| seat.player);
        let mut hosts = replicas.iter().copied().chain(best.map(|seat| seat.player)).chain(others);
        let host = hosts.clone().find(|host| !in_vain.contains(host)).or(hosts.next())?;
        let is_first = self.former.is_empty() && self.current.is_none();
        let voters: Vec<Voter> = if is_first {
            live().filter(|seat| seat.player == host).filter_map(Seat::voter).collect()
        } else {
            live().filter_map(Seat::voter).collect()
        };
        let round = if is_first { 0 } else { FIRST_LONE_ROUND + random % (u32::MAX / 2 - FIRST_LONE_ROUND) };
        let epoch = Epoch { term: self.term.checked_add(1)?, round };
        Some(View {
            epoch,
            base: self.view().map_or(Epoch::default(), |view| view.epoch),
            since: epoch,
            cause: self.view().map(|_| HostCause::Forced),
            host,
            backups: Vec::new(),
            voters,
        })
    }

    /// A member is gone for good.
    pub(super) fn forget(&mut self, player: PlayerId) {
        self.watch.forget(player);
        let is_named = self.view().into_iter().chain(&self.promised).any(|view| view.voter(player).is_some());
        if let Some(recovery) = self.recovery.as_mut().filter(|_| !is_named) {
            recovery.forget(player);
        }
    }

    /// Whether those voters of the view in force who are there could agree to anything, with the server if it counts.
    pub(super) fn has_quorum(&self, seats: &[Seat], has_weight: bool) -> bool {
        let is_there = |voter: &Voter| {
            let seat = seats.iter().find(|seat| seat.player == voter.player);
            seat.is_some_and(|seat| seat.is_connected && seat.is_awake && seat.incarnation == voter.incarnation)
        };
        self.view().is_some_and(|view| has_quorum(&view.voters, is_there, has_weight))
    }

    /// Nobody is there who votes in the view in force, not even away: nothing of it can come back.
    pub(super) fn is_forsaken(&self, seats: &[Seat]) -> bool {
        self.view().is_some_and(|view| !seats.iter().any(|seat| seat.is_voter_of(view)))
    }

    /// The server may propose: it has not lost its memory, or has heard enough of those who know.
    pub(super) fn may_propose(&self) -> bool {
        let views = || self.view().into_iter().chain(&self.promised);
        !self.is_full()
            && self.recovery.as_ref().is_none_or(|recovery| views().all(|view| recovery.has_heard_most(view)))
    }

    /// The server may make a view without asking anybody: it may propose, or has waited for long enough.
    pub(super) fn may_force(&self, now: Instant) -> bool {
        let recovery = self.recovery.as_ref();
        recovery.is_none_or(|recovery| recovery.is_over(now)) || self.may_propose()
    }

    /// The server's weight counts. What it promised before it lost its memory may count still, in the hands of those who
    /// have not come back: until they have, or are gone for long, it does not.
    pub(super) fn has_weight(&self, now: Instant) -> bool {
        let is_known = |recovery: &Recovery| {
            self.view().is_some_and(|view| recovery.has_heard_all(view)) || recovery.is_forgotten(now)
        };
        self.recovery.as_ref().is_none_or(is_known)
    }
}
