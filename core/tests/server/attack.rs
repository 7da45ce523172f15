//! What somebody who means harm, or whose messages come at the worst moment, must not get.

use crate::hand::{House, Who, arrival, entering, joining, name, resuming, secret, secs};
use crate::stars::Den;
use webstar_core::id::{PlayerId, ShardId};
use webstar_core::server::{
    Arrival, Ask, Claim, DirectoryAnswer, DirectoryAsk, Endpoint, Found, Input, Owner, ServerConfig, ServerEvent,
};
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, CreateLobby, Encoding, ErrorCode, Hello, HostCause, JoinLobby, JoinRelay, LobbyJoined,
    PeerId, PeerName, Ping, Ready, RequestHostMigration, Resume, RtcSignal, ServerMessage, Version, WebrtcSignal,
};

fn is_of_directory(ask: &Ask) -> bool {
    matches!(ask, Ask::Directory(_))
}

/// The directory sees all open questions in their order. Its answers are told in the order of these numbers.
fn answer_in_order(house: &mut House, order: &[usize]) {
    let held = core::mem::take(&mut house.held);
    let answers: Vec<_> = held.into_iter().map(|(shard, id, ask)| (shard, id, house.answer(shard, ask))).collect();
    assert_eq!(answers.len(), order.len());
    for &index in order {
        let (shard, ask, answer) = answers[index].clone();
        house.tell(shard, Input::Answered { ask, answer });
    }
}

/// Everything that is open is answered, and what is asked then.
fn answer_all(house: &mut House) {
    for _ in 0..100 {
        if house.held.is_empty() {
            return;
        }
        house.answer_next();
    }
    panic!("the questions do not end");
}

fn owner(house: &mut House, lobby: &str) -> Found {
    let ask = DirectoryAsk::Lobby { name: name(lobby), create: false };
    match house.table.answer(ShardId(0), ask) {
        DirectoryAnswer::Lobby(found) => found,
        other => panic!("{other:?}"),
    }
}

/// Who it was let in as.
fn number(house: &mut House, who: Who) -> u32 {
    let heard = house.heard(who).into_iter().find_map(|message| match message {
        ServerMessage::LobbyJoined(joined) => Some(joined.player_id.0),
        _ => None,
    });
    heard.unwrap()
}

fn fresh(house: &mut House, joined: &LobbyJoined) -> (Who, LobbyJoined) {
    let who = house.player();
    let token = joined.token.clone().unwrap();
    house.say(
        who,
        ClientMessage::Resume(Resume { lobby_id: joined.lobby.lobby_id.clone(), token, fresh: true, restore: None }),
    );
    let joined = house.joined(who);
    (who, joined)
}

#[test]
fn two_who_make_one_lobby_are_in_one_lobby_in_whatever_order_the_answers_come() {
    for order in [[0, 1], [1, 0]] {
        let mut house = House::new(ServerConfig::default());
        let [a, b] = [house.player(), house.player()];
        house.hold = is_of_directory;
        house.say(a, ClientMessage::JoinLobby(joining("den")));
        house.say(b, ClientMessage::JoinLobby(joining("den")));
        answer_in_order(&mut house, &order);
        answer_all(&mut house);
        let mut numbers = [a, b].map(|who| number(&mut house, who));
        numbers.sort_unstable();
        assert_eq!(numbers, [1, 2], "{order:?}");
        let stats = house.servers[0].stats();
        assert_eq!((stats.lobbies, stats.players), (1, 2));
        assert_eq!(owner(&mut house, "den"), Found::Owned(Owner::Shard(ShardId(0))));
    }
}

