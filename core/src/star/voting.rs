//! Proposals and promises: who may propose what, what is promised to whom, and what is said instead.

use super::ballot::Verdict;
use super::collecting::Origin;
use super::{Entry, Frame, Out, Promise, Star, To, Word};
use crate::id::PlayerId;
use crate::time::{Duration, Instant};
use crate::wire::signal::Epoch;
use crate::wire::view::{PublicKey, Signature, Statement, View, Voter};

/// What the server was told is not told again sooner than this: what says that it does not know may have been on its way.
const TELL_PAUSE: Duration = Duration::from_secs(3);

impl Star {
    /// Our number. Everything below happens only once we are somebody.
    pub(super) fn my_id(&self) -> PlayerId {
        self.me.as_ref().expect("nothing is handled before enter").player
    }

    /// Whether the voter is this life of us.
    pub(super) fn is_me(&self, voter: &Voter) -> bool {
        self.me.as_ref().is_some_and(|me| {
            voter.player == me.player && voter.incarnation == me.incarnation && voter.key == me.key.public()
        })
    }

    /// Whether this life of us is the view's host.
    pub(super) fn is_my_view(&self, view: &View) -> bool {
        view.voter(view.host).is_some_and(|voter| self.is_me(voter))
    }

    /// Our promise counts for the view.
    fn may_vote(&self, view: &View) -> bool {
        let me = self.my_id();
        match view.voter(me) {
            Some(voter) => self.is_me(voter),
            None => {
                let known = self.ballot.view().into_iter().chain(self.ballot.promised());
                known.filter_map(|known| known.voter(me)).any(|voter| self.is_me(voter))
            }
        }
    }

    /// The server proposes a view.
    pub(super) fn on_server_proposal(
        &mut self,
        now: Instant,
        view: View,
        signature: Option<Signature>,
        promised: &[View],
        out: &mut Out,
    ) {
        let granted = Statement::Granted;
        let is_signed = |signature: &Signature| {
            self.me.as_ref().is_some_and(|me| granted.is_signed(&me.server, me.star, &view, signature))
        };
        if signature.as_ref().is_some_and(|signature| !is_signed(signature)) {
            out.dropped.forged += 1;
            return;
        }
        if !self.may_vote(&view) {
            return;
        }
        match self.ballot.weigh(&view) {
            Verdict::Promise | Verdict::Again => {
                self.promise(now, &view, false, out);
                if self.is_my_view(&view) {
                    self.collect_for(now, view, Origin::Server, out);
                    let base = self.ballot.epoch();
                    if let Some(collecting) = &mut self.collecting {
                        collecting.server = signature.or(collecting.server);
                        collecting.report(promised, base);
                    }
                }
            }
            Verdict::Outdated => self.tell_server(now, out),
            Verdict::Bound if self.is_my_view(&view) => self.propose_myself(now, out),
            Verdict::Bound => self.say_bound(now, view.host, out),
            Verdict::Refuse => {}
        }
    }

    /// A player proposes a view: the host a light or dormant one, or somebody itself as host.
    pub(super) fn on_propose(&mut self, now: Instant, from: PlayerId, view: View, is_dormant: bool, out: &mut Out) {
        let is_host = self.ballot.view().is_some_and(|present| present.host == from);
        let is_own = view.host == from;
        let keeps_host = view.is_light();
        if keeps_host && (is_dormant || !is_own) || !keeps_host && is_dormant == is_own || is_dormant && !is_host {
            out.dropped.malformed += 1;
            return;
        }
        if !self.may_vote(&view) {
            return;
        }
        match self.ballot.weigh(&view) {
            Verdict::Promise if !keeps_host && !is_host && self.stays_with_host(now, &view) => {}
            Verdict::Promise | Verdict::Again => {
                self.promise(now, &view, is_dormant, out);
                if is_dormant && self.is_my_view(&view) {
                    self.collect_for(now, view, Origin::Dormant, out);
                }
            }
            Verdict::Outdated => self.say_newer(now, from, out),
            Verdict::Bound => self.say_bound(now, from, out),
            Verdict::Refuse => {}
        }
    }

    /// We hear the present host well, or gather for a view that is as good: another proposal has to wait.
    fn stays_with_host(&self, now: Instant, view: &View) -> bool {
        let is_rival = self.collecting.as_ref().is_some_and(|own| view.epoch <= own.view.epoch);
        is_rival || self.is_host_well(now)
    }

    /// Promises a view that was weighed and found good, and says so to its host.
    fn promise(&mut self, now: Instant, view: &View, is_dormant: bool, out: &mut Out) {
        self.bind(now, view.clone(), is_dormant);
        if !self.is_my_view(view) {
            let promise = self.own_promise(view);
            out.frames.push_back((To::One(view.host), Frame::Promise(Box::new(promise))));
        }
    }

    /// From now on everything older is refused; if the view bars the present host, and we are it, we stop.
    pub(super) fn bind(&mut self, now: Instant, view: View, is_dormant: bool) {
        let epoch = view.epoch;
        if self.ballot.weigh(&view) == Verdict::Promise {
            self.ballot.promise(view, is_dormant);
        } else if !is_dormant {
            self.ballot.awaken(epoch);
        }
        if self.ballot.bar().is_none() {
            return;
        }
        self.suspicion.on_bar(now);
        self.serving = None;
        if self.intake.source.is_some_and(|(_, source)| source < epoch) {
            self.intake.source = None;
            if let Some(log) = &mut self.log {
                log.restore();
            }
        }
        if self.collecting.as_ref().is_some_and(|own| own.view.epoch < epoch) {
            self.stop_collecting();
        }
        if self.is_hosting() {
            self.stand_down();
        }
    }

