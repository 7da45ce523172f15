//! What a player refuses, keeps and gives up: full channels, slow members, many kinds and keys, guests, and bad weather;
//! several players in lock-step over a lobby server by hand.

use crate::world::{World, player, request};
use bytes::Bytes;
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Command, Destination, PeerEvent, SendError, Sent};
use webstar_core::time::Duration;
use webstar_core::wire::signal::*;

const SECOND: Duration = Duration::from_secs(1);

fn small() -> PlayerConfig {
    PlayerConfig { max_message: 100_000, resume_log: 400_000, enable_compression: false, ..PlayerConfig::default() }
}

#[test]
fn more_kinds_than_have_numbers_arrive_on_every_channel() {
    let mut world = World::with(3);
    for channel in Channel::ALL {
        world.forget_events();
        for round in 0..3 {
            for kind in 0..300 {
                let (name, text) = (format!("kind {kind}"), format!("{round}"));
                world.send_as(1, &Destination::Others, channel, &name, &text).expect("there is room");
            }
            world.run(Duration::from_millis(500));
        }
        let heard = world.messages(2);
        assert_eq!(heard.len(), 900, "{channel:?}");
        for (at, message) in heard.iter().enumerate() {
            assert_eq!(message.kind.as_str(), format!("kind {}", at % 300));
        }
        assert_eq!(world.seats[0].peer.dropped().unknown_kinds, 0);
        assert_eq!(world.seats[2].peer.dropped().unknown_kinds, 0);
    }
}

#[test]
fn a_known_kind_costs_a_byte() {
    let mut world = World::with(2);
    let kind = "k".repeat(64);
    let mut costs = Vec::new();
    for _ in 0..2 {
        world.seats[1].relayed_bytes = 0;
        for _ in 0..100 {
            world.send_as(1, &Destination::Host, Channel::Unreliable, &kind, "x").expect("there is room");
        }
        costs.push(world.seats[1].relayed_bytes);
        world.run(SECOND);
    }
    assert!(costs[0] > 64 * 100 && costs[1] + 64 * 100 < costs[0], "{costs:?}");
}

#[test]
fn the_newest_state_of_each_key_arrives() {
    let mut world = World::with(3);
    world.forget_events();
    world.seats[2].is_deaf = true;
    for number in 0..100 {
        world.send_as(1, &Destination::Others, Channel::Latest, "a", &format!("a{number}")).expect("there is room");
        world.send_as(1, &Destination::All, Channel::Latest, "a", &format!("b{number}")).expect("there is room");
        world.run(Duration::from_millis(20));
    }
    world.hear_again(2);
    world.run(3 * SECOND);
    let heard = world.heard(2);
    for last in ["2 Latest a99", "2 Latest b99"] {
        assert_eq!(heard.iter().filter(|told| *told == last).count(), 1, "{heard:?}");
    }
}

