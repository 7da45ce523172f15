//! WebRTC connections over a network in memory: how they open, what they carry, how they are mended and closed.

use crate::net::{MS, Net, player};
use PathKind::{Sctp, Srtp};
use webstar_core::path::webrtc::{Input, PathKind};
use webstar_core::path::{Attempt, Command, Fact};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::time::Duration;
use webstar_core::wire::signal::RtcSignal;

const SECOND: Duration = Duration::from_secs(1);
const SRTP: PipeFacts = PipeFacts { max_packet: 1_150, control: Control::Own };
const SCTP: PipeFacts = PipeFacts { max_packet: 1_100, control: Control::Below };

/// What a seat was told of its pipes, how full they are left out.
fn facts(net: &Net, seat: usize) -> Vec<(PathKind, u32, Fact)> {
    let facts = net.nodes[seat].facts.iter().map(|(_, _, kind, attempt, fact)| (*kind, attempt.0, *fact));
    facts.filter(|fact| !matches!(fact.2, Fact::Buffered(_))).collect()
}

fn forget(net: &mut Net) {
    for node in &mut net.nodes {
        node.facts.clear();
        node.packets.clear();
        node.signals.clear();
        node.sent.clear();
    }
}

/// Whether packets on both pipes get from each to the other.
fn flows(net: &mut Net, a: usize, b: usize) -> bool {
    let before = [a, b].map(|seat| net.nodes[seat].packets.len());
    for kind in [Srtp, Sctp] {
        net.send(a, b, kind, b"there");
        net.send(b, a, kind, b"back");
    }
    net.run(SECOND);
    [a, b].map(|seat| net.nodes[seat].packets.len()) == before.map(|count| count + 2)
}

#[test]
fn both_pipes_open_within_four_round_trips() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.open(0, 1);
    let took = net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    assert!(took <= 160 * MS, "{took:?}");
    let both = [(Srtp, 1, Fact::Opened(SRTP)), (Sctp, 2, Fact::Opened(SCTP))];
    for seat in 0..2 {
        let mut facts = facts(&net, seat);
        facts.sort_by_key(|fact| fact.1);
        assert_eq!(facts, both);
    }
    assert!(matches!(net.nodes[1].signals[..], [RtcSignal::Offer { .. }]), "the higher number offers");
    assert!(matches!(net.nodes[0].signals[..], [RtcSignal::Answer { .. }]));
    assert!(flows(&mut net, 0, 1));
}

#[test]
fn names_and_passwords_come_from_the_seed() {
    let offer = |seat: usize, to: usize| {
        let mut net = Net::of(3, 20 * MS, 0);
        net.order(seat, to, Srtp, Command::Open);
        let [RtcSignal::Offer { sdp }] = &net.nodes[seat].signals[..] else { panic!("an offer at once") };
        let of_ice = sdp.lines().filter(|line| line.starts_with("a=ice-ufrag:") || line.starts_with("a=ice-pwd:"));
        of_ice.map(Into::into).collect::<Vec<String>>()
    };
    assert_eq!(offer(1, 0), offer(1, 0));
    assert_ne!(offer(1, 0), offer(2, 0));
    assert_eq!(offer(1, 0)[0].len(), "a=ice-ufrag:".len() + 8);
    assert_eq!(offer(1, 0)[1].len(), "a=ice-pwd:".len() + 24);
}

#[test]
fn packets_of_every_size_arrive_as_they_were_sent() {
    let mut net = Net::connected(20 * MS, 0);
    for (kind, most) in [(Srtp, SRTP.max_packet), (Sctp, SCTP.max_packet)] {
        for size in (1..=most).step_by(97).chain([most]) {
            for (from, to) in [(0, 1), (1, 0)] {
                let packet = vec![size as u8; size];
                let sent = net.now;
                net.send(from, to, kind, &packet);
                net.run(100 * MS);
                let arrived = net.nodes[to].packets.pop().expect("it has arrived");
                assert_eq!(arrived, (sent + 20 * MS, player(from), kind, packet.into()));
            }
        }
    }
    assert!((1_100..=1_200).contains(&net.largest), "{}", net.largest);
    assert!(net.nodes.iter().all(|node| node.packets.is_empty()), "each came once");
}

#[test]
fn what_is_empty_or_too_large_or_has_no_pipe_is_dropped_and_counted() {
    let mut net = Net::connected(20 * MS, 0);
    // Messages of the channel may be longer than the packets that it is for.
    for (kind, most) in [(Srtp, SRTP.max_packet), (Sctp, 16 * 1_024)] {
        net.send(0, 1, kind, &[]);
        net.send(0, 1, kind, &vec![0; most + 1]);
        net.send(0, 1, kind, &vec![0; 70_000]);
    }
    assert_eq!(net.nodes[0].machine.dropped().packets, 6);
    let mut apart = Net::of(3, 20 * MS, 0);
    apart.send(0, 1, Srtp, b"x");
    apart.order(0, 1, Srtp, Command::Open);
    apart.send(0, 1, Srtp, b"x");
    assert_eq!(apart.nodes[0].machine.dropped().packets, 2);
    assert!(flows(&mut net, 0, 1));
}

