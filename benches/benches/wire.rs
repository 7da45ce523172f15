//! The wire alone: sealing and opening packets, and frames laid by hand against the same frames through postcard.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use webstar_benches::vocabulary::{Content, read_by_hand, read_by_postcard, write_by_hand, write_by_postcard};
use webstar_core::id::SessionId;
use webstar_core::wire::packet::{self, SealKey};
use webstar_core::wire::rhythm::Rhythm;

/// Room for the longest of the packets.
const ROOM: usize = 4_096;

/// Header and seal around content of a given length.
fn seals(c: &mut Criterion) {
    let key = SealKey::new(SessionId(1), SessionId(2));
    let mut group = c.benchmark_group("packet");
    for length in [64, 1_100] {
        let content = vec![7; length];
        let mut out = Vec::with_capacity(ROOM);
        group.throughput(Throughput::Bytes(length as u64));
        group.bench_function(BenchmarkId::new("seal", length), |b| {
            b.iter(|| {
                out.clear();
                packet::begin(20_000, 19_990, Rhythm(9), &mut out);
                out.extend_from_slice(black_box(&content));
                packet::seal(key, 20_000, 0, &mut out);
                out.len()
            });
        });
        group.bench_function(BenchmarkId::new("open", length), |b| {
            b.iter(|| packet::open(key, 19_999, black_box(&out)).expect("the packet is whole").number);
        });
    }
    group.finish();
}

/// An acknowledgement and one message, or as many as fit.
fn frames(c: &mut Criterion) {
    let mut group = c.benchmark_group("frames");
    for messages in [1, 16] {
        let content = Content::typical(messages);
        let (mut hand, mut card) = (Vec::with_capacity(ROOM), [0; ROOM]);
        write_by_hand(&content, &mut hand);
        let len = write_by_postcard(&content, &mut card).expect("the buffer is long enough");
        println!("ack + {messages} x 64 bytes: {} bytes by hand, {len} by postcard", hand.len());
        group.bench_function(BenchmarkId::new("write/hand", messages), |b| {
            b.iter(|| write_by_hand(black_box(&content), &mut hand));
        });
        group.bench_function(BenchmarkId::new("write/postcard", messages), |b| {
            b.iter(|| write_by_postcard(black_box(&content), &mut card));
        });
        group.bench_function(BenchmarkId::new("read/hand", messages), |b| b.iter(|| read_by_hand(black_box(&hand))));
        group.bench_function(BenchmarkId::new("read/postcard", messages), |b| {
            b.iter(|| read_by_postcard(black_box(&card[..len])));
        });
    }
    group.finish();
}

criterion_group!(benches, seals, frames);
criterion_main!(benches);
