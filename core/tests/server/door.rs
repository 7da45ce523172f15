//! Passwords, guesses, names, lists, admission: what stands between a client and a lobby.

use crate::hand::{House, Who, entering, joining, name, secret, secs, username};
use webstar_core::server::{Admission, Ask, DirectoryAsk, ServerConfig};
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, CreateLobby, Encoding, ErrorCode, Filter, JoinLobby, ListLobbies, Listing, Lock,
    Metadata, PeerId, PeerName, QuickJoin, ServerMessage, StartGame,
};

fn with_password(join: JoinLobby, password: &str) -> JoinLobby {
    JoinLobby { password: Some(secret(password)), ..join }
}

fn public(region: &str, max_players: u16) -> CreateLobby {
    let metadata = Metadata::new([("region".into(), region.into()), ("skill".into(), "1500".into())].into()).unwrap();
    CreateLobby { public: true, max_players, metadata, ..CreateLobby::default() }
}

fn open(house: &mut House, lobby: &str, rules: CreateLobby) -> Who {
    let who = house.player();
    house.join(who, JoinLobby { create: Some(rules), ..joining(lobby) });
    who
}

fn peer(text: &str) -> PeerId {
    PeerId::new(text).unwrap()
}

fn claim(house: &mut House, who: Who, text: &str) {
    house.say(who, ClientMessage::PeerId(PeerName { peer_id: peer(text) }));
}

#[test]
fn a_password_opens_and_a_wrong_one_does_not() {
    let mut house = House::new(ServerConfig::default());
    let host = house.player();
    let joined = house.join(host, with_password(joining("den"), "secret"));
    assert!(joined.lobby.has_password);
    let other = house.player();
    for wish in [with_password(entering("den"), "guess"), entering("den"), with_password(joining("den"), "")] {
        house.say(other, ClientMessage::JoinLobby(wish));
        assert_eq!(house.refused(other), ErrorCode::NoSuchLobbyOrPassword);
    }
    house.join(other, with_password(entering("den"), "secret"));
    assert_eq!(house.servers[0].stats().passwords, 3);
}

/// Everything that comes out when somebody joins with this wish, without the names.
fn outputs(config: ServerConfig, make: bool, wish: JoinLobby) -> (Vec<String>, Vec<ServerMessage>) {
    let mut house = House::new(config);
    if make {
        let host = house.player();
        let admitted = JoinLobby { admission: Some(secret("open sesame")), ..joining("den") };
        house.join(host, with_password(admitted, "secret"));
    }
    let other = house.player();
    house.forget();
    house.say(other, ClientMessage::JoinLobby(wish));
    let kind = |ask: &Ask| match ask {
        Ask::HashPassword { password, .. } => format!("hash {}", password.as_str()),
        other => format!("{other:?}"),
    };
    let asked = house.asked.iter().map(kind).collect();
    (asked, house.heard(other))
}

#[test]
fn an_unknown_lobby_and_a_wrong_password_look_alike() {
    for ask_admission in [false, true] {
        let config = ServerConfig { ask_admission, ..ServerConfig::default() };
        for wish in [with_password(entering("den"), "guess"), entering("den")] {
            let wish = JoinLobby { admission: Some(secret("open sesame")), ..wish };
            let (known, unknown) = (outputs(config.clone(), true, wish.clone()), outputs(config.clone(), false, wish));
            assert_eq!(known, unknown);
            assert!(matches!(&known.1[..], [ServerMessage::Error(e)] if e.code == ErrorCode::NoSuchLobbyOrPassword));
        }
    }
}

#[test]
fn what_a_lobby_refuses_is_told_only_to_who_knows_its_password() {
    let mut house = House::new(ServerConfig::default());
    let host = house.player();
    house.join(host, with_password(joining("den"), "secret"));
    house.say(host, ClientMessage::Lock(Lock { locked: true, request: 0 }));
    let other = house.player();
    for (password, code) in [("guess", ErrorCode::NoSuchLobbyOrPassword), ("secret", ErrorCode::LobbyLocked)] {
        house.say(other, ClientMessage::JoinLobby(with_password(entering("den"), password)));
        assert_eq!(house.refused(other), code);
    }
}

