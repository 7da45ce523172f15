//! The sending half of the SCTP model: the congestion window, what is in flight, and giving up what got lost.
//! It follows sctp-proto 0.10.8 for messages that are never sent again. Fragments and the peer's window are left out:
//! a message is one chunk, and the receiver is fast.

use super::wire::{MTU, Writer};
use crate::net::flight::Pool;
use std::collections::VecDeque;
use webstar_core::time::{Duration, Instant};

const RTO_INITIAL: Duration = Duration::from_secs(3);
const RTO_MIN: Duration = Duration::from_secs(1);
const RTO_MAX: Duration = Duration::from_secs(60);
/// The same FORWARD-TSN is sent so often at most within so long: it and the acknowledgement that answers it would call
/// forth each other without end on a wire that doubles packets.
const FORWARDS: u32 = 8;
const FORWARDS_WITHIN: Duration = Duration::from_millis(5);
/// A number reported missing so often counts as lost.
const MISSED: u8 = 3;
/// The window never shrinks below this by fast recovery.
const FLOOR: usize = 4 * MTU;

/// What one side sends.
#[derive(Debug)]
pub(super) struct Window {
    /// Messages that wait for the window.
    pending: VecDeque<Vec<u8>>,
    pending_bytes: usize,
    /// What was sent, from the number after `cumulative` on.
    flight: VecDeque<Sent>,
    flight_bytes: usize,
    /// The peer has everything up to here.
    cumulative: u64,
    /// And need not wait for anything up to here. A FORWARD-TSN says so, if one is owed.
    given_up: u64,
    owes_forward: bool,
    /// The last FORWARD-TSN sent, since when, and how often.
    forwarded: (u64, Option<Instant>, u32),
    window: usize,
    /// Below this the window grows fast.
    threshold: usize,
    acked_since_growth: usize,
    /// Fast recovery goes on until this number is acknowledged.
    recovery: Option<u64>,
    rtt: Rtt,
    /// T3: when everything in flight counts as lost, and how often that happened in a row.
    timeout: Option<Instant>,
    timeouts: u32,
}

#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Instant,
    /// Its bytes, while they count as in flight.
    bytes: usize,
    acked: bool,
    abandoned: bool,
    missed: u8,
}

#[derive(Debug, Default)]
struct Rtt {
    smooth: Option<Duration>,
    variation: Duration,
    /// The first number whose cumulative acknowledgement makes the next sample: one a round trip.
    next: u64,
}

impl Default for Window {
    fn default() -> Self {
        Window {
            pending: VecDeque::new(),
            pending_bytes: 0,
            flight: VecDeque::new(),
            flight_bytes: 0,
            cumulative: 0,
            given_up: 0,
            owes_forward: false,
            forwarded: (0, None, 0),
            window: (4 * MTU).min(4_380.max(2 * MTU)),
            threshold: 1 << 20,
            acked_since_growth: 0,
            recovery: None,
            rtt: Rtt::default(),
            timeout: None,
            timeouts: 0,
        }
    }
}

impl Window {
    /// Bytes of messages that wait or are in flight.
    pub(super) fn buffered(&self) -> usize {
        self.pending_bytes + self.flight_bytes
    }

    pub(super) fn push(&mut self, message: Vec<u8>) {
        self.pending_bytes += message.len();
        self.pending.push_back(message);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.timeout
    }

    /// Sends what the window lets through, several messages to a packet, and the FORWARD-TSN that is owed.
    pub(super) fn flush(&mut self, now: Instant, pool: &mut Pool, writer: &mut Writer, send: &mut dyn FnMut(&[u8])) {
        writer.data();
        while let Some(message) =
            self.pending.pop_front_if(|next| self.flight_bytes + next.len() <= self.window || self.flight.is_empty())
        {
            if !writer.has_room(message.len()) {
                writer.finish().into_iter().for_each(&mut *send);
                writer.data();
            }
            self.pending_bytes -= message.len();
            self.flight_bytes += message.len();
            writer.chunk(self.next_tsn(), &message);
            let sent = Sent { at: now, bytes: message.len(), acked: false, abandoned: false, missed: 0 };
            self.flight.push_back(sent);
            pool.give(message);
            self.start_timeout(now);
        }
        writer.finish().into_iter().for_each(&mut *send);
        if core::mem::take(&mut self.owes_forward) {
            let (tsn, since, times) = self.forwarded;
            let is_repeat = tsn == self.given_up && since.is_some_and(|at| now < at + FORWARDS_WITHIN);
            self.forwarded = if is_repeat { (tsn, since, times + 1) } else { (self.given_up, Some(now), 1) };
            if self.forwarded.2 <= FORWARDS {
                send(writer.forward(self.given_up));
            }
        }
    }

