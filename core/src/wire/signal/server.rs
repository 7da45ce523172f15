//! What the server says to a client.

use super::{
    BroadcastData, Epoch, ErrorCode, IceServers, Listing, LobbyInfo, MAX_FRAME, MAX_PROMISED, PeerId, PlayerEntry,
    RelayData, Sealed, Secret, Version, WebrtcSignal, bounded,
};
use crate::id::PlayerId;
use crate::wire::view::{Certified, PublicKey, Signature, StarId, View};
use serde::{Deserialize, Serialize};

/// The most entries of any list.
const MAX_LIST: usize = 256;

/// What a list of lobbies has around them in a frame, at most.
const LIST_OVERHEAD: usize = 64;

/// Every message of the server. In JSON the name of the variant in snake case is the `type`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ServerMessage {
    /// Answers `hello`.
    Welcome(Welcome),
    /// You are in, or back.
    LobbyJoined(Box<LobbyJoined>),
    /// Who is there now.
    PlayerListUpdated(PlayerList),
    /// Who is host now.
    HostMigration(HostMigration),
    /// What is known of the lobby has changed.
    LobbyChanged(LobbyChanged),
    /// The host has started the game.
    GameStarted(GameStarted),
    /// The lobbies asked for.
    LobbyList(LobbyList),
    /// The name is yours.
    PeerId(PeerName),
    /// From another member.
    WebrtcSignal(WebrtcSignal),
    /// From another member, for you.
    RelayData(RelayData),
    /// From another member, for all.
    BroadcastData(BroadcastData),
    /// The relay endpoint is yours.
    RelayJoined,
    /// Answers `leave_lobby`.
    LobbyLeft,
    /// You were put out.
    Kicked(Kicked),
    /// The lobby lives on another server.
    Redirect(Redirect),
    /// The server goes; lobbies go on.
    Closing(Closing),
    /// Answers `ping`.
    Pong(Pong),
    /// What was requested is done.
    Done(Done),
    /// What was asked for is refused.
    Error(ServerError),
    /// Promise this view of the star.
    ProposeView(ProposeView),
    /// The server promises a view that was asked for by `grant`.
    Granted(Granted),
    /// A view of the star is in force.
    ViewInForce(ViewInForce),
    /// Do you hear the host of the star?
    AskHeard(AskHeard),
    /// Keep this instead of the record before: it brings the lobby back when the server has lost it.
    Sealed(SealedRecord),
    /// These servers help to find direct ways, in place of those named before.
    IceServers(IceServers),
}

/// See [`ServerMessage::Welcome`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that is spoken from now on.
    pub version: Version,
}

/// See [`ServerMessage::LobbyJoined`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LobbyJoined {
    /// You.
    pub player_id: PlayerId,
    /// Everybody, you included; at most 256.
    #[serde(deserialize_with = "bounded::list::<MAX_LIST, _, _>")]
    pub player_list: Vec<PlayerEntry>,
    /// The host, or the nominal host of guests; nobody yet: `null`.
    pub host_id: Option<PlayerId>,
    /// Which life of the star.
    pub epoch: Epoch,
    /// The lobby.
    pub lobby: LobbyInfo,
    /// You are back as who you were.
    pub resumed: bool,
    /// Brings you back once, within `resume_ms`, when the connection breaks; none for guests.
    pub token: Option<Secret>,
    /// How long the token is good.
    pub resume_ms: u32,
    /// Admits you to the relay endpoint; none for guests.
    pub relay_token: Option<Secret>,
    /// Which star the lobby has: signatures of another are worth nothing in it.
    pub star: StarId,
    /// What the server's signatures are checked with.
    pub server_key: PublicKey,
    /// The view in force, as far as the server knows; none for guests.
    pub view: Option<Certified>,
}

/// See [`ServerMessage::PlayerListUpdated`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlayerList {
    /// Everybody; at most 256.
    #[serde(deserialize_with = "bounded::list::<MAX_LIST, _, _>")]
    pub player_list: Vec<PlayerEntry>,
    /// Who is not there any more since the last list, and why; at most 256.
    #[serde(default, deserialize_with = "bounded::list::<MAX_LIST, _, _>")]
    pub left: Vec<(PlayerId, super::CloseReason)>,
}

