//! Who says something is heard, by everybody, as the channel promises.

use crate::stage::{Ending, Program, Server};
use std::collections::BTreeSet;
use std::thread;

const COUNT: u64 = 1000;

#[test]
fn three_processes_talk_in_text() {
    let server = Server::start();
    let target = server.target("room");
    let mut ann = Program::start(&["join", &target, "--name", "ann", "--create"]);
    ann.read("in lobby room; host: ann (1); here: ann (1)");
    let mut bob = Program::start(&["join", &target, "--name", "bob"]);
    bob.read("in lobby room; host: ann (1); here: ann (1), bob (2)");
    let mut cem = Program::start(&["join", &target, "--name", "cem"]);
    cem.read("in lobby room");
    ann.read("cem (3) has come");
    bob.read("cem (3) has come");
    bob.say("hello \u{1b}[2J");
    for player in [&mut ann, &mut bob, &mut cem] {
        player.read("bob (2): hello \\u{1b}[2J");
    }
    cem.say("/to 1 psst");
    ann.read("cem (3): psst");
    cem.say("/shout hello");
    cem.read("`/shout` is no command and was not sent");
    ann.say("/as move 1 2");
    bob.read("ann (1) [move]: 1 2");
    let ending = cem.finish();
    assert_eq!((ending.code, ending.said.last().map(String::as_str)), (Some(0), Some("left")), "{ending:?}");
    ann.read("cem (3) has gone (left)");
    assert_eq!(ending.errors, "");
}

#[test]
fn events_are_told_in_json_as_the_contract_says() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &["--stats", "100ms"]);
    let mut bob = Program::start(&["join", &server.target("room"), "--name", "bob", "--json"]);
    let joined = bob.wait_for("joined");
    assert_eq!(joined["lobby"], "room");
    assert_eq!((&joined["player"], &joined["host"]), (&2.into(), &1.into()));
    assert_eq!(joined["epoch"].as_str().map(|epoch| epoch.split('.').count()), Some(2), "{joined}");
    assert_eq!(joined["members"], serde_json::json!([{"player": 1, "name": "ann"}, {"player": 2, "name": "bob"}]));
    assert_eq!(joined["resume"], false);
    assert!(joined["t_ms"].as_f64().is_some_and(|t| t > 0.0), "{joined}");
    let came = ann.wait_for("player_joined");
    assert_eq!((&came["player"], &came["name"]), (&2.into(), &"bob".into()));
    bob.say("hello");
    let sent = bob.wait_for("sent");
    assert_eq!((&sent["channel"], &sent["seq"]), (&"ordered".into(), &1.into()));
    let message = ann.hear("hello");
    assert_eq!((&message["from"], &message["kind"]), (&2.into(), &"chat".into()));
    assert_eq!((&message["channel"], &message["seq"]), (&"ordered".into(), &1.into()));
    assert_eq!(message["data_b64"], serde_json::Value::Null);
    let acked = bob.wait_for("acked");
    assert_eq!((&acked["channel"], &acked["seq"]), (&"ordered".into(), &1.into()));
    let stats = ann.wait_until("stats", |stats| stats["players"][0]["rtt_ms"].is_number());
    let player = &stats["players"][0];
    for field in ["player", "path", "rtt_ms", "jitter_ms", "loss", "in_bps", "out_bps", "queued_bytes"] {
        assert!(player.get(field).is_some_and(|value| !value.is_null()), "{field}: {stats}");
    }
    let ending = bob.finish();
    assert_eq!(ending.code, Some(0));
    assert_eq!(ending.events().last().map(|event| event["reason"].clone()), Some("left".into()));
    let left = ann.wait_for("player_left");
    assert_eq!((&left["player"], &left["reason"]), (&2.into(), &"left".into()));
}

#[test]
fn lines_typed_too_early_or_too_late_are_sent() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    // All is said and done before the join can even begin.
    let mut bob = Program::start(&["join", &server.target("room"), "--name", "bob", "--json"]);
    for number in 0..200 {
        bob.say(&number.to_string());
    }
    assert_eq!(bob.finish().code, Some(0));
    ann.wait_for("player_left");
    let heard = ann.finish().heard("chat");
    assert_eq!(heard, (0..200).map(|number| (2, number.to_string())).collect::<Vec<_>>());
}

