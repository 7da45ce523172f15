//! Servers that help to find ways between players: what the embedder tells of them, and what is told of how they do.

use core::net::SocketAddr;

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
}

impl IceServer {
    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        match self {
            IceServer::Stun { address } => *address,
        }
    }
}

/// How a server does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ServerState {
    /// It does what it was asked for.
    Works,
    /// It answers nothing. It is asked again by and by.
    Silent,
    /// It answers with an error, by its number. It is asked again by and by.
    Refuses(u16),
}
