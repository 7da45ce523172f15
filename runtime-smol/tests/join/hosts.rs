//! Hosts die and hand over; who is left goes on talking, and nothing that was acknowledged is missing.

use crate::stage::{Ending, Program, Server};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const PLAYERS: usize = 5;
const ROUNDS: usize = 10;
/// Lines that each player says in a round, half of them before the host dies.
const LINES: usize = 20;

/// Players that come and go, and what became of them.
struct Room {
    server: Server,
    players: BTreeMap<u64, Program>,
    gone: Vec<(u64, Ending)>,
    host: u64,
    came: usize,
}

impl Room {
    fn new() -> Self {
        let mut room = Room { server: Server::start(), players: BTreeMap::new(), gone: Vec::new(), host: 0, came: 0 };
        for _ in 0..PLAYERS {
            room.join();
        }
        room
    }

    /// One more player, whom everybody has seen coming.
    fn join(&mut self) {
        self.came += 1;
        let target = self.server.target("room");
        let name = format!("player{}", self.came);
        let mut player = Program::start(&["join", &target, "--name", &name, "--create", "--json"]);
        let joined = player.wait_for("joined");
        self.host = joined["host"].as_u64().expect("a lobby of players has a host");
        let number = joined["player"].as_u64().expect("a number");
        for other in self.players.values_mut() {
            other.wait_until("player_joined", |came| came["player"] == number);
        }
        self.players.insert(number, player);
    }

    fn say(&mut self, round: usize, lines: std::ops::Range<usize>) {
        for line in lines {
            for (number, player) in &mut self.players {
                player.say(&format!("{round} {number} {line}"));
            }
        }
    }

    /// Everybody has heard what everybody who is there says last.
    fn hear_out(&mut self, round: usize) {
        let numbers: Vec<u64> = self.players.keys().copied().collect();
        for player in self.players.values_mut() {
            let wanted: BTreeSet<String> = numbers.iter().map(|number| format!("{round} {number} end")).collect();
            let mut missing = wanted;
            for line in &player.said {
                let event: Value = serde_json::from_str(line).expect("it speaks JSON");
                missing.remove(event["data"].as_str().unwrap_or_default());
            }
            while !missing.is_empty() {
                let heard = player.wait_until("message", |message| {
                    message["data"].as_str().is_some_and(|data| missing.contains(data))
                });
                missing.remove(heard["data"].as_str().expect("wanted"));
            }
        }
    }

    fn end_round(&mut self, round: usize) {
        for (number, player) in &mut self.players {
            player.say(&format!("{round} {number} end"));
        }
        self.hear_out(round);
    }

    /// The host dies, and everybody hears who is host now.
    fn kill_host(&mut self) -> Value {
        let mut host = self.players.remove(&self.host).expect("the host is one of them");
        host.kill();
        let old = self.host;
        self.gone.push((old, host.end()));
        let mut changed = Value::Null;
        for player in self.players.values_mut() {
            changed = player.wait_until("host_changed", |changed| changed["host"] != old);
        }
        self.host = changed["host"].as_u64().expect("a host");
        changed
    }

    fn finish(mut self) -> Vec<(u64, Ending)> {
        for (number, player) in core::mem::take(&mut self.players) {
            self.gone.push((number, player.finish()));
        }
        self.gone
    }
}

/// What each heard, in its order; nobody has heard anything twice, and everybody in one order.
fn in_one_order(endings: &[(u64, Ending)]) {
    let heard: Vec<Vec<String>> = endings
        .iter()
        .map(|(number, ending)| {
            let texts: Vec<String> = ending.heard("chat").into_iter().map(|(_, text)| text).collect();
            let once: BTreeSet<&String> = texts.iter().collect();
            assert_eq!(once.len(), texts.len(), "player {number} has heard something twice");
            texts
        })
        .collect();
    for (at, mine) in heard.iter().enumerate() {
        let places: BTreeMap<&String, usize> = mine.iter().enumerate().map(|(place, text)| (text, place)).collect();
        for (other, theirs) in heard.iter().enumerate().skip(at + 1) {
            let common: Vec<usize> = theirs.iter().filter_map(|text| places.get(text).copied()).collect();
            assert!(common.is_sorted(), "players {at} and {other} have heard things in different orders");
        }
    }
}

