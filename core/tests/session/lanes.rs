//! The lanes: who goes first, who gets how much, what is refused and when there is room again.

use crate::hand::{DIRECT, Hand, OTHER, Said, Spoken, at, noise};
use webstar_core::config::SessionConfig;
use webstar_core::id::MessageId;
use webstar_core::session::pipe::Control;
use webstar_core::session::{SendError, SessionEvent};
use webstar_core::time::Duration;
use webstar_core::wire::frame::{Delivery, Priority};

/// What holding a message costs beyond its bytes.
const OVERHEAD: usize = 64;

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

/// A session on a pipe that takes everything at once, so that only the lanes decide.
fn wide(config: &SessionConfig) -> Hand {
    let mut hand = Hand::new(SessionConfig { stream_window: 1 << 30, ..config.clone() });
    hand.open(DIRECT, 1150, Control::Stream);
    hand.session.use_path(Some(DIRECT));
    hand
}

fn payload_bytes(spoken: &Spoken, priority: Priority) -> usize {
    let bytes = |said: &Said| match said {
        Said::Message { priority: lane, bytes, .. } if *lane == priority => bytes.len(),
        _ => 0,
    };
    spoken.said.iter().map(bytes).sum()
}

/// The bytes of each priority in the packets that left while all lanes had something to say.
fn shares(spoken: &[Spoken]) -> [usize; 4] {
    let each = |spoken: &Spoken| Priority::ALL.map(|priority| payload_bytes(spoken, priority));
    let last_of_high = spoken.iter().rposition(|spoken| payload_bytes(spoken, Priority::High) > 0).unwrap_or(0);
    spoken[..last_of_high]
        .iter()
        .map(each)
        .fold([0; 4], |sum, more| core::array::from_fn(|lane| sum[lane] + more[lane]))
}

#[test]
fn critical_messages_leave_before_all_others() {
    let mut hand = wide(&config());
    for priority in [Priority::Low, Priority::Normal, Priority::High, Priority::Critical] {
        for _ in 0..20 {
            hand.send(priority, Delivery::Reliable, &[priority as u8; 400]);
        }
    }
    let all = hand.drain();
    let order: Vec<u8> = all.iter().flat_map(Spoken::payloads).map(|payload| payload[0]).collect();
    let last_critical = order.iter().rposition(|lane| *lane == Priority::Critical as u8);
    let first_other = order.iter().position(|lane| *lane != Priority::Critical as u8);
    assert!(last_critical < first_other, "{order:?}");
    assert_eq!(order.len(), 80);
}

#[test]
fn the_others_share_by_eight_four_and_one() {
    for (count, length) in [(100, 10_000), (5, 200_000), (3_000, 100)] {
        let mut hand = wide(&config());
        for _ in 0..count {
            for priority in [Priority::Low, Priority::Normal, Priority::High] {
                hand.send(priority, Delivery::Reliable, &vec![7; length]);
            }
        }
        let [critical, high, normal, low] = shares(&hand.drain());
        assert_eq!(critical, 0);
        let total = (high + normal + low) as f64;
        for (bytes, share) in [(high, 8.0), (normal, 4.0), (low, 1.0)] {
            let got = bytes as f64 / total * 13.0;
            assert!((got - share).abs() < 0.02 * 13.0, "{got:.3} instead of {share}, {count} messages of {length}");
        }
    }
}

#[test]
fn a_share_that_is_not_used_goes_to_those_who_want_it() {
    let mut hand = wide(&config());
    for priority in [Priority::Low, Priority::Normal] {
        for _ in 0..50 {
            hand.send(priority, Delivery::Ordered, &[7; 10_000]);
        }
    }
    let all = hand.drain();
    let first: Vec<&Spoken> = all.iter().take(200).collect();
    let bytes = |priority| first.iter().map(|spoken| payload_bytes(spoken, priority)).sum::<usize>() as f64;
    let ratio = bytes(Priority::Normal) / bytes(Priority::Low);
    assert!((ratio - 4.0).abs() < 0.3, "{ratio}");
}

#[test]
fn a_snapshot_delays_a_critical_message_by_one_packet_at_most() {
    let snapshot = noise(16 << 20);
    let large = SessionConfig { max_message: 16 << 20, send_buffer: 17 << 20, ..config() };
    for (control, max_packet) in [(Control::Own, 1150), (Control::Below, 1050), (Control::Stream, 2048)] {
        let mut hand = Hand::new(large.clone());
        hand.open(DIRECT, max_packet, control);
        hand.session.use_path(Some(DIRECT));
        hand.send(Priority::Low, Delivery::Reliable, &snapshot);
        for round in 0..50u64 {
            // Whatever the pacer has let go, however full the window is: the very next packet. Where another control lies
            // below, the session waits for its pipe to be empty.
            hand.drain();
            hand.session.on_buffered(DIRECT, 0);
            hand.send(Priority::Critical, Delivery::Ordered, &[round as u8; 40]);
            let next = hand.drain();
            assert_eq!(next.first().map(|spoken| payload_bytes(spoken, Priority::Critical)), Some(40), "{control:?}");
            let now = round as f64 * 20.0 + 20.0;
            hand.pass(now);
            let end = next.last().map_or(0, |spoken| spoken.number);
            hand.acked(DIRECT, &[(0, end)]);
        }
    }
}

