//! One direction of a TCP-like stream: frames wait for those before them, and what is lost is sent again, which takes
//! time. Opening and closing belong to the stream; congestion windows are no more than a rate here.

use super::config::LinkConfig;
use super::counters::Counters;
use super::dice::{Ask, Dice};
use super::flight::Pool;
use super::loss::{Loss, Lost};
use crate::seed::{Draw, nanos};
use core::time::Duration;
use std::collections::VecDeque;
use webstar_core::time::{Instant, earlier};

/// How much of a frame one TCP segment carries.
const SEGMENT: usize = 1_400;
/// What the headers below a segment take on the wire: 20 bytes for IP and 20 for TCP.
const HEADERS: usize = 40;
/// No retransmission by time-out comes earlier, as in Linux.
const MIN_RTO: Duration = Duration::from_millis(200);
/// The back-off stops here. A real one goes on to minutes; whoever cares has opened a new connection by then.
const MAX_RTO: Duration = Duration::from_secs(3);
/// With this many later frames under way a loss is noticed by duplicate acknowledgements and costs one round trip.
const DUPLICATES: usize = 3;
/// How many segments may leave at once below the rate that loss permits.
const BURST: usize = 4;

/// One direction of a stream.
#[derive(Debug)]
pub(super) struct Flow {
    config: LinkConfig,
    rtt: Duration,
    /// The rate that TCP's congestion control finds under the present loss, in bytes per second.
    allowed: Option<u64>,
    dice: Dice,
    loss: Loss,
    /// How many segments were sent: the number of the next.
    number: u64,
    /// Frames not yet taken by the receiver, in order; the first `sent` have left.
    frames: VecDeque<Frame>,
    sent: usize,
    /// When the first frame that has not left will have left, and when the allowed rate is used up to.
    leaves: Instant,
    used: Instant,
    /// When what is missing is sent again, and how often that failed in a row.
    retry: Option<Instant>,
    failed: u32,
    /// Whether nothing cuts the way, and whether the receiver reads.
    pub(super) clear: bool,
    pub(super) reading: bool,
    bytes: usize,
    pool: Pool,
    pub(super) counters: Counters,
}

#[derive(Debug)]
struct Frame {
    bytes: Vec<u8>,
    /// The end of the stream, and not a frame.
    end: bool,
    /// How many of its segments have not arrived and are not about to.
    missing: u32,
    /// When the last of its other segments arrives.
    at: Instant,
}

/// What comes out of a flow.
pub(super) enum Out {
    Frame(Vec<u8>),
    End,
}

impl Flow {
    pub(super) fn new(draw: &mut Draw, now: Instant) -> Self {
        let config = LinkConfig::default();
        Flow {
            config,
            rtt: Duration::ZERO,
            allowed: None,
            dice: Dice::new(draw),
            loss: Loss::new(draw, now, &config),
            number: 0,
            frames: VecDeque::new(),
            sent: 0,
            leaves: Instant::ZERO,
            used: Instant::ZERO,
            retry: None,
            failed: 0,
            clear: true,
            reading: true,
            bytes: 0,
            pool: Pool::default(),
            counters: Counters::default(),
        }
    }

    pub(super) fn config(&self) -> &LinkConfig {
        &self.config
    }

    pub(super) fn set_config(&mut self, now: Instant, config: LinkConfig, rtt: Duration) {
        self.advance(now);
        self.config = config;
        self.rtt = rtt;
        // A damaged segment fails its checksum: to TCP it is lost.
        let alone = 1.0 - (1.0 - config.loss) * (1.0 - config.corrupt);
        self.allowed = allowed_rate(alone, rtt);
        self.loss.set(now, &LinkConfig { loss: alone, ..config });
        if self.sent < self.frames.len() {
            self.used = now;
            self.leaves = self.leaves.min(self.leave_time(now));
            self.advance(now);
        }
    }

