//! Direct paths between players, besides the relay: they are opened, taken and left without anybody noticing; several
//! players in lock-step over a lobby server by hand.

use crate::world::{World, player};
use bytes::Bytes;
use webstar_core::config::PlayerConfig;
use webstar_core::id::PathId;
use webstar_core::path::{Attempt, Fact, PathKind, Step};
use webstar_core::peer::{Channel, Destination, Input, InputError, PeerEvent};
use webstar_core::session::pipe::{Control, PathState, PipeFacts};
use webstar_core::time::Duration;
use webstar_core::wire::signal::RtcSignal;

const SECOND: Duration = Duration::from_secs(1);

fn direct() -> PlayerConfig {
    PlayerConfig { direct_paths: vec![PathKind::Srtp], ..PlayerConfig::default() }
}

fn using(world: &World, seat: usize) -> Vec<(u32, Option<PathKind>)> {
    world.seats[seat].peer.stats().iter().map(|stats| (stats.player.0, stats.path)).collect()
}

#[test]
fn a_direct_path_takes_over_from_the_relay() {
    for (direct_paths, is_direct) in [(Vec::new(), false), (vec![PathKind::Srtp], true)] {
        let mut world = World::of(2, &PlayerConfig { direct_paths, ..PlayerConfig::default() });
        world.run(SECOND);
        let kind = if is_direct { PathKind::Srtp } else { PathKind::Relay };
        assert_eq!((using(&world, 0), using(&world, 1)), (vec![(2, Some(kind))], vec![(1, Some(kind))]));
        let usable =
            PeerEvent::Path { player: player(1), path: PathKind::Srtp, is_turned: false, state: PathState::Usable };
        assert_eq!(world.seats[1].events.contains(&usable), is_direct);
        let (direct, relayed) = (world.seats[1].direct, world.room.relayed);
        for number in 0..20 {
            world.send(1, &Destination::All, Channel::Ordered, &format!("{number}")).expect("there is room");
            world.run(Duration::from_millis(50));
        }
        assert_eq!(world.seats[1].direct > direct + 20, is_direct);
        assert_eq!(world.room.relayed > relayed + 20, !is_direct);
        world.run(SECOND / 5);
        assert_eq!((world.messages(0).len(), world.messages(1).len()), (20, 20));
    }
}

#[test]
fn without_the_relay_players_talk_over_direct_paths_only() {
    for allow_relay in [true, false] {
        let mut world = World::of(3, &PlayerConfig { allow_relay, ..direct() });
        world.run(2 * SECOND);
        for number in 0..20 {
            world.send(1, &Destination::All, Channel::Ordered, &format!("{number}")).expect("there is room");
            world.run(Duration::from_millis(50));
        }
        world.run(SECOND);
        assert_eq!([0, 1, 2].map(|seat| world.messages(seat).len()), [20; 3]);
        assert_eq!(world.room.relayed == 0, !allow_relay, "relayed {}", world.room.relayed);
        for seat in &world.seats {
            let landed = seat.peer.landed();
            assert!(landed.srtp > 20, "{landed:?}");
            assert_eq!(landed.relay == 0, !allow_relay, "{landed:?}");
        }
    }
}

#[test]
fn when_it_breaks_the_relay_carries_on_and_nobody_is_unheard() {
    let mut world = World::of(3, &direct());
    world.run(2 * SECOND);
    world.forget_events();
    for number in 0..200 {
        match number {
            50 => world.seats[1].is_direct_cut = true,
            150 => world.seats[1].is_direct_cut = false,
            _ => {}
        }
        for seat in 0..3 {
            world.send(seat, &Destination::All, Channel::Ordered, &format!("{number}")).expect("there is room");
        }
        world.run(Duration::from_millis(50));
    }
    world.run(20 * SECOND);
    for seat in 0..3 {
        let events = &world.seats[seat].events;
        assert!(!events.iter().any(|event| matches!(event, PeerEvent::HostChanged { .. })), "at {seat}");
    }
    let heard: Vec<_> = (0..3).map(|seat| world.heard(seat)).collect();
    assert_eq!(heard[0].len(), 600);
    assert!(heard.iter().all(|order| *order == heard[0]));
    assert!(using(&world, 1).contains(&(1, Some(PathKind::Srtp))), "it is taken up again: {:?}", using(&world, 1));
}

/// The steps that a seat was told of, with the numbers of their attempts.
fn steps(world: &World, seat: usize) -> Vec<(Step, u32)> {
    let events = world.seats[seat].events.iter().filter_map(|event| match event {
        PeerEvent::Mending { player: other, path: PathKind::Srtp, step, attempt } => {
            assert_ne!(*other, player(seat as u32 + 1));
            Some((*step, *attempt))
        }
        _ => None,
    });
    events.collect()
}

#[test]
fn each_step_of_mending_is_told() {
    use Step::{Background, QuickRetry, RelayedOnly, Restart};
    for (relayed_only, first, ladder) in [
        (false, QuickRetry, [QuickRetry, Restart, RelayedOnly, Background, Background]),
        (true, RelayedOnly, [RelayedOnly, RelayedOnly, RelayedOnly, Background, Background]),
    ] {
        let mut world = World::of(2, &PlayerConfig { relayed_only, ..direct() });
        world.run(20 * SECOND);
        assert_eq!((steps(&world, 0), steps(&world, 1)), (vec![(first, 1)], vec![(first, 1)]));
        world.forget_events();
        world.seats[1].is_direct_cut = true;
        world.run(100 * SECOND);
        for seat in 0..2 {
            let told = steps(&world, seat);
            assert_eq!(told[..5], core::array::from_fn::<_, 5, _>(|at| (ladder[at], at as u32 + 1)));
            assert!(told.iter().zip(1..).all(|(told, attempt)| told.1 == attempt), "{told:?}");
        }
        world.seats[1].is_direct_cut = false;
        world.run(60 * SECOND);
        assert_eq!(using(&world, 1), [(1, Some(PathKind::Srtp))], "it is tried in the background until it opens");
        world.forget_events();
        world.run(60 * SECOND);
        assert!(steps(&world, 0).is_empty() && steps(&world, 1).is_empty());
    }
}

