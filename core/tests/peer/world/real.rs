//! The real lobby server in the place of the one by hand.

use bytes::Bytes;
use core::net::Ipv4Addr;
use std::collections::BTreeMap;
use webstar_core::id::{ConnectionId, ShardId, StreamId};
use webstar_core::server::directory::Table;
use webstar_core::server::{Answer, Arrival, Ask, Endpoint, Identity, Input, Output, Server, ServerConfig};
use webstar_core::time::Instant;
use webstar_core::wire::signal::{Encoding, Frame};

pub(crate) struct Real {
    pub(crate) server: Server,
    table: Table,
    connections: BTreeMap<(usize, StreamId), ConnectionId>,
    next_connection: u32,
    pub(crate) next: Option<Instant>,
    pub(crate) out: Vec<(usize, StreamId, Frame)>,
    pub(crate) closing: Vec<(usize, StreamId, String)>,
}

impl Real {
    pub(crate) fn new() -> Self {
        let identity = Identity { shard: ShardId(0), shards: 1, key: [1; 32], process: 0 };
        Real {
            server: Server::new(ServerConfig::default(), identity, [2; 32], Instant::ZERO)
                .expect("the defaults are valid"),
            table: Table::new(),
            connections: BTreeMap::new(),
            next_connection: 0,
            next: None,
            out: Vec::new(),
            closing: Vec::new(),
        }
    }

    fn tell(&mut self, now: Instant, input: Input) {
        self.server.handle(now, input).expect("the connection is open");
        self.drain(now);
    }

    pub(crate) fn drain(&mut self, now: Instant) {
        loop {
            match self.server.poll() {
                Output::Transmit { connection, frame } => {
                    let bytes = frame.bytes().len();
                    self.server.handle(now, Input::Wrote { connection, bytes }).expect("it was given out");
                    if let Some((seat, stream)) = self.whose(connection) {
                        self.out.push((seat, stream, frame));
                    }
                }
                Output::Close { connection, reason } => {
                    if let Some((seat, stream)) = self.whose(connection) {
                        self.connections.remove(&(seat, stream));
                        let reason = serde_json::to_value(reason).expect("a reason is data");
                        self.closing.push((seat, stream, reason.as_str().expect("it is a word").to_string()));
                    }
                }
                Output::Ask { id, ask: Ask::Directory(ask) } => {
                    let answer = Answer::Directory(self.table.answer(ShardId(0), ask));
                    self.server.handle(now, Input::Answered { ask: id, answer }).expect("it was asked");
                }
                Output::Ask { id, ask: Ask::HashPassword { password, salt } } => {
                    let mut hash = [0; 32];
                    hash[..16].copy_from_slice(&salt);
                    hash[31] = password.as_str().len() as u8;
                    self.server
                        .handle(now, Input::Answered { ask: id, answer: Answer::Hash(hash) })
                        .expect("it was asked");
                }
                Output::Ask { id, ask: Ask::Admit { .. } } => {
                    let answer = Answer::Admitted(true);
                    self.server.handle(now, Input::Answered { ask: id, answer }).expect("it was asked");
                }
                Output::Timeout(next) => {
                    self.next = next.map(|(at, _)| at);
                    return;
                }
                Output::Move { .. } | Output::Event(_) => {}
            }
        }
    }

    fn whose(&self, connection: ConnectionId) -> Option<(usize, StreamId)> {
        self.connections.iter().find(|(_, known)| **known == connection).map(|(place, _)| *place)
    }

    pub(crate) fn on_opened(&mut self, now: Instant, seat: usize, stream: StreamId, endpoint: Endpoint) {
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        self.connections.insert((seat, stream), connection);
        let address = Ipv4Addr::LOCALHOST.into();
        let arrival = Arrival { address, endpoint, encoding: Some(Encoding::Postcard) };
        self.tell(now, Input::Connected { connection, arrival });
    }

    pub(crate) fn on_frame(&mut self, now: Instant, seat: usize, stream: StreamId, frame: &Frame) {
        if let Some(connection) = self.connections.get(&(seat, stream)).copied() {
            let frame = Frame::Binary(Bytes::copy_from_slice(frame.bytes()));
            self.tell(now, Input::Frame { connection, frame });
        }
    }

    pub(crate) fn on_closed(&mut self, now: Instant, seat: usize, stream: StreamId) {
        if let Some(connection) = self.connections.remove(&(seat, stream)) {
            self.tell(now, Input::Closed { connection });
        }
    }

    pub(crate) fn on_time(&mut self, now: Instant) {
        self.tell(now, Input::Timeout);
    }
}
