//! The session's moments, to the nanosecond: when it acknowledges, when it counts a packet as lost, when it asks again,
//! and when it speaks with nothing to say.

use crate::hand::{DIRECT, Hand, OTHER, Said, Spoken, at, message, noise, ping};
use webstar_core::config::SessionConfig;
use webstar_core::session::pipe::Control;
use webstar_core::session::{SessionEvent, SessionTimer};
use webstar_core::time::Duration;
use webstar_core::wire::frame::{self, Delivery, Priority};

const MS: Duration = Duration::from_millis(1);

/// Quiet in all that a test is not about: no heartbeat for long, no protection.
fn quiet() -> SessionConfig {
    SessionConfig {
        heartbeat_interval: Duration::from_secs(3600),
        warm_interval: Duration::from_secs(3600),
        min_rhythm: Duration::from_secs(3600),
        enable_protection: false,
        ..SessionConfig::default()
    }
}

/// A direct path whose round trip was measured once, as 50 ms; the next packet has number 1. It is 50 ms.
fn measured() -> Hand {
    let mut hand = Hand::direct(quiet());
    say(&mut hand, 0);
    hand.go(50.0);
    hand.acked(DIRECT, &[(0, 0)]);
    hand.silence();
    hand
}

/// A reliable message in a packet of its own.
fn say(hand: &mut Hand, byte: u8) -> Spoken {
    hand.send(Priority::Normal, Delivery::Reliable, &[byte]);
    hand.one()
}

fn reading(hand: &Hand, path: webstar_core::id::PathId) -> webstar_core::session::pipe::PathReading {
    hand.session.reading(hand.now, path).expect("the path is open")
}

#[test]
fn three_later_packets_make_one_lost_at_once() {
    let mut hand = measured();
    for number in 1..=4 {
        assert_eq!(say(&mut hand, number).number, u64::from(number));
    }
    hand.go(100.0);
    hand.acked(DIRECT, &[(4, 4), (0, 0)]);
    let again = hand.one();
    assert_eq!(again.payloads(), [[1]], "one is overtaken by three, two and three by fewer");
    assert_eq!(hand.session.stats(hand.now).paths[0].packets_lost, 1);
}

#[test]
fn an_overtaken_packet_is_lost_after_nine_eighths_of_a_round_trip() {
    let mut hand = measured();
    say(&mut hand, 1);
    hand.go(53.0);
    say(&mut hand, 2);
    hand.go(101.0);
    hand.acked(DIRECT, &[(2, 2), (0, 0)]);
    hand.silence();
    // The round trip by then is (7 x 50 + 48) / 8 = 49.75 ms; 9/8 of it from 50 ms on.
    let again = hand.due(50.0 + 49.75 * 1.125, SessionTimer::Loss);
    assert_eq!(again.iter().map(Spoken::payloads).collect::<Vec<_>>(), [[[1]]]);
}

#[test]
fn what_nothing_overtook_is_not_lost_by_time() {
    let mut hand = measured();
    say(&mut hand, 1);
    assert_eq!(hand.deadline(), (at(50.0 + 160.0), SessionTimer::Ask));
}

#[test]
fn silence_is_asked_after_a_probe_time_out_that_doubles() {
    let mut hand = Hand::direct(quiet());
    say(&mut hand, 7);
    // Nothing measured: 200 + 4 x 100 + 10.
    let mut due = 610.0;
    for doubling in 0..9u32 {
        let asked = hand.due(due, SessionTimer::Ask);
        assert_eq!(asked.len(), 1, "one packet asks: {asked:?}");
        match doubling {
            0 => assert_eq!(asked[0].payloads(), [[7]], "it carries what has not been acknowledged"),
            1 => assert_eq!(asked[0].payloads(), [[7]], "as does the next, whose own content was not acknowledged"),
            _ => {}
        }
        assert!(!asked[0].said.is_empty());
        // A pause of two seconds is the longest.
        due += f64::min(610.0 * f64::from(2 << doubling), 2_000.0);
    }
}

