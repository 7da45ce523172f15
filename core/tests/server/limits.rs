//! How much a client may do, and how long it may do nothing.

use crate::hand::{House, arrival, connecting, entering, joining, ms, secs};
use bytes::Bytes;
use webstar_core::id::{AskId, ConnectionId, PlayerId};
use webstar_core::server::{
    Answer, DirectoryAnswer, Fault, Identity, Input, InputError, Server, ServerConfig, ServerTimer,
};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{
    BroadcastData, ClientMessage, CloseReason, Closing, Data, Encoding, ErrorCode, Frame, Ping, Ready, ServerMessage,
};

const PING: ClientMessage = ClientMessage::Ping(Ping { nonce: 0 });

fn dropped(house: &House, why: &str) -> u64 {
    house.servers[0].stats().dropped.get(why).copied().unwrap_or(0)
}

#[test]
fn who_does_not_say_what_it_wants_is_closed() {
    let mut house = House::new(ServerConfig::default());
    let who = house.connect(Encoding::Json);
    house.pass(secs(3));
    house.say(who, PING);
    house.pass(secs(2) - ms(1));
    assert_eq!(house.clients[who].closed, None);
    house.pass(ms(1));
    assert_eq!(house.clients[who].closed, Some(CloseReason::HandshakeTimeout));
    assert_eq!(house.servers[0].stats().closed["handshake_timeout"], 1);
}

#[test]
fn who_says_nothing_for_a_minute_is_closed_and_a_control_frame_is_something() {
    let mut house = House::new(ServerConfig::default());
    let who = house.player();
    house.pass(secs(59));
    let connection = house.clients[who].id;
    house.tell(0, Input::Control { connection });
    house.pass(secs(60) - ms(1));
    assert_eq!(house.clients[who].closed, None);
    house.pass(ms(1));
    assert_eq!(house.clients[who].closed, Some(CloseReason::Idle));
    assert_eq!(house.deadlines[0], None, "nobody is there");
}

#[test]
fn an_idle_connection_is_looked_at_once_a_minute() {
    let mut house = House::new(ServerConfig::default());
    let who = house.member("den");
    let (mut calls, connection) = (0, house.clients[who].id);
    for second in 1..=600u32 {
        house.now = Instant::ZERO + secs(1) * second;
        if second % 15 == 0 {
            house.tell(0, Input::Control { connection });
        }
        while house.deadlines[0].is_some_and(|(at, _)| at <= house.now) {
            assert_eq!(house.deadlines[0].map(|(_, timer)| timer), Some(ServerTimer::Connection(connection)));
            house.tell(0, Input::Timeout);
            calls += 1;
        }
    }
    assert!(calls <= 12, "{calls}");
    assert!(house.clients[who].is_open);
}

#[test]
fn connections_are_bounded_in_all_and_by_address() {
    let config = ServerConfig { max_connections: 4, max_connections_per_address: 2, ..ServerConfig::default() };
    let mut house = House::new(config);
    let connect = |house: &mut House, address: &str| {
        let who = house.connect_to(0, arrival(address, Encoding::Json));
        house.clients[who].closed
    };
    assert_eq!([1, 2].map(|_| connect(&mut house, "192.0.2.1")), [None, None]);
    assert_eq!(connect(&mut house, "192.0.2.1"), Some(CloseReason::Busy));
    house.cut(0);
    assert_eq!(connect(&mut house, "192.0.2.1"), None);
    assert_eq!([1, 2].map(|_| connect(&mut house, "127.0.0.1")), [None, None]);
    let late = house.connect_to(0, arrival("127.0.0.1", Encoding::Json));
    assert_eq!((house.clients[late].closed, house.refused(late)), (Some(CloseReason::Busy), ErrorCode::Busy));
    assert_eq!(house.servers[0].stats().connections, 4);
}

#[test]
fn too_many_messages_or_control_frames_close_the_connection() {
    let mut house = House::new(ServerConfig::default());
    let who = house.player();
    for _ in 0..399 {
        house.say(who, PING);
    }
    assert_eq!(house.clients[who].closed, None);
    house.say(who, PING);
    assert_eq!(house.clients[who].closed, Some(CloseReason::RateLimited));

    let who = house.player();
    let connection = house.clients[who].id;
    for _ in 0..40 {
        house.tell(0, Input::Control { connection });
    }
    house.pass(ms(100));
    house.tell(0, Input::Control { connection });
    assert_eq!(house.clients[who].closed, None);
    house.tell(0, Input::Control { connection });
    assert_eq!(house.clients[who].closed, Some(CloseReason::RateLimited));
}

