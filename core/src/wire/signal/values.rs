//! The values in messages. Each is checked where it is read: behind the codec there are only good ones.

use core::fmt;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
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
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub struct Secret(String);

/// A session's half as the roster tells it: 16 hexadecimal digits in JSON, 8 bytes in postcard, the lowest first.
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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What is no secret is not quoted: it may be one by mistake.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom("a secret must be text"))?;
        Secret::new(text).map_err(D::Error::custom)
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
            self.0.to_le_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for SessionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let is_good = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            let key = u64::from_str_radix(&text, 16).ok().filter(|_| is_good).map(SessionKey);
            key.ok_or_else(|| D::Error::custom("a session key is 16 hexadecimal digits"))
        } else {
            <[u8; 8]>::deserialize(deserializer).map(|bytes| SessionKey(u64::from_le_bytes(bytes)))
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
            let epoch = Epoch { term, round };
            if epoch.to_string() == text { Ok(epoch) } else { Err(D::Error::custom("an epoch is `term.round`")) }
        } else {
            let (term, round) = Deserialize::deserialize(deserializer)?;
            Ok(Epoch { term, round })
        }
    }
}
