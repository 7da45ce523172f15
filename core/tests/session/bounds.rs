//! What a peer without manners, or a long silence, may cost: little, and no more than is set.

use crate::hand::{DIRECT, Hand, at, message, noise, ping};
use webstar_core::config::SessionConfig;
use webstar_core::time::Duration;
use webstar_core::wire::frame::{self, Delivery, MessageFrame, Part, Priority};
use webstar_core::wire::varint;

/// How often something stands in what a session shows of itself.
fn count(hand: &Hand, what: &str) -> usize {
    format!("{:?}", hand.session).matches(what).count()
}

fn probe() -> Vec<u8> {
    let mut out = Vec::new();
    frame::write_probe(7, &mut out);
    out
}

#[test]
fn what_waits_costs_no_more_than_what_was_received() {
    let settings = SessionConfig::default();
    let mut hand = Hand::direct(settings.clone());
    let mut packed = Vec::new();
    varint::write(1 << 20, &mut packed);
    packed.extend_from_slice(&lz4_flex::block::compress(&vec![0; 1 << 20]));
    let cut = packed.len() - 1;
    for (offset, bytes) in [(0, &packed[..cut]), (cut, &packed[cut..])] {
        // The first message never comes, so that all others wait.
        for seq in 1..=900 {
            let (priority, delivery) = (Priority::Normal, Delivery::Ordered);
            let part = Some(Part { total: packed.len() as u32, offset: offset as u32 });
            let mut out = Vec::new();
            MessageFrame { priority, delivery, seq, key: 0, compressed: true, part, bytes }.write(&mut out);
            hand.hear(DIRECT, &out);
        }
    }
    assert!(hand.session.stats(hand.now).held <= settings.receive_buffer);
}

#[test]
fn packets_that_nobody_acknowledges_are_forgotten() {
    let mut hand = Hand::direct(SessionConfig::default());
    hand.drain();
    for millis in 1..20_000 {
        hand.pass(f64::from(millis));
        hand.hear(DIRECT, &ping());
    }
    assert!(count(&hand, "SentPacket {") < 1_000);
}

#[test]
fn the_acknowledgement_of_the_very_first_packet_is_not_lost() {
    for length in 1_120..1_150 {
        let mut hand = Hand::direct(SessionConfig { enable_compression: false, ..SessionConfig::default() });
        hand.hear(DIRECT, &message(Delivery::Reliable, 0, 0, None, b"x"));
        hand.send(Priority::Normal, Delivery::Reliable, &noise(length));
        let mut said = hand.drain();
        said.extend(hand.pass(60.0));
        assert!(said.iter().any(|spoken| spoken.acks().is_some()), "{length} bytes");
        assert!(said.iter().any(|spoken| !spoken.payloads().is_empty()), "{length} bytes");
    }
}

#[test]
fn an_expired_critical_message_does_not_stop_the_others() {
    let expiry = Duration::from_micros(100);
    let mut hand = Hand::direct(SessionConfig {
        unreliable_expiry: expiry,
        enable_compression: false,
        ..SessionConfig::default()
    });
    hand.send(Priority::Low, Delivery::Reliable, &noise(100_000));
    hand.drain();
    let (paced, _) = hand.session.deadline(hand.now).expect("the pacer lets the next packet go some time");
    hand.send(Priority::Critical, Delivery::Unreliable, b"a");
    hand.now = at(0.3);
    hand.session.on_timeout(hand.now);
    hand.drain();
    let (next, _) = hand.session.deadline(hand.now).expect("there is more to send");
    assert!(next <= paced.max(hand.now), "{next} instead of {paced}");
}

#[test]
fn a_packet_that_a_repair_overtook_was_only_late() {
    let mut hand = Hand::direct(SessionConfig { protect_above: -1.0, ..SessionConfig::default() });
    for tick in 0..200 {
        hand.now = at(f64::from(tick) * 20.0);
        hand.session.on_timeout(hand.now);
        hand.send(Priority::Critical, Delivery::Ordered, &noise(64));
        let Some(top) = hand.drain().last().map(|spoken| spoken.number).filter(|top| *top > 4) else { continue };
        let mut ack = Vec::new();
        if tick % 10 == 0 {
            let ranges = [(top, top), (0, top - 2)].into_iter();
            frame::write_ack(Duration::ZERO, ranges, [top - 1].into_iter(), &mut ack);
        } else {
            frame::write_ack(Duration::ZERO, [(0, top)].into_iter(), core::iter::empty(), &mut ack);
        }
        hand.hear(DIRECT, &ack);
        hand.drain();
    }
    let path = hand.session.stats(hand.now).paths[0];
    assert!(path.packets_lost <= 1 && path.loss < 0.02, "{path:?}");
}

#[test]
fn a_packet_full_of_acknowledgements_is_read_once() {
    let mut hand = Hand::direct(SessionConfig::default());
    let first = hand.send(Priority::Normal, Delivery::Reliable, b"one");
    let number = hand.one().number;
    let second = hand.send(Priority::Normal, Delivery::Reliable, b"two");
    let next = hand.one().number;
    let mut acks = Vec::new();
    for number in [number, next] {
        frame::write_ack(Duration::ZERO, [(number, number)].into_iter(), core::iter::empty(), &mut acks);
    }
    hand.hear(DIRECT, &acks);
    hand.drain();
    assert!(hand.heard(&webstar_core::session::SessionEvent::Acked(first)));
    assert!(!hand.heard(&webstar_core::session::SessionEvent::Acked(second)));
}

#[test]
fn empty_values_of_a_key_replace_each_other() {
    let mut hand = Hand::new(SessionConfig::default());
    for key in [1, 2] {
        for _ in 0..1_000 {
            hand.try_send(Priority::Normal, Delivery::Latest, key, b"").expect("a key holds one value");
        }
    }
    assert!(count(&hand, "Waiting {") <= 2 && count(&hand, "Held {") <= 2);
}

#[test]
fn probes_are_answered_and_forgotten() {
    let mut hand = Hand::direct(SessionConfig::default());
    for millis in 0..9_000 {
        hand.now = at(f64::from(millis));
        hand.hear(DIRECT, &probe());
        hand.drain();
    }
    assert!(count(&hand, "SentPacket {") < 2_000);
}
