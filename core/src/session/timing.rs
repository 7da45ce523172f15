//! When the session must be called again, and what it does then.

use super::pacing::Room;
use super::sent::{Fate, Opening};
use super::{Session, SessionEvent};
use crate::time::Instant;

/// Who asked to be called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SessionTimer {
    /// An acknowledgement is due.
    Ack,
    /// A packet counts as lost by time.
    Loss,
    /// Nothing has been acknowledged: the other side is asked again.
    Ask,
    /// A path has promised to speak.
    Heartbeat,
    /// The pacer lets the next packet go.
    Pace,
    /// The next tick.
    Tick,
}

impl Session {
    /// Time has passed. Losses and questions that are due now are settled; what is to be sent is polled for next.
    pub fn on_timeout(&mut self, now: Instant) {
        for index in 0..self.flows.len() {
            if self.flows[index].loss_at().is_some_and(|at| at <= now) {
                self.settle_losses(now, index);
            }
            let is_active = self.active == Some(self.flows[index].path);
            if self.flows[index].ask_at(is_active, &self.config).is_some_and(|at| at <= now) {
                self.ask_again(now, index);
            }
        }
    }

    /// Nothing has been acknowledged on a path for too long: the oldest content, a packet full, leaves again at once.
    /// What is out on a path not in use is given up: it leaves again on the one in use.
    fn ask_again(&mut self, now: Instant, index: usize) {
        let path = self.flows[index].path;
        if self.active != Some(path) {
            return self.give_up(now, path);
        }
        let flow = &mut self.flows[index];
        flow.on_ask_timeout(now);
        let opening = flow.opening;
        self.forget_unanswered(now, index);
        let flow = &mut self.flows[index];
        if flow.repeats_on_silence() {
            let room = flow.facts.max_packet;
            self.events.push_back(SessionEvent::Unanswered(path));
            if self.repeat_oldest(opening, room) == 0 {
                // Everything has been repeated once: begin again.
                self.sent.in_flight_on(opening).for_each(|packet| packet.repeated = false);
                self.repeat_oldest(opening, room);
            }
        }
        self.is_stuck = false;
    }

    /// After several questions without an answer, what left long before the last of them is waited for no more: memory
    /// stays bounded however long nobody answers. On an ordered stream content is late, never lost, and bounded anyway.
    fn forget_unanswered(&mut self, now: Instant, index: usize) {
        let flow = &mut self.flows[index];
        let Some(before) = flow.forgets_before(now, &self.config) else { return };
        let (opening, repeats) = (flow.opening, flow.repeats_on_silence());
        for number in self.sent.base()..self.sent.next_number() {
            let Some(packet) = self.sent.get(number).filter(|packet| packet.at < before) else { break };
            if packet.opening == opening && packet.fate == Fate::InFlight && (repeats || packet.is_empty()) {
                packet.fate = Fate::GivenUp;
                let packet = *packet;
                self.flows[index].in_flight -= packet.bytes as usize;
                self.sent.pieces_of(&packet).for_each(|piece| self.outgoing.on_lost(piece));
            }
        }
        self.trim(now);
    }

    /// Sends the oldest content in flight on a path that has not been repeated yet once more, up to `room` bytes.
    fn repeat_oldest(&mut self, opening: Opening, room: usize) -> usize {
        let mut repeated = 0;
        for number in self.sent.base()..self.sent.next_number() {
            let Some(packet) = self.sent.get(number) else { break };
            if packet.opening != opening || packet.fate != Fate::InFlight || packet.repeated {
                continue;
            }
            if repeated + packet.bytes as usize > room {
                break;
            }
            repeated += packet.bytes as usize;
            packet.repeated = true;
            let packet = *packet;
            self.sent.pieces_of(&packet).for_each(|piece| self.outgoing.on_lost(piece));
        }
        repeated
    }

    /// The next moment at which something is to be done, and what asked for it. Call [`Session::poll_packet`] until it
    /// has nothing before asking.
    pub fn deadline(&self, now: Instant) -> Option<(Instant, SessionTimer)> {
        let mut next = self.acking.due().filter(|_| self.active.is_some()).map(|at| (at, SessionTimer::Ack));
        let mut offer = |at: Option<Instant>, timer| {
            if let Some(at) = at
                && next.is_none_or(|(soonest, _)| at < soonest)
            {
                next = Some((at, timer));
            }
        };
        for flow in &self.flows {
            offer(flow.loss_at(), SessionTimer::Loss);
            offer(flow.ask_at(self.active == Some(flow.path), &self.config), SessionTimer::Ask);
            offer(Some(flow.tempo.due()), SessionTimer::Heartbeat);
        }
        if self.outgoing.has_work()
            && !self.is_stuck
            && let Some(flow) = self.active.and_then(|path| self.flow(path))
        {
            let tick = self.config.tick.map(|_| self.ticks.next());
            let wait = tick.max(self.held_until);
            match flow.room(now) {
                Room::Now if wait == tick => offer(tick, SessionTimer::Tick),
                Room::Now => offer(wait, SessionTimer::Pace),
                Room::At(at) => offer(Some(wait.map_or(at, |wait| wait.max(at))), SessionTimer::Pace),
                Room::Later => {}
            }
        }
        next
    }
}