#[test]
fn loss_costs_what_is_lost_and_no_time() {
    let mut net = Net::connected(50 * MS, 10);
    for number in 0..600_u32 {
        net.send(0, 1, Srtp, &[&number.to_be_bytes()[..], &[0; 416]].concat());
        net.run(16 * MS);
    }
    net.run(SECOND);
    let arrived: Vec<_> = net.nodes[1].packets.iter().filter(|packet| packet.2 == Srtp).collect();
    assert!((500..590).contains(&arrived.len()), "{}", arrived.len());
    for (at, _, _, bytes) in &arrived {
        let number = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        let sent = arrived[0].0 + 16 * MS * number;
        assert!(at.since(sent) <= 16 * MS, "packet {number} is late");
    }
    let mut numbers: Vec<_> = arrived.iter().map(|packet| packet.3.clone()).collect();
    numbers.dedup();
    assert_eq!(numbers.len(), arrived.len(), "none came twice");
}

#[test]
fn numbers_of_packets_pass_the_sixteenth_bit() {
    let mut net = Net::connected(MS, 0);
    for _ in 0..700 {
        for _ in 0..100 {
            let input = Input::Packet { player: player(1), kind: Srtp, payload: b"tick" };
            net.nodes[0].machine.handle(net.now, input).unwrap();
        }
        net.tell(0, Input::Timeout);
        net.run(2 * MS);
    }
    assert_eq!(net.nodes[1].packets.len(), 70_000);
}

#[test]
fn ice_restarts_while_packets_flow() {
    let mut net = Net::connected(20 * MS, 0);
    forget(&mut net);
    let attempt = net.order(0, 1, Srtp, Command::Restart);
    let began = net.now;
    let joined = net.order(0, 1, Sctp, Command::Restart);
    net.run(5 * MS);
    net.send(0, 1, Srtp, b"meanwhile");
    let most = 200 * MS;
    net.run_until(|net| net.is_pipe_open(0, 1, Srtp) && net.is_pipe_open(0, 1, Sctp), most);
    let opened = [(Sctp, joined.0, Fact::Opened(SCTP)), (Srtp, attempt.0, Fact::Opened(SRTP))];
    let mut told = facts(&net, 0);
    told.sort_by_key(|fact| fact.0);
    assert_eq!(told, opened);
    assert!(net.now.since(began) >= 80 * MS, "not before offer, answer and a check have come back");
    assert_eq!(net.nodes[0].signals.len(), 1, "one restart for both pipes");
    assert_eq!(facts(&net, 1), [], "the other side goes on as it was");
    assert_eq!(net.nodes[1].packets.len(), 1, "it flowed all the time");
    assert!(flows(&mut net, 0, 1));
}

#[test]
fn a_socket_elsewhere_is_found_by_a_restart() {
    let mut net = Net::connected(20 * MS, 0);
    let (old, new) = (net.nodes[1].address, "10.0.9.9:777".parse().unwrap());
    net.nodes[1].address = new;
    net.tell(1, Input::Addresses(vec![new]));
    assert!(matches!(net.nodes[1].signals.last(), Some(RtcSignal::IceCandidate { .. })), "the new address trickles");
    forget(&mut net);
    net.order(1, 0, Srtp, Command::Restart);
    net.run_until(|net| net.is_pipe_open(1, 0, Srtp), 2 * SECOND);
    // The other side follows when it has heard which way was taken.
    net.run(100 * MS);
    forget(&mut net);
    assert!(flows(&mut net, 0, 1));
    assert!(!net.nodes[0].sent.contains_key(&old), "{:?}", net.nodes[0].sent);
}

#[test]
fn when_both_restart_at_once_one_gives_way() {
    let mut net = Net::connected(20 * MS, 0);
    forget(&mut net);
    for (seat, to) in [(0, 1), (1, 0)] {
        net.order(seat, to, Srtp, Command::Restart);
        net.order(seat, to, Sctp, Command::Restart);
    }
    net.run_until(|net| net.is_open(0, 1), SECOND / 2);
    assert!(flows(&mut net, 0, 1));
    assert_eq!([net.nodes[0].signals.len(), net.nodes[1].signals.len()], [2, 1], "one answer");
}

