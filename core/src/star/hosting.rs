//! What a host does with messages and with those who follow it: gives places, hands entries on, counts what is stored,
//! acknowledges.

use super::follower::{Follower, Stage};
use super::following::{Adopted, Following, delivered};
use super::log::{Log, bytes_of, is_for_outsider, is_meant};
use super::proposals::Proposals;
use super::publishing::Publishing;
use super::snapshots::Snapshots;
use super::table::{Table, Taking, lane};
use super::{
    Channel, Content, Copy, Entry, Event, Frame, LogEnd, Member, Out, Position, Ruling, Snapshot, StarConfig, To, Told,
};
use crate::id::{Incarnation, PlayerId};
use crate::players::Players;
use crate::time::{Duration, Instant};
use crate::wire::signal::Epoch;
use bytes::Bytes;
use std::collections::VecDeque;

/// A host whose backups have not stored what is older than this hands on nothing more until they have ..
const UNSTORED: Duration = Duration::from_millis(250);
/// .. and never more entries than these.
const UNSTORED_ENTRIES: u64 = 64;

/// The parts of a star that a host works with.
pub(super) struct Ours<'a> {
    /// The log it appends to.
    pub(super) log: &'a mut Log,
    /// What its own player receives.
    pub(super) following: &'a mut Following,
    /// What its own player says.
    pub(super) publishing: &'a mut Publishing,
    /// What members say and its game has not decided about.
    pub(super) proposals: &'a mut Proposals,
    /// The states of its game.
    pub(super) snapshots: &'a mut Snapshots,
    /// What comes of it.
    pub(super) out: &'a mut Out,
}

/// How far a replica is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Behind {
    /// How long ago the first entry was appended that it has not stored.
    pub(super) time: Duration,
    /// Bytes that it has not stored.
    pub(super) bytes: usize,
}

/// A host's view of those who follow it.
#[derive(Debug)]
pub(super) struct Hosting {
    pub(super) config: StarConfig,
    pub(super) me: PlayerId,
    incarnation: Incarnation,
    epoch: Epoch,
    pub(super) now: Instant,
    /// Its view is in force.
    pub(super) is_active: bool,
    pub(super) is_frozen: bool,
    /// Those of the view in force.
    backups: Vec<(PlayerId, Incarnation)>,
    /// Those of the view that is about to follow: they are waited for too, so that they are not always a step behind.
    next_backups: Vec<(PlayerId, Incarnation)>,
    pub(super) committed: Position,
    /// What is committed of every sender.
    pub(super) acked: Table,
    pub(super) followers: Players<Follower>,
    /// When the entries after `committed` were appended.
    uncommitted: VecDeque<Instant>,
    /// What has arrived at everybody who counts ..
    pub(super) settled: Position,
    /// .. and the bytes of log after that.
    pub(super) unsettled: usize,
    pub(super) tick_at: Option<Instant>,
    /// Members are asked to say nothing.
    pub(super) is_holding: bool,
}

impl Hosting {
    /// We are about to be host, with a log that is adopted: replicas are given what they lack, and nothing else is done
    /// until our view is in force.
    pub(super) fn new(
        now: Instant,
        config: &StarConfig,
        me: &Member,
        epoch: Epoch,
        members: &[Member],
        log: &Log,
    ) -> Self {
        let mut hosting = Hosting {
            config: config.clone(),
            me: me.player,
            incarnation: me.incarnation,
            epoch,
            now,
            is_active: false,
            is_frozen: false,
            backups: Vec::new(),
            next_backups: Vec::new(),
            committed: log.cut(),
            acked: Table::default(),
            followers: Players::new(),
            uncommitted: VecDeque::new(),
            settled: log.cut(),
            unsettled: 0,
            tick_at: None,
            is_holding: false,
        };
        hosting.unsettled = log.after(log.cut()).map(bytes_of).sum();
        for (player, row) in log.table().present().filter(|(player, _)| *player != me.player) {
            let mut follower = Follower::new(now, row.incarnation, false);
            follower.reckon_from(row.joined, log.cut());
            hosting.followers.insert(player, follower);
        }
        hosting.meet(members);
        hosting
    }

    /// Our view is in force, and its backups hold our log: everything in it is committed. Our player goes on from there as
    /// host.
    pub(super) fn activate(&mut self, now: Instant, backups: &[PlayerId], ours: &mut Ours<'_>) {
        self.now = self.now.max(now);
        self.is_active = true;
        ours.proposals.clear();
        self.backups = self.lives_of(backups);
        self.committed = ours.log.end();
        self.acked = ours.log.table().clone();
        ours.publishing.on_acked(self.acked(self.me, self.incarnation), &mut ours.out.events);
        let taken = ours.publishing.acked();
        let was_there = ours.log.table().is_known(self.me, self.incarnation, taken);
        self.promote(ours);
        ours.publishing.rewind();
        if !was_there {
            let joined = self.append(Content::Joined { player: self.me, incarnation: self.incarnation, taken }, ours);
            // Our history begins there: whoever is host after us, be it at once, need not begin it anew.
            ours.following.on_settled(joined);
        }
        self.leave_if_gone(ours);
        self.arm();
    }

