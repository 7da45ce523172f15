//! What members, hosts and servers do that mean no good, or are broken; and what the machine itself must not say too
//! early. One machine, or several in lock-step over a lobby server by hand.

use crate::world::{World, player};
use bytes::Bytes;
use webstar_core::config::PlayerConfig;
use webstar_core::id::StreamId;
use webstar_core::peer::{Channel, Command, Destination, Input, Output, PeerEvent, SendError};
use webstar_core::time::Duration;
use webstar_core::wire::signal::*;

const SECOND: Duration = Duration::from_secs(1);

fn small() -> PlayerConfig {
    PlayerConfig { max_message: 100_000, resume_log: 400_000, enable_compression: false, ..PlayerConfig::default() }
}

/// What the server says to a player, beyond what it should.
fn hear(world: &mut World, seat: usize, message: &ServerMessage) {
    let stream = world.seats[seat].stream.expect("it is connected");
    world.tell(seat, Input::Frame { stream, frame: encode_server(Encoding::Postcard, message) });
}

#[test]
fn nothing_is_said_between_the_resume_and_its_answer() {
    let mut world = World::of(3, &small());
    // A member is away, and then the host's own connection breaks.
    for seat in [2, 0] {
        world.seats[seat].is_cut = true;
        world.cut(seat);
        world.run(SECOND / 2);
    }
    world.seats[0].is_cut = false;
    let mut is_resuming = false;
    for _ in 0..1_000 {
        let said = world.room.said.len();
        world.run(Duration::from_millis(5));
        let news: Vec<_> = world.room.said[said..].iter().map(|(_, said)| said.clone()).collect();
        is_resuming |= news.iter().any(|said| matches!(said, ClientMessage::Resume(_)));
        if is_resuming {
            break;
        }
    }
    assert!(is_resuming);
    // The host's application goes on all the while, more than is kept for the member that is away.
    world.seats[0].is_deaf = true;
    world.room.said.clear();
    for _ in 0..60 {
        let _ = world.send(0, &Destination::One(player(3)), Channel::Ordered, &"x".repeat(50_000));
    }
    world.run(SECOND);
    let early: Vec<_> = world.room.said.iter().filter(|(seat, _)| *seat == 0).collect();
    assert!(early.is_empty(), "{early:?}");
    world.hear_again(0);
    world.run(SECOND);
    world.command(0, Command::Ready(true));
    world.run(SECOND);
    let ready = |said: &ClientMessage| matches!(said, ClientMessage::Ready(_));
    assert!(world.room.said.iter().any(|(seat, said)| *seat == 0 && ready(said)), "it is said later");
}

#[test]
fn who_fell_behind_begins_anew_and_can_be_the_next_host() {
    let mut world = World::of(3, &small());
    world.seats[2].is_cut = true;
    world.cut(2);
    for _ in 0..100 {
        let _ = world.send(0, &Destination::Others, Channel::Ordered, &"x".repeat(50_000));
        world.run(Duration::from_millis(20));
    }
    world.run(SECOND);
    world.forget_events();
    world.seats[2].is_cut = false;
    world.run(5 * SECOND);
    let resynced = world.events(2).iter().filter(|event| matches!(event, PeerEvent::Resynced { .. })).count();
    assert_eq!(resynced, 1);
    world.command(0, Command::HandOver(Some(player(3))));
    world.run(SECOND);
    assert_eq!(world.room.host(), Some(player(3)));
    world.forget_events();
    world.send(0, &Destination::All, Channel::Ordered, "hi").expect("there is a host");
    world.run(SECOND);
    for seat in 0..3 {
        assert_eq!(world.heard(seat), ["1 Ordered hi"], "at {seat}");
    }
}

#[test]
fn another_round_of_the_same_host_loses_nothing() {
    let mut world = World::with(3);
    world.forget_events();
    let before = world.room.epoch();
    // Who joins becomes a voter in another round of the same term; what is said goes on meanwhile.
    world.join(PlayerConfig::default());
    let mut said = 0;
    while world.room.epoch() == before {
        world.send(1, &Destination::Others, Channel::Ordered, &format!("{said}")).expect("there is room");
        world.send(1, &Destination::Others, Channel::Unreliable, &format!("{said}")).expect("there is room");
        world.run(Duration::from_millis(10));
        said += 1;
        assert!(said < 500, "the joiner becomes no voter");
    }
    world.run(SECOND);
    assert_eq!(world.room.epoch().term, before.term);
    let heard = world.messages(2);
    for channel in [Channel::Ordered, Channel::Unreliable] {
        assert_eq!(heard.iter().filter(|message| message.channel == channel).count(), said, "{channel:?}");
    }
    assert!(world.seats.iter().all(|seat| seat.peer.dropped().stale == 0));
}