#[test]
fn a_full_channel_refuses_and_tells_once_that_it_has_drained() {
    let mut world = World::of(2, &small());
    world.forget_events();
    let long = "x".repeat(100_000);
    let mut taken = 0;
    let refused = loop {
        match world.send(1, &Destination::Host, Channel::Reliable, &long) {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    // A window of a quarter of `resume_log`, for two players; one message in any case.
    assert_eq!((refused, taken), (SendError::Full { queued: 100_064 }, 1));
    assert!(world.send(1, &Destination::Host, Channel::Unreliable, "x").is_ok(), "another lane");
    world.run(30 * SECOND);
    let drained = |events: Vec<PeerEvent>| {
        events.into_iter().filter(|event| matches!(event, PeerEvent::Drained(_))).collect::<Vec<_>>()
    };
    assert_eq!(drained(world.events(1)), [PeerEvent::Drained(Channel::Reliable)]);
    assert_eq!(world.messages(0).len(), taken + 1);
}

#[test]
fn a_host_is_held_back_by_a_slow_member_and_goes_on_when_it_has_caught_up() {
    let mut world = World::of(3, &small());
    world.forget_events();
    world.seats[2].is_deaf = true;
    let long = "x".repeat(50_000);
    // One message at a time is refused until the backup has it; this is another matter.
    let (mut taken, mut refused) = (0, 0);
    while refused < 10 {
        match world.send(0, &Destination::Others, Channel::Ordered, &long) {
            Ok(_) => (taken, refused) = (taken + 1, 0),
            Err(_) => refused += 1,
        }
        world.run(Duration::from_millis(100));
    }
    let before = world.messages(1).len();
    world.forget_events();
    assert!(world.send(0, &Destination::Others, Channel::Latest, "newest").is_ok());
    world.run(SECOND);
    assert!(!world.events(0).contains(&PeerEvent::Drained(Channel::Ordered)));
    world.hear_again(2);
    world.run(60 * SECOND);
    let told = world.events(0);
    assert_eq!(told.iter().filter(|event| **event == PeerEvent::Drained(Channel::Ordered)).count(), 1);
    assert_eq!(before + world.messages(1).len(), taken + 1);
    assert_eq!(world.messages(2).len(), taken + 1);
}

#[test]
fn a_member_that_falls_behind_begins_anew_and_the_others_go_on() {
    for is_away in [false, true] {
        // What is kept for it is `resume_log`.
        let mut world = World::of(3, &small());
        world.forget_events();
        world.seats[2].is_deaf = true;
        if is_away {
            world.seats[2].is_cut = true;
            world.cut(2);
        }
        let long = "x".repeat(50_000);
        let (mut taken, mut refused) = (0, 0);
        while taken < 60 {
            match world.send(1, &Destination::Others, Channel::Ordered, &long) {
                Ok(_) => taken += 1,
                Err(_) => refused += 1,
            }
            world.run(Duration::from_millis(100));
            assert!(refused < 200, "one stalled member holds everybody: {taken} taken");
        }
        // The lobby waits for somebody who is there, though not for ever, and for nobody who is not.
        assert_eq!(refused > 20, !is_away, "{refused}");
        world.run(SECOND);
        assert_eq!(world.messages(0).len(), 60);
        assert!(world.seats[0].peer.star().glance().bytes <= 600_000, "it is not kept for ever");
        if is_away {
            world.seats[2].is_cut = false;
            world.seats[2].is_deaf = false;
        } else {
            world.hear_again(2);
        }
        world.run(10 * SECOND);
        let events = world.events(2);
        let resynced = events.iter().position(|event| matches!(event, PeerEvent::Resynced { .. }));
        let last = events.iter().rposition(|event| matches!(event, PeerEvent::Message(_)));
        assert!(resynced.is_some() && last < resynced, "what it missed is behind it: {resynced:?} {last:?}");
        assert!(!events.iter().any(|event| matches!(event, PeerEvent::Closed(_))));
        world.forget_events();
        world.send(2, &Destination::All, Channel::Ordered, "on").expect("there is room");
        world.run(SECOND);
        for seat in 0..3 {
            assert_eq!(world.heard(seat), ["3 Ordered on"]);
        }
    }
}

#[test]
fn nobody_misses_anything_because_others_send_as_fast_as_they_can() {
    let mut world = World::of(4, &small());
    world.forget_events();
    let mut taken = 0;
    for step in 0..600 {
        // One of them reads only half of the time.
        match step % 20 {
            0 => world.seats[3].is_deaf = true,
            10 => world.hear_again(3),
            _ => {}
        }
        for seat in 0..3 {
            let long = "x".repeat(30_000);
            while world.send(seat, &Destination::AllBut(vec![player(1)]), Channel::Reliable, &long).is_ok() {
                taken += 1;
                if seat == 0 {
                    break;
                }
            }
        }
        world.run(Duration::from_millis(50));
    }
    world.run(60 * SECOND);
    assert!(taken > 500, "{taken}");
    for seat in 1..4 {
        assert_eq!(world.messages(seat).len(), taken, "at {seat}");
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let mut world = World::of(2, &PlayerConfig { max_keys: 2, ..small() });
    let everybody = Destination::All;
    let send = |world: &mut World, kind: &str, channel, to: &Destination, len: usize| {
        let payload = Bytes::from(vec![0; len]);
        world.seats[1].peer.send(world.now, to, channel, kind, payload)
    };
    assert_eq!(send(&mut world, "", Channel::Ordered, &everybody, 1), Err(SendError::BadKind));
    assert_eq!(send(&mut world, &"x".repeat(65), Channel::Ordered, &everybody, 1), Err(SendError::BadKind));
    let too_long = Err(SendError::TooLong { max: 100_000 });
    assert_eq!(send(&mut world, "x", Channel::Ordered, &everybody, 100_001), too_long);
    assert!(send(&mut world, "x", Channel::Ordered, &everybody, 100_000).is_ok());
    let nobody = Destination::One(player(9));
    assert_eq!(send(&mut world, "x", Channel::Ordered, &nobody, 1), Err(SendError::NoSuchPlayer(player(9))));
    for kind in ["a", "b"] {
        assert!(send(&mut world, kind, Channel::Latest, &everybody, 1).is_ok());
    }
    assert_eq!(send(&mut world, "c", Channel::Latest, &everybody, 1), Err(SendError::TooManyKeys { max: 2 }));
    assert!(send(&mut world, "a", Channel::Latest, &everybody, 1).is_ok());
}

#[test]
fn what_a_frame_to_the_server_cannot_carry_is_refused_for_a_guest() {
    let mut world = World::with(2);
    let guest = Destination::One(world.room.add_guest());
    world.flush_room();
    world.run(SECOND);
    // As JSON a text has two quotes more.
    let (largest, longer) = ("a".repeat(Data::MAX - 2), "a".repeat(Data::MAX - 1));
    assert!(world.send_as(1, &guest, Channel::Ordered, "any", &largest).is_ok());
    let too_long = Err(SendError::TooLong { max: Data::MAX });
    assert_eq!(world.send_as(1, &guest, Channel::Ordered, "any", &longer), too_long);
}

#[test]
fn guests_are_reached_through_the_server() {
    let mut world = World::with(2);
    let guest = world.room.add_guest();
    world.flush_room();
    world.run(SECOND);
    world.forget_events();
    world.room.said.clear();
    let sent = world.send_as(1, &Destination::One(guest), Channel::Ordered, "any", "hi").expect("there is room");
    assert_eq!(sent, Sent { channel: Channel::Ordered, seq: 1 });
    world.send_as(1, &Destination::All, Channel::Reliable, "relay", "all").expect("there is room");
    world.send_as(1, &Destination::AllBut(vec![guest]), Channel::Reliable, "relay", "not you").expect("there is room");
    world.send_as(1, &Destination::Others, Channel::Reliable, "chat", "players").expect("there is room");
    world.run(SECOND);
    let relayed: Vec<_> = world.room.said.iter().map(|(_, said)| said.clone()).collect();
    let wanted = ["hi", "all"].map(|text| {
        let data = Data::of_bytes(text.as_bytes());
        ClientMessage::RelayData(RelayData { from_player: player(2), to_player: guest, data })
    });
    assert_eq!(relayed, wanted);
    assert!(world.events(1).contains(&PeerEvent::Acked(sent)));
    world.forget_events();
    let (seat, stream) = world.room.members[&player(2)].seat.expect("it is connected");
    let data = Data::of_bytes(b"from a guest");
    world.room.say(
        seat,
        stream,
        &ServerMessage::BroadcastData(BroadcastData { from_player: guest, data: data.clone() }),
    );
    world.room.say(
        seat,
        stream,
        &ServerMessage::BroadcastData(BroadcastData { from_player: player(0), data: data.clone() }),
    );
    world.flush_room();
    world.run(SECOND);
    let events = world.events(1);
    let PeerEvent::Message(message) = &events[0] else { panic!("{events:?}") };
    assert_eq!((message.from, message.seq, message.kind.as_str()), (guest, 0, "relay"));
    assert_eq!(&message.payload[..], b"from a guest");
    assert_eq!(events[1], PeerEvent::ServerData(data));
}

#[test]
fn a_spectator_hears_and_speaks() {
    let mut world = World::with(2);
    let mut watcher = request("watcher");
    watcher.spectator = true;
    let seat = world.join_as(PlayerConfig::default(), watcher);
    world.run(SECOND);
    world.forget_events();
    world.send(1, &Destination::Others, Channel::Ordered, "look").expect("there is room");
    world.run(SECOND);
    assert_eq!(world.heard(seat), ["2 Ordered look"]);
    world.send(seat, &Destination::All, Channel::Ordered, "ah").expect("there is room");
    world.run(SECOND);
    assert_eq!((world.heard(0).len(), world.heard(1).len(), world.heard(seat).len()), (2, 1, 1));
}

#[test]
fn commands_are_answered() {
    let mut world = World::with(2);
    world.forget_events();
    let ready = world.seats[1].peer.command(world.now, Command::Ready(true)).expect("it is in the lobby");
    let start = world.seats[1].peer.command(world.now, Command::Start).expect("it is in the lobby");
    world.drain(1);
    world.run(SECOND);
    let events = world.events(1);
    assert!(matches!(&events[0], PeerEvent::PlayerChanged(entry) if entry.player_id == player(2) && entry.ready));
    assert_eq!(events[1], PeerEvent::Done { command: ready, outcome: Ok(()) });
    let PeerEvent::Done { command, outcome: Err(refusal) } = &events[2] else { panic!("{events:?}") };
    assert_eq!((*command, refusal.code), (start, ErrorCode::NotHost));
    // What was asked before the connection broke is answered all the same.
    let lost = world.seats[1].peer.command(world.now, Command::Ready(false)).expect("it is in the lobby");
    world.cut(1);
    assert!(matches!(&world.events(1)[0], PeerEvent::Done { command, outcome: Err(_) } if *command == lost));
}

#[test]
fn bad_weather_loses_what_is_unreliable_and_delays_the_rest() {
    let rain = PlayerConfig {
        simulate_packet_loss: 0.3,
        simulate_latency: Duration::from_millis(200),
        ..PlayerConfig::default()
    };
    let mut world = World::empty();
    world.join(PlayerConfig::default());
    world.run(SECOND);
    world.join(rain);
    world.run(2 * SECOND);
    world.forget_events();
    for number in 0..100 {
        world.send(1, &Destination::Host, Channel::Unreliable, &format!("{number}")).expect("there is room");
        world.send(1, &Destination::Host, Channel::Ordered, &format!("{number}")).expect("there is room");
        world.run(Duration::from_millis(50));
    }
    world.run(20 * SECOND);
    let heard = world.heard(0);
    let count = |channel: &str| heard.iter().filter(|told| told.contains(channel)).count();
    assert_eq!(count("Ordered"), 100);
    assert!((50..90).contains(&count("Unreliable")), "{}", count("Unreliable"));
    assert!(world.seats[1].peer.dropped().simulated > 20);
    let stats = world.seats[1].peer.stats();
    assert!(stats[0].rtt.expect("it is measured") >= Duration::from_millis(220), "{stats:?}");
}
