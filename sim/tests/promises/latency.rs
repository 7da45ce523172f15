//! How late messages are under loss, and what that costs.

use std::time::Duration;
use webstar_core::id::PathId;
use webstar_core::peer::link::{LinkConfig, LinkEvent};
use webstar_core::session::Outbound;
use webstar_core::time::Instant;
use webstar_core::wire::frame::{Delivery, Priority};
use webstar_sim::net::{Bandwidth, Bursts, LinkConfig as Conditions, Side};
use webstar_sim::pair::{Observer, Pair};
use webstar_sim::seed::Seed;
use webstar_sim::talk::{Carrier, Figures, Talk, percentile, read_stamp, stamped};

const ROUND_TRIP_MS: f64 = 100.0;

fn ordered(loss: f64) -> Figures {
    let figures = Talk::new(Carrier::Srtp, Delivery::Ordered, loss, 200).measure(Seed::new(1));
    assert_eq!((figures.lost, figures.duplicated), (0, 0));
    figures
}

fn show(what: &str, figures: &Figures) {
    let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| figures.percentile(share));
    println!("{what}: p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms, bytes {:.2}x", figures.bytes_ratio);
}

#[test]
fn without_loss_nothing_is_late_and_little_is_added() {
    let figures = ordered(0.0);
    show("0 %", &figures);
    assert!(figures.percentile(1.0) <= 51.0);
    assert!(figures.bytes_ratio <= 1.1);
}

#[test]
fn ten_percent_loss_costs_no_round_trip() {
    let figures = ordered(0.1);
    show("10 %", &figures);
    assert!(figures.percentile(0.5) <= 60.0);
    assert!(figures.percentile(0.99) <= 125.0);
    assert!(figures.percentile(0.999) <= 200.0);
    assert!(figures.bytes_ratio <= 2.0);
}

#[test]
fn thirty_percent_loss_stays_below_three_hundred_milliseconds() {
    let figures = ordered(0.3);
    show("30 %", &figures);
    assert!(figures.percentile(0.99) <= 300.0);
    assert!(figures.bytes_ratio <= 3.0);
}

#[test]
fn the_first_second_after_a_step_of_loss_is_bearable() {
    let mut latencies = Vec::new();
    for seed in 0..100 {
        let mut pair = pair(Seed::new(seed), Conditions::with_delay(Duration::from_millis(50)));
        let mut log = Log::default();
        let step = Instant::ZERO + Duration::from_secs(3);
        speak(&mut pair, &mut log, Duration::from_secs(3));
        for wire in pair.wires_mut() {
            for side in Side::BOTH {
                let conditions = Conditions { loss: 0.1, ..*wire.pipe.conditions(side) };
                wire.pipe.set_conditions(step, side, conditions);
            }
        }
        speak(&mut pair, &mut log, Duration::from_secs(4));
        pair.advance(step + Duration::from_secs(5), &mut log);
        assert_eq!(log.delivered.len(), 480);
        latencies.extend(log.delivered.iter().filter(|told| told.submitted >= step).map(Told::latency_ms));
    }
    latencies.sort_by(f64::total_cmp);
    println!("first second after the step, {} messages: p99 {:.1} ms", latencies.len(), percentile(&latencies, 0.99));
    assert!(percentile(&latencies, 0.99) <= 250.0);
}

#[test]
fn a_burst_of_loss_costs_itself_and_two_round_trips() {
    let bursts = Bursts { mean: Duration::from_millis(200), share: 0.05 };
    let conditions = Conditions { bursts: Some(bursts), ..Conditions::with_delay(Duration::from_millis(50)) };
    let mut excess = Vec::new();
    let mut plain = Vec::new();
    for seed in 0..10 {
        let mut pair = pair(Seed::new(seed), conditions);
        let mut log = Log::default();
        speak(&mut pair, &mut log, Duration::from_secs(60));
        pair.advance(Instant::ZERO + Duration::from_secs(120), &mut log);
        assert_eq!(log.delivered.len(), 7_200);
        plain.extend(log.delivered.iter().map(Told::latency_ms));
        excess.extend(log.delivered.iter().map(|told| told.latency_ms() - log.outage_ms(told)));
    }
    plain.sort_by(f64::total_cmp);
    excess.sort_by(f64::total_cmp);
    let p99 = percentile(&excess, 0.99);
    println!("bursts: p99 {:.1} ms, beyond the burst {p99:.1} ms", percentile(&plain, 0.99));
    assert!(p99 <= 2.0 * ROUND_TRIP_MS);
}

