//! WebRTC connections by way of a TURN server.

use crate::net::outside::STUN;
use crate::net::turn::{NONCE, PASSWORD, TURN, Turn, USER};
use crate::net::{MS, Net, player};
use PathKind::{Sctp, Srtp};
use core::net::SocketAddr;
use std::collections::BTreeSet;
use webstar_core::path::webrtc::{
    Credentials, IceServer, Input, PathKind, Policy, Rules, ServerState, StreamFact, Transport, TurnServer,
};
use webstar_core::path::{Command, Fact};
use webstar_core::time::Duration;
use webstar_core::wire::signal::{RtcSignal, Secret};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn turn() -> SocketAddr {
    TURN.parse().expect("it is an address")
}

fn server(transport: Transport, password: &str) -> IceServer {
    let credentials = Credentials { user: USER.into(), password: Secret::new(password).expect("it is short") };
    IceServer::Turn(TurnServer { address: turn(), transport, credentials })
}

/// Two players that reach nothing but servers, one of them or both the TURN server by its transport.
fn apart(transports: [Option<Transport>; 2]) -> Net {
    let mut net = Net::of(2, 20 * MS, 0);
    net.turn = Some(Turn::new());
    net.outside.is_closed = true;
    net.outside.hide(net.nodes[0].address, "203.0.113.1:61001");
    net.outside.hide(net.nodes[1].address, "203.0.113.2:61002");
    for (seat, transport) in transports.into_iter().enumerate() {
        let turn = transport.map(|transport| server(transport, PASSWORD));
        let stun = IceServer::Stun { address: STUN.parse().expect("it is an address") };
        net.tell(seat, Input::Servers(turn.into_iter().chain([stun]).collect()));
    }
    net
}

fn flows(net: &mut Net) -> bool {
    let before = [0, 1].map(|seat: usize| net.nodes[seat].packets.len());
    for (kind, packet) in [(Srtp, [1; 1_001]), (Sctp, [2; 1_001])] {
        net.send(0, 1, kind, &packet);
        net.send(1, 0, kind, &packet);
    }
    net.run(SECOND);
    [0, 1].map(|seat: usize| net.nodes[seat].packets.len()) == before.map(|count| count + 2)
}

fn states(net: &Net, seat: usize) -> Vec<ServerState> {
    net.nodes[seat].servers.iter().filter(|told| told.1 == turn()).map(|told| told.2).collect()
}

/// The address that is lent to a player.
fn relay(net: &Net, seat: usize) -> Option<SocketAddr> {
    net.nodes[seat].machine.allocations().find_map(|known| known.relay)
}

#[test]
fn a_relayed_connection_opens_and_lives_for_an_hour() {
    for transports in [
        [Some(Transport::Udp), None],
        [None, Some(Transport::Udp)],
        [Some(Transport::Udp), Some(Transport::Udp)],
        [Some(Transport::Tcp), None],
        [Some(Transport::Tcp), Some(Transport::Tls { name: "turn.example".into() })],
    ] {
        let what = format!("{transports:?}");
        let mut net = apart(transports);
        net.run(500 * MS);
        net.open(0, 1);
        let took = net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
        assert!(took <= 1_500 * MS, "{took:?} {what}");
        let told = [0, 1].map(|seat: usize| net.nodes[seat].turned.clone());
        let both = |seat| [(player(seat), Srtp, true), (player(seat), Sctp, true)];
        assert_eq!(told.map(BTreeSet::from_iter), [BTreeSet::from(both(1)), BTreeSet::from(both(0))], "{what}");
        for _ in 0..12 {
            assert!(flows(&mut net), "{what}");
            net.run(5 * MINUTE);
        }
        assert!(flows(&mut net), "the nonce changed every {NONCE:?}, and all was refreshed: {what}");
        assert!(net.nodes.iter().all(|node| node.servers.iter().all(|told| told.2 == ServerState::Works)), "{what}");
    }
}

#[test]
fn what_a_server_hands_on_is_counted_for_each_allocation() {
    let mut net = apart([Some(Transport::Udp), Some(Transport::Tcp)]);
    net.run(500 * MS);
    let of = |net: &Net, seat: usize| net.nodes[seat].machine.allocations().collect::<Vec<_>>();
    assert!(of(&net, 0)[0].relay.is_some_and(|relay| relay.ip() == turn().ip()), "{:?}", of(&net, 0));
    assert_eq!((of(&net, 0)[0].bytes_sent, of(&net, 0)[0].bytes_received), (0, 0));
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    let before = of(&net, 0)[0].bytes_sent + of(&net, 1)[0].bytes_received;
    for _ in 0..50 {
        net.send(0, 1, Srtp, &[7; 1_000]);
        net.run(20 * MS);
    }
    let after = of(&net, 0)[0].bytes_sent + of(&net, 1)[0].bytes_received;
    assert_eq!(of(&net, 0).len(), 1);
    assert!(after - before >= 50_000, "{before} became {after}");
}

