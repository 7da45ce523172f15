//! What leaves: packets are written when polled for, each with all that is due on its path.

use super::acking::Asks;
use super::pacing::Room;
use super::protect::{MAX_COVERED, MAX_REPAIRS};
use super::send::{Bounds, Space};
use super::{Session, shield};
use crate::id::PathId;
use crate::time::Instant;
use crate::wire::frame::{self, RepairFrame};
use crate::wire::packet;
use crate::wire::rhythm::Rhythm;

/// Writes what a path wants in front of a packet.
pub type Envelope<'a> = &'a mut dyn FnMut(PathId, &mut Vec<u8>);

/// Which messages the next packet may carry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Messages {
    All,
    Critical,
    None,
}

/// A packet being written.
struct Draft {
    number: u64,
    start: usize,
    limit: usize,
    rhythm: Rhythm,
    /// Told by the acknowledgement in it, if it carries one.
    acked_below: Option<u64>,
    /// It wants an acknowledgement.
    ask: Asks,
    talks: bool,
    repairs: u8,
    /// What an empty packet of this path can hold of messages.
    full_room: usize,
}

impl Session {
    /// Appends the next packet that is due to `out` and tells its path, or gives `None` when all is said. `envelope`
    /// is called first and may append what the path wants in front of a packet.
    pub fn poll_packet(&mut self, now: Instant, out: &mut Vec<u8>, envelope: Envelope<'_>) -> Option<PathId> {
        self.poll_control(now, out, envelope)
            .or_else(|| self.poll_active(now, out, envelope))
            .or_else(|| self.poll_warm(now, out, envelope))
    }

    /// Probes and answers, each on its own path.
    fn poll_control(&mut self, now: Instant, out: &mut Vec<u8>, envelope: Envelope<'_>) -> Option<PathId> {
        let index = self.flows.iter().position(|flow| flow.probe.is_some() || flow.answer.is_some())?;
        let mut draft = self.begin(now, index, out, envelope);
        let flow = &mut self.flows[index];
        if let Some(token) = flow.answer.take() {
            frame::write_probe_answer(token, out);
        }
        if let Some(token) = flow.probe.take() {
            flow.on_probe_sent(now, token);
            frame::write_probe(token, out);
        }
        if self.active == Some(self.flows[index].path) && self.acking.has_news() {
            draft.acked_below = Some(self.acking.write(now, out));
        }
        Some(self.finish(now, index, &draft, out))
    }

    /// The path in use: messages as the pacer allows, with acknowledgements, repairs and the heartbeat.
    fn poll_active(&mut self, now: Instant, out: &mut Vec<u8>, envelope: Envelope<'_>) -> Option<PathId> {
        let path = self.active?;
        let index = self.flows.iter().position(|flow| flow.path == path)?;
        let messages = self.allowed_messages(now, index);
        let must_ask = self.flows[index].must_ask;
        let is_due = must_ask
            || self.unheard.is_some()
            || self.wants_lone_repair(now, index)
            || self.acking.due().is_some_and(|at| at <= now)
            || self.flows[index].speaks(now);
        if messages == Messages::None && !is_due {
            return None;
        }
        let start = out.len();
        let mut draft = self.begin(now, index, out, envelope);
        if self.acking.has_news() {
            draft.acked_below = Some(self.acking.write(now, out));
        }
        if let Some(unheard) = self.unheard.take() {
            frame::write_unheard(unheard, out);
            draft.ask = Asks::Soon;
        }
        self.write_messages(now, index, messages, &mut draft, out);
        if !draft.talks && !is_due && draft.ask == Asks::No && draft.acked_below.is_none() {
            // What waits cannot be written now: it comes back with the next acknowledgement. A critical lane that had
            // nothing of use left holds nobody up.
            self.is_stuck = messages == Messages::All;
            out.truncate(start);
            return None;
        }
        if !self.protection.symbol.is_empty() {
            frame::write_shield(out);
            out.extend_from_slice(&self.protection.symbol);
            self.protection.on_source(draft.number, self.flows[index].loss.share());
        }
        // A heartbeat asks even where it carries an acknowledgement: or two silent sides would measure nothing.
        if draft.ask == Asks::No && (must_ask || self.flows[index].speaks(now)) {
            frame::write_ping(out);
            draft.ask = Asks::Soon;
        }
        Some(self.finish(now, index, &draft, out))
    }

    /// The paths not in use speak as seldom as promised.
    fn poll_warm(&mut self, now: Instant, out: &mut Vec<u8>, envelope: Envelope<'_>) -> Option<PathId> {
        let index = self.flows.iter().position(|flow| self.active != Some(flow.path) && flow.speaks(now))?;
        let mut draft = self.begin(now, index, out, envelope);
        frame::write_ping(out);
        draft.ask = Asks::Soon;
        Some(self.finish(now, index, &draft, out))
    }

    fn allowed_messages(&mut self, now: Instant, index: usize) -> Messages {
        let flow = &mut self.flows[index];
        let is_between = self.config.tick.is_some() && !self.ticks.is_open(now);
        if self.is_stuck || is_between && !flow.must_ask {
            return Messages::None;
        }
        if !self.outgoing.has_work() {
            return Messages::None;
        }
        let (room, is_held) = (flow.room(now), self.held_until.is_some_and(|until| now < until));
        if is_held && room == Room::Now {
            // It is not the path that takes no more.
            flow.on_app_limited(now);
        }
        match room {
            Room::Now if !is_held => Messages::All,
            _ if flow.must_ask && !is_held => Messages::All,
            _ if self.outgoing.has_critical_work() && flow.bears_critical() => Messages::Critical,
            _ => Messages::None,
        }
    }

