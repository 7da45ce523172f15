//! A player's life in the lobby: leaving, being cut off, coming back, and another host; several players in lock-step
//! over a lobby server by hand.

use crate::world::{World, player};
use webstar_core::config::PlayerConfig;
use webstar_core::peer::{Channel, Command, Destination, Ended, PeerEvent, SendError};
use webstar_core::time::Duration;
use webstar_core::wire::signal::{ClientMessage, CloseReason, Epoch, HostCause, Version};

const SECOND: Duration = Duration::from_secs(1);

fn has(events: &[PeerEvent], what: impl Fn(&PeerEvent) -> bool) -> bool {
    events.iter().any(what)
}

#[test]
fn who_leaves_loses_nothing_of_what_it_said() {
    let mut world = World::with(3);
    for seat in [1, 0] {
        world.forget_events();
        for number in 0..500 {
            world.send(seat, &Destination::Others, Channel::Ordered, &format!("{number}")).expect("there is room");
        }
        world.seats[seat].peer.command(world.now, Command::Leave).expect("it is in the lobby");
        world.drain(seat);
        assert_eq!(world.send(seat, &Destination::All, Channel::Ordered, "late"), Err(SendError::Ended));
        world.run(4 * SECOND);
        assert_eq!(world.heard(2).len(), 500, "of {seat}");
        let events = world.events(seat);
        assert_eq!(events.last(), Some(&PeerEvent::Closed(Ended::Left)));
    }
}

#[test]
fn leaving_ends_without_an_answer() {
    let mut world = World::with(1);
    world.room.is_mute = true;
    world.seats[0].peer.command(world.now, Command::Leave).expect("it is in the lobby");
    world.drain(0);
    world.run(SECOND - Duration::from_millis(1));
    assert!(!has(&world.events(0), |event| matches!(event, PeerEvent::Closed(_))));
    world.run(Duration::from_millis(1));
    assert_eq!(world.events(0), [PeerEvent::Closed(Ended::Left)]);
}

#[test]
fn who_is_cut_off_comes_back_as_itself_and_hears_what_it_missed() {
    let config = PlayerConfig { host_migration_timeout: 60 * SECOND, ..PlayerConfig::default() };
    for cut in [0, 1] {
        let mut world = World::of(3, &config);
        world.forget_events();
        world.seats[cut].is_cut = true;
        world.cut(cut);
        for number in 0..200 {
            world.send(2, &Destination::All, Channel::Ordered, &format!("{number}")).expect("there is room");
            world.send(cut, &Destination::All, Channel::Reliable, &format!("own {number}")).expect("there is room");
            world.run(Duration::from_millis(100));
        }
        world.seats[cut].is_cut = false;
        world.run(6 * SECOND);
        for seat in 0..3 {
            let heard = world.seats[seat].events.clone();
            let messages = heard.iter().filter(|event| matches!(event, PeerEvent::Message(_))).count();
            assert_eq!(messages, 400, "at {seat}, {cut} was cut");
        }
        let events = world.events(cut);
        assert!(has(&events, |event| matches!(event, PeerEvent::Joined { resumed: true, .. })));
        let attempts = events.iter().filter_map(|event| match event {
            PeerEvent::Reconnecting { attempt, after, .. } => Some((*attempt, *after)),
            _ => None,
        });
        for (at, (attempt, after)) in attempts.enumerate() {
            let whole = Duration::from_millis(500 << at.min(3));
            assert_eq!(attempt as usize, at + 1);
            assert!(after >= whole / 2 && after <= whole, "{attempt}: {after:?}");
        }
        assert!(!has(&events, |event| matches!(event, PeerEvent::ContinuityLost)));
    }
}

