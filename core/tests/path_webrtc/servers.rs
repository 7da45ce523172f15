//! WebRTC connections where servers help to find the way.

use crate::net::outside::STUN;
use crate::net::{MS, Net};
use PathKind::{Sctp, Srtp};
use core::net::SocketAddr;
use webstar_core::path::Command;
use webstar_core::path::webrtc::{IceServer, Input, PathKind, Policy, Rules, ServerState};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::RtcSignal;

const SECOND: Duration = Duration::from_secs(1);

fn stun() -> SocketAddr {
    STUN.parse().expect("it is an address")
}

/// Two players, each behind its own router that lets in only whom was sent to.
fn hidden() -> Net {
    let mut net = Net::of(2, 20 * MS, 0);
    net.outside.hide(net.nodes[0].address, "203.0.113.1:61001");
    net.outside.hide(net.nodes[1].address, "203.0.113.2:61002");
    net
}

fn ask(net: &mut Net, seat: usize) {
    net.tell(seat, Input::Servers(vec![IceServer::Stun { address: stun() }]));
}

fn flows(net: &mut Net) -> bool {
    let before = [0, 1].map(|seat: usize| net.nodes[seat].packets.len());
    for kind in [Srtp, Sctp] {
        net.send(0, 1, kind, b"there");
        net.send(1, 0, kind, b"back");
    }
    net.run(SECOND);
    [0, 1].map(|seat: usize| net.nodes[seat].packets.len()) == before.map(|count| count + 2)
}

/// A server-reflexive candidate needs its base among the candidates of the connection, or nothing is sent from there.
#[test]
fn trap_server_reflexive_base() {
    let mut net = hidden();
    for seat in 0..2 {
        ask(&mut net, seat);
    }
    net.run(100 * MS);
    net.open(0, 1);
    let took = net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    assert!(took <= 500 * MS, "{took:?}");
    assert!(flows(&mut net));
    let [RtcSignal::Offer { sdp }] = &net.nodes[1].signals[..] else { panic!("one offer") };
    assert!(sdp.contains(" 203.0.113.2 61002 typ srflx raddr 0.0.0.0 rport 0"), "{sdp}");
}

/// The same where the base is never told to anybody.
#[test]
fn trap_server_reflexive_base_that_is_hidden() {
    let mut net = hidden();
    for seat in 0..2 {
        net.tell(seat, Input::Rules(Rules { policy: Policy::HidePrivate, ..Rules::default() }));
        ask(&mut net, seat);
    }
    net.run(100 * MS);
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    assert!(flows(&mut net));
    let told = format!("{:?}", net.nodes.iter().map(|node| &node.signals).collect::<Vec<_>>());
    assert!(told.contains("typ srflx") && !told.contains("typ host"), "{told}");
}

#[test]
fn without_the_server_there_is_no_way() {
    let mut net = hidden();
    net.open(0, 1);
    net.run(10 * SECOND);
    assert!(!net.is_pipe_open(0, 1, Srtp) && !net.is_pipe_open(1, 0, Srtp));
}

#[test]
fn a_way_that_is_found_late_is_told_by_itself() {
    let mut net = hidden();
    net.open(0, 1);
    net.run(2 * SECOND);
    for seat in 0..2 {
        ask(&mut net, seat);
    }
    net.run_until(|net| net.is_open(0, 1), 2 * SECOND);
    assert!(flows(&mut net));
    for (node, shown) in net.nodes.iter().zip(["203.0.113.1 61001", "203.0.113.2 61002"]) {
        let told = node.signals.iter().filter_map(|signal| match signal {
            RtcSignal::IceCandidate { candidate } => Some(&candidate.candidate),
            _ => None,
        });
        let told: Vec<_> = told.collect();
        assert!(told.len() == 1 && told[0].contains(&format!(" {shown} typ srflx")), "{told:?}");
    }
}

#[test]
fn a_way_that_is_found_while_ice_restarts_is_told_after_the_answer() {
    let mut net = hidden();
    for seat in 0..2 {
        ask(&mut net, seat);
    }
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    net.order(1, 0, Srtp, Command::Restart);
    net.nodes[1].signals.clear();
    let addresses = vec![net.nodes[1].address, "10.0.1.2:5000".parse().unwrap()];
    net.tell(1, Input::Addresses(addresses));
    assert!(net.nodes[1].signals.is_empty(), "the answer is not there");
    net.run(SECOND);
    let [RtcSignal::IceCandidate { candidate }] = &net.nodes[1].signals[..] else { panic!("one candidate") };
    let offer = net.nodes[0].signals.iter().rev().find_map(|signal| match signal {
        RtcSignal::Answer { sdp } => Some(sdp.clone()),
        _ => None,
    });
    assert!(offer.is_some() && candidate.username_fragment.is_some());
    assert_eq!(net.nodes[0].machine.dropped().signals, 0, "it bears the name of the new turn");
    assert!(flows(&mut net));
}