    /// Frame bytes the sender's buffer holds: TCP keeps them until they have arrived.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn send(&mut self, now: Instant, bytes: &[u8]) {
        self.counters.sent += 1;
        self.counters.sent_bytes += bytes.len() as u64;
        let bytes = self.pool.copy(bytes);
        self.push(now, Frame { bytes, end: false, missing: 0, at: Instant::ZERO });
    }

    /// The sender has closed: the end follows the frames.
    pub(super) fn end(&mut self, now: Instant) {
        self.push(now, Frame { bytes: Vec::new(), end: true, missing: 0, at: Instant::ZERO });
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let leaves = (self.sent < self.frames.len()).then_some(self.leaves);
        earlier(self.due(), earlier(leaves, self.retry))
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<Out> {
        self.advance(now);
        if self.due()? > now {
            return None;
        }
        let frame = self.frames.front_mut()?;
        if !self.clear {
            // It would have arrived during a cut.
            frame.missing = segments(frame.bytes.len());
            self.notice_loss(now);
            return None;
        }
        let frame = self.frames.pop_front()?;
        self.sent -= 1;
        if let Some(next) = self.frames.front_mut() {
            next.at = next.at.max(frame.at);
        }
        if frame.end {
            return Some(Out::End);
        }
        self.bytes -= frame.bytes.len();
        self.counters.delivered += 1;
        self.counters.delivered_bytes += frame.bytes.len() as u64;
        Some(Out::Frame(frame.bytes))
    }

    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.pool.give(buffer);
    }

    /// Everything under way vanishes.
    pub(super) fn vanish(&mut self) {
        self.counters.lost_reset += self.frames.iter().filter(|frame| !frame.end).count() as u64;
        self.frames.clear();
        self.sent = 0;
        self.bytes = 0;
        self.retry = None;
        self.failed = 0;
        self.leaves = Instant::ZERO;
        self.used = Instant::ZERO;
    }

    /// When the first frame can be taken.
    fn due(&self) -> Option<Instant> {
        let head = self.frames.front().filter(|head| self.sent > 0 && head.missing == 0 && self.reading)?;
        Some(head.at)
    }

    fn push(&mut self, now: Instant, frame: Frame) {
        self.advance(now);
        self.bytes += frame.bytes.len();
        self.frames.push_back(frame);
        if self.sent + 1 == self.frames.len() {
            self.leaves = self.leave_time(now);
            self.advance(now);
        }
    }

    /// Does all that happens by now, in the order of time.
    fn advance(&mut self, now: Instant) {
        loop {
            let leaves = (self.sent < self.frames.len()).then_some(self.leaves);
            match (leaves, self.retry) {
                (_, Some(retry)) if retry <= now && leaves.is_none_or(|at| retry < at) => self.send_again(retry),
                (Some(leaves), _) if leaves <= now => self.leave(leaves),
                _ => return,
            }
        }
    }

    /// When the next frame will have left, if its sending begins now: the narrow place takes its time, and what loss
    /// permits is not exceeded for long.
    fn leave_time(&mut self, now: Instant) -> Instant {
        let length = self.frames.get(self.sent).map_or(0, |frame| frame.bytes.len());
        let bytes = length + HEADERS * segments(length) as usize;
        let left = now + self.config.bandwidth.map_or(Duration::ZERO, |bandwidth| bandwidth.time_for(bytes));
        let Some(rate) = self.allowed else { return left };
        let cost = |bytes: usize| Duration::from_nanos(bytes as u64 * 1_000_000_000 / rate);
        self.used = self.used.max(now) + cost(bytes);
        left.max(self.used - cost(BURST * SEGMENT))
    }

    /// The first frame that has not left leaves.
    fn leave(&mut self, now: Instant) {
        let at = now + self.travel();
        let index = self.sent;
        let missing = self.missing_of(now, segments(self.frames[index].bytes.len()));
        self.frames[index].missing = missing;
        // Behind others it waits for them.
        let before = index.checked_sub(1).map_or(Instant::ZERO, |before| self.frames[before].at);
        self.frames[index].at = at.max(before);
        self.sent += 1;
        if missing > 0 {
            self.notice_loss(now);
        }
        if self.sent < self.frames.len() {
            self.leaves = self.leave_time(now);
        }
    }

    /// Sends all that is missing again.
    fn send_again(&mut self, now: Instant) {
        self.retry = None;
        let at = now + self.travel();
        let (mut got_through, mut still_missing) = (false, false);
        for index in 0..self.sent {
            let before = self.frames[index].missing;
            if before == 0 {
                continue;
            }
            let missing = self.missing_of(now, before);
            let frame = &mut self.frames[index];
            frame.missing = missing;
            frame.at = frame.at.max(at);
            got_through |= missing < before;
            still_missing |= missing > 0;
        }
        self.failed = if got_through { 0 } else { self.failed + 1 };
        if still_missing {
            self.notice_loss(now);
        }
    }

    /// When what is missing since now is sent again, unless that is settled.
    fn notice_loss(&mut self, now: Instant) {
        let wait = if self.failed == 0 && self.sent > DUPLICATES && self.clear {
            self.rtt
        } else {
            self.rtt.max(MIN_RTO).saturating_mul(1 << self.failed.min(8)).min(MAX_RTO)
        };
        // Never at once: without a delay a retransmission would follow another in no time.
        self.retry.get_or_insert(now + wait.max(Duration::from_millis(1)));
    }

    /// How many of these segments, sent now, are lost.
    fn missing_of(&mut self, now: Instant, segments: u32) -> u32 {
        if !self.clear {
            return segments;
        }
        let mut missing = 0;
        for _ in 0..segments {
            let fate = self.dice.fate(self.number);
            self.number += 1;
            match self.loss.strikes(now, fate) {
                None => continue,
                Some(Lost::Alone) => self.counters.lost_alone += 1,
                Some(Lost::InBurst) => self.counters.lost_burst += 1,
            }
            missing += 1;
        }
        missing
    }

    /// How long a segment sent now travels.
    fn travel(&self) -> Duration {
        let jitter = nanos(self.config.jitter);
        self.config.delay + Duration::from_nanos(self.dice.fate(self.number).below(Ask::Jitter, jitter + 1))
    }
}

fn segments(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(SEGMENT).max(1)).unwrap_or(u32::MAX)
}

/// The rate that TCP finds under this loss, in bytes per second: the throughput equation of RFC 5348, section 3.1.
fn allowed_rate(loss: f64, rtt: Duration) -> Option<u64> {
    if loss <= 0.0 {
        return None;
    }
    let rtt = nanos(rtt.max(Duration::from_millis(1))) as f64 / 1e9;
    let rto = rtt.max(nanos(MIN_RTO) as f64 / 1e9);
    let window = rtt * (2.0 * loss / 3.0).sqrt();
    let timeouts = rto * (3.0 * (3.0 * loss / 8.0).sqrt()).min(1.0) * loss * (1.0 + 32.0 * loss * loss);
    Some(((SEGMENT as f64 / (window + timeouts)) as u64).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_that_loss_permits_falls_as_the_equation_says() {
        let rate = |loss| allowed_rate(loss, Duration::from_millis(100)).map(|rate| rate / 1_000);
        assert_eq!([rate(0.0), rate(0.01), rate(0.1), rate(0.3)], [None, Some(164), Some(34), Some(5)]);
    }

    #[test]
    fn segments_are_counted_up_and_never_none() {
        assert_eq!([segments(0), segments(1_400), segments(1_401), segments(65_536)], [1, 1, 2, 47]);
    }
}
