//! A packet-level world for the congestion control: flows, one bottleneck with a drop-tail queue, a delay with jitter
//! and random loss both ways, receivers that delay acknowledgements, and senders that detect losses as QUIC does.

mod recovery;

use super::super::{Congestion, SendMark};
use crate::time::Instant;
use std::collections::{BinaryHeap, VecDeque};

pub(super) const PACKET: usize = 1150;
pub(super) const MS: i64 = 1_000_000;
pub(super) const SECOND: i64 = 1_000 * MS;
const MAX_ACK_DELAY: i64 = 10 * MS;
const ACK_EVERY: u32 = 6;

/// A seeded source of chance (splitmix64).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[derive(Clone, Copy)]
pub(super) struct Link {
    pub(super) rate: f64,
    pub(super) queue: usize,
    pub(super) one_way: i64,
    pub(super) jitter: i64,
    pub(super) loss: f64,
}

pub(super) const LINK: Link = Link { rate: 2.5e6, queue: 64, one_way: 50 * MS, jitter: 0, loss: 0.0 };

/// What an application hands over: at the start, and then one message every interval.
#[derive(Clone, Copy, Default)]
pub(super) struct App {
    pub(super) start: i64,
    pub(super) bulk_from: i64,
    pub(super) bulk: u64,
    pub(super) every: i64,
    pub(super) size: usize,
}

pub(super) fn bulk(bytes: u64) -> App {
    App { bulk: bytes, ..App::default() }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Submit(usize),
    Wake(usize),
    Served,
    Arrive { flow: usize, pn: u64 },
    AckDue(usize),
    AckArrive { flow: usize, upto: usize, delay: i64 },
    Change(usize),
    Look,
}

#[derive(Clone, Copy)]
pub(super) struct Sent {
    at: i64,
    bytes: usize,
    mark: SendMark,
    critical: bool,
    state: Fate,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Flying,
    Acked,
    Lost,
}

pub(super) struct Flow {
    app: App,
    pub(super) cc: Congestion,
    pub(super) sent: Vec<Sent>,
    first_open: usize,
    in_flight: usize,
    critical: u32,
    bulk_left: u64,
    largest: Option<u64>,
    srtt: f64,
    var: f64,
    threshold: u64,
    time_threshold: f64,
    log_seen: usize,
    last_progress: i64,
    backoff: u32,
    wake_at: i64,
    // The receiver.
    log: Vec<u64>,
    got_largest: Option<u64>,
    largest_at: i64,
    unacked: u32,
    ack_due: bool,
    // What the tests ask for.
    delivered: u64,
    pub(super) by_second: Vec<u64>,
    pub(super) lost: u64,
    overflowed: u64,
    last_delivery: i64,
    pub(super) window_full_at: Vec<i64>,
    pub(super) critical_delay: Vec<i64>,
}

impl Flow {
    fn new(app: App) -> Self {
        Flow {
            app,
            cc: Congestion::new(Instant::from_nanos(app.start), PACKET),
            sent: Vec::new(),
            first_open: 0,
            in_flight: 0,
            critical: 0,
            bulk_left: 0,
            largest: None,
            srtt: 0.0,
            var: 0.0,
            threshold: 3,
            time_threshold: 1.125,
            log_seen: 0,
            last_progress: 0,
            backoff: 0,
            wake_at: i64::MAX,
            log: Vec::new(),
            got_largest: None,
            largest_at: 0,
            unacked: 0,
            ack_due: false,
            delivered: 0,
            by_second: Vec::new(),
            lost: 0,
            overflowed: 0,
            last_delivery: 0,
            window_full_at: Vec::new(),
            critical_delay: Vec::new(),
        }
    }

    pub(super) fn rate_between(&self, from: usize, to: usize) -> f64 {
        let bytes: u64 = self.by_second.iter().take(to).skip(from).sum();
        bytes as f64 / (to - from) as f64
    }
}