/// A router begins anew: the TURN server knows nobody at the address that it sees now.
#[test]
fn after_a_router_began_anew_an_address_is_lent_anew() {
    let mut net = apart([Some(Transport::Udp), None]);
    net.run(500 * MS);
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    net.run(2 * SECOND);
    net.outside.rebind(net.nodes[0].address, "203.0.113.1:61009");
    assert!(!flows(&mut net));
    for kind in [Srtp, Sctp] {
        net.order(0, 1, kind, Command::Open);
        net.order(1, 0, kind, Command::Open);
    }
    net.run_until(|net| net.is_open(0, 1), 3 * SECOND);
    assert!(flows(&mut net));
    assert_eq!(states(&net, 0), [ServerState::Works]);
}

/// Frames in a stream are filled up to four bytes, which the server of this test insists on, and come in pieces.
#[test]
fn trap_channel_data_padding() {
    let mut net = apart([Some(Transport::Tcp), None]);
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    for size in 1..=40 {
        net.send(0, 1, Srtp, &vec![1; size]);
        net.send(1, 0, Srtp, &vec![2; size]);
        net.run(100 * MS);
    }
    assert!(net.turn.as_ref().is_some_and(|turn| turn.channel_frames > 30), "a channel was bound");
    for node in &net.nodes {
        let sizes: Vec<_> = node.packets.iter().map(|packet| packet.3.len()).collect();
        assert_eq!(sizes, (1..=40).collect::<Vec<_>>());
    }
}

#[test]
fn streams_are_ordered_with_the_name_that_their_certificate_must_bear() {
    let net = apart([Some(Transport::Tls { name: "turn.example".into() }), Some(Transport::Tcp)]);
    assert_eq!(net.nodes[0].streams, [(1, turn(), Some("turn.example".into()))]);
    assert_eq!(net.nodes[1].streams, [(1, turn(), None)]);
}

#[test]
fn relayed_ways_only_show_and_use_no_other_address() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.turn = Some(Turn::new());
    net.tell(0, Input::Servers(vec![server(Transport::Udp, PASSWORD)]));
    net.run(500 * MS);
    for kind in [Srtp, Sctp] {
        net.order(0, 1, kind, Command::OpenRelayed);
        net.order(1, 0, kind, Command::Open);
    }
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    assert!(flows(&mut net));
    assert_eq!(net.nodes[0].sent.keys().collect::<Vec<_>>(), [&turn()], "to nobody else");
    let hidden = net.nodes[0].address.ip().to_string();
    assert!(net.nodes[0].signals.iter().all(|signal| !format!("{signal:?}").contains(&hidden)));
    let other = net.nodes[1].address;
    assert!(!net.nodes[0].sent.contains_key(&other));

    net.order(0, 1, Srtp, Command::Open);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    assert!(flows(&mut net) && net.nodes[0].sent.contains_key(&other), "all ways are allowed again");
}

#[test]
fn an_order_for_relayed_ways_leaves_a_direct_connection() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.turn = Some(Turn::new());
    net.tell(0, Input::Servers(vec![server(Transport::Udp, PASSWORD)]));
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    net.run(SECOND);
    net.nodes[0].sent.clear();
    net.order(0, 1, Srtp, Command::OpenRelayed);
    net.run(2 * SECOND);
    assert!(net.is_pipe_open(0, 1, Srtp) && net.is_pipe_open(1, 0, Srtp));
    net.nodes[0].sent.clear();
    assert!(flows(&mut net));
    assert_eq!(net.nodes[0].sent.keys().collect::<Vec<_>>(), [&turn()]);
}

#[test]
fn a_policy_of_relayed_ways_holds_for_every_order() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.turn = Some(Turn::new());
    net.tell(0, Input::Rules(Rules { policy: Policy::RelayOnly, ..Rules::default() }));
    net.tell(0, Input::Servers(vec![server(Transport::Udp, PASSWORD)]));
    net.run(500 * MS);
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    assert!(flows(&mut net));
    assert_eq!(net.nodes[0].sent.keys().collect::<Vec<_>>(), [&turn()]);
}

