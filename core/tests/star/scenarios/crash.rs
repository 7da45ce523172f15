//! Hosts, backups and successors that die.

use super::{comes_to_rest, has_left, is_well, lobby, lobby_of, nobody_lost_anything, times};
use crate::floor::{Floor, Setup};
use webstar_core::id::PlayerId;
use webstar_core::star::{Channel, Destination, Role};
use webstar_core::time::Duration;

#[test]
fn a_host_that_dies_idle_is_replaced() {
    for players in [2, 3, 5, 8] {
        let mut floor = lobby(players);
        floor.speak(false);
        floor.run_ms(1000);
        floor.crash(1, false);
        floor.run_ms(if players == 2 { 6000 } else { 1500 });
        has_left(&floor, 1);
        nobody_lost_anything(&floor);
        comes_to_rest(&mut floor);
    }
}

#[test]
fn a_host_that_dies_under_load_is_replaced_and_nothing_is_lost() {
    for players in [3, 5, 8] {
        for is_closed in [true, false] {
            let mut floor = lobby(players);
            floor.crash(1, is_closed);
            floor.run_ms(if is_closed { 700 } else { 1500 });
            has_left(&floor, 1);
            comes_to_rest(&mut floor);
            nobody_lost_anything(&floor);
        }
    }
}

#[test]
fn in_a_lobby_of_two_the_closed_connection_of_the_host_is_enough() {
    let mut floor = lobby(2);
    floor.crash(1, true);
    floor.run_ms(1000);
    has_left(&floor, 1);
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn a_successor_that_dies_too_is_replaced() {
    for after_ms in (0..=400).step_by(20) {
        let mut floor = lobby(5);
        let successor = floor.backup().expect("there is a backup");
        floor.crash(1, after_ms % 40 == 0);
        floor.run_ms(after_ms);
        floor.crash(successor, after_ms % 80 == 0);
        floor.run_ms(6500);
        has_left(&floor, 1);
        has_left(&floor, successor);
        comes_to_rest(&mut floor);
    }
}

#[test]
fn when_host_and_backup_die_together_the_rest_hears_it_and_goes_on() {
    let mut floor = lobby(4);
    let backup = floor.backup().expect("there is a backup");
    floor.crash(1, false);
    floor.crash(backup, false);
    floor.run_ms(8000);
    has_left(&floor, 1);
    for player in floor.players() {
        assert_eq!(times(&floor, player, "lost"), 1, "{player}: {:?}", floor.heard(player));
    }
    comes_to_rest(&mut floor);
}

#[test]
fn a_host_without_backup_that_dies_is_lost() {
    let mut floor = lobby(1);
    floor.enter(2);
    floor.crash(1, true);
    floor.run_ms(6000);
    has_left(&floor, 1);
    comes_to_rest(&mut floor);
}

#[test]
fn backups_that_die_are_replaced_while_the_game_goes_on() {
    let mut floor = lobby(8);
    for _ in 0..5 {
        let backup = floor.backup().expect("there is a backup");
        floor.crash(backup, false);
        floor.run_ms(3500);
        is_well(&floor);
        assert_ne!(floor.backup(), Some(backup), "it was replaced");
        assert_eq!(floor.host(), Some(1));
    }
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn a_light_round_that_is_interrupted_by_a_crash_at_any_step_harms_nobody() {
    for after_ms in (0..1600).step_by(20) {
        for who_dies in 1..=3 {
            let mut floor = lobby(3);
            floor.enter(4);
            floor.run_ms(after_ms);
            floor.crash(who_dies, after_ms % 40 == 0);
            floor.run_ms(1000);
            comes_to_rest(&mut floor);
        }
    }
}

#[test]
fn everybody_dies_one_after_another_and_comes_back_without_memory() {
    let mut floor = lobby(4);
    for player in 1..=4 {
        floor.crash(player, player % 2 == 0);
        floor.run_ms(4000);
        floor.enter(player);
        floor.run_ms(4000);
        is_well(&floor);
    }
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}

#[test]
fn a_host_that_comes_back_without_memory_at_once_is_a_new_player() {
    for after_ms in [0, 50, 100, 200, 400, 800, 1600] {
        let mut floor = lobby(3);
        floor.crash(1, true);
        floor.run_ms(after_ms);
        floor.enter(1);
        floor.run_ms(5000);
        is_well(&floor);
        assert_eq!(floor.glance(1).map(|glance| glance.role), Some(Role::Following));
        comes_to_rest(&mut floor);
    }
}

#[test]
fn the_last_one_plays_on_alone() {
    let mut floor = lobby_of(2, Setup::calm(9));
    floor.crash(2, true);
    floor.run_ms(4000);
    comes_to_rest(&mut floor);
    assert_eq!(floor.host(), Some(1));
    nobody_lost_anything(&floor);
}

/// It would deliver what stands in its copy before it is given what stands in front of that.
#[test]
fn the_copy_of_a_backup_that_was_away_begins_where_it_was() {
    for seed in 0..16 {
        let mut setup = Setup::calm(seed);
        setup.weather.jitter = Duration::from_millis(30);
        let mut floor = lobby_of(3, setup);
        floor.cut_off(3);
        floor.part(&[3], &[1, 2]);
        floor.run_ms(1900);
        floor.server_down();
        floor.join_all();
        floor.part(&[3], &[1]);
        floor.crash(1, false);
        floor.run_ms(5000);
        let view = floor.view(2).expect("there is a view");
        assert_eq!((view.host.0, view.backups.as_slice()), (2, [PlayerId(3)].as_slice()));
        has_left(&floor, 1);
        comes_to_rest(&mut floor);
        nobody_lost_anything(&floor);
    }
}

/// It goes with the copies to its backups: its acknowledgement costs no round trip more.
#[test]
fn what_the_next_host_has_said_meanwhile_is_committed_when_it_becomes_host() {
    let mut floor = lobby(3);
    floor.speak(false);
    floor.run_ms(500);
    let before = floor.glance(2).expect("it is there");
    floor.crash(1, true);
    let next = floor.life(2).expect("it is there");
    floor.send(next, &Destination::All, Channel::Ordered, 10);
    let hosts = |floor: &Floor| floor.glance(2).is_some_and(|glance| glance.role == Role::Hosting);
    for _ in 0..1000 {
        if !hosts(&floor) {
            floor.run_ms(1);
        }
    }
    let after = floor.glance(2).expect("it is there");
    assert_eq!((after.role, after.committed), (Role::Hosting, before.committed.next()));
    comes_to_rest(&mut floor);
    nobody_lost_anything(&floor);
}