/// What was acknowledged to somebody was heard by everybody who was there from before it was said until the end.
fn nothing_acknowledged_is_missing(endings: &[(u64, Ending)]) {
    let survivors: Vec<_> = endings.iter().filter(|(_, ending)| ending.code == Some(0)).collect();
    for (number, ending) in endings {
        let mut said = BTreeMap::new();
        let mut acked = BTreeSet::new();
        for event in ending.said.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            match event["event"].as_str() {
                Some("message") if event["from"] == *number => {
                    said.insert(event["seq"].as_u64(), event["data"].as_str().unwrap_or_default().to_owned());
                }
                Some("acked") => {
                    acked.insert(event["seq"].as_u64());
                }
                _ => {}
            }
        }
        for (witness, heard) in &survivors {
            // Who came later has not heard what was before.
            let heard: BTreeSet<String> = heard.heard("chat").into_iter().map(|(_, text)| text).collect();
            let first = heard.iter().filter_map(|text| text.split(' ').next()?.parse::<usize>().ok()).min();
            for seq in &acked {
                let Some(text) = said.get(seq) else { continue };
                let round: usize = text.split(' ').next().and_then(|round| round.parse().ok()).expect("a round");
                if first.is_some_and(|first| round > first) {
                    assert!(heard.contains(text), "{witness} has not heard {text:?}, acknowledged to {number}");
                }
            }
        }
    }
}

#[test]
fn ten_hosts_are_killed_and_nothing_acknowledged_is_lost() {
    let mut room = Room::new();
    for round in 0..ROUNDS {
        room.say(round, 0..LINES / 2);
        let changed = room.kill_host();
        assert_eq!(changed["cause"], "crash_closed");
        room.say(round, LINES / 2..LINES);
        room.end_round(round);
        room.join();
    }
    let endings = room.finish();
    in_one_order(&endings);
    nothing_acknowledged_is_missing(&endings);
    let lost = |ending: &Ending| ending.said.iter().any(|line| line.contains("continuity_lost"));
    assert!(endings.iter().all(|(_, ending)| !lost(ending)), "one backup is always there");
}

#[test]
fn a_host_hands_over_and_stays() {
    let mut room = Room::new();
    room.say(0, 0..LINES / 2);
    let old = room.host;
    let host = room.players.get_mut(&old).expect("the host is one of them");
    host.say("/handover 3");
    host.wait_until("done", |done| done["command"] == "handover");
    for player in room.players.values_mut() {
        let changed = player.wait_until("host_changed", |changed| changed["host"] == 3);
        assert_eq!(changed["cause"], "chosen");
    }
    room.say(0, LINES / 2..LINES);
    room.end_round(0);
    let endings = room.finish();
    in_one_order(&endings);
    nothing_acknowledged_is_missing(&endings);
    for (number, ending) in &endings {
        assert_eq!(ending.heard("chat").len(), PLAYERS * (LINES + 1), "player {number} has heard all");
    }
}

#[test]
fn a_host_that_leaves_hands_over_first() {
    let mut room = Room::new();
    room.say(0, 0..LINES);
    let host = room.players.remove(&room.host).expect("the host is one of them");
    let ending = host.finish();
    assert_eq!(ending.code, Some(0));
    for player in room.players.values_mut() {
        let changed = player.wait_for("host_changed");
        assert_eq!(changed["cause"], "graceful");
    }
    room.end_round(0);
    let mut endings = room.finish();
    endings.push((1, ending));
    in_one_order(&endings);
    nothing_acknowledged_is_missing(&endings);
}