#[test]
fn when_both_offer_at_once_one_gives_way() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.order(0, 1, Srtp, Command::Open);
    net.order(0, 1, Sctp, Command::Open);
    net.run(990 * MS);
    net.order(1, 0, Srtp, Command::Open);
    net.order(1, 0, Sctp, Command::Open);
    net.run_until(|net| net.is_open(0, 1), SECOND / 2);
    assert!(flows(&mut net, 0, 1));
    assert_eq!([net.nodes[0].signals.len(), net.nodes[1].signals.len()], [2, 1], "two offers, one answer");
}

#[test]
fn who_should_wait_offers_when_nothing_comes() {
    let mut net = Net::connected(20 * MS, 0);
    forget(&mut net);
    net.order(0, 1, Srtp, Command::Open);
    net.order(0, 1, Sctp, Command::Open);
    assert_eq!(facts(&net, 0), [(Sctp, 2, Fact::Closed)], "what was open is gone");
    net.run(2 * SECOND);
    assert!(net.is_open(0, 1));
    let closed: Vec<_> = facts(&net, 1).into_iter().filter(|fact| fact.2 == Fact::Closed).collect();
    assert_eq!(closed, [(Sctp, 2, Fact::Closed), (Srtp, 1, Fact::Closed)], "and so it is for the other");
    assert!(flows(&mut net, 0, 1));
}

#[test]
fn an_offer_waits_until_it_is_wanted_and_not_for_ever() {
    for (pause, signals) in [(3, [1, 1]), (11, [1, 2])] {
        let mut net = Net::of(2, 20 * MS, 0);
        net.order(1, 0, Srtp, Command::Open);
        net.order(1, 0, Sctp, Command::Open);
        net.run(pause * SECOND);
        assert_eq!(net.nodes[0].signals.len(), 0);
        net.order(0, 1, Srtp, Command::Open);
        net.order(0, 1, Sctp, Command::Open);
        net.run_until(|net| net.is_open(0, 1), SECOND + 200 * MS);
        assert!(flows(&mut net, 0, 1));
        assert_eq!([net.nodes[0].signals.len(), net.nodes[1].signals.len()], signals);
    }
}

#[test]
fn the_answer_to_an_offer_that_was_replaced_is_dropped() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.open(0, 1);
    net.order(1, 0, Srtp, Command::Open);
    net.order(1, 0, Sctp, Command::Open);
    net.run_until(|net| net.is_open(0, 1), SECOND);
    assert_eq!(net.nodes[1].signals.len(), 2);
    assert_eq!(net.nodes[1].machine.dropped().signals, 1, "the first answer");
    assert!(flows(&mut net, 0, 1));
}

#[test]
fn a_farewell_is_heard_by_the_other() {
    let mut net = Net::connected(20 * MS, 0);
    forget(&mut net);
    net.nodes[0].facts = Vec::new();
    for (kind, attempt) in [(Srtp, 1), (Sctp, 2)] {
        let order = webstar_core::path::Order { attempt: Attempt(attempt), command: Command::Close };
        assert_eq!(facts(&net, 1), []);
        net.tell(0, Input::Order { player: player(1), kind, order });
    }
    net.run(20 * MS);
    assert_eq!(facts(&net, 1), [(Sctp, 2, Fact::Closed), (Srtp, 1, Fact::Closed)]);
    assert_eq!(facts(&net, 0), [], "who closes expects nothing");
    net.run(60 * SECOND);
    assert_eq!(net.nodes[0].machine.deadline(), None, "nothing is left");
    assert_eq!(net.nodes[0].machine.dropped().strangers, 2, "the other's farewells, of RTP and DTLS");
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), SECOND);
    assert!(flows(&mut net, 0, 1));
}

#[test]
fn one_pipe_is_closed_and_the_other_stays() {
    let mut net = Net::connected(20 * MS, 0);
    forget(&mut net);
    let order = webstar_core::path::Order { attempt: Attempt(2), command: Command::Close };
    net.tell(0, Input::Order { player: player(1), kind: Sctp, order });
    net.send(0, 1, Sctp, b"no more");
    net.send(0, 1, Srtp, b"still");
    net.run(SECOND);
    assert_eq!((facts(&net, 1), net.nodes[1].packets.len()), (vec![], 1));
}

#[test]
fn a_connection_that_died_silently_is_replaced() {
    let mut net = Net::connected(20 * MS, 0);
    net.is_cut = true;
    net.run(60 * SECOND);
    forget(&mut net);
    for (kind, command) in [(Srtp, Command::Open), (Sctp, Command::Open), (Srtp, Command::Restart)] {
        net.order(0, 1, kind, command);
        net.order(1, 0, kind, command);
        net.run(3 * SECOND);
    }
    assert!(!net.is_pipe_open(0, 1, Srtp));
    net.is_cut = false;
    net.order(0, 1, Srtp, Command::Open);
    net.order(1, 0, Srtp, Command::Open);
    net.run_until(|net| net.is_open(0, 1), 3 * SECOND);
    assert!(flows(&mut net, 0, 1));
}

