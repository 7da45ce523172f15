//! A bulk transfer beside a stream of critical inputs, over a path without a congestion control of its own.

use bytes::Bytes;
use std::time::Duration;
use webstar_core::peer::link::{LinkConfig, LinkEvent};
use webstar_core::session::Outbound;
use webstar_core::time::Instant;
use webstar_core::wire::frame::{Delivery, Priority};
use webstar_sim::crypto::Carrying;
use webstar_sim::net::{Bandwidth, Counters, LinkConfig as Conditions, Side};
use webstar_sim::pair::{Observer, Pair, Wire};
use webstar_sim::seed::Seed;
use webstar_sim::talk::{Carrier, percentile, read_stamp, stamped};

const BULK: usize = 16 << 20;
const BITS_PER_S: u64 = 20_000_000;
/// The critical stream runs alone for so long before the bulk is submitted.
const LEAD: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Log {
    critical_ms: Vec<f64>,
    bulk_done: Option<Instant>,
}

impl Observer for Log {
    fn on_event(&mut self, now: Instant, _side: Side, event: LinkEvent) {
        let LinkEvent::Message(message) = event else { return };
        if message.payload.len() == BULK {
            self.bulk_done = Some(now);
        } else {
            self.critical_ms.push(now.since(read_stamp(&message.payload).1).as_secs_f64() * 1e3);
        }
    }
}

/// The share of the path that the bulk used, and the p99 of the critical lane meanwhile, without and with the bulk.
fn transfer(loss: f64) -> (f64, f64, f64) {
    let without = run(loss, false);
    let with = run(loss, true);
    let took = with.bulk_done.expect("the bulk arrives").since(Instant::ZERO + LEAD).as_secs_f64();
    let share = BULK as f64 * 8.0 / BITS_PER_S as f64 / took;
    (share, percentile(&without.critical_ms, 0.99), percentile(&with.critical_ms, 0.99))
}

/// Two who can say as much at once.
fn pair(wires: Vec<Wire>, seed: Seed) -> Pair {
    let mut config = LinkConfig::default();
    config.session.max_message = BULK;
    config.session.send_buffer = BULK + (1 << 20);
    config.session.receive_buffer = 2 * BULK;
    let keys = [seed.stream("key a").key(), seed.stream("key b").key()];
    Pair::new(&config, wires, keys).expect("the settings are valid")
}

fn noise(seed: Seed) -> Bytes {
    let mut noise = vec![0; BULK];
    seed.stream("noise").fill(&mut noise);
    noise.into()
}

fn bulk(payload: Bytes) -> Outbound {
    Outbound { priority: Priority::Low, delivery: Delivery::Reliable, key: 0, payload }
}

fn run(loss: f64, with_bulk: bool) -> Log {
    let bandwidth = Some(Bandwidth { bits_per_s: BITS_PER_S, queue: 64 });
    let conditions = Conditions { loss, bandwidth, ..Conditions::with_delay(Duration::from_millis(50)) };
    let seed = Seed::new(5);
    let mut pair = pair(vec![Carrier::Srtp.wire(0, seed.child("wire", 0), conditions)], seed);
    let mut log = Log::default();
    let mut payload = with_bulk.then(|| noise(seed));
    for tick in 0..1_200_u64 {
        let at = Instant::from_nanos(tick as i64 * 16_666_667);
        pair.advance(at, &mut log);
        if log.bulk_done.is_some() {
            break;
        }
        if at >= Instant::ZERO + LEAD
            && let Some(payload) = payload.take()
        {
            log.critical_ms.clear();
            pair.send(Side::A, bulk(payload)).expect("the lane holds the bulk");
        }
        let payload = stamped(tick, at, 40);
        let input = Outbound { priority: Priority::Critical, delivery: Delivery::Ordered, key: 0, payload };
        pair.send(Side::A, input).expect("inputs never fill their lane");
        pair.flush(Side::A, &mut log);
    }
    log.critical_ms.sort_by(f64::total_cmp);
    log
}

/// What became of the packets of a bulk over a data channel that loses nothing.
fn poured(carrying: Carrying) -> Counters {
    let seed = Seed::new(5);
    carrying.alone(seed, || {
        let conditions = Conditions::with_delay(Duration::from_millis(50));
        let wires = vec![Carrier::Sctp.wire_on(0, seed.child("wire", 0), carrying, conditions)];
        let mut pair = pair(wires, seed);
        let mut log = Log::default();
        pair.advance(Instant::ZERO + LEAD, &mut log);
        pair.send(Side::A, bulk(noise(seed))).expect("the lane holds the bulk");
        pair.flush(Side::A, &mut log);
        pair.advance(Instant::ZERO + Duration::from_secs(300), &mut log);
        assert!(log.bulk_done.is_some(), "{carrying:?}: the bulk has not arrived");
        pair.wires()[0].pipe.counters(Side::A)
    })
}

#[test]
fn a_data_channel_is_given_no_more_than_it_takes() {
    for carrying in [Carrying::Webrtc, Carrying::Model] {
        let counters = poured(carrying);
        // A few are under way when the time is over.
        let is_all = counters.refused == 0 && counters.delivered + 5 >= counters.sent;
        assert!(is_all, "{carrying:?}: {counters:?}");
    }
}

#[test]
fn bulk_fills_a_clean_path_and_inputs_do_not_feel_it() {
    let (share, without, with) = transfer(0.0);
    println!(
        "0 %: bulk {:.1} % of the path; critical p99 {without:.1} ms, beside the bulk {with:.1} ms",
        share * 100.0
    );
    assert!(share >= 0.85, "{share}");
    assert!(with <= without + 15.0);
}

#[test]
fn random_loss_does_not_fool_the_bulk() {
    let (share, without, with) = transfer(0.02);
    println!(
        "2 %: bulk {:.1} % of the path; critical p99 {without:.1} ms, beside the bulk {with:.1} ms",
        share * 100.0
    );
    assert!(share >= 0.70, "{share}");
    assert!(with <= without + 15.0);
}
