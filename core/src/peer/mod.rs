//! The player machine: joins a lobby, holds a conversation ([`link`]) with the host, or as host with everybody, and
//! gives messages their way through the star. It opens no socket: byte streams are asked for by [`Output::Open`].
//!
//! One idiom: one [`Peer::handle`], or one of the typed doors (`send`, `command`), then [`Peer::poll`] until
//! [`Output::Timeout`].

mod event;
pub mod link;
mod request;

pub use event::{
    Channel, CommandError, Destination, Ended, Kind, PeerEvent, PeerMessage, PlayerStats, Refusal, SendError, Sent,
};
pub use request::{Command, JoinRequest, Wish};

use crate::config::{ConfigError, PlayerConfig};
use crate::id::{CommandId, StreamId};
use crate::time::Instant;
use crate::wire::signal::Frame;
use bytes::Bytes;
use thiserror::Error;

/// What is told to a player.
#[derive(Debug)]
pub enum Input {
    /// A stream is open; for a WebSocket: the handshake is done.
    Opened {
        /// Which.
        stream: StreamId,
    },
    /// A stream could not be opened.
    Failed {
        /// Which.
        stream: StreamId,
        /// What the system said, for people.
        why: String,
    },
    /// A stream that was open is closed.
    Closed {
        /// Which.
        stream: StreamId,
        /// What the other side said in its close frame, if it said anything.
        reason: String,
    },
    /// A WebSocket message has come.
    Frame {
        /// On this stream.
        stream: StreamId,
        /// The message.
        frame: Frame,
    },
    /// So many bytes given to a stream have not left yet. Told whenever it changes much.
    Buffered {
        /// Which.
        stream: StreamId,
        /// How many.
        bytes: usize,
    },
    /// Nothing but time has passed.
    Timeout,
}

/// Why an input is misuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InputError {
    /// No stream of that name was asked for, or it was closed.
    #[error("stream {} is not open; it was closed or never asked for", .0.0)]
    NoSuchStream(StreamId),
    /// The player has ended.
    #[error("this player has left for good; make a new one")]
    Ended,
}

/// What a player wants done, or tells.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send this WebSocket message on a stream, after what went before. Messages may share a write.
    Transmit {
        /// The stream.
        stream: StreamId,
        /// The message.
        payload: Payload<'a>,
    },
    /// Open a byte stream; answer by [`Input::Opened`] or [`Input::Failed`].
    Open {
        /// Its name from now on.
        stream: StreamId,
        /// To where.
        target: Target,
    },
    /// Send what was given out and close the stream. Its name is free.
    Close {
        /// Which.
        stream: StreamId,
    },
    /// Something for the application.
    Event(PeerEvent),
    /// Nothing more to do until then, or until the next input.
    Timeout(Option<(Instant, PeerTimer)>),
}

/// A WebSocket message, lent for the moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Payload<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// Where a stream leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// A WebSocket.
    WebSocket {
        /// `ws://` or `wss://`.
        url: String,
        /// The sub-protocol to ask for.
        subprotocol: &'static str,
    },
}

/// Who asked to be called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PeerTimer {
    /// A conversation with another player.
    Link(crate::id::PlayerId),
    /// Connecting, joining or coming back.
    Server,
    /// The rhythm of the star.
    Star,
}

/// One player.
#[derive(Debug)]
pub struct Peer {
    _config: PlayerConfig,
}

impl Peer {
    /// A player that begins to join at the first poll.
    pub fn new(config: PlayerConfig, request: JoinRequest, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        let _ = (request, seed, now);
        Ok(Peer { _config: config })
    }

    /// Tells the player what has happened. An older `now` is taken as the last one.
    pub fn handle(&mut self, now: Instant, input: Input) -> Result<(), InputError> {
        let _ = (now, input);
        Ok(())
    }

    /// Sends a message through the star. [`SendError::Full`] means not taken; [`PeerEvent::Drained`] follows once.
    pub fn send(
        &mut self,
        now: Instant,
        to: &Destination,
        channel: Channel,
        kind: &str,
        payload: Bytes,
    ) -> Result<Sent, SendError> {
        let _ = (now, to, channel, kind, payload);
        Err(SendError::NotJoined)
    }

    /// Asks for something; [`PeerEvent::Done`] tells what became of it.
    pub fn command(&mut self, now: Instant, command: Command) -> Result<CommandId, CommandError> {
        let _ = (now, command);
        Err(CommandError::NotJoined)
    }

    /// The next thing to do; drain until [`Output::Timeout`].
    pub fn poll(&mut self) -> Output<'_> {
        Output::Timeout(None)
    }

    /// The players we talk with, in numbers.
    pub fn stats(&self) -> Vec<PlayerStats> {
        Vec::new()
    }
}
