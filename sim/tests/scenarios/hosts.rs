//! Stories of hosts that go, and of what the others see of it.

use crate::scene::{Join, Scene};
use std::collections::BTreeSet;
use webstar_core::peer::{Channel, Command, Destination, PeerEvent};
use webstar_core::wire::signal::{ClientMessage, Data, HostCause, RelayData, ServerMessage};

pub(crate) const TEAM: [&str; 4] = ["ann", "bob", "cid", "dan"];

/// Everybody of these says one more line, and all of them hear all the lines, in one order, within so many ms.
pub(crate) fn talk(scene: &mut Scene, names: &[&str], tag: &str, within_ms: u64) {
    for name in names {
        assert!(scene.try_say(name, format!("{tag} {name}")).is_some(), "{name} cannot say {tag}");
    }
    scene.run(within_ms);
    let wanted: BTreeSet<String> = names.iter().map(|name| format!("{tag} {name}")).collect();
    let heard = |name: &&str| -> Vec<String> {
        scene.texts(name, Channel::Ordered).into_iter().filter(|text| wanted.contains(text)).collect()
    };
    let first = heard(&names[0]);
    assert_eq!(first.iter().cloned().collect::<BTreeSet<_>>(), wanted, "{} after {tag}", names[0]);
    for name in names {
        assert_eq!(heard(name), first, "{name} after {tag}");
    }
}

/// Nobody has heard of lost continuity, nor anything twice.
pub(crate) fn all_is_well(scene: &Scene, names: &[&str]) {
    for name in names {
        assert_eq!(scene.count(name, |event| *event == PeerEvent::ContinuityLost), 0, "{name}");
        let texts = scene.texts(name, Channel::Ordered);
        assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len(), "{name} has heard something twice");
        for (other, sent) in
            names.iter().flat_map(|other| scene.acked(other).into_iter().map(move |sent| (other, sent)))
        {
            let from = scene.player(other);
            let is_it = |event: &PeerEvent| matches!(event, PeerEvent::Message(m) if m.from == from && m.channel == sent.channel && m.seq == sent.seq);
            assert_eq!(scene.count(name, is_it), 1, "{name} has not heard once {sent:?} of {other}");
        }
    }
}

#[test]
fn a_host_that_dies_in_an_idle_lobby_is_followed_by_another() {
    let mut scene = Scene::settled(TEAM);
    scene.kill("ann");
    scene.run(2_000);
    let bob = scene.player("bob");
    for name in ["bob", "cid", "dan"] {
        assert_eq!(scene.hosts(name).last(), Some(&(bob, Some(HostCause::CrashClosed))), "{name}");
    }
    talk(&mut scene, &["bob", "cid", "dan"], "after", 500);
    all_is_well(&scene, &["bob", "cid", "dan"]);
}

#[test]
fn a_host_that_dies_under_load_takes_nothing_with_it() {
    for is_closed in [true, false] {
        let mut scene = Scene::settled(TEAM);
        for tick in 0..200 {
            for name in ["bob", "cid", "dan"] {
                scene.try_say(name, format!("{tick} {name}"));
            }
            scene.run(20);
            if tick == 50 {
                if is_closed { scene.kill("ann") } else { scene.perish("ann") }
            }
        }
        scene.run(3_000);
        let cause = if is_closed { HostCause::CrashClosed } else { HostCause::CrashSilent };
        assert_eq!(scene.hosts("dan").last(), Some(&(scene.player("bob"), Some(cause))));
        all_is_well(&scene, &["bob", "cid", "dan"]);
        assert_eq!(scene.texts("bob", Channel::Ordered).len(), 600);
    }
}

#[test]
fn a_successor_that_dies_too_is_followed_as_well() {
    for later in [0, 50, 100, 150, 200, 300, 400] {
        let mut scene = Scene::settled(["ann", "bob", "cid", "dan", "eve", "fay"]);
        talk(&mut scene, &["cid", "dan", "eve", "fay"], "before", 300);
        scene.kill("ann");
        scene.run(later);
        scene.kill("bob");
        scene.run(5_000);
        talk(&mut scene, &["cid", "dan", "eve", "fay"], "after", 1_000);
        all_is_well(&scene, &["cid", "dan", "eve", "fay"]);
    }
}

#[test]
fn when_host_and_only_backup_die_together_it_is_said_first_and_life_goes_on() {
    let mut scene = Scene::settled(TEAM);
    talk(&mut scene, &["cid", "dan"], "before", 300);
    scene.perish("ann");
    scene.perish("bob");
    scene.run(8_000);
    talk(&mut scene, &["cid", "dan"], "after", 1_000);
    for name in ["cid", "dan"] {
        let lost = scene.events(name).iter().position(|event| *event == PeerEvent::ContinuityLost);
        let heard = scene
            .events(name)
            .iter()
            .position(|event| matches!(event, PeerEvent::Message(message) if message.payload.starts_with(b"after")));
        assert!(lost.expect("it is said") < heard.expect("life goes on"), "{name}");
    }
}