#[test]
fn a_measured_round_trip_makes_the_probe_time_out() {
    let mut hand = measured();
    say(&mut hand, 1);
    // 50 + 4 x 25 + 10, from the moment it left.
    assert_eq!(hand.due(210.0, SessionTimer::Ask).len(), 1);
    assert_eq!(hand.deadline(), (at(210.0 + 320.0), SessionTimer::Ask));
    hand.go(220.0);
    hand.acked(DIRECT, &[(2, 2), (0, 0)]);
    say(&mut hand, 2);
    assert!(hand.deadline().0 < at(420.0), "an acknowledgement begins the doubling anew");
}

#[test]
fn no_probe_time_out_is_below_twenty_milliseconds() {
    let mut hand = Hand::direct(quiet());
    say(&mut hand, 0);
    hand.go(1.0);
    hand.acked(DIRECT, &[(0, 0)]);
    say(&mut hand, 1);
    assert_eq!(hand.deadline(), (at(21.0), SessionTimer::Ask), "1 + 4 x 0.5 + 10 is less");
}

#[test]
fn an_acknowledgement_waits_ten_milliseconds_for_company() {
    let mut hand = Hand::direct(quiet());
    hand.go(5.0);
    hand.hear(DIRECT, &ping());
    hand.silence();
    let spoken = hand.due(15.0, SessionTimer::Ack);
    let delay = Duration::from_micros(10_000 / 64 * 64);
    assert_eq!(spoken[0].said, [Said::Ack { ranges: vec![(0, 0)], recovered: vec![], delay }]);
    hand.go(16.0);
    hand.hear(DIRECT, &ping());
    hand.go(18.0);
    let spoken = say(&mut hand, 1);
    assert_eq!(spoken.acks(), Some(&[(0, 1)][..]), "a packet that leaves anyway takes it along");
    assert_ne!(hand.deadline().1, SessionTimer::Ack);
}

#[test]
fn for_unreliable_messages_alone_it_waits_forty_and_the_sender_knows() {
    let mut hand = Hand::direct(quiet());
    let unreliable = |seq| message(Delivery::Unreliable, seq, 0, None, b"move");
    hand.hear(DIRECT, &unreliable(0));
    hand.silence();
    hand.go(30.0);
    hand.hear(DIRECT, &unreliable(1));
    assert_eq!(hand.due(40.0, SessionTimer::Ack)[0].acks(), Some(&[(0, 1)][..]));
    hand.go(50.0);
    hand.hear(DIRECT, &unreliable(2));
    hand.hear(DIRECT, &message(Delivery::Reliable, 0, 0, None, b"kept"));
    assert_eq!(hand.due(60.0, SessionTimer::Ack)[0].acks(), Some(&[(0, 3)][..]), "what is kept does not wait");

    let mut hand = measured();
    hand.send(Priority::Normal, Delivery::Unreliable, &[1]);
    hand.one();
    assert_eq!(hand.deadline(), (at(50.0 + 190.0), SessionTimer::Ask), "50 + 4 x 25 + 40");
    say(&mut hand, 2);
    assert_eq!(hand.deadline(), (at(50.0 + 160.0), SessionTimer::Ask));
}

#[test]
fn a_gap_and_what_fills_it_are_acknowledged_at_once() {
    let mut hand = Hand::direct(quiet());
    hand.hear_as(DIRECT, 0, &ping());
    hand.silence();
    hand.hear_as(DIRECT, 2, &ping());
    assert_eq!(hand.one().acks(), Some(&[(2, 2), (0, 0)][..]));
    hand.hear_as(DIRECT, 3, &ping());
    hand.silence();
    hand.hear_as(DIRECT, 1, &ping());
    assert_eq!(hand.one().acks(), Some(&[(0, 3)][..]));
}

#[test]
fn every_eighth_packet_that_asks_is_answered_at_once() {
    let mut hand = Hand::direct(quiet());
    for round in 0..3u64 {
        for number in 0..7 {
            hand.hear_as(DIRECT, round * 8 + number, &ping());
            hand.silence();
        }
        hand.hear_as(DIRECT, round * 8 + 7, &ping());
        assert_eq!(hand.one().acks(), Some(&[(0, round * 8 + 7)][..]));
    }
}