    /// Our own player gets what the log has and it has not, then its game what only a host gets.
    fn promote(&mut self, ours: &mut Ours<'_>) {
        let Ours { log, following, snapshots, out, .. } = ours;
        let (cut, end) = (log.cut(), log.end());
        following.on_activate(Adopted { epoch: self.epoch, spans: log.spans(), voids: &log.voids() });
        let lacks_its_beginning = log.is_late() && following.settled() < cut;
        let was_away = following.is_running() && !following.reaches(log.joined(self.me, self.incarnation));
        if following.reaches_beyond(end) || lacks_its_beginning || was_away {
            // Those places are given out again: the log is a copy that was not kept up, or lacks where we began, or says
            // that we left and have not heard it.
            following.forget();
        }
        snapshots.forget_beyond(end);
        let newest = snapshots.newest().filter(|kept| cut <= kept.position && kept.position <= end);
        let snapshot = match newest {
            Some(kept) => Snapshot { position: kept.position, state: Some(kept.state.clone()) },
            None => Snapshot { position: cut, state: None },
        };
        let is_birth = end == Position(0) && !following.has_begun();
        if following.is_running() {
            following.catch_up(log, self.me, &mut out.events);
        } else {
            let begins = if newest.is_some() { snapshot.clone() } else { Snapshot { position: end, state: None } };
            following.begin(begins, Some((log, self.me)), &mut out.events);
        }
        following.on_committed(end, &mut out.events);
        following.on_settled(end);
        if !is_birth {
            let told = |entry: &Entry| match &entry.content {
                Content::Message(told) if told.ruling != Ruling::Rejected && !is_for_outsider(told, log.table()) => {
                    Some(delivered(entry.position, told.clone()))
                }
                _ => None,
            };
            let tail = log.after(snapshot.position).filter_map(told).collect();
            out.events.push_back(Event::Promoted { snapshot, tail });
        }
    }

    /// It is to begin anew, and has not said that it has.
    pub(super) fn is_cut_off(&self, player: PlayerId) -> bool {
        self.followers.get(&player).is_none_or(|follower| follower.is_cut_off)
    }

    /// A light view is in force: its backups count from now on.
    pub(super) fn on_light_view(&mut self, now: Instant, epoch: Epoch, backups: &[PlayerId]) {
        self.now = self.now.max(now);
        self.epoch = epoch;
        self.backups = self.lives_of(backups);
        self.next_backups.clear();
        self.arm();
    }

    /// A light view is agreed upon that has these backups: nothing is committed any more without them. None: it is given
    /// up.
    pub(super) fn await_also(&mut self, backups: &[PlayerId]) {
        self.next_backups = self.lives_of(backups);
    }

    /// Somebody is to become a backup: it gets the state, and from now on all entries after the place that
    /// [`Log::copy`] tells. Done for new backups before their view is in force.
    pub(super) fn replicate(
        &mut self,
        player: PlayerId,
        theirs: Option<LogEnd>,
        log: &Log,
        snapshots: &Snapshots,
    ) -> Copy {
        let (copy, from) = log.copy(theirs);
        self.replicate_from(player, from, snapshots);
        copy
    }

    /// The same for a backup that our view waits for: what everybody has who is there, up to this place, it gets later.
    pub(super) fn replicate_late(
        &mut self,
        player: PlayerId,
        theirs: Option<LogEnd>,
        latest: Position,
        log: &Log,
        snapshots: &Snapshots,
    ) -> Copy {
        let latest = snapshots.newest().map_or(latest, |kept| latest.min(kept.position));
        let (copy, from) = log.late_copy(theirs, latest);
        self.replicate_from(player, from, snapshots);
        copy
    }

    fn replicate_from(&mut self, player: PlayerId, from: Position, snapshots: &Snapshots) {
        if let Some(follower) = self.followers.get_mut(&player) {
            follower.replicate(self.epoch, from, snapshots.newest());
        }
    }

    /// A backup whose copy began late gets the rest.
    pub(super) fn give_past(&mut self, player: PlayerId, began: Position, ours: &mut Ours<'_>) {
        if let (Some(copy), Some(follower)) = (ours.log.past_of(began), self.followers.get_mut(&player)) {
            follower.give_past(copy.cut, began);
            ours.out.frames.push_back((To::One(player), Frame::Copy { epoch: self.epoch, copy }));
        }
    }

