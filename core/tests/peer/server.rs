//! Players and the real lobby server together, in lock-step: what both sides of the signalling make of each other.

use crate::world::{World, player, request};
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Command, Destination, Ended, PeerEvent, Wish};
use webstar_core::time::Duration;
use webstar_core::wire::signal::{CloseReason, ErrorCode, HostCause, PeerId, Secret};

const SECOND: Duration = Duration::from_secs(1);

fn world(players: usize) -> World {
    World::served(players, &PlayerConfig::default())
}

fn command(world: &mut World, seat: usize, command: Command) {
    world.seats[seat].peer.command(world.now, command).expect("it is in the lobby");
    world.drain(seat);
}

#[test]
fn players_meet_talk_and_leave() {
    let mut world = world(5);
    for seat in 0..5 {
        let events = world.events(seat);
        let PeerEvent::Joined { player: me, host, members, .. } = &events[0] else { panic!("{events:?}") };
        assert_eq!((me.0 as usize, *host, members.len()), (seat + 1, Some(player(1)), seat + 1));
        let others = events.iter().filter(|event| matches!(event, PeerEvent::PlayerJoined(_))).count();
        assert_eq!(others, 4 - seat);
    }
    for number in 0..200 {
        for seat in 0..5 {
            for channel in Channel::ALL {
                world.send(seat, &Destination::All, channel, &format!("{number}")).expect("there is room");
            }
        }
        world.run(Duration::from_millis(10));
    }
    world.run(SECOND);
    let heard: Vec<Vec<String>> = (0..5).map(|seat| world.heard(seat)).collect();
    for told in &heard {
        let of = |channel: &str| told.iter().filter(|text| text.contains(channel)).cloned().collect::<Vec<_>>();
        assert_eq!((of("Reliable").len(), of("Unreliable").len()), (1_000, 1_000));
        let first: Vec<_> = heard[0].iter().filter(|text| text.contains("Ordered")).cloned().collect();
        assert_eq!((of("Ordered").len(), of("Ordered")), (1_000, first));
        for seat in 1..=5 {
            let last = format!("{seat} Latest 199");
            assert!(told.contains(&last), "{last}");
        }
    }
    command(&mut world, 3, Command::Leave);
    world.run(SECOND);
    assert_eq!(world.events(3).last(), Some(&PeerEvent::Closed(Ended::Left)));
    let left = PeerEvent::PlayerLeft { player: player(4), reason: CloseReason::Left };
    assert!(world.events(0).contains(&left));
}

