//! Whether the host is heard, and what is said about it to the server. A lobby of two, without the server, waits or parts.

use super::log::Log;
use super::{Event, Out, Star, Word};
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::{Epoch, HostCause};
use crate::wire::view::{Certified, FIRST_LONE_ROUND, Proof, Statement, View, Voter, has_quorum};
use rand::RngExt;

/// While the host is not heard, the server is told so this often.
const WORD_PAUSE: Duration = Duration::from_secs(1);
/// Who has promised another view and hears nothing of it for so long is without a host ..
const BARRED_PATIENCE: Duration = Duration::from_secs(1);
/// .. or for so long, while the host of the view in force is heard: told of the promise, it goes beyond it.
const BARRED_FROM_A_HOST: Duration = Duration::from_secs(3);
/// A host that has stopped is followed by another within so long.
const FROZEN_PATIENCE: Duration = Duration::from_millis(500);
/// The shortest time in which a question whether the host is heard can be answered with no.
const SHORTEST_QUESTION: Duration = Duration::from_millis(60);
/// Without anybody who could be host for so long, the application is told, or the survivor of two goes on alone.
const STUCK_PATIENCE: Duration = Duration::from_millis(2500);
/// A host that cannot be followed by somebody who has promised another view proposes a newer one after so long.
const BOUND_PATIENCE: Duration = Duration::from_secs(1);
/// The server helps who is barred; if it does not for so long, players help themselves.
const SERVER_HELP: Duration = Duration::from_secs(6);
/// Those who may propose themselves do so one after another.
const RANK_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Question {
    epoch: Epoch,
    asked_at: Instant,
    until: Instant,
}

/// What we think of the host.
#[derive(Debug)]
pub(super) struct Suspicion {
    /// Since when its view is in force for us.
    since: Instant,
    /// Its term.
    term: u32,
    /// We have promised another view.
    barred_at: Option<Instant>,
    /// When we did so last: whoever asked for it has its chance.
    promised_at: Instant,
    /// It has stopped.
    pub(super) frozen_at: Option<Instant>,
    /// The newest epoch that somebody is bound to who does not get out of it alone.
    pub(super) highest: Epoch,
    /// We are host, and somebody told us so.
    bound_at: Option<Instant>,
    word_at: Instant,
    /// When the host that we cannot follow was told so last.
    reminded_at: Instant,
    /// Which view the server was told last to be in force, and when.
    pub(super) told: Option<(Epoch, Instant)>,
    question: Option<Question>,
    /// How often we have proposed ourselves in vain.
    pub(super) attempts: u32,
    stuck_at: Option<Instant>,
    is_paused: bool,
}

impl Suspicion {
    pub(super) fn new(now: Instant) -> Self {
        Suspicion {
            since: now,
            term: 0,
            barred_at: None,
            promised_at: now,
            frozen_at: None,
            highest: Epoch::default(),
            bound_at: None,
            word_at: now,
            reminded_at: now,
            told: None,
            question: None,
            attempts: 0,
            stuck_at: None,
            is_paused: false,
        }
    }

    /// Another view is in force, or its host has spoken.
    pub(super) fn on_view(&mut self, now: Instant, epoch: Epoch, is_barred: bool) {
        self.since = now;
        let is_bound = self.highest > epoch;
        self.bound_at = is_bound.then(|| self.bound_at.unwrap_or(now));
        let is_other = core::mem::replace(&mut self.term, epoch.term) != epoch.term;
        let barred_at = self.barred_at.map(|at| if is_other { now } else { at });
        self.barred_at = barred_at.filter(|_| is_barred);
        self.frozen_at = None;
        self.attempts = 0;
    }

    /// We have promised a view that bars the present host.
    pub(super) fn on_bar(&mut self, now: Instant) {
        self.barred_at.get_or_insert(now);
        self.promised_at = now;
    }

    /// What we promised should have come in force.
    pub(super) fn is_barred_long(&self, now: Instant) -> bool {
        self.barred_at.is_some_and(|at| at + BARRED_PATIENCE <= now)
    }
}