#[test]
fn so_many_passwords_at_a_time_and_so_many_wait() {
    let config = ServerConfig { password_workers: 2, password_queue: 3, ..ServerConfig::default() };
    let mut house = House::new(config);
    house.hold = |ask| matches!(ask, Ask::HashPassword { .. });
    let clients: Vec<_> = (0..6).map(|index| house.player_from(&format!("198.51.100.{index}"))).collect();
    for &who in &clients {
        house.say(who, ClientMessage::JoinLobby(with_password(entering("den"), "guess")));
    }
    assert_eq!(house.held.len(), 2);
    assert_eq!(house.refused(clients[5]), ErrorCode::Busy);
    house.cut(clients[2]);
    for _ in 0..4 {
        house.answer_next();
    }
    assert!(house.held.is_empty());
    for who in [0, 1, 3, 4] {
        assert_eq!(house.refused(clients[who]), ErrorCode::NoSuchLobbyOrPassword, "{who}");
    }
}

#[test]
fn ten_wrong_guesses_a_minute_and_address_even_from_loopback_and_all_at_once() {
    let mut house = House::new(ServerConfig { password_workers: 64, ..ServerConfig::default() });
    let host = house.player();
    house.join(host, with_password(joining("den"), "secret"));
    let guessers: Vec<_> = (0..13).map(|_| house.player_from("127.0.0.1")).collect();
    house.hold = |ask| matches!(ask, Ask::HashPassword { .. });
    for &who in &guessers {
        house.say(who, ClientMessage::JoinLobby(with_password(entering("den"), "guess")));
    }
    assert_eq!(house.held.len(), 10, "what is being computed may turn out wrong");
    while !house.held.is_empty() {
        house.answer_next();
    }
    let codes: Vec<_> = guessers.iter().map(|&who| house.refused(who)).collect();
    assert_eq!(codes[..10], [ErrorCode::NoSuchLobbyOrPassword; 10]);
    assert_eq!(codes[10..], [ErrorCode::RateLimited; 3]);
    house.say(guessers[0], ClientMessage::JoinLobby(with_password(entering("den"), "secret")));
    assert_eq!(house.refused(guessers[0]), ErrorCode::RateLimited, "right or wrong");
    let elsewhere = house.player_from("198.51.100.1");
    house.hold = |_| false;
    house.join(elsewhere, with_password(entering("den"), "secret"));
    house.pass(secs(6));
    let late = house.player_from("127.0.0.1");
    house.join(late, with_password(entering("den"), "secret"));
}

#[test]
fn right_passwords_from_one_address_are_never_refused() {
    let mut house = House::new(ServerConfig::default());
    let host = house.player();
    house.join(host, with_password(joining("den"), "secret"));
    for _ in 0..15 {
        let friend = house.player();
        house.join(friend, with_password(entering("den"), "secret"));
    }
}

#[test]
fn admission_is_asked_for_joins_and_for_new_lobbies() {
    let mut house = House::new(ServerConfig { ask_admission: true, ..ServerConfig::default() });
    let who = house.player();
    house.forget();
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    assert_eq!(house.refused(who), ErrorCode::AdmissionRefused);
    let wants = |house: &House| {
        let wants = house.asked.iter().filter_map(|ask| match ask {
            Ask::Admit { wants, .. } => Some(*wants),
            _ => None,
        });
        wants.collect::<Vec<_>>()
    };
    assert_eq!(wants(&house), [Admission::Create]);
    let release = Ask::Directory(DirectoryAsk::Release { name: name("den") });
    assert!(house.asked.contains(&release), "the name is given back");
    let admitted = JoinLobby { admission: Some(secret("open sesame")), ..joining("den") };
    house.join(who, admitted.clone());
    let other = house.player();
    house.join(other, admitted);
    assert_eq!(wants(&house), [Admission::Create, Admission::Create, Admission::Join]);
}

