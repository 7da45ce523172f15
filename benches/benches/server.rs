//! What the lobby server's machine does for one relayed packet, one join and one return, in a lobby of eight. Sockets and
//! TLS are not part of it, nor is the client; reading and writing of messages is.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::time::{Duration, Instant};
use webstar_benches::house::{House, packet};
use webstar_core::id::PlayerId;

const PLAYERS: usize = 8;
/// Who comes and goes: not the first, who is host.
const GUEST: usize = PLAYERS - 1;
/// What a game's packet has, roughly.
const PACKET: usize = 100;

fn relay(c: &mut Criterion) {
    let mut house = House::new(PLAYERS);
    let frames: Vec<_> = (1..=PLAYERS as u32).map(|to| packet(PlayerId(to), PACKET)).collect();
    let mut group = c.benchmark_group("server");
    group.throughput(Throughput::Elements(PLAYERS as u64));
    let before = house.relayed();
    let mut count = 0;
    group.bench_function("relay 8 packets of 100 bytes", |b| {
        b.iter(|| {
            (0..PLAYERS).for_each(|from| house.relay(from, &frames[(from + 1) % PLAYERS]));
            house.pass();
            count += PLAYERS as u64;
        });
    });
    assert_eq!(house.relayed() - before, count, "every packet goes through");
    group.finish();
}

/// Measures the second of two things that a client does again and again.
fn come(c: &mut Criterion, name: &str, go: fn(&mut House), come: fn(&mut House)) {
    let mut house = House::new(PLAYERS);
    let mut group = c.benchmark_group("server");
    group.throughput(Throughput::Elements(1));
    group.bench_function(name, |b| {
        b.iter_custom(|rounds| {
            let mut spent = Duration::ZERO;
            for _ in 0..rounds {
                go(&mut house);
                house.pass();
                house.connect(GUEST);
                let begin = Instant::now();
                come(&mut house);
                spent += begin.elapsed();
                assert!(house.is_in(GUEST), "it is in the lobby again");
            }
            spent
        });
    });
    group.finish();
}

fn join(c: &mut Criterion) {
    let leave = |house: &mut House| {
        house.leave(GUEST);
        house.forget(GUEST);
    };
    come(c, "join a lobby of 7", leave, |house| house.join(GUEST));
}

fn resume(c: &mut Criterion) {
    come(c, "resume in a lobby of 8", |house| house.cut(GUEST), |house| house.resume(GUEST));
}

criterion_group!(benches, relay, join, resume);
criterion_main!(benches);
