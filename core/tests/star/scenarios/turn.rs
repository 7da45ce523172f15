//! Hand-over, joining and leaving while hosts change.

use super::{comes_to_rest, has_left, is_well, lobby, lobby_of, nobody_lost_anything};
use crate::floor::Setup;
use webstar_core::star::Role;
use webstar_core::time::Duration;

#[test]
fn a_hand_over_under_load_loses_nothing() {
    let mut setup = Setup::calm(4);
    setup.talk_every = Duration::from_millis(4);
    let mut floor = lobby_of(4, setup);
    assert!(floor.hand_over(None));
    floor.run_ms(500);
    has_left(&floor, 1);
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn the_chosen_one_becomes_host() {
    for chosen in 2..=4 {
        let mut floor = lobby(4);
        assert!(floor.hand_over(Some(chosen)));
        floor.run_ms(3000);
        is_well(&floor);
        assert_eq!(floor.host(), Some(chosen));
        comes_to_rest(&mut floor);
        nobody_lost_anything(&floor);
    }
}

#[test]
fn a_host_that_dies_while_it_hands_over_harms_nobody() {
    for after_ms in (0..300).step_by(10) {
        for who_dies in 1..=2 {
            let mut floor = lobby(4);
            let heir = floor.backup().expect("there is a backup");
            floor.hand_over(None);
            floor.run_ms(after_ms);
            floor.crash(if who_dies == 1 { 1 } else { heir }, after_ms % 20 == 0);
            floor.run_ms(3000);
            comes_to_rest(&mut floor);
            nobody_lost_anything(&floor);
        }
    }
}

#[test]
fn who_joins_during_a_migration_plays_too() {
    for after_ms in (0..1500).step_by(100) {
        let mut floor = lobby(3);
        floor.crash(1, false);
        floor.run_ms(after_ms);
        floor.enter(4);
        floor.run_ms(4000);
        has_left(&floor, 1);
        comes_to_rest(&mut floor);
        assert_eq!(floor.glance(4).map(|glance| glance.role), Some(Role::Following));
        nobody_lost_anything(&floor);
    }
}

#[test]
fn who_is_put_out_during_a_migration_is_not_missed() {
    for after_ms in (0..1200).step_by(100) {
        for whom in 2..=4 {
            let mut floor = lobby(4);
            floor.crash(1, false);
            floor.run_ms(after_ms);
            floor.leave(whom);
            floor.run_ms(7000);
            has_left(&floor, 1);
            comes_to_rest(&mut floor);
        }
    }
}

#[test]
fn a_host_that_was_away_follows_when_it_comes_back() {
    for time_ms in [1500, 3000, 8000, 25_000] {
        let mut floor = lobby(4);
        floor.sleep(1, time_ms);
        floor.run_ms(time_ms + 3000);
        has_left(&floor, 1);
        assert_eq!(floor.glance(1).map(|glance| glance.role), Some(Role::Following));
        comes_to_rest(&mut floor);
    }
}

#[test]
fn joiners_with_snapshots_start_from_the_game_of_the_host() {
    let mut setup = Setup::calm(3);
    setup.config.has_snapshots = true;
    let mut floor = lobby_of(3, setup);
    floor.run_ms(7000);
    floor.enter(4);
    floor.run_ms(2000);
    floor.crash(1, true);
    floor.run_ms(3000);
    floor.enter(5);
    floor.run_ms(3000);
    has_left(&floor, 1);
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}