#[test]
fn hidden_private_addresses_are_tried_and_not_told() {
    let mut net = Net::of(2, 20 * MS, 0);
    for seat in 0..2 {
        net.tell(seat, Input::Rules(Rules { policy: Policy::HidePrivate, ..Rules::default() }));
    }
    net.open(0, 1);
    net.run(SECOND);
    let own = net.nodes[0].address;
    net.tell(0, Input::Addresses(vec![own, "10.0.7.1:5000".parse().unwrap()]));
    net.run(SECOND);
    let told = format!("{:?}", net.nodes.iter().map(|node| &node.signals).collect::<Vec<_>>());
    assert!(!told.contains("typ host"), "{told}");
    assert!(net.nodes[0].sent.is_empty() && net.nodes[1].sent.is_empty(), "nobody knows where");
    net.tell(0, Input::Addresses(vec![own, "198.51.100.1:5000".parse().unwrap()]));
    assert!(format!("{:?}", net.nodes[0].signals.last()).contains(" 198.51.100.1 5000 typ host"));
}

#[test]
fn a_dead_server_is_told_and_asked_again() {
    let mut net = apart([Some(Transport::Udp), Some(Transport::Tcp)]);
    net.turn.as_mut().unwrap().is_dead = true;
    net.run(9 * SECOND);
    assert_eq!((states(&net, 0), states(&net, 1)), (vec![], vec![]));
    net.run(2 * SECOND);
    assert_eq!((states(&net, 0), states(&net, 1)), (vec![ServerState::Silent], vec![ServerState::Silent]));
    let attempt = net.order(0, 1, Srtp, Command::OpenRelayed);
    let last = net.nodes[0].facts.last().map(|fact| (fact.2, fact.3, fact.4));
    assert_eq!(last, Some((Srtp, attempt, Fact::Failed)), "there is no such way now");
    net.turn.as_mut().unwrap().is_dead = false;
    net.run(10 * SECOND);
    assert_eq!((states(&net, 0).pop(), states(&net, 1).pop()), (Some(ServerState::Works), Some(ServerState::Works)));

    net.turn.as_mut().unwrap().is_dead = true;
    net.run(40 * MINUTE);
    assert_eq!((states(&net, 0).pop(), states(&net, 1).pop()), (Some(ServerState::Silent), Some(ServerState::Silent)));
}

#[test]
fn a_refusal_is_told_with_its_number() {
    let mut net = Net::of(2, 20 * MS, 0);
    net.turn = Some(Turn::new());
    net.tell(0, Input::Servers(vec![server(Transport::Udp, "wrong")]));
    net.run(12 * SECOND);
    assert_eq!(states(&net, 0), [ServerState::Refuses(401)]);
    net.tell(0, Input::Servers(vec![server(Transport::Udp, PASSWORD)]));
    net.run(SECOND);
    assert_eq!(states(&net, 0), [ServerState::Refuses(401), ServerState::Works], "new credentials are shown at once");
    net.turn.as_mut().unwrap().is_full = true;
    net.tell(1, Input::Servers(vec![server(Transport::Udp, PASSWORD)]));
    net.run(5 * SECOND);
    assert_eq!(states(&net, 1), [ServerState::Refuses(508)]);
}

#[test]
fn an_allocation_of_a_former_life_is_told_and_outlived() {
    let mut net = apart([Some(Transport::Udp), None]);
    net.run(SECOND);
    net.forget(0);
    net.nodes[0].servers.clear();
    net.tell(0, Input::Servers(vec![server(Transport::Udp, PASSWORD)]));
    net.run(12 * SECOND);
    let [ServerState::Refuses(_)] = states(&net, 0)[..] else {
        panic!("what was lent in the former life still stands")
    };
    net.run(40 * MINUTE);
    assert_eq!(states(&net, 0).pop(), Some(ServerState::Works));
}

#[test]
fn a_server_that_dies_takes_its_ways_with_it() {
    let mut net = apart([Some(Transport::Tcp), None]);
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    net.tell(0, Input::Stream { stream: 1, fact: StreamFact::Closed });
    assert_eq!(states(&net, 0), [ServerState::Works, ServerState::Silent]);
    net.run(6 * SECOND);
    assert_eq!(states(&net, 0).pop(), Some(ServerState::Works));
    let told = net.nodes[0].signals.iter().rev().find(|signal| matches!(signal, RtcSignal::IceCandidate { .. }));
    assert!(format!("{told:?}").contains("typ relay"), "the new way is told");
    net.order(0, 1, Srtp, Command::Restart);
    net.run(3 * SECOND);
    assert!(flows(&mut net));
}

