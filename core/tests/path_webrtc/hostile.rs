//! WebRTC connections against strangers, foreign stacks and broken bytes: nothing panics, and nobody else is harmed.

use crate::net::{MS, Net, player};
use PathKind::{Sctp, Srtp};
use core::net::SocketAddr;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt as _, SeedableRng as _};
use webstar_core::path::webrtc::{Input, InputError, PathKind, WebrtcDropped};
use webstar_core::path::{Attempt, Command, Fact, Order};
use webstar_core::time::Duration;
use webstar_core::wire::signal::{Candidate, RtcSignal};

const SECOND: Duration = Duration::from_secs(1);

fn stranger() -> SocketAddr {
    "203.0.113.7:999".parse().expect("it is an address")
}

fn flows(net: &mut Net) -> bool {
    let before = net.nodes[1].packets.len();
    net.send(0, 1, Srtp, b"srtp");
    net.send(0, 1, Sctp, b"sctp");
    net.run(SECOND);
    net.nodes[1].packets.len() == before + 2
}

#[test]
fn a_datagram_of_a_stranger_goes_nowhere() {
    let mut net = Net::connected(20 * MS, 0);
    let recorded = net.nodes[1].datagrams.clone();
    let unsigned: Vec<_> = recorded.iter().filter(|bytes| bytes[0] >= 2).cloned().collect();
    let mut other = Net::of(3, 20 * MS, 0);
    other.open(0, 2);
    other.run(SECOND);
    let elsewhere = other.nodes.remove(2).datagrams;
    net.nodes[0].sent.clear();
    for bytes in unsigned.iter().chain(&elsewhere) {
        net.inject(stranger(), 0, bytes);
    }
    let strangers = net.nodes[0].machine.dropped().strangers;
    let expected = (unsigned.len() + elsewhere.len()) as u64;
    assert!(unsigned.len() >= 3 && strangers == expected, "{strangers} of {expected}");
    for (number, bytes) in [&b"hello"[..], &[], &[64; 100], &[0; 20], &[0; 19]].into_iter().enumerate() {
        net.inject(stranger(), 0, bytes);
        assert_eq!(net.nodes[0].machine.dropped().malformed, number as u64 + 1);
    }
    net.run(SECOND);
    assert!(!net.nodes[0].sent.contains_key(&stranger()) && net.nodes[0].packets.is_empty());
    assert!(flows(&mut net));
}

#[test]
fn a_datagram_heard_before_is_no_packet() {
    let mut net = Net::connected(20 * MS, 0);
    net.nodes[0].datagrams.clear();
    assert!(flows(&mut net));
    let (from, seen) = (net.nodes[0].address, net.nodes[1].packets.len());
    for bytes in net.nodes[0].datagrams.clone() {
        net.inject(from, 1, &bytes);
        net.inject(stranger(), 1, &bytes);
    }
    net.run(SECOND);
    assert_eq!(net.nodes[1].packets.len(), seen);
    assert!(flows(&mut net));
}

/// Changes a few bytes, cuts, or lengthens; never what is signed into the same again.
fn spoil(random: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    if bytes.len() > 20 && bytes[0] < 2 {
        bytes[19] ^= 0xff;
    }
    match random.random_range(0..4) {
        0 => bytes.truncate(random.random_range(0..=bytes.len())),
        1 => bytes.extend((0..random.random_range(1..200)).map(|_| 0xff)),
        _ => {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len().max(1));
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = random.random();
                }
            }
        }
    }
}

#[test]
fn broken_datagrams_harm_nobody_at_any_stage() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for stop in (20..=200).step_by(20) {
        let mut net = Net::of(2, 20 * MS, 0);
        net.open(0, 1);
        net.run(MS * stop);
        let addresses = [0, 1].map(|seat: usize| net.nodes[seat].address);
        for round in 0..150 {
            let seat = round % 2;
            let recorded = &net.nodes[1 - seat].datagrams;
            let mut bytes = match recorded.get(random.random_range(0..recorded.len().max(1))) {
                Some(bytes) if round % 3 != 0 => bytes.clone(),
                _ => (0..random.random_range(0..100)).map(|_| random.random()).collect(),
            };
            spoil(&mut random, &mut bytes);
            net.inject(stranger(), seat, &bytes);
            // From the address of the other side only what is no handshake: who can forge that can stop it.
            if stop == 200 {
                net.inject(addresses[1 - seat], seat, &bytes);
            }
        }
        net.run_until(|net| net.is_open(0, 1), 3 * SECOND);
        assert!(flows(&mut net), "stopped at {stop} ms");
    }
}

