//! Becoming host: promises are gathered, the best log is fetched if it is another's, the new backups copy it, and the
//! view is in force.

use super::ballot::{Judged, Verdict};
use super::collecting::{Collecting, Origin, Stage, WAIT_FOR_THE_REST};
use super::log::{ENTRY_BYTES, Log};
use super::table::Taking;
use super::{Content, Frame, LogEnd, Out, Ruling, Star, To, Told, Word};
use crate::id::PlayerId;
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::{Epoch, HostCause};
use crate::wire::view::View;
use rand::RngExt;

/// What has not come in force by then is tried otherwise, with up to half a second of chance.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_CHANCE_MS: u64 = 500;
/// The server tries again by itself; if it does not for so long, we do.
const SERVER_RETRY: Duration = Duration::from_secs(4);
/// A dormant view that is not in force by then is given up.
const DORMANT_PATIENCE: Duration = Duration::from_secs(4);
/// A log that is fetched arrives within so long.
const FETCH_PATIENCE: Duration = Duration::from_secs(1);
/// The server's weight is asked for when so long after the proposal nothing else is missing.
pub(super) const ASK_SERVER_AFTER: Duration = Duration::from_millis(300);
/// After so many attempts the next host goes without backups at first.
const ATTEMPTS_WITH_BACKUPS: u32 = 3;
/// Bytes of our own messages that the copies bear: about a packet, so that they take no longer.
const AHEAD_BYTES: usize = 1024;

impl Star {
    /// A log is being copied to the backups of a view of ours.
    pub(super) fn is_copying(&self) -> bool {
        self.collecting.as_ref().is_some_and(|own| matches!(own.stage, Stage::Copying))
    }

    /// Begins to gather promises for a view that names us.
    pub(super) fn collect_for(&mut self, now: Instant, view: View, origin: Origin, out: &mut Out) {
        if self.collecting.as_ref().is_some_and(|own| own.view == view) {
            return;
        }
        self.stop_collecting();
        let retry = match origin {
            Origin::Server => SERVER_RETRY,
            Origin::Dormant => DORMANT_PATIENCE,
            Origin::Own => RETRY + Duration::from_millis(self.rng.random_range(0..RETRY_CHANCE_MS)),
        };
        let epoch = view.epoch;
        self.collecting = Some(Collecting::new(now, view, origin, retry));
        self.speak_for_myself();
        for (from, promise) in self.answers.take_promises(epoch) {
            self.on_promise(now, from, promise, out);
        }
        if origin == Origin::Own {
            self.ask_the_rest(out);
        }
    }

    /// Our own promise, as it is now.
    fn speak_for_myself(&mut self) {
        let Some(view) = self.collecting.as_ref().map(|own| own.view.clone()) else { return };
        let (me, promise, base) = (self.my_id(), self.own_promise(&view), self.ballot.epoch());
        let key = self.me.as_ref().expect("nothing is handled before enter").key.public();
        if let Some(own) = &mut self.collecting {
            own.on_promise(me, key, promise, base);
        }
    }

    /// Asks everybody whose promise is wanting and who may hear it.
    fn ask_the_rest(&mut self, out: &mut Out) {
        let (Some(own), Some(base)) = (&self.collecting, self.ballot.view()) else { return };
        let mut wanted = own.wanted(base);
        wanted.retain(|player| self.members.contains_key(player) && *player != self.my_id());
        if !wanted.is_empty() {
            let view = own.view.clone();
            out.frames.push_back((To::Many(wanted), Frame::Propose { view, is_dormant: false }));
        }
    }

    /// The view is none any more, or another takes its place.
    pub(super) fn stop_collecting(&mut self) {
        if self.is_copying() {
            self.hosting = None;
        }
        self.collecting = None;
    }

    /// Proposes ourselves as the next host, in an epoch beyond all that we know of.
    pub(super) fn propose_myself(&mut self, now: Instant, out: &mut Out) {
        let Some(base) = self.ballot.view().cloned() else { return };
        let me = self.my_id();
        if !self.has_log() || !base.voter(me).is_some_and(|voter| self.is_me(voter)) {
            return;
        }
        let newest = self.ballot.newest().max(self.suspicion.highest);
        let newest = self.collecting.as_ref().map_or(newest, |own| newest.max(own.view.epoch));
        let epoch = Epoch { term: newest.term + 1, round: 0 };
        let backups = self.choose_backups(now, &base);
        let view = View { epoch, base: base.epoch, cause: Some(HostCause::Voted), host: me, backups, ..base };
        self.suspicion.attempts += 1;
        self.stop_collecting();
        if self.ballot.weigh(&view) == Verdict::Promise {
            self.collect_for(now, view, Origin::Own, out);
        }
    }

