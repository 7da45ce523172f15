//! Servers that help to find ways between players: what the embedder tells of them, and what is told of how they do.

use crate::wire::signal::Credentials;
use core::net::SocketAddr;
use serde::Serialize;

/// Servers that are asked at the same time. What is told beyond is left out.
pub(super) const MOST: usize = 8;

/// A server that helps to find ways. Its name is resolved by the embedder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum IceServer {
    /// Tells under which address the outside sees us.
    Stun {
        /// Where it answers, by UDP.
        address: SocketAddr,
    },
    /// Lends us an address of its own.
    Turn(TurnServer),
}

/// A server that lends us an address of its own and hands on what comes there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TurnServer {
    /// Where it answers.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub transport: Transport,
    /// Who we are to it. Those that hold for a time only are told anew with [`Input::Servers`](super::Input::Servers):
    /// an address that is lent stays ours, and the next is asked for with the new ones.
    pub credentials: Credentials,
}

/// How a TURN server is spoken to. Between it and other players it is UDP in any case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Transport {
    /// By datagrams, from the sockets of the player: `turn:`, or `?transport=udp`.
    Udp,
    /// By a stream: `turn:` with `?transport=tcp`.
    Tcp,
    /// By a stream that the embedder secures: `turns:`.
    Tls {
        /// The name that the server's certificate must bear.
        name: String,
    },
}

impl IceServer {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        match self {
            IceServer::Stun { address } => *address,
            IceServer::Turn(server) => server.address,
        }
    }
}

/// An address that a TURN server lends us, or shall, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct AllocationStats {
    /// The server.
    pub server: SocketAddr,
    /// The address there, while there is one.
    pub relay: Option<SocketAddr>,
    /// Bytes that we had the server send to others, in all, without what the way to the server adds.
    pub bytes_sent: u64,
    /// Bytes that it handed on to us, in all.
    pub bytes_received: u64,
}

/// How a server does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ServerState {
    /// It does what it was asked for.
    Works,
    /// It answers nothing, or its stream does not open. It is asked again by and by.
    Silent,
    /// It answers with an error, by its number. It is asked again by and by.
    Refuses(u16),
}

/// What the embedder shall do with a stream to a TURN server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StreamOrder {
    /// Open it.
    Open {
        /// To where.
        to: SocketAddr,
        /// Secure it with TLS; the certificate must bear this name.
        name: Option<String>,
    },
    /// Send these bytes.
    Send(Vec<u8>),
    /// Close it; nothing more is expected to be told.
    Close,
}

/// What the embedder tells of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StreamFact<'a> {
    /// It is open, and secured if it was to be.
    Opened,
    /// These bytes have come.
    Bytes(&'a [u8]),
    /// It could not be opened, or is open no more.
    Closed,
}
