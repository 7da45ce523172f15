//! The values in messages. Each is checked where it is read: behind the codec there are only good ones.

use bytes::Bytes;
use core::fmt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

/// The name of a lobby: a code or a chosen one, 1 to 64 printable characters without leading or trailing blanks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LobbyName(String);

/// What a player is called: 1 to 64 characters without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(String);

/// A name claimed at the server: 1 to 64 of `A-Za-z0-9_-`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerId(String);

/// Text that must not be shown: it prints as `***`. At most 1,024 bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Secret(String);

/// A session's half as the roster tells it: 16 hexadecimal digits in JSON, 8 bytes in postcard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SessionKey(pub u64);

/// Which life of the star: `term.round`, as text in JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Epoch {
    /// Rises with every host.
    pub term: u32,
    /// Rises with every change that keeps the host.
    pub round: u32,
}

/// What guests and players pass to each other through the server. In JSON it is any value, kept as its text; to players
/// a JSON string is its characters, and every other value its JSON text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Data(Bytes);

/// A step of a WebRTC negotiation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RtcSignal {
    /// A session description that offers.
    Offer {
        /// The description.
        sdp: String,
    },
    /// A session description that answers.
    Answer {
        /// The description.
        sdp: String,
    },
    /// One more way to reach the sender.
    IceCandidate {
        /// The way.
        candidate: Candidate,
    },
}

/// An ICE candidate as browsers write it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// The candidate line.
    pub candidate: String,
    /// The media section it belongs to, by name.
    #[serde(rename = "sdpMid", default)]
    pub sdp_mid: Option<String>,
    /// The media section it belongs to, by place.
    #[serde(rename = "sdpMLineIndex", default)]
    pub sdp_m_line_index: Option<u16>,
    /// The user name fragment of its negotiation.
    #[serde(rename = "usernameFragment", default)]
    pub username_fragment: Option<String>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term, self.round)
    }
}

/// Why text is no such value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{what} must be {must}")]
pub struct ValueError {
    /// Which value.
    pub what: &'static str,
    /// What it must be.
    pub must: &'static str,
}

macro_rules! text {
    ($name:ident, $what:literal, $must:literal, $is_good:expr) => {
        impl $name {
            /// Checks the text.
            pub fn new(text: impl Into<String>) -> Result<Self, ValueError> {
                let text = text.into();
                let is_good: fn(&str) -> bool = $is_good;
                if is_good(&text) { Ok($name(text)) } else { Err(ValueError { what: $what, must: $must }) }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ValueError;
            fn try_from(text: String) -> Result<Self, ValueError> {
                $name::new(text)
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }
    };
}

text!(LobbyName, "a lobby name", "1 to 64 printable characters without blanks at its ends", |text| {
    (1..=64).contains(&text.chars().count()) && text.trim() == text && !text.chars().any(char::is_control)
});
text!(Username, "a player's name", "1 to 64 characters without control characters", |text| {
    (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control)
});
text!(PeerId, "a peer id", "1 to 64 of A-Z, a-z, 0-9, _ and -", |text| {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
});
text!(Secret, "a secret", "at most 1024 bytes", |text| text.len() <= 1024);

impl fmt::Display for LobbyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for SessionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&format_args!("{:016x}", self.0))
        } else {
            serializer.serialize_u64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for SessionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            u64::from_str_radix(&text, 16).map(SessionKey).map_err(D::Error::custom)
        } else {
            u64::deserialize(deserializer).map(SessionKey)
        }
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.term, self.round).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let parts = text.split_once('.').and_then(|(term, round)| Some((term.parse().ok()?, round.parse().ok()?)));
            let (term, round) = parts.ok_or_else(|| D::Error::custom("an epoch is `term.round`"))?;
            Ok(Epoch { term, round })
        } else {
            let (term, round) = Deserialize::deserialize(deserializer)?;
            Ok(Epoch { term, round })
        }
    }
}

impl Data {
    /// Of a player's bytes: UTF-8 becomes a JSON string.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Data(serde_json::to_vec(&text).expect("text is JSON").into())
    }

    /// As a player gets it.
    pub fn to_bytes(&self) -> Bytes {
        match serde_json::from_slice::<String>(&self.0) {
            Ok(text) => text.into_bytes().into(),
            Err(_) => self.0.clone(),
        }
    }

    /// The JSON text.
    pub fn as_json(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = core::str::from_utf8(&self.0).expect("data is JSON text");
        if serializer.is_human_readable() {
            let raw: &RawValue = serde_json::from_str(text).expect("data is JSON text");
            raw.serialize(serializer)
        } else {
            serializer.serialize_str(text)
        }
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let raw = Box::<RawValue>::deserialize(deserializer)?;
            Ok(Data(Bytes::copy_from_slice(raw.get().as_bytes())))
        } else {
            let text = String::deserialize(deserializer)?;
            serde_json::from_str::<&RawValue>(&text).map_err(D::Error::custom)?;
            Ok(Data(text.into_bytes().into()))
        }
    }
}