#[test]
fn a_silent_server_is_asked_and_then_left() {
    let mut world = World::with(1);
    world.forget_events();
    world.room.is_mute = true;
    world.run(6 * SECOND);
    assert!(world.room.said.iter().any(|(_, said)| matches!(said, ClientMessage::Ping(_))));
    assert!(world.events(0).is_empty());
    world.run(5 * SECOND);
    assert!(matches!(&world.events(0)[..], [PeerEvent::Reconnecting { attempt: 1, .. }, ..]));
    world.room.is_mute = false;
    world.run(30 * SECOND);
    assert!(has(&world.events(0), |event| matches!(event, PeerEvent::Joined { resumed: true, .. })));
}

#[test]
fn a_used_token_ends_it() {
    let mut world = World::with(1);
    world.room.members.clear();
    world.cut(0);
    world.run(5 * SECOND);
    assert_eq!(world.events(0).last(), Some(&PeerEvent::Closed(Ended::PutOut(CloseReason::TimedOut))));
}

#[test]
fn without_auto_reconnect_a_cut_is_the_end() {
    let config = PlayerConfig { auto_reconnect: false, ..PlayerConfig::default() };
    let mut world = World::of(1, &config);
    world.cut(0);
    let end = Ended::Unreachable { why: "the connection was closed".into() };
    assert_eq!(world.events(0).last(), Some(&PeerEvent::Closed(end)));
}

#[test]
fn another_host_goes_on_where_the_old_one_was() {
    let mut world = World::with(3);
    world.run(2 * SECOND);
    world.forget_events();
    world.seats[0].is_cut = true;
    world.send(1, &Destination::All, Channel::Ordered, "under way").expect("there is room");
    world.cut(0);
    world.run(SECOND);
    world.room.migrate(player(2), HostCause::CrashClosed);
    world.flush_room();
    world.run(SECOND);
    let epoch = Epoch { term: 2, round: 0 };
    for seat in [1, 2] {
        let told = |event: &PeerEvent| {
            matches!(event, PeerEvent::HostChanged { epoch: told, host, cause: Some(HostCause::CrashClosed), .. }
                if *told == epoch && *host == player(2))
        };
        assert!(has(&world.seats[seat].events, told), "at {seat}: {:?}", world.seats[seat].events);
    }
    for seat in [1, 2] {
        world.send(seat, &Destination::All, Channel::Ordered, "again").expect("there is room");
        world.run(SECOND / 2);
    }
    // The old host comes back and follows, and has missed nothing.
    world.seats[0].is_cut = false;
    world.run(5 * SECOND);
    let told = |event: &PeerEvent| matches!(event, PeerEvent::HostChanged { host, .. } if *host == player(2));
    assert!(has(&world.seats[0].events, told));
    world.send(0, &Destination::Others, Channel::Ordered, "hello").expect("there is room");
    world.run(SECOND);
    let told = ["2 Ordered under way", "2 Ordered again", "3 Ordered again", "1 Ordered hello"];
    for (seat, heard) in [(0, &told[..3]), (1, &told[..]), (2, &told[..])] {
        assert!(!has(&world.seats[seat].events, |event| matches!(event, PeerEvent::ContinuityLost)));
        assert_eq!(world.heard(seat), heard, "at {seat}");
    }
    // An older view is not believed.
    world.room.tell_old(player(3));
    world.flush_room();
    world.run(SECOND);
    assert!((0..3).all(|seat| !has(&world.events(seat), |event| matches!(event, PeerEvent::HostChanged { .. }))));
}

#[test]
fn a_host_that_is_forced_upon_the_lobby_is_told_to_break_with_what_was() {
    let mut world = World::with(3);
    world.run(2 * SECOND);
    // Host and backup are gone together: only the third is left.
    for seat in [0, 1] {
        world.crash(seat);
    }
    world.send(2, &Destination::All, Channel::Ordered, "kept").expect("there is room");
    world.run(SECOND);
    world.forget_events();
    world.room.force(player(3));
    world.flush_room();
    world.run(SECOND);
    let events = world.events(2);
    let at = |what: &dyn Fn(&PeerEvent) -> bool| events.iter().position(what);
    let lost = at(&|event| matches!(event, PeerEvent::ContinuityLost)).expect("it is told");
    let heard = at(&|event| matches!(event, PeerEvent::Message(_))).expect("what was not acknowledged goes round");
    let acked = at(&|event| matches!(event, PeerEvent::Acked(_))).expect("a lone host acknowledges itself");
    assert!(lost < heard && lost < acked, "{events:?}");
}

