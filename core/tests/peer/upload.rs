//! The most that a player sends to all others together: a host behind a thin line, and members that say far more than it
//! can hand on; several players in lock-step over a lobby server by hand, over the relay and over direct paths.

use crate::world::{World, player};
use webstar_core::config::PlayerConfig;
use webstar_core::path::PathKind;
use webstar_core::peer::{Channel, Destination, PeerEvent};
use webstar_core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// What may be saved up at low rates, and the packet that is begun with the last of it.
const BURST: usize = 2 * 2_048 + 2_048;

/// A host with such a limit, and members without.
fn star(members: usize, upload: Option<u64>, direct_paths: &[PathKind]) -> World {
    let config = PlayerConfig { direct_paths: direct_paths.to_vec(), ..PlayerConfig::default() };
    let mut world = World::empty();
    world.join(PlayerConfig { upload, ..config.clone() });
    world.run(200 * MS);
    for _ in 0..members {
        world.join(config.clone());
        world.run(200 * MS);
    }
    world.run(2 * SECOND);
    world.forget_events();
    world
}

/// What the host has sent so far.
fn sent(world: &World) -> usize {
    world.seats[0].relayed_bytes + world.seats[0].direct_bytes
}

/// Three members say 90 kB a second each to the others, and one of them something ordered ten times a second. What the
/// host sends in each second.
fn chatter(world: &mut World, seconds: usize) -> Vec<usize> {
    let words = "w".repeat(900);
    let mut shares = Vec::new();
    for second in 0..seconds {
        let before = sent(world);
        for turn in 0..100 {
            for seat in 1..=3 {
                world.send(seat, &Destination::Others, Channel::Unreliable, &words).expect("a member is not limited");
            }
            if turn % 10 == 0 {
                let number = (second * 10 + turn / 10).to_string();
                world.send_as(1, &Destination::Others, Channel::Ordered, "order", &number).expect("there is room");
            }
            world.run(10 * MS);
        }
        shares.push(sent(world) - before);
    }
    shares
}

#[test]
fn what_a_host_sends_in_a_second_stays_within_its_limit() {
    for paths in [&[][..], &[PathKind::Srtp]] {
        let limit = 50_000;
        let mut world = star(3, Some(limit as u64), paths);
        let shares = chatter(&mut world, 6);
        assert!(shares.iter().all(|bytes| *bytes <= limit + BURST), "{paths:?}: {shares:?}");
        assert!(shares.iter().all(|bytes| *bytes >= limit * 9 / 10), "{paths:?}: the line is used: {shares:?}");
        world.run(3 * SECOND);
        let wanted: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        for seat in 2..=3 {
            let events = world.events(seat);
            let ordered = events.iter().filter_map(|event| match event {
                PeerEvent::Message(message) if message.channel == Channel::Ordered => {
                    Some(String::from_utf8_lossy(&message.payload).into_owned())
                }
                _ => None,
            });
            assert_eq!(ordered.collect::<Vec<_>>(), wanted, "{paths:?}: what is kept gets through");
            let troubles = events.iter().filter(|event| {
                matches!(event, PeerEvent::Suspect { .. } | PeerEvent::HostChanged { .. } | PeerEvent::Resynced { .. })
            });
            assert_eq!(troubles.count(), 0, "{paths:?}: the host is heard all the while");
        }
        let free = chatter(&mut star(3, None, paths), 2);
        assert!(free.iter().all(|bytes| *bytes >= 400_000), "{paths:?}: {free:?}");
    }
}

/// What the host has sent to a member.
fn sent_to(world: &World, member: u32) -> u64 {
    let stats = world.seats[0].peer.stats();
    stats.iter().find(|stats| stats.player == player(member)).expect("there is a link").bytes_sent
}

#[test]
fn links_have_equal_shares_and_one_alone_has_all() {
    let limit = 40_000;
    let mut world = star(3, Some(limit), &[]);
    let (long, short) = ("l".repeat(900), "s".repeat(60));
    // 180 kB a second for one, 60 kB for another, next to nothing for the third.
    let talk = |world: &mut World, to_one: bool| {
        let before = [2, 3, 4].map(|member| sent_to(world, member));
        for turn in 0..500 {
            let unreliable = Channel::Unreliable;
            for _ in 0..2 {
                world.send(0, &Destination::One(player(2)), unreliable, &long).expect("there is room");
            }
            for _ in 0..if to_one { 0 } else { 10 } {
                world.send(0, &Destination::One(player(3)), unreliable, &short).expect("there is room");
            }
            if turn % 50 == 0 {
                world.send(0, &Destination::One(player(4)), unreliable, "a word").expect("there is room");
            }
            world.run(10 * MS);
        }
        let after = [2, 3, 4].map(|member| sent_to(world, member));
        [0, 1, 2].map(|at| after[at] - before[at])
    };
    let [one, other, third] = talk(&mut world, false);
    assert!(one.abs_diff(other) <= (one + other) / 20, "{one} and {other}");
    assert!(one + other + third >= 5 * limit * 9 / 10 && one + other + third <= 5 * limit + BURST as u64);
    let words = world.messages(3).len();
    assert_eq!(words, 10, "who is told little waits for nobody");
    world.run(3 * SECOND);
    let [alone, ..] = talk(&mut world, true);
    assert!(alone >= 5 * limit * 9 / 10, "{alone} of {}", 5 * limit);
}

#[test]
fn newest_state_stays_new_however_thin_the_line_is() {
    let mut world = star(3, Some(8_000), &[]);
    let mut oldest = 0;
    for number in 0..400_usize {
        for seat in 1..=3 {
            let state = format!("{number} {}", "p".repeat(100));
            world.send_as(seat, &Destination::Others, Channel::Latest, "place", &state).expect("it is replaced");
        }
        world.run(20 * MS);
        for seat in 1..=3 {
            for message in world.messages(seat) {
                let told = String::from_utf8_lossy(&message.payload).into_owned();
                let said: usize = told.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
                oldest = oldest.max(number - said);
            }
        }
    }
    // 33 kB a second are said; what waits is replaced in its place.
    assert!(oldest <= 25, "{} ms old", oldest * 20);
}

#[test]
fn a_limit_that_nobody_reaches_changes_nothing() {
    let talk = |upload| {
        let mut world = star(3, upload, &[PathKind::Srtp]);
        for number in 0..200 {
            for (seat, channel) in [(0, Channel::Ordered), (1, Channel::Latest), (2, Channel::Unreliable)] {
                world.send(seat, &Destination::All, channel, &number.to_string()).expect("there is room");
            }
            world.run(7 * MS);
        }
        world.run(SECOND);
        let sent: Vec<_> = world.seats.iter().map(|seat| (seat.frames, seat.direct, seat.direct_bytes)).collect();
        let heard: Vec<_> = (0..4).map(|seat| world.heard(seat)).collect();
        (sent, heard)
    };
    assert_eq!(talk(None), talk(Some(1_000_000_000)));
}

#[test]
fn a_limit_below_what_the_star_needs_still_lets_something_through() {
    let mut world = star(12, Some(4_000), &[]);
    world.send(1, &Destination::Others, Channel::Ordered, "through the needle's eye").expect("there is room");
    world.run(30 * SECOND);
    for seat in 2..=12 {
        assert_eq!(world.heard(seat), ["2 Ordered through the needle's eye"], "{seat}");
    }
}
