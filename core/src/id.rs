//! Names of things. Each is a type of its own, so that none is taken for another.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        pub struct $name(pub $raw);
    };
}

id! {
    /// A player of a lobby: 1, 2, ..; never used again in that lobby.
    PlayerId(u32)
}
id! {
    /// One side's half of a session's name, drawn at random and told with the roster.
    SessionId(u64)
}
id! {
    /// One of the paths of a session: both sides mean the same path by the same number.
    PathId(u8)
}
id! {
    /// A message given to a session, counted from 0 in the order of submission; echoed in its outcome.
    MessageId(u64)
}
