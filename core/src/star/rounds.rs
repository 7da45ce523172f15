//! Light views: the host takes in voters, lets them go, and replaces backups, while messages go on.

use super::ballot::{Judged, Verdict};
use super::rising::ASK_SERVER_AFTER;
use super::{Frame, Member, Out, Position, Star, To, Word};
use crate::id::PlayerId;
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::Epoch;
use crate::wire::view::{Certified, MAX_VOTERS, Proof, PublicKey, Signature, View, Voter, is_agreed};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// Changes are collected for so long, unless they are urgent.
const PAUSE: Duration = Duration::from_secs(1);
/// A round that is not in force by then is tried otherwise.
const PATIENCE: Duration = Duration::from_secs(3);
/// Plans depend on how others are heard: they are looked at this often.
const LOOK_PAUSE: Duration = Duration::from_millis(100);
/// Who is not connected and unheard for so long votes no more.
const ABSENCE: Duration = Duration::from_secs(2);
/// Who is connected to the server and unheard on open paths for so long votes no more either: a computer that died without
/// a word stays connected for long.
const SILENCE: Duration = Duration::from_secs(5);
/// A backup that is so far behind is replaced by another, but not over and over.
const LAG: Duration = Duration::from_secs(1);
const LAG_BYTES: usize = 1024 * 1024;
const LAG_PAUSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Pending {
    view: View,
    voices: BTreeMap<PlayerId, (PublicKey, Signature)>,
    server: Option<Signature>,
    since: Instant,
    has_asked: bool,
    /// Its backups count besides the present ones.
    is_joint: bool,
}

/// The rounds of one host.
#[derive(Debug)]
pub(super) struct Rounds {
    /// When the last one came in force, or was given up.
    last: Instant,
    /// The highest round used.
    round: u32,
    pending: Option<Pending>,
    /// Who has answered that it follows us.
    have: BTreeSet<PlayerId>,
    /// Who is given a copy without being backup yet, and whether it has said that it keeps it.
    copying: BTreeMap<PlayerId, bool>,
    /// What backups say to have stored counts from this epoch on: before, they may have spoken of an earlier copy.
    copied_in: BTreeMap<PlayerId, Epoch>,
    /// What a new life of a present backup has stored: it counts once it is backup itself.
    early_stored: BTreeMap<PlayerId, (Epoch, Position)>,
    lag_at: Option<Instant>,
    /// Something has changed that a plan depends on; else plans are looked at in a slow rhythm.
    is_plan_due: bool,
    is_greeting_due: bool,
    planned_at: Instant,
    greeted_at: Instant,
}

impl Rounds {
    pub(super) fn new(now: Instant) -> Self {
        Rounds {
            last: now,
            round: 0,
            pending: None,
            have: BTreeSet::new(),
            copying: BTreeMap::new(),
            copied_in: BTreeMap::new(),
            early_stored: BTreeMap::new(),
            lag_at: None,
            is_plan_due: true,
            is_greeting_due: true,
            planned_at: now,
            greeted_at: now,
        }
    }

    /// We are host from now on.
    pub(super) fn begin(&mut self, now: Instant, round: u32) {
        *self = Rounds { round, ..Rounds::new(now) };
    }

    /// We are host no more.
    pub(super) fn end(&mut self) {
        *self = Rounds::new(self.last);
    }

    /// The roster: a new life has answered nothing.
    pub(super) fn retain(&mut self, is_same: impl Fn(PlayerId) -> bool) {
        self.touch();
        self.have.retain(|player| is_same(*player));
        self.copying.retain(|player, _| is_same(*player));
        self.early_stored.retain(|player, _| is_same(*player));
    }

    pub(super) fn view(&self) -> Option<&View> {
        self.pending.as_ref().map(|pending| &pending.view)
    }

    pub(super) fn has(&self, player: PlayerId) -> bool {
        self.have.contains(&player)
    }

    pub(super) fn on_have(&mut self, from: PlayerId) {
        self.is_plan_due |= self.have.insert(from);
    }

