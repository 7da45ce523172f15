//! What members say to each other through the server: stamped, bounded, dropped when nobody takes it.

use crate::hand::{House, Who, connecting, joining, ms, name, secs};
use bytes::Bytes;
use webstar_core::id::PlayerId;
use webstar_core::server::{Arrival, Endpoint, Input, ServerConfig, ServerEvent};
use webstar_core::wire::signal::{
    BroadcastData, Candidate, ClientMessage, CloseReason, Data, Encoding, ErrorCode, Frame, HostMigration, JoinRelay,
    Metadata, Ready, RelayData, Role, RtcSignal, ServerMessage, SessionKey, SetMetadata, StartGame, WebrtcSignal,
};

fn data(text: &str) -> Data {
    Data::of_bytes(text.as_bytes())
}

fn to_all(text: &str) -> ClientMessage {
    ClientMessage::BroadcastData(BroadcastData { from_player: PlayerId(77), data: data(text) })
}

fn to_one(to: u32, text: &str) -> ClientMessage {
    ClientMessage::RelayData(RelayData { from_player: PlayerId(77), to_player: PlayerId(to), data: data(text) })
}

fn dropped(house: &House, why: &str) -> u64 {
    house.servers[0].stats().dropped.get(why).copied().unwrap_or(0)
}

/// The texts of the data heard.
fn texts(house: &mut House, who: Who) -> Vec<(u32, String)> {
    let heard = house.heard(who).into_iter().filter_map(|message| match message {
        ServerMessage::RelayData(data) => Some((data.from_player.0, data.data)),
        ServerMessage::BroadcastData(data) => Some((data.from_player.0, data.data)),
        _ => None,
    });
    heard.map(|(from, data)| (from, String::from_utf8(data.to_bytes().to_vec()).unwrap())).collect()
}

#[test]
fn a_packet_names_its_true_sender_and_reaches_its_lobby_only() {
    let mut house = House::new(ServerConfig::default());
    let [a, b] = [house.member("den"), house.member("den")];
    let [c, d] = [house.member("cave"), house.member("cave")];
    house.relay(a, 2, b"x");
    assert_eq!((house.packets(b), house.packets(d)), (vec![(1, b"x".to_vec())], vec![]));
    house.relay(c, 3, b"x");
    house.frame(a, Frame::Binary(Bytes::from_static(&[1, 0x80])));
    let stray = house.player();
    house.relay(stray, 1, b"x");
    assert_eq!(
        (dropped(&house, "nobody_there"), dropped(&house, "malformed"), dropped(&house, "not_in_lobby")),
        (1, 1, 1)
    );
    assert_eq!(house.servers[0].stats().relayed, 1);
}

#[test]
fn who_talks_through_the_server_is_known_and_who_only_keeps_a_path_open_is_not() {
    let mut house = House::new(ServerConfig::default());
    let [a, b] = [house.member("den"), house.member("den")];
    let relaying = |house: &House| house.servers[0].relaying(house.now);
    // A question and an answer to each of three, all the while.
    let others = [b, house.member("den"), house.member("den")];
    for _ in 0..8 {
        for (other, number) in others.into_iter().zip(2..) {
            house.relay(a, number, b"still there?");
            house.relay(other, 1, b"still there.");
            house.relay(other, 1, b"still there?");
            house.relay(a, number, b"still there.");
        }
        house.pass(secs(15));
    }
    assert_eq!(relaying(&house), 0);
    // A game in which nobody does anything.
    for _ in 0..5 {
        house.relay(a, 2, b"x");
        house.relay(a, 3, b"x");
        house.pass(secs(2));
    }
    assert_eq!(relaying(&house), 1);
    for _ in 0..5 {
        house.say(b, to_all("x"));
    }
    assert_eq!(relaying(&house), 2);
    house.pass(secs(20));
    assert_eq!(relaying(&house), 1);
    house.pass(ms(1));
    assert_eq!(relaying(&house), 0);
}

#[test]
fn guests_talk_in_json_with_each_other_and_with_players() {
    let mut house = House::new(ServerConfig::default());
    let player = house.member("den");
    let guest = house.connect(Encoding::Json);
    let joined = house.join(guest, joining("den"));
    assert_eq!((joined.token, joined.relay_token), (None, None));
    assert!(joined.player_list.iter().all(|entry| entry.session == SessionKey(0)));
    assert_eq!(joined.player_list[1].role, Role::Guest);
    let second = house.guest("den");
    house.forget();
    house.say(guest, to_all("hello"));
    house.say(player, to_one(2, "hi"));
    house.say(guest, to_one(3, "psst"));
    assert_eq!(texts(&mut house, player), [(2, "hello".into())]);
    assert_eq!(texts(&mut house, guest), [(1, "hi".into())]);
    assert_eq!(texts(&mut house, second), [(2, "hello".into()), (2, "psst".into())]);
    house.relay(player, 2, b"x");
    house.relay(guest, 1, b"x");
    assert_eq!(dropped(&house, "guest"), 2);
    assert!(house.packets(player).is_empty());
    house.say(guest, to_one(9, "anybody"));
    assert_eq!(house.refused(guest), ErrorCode::NoSuchPlayer);
    house.say(guest, to_one(0, "server"));
    let event = ServerEvent::ClientMessage { lobby: name("den"), player: PlayerId(2), data: data("server") };
    assert!(house.events.contains(&event));
}

