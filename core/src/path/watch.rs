//! The state of one path, and the exact moments at which silence changes it. It sends nothing and measures nothing:
//! facts and readings come in, changes and the wish for a probe go out. How long is too long is
//! [`patience`](super::patience)'s affair.
//!
//! After each `on_*` take [`Watch::wants_probe`] and ask for the [`Watch::deadline`] again. Time is clamped: an older
//! `now` counts as the newest seen.

use super::patience::WatchConfig;
use crate::session::pipe::{PathReading, PathState};
use crate::time::{Instant, earlier};
use serde::{Deserialize, Serialize};

/// Watches one path.
#[derive(Clone, Debug)]
pub struct Watch {
    config: WatchConfig,
    state: PathState,
    up: bool,
    now: Instant,
    /// When the present state began.
    since: Instant,
    /// When something was last heard, counted from the opening.
    heard: Instant,
    round: Round,
    /// The oldest token whose answer proves anything, and the next to be given out.
    open_tokens: core::ops::Range<u32>,
}

/// The name of a probe, counted per path; the answer brings it back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Token(pub u32);

/// A path has changed its state. `from` equals `to` where a pipe opened for a path that was already `Opening`: from
/// then on it can be sent on, so there is something to choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// The state before.
    pub from: PathState,
    /// The state now.
    pub to: PathState,
    /// Why.
    pub why: Cause,
}

/// What changes the state of a path.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Cause {
    /// Its pipe opened.
    Opened,
    /// Its pipe closed, or its setting up failed.
    Closed,
    /// A probe came back.
    Answered,
    /// The other side no longer hears us on it.
    Reported,
    /// Expected packets are missing.
    Silent,
    /// Probes stayed without answer.
    Unanswered,
    /// Another path over the same connection has become suspect.
    Shaken,
    /// It was suspect, or open without proof, for too long.
    Overdue,
}

/// Every transition. `None`: the cause changes nothing in that state, or has no meaning there.
fn next(state: PathState, cause: Cause) -> Option<PathState> {
    use Cause::{Answered, Closed, Opened, Overdue, Reported, Shaken, Silent, Unanswered};
    use PathState::{Dead, Opening, Suspect, Usable};
    match (state, cause) {
        // A pipe that opens is a new one, even where the end of the old one went unheard: nothing is proved.
        (Opening | Usable | Suspect | Dead, Opened) => Some(Opening),
        (Opening | Usable | Suspect, Closed) => Some(Dead),
        (Opening | Suspect, Answered) => Some(Usable),
        (Usable, Reported | Silent | Unanswered | Shaken) => Some(Suspect),
        (Opening | Suspect, Overdue) => Some(Dead),
        // Nothing new.
        (Usable, Answered) | (Suspect, Reported | Shaken) | (Dead, Closed) => None,
        // Before a proof there is nothing to be disappointed about; time alone decides.
        (Opening, Reported | Silent | Unanswered | Shaken) => None,
        // Moments that belong to other states.
        (Suspect, Silent | Unanswered) | (Usable, Overdue) => None,
        // The dead answer to nothing but a new pipe.
        (Dead, Answered | Reported | Silent | Unanswered | Shaken | Overdue) => None,
    }
}

/// Probes sent since the path last had to prove itself.
#[derive(Clone, Copy, Default, Debug)]
struct Round {
    /// One wants to be sent.
    due: bool,
    /// When the last one left; none before the first.
    last: Option<Instant>,
    tries: u32,
}

/// The moments at which something happens by the mere passing of time.
struct Moments {
    death: Option<Instant>,
    silence: Option<Instant>,
    failure: Option<Instant>,
    probe: Option<Instant>,
}

impl Watch {
    /// A path that is being set up; its pipe is not open yet.
    pub fn new(config: WatchConfig, now: Instant) -> Self {
        Watch {
            config,
            state: PathState::Opening,
            up: false,
            now,
            since: now,
            heard: now,
            round: Round::default(),
            open_tokens: 0..0,
        }
    }

    /// The state of the path.
    pub fn state(&self) -> PathState {
        self.state
    }

    /// Whether its pipe is open and the path not given up. A path that is not up is never probed.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// When the present state began.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The pipe opened, for the first time or again. Answers to earlier probes prove nothing any more.
    pub fn on_opened(&mut self, now: Instant) -> Option<Change> {
        self.heard = self.advance(now);
        self.up = true;
        self.open_tokens.start = self.open_tokens.end;
        self.apply(Cause::Opened)
    }

    /// The pipe closed, or setting it up failed.
    pub fn on_closed(&mut self, now: Instant) -> Option<Change> {
        self.advance(now);
        self.apply(Cause::Closed)
    }

    /// The answer to a probe came back, on this path. Each token of the present opening proves once.
    pub fn on_probe_answered(&mut self, now: Instant, token: Token) -> Option<Change> {
        let now = self.advance(now);
        if !self.up || !self.open_tokens.contains(&token.0) {
            return None;
        }
        self.open_tokens.start = token.0 + 1;
        self.heard = now;
        self.round = Round::default();
        self.apply(Cause::Answered)
    }