impl Star {
    /// From when on we count the host as gone; never if it is us.
    fn host_gone_at(&self) -> Option<Instant> {
        if self.is_hosting() {
            return None;
        }
        let view = self.ballot.view()?;
        let suspicion = &self.suspicion;
        let life = view.voter(view.host).map(|voter| voter.incarnation);
        let lives = self.members.get(&view.host).map(|member| member.incarnation);
        let silent = if life != lives {
            Some(suspicion.since)
        } else if self.is_my_view(view) {
            None
        } else {
            self.ears.of(view.host).map(|ear| ear.heard_at.max(suspicion.since) + ear.patience)
        };
        let frozen = suspicion.frozen_at.map(|at| at + FROZEN_PATIENCE);
        let pause = if silent.is_some() { BARRED_FROM_A_HOST } else { BARRED_PATIENCE };
        // A host that goes beyond what bars it is given as long once more.
        let goes_on = self.ballot.bar().is_some_and(|bar| bar.host == view.host);
        let barred_at = suspicion.barred_at.map(|at| if goes_on { suspicion.promised_at.min(at + pause) } else { at });
        let barred = barred_at.map(|at| at + pause);
        earlier(silent, earlier(frozen, barred))
    }

    /// The host of the view in force does its work, as far as we can tell.
    pub(super) fn is_host_well(&self, now: Instant) -> bool {
        if self.is_hosting() {
            let frozen_at = self.handing.as_ref().and_then(super::Handing::frozen_at);
            return frozen_at.is_none_or(|at| now < at + FROZEN_PATIENCE);
        }
        self.ballot.bar().is_none() && self.host_gone_at().is_some_and(|at| now < at)
    }

    /// Somebody is bound to a view of this epoch and cannot follow an older one.
    pub(super) fn on_bound(&mut self, now: Instant, epoch: Epoch) {
        if epoch <= self.ballot.epoch() {
            return;
        }
        self.suspicion.highest = self.suspicion.highest.max(epoch);
        if self.is_hosting() {
            self.suspicion.bound_at.get_or_insert(now);
        }
    }

    /// The server asks whether we hear a view's host.
    pub(super) fn on_asked(&mut self, now: Instant, epoch: Epoch, out: &mut Out) {
        if epoch < self.ballot.epoch() {
            self.tell_server(now, out);
            return;
        }
        let host = self.ballot.view().filter(|view| view.epoch == epoch).map(|view| view.host);
        if self.is_hosting() && host.is_some() {
            out.words.push_back(Word::Heard { epoch, heard: true });
            return;
        }
        match host.and_then(|host| self.ears.of(host)).filter(|ear| ear.is_open) {
            Some(ear) => {
                let rtt = ear.rtt.unwrap_or_default();
                let answered = now + SHORTEST_QUESTION.max(rtt + rtt / 4);
                let missed = ear.heard_at + SHORTEST_QUESTION.max(ear.rhythm);
                self.suspicion.question = Some(Question { epoch, asked_at: now, until: answered.min(missed) });
            }
            None => out.words.push_back(Word::Heard { epoch, heard: false }),
        }
    }

    fn answer(&mut self, now: Instant, out: &mut Out) {
        let Some(Question { epoch, asked_at, until }) = self.suspicion.question else { return };
        let host = self.ballot.view().filter(|view| view.epoch == epoch).map(|view| view.host);
        let ear = host.and_then(|host| self.ears.of(host));
        let heard = ear.is_some_and(|ear| ear.heard_at > asked_at);
        if heard || until <= now || ear.is_none_or(|ear| !ear.is_open) {
            self.suspicion.question = None;
            out.words.push_back(Word::Heard { epoch, heard });
        }
    }

    /// When we propose ourselves, because nobody else does.
    fn own_proposal_at(&self) -> Option<Instant> {
        let suspicion = &self.suspicion;
        if self.is_hosting() {
            return suspicion.bound_at.map(|at| at + BOUND_PATIENCE);
        }
        if suspicion.barred_at.is_none() && self.ears.has_server() {
            return None;
        }
        self.log.as_ref()?.log_end()?;
        let (view, me) = (self.ballot.view()?, self.my_id());
        let rank = match view.replicas().position(|replica| replica == me) {
            Some(place) => place.saturating_sub(1) as u32,
            None => 2,
        };
        let gone_at = self.host_gone_at()?;
        let chance = suspicion.barred_at.map_or(gone_at, |_| gone_at.max(suspicion.promised_at + BARRED_PATIENCE));
        let without_server = self.ears.server_away_at().map(|away| away.max(chance));
        let without_help = suspicion.barred_at.map(|at| chance.max(at + SERVER_HELP));
        earlier(without_server, without_help).map(|at| at + rank * RANK_PAUSE)
    }

    /// Looks at the host, and does what is to be done about it.
    pub(super) fn suspect(&mut self, now: Instant, out: &mut Out) {
        self.answer(now, out);
        let is_gone = self.host_gone_at().is_some_and(|at| at <= now);
        if is_gone && self.ears.has_server() && self.suspicion.word_at <= now {
            self.suspicion.word_at = now + WORD_PAUSE;
            if self.ballot.certified().is_some_and(|known| !matches!(known.proof, Proof::Server(_))) {
                self.tell_server(now, out);
            }
            out.words.push_back(Word::Unheard { epoch: self.ballot.epoch() });
        }
        self.remind_host(now, out);
        self.wait_or_part(now, is_gone, out);
    }

