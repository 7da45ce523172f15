//! Conversations that once went wrong, each the smallest that did.

use crate::hand::{DIRECT, Hand, OTHER, Said, Spoken, message, noise, ping};
use crate::pipes::{Act, Fate, Kind, Side, World};
use webstar_core::config::SessionConfig;
use webstar_core::session::pipe::Control;
use webstar_core::session::shield::Encoder;
use webstar_core::session::{SessionEvent, SessionTimer};
use webstar_core::time::Duration;
use webstar_core::wire::frame::{Delivery, MessageFrame, Part, Priority, RepairFrame};

fn config() -> SessionConfig {
    SessionConfig {
        heartbeat_interval: Duration::from_secs(3600),
        warm_interval: Duration::from_secs(3600),
        min_rhythm: Duration::from_secs(3600),
        enable_protection: false,
        enable_compression: false,
        ..SessionConfig::default()
    }
}

/// The payloads that were told to the application.
fn heard(hand: &Hand) -> Vec<&[u8]> {
    let told = hand.events.iter();
    told.filter_map(|event| if let SessionEvent::Message(message) = event { Some(&message.payload[..]) } else { None })
        .collect()
}

fn ordered(seq: u64, compressed: bool, bytes: &[u8]) -> Vec<u8> {
    let (priority, delivery) = (Priority::Normal, Delivery::Ordered);
    let mut out = Vec::new();
    MessageFrame { priority, delivery, seq, key: 0, compressed, part: None, bytes }.write(&mut out);
    out
}

#[test]
fn an_empty_latest_message_gives_way_to_the_next() {
    let mut hand = Hand::direct(config());
    hand.send(Priority::Normal, Delivery::Latest, b"");
    hand.one();
    let newest = hand.send(Priority::Normal, Delivery::Latest, b"new");
    assert_eq!(hand.one().payloads(), [b"new"]);
    hand.acked(DIRECT, &[(0, 1)]);
    hand.drain();
    assert!(hand.heard(&SessionEvent::Acked(newest)));
}

#[test]
fn a_packet_that_comes_late_on_a_slow_path_is_still_acknowledged() {
    let mut hand = Hand::direct(config());
    hand.open(OTHER, 2048, Control::Stream);
    let slow = hand.seal(0, &ping());
    hand.hear(DIRECT, &ping());
    let told = hand.one();
    assert_eq!(told.acks(), Some(&[(1, 1)][..]));
    hand.acked(DIRECT, &[(told.number, told.number)]);
    hand.hear_packet(OTHER, &slow);
    let acks = hand.one().acks().map(<[_]>::to_vec).unwrap_or_default();
    assert!(acks.iter().any(|range| range.0 == 0), "{acks:?} does not name the packet that has just come");
}

#[test]
fn a_packet_overtaken_by_hundreds_on_another_path_still_counts() {
    let mut hand = Hand::direct(config());
    hand.open(OTHER, 2048, Control::Stream);
    let slow = hand.seal(0, &message(Delivery::Reliable, 0, 0, None, b"patience"));
    for _ in 0..300 {
        hand.hear(DIRECT, &ping());
        hand.drain();
    }
    hand.hear_packet(OTHER, &slow);
    hand.drain();
    assert_eq!(heard(&hand), [b"patience"]);
}

#[test]
fn parts_of_a_latest_message_are_not_dropped_once_they_are_acknowledged() {
    let mut hand = Hand::direct(config());
    let part = |offset| Some(Part { total: 2_000, offset });
    hand.hear(DIRECT, &message(Delivery::Latest, 0, 0, part(1_000), &[1; 1_000]));
    for seq in 0..8 {
        hand.hear(DIRECT, &message(Delivery::Unreliable, seq, 0, part(0), &[2; 1_000]));
    }
    hand.hear(DIRECT, &message(Delivery::Latest, 0, 0, part(0), &[1; 1_000]));
    hand.drain();
    assert_eq!(heard(&hand).len(), 1, "both parts were acknowledged, so the message has to come");
}

#[test]
fn a_lane_that_waits_for_its_oldest_message_does_not_hold_the_others_up() {
    let mut hand = Hand::new(SessionConfig { stream_window: 1 << 30, ..config() });
    hand.open(DIRECT, 1150, Control::Stream);
    hand.session.use_path(Some(DIRECT));
    for _ in 0..5_000 {
        hand.send(Priority::High, Delivery::Reliable, b"");
    }
    hand.drain();
    hand.send(Priority::Normal, Delivery::Reliable, b"meanwhile");
    assert_eq!(hand.one().payloads(), [b"meanwhile"]);
}