#[test]
fn broken_descriptions_and_candidates_do_not_panic() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut net = Net::connected(20 * MS, 0);
    let texts = net.nodes.iter().flat_map(|node| &node.signals).map(|signal| match signal {
        RtcSignal::Offer { sdp } | RtcSignal::Answer { sdp } => sdp.clone(),
        RtcSignal::IceCandidate { candidate } => candidate.candidate.clone(),
    });
    let texts = texts.collect::<Vec<_>>();
    for round in 0..2_000 {
        let mut sdp = texts[round % texts.len()].clone().into_bytes();
        if round % 2 == 0 {
            spoil(&mut random, &mut sdp);
        } else {
            let mut lines: Vec<_> = sdp.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            let (a, b) = (random.random_range(0..lines.len()), random.random_range(0..lines.len()));
            match random.random_range(0..3) {
                0 => lines.swap(a, b),
                1 => drop(lines.remove(a)),
                _ => lines.insert(b, lines[a].clone()),
            }
            sdp = lines.concat();
        }
        let sdp = String::from_utf8_lossy(&sdp).into_owned();
        let seat = round % 2;
        let signal = match round % 5 {
            0 => RtcSignal::Answer { sdp },
            1 => RtcSignal::IceCandidate { candidate: candidate(&sdp) },
            _ => RtcSignal::Offer { sdp },
        };
        net.is_silent = round % 7 != 0;
        net.tell(seat, Input::Signal { player: player(1 - seat), signal });
        net.run(5 * MS);
        if round % 10 == 0 {
            net.order(seat, 1 - seat, Srtp, if round % 20 == 0 { Command::Open } else { Command::Restart });
        }
    }
    assert!(net.nodes[0].machine.dropped().signals > 100);
    net.is_silent = false;
    net.run(20 * SECOND);
    for _ in 0..2 {
        net.open(0, 1);
        net.run(3 * SECOND);
    }
    assert!(net.is_open(0, 1) && flows(&mut net));
}

fn candidate(text: &str) -> Candidate {
    Candidate { candidate: text.into(), sdp_mid: None, sdp_m_line_index: Some(0), username_fragment: None }
}

#[test]
fn candidates_that_lead_astray_are_not_tried() {
    let mut net = Net::connected(20 * MS, 0);
    let told = |net: &mut Net, text: &str| {
        let before = net.nodes[0].machine.dropped().candidates;
        let signal = RtcSignal::IceCandidate { candidate: candidate(text) };
        net.tell(0, Input::Signal { player: player(1), signal });
        net.run(100 * MS);
        net.nodes[0].machine.dropped().candidates == before
    };
    net.nodes[0].sent.clear();
    for text in [
        "candidate:1 1 udp 2113929471 127.0.0.1 80 typ host",
        "candidate:1 1 udp 2113929471 0.0.0.0 80 typ host",
        "candidate:1 1 udp 2113929471 224.0.0.251 5353 typ host",
        "candidate:1 1 udp 2113929471 255.255.255.255 80 typ host",
        "candidate:1 1 udp 2113929471 10.0.0.77 0 typ host",
        "candidate:1 1 tcp 2113929471 10.0.0.77 80 typ host tcptype passive",
        "candidate:1 1 udp 2113929471 0a1b2c3d.local 5000 typ host",
        "candidate:1 1 udp 2113929471 10.0.0.77 99999 typ host",
        "",
        "candidate:",
    ] {
        assert!(!told(&mut net, text), "{text}");
    }
    net.run(2 * SECOND);
    assert_eq!(net.nodes[0].sent.keys().collect::<Vec<_>>(), [&net.nodes[1].address]);
    let many = (0..40).map(|host| format!("candidate:1 1 udp 2113929471 10.7.0.{host} 80 typ host"));
    let taken = many.map(|text| told(&mut net, &text)).filter(|taken| *taken).count();
    assert_eq!(taken, 23, "and one was in the description");
    let stale = Candidate {
        username_fragment: Some("stale".into()),
        ..candidate("candidate:1 1 udp 2113929471 10.0.0.78 80 typ host")
    };
    net.tell(0, Input::Signal { player: player(1), signal: RtcSignal::IceCandidate { candidate: stale } });
    net.run(SECOND);
    assert!(!net.nodes[0].sent.contains_key(&"10.0.0.78:80".parse().unwrap()));
    assert!(flows(&mut net));
}