#[test]
fn new_makes_a_coded_lobby_that_others_can_join() {
    let server = Server::start();
    let mut ann = Program::start(&["join", "new", "--server", &server.url(), "--name", "ann"]);
    let code = ann.read("others come by: webstar join ").rsplit(' ').next().unwrap().to_owned();
    let bob = Program::start(&["join", &code, "--server", &server.url(), "--name", "bob", "--json"]);
    ann.read("bob (2) has come");
    assert_eq!(bob.finish().code, Some(0));
}

/// Three processes say a thousand lines each at the same time.
fn all_say(channel: &str) -> [Ending; 3] {
    let server = Server::start();
    let names = ["ann", "bob", "cem"];
    let mut players = names.map(|name| Program::join(&server, "room", name, &["--channel", channel]));
    for player in &mut players[..2] {
        player.wait_until("player_joined", |event| event["name"] == "cem");
    }
    let players = thread::scope(|scope| {
        let says = players.map(|mut player| {
            scope.spawn(move || {
                for number in 1..=COUNT {
                    player.say(&number.to_string());
                }
                let mut heard = 0;
                player.wait("3,000 messages", |line| {
                    heard += u64::from(line.contains("\"event\":\"message\""));
                    (heard == 3 * COUNT).then_some(())
                });
                player
            })
        });
        says.map(|thread| thread.join().unwrap())
    });
    players.map(Program::finish)
}

#[test]
fn a_thousand_ordered_messages_come_in_one_order_for_everybody() {
    let [ann, bob, cem] = all_say("ordered").map(|ending| ending.heard("chat"));
    assert_eq!(ann, bob);
    assert_eq!(ann, cem);
    for sender in 1..=3 {
        let numbers: Vec<&str> = ann.iter().filter(|(from, _)| *from == sender).map(|(_, n)| n.as_str()).collect();
        assert_eq!(numbers, (1..=COUNT).map(|number| number.to_string()).collect::<Vec<_>>(), "of {sender}");
    }
}