    /// The peer says what it has.
    pub(super) fn on_sack(&mut self, now: Instant, cumulative: u64, gaps: impl Iterator<Item = (u64, u64)>) {
        if cumulative < self.cumulative {
            return;
        }
        let bytes_before = self.flight_bytes;
        let oldest = self.flight.iter().position(Sent::is_out).map(|index| self.cumulative + 1 + index as u64);
        let advanced = cumulative > self.cumulative;
        let mut news = self.on_cumulative(now, cumulative);
        let highest = self.on_gaps(now, gaps, &mut news);
        if news {
            self.timeouts = 0;
        }
        if oldest.is_some_and(|tsn| tsn <= self.cumulative || !self.flight[self.index(tsn)].is_out()) {
            self.timeout = None;
        }
        if advanced {
            self.grow(bytes_before - self.flight_bytes);
        }
        self.count_missing(highest.unwrap_or(cumulative), advanced);
        self.give_up();
        if self.flight.is_empty() {
            self.timeout = None;
            self.timeouts = 0;
        } else {
            self.start_timeout(now);
        }
    }

    /// Everything in flight counts as lost, if it is time for that.
    pub(super) fn on_timeout(&mut self, now: Instant) {
        if self.timeout.is_none_or(|at| at > now) {
            return;
        }
        self.timeout = None;
        self.timeouts += 1;
        self.threshold = FLOOR.max(self.window / 2);
        self.window = MTU;
        self.abandon(|_| true);
        self.give_up();
        self.start_timeout(now);
    }

    /// Takes what is acknowledged without a gap out of the flight. True if any of it is news.
    fn on_cumulative(&mut self, now: Instant, cumulative: u64) -> bool {
        let mut news = false;
        while self.cumulative < cumulative {
            let Some(sent) = self.flight.pop_front() else { break };
            self.cumulative += 1;
            self.flight_bytes -= sent.bytes;
            news |= !sent.acked;
            if sent.is_out() && self.cumulative >= self.rtt.next {
                self.rtt.next = self.next_tsn();
                self.rtt.sample(now.since(sent.at));
            }
            self.recovery = self.recovery.filter(|exit| *exit != self.cumulative);
        }
        news
    }

    /// Marks what arrived beyond a gap. The highest number that is news, if one is.
    fn on_gaps(&mut self, now: Instant, gaps: impl Iterator<Item = (u64, u64)>, news: &mut bool) -> Option<u64> {
        let mut highest = None;
        let next_tsn = self.next_tsn();
        for tsn in gaps.flat_map(|(first, last)| first..=last) {
            let index = self.index(tsn);
            let Some(sent) = self.flight.get_mut(index).filter(|sent| !sent.acked) else { continue };
            *news = true;
            if sent.is_out() {
                highest = Some(tsn);
                self.flight_bytes -= core::mem::take(&mut sent.bytes);
                self.rtt.sample(now.since(sent.at));
                self.rtt.next = next_tsn;
            }
            sent.acked = true;
        }
        highest
    }

    /// After the cumulative number moved: the window grows if it is what holds the sender up.
    fn grow(&mut self, acked: usize) {
        if self.window <= self.threshold {
            if self.recovery.is_none() && !self.pending.is_empty() {
                self.window += acked.min(self.window);
            }
            return;
        }
        self.acked_since_growth += acked;
        if self.acked_since_growth >= self.window && !self.pending.is_empty() {
            self.acked_since_growth -= self.window;
            self.window += MTU;
        }
    }

    /// Counts how often each number was passed over; the third time begins fast recovery, and those are given up.
    fn count_missing(&mut self, highest: u64, advanced: bool) {
        let mut lost = self.recovery.is_some() && advanced;
        if self.recovery.is_none() || advanced {
            let passed = usize::try_from((highest - self.cumulative).saturating_sub(1)).unwrap_or(usize::MAX);
            let end = if self.recovery.is_none() { passed } else { usize::MAX };
            for index in 0..end.min(self.flight.len()) {
                let sent = &mut self.flight[index];
                if sent.is_out() && sent.missed < MISSED {
                    sent.missed += 1;
                    if sent.missed == MISSED && self.recovery.is_none() {
                        self.recovery = Some(highest);
                        self.threshold = FLOOR.max(self.window / 2);
                        self.window = self.threshold;
                        self.acked_since_growth = 0;
                        lost = true;
                    }
                }
            }
        }
        if lost {
            self.abandon(|sent| sent.missed >= MISSED);
        }
    }

    /// No longer counts on those in flight that are lost.
    fn abandon(&mut self, is_lost: impl Fn(&Sent) -> bool) {
        for sent in self.flight.iter_mut().filter(|sent| sent.is_out() && is_lost(sent)) {
            sent.abandoned = true;
            self.flight_bytes -= core::mem::take(&mut sent.bytes);
        }
    }