/// It says nothing to who goes on as before: nobody had an address there again before the old one ran out, ten minutes later.
#[test]
fn a_server_that_began_anew_lends_anew_where_it_is_missed() {
    let mut net = apart([Some(Transport::Udp), Some(Transport::Udp)]);
    net.run(500 * MS);
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    net.run(10 * SECOND);
    net.turn = Some(Turn::new());
    assert!(!flows(&mut net));
    for kind in [Srtp, Sctp] {
        net.order(0, 1, kind, Command::Open);
        net.order(1, 0, kind, Command::Open);
    }
    let took = net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    assert!(took <= 2 * SECOND && flows(&mut net), "{took:?}");
}

/// What it refuses to who has something new to ask tells it at once.
#[test]
fn a_server_that_began_anew_unseen_lends_anew_when_somebody_is_to_be_let_in() {
    let mut net = apart([Some(Transport::Udp), None]);
    net.run(10 * SECOND);
    net.turn = Some(Turn::new());
    net.open(0, 1);
    let took = net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    assert!(took <= 1_500 * MS && flows(&mut net), "{took:?}");
}

/// Neither a player that is gone nor a server that cannot be reached for a while costs the address that is lent.
#[test]
fn what_is_lent_outlives_players_and_breaks_of_the_way_to_the_server() {
    for is_dead in [false, true] {
        let mut net = apart([Some(Transport::Udp), None]);
        net.run(500 * MS);
        net.open(0, 1);
        net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
        net.run(10 * SECOND);
        let lent = relay(&net, 0);
        net.turn.as_mut().expect("there is one").is_dead = is_dead;
        net.send(0, 1, Srtp, &[1; 100]);
        net.run(SECOND);
        net.order(0, 1, Srtp, Command::Open);
        net.run(12 * SECOND);
        let mut told = vec![ServerState::Works];
        told.extend(is_dead.then_some(ServerState::Silent));
        assert_eq!(states(&net, 0), told);
        net.turn.as_mut().expect("there is one").is_dead = false;
        net.run(8 * SECOND);
        let known = (states(&net, 0).pop(), relay(&net, 0));
        assert_eq!(known, (Some(ServerState::Works), lent), "{is_dead}");
    }
}

#[test]
fn what_was_lent_for_a_while_is_asked_for_again_at_once_when_it_is_lost() {
    for (stood, again) in [(4 * SECOND, 5 * SECOND), (6 * SECOND, 200 * MS)] {
        let mut net = apart([Some(Transport::Tcp), None]);
        net.run(stood);
        let stream = net.nodes[0].streams.len() as u32;
        net.tell(0, Input::Stream { stream, fact: StreamFact::Closed });
        assert_eq!(states(&net, 0).pop(), Some(ServerState::Silent));
        let took = net.run_until(|net| states(net, 0).pop() == Some(ServerState::Works), 6 * SECOND);
        assert!(took <= again + 200 * MS && again <= took + 200 * MS, "after {stood:?}: {took:?}");
    }
}

#[test]
fn an_address_that_is_gone_takes_its_allocation_with_it() {
    let mut net = apart([Some(Transport::Udp), None]);
    net.run(SECOND);
    let new = "10.0.9.1:5000".parse().unwrap();
    net.nodes[0].address = new;
    net.outside.hide(new, "203.0.113.1:61009");
    net.tell(0, Input::Addresses(vec![new]));
    net.run(SECOND);
    net.open(0, 1);
    net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
    net.tell(0, Input::Servers(Vec::new()));
    net.run(SECOND);
    assert!(!flows(&mut net), "the server was told that it is over");
}

#[test]
fn hostile_streams_and_datagrams_of_a_server_harm_nobody() {
    for bytes in [&[0xff; 100][..], &[0; 100], b"HTTP/1.1 400 Bad Request\r\n\r\n", &[0x40, 0, 0, 0], &[]] {
        let mut net = apart([Some(Transport::Tcp), Some(Transport::Udp)]);
        net.run(SECOND);
        for _ in 0..100 {
            net.tell(0, Input::Stream { stream: 1, fact: StreamFact::Bytes(bytes) });
            net.tell(0, Input::Stream { stream: 77, fact: StreamFact::Bytes(bytes) });
            net.inject(turn(), 1, bytes);
        }
        net.run(10 * SECOND);
        net.open(0, 1);
        net.run_until(|net| net.is_open(0, 1), 5 * SECOND);
        assert!(flows(&mut net));
    }
}
