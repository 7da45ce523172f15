//! Into a lobby and out again: what a member gets, what the others hear, and what is left behind.

use crate::hand::{House, connecting, entering, joining, ms, name, secs, username};
use webstar_core::id::PlayerId;
use webstar_core::server::{Ask, DirectoryAsk, ServerConfig, ServerEvent};
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, CreateLobby, Encoding, Epoch, ErrorCode, Frame, Hello, HostCause, HostMigration,
    JoinLobby, Kick, LobbyInfo, Lock, Metadata, Ping, Pong, Ready, Role, ServerMessage, SessionKey, SetMetadata,
    StartGame, Version, Welcome,
};

#[test]
fn players_join_hear_of_each_other_talk_and_leave() {
    let mut house = House::new(ServerConfig::default());
    let [a, b] = [house.player(), house.player()];
    let first = house.join(a, JoinLobby { username: username("Ada"), ..joining("den") });
    assert_eq!((first.player_id, first.host_id), (PlayerId(1), Some(PlayerId(1))));
    assert_eq!(first.epoch, Epoch { term: 1, round: 0 });
    assert_eq!((first.resumed, first.resume_ms), (false, 120_000));
    assert!(first.token.is_some() && first.relay_token.is_some());
    assert_eq!(
        first.lobby,
        LobbyInfo {
            lobby_id: name("den"),
            public: false,
            locked: false,
            started: false,
            has_password: false,
            max_players: 16,
            metadata: Metadata::default(),
        }
    );
    assert!(house.heard(a).is_empty());

    let second = house.join(b, JoinLobby { username: username("Bob"), ..entering("den") });
    assert_eq!((second.player_id, second.host_id), (PlayerId(2), Some(PlayerId(1))));
    let names: Vec<_> = second.player_list.iter().map(|entry| entry.username.as_str()).collect();
    assert_eq!(names, ["Ada", "Bob"]);
    assert!(second.player_list.iter().all(|entry| entry.session != SessionKey(0) && entry.role == Role::Player));
    match &house.heard(a)[..] {
        [ServerMessage::PlayerListUpdated(list)] => assert_eq!(list.player_list, second.player_list),
        other => panic!("{other:?}"),
    }

    house.relay(a, 2, b"hi");
    house.relay(b, 1, b"hello");
    assert_eq!(house.packets(b), [(1, b"hi".to_vec())]);
    assert_eq!(house.packets(a), [(2, b"hello".to_vec())]);

    house.say(b, ClientMessage::LeaveLobby);
    assert_eq!(house.heard(b), [ServerMessage::LobbyLeft]);
    assert_eq!(house.roster(a), (vec![1], vec![(2, CloseReason::Left)]));
    assert_eq!(house.join(b, joining("den")).player_id, PlayerId(3), "no number is given twice");
}

#[test]
fn a_lobby_without_a_name_gets_a_code_that_cannot_be_misread() {
    let mut house = House::new(ServerConfig::default());
    let mut codes = Vec::new();
    for _ in 0..20 {
        let who = house.player();
        let wish = JoinLobby { lobby_id: None, create: None, ..joining("unused") };
        codes.push(house.join(who, wish).lobby.lobby_id.to_string());
    }
    for code in &codes {
        assert_eq!(code.len(), 8);
        assert!(code.chars().all(|c| "ABCDEFGHJKLMNPQRSTUVWXYZ23456789".contains(c)), "{code}");
    }
    codes.sort();
    codes.dedup();
    assert_eq!(codes.len(), 20);
}

#[test]
fn a_code_that_somebody_has_is_not_given_again() {
    // The directory knows every name but the fourth that is tried.
    let mut house = House::new(ServerConfig::default());
    house.hold = |ask| matches!(ask, Ask::Directory(DirectoryAsk::Lobby { .. }));
    let who = house.player();
    house.say(who, ClientMessage::JoinLobby(JoinLobby { lobby_id: None, ..joining("unused") }));
    let mut tried = Vec::new();
    for _ in 0..3 {
        let (_, _, ask) = &house.held[0];
        let Ask::Directory(DirectoryAsk::Lobby { name, create: true }) = ask.clone() else { panic!("{ask:?}") };
        house.table.answer(webstar_core::id::ShardId(7), DirectoryAsk::Lobby { name: name.clone(), create: true });
        tried.push(name);
        house.answer_next();
    }
    house.answer_next();
    assert!(!tried.contains(&house.joined(who).lobby.lobby_id));
}

