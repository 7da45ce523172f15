//! What the congestion control promises, on a packet-level path: 20 Mbit/s, 50 ms one way and a queue of 64 packets,
//! unless a test says otherwise.

mod world;

use super::{Ack, Congestion};
use crate::time::{Duration, Instant};
use world::{App, LINK, Link, MS, PACKET, SECOND, World, bulk};

const SNAPSHOT: u64 = 16 << 20;
const ENDLESS: u64 = 1 << 40;

#[test]
fn a_bulk_fills_the_path_from_a_cold_start() {
    for (loss, least) in [(0.0, 0.90), (0.02, 0.78), (0.10, 0.60)] {
        for seed in 1..4 {
            let mut world = World::new(Link { loss, ..LINK }, seed, &[bulk(SNAPSHOT)]);
            let goodput = SNAPSHOT as f64 / world.run_bulk(60 * SECOND) / LINK.rate;
            let late = world.delay_percentile(0, world.now, 0.99);
            println!("loss {loss}: goodput {goodput:.3}, 99 % of queueing delays below {late:.1} ms");
            assert!(goodput >= least && late <= 12.0 && world.overflowed() == 0);
        }
    }
}

#[test]
fn two_bulks_share_evenly() {
    for (second_at, loss, seed) in [(0, 0.0, 1), (2, 0.0, 1), (0, 0.02, 1), (0, 0.02, 2), (2, 0.02, 1), (2, 0.02, 2)] {
        let apps = [bulk(ENDLESS), App { start: second_at * SECOND, ..bulk(ENDLESS) }];
        let mut world = World::new(Link { loss, ..LINK }, seed, &apps);
        let from = second_at as usize + 3;
        world.run((from as i64 + 10) * SECOND);
        let rates = [0, 1].map(|f: usize| world.flows[f].rate_between(from, from + 10));
        let share = rates[0] / (rates[0] + rates[1]);
        let late = world.delay_percentile(0, world.now, 0.99);
        println!("second at {second_at} s, loss {loss}: share {share:.3}, p99 {late:.1} ms");
        assert!((0.4..=0.6).contains(&share) && late <= 15.0);
        assert!(rates[0] + rates[1] > 0.95 * (1.0 - loss) * LINK.rate);
    }
}

#[test]
fn a_standing_queue_never_becomes_the_base() {
    for flows in [1, 4] {
        let mut world = World::new(LINK, 1, &vec![bulk(ENDLESS); flows]);
        world.run(40 * SECOND);
        let [early, late] = [5, 35].map(|s| world.delay_percentile(s * SECOND, (s + 5) * SECOND, 0.5));
        println!("{flows} flows: median queue {early:.1} ms, then {late:.1} ms");
        assert!(late <= early + 1.0 && late <= 3.5 * flows as f64);
    }
}

#[test]
fn a_thin_path_carries_inputs_beside_a_bulk() {
    let link = Link { rate: 8e3, queue: 10, ..LINK };
    let app = App { bulk_from: SECOND, every: SECOND / 25, size: 120, ..bulk(ENDLESS) };
    let mut world = World::new(link, 1, &[app]);
    world.run(30 * SECOND);
    let flow = &mut world.flows[0];
    flow.critical_delay.sort_unstable();
    let (got, median) = (flow.critical_delay.len(), flow.critical_delay[flow.critical_delay.len() / 2] / MS);
    let share = flow.rate_between(5, 30) / link.rate;
    println!("bulk {share:.3} of the path, {got} of 750 inputs, median {median} ms");
    assert!(flow.cc.window() >= 2 * PACKET && share > 0.5 && got > 600 && median < 400);
}

#[test]
fn a_game_is_never_throttled_and_a_bulk_after_it_ramps_quickly() {
    for (jitter, loss, least) in [(0, 0.0, 0.85), (100, 0.0, 0.3), (0, 0.1, 0.7), (0, 0.3, 0.4)] {
        let app = App { every: SECOND / 60, size: 300, bulk_from: 20 * SECOND, ..bulk(ENDLESS) };
        let mut world = World::new(Link { jitter: jitter * MS, loss, ..LINK }, 1, &[app]);
        world.run(20 * SECOND - 1);
        assert!(world.flows[0].window_full_at.is_empty(), "jitter {jitter} loss {loss}");
        world.run(23 * SECOND);
        let share = world.flows[0].rate_between(21, 23) / LINK.rate;
        println!("jitter {jitter} ms, loss {loss}: 1 to 3 s after the switch {share:.3}");
        assert!(share > least);
    }
}

