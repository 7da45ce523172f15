//! What a client says to the server. A `request` other than zero is answered by `done` or by an `error` that bears the
//! same number.

use super::{
    Data, Epoch, Filter, LobbyName, Metadata, PeerId, Restore, RtcSignal, Secret, Username, Version, bounded, whole,
};
use crate::id::PlayerId;
use crate::wire::view::{Certified, PublicKey, View};
use serde::{Deserialize, Serialize};

/// Every message of a client. In JSON the name of the variant in snake case is the `type`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ClientMessage {
    /// The first message of a player: which versions it speaks. Who never says it is a guest.
    Hello(Hello),
    /// Into a lobby.
    JoinLobby(JoinLobby),
    /// Into any lobby that fits, or a new one.
    QuickJoin(QuickJoin),
    /// Back into the lobby after the connection broke.
    Resume(Resume),
    /// Out of the lobby, for good.
    LeaveLobby,
    /// Which public lobbies there are.
    ListLobbies(ListLobbies),
    /// Claims a name at the server.
    PeerId(super::PeerName),
    /// Ready to start, or not.
    Ready(Ready),
    /// The host starts the game.
    StartGame(StartGame),
    /// The host closes or opens the door.
    Lock(Lock),
    /// The host puts somebody out.
    Kick(Kick),
    /// The host puts somebody out and keeps it out.
    Ban(Kick),
    /// The host changes what is known of the lobby.
    SetMetadata(SetMetadata),
    /// The tab went to the background, or came back.
    SetHidden(SetHidden),
    /// A step of a WebRTC negotiation with another member.
    WebrtcSignal(WebrtcSignal),
    /// From the host of guests: another shall be host.
    RequestHostMigration(RequestHostMigration),
    /// Enters the relay endpoint with the token of a lobby joined elsewhere.
    JoinRelay(JoinRelay),
    /// Something for one member; for the server's application if `to_player` is 0.
    RelayData(RelayData),
    /// Something for all other members.
    BroadcastData(BroadcastData),
    /// Asks for a `pong`.
    Ping(Ping),
    /// A view of the star is in force.
    InForce(InForce),
    /// Please promise this view of the star: the players' promises are not enough.
    Grant(Grant),
    /// The host of the star is not heard.
    Unheard(Unheard),
    /// Answers `ask_heard`.
    Heard(Heard),
}

/// See [`ClientMessage::Hello`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Hello {
    /// Versions spoken; at most 16.
    #[serde(deserialize_with = "bounded::list::<16, _, _>")]
    pub versions: Vec<Version>,
    /// What the player signs its promises with is checked with this. Without it it is never host and has no vote.
    #[serde(default)]
    pub key: Option<PublicKey>,
}

/// See [`ClientMessage::JoinLobby`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JoinLobby {
    /// Which; nothing: a new one with a coded name, or with `peer` that peer's own.
    #[serde(default)]
    pub lobby_id: Option<LobbyName>,
    /// What the player is called.
    pub username: Username,
    /// The password of the lobby.
    #[serde(default)]
    pub password: Option<Secret>,
    /// Make the lobby with these rules if it is not there. A guest that names none makes an ordinary one.
    #[serde(default)]
    pub create: Option<CreateLobby>,
    /// Only to watch.
    #[serde(default)]
    pub spectator: bool,
    /// Whose lobby it is: without `lobby_id` its two-player lobby; with it, the player preferred as first host.
    #[serde(default)]
    pub peer: Option<PeerId>,
    /// What the operator's admission asks for.
    #[serde(default)]
    pub admission: Option<Secret>,
}

/// The rules of a new lobby.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct CreateLobby {
    /// It is listed.
    pub public: bool,
    /// The most members, 2 to 64.
    #[serde(deserialize_with = "whole::number")]
    pub max_players: u16,
    /// What is known of it.
    pub metadata: Metadata,
    /// Players may join after the game has started.
    pub join_in_progress: bool,
    /// When the host is lost another takes over; else the lobby closes.
    pub enable_host_migration: bool,
}

impl Default for CreateLobby {
    fn default() -> Self {
        CreateLobby {
            public: false,
            max_players: 16,
            metadata: Metadata::default(),
            join_in_progress: true,
            enable_host_migration: true,
        }
    }
}

/// See [`ClientMessage::QuickJoin`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct QuickJoin {
    /// What the player is called.
    pub username: Username,
    /// Which lobbies will do.
    #[serde(default)]
    pub filter: Filter,
    /// Make one with these rules if none fits.
    #[serde(default)]
    pub create: Option<CreateLobby>,
    /// What the operator's admission asks for.
    #[serde(default)]
    pub admission: Option<Secret>,
}