    /// The peer need not wait for what was abandoned next after what it has.
    fn give_up(&mut self) {
        self.given_up = self.given_up.max(self.cumulative);
        while self.flight.get(self.index(self.given_up + 1)).is_some_and(|sent| sent.abandoned) {
            self.given_up += 1;
        }
        self.owes_forward = self.given_up > self.cumulative;
    }

    fn start_timeout(&mut self, now: Instant) {
        if self.timeout.is_none_or(|at| at < now) {
            let wait = self.rtt.timeout().saturating_mul(1 << self.timeouts.min(16)).min(RTO_MAX);
            self.timeout = Some(now + wait);
        }
    }

    fn next_tsn(&self) -> u64 {
        self.cumulative + 1 + self.flight.len() as u64
    }

    /// Where in the flight this number is; beyond its end if it is not.
    fn index(&self, tsn: u64) -> usize {
        tsn.checked_sub(self.cumulative + 1).and_then(|index| usize::try_from(index).ok()).unwrap_or(usize::MAX)
    }
}

impl Sent {
    /// Neither acknowledged nor given up.
    fn is_out(&self) -> bool {
        !self.acked && !self.abandoned
    }
}

impl Rtt {
    fn sample(&mut self, rtt: Duration) {
        match self.smooth {
            None => {
                self.variation = rtt / 2;
                self.smooth = Some(rtt);
            }
            Some(smooth) => {
                self.variation = (self.variation * 6 + smooth.abs_diff(rtt) * 2) / 8;
                self.smooth = Some((smooth * 7 + rtt) / 8);
            }
        }
    }

    fn timeout(&self) -> Duration {
        self.smooth.map_or(RTO_INITIAL, |smooth| (smooth + self.variation * 4).clamp(RTO_MIN, RTO_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    /// Sends what the window lets through of messages of 1,000 bytes, and tells how many packets went.
    fn fill(window: &mut Window, now: Instant, messages: usize) -> usize {
        (0..messages).for_each(|_| window.push(vec![0; 1_000]));
        let mut packets = 0;
        window.flush(now, &mut Pool::default(), &mut Writer::default(), &mut |_| packets += 1);
        packets
    }

    #[test]
    fn the_window_grows_while_it_is_what_holds_the_sender_up() {
        let mut window = Window::default();
        assert_eq!(fill(&mut window, at(0), 4), 4);
        window.on_sack(at(100), 4, core::iter::empty());
        assert_eq!((window.window, window.next_deadline()), (4_380, None));
        assert_eq!(fill(&mut window, at(100), 99), 4);
        window.on_sack(at(200), 8, core::iter::empty());
        assert_eq!((window.window, window.buffered()), (8_380, 95_000));
    }

    #[test]
    fn three_reports_of_a_missing_number_halve_the_window_down_to_four_packets() {
        let mut window = Window { window: 20 * MTU, threshold: 0, ..Window::default() };
        assert_eq!(fill(&mut window, at(0), 8), 8);
        window.on_sack(at(100), 0, [(2, 2)].into_iter());
        window.on_sack(at(101), 0, [(2, 3)].into_iter());
        assert_eq!((window.recovery, window.owes_forward), (None, false));
        window.on_sack(at(102), 0, [(2, 4)].into_iter());
        assert_eq!((window.recovery, window.window, window.given_up), (Some(4), 10 * MTU, 1));
        assert_eq!(fill(&mut window, at(102), 0), 1, "the FORWARD-TSN");
        window.on_sack(at(200), 4, core::iter::empty());
        assert_eq!(window.recovery, None);
        window.window = 5 * MTU;
        for acked in 6..=8 {
            window.on_sack(at(200), 4, [(6, acked)].into_iter());
        }
        assert_eq!((window.window, window.buffered()), (FLOOR, 0));
    }

    #[test]
    fn a_time_out_gives_up_everything_and_leaves_a_window_of_one_packet() {
        let mut window = Window::default();
        fill(&mut window, at(0), 4);
        assert_eq!(window.next_deadline(), Some(at(3_000)), "nothing is known of the round trip");
        window.on_timeout(at(3_000));
        assert_eq!((window.window, window.threshold, window.buffered()), (MTU, FLOOR, 0));
        assert_eq!(window.next_deadline(), Some(at(9_000)), "the time-out doubles");
        assert_eq!(fill(&mut window, at(3_000), 3), 2, "one message and the FORWARD-TSN");
        window.on_sack(at(3_100), 5, core::iter::empty());
        assert_eq!((window.timeouts, window.next_deadline()), (0, None));
        assert_eq!(fill(&mut window, at(3_100), 0), 2, "the window has doubled");
        assert_eq!(window.next_deadline(), Some(at(4_100)), "and a second is the least");
    }
}
