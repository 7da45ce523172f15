//! What players say to each other about the log and the view, as values. How they lie in bytes is told by the codec; to
//! whom they go, and when, by the star.
//!
//! Every frame travels kept, in the order of its lane, except marks and what backups have stored: of these only the
//! newest counts.

use super::{Channel, Destination, Kind};
use crate::id::{Incarnation, PlayerId};
use crate::wire::signal::Epoch;
use crate::wire::view::{Certified, Signature, View};
use bytes::Bytes;

/// A place in the log: 1, 2, ..; the place before the first is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Position(pub u64);

impl Position {
    /// The place after it.
    pub fn next(self) -> Position {
        Position(self.0 + 1)
    }
}

/// What stands at a place of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Where.
    pub position: Position,
    /// The epoch in which the place was given out.
    pub epoch: Epoch,
    /// What.
    pub content: Content,
}

/// What an entry says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Content {
    /// A message of a player.
    Message(Told),
    /// From here on the player hears what is for all, and its numbers begin anew if the incarnation is another one.
    Joined {
        /// Who.
        player: PlayerId,
        /// Which life of its memory.
        incarnation: Incarnation,
        /// Its messages up to these numbers need not be taken: reliable, ordered. They are from an earlier stay.
        taken: [u64; 2],
    },
    /// From here on it hears nothing.
    Left {
        /// Who.
        player: PlayerId,
    },
    /// Nobody who was asked has what stood here.
    Void,
}

/// What the host's game has made of a message before it got its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Ruling {
    /// It stands as it was sent.
    #[default]
    AsSent,
    /// The payload is the game's, not the sender's.
    Rewritten,
    /// It is not delivered. The entry uses up its number, is for its sender alone, and its payload tells why: text of at
    /// most [`MAX_REASON`](super::MAX_REASON) bytes.
    Rejected,
}

/// A kept message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told {
    /// Who sent it.
    pub from: PlayerId,
    /// [`Channel::Reliable`] or [`Channel::Ordered`].
    pub channel: Channel,
    /// Its number among its sender's on this channel, from 1.
    pub seq: u64,
    /// Whom it is for.
    pub to: Destination,
    /// What it is.
    pub kind: Kind,
    /// The bytes.
    pub payload: Bytes,
    /// What the host's game has made of it.
    pub ruling: Ruling,
}

/// How far things are; of each only the newest counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mark {
    /// Everything up to here is stored by all backups.
    pub committed: Position,
    /// Everything up to here that is meant for the receiver has arrived there and everywhere: it need not be kept.
    pub settled: Position,
    /// The log begins after here.
    pub cut: Position,
    /// The receiver's own messages up to these numbers are committed: reliable, ordered.
    pub acked: [u64; 2],
}

/// The places of an epoch end here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The epoch in which places were given out.
    pub epoch: Epoch,
    /// The last place of it that counts.
    pub end: Position,
}

/// What was taken of a sender on a channel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableRow {
    /// Who.
    pub player: PlayerId,
    /// Which life of its memory.
    pub incarnation: Incarnation,
    /// It is there, not gone.
    pub is_present: bool,
    /// By channel, reliable and ordered: everything up to this number.
    pub taken: [u64; 2],
    /// Numbers beyond that, of the reliable channel.
    pub beyond: Vec<u64>,
}

/// The state that a log has at its cut: what a new backup starts from. Entries follow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copy {
    /// The log begins after here.
    pub cut: Position,
    /// The last place there is at this moment.
    pub end: Position,
    /// What the receiver's own log says up to here is the same; if that goes so far, only what follows is sent. Beyond
    /// the end: nothing is, and absent players may want what stands before the cut.
    pub same: Position,
    /// Everybody who was there at the cut, and what was taken of it.
    pub table: Vec<TableRow>,
    /// The ends of former epochs, oldest first.
    pub spans: Vec<Span>,
}

/// How far a replica's log goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LogEnd {
    /// The epoch in which the log was last known to be whole: a later one counts for more than any length.
    pub whole_in: Epoch,
    /// Its last place.
    pub end: Position,
}

