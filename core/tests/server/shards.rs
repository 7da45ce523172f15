//! Several shards, and several servers: connections go where their lobby is.

use crate::hand::{House, Who, connecting, entering, joining, name, resuming, secret};
use webstar_core::id::{PlayerId, ShardId};
use webstar_core::server::{
    Answer, Arrival, Ask, DirectoryAnswer, DirectoryAsk, Endpoint, Found, Input, Owner, ServerConfig,
};
use webstar_core::wire::signal::{
    ClientMessage, CreateLobby, Encoding, ErrorCode, Filter, Hello, JoinLobby, JoinRelay, PeerId, PeerName, Ping, Pong,
    QuickJoin, Redirect, ServerMessage, Version,
};

fn at(house: &mut House, shard: usize) -> Who {
    let who = house.connect_to(shard, connecting("192.0.2.1", None));
    house.clients[who].encoding = Encoding::Postcard;
    house.hello(who);
    who
}

#[test]
fn a_join_moves_to_the_shard_of_the_lobby_with_all_that_belongs_to_it() {
    let mut house = House::of_shards(ServerConfig::default(), 2);
    let host = at(&mut house, 0);
    house.join(host, JoinLobby { password: Some(secret("s")), ..joining("den") });
    let other = at(&mut house, 1);
    let ada = PeerId::new("ada").unwrap();
    house.say(other, ClientMessage::PeerId(PeerName { peer_id: ada.clone() }));
    house.say(other, ClientMessage::JoinLobby(JoinLobby { password: Some(secret("wrong")), ..entering("den") }));
    assert!(matches!(house.last(other), ServerMessage::Error(e) if e.code == ErrorCode::NoSuchLobbyOrPassword));
    let joined = house.join(other, JoinLobby { password: Some(secret("s")), ..entering("den") });
    assert_eq!((house.clients[other].shard, house.clients[other].moves), (0, 1));
    assert_eq!(joined.player_list[1].peer_id, Some(ada.clone()));
    house.relay(host, 2, b"x");
    assert_eq!(house.packets(other), [(1, b"x".to_vec())]);
    assert_eq!(house.servers[1].stats().connections, 0);
    house.say(other, ClientMessage::LeaveLobby);
    house.cut(other);
    let next = at(&mut house, 1);
    house.say(next, ClientMessage::PeerId(PeerName { peer_id: ada }));
    assert!(matches!(house.last(next), ServerMessage::PeerId(_)), "the claim was let go at the other shard");
}

#[test]
fn resumes_and_relays_move_too() {
    let mut house = House::of_shards(ServerConfig::default(), 3);
    let who = at(&mut house, 2);
    let joined = house.join(who, joining("den"));
    house.cut(who);
    let back = at(&mut house, 0);
    house.say(back, resuming("den", &joined.token.unwrap()));
    assert_eq!(house.joined(back).player_id, PlayerId(1));
    assert_eq!(house.clients[back].shard, 2);
    let arrival = Arrival { endpoint: Endpoint::Relay, ..connecting("192.0.2.1", Some(Encoding::Postcard)) };
    let relay = house.connect_to(1, arrival);
    let token = joined.relay_token.unwrap();
    house.say(relay, ClientMessage::JoinRelay(JoinRelay { lobby_id: name("den"), token }));
    assert_eq!(house.heard(relay), [ServerMessage::RelayJoined]);
    assert_eq!(house.clients[relay].shard, 2);
}

#[test]
fn what_waits_for_a_slow_reader_and_what_it_has_said_moves_with_it() {
    let config = ServerConfig { window: 1, ..ServerConfig::default() };
    let mut house = House::of_shards(config, 2);
    let host = at(&mut house, 0);
    house.join(host, joining("den"));
    let other = at(&mut house, 1);
    house.clients[other].reads = false;
    house.say(other, ClientMessage::Ping(Ping { nonce: 1 }));
    house.say(other, ClientMessage::Ping(Ping { nonce: 2 }));
    house.hold = |ask| matches!(ask, Ask::Directory(DirectoryAsk::Lobby { .. }));
    house.say(other, ClientMessage::JoinLobby(entering("den")));
    house.say(other, ClientMessage::LeaveLobby);
    house.hold = |_| false;
    house.answer_next();
    assert_eq!(house.clients[other].shard, 0);
    for _ in 0..8 {
        house.read(other);
    }
    let heard = house.heard(other);
    assert_eq!(heard[0], ServerMessage::Pong(Pong { nonce: 1 }));
    assert_eq!(heard[1], ServerMessage::Pong(Pong { nonce: 2 }));
    assert!(matches!(heard[2..], [ServerMessage::LobbyJoined(_), ServerMessage::LobbyLeft]), "{heard:?}");
}

