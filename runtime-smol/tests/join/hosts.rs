//! Hosts die and hand over; who is left goes on talking, and nothing that was acknowledged is missing.

use crate::chatter::{Blow, silences};
use crate::room::{
    Room, all_have_heard_one_sequence, nobody_was_told_of_a_loss, nothing_acknowledged_is_lost, these_have_heard_all,
};
use crate::stage::{Program, Server};
use serde_json::json;
use std::time::Instant;

const PLAYERS: usize = 5;
/// Lines that each player says.
const LINES: usize = 20;
/// Lines that each player says a second where hosts are struck down.
const HZ: u32 = 20;

/// Hosts are killed in the middle of the chat; for each another player comes.
fn kill_hosts(players: usize, rounds: usize, flags: &[&'static str]) {
    let mut room = Room::of(Server::start(), players, flags);
    room.begin_to_chat(HZ);
    room.hear_out("begin");
    let mut blows = Vec::new();
    for round in 0..rounds {
        let host = room.settle();
        blows.push(Blow { at: Instant::now(), host });
        room.kill(host);
        room.hear_of_another_host(host, "crash_closed");
        room.hear_out(&round.to_string());
        room.join();
    }
    room.settle();
    room.end_chat();
    room.hear_out("end");
    let lives = room.finish();
    assert_eq!(lives.all.len(), players + rounds);
    all_have_heard_one_sequence(&lives);
    nothing_acknowledged_is_lost(&lives);
    nobody_was_told_of_a_loss(&lives);
    let silences = silences(&lives, &blows);
    println!("{rounds} hosts of {players} players {flags:?} killed at {HZ} lines a second: silence {silences}");
}

#[test]
fn twenty_hosts_are_killed_and_nothing_acknowledged_is_lost() {
    // Who was killed keeps its place for two minutes.
    kill_hosts(8, 20, &["--max", "64"]);
}

#[test]
fn hosts_are_killed_over_the_relay_and_nothing_acknowledged_is_lost() {
    kill_hosts(5, 5, &["--mode", "relay"]);
}

#[test]
fn twenty_hosts_that_stand_still_are_replaced_and_come_back_as_members() {
    let (players, rounds) = (8, 20);
    let mut room = Room::of(Server::start(), players, &[]);
    room.begin_to_chat(HZ);
    room.hear_out("begin");
    let mut blows = Vec::new();
    for round in 0..rounds {
        let host = room.settle();
        blows.push(Blow { at: Instant::now(), host });
        let stopped = room.stop(host);
        room.hear_of_another_host(host, "crash_silent");
        room.hear_out(&format!("{round} without"));
        // What it was told to say meanwhile it says now, and nobody takes it for the host.
        room.wake(host, stopped);
        room.hear_out(&format!("{round} again"));
        assert_ne!(room.settle(), host);
    }
    room.end_chat();
    room.hear_out("end");
    let lives = room.finish();
    assert_eq!(lives.survivors.len(), players, "everybody came back as who it was");
    all_have_heard_one_sequence(&lives);
    these_have_heard_all(&lives, &lives.survivors);
    nobody_was_told_of_a_loss(&lives);
    let silences = silences(&lives, &blows);
    println!("{rounds} hosts of {players} players stopped at {HZ} lines a second: silence {silences}");
}

#[test]
fn a_host_hands_over_in_the_middle_of_the_talk() {
    let mut room = Room::of(Server::start(), PLAYERS, &[]);
    let host = room.settle();
    let successor = *room.players.keys().last().expect("they are there");
    room.say("talk", 0..LINES / 2);
    let program = room.players.get_mut(&host).expect("it is here");
    program.say(&format!("/handover {successor}"));
    room.say("talk", LINES / 2..LINES);
    room.hear_of_another_host(host, "chosen");
    room.players.get_mut(&host).expect("it stays").ever("done", |done| done["command"] == "handover");
    room.hear_out("talk");
    assert_eq!(room.settle(), successor);
    let lives = room.finish();
    for (number, ending) in &lives.all {
        assert_eq!(ending.heard("chat").len(), PLAYERS * (LINES + 1), "player {number} has heard all");
    }
    all_have_heard_one_sequence(&lives);
    nobody_was_told_of_a_loss(&lives);
}

#[test]
fn a_host_that_leaves_hands_over_first() {
    let mut room = Room::of(Server::start(), PLAYERS, &[]);
    let host = room.settle();
    room.say("talk", 0..LINES);
    room.leave(host);
    room.hear_of_another_host(host, "graceful");
    room.hear_out("talk");
    let lives = room.finish();
    let last = format!("talk {host} {}", LINES - 1);
    for number in &lives.survivors {
        assert!(
            lives.all[number].heard("chat").contains(&(host, last.clone())),
            "player {number} lacks what the host said last"
        );
    }
    all_have_heard_one_sequence(&lives);
    nothing_acknowledged_is_lost(&lives);
    nobody_was_told_of_a_loss(&lives);
}

#[test]
fn who_has_just_come_can_be_chosen_and_is_told_of_no_host_change_before() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    let mut bob = Program::join(&server, "room", "bob", &[]);
    let mut cem = Program::join(&server, "room", "cem", &[]);
    ann.ever("player_joined", |came| came["player"] == 3);
    ann.say("/handover 3");
    ann.wait_until("done", |done| done["command"] == "handover");
    for player in [&mut ann, &mut bob, &mut cem] {
        let changed = player.ever("host_changed", |_| true);
        assert_eq!(
            (&changed["host"], &changed["cause"]),
            (&3.into(), &"chosen".into()),
            "the first that it is told of"
        );
    }
    ann.say("after");
    [ann, bob, cem].iter_mut().for_each(|player| drop(player.hear("after")));
}