/// A voter's promise to the host that a view names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Promise {
    /// The view that is promised.
    pub epoch: Epoch,
    /// [`crate::wire::view::Statement::Promised`].
    pub signature: Signature,
    /// The newest view that the voter knows to be in force.
    pub active: Epoch,
    /// Views newer than that which it has promised before: any of them may be in force.
    pub promised: Vec<View>,
    /// Its log, if it holds one.
    pub log: Option<LogEnd>,
    /// As a member it has everything up to here that was meant for it.
    pub settled: Position,
    /// What it holds beyond what it knows to be committed.
    pub beyond: Vec<Entry>,
}

/// What somebody who follows has got, so that the host can tell it the rest.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Beyond {
    /// Everything meant for it up to here.
    pub settled: Position,
    /// And these.
    pub held: Vec<Position>,
    /// It has delivered something that the log does not have, or is new: it starts from a snapshot.
    pub wants_snapshot: bool,
    /// Its own messages up to these numbers are acknowledged: reliable, ordered. It says none of them again.
    pub acked: [u64; 2],
}

/// One word about the log or the view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// A member's message, for the log.
    Publish {
        /// Its channel; [`Channel::Reliable`] or [`Channel::Ordered`].
        channel: Channel,
        /// Its number among its sender's.
        seq: u64,
        /// Whom it is for.
        to: Destination,
        /// What it is.
        kind: Kind,
        /// The bytes.
        payload: Bytes,
    },
    /// The host hands an entry on: to whom it is meant for, and to backups.
    Entry {
        /// The epoch in which it is handed on.
        epoch: Epoch,
        /// The entry.
        entry: Entry,
    },
    /// How far things are. Latest-only.
    Mark {
        /// The host's epoch.
        epoch: Epoch,
        /// The news.
        mark: Mark,
    },
    /// A backup holds everything up to here. Latest-only.
    Stored {
        /// In this epoch.
        epoch: Epoch,
        /// Up to here.
        position: Position,
    },
    /// The host takes nothing more, or takes it again.
    Hold(bool),
    /// A follower tells a new host what it has got.
    Have {
        /// The host's epoch.
        epoch: Epoch,
        /// What.
        beyond: Beyond,
    },
    /// The follower's log begins after `position`; a snapshot of `snapshot_bytes` comes first, if that is not zero.
    Start {
        /// The host's epoch.
        epoch: Epoch,
        /// What went before is in the snapshot or lost to it.
        position: Position,
        /// Everything before was delivered or belongs to others: no `Resynced` is due. So it is for who joins.
        is_joiner: bool,
        /// The length of the snapshot.
        snapshot_bytes: u64,
    },
    /// A piece of a snapshot of the host's game.
    Snapshot {
        /// The host's epoch.
        epoch: Epoch,
        /// The state after this place.
        position: Position,
        /// The length of the whole.
        size: u64,
        /// SHA-256 of the whole.
        hash: [u8; 32],
        /// Where the piece begins.
        offset: u64,
        /// The piece.
        piece: Bytes,
    },
    /// A replica's state, for a new backup or a host that must catch up. Entries follow.
    Copy {
        /// The epoch of the view for which it is copied.
        epoch: Epoch,
        /// The state.
        copy: Copy,
    },
    /// A new host wants a copy of a better log than its own.
    Fetch {
        /// The view for which it collects.
        epoch: Epoch,
        /// Its own log, if it holds one.
        log: Option<LogEnd>,
    },
    /// A host or a backup proposes a view.
    Propose {
        /// The view.
        view: View,
        /// The host goes on until it freezes: the promise bars nobody until then.
        is_dormant: bool,
    },
    /// A voter promises.
    Promise(Box<Promise>),
    /// The receiver is behind: this view is in force.
    Newer(Box<Certified>),
    /// A view is in force from now on; said by its host.
    Activate {
        /// The view and its proof.
        certified: Box<Certified>,
        /// The ends of former epochs, oldest first: what somebody holds beyond them is void.
        spans: Vec<Span>,
        /// Places before those ends that are void too.
        voids: Vec<Position>,
    },
    /// The host has stopped after this place; the next host goes on when it holds it.
    Freeze {
        /// The epoch that ends.
        epoch: Epoch,
        /// Its last place.
        end: Position,
    },
}