#[test]
fn a_quick_join_goes_to_another_shard() {
    let mut house = House::of_shards(ServerConfig::default(), 2);
    let host = at(&mut house, 0);
    let rules = CreateLobby { public: true, ..CreateLobby::default() };
    house.join(host, JoinLobby { create: Some(rules), ..joining("den") });
    let other = at(&mut house, 1);
    let (username, filter) = (crate::hand::username("Q"), Filter::default());
    house.say(other, ClientMessage::QuickJoin(QuickJoin { username, filter, create: None, admission: None }));
    assert_eq!(house.joined(other).lobby.lobby_id, name("den"));
}

#[test]
fn a_lobby_of_another_server_is_told() {
    let mut house = House::new(ServerConfig::default());
    house.hold = |ask| matches!(ask, Ask::Directory(DirectoryAsk::Lobby { .. }));
    let who = house.player();
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    let url = "wss://two.example/ws".to_owned();
    let (_, ask, _) = house.held.remove(0);
    let found = Found::Owned(Owner::Server(url.clone()));
    house.tell(0, Input::Answered { ask, answer: Answer::Directory(DirectoryAnswer::Lobby(found)) });
    assert_eq!(house.heard(who), [ServerMessage::Redirect(Redirect { url })]);
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    let (_, ask, _) = house.held.remove(0);
    house.tell(0, Input::Answered { ask, answer: Answer::Directory(DirectoryAnswer::Unavailable) });
    assert_eq!(house.refused(who), ErrorCode::Busy);
}

#[test]
fn a_directory_that_says_two_things_at_once_moves_nobody_for_ever() {
    let mut house = House::of_shards(ServerConfig::default(), 2);
    house.hold = |ask| matches!(ask, Ask::Directory(DirectoryAsk::Lobby { .. }));
    let who = at(&mut house, 0);
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    for _ in 0..100 {
        let Some((shard, ask, _)) = house.held.pop() else { break };
        let other = ShardId(u16::try_from(1 - shard).unwrap());
        let found = Found::Owned(Owner::Shard(other));
        house.tell(shard, Input::Answered { ask, answer: Answer::Directory(DirectoryAnswer::Lobby(found)) });
    }
    assert_eq!(house.refused(who), ErrorCode::Busy);
    assert!(house.clients[who].moves < 40);
}

#[test]
fn the_directory_remembers_a_lobby_of_an_earlier_life() {
    let mut house = House::new(ServerConfig::default());
    house.table.answer(ShardId(0), DirectoryAsk::Lobby { name: name("den"), create: true });
    let who = house.player();
    house.say(who, ClientMessage::JoinLobby(entering("den")));
    assert_eq!(house.refused(who), ErrorCode::NoSuchLobbyOrPassword);
    house.join(who, joining("den"));
}

#[test]
fn a_name_given_to_one_who_has_gone_is_given_back() {
    let mut house = House::new(ServerConfig::default());
    house.hold = |ask| matches!(ask, Ask::Directory(_));
    let who = house.player();
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    let claimer = house.player();
    house.say(claimer, ClientMessage::PeerId(PeerName { peer_id: PeerId::new("ada").unwrap() }));
    house.cut(who);
    house.cut(claimer);
    house.hold = |_| false;
    while !house.held.is_empty() {
        house.answer_next();
    }
    let ask = DirectoryAsk::Lobby { name: name("den"), create: false };
    assert_eq!(house.table.answer(ShardId(0), ask), DirectoryAnswer::Lobby(Found::Nobody));
    let next = house.player();
    house.say(next, ClientMessage::Hello(Hello { versions: vec![Version::CURRENT], key: None }));
    house.say(next, ClientMessage::PeerId(PeerName { peer_id: PeerId::new("ada").unwrap() }));
    assert!(matches!(house.last(next), ServerMessage::PeerId(_)));
}
