//! A host that has the last word, from the command line.

use crate::stage::{Program, Server};

#[test]
fn the_host_accepts_rewrites_and_rejects_and_so_does_the_next() {
    let server = Server::start();
    let [mut ann, mut bob, mut cec] =
        ["ann", "bob", "cec"].map(|name| Program::join(&server, "room", name, &["--authority"]));
    let asked = |host: &mut Program, what: &str| {
        let proposal = host.wait_until("proposal", |proposal| proposal["data"] == what);
        proposal["proposal"].as_u64().expect("a number")
    };
    bob.say("one");
    let id = asked(&mut ann, "one");
    ann.say(&format!("/accept {id}"));
    assert_eq!(cec.hear("one")["rewritten"], false);

    bob.say("two");
    let id = asked(&mut ann, "two");
    ann.say(&format!("/rewrite {id} half of it"));
    for player in [&mut ann, &mut bob, &mut cec] {
        let heard = player.hear("half of it");
        assert_eq!((&heard["rewritten"], &heard["from"]), (&true.into(), &2.into()));
    }

    bob.say("three");
    let id = asked(&mut ann, "three");
    ann.say(&format!("/reject {id} not now"));
    assert_eq!(bob.wait_for("rejected")["reason"], "not now");
    ann.say(&format!("/accept {id}"));
    assert_eq!(ann.wait_for("error")["code"], "not_decided");

    // What was not decided is asked of the next host; what that one says itself it need not ask.
    cec.say("four");
    asked(&mut ann, "four");
    ann.kill();
    if cec.wait_for("host_changed")["host"] == 2 {
        let id = asked(&mut bob, "four");
        bob.say(&format!("/accept {id}"));
    }
    bob.ever_hears("four");
    assert!(!cec.said.iter().any(|line| line.contains("three")), "{:?}", cec.said);
}

#[test]
fn who_breaks_the_rules_too_often_is_put_out() {
    let server = Server::start();
    let mut ann = Program::join(&server, "room", "ann", &["--referee-size", "8", "--referee-kick-at", "2"]);
    let mut bob = Program::join(&server, "room", "bob", &[]);
    bob.say("short");
    ann.hear("short");
    for strikes in 1..=2 {
        bob.say("this is too long");
        let violation = ann.wait_for("violation");
        assert_eq!((&violation["rule"], &violation["strikes"]), (&"size".into(), &strikes.into()));
    }
    bob.end().is_failure(3, &["kicked"]);
    assert_eq!(ann.wait_for("player_left")["reason"], "kicked");
}