    /// What is planned, and who is to hear of the view, is looked at again at once.
    pub(super) fn touch(&mut self) {
        self.is_plan_due = true;
        self.is_greeting_due = true;
    }

    fn may_plan(&mut self, now: Instant) -> bool {
        let is_due = self.is_plan_due || self.planned_at + LOOK_PAUSE <= now || self.pending.is_some();
        if is_due {
            self.planned_at = now;
        }
        self.is_plan_due = false;
        is_due
    }

    /// Whether to look for those who have not heard of the view.
    pub(super) fn may_greet(&mut self, now: Instant) -> bool {
        let is_due = self.is_greeting_due || self.greeted_at + LOOK_PAUSE <= now;
        if is_due {
            self.greeted_at = now;
        }
        self.is_greeting_due = false;
        is_due
    }

    /// A replica tells what it has stored. False: it speaks of an earlier copy.
    pub(super) fn on_stored(&mut self, from: PlayerId, epoch: Epoch) -> bool {
        if self.copied_in.get(&from).is_some_and(|copied| epoch < *copied) {
            return false;
        }
        if let Some(has_said) = self.copying.get_mut(&from) {
            *has_said = true;
        }
        true
    }

    pub(super) fn on_early_stored(&mut self, from: PlayerId, epoch: Epoch, position: Position) {
        self.early_stored.insert(from, (epoch, position));
    }

    pub(super) fn on_promise(&mut self, from: PlayerId, key: PublicKey, signature: Signature) {
        if let Some(pending) = &mut self.pending {
            pending.voices.insert(from, (key, signature));
        }
    }

    pub(super) fn on_granted(&mut self, signature: Signature) {
        if let Some(pending) = &mut self.pending {
            pending.server = Some(signature);
        }
    }
}

impl Pending {
    fn is_agreed(&self, base: &View, with_server: bool) -> bool {
        let agrees = |voter: &Voter| self.voices.get(&voter.player).is_some_and(|(key, _)| *key == voter.key);
        is_agreed(base, &self.view, agrees, with_server)
    }

    fn certified(&self) -> Certified {
        let promises = self.voices.iter().map(|(player, (_, signature))| (*player, *signature)).collect();
        Certified { view: self.view.clone(), proof: Proof::Quorum { server: self.server, promises } }
    }
}

impl Star {
    /// Goes on with a round, or begins one.
    pub(super) fn go_round(&mut self, now: Instant, out: &mut Out) {
        let is_handed = self.handing.as_ref().is_some_and(|handing| handing.view().is_some());
        if !self.is_hosting() || is_handed || self.ballot.bar().is_some() || !self.rounds.may_plan(now) {
            return;
        }
        let Some(present) = self.ballot.view().cloned() else { return };
        match &self.rounds.pending {
            Some(pending) if pending.since + PATIENCE <= now => {
                // A long log takes its time on a slow way: begun anew with each round it would never arrive.
                let hosting = self.hosting.as_ref();
                let takes = |player: &PlayerId| hosting.is_some_and(|hosting| hosting.is_taking(*player, PATIENCE));
                let under_way: Vec<PlayerId> = pending.view.backups.iter().copied().filter(takes).collect();
                self.rounds.pending = None;
                self.rounds.last = now;
                self.rounds.touch();
                if let Some(hosting) = &mut self.hosting {
                    hosting.await_also(&[]);
                }
                self.stop_needless_copies(&present.backups, &under_way);
            }
            Some(_) => self.finish_round(now, &present, out),
            None => self.plan_round(now, &present, out),
        }
    }

    /// The player keeps copies by the view in force, but not in this life.
    pub(super) fn is_another_life_of_a_backup(&self, player: PlayerId) -> bool {
        let present = self.ballot.view().filter(|view| self.is_hosting() && view.backups.contains(&player));
        let voter = present.and_then(|view| view.voter(player));
        voter.is_some_and(|voter| !Self::is_same_life(voter, self.members.get(&player)))
    }

