//! The vocabulary between players and its bytes. What leaves here is well-formed, what comes in is checked once, here:
//! behind this door there are only good values. `docs/wire.md` tells the same to people who write other clients.
//!
//! The bytes between players are laid by hand: a 64-byte message costs eight bytes of packet header and four of frame
//! header, and is read in place. ARCHITECTURE.md has the measurement against a serde format. What is said to the lobby
//! server ([`signal`]) is rare and read by people: there serde does the work.

pub mod frame;
pub mod limits;
pub mod packet;
pub mod relay;
pub mod rhythm;
pub mod signal;
pub mod star;
pub mod varint;
pub mod view;

use thiserror::Error;

/// Why bytes are not a packet of ours. Such a packet is dropped and counted; nothing of it has any effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum WireError {
    /// It ends in the middle of something.
    #[error("the packet ends too early")]
    Truncated,
    /// It speaks another version of the protocol.
    #[error("the packet speaks version {0}, this side speaks version {ours}", ours = limits::VERSION)]
    Version(u8),
    /// It was changed on the way, or belongs to another session.
    #[error("the packet is damaged or of another session")]
    Seal,
    /// A frame of a kind that does not exist.
    #[error("there is no frame of kind {0:#04x}")]
    UnknownFrame(u8),
    /// A number beyond its bound.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
    /// A message of a kind that has no meaning here: a number that nobody has defined, or 0 for a name.
    #[error("kind {0} of a message is unknown")]
    UnknownKind(u16),
}