#[test]
fn guests_alone_have_a_nominal_host_until_a_player_comes() {
    let mut house = House::new(ServerConfig::default());
    let first = house.connect(Encoding::Json);
    // A guest that names no rules makes an ordinary lobby.
    let joined = house.join(first, crate::hand::entering("den"));
    assert_eq!(joined.host_id, Some(PlayerId(1)));
    let second = house.guest("den");
    house.forget();
    house.say(second, ClientMessage::StartGame(StartGame::default()));
    assert_eq!(house.refused(second), ErrorCode::NotHost);
    house.say(first, ClientMessage::StartGame(StartGame::default()));
    assert!(matches!(house.last(second), ServerMessage::GameStarted(_)));
    house.cut(first);
    let heard = house.heard(second);
    assert!(matches!(&heard[0], ServerMessage::HostMigration(HostMigration { new_host_id: PlayerId(2), .. })));
    let player = house.player();
    let joined = house.join(player, joining("den"));
    assert_eq!((joined.host_id, joined.player_id), (Some(PlayerId(3)), PlayerId(3)));
    assert!(matches!(house.last(second), ServerMessage::HostMigration(m) if m.new_host_id == PlayerId(3)));
}

#[test]
fn the_application_of_the_server_speaks_to_everybody() {
    let mut house = House::new(ServerConfig::default());
    let (a, b) = (house.member("den"), house.guest("cave"));
    house.player();
    house.forget();
    house.tell(0, Input::SendToAll { data: data("news") });
    for who in [a, b] {
        assert_eq!(texts(&mut house, who), [(0, "news".into())]);
    }
}

#[test]
fn negotiation_is_passed_on_between_players() {
    let mut house = House::new(ServerConfig::default());
    let (a, b, guest) = (house.member("den"), house.member("den"), house.guest("den"));
    house.forget();
    let candidate = Candidate { candidate: "c".into(), sdp_mid: None, sdp_m_line_index: None, username_fragment: None };
    let signal = |to: u32| WebrtcSignal {
        from_player: PlayerId(77),
        to_player: PlayerId(to),
        signal: RtcSignal::IceCandidate { candidate: candidate.clone() },
    };
    house.say(a, ClientMessage::WebrtcSignal(signal(2)));
    let stamped = WebrtcSignal { from_player: PlayerId(1), ..signal(2) };
    assert_eq!(house.heard(b), [ServerMessage::WebrtcSignal(stamped)]);
    assert_eq!(house.servers[0].stats().signals, 1);
    house.say(a, ClientMessage::WebrtcSignal(signal(3)));
    assert_eq!(house.refused(a), ErrorCode::NoSuchPlayer);
    house.say(guest, ClientMessage::WebrtcSignal(signal(1)));
    assert_eq!(house.refused(guest), ErrorCode::GuestsCannot);
}

#[test]
fn a_slow_reader_loses_the_oldest_packets_and_no_message() {
    let config = ServerConfig { window: 8 * 1024, queue: 66_000, ..ServerConfig::default() };
    let mut house = House::new(config);
    let (a, b) = (house.member("den"), house.member("den"));
    house.forget();
    house.clients[b].reads = false;
    for number in 0..100u8 {
        house.relay(a, 2, &[number; 1022]);
        if number % 10 == 0 {
            house.say(a, ClientMessage::Ready(Ready { ready: number % 20 == 0, request: 0 }));
        }
    }
    let given: u64 = house.servers[0].stats().queued_bytes;
    assert!((60_000..=66_000).contains(&given), "{given}");
    house.clients[b].reads = true;
    house.read(b);
    let numbers: Vec<u8> = house.packets(b).iter().map(|(_, content)| content[0]).collect();
    let lost = 100 - numbers.len();
    assert_eq!(dropped(&house, "slow_receiver"), lost as u64);
    assert!(lost > 20 && numbers.is_sorted() && numbers.contains(&0) && numbers.contains(&99));
    let first_kept = numbers.iter().position(|&n| usize::from(n) >= lost).unwrap();
    assert!(first_kept <= 8, "what was given out at first, then the newest: {numbers:?}");
    let lists = house.heard(b).iter().filter(|m| matches!(m, ServerMessage::PlayerListUpdated(_))).count();
    assert_eq!(lists, 10);
    assert_eq!(house.servers[0].stats().queued_bytes, 0);
}