#[test]
fn a_thousand_reliable_messages_come_once_each() {
    for heard in all_say("reliable").map(|ending| ending.heard("chat")) {
        let expected: BTreeSet<_> =
            (1..=3).flat_map(|sender| (1..=COUNT).map(move |number| (sender, number.to_string()))).collect();
        assert_eq!(heard.len(), expected.len());
        assert_eq!(heard.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

/// One process floods two others; the numbers that each of the three has heard.
fn flood(channel: &str) -> [Vec<u64>; 3] {
    let server = Server::start();
    let mut hearers = ["ann", "bob"].map(|name| Program::join(&server, "room", name, &[]));
    let flood = format!("1000:64:{COUNT}");
    let target = server.target("room");
    let cem = Program::start(&["join", &target, "--name", "cem", "--json", "--flood", &flood, "--channel", channel]);
    let cem = cem.finish();
    assert_eq!(cem.code, Some(0), "{cem:?}");
    for hearer in &mut hearers {
        hearer.wait_until("player_left", |event| event["player"] == 3);
    }
    let [ann, bob] = hearers.map(Program::finish);
    [ann, bob, cem].map(|ending| {
        let numbers = ending.heard("flood").into_iter().map(|(from, text)| {
            let mut parts = text.split(':');
            assert_eq!((from, parts.next(), text.len()), (3, Some("3"), 64));
            parts.next().unwrap().parse().unwrap()
        });
        numbers.collect()
    })
}

#[test]
fn the_newest_of_a_thousand_latest_messages_comes_last() {
    for heard in flood("latest") {
        assert!(heard.is_sorted_by(|a, b| a < b), "{heard:?}");
        assert_eq!(heard.last(), Some(&COUNT));
    }
}

#[test]
fn a_thousand_unreliable_messages_come_once_at_most() {
    for heard in flood("unreliable") {
        let once: BTreeSet<u64> = heard.iter().copied().collect();
        assert_eq!(once.len(), heard.len(), "no doubles");
        // Nothing is lost on loopback but what a busy machine lets expire.
        assert!(heard.len() > 900, "{} of {COUNT}", heard.len());
    }
}

#[test]
fn what_the_channel_does_not_take_waits() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    let target = server.target("room");
    // 20 MB at once are more than any buffer holds.
    let bob = Program::start(&["join", &target, "--name", "bob", "--json", "--flood", "0:200000:100"]);
    let bob = bob.finish();
    assert_eq!(bob.code, Some(0), "{:?}", bob.errors);
    let events = bob.events();
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    assert!(count("full") > 0 && count("drained") > 0);
    ann.wait_for("player_left");
    let heard = ann.finish().heard("flood");
    assert_eq!(heard.len(), 100);
    assert!(heard.iter().enumerate().all(|(at, (_, text))| text.starts_with(&format!("2:{}:", at + 1))));
}

#[test]
fn who_limits_its_upload_takes_its_time() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    // 45 kB at 20 kB a second, of which some may leave at once. A busy machine makes it longer, nothing makes it shorter.
    let mut bob = Program::join(&server, "room", "bob", &["--upload", "20000", "--flood", "0:900:50"]);
    let acked = bob.wait_until("acked", |event| event["seq"] == 50);
    let ending = bob.finish();
    let sent = ending.events().into_iter().find(|event| event["event"] == "sent").expect("it has sent");
    let took = acked["t_ms"].as_f64().unwrap() - sent["t_ms"].as_f64().unwrap();
    assert!(took >= 1_800.0, "{took} ms");
    ann.wait_for("player_left");
    assert_eq!(ann.finish().heard("flood").len(), 50);
}

#[test]
fn a_message_that_is_too_long_is_told() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    ann.say(&"x".repeat(1024 * 1024 + 1));
    let error = ann.wait_for("error");
    assert!(error["message"].as_str().unwrap().contains("longer than max_message"), "{error}");
    ann.say("short");
    ann.hear("short");
}

#[test]
fn interrupts_leave_gracefully() {
    for signal in ["-INT", "-TERM"] {
        let server = Server::start();
        let mut ann = Program::join(&server, "room", "ann", &[]);
        let bob = Program::join(&server, "room", "bob", &[]);
        bob.signal(signal);
        assert_eq!(bob.end().code, Some(0));
        assert_eq!(ann.wait_for("player_left")["reason"], "left");
    }
}

#[test]
fn bytes_that_are_no_text_come_in_base64() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    ann.mouthpiece().say(b"a\xff\n").unwrap();
    let message = ann.wait_for("message");
    assert_eq!((&message["data"], &message["data_b64"]), (&serde_json::Value::Null, &"Yf8=".into()));
}

#[test]
fn a_relay_apart_from_the_lobby_server_carries() {
    let server = Server::start();
    let relay = format!("ws://{}", server.address);
    let mut ann = Program::join(&server, "room", "ann", &["--relay", &relay]);
    let mut bob = Program::join(&server, "room", "bob", &[]);
    ann.wait_for("player_joined");
    ann.say("hello");
    bob.hear("hello");
    bob.say("hello yourself");
    ann.hear("hello yourself");
}

#[test]
fn what_is_kept_arrives_through_all_trouble() {
    let trouble = "loss=0.2,latency=20ms,jitter=10ms,dup=0.2,reorder=0.2";
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &["--net", trouble]);
    let target = server.target("room");
    let bob = Program::start(&["join", &target, "--json", "--net", trouble, "--flood", "200:64:200"]);
    assert_eq!(bob.finish().code, Some(0));
    ann.wait_for("player_left");
    let heard = ann.finish().heard("flood");
    assert_eq!(heard.len(), 200);
    assert!(heard.iter().enumerate().all(|(at, (_, text))| text.starts_with(&format!("2:{}:", at + 1))));
}

#[test]
fn a_spectator_hears_and_is_told_as_one() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    let mut bob = Program::join(&server, "room", "bob", &["--spectator"]);
    ann.wait_for("player_joined");
    ann.say("hello");
    bob.hear("hello");
}