#[test]
fn versions_are_agreed_on_or_the_connection_ends() {
    let mut house = House::new(ServerConfig::default());
    let table = [
        (vec![Version(2), Version(1)], Some(Version(2))),
        (vec![Version(1)], Some(Version(1))),
        (vec![Version(9)], None),
        (vec![], None),
    ];
    for (versions, agreed) in table {
        let who = house.connect(Encoding::Postcard);
        house.say(who, ClientMessage::Hello(Hello { versions, key: None }));
        match agreed {
            Some(version) => assert_eq!(house.heard(who), [ServerMessage::Welcome(Welcome { version })]),
            None => {
                assert_eq!(house.refused(who), ErrorCode::UnsupportedVersion);
                assert_eq!(house.clients[who].closed, Some(CloseReason::UnsupportedVersion));
            }
        }
    }
}

#[test]
fn the_first_frame_tells_the_encoding_if_the_door_did_not() {
    for encoding in [Encoding::Json, Encoding::Postcard] {
        let mut house = House::new(ServerConfig::default());
        let who = house.connect_to(0, connecting("192.0.2.1", None));
        house.clients[who].encoding = encoding;
        house.say(who, ClientMessage::Ping(Ping { nonce: 5 }));
        assert_eq!(house.heard(who), [ServerMessage::Pong(Pong { nonce: 5 })], "{encoding:?}");
    }
}

#[test]
fn a_full_or_locked_lobby_says_so_and_a_missing_one_is_not_told_from_a_wrong_password() {
    let mut house = House::new(ServerConfig::default());
    let host = house.player();
    let rules = CreateLobby { max_players: 2, ..CreateLobby::default() };
    house.join(host, JoinLobby { create: Some(rules), ..joining("den") });
    house.member("den");
    let late = house.player();
    house.say(late, ClientMessage::JoinLobby(entering("den")));
    assert_eq!(house.refused(late), ErrorCode::LobbyFull);
    house.say(host, ClientMessage::Lock(Lock { locked: true, request: 3 }));
    assert!(
        house.heard(host).iter().any(|message| matches!(message, ServerMessage::LobbyChanged(c) if c.lobby.locked))
    );
    house.say(late, ClientMessage::JoinLobby(entering("den")));
    assert_eq!(house.refused(late), ErrorCode::LobbyLocked);
    house.say(late, ClientMessage::JoinLobby(entering("elsewhere")));
    assert_eq!(house.refused(late), ErrorCode::NoSuchLobbyOrPassword);
    house.say(late, ClientMessage::JoinLobby(JoinLobby { spectator: true, ..joining("~den") }));
    assert_eq!(house.refused(late), ErrorCode::BadMessage);
    let huge = CreateLobby { max_players: 65, ..CreateLobby::default() };
    house.say(late, ClientMessage::JoinLobby(JoinLobby { create: Some(huge), ..joining("new") }));
    assert_eq!(house.refused(late), ErrorCode::BadMessage);
    house.say(host, ClientMessage::JoinLobby(joining("other")));
    assert!(matches!(house.last(host), ServerMessage::Error(error) if error.code == ErrorCode::AlreadyInLobby));
}

#[test]
fn orders_are_the_hosts_and_are_answered() {
    let mut house = House::new(ServerConfig::default());
    let (host, other) = (house.member("den"), house.member("den"));
    house.forget();
    house.say(other, ClientMessage::StartGame(StartGame { request: 8 }));
    match &house.heard(other)[..] {
        [ServerMessage::Error(error)] => assert_eq!((error.code, error.request), (ErrorCode::NotHost, 8)),
        heard => panic!("{heard:?}"),
    }
    house.say(other, ClientMessage::Ready(Ready { ready: true, request: 9 }));
    assert!(house.heard(other).iter().any(|m| matches!(m, ServerMessage::Done(done) if done.request == 9)));
    let list = house.heard(host);
    assert!(matches!(&list[..], [ServerMessage::PlayerListUpdated(list)] if list.player_list[1].ready));
    let metadata = Metadata::new([("region".to_owned(), "eu".to_owned())].into()).unwrap();
    house.say(host, ClientMessage::SetMetadata(SetMetadata { metadata: metadata.clone(), request: 0 }));
    assert!(matches!(house.last(other), ServerMessage::LobbyChanged(changed) if changed.lobby.metadata == metadata));
    house.say(host, ClientMessage::StartGame(StartGame { request: 10 }));
    let started = |message: &ServerMessage| matches!(message, ServerMessage::GameStarted(s) if s.by == PlayerId(1));
    assert!(house.heard(other).iter().any(started) && house.heard(host).iter().any(started));
    let stray = house.player();
    house.say(stray, ClientMessage::Ready(Ready { ready: true, request: 4 }));
    assert_eq!(house.refused(stray), ErrorCode::NotInLobby);
}

