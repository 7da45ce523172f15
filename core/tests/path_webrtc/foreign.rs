//! How other stacks describe themselves, and what they may send: what the stacks of `interop/rtc` do, without them.

use crate::net::{MS, Net};
use PathKind::{Sctp, Srtp};
use std::cell::RefCell;
use webstar_core::path::Fact;
use webstar_core::path::webrtc::PathKind;
use webstar_core::time::Duration;
use webstar_core::wire::signal::RtcSignal;

const SECOND: Duration = Duration::from_secs(1);
/// How an offer begins SCTP.
const BEGINNING: &str = "a=sctp-init:";

thread_local! {
    static OFFERED: RefCell<String> = const { RefCell::new(String::new()) };
}

fn lines(sdp: &str, each: impl Fn(&str) -> String) -> String {
    sdp.split_inclusive("\r\n").map(each).collect()
}

/// As libdatachannel does: it knows no beginning of SCTP in descriptions, and sends back what stood there.
fn mirror(signal: RtcSignal) -> RtcSignal {
    match signal {
        RtcSignal::Offer { sdp } => {
            let offered = sdp.split_inclusive("\r\n").find(|line| line.starts_with(BEGINNING)).unwrap_or_default();
            OFFERED.set(offered.to_owned());
            RtcSignal::Offer { sdp: sdp.replace(offered, "") }
        }
        RtcSignal::Answer { sdp } => {
            let mirrored = lines(&sdp, |line| match line.starts_with("a=sctp-port:") {
                true => format!("{}{line}", OFFERED.take()),
                false => line.to_owned(),
            });
            RtcSignal::Answer { sdp: mirrored }
        }
        other => other,
    }
}

/// The section is rejected with no more than its name.
fn reject(signal: RtcSignal) -> RtcSignal {
    let RtcSignal::Answer { sdp } = signal else { return signal };
    let (data, audio) = sdp.split_once("m=audio 9").expect("it answers the section");
    let (line, rest) = audio.split_once("\r\n").expect("lines end");
    let name = rest.split_inclusive("\r\n").find(|line| line.starts_with("a=mid:")).expect("it has a name");
    RtcSignal::Answer { sdp: format!("{data}m=audio 0{line}\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\n{name}") }
}

/// What the one who offers is told of a pipe, but not how full it is.
fn told(net: &Net, pipe: PathKind) -> Vec<Fact> {
    let facts = net.nodes[1].facts.iter().filter(|(_, _, kind, _, _)| *kind == pipe).map(|fact| fact.4);
    facts.filter(|fact| !matches!(fact, Fact::Buffered(_))).collect()
}

#[test]
fn who_sends_our_beginning_of_sctp_back_is_not_taken_for_one_who_begins() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.forge = mirror;
    net.open(0, 1);
    net.run_until(|net| net.is_pipe_open(0, 1, Sctp) && net.is_pipe_open(1, 0, Sctp), 5 * SECOND);
    for (from, to) in [(0, 1), (1, 0)] {
        net.send(from, to, Sctp, b"there");
        net.run(SECOND);
        assert_eq!(net.nodes[to].packets.pop().expect("it has arrived").3, "there");
    }
}

#[test]
fn who_rejects_the_section_need_not_say_more_than_its_name() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.forge = reject;
    net.open(0, 1);
    net.run_until(|net| net.is_pipe_open(1, 0, Sctp), 5 * SECOND);
    net.run(SECOND);
    assert_eq!(told(&net, Srtp), [Fact::Failed]);
    assert!(matches!(told(&net, Sctp)[..], [Fact::Opened(_)]));
    net.send(1, 0, Sctp, b"there");
    net.run(SECOND);
    assert_eq!(net.nodes[0].packets.pop().expect("it has arrived").3, "there");
}

/// Sessions make no messages that long; others may.
#[test]
fn a_message_of_many_datagrams_arrives_whole() {
    let mut net = Net::connected(20 * MS, 0);
    for (from, to) in [(0, 1), (1, 0)] {
        let message: Vec<u8> = (0..16_384_u32).map(|at| at as u8).collect();
        net.send(from, to, Sctp, &message);
        net.run(SECOND);
        assert_eq!(net.nodes[to].packets.pop().expect("it has arrived").3, message);
        net.send(from, to, Sctp, &[&message[..], &[1]].concat());
        net.run(SECOND);
        assert_eq!((net.nodes[to].packets.len(), net.nodes[from].machine.dropped().packets), (0, 1));
    }
}
