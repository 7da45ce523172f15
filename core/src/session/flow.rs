//! What a session keeps of one path: round trip, loss, pacing, rhythm, and the time-outs that follow. Decides when
//! a packet counts as lost; what was in it is the session's business.

use super::acking::Asks;
use super::congestion::SendMark;
use super::pacing::{Pacer, Room};
use super::pipe::{Control, PathReading, PipeFacts};
use super::rtt::{LossMeter, Rtt};
use super::sent::{Fate, Opening, SentLog, SentPacket};
use super::tempo::{Heard, Tempo};
use crate::config::SessionConfig;
use crate::id::PathId;
use crate::time::{Duration, Instant};

/// Probes whose answer is still awaited, at most.
const PROBES_REMEMBERED: usize = 16;
/// A standing queue longer than this is taken as "the path is full"; jitter excuses a little more. A growing queue looks
/// like jitter too, so not much more.
const SPARE_QUEUE: Duration = Duration::from_millis(8);
const SPARE_JITTER: Duration = Duration::from_millis(15);
/// Questions without an answer after which old packets are waited for no more, and how many time-outs old those are.
const FORGET_AFTER: u32 = 4;
/// What is still out on a path that was left is waited for so long at most: the path in use brings it sooner than one
/// that has stalled.
const PATIENCE_WITH_THE_LEFT: Duration = Duration::from_secs(1);
/// The longest pause between two questions, unless one round trip takes longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Probe time-outs double at most so often.
const MAX_BACKOFF: u32 = 6;
/// The packet threshold grows with the reordering seen, up to this.
const MAX_PACKET_THRESHOLD: u64 = 64;

/// One path of a session.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) path: PathId,
    pub(crate) opening: Opening,
    pub(crate) facts: PipeFacts,
    pub(crate) rtt: Rtt,
    pub(crate) loss: LossMeter,
    pub(crate) tempo: Tempo,
    pub(crate) heard: Heard,
    pub(crate) in_flight: usize,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    pub(crate) packets_sent: u64,
    pub(crate) packets_received: u64,
    pub(crate) packets_lost: u64,
    /// A probe to send, and a probe to answer.
    pub(crate) probe: Option<u32>,
    pub(crate) answer: Option<u32>,
    /// The last probes sent, and when: an answer may take longer than the pause between two.
    probed: [Option<(u32, Instant)>; PROBES_REMEMBERED],
    /// A probe time-out has struck: the next packet leaves whatever the pacer says.
    pub(crate) must_ask: bool,
    pacer: Pacer,
    next_place: u64,
    acked_place: Option<u64>,
    /// Of the last packet whose acknowledgement something waits for.
    hurried_place: Option<u64>,
    acked_number: u64,
    loss_at: Option<Instant>,
    /// No packet of this path with a smaller number is in flight.
    scan_from: u64,
    progress_at: Instant,
    asked_at: Instant,
    timeouts: u32,
    packet_threshold: u64,
    time_slack: Duration,
}

impl Flow {
    pub(crate) fn new(now: Instant, path: PathId, opening: Opening, facts: PipeFacts, config: &SessionConfig) -> Self {
        Flow {
            path,
            opening,
            facts,
            rtt: Rtt::new(config.initial_rtt),
            loss: LossMeter::default(),
            tempo: Tempo::new(now, config.heartbeat_interval),
            heard: Heard::new(now),
            in_flight: 0,
            bytes_sent: 0,
            bytes_received: 0,
            packets_sent: 0,
            packets_received: 0,
            packets_lost: 0,
            probe: None,
            answer: None,
            probed: [None; PROBES_REMEMBERED],
            must_ask: false,
            pacer: Pacer::new(now, facts, config),
            next_place: 0,
            acked_place: None,
            hurried_place: None,
            acked_number: 0,
            loss_at: None,
            progress_at: now,
            asked_at: now,
            scan_from: 0,
            timeouts: 0,
            packet_threshold: u64::from(config.packet_threshold),
            time_slack: Duration::ZERO,
        }
    }