    /// The other side says that it no longer hears us on this path.
    pub fn on_peer_report(&mut self, now: Instant) -> Option<Change> {
        self.advance(now);
        self.apply(Cause::Reported)
    }

    /// A path over the same connection has become suspect: this one must prove itself, too.
    pub fn on_shaken(&mut self, now: Instant) -> Option<Change> {
        self.advance(now);
        self.apply(Cause::Shaken)
    }

    /// A packet was heard. It proves one direction only, so it changes no state; but where a proof is wanted, now is
    /// the time to ask for it.
    pub fn on_heard(&mut self, now: Instant) {
        self.heard = self.advance(now);
        if self.state != PathState::Usable {
            self.probe_soon();
        }
    }

    /// Asks for a proof now, also of a path that looks well: before relying on one that was idle, or when the other
    /// side is silent on all of them. Goes no faster than the shortest probe time-out.
    pub fn ask(&mut self, now: Instant) {
        self.advance(now);
        match self.state {
            PathState::Usable if self.round.last.is_some() => {} // Asked already; the round repeats itself.
            PathState::Usable | PathState::Opening | PathState::Suspect => self.probe_soon(),
            PathState::Dead => {}
        }
    }

    /// Time has passed. `reading.unheard` counts from the opening at the longest; it corrects what `on_heard` did not
    /// tell, so that telling every packet is welcome and not required.
    pub fn on_timeout(&mut self, now: Instant, reading: &PathReading) -> Option<Change> {
        let now = self.advance(now);
        self.heard = self.heard.max(now - reading.unheard);
        let moments = self.moments(reading);
        let is_due = |moment: Option<Instant>| moment.is_some_and(|moment| moment <= now);
        if is_due(moments.death) {
            return self.apply(Cause::Overdue);
        }
        if is_due(moments.silence) {
            return self.apply(Cause::Silent);
        }
        if is_due(moments.failure) {
            return self.apply(Cause::Unanswered);
        }
        self.round.due |= is_due(moments.probe);
        None
    }

    /// When [`Watch::on_timeout`] has something to do, if nothing else happens before. A probe that is wanted and not
    /// taken yet asks for no moment of its own.
    pub fn deadline(&self, reading: &PathReading) -> Option<Instant> {
        let Moments { death, silence, failure, probe } = self.moments(reading);
        earlier(earlier(death, silence), earlier(failure, probe))
    }

    /// The probe to send now, if one is due. Taking it counts as sending it.
    pub fn wants_probe(&mut self, now: Instant) -> Option<Token> {
        let now = self.advance(now);
        if !core::mem::take(&mut self.round.due) {
            return None;
        }
        self.round.last = Some(now);
        self.round.tries = self.round.tries.saturating_add(1);
        let token = Token(self.open_tokens.end);
        self.open_tokens.end = self.open_tokens.end.checked_add(1)?; // Never in practice: 13 years at 10 a second.
        Some(token)
    }

    fn moments(&self, reading: &PathReading) -> Moments {
        let Round { due, last, tries } = self.round;
        let config = &self.config;
        let mut moments = Moments { death: None, silence: None, failure: None, probe: None };
        match self.state {
            PathState::Opening | PathState::Suspect if self.up => {
                moments.death = after(self.since, config.dead_after);
                moments.probe = last.and_then(|last| after(last, config.probe_pause(reading, tries)));
            }
            PathState::Usable => {
                let silence = config.silence(reading);
                moments.silence = silence.and_then(|silence| after(self.heard, silence));
                match last {
                    None => moments.probe = config.ask_before(reading, silence).and_then(|ask| after(self.heard, ask)),
                    Some(last) => {
                        let timeout = after(last, config.probe_timeout(reading));
                        let is_last = tries >= config.tries(reading.loss);
                        *(if is_last { &mut moments.failure } else { &mut moments.probe }) = timeout;
                    }
                }
            }
            PathState::Opening | PathState::Suspect | PathState::Dead => {}
        }
        moments.probe = moments.probe.filter(|_| !due);
        moments
    }

    fn apply(&mut self, why: Cause) -> Option<Change> {
        let from = self.state;
        let to = next(from, why)?;
        self.state = to;
        self.since = self.now;
        self.up &= to != PathState::Dead;
        // What is not proved is probed at once, and the rhythm starts anew.
        let due = matches!(to, PathState::Opening | PathState::Suspect);
        self.round = Round { due, ..Round::default() };
        Some(Change { from, to, why })
    }

    fn probe_soon(&mut self) {
        let is_time = self.round.last.is_none_or(|last| last + self.config.probe_least <= self.now);
        self.round.due |= self.up && is_time;
    }

    fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }
}

/// `from + wait`, where the longest of waits is never.
fn after(from: Instant, wait: crate::time::Duration) -> Option<Instant> {
    (wait != crate::time::Duration::MAX).then(|| from + wait)
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
