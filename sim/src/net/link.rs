//! One direction of a datagram pipe with every fault a packet can meet: delay, jitter, reordering, duplication,
//! corruption, loss, a narrow place with its queue, and cuts. Two of them make a pipe elsewhere.

use super::config::LinkConfig;
use super::counters::Counters;
use super::damage::damage;
use super::dice::{Ask, Dice, Fate};
use super::flight::{Flight, Pool};
use super::loss::{Loss, Lost};
use crate::seed::{Draw, nanos};
use core::time::Duration;
use std::collections::VecDeque;
use webstar_core::time::{Instant, earlier};

/// What the headers below a datagram take on the wire: 20 bytes for IP and 8 for UDP.
const HEADERS: usize = 28;

/// One direction of a datagram pipe.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    dice: Dice,
    loss: Loss,
    up: bool,
    /// How many packets were sent: the number of the next.
    number: u64,
    /// Packets before the narrow place; the first is being sent and leaves at `leaves`.
    waiting: VecDeque<(u64, Vec<u8>)>,
    leaves: Instant,
    flight: Flight,
    /// The packet that came out last is not as it was sent.
    is_damaged: bool,
    /// The latest arrival of a packet that was not held back.
    last: Instant,
    pool: Pool,
    counters: Counters,
}

impl Link {
    /// A link under these conditions, its luck taken from `draw`.
    pub fn new(draw: &mut Draw, now: Instant, config: LinkConfig) -> Self {
        Link {
            config,
            dice: Dice::new(draw),
            loss: Loss::new(draw, now, &config),
            up: true,
            number: 0,
            waiting: VecDeque::new(),
            leaves: Instant::ZERO,
            flight: Flight::default(),
            is_damaged: false,
            last: Instant::ZERO,
            pool: Pool::default(),
            counters: Counters::default(),
        }
    }

    /// Sends a packet. Whether it arrives, the sender does not learn.
    pub fn send(&mut self, now: Instant, bytes: &[u8]) {
        self.advance(now);
        let number = self.number;
        self.number += 1;
        self.counters.sent += 1;
        self.counters.sent_bytes += bytes.len() as u64;
        if !self.up {
            self.counters.lost_cut += 1;
            return;
        }
        let Some(bandwidth) = self.config.bandwidth else {
            let fate = self.dice.fate(number);
            if !self.is_lost(now, fate) {
                let packet = self.pool.copy(bytes);
                self.fly(now, fate, packet);
            }
            return;
        };
        if self.waiting.len() as u64 >= u64::from(bandwidth.queue) {
            self.counters.lost_queue += 1;
            return;
        }
        if self.waiting.is_empty() {
            self.leaves = now + bandwidth.time_for(bytes.len() + HEADERS);
        }
        let packet = self.pool.copy(bytes);
        self.waiting.push_back((number, packet));
    }

    /// When something happens next by itself.
    pub fn next_deadline(&self) -> Option<Instant> {
        let leaves = if self.waiting.is_empty() { None } else { Some(self.leaves) };
        earlier(leaves, self.flight.next_at())
    }

    /// The next packet that has arrived by now. Give the buffer back by `recycle`.
    pub fn deliver(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.advance(now);
        while let Some((packet, is_damaged)) = self.flight.pop(now) {
            if self.up {
                self.is_damaged = is_damaged;
                self.counters.delivered += 1;
                self.counters.delivered_bytes += packet.len() as u64;
                return Some(packet);
            }
            self.counters.lost_cut += 1;
            self.pool.give(packet);
        }
        None
    }

    /// Whether the packet that came out last is not as it was sent.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Takes back the buffer of a delivered packet, to be used again.
    pub fn recycle(&mut self, buffer: Vec<u8>) {
        self.pool.give(buffer);
    }

    /// From now on these are the conditions. What is under way arrives as it was decided; what waits before the
    /// narrow place leaves at the new rate.
    pub fn set_config(&mut self, now: Instant, config: LinkConfig) {
        self.advance(now);
        self.config = config;
        self.loss.set(now, &config);
        match (config.bandwidth, self.waiting.front()) {
            (Some(bandwidth), Some((_, head))) => {
                self.leaves = self.leaves.min(now + bandwidth.time_for(head.len() + HEADERS));
            }
            (None, Some(_)) => {
                while let Some((number, packet)) = self.waiting.pop_front() {
                    self.leave(now, number, packet);
                }
            }
            (_, None) => {}
        }
    }

    /// The present conditions.
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// Cuts or heals the link. What is sent, or would arrive, while it is cut is lost.
    pub fn set_up(&mut self, up: bool) {
        self.up = up;
    }

    /// Whether it is not cut.
    pub fn is_up(&self) -> bool {
        self.up
    }

