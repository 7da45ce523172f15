//! Sees everything that the two machines do and passes it on: to the trace, to the checkers, and to the tally. A lens
//! in front of it can falsify what is seen, to prove that the checkers notice.

use super::{Harm, Medium, Plan};
use crate::check::{Bounds, Checks, Holding, Red, Reference, Seen};
use crate::net::Side;
use crate::pair::{Observer, Pair};
use crate::profile::Tally;
use crate::trace::{self, Step, Trace};
use webstar_core::id::{MessageId, PathId};
use webstar_core::path::{Cause, Change, Order};
use webstar_core::peer::link::LinkEvent;
use webstar_core::session::pipe::PathState;
use webstar_core::session::{Outbound, Received};
use webstar_core::time::Instant;
use webstar_core::wire::frame::{Frame, Frames, Priority};
use webstar_core::wire::relay;

/// Longer messages travel in parts on every path.
const LONGEST_PACKET: usize = 2_048;

/// What stands between the machines and their judges.
pub trait Lens {
    /// Tells what is to be seen of an event at a side.
    fn pass(&mut self, side: Side, event: LinkEvent, tell: &mut dyn FnMut(Side, LinkEvent)) {
        tell(side, event);
    }

    /// What is to be seen of what a side holds.
    fn weigh(&mut self, _side: Side, holding: Holding) -> Holding {
        holding
    }
}

impl<L: Lens> Lens for &mut L {
    fn pass(&mut self, side: Side, event: LinkEvent, tell: &mut dyn FnMut(Side, LinkEvent)) {
        L::pass(self, side, event, tell);
    }

    fn weigh(&mut self, side: Side, holding: Holding) -> Holding {
        L::weigh(self, side, holding)
    }
}

/// Falsifies nothing.
#[derive(Clone, Copy, Debug)]
pub struct Clear;

impl Lens for Clear {}

/// The observer of one run.
#[derive(Debug)]
pub(super) struct Eye<'a, L> {
    lens: L,
    book: Book<'a>,
}

impl<'a, L: Lens> Eye<'a, L> {
    pub(super) fn new(plan: &Plan, trace: &'a mut Trace, lens: L) -> Self {
        let book = Book {
            reference: Reference::default(),
            checks: Checks::new(Bounds::of(&plan.config.session)),
            trace,
            tally: Tally::default(),
            media: plan.wires.iter().map(|wire| wire.medium).collect(),
            came_on: [None; 2],
            using: [None; 2],
            states: [[PathState::Opening; 2]; 2],
            was_protected: [false; 2],
            has_repaired: [false; 2],
            ordered_at: [[None; 2]; 2],
        };
        Eye { lens, book }
    }

    /// The first property that was broken.
    pub(super) fn red(&self) -> Option<&Red> {
        self.book.checks.red()
    }

    pub(super) fn fail(&mut self, check: &'static str, why: String) {
        self.book.checks.fail(check, why);
    }

    pub(super) fn checks(&self) -> &Checks {
        &self.book.checks
    }

    pub(super) fn tally(&mut self) -> &mut Tally {
        &mut self.book.tally
    }

    /// When a side last ordered a pipe to be opened.
    pub(super) fn ordered_at(&self, wire: usize, side: Side) -> Option<Instant> {
        self.book.ordered_at[wire][side_index(side)]
    }

    pub(super) fn next_stamp(&self, side: Side) -> u64 {
        self.book.reference.next_stamp(side)
    }

    pub(super) fn note(&mut self, at: Instant, step: Step) {
        self.book.trace.note(at, step);
    }

    pub(super) fn on_submitted(&mut self, now: Instant, side: Side, id: MessageId, message: &Outbound) {
        let Book { reference, checks, trace, .. } = &mut self.book;
        let submission = reference.submit(side, id, message);
        let &crate::check::Submission { number, priority, delivery, key, content, .. } = submission;
        let bytes = message.payload.len() as u32;
        trace.note(now, Step::Submitted { side, number, priority, delivery, key, bytes, content });
        checks.see(&Seen::Submitted(submission));
    }

    pub(super) fn on_refused(&mut self, now: Instant, side: Side, priority: Priority) {
        self.book.tally.mark("full");
        self.book.trace.note(now, Step::Refused { side, priority });
        self.book.checks.see(&Seen::Refused { side, priority });
    }