#[test]
fn acknowledgements_alone_are_not_acknowledged() {
    let mut hand = Hand::direct(quiet());
    say(&mut hand, 0);
    for _ in 0..20 {
        hand.acked(DIRECT, &[(0, 0)]);
        hand.silence();
    }
    assert_eq!(hand.deadline().1, SessionTimer::Heartbeat);
    assert_eq!(say(&mut hand, 1).acks(), Some(&[(0, 19)][..]), "a packet that leaves anyway tells of them");
}

#[test]
fn the_heartbeat_keeps_the_announced_rhythm() {
    let mut hand = Hand::direct(SessionConfig { enable_protection: false, ..SessionConfig::default() });
    for beat in 1..=3 {
        let spoken = hand.due(f64::from(beat) * 100.0, SessionTimer::Heartbeat);
        assert_eq!((spoken.len(), spoken[0].pings(), spoken[0].rhythm), (1, true, 100 * MS));
    }
}

#[test]
fn a_slower_rhythm_holds_only_once_it_was_acknowledged() {
    let config = SessionConfig { initial_rtt: Duration::from_secs(100), ..SessionConfig::default() };
    let mut hand = Hand::direct(config);
    hand.session.set_heartbeat(500 * MS);
    for beat in 1..=3 {
        let spoken = hand.due(f64::from(beat) * 100.0, SessionTimer::Heartbeat);
        assert!(spoken[0].pings() && spoken[0].rhythm == 512 * MS, "announced in steps of a sixteenth octave, upwards");
    }
    hand.go(330.0);
    hand.acked(DIRECT, &[(0, 0)]);
    hand.silence();
    assert_eq!(hand.deadline(), (at(300.0 + 512.0), SessionTimer::Heartbeat));
}

#[test]
fn a_quicker_rhythm_holds_at_once() {
    let mut hand = Hand::direct(SessionConfig { enable_protection: false, ..SessionConfig::default() });
    hand.session.set_heartbeat(40 * MS);
    assert_eq!(hand.due(100.0, SessionTimer::Heartbeat)[0].rhythm, 40 * MS);
    assert_eq!(hand.deadline(), (at(140.0), SessionTimer::Heartbeat));
}

#[test]
fn a_path_not_in_use_speaks_as_seldom_as_promised() {
    let mut hand = Hand::direct(SessionConfig { enable_protection: false, ..SessionConfig::default() });
    hand.open(OTHER, 1150, Control::Stream);
    let first = hand.pass(100.0);
    let warm: Vec<_> = first.iter().filter(|spoken| spoken.path == OTHER).collect();
    assert!(warm.len() == 1 && warm[0].pings());
    assert_eq!(warm[0].rhythm, Duration::from_millis(15_360), "15 s, in steps of a sixteenth octave, upwards");
    let number = warm[0].number;
    hand.acked(OTHER, &[(number, number)]);
    let quiet = hand.pass(15_459.0);
    assert!(quiet.iter().all(|spoken| spoken.path == DIRECT));
    assert!(hand.pass(15_460.0).iter().any(|spoken| spoken.path == OTHER));
}

#[test]
fn on_an_ordered_stream_what_is_overtaken_is_lost_and_silence_repeats_nothing() {
    let mut hand = Hand::new(quiet());
    hand.open(OTHER, 2048, Control::Stream);
    hand.session.use_path(Some(OTHER));
    say(&mut hand, 1);
    say(&mut hand, 2);
    let asked = hand.due(610.0, SessionTimer::Ask);
    assert_eq!(asked[0].said, [Said::Ping], "late is not lost: only a ping asks");
    hand.go(700.0);
    hand.acked(OTHER, &[(1, 1)]);
    assert_eq!(hand.one().payloads(), [[1]], "one later packet is proof enough");
}

#[test]
fn what_is_given_up_leaves_on_the_other_path_at_once() {
    let mut hand = Hand::direct(quiet());
    hand.open(OTHER, 2048, Control::Stream);
    say(&mut hand, 1);
    say(&mut hand, 2);
    hand.go(30.0);
    hand.session.use_path(Some(OTHER));
    hand.silence();
    hand.session.give_up(hand.now, DIRECT);
    let again = hand.one();
    assert_eq!((again.path, again.payloads()), (OTHER, vec![&[1][..], &[2][..]]));
    assert_eq!(hand.session.stats(hand.now).paths[0].packets_lost, 0, "what is given up is not lost");
    hand.acked(DIRECT, &[(0, 1)]);
    hand.silence();
    assert!(hand.events.iter().filter(|event| matches!(event, SessionEvent::Acked(_))).count() == 2);
}

