//! Which view is in force: how we learn of it, what becomes of us with it, and how others learn of it from us.

use super::ballot::Judged;
use super::following::Adopted;
use super::log::{Log, Reign};
use super::{Bond, Event, Frame, Hosting, Member, Out, Position, Promise, Role, Span, Star, To, Word};
use crate::id::{Incarnation, PlayerId};
use crate::players::Players;
use crate::time::{Duration, Instant};
use crate::wire::signal::Epoch;
use crate::wire::view::{Certified, View};
use std::collections::BTreeMap;

/// The same answer goes to the same player no more often.
const ANSWER_PAUSE: Duration = Duration::from_millis(100);
const BOUND_PAUSE: Duration = Duration::from_millis(500);
/// Who does not answer the word that a view is in force hears it again after so long, and then more and more rarely.
const GREETING_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_GREETING_PAUSE: Duration = Duration::from_secs(8);

/// What we have answered to whom, and what was said too early.
#[derive(Debug, Default)]
pub(super) struct Answers {
    newer: BTreeMap<PlayerId, Instant>,
    bound: BTreeMap<PlayerId, Instant>,
    greeted: Players<Greeting>,
    /// Promises for views that we have not heard of: the newest of each player.
    promises: BTreeMap<PlayerId, Promise>,
}

#[derive(Debug)]
struct Greeting {
    incarnation: Incarnation,
    epoch: Epoch,
    again_at: Instant,
    pause: Duration,
}

impl Answers {
    /// Who is not there any more is forgotten.
    pub(super) fn retain(&mut self, members: &Players<Member>) {
        self.newer.retain(|player, _| members.contains_key(player));
        self.bound.retain(|player, _| members.contains_key(player));
        self.promises.retain(|player, _| members.contains_key(player));
        self.greeted.retain(|player, greeting| {
            members.get(player).is_some_and(|member| member.incarnation == greeting.incarnation)
        });
    }

    fn may(answered: &mut BTreeMap<PlayerId, Instant>, now: Instant, to: PlayerId, pause: Duration) -> bool {
        let is_due = answered.get(&to).is_none_or(|at| *at + pause <= now);
        if is_due {
            answered.insert(to, now);
        }
        is_due
    }

    pub(super) fn may_say_bound(&mut self, now: Instant, to: PlayerId) -> bool {
        Self::may(&mut self.bound, now, to, BOUND_PAUSE)
    }

    pub(super) fn keep_promise(&mut self, from: PlayerId, promise: Promise) {
        if self.promises.get(&from).is_none_or(|kept| kept.epoch <= promise.epoch) {
            self.promises.insert(from, promise);
        }
    }

    /// Promises for this view that came before we knew of it.
    pub(super) fn take_promises(&mut self, epoch: Epoch) -> Vec<(PlayerId, Promise)> {
        let (now, later) = core::mem::take(&mut self.promises).into_iter().partition(|(_, kept)| kept.epoch == epoch);
        self.promises = later;
        let now: BTreeMap<PlayerId, Promise> = now;
        now.into_iter().collect()
    }

    /// When somebody is to be told again what is in force.
    pub(super) fn greeting_deadline(&self, has_answered: impl Fn(PlayerId) -> bool) -> Option<Instant> {
        let mut first: Option<Instant> = None;
        for (player, Greeting { again_at, .. }) in self.greeted.iter() {
            if first.is_none_or(|first| *again_at < first) && !has_answered(*player) {
                first = Some(*again_at);
            }
        }
        first
    }
}

impl Star {
    /// We give out places in the log.
    pub(super) fn is_hosting(&self) -> bool {
        self.hosting.is_some() && !self.is_copying()
    }

    /// We host, or are about to, and what was said in this epoch was said of that.
    pub(super) fn is_hosted(&self, epoch: Epoch) -> bool {
        let hosted = self.hosting.as_ref().map(super::Hosting::epoch);
        let is_collected = self.is_copying();
        hosted.is_some_and(|hosted| hosted.term == epoch.term) && (is_collected || self.is_of_line(epoch))
    }