#[test]
fn a_host_that_nobody_hears_is_replaced_though_it_hears_everybody() {
    let mut scene = Scene::settled(TEAM);
    let seat = scene.seat("ann");
    scene.world.cut(seat, webstar_sim::net::Side::A, true);
    for name in ["bob", "cid", "dan"] {
        scene.deafen(name, "ann", true);
    }
    scene.run(8_000);
    talk(&mut scene, &["bob", "cid", "dan"], "after", 1_000);
    assert_eq!(scene.hosts("dan").last().map(|(host, _)| *host), Some(scene.player("bob")));
}

#[test]
fn members_cut_from_the_server_keep_their_host() {
    let mut scene = Scene::settled(TEAM);
    ["bob", "cid", "dan"].into_iter().for_each(|name| scene.cut(name, true));
    scene.run(10_000);
    talk(&mut scene, &TEAM, "without the server", 1_000);
    ["bob", "cid", "dan"].into_iter().for_each(|name| scene.cut(name, false));
    scene.run(15_000);
    talk(&mut scene, &TEAM, "again", 1_000);
    for name in TEAM {
        assert!(scene.hosts(name).iter().all(|(host, _)| *host == scene.player("ann")), "{name}");
    }
    all_is_well(&scene, &TEAM);
}

#[test]
fn three_elect_a_host_without_the_server() {
    let mut scene = Scene::settled(["ann", "bob", "cid"]);
    scene.server_dies();
    scene.run(2_000);
    scene.perish("ann");
    scene.run(6_000);
    talk(&mut scene, &["bob", "cid"], "after", 1_000);
    assert_eq!(scene.hosts("cid").last(), Some(&(scene.player("bob"), Some(HostCause::Voted))));
    all_is_well(&scene, &["bob", "cid"]);
}

#[test]
fn of_two_the_survivor_waits_for_the_server() {
    let mut scene = Scene::settled(["ann", "bob"]);
    scene.server_dies();
    scene.run(2_000);
    scene.perish("ann");
    scene.run(6_000);
    assert!(scene.try_say("bob", "alone".into()).is_some());
    scene.run(4_000);
    assert_eq!(scene.acked("bob"), []);
    assert_eq!(scene.count("bob", |event| *event == PeerEvent::Paused), 1);
    scene.server_returns();
    scene.run(20_000);
    assert_eq!(scene.texts("bob", Channel::Ordered), ["alone"]);
    assert_eq!(scene.acked("bob").len(), 1);
}

#[test]
fn of_two_that_may_fork_both_go_on_and_one_begins_anew_when_they_meet() {
    let mut scene = Scene::of_such(["ann", "bob"], Join { allow_fork: true, ..Join::default() });
    scene.run(3_000);
    scene.server_dies();
    scene.part("ann", "bob", true);
    scene.run(12_000);
    assert!(scene.try_say("bob", "alone".into()).is_some());
    scene.run(1_000);
    assert_eq!(scene.acked("bob").len(), 1, "bob goes on alone");
    scene.server_returns();
    scene.part("ann", "bob", false);
    scene.run(20_000);
    talk(&mut scene, &["ann", "bob"], "together", 1_000);
    let begun = |name: &str| scene.count(name, |event| *event == PeerEvent::ContinuityLost);
    assert!(begun("ann") + begun("bob") > 0, "it is said");
}

/// Ann and bob on one side, cid, dan and eve on the other; the server on one of them or on none.
fn halves(server_with_host: Option<bool>) -> Scene {
    let mut scene = Scene::settled(["ann", "bob", "cid", "dan", "eve"]);
    for one in ["ann", "bob"] {
        for other in ["cid", "dan", "eve"] {
            scene.part(one, other, true);
        }
    }
    let away: &[&str] = match server_with_host {
        Some(true) => &["cid", "dan", "eve"],
        Some(false) => &["ann", "bob"],
        None => &["ann", "bob", "cid", "dan", "eve"],
    };
    away.iter().for_each(|name| scene.cut(name, true));
    scene.run(10_000);
    scene
}

fn heal(scene: &mut Scene) {
    let names = ["ann", "bob", "cid", "dan", "eve"];
    names.iter().for_each(|name| scene.cut(name, false));
    for one in ["ann", "bob"] {
        for other in ["cid", "dan", "eve"] {
            scene.part(one, other, false);
        }
    }
    scene.run(20_000);
    talk(scene, &names, "healed", 2_000);
}