    /// Everything under way vanishes.
    pub fn clear(&mut self) {
        self.counters.lost_reset += (self.flight.len() + self.waiting.len()) as u64;
        self.flight.clear();
        self.waiting.clear();
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Lets through the narrow place what has passed it by now.
    fn advance(&mut self, now: Instant) {
        while !self.waiting.is_empty() && self.leaves <= now {
            let Some((number, packet)) = self.waiting.pop_front() else { return };
            let left = self.leaves;
            if let (Some(bandwidth), Some((_, next))) = (self.config.bandwidth, self.waiting.front()) {
                self.leaves = left + bandwidth.time_for(next.len() + HEADERS);
            }
            self.leave(left, number, packet);
        }
    }

    /// A packet that had to wait goes on its way.
    fn leave(&mut self, now: Instant, number: u64, packet: Vec<u8>) {
        let fate = self.dice.fate(number);
        if !self.up {
            self.counters.lost_cut += 1;
            self.pool.give(packet);
        } else if self.is_lost(now, fate) {
            self.pool.give(packet);
        } else {
            self.fly(now, fate, packet);
        }
    }

    fn is_lost(&mut self, now: Instant, fate: Fate) -> bool {
        match self.loss.strikes(now, fate) {
            None => false,
            Some(Lost::Alone) => {
                self.counters.lost_alone += 1;
                true
            }
            Some(Lost::InBurst) => {
                self.counters.lost_burst += 1;
                true
            }
        }
    }

    /// A packet that is not lost goes on its way: when it arrives, in what state, and how often.
    fn fly(&mut self, now: Instant, fate: Fate, mut packet: Vec<u8>) {
        let base = now + self.config.delay;
        if fate.chance(Ask::Duplicate, self.config.duplicate) {
            let copy = self.pool.copy(&packet);
            let at = base + self.jitter(fate, Ask::CopyJitter);
            self.counters.duplicated += 1;
            self.flight.push(self.in_order(at), copy, false);
        }
        let is_damaged = fate.chance(Ask::Corrupt, self.config.corrupt) && !packet.is_empty();
        if is_damaged {
            self.counters.corrupted += 1;
            damage(fate.word(Ask::Damage), &mut packet);
        }
        let at = base + self.jitter(fate, Ask::Jitter);
        if fate.chance(Ask::Reorder, self.config.reorder) {
            let hold = nanos(self.config.hold);
            self.counters.reordered += 1;
            let at = at + Duration::from_nanos(hold / 2 + fate.below(Ask::Hold, hold / 2 + 1));
            self.flight.push(at, packet, is_damaged);
        } else {
            let at = self.in_order(at);
            self.last = self.last.max(at);
            self.flight.push(at, packet, is_damaged);
        }
    }

    fn jitter(&self, fate: Fate, ask: Ask) -> Duration {
        if self.config.jitter.is_zero() {
            return Duration::ZERO;
        }
        Duration::from_nanos(fate.below(ask, nanos(self.config.jitter).saturating_add(1)))
    }

    fn in_order(&self, at: Instant) -> Instant {
        if self.config.keep_order { at.max(self.last) } else { at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Bandwidth, Bursts};
    use crate::seed::Seed;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn link(config: LinkConfig) -> Link {
        Link::new(&mut Seed::new(5).stream("link"), Instant::ZERO, config)
    }

    /// Sends numbered packets of 100 bytes a millisecond apart: the numbers and milliseconds of arrival.
    fn arrivals(link: &mut Link, count: u64) -> Vec<(u64, f64)> {
        let mut arrived = Vec::new();
        let mut sent = 0;
        loop {
            let due = link.next_deadline();
            if sent < count && due.is_none_or(|due| due > at(sent)) {
                let mut packet = [0; 100];
                packet[..8].copy_from_slice(&sent.to_le_bytes());
                link.send(at(sent), &packet);
                sent += 1;
                continue;
            }
            let Some(due) = due else { return arrived };
            while let Some(packet) = link.deliver(due) {
                let number = packet.first_chunk().map_or(u64::MAX, |number| u64::from_le_bytes(*number));
                arrived.push((number, due.as_millis_f64()));
                link.recycle(packet);
            }
        }
    }

    #[test]
    fn a_perfect_wire_only_delays() {
        let mut link = link(LinkConfig::with_delay(ms(50)));
        let arrived = arrivals(&mut link, 100);
        let expected: Vec<_> = (0..100).map(|number: u32| (u64::from(number), f64::from(number) + 50.0)).collect();
        assert_eq!(arrived, expected);
        let counters = link.counters();
        assert_eq!((counters.sent, counters.delivered, counters.lost()), (100, 100, 0));
        assert_eq!((counters.sent_bytes, counters.delivered_bytes), (10_000, 10_000));
    }

    #[test]
    fn loss_bursts_and_copies_have_their_rates() {
        let bursts = Some(Bursts { mean: ms(200), share: 0.1 });
        let config = LinkConfig { loss: 0.1, bursts, duplicate: 0.5, ..LinkConfig::with_delay(ms(5)) };
        let mut link = link(config);
        let arrived = arrivals(&mut link, 100_000).len() as u64;
        let counters = link.counters();
        assert!((8_000..12_000).contains(&counters.lost_burst), "{counters:?}");
        assert!((8_600..9_400).contains(&counters.lost_alone), "{counters:?}");
        assert!((38_000..43_000).contains(&counters.duplicated), "{counters:?}");
        assert_eq!(arrived, 100_000 - counters.lost() + counters.duplicated);
        assert!((config.damage() - 0.19).abs() < 1e-9);
    }

    #[test]
    fn jitter_spreads_evenly_and_keeps_order_when_told() {
        let free = LinkConfig { jitter: ms(100), ..LinkConfig::with_delay(ms(50)) };
        let arrived = arrivals(&mut link(free), 20_000);
        let waits: Vec<f64> = arrived.iter().map(|(number, time)| time - *number as f64).collect();
        assert!(waits.iter().all(|wait| (50.0..=150.0).contains(wait)));
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        assert!((99.0..101.0).contains(&mean), "{mean}");
        assert!(!arrived.is_sorted_by_key(|(number, _)| *number));
        let ordered = LinkConfig { keep_order: true, ..free };
        assert!(arrivals(&mut link(ordered), 20_000).is_sorted_by_key(|(number, _)| *number));
    }

    #[test]
    fn reordering_holds_some_back() {
        let config = LinkConfig { reorder: 0.2, hold: ms(20), ..LinkConfig::with_delay(ms(5)) };
        let mut link = link(config);
        let late = arrivals(&mut link, 20_000).iter().filter(|(number, time)| time - *number as f64 >= 15.0).count();
        assert!((3_800..4_200).contains(&late), "{late}");
        assert_eq!(late as u64, link.counters().reordered);
    }

    #[test]
    fn a_narrow_place_spaces_packets_and_drops_the_tail() {
        // 100 bytes and their headers take 64 ms at 16 kbit/s.
        let bandwidth = Some(Bandwidth { bits_per_s: 16_000, queue: 10 });
        let mut link = link(LinkConfig { bandwidth, ..LinkConfig::with_delay(ms(5)) });
        let arrived = arrivals(&mut link, 30);
        let expected: Vec<_> =
            (0..10).map(|number: u32| (u64::from(number), f64::from(number + 1) * 64.0 + 5.0)).collect();
        assert_eq!(arrived, expected);
        assert_eq!(link.counters().lost_queue, 20);
    }

    #[test]
    fn a_narrow_place_that_widens_lets_the_queue_go() {
        let bandwidth = Some(Bandwidth { bits_per_s: 16_000, queue: 1_000 });
        let narrow = LinkConfig { bandwidth, ..LinkConfig::with_delay(ms(5)) };
        let mut link = link(narrow);
        (0..1_000).for_each(|_| link.send(at(0), &[0; 100]));
        link.set_config(
            at(64),
            LinkConfig { bandwidth: Some(Bandwidth { bits_per_s: 1_024_000, queue: 10 }), ..narrow },
        );
        assert_eq!(link.next_deadline(), Some(at(65)));
        link.set_config(at(65), LinkConfig::with_delay(ms(5)));
        assert_eq!(core::iter::from_fn(|| link.deliver(at(70))).count(), 1_000);
        assert_eq!(link.next_deadline(), None);
    }

    #[test]
    fn it_is_known_of_every_packet_whether_it_is_damaged() {
        let mut link = link(LinkConfig { corrupt: 0.5, duplicate: 0.5, ..LinkConfig::with_delay(ms(5)) });
        let mut damaged = 0;
        for number in 0..1_000 {
            link.send(at(number), b"as it was sent");
            while let Some(packet) = link.deliver(at(number)) {
                assert_eq!(link.is_damaged(), packet != b"as it was sent");
                damaged += u64::from(link.is_damaged());
            }
        }
        assert!((400..600).contains(&damaged), "{damaged}");
    }

    #[test]
    fn nothing_crosses_a_cut() {
        let mut link = link(LinkConfig::with_delay(ms(50)));
        link.send(at(0), b"due while cut");
        link.set_up(false);
        link.send(at(10), b"sent while cut");
        assert_eq!(link.deliver(at(60)), None);
        link.send(at(70), b"sent while cut too");
        link.set_up(true);
        link.send(at(80), b"healed");
        assert_eq!(link.deliver(at(130)).as_deref(), Some(b"healed".as_slice()));
        assert_eq!(link.counters().lost_cut, 3);
    }

    #[test]
    fn one_fault_does_not_change_the_luck_of_another() {
        let lossy = LinkConfig { loss: 0.3, ..LinkConfig::with_delay(ms(5)) };
        let all = LinkConfig { jitter: ms(3), corrupt: 0.05, reorder: 0.3, hold: ms(9), duplicate: 0.5, ..lossy };
        let lost = |config| {
            let mut link = link(config);
            arrivals(&mut link, 5_000);
            link.counters().lost_alone
        };
        assert_eq!(lost(lossy), lost(all));
    }
}
