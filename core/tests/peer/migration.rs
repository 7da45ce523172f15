//! When the host goes: players and the real lobby server in lock-step, over the relay. Nothing that was acknowledged is
//! lost, everything that was not is acknowledged in the end, and all hear one order.

use crate::world::{World, player, request};
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Command, Destination, PeerEvent, Sent};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{ErrorCode, HostCause};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(20);

fn world_of(players: usize, config: &PlayerConfig) -> World {
    let mut world = World::served(players, config);
    world.forget_events();
    world
}

fn world(players: usize) -> World {
    world_of(players, &PlayerConfig::default())
}

fn told(world: &World, seat: usize, what: impl Fn(&PeerEvent) -> bool) -> bool {
    world.seats[seat].events.iter().any(what)
}

fn is_host(number: u32) -> impl Fn(&PeerEvent) -> bool {
    move |event| matches!(event, PeerEvent::HostChanged { host, .. } if *host == player(number))
}

/// Those seats say something to all, once a tick, for so long; what was said, and when the host changed at the last seat.
fn talk(world: &mut World, seats: &[usize], time: Duration, said: &mut Vec<String>) -> Option<Instant> {
    let end = world.now + time;
    let mut changed = None;
    while world.now < end {
        for seat in seats {
            let text = format!("{}", said.len());
            if world.send(*seat, &Destination::All, Channel::Ordered, &text).is_ok() {
                said.push(format!("{} Ordered {text}", seat + 1));
            }
        }
        world.run(TICK);
        let last = *seats.last().expect("somebody talks");
        if changed.is_none() && told(world, last, |event| matches!(event, PeerEvent::HostChanged { .. })) {
            changed = Some(world.now);
        }
    }
    changed
}

/// All of these heard the same, in one order, everything that was said, and nothing twice; and the speakers know.
fn check(world: &mut World, seats: &[usize], said: &[String]) {
    for seat in seats {
        let lost = |event: &PeerEvent| matches!(event, PeerEvent::ContinuityLost | PeerEvent::Resynced { .. });
        assert!(!told(world, *seat, lost), "at {seat}");
    }
    let acked = |world: &World, seat: usize| -> Vec<u64> {
        let seqs = world.seats[seat].events.iter().filter_map(|event| match event {
            PeerEvent::Acked(Sent { channel: Channel::Ordered, seq }) => Some(*seq),
            _ => None,
        });
        seqs.collect()
    };
    for seat in seats {
        let prefix = format!("{} ", seat + 1);
        let own = said.iter().filter(|text| text.starts_with(&prefix)).count() as u64;
        assert_eq!(acked(world, *seat), (1..=own).collect::<Vec<_>>(), "at {seat}");
    }
    let heard: Vec<Vec<String>> = seats.iter().map(|seat| world.heard(*seat)).collect();
    assert!(heard.iter().all(|order| *order == heard[0]));
    let (mut heard, mut said) = (heard[0].clone(), said.to_vec());
    heard.sort();
    said.sort();
    assert_eq!(heard, said);
}

#[test]
fn a_host_whose_connection_closes_is_replaced_at_once_and_nothing_is_lost() {
    for players in [3, 4, 7] {
        let mut world = world(players);
        let members: Vec<usize> = (1..players).collect();
        let mut said = Vec::new();
        talk(&mut world, &members, SECOND, &mut said);
        world.crash(0);
        let crashed_at = world.now;
        let changed_at = talk(&mut world, &members, 2 * SECOND, &mut said).expect("another is host");
        assert!(changed_at.since(crashed_at) <= Duration::from_millis(450), "{:?}", changed_at.since(crashed_at));
        world.run(2 * SECOND);
        for seat in &members {
            assert!(told(&world, *seat, is_host(2)), "at {seat}");
        }
        check(&mut world, &members, &said);
    }
}

