//! Players that lie, sleep, or do half of their work.

use super::{comes_to_rest, is_well, lobby, lobby_of, nobody_changed_host, nobody_lost_anything, times};
use crate::floor::{Floor, Setup};
use webstar_core::id::PlayerId;
use webstar_core::star::{Frame, Role, ServerSays};
use webstar_core::time::Duration;
use webstar_core::wire::signal::{Epoch, HostCause};
use webstar_core::wire::view::{Certified, Proof, Signature, View};

/// A view that nobody has agreed to.
fn invented(view: &View, host: u32) -> Vec<Certified> {
    let mut view = view.clone();
    view.base = view.epoch;
    view.epoch = Epoch { term: view.epoch.term + 1, round: 0 };
    view.host = view.voters.iter().find(|voter| voter.player.0 == host).expect("it votes").player;
    view.backups.clear();
    let forged = Signature([7; 64]);
    let promises = view.voters.iter().map(|voter| (voter.player, forged)).collect();
    [Proof::Server(forged), Proof::Fork(forged), Proof::Quorum { server: Some(forged), promises }]
        .into_iter()
        .map(|proof| Certified { view: view.clone(), proof })
        .collect()
}

#[test]
fn a_forged_view_is_believed_by_nobody() {
    let mut floor = lobby(4);
    let view = floor.view(1).expect("there is a view").clone();
    for certified in invented(&view, 4) {
        for player in 1..=3 {
            let certified = Box::new(certified.clone());
            let activate = Frame::Activate { certified: certified.clone(), spans: Vec::new(), voids: Vec::new() };
            floor.slip(4, player, activate);
            floor.slip(4, player, Frame::Newer(certified.clone()));
            floor.slip_from_server(player, ServerSays::InForce(certified));
        }
    }
    let propose = Frame::Propose { view: invented(&view, 4)[0].view.clone(), is_dormant: false };
    (1..=3).for_each(|player| floor.slip(4, player, propose.clone()));
    floor.run_ms(1000);
    is_well(&floor);
    assert_eq!(floor.glance(1).map(|glance| glance.role), Some(Role::Hosting));
    for player in 1..=4 {
        assert_eq!(floor.view(player).map(|view| view.host.0), Some(1));
        assert_eq!(floor.glance(player).map(|glance| glance.promised), Some(view.epoch));
    }
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn a_backup_that_hears_and_stores_nothing_is_replaced() {
    let mut floor = lobby(4);
    let backup = floor.backup().expect("there is a backup");
    floor.mute_store(backup, true);
    floor.run_ms(6000);
    is_well(&floor);
    assert_eq!(floor.host(), Some(1));
    assert_ne!(floor.backup(), Some(backup));
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn a_tab_that_sleeps_for_a_minute_catches_up() {
    for who in 2..=4 {
        let mut floor = lobby(4);
        floor.hide(who, true);
        floor.run_ms(500);
        floor.sleep(who, 60_000);
        floor.run_ms(61_000);
        is_well(&floor);
        assert_eq!(floor.host(), Some(1));
        assert_eq!(floor.glance(who).map(|glance| glance.role), Some(Role::Following));
        nobody_changed_host(&floor);
        comes_to_rest(&mut floor);
    }
}

#[test]
fn late_frames_are_no_reason_for_another_host() {
    let mut setup = Setup::calm(7);
    setup.weather.jitter = Duration::from_millis(100);
    setup.weather.late_one_in = 50;
    let mut floor = Floor::new(setup);
    for player in 1..=6 {
        floor.enter(player);
    }
    floor.run_ms(120_000);
    is_well(&floor);
    nobody_changed_host(&floor);
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn a_member_that_was_away_beyond_the_log_begins_anew() {
    let mut setup = Setup::calm(3);
    setup.config.resume_log = 20_000;
    setup.config.has_snapshots = true;
    let mut floor = lobby_of(4, setup);
    let backup = floor.backup().expect("there is a backup");
    let who = (2..=4).find(|player| *player != backup).expect("four players");
    floor.sleep(who, 15_000);
    floor.cut_off(who);
    floor.run_ms(20_000);
    is_well(&floor);
    comes_to_rest(&mut floor);
    assert_eq!(times(&floor, who, "Resynced"), 1, "{:?}", floor.heard(who));
}

/// A proposal came in force when all others had promised the next one already: its host was well, and taken for lost
/// because nobody could follow it (swarm, seed 1836; crashy, seed 202).
#[test]
fn a_host_that_is_well_goes_beyond_what_the_others_have_promised() {
    let mut floor = lobby(5);
    let heir = floor.backup().expect("there is a backup");
    let base = floor.view(1).expect("there is a view").clone();
    let epoch = Epoch { term: base.epoch.term + 1, round: 0 };
    let cause = Some(HostCause::CrashSilent);
    let view = View { epoch, base: base.epoch, cause, host: PlayerId(heir), backups: Vec::new(), ..base };
    for player in (2..=5).filter(|player| *player != heir) {
        let proposed = ServerSays::Proposed { view: Box::new(view.clone()), signature: None, promised: Vec::new() };
        floor.slip_from_server(player, proposed);
    }
    floor.run_ms(5000);
    is_well(&floor);
    nobody_changed_host(&floor);
    assert!(floor.view(1).is_some_and(|view| view.epoch.term > epoch.term), "it has gone beyond");
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}
