//! WebStar's brain: pure state machines that keep players talking. No sockets, clocks, threads, files, entropy or
//! async: you bring bytes, time and a seed, and carry out what the machines want done.
//!
//! # The story
//! Players meet in a lobby. A [`server::Server`] does that much: who is there, who is host, and passing packets on where
//! no better way is. A [`peer::Peer`] is one player: it joins, holds a conversation with the host, or as host with
//! everybody, and gives messages their way through the star.
//!
//! Two players share one [`session`]: numbered packets, acknowledgements, priorities, forward protection, pacing. The
//! session runs over whatever [`path`]s exist, each an unreliable datagram pipe ([`session::pipe`]), and moves from one to
//! another in mid-sentence. A [`peer::link::Link`] is a session together with its paths: it watches them, chooses, and has
//! broken ones mended. [`wire`] is what travels.
//!
//! # The run loop
//! Every machine follows one law: tell it one thing that happened, then drain it until it gives `Timeout`; come back at
//! that time at the latest, or earlier when something else happens. This is `examples/embed.rs`:
//!
//! ```
#![doc = include_str!("../examples/embed.rs")]
//! ```
//!
//! Hostile, stale and broken bytes are dropped and counted; an `Err` means that the caller misused the machine, and says
//! what to do.

pub mod config;
pub mod id;
pub mod lan;
pub mod path;
pub mod peer;
mod players;
pub mod recording;
pub mod server;
pub mod session;
pub mod star;
pub mod time;
mod timer;
pub mod wire;