#[test]
fn public_lobbies_are_listed_as_they_are() {
    let mut house = House::new(ServerConfig::default());
    let host = open(&mut house, "den", public("eu", 4));
    open(&mut house, "cave", public("us", 2));
    house.member("hidden");
    let other = house.player();
    house.join(other, entering("den"));
    let list = |house: &mut House, filter: Filter| {
        let who = house.player();
        house.say(who, ClientMessage::ListLobbies(ListLobbies { filter }));
        match house.last(who) {
            ServerMessage::LobbyList(list) => list.lobbies,
            other => panic!("{other:?}"),
        }
    };
    let den = Listing {
        lobby_id: name("den"),
        players: 2,
        max_players: 4,
        started: false,
        has_password: false,
        metadata: public("eu", 4).metadata,
    };
    let all = list(&mut house, Filter::default());
    assert_eq!(all.iter().map(|listing| listing.lobby_id.as_str()).collect::<Vec<_>>(), ["den", "cave"]);
    assert_eq!(all[0], den);
    house.say(host, ClientMessage::StartGame(StartGame::default()));
    assert_eq!(list(&mut house, Filter::default())[0], Listing { started: true, ..den });
    assert_eq!(list(&mut house, Filter { waiting_only: true, ..Filter::default() }).len(), 1);
    house.say(host, ClientMessage::Lock(Lock { locked: true, request: 0 }));
    assert_eq!(list(&mut house, Filter::default()).len(), 1, "a locked one takes nobody");
    house.say(host, ClientMessage::LeaveLobby);
    house.say(other, ClientMessage::LeaveLobby);
    assert_eq!(list(&mut house, Filter::default()).len(), 1);
}

#[test]
fn a_quick_join_takes_the_first_lobby_that_works() {
    let mut house = House::new(ServerConfig::default());
    let quick = |filter: Filter, create: Option<CreateLobby>| {
        ClientMessage::QuickJoin(QuickJoin { username: username("Q"), filter, create, admission: None })
    };
    let region = |region: &str| Filter { equal: public(region, 2).metadata, ..Filter::default() };
    let who = house.player();
    house.say(who, quick(Filter::default(), None));
    assert_eq!(house.refused(who), ErrorCode::NoLobbyFits);

    let rules = CreateLobby { join_in_progress: false, ..public("eu", 4) };
    let started = open(&mut house, "started", rules);
    house.join(who, entering("started"));
    house.say(started, ClientMessage::StartGame(StartGame::default()));
    open(&mut house, "waiting", public("eu", 4));
    let quicker = house.player();
    house.say(quicker, quick(region("eu"), None));
    assert_eq!(house.joined(quicker).lobby.lobby_id, name("waiting"), "the fuller one does not take it");

    let maker = house.player();
    house.say(maker, quick(region("us"), Some(public("us", 2))));
    let made = house.joined(maker).lobby.lobby_id;
    let second = house.player();
    house.say(second, quick(region("us"), Some(public("us", 2))));
    assert_eq!(house.joined(second).lobby.lobby_id, made);
    let third = house.player();
    house.say(third, quick(region("us"), Some(public("us", 2))));
    assert_ne!(house.joined(third).lobby.lobby_id, made, "it is full");
}

#[test]
fn a_peer_name_is_one_clients_until_it_goes() {
    let mut house = House::new(ServerConfig::default());
    let [a, b] = [house.player(), house.player()];
    claim(&mut house, a, "ada");
    assert_eq!(house.heard(a), [ServerMessage::PeerId(PeerName { peer_id: peer("ada") })]);
    claim(&mut house, b, "ada");
    assert_eq!(house.refused(b), ErrorCode::PeerIdTaken);
    claim(&mut house, a, "ada2");
    house.forget();
    claim(&mut house, b, "ada");
    assert_eq!(house.heard(b), [ServerMessage::PeerId(PeerName { peer_id: peer("ada") })], "the old name was let go");
    let joined = house.join(b, joining("den"));
    assert_eq!(joined.player_list[0].peer_id, Some(peer("ada")));
    house.cut(b);
    house.forget();
    claim(&mut house, a, "ada");
    assert_eq!(house.refused(a), ErrorCode::PeerIdTaken, "its player may come back");
    house.pass(secs(59));
    house.say(a, ClientMessage::ListLobbies(ListLobbies::default()));
    house.pass(secs(59));
    house.say(a, ClientMessage::ListLobbies(ListLobbies::default()));
    house.pass(secs(2));
    house.forget();
    claim(&mut house, a, "ada");
    assert_eq!(house.heard(a), [ServerMessage::PeerId(PeerName { peer_id: peer("ada") })]);
}