#[test]
fn a_tiny_queue_is_not_overrun() {
    let mut world = World::new(Link { queue: 2, ..LINK }, 1, &[bulk(ENDLESS)]);
    world.run(10 * SECOND);
    let flow = &world.flows[0];
    let (goodput, lost) = (flow.rate_between(0, 10) / LINK.rate, flow.lost as f64 / flow.sent.len() as f64);
    println!("goodput {goodput:.3}, lost {lost:.3}");
    assert!(goodput > 0.6 && lost < 0.2);
}

#[test]
fn jitter_does_not_starve_a_bulk() {
    for (jitter, least) in [(5, 0.85), (20, 0.75), (50, 0.5)] {
        let mut world = World::new(Link { jitter: jitter * MS, ..LINK }, 1, &[bulk(ENDLESS)]);
        world.run(7 * SECOND);
        let goodput = world.flows[0].rate_between(0, 7) / LINK.rate;
        println!("jitter {jitter} ms: goodput {goodput:.3} of the first 7 s");
        assert!(goodput > least);
    }
}

#[test]
fn a_change_of_capacity_is_followed() {
    let slow = Link { rate: LINK.rate / 4.0, ..LINK };
    let mut world = World::new(LINK, 1, &[bulk(ENDLESS)]).change(5 * SECOND, slow).change(15 * SECOND, LINK);
    world.run(20 * SECOND);
    let late = world.delay_percentile(5 * SECOND + 1500 * MS, 15 * SECOND, 0.99);
    let [slow_rate, fast_rate] = [(8, 15), (17, 20)].map(|(a, b)| world.flows[0].rate_between(a, b) / LINK.rate);
    println!("queue 1.5 s after the fall {late:.1} ms, rates {slow_rate:.3} and {fast_rate:.3}");
    assert!(late <= 25.0 && slow_rate > 0.22 && fast_rate > 0.9);
}

#[test]
fn a_longer_route_is_accepted() {
    for (one_way, seconds) in [(85, 3), (120, 5)] {
        let longer = Link { one_way: one_way * MS, ..LINK };
        let mut world = World::new(LINK, 1, &[bulk(ENDLESS)]).change(5 * SECOND, longer);
        world.run((5 + seconds + 5) * SECOND);
        let from = 5 + seconds as usize;
        let share = world.flows[0].rate_between(from, from + 5) / LINK.rate;
        println!("one way {one_way} ms: {share:.3} after {seconds} s");
        assert!(share > 0.85);
    }
}

#[test]
fn pacing_lets_small_bursts_go_and_no_more() {
    let mut now = Instant::ZERO;
    let mut congestion = Congestion::new(now, PACKET);
    for in_flight in (0..10).map(|n| n * PACKET) {
        let release = congestion.release(now);
        assert!(release <= now + Duration::from_millis(3));
        now = now.max(release);
        congestion.on_sent(now, PACKET, in_flight);
    }
    assert!(now >= Instant::ZERO + Duration::from_millis(4), "the first window is spread: {now}");
}

#[test]
fn a_pause_of_the_path_leaves_no_trace() {
    let mut congestion = Congestion::new(Instant::ZERO, PACKET);
    let mut sent_at = Instant::ZERO;
    for round in 0..200 {
        let mark = congestion.on_sent(sent_at, PACKET, 0);
        let trip = if round == 100 { Duration::from_secs(30) } else { Duration::from_millis(50) };
        let now = sent_at + trip;
        congestion.on_ack(now, &Ack { bytes: PACKET, sent_at, mark, rtt: Some(trip), in_flight: 0 });
        congestion.on_idle_or_app_limited(now, 0);
        sent_at = now;
    }
    let round_trip = congestion.window() as f64 / congestion.rate();
    assert!(round_trip < 0.1, "still paced as if a round trip took {round_trip} s");
}
