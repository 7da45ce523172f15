//! Finding a server on the local network: what it says of itself, from when to when and to whom, and what a listener
//! believes of that. Sockets and interfaces are the embedder's.
//!
//! A server tells all who listen, as JSON in a broadcast datagram, `{"service": .., "ip": .., "port": .., "timestamp": ..}`:
//! on the first of ten ports that is free for it. Who searches listens on all ten.

mod announcement;
mod announcer;
mod finder;

pub use announcement::{Announcement, MAX_ANNOUNCEMENT, Malformed};
pub use announcer::{AnnounceConfig, Announcer, Call, Interface};
pub use finder::{Finder, MAX_FOUND};

use core::ops::RangeInclusive;

/// The ports of announcements.
pub const PORTS: RangeInclusive<u16> = 8766..=8775;
/// The service, if nothing else is said.
pub const SERVICE: &str = "webstar";
