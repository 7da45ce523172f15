//! What a lobby and its players look like from outside.

use super::values::ValueError;
use super::{LobbyName, PeerId, SessionKey, Username, Version, whole};
use crate::id::{Incarnation, PlayerId};
use crate::wire::view::PublicKey;
use core::fmt;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// The most keys.
const MAX_METADATA: usize = 16;

/// What is known of a lobby besides its rules: `region`, `skill`, anything. At most 16 keys of at most 32 bytes with
/// values of at most 128 bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Metadata(BTreeMap<String, String>);

/// What a player is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Plays, and may be host.
    Player,
    /// Watches: hears all, is never host.
    Spectator,
    /// Speaks only the documented JSON: talks through the server.
    Guest,
}

/// A line of the roster.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PlayerEntry {
    /// Its number in this lobby.
    pub player_id: PlayerId,
    /// Its name.
    pub username: Username,
    /// What it is.
    pub role: Role,
    /// It is ready to start.
    pub ready: bool,
    /// Its connection to the server stands.
    pub connected: bool,
    /// Its tab is in the background.
    pub hidden: bool,
    /// The name it has claimed.
    pub peer_id: Option<PeerId>,
    /// New after it has lost its memory.
    pub incarnation: Incarnation,
    /// Its half of the names of its sessions; zero for guests and towards guests.
    pub session: SessionKey,
    /// The version of the protocol that it speaks.
    pub version: Version,
    /// What its promises are signed with is checked with this; none for guests and towards guests.
    pub key: Option<PublicKey>,
}

/// A lobby as its members see it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LobbyInfo {
    /// Its name.
    pub lobby_id: LobbyName,
    /// It is listed.
    pub public: bool,
    /// Nobody may join.
    pub locked: bool,
    /// The game has started.
    pub started: bool,
    /// It asks for a password.
    pub has_password: bool,
    /// The most players, guests and spectators included.
    pub max_players: u16,
    /// What else is known of it.
    pub metadata: Metadata,
}

/// A lobby as everybody sees it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Listing {
    /// Its name.
    pub lobby_id: LobbyName,
    /// How many are in it.
    pub players: u16,
    /// The most.
    pub max_players: u16,
    /// The game has started.
    pub started: bool,
    /// It asks for a password.
    pub has_password: bool,
    /// What else is known of it.
    pub metadata: Metadata,
}

/// Which lobbies: all conditions must hold.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Metadata of exactly these values. At most 16.
    pub equal: Metadata,
    /// The metadata key `skill`, a number, lies between these, both included.
    #[serde(deserialize_with = "span")]
    pub skill: Option<(f64, f64)>,
    /// At least so many free places.
    #[serde(deserialize_with = "whole::number")]
    pub free_places: u16,
    /// Lobbies whose game has started are left out.
    pub waiting_only: bool,
    /// Lobbies that ask for a password are left out.
    pub open_only: bool,
}

impl Metadata {
    /// Checks keys and values.
    pub fn new(values: BTreeMap<String, String>) -> Result<Self, ValueError> {
        let is_good =
            values.len() <= MAX_METADATA && values.iter().all(|(key, value)| key.len() <= 32 && value.len() <= 128);
        if is_good {
            Ok(Metadata(values))
        } else {
            Err(ValueError { what: "metadata", must: "at most 16 keys of 32 bytes with values of 128 bytes" })
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// All of it.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl<'de> Deserialize<'de> for Metadata {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetadataVisitor)
    }
}

/// Stops at the first key too many, so that no frame is worth more memory than its limits allow.
struct MetadataVisitor;

impl<'de> Visitor<'de> for MetadataVisitor {
    type Value = Metadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata: an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Metadata, A::Error> {
        let mut values = BTreeMap::new();
        while let Some((key, value)) = entries.next_entry()? {
            values.insert(key, value);
            if values.len() > MAX_METADATA {
                break;
            }
        }
        Metadata::new(values).map_err(A::Error::custom)
    }
}

/// Two finite numbers, the lower one first.
fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<(f64, f64)>, D::Error> {
    let span = Option::<(f64, f64)>::deserialize(deserializer)?;
    if span.is_none_or(|(low, high)| low.is_finite() && high.is_finite() && low <= high) {
        Ok(span)
    } else {
        Err(D::Error::custom("`skill` must be two numbers, the lower one first"))
    }
}
