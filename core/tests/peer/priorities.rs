//! Priority by kind: what leaves first where not all can leave, and that the host hands it on at the same priority;
//! several players in lock-step over a lobby server by hand, and a host alone with two conversations played by hand.

use crate::alone::{at, inside};
use crate::world::{World, player};
use bytes::Bytes;
use std::collections::BTreeMap;
use webstar_core::config::{PlayerConfig, SessionConfig};
use webstar_core::id::{PathId, PlayerId, SessionId, StreamId};
use webstar_core::path;
use webstar_core::peer::{Channel, Destination, Input, Output, Payload, Peer, SendError};
use webstar_core::session::{Outbound, Session, SessionEvent, SessionIds};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::frame::{Delivery, Priority};
use webstar_core::wire::relay;
use webstar_core::wire::signal::{Epoch, Frame};
use webstar_core::wire::star::{self, KindTold};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// `talk` stands behind what is not named, and `bulk` behind that.
fn named() -> PlayerConfig {
    let priorities = BTreeMap::from([("talk".to_owned(), Priority::Normal), ("bulk".to_owned(), Priority::Low)]);
    PlayerConfig { priorities, ..PlayerConfig::default() }
}

/// A host of three with a thin line; all have these settings besides.
fn thin(config: &PlayerConfig) -> World {
    let mut world = World::empty();
    for seat in 0..3 {
        world.join(PlayerConfig { upload: (seat == 0).then_some(16_000), ..config.clone() });
        world.run(200 * MS);
    }
    world.run(2 * SECOND);
    world.forget_events();
    world
}

/// Somebody says so many of a kind at one moment.
fn say_many(world: &mut World, seat: usize, to: &Destination, channel: Channel, kind: &str, count: usize) {
    let words = Bytes::from("w".repeat(200));
    for _ in 0..count {
        world.seats[seat].peer.send(world.now, to, channel, kind, words.clone()).expect("there is room");
    }
}

/// The kinds of what somebody was given, in order.
fn kinds(world: &mut World, seat: usize) -> Vec<String> {
    world.messages(seat).iter().map(|message| message.kind.as_str().to_owned()).collect()
}

fn first(kinds: &[String], kind: &str) -> usize {
    kinds.iter().position(|heard| heard == kind).unwrap_or_else(|| panic!("no {kind} in {kinds:?}"))
}

fn last(kinds: &[String], kind: &str) -> usize {
    kinds.iter().rposition(|heard| heard == kind).unwrap_or_else(|| panic!("no {kind} in {kinds:?}"))
}

#[test]
fn what_is_urgent_overtakes_bulk_at_the_sender() {
    let mut world = thin(&named());
    let to = Destination::One(player(2));
    for kind in ["bulk", "talk", "place"] {
        say_many(&mut world, 0, &to, Channel::Unreliable, kind, 20);
    }
    world.drain(0);
    world.run(2 * SECOND);
    let heard = kinds(&mut world, 1);
    assert_eq!(heard.len(), 60, "nothing expires: it is less than a second's worth");
    assert!(last(&heard, "place") < last(&heard, "talk") && last(&heard, "talk") < last(&heard, "bulk"), "{heard:?}");
    assert!(first(&heard, "talk") < last(&heard, "place"), "lanes have shares: {heard:?}");
    assert!(first(&heard, "bulk") < last(&heard, "talk"), "the lowest too: {heard:?}");

    let mut world = thin(&PlayerConfig::default());
    for kind in ["bulk", "talk", "place"] {
        say_many(&mut world, 0, &to, Channel::Unreliable, kind, 20);
    }
    world.drain(0);
    world.run(2 * SECOND);
    let heard = kinds(&mut world, 1);
    assert!(last(&heard, "bulk") < first(&heard, "talk"), "without names it is as it was said: {heard:?}");
}

#[test]
fn what_is_urgent_overtakes_bulk_at_the_host() {
    for (config, overtakes) in [(named(), true), (PlayerConfig::default(), false)] {
        let mut world = thin(&config);
        let to = Destination::One(player(3));
        say_many(&mut world, 1, &to, Channel::Unreliable, "bulk", 60);
        world.drain(1);
        world.run(100 * MS);
        say_many(&mut world, 1, &to, Channel::Unreliable, "place", 5);
        world.drain(1);
        world.run(2 * SECOND);
        let heard = kinds(&mut world, 2);
        assert_eq!(heard.len(), 65);
        assert_eq!(last(&heard, "place") < 50, overtakes, "{heard:?}");
        assert_eq!(first(&heard, "place") >= 60, !overtakes, "{heard:?}");
    }
}

#[test]
fn newest_state_of_a_low_kind_stays_in_order_and_ends_with_the_newest() {
    let mut world = thin(&named());
    let mut heard = Vec::new();
    for number in 0..300_usize {
        for seat in 0..2 {
            let state = format!("{number} {}", "s".repeat(300));
            world.send_as(seat, &Destination::Others, Channel::Latest, "bulk", &state).expect("it is replaced");
        }
        world.run(5 * MS);
    }
    world.run(SECOND);
    for message in world.messages(2) {
        let text = String::from_utf8_lossy(&message.payload).into_owned();
        let number: usize = text.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
        heard.push((message.from, number));
    }
    for from in [player(1), player(2)] {
        let numbers: Vec<usize> = heard.iter().filter(|told| told.0 == from).map(|told| told.1).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b) && numbers.last() == Some(&299), "{numbers:?}");
        assert!(numbers.len() < 250, "what waits is replaced: {}", numbers.len());
    }
}