    /// What was said in this epoch was not said in another line of the same term.
    fn is_of_line(&self, epoch: Epoch) -> bool {
        self.ballot.view().is_some_and(|view| view.has_in_line(epoch))
    }

    /// The host of the view in force has told us so, or we are it.
    fn is_joined(&self) -> bool {
        let present = self.ballot.epoch();
        self.joined.is_some_and(|joined| joined.term == present.term && self.is_of_line(joined))
    }

    /// What we are.
    pub(super) fn role(&self) -> Role {
        if self.is_hosting() {
            let is_frozen = self.handing.as_ref().is_some_and(super::Handing::is_frozen);
            return if is_frozen { Role::Frozen } else { Role::Hosting };
        }
        match self.ballot.bar() {
            Some(bar) if self.collecting.as_ref().is_some_and(|own| own.view == *bar) => Role::Collecting,
            Some(_) => Role::Barred,
            None if self.is_joined() => Role::Following,
            None => Role::Waiting,
        }
    }

    /// The host of the view in force, if we follow it.
    pub(super) fn present_host(&self) -> Option<PlayerId> {
        (self.role() == Role::Following).then(|| self.ballot.view().expect("who follows knows whom").host)
    }

    /// Whether what this player says in this epoch counts as said by our host.
    pub(super) fn follows(&self, from: PlayerId, epoch: Epoch) -> bool {
        self.present_host() == Some(from) && epoch.term == self.ballot.epoch().term && self.is_of_line(epoch)
    }

    /// Whether this player is the host that we followed until we promised another view.
    pub(super) fn is_barred_from(&self, from: PlayerId, epoch: Epoch) -> bool {
        let is_ours = self.is_joined() && epoch.term == self.ballot.epoch().term && self.is_of_line(epoch);
        is_ours && self.ballot.bar().is_some() && self.ballot.view().is_some_and(|view| view.host == from)
    }

    /// The server says that a view is in force. It is told what has followed that, and what we are bound to beyond it.
    pub(super) fn on_server_view(&mut self, now: Instant, certified: &Certified, out: &mut Out) {
        let epoch = certified.view.epoch;
        match self.judge(now, certified, out) {
            Judged::Forged => out.dropped.forged += 1,
            Judged::Known | Judged::Adopted | Judged::Unlinked if epoch < self.ballot.epoch() => {
                let news = self.ballot.chain(epoch).into_iter();
                out.words.extend(news.map(|certified| Word::InForce(Box::new(certified))));
            }
            Judged::Known | Judged::Adopted | Judged::Unlinked => {
                let line = self.ballot.view().map(|view| view.since);
                let bar = self.ballot.bar().filter(|bar| Some(bar.since) != line);
                out.words.extend(bar.map(|bar| Word::Grant(Box::new(bar.clone()))));
            }
        }
    }

    fn judge(&mut self, now: Instant, certified: &Certified, out: &mut Out) -> Judged {
        let me = self.me.as_ref().expect("nothing is handled before enter");
        let (star, server) = (me.star, me.server);
        let judged = self.ballot.judge(star, &server, certified);
        if judged == Judged::Adopted {
            self.on_adopted(now);
        }
        self.found_line(now, out);
        judged
    }

    /// Another view is in force, and we do not know its log yet.
    fn on_adopted(&mut self, now: Instant) {
        if let Some(own) = &self.collecting {
            // Whoever has promised it is bound to it, although it comes to nothing.
            self.suspicion.highest = self.suspicion.highest.max(own.view.epoch);
        }
        self.stop_collecting();
        self.stand_down();
        let is_barred = self.ballot.bar().is_some();
        let view = self.ballot.view().expect("one was just adopted");
        self.suspicion.on_view(now, view.epoch, is_barred);
        let is_stranger = !view.is_replica(self.my_id()) && self.intake.copied_in <= view.epoch;
        let (epoch, is_ours) = (view.epoch, self.is_my_view(view));
        if is_stranger || (view.begins_line() && !is_ours) {
            self.drop_log();
            self.serving = None;
        }
        if self.intake.source.is_some_and(|(_, copied)| copied != epoch) {
            self.intake.source = None;
        }
    }