#[test]
fn a_hand_over_to_nobody_is_refused_and_the_host_stays() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    let refused = |player: &mut Program, line: &str, code: &str, words: &str| {
        player.say(line);
        let error = player.wait_for("error");
        assert_eq!(error["code"], code, "{line}: {error}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{line}: {error}");
    };
    refused(&mut ann, "/handover", "no_such_player", "nobody else");
    let mut bob = Program::join(&server, "room", "bob", &["--spectator"]);
    ann.ever("player_joined", |came| came["player"] == 2);
    for nobody in [1, 2, 9] {
        refused(&mut ann, &format!("/handover {nobody}"), "no_such_player", &format!("player {nobody} cannot"));
    }
    refused(&mut bob, "/handover", "not_host", "host");
    ann.say("/handover bob");
    assert_eq!(ann.wait_for("error")["code"], "not_sent");
    ann.say("still here");
    bob.hear("still here");
}

#[test]
fn in_text_everybody_reads_who_is_host() {
    let server = Server::start();
    let target = server.target("room");
    let mut ann = Program::start(&["join", &target, "--name", "ann", "--create", "--stay"]);
    ann.read("in lobby room");
    let mut bob = Program::start(&["join", &target, "--name", "bob", "--stay"]);
    bob.read("in lobby room");
    let mut cem = Program::join(&server, "room", "cem", &["--stay"]);
    cem.ever("view", |view| view["voters"] == json!([1, 2, 3]));
    ann.say("/handover");
    ann.read("bob (2) is host now: the one before has handed over");
    ann.read("done: handover");
    bob.read("you are host now: the one before has handed over");
    bob.kill();
    ann.read("you are host now: the one before is gone");
    let changed = cem.ever("host_changed", |changed| changed["host"] == 1);
    assert_eq!(changed["cause"], "crash_closed");
    assert!(changed["gap_ms"].as_f64().is_some_and(|gap| gap > 0.0), "{changed}");
    ann.say("alone again");
    cem.hear("alone again");
}

#[test]
fn with_history_who_comes_late_is_told_what_was_said() {
    let mut room = Room::of(Server::start(), 2, &["--history"]);
    let host = room.settle();
    room.say("early", 0..3);
    room.hear_out("early");
    let said: Vec<String> = {
        let first = room.players.get_mut(&host).expect("it is here");
        let lines = first.said.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.filter(|event| event["event"] == "message").map(|event| event["data"].to_string()).collect()
    };
    let late = room.join();
    let told = |program: &mut Program| -> Vec<String> {
        let history = program.ever("history", |_| true);
        let messages = history["messages"].as_array().expect("messages").clone();
        messages.iter().map(|message| message["data"].to_string()).collect()
    };
    assert_eq!(told(room.players.get_mut(&late).expect("it is here")), said);
    // A new host knows it, too, and tells it to the next.
    room.settle();
    room.kill(host);
    room.hear_of_another_host(host, "crash_closed");
    let later = room.join();
    assert_eq!(told(room.players.get_mut(&later).expect("it is here")), said);
    room.hear_out("late");
    nobody_was_told_of_a_loss(&room.finish());
}