#[test]
fn an_unreliable_message_beside_one_without_room_is_told_once() {
    let mut hand = Hand::direct(SessionConfig { receive_buffer: 64 * 1024, ..config() });
    let part = |total| Some(Part { total, offset: 0 });
    hand.hear(DIRECT, &message(Delivery::Ordered, 1, 0, part(60_000), &[1; 1_000]));
    let mut frames = message(Delivery::Unreliable, 0, 0, None, b"once");
    frames.extend(message(Delivery::Ordered, 2, 0, part(60_000), &[2; 1_000]));
    let packet = hand.seal(1, &frames);
    for _ in 0..2 {
        hand.hear_packet(DIRECT, &packet);
        hand.drain();
    }
    assert_eq!(heard(&hand), [b"once"]);
}

#[test]
fn a_path_that_opens_again_knows_nothing_of_its_former_life() {
    let mut hand = Hand::direct(config());
    hand.send(Priority::Normal, Delivery::Reliable, b"one");
    hand.one();
    hand.go(300.0);
    hand.open(DIRECT, 1150, Control::Own);
    hand.drain();
    hand.go(600.0);
    hand.acked(DIRECT, &[(0, 0)]);
    let reading = hand.session.reading(hand.now, DIRECT).expect("the path is open");
    assert_eq!(reading.rtt, None, "nothing was sent on it");
}

#[test]
fn what_was_repeated_already_is_given_up_once() {
    let mut hand = Hand::direct(config());
    hand.open(OTHER, 2048, Control::Stream);
    hand.send(Priority::Normal, Delivery::Reliable, b"one");
    hand.one();
    assert_eq!(hand.due(610.0, SessionTimer::Ask)[0].payloads(), [b"one"]);
    hand.session.use_path(Some(OTHER));
    hand.session.give_up(hand.now, DIRECT);
    assert_eq!(hand.one().payloads(), [b"one"], "one copy is enough");
}

#[test]
fn the_longest_message_fits_into_an_empty_lane() {
    let settings = SessionConfig { max_message: 70_000, send_buffer: 70_000, ..config() };
    if settings.check().is_err() {
        return;
    }
    let mut hand = Hand::direct(settings);
    assert!(hand.try_send(Priority::Normal, Delivery::Reliable, 0, &noise(70_000)).is_ok());
}

#[test]
fn an_ordered_stream_goes_on_behind_a_message_that_does_not_decompress() {
    let mut hand = Hand::direct(config());
    for (seq, compressed) in [(1, false), (2, true), (3, false), (0, false), (4, false)] {
        hand.hear(DIRECT, &ordered(seq, compressed, &[seq as u8, 0xff]));
    }
    hand.drain();
    assert_eq!(heard(&hand).iter().map(|payload| payload[0]).collect::<Vec<_>>(), [0, 1, 3, 4]);
}

#[test]
fn talking_into_a_void_costs_bounded_memory() {
    let mut hand = Hand::direct(SessionConfig::default());
    let mut hours = |from: u32, to: u32| {
        let quiet = |hand: &mut Hand, seconds: u32| {
            hand.pass(f64::from(seconds) * 1e3);
            // What the session has told is the hand's, not the session's.
            hand.events = Vec::new();
        };
        let work = || (from * 60..=to * 60).for_each(|minute| quiet(&mut hand, minute * 60));
        allocation_counter::measure(work).bytes_current
    };
    hours(0, 1);
    let grown = hours(1, 3);
    assert!(grown < 128 * 1024, "{grown} bytes more are held after two hours without an answer");
}

#[test]
fn protection_meets_a_path_with_smaller_packets() {
    let settings = SessionConfig { enable_protection: true, protect_above: -1.0, ..config() };
    let mut hand = Hand::direct(settings);
    hand.open(OTHER, 256, Control::Own);
    for byte in 0..40 {
        hand.send(Priority::Critical, Delivery::Reliable, &[byte; 600]);
        hand.send(Priority::Normal, Delivery::Reliable, &[byte; 500]);
        hand.drain();
    }
    hand.session.use_path(Some(OTHER));
    hand.drain();
    hand.session.give_up(hand.now, DIRECT);
    let all: Vec<Spoken> = hand.pass(5_000.0);
    assert!(all.iter().filter(|spoken| spoken.path == OTHER).all(|spoken| spoken.length <= 256));
}

