//! A two-way pipe as an unordered, never-retransmitting data channel is one: each message travels alone, but leaves
//! only when SCTP's congestion window lets it, and that window collapses under loss.
//! A window model held to measurements of sctp-proto, not an SCTP: no handshake, no fragments, no reliable channels.

mod acks;
#[cfg(test)]
mod calibration;
mod window;
mod wire;

use self::acks::Acks;
use self::window::Window;
use self::wire::{Reader, Writer};
use super::config::LinkConfig;
use super::counters::Counters;
use super::datagrams::Datagrams;
use super::flight::Pool;
use super::{Arrival, Refused, Side};
use crate::seed::Seed;
use std::collections::VecDeque;
use webstar_core::path::webrtc::{self, FILL_STEP};
use webstar_core::time::{Instant, earlier};

/// The send buffer of the real stack, over all channels of a connection.
pub const SCTP_BUFFER: usize = webrtc::MAX_BUFFERED;

/// A two-way SCTP data channel.
#[derive(Debug)]
pub struct Sctp {
    /// What carries the packets.
    wire: Datagrams,
    /// The conditions as they were given, by sending side.
    configs: [LinkConfig; 2],
    ends: [End; 2],
    /// Messages out of packets that have arrived, not yet taken.
    ready: VecDeque<(Side, Vec<u8>)>,
    buffer: usize,
    /// Messages, not packets, by sending side.
    counters: [Counters; 2],
    pool: Pool,
    writer: Writer,
}

/// The state of one side.
#[derive(Debug, Default)]
struct End {
    window: Window,
    acks: Acks,
    /// What is taken for the fill of the buffer: what was told, and what was given since.
    fill: usize,
}

impl Sctp {
    /// An open channel with the same conditions both ways and `buffer` bytes of send buffer on each side.
    pub fn new(seed: Seed, now: Instant, config: LinkConfig, buffer: usize) -> Self {
        Sctp {
            wire: Datagrams::new(seed, now, checked(config)),
            configs: [config; 2],
            ends: Default::default(),
            ready: VecDeque::new(),
            buffer,
            counters: Default::default(),
            pool: Pool::default(),
            writer: Writer::default(),
        }
    }