pub(super) struct World {
    pub(super) now: i64,
    link: Link,
    changes: Vec<(i64, Link)>,
    chance: Chance,
    events: BinaryHeap<std::cmp::Reverse<(i64, u64, Event)>>,
    order: u64,
    queue: VecDeque<(usize, u64, usize)>,
    queued: usize,
    pub(super) flows: Vec<Flow>,
    /// Queueing delay every millisecond, in ms.
    delays: Vec<f64>,
}

impl World {
    pub(super) fn new(link: Link, seed: u64, apps: &[App]) -> Self {
        let mut world = World {
            now: 0,
            link,
            changes: Vec::new(),
            chance: Chance(seed),
            events: BinaryHeap::new(),
            order: 0,
            queue: VecDeque::new(),
            queued: 0,
            flows: Vec::new(),
            delays: Vec::new(),
        };
        for (i, app) in apps.iter().enumerate() {
            world.flows.push(Flow::new(*app));
            world.at(app.start, Event::Submit(i));
            if app.bulk > 0 {
                world.at(app.start.max(app.bulk_from), Event::Wake(i));
            }
        }
        world.at(0, Event::Look);
        world
    }

    pub(super) fn change(mut self, at: i64, link: Link) -> Self {
        self.at(at, Event::Change(self.changes.len()));
        self.changes.push((at, link));
        self
    }

    fn at(&mut self, at: i64, event: Event) {
        self.order += 1;
        self.events.push(std::cmp::Reverse((at, self.order, event)));
    }

    pub(super) fn run(&mut self, until: i64) {
        while let Some(std::cmp::Reverse((at, _, event))) = self.events.pop() {
            if at > until {
                self.at(at, event);
                break;
            }
            self.now = at;
            self.on_event(event);
        }
        self.now = until;
    }

