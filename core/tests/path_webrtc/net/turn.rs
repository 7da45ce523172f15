//! A TURN server in the network in memory, by datagrams and by streams.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use turn_server_proto::api::{Transmit, TurnServerApi as _, TurnServerPollRet};
use turn_server_proto::server::TurnServer;
use turn_server_proto::types::TransportType;
use turn_server_proto::types::stun::message::Message;
use turn_server_proto::types::transmit::TransmitBuild;
use webstar_core::time::{Duration, Instant};

/// Where the TURN server answers.
pub(crate) const TURN: &str = "192.0.2.2:3478";
/// Who may use it.
pub(crate) const USER: &str = "1700000000:ann";
pub(crate) const PASSWORD: &str = "of ann";
/// How long a nonce holds.
pub(crate) const NONCE: Duration = Duration::from_secs(300);

/// The server.
pub(crate) struct Turn {
    datagrams: TurnServer,
    streams: TurnServer,
    next_port: u16,
    /// It says nothing any more.
    pub(crate) is_dead: bool,
    /// No new allocations.
    pub(crate) is_full: bool,
    /// What has come in streams and is no whole frame yet.
    cut: BTreeMap<SocketAddr, Vec<u8>>,
    /// Bytes of the largest channel frame and of the largest indication seen.
    pub(crate) channel_frames: usize,
    pub(crate) indications: usize,
}

/// What leaves the server.
pub(crate) enum Leaving {
    Datagram {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    /// In the stream of that client.
    Bytes(SocketAddr, Vec<u8>),
}

impl Turn {
    pub(crate) fn new() -> Turn {
        let address = address();
        let server = |transport| {
            let mut server = TurnServer::new(transport, address, "realm".into());
            server.add_user(USER.into(), PASSWORD.into());
            server.set_nonce_expiry_duration(NONCE);
            server
        };
        Turn {
            datagrams: server(TransportType::Udp),
            streams: server(TransportType::Tcp),
            next_port: 49_152,
            is_dead: false,
            is_full: false,
            cut: BTreeMap::new(),
            channel_frames: 0,
            indications: 0,
        }
    }

    /// Whether a datagram to there is for it.
    pub(crate) fn is_at(&self, to: SocketAddr) -> bool {
        to.ip() == address().ip()
    }

    /// A datagram has come.
    pub(crate) fn receive(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: &[u8]) -> Vec<Leaving> {
        if self.is_dead {
            return Vec::new();
        }
        if to == address() {
            self.count(bytes);
        }
        let mut leaving = Vec::new();
        for (server, transport) in [(&mut self.datagrams, TransportType::Udp), (&mut self.streams, TransportType::Tcp)]
        {
            // What comes to an address that was lent is for the server that lent it.
            if to == address() && transport == TransportType::Tcp {
                continue;
            }
            let reply = server.recv(Transmit::new(bytes, TransportType::Udp, from, to), now.into());
            leaving.extend(reply.map(|reply| leave(TransmitBuild::build(reply))));
        }
        leaving.extend(self.work(now));
        leaving
    }

    /// Bytes of a stream have come, every frame filled up to four bytes.
    pub(crate) fn stream(&mut self, now: Instant, client: SocketAddr, bytes: &[u8]) -> Vec<Leaving> {
        if self.is_dead {
            return Vec::new();
        }
        let mut waiting = self.cut.remove(&client).unwrap_or_default();
        waiting.extend_from_slice(bytes);
        let mut leaving = Vec::new();
        while let Some(&[first, _, high, low]) = waiting.first_chunk() {
            let told = usize::from(u16::from_be_bytes([high, low]));
            let length = if first < 4 { 20 + told } else { 4 + told };
            let whole = length.next_multiple_of(4);
            if waiting.len() < whole {
                break;
            }
            assert!(waiting[length..whole].iter().all(|byte| *byte == 0), "filled up");
            let frame = waiting[..length].to_vec();
            waiting.drain(..whole);
            self.count(&frame);
            let frame = Transmit::new(frame, TransportType::Tcp, client, address());
            let reply = self.streams.recv(frame, now.into());
            leaving.extend(reply.map(|reply| leave(TransmitBuild::build(reply))));
            leaving.extend(self.work(now));
        }
        self.cut.insert(client, waiting);
        leaving
    }

    fn count(&mut self, frame: &[u8]) {
        match Message::from_bytes(frame) {
            Ok(message) if message.has_class(turn_server_proto::types::stun::message::MessageClass::Indication) => {
                self.indications += 1;
            }
            Ok(_) => {}
            Err(_) => self.channel_frames += 1,
        }
    }

    /// When it has something to do.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Instant> {
        let due = [&mut self.datagrams, &mut self.streams].map(|server| match server.poll(now.into()) {
            TurnServerPollRet::WaitUntil(at) => Instant::from(at),
            _ => now,
        });
        Some(due[0].min(due[1]).max(now + Duration::from_secs(1)))
    }

    /// Does what it has to do by now.
    pub(crate) fn work(&mut self, now: Instant) -> Vec<Leaving> {
        let mut leaving = Vec::new();
        for server in [&mut self.datagrams, &mut self.streams] {
            loop {
                match server.poll(now.into()) {
                    TurnServerPollRet::AllocateSocket {
                        transport,
                        listen_addr,
                        client_addr,
                        allocation_transport,
                        family,
                    } => {
                        let relay = SocketAddr::new(address().ip(), self.next_port);
                        self.next_port += 1;
                        let relay = if self.is_full {
                            Err(turn_server_proto::api::SocketAllocateError::InsufficientCapacity)
                        } else {
                            Ok(relay)
                        };
                        server.allocated_socket(
                            transport,
                            listen_addr,
                            client_addr,
                            allocation_transport,
                            family,
                            relay,
                            now.into(),
                        );
                    }
                    TurnServerPollRet::WaitUntil(_) => break,
                    _ => {}
                }
            }
            while let Some(transmit) = server.poll_transmit(now.into()) {
                leaving.push(leave(transmit));
            }
        }
        leaving
    }
}

fn address() -> SocketAddr {
    TURN.parse().expect("it is an address")
}

fn leave(transmit: Transmit<Vec<u8>>) -> Leaving {
    let mut bytes = transmit.data;
    if transmit.transport == TransportType::Tcp {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        return Leaving::Bytes(transmit.to, bytes);
    }
    Leaving::Datagram { from: transmit.from, to: transmit.to, bytes }
}