/// A router begins anew: what it showed of a player before is nobody's. Whoever mends tells what it shows now.
#[test]
fn after_a_router_began_anew_a_turn_tells_what_it_shows_now() {
    for (mender, command) in [(0, Command::Restart), (1, Command::Restart), (0, Command::Open), (1, Command::Open)] {
        let mut net = hidden();
        for seat in 0..2 {
            ask(&mut net, seat);
        }
        net.open(0, 1);
        net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
        net.run(2 * SECOND);
        net.outside.asked.clear();
        net.outside.rebind(net.nodes[1].address, "203.0.113.2:61009");
        net.nodes.iter_mut().for_each(|node| node.signals.clear());
        for kind in [Srtp, Sctp] {
            net.order(mender, 1 - mender, kind, command);
        }
        net.run(2 * SECOND);
        let told = net.nodes[1].signals.iter().any(|signal| match signal {
            RtcSignal::IceCandidate { candidate } => candidate.candidate.contains(" 203.0.113.2 61009 typ srflx"),
            RtcSignal::Offer { .. } | RtcSignal::Answer { .. } => false,
        });
        assert!(told, "{command:?} by {mender}: {:?}", net.nodes[1].signals);
        net.run(SECOND);
        assert!(flows(&mut net), "{command:?} by {mender}");
        assert_eq!(net.outside.asked.len(), 2, "each asked once, however many turns there were");
    }
}

/// Two routers that give an address another port for each that it sends to: every check shows a new address, which is
/// checked, from yet another.
#[test]
fn between_two_routers_that_show_new_addresses_without_end_there_is_an_end() {
    let mut net = hidden();
    net.outside.is_symmetric = true;
    for seat in 0..2 {
        ask(&mut net, seat);
    }
    net.run(100 * MS);
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    net.run(20 * SECOND);
    for node in &net.nodes {
        assert!(node.sent.len() <= 24, "it has sent to {} addresses", node.sent.len());
    }
    assert!(flows(&mut net));
}

#[test]
fn a_server_that_does_not_answer_is_told_and_asked_again() {
    let mut net = hidden();
    net.outside.is_silent = true;
    ask(&mut net, 0);
    net.run(12 * SECOND);
    let silent = (Instant::ZERO + 9_500 * MS, stun(), ServerState::Silent);
    assert_eq!(net.nodes[0].servers, [silent]);
    assert_eq!(net.outside.asked.len(), 5);
    net.outside.is_silent = false;
    net.run(5 * SECOND);
    let works = (Instant::ZERO + 14_540 * MS, stun(), ServerState::Works);
    assert_eq!(net.nodes[0].servers, [silent, works]);
    net.outside.asked.clear();
    net.run(100 * SECOND);
    assert_eq!(net.outside.asked.len(), 5, "once every 20 s, so that the mapping lives");
    net.tell(0, Input::Servers(Vec::new()));
    assert_eq!(net.nodes[0].machine.deadline(), None);
}

#[test]
fn what_a_stranger_answers_in_the_name_of_the_server_is_no_answer() {
    let mut net = hidden();
    net.outside.is_silent = true;
    ask(&mut net, 0);
    net.run(100 * MS);
    let mut forged = net.nodes[0].datagrams.pop().expect("the question");
    forged[0] = 1;
    for bytes in [&forged[..], &forged[..19], &[], &[1], &[0xff; 1_200]] {
        net.inject(stun(), 0, bytes);
        net.inject("192.0.2.9:3478".parse().unwrap(), 0, bytes);
    }
    net.run(20 * SECOND);
    assert!(net.nodes[0].servers.iter().all(|told| told.2 != ServerState::Works));
}

/// What only this machine knows is not tried from elsewhere; whether we are elsewhere may only be known later.
#[test]
fn a_candidate_that_was_barred_is_tried_once_we_have_such_an_address() {
    let mut net = Net::of(2, 20 * MS, 0);
    let there = "127.0.0.1:5001".parse().unwrap();
    net.nodes[1].address = there;
    net.tell(1, Input::Addresses(vec![there]));
    net.open(0, 1);
    net.run(SECOND);
    assert!(!net.is_open(0, 1));
    // The other side does not hear of it, and so cannot begin.
    net.is_silent = true;
    net.nodes[0].address = "127.0.0.1:5000".parse().unwrap();
    let addresses = vec![net.nodes[0].address];
    net.tell(0, Input::Addresses(addresses));
    net.run_until(|net| net.is_open(0, 1), SECOND);
}
