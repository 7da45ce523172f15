//! Stories of players that are put out while the host changes.

use crate::hosts::{all_is_well, talk};
use crate::scene::Scene;
use webstar_core::peer::{Channel, Command, Ended, PeerEvent};
use webstar_core::wire::signal::{CloseReason, HostCause};

/// One is put out, and those who stay go on together, having heard the same.
fn goes_on_without(scene: &mut Scene, out: &str, stay: &[&str]) {
    talk(scene, stay, "after", 1_000);
    all_is_well(scene, stay);
    assert_eq!(scene.end(out), Some(&Ended::PutOut(CloseReason::Kicked)));
    let gone = scene.player(out);
    let went = |event: &PeerEvent| matches!(event, PeerEvent::PlayerLeft { player, .. } if *player == gone);
    for name in stay {
        assert_eq!(scene.count(name, went), 1, "{name} sees {out} go");
        assert_eq!(scene.texts(name, Channel::Ordered), scene.texts(stay[0], Channel::Ordered), "{name}");
    }
}

/// Everybody says something every 20 ms for so long.
fn chatter(scene: &mut Scene, names: &[&str], tag: &str, ms: u64) {
    for tick in 0..ms / 20 {
        for name in names {
            scene.try_say(name, format!("{tag} {tick} {name}"));
        }
        scene.run(20);
    }
}

#[test]
fn who_is_kicked_while_a_host_hands_over_is_out_and_nobody_loses_anything() {
    let delays = [0, 20, 40, 60, 80, 120, 200];
    for (successor, later) in ["bob", "cid"].into_iter().flat_map(|name| delays.map(|later| (name, later))) {
        let mut scene = Scene::settled(["ann", "bob", "cid", "dan", "eve"]);
        let (next, dan) = (scene.player(successor), scene.player("dan"));
        chatter(&mut scene, &["ann", "bob", "cid", "dan", "eve"], "before", 200);
        scene.command("ann", Command::HandOver(Some(next)));
        chatter(&mut scene, &["ann", "bob", "cid", "dan", "eve"], "meanwhile", later);
        scene.command("ann", Command::Kick(dan));
        chatter(&mut scene, &["ann", "bob", "cid", "eve"], "without dan", 100);
        if scene.end("dan").is_none() {
            // The other is host already, and only a host may do that.
            scene.command(successor, Command::Kick(dan));
        }
        chatter(&mut scene, &["ann", "bob", "cid", "eve"], "without dan still", 500);
        scene.run(6_000);
        goes_on_without(&mut scene, "dan", &["ann", "bob", "cid", "eve"]);
        assert_eq!(scene.hosts("eve").last(), Some(&(next, Some(HostCause::Chosen))), "{successor} {later}");
    }
}

#[test]
fn who_is_kicked_by_a_host_that_dies_is_out_and_nobody_loses_anything() {
    for later in [0, 20, 40, 100, 300] {
        let mut scene = Scene::settled(["ann", "bob", "cid", "dan", "eve"]);
        let dan = scene.player("dan");
        chatter(&mut scene, &["bob", "cid", "dan", "eve"], "before", 200);
        scene.command("ann", Command::Kick(dan));
        scene.run(60);
        chatter(&mut scene, &["bob", "cid", "eve"], "meanwhile", later);
        scene.kill("ann");
        chatter(&mut scene, &["bob", "cid", "eve"], "without host", 1_000);
        scene.run(3_000);
        goes_on_without(&mut scene, "dan", &["bob", "cid", "eve"]);
    }
}

#[test]
fn who_is_kicked_by_the_next_host_at_once_is_out_and_nobody_loses_anything() {
    for (out, other) in [("cid", "dan"), ("dan", "cid")] {
        for is_closed in [true, false] {
            let mut scene = Scene::settled(["ann", "bob", "cid", "dan", "eve"]);
            let gone = scene.player(out);
            chatter(&mut scene, &["bob", "cid", "dan", "eve"], "before", 200);
            if is_closed {
                scene.kill("ann");
            } else {
                scene.perish("ann");
            }
            for tick in 0..60 {
                scene.command("bob", Command::Kick(gone));
                chatter(&mut scene, &["bob", other, "eve"], &format!("without host {tick}"), 60);
                if scene.end(out).is_some() {
                    break;
                }
            }
            chatter(&mut scene, &["bob", other, "eve"], "with bob", 500);
            scene.run(3_000);
            goes_on_without(&mut scene, out, &["bob", other, "eve"]);
        }
    }
}