#[test]
fn a_roster_without_us_is_none_of_ours() {
    let mut world = World::with(2);
    world.forget_events();
    let dropped = world.seats[1].peer.dropped().frames;
    let mut list = world.room.list();
    list.retain(|entry| entry.player_id != player(2));
    hear(&mut world, 1, &ServerMessage::PlayerListUpdated(PlayerList { player_list: list, left: Vec::new() }));
    assert_eq!((world.events(1), world.seats[1].peer.dropped().frames), (Vec::new(), dropped + 1));
}

#[test]
fn a_longer_message_than_agreed_is_dropped_where_it_arrives() {
    let mut world = World::empty();
    world.join(small());
    world.run(SECOND);
    let longer = PlayerConfig { max_message: 100_200, ..small() };
    world.join(longer);
    world.run(SECOND);
    world.forget_events();
    world.send(1, &Destination::All, Channel::Ordered, &"x".repeat(100_000)).expect("there is room");
    world.run(2 * SECOND);
    assert_eq!((world.messages(0).len(), world.messages(1).len()), (1, 1));
    for channel in [Channel::Ordered, Channel::Unreliable] {
        world.send(1, &Destination::All, channel, &"x".repeat(100_001)).expect("its own limit is higher");
        world.run(2 * SECOND);
        assert_eq!((world.messages(0).len(), world.messages(1).len()), (0, 0), "{channel:?}");
    }
    // Who says what nobody takes has only itself to blame: the others go on.
    world.send(0, &Destination::All, Channel::Ordered, "on").expect("there is room");
    world.run(SECOND);
    assert_eq!((world.heard(0), world.heard(1)), (vec!["1 Ordered on".into()], vec!["1 Ordered on".to_string()]));
    assert!(world.seats[0].peer.dropped().malformed >= 2);
}

#[test]
fn data_for_a_guest_is_bounded_and_drains_once() {
    for seat in [0, 1] {
        let mut world = World::with(2);
        let guest = world.room.add_guest();
        world.flush_room();
        world.run(SECOND);
        world.forget_events();
        let (now, payload) = (world.now, Bytes::from(vec![b'x'; 10_000]));
        for channel in [Channel::Unreliable, Channel::Ordered] {
            let mut taken = 0;
            let refused = loop {
                let sent = world.seats[seat].peer.send(now, &Destination::One(guest), channel, "x", payload.clone());
                match sent {
                    Ok(_) => taken += 1,
                    Err(error) => break error,
                }
                assert!(taken < 100, "it grows without bound");
            };
            assert!(matches!(refused, SendError::Full { queued } if queued > 256 * 1024), "{refused:?}");
            // The stream takes it from the machine and is full itself.
            let stream = world.seats[seat].stream.expect("it is connected");
            let told = |world: &World| {
                world.seats[seat].events.iter().filter(|event| **event == PeerEvent::Drained(channel)).count()
            };
            world.seats[seat].peer.handle(now, Input::Buffered { stream, bytes: 300_000 }).expect("it is open");
            world.drain(seat);
            assert_eq!(told(&world), 0);
            world.tell(seat, Input::Buffered { stream, bytes: 1_000 });
            world.tell(seat, Input::Buffered { stream, bytes: 0 });
            assert_eq!(told(&world), 1, "{channel:?}");
        }
    }
}

#[test]
fn who_was_sent_elsewhere_and_finds_nobody_asks_at_home_again() {
    let mut world = World::with(1);
    let redirect = ServerMessage::Redirect(Redirect { url: "ws://elsewhere/ws".into() });
    world.cut(0);
    let home = PlayerConfig::default().signaling_server;
    let mut urls = Vec::new();
    let seat = &mut world.seats[0].peer;
    let mut now = world.now;
    while urls.len() < 3 {
        now += SECOND / 10;
        let _ = seat.handle(now, Input::Timeout);
        while let Some((stream, url)) = opened(seat) {
            match urls.len() {
                0 => {
                    seat.handle(now, Input::Opened { stream }).expect("it was asked for");
                    let frame = encode_server(Encoding::Postcard, &redirect);
                    seat.handle(now, Input::Frame { stream, frame }).expect("it is open");
                }
                _ => seat.handle(now, Input::Failed { stream, why: "nobody".into() }).expect("it was asked for"),
            }
            urls.push(url);
        }
    }
    assert_eq!(urls, [home.clone(), "ws://elsewhere/ws".into(), home]);
}

/// The next stream that is asked for.
fn opened(peer: &mut webstar_core::peer::Peer) -> Option<(StreamId, String)> {
    loop {
        match peer.poll() {
            Output::Open { stream, target: webstar_core::peer::Target::WebSocket { url, .. } } => {
                return Some((stream, url));
            }
            Output::Timeout(_) => return None,
            _ => {}
        }
    }
}