#[test]
fn a_lobby_is_made_only_while_its_name_is_ours() {
    // The maker leaves while another join is asked for: the directory hears of both, in either order, and its answers
    // come in either order.
    for (order, swap) in [([0, 1], false), ([1, 0], false), ([0, 1], true), ([1, 0], true)] {
        let mut house = House::new(ServerConfig::default());
        let a = house.member("den");
        let b = house.player();
        house.hold = is_of_directory;
        house.say(b, ClientMessage::JoinLobby(joining("den")));
        house.say(a, ClientMessage::LeaveLobby);
        if swap {
            house.held.swap(0, 1);
        }
        answer_in_order(&mut house, &order);
        answer_all(&mut house);
        assert_eq!(house.joined(b).player_id, PlayerId(1), "{order:?} {swap}");
        assert_eq!(owner(&mut house, "den"), Found::Owned(Owner::Shard(ShardId(0))), "{order:?} {swap}");
        house.say(b, ClientMessage::LeaveLobby);
        answer_all(&mut house);
        assert_eq!(owner(&mut house, "den"), Found::Nobody, "{order:?} {swap}");
    }
}

#[test]
fn a_name_given_too_late_to_one_who_has_gone_is_given_back() {
    for order in [[0, 1], [1, 0]] {
        let mut house = House::new(ServerConfig::default());
        let a = house.member("den");
        let b = house.player();
        house.hold = is_of_directory;
        house.say(b, ClientMessage::JoinLobby(joining("den")));
        house.say(a, ClientMessage::LeaveLobby);
        house.cut(b);
        house.held.swap(0, 1);
        answer_in_order(&mut house, &order);
        answer_all(&mut house);
        assert_eq!(owner(&mut house, "den"), Found::Nobody, "{order:?}");
    }
}

#[test]
fn a_token_of_a_lobby_that_is_gone_is_worth_nothing_in_the_next_of_its_name() {
    let mut house = House::new(ServerConfig::default());
    let thief = house.player();
    let old = house.join(thief, joining("den"));
    house.say(thief, ClientMessage::LeaveLobby);
    let owner = house.player_from("198.51.100.1");
    house.join(owner, JoinLobby { password: Some(secret("s")), ..joining("den") });
    let arrival = Arrival { endpoint: Endpoint::Relay, ..arrival("192.0.2.1", Encoding::Postcard) };
    let relay = house.connect_to(0, arrival);
    let token = old.relay_token.clone().unwrap();
    house.say(relay, ClientMessage::JoinRelay(JoinRelay { lobby_id: name("den"), token }));
    assert_eq!(house.refused(relay), ErrorCode::BadToken);
    for fresh in [false, true] {
        let token = old.token.clone().unwrap();
        house.heard(thief);
        house.say(thief, ClientMessage::Resume(Resume { lobby_id: name("den"), token, fresh, restore: None }));
        assert_eq!(house.refused(thief), ErrorCode::BadToken);
        assert_eq!(house.clients[owner].closed, None);
    }
}

#[test]
fn a_host_that_starts_afresh_is_lost_as_host() {
    // Alone it is host again, in a new line.
    let mut den = Den::of(1);
    den.house.cut(den.who(1));
    let (_, again) = fresh(&mut den.house, &den.joined[0].clone());
    assert_eq!((again.player_id, again.epoch.term), (PlayerId(1), 1));
    let told = den.told();
    assert!(told.view.begins_line() && den.is_certified(&told));
    assert_eq!((told.view.host, told.view.voters[0].incarnation.0, told.view.epoch.term), (PlayerId(1), 2, 2));
    // Where others remember, one of them is proposed at once.
    let mut den = Den::of(3);
    den.house.cut(den.who(1));
    den.house.forget();
    fresh(&mut den.house, &den.joined[0].clone());
    let told = den.proposal(3);
    assert_eq!((told.view.host, told.view.cause), (PlayerId(2), Some(HostCause::CrashClosed)));
    // Who is not host loses nothing for the lobby.
    let mut den = Den::of(3);
    den.house.cut(den.who(3));
    let (_, again) = fresh(&mut den.house, &den.joined[2].clone());
    assert_eq!((again.host_id, again.epoch), (Some(PlayerId(1)), den.view.epoch));
    den.house.pass(secs(10));
    assert_eq!(den.proposals(2), []);
}

