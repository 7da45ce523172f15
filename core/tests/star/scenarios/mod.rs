//! Situations, each in a few lines: a lobby, something that happens, what must come of it. The checkers watch all
//! of them.

mod crash;
mod cut;
mod odd;
mod turn;

use crate::floor::{Floor, Setup};
use webstar_core::star::Role;
use webstar_core::time::Duration;

/// How long after the last fault all must be well: five seconds, and the time until it is noticed.
const REST: Duration = Duration::from_secs(6);

/// A lobby of so many that has come to rest, and talks.
fn lobby(players: u32) -> Floor {
    lobby_of(players, Setup::calm(u64::from(players)))
}

fn lobby_of(players: u32, setup: Setup) -> Floor {
    let way_ms = setup.weather.delay.as_millis() as u64;
    let mut floor = Floor::new(setup);
    for player in 1..=players {
        floor.enter(player);
        floor.run_ms(100);
    }
    floor.run_ms(2500 + 20 * way_ms);
    is_well(&floor);
    let view = floor.view(1).expect("there is a view");
    assert_eq!(view.host.0, 1, "the first player is host");
    assert_eq!(view.voters.len() as u32, players, "all vote: {view:?}");
    assert!(view.backups.len() as u32 >= 1.min(players - 1), "there is a backup: {view:?}");
    floor
}

#[track_caller]
fn is_well(floor: &Floor) {
    if let Err(what) = floor.verdict() {
        panic!("{what}");
    }
}

/// Faults stop; everybody is active in one epoch and everything is acknowledged.
#[track_caller]
fn comes_to_rest(floor: &mut Floor) {
    floor.settle(REST);
    is_well(floor);
}

/// Everybody has another host than this one now.
#[track_caller]
fn has_left(floor: &Floor, host: u32) {
    is_well(floor);
    for player in floor.players() {
        let glance = floor.glance(player).expect("it is there");
        let is_active = matches!(glance.role, Role::Hosting | Role::Following);
        let now = floor.view(player).map(|view| view.host.0);
        if !is_active || now == Some(host) {
            panic!("{player} is {glance:?} with host {now:?}");
        }
    }
}

/// How often somebody was told this.
fn times(floor: &Floor, player: u32, what: &str) -> usize {
    floor.heard(player).iter().filter(|heard| heard.starts_with(what)).count()
}

/// Everybody was told of one host, the first.
#[track_caller]
fn nobody_changed_host(floor: &Floor) {
    for player in floor.players() {
        assert_eq!(times(floor, player, "host"), 1, "{player}: {:?}", floor.heard(player));
    }
}

/// Nobody was told that anything is lost or begins anew.
#[track_caller]
fn nobody_lost_anything(floor: &Floor) {
    for player in floor.players() {
        let told = floor.heard(player);
        let is_clean = !told.iter().any(|told| told == "lost" || told == "Resynced");
        assert!(is_clean, "{player} was told {told:?}");
    }
}
