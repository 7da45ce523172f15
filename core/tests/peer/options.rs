//! Settings that steer the conversation: the rhythm, compression, and notes; several players in lock-step over a lobby
//! server by hand.

use crate::world::World;
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Command, Destination, PeerEvent};
use webstar_core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn heartbeats_keep_to_their_interval() {
    for (interval, least, most) in [(100, 40, 110), (1_000, 3, 12)] {
        let heartbeat_interval = Duration::from_millis(interval);
        let heartbeat_timeout = 5 * heartbeat_interval;
        let config = PlayerConfig { heartbeat_interval, heartbeat_timeout, ..PlayerConfig::default() };
        let mut world = World::of(2, &config);
        world.send(1, &Destination::Host, Channel::Ordered, "x").expect("there is room");
        world.run(SECOND);
        world.seats[1].frames = 0;
        world.run(5 * SECOND);
        let frames = world.seats[1].frames;
        assert!((least..=most).contains(&frames), "{interval} ms: {frames} frames in 5 s");
    }
}

#[test]
fn silence_is_suspect_after_its_time() {
    for timeout in [500, 2_000] {
        let heartbeat_timeout = Duration::from_millis(timeout);
        let mut world = World::of(2, &PlayerConfig { heartbeat_timeout, ..PlayerConfig::default() });
        world.run(SECOND);
        world.forget_events();
        world.seats[1].is_deaf = true;
        let deaf_at = world.now;
        while !world.seats[1].events.iter().any(|event| matches!(event, PeerEvent::Suspect { .. })) {
            world.run(Duration::from_millis(1));
            assert!(world.now.since(deaf_at) < 5 * SECOND);
        }
        let after = world.now.since(deaf_at);
        assert!(after <= heartbeat_timeout && after + Duration::from_millis(120) >= heartbeat_timeout, "{after:?}");
    }
}

#[test]
fn a_hidden_tab_speaks_seldom_and_nobody_takes_it_for_gone() {
    let mut world = World::with(2);
    world.seats[1].peer.command(world.now, Command::Hidden(true)).expect("it is in the lobby");
    world.drain(1);
    world.run(3 * SECOND);
    world.forget_events();
    world.seats[1].frames = 0;
    world.run(6 * SECOND);
    assert!(world.events(0).is_empty());
    // What it hears it still acknowledges.
    assert!(world.seats[1].frames <= 70, "{}", world.seats[1].frames);
}

#[test]
fn compression_is_on_above_its_threshold() {
    let cost = |enable_compression, compression_threshold| {
        let config = PlayerConfig { enable_compression, compression_threshold, ..PlayerConfig::default() };
        let mut world = World::of(2, &config);
        world.seats[1].relayed_bytes = 0;
        world.send(1, &Destination::Host, Channel::Ordered, &"long ".repeat(1_000)).expect("there is room");
        world.run(SECOND / 10);
        assert_eq!(world.messages(0).len(), 1);
        world.seats[1].relayed_bytes
    };
    assert!(cost(true, 1_024) < 1_000);
    assert!(cost(true, 10_000) > 5_000);
    assert!(cost(false, 1_024) > 5_000);
}

#[test]
fn notes_are_taken_when_asked_for() {
    for debug in [false, true] {
        let mut world = World::of(1, &PlayerConfig { debug, ..PlayerConfig::default() });
        let notes: Vec<String> = std::iter::from_fn(|| world.seats[0].peer.poll_note()).collect();
        let wanted = ["the server says welcome", "the server says player_list_updated", "the server says lobby_joined"];
        assert_eq!(notes, if debug { wanted.to_vec() } else { Vec::new() });
    }
}

#[test]
fn messages_leave_together_with_the_tick() {
    let millis = Duration::from_millis;
    let talk = |tick: Option<Duration>| {
        let mut world = World::of(4, &PlayerConfig { tick, ..PlayerConfig::default() });
        world.run(SECOND);
        world.forget_events();
        world.seats[0].frames = 0;
        for number in 0..500 {
            for seat in [1, 2] {
                world
                    .send(seat, &Destination::Others, Channel::Unreliable, &number.to_string())
                    .expect("there is room");
            }
            world.run(millis(2));
        }
        world.run(SECOND);
        assert_eq!(world.messages(3).len(), 1_000, "{tick:?}");
        world.seats[0].frames
    };
    let (apart, together) = (talk(None), talk(Some(millis(20))));
    assert!(apart >= 1_500 && together <= apart / 5, "{apart} frames, with ticks {together}");

    let alone = |tick: Option<Duration>| {
        let mut world = World::of(3, &PlayerConfig { tick, ..PlayerConfig::default() });
        world.run(SECOND);
        world.forget_events();
        world.send(1, &Destination::Others, Channel::Unreliable, "alone").expect("there is room");
        let said_at = world.now;
        while world.messages(2).is_empty() {
            world.run(millis(1));
        }
        world.now.since(said_at)
    };
    assert_eq!(alone(None), alone(Some(millis(200))), "what comes after a silence does not wait");
}