    /// We keep no copy any more. What it has for us and we were given nowhere else is judged by the host that we follow,
    /// with the rest: as a member we are given only what comes after our copy.
    fn drop_log(&mut self) {
        let (me, view) = (self.my_id(), self.ballot.view().expect("one was just adopted"));
        let Some(log) = self.log.take() else { return };
        if self.line != Some(view.since) || self.role() == Role::Following {
            return;
        }
        let reign = Reign { host: view.host, since: view.since, term: view.epoch.term };
        let room = self.config.resume_log;
        for entry in log.for_member(reign, self.following.settled(), me) {
            self.withheld.keep(entry.clone(), room);
        }
    }

    /// We are host no more, and keep the log as a replica does.
    pub(super) fn stand_down(&mut self) {
        if self.hosting.take().is_some() {
            self.snapshots.stop_asking();
        }
        self.handing = None;
        self.rounds.end();
    }

    /// A view that begins a line and names us needs no word of anybody else.
    fn found_line(&mut self, now: Instant, out: &mut Out) {
        let Some(view) = self.ballot.view().filter(|view| view.begins_line()).cloned() else { return };
        if self.joined == Some(view.epoch) || !self.is_my_view(&view) || self.ballot.bar().is_some() {
            return;
        }
        let own = self.following.beyond_committed();
        let log = match self.log.take().filter(|log| log.log_end().is_some()) {
            Some(mut log) => {
                log.adopt(view.epoch, own);
                log
            }
            None => {
                self.following.forget();
                self.snapshots.forget();
                Log::new(view.epoch)
            }
        };
        self.prepare_to_host(now, log, view.epoch);
        self.become_host(now, out);
    }

    /// What a host works with, before its view is in force.
    pub(super) fn prepare_to_host(&mut self, now: Instant, log: Log, epoch: Epoch) {
        let me = self.me.as_ref().expect("nothing is handled before enter");
        let own = Member {
            player: me.player,
            incarnation: me.incarnation,
            key: me.key.public(),
            is_eligible: true,
            is_connected: true,
        };
        let members: Vec<Member> = self.members.values().cloned().collect();
        self.hosting = Some(Hosting::new(now, &self.config, &own, epoch, &members, &log));
        self.log = Some(log);
    }

    /// Our view is in force.
    pub(super) fn become_host(&mut self, now: Instant, out: &mut Out) {
        let certified = self.ballot.certified().expect("our view was just adopted").clone();
        self.collecting = None;
        self.handing = None;
        self.serving = None;
        self.intake = super::Intake::default();
        self.rounds.begin(now, certified.view.epoch.round);
        self.answers.greeted.clear();
        if self.join(now, &certified.view, out) {
            self.withheld = super::Withheld::default();
        } else {
            let log = self.log.as_ref().expect("who becomes host has prepared");
            let (spans, voids) = (log.spans().to_vec(), log.voids());
            self.take_withheld(Adopted { epoch: certified.view.epoch, spans: &spans, voids: &voids });
        }
        self.following.go_on(&mut out.events);
        let backups = certified.view.backups.clone();
        let (hosting, mut ours) = self.hosts(out).expect("who becomes host has prepared");
        hosting.activate(now, &backups, &mut ours);
        out.words.push_back(Word::InForce(Box::new(certified)));
    }

    /// The application has heard elsewhere who is host in the view in force: another one is a change.
    pub fn on_host_told(&mut self) {
        if let Some(host) = self.view().and_then(|view| view.voter(view.host)) {
            self.announced = Some((host.player, host.incarnation));
        }
    }

