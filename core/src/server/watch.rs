//! Whether the host of a lobby is lost: what members say about hearing it, and what the server hears of it itself. Pure
//! decisions; nobody is told here.
//!
//! | what is known | the host is lost |
//! |---|---|
//! | its connection is closed | when a member asked since does not hear it and none does: as soon as all have answered, or half of the voters, or they have had the time for it |
//! | a member does not hear it, its connection is open | in the same way, if nothing comes on the connection for [`SILENT`] |
//! | only members without a vote do not hear it | in the same way, but voters have [`VOTERS_ANSWER_WITHIN`] to say that they do |
//! | most voters, two at least, do not hear it | at once |
//! | the other of two voters does not hear it | when it has said so for [`ALONE`] |
//!
//! A host that was forced upon the lobby says within [`CLAIM_WITHIN`] that it goes on, or another one is named. One that
//! is there and cannot go on, because its voters do not answer or are bound, gets a line of its own.

use crate::id::PlayerId;
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::HostCause;
use crate::wire::view::View;
use std::collections::{BTreeMap, BTreeSet};

/// Members that are asked answer within this, or do not count; ..
const ANSWER_WITHIN: Duration = Duration::from_millis(300);
/// .. or so long after the first one.
const ANSWER_AFTER: Duration = Duration::from_millis(150);
/// Voters that are asked because somebody without a vote does not hear the host, which may not have had the time for it,
/// answer within this: their word may take a round trip, and a beat of the host.
const VOTERS_ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// A question that nobody answers is given up after this.
const GIVE_UP: Duration = Duration::from_secs(2);
/// Who has said something so short ago is there.
const AWAKE: Duration = Duration::from_millis(500);
/// A sign of life is asked of everybody this often at most: each answer may bring us here again.
const POLL_PAUSE: Duration = Duration::from_millis(500);
/// A connection on which nothing comes for so long after the question is silent.
const SILENT: Duration = Duration::from_millis(500);
/// What a member says about the host counts for so long.
const FRESH: Duration = Duration::from_secs(3);
/// Where there is only one who can tell, it must do so for so long.
const ALONE: Duration = Duration::from_secs(3);
/// While the host's connection is closed and members hear it they are asked again after this.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A proposal that does not come into force is followed by another.
const RETRY: Duration = Duration::from_secs(1);
/// A lobby whose host is lost and to which nobody else can succeed gets one by force after this.
const FORCE_AFTER: Duration = Duration::from_millis(2500);
/// What a host lacks counts for so long.
const PLEA_LASTS: Duration = Duration::from_secs(5);
/// Who is there has answered a call for a sign of life within this.
const ROLL_CALL: Duration = Duration::from_millis(500);
/// A host that cannot go on for so long, although enough voters seem to be there, goes on without them.
const HELP_LATEST: Duration = Duration::from_secs(8);
/// A host that was forced upon the lobby says by then that it goes on.
const CLAIM_WITHIN: Duration = Duration::from_millis(2500);
/// Returns put that off, but no further than this.
const FORCE_LATEST: Duration = Duration::from_secs(10);
/// A lobby that wants no other host waits so long for the one it had.
pub(super) const HOST_WAIT: Duration = Duration::from_secs(3);

/// The host's connection to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wire {
    pub(super) is_open: bool,
    /// When something came on it last.
    pub(super) heard: Instant,
}

/// What is known about the host of the view in force.
#[derive(Debug, Default)]
pub(super) struct Watch {
    question: Option<Question>,
    /// When members were asked last.
    asked_at: Option<Instant>,
    /// When all were asked for a sign of life last.
    polled_at: Option<Instant>,
    /// When members are asked again.
    again: Option<Instant>,
    /// Who has said that it does not hear the host, first and last.
    unheard: BTreeMap<PlayerId, (Instant, Instant)>,
    lost: Option<Lost>,
    /// A voter has come back then.
    returned: Option<Instant>,
    /// The host lacks promises: it has said so first and last at these times.
    plea: Option<(Instant, Instant)>,
    /// A host was forced upon the lobby and has not said that it goes on.
    forced: Option<Forced>,
}

