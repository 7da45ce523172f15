//! A host that goes in good order: the next view is promised while it goes on, then it stops, and the successor goes on
//! where it stopped.

use super::ballot::Verdict;
use super::{Frame, Out, Position, Star, To};
use crate::id::PlayerId;
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::{Epoch, HostCause};
use crate::wire::view::View;

/// A successor that is not ready by then is given up.
const PATIENCE: Duration = Duration::from_secs(3);
/// A host that has stopped and hears of no successor goes on in another view after so long.
const FROZEN_PATIENCE: Duration = Duration::from_secs(1);

/// A hand-over that is under way.
#[derive(Debug)]
pub(super) struct Handing {
    pub(super) to: PlayerId,
    cause: HostCause,
    view: Option<View>,
    is_ready: bool,
    since: Instant,
    frozen_at: Option<Instant>,
}

impl Handing {
    /// The view of the successor, once it is proposed.
    pub(super) fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// The host has stopped.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen_at.is_some()
    }

    /// When it stopped.
    pub(super) fn frozen_at(&self) -> Option<Instant> {
        self.frozen_at
    }

    /// The successor has enough promises.
    pub(super) fn on_promise(&mut self, from: PlayerId) {
        self.is_ready |= from == self.to;
    }
}

impl Star {
    /// The application wants another host.
    pub(super) fn begin_handing(&mut self, now: Instant, to: Option<PlayerId>) -> bool {
        if !self.is_hosting() || self.handing.is_some() {
            return false;
        }
        let chosen = to.map_or_else(|| self.best_successor(now), |to| self.may_be_chosen(to).then_some(to));
        let Some(chosen) = chosen else { return false };
        let cause = if to.is_some() { HostCause::Chosen } else { HostCause::Graceful };
        self.handing = Some(Handing { to: chosen, cause, view: None, is_ready: false, since: now, frozen_at: None });
        self.rounds.touch();
        true
    }

    /// It can be host, at the latest when it follows us and has a vote.
    fn may_be_chosen(&self, player: PlayerId) -> bool {
        let member = self.members.get(&player).filter(|member| member.is_eligible && member.is_connected);
        member.is_some() && player != self.my_id()
    }

    fn best_successor(&self, now: Instant) -> Option<PlayerId> {
        let backups = self.ballot.view().map(|view| view.backups.clone()).unwrap_or_default();
        let others = self.members.keys().copied();
        let is_good = |player: &PlayerId| {
            self.may_be_chosen(*player) && self.rounds.has(*player) && self.ears.is_heard(*player, now)
        };
        backups.into_iter().chain(others).find(is_good)
    }

    /// Goes on with a hand-over.
    pub(super) fn hand(&mut self, now: Instant, out: &mut Out) {
        if !self.is_hosting() {
            self.handing = None;
            return;
        }
        let Some(handing) = &self.handing else { return };
        if let Some(frozen_at) = handing.frozen_at {
            if frozen_at + FROZEN_PATIENCE <= now && self.collecting.is_none() {
                self.propose_myself(now, out);
            }
            return;
        }
        let (to, is_late) = (handing.to, handing.since + PATIENCE <= now);
        if is_late || !self.may_be_chosen(to) {
            self.give_up_handing(now);
        } else if handing.view.is_none() {
            self.propose_successor(now, to, out);
        } else if handing.is_ready {
            self.freeze(now, out);
        }
    }

    /// Voters have promised the successor's view, so that we go on in a newer one.
    fn give_up_handing(&mut self, now: Instant) {
        if let Some(view) = self.handing.take().and_then(|handing| handing.view) {
            self.on_bound(now, view.epoch);
        }
    }

    fn propose_successor(&mut self, now: Instant, to: PlayerId, out: &mut Out) {
        let present = self.ballot.view().expect("a host's view is in force");
        if !present.backups.contains(&to) || self.rounds.view().is_some() {
            return;
        }
        let cause = self.handing.as_ref().map(|handing| handing.cause);
        let me = self.my_id();
        let epoch = Epoch { term: self.ballot.newest().max(self.suspicion.highest).term + 1, round: 1 };
        let view = View { epoch, base: present.epoch, cause, host: to, backups: vec![me], ..present.clone() };
        if self.ballot.weigh(&view) != Verdict::Promise {
            self.handing = None;
            return;
        }
        self.bind(now, view.clone(), true);
        let promise = self.own_promise(&view);
        let voters = view.voters.iter().map(|voter| voter.player).filter(|player| *player != me).collect();
        out.frames.push_back((To::Many(voters), Frame::Propose { view: view.clone(), is_dormant: true }));
        out.frames.push_back((To::One(to), Frame::Promise(Box::new(promise))));
        if let Some(handing) = &mut self.handing {
            handing.view = Some(view);
        }
    }

    fn freeze(&mut self, now: Instant, out: &mut Out) {
        let (Some(hosting), Some(log)) = (&mut self.hosting, &self.log) else { return };
        let end = hosting.freeze(log);
        let (epoch, me) = (self.ballot.epoch(), self.my_id());
        let others = self.members.keys().copied().filter(|player| *player != me).collect();
        out.frames.push_back((To::Many(others), Frame::Freeze { epoch, end }));
        if let Some(handing) = &mut self.handing {
            handing.frozen_at = Some(now);
        }
    }

    /// The host that we follow has stopped.
    pub(super) fn on_freeze(&mut self, now: Instant, end: Position) {
        self.suspicion.frozen_at.get_or_insert(now);
        if let Some(own) = &mut self.collecting {
            own.frozen = Some(end);
        }
    }

    pub(super) fn handing_deadline(&self) -> Option<Instant> {
        let handing = self.handing.as_ref()?;
        let frozen = handing.frozen_at.map(|at| at + FROZEN_PATIENCE);
        self.due(earlier(Some(handing.since + PATIENCE), frozen)).or(self.due(frozen))
    }
}