#[test]
fn a_part_with_most_players_and_the_server_goes_on() {
    let mut scene = halves(Some(false));
    talk(&mut scene, &["cid", "dan", "eve"], "apart", 2_000);
    heal(&mut scene);
}

#[test]
fn a_part_with_the_host_and_the_server_goes_on() {
    let mut scene = halves(Some(true));
    talk(&mut scene, &["ann", "bob"], "apart", 2_000);
    heal(&mut scene);
}

#[test]
fn parts_without_the_server_are_one_lobby_again_when_they_meet() {
    let mut scene = halves(None);
    heal(&mut scene);
}

#[test]
fn a_server_that_restarts_in_the_game_changes_nothing() {
    let mut scene = Scene::settled(TEAM);
    talk(&mut scene, &TEAM, "before", 300);
    scene.server_dies();
    scene.run(3_000);
    talk(&mut scene, &TEAM, "meanwhile", 500);
    scene.server_returns();
    scene.run(10_000);
    talk(&mut scene, &TEAM, "after", 300);
    for name in TEAM {
        assert!(scene.hosts(name).iter().all(|(host, _)| *host == scene.player("ann")), "{name}");
        assert!(scene.count(name, |event| matches!(event, PeerEvent::Joined { resumed: true, .. })) > 0, "{name}");
    }
    all_is_well(&scene, &TEAM);
    // It knows the lobby as it was: the next host is found as ever.
    scene.kill("ann");
    scene.run(3_000);
    talk(&mut scene, &["bob", "cid", "dan"], "later", 500);
    all_is_well(&scene, &["bob", "cid", "dan"]);
}

#[test]
fn a_server_that_restarts_in_the_middle_of_a_migration_does_no_harm() {
    for later in [0, 50, 100, 150, 200, 300, 500] {
        let mut scene = Scene::settled(TEAM);
        talk(&mut scene, &TEAM, "before", 300);
        scene.kill("ann");
        scene.run(later);
        scene.server_dies();
        scene.run(500);
        scene.server_returns();
        scene.run(15_000);
        talk(&mut scene, &["bob", "cid", "dan"], "after", 1_000);
        all_is_well(&scene, &["bob", "cid", "dan"]);
    }
}

#[test]
fn who_was_away_for_thirty_seconds_hears_what_it_missed_from_another_host() {
    let mut scene = Scene::settled(TEAM);
    scene.cut("dan", true);
    ["ann", "bob", "cid"].into_iter().for_each(|other| scene.part("dan", other, true));
    scene.run(5_000);
    talk(&mut scene, &["ann", "bob", "cid"], "first", 300);
    scene.kill("ann");
    scene.run(5_000);
    talk(&mut scene, &["bob", "cid"], "second", 300);
    scene.run(20_000);
    scene.cut("dan", false);
    ["bob", "cid"].into_iter().for_each(|other| scene.part("dan", other, false));
    scene.run(15_000);
    talk(&mut scene, &["bob", "cid", "dan"], "third", 500);
    assert_eq!(scene.texts("dan", Channel::Ordered), scene.texts("cid", Channel::Ordered));
    all_is_well(&scene, &["bob", "cid", "dan"]);
}

#[test]
fn a_host_that_sleeps_for_a_minute_wakes_as_a_member() {
    let mut scene = Scene::settled(TEAM);
    scene.sleep("ann");
    scene.run(60_000);
    talk(&mut scene, &["bob", "cid", "dan"], "meanwhile", 500);
    scene.wake("ann");
    scene.run(10_000);
    talk(&mut scene, &TEAM, "after", 1_000);
    assert_eq!(scene.hosts("ann").last().map(|(host, _)| *host), Some(scene.player("bob")));
    all_is_well(&scene, &["bob", "cid", "dan"]);
}

#[test]
fn who_joins_during_a_migration_waits_for_the_new_host() {
    for later in [0, 50, 100, 200, 400] {
        let mut scene = Scene::settled(["ann", "bob", "cid"]);
        scene.kill("ann");
        scene.run(later);
        scene.join("dan", Join::default());
        scene.run(4_000);
        talk(&mut scene, &["bob", "cid", "dan"], "after", 1_000);
        all_is_well(&scene, &["bob", "cid"]);
    }
}

#[test]
fn a_hand_over_under_a_thousand_messages_a_second_loses_nothing() {
    let mut scene = Scene::settled(TEAM);
    let cid = scene.player("cid");
    let mut said = 0;
    for tick in 0..400 {
        for name in TEAM {
            said += usize::from(scene.try_say(name, format!("{tick} {name}")).is_some());
        }
        scene.run(4);
        if tick == 100 {
            scene.command("ann", Command::HandOver(Some(cid)));
        }
    }
    scene.run(3_000);
    assert_eq!(scene.hosts("dan").last(), Some(&(cid, Some(HostCause::Chosen))));
    all_is_well(&scene, &TEAM);
    assert_eq!(scene.texts("dan", Channel::Ordered).len(), said);
}