    /// A probe leaves.
    pub(crate) fn on_probe_sent(&mut self, now: Instant, token: u32) {
        self.probed[token as usize % PROBES_REMEMBERED] = Some((token, now));
    }

    /// A probe has come back: the round trip, unless it was never sent or came back before.
    pub(crate) fn on_probe_answered(&mut self, now: Instant, token: u32) -> Option<Duration> {
        let (_, sent_at) = self.probed[token as usize % PROBES_REMEMBERED].take_if(|probe| probe.0 == token)?;
        let rtt = now.since(sent_at);
        self.rtt.on_sample(rtt, Duration::ZERO);
        Some(rtt)
    }

    /// Whether the next packet may leave.
    pub(crate) fn room(&self, now: Instant) -> Room {
        self.pacer.room(now, self.in_flight, self.loss.share())
    }

    /// Whether bytes beyond the first copies do no harm now.
    pub(crate) fn has_spare(&self) -> bool {
        !self.has_queue() && self.pacer.has_spare(self.in_flight)
    }

    /// Whether packets wait somewhere on the way.
    pub(crate) fn has_queue(&self) -> bool {
        self.rtt.standing() > SPARE_QUEUE + self.rtt.var().min(SPARE_JITTER)
    }

    /// Whether the path bears a critical message although the pacer says no: up to a quarter beyond the window.
    pub(crate) fn bears_critical(&self) -> bool {
        self.pacer.bears_critical(self.in_flight)
    }

    /// Whether the path has promised to speak by now.
    pub(crate) fn speaks(&self, now: Instant) -> bool {
        self.tempo.due() <= now
    }

    pub(crate) fn on_buffered(&mut self, bytes: usize) {
        self.pacer.on_buffered(bytes);
    }

    pub(crate) fn on_app_limited(&mut self, now: Instant) {
        self.pacer.on_app_limited(now, self.in_flight);
    }

    /// A packet leaves; gives its place and mark if it is tracked.
    pub(crate) fn on_sent(
        &mut self,
        now: Instant,
        bytes: usize,
        ask: Asks,
        talks: bool,
    ) -> Option<(u64, Option<SendMark>)> {
        self.bytes_sent += bytes as u64;
        self.packets_sent += 1;
        self.tempo.on_sent(now, talks);
        if ask == Asks::No {
            return None;
        }
        let mark = self.pacer.on_sent(now, bytes, self.in_flight, self.loss.share());
        if self.in_flight == 0 {
            self.progress_at = now;
        }
        self.in_flight += bytes;
        self.must_ask = false;
        let place = self.next_place;
        self.next_place += 1;
        if ask == Asks::Soon {
            self.hurried_place = Some(place);
        }
        Some((place, mark))
    }

    /// A packet in flight has arrived.
    pub(crate) fn on_arrived(&mut self, now: Instant, number: u64, packet: &SentPacket, rtt: Option<Duration>) {
        self.in_flight -= packet.bytes as usize;
        self.loss.on_fate(false, self.under_way());
        self.progress_at = now;
        self.timeouts = 0;
        self.acked_place = self.acked_place.max(Some(packet.place));
        self.acked_number = self.acked_number.max(number);
        self.tempo.on_acked(packet.rhythm);
        self.pacer.on_ack(now, packet, rtt, self.in_flight);
    }

    /// A packet in flight never arrived.
    pub(crate) fn on_lost(&mut self, now: Instant, packet: &SentPacket) {
        self.in_flight -= packet.bytes as usize;
        self.packets_lost += 1;
        self.loss.on_fate(true, self.under_way());
        self.pacer.on_lost(now, packet.bytes as usize, packet.mark, self.in_flight);
    }

    /// A packet that had been counted as lost has arrived: the path reorders more than was allowed for.
    pub(crate) fn on_late(&mut self, now: Instant, packet: &SentPacket) {
        self.loss.on_mistake(self.under_way());
        self.packets_lost = self.packets_lost.saturating_sub(1);
        let overtaken_by = self.acked_place.unwrap_or(0).saturating_sub(packet.place);
        self.packet_threshold = self.packet_threshold.max((overtaken_by + 1).min(MAX_PACKET_THRESHOLD));
        let late = now.since(packet.at).saturating_sub(self.rtt.smoothed());
        self.time_slack = self.time_slack.max(late.min(self.rtt.smoothed()));
    }