    /// Whether a repair that found no room beside messages leaves now, in a packet of its own.
    fn wants_lone_repair(&self, now: Instant, index: usize) -> bool {
        let flow = &self.flows[index];
        self.protection.is_crowded
            && self.protection.affordable().is_some()
            && !self.outgoing.has_work()
            && self.has_spare(now, index)
            && flow.room(now) == Room::Now
    }

    /// Whether bytes beyond the first copies do no harm now, neither on the path nor to other conversations.
    fn has_spare(&self, now: Instant, index: usize) -> bool {
        self.held_until.is_none_or(|until| until <= now) && self.flows[index].has_spare()
    }

    fn begin(&mut self, now: Instant, index: usize, out: &mut Vec<u8>, envelope: Envelope<'_>) -> Draft {
        let flow = &mut self.flows[index];
        let is_active = self.active == Some(flow.path);
        let (idle, quickest) = match is_active {
            true => (self.config.heartbeat_interval, Some(self.config.min_rhythm)),
            false => (self.config.warm_interval, None),
        };
        let rhythm = flow.tempo.announce(now, idle, quickest);
        envelope(flow.path, out);
        let (number, start) = (self.sent.next_number(), out.len());
        let limit = start + flow.facts.max_packet;
        packet::begin(number, self.acked_end, rhythm, out);
        self.protection.symbol.clear();
        // The mark in front of a symbol takes one byte.
        let full_room = limit - out.len() - 1;
        Draft { number, start, limit, rhythm, acked_below: None, ask: Asks::No, talks: false, repairs: 0, full_room }
    }

    /// Critical messages, the rest, and repairs where they harm nothing: behind all messages when the path has bytes to
    /// spare, else between the critical messages and less urgent ones, which they may displace.
    fn write_messages(&mut self, now: Instant, index: usize, messages: Messages, draft: &mut Draft, out: &mut Vec<u8>) {
        if messages == Messages::None {
            return self.write_repairs(now, index, draft, out);
        }
        let flow = &self.flows[index];
        let is_protected =
            self.config.enable_protection && self.protection.update(now, flow.loss.share(), self.config.protect_above);
        let is_busy = is_protected && !flow.has_spare();
        if is_protected {
            self.protection.judge(now, flow.has_queue(), flow.rtt.smoothed());
        }
        let bounds = Bounds {
            limit: draft.limit,
            full_room: draft.full_room,
            max_symbol: self.config.max_symbol.min(shield::MAX_SYMBOL),
            only_critical_symbols: is_busy,
        };
        let mut symbol = core::mem::take(&mut self.protection.symbol);
        let protected = is_protected.then_some(&mut symbol);
        let mut space = Space { out, symbol: protected, pieces: self.sent.pieces(), bounds };
        let has_room = self.outgoing.fill_critical(now, &self.config, &mut space);
        if has_room && messages == Messages::All {
            if is_busy && self.outgoing.has_work() && !self.outgoing.has_critical_work() {
                self.write_repairs_within(draft, symbol.len(), out);
            }
            let protected = is_protected.then_some(&mut symbol);
            let mut space = Space { out, symbol: protected, pieces: self.sent.pieces(), bounds };
            self.outgoing.fill_rest(now, &self.config, &mut space);
        }
        self.protection.symbol = symbol;
        draft.talks = self.sent.pieces_noted() > 0;
        if draft.talks {
            draft.ask = draft.ask.max(if self.sent.notes_kept() { Asks::Soon } else { Asks::Later });
        }
        if self.outgoing.has_work() {
            return;
        }
        if draft.talks
            && let Some(tick) = self.config.tick
        {
            self.ticks.on_talk(now, tick);
        }
        self.flows[index].on_app_limited(now);
        self.write_repairs(now, index, draft, out);
    }

    /// Adds repairs when all first copies are out and the path has bytes to spare.
    fn write_repairs(&mut self, now: Instant, index: usize, draft: &mut Draft, out: &mut Vec<u8>) {
        if self.protection.is_on() && !self.outgoing.has_work() && self.has_spare(now, index) {
            self.write_repairs_within(draft, self.protection.symbol.len(), out);
        }
    }

    fn write_repairs_within(&mut self, draft: &mut Draft, symbol: usize, out: &mut Vec<u8>) {
        let head = RepairFrame::len_with(shield::WINDOW as u64, u64::MAX, shield::MAX_REPAIR) - shield::MAX_REPAIR;
        while let Some(bytes) = self.protection.affordable().filter(|_| draft.repairs < MAX_REPAIRS) {
            let bytes = bytes.min(draft.full_room.saturating_sub(head));
            let Some(plan) = self.protection.encoder.plan(draft.number, MAX_COVERED, bytes) else {
                // Nothing can be repaired: to ask for a packet of its own again and again would never end.
                self.protection.is_crowded = false;
                return;
            };
            let fits = out.len() + symbol + 1 + head + plan.len <= draft.limit;
            if !fits || draft.talks && self.protection.is_restrained() {
                self.protection.is_crowded = true;
                return;
            }
            RepairFrame::write_head(draft.number - plan.base, plan.covered, plan.len, out);
            self.protection.encoder.write(&plan, draft.number, draft.repairs, out);
            self.protection.on_repair(plan.len);
            draft.ask = Asks::Soon;
            draft.repairs += 1;
        }
    }

    fn finish(&mut self, now: Instant, index: usize, draft: &Draft, out: &mut [u8]) -> PathId {
        packet::seal(self.send_key, draft.number, draft.start, out);
        let bytes = out.len() - draft.start;
        let flow = &mut self.flows[index];
        let tracked = flow.on_sent(now, bytes, draft.ask, draft.talks);
        self.sent.push(now, flow.opening, bytes, draft.rhythm, tracked, draft.acked_below.unwrap_or(0));
        flow.path
    }
}
