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
id! {
    /// One life of a player's memory: it rises when the player comes back without.
    Incarnation(u32)
}
id! {
    /// A connection to the lobby server, named by the embedder: a small number, free again once `Close` was put out or
    /// `Closed` told.
    ConnectionId(u32)
}
id! {
    /// A part of a server process that owns some of the lobbies.
    ShardId(u16)
}
id! {
    /// A question to the embedder.
    AskId(u64)
}
id! {
    /// A byte stream that a player wants opened.
    StreamId(u32)
}
id! {
    /// Something asked of the server; comes back with what became of it.
    CommandId(u32)
}