#[test]
fn a_lobby_that_wants_no_other_host_ends_when_its_host_has_forgotten_everything() {
    let mut house = House::new(ServerConfig::default());
    let host = house.player();
    let rules = CreateLobby { enable_host_migration: false, ..CreateLobby::default() };
    let first = house.join(host, JoinLobby { create: Some(rules), ..joining("den") });
    let member = house.member("den");
    house.cut(host);
    let who = house.player();
    let token = first.token.unwrap();
    house.say(who, ClientMessage::Resume(Resume { lobby_id: name("den"), token, fresh: true, restore: None }));
    assert_eq!(house.clients[member].closed, Some(CloseReason::HostLost));
    assert_eq!(house.clients[who].closed, Some(CloseReason::HostLost));
}

/// The kinds of what was heard.
fn kinds(house: &mut House, who: Who) -> Vec<&'static str> {
    let kind = |message: ServerMessage| match message {
        ServerMessage::HostMigration(_) => "host",
        ServerMessage::PlayerListUpdated(_) => "roster",
        ServerMessage::LobbyJoined(_) => "joined",
        _ => "other",
    };
    house.heard(who).into_iter().map(kind).collect()
}

#[test]
fn the_next_host_of_guests_is_told_before_the_roster_without_the_old_one() {
    let mut house = House::new(ServerConfig::default());
    let host = house.guest("den");
    let member = house.guest("den");
    house.forget();
    house.say(host, ClientMessage::LeaveLobby);
    assert_eq!(kinds(&mut house, member), ["host", "roster"]);
    // But nobody is host before it is known.
    let mut house = House::new(ServerConfig::default());
    let guest = house.guest("den");
    house.forget();
    house.member("den");
    assert_eq!(kinds(&mut house, guest), ["roster", "host"]);
}

#[test]
fn the_end_of_the_server_gives_back_every_name() {
    let mut house = House::of_shards(ServerConfig::default(), 2);
    let host = house.member("den");
    house.say(host, ClientMessage::PeerId(PeerName { peer_id: PeerId::new("ada").unwrap() }));
    let away = house.member("cave");
    house.cut(away);
    // One more is making a lobby.
    house.hold = |ask| matches!(ask, Ask::HashPassword { .. });
    let maker = house.player();
    house.say(maker, ClientMessage::JoinLobby(JoinLobby { password: Some(secret("s")), ..joining("hole") }));
    house.tell(0, Input::ShutDown { within: secs(2) });
    house.pass(secs(2));
    for who in [host, maker] {
        assert_eq!(house.clients[who].closed, Some(CloseReason::ShuttingDown));
    }
    for lobby in ["den", "cave", "hole"] {
        assert_eq!(owner(&mut house, lobby), Found::Nobody, "{lobby}");
    }
    let claim = DirectoryAsk::ClaimPeer { peer: PeerId::new("ada").unwrap() };
    assert_eq!(house.table.answer(ShardId(0), claim), DirectoryAnswer::Peer(Claim::Granted));
    let stats = house.servers[0].stats();
    assert_eq!((stats.lobbies, stats.players, stats.connections), (0, 0, 0));
}

#[test]
fn a_connection_that_moves_to_a_shard_that_goes_is_refused_there() {
    let mut house = House::of_shards(ServerConfig::default(), 2);
    house.member("den");
    let who = house.connect_to(1, arrival("192.0.2.1", Encoding::Postcard));
    house.hello(who);
    house.tell(0, Input::ShutDown { within: secs(1) });
    house.say(who, ClientMessage::JoinLobby(entering("den")));
    assert_eq!(house.refused(who), ErrorCode::ShuttingDown);
    assert_eq!(house.clients[who].closed, Some(CloseReason::ShuttingDown));
}

#[test]
fn long_peer_names_have_lobbies_of_their_own() {
    let mut house = House::new(ServerConfig { ..ServerConfig::default() });
    let mut names = std::collections::BTreeSet::new();
    for peer in ["a".repeat(62), "a".repeat(63), format!("{}b", "a".repeat(63)), format!("{}c", "a".repeat(63))] {
        let who = house.player();
        let peer = Some(PeerId::new(&peer).unwrap());
        let joined = house.join(who, JoinLobby { lobby_id: None, create: None, peer, ..joining("unused") });
        assert!(joined.lobby.lobby_id.as_str().starts_with("~aaa"));
        names.insert(joined.lobby.lobby_id);
    }
    assert_eq!(names.len(), 4);
}