#[test]
fn who_has_lost_its_memory_is_met_anew() {
    // The one that remembers restarts what the other has forgotten, or the other begins; whichever of them offers.
    for (forgets, commands) in [(0, Some(Command::Restart)), (1, Some(Command::Restart)), (0, None), (1, None)] {
        let mut net = Net::connected(20 * MS, 0);
        net.forget(forgets);
        let remembers = 1 - forgets;
        for kind in [Srtp, Sctp] {
            net.order(forgets, remembers, kind, Command::Open);
        }
        if let Some(command) = commands {
            net.order(remembers, forgets, Srtp, command);
            net.order(remembers, forgets, Sctp, command);
            net.run(SECOND);
            net.open(0, 1);
        }
        net.run_until(|net| net.is_open(0, 1), 3 * SECOND);
        assert!(flows(&mut net, 0, 1));
    }
}

#[test]
fn the_data_channel_is_second_to_the_section() {
    let mut net = Net::connected(20 * MS, 0);
    forget(&mut net);
    let attempt = net.order(0, 1, Sctp, Command::Open);
    assert_eq!(facts(&net, 0), [(Sctp, attempt.0, Fact::Opened(SCTP))], "nothing was done below it");
    net.run(2 * SECOND);
    assert!(net.nodes.iter().all(|node| node.signals.is_empty()));
    assert!(flows(&mut net, 0, 1));
}

#[test]
fn a_full_data_channel_says_so_and_refuses() {
    let mut net = Net::connected(50 * MS, 0);
    for _ in 0..100 {
        net.send(0, 1, Sctp, &[7; 1_000]);
    }
    let refused = net.nodes[0].machine.dropped().packets;
    assert!((60..70).contains(&refused), "{refused} of 100 beyond 32 KiB");
    net.run(5 * SECOND);
    assert_eq!(net.nodes[1].packets.len() as u64, 100 - refused);
    let fills = net.nodes[0].facts.iter().filter_map(|fact| match fact.4 {
        Fact::Buffered(bytes) => Some(bytes),
        _ => None,
    });
    let fills: Vec<_> = fills.collect();
    assert!(fills.iter().any(|fill| *fill > 28_000) && fills.last() == Some(&0), "{fills:?}");
}

/// The peer counts what it sends as waiting until it is told otherwise. Who told it only of full and empty channels left
/// it believing that a channel which never held much was full, and nothing left on it any more.
#[test]
fn a_data_channel_that_never_holds_much_is_not_taken_for_full() {
    let mut net = Net::connected(20 * MS, 0);
    let (mut told, mut taken_for) = (net.nodes[0].facts.len(), 0);
    for _ in 0..200 {
        taken_for += 300;
        net.send(0, 1, Sctp, &[7; 300]);
        net.run(16 * MS);
        for fact in &net.nodes[0].facts[told..] {
            if let Fact::Buffered(bytes) = fact.4 {
                taken_for = bytes;
            }
        }
        told = net.nodes[0].facts.len();
        assert!(taken_for < 5_000, "{taken_for}");
    }
    net.run(SECOND);
    assert_eq!(net.nodes[1].packets.len(), 200);
    assert!(matches!(net.nodes[0].facts.last(), Some((.., Fact::Buffered(0)))));
}

#[test]
fn sixteen_members_on_the_one_socket_of_their_host() {
    let mut net = Net::of(17, 20 * MS, 0);
    for member in 1..17 {
        net.open(0, member);
    }
    // A first packet of DTLS that was refused would cost a second.
    net.run_until(|net| (1..17).all(|member| net.is_open(0, member)), 200 * MS);
    forget(&mut net);
    for member in 1..17 {
        net.send(0, member, Srtp, format!("for {member}").as_bytes());
        net.send(member, 0, Sctp, format!("from {member}").as_bytes());
    }
    net.run(SECOND);
    for member in 1..17 {
        let [(_, from, Srtp, bytes)] = &net.nodes[member].packets[..] else { panic!("member {member}") };
        assert_eq!((*from, &bytes[..]), (player(0), format!("for {member}").as_bytes()));
        let of_it = net.nodes[0].packets.iter().filter(|packet| packet.1 == player(member));
        assert_eq!(of_it.map(|packet| &packet.3[..]).collect::<Vec<_>>(), [format!("from {member}").as_bytes()]);
    }
    net.close(0, 5);
    net.run(SECOND);
    assert!(!net.is_pipe_open(5, 0, Srtp) && flows(&mut net, 0, 6));
    assert_eq!(net.nodes[0].machine.dropped().malformed, 0);
}