    /// Who copies our log before we are host: those whom we hear, replicas first.
    fn choose_backups(&self, now: Instant, base: &View) -> Vec<PlayerId> {
        if self.suspicion.attempts >= ATTEMPTS_WITH_BACKUPS {
            return Vec::new();
        }
        let me = self.my_id();
        let has_promised =
            |player: PlayerId| self.collecting.as_ref().is_none_or(|own| own.voices.contains_key(&player));
        let is_good = |player: &PlayerId| {
            let is_there = self.members.get(player).is_some_and(|member| {
                member.is_eligible && base.voter(*player).is_some_and(|voter| voter.incarnation == member.incarnation)
            });
            let is_free = self.is_hosting() || *player != base.host;
            is_there && is_free && *player != me && self.ears.is_heard(*player, now)
        };
        let mut chosen: Vec<PlayerId> = base.voters.iter().map(|voter| voter.player).filter(is_good).collect();
        chosen.sort_by_key(|player| (!has_promised(*player), !base.is_replica(*player), *player));
        chosen.truncate(View::backups_wanted(chosen.len() + 1));
        chosen
    }

    /// Goes on with what we gather for, or begins it.
    pub(super) fn collect(&mut self, now: Instant, out: &mut Out) {
        let Some(base) = self.ballot.view() else { return };
        if let Some(own) = self.collecting.as_ref().filter(|own| own.view.base != base.epoch) {
            let epoch = own.view.epoch;
            self.stop_collecting();
            self.on_bound(now, epoch);
        }
        let (Some(own), Some(base)) = (&self.collecting, self.ballot.view()) else {
            self.consider_proposing(now, out);
            return;
        };
        let base = base.clone();
        match &own.stage {
            Stage::Gathering if own.origin == Origin::Dormant => self.await_freeze(now, &base, out),
            Stage::Gathering => self.gather(now, &base, out),
            Stage::Fetching { log, since, from, .. } => {
                let is_whole = log.as_ref().is_some_and(|log| log.log_end().is_some());
                let (from, is_late) = (*from, (*since).max(own.moved_at) + FETCH_PATIENCE <= now);
                if is_whole {
                    self.adopt(now, out);
                } else if is_late {
                    self.fetch_elsewhere(from);
                }
            }
            Stage::Copying => self.copy(now, &base, out),
        }
        if self.collecting.as_ref().is_some_and(|own| own.retry_at <= now) {
            self.retry(now, out);
        }
    }

    /// Promises come until they are enough, and a little longer.
    fn gather(&mut self, now: Instant, base: &View, out: &mut Out) {
        let Some(own) = &self.collecting else { return };
        let is_bound = self.ballot.promised().any(|view| *view == own.view);
        if own.origin == Origin::Own && !is_bound && base.host != self.my_id() && self.is_host_well(now) {
            self.stop_collecting();
            return;
        }
        if !own.is_agreed(base) {
            self.ask_server(now, base, out);
            return;
        }
        if !is_bound && !self.bind_myself(now, base) {
            return;
        }
        let Some(own) = &mut self.collecting else { return };
        let since = *own.agreed_at.get_or_insert(now);
        if since + WAIT_FOR_THE_REST <= now || self.has_everybody(now, base) {
            self.choose_log(now, out);
        }
    }

    /// Our own promise is all that is wanting. False: there is more now.
    fn bind_myself(&mut self, now: Instant, base: &View) -> bool {
        let Some(view) = self.collecting.as_ref().map(|own| own.view.clone()) else { return false };
        if self.ballot.weigh(&view) != Verdict::Promise {
            self.stop_collecting();
            return false;
        }
        self.bind(now, view, false);
        self.speak_for_myself();
        self.collecting.as_ref().is_some_and(|own| own.is_agreed(base))
    }

    /// Everybody has promised from whom a promise may still come.
    fn has_everybody(&self, now: Instant, base: &View) -> bool {
        let Some(own) = &self.collecting else { return false };
        let may_come = |player: PlayerId| {
            let is_old_host = player == base.host && own.view.host != base.host;
            let is_there = self.members.get(&player).is_some_and(|member| member.is_connected);
            let is_silent = self.ears.is_silent(player, now, Duration::ZERO);
            !is_old_host && !is_silent && (is_there || self.ears.is_heard(player, now))
        };
        base.voters.iter().all(|voter| own.voices.contains_key(&voter.player) || !may_come(voter.player))
    }

