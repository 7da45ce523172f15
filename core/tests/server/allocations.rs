//! Counts what relaying asks of the allocator: nothing.

use bytes::Bytes;
use webstar_core::id::{ConnectionId, PlayerId, ShardId};
use webstar_core::server::directory::Table;
use webstar_core::server::{Answer, Ask, Identity, Input, Output, Server, ServerConfig};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::relay;
use webstar_core::wire::signal::{ClientMessage, Encoding, Frame, Hello, Version, encode_client};

const PLAYERS: u32 = 8;
const ROUNDS: u32 = 2_000;

/// Tells one thing and drains; what was relayed is looked at and dropped. Gives the packets that came out.
fn tell(server: &mut Server, table: &mut Table, now: Instant, input: Input) -> usize {
    let (mut packets, mut written) = (0, [0; PLAYERS as usize]);
    let mut answer = None;
    server.handle(now, input).unwrap();
    loop {
        match server.poll() {
            Output::Transmit { connection, frame } => {
                packets += usize::from(frame.bytes()[0] == relay::TAG);
                written[connection.0 as usize] += frame.bytes().len();
            }
            Output::Ask { id, ask: Ask::Directory(ask) } => {
                answer = Some((id, Answer::Directory(table.answer(ShardId(0), ask))));
            }
            Output::Timeout(_) => break,
            _ => {}
        }
    }
    for (number, bytes) in (0..).zip(written) {
        if bytes > 0 {
            server.handle(now, Input::Wrote { connection: ConnectionId(number), bytes }).unwrap();
        }
    }
    if let Some((ask, answer)) = answer {
        packets += tell(server, table, now, Input::Answered { ask, answer });
    }
    packets
}

#[test]
fn a_relayed_packet_costs_no_allocation() {
    let identity = Identity { shard: ShardId(0), shards: 1, key: [0; 32], process: 0 };
    let mut server = Server::new(ServerConfig::default(), identity, [0; 32], Instant::ZERO).unwrap();
    let (mut table, mut now) = (Table::new(), Instant::ZERO);
    for number in 0..PLAYERS {
        let connection = ConnectionId(number);
        let arrival = crate::hand::arrival("192.0.2.1", Encoding::Postcard);
        tell(&mut server, &mut table, now, Input::Connected { connection, arrival });
        let hello = ClientMessage::Hello(Hello { versions: vec![Version::CURRENT], key: None });
        for message in [hello, ClientMessage::JoinLobby(crate::hand::joining("den"))] {
            let frame = encode_client(Encoding::Postcard, &message);
            tell(&mut server, &mut table, now, Input::Frame { connection, frame });
        }
    }
    let mut counted = allocation_counter::AllocationInfo::default();
    let mut relayed = 0;
    for round in 0..ROUNDS {
        now += Duration::from_millis(20);
        for number in 0..PLAYERS {
            let to = PlayerId((number + round) % (PLAYERS - 1) + 1);
            let mut frame = Vec::with_capacity(66);
            relay::begin(to, &mut frame);
            frame.resize(66, 7);
            let input = Input::Frame { connection: ConnectionId(number), frame: Frame::Binary(Bytes::from(frame)) };
            let cost = allocation_counter::measure(|| {
                relayed += tell(&mut server, &mut table, now, input);
            });
            if round >= ROUNDS / 4 {
                counted += cost;
            }
        }
    }
    assert_eq!(relayed, (ROUNDS * PLAYERS) as usize);
    assert_eq!(counted.count_total, 0);
}