    pub(super) fn on_fault(&mut self, now: Instant, number: usize, harm: &Harm) {
        self.book.tally.mark(match harm {
            Harm::Cut(_) => "cut",
            Harm::Heal(_) => "healed",
            Harm::Reset => "reset",
            Harm::HalfOpen => "half_open",
            Harm::Conditions(_) => "conditions",
        });
        self.note(now, Step::Fault { number: number as u32 });
    }

    /// Looks at what a side holds.
    pub(super) fn weigh(&mut self, pair: &Pair, side: Side) {
        let stats = pair.link(side).stats();
        let holding = self.lens.weigh(side, Holding { queued: stats.queued, held: stats.held });
        self.book.checks.see(&Seen::Holding { side, holding });
        let was_protected = &mut self.book.was_protected[side_index(side)];
        if stats.is_protected && !core::mem::replace(was_protected, stats.is_protected) {
            self.book.tally.mark("protected");
        }
    }

    /// Counts what the machines dropped.
    pub(super) fn count_drops(&mut self, pair: &Pair) {
        for side in Side::BOTH {
            let dropped = pair.link(side).stats().dropped;
            self.book.checks.see(&Seen::Judged { side, invalid: dropped.invalid });
            for (name, count) in [
                ("dropped_broken", dropped.broken),
                ("dropped_stray", dropped.stray),
                ("dropped_duplicate", dropped.duplicate),
                ("dropped_invalid", dropped.invalid),
                ("dropped_refused", dropped.refused),
            ] {
                self.book.tally.marks_add(name, count);
            }
        }
    }

    /// What came of it all. `settled` if everything that had to arrive was acknowledged.
    pub(super) fn finish(self, settled: bool) -> (Option<Red>, Tally, u64) {
        let Book { reference, mut checks, trace, tally, .. } = self.book;
        if settled {
            checks.end(&reference);
        }
        (checks.red().cloned(), tally, trace.hash())
    }
}

impl<L: Lens> Observer for Eye<'_, L> {
    fn on_event(&mut self, now: Instant, side: Side, event: LinkEvent) {
        let Eye { lens, book } = self;
        lens.pass(side, event, &mut |side, event| book.on_event(now, side, event));
    }

    fn on_packet(&mut self, now: Instant, side: Side, path: PathId, bytes: &[u8]) {
        self.book.look_for_repair(side, path, bytes);
        let (content, bytes) = (trace::content(bytes), bytes.len() as u32);
        self.note(now, Step::Packet { side, path, bytes, content });
    }

    fn on_order(&mut self, now: Instant, side: Side, path: PathId, order: Order) {
        self.book.ordered_at[usize::from(path.0)][side_index(side)] = Some(now);
        self.note(now, Step::Order { side, path, command: order.command, attempt: order.attempt.0 });
    }

    fn on_arrival(&mut self, _now: Instant, side: Side, path: PathId, _bytes: &[u8]) {
        self.book.came_on[side_index(side)] = Some(path);
    }

    fn on_rest(&mut self, _now: Instant, side: Side, packets: usize, events: usize) {
        self.book.checks.see(&Seen::Rested { side, packets, events });
    }
}

fn side_index(side: Side) -> usize {
    usize::from(side == Side::B)
}

/// The frames of a packet that has just been written: its seal and number are of no account.
fn frames_of(packet: &[u8]) -> Frames<'_> {
    // Before the frames: the seal (4), the version with the length of the number in its two lowest bits, the rhythm.
    let number = packet.get(4).map_or(0, |head| usize::from(head & 3) + 1);
    Frames::new(packet.get(6 + number..).unwrap_or_default())
}

/// What is known of a run so far.
#[derive(Debug)]
struct Book<'a> {
    reference: Reference,
    checks: Checks,
    trace: &'a mut Trace,
    tally: Tally,
    media: Vec<Medium>,
    /// By side: the path of the packet that is being taken.
    came_on: [Option<PathId>; 2],
    using: [Option<PathId>; 2],
    /// By side and path.
    states: [[PathState; 2]; 2],
    was_protected: [bool; 2],
    has_repaired: [bool; 2],
    /// By path and side.
    ordered_at: [[Option<Instant>; 2]; 2],
}