    /// Whether a member is the one that votes.
    fn is_same_life(voter: &Voter, member: Option<&Member>) -> bool {
        member.is_some_and(|member| member.incarnation == voter.incarnation && member.key == voter.key)
    }

    /// Who shall vote.
    fn wanted_voters(&self, now: Instant, present: &View) -> Vec<Voter> {
        let me = self.my_id();
        let own = present.voter(me).copied();
        let stays = |voter: &Voter| {
            let member = self.members.get(&voter.player);
            let heard = self.ears.of(voter.player).is_some_and(|ear| now < ear.heard_at + ABSENCE);
            Self::is_same_life(voter, member)
                && member.is_some_and(|member| member.is_eligible && (member.is_connected || heard))
                && !self.ears.is_silent(voter.player, now, SILENCE)
        };
        let comes = |member: &&Member| {
            let is_known = present.voter(member.player).is_some_and(|voter| Self::is_same_life(voter, Some(member)));
            let is_there = member.is_connected && !self.ears.is_silent(member.player, now, Duration::ZERO);
            member.is_eligible && is_there && self.rounds.has(member.player) && !is_known
        };
        let voter = |member: &Member| Voter { player: member.player, incarnation: member.incarnation, key: member.key };
        let staying = present.voters.iter().filter(|voter| voter.player != me && stays(voter)).copied();
        let coming = self.members.values().filter(|member| member.player != me).filter(comes).map(voter);
        let mut voters: Vec<Voter> = own.into_iter().chain(staying).chain(coming).take(MAX_VOTERS).collect();
        voters.sort_by_key(|voter| voter.player);
        voters
    }

    /// Why a backup shall be none any more.
    fn is_bad_backup(&self, now: Instant, player: PlayerId) -> bool {
        let (Some(hosting), Some(log)) = (&self.hosting, &self.log) else { return false };
        let behind = hosting.behind(player, now, log);
        let may_replace = self.rounds.lag_at.is_none_or(|at| at + LAG_PAUSE <= now);
        let is_behind = may_replace && (behind.time > LAG || behind.bytes > LAG_BYTES);
        !self.ears.is_heard(player, now) || is_behind
    }

    /// Who shall keep copies: those who do, unless they do not do it well and others can.
    fn wanted_backups(&self, now: Instant, present: &View, voters: &[Voter]) -> Vec<PlayerId> {
        let me = self.my_id();
        let votes = |player: PlayerId| voters.iter().any(|voter| voter.player == player);
        let keeps = |player: PlayerId| {
            let voter = present.voter(player).filter(|voter| Self::is_same_life(voter, self.members.get(&player)));
            voter.is_some() && votes(player) && present.backups.contains(&player)
        };
        let successor = self.handing.as_ref().map(|handing| handing.to).filter(|to| votes(*to));
        let rank = |player: PlayerId| {
            let is_present = keeps(player);
            let is_bad = if is_present { self.is_bad_backup(now, player) } else { !self.ears.is_heard(player, now) };
            (is_bad, !is_present, present.backups.iter().position(|backup| *backup == player), player)
        };
        // Entries may overtake the copy that they belong to: who is to begin anew would take them for its own.
        let is_cut_off = |player| self.hosting.as_ref().is_none_or(|hosting| hosting.is_cut_off(player));
        let is_possible = |player: &PlayerId| keeps(*player) || self.rounds.has(*player) && !is_cut_off(*player);
        let mut backups: Vec<PlayerId> =
            voters.iter().map(|voter| voter.player).filter(|player| *player != me).filter(is_possible).collect();
        backups.sort_by_key(|player| (Some(*player) != successor, rank(*player)));
        backups.truncate(View::backups_wanted(voters.len()));
        backups
    }

