//! A relay apart from the lobby server: players and the real server with its relay endpoint, in lock-step. It breaks, dies
//! without a word, and comes back; the game goes on.

use crate::world::World;
use crate::world::real::Real;
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Destination, PeerEvent, Sent};
use webstar_core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> PlayerConfig {
    PlayerConfig { relay_server: Some("ws://far/relay".into()), ..PlayerConfig::default() }
}

fn world(players: usize, config: &PlayerConfig) -> World {
    let mut world = World::served(players, config);
    world.forget_events();
    world
}

/// Everybody hears everybody, and nobody twice.
fn talk(world: &mut World, what: &str) {
    let seats = world.seats.len();
    world.forget_events();
    for seat in 0..seats {
        world.send(seat, &Destination::All, Channel::Ordered, what).expect("there is room");
    }
    world.run(SECOND);
    for seat in 0..seats {
        assert_eq!(world.heard(seat).len(), seats, "{what}, at {seat}");
    }
}

#[test]
fn what_is_said_goes_over_the_relay() {
    let mut world = world(3, &config());
    assert!(world.seats.iter().all(|seat| seat.relay.is_some()));
    talk(&mut world, "hi");
    // Idle for long: neither side takes the other for gone.
    world.run(600 * SECOND);
    let relays: Vec<_> = world.seats.iter().map(|seat| seat.relay).collect();
    talk(&mut world, "still here");
    assert_eq!(world.seats.iter().map(|seat| seat.relay).collect::<Vec<_>>(), relays);
}

#[test]
fn while_the_relay_is_away_the_server_relays() {
    for use_websocket_fallback in [true, false] {
        let config = PlayerConfig { use_websocket_fallback, ..config() };
        let mut world = world(3, &config);
        for seat in [0, 1] {
            world.seats[seat].is_relay_cut = true;
            world.cut_relay(seat);
        }
        world.forget_events();
        let sent = world.send(2, &Destination::All, Channel::Ordered, "hello").expect("there is room");
        world.run(2 * SECOND);
        let acked = world.seats[2].events.contains(&PeerEvent::Acked(Sent { channel: Channel::Ordered, seq: 1 }));
        assert_eq!((acked, sent.seq), (use_websocket_fallback, 1));
        assert_eq!(world.heard(1).len(), usize::from(use_websocket_fallback));
        if use_websocket_fallback {
            talk(&mut world, "without it");
        }
        for seat in [0, 1] {
            world.seats[seat].is_relay_cut = false;
        }
        world.run(10 * SECOND);
        assert!(world.seats.iter().all(|seat| seat.relay.is_some()));
        talk(&mut world, "with it");
        assert!(!world.seats.iter().any(|seat| {
            seat.events.iter().any(|event| matches!(event, PeerEvent::HostChanged { .. } | PeerEvent::ContinuityLost))
        }));
    }
}

#[test]
fn a_relay_that_was_never_there_is_done_without() {
    let mut world = World::empty();
    world.real = Some(Real::new());
    for seat in 0..3 {
        world.join(config());
        world.seats[seat].is_relay_cut = true;
        world.run(SECOND);
    }
    world.run(SECOND);
    talk(&mut world, "hi");
}

#[test]
fn a_relay_that_falls_silent_is_left_and_nothing_is_lost() {
    let mut world = world(3, &config());
    let relay = world.seats[1].relay;
    world.seats[1].is_relay_dead = true;
    world.send(1, &Destination::All, Channel::Ordered, "first").expect("there is room");
    world.send(2, &Destination::All, Channel::Ordered, "second").expect("there is room");
    world.run(12 * SECOND);
    world.seats[1].is_relay_dead = false;
    world.run(6 * SECOND);
    assert!(world.seats[1].relay.is_some() && world.seats[1].relay != relay);
    let events = &world.seats[1].events;
    assert!(!events.iter().any(|event| matches!(event, PeerEvent::HostChanged { .. })), "{events:?}");
    for seat in 0..3 {
        let mut heard = world.heard(seat);
        heard.sort();
        assert_eq!(heard, ["2 Ordered first", "3 Ordered second"], "at {seat}");
    }
}
