//! What a server asks of its embedder, and what may be answered: password work, admission, and the directory of
//! lobbies and peer names that shards, and later servers, share.

use crate::id::ShardId;
use crate::wire::signal::{Filter, Listing, LobbyName, PeerId, Secret};
use core::net::IpAddr;

/// A question.
#[derive(Clone, PartialEq, Debug)]
pub enum Ask {
    /// Argon2id of the password with this salt. At most [`super::ServerConfig::password_workers`] are open at a time.
    HashPassword {
        /// The password.
        password: Secret,
        /// The salt.
        salt: [u8; 16],
    },
    /// May this be?
    Admit {
        /// What the client has shown.
        token: Option<Secret>,
        /// What it wants.
        wants: Admission,
        /// From where.
        address: IpAddr,
    },
    /// Something of the directory.
    Directory(DirectoryAsk),
}

/// What somebody wants to be admitted to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Into a lobby that is there.
    Join,
    /// To make a lobby.
    Create,
}

/// A question to the directory. It sees one after the other, from all shards, in any order.
#[derive(Clone, PartialEq, Debug)]
pub enum DirectoryAsk {
    /// Who owns the lobby of this name? If nobody and `create` is set, the asker does from now on.
    Lobby {
        /// The name.
        name: LobbyName,
        /// Claim it if it is free.
        create: bool,
    },
    /// The lobby is gone; its name is free.
    Release {
        /// The name.
        name: LobbyName,
    },
    /// What everybody may see of a public lobby; nothing: it is listed no more. Not answered by anything but `Done`.
    Publish {
        /// The name.
        name: LobbyName,
        /// What is seen.
        listing: Option<Listing>,
    },
    /// The public lobbies that fit, the fullest with room first.
    List {
        /// Which.
        filter: Filter,
        /// At most so many.
        limit: usize,
    },
    /// A client claims a peer name.
    ClaimPeer {
        /// The name.
        peer: PeerId,
    },
    /// The name is free again.
    ReleasePeer {
        /// The name.
        peer: PeerId,
    },
}

/// An answer, of the kind of its question.
#[derive(Clone, PartialEq, Debug)]
pub enum Answer {
    /// To [`Ask::HashPassword`].
    Hash([u8; 32]),
    /// To [`Ask::Admit`].
    Admitted(bool),
    /// To [`Ask::Directory`].
    Directory(DirectoryAnswer),
}

/// What the directory answers.
#[derive(Clone, PartialEq, Debug)]
pub enum DirectoryAnswer {
    /// To [`DirectoryAsk::Lobby`].
    Lobby(Found),
    /// To [`DirectoryAsk::List`].
    Listed(Vec<Listing>),
    /// To [`DirectoryAsk::ClaimPeer`]: whether the name is the asker's now.
    Peer(Claim),
    /// To everything else.
    Done,
    /// The directory cannot be reached: what depended on it is refused as busy.
    Unavailable,
}

/// What is known of a lobby's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nobody has it.
    Nobody,
    /// It is the asker's, from now on.
    Claimed,
    /// Somebody has it.
    Owned(Owner),
}

/// Who owns a lobby.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Owner {
    /// A shard of this server, perhaps the asker.
    Shard(ShardId),
    /// Another server, which clients reach here.
    Server(String),
}

/// Whether a peer name could be claimed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claim {
    /// It is the asker's.
    Granted,
    /// Somebody else has it.
    Taken,
}