    fn plan_round(&mut self, now: Instant, present: &View, out: &mut Out) {
        let voters = self.wanted_voters(now, present);
        let backups = self.wanted_backups(now, present, &voters);
        if voters == present.voters && backups == present.backups {
            self.stop_needless_copies(&present.backups, &[]);
            return;
        }
        let is_gone = |voter: &Voter| !Self::is_same_life(voter, self.members.get(&voter.player));
        let lacks_backup = present.backups.is_empty() && !backups.is_empty();
        // It may have come just now: then it is taken in at once.
        let hands_over = self.handing.as_ref().is_some_and(|handing| backups.first() == Some(&handing.to));
        let is_urgent = lacks_backup || hands_over || present.voters.iter().any(is_gone);
        if !is_urgent && now < self.rounds.last + PAUSE {
            return;
        }
        let round = self.rounds.round.max(present.epoch.round) + 1;
        let epoch = Epoch { term: present.epoch.term, round };
        let view = View { epoch, base: present.epoch, backups, voters, ..present.clone() };
        if self.ballot.weigh(&view) != Verdict::Promise {
            let newest = self.ballot.newest();
            self.on_bound(now, newest);
            return;
        }
        self.propose_round(now, present, view, out);
        self.finish_round(now, present, out);
    }

    fn propose_round(&mut self, now: Instant, present: &View, view: View, out: &mut Out) {
        let me = self.my_id();
        self.rounds.round = view.epoch.round;
        if present.backups.iter().any(|backup| self.is_bad_backup(now, *backup) && self.ears.is_heard(*backup, now)) {
            self.rounds.lag_at = Some(now);
        }
        self.bind(now, view.clone(), false);
        let promise = self.own_promise(&view);
        let key = self.me.as_ref().expect("nothing is handled before enter").key.public();
        let mut asked: Vec<PlayerId> = present.voters.iter().chain(&view.voters).map(|voter| voter.player).collect();
        asked.sort_unstable();
        asked.dedup();
        asked.retain(|player| *player != me && self.members.contains_key(player));
        let voices = BTreeMap::from([(me, (key, promise.signature))]);
        if !asked.is_empty() {
            out.frames.push_back((To::Many(asked), Frame::Propose { view: view.clone(), is_dormant: false }));
        }
        self.stop_needless_copies(&present.backups, &view.backups);
        self.copy_to_new_backups(present, &view, out);
        self.rounds.pending =
            Some(Pending { view, voices, server: None, since: now, has_asked: false, is_joint: false });
    }

    fn copy_to_new_backups(&mut self, present: &View, view: &View, out: &mut Out) {
        let (Some(hosting), Some(log)) = (&mut self.hosting, &self.log) else { return };
        let is_new = |backup: &PlayerId| {
            let is_same = present.backups.contains(backup) && present.voter(*backup) == view.voter(*backup);
            !is_same
        };
        for backup in view.backups.iter().copied().filter(is_new) {
            if let Entry::Vacant(copying) = self.rounds.copying.entry(backup) {
                copying.insert(false);
                let copy = hosting.replicate(backup, None, log, &self.snapshots);
                out.frames.push_back((To::One(backup), Frame::Copy { epoch: view.epoch, copy }));
                self.rounds.copied_in.insert(backup, view.epoch);
            }
        }
    }

    /// Copies to others than those who keep one by the view in force, and those whose copy goes on.
    fn stop_needless_copies(&mut self, backups: &[PlayerId], under_way: &[PlayerId]) {
        let Some(hosting) = &mut self.hosting else { return };
        self.rounds.copying.retain(|player, _| {
            let goes_on = under_way.contains(player);
            if !goes_on && !backups.contains(player) {
                hosting.stop_replicating(*player);
            }
            goes_on
        });
    }