#[test]
fn on_a_thin_path_protection_never_delays_first_copies() {
    for hz in [15.0, 25.0, 30.0, 40.0] {
        let measure = |enable_protection: bool| {
            let mut talk = Talk::new(Carrier::Srtp, Delivery::Unreliable, 0.1, 100);
            talk.conditions.bandwidth = Some(Bandwidth { bits_per_s: 64_000, queue: 50 });
            talk.hz = hz;
            talk.config.session.enable_protection = enable_protection;
            talk.delivery = Delivery::Reliable;
            talk.measure(Seed::new(9))
        };
        let (with, without) = (measure(true), measure(false));
        // Nine in ten messages arrive by their first copy: so far up only its delay shows.
        for share in [0.5, 0.8] {
            let [late_with, late_without] = [&with, &without].map(|figures| figures.percentile(share));
            println!("{hz} Hz, p{}: {late_with:.1} ms, without protection {late_without:.1} ms", share * 100.0);
            assert!(late_with <= late_without * 1.06, "{hz} Hz: {late_with} against {late_without}");
        }
    }
}

#[test]
fn on_sctp_an_ordered_stream_lives_within_the_budget() {
    let mut bearable = 0;
    for size in [60, 120, 160, 200, 300] {
        let figures = Talk::new(Carrier::Sctp, Delivery::Ordered, 0.1, size).measure(Seed::new(1));
        show(&format!("sctp, 10 %, {size} B at 60 Hz"), &figures);
        if figures.percentile(0.99) <= 500.0 && figures.lost == 0 {
            bearable = size;
        }
    }
    assert!(bearable >= 120, "only {bearable} B at 60 Hz");
}

/// A delivered message.
struct Told {
    side: Side,
    submitted: Instant,
    delivered: Instant,
}

impl Told {
    fn latency_ms(&self) -> f64 {
        self.delivered.since(self.submitted).as_secs_f64() * 1e3
    }
}

/// What was delivered, and which packets came through.
#[derive(Default)]
struct Log {
    delivered: Vec<Told>,
    sent: [Vec<(Instant, u64)>; 2],
    arrived: [std::collections::BTreeSet<u64>; 2],
}

fn fingerprint(bytes: &[u8]) -> u64 {
    // The seal in front of every packet is as good a name as any.
    bytes[..8].try_into().map_or(0, u64::from_le_bytes)
}

impl Observer for Log {
    fn on_event(&mut self, now: Instant, side: Side, event: LinkEvent) {
        if let LinkEvent::Message(message) = event {
            let (_, submitted) = read_stamp(&message.payload);
            self.delivered.push(Told { side, submitted, delivered: now });
        }
    }

    fn on_packet(&mut self, now: Instant, side: Side, _path: PathId, bytes: &[u8]) {
        self.sent[usize::from(side == Side::B)].push((now, fingerprint(bytes)));
    }

    fn on_arrival(&mut self, _now: Instant, side: Side, _path: PathId, bytes: &[u8]) {
        self.arrived[usize::from(side == Side::A)].insert(fingerprint(bytes));
    }
}

impl Log {
    /// How long the direction of a message stayed silent from its submission on: until a packet came through.
    fn outage_ms(&self, told: &Told) -> f64 {
        let direction = usize::from(told.side == Side::A);
        let sent = &self.sent[direction];
        let first = sent.partition_point(|packet| packet.0 < told.submitted);
        let through = sent[first..].iter().find(|packet| self.arrived[direction].contains(&packet.1));
        through.map_or(0.0, |packet| packet.0.since(told.submitted).as_secs_f64() * 1e3)
    }
}

fn pair(seed: Seed, conditions: Conditions) -> Pair {
    let keys = [seed.stream("key a").key(), seed.stream("key b").key()];
    let wire = Carrier::Srtp.wire(0, seed.child("wire", 0), conditions);
    Pair::new(&LinkConfig::default(), vec![wire], keys).expect("the default settings are valid")
}

/// Both sides speak at 60 Hz until the given moment.
fn speak(pair: &mut Pair, log: &mut Log, until: Duration) {
    let until = Instant::ZERO + until;
    let period = Duration::from_nanos(16_666_667);
    let mut at = pair.now();
    while at < until {
        for (side, at) in [(Side::A, at), (Side::B, at + period / 3)] {
            pair.advance(at, log);
            let payload = stamped(0, at, 200);
            let message = Outbound { priority: Priority::Normal, delivery: Delivery::Ordered, key: 0, payload };
            pair.send(side, message).expect("60 small messages a second never fill a lane");
            pair.flush(side, log);
        }
        at += period;
    }
    pair.advance(until, log);
}