#[test]
fn a_low_kind_is_refused_in_time_told_to_be_drained_and_leaves_kept_messages_room() {
    let mut world = World::empty();
    for seat in 0..2 {
        world.join(PlayerConfig { upload: (seat == 1).then_some(100_000), ..named() });
        world.run(200 * MS);
    }
    world.run(2 * SECOND);
    world.forget_events();
    let words = "w".repeat(1_000);
    let refused = (0..1_000).find_map(|_| {
        let said = world.send_as(1, &Destination::Host, Channel::Unreliable, "talk", &words);
        said.err()
    });
    assert!(matches!(refused, Some(SendError::Full { queued }) if queued <= 256 * 1024), "{refused:?}");
    world.send(1, &Destination::Host, Channel::Ordered, "kept").expect("there is room");
    world.run(10 * SECOND);
    let drained = world.events(1).iter().filter(|event| format!("{event:?}") == "Drained(Unreliable)").count();
    assert_eq!(drained, 1);
    assert!(world.heard(0).contains(&"2 Ordered kept".to_owned()));
}

#[test]
fn kept_messages_have_their_share_of_a_lane_that_newest_state_fills() {
    let places: Vec<String> = (0..250).map(|number| format!("place {number}")).collect();
    let priorities: BTreeMap<_, _> = places.iter().map(|kind| (kind.clone(), Priority::Normal)).collect();
    let mut world = World::empty();
    for seat in 0..2 {
        let upload = (seat == 1).then_some(100_000);
        world.join(PlayerConfig { upload, priorities: priorities.clone(), ..PlayerConfig::default() });
        world.run(200 * MS);
    }
    world.run(2 * SECOND);
    let words = "w".repeat(1_000);
    let mut is_full = false;
    for step in 0..400 {
        for kind in &places {
            is_full |= world.send_as(1, &Destination::Host, Channel::Latest, kind, &words).is_err();
        }
        if step == 0 {
            for _ in 0..200 {
                world.send_as(1, &Destination::Host, Channel::Ordered, "kept", &words).expect("there is room");
            }
        }
        world.run(20 * MS);
    }
    assert!(is_full, "newest state takes all that it may have");
    let kept = kinds(&mut world, 0).iter().filter(|kind| *kind == "kept").count();
    assert_eq!(kept, 200);
}

/// A member played by hand: its half of the conversation with the host, which is player 1.
fn member(number: u64) -> Session {
    let ids = SessionIds { ours: SessionId(number), theirs: SessionId(1) };
    let mut session = Session::new(SessionConfig::default(), ids, at(0)).expect("the defaults are good");
    session.open_path(at(0), PathId(0), path::relay::facts());
    session.use_path(Some(PathId(0)));
    session
}

/// Time passes: what members played by hand and the host have to say to each other arrives at once.
fn exchange(host: &mut Peer, now: Instant, members: &mut [(PlayerId, Session)]) {
    for (player, session) in members.iter_mut() {
        session.on_timeout(now);
        let mut frame = Vec::new();
        while session.poll_packet(now, &mut frame, &mut |_, out| relay::begin(*player, out)).is_some() {
            let frame = Frame::Binary(Bytes::from(std::mem::take(&mut frame)));
            host.handle(now, Input::Frame { stream: StreamId(1), frame }).expect("it is the server's stream");
        }
    }
    host.handle(now, Input::Timeout).expect("time may always pass");
    loop {
        match host.poll() {
            Output::Transmit { payload: Payload::Binary(bytes), .. } => {
                let Ok((to, packet)) = relay::parse(bytes) else { continue };
                let member = members.iter_mut().find(|(player, _)| *player == to);
                member.expect("there are no others").1.on_packet(now, PathId(0), packet);
            }
            Output::Timeout(_) => return,
            _ => {}
        }
    }
}

#[test]
fn the_host_hands_on_at_the_priority_of_the_sender_and_nobody_gets_that_of_the_star() {
    for delivery in [Delivery::Unreliable, Delivery::Latest] {
        let (mut host, _) = inside(PlayerConfig::default(), &[1, 2, 3]);
        let mut members = [(player(2), member(2)), (player(3), member(3))];
        let mut heard = Vec::new();
        for round in 0..100 {
            let now = at(round * 10);
            // Both are heard by then.
            if let Some(turn) = round.checked_sub(50)
                && let Some(&priority) = Priority::ALL.get(turn as usize)
            {
                let (epoch, kind) = (Epoch { term: 1, round: 0 }, format!("kind {turn}"));
                let words = Bytes::from_static(b"words");
                let payload = star::say(epoch, &Destination::Others, turn + 1, KindTold::Name(&kind), &words);
                let message = Outbound { priority, delivery, key: turn as u32, payload };
                members[0].1.send(now, message).expect("there is room");
            }
            exchange(&mut host, now, &mut members);
            while let Some(event) = members[1].1.poll_event() {
                if let SessionEvent::Message(received) = event
                    && received.payload.ends_with(b"words")
                {
                    heard.push((received.delivery, received.priority));
                }
            }
        }
        let wanted = [Priority::High, Priority::High, Priority::Normal, Priority::Low];
        assert_eq!(heard, wanted.map(|priority| (delivery, priority)));
    }
}
