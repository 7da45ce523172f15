//! What arrives: packets are opened, frames taken, what was recovered is taken as if it had come, and acknowledgements
//! settle what was sent.

use super::acking::Asks;
use super::receive::Taken;
use super::sent::{Fate, SentPacket};
use super::shield::{self, Repair};
use super::{Session, SessionEvent};
use crate::id::PathId;
use crate::time::{Duration, Instant};
use crate::wire::frame::{Ack, Frame, Frames, MessageFrame, RepairFrame};
use crate::wire::packet::{self, Packet};

/// Repairs read from one packet; more are ignored.
const MAX_REPAIRS_READ: u8 = 8;

/// What a packet turned out to be.
#[derive(Default)]
struct Findings {
    /// Whether it wants an acknowledgement.
    ask: Asks,
    /// Something of it found no room.
    refused: bool,
    /// Something of it was not what the protocol says.
    invalid: bool,
}

impl Session {
    /// A packet came on a path. Whatever it is, this never fails: what is broken, foreign or known is counted.
    pub fn on_packet(&mut self, now: Instant, path: PathId, bytes: &[u8]) {
        if self.flow(path).is_none() {
            self.dropped.stray += 1;
            return;
        }
        let Ok(packet) = packet::open(self.receive_key, self.acking.seen.end(), bytes) else {
            self.dropped.broken += 1;
            return;
        };
        if let Some(flow) = self.flow_mut(path) {
            flow.heard.on_packet(now, packet.number, packet.rhythm);
            flow.bytes_received += bytes.len() as u64;
            flow.packets_received += 1;
        }
        self.events.push_back(SessionEvent::Heard(path));
        if self.acking.seen.has_come(packet.number) {
            self.dropped.duplicate += 1;
            return;
        }
        let findings = self.take_frames(now, path, &packet);
        self.dropped.invalid += u64::from(findings.invalid);
        self.dropped.refused += u64::from(findings.refused);
        if !findings.refused && !findings.invalid {
            self.acking.on_packet(now, packet.number, findings.ask, &self.config);
        } else {
            self.acking.seen.insert_refused(packet.number);
        }
        self.take_recovered(now);
        self.trim(now);
    }

    fn take_frames(&mut self, now: Instant, path: PathId, packet: &Packet<'_>) -> Findings {
        let mut findings = Findings::default();
        let mut frames = Frames::new(packet.frames);
        let (mut repairs, mut acked) = (0, false);
        while let Some(frame) = frames.next() {
            let Ok(frame) = frame else {
                findings.invalid = true;
                break;
            };
            match frame {
                Frame::Ping => findings.ask = Asks::Soon,
                // One is enough, and each costs a walk over what is in flight: more are read and ignored.
                Frame::Ack(ack) if !acked => {
                    acked = true;
                    self.on_ack(now, &ack, &mut findings);
                }
                Frame::Ack(_) => {}
                Frame::Probe(token) => {
                    if let Some(flow) = self.flow_mut(path) {
                        flow.answer = Some(token);
                    }
                }
                Frame::ProbeAnswer(token) => self.on_probe_answer(now, path, token),
                Frame::Unheard(_) if !self.version.knows_unheard() => {
                    findings.invalid = true;
                    break;
                }
                Frame::Unheard(path) => {
                    findings.ask = Asks::Soon;
                    self.events.push_back(SessionEvent::Unheard(path));
                }
                Frame::Repair(repair) => {
                    findings.ask = Asks::Soon;
                    if repairs < MAX_REPAIRS_READ {
                        self.on_repair(packet.number, repairs, &repair);
                        repairs += 1;
                    }
                }
                Frame::Shield => {
                    findings.ask = Asks::Soon;
                    self.take_symbol(packet.number, frames.rest(), &mut findings);
                    break;
                }
                Frame::Message(message) => {
                    findings.ask = findings.ask.max(if message.delivery.is_kept() { Asks::Soon } else { Asks::Later });
                    self.on_message(&message, &mut findings);
                }
            }
        }
        findings
    }

    /// Takes the messages of a symbol, which is handed on to repair others if it has just come.
    fn take_symbol(&mut self, number: u64, symbol: &[u8], findings: &mut Findings) {
        if symbol.is_empty() || symbol.len() > shield::MAX_SYMBOL {
            findings.invalid = true;
            return;
        }
        self.protection.decoder.on_source(number, symbol);
        self.take_shielded(symbol, findings);
    }

    /// Behind the mark there are whole kept messages only: a symbol may be taken twice, from its packet and from repairs.
    fn take_shielded(&mut self, symbol: &[u8], findings: &mut Findings) {
        for frame in Frames::new(symbol) {
            match frame {
                Ok(Frame::Message(message)) if message.delivery.is_kept() && message.part.is_none() => {
                    self.on_message(&message, findings);
                }
                _ => findings.invalid = true,
            }
        }
    }

    fn on_message(&mut self, message: &MessageFrame<'_>, findings: &mut Findings) {
        let events = &mut self.events;
        match self.inbox.take(message, &self.config, &mut |received| events.push_back(SessionEvent::Message(received)))
        {
            Taken::Yes => {}
            Taken::Refused => findings.refused = true,
            Taken::Dropped => self.dropped.refused += 1,
            // The packet counts as received all the same: to ask for it again would bring the same.
            Taken::Broken => self.dropped.invalid += 1,
        }
    }