    /// It is no backup and will be none.
    pub(super) fn stop_replicating(&mut self, player: PlayerId) {
        if let Some(follower) = self.followers.get_mut(&player) {
            follower.stop_replicating();
        }
    }

    /// It is a replica, and something has arrived at it not longer ago.
    pub(super) fn is_taking(&self, player: PlayerId, patience: Duration) -> bool {
        let replica = self.followers.get(&player).filter(|follower| follower.replica.is_some());
        replica.is_some_and(|follower| self.now.since(follower.taken_at) < patience)
    }

    /// What a replica has stored, as far as it told; nothing if it is none.
    pub(super) fn stored(&self, player: PlayerId) -> Option<Position> {
        Some(self.followers.get(&player)?.replica?.stored)
    }

    /// A backup is one in this life only: another one has not promised to keep anything.
    fn lives_of(&self, backups: &[PlayerId]) -> Vec<(PlayerId, Incarnation)> {
        let life = |player: &PlayerId| self.followers.get(player).map_or(Incarnation(0), |known| known.incarnation);
        backups.iter().map(|player| (*player, life(player))).collect()
    }

    fn stored_by(&self, (player, incarnation): (PlayerId, Incarnation)) -> Position {
        let follower = self.followers.get(&player).filter(|follower| follower.incarnation == incarnation);
        follower.and_then(|follower| follower.replica).map(|replica| replica.stored).unwrap_or_default()
    }

    /// How far a replica is behind.
    pub(super) fn behind(&self, player: PlayerId, now: Instant, log: &Log) -> Behind {
        let Some(stored) = self.stored(player) else { return Behind::default() };
        let index = stored.0.saturating_sub(self.committed.0) as usize;
        let time = self.uncommitted.get(index).map_or(Duration::ZERO, |appended| now.since(*appended));
        Behind { time, bytes: log.after(stored).map(bytes_of).sum() }
    }

    /// Everything up to here is stored by all backups.
    pub(super) fn committed(&self) -> Position {
        self.committed
    }

    /// The state of our game has been told: those who wait begin with it, and backups keep it.
    pub(super) fn on_state(&mut self, now: Instant, position: Position, state: Bytes, ours: &mut Ours<'_>) {
        self.now = self.now.max(now);
        if ours.snapshots.on_state(position, state) {
            for follower in self.followers.values_mut().filter(|follower| follower.replica.is_some()) {
                if let Some(kept) = ours.snapshots.newest() {
                    follower.feed_next(kept);
                }
            }
        }
        self.start_those_who_wait(ours);
        self.arm();
    }

    /// A member's message; its sender is stamped by whoever received it. What was taken before has no effect, nor has what
    /// cannot be taken yet: it is said again.
    pub(super) fn on_publish(&mut self, now: Instant, told: Told, ours: &mut Ours<'_>) {
        self.now = self.now.max(now);
        if !self.is_active || self.is_frozen {
            return;
        }
        let is_kept = matches!(told.channel, Channel::Reliable | Channel::Ordered);
        let follower = self.followers.get(&told.from).map(|follower| follower.incarnation);
        let life = if told.from == self.me { Some(self.incarnation) } else { follower };
        let life = life.filter(|life| ours.log.table().is_known(told.from, *life, [0; 2]));
        if !is_kept || told.payload.len() > self.config.max_message {
            ours.out.dropped.malformed += 1;
        } else if let Some(life) = life {
            // What the host itself says needs no leave of its own.
            if ours.proposals.is_on() && told.from != self.me {
                self.propose(told, life, ours);
            } else if ours.log.table().taking(told.from, told.channel, told.seq) == Taking::New {
                self.append(Content::Message(told), ours);
            }
        }
    }

    pub(super) fn append(&mut self, content: Content, ours: &mut Ours<'_>) -> Position {
        let for_us = is_meant(&content, self.me, self.me).then(|| content.clone());
        let position = ours.log.append(self.epoch, content);
        if let Some(content) = for_us {
            ours.following.on_entry(Entry { position, epoch: self.epoch, content }, &mut ours.out.events);
        }
        let bytes = ours.log.entry(position).map_or(0, bytes_of);
        self.unsettled += bytes;
        ours.snapshots.on_logged(bytes);
        self.uncommitted.push_back(self.now);
        self.arm();
        position
    }

    /// A backup says in an epoch that it has stored everything up to here.
    pub(super) fn on_stored(&mut self, now: Instant, player: PlayerId, epoch: Epoch, position: Position, log: &Log) {
        self.now = self.now.max(now);
        let replica = self.followers.get_mut(&player).and_then(|follower| follower.replica.as_mut());
        if let Some(replica) = replica.filter(|replica| epoch.term == self.epoch.term && epoch >= replica.since) {
            replica.stored = replica.stored.max(position.min(log.end()));
        }
    }

