//! A TURN server: lends addresses of its own, and hands on between those and whoever they are lent to (RFC 8656). What it
//! says and keeps is the library's; that it stands outside of all boxes, and who may use it, is ours.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::collections::VecDeque;
use turn_server_proto::api::{Transmit, TurnServerApi as _, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::types::TransportType;
use turn_server_proto::types::transmit::TransmitBuild;
use webstar_core::time::Instant;

/// Where the TURN server answers. The addresses that it lends have other ports.
pub const TURN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 2)), 3_478);
/// As which seat it is spoken of.
pub const TURN_SEAT: usize = usize::MAX - 1;
/// Who may use it.
pub const USER: &str = "player";
/// By this password.
pub const PASSWORD: &str = "of players";
/// The first port that it lends.
const FIRST_PORT: u16 = 49_152;

/// A datagram that leaves it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Leaving {
    /// From which of its addresses.
    pub from: SocketAddr,
    /// To where.
    pub to: SocketAddr,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The server.
#[derive(Debug)]
pub struct Turn {
    server: TurnServer,
    next_port: u16,
    is_up: bool,
}

impl Default for Turn {
    fn default() -> Self {
        let mut server = TurnServer::new(TransportType::Udp, TURN, "simulator".into());
        server.add_user(USER.into(), PASSWORD.into());
        Turn { server, next_port: FIRST_PORT, is_up: true }
    }
}

impl Turn {
    /// It dies: nothing that is sent to it is answered or handed on.
    pub fn die(&mut self) {
        self.is_up = false;
    }

    /// It is there again and knows nothing of what it had lent.
    pub fn begin_anew(&mut self) {
        *self = Turn { next_port: self.next_port, ..Turn::default() };
    }

    /// A datagram has come to one of its addresses: what leaves for others. What it hands on to itself stays in it.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) -> Vec<Leaving> {
        let mut coming = VecDeque::from([Leaving { from, to, bytes }]);
        let mut leaving = Vec::new();
        if !self.is_up {
            return leaving;
        }
        while let Some(Leaving { from, to, bytes }) = coming.pop_front() {
            self.work(now, &mut coming, &mut leaving);
            let reply = self.server.recv(Transmit::new(bytes, TransportType::Udp, from, to), now.into());
            if let Some(reply) = reply {
                sort(TransmitBuild::build(reply), &mut coming, &mut leaving);
            }
            self.work(now, &mut coming, &mut leaving);
        }
        leaving
    }

    /// It does what it has to do by now.
    fn work(&mut self, now: Instant, coming: &mut VecDeque<Leaving>, leaving: &mut Vec<Leaving>) {
        loop {
            match self.server.poll(now.into()) {
                TurnServerPollRet::AllocateSocket {
                    transport,
                    listen_addr,
                    client_addr,
                    allocation_transport,
                    family,
                } => {
                    let lent = SocketAddr::new(TURN.ip(), self.next_port);
                    self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_PORT);
                    let (server, now) = (&mut self.server, now.into());
                    server.allocated_socket(
                        transport,
                        listen_addr,
                        client_addr,
                        allocation_transport,
                        family,
                        Ok(lent),
                        now,
                    );
                }
                TurnServerPollRet::WaitUntil(_) => break,
                _ => {}
            }
        }
        while let Some(transmit) = self.server.poll_transmit(now.into()) {
            sort(transmit, coming, leaving);
        }
    }
}

fn sort(transmit: Transmit<Vec<u8>>, coming: &mut VecDeque<Leaving>, leaving: &mut Vec<Leaving>) {
    let Transmit { data: bytes, from, to, .. } = transmit;
    let is_ours = to.ip() == TURN.ip();
    if is_ours { coming.push_back(Leaving { from, to, bytes }) } else { leaving.push(Leaving { from, to, bytes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_asked_who_it_is_and_noise_is_not_answered() {
        let mut turn = Turn::default();
        let client = "192.0.2.7:20000".parse().unwrap();
        // An allocation is asked for, over UDP, without a name.
        let mut question = vec![0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42];
        question.extend([7; 12]);
        question.extend([0, 0x19, 0, 4, 17, 0, 0, 0]);
        let answer = turn.receive(Instant::ZERO, client, TURN, question.clone());
        assert_eq!((answer.len(), answer[0].from, answer[0].to), (1, TURN, client));
        assert_eq!(answer[0].bytes[..2], [0x01, 0x13], "it is refused");
        assert_eq!(turn.receive(Instant::ZERO, client, TURN, vec![0xff; 40]), []);
        let lent = SocketAddr::new(TURN.ip(), FIRST_PORT);
        assert_eq!(turn.receive(Instant::ZERO, client, lent, vec![1; 40]), [], "it lends nothing yet");
        turn.die();
        assert_eq!(turn.receive(Instant::ZERO, client, TURN, question.clone()), [], "it is dead");
        turn.begin_anew();
        assert_eq!(turn.receive(Instant::ZERO, client, TURN, question).len(), 1);
    }
}
