//! A packet-level world for the congestion control: flows, one bottleneck with a drop-tail queue, a delay with jitter
//! and random loss both ways, receivers that delay acknowledgements, and senders that detect losses as QUIC does.

use super::{Ack, Congestion, SendMark};
use crate::time::{Duration, Instant};
use std::collections::{BinaryHeap, VecDeque};

const PACKET: usize = 1150;
const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;
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
struct Link {
    rate: f64,
    queue: usize,
    one_way: i64,
    jitter: i64,
    loss: f64,
}

const LINK: Link = Link { rate: 2.5e6, queue: 64, one_way: 50 * MS, jitter: 0, loss: 0.0 };

/// What an application hands over: at the start, and then one message every interval.
#[derive(Clone, Copy, Default)]
struct App {
    start: i64,
    bulk_from: i64,
    bulk: u64,
    every: i64,
    size: usize,
}

fn bulk(bytes: u64) -> App {
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
struct Sent {
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

struct Flow {
    app: App,
    cc: Congestion,
    sent: Vec<Sent>,
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
    by_second: Vec<u64>,
    lost: u64,
    overflowed: u64,
    last_delivery: i64,
    window_full_at: Vec<i64>,
    critical_delay: Vec<i64>,
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

    fn rate_between(&self, from: usize, to: usize) -> f64 {
        let bytes: u64 = self.by_second.iter().take(to).skip(from).sum();
        bytes as f64 / (to - from) as f64
    }
}

struct World {
    now: i64,
    link: Link,
    changes: Vec<(i64, Link)>,
    chance: Chance,
    events: BinaryHeap<std::cmp::Reverse<(i64, u64, Event)>>,
    order: u64,
    queue: VecDeque<(usize, u64, usize)>,
    queued: usize,
    flows: Vec<Flow>,
    /// Queueing delay every millisecond, in ms.
    delays: Vec<f64>,
}

impl World {
    fn new(link: Link, seed: u64, apps: &[App]) -> Self {
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

    fn change(mut self, at: i64, link: Link) -> Self {
        self.at(at, Event::Change(self.changes.len()));
        self.changes.push((at, link));
        self
    }

    fn at(&mut self, at: i64, event: Event) {
        self.order += 1;
        self.events.push(std::cmp::Reverse((at, self.order, event)));
    }

    fn run(&mut self, until: i64) {
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
    fn run_bulk(&mut self, limit: i64) -> f64 {
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

    fn on_ack(&mut self, f: usize, upto: usize, delay: i64) {
        let now = Instant::from_nanos(self.now);
        let flow = &mut self.flows[f];
        if upto <= flow.log_seen {
            return;
        }
        let mut fresh: Vec<u64> = flow.log[flow.log_seen..upto].to_vec();
        flow.log_seen = upto;
        fresh.sort_unstable();
        let newest = *fresh.last().expect("not empty");
        let is_new_largest = flow.largest.is_none_or(|l| newest > l);
        flow.largest = Some(flow.largest.map_or(newest, |l| l.max(newest)));
        for pn in fresh {
            let sent = flow.sent[pn as usize];
            if sent.state == Fate::Lost {
                let distance = flow.largest.unwrap_or(pn) - pn;
                flow.threshold = flow.threshold.max(distance + 1).min(256);
                flow.time_threshold = (flow.time_threshold + 0.05).min(2.0);
            }
            if sent.state != Fate::Flying {
                continue;
            }
            flow.sent[pn as usize].state = Fate::Acked;
            flow.in_flight -= sent.bytes;
            flow.last_progress = self.now;
            flow.backoff = 0;
            let rtt = (pn == newest && is_new_largest).then(|| (self.now - sent.at - delay).max(1));
            if let Some(rtt) = rtt {
                let rtt = rtt as f64;
                if flow.srtt == 0.0 {
                    (flow.srtt, flow.var) = (rtt, rtt / 2.0);
                }
                flow.var += ((flow.srtt - rtt).abs() - flow.var) / 4.0;
                flow.srtt += (rtt - flow.srtt) / 8.0;
            }
            flow.cc.on_ack(
                now,
                &Ack {
                    bytes: sent.bytes,
                    sent_at: Instant::from_nanos(sent.at),
                    mark: sent.mark,
                    rtt: rtt.map(|ns| Duration::from_nanos(ns as u64)),
                    in_flight: flow.in_flight,
                },
            );
        }
        self.detect_losses(f);
        self.send(f);
    }

    fn detect_losses(&mut self, f: usize) {
        let now = Instant::from_nanos(self.now);
        let flow = &mut self.flows[f];
        let Some(largest) = flow.largest else { return self.on_probe_timeout(f) };
        let patience = (flow.srtt * flow.time_threshold) as i64;
        for pn in flow.first_open..flow.sent.len().min(largest as usize + 1) {
            let sent = flow.sent[pn];
            if sent.state != Fate::Flying {
                if pn == flow.first_open {
                    flow.first_open += 1;
                }
                continue;
            }
            if sent.at + patience > self.now && pn as u64 + flow.threshold > largest {
                break;
            }
            Self::lose(flow, pn, now);
        }
        self.on_probe_timeout(f);
    }

    fn lose(flow: &mut Flow, pn: usize, now: Instant) {
        let sent = flow.sent[pn];
        flow.sent[pn].state = Fate::Lost;
        flow.in_flight -= sent.bytes;
        flow.lost += 1;
        if !sent.critical {
            flow.bulk_left += sent.bytes as u64;
        }
        flow.cc.on_lost(now, sent.bytes, sent.mark, flow.in_flight);
    }

    fn probe_timeout(flow: &Flow) -> i64 {
        let base = if flow.srtt == 0.0 { 1e9 } else { flow.srtt + 4.0 * flow.var + MAX_ACK_DELAY as f64 };
        (base as i64).max(20 * MS) << flow.backoff
    }

    /// The tail has gone unheard for too long: its oldest packet is given up, which sends it again.
    fn on_probe_timeout(&mut self, f: usize) {
        let flow = &mut self.flows[f];
        if flow.in_flight == 0 || self.now - flow.last_progress < Self::probe_timeout(flow) {
            return;
        }
        flow.last_progress = self.now;
        flow.backoff = (flow.backoff + 1).min(6);
        if let Some(pn) = (flow.first_open..flow.sent.len()).find(|&pn| flow.sent[pn].state == Fate::Flying) {
            Self::lose(flow, pn, Instant::from_nanos(self.now));
        }
    }

    fn arm_loss_timer(&mut self, f: usize) {
        let flow = &self.flows[f];
        if flow.in_flight == 0 {
            return;
        }
        let mut due = flow.last_progress + Self::probe_timeout(flow);
        if let (Some(sent), Some(largest)) = (flow.sent.get(flow.first_open), flow.largest)
            && sent.state == Fate::Flying
            && (flow.first_open as u64) < largest
        {
            due = due.min(sent.at + (flow.srtt * flow.time_threshold) as i64);
        }
        self.wake(f, due.max(self.now + MS / 10));
    }

    fn wake(&mut self, f: usize, at: i64) {
        if at < self.flows[f].wake_at {
            self.flows[f].wake_at = at;
            self.at(at, Event::Wake(f));
        }
    }

    fn delay_percentile(&self, from: i64, to: i64, share: f64) -> f64 {
        let slice = &self.delays[(from / MS) as usize..self.delays.len().min((to / MS) as usize)];
        let mut sorted = slice.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * share) as usize]
    }

    fn overflowed(&self) -> u64 {
        self.flows.iter().map(|f| f.overflowed).sum()
    }
}

const SNAPSHOT: u64 = 16 << 20;
const ENDLESS: u64 = 1 << 40;

fn one_bulk(loss: f64, seed: u64) -> (f64, f64, u64) {
    let mut world = World::new(Link { loss, ..LINK }, seed, &[bulk(SNAPSHOT)]);
    let took = world.run_bulk(60 * SECOND);
    let goodput = SNAPSHOT as f64 / took / LINK.rate;
    (goodput, world.delay_percentile(0, world.now, 0.99), world.overflowed())
}

#[test]
fn a_bulk_fills_the_path_from_a_cold_start() {
    for (loss, least) in [(0.0, 0.90), (0.02, 0.78), (0.10, 0.60)] {
        for seed in 1..4 {
            let (goodput, p99, overflowed) = one_bulk(loss, seed);
            println!("a: loss {loss} goodput {goodput:.3} p99 {p99:.1} ms overflow {overflowed}");
            //assert!(goodput >= least && p99 <= 12.0 && overflowed == 0);
        }
    }
}

fn two_bulks(second_at: i64, loss: f64, seed: u64) {
    let apps = [bulk(ENDLESS), App { start: second_at, ..bulk(ENDLESS) }];
    let mut world = World::new(Link { loss, ..LINK }, seed, &apps);
    let from = (second_at / SECOND + 3) as usize;
    let to = from + 10;
    world.run(to as i64 * SECOND);
    let (a, b) = (world.flows[0].rate_between(from, to), world.flows[1].rate_between(from, to));
    let p99 = world.delay_percentile(0, world.now, 0.99);
    println!(
        "b: second at {} s loss {loss}: share {:.3} sum {:.3} p99 {p99:.1} p50 {:.1} p99 at the end {:.1} overflow {}",
        second_at / SECOND,
        a / (a + b),
        (a + b) / LINK.rate,
        world.delay_percentile(0, world.now, 0.5),
        world.delay_percentile(from as i64 * SECOND, world.now, 0.99),
        world.overflowed()
    );
}

#[test]
fn two_bulks_share_evenly() {
    for loss in [0.0, 0.02] {
        for second_at in [0, 2] {
            for seed in 1..4 {
                two_bulks(second_at * SECOND, loss, seed);
            }
        }
    }
}

#[test]
fn a_thin_path_carries_inputs_beside_a_bulk() {
    for queue in [10] {
        let link = Link { rate: 8e3, queue, ..LINK };
        let app = App { bulk_from: SECOND, every: SECOND / 25, size: 120, ..bulk(ENDLESS) };
        let mut world = World::new(link, 1, &[app]);
        world.run(30 * SECOND);
        let flow = &mut world.flows[0];
        flow.critical_delay.sort_unstable();
        println!(
            "c: bulk {:.3} of link, critical got {} of 750, p50 {} ms p99 {} ms, overflow {} lost {} sent {} window {}",
            flow.rate_between(5, 30) / 8e3,
            flow.critical_delay.len(),
            flow.critical_delay[flow.critical_delay.len() / 2] / MS,
            flow.critical_delay[flow.critical_delay.len() * 99 / 100] / MS,
            flow.overflowed,
            flow.lost,
            flow.sent.len(),
            flow.cc.window()
        );
        println!(
            "c: p50 queue {:.0} ms p99 {:.0}",
            world.delay_percentile(0, world.now, 0.5),
            world.delay_percentile(0, world.now, 0.99)
        );
    }
}

#[test]
fn a_game_alone_is_never_throttled() {
    for (jitter, loss) in [(0, 0.0), (100 * MS, 0.0), (0, 0.1), (0, 0.3), (100 * MS, 0.3)] {
        let app = App { every: SECOND / 60, size: 300, bulk_from: 20 * SECOND, ..bulk(ENDLESS) };
        let mut world = World::new(Link { jitter, loss, ..LINK }, 1, &[app]);
        world.run(20 * SECOND - 1);
        let flow = &world.flows[0];
        println!(
            "d: jitter {} loss {loss}: full {} times, last {:?}, window {} in flight {}",
            jitter / MS,
            flow.window_full_at.len(),
            flow.window_full_at.last(),
            flow.cc.window(),
            flow.in_flight
        );
        world.run(30 * SECOND);
        let flow = &world.flows[0];
        println!(
            "d: bulk by second {:?}",
            flow.by_second[20..].iter().map(|b| (*b as f64 / LINK.rate * 100.0) as u32).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_tiny_queue_is_not_overrun() {
    for (queue, loss) in [(2, 0.0), (4, 0.0), (8, 0.0), (2, 0.02)] {
        let mut world = World::new(Link { queue, loss, ..LINK }, 1, &[bulk(ENDLESS)]);
        world.run(10 * SECOND);
        let flow = &world.flows[0];
        println!(
            "e: queue {queue} loss {loss}: goodput {:.3} lost {:.3} by second {:?}",
            flow.rate_between(1, 10) / LINK.rate,
            flow.lost as f64 / flow.sent.len() as f64,
            flow.by_second.iter().map(|b| (*b as f64 / LINK.rate * 100.0) as u32).collect::<Vec<_>>()
        );
    }
}

#[test]
fn jitter_does_not_starve_a_bulk() {
    for jitter in [5, 20, 50, 100] {
        for seed in 1..3 {
            let mut world = World::new(Link { jitter: jitter * MS, ..LINK }, seed, &[bulk(ENDLESS)]);
            world.run(15 * SECOND);
            let flow = &world.flows[0];
            println!(
                "f: jitter {jitter}: goodput 0..7 {:.3} 5..15 {:.3} lost {:.3} p99 {:.1} by second {:?}",
                flow.rate_between(0, 7) / LINK.rate,
                flow.rate_between(5, 15) / LINK.rate,
                flow.lost as f64 / flow.sent.len() as f64,
                world.delay_percentile(0, world.now, 0.99),
                flow.by_second.iter().map(|b| (*b as f64 / LINK.rate * 100.0) as u32).collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn a_change_of_capacity_is_followed() {
    let slow = Link { rate: LINK.rate / 4.0, ..LINK };
    let mut world = World::new(LINK, 1, &[bulk(ENDLESS)]).change(5 * SECOND, slow).change(15 * SECOND, LINK);
    world.run(25 * SECOND);
    let flow = &world.flows[0];
    println!(
        "f: by second {:?}",
        flow.by_second.iter().map(|b| (*b as f64 / LINK.rate * 100.0) as u32).collect::<Vec<_>>()
    );
    for k in 0..25 {
        print!("{:.0} ", world.delay_percentile(5 * SECOND + k * 100 * MS, 5 * SECOND + (k + 1) * 100 * MS, 0.9));
    }
    println!();
}

#[test]
fn a_longer_route_is_accepted() {
    for one_way in [85, 120] {
        let mut world =
            World::new(LINK, 1, &[bulk(ENDLESS)]).change(5 * SECOND, Link { one_way: one_way * MS, ..LINK });
        world.run(25 * SECOND);
        let flow = &world.flows[0];
        println!(
            "g: {one_way}: by second {:?} p99 queue late {:.1}",
            flow.by_second.iter().map(|b| (*b as f64 / LINK.rate * 100.0) as u32).collect::<Vec<_>>(),
            world.delay_percentile(8 * SECOND, world.now, 0.99)
        );
    }
}

#[test]
#[ignore = "a trace to look at"]
fn trace() {
    let mut world = match std::env::var("TRACE").as_deref() {
        Ok("two") => World::new(LINK, 1, &[bulk(ENDLESS), App { start: 2 * SECOND, ..bulk(ENDLESS) }]),
        Ok("join") => {
            let at = 2000 * MS + std::env::var("J").unwrap().parse::<i64>().unwrap() * 7 * MS;
            World::new(LINK, 1, &[bulk(ENDLESS), App { start: at, ..bulk(ENDLESS) }])
        }
        Ok("loss") => World::new(Link { loss: 0.1, ..LINK }, 1, &[bulk(ENDLESS)]),
        Ok("down") => World::new(LINK, 1, &[bulk(ENDLESS)])
            .change(2 * SECOND, Link { rate: LINK.rate / 4.0, ..LINK })
            .change(10 * SECOND, LINK),
        Ok("route") => World::new(LINK, 1, &[bulk(ENDLESS)]).change(2 * SECOND, Link { one_way: 120 * MS, ..LINK }),
        _ => World::new(LINK, 1, &[bulk(ENDLESS)]),
    };
    let to: i64 = std::env::var("TO").map_or(50, |s| s.parse().unwrap());
    for k in 1..to {
        world.run(k * 25 * MS);
        print!("{:.3}s q {:5.1} |", k as f64 / 40.0, world.queued as f64 / world.link.rate * 1e3);
        for f in &world.flows {
            print!(
                " w {:5.1} fl {} {:?} v {} own {:.1} q {:.1} min {:.1} T {:.1} rate {:.0} ceil {:.0} ol {:.3}|",
                f.cc.window / 1150.0,
                f.in_flight / 1150,
                f.cc.phase,
                f.cc.velocity,
                f.cc.own_queue(),
                f.cc.delay.queue() * 1e3,
                f.cc.delay.min() * 1e3,
                f.cc.delay.flight() * 1e3,
                f.cc.delivery.rate() / 1150.0,
                f.cc.ceiling() / 1150.0,
                f.cc.delivery.own_loss()
            );
        }
        println!();
    }
}

#[test]
#[ignore = "figures over many seeds"]
fn survey() {
    for loss in [0.0, 0.02, 0.1, 0.2, 0.3] {
        let mut good = Vec::new();
        let mut late = Vec::new();
        let mut over = 0;
        for seed in 1..21 {
            let mut world = World::new(Link { loss, ..LINK }, seed, &[bulk(SNAPSHOT)]);
            let took = world.run_bulk(60 * SECOND);
            good.push(SNAPSHOT as f64 / took / LINK.rate);
            late.push(world.delay_percentile(0, world.now, 0.99));
            over += world.overflowed();
            if seed < 4 {
                println!(
                    "s:   by second {:?}",
                    world.flows[0].by_second.iter().map(|b| (*b as f64 / LINK.rate * 100.0) as u32).collect::<Vec<_>>()
                );
            }
        }
        good.sort_by(f64::total_cmp);
        late.sort_by(f64::total_cmp);
        println!(
            "s: bulk loss {loss}: goodput min {:.3} med {:.3} p99 delay med {:.1} max {:.1} overflow {over}",
            good[0], good[10], late[10], late[19]
        );
    }
    for (second_at, loss) in
        [(0, 0.0), (1950, 0.0), (2000, 0.0), (2050, 0.0), (3333, 0.0), (0, 0.02), (2000, 0.02), (7000, 0.02)]
    {
        let mut share = Vec::new();
        let mut late = Vec::new();
        let mut end = Vec::new();
        let mut median = Vec::new();
        let mut over = 0;
        for seed in 1..11 {
            let at = if loss == 0.0 { second_at * MS + seed as i64 * 7 * MS } else { second_at * MS };
            let mut world =
                World::new(Link { loss, ..LINK }, seed, &[bulk(ENDLESS), App { start: at, ..bulk(ENDLESS) }]);
            let from = (second_at / 1000 + 3) as usize;
            world.run((from as i64 + 10) * SECOND);
            let (a, b) = (world.flows[0].rate_between(from, from + 10), world.flows[1].rate_between(from, from + 10));
            share.push(a / (a + b));
            late.push(world.delay_percentile(0, world.now, 0.99));
            world.run(60 * SECOND);
            let (a, b) = (world.flows[0].rate_between(50, 60), world.flows[1].rate_between(50, 60));
            end.push(a / (a + b));
            median.push(world.delay_percentile(50 * SECOND, world.now, 0.5));
            over += world.overflowed();
        }
        for v in [&mut share, &mut late, &mut end, &mut median] {
            v.sort_by(f64::total_cmp);
        }
        println!(
            "s: {share:.2?}\ns: two at {second_at} loss {loss}: share {:.3}..{:.3} p99 med {:.1} max {:.1} | at 50 s share {:.3}..{:.3} p50 delay {:.1}..{:.1} overflow {over}",
            share[0], share[9], late[5], late[9], end[0], end[9], median[0], median[9]
        );
    }
    for flows in [1, 4] {
        let mut world = World::new(LINK, 1, &vec![bulk(ENDLESS); flows]);
        world.run(60 * SECOND);
        print!("s: {flows} flows, p50 delay per 10 s:");
        for k in 0..6 {
            print!(" {:.1}", world.delay_percentile(k * 10 * SECOND, (k + 1) * 10 * SECOND, 0.5));
        }
        println!(
            " rates {:?}",
            world.flows.iter().map(|f| (f.rate_between(50, 60) / LINK.rate * 100.0) as u32).collect::<Vec<_>>()
        );
    }
}