/// Player 2 says something unreliable to the host 300 times: what the host hears, and how many packets it takes.
fn talk_in(config: &PlayerConfig) -> (Vec<String>, u64) {
    let mut world = World::of(2, config);
    world.run(2 * SECOND);
    world.forget_events();
    let packets = |world: &World| world.seats[0].peer.landed().srtp + world.seats[0].peer.landed().relay;
    let before = packets(&world);
    for number in 100..400 {
        world.send(1, &Destination::Host, Channel::Unreliable, &format!("{number}")).expect("there is room");
        world.run(Duration::from_millis(16));
    }
    world.run(SECOND);
    (world.heard(0), packets(&world) - before)
}

#[test]
fn jitter_doubles_and_reordering_are_for_direct_paths() {
    for direct_paths in [Vec::new(), vec![PathKind::Srtp]] {
        let fair = PlayerConfig { direct_paths, ..PlayerConfig::default() };
        let is_direct = !fair.direct_paths.is_empty();
        let (_, packets) = talk_in(&fair);
        for (name, bad) in [
            ("jitter", PlayerConfig { simulate_jitter: Duration::from_millis(60), ..fair.clone() }),
            ("reordering", PlayerConfig { simulate_reordering: 0.3, ..fair.clone() }),
            ("duplicates", PlayerConfig { simulate_duplicates: 0.5, ..fair.clone() }),
        ] {
            let (mut heard, bad_packets) = talk_in(&bad);
            assert_eq!(!heard.is_sorted(), is_direct && name != "duplicates", "{name}: {heard:?}");
            assert_eq!(bad_packets > packets * 4 / 3, is_direct && name == "duplicates", "{name}: {bad_packets}");
            heard.sort();
            heard.dedup();
            assert_eq!(heard.len(), 300, "{name}: nothing is lost, and nothing is heard twice");
        }
    }
}

#[test]
fn the_game_goes_on_without_the_server() {
    let mut world = World::of(3, &direct());
    world.run(2 * SECOND);
    world.forget_events();
    for seat in 0..3 {
        world.seats[seat].is_cut = true;
        world.cut(seat);
    }
    for number in 0..100 {
        for seat in 0..3 {
            world.send(seat, &Destination::All, Channel::Ordered, &format!("{number}")).expect("there is room");
        }
        world.run(Duration::from_millis(100));
    }
    let heard: Vec<_> = (0..3).map(|seat| world.heard(seat)).collect();
    assert_eq!(heard[0].len(), 300);
    assert!(heard.iter().all(|order| *order == heard[0]));
}

#[test]
fn what_is_told_of_unknown_paths_is_misuse_and_of_strangers_ignored() {
    let mut world = World::of(2, &direct());
    world.run(SECOND);
    let facts = |max_packet| Fact::Opened(PipeFacts { max_packet, control: Control::Own });
    let pipe = |player, path, fact| Input::Pipe { player, path: PathId(path), attempt: Attempt(1), fact };
    let packet = |player, path| Input::Packet { player, path: PathId(path), bytes: Bytes::from_static(b"nothing") };
    let now = world.now;
    let peer = &mut world.seats[0].peer;
    for path in [0, 2] {
        assert_eq!(peer.handle(now, pipe(player(2), path, Fact::Closed)), Err(InputError::NoSuchPath(PathId(path))));
        assert_eq!(peer.handle(now, packet(player(2), path)), Err(InputError::NoSuchPath(PathId(path))));
    }
    assert_eq!(peer.handle(now, pipe(player(2), 1, facts(100))), Err(InputError::Unusable(PathId(1))));
    let strangers = peer.dropped().strangers;
    assert_eq!(peer.handle(now, pipe(player(9), 1, facts(1_000))), Ok(()));
    assert_eq!(peer.handle(now, packet(player(9), 1)), Ok(()));
    assert_eq!(peer.handle(now, packet(player(1), 1)), Ok(()), "ourselves");
    assert_eq!(peer.dropped().strangers, strangers + 2);
}

#[test]
fn steps_of_a_negotiation_go_through_the_server() {
    let mut world = World::served(3, &direct());
    let offer = RtcSignal::Offer { sdp: "v=0".into() };
    world.tell(1, Input::Signal { player: player(3), signal: offer.clone() });
    world.tell(1, Input::Signal { player: player(9), signal: offer.clone() });
    world.run(SECOND);
    let heard: Vec<_> = world.seats.iter().map(|seat| seat.signals.clone()).collect();
    assert_eq!(heard, [vec![], vec![], vec![(player(2), offer.clone())]]);
    world.cut(1);
    world.tell(1, Input::Signal { player: player(3), signal: offer });
    world.run(SECOND);
    assert_eq!(world.seats[2].signals.len(), 1, "who is away says nothing");
}

#[test]
fn whoever_has_no_direct_paths_negotiates_about_none() {
    let mut world = World::served(2, &PlayerConfig::default());
    let dropped = world.seats[0].peer.dropped().frames;
    world.tell(1, Input::Signal { player: player(1), signal: RtcSignal::Answer { sdp: "v=0".into() } });
    world.run(SECOND);
    assert_eq!((world.seats[0].signals.len(), world.seats[0].peer.dropped().frames), (0, dropped + 1));
}
