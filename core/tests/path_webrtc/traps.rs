//! The traps of the libraries below WebRTC, each with the test that would fall into it. Two more stand with their kind:
//! `trap_server_reflexive_base` and `trap_channel_data_padding`.

use crate::net::{MS, Net};
use PathKind::{Sctp, Srtp};
use dimpl::Output;
use std::sync::Arc;
use std::time::Instant;
use str0m::crypto::dtls::{DtlsInstance, DtlsVersion};
use webstar_core::path::webrtc::dtls::{instance, settings};
use webstar_core::path::webrtc::{MTU, PathKind};
use webstar_core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Who asks each connection whether a datagram is its own refuses the first packet of DTLS while ICE is finishing, and
/// waits a second for the next.
#[test]
fn trap_client_hello_routing() {
    let mut net = Net::of(3, 20 * MS, 0);
    for member in 1..3 {
        net.open(0, member);
    }
    net.run_until(|net| (1..3).all(|member| net.is_open(0, member)), 160 * MS);
    for node in &net.nodes {
        let dropped = node.machine.dropped();
        assert_eq!((dropped.strangers, dropped.malformed), (0, 0));
    }
}

/// The stack hands on nothing at all now and then, to have the instance go on. It may refuse that, and lives on.
#[test]
#[expect(clippy::disallowed_methods, reason = "any moment will do, and there is no other way to one")]
fn trap_empty_dtls_slice() {
    let certificate = str0m::crypto::from_feature_flags().dtls_provider.generate_certificate().unwrap();
    let config = Arc::new(settings(MTU).build().unwrap());
    let now = Instant::now();
    for is_active in [true, false] {
        let mut ours = instance(config.clone(), &certificate, now, DtlsVersion::Auto);
        ours.set_active(is_active);
        for _ in 0..3 {
            let _refused = ours.handle_packet(&[]);
            assert!(ours.handle_timeout(now).is_ok());
        }
        assert!(!ours.is_closed());
    }
}

/// The data channel says that it is open before there is a connection to carry it; nobody is told so early.
#[test]
fn trap_snap_open_before_connected() {
    for (seat, other) in [(0, 1), (1, 0)] {
        for kind in [Srtp, Sctp] {
            let mut net = Net::of(2, 20 * MS, 0);
            net.open(0, 1);
            net.run_until(|net| net.is_pipe_open(seat, other, kind), SECOND);
            net.send(seat, other, kind, b"at once");
            net.run(SECOND);
            assert_eq!((net.nodes[other].packets.len(), net.nodes[seat].machine.dropped().packets), (1, 0));
        }
    }
}

/// The last datagram that a seat has sent, which did not arrive.
fn held(net: &mut Net, payload: &[u8]) -> Vec<u8> {
    net.is_cut = true;
    net.send(0, 1, Srtp, payload);
    net.run(MS);
    net.is_cut = false;
    net.nodes[0].datagrams.pop().expect("it has left")
}

/// What comes twice or more than a hundred numbers late is dropped below; what comes a little late is not.
#[test]
fn trap_duplicate_and_late_rtp() {
    let mut net = Net::connected(20 * MS, 0);
    let from = net.nodes[0].address;
    // What comes before the first that was heard is too late in any case.
    net.send(0, 1, Srtp, b"first");
    net.run(SECOND);
    for (behind, is_taken) in [(50, true), (250, false)] {
        let late = held(&mut net, b"late");
        for _ in 0..behind {
            net.send(0, 1, Srtp, b"tick");
            net.run(MS);
        }
        net.run(50 * MS);
        net.nodes[1].packets.clear();
        for _ in 0..3 {
            net.inject(from, 1, &late);
        }
        net.run(SECOND);
        let taken: Vec<_> = net.nodes[1].packets.iter().map(|packet| packet.3.clone()).collect();
        assert_eq!(taken, if is_taken { vec!["late"] } else { vec![] }, "{behind} behind");
    }
    net.nodes[1].packets.clear();
    net.send(0, 1, Srtp, b"on");
    net.run(SECOND);
    assert_eq!(net.nodes[1].packets.len(), 1);
}

/// The other side deciphers with the sixteen bits that it sees: a first number beyond them is never understood, whether
/// or not the first packets arrive.
#[test]
fn trap_first_sequence_number() {
    let mut net = Net::connected(20 * MS, 0);
    let first = held(&mut net, b"lost");
    assert_eq!((first[0] >> 6, u16::from_be_bytes([first[2], first[3]])), (2, 1));
    for _ in 0..20 {
        held(&mut net, b"lost");
    }
    net.send(0, 1, Srtp, b"understood");
    net.run(SECOND);
    let heard: Vec<_> = net.nodes[1].packets.iter().map(|packet| packet.3.clone()).collect();
    assert_eq!(heard, ["understood"]);
}

/// One side of a handshake, driven as a connection drives it.
struct Side {
    machine: Box<dyn DtlsInstance>,
    due: Option<Instant>,
    is_connected: bool,
}

impl Side {
    fn new(is_client: bool, now: Instant) -> Side {
        let provider = str0m::crypto::from_feature_flags().dtls_provider;
        let certificate = provider.generate_certificate().expect("it can make one");
        let config = Arc::new(settings(300).build().expect("the settings are good"));
        let mut machine = instance(config, &certificate, now, DtlsVersion::Dtls13);
        machine.set_active(is_client);
        machine.handle_timeout(now).expect("it learns the time");
        Side { machine, due: None, is_connected: false }
    }

    /// Everything that it wants to send now.
    fn run(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let (mut sent, mut buffer) = (Vec::new(), vec![0; 4_096]);
        for count in 0.. {
            assert!(count < 1_000, "it never comes to rest");
            if self.due.take_if(|due| *due <= now).is_some() {
                self.machine.handle_timeout(now).expect("it does not give up in so short a time");
            }
            match self.machine.poll_output(&mut buffer) {
                Output::Packet(packet) => sent.push(packet.to_vec()),
                Output::Connected => self.is_connected = true,
                Output::Timeout(due) => {
                    self.due = Some(due);
                    if due > now {
                        return sent;
                    }
                }
                _ => {}
            }
        }
        sent
    }
}

/// Which of the server's first datagrams are lost is told by the bits.
fn shake_hands(begin: Instant, lost: u32) -> bool {
    let (mut client, mut server) = (Side::new(true, begin), Side::new(false, begin));
    let mut said = 0;
    for step in 0..3_000 {
        let now = begin + Duration::from_millis(step);
        for packet in client.run(now) {
            let _ = server.machine.handle_packet(&packet);
        }
        for packet in server.run(now) {
            let is_lost = said < 32 && lost & (1 << said) != 0;
            said += 1;
            if !is_lost {
                let _ = client.machine.handle_packet(&packet);
            }
        }
        if client.is_connected && server.is_connected {
            return true;
        }
    }
    false
}

/// A datagram of the server's flight was lost, and the client said for ever, in one moment, what it lacked: memory ran out
/// (swarm over dtls, seeds 35 and 45). Not every flight in pieces is completed by the library; then the ladder begins anew.
#[test]
#[expect(clippy::disallowed_methods, reason = "any moment will do, and there is no other way to one")]
fn trap_acknowledging_a_gap_for_ever() {
    let begin = Instant::now();
    assert!(shake_hands(begin, 0));
    let shaken = (1..64).filter(|lost| shake_hands(begin, *lost)).count();
    assert!(shaken > 0, "losses are made up for");
}
