//! The bounds of everything that crosses the wire. A decoder checks against these before it believes a number.

/// The version of the wire between players, in the upper half of a packet's first byte.
pub const VERSION: u8 = 1;
/// The longest packet any path may carry: a relay frame is a WebSocket message of at most 64 KiB.
pub const MAX_PACKET: usize = 60 * 1024;
/// The shortest packet: the header with a packet number of two bytes.
pub const MIN_PACKET: usize = 8;
/// The smallest packet size a path may offer, so that every control frame and a useful piece of a message fit.
pub const MIN_MAX_PACKET: usize = 256;
/// Acknowledgement ranges written into, and accepted from, one frame.
pub const MAX_ACK_RANGES: usize = 32;
/// Recovered packets named by one acknowledgement.
pub const MAX_RECOVERED: usize = 64;
/// The largest message: 16 MiB. Lengths and offsets of fragments stay below it.
pub const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How far a reliable message may run ahead of the oldest unacknowledged one of its stream.
pub const MESSAGE_WINDOW: u64 = 4096;
/// How many packet numbers below the largest received are still told apart; older ones count as duplicates.
pub const PACKET_WINDOW: u64 = 8192;