    /// Only the server's weight is wanting; or we are host already, and the server must see that we cannot go on.
    fn ask_server(&mut self, now: Instant, base: &View, out: &mut Out) {
        let (has_server, me) = (self.ears.has_server(), self.my_id());
        let Some(own) = &mut self.collecting else { return };
        let is_time = own.since + ASK_SERVER_AFTER <= now && !own.has_asked && own.server.is_none();
        if has_server && is_time && (base.host == me || own.is_enough(base, true)) {
            own.has_asked = true;
            out.words.push_back(Word::Grant(Box::new(own.view.clone())));
        }
    }

    fn choose_log(&mut self, now: Instant, out: &mut Out) {
        let (me, ours) = (self.my_id(), self.log.as_ref().and_then(Log::log_end));
        let Some(own) = &mut self.collecting else { return };
        let Some((best, end)) = own.best_log(me) else { return };
        if best == me || ours == Some(end) {
            self.adopt(now, out);
            return;
        }
        own.enter(now, Stage::Fetching { from: best, log: None, early: Vec::new(), since: now });
        // What was being copied is given up: what we tell is what we have.
        if let Some(log) = &mut self.log {
            log.restore();
        }
        out.frames.push_back((To::One(best), Frame::Fetch { epoch: own.view.epoch, log: ours }));
    }

    /// Who does not give its log counts as one who has none.
    fn fetch_elsewhere(&mut self, from: PlayerId) {
        let Some(own) = &mut self.collecting else { return };
        if let Some(voice) = own.voices.get_mut(&from) {
            voice.promise.log = None;
        }
        own.stage = Stage::Gathering;
    }

    /// The log is chosen: it is completed from what the promises bring, and given to the backups.
    fn adopt(&mut self, now: Instant, out: &mut Out) {
        let Some(own) = &mut self.collecting else { return };
        let (epoch, mut beyond) = (own.view.epoch, own.beyond());
        if own.origin == Origin::Dormant {
            beyond.clear();
        }
        let fetched = match own.enter(now, Stage::Copying) {
            Stage::Fetching { log, .. } => log.map(|log| *log),
            Stage::Gathering | Stage::Copying => None,
        };
        let Some(mut log) = fetched.or_else(|| self.log.take()) else {
            self.stop_collecting();
            return;
        };
        beyond.extend(self.following.beyond_committed());
        beyond.extend(self.withheld.entries().iter().cloned());
        log.adopt(epoch, beyond);
        // Where the game decides, only who is host already needs nobody's leave: this view may come to nothing.
        let may_speak = !self.proposals.is_on();
        if may_speak && self.collecting.as_ref().is_some_and(|own| own.origin != Origin::Dormant) {
            self.write_ahead(epoch, &mut log);
        }
        self.serving = None;
        self.prepare_to_host(now, log, epoch);
        let Some(base) = self.ballot.view().cloned() else { return };
        self.copy(now, &base, out);
    }

    /// What we say ourselves goes with the copies: it is committed as soon as the view is in force. The predecessor of a
    /// dormant view holds the log already, and gets no copy that could bear it.
    fn write_ahead(&mut self, epoch: Epoch, log: &mut Log) {
        let me = self.me.as_ref().expect("nothing is handled before enter");
        if !log.table().is_known(me.player, me.incarnation, self.publishing.acked()) {
            return;
        }
        self.publishing.rewind();
        let mut room = AHEAD_BYTES;
        while let Some(Frame::Publish { channel, seq, to, kind, payload }) = self.publishing.poll() {
            let Some(left) = room.checked_sub(ENTRY_BYTES + payload.len()) else { break };
            room = left;
            if log.table().taking(me.player, channel, seq) == Taking::New {
                let (from, ruling) = (me.player, Ruling::AsSent);
                log.append(epoch, Content::Message(Told { from, channel, seq, to, kind, payload, ruling }));
            }
        }
    }