/// Offers without end would cost a connection each, and name ever more addresses that we send to.
#[test]
fn who_offers_without_end_is_answered_now_and_then() {
    let mut net = Net::connected(20 * MS, 0);
    let offered = |signal: &RtcSignal| if let RtcSignal::Offer { sdp } = signal { Some(sdp.clone()) } else { None };
    let sdp = net.nodes[1].signals.iter().find_map(offered).expect("the member offers");
    let origin = sdp.lines().find(|line| line.starts_with("o=")).expect("it has an origin").to_owned();
    let answers =
        |net: &Net| net.nodes[0].signals.iter().filter(|signal| matches!(signal, RtcSignal::Answer { .. })).count();
    let before = answers(&net);
    let mut session = 0;
    let mut offer = |net: &mut Net| {
        session += 1;
        let sdp = sdp.replace(&origin, &format!("o=- {session} 2 IN IP4 0.0.0.0"));
        net.tell(0, Input::Signal { player: player(1), signal: RtcSignal::Offer { sdp } });
        net.run(10 * MS);
    };
    (0..100).for_each(|_| offer(&mut net));
    assert!((19..=20).contains(&(answers(&net) - before)), "{}", answers(&net) - before);
    net.run(10 * SECOND);
    let before = answers(&net);
    offer(&mut net);
    assert_eq!(answers(&net), before + 1);
}

/// Found by the bodies of the fuzz targets: what was another's address when it was told is ours now.
#[test]
fn an_address_that_becomes_ours_is_not_sent_to() {
    let mut net = Net::connected(20 * MS, 0);
    let moved: SocketAddr = "10.7.0.1:80".parse().unwrap();
    let signal = RtcSignal::IceCandidate { candidate: candidate("candidate:1 1 udp 2113929471 10.7.0.1 80 typ host") };
    net.tell(0, Input::Signal { player: player(1), signal });
    net.run(100 * MS);
    assert!(net.nodes[0].sent.remove(&moved).is_some(), "it is tried");
    let own = net.nodes[0].address;
    net.tell(0, Input::Addresses(vec![own, moved]));
    net.run(5 * SECOND);
    assert!(!net.nodes[0].sent.contains_key(&moved));
    assert!(flows(&mut net));
}

/// As browsers do that know nothing of the codec.
fn reject_the_section(signal: RtcSignal) -> RtcSignal {
    match signal {
        RtcSignal::Answer { sdp } => {
            let lines = sdp.lines().map(|line| match line.strip_prefix("a=group:BUNDLE ") {
                Some(bundle) => format!("a=group:BUNDLE {}\r\n", bundle.split(' ').next().unwrap_or_default()),
                None => format!("{}\r\n", line.replace("m=audio 9", "m=audio 0")),
            });
            RtcSignal::Answer { sdp: lines.collect() }
        }
        other => other,
    }
}

#[test]
fn who_rejects_the_section_has_the_data_channel() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.forge = reject_the_section;
    net.open(0, 1);
    net.run_until(|net| net.is_pipe_open(1, 0, Sctp) && net.is_pipe_open(0, 1, Sctp), SECOND);
    let rejected = (player(0), Srtp, Attempt(1), Fact::Failed);
    let told: Vec<_> = net.nodes[1].facts.iter().map(|fact| (fact.1, fact.2, fact.3, fact.4)).collect();
    assert!(told.contains(&rejected), "{told:?}");
    net.nodes[1].signals.clear();
    for command in [Command::Open, Command::Restart, Command::Open] {
        let attempt = net.order(1, 0, Srtp, command);
        let last = net.nodes[1].facts.last().map(|fact| (fact.2, fact.3, fact.4));
        assert_eq!(last, Some((Srtp, attempt, Fact::Failed)), "without harm to the channel");
    }
    assert_eq!(net.nodes[1].signals.len(), 0);
    net.send(1, 0, Sctp, b"over the channel");
    net.run(SECOND);
    assert_eq!(net.nodes[0].packets.len(), 1);
}

#[test]
fn candidates_of_a_description_that_are_not_taken_are_counted() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.order(1, 0, Srtp, Command::Open);
    net.is_silent = true;
    net.run(100 * MS);
    let Some(RtcSignal::Offer { sdp }) = net.nodes[1].signals.first().cloned() else { panic!("an offer first") };
    let candidates: String = (1..=40)
        .map(|host| format!("a=candidate:{host} 1 udp 2113929471 10.1.0.{host} 5000 typ host\r\n"))
        .chain(["a=candidate:99 1 udp 2113929471 127.0.0.1 80 typ host\r\n".into()])
        .collect();
    net.tell(0, Input::Signal { player: player(1), signal: RtcSignal::Offer { sdp: sdp + &candidates } });
    net.order(0, 1, Srtp, Command::Open);
    net.run(100 * MS);
    let refused = net.nodes[0].machine.dropped().candidates;
    assert!((17..=18).contains(&refused), "40 and one that leads astray, of which 24 with those of its own: {refused}");
}