#[test]
fn two_players_go_on_when_one_of_them_was_host_and_is_gone() {
    let mut world = world(2);
    let mut said = Vec::new();
    talk(&mut world, &[1], SECOND, &mut said);
    world.crash(0);
    talk(&mut world, &[1], 2 * SECOND, &mut said);
    world.run(2 * SECOND);
    assert!(told(&world, 1, is_host(2)));
    check(&mut world, &[1], &said);
}

#[test]
fn a_successor_that_dies_too_is_replaced() {
    for after in [0, 50, 100, 200, 400] {
        let mut world = world(7);
        let members = [2, 3, 4, 5, 6];
        let mut said = Vec::new();
        talk(&mut world, &members, SECOND, &mut said);
        world.crash(0);
        talk(&mut world, &members, Duration::from_millis(after), &mut said);
        world.crash(1);
        talk(&mut world, &members, 4 * SECOND, &mut said);
        world.run(4 * SECOND);
        let is_alive = |event: &PeerEvent| matches!(event, PeerEvent::HostChanged { host, .. } if host.0 >= 3);
        for seat in members {
            assert!(told(&world, seat, is_alive), "at {seat}, after {after} ms");
        }
        check(&mut world, &members, &said);
    }
}

#[test]
fn host_and_backup_that_die_together_break_the_line_and_life_goes_on() {
    let mut world = world(4);
    let mut said = Vec::new();
    talk(&mut world, &[2, 3], SECOND, &mut said);
    world.crash(0);
    world.crash(1);
    world.run(8 * SECOND);
    for seat in [2, 3] {
        let lost = world.seats[seat].events.iter().position(|event| matches!(event, PeerEvent::ContinuityLost));
        assert!(lost.is_some(), "at {seat}");
    }
    world.forget_events();
    for seat in [2, 3] {
        world.send(seat, &Destination::All, Channel::Ordered, "on").expect("there is room");
        world.run(SECOND);
    }
    assert_eq!(world.heard(2), ["3 Ordered on", "4 Ordered on"]);
    assert_eq!(world.heard(3), ["3 Ordered on", "4 Ordered on"]);
}

#[test]
fn a_host_hands_over_in_the_midst_of_talk() {
    for (to, wanted, cause) in [(None, 2, HostCause::Graceful), (Some(player(3)), 3, HostCause::Chosen)] {
        let mut world = world(4);
        let everybody = [0, 1, 2, 3];
        let mut said = Vec::new();
        talk(&mut world, &everybody, SECOND, &mut said);
        let command = world.seats[0].peer.command(world.now, Command::HandOver(to)).expect("it is in the lobby");
        world.drain(0);
        let asked_at = world.now;
        let changed_at = talk(&mut world, &everybody, 2 * SECOND, &mut said).expect("another is host");
        assert!(changed_at.since(asked_at) <= SECOND, "{:?}", changed_at.since(asked_at));
        world.run(2 * SECOND);
        for seat in everybody {
            let chosen = |event: &PeerEvent| {
                matches!(event, PeerEvent::HostChanged { host, cause: Some(why), .. }
                if *host == player(wanted) && *why == cause)
            };
            assert!(told(&world, seat, chosen), "at {seat}");
        }
        assert!(told(&world, 0, |event| *event == PeerEvent::Done { command, outcome: Ok(()) }));
        check(&mut world, &everybody, &said);
    }
}

#[test]
fn who_is_not_host_or_names_nobody_is_refused_the_hand_over() {
    let mut world = world(2);
    for (seat, to, code) in [(1, None, ErrorCode::NotHost), (0, Some(player(9)), ErrorCode::NoSuchPlayer)] {
        let command = world.seats[seat].peer.command(world.now, Command::HandOver(to)).expect("it is in the lobby");
        world.drain(seat);
        let refused = |event: &PeerEvent| {
            matches!(event, PeerEvent::Done { command: told, outcome: Err(refusal) }
                if *told == command && refusal.code == code)
        };
        assert!(told(&world, seat, refused), "{:?}", world.seats[seat].events);
    }
    world.send(1, &Destination::Others, Channel::Ordered, "on").expect("there is room");
    world.run(SECOND);
    assert_eq!(world.heard(0), ["2 Ordered on"]);
}