    /// Runs until the first flow's bulk is delivered, and says when that was.
    pub(super) fn run_bulk(&mut self, limit: i64) -> f64 {
        let bytes = self.flows[0].app.bulk;
        while let Some(std::cmp::Reverse((at, _, event))) = self.events.pop() {
            self.now = at;
            self.on_event(event);
            if self.flows[0].delivered >= bytes || at > limit {
                break;
            }
        }
        self.now as f64 / SECOND as f64
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::Submit(f) => self.on_submit(f),
            Event::Wake(f) => self.on_wake(f),
            Event::Served => self.on_served(),
            Event::Arrive { flow, pn } => self.on_arrive(flow, pn),
            Event::AckDue(f) => {
                if self.flows[f].ack_due {
                    self.send_ack(f);
                }
            }
            Event::AckArrive { flow, upto, delay } => self.on_ack(flow, upto, delay),
            Event::Change(i) => self.link = self.changes[i].1,
            Event::Look => {
                self.delays.push(self.queued as f64 / self.link.rate * 1e3);
                self.at(self.now + MS, Event::Look);
            }
        }
    }

    fn on_submit(&mut self, f: usize) {
        let app = self.flows[f].app;
        if app.every > 0 {
            self.flows[f].critical += 1;
            self.at(self.now + app.every, Event::Submit(f));
        }
        self.send(f);
    }

    fn on_wake(&mut self, f: usize) {
        let flow = &mut self.flows[f];
        if flow.bulk_left == 0 && flow.app.bulk > 0 && self.now == flow.app.start.max(flow.app.bulk_from) {
            flow.bulk_left = flow.app.bulk;
        }
        if self.now >= flow.wake_at {
            flow.wake_at = i64::MAX;
        }
        self.detect_losses(f);
        self.send(f);
    }

    fn send(&mut self, f: usize) {
        loop {
            let now = Instant::from_nanos(self.now);
            let flow = &mut self.flows[f];
            let critical = flow.critical > 0;
            if !critical && flow.bulk_left == 0 {
                if flow.in_flight < flow.cc.window() {
                    flow.cc.on_idle_or_app_limited(now, flow.in_flight);
                }
                break;
            }
            let bytes = if critical { flow.app.size } else { PACKET };
            let room = if critical { flow.cc.window() + 2 * PACKET } else { flow.cc.window() };
            if flow.in_flight + bytes > flow.cc.window() {
                flow.window_full_at.push(self.now);
            }
            if flow.in_flight + bytes > room {
                break;
            }
            if !critical {
                let release = flow.cc.release(now);
                if release > now {
                    self.wake(f, release.as_nanos());
                    break;
                }
            }
            self.transmit(f, bytes, critical);
        }
        self.arm_loss_timer(f);
    }

    fn transmit(&mut self, f: usize, bytes: usize, critical: bool) {
        let now = Instant::from_nanos(self.now);
        let flow = &mut self.flows[f];
        let mark = flow.cc.on_sent(now, bytes, flow.in_flight);
        flow.in_flight += bytes;
        if critical {
            flow.critical -= 1;
        } else {
            flow.bulk_left = flow.bulk_left.saturating_sub(bytes as u64);
        }
        if flow.in_flight == bytes {
            flow.last_progress = self.now;
        }
        let pn = flow.sent.len() as u64;
        flow.sent.push(Sent { at: self.now, bytes, mark, critical, state: Fate::Flying });
        if self.queue.len() > self.link.queue {
            self.flows[f].overflowed += 1;
            return;
        }
        self.queue.push_back((f, pn, bytes));
        self.queued += bytes;
        if self.queue.len() == 1 {
            self.serve();
        }
    }

    fn serve(&mut self) {
        if let Some(&(_, _, bytes)) = self.queue.front() {
            self.at(self.now + (bytes as f64 / self.link.rate * 1e9) as i64, Event::Served);
        }
    }

    fn flight_time(&mut self) -> Option<i64> {
        let lost = self.chance.unit() < self.link.loss;
        let jitter = (self.chance.unit() * self.link.jitter as f64) as i64;
        (!lost).then_some(self.link.one_way + jitter)
    }

    fn on_served(&mut self) {
        if let Some((flow, pn, bytes)) = self.queue.pop_front() {
            self.queued -= bytes;
            if let Some(time) = self.flight_time() {
                self.at(self.now + time, Event::Arrive { flow, pn });
            }
        }
        self.serve();
    }

    fn on_arrive(&mut self, f: usize, pn: u64) {
        let now = self.now;
        let flow = &mut self.flows[f];
        let sent = flow.sent[pn as usize];
        if sent.critical {
            flow.critical_delay.push(now - sent.at);
        } else if sent.state != Fate::Lost {
            // What was given up has gone out again; the copy counts.
            flow.delivered += sent.bytes as u64;
            flow.last_delivery = now;
            let second = (now / SECOND) as usize;
            if flow.by_second.len() <= second {
                flow.by_second.resize(second + 1, 0);
            }
            flow.by_second[second] += sent.bytes as u64;
        }
        let next = flow.got_largest.map_or(0, |l| l + 1);
        let at_once = pn != next;
        if pn >= next {
            flow.got_largest = Some(pn);
            flow.largest_at = now;
        }
        flow.log.push(pn);
        flow.unacked += 1;
        if at_once || flow.unacked >= ACK_EVERY {
            self.send_ack(f);
        } else if !flow.ack_due {
            flow.ack_due = true;
            self.at(now + MAX_ACK_DELAY, Event::AckDue(f));
        }
    }

    fn send_ack(&mut self, f: usize) {
        let flow = &mut self.flows[f];
        flow.unacked = 0;
        flow.ack_due = false;
        let (upto, delay) = (flow.log.len(), self.now - flow.largest_at);
        if let Some(time) = self.flight_time() {
            self.at(self.now + time, Event::AckArrive { flow: f, upto, delay });
        }
    }

    fn wake(&mut self, f: usize, at: i64) {
        if at < self.flows[f].wake_at {
            self.flows[f].wake_at = at;
            self.at(at, Event::Wake(f));
        }
    }

    pub(super) fn delay_percentile(&self, from: i64, to: i64, share: f64) -> f64 {
        let slice = &self.delays[(from / MS) as usize..self.delays.len().min((to / MS) as usize)];
        let mut sorted = slice.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share) as usize]
    }

    pub(super) fn overflowed(&self) -> u64 {
        self.flows.iter().map(|f| f.overflowed).sum()
    }
}