/// Why there is another host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostCause {
    /// It fell silent.
    CrashSilent,
    /// Its connection closed.
    CrashClosed,
    /// It left, or handed over.
    Graceful,
    /// It named its successor.
    Chosen,
    /// The server forced it.
    Forced,
    /// The players voted.
    Voted,
}

impl HostCause {
    /// Every one, in the order of their numbers in postcard.
    pub const ALL: &'static [HostCause] = &[
        HostCause::CrashSilent,
        HostCause::CrashClosed,
        HostCause::Graceful,
        HostCause::Chosen,
        HostCause::Forced,
        HostCause::Voted,
    ];
}

/// See [`ServerMessage::HostMigration`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HostMigration {
    /// The new host.
    pub new_host_id: PlayerId,
    /// Which life of the star begins.
    pub epoch: Epoch,
    /// Why; none for the first host.
    pub cause: Option<HostCause>,
}

/// See [`ServerMessage::LobbyChanged`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LobbyChanged {
    /// The lobby.
    pub lobby: LobbyInfo,
}

/// See [`ServerMessage::GameStarted`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GameStarted {
    /// Who started it.
    pub by: PlayerId,
}

/// See [`ServerMessage::LobbyList`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LobbyList {
    /// At most 256, and as many as a frame holds; the fullest that have room first.
    #[serde(deserialize_with = "bounded::list::<MAX_LIST, _, _>")]
    pub lobbies: Vec<Listing>,
}

impl LobbyList {
    /// The first of these, as many as a frame holds in either encoding.
    pub fn fitting(mut lobbies: Vec<Listing>) -> Self {
        let mut room = MAX_FRAME - LIST_OVERHEAD;
        let fits = |lobby: &Listing| {
            let length = serde_json::to_vec(lobby).map_or(usize::MAX, |json| json.len().saturating_add(1));
            room.checked_sub(length).map(|rest| room = rest)
        };
        let count = lobbies.iter().take(MAX_LIST).map_while(fits).count();
        lobbies.truncate(count);
        LobbyList { lobbies }
    }
}

/// A claimed name: asked for by the client, confirmed by the server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PeerName {
    /// The name.
    pub peer_id: PeerId,
}

/// See [`ServerMessage::Kicked`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Kicked {
    /// And may not come back.
    pub banned: bool,
}

/// See [`ServerMessage::Redirect`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Redirect {
    /// Where to connect; at most 1,024 bytes.
    #[serde(deserialize_with = "bounded::text::<1024, _>")]
    pub url: String,
}

/// See [`ServerMessage::Closing`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Closing {
    /// The connection closes after so long.
    pub in_ms: u32,
}

/// See [`ServerMessage::Pong`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Pong {
    /// Of the `ping`.
    pub nonce: u32,
}

/// See [`ServerMessage::Done`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Done {
    /// Which request.
    pub request: u32,
}

/// See [`ServerMessage::Error`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ServerError {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what is wrong and what to do; at most 1,024 bytes.
    #[serde(deserialize_with = "bounded::text::<1024, _>")]
    pub message: String,
    /// Which request; 0 if none was numbered.
    #[serde(default)]
    pub request: u32,
}

/// See [`ServerMessage::ProposeView`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProposeView {
    /// The view.
    pub view: Box<View>,
    /// The server's promise; none if the server has lost its memory, so that its weight must not count.
    pub signature: Option<Signature>,
    /// Views that the server has promised before and that may be in force; at most 4.
    #[serde(default, deserialize_with = "bounded::list::<MAX_PROMISED, _, _>")]
    pub promised: Vec<View>,
}

/// See [`ServerMessage::Granted`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Granted {
    /// The view's.
    pub epoch: Epoch,
    /// The server's promise.
    pub signature: Signature,
    /// Views that the server has promised before and that may be in force; at most 4.
    #[serde(default, deserialize_with = "bounded::list::<MAX_PROMISED, _, _>")]
    pub promised: Vec<View>,
}

/// See [`ServerMessage::ViewInForce`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ViewInForce {
    /// The view and its proof.
    pub certified: Box<Certified>,
}

/// See [`ServerMessage::AskHeard`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AskHeard {
    /// Which view's host.
    pub epoch: Epoch,
}

/// See [`ServerMessage::Sealed`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedRecord {
    /// The record.
    pub sealed: Sealed,
}
