//! Whole conversations: what a message costs from the submission on one side to the event on the other and the
//! acknowledgement back, both sides together. The payload's own allocation by the sender is not part of it.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use webstar_benches::machine::Machine;
use webstar_benches::scene::{Scene, Setup};
use webstar_core::config::SessionConfig;
use webstar_core::peer::link::Link;
use webstar_core::session::Session;
use webstar_core::time::Duration;
use webstar_core::wire::frame::Delivery;

/// A tick of a game at 60 Hz, roughly.
const TICK: Duration = Duration::from_millis(16);
/// Rounds after which buffers, round trip and loss have found their size.
const WARM_UP: u32 = 2_000;

/// One round again and again.
#[derive(Clone, Copy)]
struct Round {
    /// Messages that side 0 submits before anything leaves.
    messages: u64,
    /// Bytes in each.
    bytes: usize,
    /// Made-up time from one round to the next.
    every: Duration,
    /// Whether side 1 says as much.
    both: bool,
}

const ALONE: Round = Round { messages: 1, bytes: 64, every: Duration::from_millis(1), both: false };

impl Round {
    fn play<M: Machine>(self, scene: &mut Scene<M>, payload: &'static [u8]) {
        for side in 0..1 + usize::from(self.both) {
            for _ in 0..self.messages {
                let payload = Bytes::from_static(&payload[..self.bytes]);
                scene.submit(side, Delivery::Ordered, payload).expect("a lane that is acknowledged has room");
            }
        }
        scene.pass(self.every);
    }
}

/// Bytes that do not compress, made once and kept.
fn noise(length: usize) -> &'static [u8] {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    Vec::leak((0..length).map(|_| next()).collect())
}

fn bench<M: Machine>(c: &mut Criterion, name: &str, round: Round, setup: Setup) {
    let payload = noise(round.bytes);
    let wants_protection = setup.lose_every > 0 && setup.config.enable_protection;
    let mut scene: Scene<M> = Scene::new(setup);
    (0..WARM_UP).for_each(|_| round.play(&mut scene, payload));
    assert_eq!(scene.is_protected(), wants_protection, "{name}: protected or not as wanted");
    let mut group = c.benchmark_group("message");
    group.throughput(Throughput::Elements(round.messages * if round.both { 2 } else { 1 }));
    group.bench_function(name, |b| b.iter(|| round.play(&mut scene, payload)));
    group.finish();
}

/// A path that loses nothing and takes no time.
fn lossless(c: &mut Criterion) {
    let batch = Round { messages: 16, every: TICK, ..ALONE };
    let plain = Setup::default;
    bench::<Session>(c, "session/64 bytes/one a packet", ALONE, plain());
    bench::<Session>(c, "session/64 bytes/16 a packet", batch, plain());
    bench::<Session>(c, "session/64 bytes/as many as fit of 64", Round { messages: 64, ..batch }, plain());
    bench::<Session>(c, "session/64 bytes/both talk", Round { every: TICK, both: true, ..ALONE }, plain());
    bench::<Session>(c, "session/1000 bytes/one a packet", Round { bytes: 1_000, ..ALONE }, plain());
    bench::<Link>(c, "link/64 bytes/one a packet", ALONE, plain());
    bench::<Link>(c, "link/64 bytes/16 a packet", batch, plain());
}

/// 50 ms there and back, and every tenth packet is lost.
fn lossy(c: &mut Criterion) {
    let at_60_hz = Round { every: TICK, ..ALONE };
    for (name, enable_protection) in [("protected", true), ("unprotected", false)] {
        let config = SessionConfig { enable_protection, ..SessionConfig::default() };
        let setup = Setup { config, delay: Duration::from_millis(25), lose_every: 10 };
        bench::<Session>(c, &format!("session/64 bytes/lossy, 60 a second, {name}"), at_60_hz, setup.clone());
        bench::<Session>(c, &format!("session/64 bytes/lossy, 1000 a second, {name}"), ALONE, setup.clone());
        bench::<Session>(
            c,
            &format!("session/64 bytes/lossy, 16 a packet, {name}"),
            Round { messages: 16, ..at_60_hz },
            setup,
        );
    }
}

/// Messages of 1 MiB, from the submission until they are delivered, over a path of 20 ms there and back.
fn bulk(c: &mut Criterion) {
    const LENGTH: usize = 1 << 20;
    let words: &'static [u8] = Vec::leak(b"the same words again and again, ".repeat(LENGTH / 32));
    let mut group = c.benchmark_group("bulk");
    group.throughput(Throughput::Bytes(LENGTH as u64)).sample_size(30);
    for (name, payload, enable_compression) in
        [("noise", noise(LENGTH), true), ("noise, compression off", noise(LENGTH), false), ("words", words, true)]
    {
        let config = SessionConfig { enable_compression, ..SessionConfig::default() };
        let mut scene: Scene<Session> = Scene::new(Setup { config, delay: Duration::from_millis(10), lose_every: 0 });
        let mut messages = 0;
        group.bench_function(name, |b| {
            b.iter(|| {
                scene.submit(0, Delivery::Reliable, Bytes::from_static(payload)).expect("the lane is empty");
                messages += 1;
                scene.pass_until_delivered(messages);
                scene.pass(Duration::from_millis(30));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lossless, lossy, bulk);
criterion_main!(benches);
