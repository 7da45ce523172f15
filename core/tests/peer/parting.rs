//! Parting: leaving at every step of joining and coming back, a host that gives up its role, and a host that falls silent;
//! players and the real lobby server in lock-step.

use crate::world::{World, player};
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Command, Destination, Ended, PeerEvent};
use webstar_core::time::Duration;
use webstar_core::wire::signal::{CloseReason, ErrorCode, HostCause};

const SECOND: Duration = Duration::from_secs(1);

fn world(players: usize) -> World {
    let mut world = World::served(players, &PlayerConfig::default());
    world.forget_events();
    world
}

fn was_told(world: &World, seat: usize, what: impl Fn(&PeerEvent) -> bool) -> bool {
    world.seats[seat].events.iter().any(what)
}

#[test]
fn who_leaves_while_joining_is_not_there_afterwards() {
    for after in (0..200).step_by(5) {
        let mut world = world(1);
        let seat = world.join(PlayerConfig::default());
        world.run(Duration::from_millis(after));
        world.command(seat, Command::Leave);
        world.run(3 * SECOND);
        assert_eq!(world.events(seat).last(), Some(&PeerEvent::Closed(Ended::Left)), "after {after} ms");
        let (mut come, mut gone) = (0, 0);
        for event in world.events(0) {
            come += usize::from(matches!(event, PeerEvent::PlayerJoined(_)));
            gone += usize::from(matches!(event, PeerEvent::PlayerLeft { reason: CloseReason::Left, .. }));
        }
        assert_eq!(come, gone, "after {after} ms");
    }
}

#[test]
fn who_leaves_while_coming_back_says_goodbye() {
    for after in (0..1_000).step_by(25) {
        let mut world = world(2);
        world.cut(1);
        world.run(Duration::from_millis(after));
        world.command(1, Command::Leave);
        world.run(3 * SECOND);
        assert_eq!(world.events(1).last(), Some(&PeerEvent::Closed(Ended::Left)));
        let left = PeerEvent::PlayerLeft { player: player(2), reason: CloseReason::Left };
        assert!(world.events(0).contains(&left), "after {after} ms");
    }
    // Who cannot come back has left after its time all the same.
    let mut world = world(2);
    world.seats[1].is_cut = true;
    world.cut(1);
    world.command(1, Command::Leave);
    world.run(3 * SECOND);
    assert_eq!(world.events(1).last(), Some(&PeerEvent::Closed(Ended::Left)));
}

/// Everybody but the host says a lot until the host has parted by a command. What was acknowledged and not heard is lost.
fn lost_by(parting: &Command) -> usize {
    let mut world = world(4);
    let mut acked = Vec::new();
    let mut heard = Vec::new();
    for step in 0..200 {
        if step == 50 {
            world.command(0, parting.clone());
        }
        for seat in 1..4 {
            let text = format!("{seat} {step} {}", "x".repeat(2_000));
            if let Ok(sent) = world.send(seat, &Destination::Others, Channel::Ordered, &text) {
                acked.push((seat, sent, text, false));
            }
        }
        world.run(Duration::from_millis(10));
        for seat in 1..4 {
            for event in world.events(seat) {
                match event {
                    PeerEvent::Acked(told) => {
                        acked
                            .iter_mut()
                            .filter(|(by, sent, ..)| (*by, *sent) == (seat, told))
                            .for_each(|it| it.3 = true);
                    }
                    PeerEvent::Message(message) => {
                        heard.push((seat, String::from_utf8_lossy(&message.payload).into_owned()));
                    }
                    _ => {}
                }
            }
        }
    }
    world.run(3 * SECOND);
    for seat in 1..4 {
        heard.extend(world.messages(seat).iter().map(|it| (seat, String::from_utf8_lossy(&it.payload).into_owned())));
    }
    assert!(heard.iter().any(|(_, text)| text.contains(" 199 ")), "it goes on under the new host");
    let missed = |(by, _, text, is_acked): &&(usize, _, String, bool)| {
        let is_heard = |seat: usize| heard.iter().any(|(at, said)| *at == seat && said == text);
        *is_acked && (1..4).any(|seat| seat != *by && !is_heard(seat))
    };
    acked.iter().filter(missed).count()
}

#[test]
fn what_a_parting_host_has_acknowledged_arrives() {
    assert_eq!(lost_by(&Command::HandOver(None)), 0, "handed over");
    assert_eq!(lost_by(&Command::Leave), 0, "left");
}

#[test]
fn a_host_goes_on_if_nobody_can_take_over() {
    let mut world = world(3);
    // The one that is named hears nothing.
    world.seats[2].is_deaf = true;
    let command = Command::HandOver(Some(player(3)));
    let command = world.seats[0].peer.command(world.now, command).expect("it is in the lobby");
    world.drain(0);
    let mut said = 0;
    for number in 0..60 {
        said += usize::from(world.send(1, &Destination::Host, Channel::Ordered, &format!("{number}")).is_ok());
        world.run(SECOND / 10);
    }
    let failed = |event: &PeerEvent| {
        matches!(event, PeerEvent::Done { command: told, outcome: Err(refusal) }
            if *told == command && refusal.code == ErrorCode::Busy)
    };
    assert!(was_told(&world, 0, failed), "{:?}", world.seats[0].events);
    assert!((0..2).all(|seat| !was_told(&world, seat, |event| matches!(event, PeerEvent::HostChanged { .. }))));
    world.run(2 * SECOND);
    assert_eq!((said, world.heard(0).len()), (60, 60));
}

#[test]
fn a_host_that_falls_silent_is_replaced() {
    for players in [2, 4] {
        let mut world = world(players);
        world.send(1, &Destination::All, Channel::Ordered, "x").expect("there is room");
        world.run(SECOND);
        world.forget_events();
        // Its machine hangs: it says nothing and its connection stands. Over the relay alone it is waited for.
        world.seats[0].is_frozen = true;
        let changed =
            |event: &PeerEvent| matches!(event, PeerEvent::HostChanged { cause: Some(HostCause::CrashSilent), .. });
        world.run(Duration::from_millis(4_900));
        assert!(!was_told(&world, 1, changed));
        world.run(Duration::from_millis(1_100));
        assert!(was_told(&world, 1, changed), "{players} players: {:?}", world.seats[1].events);
        world.forget_events();
        world.send(1, &Destination::All, Channel::Ordered, "on").expect("there is a host");
        world.run(SECOND);
        assert_eq!(world.heard(1), ["2 Ordered on"]);
    }
}

#[test]
fn who_hears_nothing_at_all_accuses_nobody() {
    let mut world = world(3);
    world.send(1, &Destination::All, Channel::Ordered, "x").expect("there is room");
    world.run(SECOND);
    world.forget_events();
    for seat in [1, 2] {
        world.seats[seat].is_deaf = true;
    }
    world.run(9 * SECOND);
    for seat in [1, 2] {
        world.hear_again(seat);
    }
    world.run(5 * SECOND);
    for seat in 0..3 {
        assert!(!was_told(&world, seat, |event| matches!(event, PeerEvent::HostChanged { .. })));
    }
}
