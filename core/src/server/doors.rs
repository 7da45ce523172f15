//! How a connection comes to the server, and how it breaks before it is a conversation or in its midst.

use super::{InputError, Server};
use crate::id::ConnectionId;
use crate::wire::signal::{CloseReason, Encoding};
use core::net::IpAddr;

/// Where a connection comes from and where it came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// The client's address, behind trusted proxies as they tell it.
    pub address: IpAddr,
    /// Which door it took.
    pub endpoint: Endpoint,
    /// What its sub-protocol said, if it named one.
    pub encoding: Option<Encoding>,
}

/// The doors of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Endpoint {
    /// `/ws`: everything.
    Lobby,
    /// `/relay`: the relay messages alone.
    Relay,
}

/// What is wrong with bytes of which the embedder makes no frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A message longer than [`crate::wire::signal::MAX_FRAME`], as it is or as it is announced.
    TooLarge,
    /// No WebSocket frames, or text that is no UTF-8.
    Malformed,
    /// More bytes than a message may have, and no message in them: fragments without end.
    Endless,
    /// It asks for answers, pongs, and does not read them.
    Unread,
}

impl Fault {
    fn reason(self) -> CloseReason {
        match self {
            Fault::TooLarge => CloseReason::TooLarge,
            Fault::Malformed => CloseReason::BadMessages,
            Fault::Endless => CloseReason::RateLimited,
            Fault::Unread => CloseReason::TooSlow,
        }
    }
}

impl Server {
    pub(super) fn on_broken(&mut self, id: ConnectionId, fault: Fault) -> Result<(), InputError> {
        self.exchange.get(id).ok_or(InputError::NoSuchConnection(id))?;
        self.exchange.doom(id, fault.reason());
        Ok(())
    }
}