/// A forced view that its host has not taken up.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Forced {
    /// When it should have.
    until: Instant,
    /// Who was named in vain, the last one too.
    named: BTreeSet<PlayerId>,
}

/// A question to members whether they hear the host.
#[derive(Debug)]
struct Question {
    asked_at: Instant,
    first_answer: Option<Instant>,
    answers: BTreeMap<PlayerId, Option<bool>>,
    /// Who was not asked, having no vote, and does not hear the host.
    deniers: BTreeSet<PlayerId>,
}

impl Question {
    /// When those who have not answered do not count any more.
    fn ends_at(&self) -> Instant {
        let end = self.asked_at + ANSWER_WITHIN;
        self.first_answer.map_or(end, |first| end.max(first + ANSWER_AFTER))
    }

    fn answer(&mut self, now: Instant, player: PlayerId, heard: bool) {
        let answer = self.answers.entry(player).or_default();
        // Who has heard it since the question has heard it.
        *answer = Some(heard || *answer == Some(true));
        self.first_answer.get_or_insert(now);
    }

    /// Whether it is answered, and the answer is no.
    fn is_denied(&self, now: Instant, voters: usize) -> bool {
        let are_all_in = self.answers.values().all(Option::is_some);
        let denials = self.answers.values().filter(|answer| **answer == Some(false)).count();
        if denials == 0 {
            let is_late = self.asked_at + VOTERS_ANSWER_WITHIN <= now;
            return !self.deniers.is_empty() && (are_all_in || is_late);
        }
        // Half of the voters are enough: with the server, which does not hear the host either, they can agree.
        are_all_in || self.ends_at() <= now || denials >= 2 && 2 * denials >= voters
    }
}

/// The host is lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Lost {
    pub(super) since: Instant,
    pub(super) cause: HostCause,
    /// What was proposed last, and when something else is.
    pub(super) proposal: Option<View>,
    pub(super) next: Instant,
}

impl Watch {
    /// What was said was about another host.
    pub(super) fn reset(&mut self) {
        let Watch { returned, asked_at, polled_at, .. } = *self;
        *self = Watch { returned, asked_at, polled_at, forced: self.forced.take(), ..Watch::default() };
    }

    /// The host was not lost. What it lacks itself it lacks still.
    pub(super) fn on_mistaken(&mut self) {
        let plea = self.plea;
        self.reset();
        self.plea = plea;
    }

    /// A member says that it does not hear the host.
    pub(super) fn on_unheard(&mut self, now: Instant, player: PlayerId) {
        let first = self.unheard.get(&player).filter(|(_, last)| now.since(*last) <= FRESH).map_or(now, |said| said.0);
        self.unheard.insert(player, (first, now));
        if let Some(question) = &mut self.question {
            question.answer(now, player, false);
        }
    }

    /// One that has no vote does not hear the host either.
    pub(super) fn on_denied(&mut self, now: Instant, player: PlayerId) {
        let Some(question) = &mut self.question else { return };
        if question.answers.contains_key(&player) {
            question.answer(now, player, false);
        } else {
            question.deniers.insert(player);
        }
    }

    /// Whether somebody is being asked.
    pub(super) fn is_asking(&self) -> bool {
        self.question.is_some()
    }

    /// Whether members are to be asked because the host's connection is closed.
    pub(super) fn wants_answers(&self, now: Instant) -> bool {
        self.question.is_none() && self.lost.is_none() && self.again.is_none_or(|again| again <= now)
    }

    /// These are asked.
    pub(super) fn ask(&mut self, now: Instant, whom: impl Iterator<Item = PlayerId>) {
        let (answers, deniers) = (BTreeMap::new(), BTreeSet::new());
        let asked = Question { asked_at: now, first_answer: None, answers, deniers };
        self.question.get_or_insert(asked).answers.extend(whom.map(|player| (player, None)));
        self.again = None;
        self.asked_at = Some(now);
    }

