//! The second half of a run: the faults stop, and everything that is kept must be acknowledged in time. What delays it
//! for a reason that the world can prove moves the limit, is named, and is counted.

use super::{Lens, Medium, World};
use crate::net::{Pipe, Side};
use crate::trace::Step;
use core::time::Duration;
use webstar_core::time::Instant;

/// Everything is acknowledged within this, and what is named below.
const PROMISED: Duration = Duration::from_secs(5);
/// What a healthy wire carries at least, in bytes a second: a backlog may take so long.
const THROUGHPUT: u64 = 64 * 1024;
/// The same over SCTP: after loss the session holds back to this, until it has seen that the loss is over.
const THROUGHPUT_SCTP: u64 = 12 * 1024;
/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(20);
/// The longest pause of a ladder (30 s) and the longest attempt (10 s): until then, the next order must have come.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(40);
/// The longest that a dead stream may go unnoticed: its promised rhythm (15 s), the questions after it (four, each up to
/// 5 s at the worst delay), and the patience of its watch (30 s).
const LONGEST_DETECTION: Duration = Duration::from_secs(65);
/// Whatever the excuses: a run ends.
const LONGEST_WAIT: Duration = Duration::from_secs(180);
/// TCP sends again after 3 s at the latest what a cut has swallowed.
const LONGEST_RETRANSMISSION: Duration = Duration::from_secs(3);

/// Why nothing can be carried at a moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Excuse {
    /// Every wire is closed, and the pause before the next attempt at opening one is running.
    BackOff,
    /// The only wire that seems to be open has died without a word, and nobody can know it yet.
    HalfOpen,
    /// A stream that was cut waits for TCP to send again.
    Retransmission,
}

impl Excuse {
    fn name(self) -> &'static str {
        match self {
            Excuse::BackOff => "back_off",
            Excuse::HalfOpen => "half_open",
            Excuse::Retransmission => "tcp_retransmission",
        }
    }
}

impl<L: Lens> World<'_, L> {
    /// Faults stop. Tells whether everything was acknowledged in time; if not, that is a failure.
    pub(super) fn calm_down(&mut self) -> bool {
        let quiet = self.pair.now();
        self.eye.note(quiet, Step::Quiet);
        let was_cut = self.heal(quiet);
        let has_sctp = self.plan.wires.iter().any(|wire| wire.medium == Medium::Sctp);
        let throughput = if has_sctp { THROUGHPUT_SCTP } else { THROUGHPUT };
        let allowance = PROMISED + Duration::from_millis(self.backlog() * 1_000 / throughput);
        // From here on there is no excuse.
        let mut ready = quiet;
        let mut excuses = Vec::new();
        loop {
            if self.eye.red().is_some() {
                return false;
            }
            let now = self.pair.now();
            if self.eye.checks().unacknowledged() == 0 && self.eye.checks().undrained() == 0 {
                self.excuse(&excuses, quiet, now, allowance);
                return true;
            }
            if let Some(excuse) = self.present_excuse(quiet, &was_cut) {
                ready = now;
                if !excuses.contains(&excuse) {
                    excuses.push(excuse);
                }
            }
            if now.since(ready) > allowance || now.since(quiet) > LONGEST_WAIT {
                self.be_late(quiet, allowance, &excuses);
                return false;
            }
            self.advance(now + GLANCE);
        }
    }

    /// Heals all that can be healed; tells which wires were cut.
    fn heal(&mut self, quiet: Instant) -> Vec<bool> {
        let was_cut = self.cuts.iter().map(|cuts| *cuts != [0; 2]).collect();
        for (wire, plan) in self.pair.wires_mut().iter_mut().zip(&self.plan.wires) {
            wire.pipe.heal_both();
            for side in Side::BOTH {
                wire.pipe.set_conditions(quiet, side, plan.calm);
            }
        }
        was_cut
    }

    /// Bytes that wait in both machines and in the pipes below.
    fn backlog(&self) -> u64 {
        let queued = |side| self.pair.link(side).stats().queued.iter().sum::<usize>();
        let piped = |side| self.pair.wires().iter().map(|wire| wire.pipe.buffered(side)).sum::<usize>();
        Side::BOTH.into_iter().map(|side| queued(side) as u64 + piped(side) as u64).sum()
    }

    /// Why nothing can be carried now, if that is so: the best wire's excuse counts.
    fn present_excuse(&self, quiet: Instant, was_cut: &[bool]) -> Option<Excuse> {
        let excuses = (0..self.plan.wires.len()).map(|wire| self.excuse_of(wire, quiet, was_cut[wire]));
        // One wire without an excuse is enough to carry everything.
        excuses.max_by_key(|excuse| excuse.map_or(u8::MAX, |excuse| excuse as u8)).flatten()
    }

    fn excuse_of(&self, index: usize, quiet: Instant, was_cut: bool) -> Option<Excuse> {
        let (now, wire) = (self.pair.now(), &self.pair.wires()[index]);
        if !wire.is_open() {
            let ordered = |side| self.eye.ordered_at(index, side).unwrap_or(Instant::ZERO);
            let is_running = Side::BOTH.into_iter().any(|side| now.since(ordered(side)) < LONGEST_BACK_OFF);
            return is_running.then_some(Excuse::BackOff);
        }
        if self.is_half_open(index) {
            return (now.since(quiet) < LONGEST_DETECTION).then_some(Excuse::HalfOpen);
        }
        let is_stream = matches!(wire.pipe, Pipe::Stream(_));
        (is_stream && was_cut && now.since(quiet) < LONGEST_RETRANSMISSION).then_some(Excuse::Retransmission)
    }

    /// Whether a wire died without a word and has not been opened since.
    pub(super) fn is_half_open(&self, index: usize) -> bool {
        let wire = &self.pair.wires()[index];
        match &wire.pipe {
            Pipe::Stream(stream) => wire.is_open() && self.died_at[index] == Some(stream.generation()),
            _ => false,
        }
    }

    /// Counts the excuses that were needed.
    fn excuse(&mut self, excuses: &[Excuse], quiet: Instant, now: Instant, allowance: Duration) {
        if now.since(quiet) > allowance {
            excuses.iter().for_each(|excuse| *self.eye.tally().excused.entry(excuse.name()).or_default() += 1);
        } else if now.since(quiet) > PROMISED {
            *self.eye.tally().excused.entry("backlog").or_default() += 1;
        }
    }

    fn be_late(&mut self, quiet: Instant, allowance: Duration, excuses: &[Excuse]) {
        let (unacknowledged, undrained) = (self.eye.checks().unacknowledged(), self.eye.checks().undrained());
        let names: Vec<&str> = excuses.iter().map(|excuse| excuse.name()).collect();
        let why = format!(
            "{unacknowledged} messages are not acknowledged and {undrained} lanes not drained {:.1} s after the last \
             fault; allowed were {:.1} s, and {names:?} is over",
            self.pair.now().since(quiet).as_secs_f64(),
            allowance.as_secs_f64(),
        );
        self.eye.fail(if unacknowledged > 0 { "acknowledged" } else { "drained" }, why);
    }
}
