//! What a kept message costs from its submission to its delivery at everybody and the acknowledgement back: all star
//! machines of a lobby together, and the bytes of their frames; the links between them are not part of it. Told per
//! delivered message.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use webstar_benches::lobby::Lobby;
use webstar_core::id::PlayerId;
use webstar_core::star::{Channel, Content, Destination, Entry, Frame, Kind, Position, Ruling, StarConfig, Told};
use webstar_core::time::Duration;
use webstar_core::wire::signal::Epoch;
use webstar_core::wire::star;

/// A tick of a game at 60 Hz, roughly.
const TICK: Duration = Duration::from_millis(16);
/// Rounds after which logs and tables have found their size.
const WARM_UP: u32 = 500;
const PLAYERS: u32 = 8;

fn hand_on(c: &mut Criterion) {
    let payload = Bytes::from_static(&[0x5a; 64]);
    // (name, the voters: one backup below six, two from then on, messages a round)
    let table = [("1 backup/1 a tick", 5, 1), ("1 backup/16 a tick", 5, 16), ("2 backups/16 a tick", 8, 16)];
    let mut group = c.benchmark_group("star/hand on to 8");
    for (name, voters, messages) in table {
        for channel in [Channel::Ordered, Channel::Reliable] {
            let mut lobby = Lobby::new(PLAYERS, voters, &StarConfig::default());
            let mut round = || {
                (0..messages).for_each(|_| lobby.say(2, channel, payload.clone()));
                lobby.pass(TICK);
                lobby.delivered()
            };
            let before = round();
            let warm = (0..WARM_UP).map(|_| round()).last().expect("there are rounds");
            let each = messages * u64::from(PLAYERS);
            assert!(warm - before >= u64::from(WARM_UP - 5) * each, "messages arrive");
            group.throughput(Throughput::Elements(each));
            group.bench_function(format!("{channel:?}/{name}").to_lowercase(), |b| b.iter(&mut round));
        }
    }
    group.finish();
}

fn codec(c: &mut Criterion) {
    let kind = Kind::new("move").expect("it is short");
    let payload = Bytes::from_static(&[0x5a; 64]);
    let (from, to) = (PlayerId(3), Destination::All);
    let (channel, ruling) = (Channel::Ordered, Ruling::AsSent);
    let message = Told { from, channel, seq: 15_000, to, kind: kind.clone(), payload, ruling };
    let epoch = Epoch { term: 3, round: 40 };
    let entry = Entry { position: Position(1_500_000), epoch, content: Content::Message(message) };
    let frame = Frame::Entry { epoch, entry };
    let bytes = star::encode(&frame, &mut |_| Some(1));
    let mut group = c.benchmark_group("star/entry of 64 bytes");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |b| b.iter(|| star::encode(black_box(&frame), &mut |_| Some(1))));
    group.bench_function("decode", |b| {
        b.iter(|| star::decode(black_box(&bytes), &mut |_| Some(kind.clone())).is_ok());
    });
    group.finish();
}

criterion_group!(benches, hand_on, codec);
criterion_main!(benches);