#[test]
fn every_path_has_a_round_trip_of_its_own() {
    let mut hand = Hand::direct(quiet());
    hand.open(OTHER, 1150, Control::Own);
    say(&mut hand, 1);
    hand.go(20.0);
    hand.acked(OTHER, &[(0, 0)]);
    hand.silence();
    hand.session.use_path(Some(OTHER));
    say(&mut hand, 2);
    hand.go(220.0);
    hand.acked(DIRECT, &[(1, 1)]);
    assert_eq!(reading(&hand, DIRECT).rtt, Some(20 * MS), "by the path a packet left on, not that of its answer");
    assert_eq!(reading(&hand, OTHER).rtt, Some(200 * MS));
}

#[test]
fn the_delay_of_an_acknowledgement_is_no_part_of_the_round_trip() {
    let mut hand = measured();
    say(&mut hand, 1);
    hand.go(50.0 + 50.0 + 8.0);
    hand.acked_after(DIRECT, &[(0, 1)], Duration::from_micros(7_936));
    let expected = (50 * MS * 7 + 58 * MS - Duration::from_micros(7_936)) / 8;
    assert_eq!(reading(&hand, DIRECT).rtt, Some(expected));
}

#[test]
fn a_probe_measures_its_own_path_and_answers_on_it() {
    let mut hand = Hand::direct(quiet());
    hand.open(OTHER, 1150, Control::Own);
    hand.session.probe(OTHER, 77);
    let probe = hand.one();
    assert_eq!((probe.path, probe.said), (OTHER, vec![Said::Probe(77)]));
    hand.go(30.0);
    let mut frames = Vec::new();
    frame::write_probe(5, &mut frames);
    frame::write_probe_answer(77, &mut frames);
    hand.hear(OTHER, &frames);
    let answer = hand.one();
    assert_eq!((answer.path, &answer.said[0]), (OTHER, &Said::ProbeAnswer(5)));
    assert!(hand.heard(&SessionEvent::ProbeAnswered { path: OTHER, token: 77, rtt: 30 * MS }));
    assert_eq!(reading(&hand, OTHER).rtt, Some(30 * MS));
}

#[test]
fn a_late_acknowledgement_raises_the_packet_threshold() {
    let mut hand = measured();
    for number in 1..=4 {
        say(&mut hand, number);
    }
    hand.go(60.0);
    hand.acked(DIRECT, &[(4, 4), (0, 0)]);
    assert_eq!(hand.one().payloads(), [[1]], "number 5 carries it again");
    hand.acked(DIRECT, &[(0, 5)]);
    for number in 6..=9 {
        assert_eq!(say(&mut hand, number).number, u64::from(number));
    }
    hand.go(61.0);
    hand.acked(DIRECT, &[(9, 9), (0, 5)]);
    hand.silence();
    assert_eq!(say(&mut hand, 10).number, 10);
    hand.acked(DIRECT, &[(9, 10), (0, 5)]);
    assert_eq!(hand.one().payloads(), [[6]], "overtaken by four");
}

#[test]
fn unreliable_messages_wait_a_second_and_no_longer() {
    for (waited, is_sent) in [(1_000.0, true), (1_000.001, false)] {
        let mut hand = Hand::new(quiet());
        hand.send(Priority::Normal, Delivery::Unreliable, b"now or never");
        hand.send(Priority::Normal, Delivery::Reliable, b"whenever");
        hand.go(waited);
        hand.open(DIRECT, 1150, Control::Own);
        hand.session.use_path(Some(DIRECT));
        let expected: &[&[u8]] = if is_sent { &[b"now or never", b"whenever"] } else { &[b"whenever"] };
        assert_eq!(hand.one().payloads(), expected);
        assert_eq!(hand.session.queued(Priority::Normal), b"whenever".len() + 64, "what expired is held no more");
    }
}

