//! Players, the server, and half a lobby that are cut off.

use super::{comes_to_rest, has_left, is_well, lobby, lobby_of, nobody_changed_host, nobody_lost_anything, times};
use crate::floor::{Setup, Weather};
use webstar_core::star::Role;
use webstar_core::time::Duration;

#[test]
fn who_is_cut_from_the_server_and_not_from_the_host_changes_nothing() {
    let mut floor = lobby(4);
    for player in [2, 3, 4] {
        floor.cut_off(player);
    }
    floor.run_ms(10_000);
    is_well(&floor);
    nobody_changed_host(&floor);
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn a_host_that_is_cut_from_the_server_alone_stays() {
    let mut floor = lobby(4);
    floor.cut_off(1);
    floor.run_ms(10_000);
    is_well(&floor);
    assert_eq!(floor.host(), Some(1));
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn without_server_three_elect() {
    let mut floor = lobby(3);
    floor.server_down();
    floor.run_ms(3000);
    floor.crash(1, false);
    floor.run_ms(4000);
    has_left(&floor, 1);
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

/// Gathering promises took most of the second after which a candidate tries again, and copying the log takes a round trip
/// more: each attempt gave up what the one before had reached.
#[test]
fn without_server_three_elect_over_the_longest_ways() {
    for one_way_ms in [200, 250, 300, 350, 400] {
        let calm = Setup::calm(one_way_ms);
        let weather = Weather { delay: Duration::from_millis(one_way_ms), ..calm.weather };
        let mut floor = lobby_of(3, Setup { weather, talk_every: Duration::from_millis(300), ..calm });
        floor.server_down();
        floor.run_ms(3000);
        floor.crash(1, false);
        floor.run_ms(6000);
        has_left(&floor, 1);
        let view = floor.view(2).expect("there is a view");
        assert_eq!(view.epoch.term, 2, "the first attempt comes through: {view:?}");
        comes_to_rest(&mut floor);
        nobody_lost_anything(&floor);
    }
}

#[test]
fn without_server_the_second_backup_elects_itself_if_the_first_is_dead_too() {
    let mut floor = lobby(7);
    floor.server_down();
    floor.run_ms(3000);
    let backup = floor.backup().expect("there is a backup");
    floor.crash(1, false);
    floor.crash(backup, false);
    floor.run_ms(6000);
    has_left(&floor, 1);
    has_left(&floor, backup);
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn without_server_two_pause() {
    let mut floor = lobby(2);
    floor.server_down();
    floor.run_ms(2000);
    floor.crash(1, false);
    floor.run_ms(10_000);
    is_well(&floor);
    assert_ne!(floor.glance(2).map(|glance| glance.role), Some(Role::Hosting));
    assert_eq!(times(&floor, 2, "paused"), 1, "{:?}", floor.heard(2));
    comes_to_rest(&mut floor);
    has_left(&floor, 1);
}

#[test]
fn without_server_two_that_may_fork_go_on_and_heal() {
    let mut setup = Setup::calm(2);
    setup.config.allow_fork = true;
    let mut floor = lobby_of(2, setup);
    floor.server_down();
    floor.run_ms(2000);
    floor.part(&[1], &[2]);
    floor.run_ms(10_000);
    is_well(&floor);
    assert_eq!(floor.glance(2).map(|glance| glance.role), Some(Role::Hosting));
    comes_to_rest(&mut floor);
    for player in [1, 2] {
        assert!(times(&floor, player, "lost") >= 1, "{player}: {:?}", floor.heard(player));
    }
}

#[test]
fn without_server_the_survivor_that_may_fork_goes_on_alone() {
    let mut setup = Setup::calm(2);
    setup.config.allow_fork = true;
    let mut floor = lobby_of(2, setup);
    floor.server_down();
    floor.run_ms(2000);
    floor.crash(1, false);
    floor.run_ms(6000);
    is_well(&floor);
    assert_eq!(floor.glance(2).map(|glance| glance.role), Some(Role::Hosting));
    floor.server_up();
    floor.run_ms(3000);
    floor.enter(1);
    floor.run_ms(3000);
    comes_to_rest(&mut floor);
    assert_eq!(times(&floor, 2, "lost"), 1, "{:?}", floor.heard(2));
}

/// The host and one more on one side, the backup and one more on the other.
fn halves(floor: &crate::floor::Floor) -> ([u32; 2], [u32; 2]) {
    let backup = floor.backup().expect("there is a backup");
    let mut rest = (2..=4).filter(|player| *player != backup);
    let (some, more) = (rest.next().expect("one more"), rest.next().expect("and another"));
    ([1, some], [backup, more])
}

#[test]
fn the_half_with_the_backup_and_the_server_goes_on() {
    let mut floor = lobby(4);
    let (old, new) = halves(&floor);
    floor.part(&old, &new);
    old.iter().for_each(|player| floor.cut_off(*player));
    floor.run_ms(8000);
    is_well(&floor);
    assert_eq!(floor.view(new[1]).map(|view| view.host.0), Some(new[0]));
    comes_to_rest(&mut floor);
    nobody_lost_acknowledged(&floor);
}

#[test]
fn the_half_with_the_host_and_the_server_goes_on() {
    let mut floor = lobby(4);
    let (old, new) = halves(&floor);
    floor.part(&old, &new);
    new.iter().for_each(|player| floor.cut_off(*player));
    floor.run_ms(8000);
    is_well(&floor);
    assert_eq!(floor.glance(1).map(|glance| glance.role), Some(Role::Hosting));
    comes_to_rest(&mut floor);
    assert_eq!(floor.host(), Some(1));
    nobody_lost_acknowledged(&floor);
}

#[test]
fn two_halves_without_server_wait_for_one_another() {
    let mut floor = lobby(4);
    let (old, new) = halves(&floor);
    floor.server_down();
    floor.run_ms(2000);
    floor.part(&old, &new);
    floor.run_ms(10_000);
    is_well(&floor);
    assert_eq!(floor.view(new[1]).map(|view| view.host.0), Some(1));
    comes_to_rest(&mut floor);
    nobody_lost_acknowledged(&floor);
}

#[test]
fn members_that_do_not_hear_the_host_outvote_it() {
    let mut floor = lobby(4);
    floor.part_one_way(&[1], &[2, 3, 4]);
    floor.run_ms(4000);
    is_well(&floor);
    assert_ne!(floor.view(2).map(|view| view.host.0), Some(1));
    comes_to_rest(&mut floor);
    nobody_lost_acknowledged(&floor);
}

#[test]
fn the_server_goes_and_comes_while_the_game_goes_on() {
    let mut floor = lobby(5);
    for _ in 0..5 {
        floor.server_down();
        floor.run_ms(2000);
        floor.server_up();
        floor.run_ms(2000);
    }
    is_well(&floor);
    assert_eq!(floor.host(), Some(1));
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn a_view_that_was_promised_is_not_forgotten_by_the_next() {
    let mut floor = lobby(5);
    floor.server_down();
    floor.run_ms(2000);
    let heir = floor.backup().expect("there is a backup");
    let voters: Vec<u32> = (2..=5).filter(|player| *player != heir).collect();
    floor.sleep(1, 6000);
    while !voters.iter().all(|player| floor.promised(*player).is_some()) {
        floor.run_ms(1);
        is_well(&floor);
    }
    // The heir gets all promises; that its view is in force only its backup hears.
    let backups = floor.promised(voters[0]).expect("it has promised").backups;
    let (near, far): (Vec<u32>, Vec<u32>) =
        voters.iter().partition(|player| backups.iter().any(|backup| backup.0 == **player));
    for player in far.iter().chain(&[1]) {
        floor.part(&[heir], &[*player]);
        floor.part(&near, &[*player]);
    }
    floor.run_ms(15_000);
    is_well(&floor);
    assert_eq!(floor.glance(heir).map(|glance| glance.role), Some(Role::Hosting));
    assert!(floor.view(far[0]).is_some_and(|view| view.epoch.term == 1), "the others know of no newer view");
    comes_to_rest(&mut floor);
    nobody_lost_acknowledged(&floor);
}

/// Nobody was told that another line began.
#[track_caller]
fn nobody_lost_acknowledged(floor: &crate::floor::Floor) {
    for player in floor.players() {
        assert_eq!(times(floor, player, "lost"), 0, "{player}: {:?}", floor.heard(player));
    }
}
