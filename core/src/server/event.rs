//! What a server tells its application, and what it counts.

use crate::id::{ConnectionId, PlayerId};
use crate::wire::signal::{CloseReason, Data, ErrorCode, HostCause, LobbyName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Something that happened. No secret is ever in it.
#[derive(Clone, PartialEq, Debug)]
pub enum ServerEvent {
    /// A lobby was made.
    LobbyOpened {
        /// Which.
        lobby: LobbyName,
    },
    /// A lobby is gone.
    LobbyClosed {
        /// Which.
        lobby: LobbyName,
        /// Why.
        reason: CloseReason,
    },
    /// A player has come.
    PlayerJoined {
        /// Where.
        lobby: LobbyName,
        /// Who.
        player: PlayerId,
        /// As who it was.
        resumed: bool,
    },
    /// A player has gone.
    PlayerLeft {
        /// Where.
        lobby: LobbyName,
        /// Who.
        player: PlayerId,
        /// Why.
        reason: CloseReason,
    },
    /// A lobby has a new host.
    HostChanged {
        /// Where.
        lobby: LobbyName,
        /// Who.
        host: PlayerId,
        /// Why; none for the first.
        cause: Option<HostCause>,
    },
    /// A client speaks to the server's application (`relay_data` to player 0).
    ClientMessage {
        /// Where.
        lobby: LobbyName,
        /// Who.
        player: PlayerId,
        /// What.
        data: Data,
    },
    /// Something was refused.
    Refused {
        /// To this connection.
        connection: ConnectionId,
        /// Why.
        code: ErrorCode,
    },
    /// A connection is closed by the server.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
    },
}

/// A server in numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ServerStats {
    /// Connections open now.
    pub connections: u64,
    /// Lobbies now.
    pub lobbies: u64,
    /// Players in lobbies now, guests and spectators included, the disconnected ones too.
    pub players: u64,
    /// Connections so far.
    pub connected: u64,
    /// Joins so far.
    pub joins: u64,
    /// Resumes so far.
    pub resumes: u64,
    /// Hosts replaced so far.
    pub host_changes: u64,
    /// Those by cause.
    pub host_changes_by: BTreeMap<String, u64>,
    /// Frames in so far.
    pub frames_in: u64,
    /// Bytes in so far.
    pub bytes_in: u64,
    /// Frames out so far.
    pub frames_out: u64,
    /// Bytes out so far.
    pub bytes_out: u64,
    /// Relayed packets and data passed on so far.
    pub relayed: u64,
    /// Steps of WebRTC negotiations passed on so far.
    pub signals: u64,
    /// Relayed frames dropped for slow receivers, for rates, and for nobody there.
    pub dropped: BTreeMap<String, u64>,
    /// Refusals by code.
    pub refused: BTreeMap<String, u64>,
    /// Connections closed by the server, by reason.
    pub closed: BTreeMap<String, u64>,
    /// Password computations done.
    pub passwords: u64,
    /// Bytes that wait for slow receivers now.
    pub queued_bytes: u64,
}