    pub(super) fn send(&mut self, now: Instant, from: Side, message: &[u8]) -> Result<(), Refused> {
        let counters = &mut self.counters[from.index()];
        if !self.wire.is_open(from) {
            counters.refused += 1;
            return Err(Refused::Closed);
        }
        let End { window, fill, .. } = &mut self.ends[from.index()];
        *fill += message.len();
        if window.buffered() + message.len() > self.buffer {
            counters.refused += 1;
            self.flush(now, from);
            return Err(Refused::Full);
        }
        counters.sent += 1;
        counters.sent_bytes += message.len() as u64;
        window.push(self.pool.copy(message));
        self.flush(now, from);
        Ok(())
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<(Side, Arrival)> {
        loop {
            if let Some((to, message)) = self.ready.pop_front() {
                let counters = &mut self.counters[to.other().index()];
                counters.delivered += 1;
                counters.delivered_bytes += message.len() as u64;
                return Some((to, Arrival::Packet(message)));
            }
            match self.wire.poll(now) {
                Some((to, Arrival::Packet(packet))) => {
                    self.on_packet(now, to, &packet);
                    self.wire.recycle(to, packet);
                    self.flush(now, to);
                }
                Some((to, Arrival::Closed)) => {
                    self.ends[to.index()] = End::default();
                    return Some((to, Arrival::Closed));
                }
                None if !self.on_timers(now) => return None,
                None => {}
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let ends = earlier(self.ends[0].next_deadline(), self.ends[1].next_deadline());
        earlier(ends, self.wire.next_deadline())
    }

    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.pool.give(buffer);
    }

    pub(super) fn buffered(&self, from: Side) -> usize {
        self.ends[from.index()].fill
    }

    pub(super) fn set_config(&mut self, now: Instant, from: Side, config: LinkConfig) {
        self.configs[from.index()] = config;
        self.wire.set_config(now, from, checked(config));
    }

    pub(super) fn config(&self, from: Side) -> &LinkConfig {
        &self.configs[from.index()]
    }

    pub(super) fn set_up(&mut self, from: Side, up: bool) {
        self.wire.set_up(from, up);
    }

    pub(super) fn is_up(&self, from: Side) -> bool {
        self.wire.is_up(from)
    }

    pub(super) fn close(&mut self, now: Instant, by: Side) {
        self.wire.close(now, by);
        self.ends[by.index()] = End::default();
        self.ready.retain(|(to, _)| *to != by);
    }

    pub(super) fn reset(&mut self, now: Instant) {
        self.wire.reset(now);
        self.start();
    }

    pub(super) fn reopen(&mut self) {
        self.wire.reopen();
        self.start();
    }

    pub(super) fn is_open(&self, side: Side) -> bool {
        self.wire.is_open(side)
    }

    /// Messages sent, delivered and refused; what befell the packets that carried them.
    pub(super) fn counters(&self, from: Side) -> Counters {
        let Counters { sent, sent_bytes, delivered, delivered_bytes, refused, .. } = self.counters[from.index()];
        Counters { sent, sent_bytes, delivered, delivered_bytes, refused, ..self.wire.counters(from) }
    }

    fn start(&mut self) {
        self.ends = Default::default();
        self.ready.clear();
    }

    fn on_packet(&mut self, now: Instant, to: Side, packet: &[u8]) {
        let end = &mut self.ends[to.index()];
        match wire::read(packet) {
            Some(Reader::Data(chunks)) => {
                for (tsn, message) in chunks {
                    if end.acks.arrived(tsn) {
                        self.ready.push_back((to, self.pool.copy(message)));
                    }
                }
                end.acks.after_data(now);
            }
            Some(Reader::Sack(cumulative, gaps)) => end.window.on_sack(now, cumulative, gaps),
            Some(Reader::Forward(tsn)) => end.acks.forward(now, tsn),
            None => {}
        }
    }

    /// Does what is due by now at both sides. False if nothing was.
    fn on_timers(&mut self, now: Instant) -> bool {
        let mut any = false;
        for side in Side::BOTH {
            if self.ends[side.index()].next_deadline().is_some_and(|at| at <= now) {
                self.ends[side.index()].window.on_timeout(now);
                self.flush(now, side);
                any = true;
            }
        }
        any
    }

    /// Sends what this side may send now.
    fn flush(&mut self, now: Instant, from: Side) {
        let Sctp { wire, ends, pool, writer, .. } = self;
        let End { window, acks, fill } = &mut ends[from.index()];
        // A side that has closed meanwhile sends nothing.
        let mut send = |packet: &[u8]| {
            let _ = wire.send(now, from, packet);
        };
        window.flush(now, pool, writer, &mut send);
        if acks.take_due(now) {
            send(writer.sack(acks.cumulative(), acks.gaps()));
        }
        let held = window.buffered();
        if held.abs_diff(*fill) >= FILL_STEP || held == 0 {
            *fill = held;
        }
    }
}

impl End {
    fn next_deadline(&self) -> Option<Instant> {
        earlier(self.window.next_deadline(), self.acks.next_deadline())
    }
}

/// A damaged packet fails its checksum: to SCTP it is lost.
fn checked(config: LinkConfig) -> LinkConfig {
    LinkConfig { loss: 1.0 - (1.0 - config.loss) * (1.0 - config.corrupt), corrupt: 0.0, ..config }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Side::{A, B};
    use core::time::Duration;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn channel(config: LinkConfig) -> Sctp {
        Sctp::new(Seed::new(6), Instant::ZERO, config, 10_000)
    }

    fn clean() -> LinkConfig {
        LinkConfig::with_delay(Duration::from_millis(50))
    }

    /// What arrives until then, with its moment.
    fn arrivals(channel: &mut Sctp, until: Instant) -> Vec<(Instant, Side, Arrival)> {
        let mut all = Vec::new();
        while let Some(due) = channel.next_deadline().filter(|due| *due <= until) {
            all.extend(core::iter::from_fn(|| channel.poll(due)).map(|(side, arrival)| (due, side, arrival)));
        }
        all
    }

    #[test]
    fn the_first_window_goes_at_once_and_the_rest_after_its_acknowledgement() {
        let mut channel = channel(clean());
        (0..8).for_each(|_| channel.send(at(0), A, &[1; 1_000]).expect("room"));
        assert_eq!(channel.buffered(A), 8_000);
        let arrived = arrivals(&mut channel, at(1_000));
        let times: Vec<_> = arrived.iter().map(|(due, ..)| *due).collect();
        assert_eq!(times, [50, 50, 50, 50, 150, 150, 150, 150].map(at));
        assert_eq!((channel.buffered(A), channel.counters(A).delivered), (0, 8));
    }

    #[test]
    fn what_waits_travels_together() {
        let mut channel = channel(clean());
        (0..4).for_each(|_| channel.send(at(0), A, &[1; 1_000]).expect("room"));
        (0..10).for_each(|_| channel.send(at(0), A, &[2; 400]).expect("room"));
        arrivals(&mut channel, at(1_000));
        // Four large ones, and the ten small ones by two.
        assert_eq!((channel.wire.counters(A).sent, channel.counters(A).delivered), (9, 14));
    }

    #[test]
    fn the_buffer_refuses_what_it_has_no_room_for() {
        let mut channel = channel(clean());
        (0..10).for_each(|_| channel.send(at(0), A, &[1; 1_000]).expect("room"));
        assert_eq!(channel.send(at(0), A, &[1; 1]), Err(Refused::Full));
        // Who gave it counts it, until the next step is told.
        assert_eq!((channel.buffered(A), channel.counters(A).refused), (10_001, 1));
        arrivals(&mut channel, at(1_000));
        channel.send(at(1_000), A, &[1; 1_000]).expect("room again");
    }

    #[test]
    fn the_fill_of_the_buffer_is_told_in_steps_and_when_it_is_empty() {
        let mut channel = channel(clean());
        (0..2).for_each(|_| channel.send(at(0), A, &[1; 1_000]).expect("room"));
        channel.send(at(60), A, &[1; 500]).expect("room");
        assert_eq!(channel.buffered(A), 2_500);
        // Two packets are acknowledged at once, and then a step is due.
        arrivals(&mut channel, at(150));
        assert_eq!(channel.buffered(A), 500);
        channel.send(at(150), A, &[1; 500]).expect("room");
        assert_eq!(channel.buffered(A), 1_000);
        arrivals(&mut channel, at(1_000));
        assert_eq!(channel.buffered(A), 0);
        (0..2).for_each(|_| channel.send(at(1_000), A, &[1; 500]).expect("room"));
        channel.send(at(1_001), A, &[1; 500]).expect("room");
        arrivals(&mut channel, at(1_110));
        assert_eq!(channel.buffered(A), 1_500, "a thousand bytes less are no step");
        arrivals(&mut channel, at(2_000));
        assert_eq!(channel.buffered(A), 0);
    }

    #[test]
    fn a_cut_loses_what_was_in_flight_and_backs_off() {
        let mut channel = channel(clean());
        channel.send(at(0), A, b"before").expect("room");
        assert_eq!(arrivals(&mut channel, at(400)).len(), 1);
        channel.set_up(A, false);
        (0..6).for_each(|_| channel.send(at(400), A, &[1; 1_000]).expect("room"));
        assert_eq!(channel.buffered(A), 6_000);
        assert_eq!(arrivals(&mut channel, at(1_399)), []);
        // The time-out comes a second after the sending: the four of the window are given up, and a window of one
        // packet lets the fifth go into the cut.
        assert_eq!(arrivals(&mut channel, at(2_000)), []);
        assert_eq!(channel.buffered(A), 2_000);
        channel.set_up(A, true);
        // The second one comes two seconds after the first; then the sixth gets through.
        let late: Vec<_> = arrivals(&mut channel, at(9_000)).iter().map(|(due, ..)| *due).collect();
        assert_eq!((late, channel.buffered(A)), (vec![at(3_450)], 0));
    }

    #[test]
    fn damaged_packets_are_lost_and_copies_are_told_once() {
        let config = LinkConfig { corrupt: 0.05, duplicate: 0.5, ..clean() };
        let mut channel = channel(config);
        let mut arrived = 0;
        for step in 0..10_000 {
            channel.send(at(step * 20), A, &step.to_le_bytes()).expect("room");
            arrived += arrivals(&mut channel, at(step * 20 + 19)).len();
        }
        assert!((9_400..9_600).contains(&arrived), "{arrived}");
        assert_eq!((channel.config(A), channel.counters(A).corrupted), (&config, 0));
    }

    #[test]
    fn on_a_wire_that_doubles_packets_control_packets_do_not_multiply() {
        let config = LinkConfig { loss: 0.3, duplicate: 0.5, ..clean() };
        let mut channel = channel(config);
        for step in 0..1_000 {
            channel.send(at(step * 20), A, &step.to_le_bytes()).expect("room");
            arrivals(&mut channel, at(step * 20 + 19));
        }
        let packets = channel.counters(A).duplicated + channel.wire.counters(A).sent;
        assert!(packets < 50_000, "{packets} packets for 1,000 messages");
    }

    #[test]
    fn after_reopening_nothing_old_arrives() {
        let mut channel = channel(clean());
        channel.send(at(0), A, b"old").expect("room");
        channel.reset(at(10));
        let closed = arrivals(&mut channel, at(1_000));
        assert_eq!(closed, [(at(10), A, Arrival::Closed), (at(10), B, Arrival::Closed)]);
        assert_eq!(channel.send(at(1_000), B, b"x"), Err(Refused::Closed));
        channel.reopen();
        channel.send(at(1_000), B, b"new").expect("open");
        assert_eq!(arrivals(&mut channel, at(1_050)), [(at(1_050), A, Arrival::Packet(b"new".to_vec()))]);
        channel.close(at(2_000), A);
        assert_eq!(arrivals(&mut channel, at(9_000)), [(at(2_050), B, Arrival::Closed)]);
        assert_eq!(channel.next_deadline(), None);
    }
}