    /// A round is in force when it is agreed upon and its backups hold everything that is committed.
    fn finish_round(&mut self, now: Instant, present: &View, out: &mut Out) {
        let has_server = self.ears.has_server();
        let (Some(pending), Some(hosting)) = (&mut self.rounds.pending, &mut self.hosting) else { return };
        if !pending.is_agreed(present, pending.server.is_some()) {
            // Even if its weight is not enough: the server sees that we cannot go on without those who are missing.
            if pending.since + ASK_SERVER_AFTER <= now && has_server && !pending.has_asked {
                pending.has_asked = true;
                out.words.push_back(Word::Grant(Box::new(pending.view.clone())));
            }
            return;
        }
        if !pending.is_joint
            && pending.view.backups.iter().all(|backup| self.rounds.copying.get(backup) != Some(&false))
        {
            // From here on old and new backups count, so that the new ones can catch up with what is committed.
            pending.is_joint = true;
            hosting.await_also(&pending.view.backups);
        }
        let committed = hosting.committed();
        let early = &self.rounds.early_stored;
        let stored = |backup: &PlayerId| match early.get(backup) {
            Some((_, position)) => Some(*position),
            None => hosting.stored(*backup),
        };
        let holds = |backup: &PlayerId| {
            self.rounds.copying.get(backup).is_none_or(|has_said| *has_said) && stored(backup) >= Some(committed)
        };
        if !pending.view.backups.iter().all(holds) {
            return;
        }
        let certified = pending.certified();
        let me = self.me.as_ref().expect("nothing is handled before enter");
        self.rounds.pending = None;
        self.rounds.last = now;
        if self.ballot.judge(me.star, &me.server, &certified) == Judged::Adopted {
            self.enter_round(now, present, certified, out);
        }
    }

    fn enter_round(&mut self, now: Instant, present: &View, certified: Certified, out: &mut Out) {
        let view = &certified.view;
        self.joined = Some(view.epoch);
        self.rounds.touch();
        self.suspicion.on_view(now, view.epoch, false);
        if let (Some(hosting), Some(log)) = (&mut self.hosting, &mut self.log) {
            hosting.on_light_view(now, view.epoch, &view.backups);
            log.set_whole_in(view.epoch);
            for (backup, (epoch, position)) in core::mem::take(&mut self.rounds.early_stored) {
                hosting.on_stored(now, backup, epoch, position, log);
            }
            for backup in present.backups.iter().filter(|backup| !view.backups.contains(backup)) {
                hosting.stop_replicating(*backup);
            }
        }
        self.stop_needless_copies(&view.backups, &[]);
        out.words.push_back(Word::InForce(Box::new(certified)));
    }

    pub(super) fn rounds_deadline(&self) -> Option<Instant> {
        if !self.is_hosting() {
            return None;
        }
        let rounds = &self.rounds;
        let mut greeting = Unseen::new(rounds.greeted_at, self.worked);
        if let Some(again_at) = self.answers.greeting_deadline(|player| rounds.has(player)) {
            greeting.offer(again_at);
        }
        let mut plan = Unseen::new(rounds.planned_at, self.worked);
        plan.offer(rounds.last + PAUSE);
        for voter in self.ballot.view().into_iter().flat_map(|view| &view.voters) {
            if let Some(ear) = self.ears.of(voter.player) {
                plan.offer(ear.heard_at + ear.patience);
                plan.offer(ear.heard_at + ABSENCE);
                plan.offer(ear.heard_at + ear.patience.max(SILENCE));
            }
        }
        let pending = rounds.pending.as_ref();
        let asking = pending.filter(|pending| !pending.has_asked).map(|pending| pending.since + ASK_SERVER_AFTER);
        let giving_up = pending.map(|pending| pending.since + PATIENCE);
        let due = |at| self.due(at);
        earlier(earlier(plan.at(), greeting.at()), earlier(due(asking), due(giving_up)))
    }
}

/// The first of some moments that nobody has looked at yet.
struct Unseen {
    /// What lies before was looked at.
    passed: Instant,
    next_look: Instant,
    first: Option<Instant>,
}

impl Unseen {
    /// It was looked at such moments then, and nothing is left to do up to `worked`.
    fn new(seen_at: Instant, worked: Instant) -> Self {
        let next_look = seen_at + LOOK_PAUSE;
        Unseen { passed: if next_look > worked { seen_at } else { worked }, next_look, first: None }
    }

    fn offer(&mut self, at: Instant) {
        if at > self.passed {
            self.first = earlier(self.first, Some(at));
        }
    }

    /// When it is to be looked at.
    fn at(self) -> Option<Instant> {
        self.first.map(|first| first.max(self.next_look))
    }
}
