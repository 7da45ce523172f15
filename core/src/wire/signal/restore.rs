//! What players keep for a server that loses its memory.

use super::bounded;
use crate::wire::view::{Certified, View};
use bytes::Bytes;
use core::fmt;
use data_encoding::BASE64;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most views promised that are told.
pub const MAX_PROMISED: usize = 4;

/// A record of a lobby and of its players, sealed by the server, which knows whether it was changed. In JSON it is Base64,
/// in postcard bytes. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Bytes);

/// What a player shows to a server that may have lost its lobby.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restore {
    /// The newest record that the server has given.
    pub sealed: Sealed,
    /// The newest view known to be in force.
    #[serde(default)]
    pub view: Option<Certified>,
    /// All views promised that are newer than that. Who has promised more than 4 tells no view at all.
    #[serde(default, deserialize_with = "bounded::list::<MAX_PROMISED, _, _>")]
    pub promised: Vec<View>,
}

impl Sealed {
    /// The longest.
    pub const MAX: usize = 36 * 1024;

    /// These bytes, unless they are too many.
    pub fn new(bytes: Bytes) -> Option<Self> {
        (bytes.len() <= Sealed::MAX).then_some(Sealed(bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&BASE64.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Bytes = if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            BASE64.decode(text.as_bytes()).map_err(|_| D::Error::custom("a sealed record is Base64"))?.into()
        } else {
            Bytes::copy_from_slice(<&'de [u8]>::deserialize(deserializer)?)
        };
        Sealed::new(bytes).ok_or_else(|| D::Error::custom("a sealed record has at most 36864 bytes"))
    }
}
