//! What host and members say to each other in the messages of their links, and how it lies in bytes. Frames are about the
//! log and the view; what is not kept is said and delivered beside them. Of that, the delivery that the link promises
//! tells which channel it is, so no byte does.
//!
//! ```text
//! define   = 0x01, number, name                                  the number stands for the name from now on
//! say      = 0x02, epoch, destination, seq, kind, payload        not kept: member to host
//! deliver  = 0x03, epoch, from, seq, kind, payload               not kept: host to member
//! hold     = 0x04, flag
//! publish  = 0x05, what, players, seq, kind, payload
//! entry    = 0x06, epoch, entry
//! mark     = 0x07, epoch, committed, settled, cut, acked
//! stored   = 0x08, epoch, position
//! have     = 0x09, epoch, settled, wants_snapshot, acked, held
//! start    = 0x0a, epoch, position, is_joiner, snapshot_bytes
//! snapshot = 0x0b, epoch, position, size, offset, hash (32 bytes), piece
//! copy     = 0x0c, epoch, cut, end, same, count, rows, spans
//! fetch    = 0x0d, epoch, 0 or 1 and log
//! propose  = 0x0e, is_dormant, view
//! promise  = 0x0f, epoch, signature (64 bytes), active, count, views, 0 or 1 and log, settled, count,
//!            entries
//! newer    = 0x10, certified
//! activate = 0x11, certified, spans, voids
//! freeze   = 0x12, epoch, end
//!
//! entry       = position, what, given, content     in an entry frame the payload is the rest, in a promise it is sized
//! what        = tag | 0x08 if ordered | 0x10 if the epoch in which the place was given out is told
//!                   | 0x20 if the host's game has rewritten the message | 0x40 if it has rejected it
//! given       = epoch                              told if it is not the expected one: that of the frame, or in a
//!                                                  promise that of the entry before, for the first one `active`
//! content     = players, from, seq, kind, payload                tags 0x00 to 0x04
//!             | player, incarnation, reliable, ordered           tag 0x05: joined
//!             | player                                           tag 0x06: left
//!             |                                                  tag 0x07: void
//! destination = tag, players
//! tag         = 0x00 all | 0x01 others | 0x02 host | 0x03 one | 0x04 all but
//! players     = nothing; for 0x03 the player, for 0x04 count and players
//! row         = player, incarnation, is_present, reliable, ordered, beyond
//! log         = epoch, end
//! acked       = reliable, ordered
//! spans       = count, and for each epoch, end
//! held, voids, beyond = count, and for each how far it lies above the one before; the first: above 0
//! view, certified     = length, postcard
//! epoch       = term, round
//! kind        = number, or 0 and name
//! name        = length (1 to 64), UTF-8
//! flag        = 0 or 1
//! ```
//! Numbers are varints, in their shortest form; so there is one way to write a thing. A definition goes as a reliable
//! message; until it is acknowledged messages carry the name, so a number never arrives before its meaning.

mod entry;
mod frame;
mod message;
mod parts;
mod read;
mod words;
mod write;

pub use frame::{Beyond, Content, Copy, Entry, Frame, LogEnd, Mark, Position, Promise, Ruling, Span, TableRow, Told};
pub use message::{Message, decode, define, deliver, encode, say};
pub use words::{Channel, Kind};

use crate::id::PlayerId;

/// The longest name of a kind, in bytes.
pub const MAX_KIND: usize = 64;
/// Kinds that can have a number, each way; further ones always travel by name.
pub const MAX_KINDS: usize = 256;
/// Players that a destination can leave out: all others of the largest lobby.
pub const MAX_LEFT_OUT: usize = 64;
/// Positions that somebody can say it holds.
pub const MAX_HELD: usize = 65_536;
/// Entries that a promise can bring.
pub const MAX_BEYOND: usize = 4096;
/// Rows of a table that is copied.
pub const MAX_ROWS: usize = 1024;
/// Numbers of a row beyond the first gap.
pub const MAX_REACH: usize = 4096;
/// Former epochs whose ends are told.
pub const MAX_SPANS: usize = 64;
/// Void positions that are told.
pub const MAX_VOIDS: usize = 4096;
/// Views promised before that a promise tells.
pub const MAX_PROMISED: usize = 32;
/// Bytes of a view with its proof.
pub const MAX_BLOCK: usize = 16 * 1024;
/// Why a message was rejected: bytes of UTF-8.
pub const MAX_REASON: usize = 256;
/// What a message may have in front of its payload at most, rounded up.
pub const MAX_HEAD: usize = 512;

/// Whom a message is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Destination {
    /// Everybody, the sender included.
    All,
    /// Everybody else.
    Others,
    /// Whoever is host; the host itself if it sends.
    Host,
    /// One player.
    One(PlayerId),
    /// Everybody but these; the sender too, unless it is among them.
    AllBut(Vec<PlayerId>),
}

/// A kind as a message tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KindTold<'a> {
    /// By the number that was defined, from 1.
    Number(u16),
    /// By its name.
    Name(&'a str),
}