#[test]
fn a_latest_message_that_has_not_left_is_replaced_in_its_place() {
    let mut hand = Hand::new(config());
    let mut send = |key, payload: &[u8]| hand.try_send(Priority::Normal, Delivery::Latest, key, payload);
    send(1, b"old and long").expect("there is room");
    send(2, b"other").expect("there is room");
    let newest = send(1, b"new").expect("there is room");
    assert_eq!(hand.session.queued(Priority::Normal), b"new".len() + b"other".len() + 2 * OVERHEAD);
    hand.open(DIRECT, 1150, Control::Own);
    hand.session.use_path(Some(DIRECT));
    let spoken = hand.one();
    assert_eq!(spoken.payloads(), [&b"new"[..], b"other"], "in the place of the old one");
    hand.acked(DIRECT, &[(0, 0)]);
    hand.drain();
    assert!(hand.heard(&SessionEvent::Acked(newest)) && !hand.heard(&SessionEvent::Acked(MessageId(0))));
    assert_eq!(hand.session.queued(Priority::Normal), 0);
}

#[test]
fn a_latest_message_that_was_overtaken_by_a_newer_one_is_not_repeated() {
    let mut hand = wide(&config());
    hand.open(OTHER, 1150, Control::Stream);
    for payload in [b"one", b"two"] {
        hand.try_send(Priority::High, Delivery::Latest, 9, payload).expect("there is room");
        assert_eq!(hand.one().payloads(), [payload]);
    }
    hand.session.use_path(Some(OTHER));
    hand.session.give_up(hand.now, DIRECT);
    assert_eq!(hand.one().payloads(), [b"two"]);
    assert_eq!(hand.session.queued(Priority::High), 3 + OVERHEAD);
}

#[test]
fn a_full_lane_refuses_and_tells_once_when_half_is_free() {
    let mut hand = wide(&SessionConfig { max_message: 1_000, send_buffer: 4_000, ..config() });
    let mut numbers = Vec::new();
    while hand.try_send(Priority::Normal, Delivery::Reliable, 0, &[1; 436]).is_ok() {
        numbers.push(hand.one().number);
    }
    assert_eq!(numbers.len(), 8, "4,000 bytes hold eight messages of 436 + 64");
    let refused = hand.try_send(Priority::Normal, Delivery::Reliable, 0, &[1; 436]);
    assert_eq!(refused, Err(SendError::Full { queued: 4_000 }));
    assert!(hand.try_send(Priority::High, Delivery::Reliable, 0, &[1; 436]).is_ok(), "another lane has room");
    let drained = SessionEvent::Drained(Priority::Normal);
    for (at, number) in numbers.iter().enumerate() {
        hand.acked(DIRECT, &[(*number, *number)]);
        hand.drain();
        assert_eq!(hand.heard(&drained), at >= 3, "half is free with the fourth");
    }
    assert_eq!(hand.events.iter().filter(|event| **event == drained).count(), 1);
    assert!(!hand.heard(&SessionEvent::Drained(Priority::High)), "which refused nothing");
}

#[test]
fn a_lane_full_of_unreliable_messages_tells_when_they_have_left() {
    let mut hand = Hand::new(SessionConfig { max_message: 1_000, send_buffer: 2_000, ..config() });
    while hand.try_send(Priority::Low, Delivery::Unreliable, 0, &[1; 436]).is_ok() {}
    hand.open(DIRECT, 1150, Control::Own);
    hand.session.use_path(Some(DIRECT));
    let last = hand.drain().last().map(|spoken| spoken.number).expect("they leave");
    assert_eq!(hand.session.queued(Priority::Low), 0);
    hand.acked(DIRECT, &[(0, last)]);
    hand.drain();
    assert!(hand.heard(&SessionEvent::Drained(Priority::Low)));
}

