//! What may be done with a lobby, from the command line of a player.

use crate::stage::{Program, Server};

#[test]
fn ready_and_start_are_told_to_all() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    let mut bob = Program::join(&server, "room", "bob", &[]);
    bob.say("/ready");
    bob.wait_until("done", |done| done["command"] == "ready");
    ann.wait_until("player_changed", |event| event["player"] == 2 && event["ready"] == true);
    bob.say("/start");
    assert_eq!(bob.wait_for("error")["code"], "not_host");
    ann.say("/start");
    assert_eq!(bob.wait_for("game_started")["by"], 1);
    assert_eq!(ann.wait_for("game_started")["by"], 1);
    ann.wait_until("done", |done| done["command"] == "start");
}

#[test]
fn a_locked_lobby_takes_nobody() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &["--public"]);
    ann.say("/lock");
    ann.wait_until("done", |done| done["command"] == "lock");
    let refused = Program::start(&["join", &server.target("room")]).finish();
    refused.is_failure(3, &["lobby_locked"]);
    ann.say("/lock off");
    ann.wait_until("done", |done| done["command"] == "lock");
    assert_eq!(Program::start(&["join", &server.target("room")]).finish().code, Some(0));
}

#[test]
fn who_is_kicked_may_come_back_and_who_is_banned_may_not() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &["--public"]);
    let bob = Program::join(&server, "room", "bob", &[]);
    ann.say("/kick 2");
    let kicked = bob.end();
    kicked.is_failure(3, &["kicked", "you may join again"]);
    assert_eq!(ann.wait_for("player_left")["reason"], "kicked");
    let bob = Program::join(&server, "room", "bob", &[]);
    ann.say("/ban 3");
    bob.end().is_failure(3, &["banned", "join another lobby"]);
    assert_eq!(ann.wait_for("player_left")["reason"], "banned");
    ann.say("/kick 9");
    assert_eq!(ann.wait_for("error")["code"], "no_such_player");
}

#[test]
fn public_lobbies_are_listed() {
    let server = Server::start();
    let empty = Program::start(&["lobbies", &server.url()]).finish();
    assert_eq!((empty.code, empty.said.len()), (Some(0), 1), "{empty:?}");
    let _ann = Program::join(&server, "room", "ann", &["--public", "--max", "4", "--meta", "region=eu"]);
    let _bob = Program::join(&server, "den", "bob", &["--public", "--meta", "region=us"]);
    let _cem = Program::join(&server, "secret", "cem", &[]);
    let all = Program::start(&["lobbies", &server.url(), "--json"]).finish();
    let mut names: Vec<_> = all.events().iter().map(|event| event["lobby"].clone()).collect();
    names.retain(serde_json::Value::is_string);
    names.sort_by_key(ToString::to_string);
    assert_eq!(names, ["den", "room"]);
    let some = Program::start(&["lobbies", &server.url(), "--where", "region=eu", "--json"]).finish();
    let events = some.events();
    let [room, summary] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&room["lobby"], &room["players"], &room["max_players"]), (&"room".into(), &1.into(), &4.into()));
    assert_eq!(room["metadata"]["region"], "eu");
    assert_eq!(summary["lobbies"], 1);
    let text = Program::start(&["lobbies", &server.url(), "--where", "region=eu"]).finish();
    assert_eq!(text.said, ["room  1/4  region=eu"]);
}

#[test]
fn peers_find_each_other_by_name() {
    let server = Server::start();
    let mut ann = Program::start(&["join", "webrtc://ann", "--server", &server.url(), "--peer-id", "ann", "--json"]);
    ann.wait_for("joined");
    let mut bob = Program::start(&["join", "webrtc://ann", "--server", &server.url(), "--name", "bob", "--json"]);
    bob.wait_for("joined");
    ann.wait_for("player_joined");
    bob.say("hello");
    ann.hear("hello");
    let third = Program::start(&["join", "webrtc://ann", "--server", &server.url()]).finish();
    third.is_failure(3, &["lobby_full"]);
    let game = ["join", "webrtc-game://ann?room=den&region=eu", "--server", &server.url(), "--json"];
    let mut cem = Program::start(&game);
    assert_eq!(cem.wait_for("joined")["lobby"], "den");
}

#[test]
fn a_lobby_goes_on_when_its_host_hands_over_and_when_it_leaves() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    let mut bob = Program::join(&server, "room", "bob", &[]);
    let mut cem = Program::join(&server, "room", "cem", &[]);
    ann.wait_until("player_joined", |event| event["name"] == "cem");
    cem.say("here");
    for player in [&mut ann, &mut bob, &mut cem] {
        player.hear("here");
    }
    ann.say("/handover 2");
    for player in [&mut ann, &mut bob, &mut cem] {
        let changed = player.wait_for("host_changed");
        assert_eq!((&changed["host"], &changed["cause"]), (&2.into(), &"chosen".into()));
        assert!(changed["gap_ms"].is_number() && changed["epoch"].is_string(), "{changed}");
    }
    ann.say("from ann");
    for player in [&mut ann, &mut bob, &mut cem] {
        player.hear("from ann");
    }
    assert_eq!(bob.finish().code, Some(0));
    cem.wait_until("host_changed", |changed| changed["host"] != 2);
    ann.wait_until("host_changed", |changed| changed["host"] != 2);
    cem.say("from cem");
    ann.hear("from cem");
    cem.hear("from cem");
}