#[test]
fn who_takes_nothing_for_five_seconds_is_closed() {
    let mut house = House::new(ServerConfig::default());
    let (a, b) = (house.member("den"), house.member("den"));
    house.forget();
    house.pass(secs(30));
    house.clients[b].reads = false;
    house.relay(a, 2, b"x");
    house.pass(secs(4));
    house.relay(a, 2, b"x");
    house.pass(secs(1) - ms(1));
    assert_eq!(house.clients[b].closed, None);
    house.pass(ms(1));
    assert_eq!(house.clients[b].closed, Some(CloseReason::TooSlow));
    assert_eq!(house.roster(a), (vec![1, -2], vec![]));
}

#[test]
fn who_takes_a_little_now_and_then_is_not() {
    let mut house = House::new(ServerConfig { window: 100, ..ServerConfig::default() });
    let (a, b) = (house.member("den"), house.member("den"));
    house.clients[b].reads = false;
    for _ in 0..10 {
        house.relay(a, 2, &[0; 98]);
    }
    for _ in 0..10 {
        house.pass(secs(4));
        house.read(b);
        house.say(a, ClientMessage::Ready(Ready { ready: true, request: 1 }));
    }
    assert_eq!(house.clients[b].closed, None);
}

#[test]
fn signalling_that_nobody_reads_closes_the_reader() {
    let mut house = House::new(ServerConfig { queue: 65_600, window: 1_000, ..ServerConfig::default() });
    let (a, b) = (house.member("den"), house.member("den"));
    house.clients[b].reads = false;
    let mut rounds = 0;
    while house.clients[b].closed.is_none() {
        let values = (0..16).map(|key| (format!("key {key}"), format!("{rounds:0128}")));
        let metadata = Metadata::new(values.collect()).unwrap();
        house.say(a, ClientMessage::SetMetadata(SetMetadata { metadata, request: 0 }));
        rounds += 1;
        assert!(rounds < 40, "the queue is bounded");
    }
    // Each is told twice: as news, and in the record that is kept for a restart.
    assert!(rounds > 12, "{rounds}");
    assert_eq!(house.clients[b].closed, Some(CloseReason::TooSlow));
    assert_eq!(dropped(&house, "slow_receiver"), 0);
}

#[test]
fn the_relay_endpoint_takes_over_what_is_relayed() {
    let mut house = House::new(ServerConfig::default());
    let a = house.member("den");
    let b = house.player();
    let joined = house.join(b, joining("den"));
    let relay_token = joined.relay_token.unwrap();
    let arrival = Arrival { endpoint: Endpoint::Relay, ..connecting("192.0.2.9", Some(Encoding::Postcard)) };
    let enter = |token| ClientMessage::JoinRelay(JoinRelay { lobby_id: name("den"), token });
    let relay = house.connect_to(0, arrival.clone());
    house.say(relay, ClientMessage::JoinLobby(joining("den")));
    assert_eq!(house.refused(relay), ErrorCode::BadMessage);
    house.say(relay, enter(joined.token.unwrap()));
    assert_eq!(house.refused(relay), ErrorCode::BadToken, "a resume token is none");
    house.say(relay, enter(relay_token.clone()));
    assert_eq!(house.heard(relay), [ServerMessage::RelayJoined]);
    house.relay(a, 2, b"x");
    house.relay(relay, 1, b"y");
    assert_eq!((house.packets(relay), house.packets(b)), (vec![(1, b"x".to_vec())], vec![]));
    assert_eq!(house.packets(a), [(2, b"y".to_vec())]);
    let second = house.connect_to(0, arrival);
    house.say(second, enter(relay_token));
    assert_eq!(house.clients[relay].closed, Some(CloseReason::Replaced));
    house.cut(second);
    house.relay(a, 2, b"z");
    assert_eq!(house.packets(b), [(1, b"z".to_vec())]);
    house.heard(b);
    house.say(b, ClientMessage::LeaveLobby);
    assert_eq!(house.heard(b), [ServerMessage::LobbyLeft]);
}

#[test]
fn what_is_longer_than_a_frame_on_its_way_is_not_passed_on() {
    let mut house = House::new(ServerConfig::default());
    let first = house.member("den");
    for _ in 2..128 {
        let guest = house.guest("den");
        house.cut(guest);
    }
    let late = house.member("den");
    // The sender's number takes one byte more than the receiver's.
    house.relay(late, 1, &[0; 64 * 1024 - 3]);
    assert_eq!(house.packets(first).len(), 1);
    house.relay(late, 1, &[0; 64 * 1024 - 2]);
    assert_eq!((house.packets(first).len(), dropped(&house, "too_long")), (0, 1));
}