#[test]
fn who_wants_relayed_ways_only_answers_no_offer() {
    let mut net = Net::of(2, 20 * MS, 0);
    let attempt = net.order(0, 1, Srtp, Command::OpenRelayed);
    assert_eq!(net.nodes[0].facts.pop().map(|fact| (fact.2, fact.3, fact.4)), Some((Srtp, attempt, Fact::Failed)));
    net.order(1, 0, Srtp, Command::Open);
    net.run(5 * SECOND);
    assert!(net.nodes[0].signals.is_empty() && net.nodes[0].sent.is_empty(), "its address stays hidden");
}

#[test]
fn offers_that_nobody_wants_are_bounded_and_forgotten() {
    let mut net = Net::connected(20 * MS, 0);
    let offer = net.nodes[1].signals[0].clone();
    for number in 100..300 {
        let input = Input::Signal { player: webstar_core::id::PlayerId(number), signal: offer.clone() };
        net.tell(0, input);
    }
    assert_eq!(net.nodes[0].machine.dropped(), WebrtcDropped { signals: 136, ..WebrtcDropped::default() });
    net.run(11 * SECOND);
    net.close(0, 1);
    assert_eq!(net.nodes[0].machine.deadline(), None);
}

#[test]
fn misuse_is_told() {
    let mut net = Net::of(2, 20 * MS, 0);
    let order = Order { attempt: Attempt(1), command: Command::Open };
    let machine = &mut net.nodes[0].machine;
    for kind in [PathKind::Relay, PathKind::External] {
        let refused = machine.handle(net.now, Input::Order { player: player(1), kind, order });
        assert_eq!(refused, Err(InputError::NoSuchPipe(kind)));
    }
    let refused = machine.handle(net.now, Input::Order { player: player(0), kind: Srtp, order });
    assert_eq!(refused, Err(InputError::Ourselves(player(0))));
    for address in ["0.0.0.0:5000", "10.0.0.1:0"] {
        let address = address.parse().unwrap();
        let refused = machine.handle(net.now, Input::Addresses(vec!["10.0.0.7:5000".parse().unwrap(), address]));
        assert_eq!(refused, Err(InputError::NoAddress(address)));
    }
}

/// A question of a seat, signed for another.
fn signed(net: &Net, seat: usize) -> Vec<u8> {
    let questions = net.nodes[seat].datagrams.iter().rev();
    questions.into_iter().find(|bytes| bytes[..2] == [0, 1]).expect("ICE has asked").clone()
}

/// What is signed can be recorded and sent again in the name of anybody: each address would be answered, tried many times
/// and remembered for good.
#[test]
fn who_is_signed_for_speaks_from_a_few_addresses_only() {
    let mut net = Net::connected(20 * MS, 0);
    let question = signed(&net, 0);
    net.nodes[1].sent.clear();
    for from in ["127.0.0.1:80", "224.0.0.251:5353", "0.0.0.0:80", "169.254.169.254:80", "10.0.0.2:5000"] {
        net.inject(from.parse().unwrap(), 1, &question);
    }
    net.run(SECOND);
    assert_eq!(net.nodes[1].sent.keys().collect::<Vec<_>>(), [&net.nodes[0].address]);
    for host in 0..100 {
        net.inject(SocketAddr::from(([10, 7, 0, host], 80)), 1, &question);
    }
    net.run(SECOND);
    assert_eq!(net.nodes[1].sent.len(), 1 + 16, "and the one that was told");
    assert_eq!(net.nodes[1].machine.dropped().strangers, 5 + 100 - 16);
    assert!(flows(&mut net));
}

/// A member that sends in the name of another one's address silences nobody.
#[test]
fn who_was_found_at_an_address_keeps_it() {
    let mut net = Net::of(3, 20 * MS, 0);
    net.open(0, 1);
    net.open(0, 2);
    net.run_until(|net| net.is_open(0, 1) && net.is_open(0, 2), SECOND);
    let (question, from) = (signed(&net, 2), net.nodes[1].address);
    net.inject(from, 0, &question);
    for member in [1, 2] {
        net.send(member, 0, Srtp, b"still here");
        net.run(100 * MS);
    }
    let heard: Vec<_> = net.nodes[0].packets.iter().map(|packet| (packet.1, packet.3.clone())).collect();
    assert_eq!(heard, [(player(1), "still here".into()), (player(2), "still here".into())]);
}

/// Ways that a router or a server keeps replacing are not told for ever.
#[test]
fn ways_of_a_connection_are_bounded() {
    let mut net = Net::connected(20 * MS, 0);
    net.nodes[0].signals.clear();
    let mut addresses = vec![net.nodes[0].address];
    for host in 0..100 {
        addresses.push(SocketAddr::from(([10, 7, 0, host], 5_000)));
        net.tell(0, Input::Addresses(addresses.clone()));
    }
    assert_eq!(net.nodes[0].signals.len(), 63, "and one was in the description");
    assert!(flows(&mut net));
}