    /// The backups get the log; when they have it, the view is in force.
    fn copy(&mut self, now: Instant, base: &View, out: &mut Out) {
        let (Some(own), Some(hosting), Some(log)) = (&mut self.collecting, &mut self.hosting, &self.log) else {
            return;
        };
        let epoch = own.view.epoch;
        for backup in own.view.backups.clone() {
            if own.copied.contains_key(&backup) {
                continue;
            }
            let Some(voice) = own.voices.get(&backup) else { continue };
            // What the backup lacks as a member stands in its copy, or it would deliver what follows a gap.
            let latest = self.following.everywhere().min(voice.promise.settled);
            let copy = hosting.replicate_late(backup, voice.promise.log, latest, log, &self.snapshots);
            own.began.insert(backup, copy.cut);
            let is_frozen = own.frozen.is_some() && backup == base.host;
            own.copied.insert(backup, is_frozen);
            out.frames.push_back((To::One(backup), Frame::Copy { epoch, copy }));
        }
        let has_all = |backup: &PlayerId| {
            own.copied.get(backup) == Some(&true)
                && (own.frozen.is_some() || hosting.stored(*backup) >= Some(log.end()))
        };
        if own.view.backups.iter().all(has_all) {
            self.activate(now, base, out);
        }
    }

    /// Our view is in force from now on.
    fn activate(&mut self, now: Instant, base: &View, out: &mut Out) {
        let (Some(own), Some(me)) = (&self.collecting, &self.me) else { return };
        let certified = own.certified(base);
        if self.ballot.judge(me.star, &me.server, &certified) != Judged::Adopted {
            self.stop_collecting();
            return;
        }
        let began = self.collecting.as_mut().map(|own| core::mem::take(&mut own.began)).unwrap_or_default();
        self.become_host(now, out);
        if let Some((hosting, mut ours)) = self.hosts(out) {
            began.into_iter().for_each(|(backup, began)| hosting.give_past(backup, began, &mut ours));
        }
    }

    /// The present host goes on until it freezes; then we go on where it stopped.
    fn await_freeze(&mut self, now: Instant, base: &View, out: &mut Out) {
        let Some(own) = &mut self.collecting else { return };
        if !own.is_agreed(base) {
            self.ask_server(now, base, out);
            return;
        }
        let (view, frozen) = (own.view.clone(), own.frozen);
        if own.agreed_at.is_none() {
            own.agreed_at = Some(now);
            let promise = self.own_promise(&view);
            out.frames.push_back((To::One(base.host), Frame::Promise(Box::new(promise))));
        }
        let end = self.log.as_ref().and_then(Log::log_end);
        let Some((frozen, end)) = frozen.zip(end).filter(|(frozen, end)| end.end >= *frozen) else { return };
        self.bind(now, view, false);
        let Some(own) = &mut self.collecting else { return };
        if let Some(voice) = own.voices.get_mut(&base.host) {
            voice.promise.log = Some(LogEnd { whole_in: end.whole_in, end: frozen });
        }
        self.adopt(now, out);
    }

    /// It took too long.
    fn retry(&mut self, now: Instant, out: &mut Out) {
        let Some(own) = &mut self.collecting else { return };
        let is_gathering = matches!(own.stage, Stage::Gathering);
        let round_trip = own.view.backups.iter().filter_map(|backup| self.ears.of(*backup)?.rtt).max();
        let patience = RETRY.max(2 * round_trip.unwrap_or_default());
        if !is_gathering && now < own.moved_at + patience {
            own.retry_at = own.moved_at + patience;
            return;
        }
        let is_stale = self.suspicion.highest > own.view.epoch;
        match own.origin {
            Origin::Dormant => self.stop_collecting(),
            Origin::Own if is_gathering && !is_stale => {
                own.has_asked = false;
                own.retry_at = now + RETRY + Duration::from_millis(self.rng.random_range(0..RETRY_CHANCE_MS));
                self.ask_the_rest(out);
            }
            Origin::Own | Origin::Server => {
                own.retry_at = now + RETRY;
                self.propose_myself(now, out);
            }
        }
    }

    pub(super) fn rising_deadline(&self) -> Option<Instant> {
        let own = self.collecting.as_ref()?;
        let stage = match &own.stage {
            Stage::Gathering => earlier(
                self.due(own.agreed_at.map(|at| at + WAIT_FOR_THE_REST)),
                self.due(Some(own.since + ASK_SERVER_AFTER).filter(|_| !own.has_asked && own.agreed_at.is_none())),
            ),
            Stage::Fetching { since, .. } => self.due(Some((*since).max(own.moved_at) + FETCH_PATIENCE)),
            Stage::Copying => None,
        };
        earlier(stage, self.due(Some(own.retry_at)))
    }
}