/// See [`ClientMessage::Resume`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Resume {
    /// The lobby.
    pub lobby_id: LobbyName,
    /// The token that came with the last `lobby_joined`.
    pub token: Secret,
    /// The player's memory is gone: it comes back under its number, in a new incarnation.
    #[serde(default)]
    pub fresh: bool,
    /// What brings the lobby back, if the server has lost it.
    #[serde(default)]
    pub restore: Option<Box<Restore>>,
}

/// See [`ClientMessage::ListLobbies`].
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct ListLobbies {
    /// Which.
    #[serde(default)]
    pub filter: Filter,
}

/// See [`ClientMessage::Ready`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Whether.
    #[serde(default = "yes")]
    pub ready: bool,
    /// See the module.
    #[serde(default, deserialize_with = "whole::number")]
    pub request: u32,
}

fn yes() -> bool {
    true
}

/// See [`ClientMessage::StartGame`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StartGame {
    /// See the module.
    #[serde(default, deserialize_with = "whole::number")]
    pub request: u32,
}

/// See [`ClientMessage::Lock`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lock {
    /// Whether.
    #[serde(default = "yes")]
    pub locked: bool,
    /// See the module.
    #[serde(default, deserialize_with = "whole::number")]
    pub request: u32,
}

/// See [`ClientMessage::Kick`] and [`ClientMessage::Ban`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kick {
    /// Whom.
    #[serde(deserialize_with = "whole::player")]
    pub player_id: PlayerId,
    /// See the module.
    #[serde(default, deserialize_with = "whole::number")]
    pub request: u32,
}

/// See [`ClientMessage::SetMetadata`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetMetadata {
    /// What is known of the lobby from now on.
    pub metadata: Metadata,
    /// See the module.
    #[serde(default, deserialize_with = "whole::number")]
    pub request: u32,
}

/// See [`ClientMessage::SetHidden`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SetHidden {
    /// Whether.
    pub hidden: bool,
}

/// See [`ClientMessage::WebrtcSignal`]; the server passes it on with the true sender.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WebrtcSignal {
    /// Who says it; stamped by the server.
    #[serde(default = "nobody", deserialize_with = "whole::player")]
    pub from_player: PlayerId,
    /// Whom it is for.
    #[serde(deserialize_with = "whole::player")]
    pub to_player: PlayerId,
    /// What.
    pub signal: RtcSignal,
}

fn nobody() -> PlayerId {
    PlayerId(0)
}

/// See [`ClientMessage::RequestHostMigration`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RequestHostMigration {
    /// The successor, if the host names one.
    #[serde(default, deserialize_with = "whole::optional_player")]
    pub to: Option<PlayerId>,
    /// See the module.
    #[serde(default, deserialize_with = "whole::number")]
    pub request: u32,
}

/// See [`ClientMessage::JoinRelay`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JoinRelay {
    /// The lobby.
    pub lobby_id: LobbyName,
    /// The relay token that came with `lobby_joined`.
    pub token: Secret,
}

/// See [`ClientMessage::RelayData`]; the server passes it on with the true sender.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RelayData {
    /// Who says it; stamped by the server. 0 is the server's application.
    #[serde(default = "nobody", deserialize_with = "whole::player")]
    pub from_player: PlayerId,
    /// Whom it is for.
    #[serde(deserialize_with = "whole::player")]
    pub to_player: PlayerId,
    /// What.
    pub data: Data,
}

/// See [`ClientMessage::BroadcastData`]; the server passes it on with the true sender.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BroadcastData {
    /// Who says it; stamped by the server. 0 is the server's application.
    #[serde(default = "nobody", deserialize_with = "whole::player")]
    pub from_player: PlayerId,
    /// What.
    pub data: Data,
}

/// See [`ClientMessage::Ping`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ping {
    /// Comes back in the `pong`.
    #[serde(default, deserialize_with = "whole::number")]
    pub nonce: u32,
}

/// See [`ClientMessage::InForce`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InForce {
    /// The view and its proof.
    pub certified: Box<Certified>,
}

/// See [`ClientMessage::Grant`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grant {
    /// The view.
    pub view: Box<View>,
}

/// See [`ClientMessage::Unheard`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unheard {
    /// Which view's host.
    pub epoch: Epoch,
}

/// See [`ClientMessage::Heard`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Heard {
    /// Which view's host.
    pub epoch: Epoch,
    /// Something has come from it since the question.
    pub heard: bool,
}
