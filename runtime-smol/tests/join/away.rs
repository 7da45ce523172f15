//! The server dies while games run, and comes back on the same port: nobody loses anything.

use crate::room::{
    Lives, Room, all_have_heard_one_sequence, nobody_was_told, nobody_was_told_of_a_loss, nothing_acknowledged_is_lost,
    these_have_heard_all,
};
use crate::stage::Server;
use serde_json::Value;
use std::collections::BTreeSet;

const PLAYERS: usize = 5;
/// Lines that each player says in a round.
const LINES: usize = 20;
/// Lines that each player says a second where it chats.
const HZ: u32 = 20;

/// The server dies; everybody has noticed.
fn die(room: &mut Room) {
    room.server.program.kill();
    room.players.values_mut().for_each(|player| drop(player.wait_for("reconnecting")));
}

/// It is started again without another word, at the same port, and everybody is back.
fn come_back(room: &mut Room) {
    room.server = Server::start_with(&room.server.address, &[]);
    room.players.values_mut().for_each(|player| drop(player.wait_for("resumed")));
}

/// Nothing of what these have said, who were there from the beginning to the end, and nothing that was acknowledged.
fn nothing_is_lost(lives: &Lives, these: &BTreeSet<u64>) {
    all_have_heard_one_sequence(lives);
    these_have_heard_all(lives, these);
    nothing_acknowledged_is_lost(lives);
    nobody_was_told_of_a_loss(lives);
}

#[test]
fn over_direct_paths_nobody_notices_that_the_server_is_away() {
    let mut room = Room::of(Server::start(), PLAYERS, &[]);
    let host = room.settle();
    room.wait_for_paths(host, "srtp");
    let first: BTreeSet<u64> = room.players.keys().copied().collect();
    room.begin_to_chat(HZ);
    room.hear_out("before");
    die(&mut room);
    // The server comes back only when everybody has heard everybody without it.
    room.hear_out("without");
    come_back(&mut room);
    let late = room.join();
    assert!(!first.contains(&late), "it knows what numbers it has given");
    assert_eq!(room.settle(), host);
    room.end_chat();
    room.hear_out("after");
    let lives = room.finish();
    nothing_is_lost(&lives, &first);
    let is_change =
        |event: &Value| event["event"] == "host_changed" && !event["cause"].is_null() && event["cause"] != "graceful";
    nobody_was_told(&lives, |event| event["event"] == "paused" || is_change(event));
}

/// While the server is away the host is killed: the others agree on another, and bring the server back to that.
fn elect_without_the_server(players: usize) {
    let mut room = Room::of(Server::start(), players, &[]);
    let host = room.settle();
    room.wait_for_paths(host, "srtp");
    let others: BTreeSet<u64> = room.players.keys().copied().filter(|number| *number != host).collect();
    room.begin_to_chat(HZ);
    room.hear_out("before");
    die(&mut room);
    room.kill(host);
    room.hear_of_another_host(host, "voted");
    room.hear_out("without");
    come_back(&mut room);
    room.join();
    room.settle();
    room.end_chat();
    room.hear_out("after");
    nothing_is_lost(&room.finish(), &others);
}

#[test]
fn while_the_server_is_away_two_of_three_elect_a_host() {
    elect_without_the_server(3);
}

#[test]
fn while_the_server_is_away_three_of_four_elect_a_host() {
    elect_without_the_server(4);
}

#[test]
fn what_is_said_while_nothing_carries_it_comes_when_the_server_is_back() {
    let mut room = Room::of(Server::start(), PLAYERS, &["--mode", "relay"]);
    room.settle();
    room.say("before", 0..LINES);
    die(&mut room);
    room.say("without", 0..LINES);
    come_back(&mut room);
    room.say("again", 0..LINES);
    room.hear_out("again");
    // It knows the lobby as it was: others come, and the next host is found as ever. Without the relay nobody heard the
    // host, so that another may be host already.
    let late = room.join();
    assert!(late > 5, "no number is given twice");
    let host = room.settle();
    room.say("after", 0..LINES);
    room.kill(host);
    room.hear_of_another_host(host, "crash_closed");
    room.hear_out("after");
    let lives = room.finish();
    let first: BTreeSet<u64> = lives.survivors.iter().copied().filter(|number| *number != late).collect();
    nothing_is_lost(&lives, &first);
}
