//! A room of real players: who is in it, what all of them know, and what must be true of all that they have heard.

use crate::chatter::Chatter;
use crate::stage::{Ending, Mouthpiece, Program, Server};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A message as one heard it: who said it, its number among the sender's, and what it says.
type Line = (u64, u64, String);

/// Players that come and go, and what became of them.
pub(crate) struct Room {
    pub(crate) server: Server,
    pub(crate) players: BTreeMap<u64, Program>,
    flags: Vec<&'static str>,
    /// How those ended who are not there any more.
    gone: BTreeMap<u64, Ending>,
    came: usize,
    /// The view in which it was settled last.
    epoch: (u64, u64),
    chatter: Option<Chatter>,
}

impl Room {
    /// So many players around a server, of whom every one knows that the host can be lost.
    pub(crate) fn of(server: Server, players: usize, flags: &[&'static str]) -> Self {
        let flags = [&["--stay", "--json"], flags].concat();
        let (here, gone) = (BTreeMap::new(), BTreeMap::new());
        let mut room = Room { server, players: here, flags, gone, came: 0, epoch: (0, 0), chatter: None };
        for _ in 0..players {
            room.join();
        }
        room.settle();
        room
    }

    /// One more player comes; its number.
    pub(crate) fn join(&mut self) -> u64 {
        self.came += 1;
        let (target, name) = (self.server.target("room"), format!("player{}", self.came));
        let mut player = Program::start(&[&["join", &target, "--name", &name, "--create"], &self.flags[..]].concat());
        let number = player.wait_for("joined")["player"].as_u64().expect("a number");
        if let Some(chatter) = &self.chatter {
            chatter.add(number, player.mouthpiece());
        }
        self.players.insert(number, player);
        number
    }

    /// From now on all who are here, and all who come, say something so many times a second.
    pub(crate) fn begin_to_chat(&mut self, hz: u32) {
        let mouths = self.players.iter().map(|(number, player)| (*number, player.mouthpiece()));
        self.chatter = Some(Chatter::of(mouths.collect::<BTreeMap<u64, Mouthpiece>>(), hz));
    }

    pub(crate) fn end_chat(&mut self) {
        self.chatter.take().expect("it has begun").end();
    }

    /// Waits until all are in the same view, in which all of them vote and somebody could take over. Tells who is host.
    pub(crate) fn settle(&mut self) -> u64 {
        let here: Vec<u64> = self.players.keys().copied().collect();
        loop {
            let mut views: Vec<Value> = Vec::new();
            for player in self.players.values_mut() {
                let is_whole = |view: &Value| {
                    view["voters"] == Value::from(here.clone())
                        && view["backups"].as_array().is_some_and(|b| !b.is_empty())
                };
                views.push(player.newest("view", is_whole));
            }
            let host = views[0]["host"].as_u64().expect("a view has a host");
            if views.windows(2).all(|two| two[0]["epoch"] == two[1]["epoch"]) && here.contains(&host) {
                self.epoch = epoch(&views[0]["epoch"]);
                return host;
            }
            // Some know more than others, who are about to hear of it.
            let newest = views.iter().map(|view| epoch(&view["epoch"])).max().expect("somebody is here");
            for player in self.players.values_mut() {
                player.ever("view", |view| epoch(&view["epoch"]) >= newest);
            }
        }
    }

    /// Everybody says these lines, in turn.
    pub(crate) fn say(&mut self, tag: &str, lines: std::ops::Range<usize>) {
        for line in lines {
            for (number, player) in &mut self.players {
                player.say(&format!("{tag} {number} {line}"));
            }
        }
    }

    /// Everybody says a last line, hears it of everybody, and has all that it ever said acknowledged.
    pub(crate) fn hear_out(&mut self, tag: &str) {
        let numbers: Vec<u64> = self.players.keys().copied().collect();
        for (number, player) in &mut self.players {
            player.say(&format!("{tag} {number} end"));
        }
        for (me, player) in &mut self.players {
            for number in &numbers {
                let heard = player.ever_hears(&format!("{tag} {number} end"));
                if number == me {
                    player.ever("acked", |acked| acked["seq"] == heard["seq"]);
                }
            }
        }
    }

    /// The system ends a player, at once and without a word.
    pub(crate) fn kill(&mut self, number: u64) {
        let mut player = self.players.remove(&number).expect("it is here");
        player.kill();
        self.gone.insert(number, player.end());
    }

    /// The system lets a player stand still.
    pub(crate) fn stop(&mut self, number: u64) -> Program {
        let player = self.players.remove(&number).expect("it is here");
        player.signal("-STOP");
        player
    }

    /// The system lets it go on.
    pub(crate) fn wake(&mut self, number: u64, player: Program) {
        player.signal("-CONT");
        self.players.insert(number, player);
    }

    /// A player leaves in good order.
    pub(crate) fn leave(&mut self, number: u64) {
        let mut player = self.players.remove(&number).expect("it is here");
        player.say("/leave");
        let ending = player.end();
        assert_eq!(ending.code, Some(0), "{ending:?}");
        self.gone.insert(number, ending);
    }

    /// Everybody hears who is host after this one, who was when it was settled last, and why.
    pub(crate) fn hear_of_another_host(&mut self, old: u64, cause: &str) {
        let since = self.epoch;
        for player in self.players.values_mut() {
            let is_new = |changed: &Value| changed["host"] != old && epoch(&changed["epoch"]) > since;
            player.ever("host_changed", |changed| is_new(changed) && changed["cause"] == cause);
        }
    }

    /// Every member has a path of this kind to the host, and the host to every member.
    pub(crate) fn wait_for_paths(&mut self, host: u64, path: &str) {
        let others: Vec<u64> = self.players.keys().copied().filter(|number| *number != host).collect();
        for other in others {
            for (me, to) in [(host, other), (other, host)] {
                let player = self.players.get_mut(&me).expect("it is here");
                let is_usable = |event: &Value| event["path"] == path && event["state"] == "usable";
                let usable = player.ever("path", |event| event["player"] == to && is_usable(event));
                assert_eq!(usable["turn"], false, "{usable}");
            }
        }
    }

    /// Everybody leaves.
    pub(crate) fn finish(mut self) -> Lives {
        let survivors: BTreeSet<u64> = self.players.keys().copied().collect();
        survivors.iter().rev().for_each(|number| self.leave(*number));
        Lives { all: self.gone, survivors }
    }
}

/// What everybody has said in its life, and who was there to the end.
pub(crate) struct Lives {
    pub(crate) all: BTreeMap<u64, Ending>,
    pub(crate) survivors: BTreeSet<u64>,
}

fn epoch(told: &Value) -> (u64, u64) {
    let parts = told.as_str().and_then(|epoch| epoch.split_once('.')).expect("an epoch");
    (parts.0.parse().expect("a term"), parts.1.parse().expect("a round"))
}

fn heard(ending: &Ending) -> Vec<Line> {
    let is_line = |event: &Value| event["event"] == "message";
    let line = |event: Value| {
        let number = |field: &str| event[field].as_u64().expect("a number");
        (number("from"), number("seq"), event["data"].as_str().expect("text").to_owned())
    };
    ending.events().into_iter().filter(is_line).map(line).collect()
}

fn acked(ending: &Ending) -> BTreeSet<u64> {
    let is_acked = |event: &Value| event["event"] == "acked" && event["channel"] == "ordered";
    ending.events().iter().filter(|event| is_acked(event)).map(|event| event["seq"].as_u64().expect("seq")).collect()
}

/// Everybody, the dead included, has heard one and the same sequence: from where it came to where it went, without a
/// hole and without doubles.
pub(crate) fn all_have_heard_one_sequence(lives: &Lives) {
    let all: BTreeMap<u64, Vec<Line>> = lives.all.iter().map(|(number, ending)| (*number, heard(ending))).collect();
    for (number, lines) in &all {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for (from, seq, text) in lines {
            if let Some(before) = last.insert(*from, *seq) {
                assert_eq!(*seq, before + 1, "player {number} hears {text:?} of {from} out of its place");
            }
        }
    }
    for (one, earlier) in &all {
        for (other, later) in all.range(one + 1..) {
            let Some(begin) = earlier.iter().position(|line| Some(line) == later.first()) else { continue };
            let both = earlier.len().min(later.len() + begin) - begin;
            assert_eq!(earlier[begin..begin + both], later[..both], "players {one} and {other}");
        }
    }
}

/// Who has heard of somebody, and was there to the end, has heard all that was acknowledged to it.
pub(crate) fn nothing_acknowledged_is_lost(lives: &Lives) {
    for witness in &lives.survivors {
        let last: BTreeMap<u64, u64> =
            heard(&lives.all[witness]).into_iter().map(|(from, seq, _)| (from, seq)).collect();
        for (sender, heard) in last {
            let acked = acked(&lives.all[&sender]).last().copied();
            assert!(Some(heard) >= acked, "player {witness} has heard {heard} of {sender}, acknowledged was {acked:?}");
        }
    }
}

/// Nobody was told that anything may be missing.
pub(crate) fn nobody_was_told_of_a_loss(lives: &Lives) {
    nobody_was_told(lives, |event| event["event"] == "continuity_lost" || event["event"] == "resynced");
}

/// Nobody was told anything like this.
pub(crate) fn nobody_was_told(lives: &Lives, is_bad: impl Fn(&Value) -> bool) {
    for (number, ending) in &lives.all {
        let told = ending.events().into_iter().find(&is_bad);
        assert!(
            told.is_none(),
            "player {number} was told {told:?}; it ended with {:?} {:?}",
            ending.code,
            ending.errors
        );
    }
}

/// Each of these, who were together from the beginning to the end, has heard all that any of them has ever said.
pub(crate) fn these_have_heard_all(lives: &Lives, these: &BTreeSet<u64>) {
    for speaker in these {
        let said = lives.all[speaker].events().iter().filter(|event| event["event"] == "sent").count();
        for witness in these {
            let heard = heard(&lives.all[witness]).into_iter().filter(|(from, ..)| from == speaker).count();
            assert_eq!(heard, said, "so much has player {witness} heard of {speaker}, and so much did that say");
        }
    }
}
