//! What a player asks for: a place in a lobby, and later things of the lobby.

use crate::id::PlayerId;
use crate::wire::signal::{CreateLobby, Filter, LobbyName, Metadata, PeerId, Secret, Username};
use serde::{Deserialize, Serialize};

/// How a player wants to join.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JoinRequest {
    /// What it is called.
    pub username: Username,
    /// Which lobby.
    pub wish: Wish,
    /// The lobby's password; for a new lobby the one it gets.
    pub password: Option<Secret>,
    /// Make the lobby with these rules if it is not there. [`Wish::New`], and peer wishes, make it in any case.
    pub create: Option<CreateLobby>,
    /// Only to watch.
    pub spectator: bool,
    /// A name to claim at the server first.
    pub peer_id: Option<PeerId>,
    /// What the operator's admission asks for.
    pub admission: Option<Secret>,
    /// The place that an earlier life of this player had, if it is still there; otherwise it joins as wished.
    pub ticket: Option<Ticket>,
}

impl JoinRequest {
    /// A plain join; what else there is to say can be set afterwards.
    pub fn new(username: Username, wish: Wish) -> Self {
        let (password, peer_id, admission) = (None, None, None);
        JoinRequest { username, wish, password, create: None, spectator: false, peer_id, admission, ticket: None }
    }
}

/// What brings a player that has lost its memory back under its number: kept where the program finds it after a crash or
/// a reload. It is good for one return; each [`super::PeerEvent::Joined`] brings another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// The lobby.
    pub lobby: LobbyName,
    /// Proves whose place it is: not to be shown to anybody else.
    pub token: Secret,
}

/// Which lobby.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Wish {
    /// The one of this name.
    Named(LobbyName),
    /// A new one, with a coded name.
    New,
    /// Any that fits.
    Quick(Filter),
    /// The two-player lobby of a peer.
    Peer(PeerId),
    /// A lobby in which a peer is preferred as first host.
    PeerGame {
        /// Who.
        peer: PeerId,
        /// Which.
        room: LobbyName,
    },
}

/// Something asked of the server for the lobby. Its outcome comes as [`super::PeerEvent::Done`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Ready to start, or not.
    Ready(bool),
    /// Start the game (host).
    Start,
    /// Close or open the door (host).
    Lock(bool),
    /// Put a player out (host).
    Kick(PlayerId),
    /// Put a player out and keep it out (host).
    Ban(PlayerId),
    /// Change what is known of the lobby (host).
    SetMetadata(Metadata),
    /// Another shall be host: this one, or whoever is best (host).
    HandOver(Option<PlayerId>),
    /// The tab went to the background, or came back.
    Hidden(bool),
    /// Leave for good; [`super::PeerEvent::Closed`] follows.
    Leave,
}