#[test]
fn a_started_game_takes_spectators_and_only_if_it_wants_players() {
    let mut house = House::new(ServerConfig::default());
    let host = house.player();
    let rules = CreateLobby { join_in_progress: false, ..CreateLobby::default() };
    house.join(host, JoinLobby { create: Some(rules), ..joining("den") });
    house.say(host, ClientMessage::StartGame(StartGame::default()));
    let late = house.player();
    house.say(late, ClientMessage::JoinLobby(entering("den")));
    assert_eq!(house.refused(late), ErrorCode::GameStarted);
    let joined = house.join(late, JoinLobby { spectator: true, ..entering("den") });
    assert_eq!(joined.player_list[1].role, Role::Spectator);
    house.say(host, ClientMessage::LeaveLobby);
    house.forget();
    // A spectator is never host.
    let next = house.player();
    let joined = house.join(next, JoinLobby { spectator: true, ..entering("den") });
    assert_eq!((joined.host_id, joined.epoch.term), (None, 1));
}

#[test]
fn who_is_kicked_may_come_back_and_who_is_banned_may_not() {
    let mut house = House::new(ServerConfig::default());
    let host = house.member("den");
    let other = house.player_from("198.51.100.7");
    house.join(other, joining("den"));
    house.forget();
    house.say(host, ClientMessage::Kick(Kick { player_id: PlayerId(2), request: 0 }));
    assert!(matches!(house.last(other), ServerMessage::Kicked(kicked) if !kicked.banned));
    assert_eq!(house.roster(host), (vec![1], vec![(2, CloseReason::Kicked)]));
    assert_eq!(house.join(other, joining("den")).player_id, PlayerId(3));
    house.say(host, ClientMessage::Ban(Kick { player_id: PlayerId(3), request: 0 }));
    assert!(matches!(house.last(other), ServerMessage::Kicked(kicked) if kicked.banned));
    assert_eq!(house.roster(host), (vec![1], vec![(3, CloseReason::Banned)]));
    let again = house.player_from("198.51.100.7");
    house.say(again, ClientMessage::JoinLobby(JoinLobby { username: username("other"), ..entering("den") }));
    assert_eq!(house.refused(again), ErrorCode::Banned);
    house.say(host, ClientMessage::Kick(Kick { player_id: PlayerId(1), request: 5 }));
    assert_eq!(house.refused(host), ErrorCode::NoSuchPlayer);
}

#[test]
fn a_ban_behind_an_address_that_others_share_is_for_the_name() {
    let mut house = House::new(ServerConfig::default());
    let host = house.member("den");
    let other = house.player();
    house.join(other, JoinLobby { username: username("Mallory"), ..joining("den") });
    house.say(host, ClientMessage::Ban(Kick { player_id: PlayerId(2), request: 0 }));
    house.forget();
    house.say(other, ClientMessage::JoinLobby(JoinLobby { username: username("Mallory"), ..entering("den") }));
    assert_eq!(house.refused(other), ErrorCode::Banned);
    let friend = house.player();
    assert_eq!(house.join(friend, JoinLobby { username: username("Bob"), ..entering("den") }).player_id, PlayerId(3));
}

#[test]
fn bad_messages_are_answered_and_the_eleventh_in_a_row_is_the_last() {
    let mut house = House::new(ServerConfig::default());
    let who = house.connect(Encoding::Json);
    let garbage = || Frame::Text("{\"type\":\"no_such\"}".into());
    for _ in 0..10 {
        house.frame(who, garbage());
        assert_eq!(house.refused(who), ErrorCode::BadMessage);
    }
    house.say(who, ClientMessage::Ping(Ping { nonce: 1 }));
    house.forget();
    for _ in 0..11 {
        house.frame(who, garbage());
    }
    assert_eq!(house.clients[who].closed, Some(CloseReason::BadMessages));
    assert_eq!(house.servers[0].stats().refused["bad_message"], 21);
}