    /// A view's host has said, or is us who say, that we go on with it.
    fn join(&mut self, now: Instant, view: &View, out: &mut Out) -> bool {
        let is_other_line = self.line.is_some_and(|line| line != view.since);
        if is_other_line {
            out.events.push_back(Event::ContinuityLost);
        }
        self.line = Some(view.since);
        self.joined = Some(view.epoch);
        let host = view.voter(view.host).map(|voter| (voter.player, voter.incarnation));
        if self.announced != host {
            let known = self.announced.and_then(|(player, _)| self.ears.of(player)).map(|ear| ear.heard_at);
            let is_first = self.announced.is_none();
            let gap = if is_first { Duration::ZERO } else { known.map_or(Duration::ZERO, |heard| now.since(heard)) };
            let cause = view.cause.filter(|_| !is_first);
            out.events.push_back(Event::HostChanged { epoch: view.epoch, host: view.host, cause, gap });
            self.announced = host;
        }
        self.suspicion.on_view(now, view.epoch, false);
        is_other_line
    }

    /// The host of a view says that it is in force.
    pub(super) fn on_activate(
        &mut self,
        now: Instant,
        from: PlayerId,
        certified: &Certified,
        spans: &[Span],
        voids: &[Position],
        out: &mut Out,
    ) {
        if certified.view.host != from {
            out.dropped.malformed += 1;
            return;
        }
        match self.judge(now, certified, out) {
            Judged::Forged => out.dropped.forged += 1,
            Judged::Unlinked => self.on_unlinked(now, from, certified.view.epoch, out),
            Judged::Adopted | Judged::Known if self.ballot.epoch() != certified.view.epoch => {
                self.say_newer(now, from, out);
            }
            Judged::Adopted | Judged::Known => {
                if self.ballot.bar().is_some() {
                    self.say_bound(now, from, out);
                } else if !self.is_my_view(&certified.view) {
                    self.go_on_with(now, &certified.view, spans, voids, out);
                }
            }
        }
    }

    fn go_on_with(&mut self, now: Instant, view: &View, spans: &[Span], voids: &[Position], out: &mut Out) {
        let is_light =
            self.joined.is_some_and(|joined| joined.term == view.epoch.term && self.line == Some(view.since));
        let is_again = self.joined == Some(view.epoch);
        let is_replica = view.is_replica(self.my_id()) && !view.begins_line();
        if let Some(log) = self.log.as_mut().filter(|_| is_replica) {
            log.set_whole_in(view.epoch);
            log.take_spans(spans);
        }
        if is_light && !is_again {
            self.joined = Some(view.epoch);
            self.suspicion.on_view(now, view.epoch, false);
        }
        if !is_light {
            let is_other_line = self.join(now, view, out);
            if is_other_line {
                self.following.forget();
                self.snapshots.forget();
                self.withheld = super::Withheld::default();
            } else {
                self.take_withheld(Adopted { epoch: view.epoch, spans, voids });
                self.take_copied();
            }
            self.intake.forget_recent();
            self.publishing.rewind();
            self.following.go_on(&mut out.events);
        }
        if !is_light || is_again {
            self.say_have(out);
        }
        for frame in self.aside.take(view) {
            self.follow(now, view.host, frame, out);
        }
    }

    /// Somebody knows a view that follows one which we do not know: it learns what we know, and tells us the rest.
    fn on_unlinked(&mut self, now: Instant, from: PlayerId, epoch: Epoch, out: &mut Out) {
        if self.is_hosting() && epoch > self.ballot.epoch() {
            self.on_bound(now, epoch);
        }
        if epoch > self.ballot.epoch() {
            self.say_known(now, from, out);
        } else {
            self.say_newer(now, from, out);
        }
    }