#[test]
fn what_is_not_kept_leaves_room_in_the_lanes_of_what_is() {
    let settings = SessionConfig { max_message: 2_000, send_buffer: 4_000, loose_buffer: 1_000, ..config() };
    for priority in Priority::ALL {
        let is_shared = matches!(priority, Priority::Normal | Priority::Low);
        let mut hand = wide(&settings);
        assert!(hand.try_send(priority, Delivery::Latest, 0, &[1; 436]).is_ok());
        assert!(hand.try_send(priority, Delivery::Unreliable, 0, &[1; 436]).is_ok());
        let more = hand.try_send(priority, Delivery::Unreliable, 0, &[]);
        assert_eq!(more.is_ok(), !is_shared, "{priority:?}");
        assert!(!is_shared || more == Err(SendError::Full { queued: 1_000 }), "{more:?}");
        assert!(hand.try_send(priority, Delivery::Latest, 0, &[2; 436]).is_ok(), "it takes the place of the first");
        assert!(hand.try_send(priority, Delivery::Ordered, 0, &[1; 1_936]).is_ok(), "there is room for what is kept");

        assert!(!hand.heard(&SessionEvent::Drained(priority)));
        let last = hand.drain().last().map(|spoken| spoken.number).expect("they leave");
        hand.acked(DIRECT, &[(0, last)]);
        hand.drain();
        assert_eq!(hand.heard(&SessionEvent::Drained(priority)), is_shared);
        assert!(hand.try_send(priority, Delivery::Unreliable, 0, &[1; 2_000]).is_ok(), "one is always taken");
    }
}

#[test]
fn a_shared_lane_tells_once_half_of_what_is_not_kept_is_free() {
    let mut hand = wide(&SessionConfig { max_message: 1_000, send_buffer: 8_000, loose_buffer: 2_000, ..config() });
    let mut numbers = Vec::new();
    for key in 0..4 {
        assert!(hand.try_send(Priority::Low, Delivery::Latest, key, &[1; 436]).is_ok());
        numbers.push(hand.one().number);
    }
    let refused = hand.try_send(Priority::Low, Delivery::Latest, 4, &[]);
    assert_eq!(refused, Err(SendError::Full { queued: 2_000 }));
    let drained = SessionEvent::Drained(Priority::Low);
    for (at, number) in numbers.iter().enumerate() {
        hand.acked(DIRECT, &[(*number, *number)]);
        hand.drain();
        assert_eq!(hand.heard(&drained), at >= 1, "half is free with the second");
    }
    assert_eq!(hand.events.iter().filter(|event| **event == drained).count(), 1);
}

#[test]
fn a_newer_latest_message_needs_only_the_difference() {
    let mut hand = Hand::new(SessionConfig { max_message: 1_000, send_buffer: 1_064, ..config() });
    let mut send = |payload: &[u8]| hand.try_send(Priority::Normal, Delivery::Latest, 0, payload);
    assert!(send(&[1; 1_000]).is_ok());
    assert!(send(&[2; 1_000]).is_ok(), "it takes the place of the first");
    assert_eq!(hand.try_send(Priority::Normal, Delivery::Latest, 1, &[]), Err(SendError::Full { queued: 1_064 }));
}

#[test]
fn messages_beyond_the_limit_and_keys_beyond_the_number_are_refused() {
    let mut hand = wide(&SessionConfig { max_message: 100, max_keys: 2, ..config() });
    for delivery in Delivery::ALL {
        let refused = hand.try_send(Priority::Normal, delivery, 0, &[0; 101]);
        assert_eq!(refused, Err(SendError::TooLong { max: 100 }));
    }
    for (key, taken) in [(5, true), (6, true), (7, false), (5, true), (6, true)] {
        let result = hand.try_send(Priority::Normal, Delivery::Latest, key, &[0; 100]);
        assert_eq!(result.is_ok(), taken, "{result:?}");
        assert!(taken || result == Err(SendError::TooManyKeys { max: 2 }));
    }
    assert!(hand.try_send(Priority::High, Delivery::Latest, 7, &[]).is_ok(), "each priority has keys of its own");
}

#[test]
fn empty_messages_are_messages() {
    for delivery in Delivery::ALL {
        let mut hand = wide(&config());
        let id = hand.send(Priority::Normal, delivery, &[]);
        let spoken = hand.one();
        assert_eq!(spoken.payloads(), [&[] as &[u8]], "{delivery:?}");
        hand.now = at(10.0);
        hand.acked(DIRECT, &[(0, 0)]);
        hand.drain();
        assert_eq!(hand.heard(&SessionEvent::Acked(id)), delivery.is_kept(), "{delivery:?}");
        assert_eq!(hand.session.queued(Priority::Normal), 0, "{delivery:?}");
    }
}

#[test]
fn messages_are_numbered_as_they_are_taken() {
    let mut hand = Hand::new(SessionConfig { max_message: 10, ..config() });
    for expected in 0..3 {
        assert!(hand.try_send(Priority::Low, Delivery::Ordered, 0, &[0; 11]).is_err());
        assert_eq!(hand.send(Priority::High, Delivery::Latest, &[]), MessageId(expected));
    }
}