    /// All are asked for a sign of life, unless they were just now.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        let is_due = self.polled_at.is_none_or(|at| at + POLL_PAUSE <= now);
        if is_due {
            (self.asked_at, self.polled_at) = (Some(now), Some(now));
        }
        is_due
    }

    /// Whether one of whom something came last at that time is there, as far as can be told.
    pub(super) fn is_awake(&self, now: Instant, heard: Instant) -> bool {
        self.asked_at.is_none_or(|asked_at| heard >= asked_at) || now.since(heard) <= AWAKE
    }

    /// Whether one of whom something came last at that time has answered the last call for a sign of life.
    pub(super) fn has_answered(&self, now: Instant, heard: Instant) -> bool {
        self.polled_at.is_none_or(|polled_at| heard >= polled_at) || now.since(heard) <= AWAKE
    }

    /// A member answers. Of those who have no vote it counts only that they hear the host.
    pub(super) fn on_answer(&mut self, now: Instant, player: PlayerId, heard: bool) {
        let counts = |question: &&mut Question| heard || question.answers.contains_key(&player);
        if let Some(question) = self.question.as_mut().filter(counts) {
            question.answer(now, player, heard);
        }
        if heard {
            self.unheard.remove(&player);
        }
    }

    /// It cannot answer any more, and what it said counts no more.
    pub(super) fn forget(&mut self, player: PlayerId) {
        self.unheard.remove(&player);
        if let Some(question) = &mut self.question
            && question.answers.get(&player) == Some(&None)
        {
            question.answers.remove(&player);
        }
        if let Some(question) = &mut self.question {
            question.deniers.remove(&player);
        }
    }

    /// A voter has come back.
    pub(super) fn on_return(&mut self, now: Instant) {
        self.returned = Some(now);
    }

    /// Whether the host is lost, and why; nothing if it is not, or not yet.
    pub(super) fn judge(&mut self, now: Instant, wire: Wire, voters: usize) -> Option<HostCause> {
        let cause = if wire.is_open { HostCause::CrashSilent } else { HostCause::CrashClosed };
        if self.is_outvoted(now, voters) || self.is_denied(now, wire, voters) { Some(cause) } else { None }
    }

    /// Whether enough do not hear the host, whatever comes on its connection.
    fn is_outvoted(&self, now: Instant, voters: usize) -> bool {
        let fresh = || self.unheard.values().filter(|(_, last)| now.since(*last) <= FRESH);
        let are_most = fresh().count() >= 2 && 2 * fresh().count() > voters;
        are_most || voters == 2 && fresh().any(|(first, last)| last.since(*first) >= ALONE)
    }

    /// Whether the host was lost and is there: its connection is back, or speaks again. Not once another was proposed,
    /// for whom voters may be bound.
    pub(super) fn is_mistaken(&self, now: Instant, wire: Wire, voters: usize) -> bool {
        let is_back = |lost: &&Lost| match lost.cause {
            HostCause::CrashClosed => wire.is_open,
            _ => wire.is_open && wire.heard > lost.since && !self.is_outvoted(now, voters),
        };
        self.lost.as_ref().filter(is_back).is_some_and(|lost| lost.proposal.is_none())
    }

    /// Whether the question is answered, and the answer is no.
    fn is_denied(&mut self, now: Instant, wire: Wire, voters: usize) -> bool {
        let Some(question) = &self.question else { return false };
        let asked_at = question.asked_at;
        let is_heard = question.answers.values().any(|answer| *answer == Some(true));
        let is_unheard = question.is_denied(now, voters);
        let is_silent = !wire.is_open || asked_at + SILENT <= now;
        let is_alive = wire.is_open && wire.heard > asked_at;
        if is_heard || is_alive || asked_at + GIVE_UP <= now {
            self.question = None;
            self.again = Some(now + ASK_AGAIN);
            return false;
        }
        is_unheard && is_silent
    }

    /// The host is lost since now.
    pub(super) fn lose(&mut self, now: Instant, cause: HostCause) {
        self.question = None;
        self.again = None;
        self.lost.get_or_insert(Lost { since: now, cause, proposal: None, next: now });
    }

    pub(super) fn lost(&self) -> Option<&Lost> {
        self.lost.as_ref()
    }

    /// This was proposed now.
    pub(super) fn propose(&mut self, now: Instant, view: View) {
        if let Some(lost) = &mut self.lost {
            lost.next = now + RETRY;
            lost.proposal = Some(view);
        }
    }

    /// Nobody can be proposed now.
    pub(super) fn wait(&mut self, now: Instant) {
        if let Some(lost) = &mut self.lost {
            lost.next = now + RETRY;
        }
    }

    /// Who was proposed is not there any more: the next one need not wait.
    pub(super) fn hurry(&mut self, now: Instant) {
        if let Some(lost) = &mut self.lost {
            lost.next = lost.next.min(now);
        }
    }

    /// The host of the view in force asks for a promise because it lacks others.
    pub(super) fn on_plea(&mut self, now: Instant) {
        let first = self.plea.filter(|(_, last)| now.since(*last) <= PLEA_LASTS).map_or(now, |(first, _)| first);
        self.plea = Some((first, now));
    }

    /// Since long enough the host lacks promises, and whoever is there has answered: if its voters are not there it must
    /// go on without them; in the end even if they are.
    pub(super) fn is_helpless(&self, now: Instant, has_quorum: bool) -> bool {
        let patience = if has_quorum { HELP_LATEST } else { FORCE_AFTER };
        let is_answered = self.polled_at.is_none_or(|at| at + ROLL_CALL <= now);
        let is_so = |(first, last): (Instant, Instant)| first + patience <= now && now.since(last) <= PLEA_LASTS;
        is_answered && self.plea.is_some_and(is_so)
    }

    /// A newer view is in force.
    pub(super) fn on_progress(&mut self) {
        self.plea = None;
        self.forced = None;
    }

    /// This one was forced upon the lobby.
    pub(super) fn on_forced(&mut self, now: Instant, mut named: BTreeSet<PlayerId>, host: PlayerId) {
        if !named.insert(host) {
            // All were named: the next ones are the first again.
            named = BTreeSet::from([host]);
        }
        self.forced = Some(Forced { until: now + CLAIM_WITHIN, named });
    }

    /// The host of the view in force says that it goes on.
    pub(super) fn on_claimed(&mut self) {
        self.forced = None;
    }

    /// The forced host says that it cannot go on in that view: another view is forced at once, but not over and over.
    pub(super) fn on_declined(&mut self, now: Instant) {
        if let Some(forced) = self.forced.as_mut().filter(|forced| forced.named.len() == 1) {
            forced.until = forced.until.min(now);
        }
    }

    /// Nobody was there who could be host.
    pub(super) fn postpone(&mut self, now: Instant) {
        if let Some(forced) = &mut self.forced {
            forced.until = now + ROLL_CALL;
        }
    }

    /// Who was forced upon the lobby since it had a host, and has not taken it up.
    pub(super) fn named_in_vain(&self) -> BTreeSet<PlayerId> {
        self.forced.as_ref().map(|forced| forced.named.clone()).unwrap_or_default()
    }

    /// A forced host should have said by now that it goes on.
    pub(super) fn is_unclaimed(&self, now: Instant) -> bool {
        self.forced.as_ref().is_some_and(|forced| forced.until <= now)
    }

    /// Soon it should have: who is there is to say so, as it may be named next.
    pub(super) fn wants_roll_call(&self, now: Instant) -> bool {
        self.forced.as_ref().is_some_and(|forced| forced.until <= now + ROLL_CALL)
    }

    /// When a host is forced upon the lobby.
    pub(super) fn force_at(&self) -> Option<Instant> {
        let lost = self.lost.as_ref()?;
        let from = self.returned.map_or(lost.since, |returned| returned.max(lost.since));
        Some((from + FORCE_AFTER).min(lost.since + FORCE_LATEST))
    }

    /// When something is to be done though nobody says anything. Nothing that is due already.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let asked_at = self.question.as_ref().map(|question| question.asked_at);
        let lost = self.lost.as_ref().map(|lost| lost.since + HOST_WAIT);
        let moments = [
            self.question.as_ref().map(Question::ends_at),
            asked_at.map(|at| at + SILENT),
            asked_at.map(|at| at + VOTERS_ANSWER_WITHIN),
            asked_at.map(|at| at + GIVE_UP),
            self.again,
            self.lost.as_ref().map(|lost| lost.next),
            lost,
            self.force_at(),
            self.plea.map(|(first, _)| first + FORCE_AFTER),
            self.plea.map(|(first, _)| first + HELP_LATEST),
            self.polled_at.map(|at| at + ROLL_CALL).filter(|_| self.plea.is_some()),
            self.forced.as_ref().map(|forced| forced.until - ROLL_CALL),
            self.forced.as_ref().map(|forced| forced.until),
        ];
        moments.into_iter().filter(|at| at.is_some_and(|at| at > now)).fold(None, earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// A host whose connection stood still for a moment while the only other player came back was replaced by force.
    #[test]
    fn a_host_that_speaks_again_before_another_is_proposed_is_not_lost() {
        let mut watch = Watch::default();
        watch.ask(at(0), [PlayerId(2)].into_iter());
        watch.on_answer(at(50), PlayerId(2), false);
        let line = |ms: u64| Wire { is_open: true, heard: at(ms) };
        assert_eq!(watch.judge(at(600), Wire { heard: Instant::ZERO, ..line(0) }, 1), Some(HostCause::CrashSilent));
        watch.lose(at(600), HostCause::CrashSilent);
        assert!(!watch.is_mistaken(at(900), line(0), 1));
        assert!(watch.is_mistaken(at(900), line(800), 1));
        watch.on_unheard(at(850), PlayerId(2));
        watch.on_unheard(at(850), PlayerId(3));
        assert!(!watch.is_mistaken(at(900), line(800), 3), "most do not hear it, though the server does");
    }

    /// A newcomer, whose way to the host was not open yet, did not hear it; nor did the server for half a second. The only
    /// other voter did, and its answer took longer than that.
    #[test]
    fn who_has_no_vote_decides_nothing_while_voters_may_still_answer() {
        let silent = |heard: u64| Wire { is_open: true, heard: at(heard) };
        let asked = || {
            let mut watch = Watch::default();
            watch.ask(at(1), [PlayerId(3)].into_iter());
            watch.on_denied(at(1), PlayerId(4));
            watch
        };
        let mut watch = asked();
        assert_eq!(watch.judge(at(600), silent(0), 2), None);
        watch.on_answer(at(650), PlayerId(3), true);
        assert_eq!(watch.judge(at(1_100), silent(0), 2), None, "it hears the host");
        let lost = Some(HostCause::CrashSilent);
        let mut watch = asked();
        assert_eq!((watch.judge(at(1_000), silent(0), 2), watch.judge(at(1_001), silent(0), 2)), (None, lost));
        let mut watch = asked();
        watch.forget(PlayerId(3));
        assert_eq!(watch.judge(at(501), silent(0), 2), lost, "it is gone");
        let mut watch = asked();
        watch.on_answer(at(300), PlayerId(3), false);
        assert_eq!(watch.judge(at(501), silent(0), 2), lost, "nor does it hear the host");
    }

    /// Each answer made the server ask all again: a hundred players closed each other's connections within a second.
    #[test]
    fn signs_of_life_are_not_asked_for_at_every_answer() {
        let mut watch = Watch::default();
        assert_eq!([0, 1, 499, 500, 501].map(|ms| watch.poll(at(ms))), [true, false, false, true, false]);
        watch.reset();
        assert!(!watch.poll(at(999)), "another host changes nothing about that");
        assert!(watch.poll(at(1_000)));
    }
}
