//! What players keep for a server that loses its memory: one record of the lobby and its members, sealed by a MAC, so that
//! only what this server wrote is believed. It holds nothing that members do not know.

use super::lobby::{Lobby, Password, Player};
use super::token::{Edition, mac};
use crate::id::{Incarnation, PlayerId};
use crate::wire::signal::{CreateLobby, LobbyName, PeerId, Role, Sealed, SessionKey, Username, Version};
use crate::wire::view::{PublicKey, StarId, View};
use core::fmt;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

/// All of SHA-256's: a record is good for long.
const MAC: usize = 32;
/// The newest bans that are kept.
const MAX_BANS: usize = 16;

/// A lobby as a restarted server finds it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// Which process has sealed it.
    pub(super) process: u64,
    /// Which life of the server, as far as the lobby has seen, and which record of it: later ones count.
    pub(super) life: u32,
    pub(super) serial: u64,
    pub(super) lobby: LobbyRecord,
}

/// What stands in it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct LobbyRecord {
    pub(super) name: LobbyName,
    pub(super) edition: Edition,
    pub(super) star: StarId,
    pub(super) term: u32,
    pub(super) rules: CreateLobby,
    pub(super) password: Option<Password>,
    pub(super) locked: bool,
    pub(super) started: bool,
    pub(super) next_player: u32,
    pub(super) preferred: Option<PeerId>,
    pub(super) bans: Vec<Banned>,
    pub(super) players: Vec<PlayerRecord>,
    pub(super) view: Option<View>,
}

/// Who may not come back.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Banned {
    pub(super) address: IpAddr,
    /// Others share the address, so that it holds for this name only.
    pub(super) username: Option<Username>,
    pub(super) peer: Option<PeerId>,
}

/// A member of it. Guests are in none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct PlayerRecord {
    pub(super) id: PlayerId,
    pub(super) username: Username,
    pub(super) role: Role,
    pub(super) incarnation: Incarnation,
    pub(super) session: SessionKey,
    pub(super) version: Version,
    pub(super) key: Option<PublicKey>,
    pub(super) newest: u32,
    pub(super) oldest: u32,
}

/// What seals records.
pub(super) struct Wax {
    key: [u8; 32],
}

impl fmt::Debug for Wax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wax")
    }
}

impl Wax {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Wax { key }
    }

    pub(super) fn seal(&self, record: &Record) -> Option<Sealed> {
        let content = postcard::to_stdvec(record).expect("a record has lengths that postcard knows");
        let mut bytes = mac(&self.key, &[&content]).to_vec();
        bytes.extend_from_slice(&content);
        Sealed::new(bytes.into())
    }

    /// What stands in a record of this server.
    pub(super) fn open(&self, sealed: &Sealed) -> Option<Record> {
        let (told, content) = sealed.bytes().split_first_chunk::<MAC>()?;
        let is_ours: bool = mac(&self.key, &[content])[..].ct_eq(told).into();
        postcard::from_bytes(content).ok().filter(|_| is_ours)
    }
}

impl LobbyRecord {
    pub(super) fn of(lobby: &Lobby) -> Self {
        let newest_bans = lobby.banned.iter().rev().take(MAX_BANS).rev();
        LobbyRecord {
            name: lobby.name.clone(),
            edition: lobby.edition,
            star: lobby.star.id,
            term: lobby.star.term.max(lobby.epoch.term),
            rules: lobby.rules.clone(),
            password: lobby.password.as_deref().cloned(),
            locked: lobby.locked,
            started: lobby.started,
            next_player: lobby.next_player,
            preferred: lobby.preferred.clone(),
            bans: newest_bans.cloned().collect(),
            players: lobby.players.iter().filter(|player| player.role != Role::Guest).map(PlayerRecord::of).collect(),
            view: lobby.star.view().cloned(),
        }
    }

    pub(super) fn player(&self, id: PlayerId) -> Option<&PlayerRecord> {
        self.players.iter().find(|player| player.id == id)
    }
}

impl PlayerRecord {
    fn of(player: &Player) -> Self {
        PlayerRecord {
            id: player.id,
            username: player.username.clone(),
            role: player.role,
            incarnation: player.incarnation,
            session: player.session,
            version: player.version,
            key: player.key,
            newest: player.newest,
            oldest: player.oldest,
        }
    }
}
