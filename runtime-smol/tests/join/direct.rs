//! Direct paths between real processes: packets go over SRTP, hosts are killed over it, and who has no way is told so.

use crate::room::{Room, all_have_heard_one_sequence, nobody_was_told_of_a_loss, nothing_acknowledged_is_lost};
use crate::stage::{Program, Server};
use serde_json::{Value, json};
use std::net::UdpSocket;
use std::time::Duration;

/// Lines that each player says in a round.
const LINES: usize = 20;

/// The packets that have come to a player, by the kind of their path.
fn delivered_by(player: &mut Program) -> Value {
    player.say("/stats");
    player.wait_for("stats")["delivered_by"].clone()
}

/// A room in which everything goes over SRTP.
fn room_over_srtp(players: usize) -> Room {
    let mut room = Room::of(Server::start(), players, &["--mode", "webrtc"]);
    let host = room.settle();
    room.wait_for_paths(host, "srtp");
    room
}

fn talk_over_srtp(players: usize) {
    let mut room = room_over_srtp(players);
    room.say("talk", 0..LINES);
    room.hear_out("talk");
    for (number, player) in &mut room.players {
        let delivered_by = delivered_by(player);
        assert_eq!(delivered_by["relay"], 0, "player {number}: nothing goes through the server");
        assert!(delivered_by["srtp"].as_u64() > delivered_by["sctp"].as_u64(), "player {number}: {delivered_by}");
    }
    let lives = room.finish();
    for (number, ending) in &lives.all {
        assert_eq!(ending.heard("chat").len(), players * (LINES + 1), "player {number} has heard all");
    }
    all_have_heard_one_sequence(&lives);
    nobody_was_told_of_a_loss(&lives);
}

#[test]
fn two_talk_over_srtp_and_nothing_goes_through_the_server() {
    talk_over_srtp(2);
}

#[test]
fn five_talk_over_srtp_and_nothing_goes_through_the_server() {
    talk_over_srtp(5);
}

#[test]
fn by_itself_a_talk_moves_from_the_relay_to_srtp() {
    let mut room = Room::of(Server::start(), 3, &[]);
    room.say("early", 0..1);
    let host = room.settle();
    room.wait_for_paths(host, "relay");
    room.wait_for_paths(host, "srtp");
    room.say("late", 0..LINES);
    room.hear_out("late");
    for player in room.players.values_mut() {
        let delivered_by = delivered_by(player);
        assert!(delivered_by["relay"].as_u64() > Some(0) && delivered_by["srtp"].as_u64() > Some(0), "{delivered_by}");
    }
    let lives = room.finish();
    all_have_heard_one_sequence(&lives);
    nothing_acknowledged_is_lost(&lives);
    nobody_was_told_of_a_loss(&lives);
}

#[test]
fn hosts_are_killed_over_srtp_and_nothing_acknowledged_is_lost() {
    let mut room = room_over_srtp(5);
    for round in 0..3 {
        let host = room.settle();
        room.wait_for_paths(host, "srtp");
        let tag = round.to_string();
        room.say(&tag, 0..LINES / 2);
        room.kill(host);
        room.say(&tag, LINES / 2..LINES);
        room.hear_of_another_host(host, "crash_closed");
        room.hear_out(&tag);
        room.join();
    }
    room.settle();
    for player in room.players.values_mut() {
        assert_eq!(delivered_by(player)["relay"], 0);
    }
    let lives = room.finish();
    all_have_heard_one_sequence(&lives);
    nothing_acknowledged_is_lost(&lives);
    nobody_was_told_of_a_loss(&lives);
}

#[test]
fn an_interrupted_player_leaves_in_good_order() {
    let mut room = room_over_srtp(2);
    let (first, second) = (1, 2);
    let leaver = room.players.remove(&second).expect("it is here");
    leaver.signal("-INT");
    let ending = leaver.end();
    assert_eq!(ending.code, Some(0), "{ending:?}");
    let stayer = room.players.get_mut(&first).expect("it is here");
    assert_eq!(stayer.wait_until("player_left", |left| left["player"] == second)["reason"], "left");
    stayer.say("alone");
    stayer.hear("alone");
}