#[test]
fn what_everybody_is_told_of_counts_ten_and_is_refused_first() {
    let mut house = House::new(ServerConfig::default());
    let who = house.member("den");
    house.pass(secs(10));
    house.forget();
    for number in 0..41 {
        house.say(who, ClientMessage::Ready(Ready { ready: number % 2 == 0, request: 0 }));
    }
    let refusals = house.heard(who).iter().filter(|message| matches!(message, ServerMessage::Error(_))).count();
    assert_eq!((refusals, house.clients[who].closed), (0, Some(CloseReason::RateLimited)));

    let who = house.member("cave");
    house.pass(secs(10));
    house.say(who, PING);
    house.forget();
    for number in 0..45 {
        house.say(who, ClientMessage::Ready(Ready { ready: number % 2 == 0, request: 0 }));
    }
    let refusals = house.heard(who).iter().filter(|message| matches!(message, ServerMessage::Error(_))).count();
    assert_eq!((refusals, house.clients[who].closed), (6, None));
}

#[test]
fn packets_beyond_the_rate_are_dropped_and_ten_times_the_rate_closes() {
    let config = ServerConfig { frames_per_second: 20, ..ServerConfig::default() };
    let mut house = House::new(config);
    let (a, b) = (house.member("den"), house.member("den"));
    house.pass(secs(10));
    house.forget();
    for _ in 0..30 {
        house.relay(a, 2, b"x");
    }
    assert_eq!((house.packets(b).len(), dropped(&house, "rate")), (20, 10));
    house.pass(ms(100));
    for _ in 0..4 {
        house.relay(a, 2, b"x");
    }
    assert_eq!((house.packets(b).len(), dropped(&house, "rate")), (2, 12));
    let mut sent = 0;
    while house.clients[a].closed.is_none() {
        house.relay(a, 2, b"x");
        sent += 1;
    }
    assert_eq!(house.clients[a].closed, Some(CloseReason::RateLimited));
    assert!((150..=200).contains(&sent), "{sent}");
}

#[test]
fn a_broadcast_costs_its_fan_out_and_a_lobby_has_its_own_bound() {
    let config = ServerConfig { bytes_per_second: 65_536, lobby_bytes_per_second: 100_000, ..ServerConfig::default() };
    let mut house = House::new(config);
    let members: Vec<_> = (0..4).map(|_| house.member("den")).collect();
    house.pass(secs(5));
    let broadcast = || {
        let data = Data::of_bytes(&[b'x'; 10_000]);
        ClientMessage::BroadcastData(BroadcastData { from_player: PlayerId(1), data })
    };
    for _ in 0..3 {
        house.say(members[0], broadcast());
    }
    assert_eq!(dropped(&house, "rate"), 1, "three times 30,000");
    house.say(members[1], broadcast());
    assert_eq!(dropped(&house, "lobby_rate"), 0);
    house.say(members[2], broadcast());
    assert_eq!(dropped(&house, "lobby_rate"), 1);
}

#[test]
fn connections_of_one_address_share_its_bytes() {
    let config = ServerConfig { address_bytes_per_second: 4 * 65_536, ..ServerConfig::default() };
    let mut house = House::new(config);
    let [a, b] = ["192.0.2.1", "192.0.2.1"].map(|address| house.player_from(address));
    let [near, far] = ["127.0.0.1", "192.0.2.2"].map(|address| house.player_from(address));
    for who in [a, b, near, far] {
        house.join(who, joining("den"));
    }
    house.pass(secs(10));
    house.forget();
    for _ in 0..8 {
        house.relay(a, 4, &[b'x'; 32_000]);
        house.relay(b, 4, &[b'x'; 32_000]);
    }
    // Each is charged when it owes two of them.
    assert_eq!((house.packets(far).len(), dropped(&house, "address_rate")), (10, 6));
    for _ in 0..16 {
        house.relay(near, 4, &[b'x'; 32_000]);
    }
    assert_eq!((house.packets(far).len(), dropped(&house, "address_rate")), (16, 6));
    house.pass(secs(1));
    house.relay(a, 4, b"x");
    assert_eq!((house.packets(far).len(), dropped(&house, "address_rate")), (1, 6));
}

#[test]
fn what_is_no_conversation_is_closed_with_its_reason() {
    let reasons = [
        (Fault::TooLarge, CloseReason::TooLarge, "too_large"),
        (Fault::Malformed, CloseReason::BadMessages, "bad_messages"),
        (Fault::Endless, CloseReason::RateLimited, "rate_limited"),
        (Fault::Unread, CloseReason::TooSlow, "too_slow"),
    ];
    for (fault, reason, name) in reasons {
        let mut house = House::new(ServerConfig::default());
        let who = house.member("den");
        let connection = house.clients[who].id;
        house.tell(0, Input::Broken { connection, fault });
        assert_eq!(house.clients[who].closed, Some(reason));
        let stats = house.servers[0].stats();
        assert_eq!((stats.closed[name], stats.players), (1, 1), "its place is kept");
    }
}