#[test]
fn a_peers_lobby_has_two_places_and_a_peers_game_prefers_it_as_host() {
    let mut house = House::new(ServerConfig::default());
    let to_peer = JoinLobby { lobby_id: None, create: None, peer: Some(peer("ada")), ..joining("unused") };
    let [a, b, c] = [house.player(), house.player(), house.player()];
    claim(&mut house, a, "ada");
    let first = house.join(b, to_peer.clone());
    assert_eq!(
        (first.lobby.lobby_id.as_str(), first.lobby.max_players, first.host_id.map(|h| h.0)),
        ("~ada", 2, Some(1))
    );
    house.join(a, to_peer.clone());
    house.heard(c);
    house.say(c, ClientMessage::JoinLobby(to_peer));
    assert_eq!(house.refused(c), ErrorCode::LobbyFull);

    let game = JoinLobby { peer: Some(peer("eve")), create: None, ..joining("room") };
    house.join(c, game.clone());
    let second = house.player();
    house.join(second, game.clone());
    let eve = house.player();
    claim(&mut house, eve, "eve");
    house.join(eve, game);
    house.forget();
    house.say(c, ClientMessage::LeaveLobby);
    let heard = house.heard(second);
    assert!(matches!(heard.last(), Some(ServerMessage::HostMigration(m)) if m.new_host_id.0 == 3), "{heard:?}");
}

#[test]
fn lobbies_are_bounded_and_so_are_creations() {
    let config = ServerConfig { max_lobbies: 2, creations_per_minute: 3, ..ServerConfig::default() };
    let mut house = House::new(config);
    house.member("one");
    let two = house.member("two");
    let who = house.player();
    house.say(who, ClientMessage::JoinLobby(joining("three")));
    assert_eq!(house.refused(who), ErrorCode::Busy);
    house.say(two, ClientMessage::LeaveLobby);
    house.join(who, joining("three"));
    house.say(who, ClientMessage::LeaveLobby);
    house.heard(who);
    house.say(who, ClientMessage::JoinLobby(joining("four")));
    assert_eq!(house.refused(who), ErrorCode::RateLimited);
    let local = house.player_from("127.0.0.1");
    house.join(local, joining("four"));
    assert_eq!(house.clients[who].closed, None::<CloseReason>);
    let guest = house.connect(Encoding::Json);
    house.say(guest, ClientMessage::JoinLobby(entering("four")));
    house.joined(guest);
}

#[test]
fn a_list_holds_as_many_as_a_frame_does() {
    let mut house = House::new(ServerConfig::default());
    for number in 0..60 {
        let values = (0..16).map(|key| (format!("{key:032}"), "\u{1}".repeat(128)));
        let metadata = Metadata::new(values.collect()).unwrap();
        let rules = CreateLobby { public: true, metadata, ..CreateLobby::default() };
        let who = house.player_from("127.0.0.1");
        house.join(who, JoinLobby { create: Some(rules), ..joining(&format!("den {number}")) });
    }
    for encoding in [Encoding::Json, Encoding::Postcard] {
        let who = house.connect(encoding);
        house.say(who, ClientMessage::ListLobbies(ListLobbies::default()));
        match house.last(who) {
            ServerMessage::LobbyList(list) => assert!((3..60).contains(&list.lobbies.len()), "{encoding:?}"),
            other => panic!("{other:?}"),
        }
    }
}
