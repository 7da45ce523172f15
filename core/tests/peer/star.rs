//! The star, played by several players in lock-step over a lobby server by hand.

use crate::world::{World, player};
use webstar_core::config::PlayerConfig;
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;
use webstar_core::peer::{Channel, Destination, PeerEvent, Sent};
use webstar_core::time::Duration;
use webstar_core::wire::signal::{CloseReason, PlayerList, ServerMessage};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn everybody_hears_what_is_ordered_in_one_order() {
    let mut world = World::with(4);
    world.forget_events();
    for round in 0..25 {
        for seat in 0..4 {
            world.send(seat, &Destination::All, Channel::Ordered, &format!("{seat}.{round}")).expect("there is room");
        }
        world.run(Duration::from_millis(7));
    }
    world.run(SECOND);
    let orders: Vec<Vec<String>> = (0..4).map(|seat| world.heard(seat)).collect();
    assert_eq!(orders[0].len(), 100);
    assert!(orders.iter().all(|order| *order == orders[0]));
}

#[test]
fn every_destination_reaches_whom_it_names_on_every_channel() {
    let mut world = World::with(4);
    let cases = [
        (Destination::All, vec![1, 2, 3, 4]),
        (Destination::Others, vec![1, 3, 4]),
        (Destination::Host, vec![1]),
        (Destination::One(player(2)), vec![2]),
        (Destination::One(player(3)), vec![3]),
        (Destination::AllBut(vec![player(3), player(2)]), vec![1, 4]),
    ];
    for channel in Channel::ALL {
        for (to, meant) in &cases {
            world.forget_events();
            world.send(1, to, channel, "hi").expect("there is room");
            world.run(SECOND);
            for number in 1..=4 {
                let wanted = if meant.contains(&number) { vec![format!("2 {channel:?} hi")] } else { Vec::new() };
                assert_eq!(world.heard(number as usize - 1), wanted, "{channel:?} {to:?} at {number}");
            }
        }
    }
}

#[test]
fn kept_messages_are_acknowledged_and_numbered_by_channel() {
    let mut world = World::with(2);
    world.forget_events();
    for seat in 0..2 {
        for channel in Channel::ALL {
            for seq in 1..=2 {
                let sent = world.send(seat, &Destination::Others, channel, "x").expect("there is room");
                assert_eq!(sent, Sent { channel, seq });
            }
        }
    }
    world.run(SECOND);
    for seat in 0..2 {
        let events = world.events(seat);
        let mut acked: Vec<Sent> = events
            .iter()
            .filter_map(|event| if let PeerEvent::Acked(sent) = event { Some(*sent) } else { None })
            .collect();
        acked.sort();
        let kept = [Channel::Reliable, Channel::Ordered];
        let wanted = kept.into_iter().flat_map(|channel| [Sent { channel, seq: 1 }, Sent { channel, seq: 2 }]);
        assert_eq!(acked, wanted.collect::<Vec<_>>());
    }
}

#[test]
fn who_is_missing_from_a_roster_for_a_while_is_spoken_with_as_before() {
    for away in [Duration::from_millis(7), 3 * SECOND] {
        let mut world = World::with(3);
        world.forget_events();
        world.send(1, &Destination::All, Channel::Ordered, "before").expect("there is room");
        world.run(SECOND);
        tell_without_the_second(&mut world, Vec::new());
        world.run(away);
        world.room.tell_roster(Vec::new());
        world.flush_room();
        world.run(SECOND);
        world.send(1, &Destination::All, Channel::Ordered, "after").expect("there is room");
        world.run(5 * SECOND);
        for seat in 0..3 {
            assert_eq!(world.heard(seat), ["2 Ordered before", "2 Ordered after"], "{away:?}, at {seat}");
        }
    }
}

/// The host is told a roster that lacks the second player.
fn tell_without_the_second(world: &mut World, left: Vec<(PlayerId, CloseReason)>) {
    let (seat, stream) = world.room.members[&player(1)].seat.expect("the host is there");
    let mut player_list = world.room.list();
    player_list.retain(|entry| entry.player_id != player(2));
    world.room.say(seat, stream, &ServerMessage::PlayerListUpdated(PlayerList { player_list, left }));
    world.flush_room();
}

#[test]
fn who_is_missing_for_longer_has_left_and_who_is_said_to_have_left_has() {
    let config = PlayerConfig { direct_paths: vec![PathKind::Srtp], ..PlayerConfig::default() };
    let has_left = (player(2), CloseReason::Left);
    for (left, last, first) in [(vec![], 9, 11), (vec![has_left], 0, 1)] {
        let mut world = World::of(3, &config);
        world.run(SECOND);
        assert!(world.seats[0].parted.is_empty());
        tell_without_the_second(&mut world, left);
        world.run(last * SECOND);
        assert!(world.seats[0].parted.is_empty(), "not before {last} s have passed");
        world.run((first - last) * SECOND);
        assert_eq!(world.seats[0].parted, [player(2)], "{first} s have passed");
    }
}