#[test]
fn a_busy_server_and_a_strange_version_are_told_as_reasons() {
    let mut house = House::new(ServerConfig { max_connections: 1, ..ServerConfig::default() });
    let who = house.connect(Encoding::Json);
    let more = house.connect(Encoding::Json);
    assert_eq!(house.refused(more), ErrorCode::Busy);
    assert_eq!(house.clients[more].closed, Some(CloseReason::Busy));
    house.say(who, ClientMessage::Hello(Hello { versions: vec![Version(99)], key: None }));
    assert_eq!(house.refused(who), ErrorCode::UnsupportedVersion);
    assert_eq!(house.clients[who].closed, Some(CloseReason::UnsupportedVersion));
}

#[test]
fn nobody_is_closed_by_the_negotiations_of_another() {
    let mut house = House::new(ServerConfig::default());
    let [bully, victim] = [house.member("den"), house.member("den")];
    house.clients[victim].reads = false;
    house.forget();
    for _ in 0..100 {
        let signal = RtcSignal::Offer { sdp: "x".repeat(16 * 1024) };
        let signal = WebrtcSignal { from_player: PlayerId(0), to_player: PlayerId(2), signal };
        house.say(bully, ClientMessage::WebrtcSignal(signal));
    }
    assert_eq!(house.clients[victim].closed, None);
    assert!(house.servers[0].stats().queued_bytes <= 128 * 1024 + 17 * 1024);
    assert!(house.heard(bully).iter().any(|m| matches!(m, ServerMessage::Error(e) if e.code == ErrorCode::Busy)));
}

#[test]
fn who_leaves_while_it_waits_is_not_there_however_much_it_has_said() {
    let mut house = House::new(ServerConfig::default());
    let who = house.player();
    house.hold = is_of_directory;
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    for ready in 0..16 {
        house.say(who, ClientMessage::Ready(Ready { ready: ready % 2 == 0, request: 0 }));
    }
    house.say(who, ClientMessage::LeaveLobby);
    answer_all(&mut house);
    assert_eq!(house.servers[0].stats().players, 0);
    assert_eq!(owner(&mut house, "den"), Found::Nobody);
}

#[test]
fn a_player_that_closes_while_it_waits_is_nowhere() {
    for password in [None, Some(secret("s"))] {
        for step in 0..4 {
            let mut house = House::new(ServerConfig { ask_admission: true, ..ServerConfig::default() });
            let admission = Some(secret("open sesame"));
            let host = house.player();
            let wish = JoinLobby { password: password.clone(), admission: admission.clone(), ..joining("den") };
            house.join(host, wish.clone());
            let who = house.player();
            house.hold = |_| true;
            house.say(who, ClientMessage::JoinLobby(wish));
            for _ in 0..step {
                if !house.held.is_empty() {
                    house.answer_next();
                }
            }
            house.forget();
            house.cut(who);
            answer_all(&mut house);
            let is_there = |event: &ServerEvent| matches!(event, ServerEvent::PlayerJoined { .. });
            assert!(!house.events.iter().any(is_there), "{step}");
        }
    }
}

#[test]
fn a_host_that_hands_over_again_and_again_is_limited() {
    let mut den = Den::of(2);
    for _ in 0..200 {
        if den.house.clients[den.who(1)].is_open {
            let order = RequestHostMigration { to: Some(PlayerId(2)), request: 0 };
            den.house.say(den.who(1), ClientMessage::RequestHostMigration(order));
        }
    }
    assert_eq!(den.proposals(2).len(), 1);
    assert_eq!(den.house.servers[0].stats().host_changes, 0);
}

#[test]
fn a_closed_connections_work_does_not_keep_its_place() {
    let mut house = House::new(ServerConfig::default());
    let who = house.player();
    let joined = house.join(who, joining("den"));
    let back = house.player();
    house.hold = is_of_directory;
    house.say(back, resuming("den", &joined.token.unwrap()));
    house.cut(back);
    answer_all(&mut house);
    assert_eq!(house.clients[who].closed, None);
    house.say(who, ClientMessage::Ping(Ping { nonce: 1 }));
    assert_eq!(house.heard(who).len(), 1);
}
