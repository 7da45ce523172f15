//! Everything the server can refuse, and every reason why somebody is gone: stable codes for programs, sentences for
//! people.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why the server refuses something. In JSON: the name in snake case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The message cannot be read.
    #[error("the message cannot be read; docs/wire.md tells how messages look")]
    BadMessage,
    /// None of the versions offered is spoken here.
    #[error("this server speaks versions 1 and 2; install a release of WebStar that does")]
    UnsupportedVersion,
    /// No such lobby, or the password is wrong.
    #[error("there is no lobby of that name and password; check both, or create it")]
    NoSuchLobbyOrPassword,
    /// The lobby has no free place.
    #[error("the lobby is full; wait for a free place or join another")]
    LobbyFull,
    /// The lobby is locked.
    #[error("the lobby is locked; ask its host to unlock it")]
    LobbyLocked,
    /// The game has started and admits nobody.
    #[error("the game has started and takes no new players; join as a spectator or wait for the next")]
    GameStarted,
    /// Banned.
    #[error("you are banned from this lobby; join another")]
    Banned,
    /// No lobby fits.
    #[error("no lobby fits; widen the filter or create one")]
    NoLobbyFits,
    /// Only inside a lobby.
    #[error("join a lobby first")]
    NotInLobby,
    /// Already inside.
    #[error("you are in a lobby already; leave it first")]
    AlreadyInLobby,
    /// Only the host may.
    #[error("only the host may do that")]
    NotHost,
    /// Nobody of that number is in the lobby.
    #[error("there is no such player in the lobby")]
    NoSuchPlayer,
    /// Somebody else has claimed that name.
    #[error("that peer id is taken; choose another")]
    PeerIdTaken,
    /// Nobody has claimed that name.
    #[error("no peer of that name is here; check the name, or wait until it has joined")]
    NoSuchPeer,
    /// The operator does not admit you.
    #[error("this server asks for an admission token and yours is missing or wrong; ask its operator")]
    AdmissionRefused,
    /// The token was used, is too old, or was never given.
    #[error("the resume token is used, expired or unknown; join anew")]
    BadToken,
    /// Too much at once.
    #[error("too many requests; wait a minute and try again")]
    RateLimited,
    /// The server has too much to do.
    #[error("the server is busy; try again in a few seconds")]
    Busy,
    /// Too long.
    #[error("the message is longer than 64 KiB; send less at once")]
    TooLarge,
    /// Guests cannot.
    #[error("guests cannot do that; say `hello` first to be a player")]
    GuestsCannot,
    /// The server is going.
    #[error("the server is shutting down; connect again in a few seconds")]
    ShuttingDown,
}

/// Why somebody is not there any more, or a connection was closed. In JSON: the name in snake case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// Left by itself.
    Left,
    /// Put out by the host.
    Kicked,
    /// Put out by the host for good.
    Banned,
    /// The connection broke and nobody came back in time.
    TimedOut,
    /// The connection was taken over by the same player on a new one.
    Replaced,
    /// Did not say what it wants in time.
    HandshakeTimeout,
    /// Said nothing for too long.
    Idle,
    /// Did not read what was sent to it.
    TooSlow,
    /// Sent too much.
    RateLimited,
    /// Sent what cannot be read, again and again.
    BadMessages,
    /// The host is lost and the lobby has no other.
    HostLost,
    /// Could not be kept in step by the host.
    FellBehind,
    /// The server is going.
    ShuttingDown,
    /// Used a token twice.
    TokenReused,
    /// The lobby has ended.
    LobbyClosed,
    /// The server has too much to do, or has too many connections from that address.
    Busy,
    /// Offered no version that the server speaks.
    UnsupportedVersion,
    /// Sent a message longer than may be.
    TooLarge,
}

impl ErrorCode {
    /// Every one, in the order of their numbers in postcard.
    pub const ALL: &'static [ErrorCode] = &[
        ErrorCode::BadMessage,
        ErrorCode::UnsupportedVersion,
        ErrorCode::NoSuchLobbyOrPassword,
        ErrorCode::LobbyFull,
        ErrorCode::LobbyLocked,
        ErrorCode::GameStarted,
        ErrorCode::Banned,
        ErrorCode::NoLobbyFits,
        ErrorCode::NotInLobby,
        ErrorCode::AlreadyInLobby,
        ErrorCode::NotHost,
        ErrorCode::NoSuchPlayer,
        ErrorCode::PeerIdTaken,
        ErrorCode::NoSuchPeer,
        ErrorCode::AdmissionRefused,
        ErrorCode::BadToken,
        ErrorCode::RateLimited,
        ErrorCode::Busy,
        ErrorCode::TooLarge,
        ErrorCode::GuestsCannot,
        ErrorCode::ShuttingDown,
    ];
}

impl CloseReason {
    /// Every one, in the order of their numbers in postcard.
    pub const ALL: &'static [CloseReason] = &[
        CloseReason::Left,
        CloseReason::Kicked,
        CloseReason::Banned,
        CloseReason::TimedOut,
        CloseReason::Replaced,
        CloseReason::HandshakeTimeout,
        CloseReason::Idle,
        CloseReason::TooSlow,
        CloseReason::RateLimited,
        CloseReason::BadMessages,
        CloseReason::HostLost,
        CloseReason::FellBehind,
        CloseReason::ShuttingDown,
        CloseReason::TokenReused,
        CloseReason::LobbyClosed,
        CloseReason::Busy,
        CloseReason::UnsupportedVersion,
        CloseReason::TooLarge,
    ];
}

/// Why a frame is no message.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum SignalError {
    /// Longer than [`super::MAX_FRAME`].
    #[error("the frame has {0} bytes, more than 65536")]
    TooLong(usize),
    /// A text frame on a binary connection or the reverse, or a binary frame with another tag.
    #[error("the frame is not of the encoding that this connection speaks")]
    WrongEncoding,
    /// No message in JSON.
    #[error("{0}")]
    Json(String),
    /// No message in postcard.
    #[error("the binary message is malformed")]
    Postcard,
}