#[test]
fn the_lobby_obeys_its_host() {
    let mut world = world(3);
    world.forget_events();
    command(&mut world, 1, Command::Start);
    command(&mut world, 0, Command::Lock(true));
    command(&mut world, 0, Command::Start);
    command(&mut world, 1, Command::Ready(true));
    command(&mut world, 0, Command::Kick(player(3)));
    world.run(SECOND);
    assert_eq!(world.events(2).last(), Some(&PeerEvent::Closed(Ended::PutOut(CloseReason::Kicked))));
    let (host, member) = (world.events(0), world.events(1));
    let done = |events: &[PeerEvent]| {
        let outcomes = events.iter().filter_map(|event| match event {
            PeerEvent::Done { outcome, .. } => Some(outcome.as_ref().map_err(|refusal| refusal.code).copied()),
            _ => None,
        });
        outcomes.collect::<Vec<_>>()
    };
    assert_eq!(done(&host), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(done(&member), [Err(ErrorCode::NotHost), Ok(())]);
    assert!(member.contains(&PeerEvent::GameStarted { by: player(1) }));
    assert!(member.iter().any(|event| matches!(event, PeerEvent::LobbyChanged(info) if info.locked)));
    let late = world.join(PlayerConfig::default());
    world.run(SECOND);
    let events = world.events(late);
    let PeerEvent::Closed(Ended::Refused(refusal)) = &events[0] else { panic!("{events:?}") };
    assert!(matches!(refusal.code, ErrorCode::LobbyLocked | ErrorCode::GameStarted));
}

#[test]
fn a_password_is_asked_for() {
    let mut world = world(0);
    let mut first = request("ann");
    first.password = Some(Secret::new("sesame").expect("it is short"));
    world.join_as(PlayerConfig::default(), first.clone());
    world.run(SECOND);
    for (password, is_right) in [(Some("sesame"), true), (Some("wrong"), false), (None, false)] {
        let mut next = first.clone();
        next.create = None;
        next.password = password.map(|text| Secret::new(text).expect("it is short"));
        let seat = world.join_as(PlayerConfig::default(), next);
        world.run(SECOND);
        let events = world.events(seat);
        assert_eq!(events.iter().any(|event| matches!(event, PeerEvent::Joined { .. })), is_right, "{events:?}");
    }
}

#[test]
fn who_is_cut_off_resumes_as_itself() {
    let mut world = world(3);
    world.forget_events();
    world.seats[1].is_cut = true;
    world.cut(1);
    for number in 0..200 {
        world.send(2, &Destination::Others, Channel::Ordered, &format!("{number}")).expect("there is room");
        world.send(1, &Destination::Others, Channel::Ordered, &format!("{number}")).expect("there is room");
        world.run(SECOND / 10);
    }
    world.seats[1].is_cut = false;
    world.run(6 * SECOND);
    for seat in 0..3 {
        let events = &world.seats[seat].events;
        let messages = events.iter().filter(|event| matches!(event, PeerEvent::Message(_))).count();
        assert_eq!(messages, if seat == 0 { 400 } else { 200 }, "at {seat}");
        assert!(
            !events.iter().any(|event| matches!(event, PeerEvent::PlayerLeft { .. } | PeerEvent::HostChanged { .. }))
        );
    }
    let events = world.events(1);
    let back =
        |event: &PeerEvent| matches!(event, PeerEvent::Joined { resumed: true, player: me, .. } if *me == player(2));
    assert!(events.iter().any(back));
    // It can be cut off again: the new token is good.
    world.cut(1);
    world.run(6 * SECOND);
    assert!(world.events(1).iter().any(back));
}

#[test]
fn another_host_takes_over_when_the_host_is_gone_or_gives_up() {
    let mut world = world(3);
    world.forget_events();
    command(&mut world, 0, Command::HandOver(Some(player(3))));
    world.run(SECOND);
    for seat in 0..3 {
        let changed = |event: &PeerEvent| matches!(event, PeerEvent::HostChanged { host, cause: Some(HostCause::Chosen), .. } if *host == player(3));
        assert!(world.events(seat).iter().any(changed), "at {seat}");
    }
    world.send(0, &Destination::All, Channel::Ordered, "under another").expect("there is a host");
    world.run(SECOND);
    for seat in 0..3 {
        assert_eq!(world.heard(seat), ["1 Ordered under another"]);
    }
    world.seats[2].is_cut = true;
    world.cut(2);
    world.run(10 * SECOND);
    let changed = |event: &PeerEvent| match event {
        PeerEvent::HostChanged { host, cause: Some(HostCause::CrashClosed), .. } => Some(*host),
        _ => None,
    };
    let hosts: Vec<Vec<_>> = (0..2).map(|seat| world.events(seat).iter().filter_map(changed).collect()).collect();
    assert!(hosts[0] == hosts[1] && [[player(1)], [player(2)]].contains(&[hosts[0][0]]), "{hosts:?}");
    assert_eq!(hosts[0].len(), 1);
    world.send(1, &Destination::All, Channel::Ordered, "on").expect("there is a host");
    world.run(SECOND);
    assert_eq!((world.heard(0), world.heard(1)), (vec!["2 Ordered on".into()], vec!["2 Ordered on".into()]));
    world.seats[2].is_cut = false;
    world.run(10 * SECOND);
    world.forget_events();
    world.send(2, &Destination::Others, Channel::Reliable, "back").expect("there is a host");
    world.run(SECOND);
    assert_eq!(world.heard(0), ["3 Reliable back"]);
}

#[test]
fn two_meet_by_the_name_of_one() {
    let mut world = world(0);
    let bob = PeerId::new("bob").expect("it is short");
    let mut first = request("bob");
    first.peer_id = Some(bob.clone());
    first.wish = Wish::Peer(bob.clone());
    first.create = None;
    let mut second = request("ann");
    second.wish = Wish::Peer(bob);
    second.create = None;
    world.join_as(PlayerConfig::default(), first);
    world.run(SECOND);
    world.join_as(PlayerConfig::default(), second);
    world.run(SECOND);
    world.forget_events();
    world.send(1, &Destination::Others, Channel::Reliable, "hi").expect("there is a host");
    world.run(SECOND);
    assert_eq!(world.heard(0), ["2 Reliable hi"]);
}

#[test]
fn idle_players_are_not_taken_for_gone() {
    let mut world = world(3);
    let alone = world.join_as(PlayerConfig::default(), {
        let mut request = request("alone");
        request.wish = Wish::New;
        request
    });
    world.run(SECOND);
    world.forget_events();
    world.run(600 * SECOND);
    for seat in 0..=alone {
        assert!(world.events(seat).is_empty(), "at {seat}");
    }
}
