//! A TCP-like two-way pipe: frames arrive whole and in order, or not at all. It opens, closes, breaks, or is half-open.
//! How one direction stalls under loss is the flow's job; the time a handshake takes is the world's.

use super::config::LinkConfig;
use super::counters::Counters;
use super::flow::{Flow, Out};
use super::{Arrival, Refused, Side};
use crate::seed::{Seed, nanos};
use core::time::Duration;
use webstar_core::time::{Instant, earlier};

/// A two-way stream. Cutting one way stalls both: without acknowledgements TCP sends nothing new for long.
#[derive(Debug)]
pub struct Stream {
    /// By the sending side.
    flows: [Flow; 2],
    /// By side: whether it believes the stream to be open.
    open: [bool; 2],
    /// By side: when it hears that the stream broke.
    broken: [Option<Instant>; 2],
    /// By sending side: whether the way is not cut.
    up: [bool; 2],
    half_open: bool,
    buffer: usize,
    generation: u32,
}

impl Stream {
    /// An open stream with the same conditions both ways and `buffer` bytes of send buffer on each side.
    pub fn new(seed: Seed, now: Instant, config: LinkConfig, buffer: usize) -> Self {
        let flow = |name| Flow::new(&mut seed.stream(name), now);
        let mut stream = Stream {
            flows: [flow("from a"), flow("from b")],
            open: [true; 2],
            broken: [None; 2],
            up: [true; 2],
            half_open: false,
            buffer,
            generation: 0,
        };
        stream.set_config(now, Side::A, config);
        stream.set_config(now, Side::B, config);
        stream
    }

    /// The connection dies without a word: a forgotten NAT mapping, a pulled plug. Both sides believe it open, writes
    /// fill the send buffer, nothing arrives. Only `reset`, `close` and `reopen` end it.
    pub fn half_open(&mut self) {
        self.half_open = true;
        self.set_clear();
    }

    /// Whether this side reads what arrives. If it does not, the other's send buffer fills.
    pub fn set_reading(&mut self, side: Side, reading: bool) {
        self.flows[side.other().index()].reading = reading;
    }

