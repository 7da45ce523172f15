//! A TURN server that knows the password, signs what it says, and says whatever it likes.

use crate::net::turn::{PASSWORD, TURN, USER};
use crate::net::{Net, player};
use core::net::SocketAddr;
use turn_server_proto::types::attribute::{Lifetime, XorRelayedAddress};
use turn_server_proto::types::stun::attribute::{ErrorCode, Nonce, Realm, XorMappedAddress};
use turn_server_proto::types::stun::message::{IntegrityAlgorithm, LongTermKeyCredentials, Message, MessageWriteVec};
use turn_server_proto::types::stun::prelude::{MessageWrite as _, MessageWriteExt as _};
use webstar_core::path::webrtc::{
    Credentials, IceServer, Input, Output, PathKind, ServerState, Transport, TurnServer, Webrtc,
};
use webstar_core::path::{Attempt, Command, Order};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{Candidate, RtcSignal, Secret};

const MS: Duration = Duration::from_millis(1);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("it is an address")
}

/// A player that speaks to nobody but the server.
struct Client {
    machine: Webrtc,
    now: Instant,
    /// What it has sent to the server and is not answered.
    asked: Vec<Vec<u8>>,
    states: Vec<ServerState>,
}

impl Client {
    /// It wants a connection with a player that has told a few addresses.
    fn new() -> Client {
        let mut net = Net::of(2, MS, 0);
        net.is_silent = true;
        net.order(1, 0, PathKind::Srtp, Command::Open);
        let offer = net.nodes[1].signals.pop().expect("who has the higher number offers");
        let node = net.nodes.remove(0);
        let mut client = Client { machine: node.machine, now: net.now, asked: Vec::new(), states: Vec::new() };
        let credentials = Credentials { user: USER.into(), password: Secret::new(PASSWORD).expect("it is short") };
        let server = TurnServer { address: address(TURN), transport: Transport::Udp, credentials };
        client.tell(Input::Servers(vec![IceServer::Turn(server)]));
        let order = Order { attempt: Attempt(1), command: Command::OpenRelayed };
        client.tell(Input::Order { player: player(1), kind: PathKind::Srtp, order });
        client.tell(Input::Signal { player: player(1), signal: offer });
        for host in 1..9 {
            let candidate = Candidate {
                candidate: format!("candidate:1 1 udp 2113929471 10.9.9.{host} 80 typ host"),
                sdp_mid: None,
                sdp_m_line_index: Some(0),
                username_fragment: None,
            };
            client.tell(Input::Signal { player: player(1), signal: RtcSignal::IceCandidate { candidate } });
        }
        client
    }

    fn tell(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input).expect("it is no misuse");
        for count in 0.. {
            assert!(count < 10_000, "it comes to rest");
            match self.machine.poll() {
                Output::Datagram { from, to, payload } => {
                    assert_eq!((from, to), (address("10.0.0.1:5000"), address(TURN)), "to nobody but the server");
                    self.asked.push(payload.to_vec());
                }
                Output::Server { state, .. } => self.states.push(state),
                Output::Timeout(due) => {
                    assert!(due.is_none_or(|due| due > self.now), "it is asked again at once");
                    return;
                }
                _ => {}
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.tell(Input::Timeout);
    }

    /// The server answers.
    fn hear(&mut self, bytes: &[u8]) {
        self.tell(Input::Datagram { from: address(TURN), to: address("10.0.0.1:5000"), bytes });
    }
}

fn challenge(question: &Message<'_>) -> Vec<u8> {
    let mut answer = Message::builder_error(question, MessageWriteVec::new());
    answer.add_attribute(&ErrorCode::builder(401).build().expect("it fits")).expect("it fits");
    answer.add_attribute(&Realm::new("realm").expect("it fits")).expect("it fits");
    answer.add_attribute(&Nonce::new("nonce").expect("it fits")).expect("it fits");
    answer.finish()
}

fn sign(mut answer: MessageWriteVec) -> Vec<u8> {
    let key = LongTermKeyCredentials::new(USER.into(), PASSWORD.into(), "realm".into());
    answer.add_message_integrity(&key.into(), IntegrityAlgorithm::Sha1).expect("it fits");
    answer.finish()
}

/// An answer to an allocation: so long, and at this address.
fn lend(question: &Message<'_>, relay: &str, lifetime: u32) -> Vec<u8> {
    let mut answer = Message::builder_success(question, MessageWriteVec::new());
    let id = question.transaction_id();
    answer.add_attribute(&XorRelayedAddress::new(address(relay), id)).expect("it fits");
    answer.add_attribute(&Lifetime::new(lifetime)).expect("it fits");
    answer.add_attribute(&XorMappedAddress::new(address("203.0.113.1:61001"), id)).expect("it fits");
    sign(answer)
}

/// What comes of being lent this address.
fn states_of(relay: &str) -> Vec<ServerState> {
    let mut client = Client::new();
    for round in 0..2 {
        if client.asked.is_empty() {
            client.pass(MS * 100);
        }
        let asked = client.asked.remove(0);
        let question = Message::from_bytes(&asked).expect("it asks");
        client.hear(&if round == 0 { challenge(&question) } else { lend(&question, relay, 600) });
    }
    client.states
}

/// Nobody can send to it, or it is ours: what goes out by it would not go by the server.
#[test]
fn an_address_that_cannot_be_lent_is_refused() {
    assert_eq!(states_of("192.0.2.2:50000"), [ServerState::Works]);
    for relay in ["0.0.0.0:50000", "192.0.2.2:0", "224.0.0.1:50000", "255.255.255.255:50000", "10.0.0.1:5000"] {
        assert_eq!(states_of(relay), [ServerState::Refuses(0)], "{relay}");
    }
}
