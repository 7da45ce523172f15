//! Connections break; players come back as who they were, with what they missed.

use crate::proxy::Proxy;
use crate::stage::{Folder, Program, Server};
use std::thread;
use std::time::Duration;

/// Bob's connection is cut for a while. The server hears of it at once, or only when bob is back.
fn cut(length: Duration, is_noticed: bool) {
    let server = Server::start();
    let proxy = Proxy::to(&server.address);
    let mut ann = Program::join(&server, "room", "ann", &[]);
    let mut bob = Program::start(&["join", &proxy.target("room"), "--name", "bob", "--json"]);
    bob.wait_for("joined");
    bob.say("before");
    ann.hear("before");
    bob.hear("before");
    proxy.cut();
    let old = proxy.old_ends();
    let late = if is_noticed {
        old.close();
        None
    } else {
        Some(old)
    };
    bob.wait_for("reconnecting");
    for number in 0..50 {
        ann.say(&format!("ann {number}"));
        bob.say(&format!("bob {number}"));
    }
    thread::sleep(length);
    proxy.mend();
    let joined = bob.wait_for("joined");
    assert_eq!((&joined["player"], &joined["resume"]), (&2.into(), &true.into()));
    bob.wait_for("resumed");
    if let Some(late) = late {
        // The server hears only now that the old connection is gone. It is none of the new one's business.
        late.close();
    }
    ann.hear("bob 49");
    for number in 0..50 {
        bob.say(&format!("bob {}", 50 + number));
    }
    ann.hear("bob 99");
    bob.say("after");
    ann.hear("after");
    bob.hear("after");
    bob.finish();
    ann.wait_for("player_left");
    let ann = ann.finish();
    let came: Vec<_> = ann.events().into_iter().filter(|event| event["event"] == "player_joined").collect();
    assert_eq!(came.len(), 1, "bob came once: {came:?}");
    let heard: Vec<String> = ann.heard("chat").into_iter().map(|(_, text)| text).collect();
    let of =
        |name: &str, count: usize| -> Vec<String> { (0..count).map(|number| format!("{name} {number}")).collect() };
    let said = |name: &str| -> Vec<String> { heard.iter().filter(|text| text.starts_with(name)).cloned().collect() };
    assert_eq!(said("bob"), of("bob", 100));
    assert_eq!(said("ann"), of("ann", 50));
}

#[test]
fn a_short_cut_is_mended() {
    cut(Duration::from_secs(3), true);
}

#[test]
fn a_cut_of_20_s_is_mended() {
    cut(Duration::from_secs(20), true);
}

#[test]
fn a_late_close_of_the_old_connection_changes_nothing() {
    cut(Duration::from_secs(1), false);
}

#[test]
fn both_hear_the_same_after_a_cut() {
    let server = Server::start();
    let proxy = Proxy::to(&server.address);
    let mut ann = Program::join(&server, "room", "ann", &[]);
    let mut bob = Program::start(&["join", &proxy.target("room"), "--name", "bob", "--json"]);
    bob.wait_for("joined");
    ann.wait_for("player_joined");
    for round in 0..3 {
        bob.say(&format!("bob {round}"));
        ann.say(&format!("ann {round}"));
        proxy.cut();
        proxy.old_ends().close();
        ann.say(&format!("ann {round} again"));
        bob.wait_for("reconnecting");
        proxy.mend();
        bob.wait_for("resumed");
    }
    ann.say("end");
    bob.hear("end");
    ann.hear("end");
    let bob = bob.finish();
    let ann = ann.finish();
    assert_eq!(ann.heard("chat"), bob.heard("chat"));
    assert_eq!(ann.heard("chat").len(), 10);
}

#[test]
fn a_server_that_is_gone_is_told_and_can_be_left() {
    let mut server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    server.program.kill();
    let reconnecting = ann.wait_for("reconnecting");
    assert_eq!(reconnecting["attempt"], 1);
    assert!(reconnecting["in_ms"].is_number());
    ann.signal("-INT");
    assert_eq!(ann.end().code, Some(0), "leaving needs no server");
}

#[test]
fn a_server_that_has_forgotten_all_is_told() {
    let mut server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &[]);
    server.program.kill();
    ann.wait_for("reconnecting");
    let folder = Folder::new("forgotten");
    let another = folder.path("another.key");
    let _server = Server::start_with(&server.address, &["--key-file", another.to_str().expect("a plain path")]);
    ann.end().is_failure(4, &["timed_out", "does not know this place any more; join again"]);
}