    /// Full packets in flight.
    fn under_way(&self) -> f64 {
        self.in_flight as f64 / self.facts.max_packet as f64
    }

    /// Everything in flight is given up: not lost, but not waited for.
    pub(crate) fn on_given_up(&mut self) {
        self.in_flight = 0;
        self.loss_at = None;
        self.timeouts = 0;
    }

    /// The numbers of packets that count as lost now, into `lost`.
    pub(crate) fn find_lost(&mut self, now: Instant, sent: &mut SentLog, config: &SessionConfig, lost: &mut Vec<u64>) {
        self.loss_at = None;
        let Some(acked_place) = self.acked_place else { return };
        let patience = self.rtt.smoothed().max(self.rtt.latest()).mul_f64(config.time_threshold) + self.time_slack;
        let mut is_clear = true;
        self.scan_from = self.scan_from.max(sent.base());
        for number in self.scan_from..self.acked_number {
            let Some(packet) = sent.get(number) else { return };
            if packet.opening != self.opening || packet.fate != Fate::InFlight {
                self.scan_from += u64::from(is_clear);
                continue;
            }
            is_clear = false;
            let deadline = packet.at + patience;
            let overtaken_by = acked_place - packet.place;
            if self.facts.control == Control::Stream || overtaken_by >= self.packet_threshold || deadline <= now {
                lost.push(number);
            } else if self.loss_at.is_none_or(|at| deadline < at) {
                self.loss_at = Some(deadline);
            }
        }
    }

    /// When overtaken packets count as lost by time.
    pub(crate) fn loss_at(&self) -> Option<Instant> {
        self.loss_at
    }

    /// When the other side is asked again, because nothing has been acknowledged. On a path not in use nothing is asked:
    /// what was sent is given up then.
    pub(crate) fn ask_at(&self, is_active: bool, config: &SessionConfig) -> Option<Instant> {
        if self.in_flight == 0 {
            return None;
        }
        let timeout = self.probe_timeout(config);
        if is_active && self.timeouts == 0 {
            return Some(self.asked_at.max(self.progress_at) + timeout);
        }
        let pause = if is_active {
            (timeout * (1 << self.timeouts.min(MAX_BACKOFF))).min(timeout.max(LONGEST_PAUSE))
        } else {
            timeout.min(PATIENCE_WITH_THE_LEFT)
        };
        Some(self.asked_at.max(self.progress_at) + pause)
    }

    /// How long an acknowledgement may take.
    fn probe_timeout(&self, config: &SessionConfig) -> Duration {
        let is_hurried = self.hurried_place > self.acked_place;
        let delay = if is_hurried { config.max_ack_delay } else { config.max_idle_ack_delay };
        self.rtt.probe_timeout(delay, config.min_probe_timeout)
    }

    /// What left before then is waited for no more, if several questions have gone unanswered.
    pub(crate) fn forgets_before(&self, now: Instant, config: &SessionConfig) -> Option<Instant> {
        let timeout = self.probe_timeout(config);
        (self.timeouts >= FORGET_AFTER).then(|| now - timeout * FORGET_AFTER)
    }

    /// Whether silence is answered by sending content again. What is in an ordered stream is late, not lost: there
    /// only a dead path makes a second copy worth sending.
    pub(crate) fn repeats_on_silence(&self) -> bool {
        self.facts.control != Control::Stream
    }

    pub(crate) fn on_ask_timeout(&mut self, now: Instant) {
        self.asked_at = now;
        self.timeouts += 1;
        self.must_ask = true;
    }

    /// What is measured of the path.
    pub(crate) fn reading(&self, now: Instant) -> PathReading {
        PathReading {
            rtt: self.rtt.measured(),
            rtt_var: self.rtt.var(),
            loss: self.loss.share(),
            unheard: now.since(self.heard.at()),
            expected: self.heard.expected(),
        }
    }
}