#[test]
fn a_lobby_ends_with_its_last_member_and_its_name_is_free() {
    let mut house = House::new(ServerConfig::default());
    let who = house.member("den");
    house.say(who, ClientMessage::Ready(Ready { ready: true, request: 0 }));
    house.say(who, ClientMessage::LeaveLobby);
    let closed = ServerEvent::LobbyClosed { lobby: name("den"), reason: CloseReason::LobbyClosed };
    assert!(house.events.contains(&closed));
    assert_eq!(house.servers[0].stats().lobbies, 0);
    house.say(who, ClientMessage::JoinLobby(entering("den")));
    assert!(matches!(house.last(who), ServerMessage::Error(e) if e.code == ErrorCode::NoSuchLobbyOrPassword));
    assert_eq!(house.join(who, joining("den")).player_id, PlayerId(1));
}

#[test]
fn a_lobby_in_which_nobody_is_connected_is_removed() {
    let config = ServerConfig { lobby_idle_timeout: secs(30), resume_timeout: secs(90), ..ServerConfig::default() };
    let mut house = House::new(config);
    let (a, b) = (house.member("den"), house.member("den"));
    house.cut(a);
    house.pass(secs(20));
    house.cut(b);
    house.pass(secs(30) - ms(1));
    assert_eq!((house.servers[0].stats().lobbies, house.servers[0].stats().players), (1, 2));
    house.pass(ms(1));
    assert_eq!((house.servers[0].stats().lobbies, house.servers[0].stats().players), (0, 0));
}

#[test]
fn a_join_that_finds_the_name_being_released_waits_for_it() {
    let mut house = House::new(ServerConfig::default());
    let (a, b) = (house.member("den"), house.player());
    house.hold = |ask| matches!(ask, Ask::Directory(DirectoryAsk::Release { .. }));
    house.say(a, ClientMessage::LeaveLobby);
    house.say(b, ClientMessage::JoinLobby(joining("den")));
    assert!(house.heard(b).is_empty());
    house.answer_next();
    assert_eq!(house.joined(b).player_id, PlayerId(1));
}

#[test]
fn what_is_said_while_a_join_is_pending_is_taken_afterwards() {
    let mut house = House::new(ServerConfig::default());
    house.hold = |ask| matches!(ask, Ask::Directory(DirectoryAsk::Lobby { .. }));
    let who = house.player();
    house.say(who, ClientMessage::JoinLobby(joining("den")));
    house.say(who, ClientMessage::StartGame(StartGame { request: 1 }));
    house.say(who, ClientMessage::LeaveLobby);
    house.say(who, ClientMessage::JoinLobby(joining("cave")));
    house.say(who, ClientMessage::Ping(Ping { nonce: 1 }));
    assert_eq!(house.heard(who), [ServerMessage::Pong(Pong { nonce: 1 })]);
    house.answer_next();
    house.answer_next();
    let heard: Vec<_> = house.heard(who).into_iter().map(|message| format!("{message:?}")).collect();
    let kinds: Vec<_> = heard.iter().map(|text| text.split(['(', ' ']).next().unwrap()).collect();
    assert_eq!(kinds, ["LobbyJoined", "GameStarted", "Done", "LobbyLeft", "LobbyJoined"]);
}

#[test]
fn a_join_waits_while_another_makes_the_lobby() {
    let mut house = House::new(ServerConfig { ask_admission: true, ..ServerConfig::default() });
    house.hold = |ask| matches!(ask, Ask::Admit { .. });
    let [a, b] = [house.player(), house.player()];
    let allowed = JoinLobby { admission: Some(crate::hand::secret("open sesame")), ..joining("den") };
    house.say(a, ClientMessage::JoinLobby(allowed.clone()));
    house.say(b, ClientMessage::JoinLobby(allowed));
    assert_eq!(house.held.len(), 1, "the second waits for the first");
    house.cut(a);
    house.answer_next();
    house.answer_next();
    assert_eq!(house.joined(b).player_id, PlayerId(1), "the maker has gone: the second makes it");
}

#[test]
fn when_the_host_leaves_the_next_is_host_at_once() {
    let mut house = House::new(ServerConfig::default());
    let (a, b, c) = (house.member("den"), house.member("den"), house.member("den"));
    house.forget();
    house.say(a, ClientMessage::LeaveLobby);
    let migration = HostMigration { new_host_id: PlayerId(2), epoch: Epoch::default(), cause: Some(HostCause::Forced) };
    for who in [b, c] {
        let heard = house.heard(who);
        assert!(matches!(heard[0], ServerMessage::PlayerListUpdated(_)), "{heard:?}");
        let ServerMessage::ViewInForce(told) = &heard[1] else { panic!("{heard:?}") };
        let migration = HostMigration { epoch: told.certified.view.epoch, ..migration.clone() };
        assert_eq!(heard[2..], [ServerMessage::HostMigration(migration)], "nobody but the host had a vote");
    }
}
