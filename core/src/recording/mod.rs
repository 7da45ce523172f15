//! What a player was told and what it said, written down so that it can be lived through again: [`Recorded`] is a player
//! whose doors are watched, [`Replay`] tells a recording to the same machine and compares what it says. Opens no file:
//! bytes are handed out and taken.
//!
//! **The seam.** Everything that is told to a [`Peer`](crate::peer::Peer) is written down with its time: streams, frames
//! of the server, packets and facts of paths, sendings, commands, snapshots. Of every output there is only a hash of 56
//! bits, with its sort. What lies below the seam (sockets, ICE, STUN, TURN) is not there; the machine does not know it.
//!
//! **Secrets** are placeholders on both sides: wherever a password, a token, a sealed record or a step of a negotiation
//! about direct paths stands in what the machine is told, the recording has a placeholder, the same one for the same
//! secret; and it takes the secret's place in an output before that is hashed, because the hash of a known sentence with a
//! weak password in it would tell the password. So the machine that is told the placeholders says the same. What the
//! server and other players choose keeps its length, so that no count of bytes differs. A frame that cannot be read may
//! hold anything, so another that cannot be read stands for it.
//!
//! **The key.** A recording from whose seed the player's key grew could sign views of the star in its name while the lobby
//! lives. So it has the seeds of the dice, from which the key does not follow, the public key, and the signatures that were
//! made, which everybody in the lobby has seen: the replay is given those, in their order, in place of a key.
//!
//! What was said, names, and the addresses of servers are in the recording as they were.
//!
//! ```text
//! recording = "webstar recording\n", format (1 byte), block ..
//! block     = length (4 bytes, the lowest first), CRC-32 of the length, CRC-32 of what follows, entries
//! entry     = postcard: told (nanoseconds since the last, what) | signed (64 bytes) | said (sort, 7 bytes of a hash)
//! ```
//!
//! The first block is a header in JSON. A block is closed when the machine rests for a while or enough has come together;
//! a program that is killed leaves a recording that ends at its last whole block.

mod blocks;
mod digest;
mod entry;
mod header;
mod recorded;
mod recorder;
mod replay;
mod secrets;
mod tell;

pub use blocks::{FORMAT, MAGIC, seal};
pub use recorded::Recorded;
pub use replay::{Difference, Replay, ReplayError, Step, Tally};
