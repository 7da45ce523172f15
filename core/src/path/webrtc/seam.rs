//! The seam between the machine and its embedder: what is told to it, and what it wants done.

use super::PathKind;
use super::rules::Rules;
use super::server::{IceServer, ServerState, StreamFact, StreamOrder};
use super::stack::Stack;
use crate::id::PlayerId;
use crate::path::{Attempt, Fact, Order};
use crate::time::Instant;
use crate::wire::signal::RtcSignal;
use bytes::Bytes;
use core::net::SocketAddr;
use thiserror::Error;

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct WebrtcConfig {
    /// Who we are in the lobby.
    pub player: PlayerId,
    /// What connections are built with.
    pub stack: Stack,
    /// Where names and passwords come from.
    pub seed: [u8; 32],
}

/// What is told to the machine.
#[derive(Debug)]
pub enum Input<'a> {
    /// Sockets receive at these addresses, in place of those told before. Other players are told to send there.
    Addresses(Vec<SocketAddr>),
    /// Servers that help to find ways, in place of those told before. At most eight are asked.
    Servers(Vec<IceServer>),
    /// Which ways are shown and taken from now on, by connections that begin.
    Rules(Rules),
    /// What became of a stream.
    Stream {
        /// Which, by the number that it was ordered under.
        stream: u32,
        /// What.
        fact: StreamFact<'a>,
    },
    /// The peer ordered a pipe: [`peer::Output::Pipe`](../../peer/enum.Output.html) with the kind of its path.
    Order {
        /// To whom.
        player: PlayerId,
        /// Which pipe.
        kind: PathKind,
        /// What to do.
        order: Order,
    },
    /// A player says something about its connection with us.
    Signal {
        /// Who.
        player: PlayerId,
        /// What.
        signal: RtcSignal,
    },
    /// A socket has received a datagram.
    Datagram {
        /// From where.
        from: SocketAddr,
        /// At which of our addresses.
        to: SocketAddr,
        /// Its bytes.
        bytes: &'a [u8],
    },
    /// Send this packet on a pipe. What does not fit or has no open pipe is dropped and counted.
    Packet {
        /// To whom.
        player: PlayerId,
        /// On which pipe.
        kind: PathKind,
        /// The packet.
        payload: &'a [u8],
    },
    /// Nothing but time has passed.
    Timeout,
}

/// Why an input is misuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InputError {
    /// The pipe is none of WebRTC.
    #[error("{0:?} is no pipe of WebRTC; there are Srtp and Sctp")]
    NoSuchPipe(PathKind),
    /// A connection with oneself.
    #[error("player {} is ourselves", .0.0)]
    Ourselves(PlayerId),
    /// Nobody can be sent to that address.
    #[error("{0} is no address that others can send to: name the one of the interface, with its port")]
    NoAddress(SocketAddr),
}

/// What the machine wants done, or tells.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send this datagram.
    Datagram {
        /// From which of our addresses.
        from: SocketAddr,
        /// To where.
        to: SocketAddr,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// Something to do with a stream to a TURN server.
    Stream {
        /// Its number. None is given twice.
        stream: u32,
        /// What to do.
        order: StreamOrder,
    },
    /// How one of the servers that help to find ways does. Told when it changes.
    Server {
        /// Where it answers.
        address: SocketAddr,
        /// How it does.
        state: ServerState,
    },
    /// Tell a player this through the lobby server.
    Signal {
        /// Whom.
        player: PlayerId,
        /// What.
        signal: RtcSignal,
    },
    /// What became of an order: for [`peer::Input::Pipe`](../../peer/enum.Input.html).
    Fact {
        /// Of the pipe to whom.
        player: PlayerId,
        /// Which pipe.
        kind: PathKind,
        /// The order.
        attempt: Attempt,
        /// What became of it.
        fact: Fact,
    },
    /// A packet has come on a pipe.
    Packet {
        /// From whom.
        player: PlayerId,
        /// On which pipe.
        kind: PathKind,
        /// The packet.
        bytes: Bytes,
    },
    /// Nothing more to do until then, or until the next input.
    Timeout(Option<Instant>),
}

/// What had no effect, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WebrtcDropped {
    /// Datagrams that belong to no connection, and questions from more unknown addresses than one may have.
    pub strangers: u64,
    /// Datagrams that are nothing WebRTC knows, or that their connection refused.
    pub malformed: u64,
    /// Descriptions that cannot be read, are of no use, or came too late, and candidates without one.
    pub signals: u64,
    /// Candidates that were not taken when they came: they cannot be read, name an address that nobody shall have us send
    /// to, or are too many for one description.
    pub candidates: u64,
    /// Packets for a pipe that is not open or full, and packets that are empty or too large.
    pub packets: u64,
    /// Datagrams, and frames of streams, beyond what may wait for the next poll.
    pub overflow: u64,
}
