//! Players who may only meet over a TURN server, and reach it by streams.

use crate::stage::{Folder, Program, Server};
use crate::turn_server::{PASSWORD, TurnServer, USER};
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Lines that each player says.
const LINES: usize = 20;

/// A player that uses nothing but that TURN server.
fn join(server: &Server, name: &str, url: &str, more: &[&str]) -> Program {
    let target = server.target("room");
    let own = ["join", &target, "--name", name, "--create", "--json", "--mode", "turn", "--turn", url];
    let known = ["--turn-user", USER, "--turn-password-env", "TURN_PASSWORD"];
    let mut player = Program::start_with(&[&own[..], &known, more].concat(), &[("TURN_PASSWORD", PASSWORD)]);
    player.wait_for("joined");
    player
}

fn is_turned(event: &Value) -> bool {
    event["state"] == "usable" && event["turn"] == true && event["path"] != "relay"
}

/// Both say some lines and hear all, once and in order.
fn talk(ann: &mut Program, bob: &mut Program) {
    for line in 0..LINES {
        ann.say(&format!("ann {line}"));
        bob.say(&format!("bob {line}"));
    }
    for player in [ann, bob] {
        let mut next = [0; 2];
        while next != [LINES; 2] {
            let message = player.wait_until("message", |message| message["kind"] == "chat");
            let text = message["data"].as_str().expect("text");
            let who = usize::from(text.starts_with("bob"));
            assert_eq!(text, format!("{} {}", ["ann", "bob"][who], next[who]));
            next[who] += 1;
        }
    }
}

/// Both go on talking until they have heard each other: their host may have changed while they did not, or change yet, and
/// what is said meanwhile may be told as a new beginning only.
fn find_each_other(ann: &mut Program, bob: &mut Program) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for (mouth, line) in [(ann.mouthpiece(), "ann again\n"), (bob.mouthpiece(), "bob again\n")] {
            let is_over = &is_over;
            scope.spawn(move || {
                for _ in 0..1_000 {
                    if !is_over.load(Ordering::Relaxed) {
                        let _ = mouth.say(line.as_bytes());
                        thread::sleep(Duration::from_millis(50));
                    }
                }
            });
        }
        ann.hear("bob again");
        bob.hear("ann again");
        is_over.store(true, Ordering::Relaxed);
    });
}

fn meet_and_talk(url: &str, more: &[&str]) -> (Server, Program, Program) {
    let server = Server::start();
    let mut ann = join(&server, "ann", url, more);
    let mut bob = join(&server, "bob", url, more);
    ann.ever("path", is_turned);
    bob.ever("path", is_turned);
    talk(&mut ann, &mut bob);
    (server, ann, bob)
}

#[test]
fn two_talk_over_a_turn_server_that_they_reach_by_tcp() {
    let turn = TurnServer::start(None);
    let (_server, mut ann, _bob) = meet_and_talk(&format!("turn:127.0.0.1:{}?transport=tcp", turn.port), &[]);
    ann.say("/stats");
    let stats = ann.wait_for("stats");
    assert_eq!(stats["delivered_by"]["relay"], 0, "nothing goes through the lobby server");
    let turn_servers = stats["turn_servers"].as_array().expect("those are told");
    let [server] = &turn_servers[..] else { panic!("one: {stats}") };
    assert_eq!(server["server"], format!("127.0.0.1:{}", turn.port));
    assert!(["bytes_sent", "bytes_received"].iter().all(|of| server[*of].as_u64() > Some(500)), "{stats}");
    assert!(stats["candidates_refused"].is_u64(), "{stats}");
}

#[test]
fn two_talk_over_a_turn_server_that_they_reach_by_tls() {
    let folder = Folder::new("turns");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = folder.write("cert.pem", &made.cert.pem());
    let turn = TurnServer::start(Some(&made));
    let url = format!("turns:localhost:{}", turn.port);
    let (_server, _ann, _bob) = meet_and_talk(&url, &["--ca", &certificate]);
}

#[test]
fn whoever_loses_the_stream_to_the_turn_server_opens_another() {
    let turn = TurnServer::start(None);
    let url = format!("turn:127.0.0.1:{}?transport=tcp", turn.port);
    let (_server, mut ann, mut bob) = meet_and_talk(&url, &[]);
    turn.cut();
    // Whether their paths die meanwhile or are only doubted depends on how soon the streams are there again.
    for player in [&mut ann, &mut bob] {
        player.wait_until("path", |event| event["state"] != "usable");
    }
    for player in [&mut ann, &mut bob] {
        player.wait_until("path", is_turned);
    }
    find_each_other(&mut ann, &mut bob);
}

#[test]
fn a_turn_server_with_another_certificate_is_not_spoken_to() {
    let folder = Folder::new("turns-other");
    let names = ["localhost".to_owned()];
    let (made, other) = [names.clone(), names].map(|names| rcgen::generate_simple_self_signed(names).unwrap()).into();
    let other = folder.write("other.pem", &other.cert.pem());
    let turn = TurnServer::start(Some(&made));
    let url = format!("turns:localhost:{}", turn.port);
    let server = Server::start();
    let _ann = join(&server, "ann", &url, &["--ca", &other]);
    let mut bob = join(&server, "bob", &url, &["--ca", &other]);
    bob.wait_until("error", |error| error["code"] == "no_direct_path");
    bob.kill();
    let ending = bob.end();
    assert!(ending.errors.contains("no stream to the TURN server"), "{ending:?}");
    assert!(ending.errors.contains("certificate"), "{ending:?}");
}