    /// An entry that was given out in an epoch has arrived.
    pub(super) fn on_taken(
        &mut self,
        now: Instant,
        player: PlayerId,
        epoch: Epoch,
        position: Position,
        ours: &mut Ours<'_>,
    ) {
        self.now = self.now.max(now);
        let Some(follower) = self.followers.get_mut(&player).filter(|_| epoch.term == self.epoch.term) else { return };
        follower.on_taken(self.now, position);
        follower.is_back |= follower.was_dropped;
        if self.is_active {
            self.take_back(ours);
            self.arm();
        }
    }

    /// Whether [`Hosting::poll`] can have anything for anybody.
    pub(super) fn has_entries(&self, log: &Log) -> bool {
        let end = log.end();
        self.followers.values().any(|follower| !follower.has_all(end))
    }

    /// The next for a player: an entry, or a piece of a snapshot.
    pub(super) fn poll(&mut self, player: PlayerId, log: &Log) -> Option<Frame> {
        if self.followers.get(&player)?.has_all(log.end()) {
            return None;
        }
        let (epoch, me, now, limit) = (self.epoch, self.me, self.now, self.limit(log));
        let is_active = self.is_active;
        let follower = self.followers.get_mut(&player).filter(|follower| is_active || follower.replica.is_some())?;
        match follower.poll_entry(player, me, limit, log) {
            Some(entry) => Some(Frame::Entry { epoch, entry: entry.clone() }),
            None => follower.poll_piece(now, epoch),
        }
    }

    /// How far members may be told: a host that is cut off from its backups tells little that a crash takes back.
    fn limit(&self, log: &Log) -> Position {
        let is_late = self.uncommitted.front().is_some_and(|appended| self.now.since(*appended) >= UNSTORED);
        let ahead = if is_late { 0 } else { UNSTORED_ENTRIES };
        log.end().min(Position(self.committed.0 + ahead))
    }

    /// The host takes nothing more; tells the last place. It never goes on.
    pub(super) fn freeze(&mut self, log: &Log) -> Position {
        self.is_frozen = true;
        log.end()
    }

    /// To be done after every input and when [`Hosting::deadline`] has come: takes our own messages, commits, delivers,
    /// acknowledges, tells marks, cuts, asks for snapshots.
    pub(super) fn work(&mut self, now: Instant, ours: &mut Ours<'_>) {
        self.now = self.now.max(now);
        if !self.is_active {
            return;
        }
        self.take_own(ours);
        self.commit(ours);
        self.ask(ours);
        if self.tick(ours) {
            self.take_own(ours);
            self.commit(ours);
        }
        self.tell_marks(ours, false);
    }

    /// What our own player has to say, unless it is to hold.
    fn take_own(&mut self, ours: &mut Ours<'_>) {
        while !self.is_frozen {
            let Some(Frame::Publish { channel, seq, to, kind, payload }) = ours.publishing.poll() else { return };
            let ruling = Ruling::AsSent;
            self.on_publish(self.now, Told { from: self.me, channel, seq, to, kind, payload, ruling }, ours);
        }
    }

    fn commit(&mut self, ours: &mut Ours<'_>) {
        let end = ours.log.end();
        let stored = self.backups.iter().chain(&self.next_backups).map(|backup| self.stored_by(*backup));
        let committed = stored.min().unwrap_or(end);
        if committed <= self.committed {
            return;
        }
        for entry in ours.log.after(self.committed).take_while(|entry| entry.position <= committed) {
            self.acked.apply(entry);
            self.uncommitted.pop_front();
            Self::make_due(&mut self.followers, &self.config, self.me, &entry.content);
        }
        self.committed = committed;
        ours.following.on_committed(committed, &mut ours.out.events);
        ours.publishing.on_acked(self.acked(self.me, self.incarnation), &mut ours.out.events);
        self.arm();
    }

    /// A message is committed: its sender wants to know, and whoever may deliver it now.
    fn make_due(followers: &mut Players<Follower>, config: &StarConfig, me: PlayerId, content: &Content) {
        let Content::Message(told) = content else { return };
        if [config.safe_reliable, config.safe_ordered][lane(told.channel)] {
            for (player, follower) in followers.iter_mut().filter(|(_, follower)| !follower.is_due) {
                follower.is_due = follower.stage == Stage::Following && is_meant(content, *player, me);
            }
        }
        if let Some(follower) = followers.get_mut(&told.from) {
            follower.is_due = true;
        }
    }

    /// What is committed of a sender in this life.
    pub(super) fn acked(&self, player: PlayerId, incarnation: Incarnation) -> [u64; 2] {
        self.acked.taken(player, incarnation)
    }

    /// In which epoch entries are given out.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }
}

#[cfg(test)]
#[path = "hosting_tests.rs"]
pub(super) mod tests;