#[test]
fn who_was_away_while_the_host_changed_has_missed_nothing() {
    let mut world = world(4);
    let mut said = Vec::new();
    let everybody = [0, 1, 2, 3];
    talk(&mut world, &everybody[1..], SECOND, &mut said);
    world.seats[3].is_cut = true;
    world.cut(3);
    talk(&mut world, &everybody[1..], SECOND, &mut said);
    world.crash(0);
    talk(&mut world, &everybody[1..], 3 * SECOND, &mut said);
    world.seats[3].is_cut = false;
    world.run(6 * SECOND);
    assert!(told(&world, 3, |event| matches!(event, PeerEvent::Joined { resumed: true, .. })));
    check(&mut world, &everybody[1..], &said);
}

#[test]
fn a_lone_host_acknowledges_itself() {
    let mut world = world(1);
    let mut said = Vec::new();
    talk(&mut world, &[0], SECOND, &mut said);
    check(&mut world, &[0], &said);
    // Whoever joins hears what follows.
    world.forget_events();
    world.join(PlayerConfig::default());
    world.run(SECOND);
    world.send(0, &Destination::All, Channel::Ordered, "hello").expect("there is room");
    world.run(SECOND);
    assert_eq!((world.heard(0), world.heard(1)), (vec!["1 Ordered hello".to_string()], vec!["1 Ordered hello".into()]));
}

#[test]
fn spectators_hear_on_and_are_never_host() {
    let mut world = world(1);
    let mut watcher = request("watcher");
    watcher.spectator = true;
    let spectator = world.join_as(PlayerConfig::default(), watcher);
    world.join(PlayerConfig::default());
    world.run(2 * SECOND);
    world.forget_events();
    world.send(2, &Destination::All, Channel::Ordered, "before").expect("there is room");
    world.run(SECOND);
    world.crash(0);
    world.run(2 * SECOND);
    world.send(spectator, &Destination::All, Channel::Ordered, "after").expect("there is room");
    world.run(SECOND);
    assert!(told(&world, spectator, is_host(3)));
    for seat in [spectator, 2] {
        assert_eq!(world.heard(seat), ["3 Ordered before", "2 Ordered after"], "at {seat}");
    }
}

#[test]
fn who_is_hidden_is_passed_over() {
    let mut world = world(4);
    world.command(1, Command::Hidden(true));
    world.run(3 * SECOND);
    world.crash(0);
    world.run(3 * SECOND);
    for seat in 1..4 {
        assert!(told(&world, seat, is_host(3)), "at {seat}: {:?}", world.seats[seat].events);
    }
}

#[test]
fn without_the_server_two_wait_or_one_goes_on_alone() {
    for allow_fork in [false, true] {
        // The relay is apart from the lobby server, and stays.
        let relay_server = Some("ws://far/relay".into());
        let config =
            PlayerConfig { allow_fork, relay_server, use_websocket_fallback: false, ..PlayerConfig::default() };
        let mut world = world_of(2, &config);
        for seat in 0..2 {
            world.seats[seat].is_cut = true;
            world.cut(seat);
        }
        world.run(SECOND);
        world.seats[0].is_frozen = true;
        world.send(1, &Destination::All, Channel::Ordered, "alone").expect("there is room");
        world.run(15 * SECOND);
        assert_eq!(told(&world, 1, |event| *event == PeerEvent::Paused), !allow_fork, "{:?}", world.seats[1].events);
        assert_eq!(told(&world, 1, is_host(2)), allow_fork);
        assert_eq!(world.heard(1).len(), usize::from(allow_fork));
    }
}
