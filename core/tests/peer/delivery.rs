//! What is delivered when, and where a game starts from: safe and fast delivery, and snapshots; several players in lock-step
//! over a lobby server by hand.

use crate::world::World;
use bytes::Bytes;
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Destination, PeerEvent, Position};
use webstar_core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_is_safe_waits_for_the_backup() {
    for (safe_ordered, safe_reliable) in [(true, false), (false, true)] {
        let config = PlayerConfig { safe_ordered, safe_reliable, ..PlayerConfig::default() };
        let mut world = World::of(4, &config);
        world.run(2 * SECOND);
        world.forget_events();
        // The backup hears nothing, and so stores nothing.
        world.seats[1].is_deaf = true;
        for channel in [Channel::Reliable, Channel::Ordered] {
            world.send(2, &Destination::Others, channel, "x").expect("there is room");
        }
        world.run(SECOND / 5);
        let fast = if safe_ordered { "3 Reliable x" } else { "3 Ordered x" };
        for seat in [0, 3] {
            let told = world.seats[seat].events.clone();
            assert_eq!(world.heard(seat), [fast], "{told:?}");
        }
        assert!(!world.events(2).iter().any(|event| matches!(event, PeerEvent::Acked(_))));
        world.hear_again(1);
        world.run(SECOND);
        let safe = if safe_ordered { "3 Ordered x" } else { "3 Reliable x" };
        for seat in [0, 3] {
            assert_eq!(world.heard(seat), [safe]);
        }
        assert_eq!(world.heard(1).len(), 2);
        assert_eq!(world.events(2).iter().filter(|event| matches!(event, PeerEvent::Acked(_))).count(), 2);
    }
}

/// A game whose state is everything it was told.
#[derive(Default)]
struct Game {
    told: Vec<String>,
    /// Where it started from.
    started: Vec<(u64, String)>,
}

impl Game {
    /// Never empty: that would be no state.
    fn state(&self) -> String {
        format!("told: {}", self.told.join(" "))
    }

    fn start(&mut self, position: Position, state: Option<&Bytes>) {
        let state = state.map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default();
        self.told = state.split(' ').skip(1).filter(|word| !word.is_empty()).map(str::to_string).collect();
        self.started.push((position.0, state));
    }
}

/// Lets time pass while every game follows its player.
fn play(world: &mut World, games: &mut Vec<Game>, time: Duration) {
    games.resize_with(world.seats.len(), Game::default);
    let end = world.now + time;
    while world.now < end {
        world.run(Duration::from_millis(5));
        for (seat, game) in games.iter_mut().enumerate() {
            for event in world.events(seat) {
                match event {
                    PeerEvent::Message(message) => game.told.push(String::from_utf8_lossy(&message.payload).into()),
                    PeerEvent::Started { snapshot } | PeerEvent::Resynced { snapshot } => {
                        game.start(snapshot.position, snapshot.state.as_ref());
                    }
                    PeerEvent::Promoted { snapshot, tail } => {
                        game.start(snapshot.position, snapshot.state.as_ref());
                        let tail = tail.iter().map(|message| String::from_utf8_lossy(&message.payload).into_owned());
                        game.told.extend(tail);
                    }
                    PeerEvent::SnapshotWanted { position } => {
                        let state = Bytes::from(game.state());
                        world.seats[seat].peer.snapshot(world.now, position, state);
                        world.drain(seat);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn who_joins_starts_from_the_state_of_the_game() {
    let config = PlayerConfig { snapshots: true, ..PlayerConfig::default() };
    let mut world = World::empty();
    let mut games = Vec::new();
    for _ in 0..2 {
        world.join(config.clone());
        play(&mut world, &mut games, SECOND);
    }
    let mut wanted = Vec::new();
    for number in 0..50 {
        wanted.push(number.to_string());
        world.send(1, &Destination::All, Channel::Ordered, &number.to_string()).expect("there is room");
        play(&mut world, &mut games, SECOND / 50);
    }
    let late = world.join(config);
    play(&mut world, &mut games, SECOND / 2);
    for number in 50..60 {
        wanted.push(number.to_string());
        world.send(1, &Destination::All, Channel::Ordered, &number.to_string()).expect("there is room");
        play(&mut world, &mut games, SECOND / 50);
    }
    play(&mut world, &mut games, SECOND);
    for (seat, game) in games.iter().enumerate() {
        assert_eq!(game.told, wanted, "at {seat}");
    }
    let [(position, state)] = &games[late].started[..] else { panic!("{:?}", games[late].started) };
    assert!(*position >= 50 && state.ends_with("48 49"), "{position}: {state}");
}

#[test]
fn without_snapshots_who_joins_starts_where_it_joined() {
    let mut world = World::empty();
    let mut games = Vec::new();
    for _ in 0..2 {
        world.join(PlayerConfig::default());
        play(&mut world, &mut games, SECOND);
    }
    world.send(0, &Destination::All, Channel::Ordered, "before").expect("there is room");
    play(&mut world, &mut games, SECOND);
    let late = world.join(PlayerConfig::default());
    play(&mut world, &mut games, SECOND);
    world.send(0, &Destination::All, Channel::Ordered, "after").expect("there is room");
    play(&mut world, &mut games, SECOND);
    assert_eq!(
        (games[1].told.clone(), games[late].told.clone()),
        (vec!["before".into(), "after".into()], vec!["after".to_string()])
    );
    assert_eq!(games[late].started.len(), 1);
    assert_eq!(games[late].started[0].1, "");
}
