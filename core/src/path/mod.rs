//! Ways to carry packets between two players: judging them, choosing among them, and mending what broke.
//!
//! A path is an unreliable datagram pipe ([`crate::session::pipe`]). Four small machines and one pure function, none of
//! which holds a clock, a socket or a packet, work on it together; the peer composes them.
//!
//! - [`Watch`] is the state of one path: `Opening` until a probe has come back, then `Usable`; `Suspect` when it is
//!   silent beyond expectation, when probes fail or when the other side no longer hears it; `Dead` when it stays so or
//!   its pipe closes. It is fed by facts (opened, heard, answered, ..) and by the session's [`PathReading`], and says to
//!   the nanosecond when silence will become suspicion and when the next probe is due. How long it has patience stands
//!   in [`patience`].
//! - [`choose()`] names the path for the next packet, from the states alone: a change of any state, of the paths that are
//!   up, or of a round trip is the occasion to ask again. A suspect path is left at once and taken up again as soon as
//!   a probe proves it; nobody above notices. The relay may carry the first message while it is still `Opening`.
//! - [`Ladder`] is the rhythm of mending one broken connection: which step now, how long it may take, how long to pause
//!   after it failed. It begins when the watch says `Dead` (or the pipe closed), never at `Suspect`: what heals by
//!   itself within seconds needs no negotiation. It ends when the pipe is open again.
//! - [`Keeper`] joins a ladder to a connection that somebody else opens: the embedder's own data channel
//!   ([`external`]), or the connection to the lobby server, on which the [`relay`] lays its frames.
//!
//! One round of trouble, from end to end: packets stop on a direct path; its watch turns `Suspect` after about three
//! missed packets, `choose` answers with the relay, and the session sends there at once. The watch probes the suspect
//! with growing pauses. Either an answer comes, the path is `Usable` and chosen again; or `dead_after` passes, the path
//! is `Dead`, and the ladder starts: quick retry, restart, relayed candidates only, then on in the background. When the
//! pipe opens, the watch begins anew at `Opening`, and the path waits for its proof while the relay carries on.
//!
//! The relay's watch has more patience, or never gives up by itself ([`WatchConfig::relay`]): its pipe is the server
//! connection, which other sessions may share and which its own ladder mends when it closes, not because one player is
//! silent.
//!
//! The WebRTC path is one more kind behind this seam: `webrtc` (feature `webrtc`) carries out the orders of such keepers,
//! climbing the same [`ladder::WEBRTC`] steps, and its SRTP and data-channel pipes are watched and chosen like any other.
//!
//! [`PathReading`]: crate::session::pipe::PathReading

pub mod choose;
pub mod external;
pub mod ladder;
pub mod patience;
pub mod relay;
pub mod watch;
#[cfg(feature = "webrtc")]
pub mod webrtc;

pub use choose::{Candidate, PathKind, Score, choose};
pub use external::{Attempt, Command, Fact, Keeper, Order, PipeNews};
pub use ladder::{Ladder, LadderConfig, Rung, Rungs, Step};
pub use patience::WatchConfig;
pub use watch::{Cause, Change, Token, Watch};