    /// When the host that we cannot follow is told so: where nobody says anything it has no other way to learn that.
    fn reminder_at(&self) -> Option<Instant> {
        let (barred_at, host) = (self.suspicion.barred_at?, self.ballot.view()?.host);
        let is_open = self.ears.of(host).is_some_and(|ear| ear.is_open);
        is_open.then(|| (barred_at + BARRED_FROM_A_HOST).max(self.suspicion.reminded_at + WORD_PAUSE))
    }

    fn remind_host(&mut self, now: Instant, out: &mut Out) {
        let is_due = self.reminder_at().is_some_and(|at| at <= now);
        if let Some(host) = self.ballot.view().map(|view| view.host).filter(|_| is_due) {
            self.suspicion.reminded_at = now;
            self.say_bound(now, host, out);
        }
    }

    /// Proposes ourselves when it is time.
    pub(super) fn consider_proposing(&mut self, now: Instant, out: &mut Out) {
        if self.own_proposal_at().is_some_and(|at| at <= now) {
            self.suspicion.bound_at = None;
            self.propose_myself(now, out);
        }
    }

    /// Without the server and without a quorum nobody can be host.
    fn wait_or_part(&mut self, now: Instant, is_gone: bool, out: &mut Out) {
        let is_stuck = self.ears.is_server_away(now) && (is_gone || self.is_alone(now));
        if !is_stuck {
            self.suspicion.stuck_at = None;
            self.suspicion.is_paused = false;
            return;
        }
        let since = *self.suspicion.stuck_at.get_or_insert(now);
        if since + STUCK_PATIENCE > now || self.suspicion.is_paused {
            return;
        }
        let two = self.ballot.view().filter(|view| view.voters.len() == 2).cloned();
        if let Some(view) = two.filter(|_| self.config.allow_fork) {
            self.fork(now, &view, out);
        } else {
            self.suspicion.is_paused = true;
            out.events.push_back(Event::Paused);
        }
    }

    /// We are host, and those whom we hear are no quorum.
    fn is_alone(&self, now: Instant) -> bool {
        let Some(view) = self.ballot.view().filter(|_| self.is_hosting()) else { return false };
        let is_heard = |voter: &Voter| self.is_me(voter) || self.ears.is_heard(voter.player, now);
        !has_quorum(&view.voters, is_heard, false)
    }

    /// The survivor of two goes on in a line of its own.
    fn fork(&mut self, now: Instant, base: &View, out: &mut Out) {
        let me = self.me.as_ref().expect("nothing is handled before enter").clone();
        let Some(voter) = base.voter(me.player).copied().filter(|voter| self.is_me(voter)) else { return };
        let round = self.rng.random_range(FIRST_LONE_ROUND..i32::MAX as u32);
        let epoch = Epoch { term: self.ballot.newest().max(self.suspicion.highest).term + 1, round };
        let view = View {
            epoch,
            base: base.epoch,
            since: epoch,
            cause: Some(HostCause::Voted),
            host: me.player,
            backups: Vec::new(),
            voters: vec![voter],
        };
        let signature = Statement::Forked(me.player).sign(&me.key, me.star, &view);
        self.on_server_view(now, &Certified { view, proof: Proof::Fork(signature) }, out);
    }

    /// A moment that has not been looked at yet.
    pub(super) fn due(&self, at: Option<Instant>) -> Option<Instant> {
        at.filter(|at| *at > self.worked)
    }

    pub(super) fn suspicion_deadline(&self) -> Option<Instant> {
        let gone_at = self.host_gone_at();
        let word_at = gone_at.filter(|_| self.ears.has_server()).map(|at| at.max(self.suspicion.word_at));
        let stuck_at = self.suspicion.stuck_at.filter(|_| !self.suspicion.is_paused).map(|at| at + STUCK_PATIENCE);
        let question = self.suspicion.question.as_ref().map(|question| question.until);
        let stuck_begins = earlier(self.due(gone_at), self.due(self.ears.server_away_at()));
        let proposal = self.own_proposal_at().filter(|_| self.collecting.is_none());
        let words = earlier(earlier(self.due(word_at), self.due(question)), self.due(self.reminder_at()));
        earlier(earlier(stuck_begins, words), earlier(self.due(stuck_at), self.due(proposal)))
    }

    /// What somebody holds of a log that is whole.
    pub(super) fn has_log(&self) -> bool {
        self.log.as_ref().and_then(Log::log_end).is_some()
    }
}
