//! A player that has lost its memory comes back to its place with the ticket that it kept.

use crate::world::{World, player, request};
use webstar_core::config::PlayerConfig;
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, Destination, JoinRequest, PeerEvent, Ticket};
use webstar_core::time::Duration;
use webstar_core::wire::signal::Secret;

const SECOND: Duration = Duration::from_secs(1);

fn world(players: usize) -> World {
    World::served(players, &PlayerConfig::default())
}

fn ticket(world: &World, seat: usize) -> Ticket {
    world.seats[seat].peer.ticket().expect("it is in the lobby")
}

/// The program of that seat dies without a word, and begins again.
fn begin_again(world: &mut World, seat: usize) -> usize {
    let ticket = Some(ticket(world, seat));
    world.seats[seat].is_frozen = true;
    world.join_as(PlayerConfig::default(), JoinRequest { ticket, ..request("again") })
}

fn numbers(world: &World, seat: usize) -> Vec<PlayerId> {
    let joined = |event: &PeerEvent| match event {
        PeerEvent::Joined { player, .. } => Some(*player),
        _ => None,
    };
    world.seats[seat].events.iter().filter_map(joined).collect()
}

fn say(world: &mut World, seat: usize, text: &str) {
    world.send(seat, &Destination::All, Channel::Ordered, text).expect("there is room");
}

#[test]
fn a_member_is_again_who_it_was_and_counts_from_one() {
    let mut world = world(3);
    say(&mut world, 2, "before");
    world.run(SECOND);
    let again = begin_again(&mut world, 2);
    world.run(2 * SECOND);
    assert_eq!(numbers(&world, again), [player(3)]);
    say(&mut world, again, "after");
    world.run(SECOND);
    say(&mut world, 0, "welcome");
    world.run(SECOND);
    for seat in [0, 1] {
        assert_eq!(world.heard(seat), ["3 Ordered before", "3 Ordered after", "1 Ordered welcome"], "at {seat}");
    }
    assert_eq!(world.heard(again), ["3 Ordered after", "1 Ordered welcome"]);
}

#[test]
fn a_host_without_memory_is_a_member_of_whoever_took_over() {
    let mut world = world(3);
    say(&mut world, 1, "before");
    world.run(SECOND);
    let again = begin_again(&mut world, 0);
    world.run(5 * SECOND);
    assert_eq!(numbers(&world, again), [player(1)]);
    say(&mut world, again, "after");
    world.run(SECOND);
    say(&mut world, 2, "on");
    world.run(SECOND);
    for seat in [1, 2] {
        assert_eq!(world.heard(seat), ["2 Ordered before", "1 Ordered after", "3 Ordered on"], "at {seat}");
        assert!(!world.events(seat).contains(&PeerEvent::ContinuityLost));
    }
    assert_eq!(world.heard(again), ["1 Ordered after", "3 Ordered on"]);
}

#[test]
fn without_a_place_it_joins_as_wished() {
    let mut world = world(2);
    let ticket = Ticket { token: Secret::new("nobody gave this").expect("it is short"), ..ticket(&world, 1) };
    let forged = world.join_as(PlayerConfig::default(), JoinRequest { ticket: Some(ticket), ..request("forger") });
    world.run(SECOND);
    assert_eq!(numbers(&world, forged), [player(3)]);
}

#[test]
fn when_its_lobby_has_ended_it_makes_it_anew() {
    let mut world = world(1);
    let ticket = Some(ticket(&world, 0));
    world.seats[0].is_cut = true;
    world.cut(0);
    world.run(200 * SECOND);
    let again = world.join_as(PlayerConfig::default(), JoinRequest { ticket, ..request("again") });
    world.run(SECOND);
    assert_eq!(numbers(&world, again), [player(1)]);
    say(&mut world, again, "alone");
    world.run(SECOND);
    assert_eq!(world.heard(again), ["1 Ordered alone"]);
}