impl Book<'_> {
    fn on_event(&mut self, now: Instant, side: Side, event: LinkEvent) {
        match event {
            LinkEvent::Message(message) => self.on_message(now, side, &message),
            LinkEvent::Acked(id) => {
                self.tally.acked += 1;
                self.trace.note(now, Step::Acked { side, number: id.0 });
                let origin = self.reference.named(side, id);
                self.checks.see(&Seen::Acked { side, id, origin });
            }
            LinkEvent::Drained(priority) => {
                self.tally.mark("drained");
                self.trace.note(now, Step::Drained { side, priority });
                self.checks.see(&Seen::Drained { side, priority });
            }
            LinkEvent::Path { path, change } => {
                self.mark_change(change);
                self.states[side_index(side)][usize::from(path.0)] = change.to;
                let Change { from, to, why } = change;
                self.trace.note(now, Step::Path { side, path, from, to, why });
                self.checks.see(&Seen::Path { side, path, change });
            }
            LinkEvent::Using(path) => {
                self.mark_use(side, path);
                self.trace.note(now, Step::Using { side, path });
                self.checks.see(&Seen::Using { side, path });
            }
            // There is no TURN server between a pair.
            LinkEvent::Turned { .. } => {}
        }
    }

    fn on_message(&mut self, now: Instant, side: Side, message: &Received) {
        if let Some(medium) = self.came_on[side_index(side)].and_then(|path| self.media.get(usize::from(path.0))) {
            *self.tally.delivered_by.entry(medium.name()).or_default() += 1;
        }
        let bytes = message.payload.len();
        if bytes > LONGEST_PACKET {
            self.tally.mark("fragmented");
        }
        let origin = self.reference.origin(side, message);
        let content = origin.map_or_else(|| trace::content(&message.payload), |origin| origin.content);
        let &Received { priority, delivery, .. } = message;
        let number = origin.map(|origin| origin.number);
        let bytes = bytes as u32;
        self.trace.note(now, Step::Delivered { side, number, priority, delivery, bytes, content });
        self.checks.see(&Seen::Delivered { side, message, origin });
    }

    /// Notices the first acknowledgement of each side that names a packet which was solved and never came.
    fn look_for_repair(&mut self, side: Side, path: PathId, bytes: &[u8]) {
        let has_repaired = &mut self.has_repaired[side_index(side)];
        if *has_repaired {
            return;
        }
        let is_relay = self.media.get(usize::from(path.0)) == Some(&Medium::Relay);
        let packet = if is_relay { relay::parse(bytes).map_or(bytes, |(_, packet)| packet) } else { bytes };
        *has_repaired =
            frames_of(packet).any(|frame| matches!(frame, Ok(Frame::Ack(ack)) if ack.recovered().count() > 0));
        if *has_repaired {
            self.tally.mark("recovered_by_repair");
        }
    }

    fn mark_change(&mut self, change: Change) {
        use PathState::{Dead, Opening, Suspect, Usable};
        self.tally.mark(match (change.from, change.to, change.why) {
            (Dead, Opening, _) => "reopened",
            (Usable | Suspect, Opening, _) => "reopened_alive",
            (_, Opening, _) => "opened",
            (_, Suspect, Cause::Silent) => "suspect_silent",
            (_, Suspect, Cause::Reported) => "suspect_reported",
            (_, Suspect, _) => "suspect_unanswered",
            (Suspect, Usable, _) => "path_recovered",
            (_, Usable, _) => "path_proved",
            (_, Dead, Cause::Overdue) => "path_died_overdue",
            (_, Dead, _) => "path_died",
        });
    }

    fn mark_use(&mut self, side: Side, path: Option<PathId>) {
        let before = core::mem::replace(&mut self.using[side_index(side)], path);
        match (before, path) {
            (Some(left), Some(_)) => {
                self.tally.mark("path_switch");
                if self.states[side_index(side)][usize::from(left.0)] == PathState::Suspect {
                    self.tally.mark("give_up");
                }
            }
            (Some(_), None) => self.tally.mark("no_path"),
            (None, _) => {}
        }
    }
}