#[test]
fn with_a_tick_messages_leave_together() {
    let mut hand = Hand::direct(SessionConfig { tick: Some(16 * MS), ..quiet() });
    hand.go(1.0);
    assert_eq!(say(&mut hand, 1).payloads(), [[1]], "the first opens the tick");
    for (millis, byte) in [(5.0, 2), (9.0, 3)] {
        hand.go(millis);
        hand.send(Priority::Critical, Delivery::Unreliable, &[byte]);
        hand.silence();
    }
    let together = hand.due(17.0, SessionTimer::Tick);
    assert_eq!(together.iter().map(Spoken::payloads).collect::<Vec<_>>(), [[[2], [3]]]);
}

#[test]
fn a_tick_does_not_hold_acknowledgements_back() {
    let mut hand = Hand::direct(SessionConfig { tick: Some(100 * MS), ..quiet() });
    say(&mut hand, 1);
    hand.hear(DIRECT, &ping());
    hand.send(Priority::Normal, Delivery::Reliable, &[2]);
    let spoken = hand.due(10.0, SessionTimer::Ack);
    assert!(spoken[0].payloads().is_empty() && spoken[0].acks().is_some());
    assert_eq!(hand.due(100.0, SessionTimer::Tick)[0].payloads(), [[2]]);
}

#[test]
fn messages_beyond_the_threshold_are_compressed_if_that_saves_a_tenth() {
    let config = |enable_compression| SessionConfig { enable_compression, ..quiet() };
    for (enabled, payload, expected) in [
        (true, vec![0; 1_024], false),
        (true, vec![0; 1_025], true),
        (false, vec![0; 1_025], false),
        (true, noise(5_000), false),
    ] {
        let mut hand = Hand::direct(config(enabled));
        hand.send(Priority::Normal, Delivery::Reliable, &payload);
        let all = hand.drain();
        let is_compressed = |said: &Said| matches!(said, Said::Message { compressed: true, .. });
        assert_eq!(all.iter().flat_map(|spoken| &spoken.said).any(is_compressed), expected, "{}", payload.len());
    }
}

#[test]
fn parts_given_up_by_a_switch_leave_in_smaller_ones() {
    let payload = noise(3_000);
    let mut hand = Hand::direct(quiet());
    hand.open(OTHER, 300, Control::Stream);
    hand.send(Priority::Normal, Delivery::Ordered, &payload);
    let first: Vec<Spoken> = hand.pass(200.0);
    assert!(first.iter().flat_map(|spoken| spoken.payloads().concat()).eq(payload.iter().copied()));
    hand.acked(DIRECT, &[(1, 1)]);
    hand.session.use_path(Some(OTHER));
    hand.session.give_up(hand.now, DIRECT);
    let mut whole = vec![None; payload.len()];
    for spoken in hand.drain() {
        assert!(spoken.path == OTHER && spoken.length <= 300);
        for said in &spoken.said {
            let Said::Message { part: Some(part), bytes, .. } = said else { continue };
            whole[part.offset as usize..][..bytes.len()].iter_mut().zip(bytes).for_each(|(at, byte)| *at = Some(*byte));
        }
    }
    let acked = first[1].payloads().concat().len();
    assert_eq!(whole.iter().filter(|byte| byte.is_none()).count(), acked, "what was acknowledged does not leave again");
    assert!(whole.iter().zip(&payload).all(|(got, sent)| got.is_none_or(|got| got == *sent)));
}

#[test]
fn a_message_is_acknowledged_to_its_sender_once_all_of_it_has_arrived() {
    let mut hand = measured();
    let id = hand.send(Priority::Normal, Delivery::Reliable, &[3; 2_000]);
    let config_compresses = hand.drain();
    assert_eq!(config_compresses.len(), 1, "zeros of that length leave in one packet");
    hand.acked(DIRECT, &[(0, 1)]);
    hand.silence();
    assert!(hand.heard(&SessionEvent::Acked(id)));
}

#[test]
fn messages_of_the_other_side_are_told_once() {
    let mut hand = Hand::direct(quiet());
    for _ in 0..2 {
        hand.hear(DIRECT, &message(Delivery::Reliable, 0, 0, None, b"once"));
    }
    hand.drain();
    assert_eq!(hand.events.iter().filter(|event| matches!(event, SessionEvent::Message(_))).count(), 1);
}
