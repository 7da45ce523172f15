//! Which encoding and which version a connection speaks.

use serde::{Deserialize, Serialize};

/// How messages are written on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Encoding {
    /// Text frames.
    Json,
    /// Binary frames.
    Postcard,
}

impl Encoding {
    /// The encoding that a WebSocket sub-protocol names: `webstar.json` or `webstar.postcard`.
    pub fn of_subprotocol(name: &str) -> Option<Self> {
        [Encoding::Json, Encoding::Postcard].into_iter().find(|encoding| encoding.subprotocol() == name)
    }

    /// The WebSocket sub-protocol of this encoding.
    pub fn subprotocol(self) -> &'static str {
        match self {
            Encoding::Json => "webstar.json",
            Encoding::Postcard => "webstar.postcard",
        }
    }
}

/// A version of the protocol between players and of the signalling that goes with it. The newest that both sides speak
/// is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Version(pub u8);

impl Version {
    /// The newest.
    pub const CURRENT: Version = Version(2);
    /// The one before. Sessions of this version do not know the frame that tells a path to be unheard.
    pub const PREVIOUS: Version = Version(1);

    /// The newest version that is among those offered, if any is.
    pub fn negotiate(offered: &[Version]) -> Option<Version> {
        [Version::CURRENT, Version::PREVIOUS].into_iter().find(|version| offered.contains(version))
    }

    /// Whether sessions of this version know the frame `Unheard`.
    pub fn knows_unheard(self) -> bool {
        self >= Version::CURRENT
    }
}
