//! The seam between a player and its embedder: what is told to a player, and what it wants done.

use super::event::PeerEvent;
use crate::id::{PathId, PlayerId, StreamId};
use crate::path::{Attempt, Fact, Order};
use crate::time::Instant;
use crate::wire::signal::{Frame, IceServer, RtcSignal};
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
    /// What became of an order for a direct path to a player.
    Pipe {
        /// To whom.
        player: PlayerId,
        /// Which: 1 for the first of `direct_paths`.
        path: PathId,
        /// The order.
        attempt: Attempt,
        /// What became of it.
        fact: Fact,
    },
    /// A packet has come on a direct path.
    Packet {
        /// From whom.
        player: PlayerId,
        /// Which.
        path: PathId,
        /// The packet.
        bytes: Bytes,
    },
    /// Tell a player this through the lobby server: a step of a negotiation about direct paths. It is lost where the
    /// server cannot be reached; whoever negotiates tries again.
    Signal {
        /// Whom.
        player: PlayerId,
        /// What.
        signal: RtcSignal,
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
    /// There is no direct path of that number.
    #[error("there is no direct path {}; they are numbered from 1, in the order of direct_paths", .0.0)]
    NoSuchPath(PathId),
    /// The pipe's packets are too small.
    #[error("the pipe of path {} cannot be used: packets of at least 256 bytes are needed", .0.0)]
    Unusable(PathId),
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
    /// Open, restart or close the pipe of a direct path, and answer with [`Input::Pipe`].
    Pipe {
        /// To whom.
        player: PlayerId,
        /// Which: 1 for the first of `direct_paths`.
        path: PathId,
        /// What to do.
        order: Order,
    },
    /// Send this packet on a direct path.
    Packet {
        /// To whom.
        player: PlayerId,
        /// Which.
        path: PathId,
        /// The packet.
        payload: &'a [u8],
    },
    /// A player tells this through the lobby server: a step of a negotiation about direct paths.
    Signal {
        /// Who.
        player: PlayerId,
        /// What.
        signal: RtcSignal,
    },
    /// The lobby server names servers that help to find direct paths, in place of those that it named before. For
    /// whoever makes the paths, who may know others besides.
    IceServers {
        /// The servers, with credentials that hold for hours.
        servers: Vec<IceServer>,
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
    Link(PlayerId),
    /// Connecting, joining or coming back.
    Server,
    /// The rhythm of the star.
    Star,
}