    /// How often the stream was opened again.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    pub(super) fn send(&mut self, now: Instant, from: Side, bytes: &[u8]) -> Result<(), Refused> {
        let open = self.open[from.index()];
        let flow = &mut self.flows[from.index()];
        if !open {
            flow.counters.refused += 1;
            return Err(Refused::Closed);
        }
        // One frame is always taken, else one larger than the buffer could never be sent.
        if flow.bytes() > 0 && flow.bytes() + bytes.len() > self.buffer {
            flow.counters.refused += 1;
            return Err(Refused::Full);
        }
        flow.send(now, bytes);
        if !self.open[from.other().index()] {
            flow.vanish();
        }
        Ok(())
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<(Side, Arrival)> {
        for side in Side::BOTH {
            if self.broken[side.index()].take_if(|at| *at <= now).is_some() {
                return Some((side, Arrival::Closed));
            }
        }
        loop {
            let from = Side::earlier(self.flows[0].next_deadline(), self.flows[1].next_deadline());
            let flow = &mut self.flows[from.index()];
            if flow.next_deadline().is_none_or(|at| at > now) {
                return None;
            }
            match flow.poll(now) {
                None => continue,
                Some(Out::Frame(frame)) => return Some((from.other(), Arrival::Packet(frame))),
                Some(Out::End) => {
                    self.shut(from.other());
                    return Some((from.other(), Arrival::Closed));
                }
            }
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let broken = earlier(self.broken[0], self.broken[1]);
        earlier(broken, earlier(self.flows[0].next_deadline(), self.flows[1].next_deadline()))
    }

    pub(super) fn recycle(&mut self, to: Side, buffer: Vec<u8>) {
        self.flows[to.other().index()].recycle(buffer);
    }

    pub(super) fn buffered(&self, from: Side) -> usize {
        self.flows[from.index()].bytes()
    }

    pub(super) fn set_config(&mut self, now: Instant, from: Side, config: LinkConfig) {
        let other = *self.config(from.other());
        let way = |config: &LinkConfig| nanos(config.delay) + nanos(config.jitter) / 2;
        let rtt = Duration::from_nanos(way(&config) + way(&other));
        self.flows[from.index()].set_config(now, config, rtt);
        self.flows[from.other().index()].set_config(now, other, rtt);
    }

    pub(super) fn config(&self, from: Side) -> &LinkConfig {
        self.flows[from.index()].config()
    }

    pub(super) fn set_up(&mut self, from: Side, up: bool) {
        self.up[from.index()] = up;
        self.set_clear();
    }

    pub(super) fn is_up(&self, from: Side) -> bool {
        self.up[from.index()]
    }

    pub(super) fn close(&mut self, now: Instant, by: Side) {
        if self.open[by.index()] {
            self.shut(by);
            if self.open[by.other().index()] {
                self.flows[by.index()].end(now);
            }
        }
    }

    pub(super) fn reset(&mut self, now: Instant) {
        for side in Side::BOTH {
            if self.open[side.index()] {
                self.broken[side.index()] = Some(now);
            }
        }
        self.open = [false; 2];
        self.flows.iter_mut().for_each(Flow::vanish);
    }

    pub(super) fn reopen(&mut self) {
        self.flows.iter_mut().for_each(Flow::vanish);
        self.flows.iter_mut().for_each(|flow| flow.reading = true);
        self.open = [true; 2];
        self.broken = [None; 2];
        self.half_open = false;
        self.generation += 1;
        self.set_clear();
    }

    pub(super) fn is_open(&self, side: Side) -> bool {
        self.open[side.index()]
    }

    pub(super) fn counters(&self, from: Side) -> Counters {
        self.flows[from.index()].counters
    }

    /// This side is done: nothing more comes to it.
    fn shut(&mut self, side: Side) {
        self.open[side.index()] = false;
        self.flows[side.other().index()].vanish();
        if !self.open[side.other().index()] {
            self.flows[side.index()].vanish();
        }
    }

    fn set_clear(&mut self) {
        let clear = self.up[0] && self.up[1] && !self.half_open;
        self.flows.iter_mut().for_each(|flow| flow.clear = clear);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Bandwidth, Bursts};
    use Side::{A, B};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn stream(config: LinkConfig) -> Stream {
        Stream::new(Seed::new(9), Instant::ZERO, config, 65_536)
    }

    /// Sends numbered frames of this size from A, one every `gap` ms: the waits of all that arrive at B, in ms.
    fn waits(stream: &mut Stream, count: u64, size: usize, gap: u64) -> Vec<f64> {
        let mut frame = vec![0; size];
        let mut waits = Vec::new();
        let mut sent = 0;
        loop {
            let due = stream.next_deadline();
            if sent < count && due.is_none_or(|due| due > at(sent * gap)) {
                frame[..8].copy_from_slice(&sent.to_le_bytes());
                stream.send(at(sent * gap), A, &frame).expect("the buffer suffices");
                sent += 1;
                continue;
            }
            let Some(due) = due else { return waits };
            while let Some((to, arrival)) = stream.poll(due) {
                let Arrival::Packet(frame) = arrival else { panic!("closed") };
                let number = u64::from_le_bytes(*frame.first_chunk().expect("frames are whole"));
                assert_eq!((to, number, frame.len()), (B, waits.len() as u64, size), "in order and whole");
                waits.push(due.as_millis_f64() - (number * gap) as f64);
                stream.recycle(to, frame);
            }
        }
    }

    fn percentile(waits: &mut [f64], share: f64) -> f64 {
        waits.sort_by(f64::total_cmp);
        waits[(waits.len() as f64 * share) as usize]
    }

    #[test]
    fn loss_shows_as_delay_only_and_nothing_is_lost() {
        let mut clean = waits(&mut stream(LinkConfig::with_delay(ms(50))), 1_000, 200, 16);
        assert_eq!(percentile(&mut clean, 0.999), 50.0);
        let lossy = LinkConfig { loss: 0.02, jitter: ms(5), ..LinkConfig::with_delay(ms(50)) };
        let mut late = waits(&mut stream(lossy), 20_000, 200, 16);
        assert_eq!(late.len(), 20_000);
        let p99 = percentile(&mut late, 0.99);
        assert!((140.0..300.0).contains(&p99), "{p99}");
        let p50 = percentile(&mut late, 0.5);
        assert!((50.0..60.0).contains(&p50), "{p50}");
    }

    #[test]
    fn a_lone_lost_frame_waits_for_the_time_out() {
        let mut stream = stream(LinkConfig { loss: 0.3, ..LinkConfig::with_delay(ms(10)) });
        let waits = waits(&mut stream, 1_000, 100, 2_000);
        let once = waits.iter().filter(|wait| **wait == 210.0).count();
        let twice = waits.iter().filter(|wait| **wait == 610.0).count();
        assert!((170..250).contains(&once), "{once}");
        assert!((40..85).contains(&twice), "{twice}");
    }

    #[test]
    fn a_burst_stalls_the_stream_until_it_is_over() {
        let bursts = Some(Bursts { mean: ms(500), share: 0.1 });
        let mut late = waits(&mut stream(LinkConfig { bursts, ..LinkConfig::with_delay(ms(20)) }), 10_000, 100, 16);
        assert_eq!(late.len(), 10_000);
        let (p50, p95) = (percentile(&mut late, 0.5), percentile(&mut late, 0.95));
        assert!(p50 == 20.0 && p95 > 400.0, "{p50} {p95}");
    }

    #[test]
    fn loss_limits_the_rate() {
        let config = LinkConfig { loss: 0.02, ..LinkConfig::with_delay(ms(50)) };
        let mut stream = Stream::new(Seed::new(9), Instant::ZERO, config, 10_000_000);
        // The equation allows 115 kB/s, headers included.
        let last = waits(&mut stream, 1_000, 1_400, 0).last().copied().unwrap_or_default();
        assert!((12_000.0..13_500.0).contains(&last), "{last}");
    }

    #[test]
    fn a_cut_stalls_and_after_healing_the_backlog_arrives_in_order() {
        let mut stream = stream(LinkConfig::with_delay(ms(20)));
        stream.send(at(0), A, b"0").expect("room");
        stream.set_up(B, false);
        stream.send(at(5), A, b"1").expect("room");
        stream.send(at(6), A, b"2").expect("room");
        while let Some(due) = stream.next_deadline().filter(|due| *due < at(5_000)) {
            assert_eq!(stream.poll(due), None);
        }
        assert_eq!(stream.buffered(A), 3);
        stream.set_up(B, true);
        let mut arrived = Vec::new();
        while let Some(due) = stream.next_deadline() {
            assert!(due < at(8_100), "{due}");
            while let Some((_, Arrival::Packet(frame))) = stream.poll(due) {
                arrived.extend(frame);
            }
        }
        assert_eq!((arrived.as_slice(), stream.buffered(A)), (b"012".as_slice(), 0));
    }

    #[test]
    fn the_send_buffer_is_bounded_and_a_large_frame_takes_its_time() {
        // 1,000 bytes a second and 60,000 bytes with the headers of 43 segments.
        let bandwidth = Some(Bandwidth { bits_per_s: 8_000, queue: 2 });
        let mut stream = stream(LinkConfig { bandwidth, ..LinkConfig::with_delay(ms(20)) });
        stream.send(at(0), A, &[0; 60_000]).expect("room");
        assert_eq!(stream.send(at(0), A, &[0; 6_000]), Err(Refused::Full));
        assert_eq!((stream.buffered(A), stream.buffered(B)), (60_000, 0));
        assert_eq!(stream.next_deadline(), Some(at(61_720)));
        assert_eq!(stream.poll(at(61_720)), None);
        assert!(matches!(stream.poll(at(61_740)), Some((B, Arrival::Packet(frame))) if frame.len() == 60_000));
        stream.set_reading(A, false);
        stream.send(at(70_000), B, &[0; 6_000]).expect("room");
        assert_eq!((stream.poll(at(99_000)), stream.next_deadline()), (None, None));
        assert_eq!(stream.buffered(B), 6_000);
        stream.set_reading(A, true);
        assert!(matches!(stream.poll(at(99_000)), Some((A, Arrival::Packet(_)))));
    }

    #[test]
    fn a_reset_is_told_to_both_at_once_and_a_new_generation_is_fresh() {
        let mut stream = stream(LinkConfig::with_delay(ms(20)));
        stream.send(at(0), A, b"old").expect("room");
        stream.reset(at(5));
        assert_eq!(stream.next_deadline(), Some(at(5)));
        assert_eq!(stream.poll(at(5)), Some((A, Arrival::Closed)));
        assert_eq!(stream.poll(at(5)), Some((B, Arrival::Closed)));
        assert_eq!((stream.poll(at(50)), stream.next_deadline()), (None, None));
        assert_eq!(stream.send(at(50), B, b"late"), Err(Refused::Closed));
        stream.reopen();
        stream.send(at(60), A, b"new").expect("room");
        assert_eq!(stream.poll(at(80)), Some((B, Arrival::Packet(b"new".to_vec()))));
        assert_eq!((stream.generation(), stream.counters(A).lost_reset), (1, 1));
    }

    #[test]
    fn a_half_open_stream_eats_until_its_buffer_is_full() {
        let mut stream = stream(LinkConfig::with_delay(ms(20)));
        stream.half_open();
        (0..8).for_each(|_| stream.send(at(0), A, &[0; 8_192]).expect("room"));
        assert_eq!(stream.send(at(0), A, &[0; 1]), Err(Refused::Full));
        assert_eq!(stream.poll(at(60_000)), None);
        assert!(stream.is_open(A) && stream.is_open(B));
        stream.reopen();
        assert_eq!(stream.buffered(A), 0);
    }

    #[test]
    fn closing_is_heard_after_what_was_sent() {
        let mut stream = stream(LinkConfig::with_delay(ms(20)));
        stream.send(at(0), A, b"last").expect("room");
        stream.send(at(0), B, b"to the void").expect("room");
        stream.close(at(1), A);
        assert_eq!(stream.send(at(1), A, b"x"), Err(Refused::Closed));
        stream.send(at(2), B, b"to the void too").expect("B has not heard");
        assert_eq!(stream.poll(at(21)), Some((B, Arrival::Packet(b"last".to_vec()))));
        assert_eq!(stream.poll(at(21)), Some((B, Arrival::Closed)));
        assert_eq!((stream.poll(at(99)), stream.is_open(B)), (None, false));
    }
}
