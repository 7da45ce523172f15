//! The vocabulary between a client and the lobby server: one set of types in two encodings. JSON text frames carry a
//! `"type"` and the original message names, for people and plain clients; postcard binary frames carry the same values
//! for players. What a message means is told beside it; who may send what, and when, is the server's business.
//!
//! Behind the codec there are only good values: each is checked, and each list and text bounded, where it is read.
//!
//! A connection speaks one encoding, chosen by its sub-protocol ([`Encoding::of_subprotocol`]) or by its first frame. A
//! binary frame begins with a tag: [`SIGNAL_TAG`] here, [`crate::wire::relay::TAG`] for relayed packets.

pub(in crate::wire) mod bounded;
mod client;
mod codec;
mod data;
mod errors;
mod ice;
mod lobby;
mod restore;
mod rtc;
mod server;
mod values;
mod version;
mod whole;

pub use client::{
    BroadcastData, ClientMessage, CreateLobby, Grant, Heard, Hello, InForce, JoinLobby, JoinRelay, Kick, ListLobbies,
    Lock, Ping, QuickJoin, Ready, RelayData, RequestHostMigration, Resume, SetHidden, SetMetadata, StartGame, Unheard,
    WebrtcSignal,
};
pub use codec::{decode_client, decode_server, encode_client, encode_server};
pub use data::Data;
pub use errors::{CloseReason, ErrorCode, SignalError};
pub use ice::{Credentials, IceServer, IceServers, MAX_ICE_SERVERS};
pub use lobby::{Filter, Listing, LobbyInfo, Metadata, PlayerEntry, Role};
pub use restore::{MAX_PROMISED, Restore, Sealed};
pub use rtc::{Candidate, RtcSignal};
pub use server::{
    AskHeard, Closing, Done, GameStarted, Granted, HostCause, HostMigration, Kicked, LobbyChanged, LobbyJoined,
    LobbyList, PeerName, PlayerList, Pong, ProposeView, Redirect, SealedRecord, ServerError, ServerMessage,
    ViewInForce, Welcome,
};
pub use values::{Epoch, LobbyName, PeerId, Secret, SessionKey, Username, ValueError};
pub use version::{Encoding, Version};

use bytes::Bytes;

/// The first byte of a binary frame that carries a postcard message.
pub const SIGNAL_TAG: u8 = 0x00;
/// The longest frame either side accepts.
pub const MAX_FRAME: usize = 64 * 1024;

/// One WebSocket message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Text: JSON.
    Text(Bytes),
    /// Binary: a tag and what it announces.
    Binary(Bytes),
}

impl Frame {
    /// Its bytes.
    pub fn bytes(&self) -> &Bytes {
        match self {
            Frame::Text(bytes) | Frame::Binary(bytes) => bytes,
        }
    }
}
