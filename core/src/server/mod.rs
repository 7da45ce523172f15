//! The lobby server: who is in which lobby, what the members say to each other through it, and what it refuses. It
//! holds no socket and computes no password: connections, password work, admission and the directory of lobbies are the
//! embedder's, told and asked in one idiom: one [`Server::handle`], then [`Server::poll`] until [`Output::Timeout`].
//!
//! One machine is one **shard**: it owns the lobbies whose names the directory gives to it, and shares nothing with other
//! shards. A connection begins at any shard; the join decides where it belongs, and [`Output::Move`] carries it there.
//!
//! Frames to a connection wait here, not in the embedder: at most [`ServerConfig::window`] bytes are given out before
//! [`Input::Wrote`] tells that they have left. So the server decides what a slow receiver loses: relayed packets, the
//! oldest first; never a signalling message.

mod ask;
mod config;
mod event;

pub use ask::{Admission, Answer, Ask, Claim, DirectoryAnswer, DirectoryAsk, Found, Owner};
pub use config::ServerConfig;
pub use event::{ServerEvent, ServerStats};

use crate::config::ConfigError;
use crate::id::{AskId, ConnectionId, ShardId};
use crate::time::{Duration, Instant};
use crate::wire::signal::{CloseReason, Encoding, Frame};
use core::net::IpAddr;
use thiserror::Error;

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

/// What is told to a server.
#[derive(Debug)]
pub enum Input {
    /// A connection is open.
    Connected {
        /// Its name from now on.
        connection: ConnectionId,
        /// Where it comes from.
        arrival: Arrival,
    },
    /// Another shard has sent a connection here.
    Moved {
        /// Its name from now on, in this shard.
        connection: ConnectionId,
        /// What the other shard put out.
        parcel: Box<Parcel>,
    },
    /// A WebSocket message has come.
    Frame {
        /// On this connection.
        connection: ConnectionId,
        /// The message.
        frame: Frame,
    },
    /// A control frame (ping or pong) has come; the embedder has answered it.
    Control {
        /// On this connection.
        connection: ConnectionId,
    },
    /// So many bytes of frames, counted without their headers, have left.
    Wrote {
        /// On this connection.
        connection: ConnectionId,
        /// The sum of the lengths of the frames.
        bytes: usize,
    },
    /// A connection is closed. Its name is free.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// The answer to a question.
    Answered {
        /// The question.
        ask: AskId,
        /// The answer.
        answer: Answer,
    },
    /// Unix time, for the expiry of tokens. Told at the start and now and then.
    WallClock {
        /// Since 1970.
        unix: Duration,
    },
    /// The server's application says something to everybody in every lobby.
    SendToAll {
        /// What.
        data: crate::wire::signal::Data,
    },
    /// The server goes soon: no new work, clients are told.
    ShutDown {
        /// After so long every connection is closed.
        within: Duration,
    },
    /// Nothing but time has passed.
    Timeout,
}

/// Why an input is misuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InputError {
    /// No connection of that name.
    #[error("connection {} is not open; it was closed or never told", .0.0)]
    NoSuchConnection(ConnectionId),
    /// The name is taken.
    #[error("connection {} is open already; close it first or choose another number", .0.0)]
    ConnectionTaken(ConnectionId),
    /// No such question is open, or the answer is to another kind of question.
    #[error("question {} is not open or was of another kind", .0.0)]
    NoSuchAsk(AskId),
    /// More than was given out.
    #[error("connection {} cannot have written more than it was given", .0.0)]
    WroteTooMuch(ConnectionId),
}

/// What a server wants done, or tells.
#[derive(Debug)]
pub enum Output {
    /// Send this on that connection, after what went before. Frames for one connection may share a write.
    Transmit {
        /// The connection.
        connection: ConnectionId,
        /// The frame.
        frame: Frame,
    },
    /// Send what was given out and close. The name is free.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Told in the close frame, in snake case.
        reason: CloseReason,
    },
    /// Give the connection to another shard, with what it has said and not been answered. The name is free.
    Move {
        /// The connection.
        connection: ConnectionId,
        /// Where it belongs.
        to: ShardId,
        /// For [`Input::Moved`].
        parcel: Box<Parcel>,
    },
    /// Answer this, now or later, by [`Input::Answered`].
    Ask {
        /// The question's name.
        id: AskId,
        /// The question.
        ask: Ask,
    },
    /// Something for the application and the log.
    Event(ServerEvent),
    /// Nothing more to do until then, or until the next input.
    Timeout(Option<(Instant, ServerTimer)>),
}

/// Who asked to be called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ServerTimer {
    /// A connection says nothing, reads nothing, or has not said what it wants.
    Connection(ConnectionId),
    /// A lobby: a player that does not come back, a host that is gone, nobody there.
    Lobby,
    /// The server goes.
    ShutDown,
}

/// What a server is made with.
#[derive(Clone)]
pub struct Identity {
    /// Which part of the process it is.
    pub shard: ShardId,
    /// How many parts there are.
    pub shards: u16,
    /// The long-term key from which tokens are made; the same in every shard and after every restart.
    pub key: [u8; 32],
}

/// A connection on its way from one shard to another, with what it has said.
#[derive(Debug)]
pub struct Parcel {
    _private: (),
}

/// One shard of a lobby server.
#[derive(Debug)]
pub struct Server {
    _config: ServerConfig,
}

impl Server {
    /// A server without lobbies.
    pub fn new(config: ServerConfig, identity: Identity, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        let _ = (identity, seed, now);
        Ok(Server { _config: config })
    }

    /// Tells the server what has happened. An older `now` is taken as the last one.
    pub fn handle(&mut self, now: Instant, input: Input) -> Result<(), InputError> {
        let _ = (now, input);
        Ok(())
    }

    /// The next thing to do; drain until [`Output::Timeout`].
    pub fn poll(&mut self) -> Output {
        Output::Timeout(None)
    }

    /// The server in numbers.
    pub fn stats(&self) -> ServerStats {
        ServerStats::default()
    }
}