    /// Says how far we know, so that the other can tell what comes after.
    fn say_known(&mut self, now: Instant, to: PlayerId, out: &mut Out) {
        let Some(certified) = self.ballot.certified().cloned() else { return };
        if Answers::may(&mut self.answers.newer, now, to, ANSWER_PAUSE) {
            out.frames.push_back((To::One(to), Frame::Newer(Box::new(certified))));
        }
    }

    /// Somebody says which view is in force.
    pub(super) fn on_newer(&mut self, now: Instant, from: PlayerId, certified: &Certified, out: &mut Out) {
        let epoch = certified.view.epoch;
        match self.judge(now, certified, out) {
            Judged::Forged => out.dropped.forged += 1,
            Judged::Unlinked => self.on_unlinked(now, from, epoch, out),
            Judged::Known if epoch < self.ballot.epoch() => self.say_newer_from(now, from, epoch, out),
            Judged::Adopted | Judged::Known => {}
        }
    }

    /// Somebody is behind.
    pub(super) fn say_newer(&mut self, now: Instant, to: PlayerId, out: &mut Out) {
        self.say_newer_from(now, to, Epoch::default(), out);
    }

    fn say_newer_from(&mut self, now: Instant, to: PlayerId, from: Epoch, out: &mut Out) {
        if !Answers::may(&mut self.answers.newer, now, to, ANSWER_PAUSE) {
            return;
        }
        for certified in self.ballot.chain(from) {
            out.frames.push_back((To::One(to), Frame::Newer(Box::new(certified))));
        }
        if self.is_hosting() {
            self.answers.greeted.remove(&to);
            self.rounds.touch();
            self.greet(now, out);
        }
    }

    /// Tells everybody who can hear it that our view is in force, until they have answered.
    pub(super) fn greet(&mut self, now: Instant, out: &mut Out) {
        if !self.is_hosting() || !self.rounds.may_greet(now) {
            return;
        }
        let (certified, me) = (self.ballot.certified().expect("a host's view is in force"), self.my_id());
        let epoch = certified.view.epoch;
        let mut to = Vec::new();
        for member in self.members.values().filter(|member| member.player != me) {
            let player = member.player;
            let greeted = self.answers.greeted.get(&player).filter(|greeting| greeting.epoch == epoch);
            let is_done = greeted.is_some_and(|greeting| self.rounds.has(player) || now < greeting.again_at);
            if is_done || !(member.is_connected || self.ears.is_open(player, now)) {
                continue;
            }
            let pause = greeted.map_or(GREETING_PAUSE, |greeting| (2 * greeting.pause).min(LONGEST_GREETING_PAUSE));
            let greeting = Greeting { incarnation: member.incarnation, epoch, again_at: now + pause, pause };
            self.answers.greeted.insert(player, greeting);
            to.push(player);
        }
        if !to.is_empty() {
            let log = self.log.as_ref().expect("a host holds the log");
            let (spans, voids) = (log.spans().to_vec(), log.voids());
            let certified = Box::new(certified.clone());
            out.frames.push_back((To::Many(to), Frame::Activate { certified, spans, voids }));
        }
    }

    /// Whom we need a link with now.
    pub fn bonds(&self) -> Vec<(PlayerId, Bond)> {
        let (Some(me), Some(view)) = (&self.me, self.ballot.view()) else { return Vec::new() };
        let mut bonds = BTreeMap::new();
        if self.is_hosting() || self.collecting.is_some() {
            bonds.extend(self.members.keys().map(|player| (*player, Bond::Close)));
        } else {
            if view.backups.contains(&me.player) {
                bonds.extend(self.members.keys().map(|player| (*player, Bond::Standby)));
            }
            bonds.extend(view.backups.iter().map(|backup| (*backup, Bond::Standby)));
            bonds.extend(self.ballot.promised().map(|promised| (promised.host, Bond::Close)));
            bonds.insert(view.host, Bond::Close);
        }
        bonds.into_iter().filter(|(player, _)| *player != me.player && self.members.contains_key(player)).collect()
    }
}

#[cfg(test)]
#[path = "views_tests.rs"]
mod tests;