    /// What we say to the host of a view that we promise.
    pub(super) fn own_promise(&self, view: &View) -> Promise {
        let me = self.me.as_ref().expect("nothing is promised before enter");
        let others = self.ballot.promised().filter(|promised| *promised != view);
        let beyond = if view.is_light() { Vec::new() } else { self.beyond() };
        Promise {
            epoch: view.epoch,
            signature: Statement::Promised(me.player).sign(&me.key, me.star, view),
            active: self.ballot.epoch(),
            promised: others.cloned().collect(),
            log: self.log.as_ref().and_then(super::log::Log::log_end),
            settled: self.following.settled(),
            beyond,
        }
    }

    fn beyond(&self) -> Vec<Entry> {
        let mut beyond = self.following.beyond_committed();
        if let Some(log) = &self.log {
            beyond.extend(log.early().cloned());
        }
        beyond
    }

    /// Another promise stands against what was proposed: its proposer, or a host that we cannot follow, must go beyond
    /// that. The view that binds us is told with our signature: who collects for it counts that as our promise.
    pub(super) fn say_bound(&mut self, now: Instant, to: PlayerId, out: &mut Out) {
        let Some(view) = self.ballot.promised().last().cloned() else { return };
        if to == self.my_id() || !self.answers.may_say_bound(now, to) {
            return;
        }
        let mut promise = self.own_promise(&view);
        if view.host != to {
            promise.beyond.clear();
        }
        promise.promised.push(view);
        out.frames.push_back((To::One(to), Frame::Promise(Box::new(promise))));
    }

    /// What a voter signs with.
    fn key_of(&self, player: PlayerId, view: &View) -> Option<PublicKey> {
        let voters = self.ballot.view().and_then(|base| base.voter(player)).or_else(|| view.voter(player));
        voters.map(|voter| voter.key).or_else(|| self.members.get(&player).map(|member| member.key))
    }

    fn is_promised(&self, from: PlayerId, key: &PublicKey, view: &View, signature: &Signature) -> bool {
        let star = self.me.as_ref().expect("nothing is handled before enter").star;
        Statement::Promised(from).is_signed(key, star, view, signature)
    }

    /// A voter promises; or tells what binds it.
    pub(super) fn on_promise(&mut self, now: Instant, from: PlayerId, promise: Promise, out: &mut Out) {
        let collected = self.collecting.as_ref().map(|own| &own.view);
        let asked = [collected, self.rounds.view(), self.handing.as_ref().and_then(|handing| handing.view())];
        let own = asked.into_iter().flatten().find(|view| view.epoch == promise.epoch);
        let told = promise.promised.iter().find(|view| view.epoch == promise.epoch);
        let Some(view) = own.or(told) else {
            self.answers.keep_promise(from, promise);
            return;
        };
        let is_own = own.is_some();
        let (view, key) = (view.clone(), self.key_of(from, view));
        let Some(key) = key.filter(|key| self.is_promised(from, key, &view, &promise.signature)) else {
            out.dropped.forged += 1;
            return;
        };
        if !is_own {
            self.on_bound(now, view.epoch);
            return;
        }
        let base = self.ballot.epoch();
        if let Some(own) = self.collecting.as_mut().filter(|own| own.view.epoch == view.epoch) {
            own.on_promise(from, key, promise, base);
        } else if self.rounds.view().is_some_and(|round| round.epoch == view.epoch) {
            self.rounds.on_promise(from, key, promise.signature);
        } else if let Some(handing) = &mut self.handing {
            handing.on_promise(from);
        }
    }

    /// The server promises what we proposed; or tells what binds it.
    pub(super) fn on_granted(&mut self, now: Instant, epoch: Epoch, signature: Signature, promised: &[View]) {
        let me = self.me.as_ref().expect("nothing is handled before enter");
        let is_signed = |view: &View| Statement::Granted.is_signed(&me.server, me.star, view, &signature);
        let base = self.ballot.epoch();
        if let Some(own) = self.collecting.as_mut().filter(|own| own.view.epoch == epoch && is_signed(&own.view)) {
            if own.report(promised, base) {
                own.server = Some(signature);
            }
        } else if self.rounds.view().is_some_and(|view| view.epoch == epoch && is_signed(view)) {
            self.rounds.on_granted(signature);
        } else if promised.iter().any(|view| view.epoch == epoch && is_signed(view)) {
            self.on_bound(now, epoch);
        }
    }

    /// The server should know what is in force. What it was told just now is on its way to it.
    pub(super) fn tell_server(&mut self, now: Instant, out: &mut Out) {
        let epoch = self.ballot.epoch();
        let told = self.suspicion.told.filter(|(_, at)| now < *at + TELL_PAUSE).map(|(told, _)| told);
        if told != Some(epoch) {
            self.suspicion.told = Some((epoch, now));
            for certified in self.ballot.chain(told.unwrap_or_default()) {
                out.words.push_back(Word::InForce(Box::new(certified)));
            }
        }
    }
}