    fn on_probe_answer(&mut self, now: Instant, path: PathId, token: u32) {
        if let Some(rtt) = self.flow_mut(path).and_then(|flow| flow.on_probe_answered(now, token)) {
            self.events.push_back(SessionEvent::ProbeAnswered { path, token, rtt });
        }
    }

    fn on_repair(&mut self, carrier: u64, index: u8, repair: &RepairFrame<'_>) {
        let Some(base) = carrier.checked_sub(repair.back) else { return };
        let repair = Repair { carrier, index, base, covered: repair.covered, bytes: repair.bytes };
        if repair.is_well_formed() {
            let seen = &self.acking.seen;
            self.protection.decoder.on_repair(&repair, |number| seen.has_come(number));
        }
    }

    /// Takes the symbols that have been solved as if their packets had come.
    fn take_recovered(&mut self, now: Instant) {
        let mut symbol = core::mem::take(&mut self.protection.recovered);
        while let Some(number) = self.protection.decoder.poll_recovered(&mut symbol) {
            let mut findings = Findings::default();
            self.take_shielded(&symbol, &mut findings);
            self.dropped.invalid += u64::from(findings.invalid);
            self.dropped.refused += u64::from(findings.refused);
            if !findings.refused && !findings.invalid {
                self.acking.on_recovered(now, number, self.config.max_ack_delay);
            }
        }
        self.protection.recovered = symbol;
    }

    fn on_ack(&mut self, now: Instant, ack: &Ack<'_>, findings: &mut Findings) {
        if ack.largest >= self.sent.next_number() {
            findings.invalid = true;
            return;
        }
        self.acked_end = self.acked_end.max(ack.largest + 1);
        self.is_stuck = false;
        for number in ack.recovered() {
            self.on_number_recovered(now, number);
        }
        for (first, last) in ack.ranges() {
            for number in first.max(self.sent.base())..=last {
                let sample = (number == ack.largest).then_some(ack.delay);
                self.on_number_acked(now, number, sample);
            }
            if first <= self.sent.base() {
                break;
            }
        }
        for index in 0..self.flows.len() {
            self.settle_losses(now, index);
        }
        for priority in self.outgoing.take_drained(&self.config) {
            self.events.push_back(SessionEvent::Drained(priority));
        }
    }

    fn on_number_acked(&mut self, now: Instant, number: u64, sample: Option<Duration>) {
        let Some(packet) = self.sent.get(number) else { return };
        let fate = packet.fate;
        match fate {
            Fate::Arrived => return,
            Fate::Untracked => {
                let below = packet.acked_below;
                packet.fate = Fate::Arrived;
                self.acking.on_heard(below);
                return;
            }
            Fate::InFlight | Fate::Lost | Fate::GivenUp | Fate::Recovered => packet.fate = Fate::Arrived,
        }
        let packet = *packet;
        self.acking.on_heard(packet.acked_below);
        if let Some(flow) = self.opened(packet.opening) {
            let rtt = sample.map(|delay| {
                flow.rtt.on_sample(now.since(packet.at), delay);
                flow.rtt.latest()
            });
            match fate {
                Fate::InFlight => flow.on_arrived(now, number, &packet, rtt),
                Fate::Lost | Fate::Recovered => flow.on_late(now, &packet),
                _ => {}
            }
        }
        self.settle_arrived(number, &packet, false);
    }

    /// The packet has not come, but the other side knows its symbol. What else was in it goes back to the lanes.
    fn on_number_recovered(&mut self, now: Instant, number: u64) {
        let Some(packet) = self.sent.get(number) else { return };
        let fate = packet.fate;
        if matches!(fate, Fate::Arrived | Fate::Untracked | Fate::Recovered) {
            return;
        }
        packet.fate = Fate::Recovered;
        let packet = *packet;
        if fate == Fate::InFlight
            && let Some(flow) = self.opened(packet.opening)
        {
            flow.on_lost(now, &packet);
        }
        self.settle_arrived(number, &packet, true);
    }

    fn settle_arrived(&mut self, number: u64, packet: &SentPacket, symbol_only: bool) {
        self.protection.encoder.forget(number);
        for piece in self.sent.pieces_of(packet) {
            if symbol_only && !piece.shielded {
                self.outgoing.on_lost(piece);
            } else if let Some(id) = self.outgoing.on_acked(piece) {
                self.events.push_back(SessionEvent::Acked(id));
            }
        }
    }

    /// Finds what counts as lost on a path; its content goes back to the lanes.
    pub(super) fn settle_losses(&mut self, now: Instant, index: usize) {
        let mut lost = core::mem::take(&mut self.lost);
        self.flows[index].find_lost(now, &mut self.sent, &self.config, &mut lost);
        for number in lost.drain(..) {
            let Some(packet) = self.sent.get(number) else { continue };
            packet.fate = Fate::Lost;
            let packet = *packet;
            self.flows[index].on_lost(now, &packet);
            self.protection.encoder.forget(number);
            if !packet.repeated {
                self.sent.pieces_of(&packet).for_each(|piece| self.outgoing.on_lost(piece));
            }
            self.is_stuck = false;
        }
        self.lost = lost;
    }

    /// Forgets what is settled. What was lost is remembered for a few round trips, in case it was only late.
    pub(super) fn trim(&mut self, now: Instant) {
        let (flows, initial) = (&self.flows, self.config.initial_rtt);
        self.sent.trim(|| now - flows.iter().map(|flow| flow.rtt.smoothed()).max().unwrap_or(initial) * 3);
    }
}