#[test]
fn late_packets_are_acknowledged_however_many_gaps_there_were() {
    let mut hand = Hand::direct(config());
    let mut last = 0;
    for number in (0..100).step_by(2) {
        hand.hear_as(DIRECT, number, &ping());
        last = hand.drain().last().map_or(last, |spoken| spoken.number);
    }
    // Of all the acknowledgements only the last has come through: it names 32 ranges of 50.
    hand.acked(DIRECT, &[(last, last)]);
    for number in (1..99).step_by(2) {
        hand.hear_as(DIRECT, number, &ping());
    }
    let acks = hand.drain().iter().filter_map(|spoken| spoken.acks().map(<[_]>::to_vec)).next_back();
    // The oldest of them is number 1; number 0 found no room then and has been sent again since.
    let lowest = acks.as_ref().and_then(|ranges| ranges.last()).map(|range| range.0);
    assert_eq!(lowest, Some(1), "{acks:?}");
}

#[test]
fn a_newer_latest_message_lets_go_of_the_parts_of_an_older_one() {
    let mut hand = Hand::direct(config());
    hand.hear(DIRECT, &message(Delivery::Latest, 0, 5, Some(Part { total: 2_000, offset: 0 }), &[1; 1_000]));
    hand.hear(DIRECT, &message(Delivery::Latest, 1, 5, None, b"newer"));
    hand.drain();
    assert_eq!(heard(&hand), [b"newer"]);
    assert_eq!(hand.session.stats(hand.now).held, 0);
}

/// What a side with a small receive buffer has received some seconds after messages of these kinds were sent to it.
fn through_a_small_buffer(kinds: &[(Priority, Delivery, usize)]) -> Vec<Delivery> {
    let settings = SessionConfig { receive_buffer: 64 * 1024, max_message: 100_000, ..SessionConfig::default() };
    if settings.check().is_err() {
        return kinds.iter().map(|kind| kind.1).collect();
    }
    let mut world = World::new(settings, Fate::GOOD, None);
    for &(priority, delivery, length) in kinds {
        let like = Kind { priority, delivery, key: 0, length, compressible: false };
        world.act(&Act::Send { side: Side::A, count: 1, like });
    }
    world.wait(Duration::from_secs(10));
    world.received(Side::B).iter().map(|message| message.delivery).collect()
}

#[test]
fn a_message_that_finds_no_room_does_not_hold_up_those_that_do() {
    for loose in [Delivery::Unreliable, Delivery::Latest] {
        let came = through_a_small_buffer(&[
            (Priority::Normal, Delivery::Reliable, 60_000),
            (Priority::Critical, loose, 60_000),
        ]);
        assert!(came.contains(&Delivery::Reliable), "ten seconds are two hundred round trips, and {came:?} came");
        assert!(!loose.is_kept() || came.contains(&loose), "{came:?}");
    }
}

#[test]
fn a_latest_message_longer_than_the_receive_buffer_arrives() {
    assert_eq!(through_a_small_buffer(&[(Priority::Normal, Delivery::Latest, 80_000)]), [Delivery::Latest]);
}

#[test]
fn silent_sides_go_on_measuring() {
    let mut world = World::new(SessionConfig::default(), Fate::GOOD, None);
    world.wait(Duration::from_secs(5));
    for path in [DIRECT, OTHER] {
        world.act(&Act::Weather { path, fate: Fate { delay: 100, ..Fate::GOOD } });
    }
    world.wait(Duration::from_secs(30));
    let rtt = world.reading(Side::A, DIRECT).rtt.unwrap_or_default();
    assert!(rtt > Duration::from_millis(150), "a round trip takes 200 ms by now, and counts as {rtt:?}");
}

#[test]
fn a_symbol_recovered_from_a_packet_that_is_not_taken_waits_to_be_told() {
    let mut hand = Hand::direct(config());
    hand.hear_as(DIRECT, 0, &message(Delivery::Reliable, 0, 0, None, b"zero"));
    let mut encoder = Encoder::new();
    encoder.push(1, &message(Delivery::Reliable, 1, 0, None, b"one"));
    let plan = encoder.plan(2, 8, 1_000).expect("one packet is protected");
    let mut frames = Vec::new();
    RepairFrame::write_head(1, plan.covered, plan.len, &mut frames);
    encoder.write(&plan, 2, 0, &mut frames);
    frames.push(0x7f);
    hand.hear_as(DIRECT, 2, &frames);
    let told = hand.pass(20.0);
    assert_eq!(heard(&hand), [&b"zero"[..], b"one"]);
    assert!(told.iter().all(|spoken| spoken.acks() == Some(&[(0, 0)])), "{told:?}");
    hand.hear_as(DIRECT, 3, &ping());
    let recovered = |said: &Said| matches!(said, Said::Ack { recovered, .. } if *recovered == [1]);
    assert!(hand.pass(40.0).iter().any(|spoken| spoken.said.iter().any(recovered)));
}