#[test]
fn who_waits_too_long_for_a_host_gives_up() {
    let config = PlayerConfig { host_migration_timeout: 3 * SECOND, ..PlayerConfig::default() };
    let mut world = World::of(2, &config);
    world.seats[0].is_cut = true;
    world.cut(0);
    let lost_at = world.now;
    while !has(&world.seats[1].events, |event| matches!(event, PeerEvent::Closed(_))) {
        world.run(Duration::from_millis(10));
        assert!(world.now.since(lost_at) <= 4 * SECOND);
    }
    assert!(world.now.since(lost_at) >= 3 * SECOND);
    assert_eq!(world.events(1).last(), Some(&PeerEvent::Closed(Ended::PutOut(CloseReason::HostLost))));
}

#[test]
fn players_of_the_version_before_talk_with_those_of_this_one() {
    let old = PlayerConfig { versions: vec![Version::PREVIOUS], ..PlayerConfig::default() };
    for (first, second) in [(&old, &PlayerConfig::default()), (&PlayerConfig::default(), &old)] {
        let mut world = World::empty();
        world.join(first.clone());
        world.run(SECOND);
        world.join(second.clone());
        world.run(SECOND);
        world.forget_events();
        // Long enough for one side to find the other silent: what would be told of that is not understood.
        world.seats[1].is_deaf = true;
        world.run(10 * SECOND);
        world.hear_again(1);
        world.run(3 * SECOND);
        world.send(0, &Destination::All, Channel::Ordered, "hi").expect("there is room");
        world.run(SECOND);
        assert_eq!(world.heard(1), ["1 Ordered hi"]);
    }
}

#[test]
fn a_silent_host_is_suspect_once() {
    let mut world = World::with(2);
    world.run(SECOND);
    world.forget_events();
    world.seats[0].is_deaf = true;
    let suspects = |world: &World, seat: usize| {
        let told = |event: &&PeerEvent| matches!(event, PeerEvent::Suspect { .. });
        world.seats[seat].events.iter().filter(told).count()
    };
    // It still speaks: only its own ears are stopped.
    world.run(400 * Duration::from_millis(1));
    assert_eq!((suspects(&world, 0), suspects(&world, 1)), (0, 0));
    world.run(4 * SECOND);
    assert_eq!((suspects(&world, 0), suspects(&world, 1)), (1, 0));
    world.hear_again(0);
    world.run(SECOND);
    world.seats[0].is_deaf = true;
    world.run(5 * SECOND);
    assert_eq!(suspects(&world, 0), 2);
}

#[test]
fn a_quiet_lobby_costs_little_and_wakes_at_once() {
    let mut world = World::with(4);
    world.run(60 * SECOND);
    for seat in &mut world.seats {
        (seat.frames, seat.events) = (0, Vec::new());
    }
    world.run(60 * SECOND);
    for seat in 1..4 {
        // To the host, and to the backup that would be host.
        assert!(world.seats[seat].frames <= 180, "{} frames in a minute", world.seats[seat].frames);
        assert!(world.events(seat).is_empty());
    }
    world.send(1, &Destination::All, Channel::Ordered, "wake").expect("there is room");
    // To the host, to the backup and back, and here.
    world.run(6 * crate::world::ONE_WAY + Duration::from_millis(20));
    assert_eq!(world.heard(2), ["2 Ordered wake"]);
    world.seats[2].frames = 0;
    world.run(2 * SECOND);
    assert!(world.seats[2].frames >= 15, "{}", world.seats[2].frames);
}