#[test]
fn who_goes_on_asking_is_closed() {
    let mut house = House::new(ServerConfig::default());
    let who = house.player_from("192.0.2.1");
    let mut asked = 0;
    while house.clients[who].closed.is_none() {
        house.say(who, ClientMessage::JoinLobby(entering("guess")));
        house.pass(ms(200));
        asked += 1;
    }
    // Ten guesses, twenty times told that it asks too often, and two that the minutes gave back.
    assert_eq!((asked, house.clients[who].closed), (33, Some(CloseReason::RateLimited)));
}

#[test]
fn a_server_that_goes_says_so_refuses_joins_and_closes_all() {
    let mut house = House::new(ServerConfig::default());
    let (a, b) = (house.member("den"), house.player());
    house.forget();
    house.tell(0, Input::ShutDown { within: secs(2) });
    for who in [a, b] {
        assert_eq!(house.heard(who), [ServerMessage::Closing(Closing { in_ms: 2_000 })]);
    }
    house.say(b, ClientMessage::JoinLobby(joining("den")));
    assert_eq!(house.refused(b), ErrorCode::ShuttingDown);
    let late = house.connect_to(0, connecting("192.0.2.1", None));
    assert_eq!(house.clients[late].closed, Some(CloseReason::ShuttingDown));
    assert_eq!(house.deadlines[0].unwrap().1, ServerTimer::ShutDown);
    house.pass(secs(2) - ms(1));
    assert!(house.clients[a].is_open && house.clients[b].is_open);
    house.pass(ms(1));
    for who in [a, b] {
        assert_eq!(house.clients[who].closed, Some(CloseReason::ShuttingDown));
    }
}

#[test]
fn misuse_is_told_and_changes_nothing() {
    let mut house = House::new(ServerConfig::default());
    let who = house.player();
    let (connection, nobody) = (house.clients[who].id, ConnectionId(9));
    let arrival = connecting("192.0.2.1", None);
    let frame = Frame::Text(Bytes::new());
    let answer = || Answer::Directory(DirectoryAnswer::Done);
    let table = [
        (Input::Connected { connection, arrival }, InputError::ConnectionTaken(connection)),
        (Input::Frame { connection: nobody, frame }, InputError::NoSuchConnection(nobody)),
        (Input::Control { connection: nobody }, InputError::NoSuchConnection(nobody)),
        (Input::Broken { connection: nobody, fault: Fault::Malformed }, InputError::NoSuchConnection(nobody)),
        (Input::Closed { connection: nobody }, InputError::NoSuchConnection(nobody)),
        (Input::Wrote { connection: nobody, bytes: 0 }, InputError::NoSuchConnection(nobody)),
        (Input::Wrote { connection, bytes: 1 }, InputError::WroteTooMuch(connection)),
        (Input::Answered { ask: AskId(7), answer: answer() }, InputError::NoSuchAsk(AskId(7))),
    ];
    for (input, error) in table {
        assert_eq!(house.servers[0].handle(house.now, input), Err(error));
    }
    house.hold = |_| true;
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    let (_, ask, _) = house.held[0];
    let wrong = Input::Answered { ask, answer: answer() };
    assert_eq!(house.servers[0].handle(house.now, wrong), Err(InputError::NoSuchAsk(ask)));
    house.hold = |_| false;
    house.answer_next();
    house.joined(who);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let make = |config, shard: u16| {
        let identity = Identity { shard: webstar_core::id::ShardId(shard), shards: 1, key: [0; 32], process: 0 };
        Server::new(config, identity, [0; 32], Instant::ZERO).err().map(|error| error.setting)
    };
    let good = ServerConfig::default;
    let table = [
        (good(), None),
        (ServerConfig { max_lobby_players: 65, ..good() }, Some("max_lobby_players")),
        (ServerConfig { queue: 1_000, ..good() }, Some("queue")),
        (ServerConfig { password_workers: 0, ..good() }, Some("password_workers")),
        (ServerConfig { token_lifetime: secs(1), ..good() }, Some("token_lifetime")),
        (ServerConfig { idle_timeout: Duration::ZERO, ..good() }, Some("idle_timeout")),
        (ServerConfig { resume_timeout: secs(100_000), ..good() }, Some("resume_timeout")),
    ];
    for (config, setting) in table {
        assert_eq!(make(config, 0), setting);
    }
    assert_eq!(make(good(), 1), Some("shards"));
}