#[test]
fn a_host_that_comes_back_follows() {
    let mut scene = Scene::settled(TEAM);
    scene.cut("ann", true);
    ["bob", "cid", "dan"].into_iter().for_each(|other| scene.part("ann", other, true));
    scene.try_say("ann", "said into the void".into());
    scene.run(8_000);
    talk(&mut scene, &["bob", "cid", "dan"], "meanwhile", 500);
    scene.cut("ann", false);
    ["bob", "cid", "dan"].into_iter().for_each(|other| scene.part("ann", other, false));
    scene.run(15_000);
    talk(&mut scene, &TEAM, "after", 1_000);
    assert_eq!(scene.hosts("ann").last().map(|(host, _)| *host), Some(scene.player("bob")));
    let heard = |name| scene.texts(name, Channel::Ordered).iter().filter(|text| *text == "said into the void").count();
    assert_eq!(["bob", "cid", "dan"].map(heard), [1; 3], "it was never acknowledged, and was said again");
}

#[test]
fn guests_and_players_go_on_together_when_the_host_is_killed() {
    let mut scene = Scene::settled(["ann", "bob"]);
    scene.join_as_guest("guy");
    scene.join_as_guest("gil");
    scene.run(500);
    let guests = ["guy", "gil"].map(|name| {
        scene.plain(name).iter().find_map(|message| match message {
            ServerMessage::LobbyJoined(joined) => Some(joined.player_id),
            _ => None,
        })
    });
    scene.kill("ann");
    scene.run(5_000);
    let bob = scene.player("bob");
    for (name, me) in ["guy", "gil"].into_iter().zip(guests) {
        let told = scene.plain(name).iter().rev().find_map(|message| match message {
            ServerMessage::HostMigration(migration) => Some(migration.new_host_id),
            _ => None,
        });
        assert_eq!(told, Some(bob), "{name} is told");
        let data = Data::of_bytes(name.as_bytes());
        let message = RelayData { from_player: me.expect("it is in the lobby"), to_player: bob, data };
        scene.guest_says(name, &ClientMessage::RelayData(message));
    }
    scene.run(500);
    let relayed = scene.messages("bob").into_iter().filter(|message| message.kind.as_str() == "relay").count();
    assert_eq!(relayed, 2);
    scene.say("bob", &Destination::All, Channel::Ordered, "alone with guests");
    scene.run(500);
    assert_eq!(scene.texts("bob", Channel::Ordered), ["alone with guests"]);
}

#[test]
fn who_comes_just_after_a_round_hears_the_talk_at_once() {
    for later in [40, 80, 120, 160, 200, 300] {
        let mut scene = Scene::of(["ann"]);
        scene.join("bob", Join::default());
        scene.run(later);
        scene.join("cid", Join::default());
        scene.run(250);
        talk(&mut scene, &["ann", "bob", "cid"], "soon", 150);
        for name in ["ann", "bob", "cid"] {
            assert_eq!(scene.hosts(name), [], "{name} is told of no change: there was none");
        }
    }
}

#[test]
fn who_has_just_come_can_be_chosen() {
    let mut scene = Scene::of(["ann", "bob", "cid"]);
    let cid = scene.player("cid");
    scene.command("ann", Command::HandOver(Some(cid)));
    scene.run(1_000);
    for name in ["ann", "bob", "cid"] {
        assert_eq!(scene.hosts(name), [(cid, Some(HostCause::Chosen))], "{name}");
    }
    talk(&mut scene, &["ann", "bob", "cid"], "after", 300);
}

#[test]
fn a_host_that_hands_over_as_soon_as_it_is_one_hears_nothing_twice() {
    let mut scene = Scene::near();
    for name in ["ann", "bob", "cid"] {
        scene.join(name, Join::default());
        scene.run(10);
    }
    talk(&mut scene, &["ann", "bob", "cid"], "before", 10);
    let bob = scene.player("bob");
    scene.command("ann", Command::HandOver(Some(bob)));
    scene.run(1_000);
    for name in ["ann", "bob", "cid"] {
        assert_eq!(scene.hosts(name), [(bob, Some(HostCause::Chosen))], "{name}");
        assert_eq!(scene.count(name, |event| matches!(event, PeerEvent::Resynced { .. })), 0, "{name}");
    }
    talk(&mut scene, &["ann", "bob", "cid"], "after", 100);
    all_is_well(&scene, &["ann", "bob", "cid"]);
}