#[cfg(target_os = "linux")]
#[test]
fn in_relay_mode_there_is_no_socket_for_datagrams() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &["--mode", "relay"]);
    let mut bob = Program::join(&server, "room", "bob", &["--mode", "relay"]);
    let cem = Program::join(&server, "room", "cem", &["--mode", "hybrid"]);
    ann.ever("player_joined", |came| came["player"] == 2);
    ann.say("hello");
    bob.hear("hello");
    let delivered_by = delivered_by(&mut bob);
    assert_eq!((&delivered_by["srtp"], &delivered_by["sctp"]), (&json!(0), &json!(0)));
    assert_eq!((ann.datagram_sockets(), bob.datagram_sockets()), (0, 0));
    assert!(cem.datagram_sockets() > 0, "it would be seen");
    let paths = bob.said.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let paths: Vec<Value> = paths.filter(|event| event["event"] == "path").collect();
    assert!(paths.iter().all(|event| event["path"] == "relay"), "{paths:?}");
}

#[test]
fn who_may_not_use_the_server_and_has_no_other_way_is_told_what_to_do() {
    let server = Server::start();
    let _host = Program::join(&server, "room", "ann", &["--mode", "relay"]);
    let mut bob = Program::join(&server, "room", "bob", &["--mode", "webrtc"]);
    let error = bob.wait_until("error", |error| error["code"] == "no_direct_path");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("player 1") && message.contains("--mode hybrid"), "{message}");
}

#[test]
fn who_wants_turn_servers_only_and_is_told_of_none_is_told_what_to_do() {
    let server = Server::start();
    let _host = Program::join(&server, "room", "ann", &["--mode", "turn"]);
    let mut bob = Program::join(&server, "room", "bob", &["--mode", "turn"]);
    let error = bob.wait_until("error", |error| error["code"] == "no_direct_path");
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("--turn") && message.contains("--mode hybrid"), "{message}");
}

#[test]
fn a_server_that_helps_and_is_not_there_hinders_nobody() {
    let server = Server::start();
    let flags = ["--stun", "stun:127.0.0.1:9", "--stun", "stun:nobody.invalid"];
    let mut ann = Program::join(&server, "room", "ann", &flags);
    let mut bob = Program::join(&server, "room", "bob", &flags);
    bob.ever("path", |event| event["path"] == "srtp" && event["state"] == "usable");
    ann.ever("player_joined", |_| true);
    ann.say("hello");
    bob.hear("hello");
}

#[test]
fn servers_that_the_lobby_server_names_are_asked_for_help() {
    let stun = UdpSocket::bind("127.0.0.1:0").unwrap();
    stun.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let url = format!("stun:{}", stun.local_addr().unwrap());
    let server = Server::start_with("127.0.0.1:0", &["--stun", &url]);
    let _ann = Program::join(&server, "room", "ann", &[]);
    let mut question = [0; 64];
    let (length, _) = stun.recv_from(&mut question).expect("a question");
    let binding = [0, 1];
    assert!(length >= 20 && question.starts_with(&binding), "{question:?}");
}

#[test]
fn flags_that_make_no_sense_are_told_with_what_to_do() {
    let table: [(&[&str], &[&str]); 4] = [
        (&["--turn", "turn:example.org"], &["--turn-user", "--turn-password-env"]),
        (&["--stun", "example.org"], &["--stun", "begins with `stun:`"]),
        (
            &["--turn", "turns:a?transport=udp", "--turn-user", "ann", "--turn-password-env", "PATH"],
            &["--turn", "`tcp` behind `turns:`"],
        ),
        (&["--turn", "turn:example.org", "--turn-user", "ann", "--turn-password-env", "NOT_SET"], &["NOT_SET"]),
    ];
    for (flags, words) in table {
        Program::start(&[&["join", "den"], flags].concat()).end().is_failure(2, words);
    }
}
