//! WebStar's brain: pure state machines that keep players talking. No sockets, clocks, threads, files, entropy or
//! async: you bring bytes, time and a seed, and carry out what the machines want done.
//!
//! # The story
//! Two players share one [`session`]: numbered packets, acknowledgements, priorities, forward protection, pacing. The
//! session runs over whatever [`path`]s exist, each an unreliable datagram pipe ([`session::pipe`]), and moves from one to
//! another in mid-sentence. A [`peer::link::Link`] is a session together with its paths: it watches them, chooses, and has
//! broken ones mended. [`wire`] is what travels.
//!
//! # The run loop
//! Every machine follows one law: tell it one thing that happened, then drain it until it gives `Timeout`; come back at
//! that time at the latest, or earlier when something else happens.
//!
//! ```
//! use webstar_core::id::{PathId, PlayerId, SessionId};
//! use webstar_core::path::{Fact, PathKind};
//! use webstar_core::peer::link::{Input, Link, LinkConfig, LinkEvent, Output, PathSetup};
//! use webstar_core::session::pipe::{Control, PipeFacts};
//! use webstar_core::session::{Outbound, SessionIds};
//! use webstar_core::time::{Duration, Instant};
//! use webstar_core::wire::frame::{Delivery, Priority};
//!
//! // The embedder's own datagram channel is path 0 on both sides. The ids come with the roster.
//! let path = PathSetup { id: PathId(0), kind: PathKind::External, relayed_only: false };
//! let (a, b) = (SessionId(0x1234), SessionId(0x5678));
//! let mut now = Instant::ZERO;
//! let mut links = [
//!     Link::new(LinkConfig::default(), SessionIds { ours: a, theirs: b }, PlayerId(2), &[path], [1; 32], now)?,
//!     Link::new(LinkConfig::default(), SessionIds { ours: b, theirs: a }, PlayerId(1), &[path], [2; 32], now)?,
//! ];
//! let greeting = Outbound {
//!     priority: Priority::Normal,
//!     delivery: Delivery::Ordered,
//!     key: 0,
//!     payload: "hello".into(),
//! };
//! links[0].send(now, greeting)?;
//!
//! let mut heard = None;
//! while heard.is_none() {
//!     for me in 0..2 {
//!         links[me].handle(now, Input::Timeout)?;
//!         loop {
//!             // What has to be done is copied out here, so that the other link can be told at once.
//!             let packet = match links[me].poll() {
//!                 Output::Transmit { bytes, .. } => bytes.to_vec(),
//!                 Output::Pipe { path, order } => {
//!                     let facts = PipeFacts { max_packet: 1150, control: Control::Own };
//!                     let fact = Fact::Opened(facts);
//!                     links[me].handle(now, Input::Pipe { path, attempt: order.attempt, fact })?;
//!                     continue;
//!                 }
//!                 Output::Event(LinkEvent::Message(message)) => {
//!                     heard = Some(message.payload);
//!                     continue;
//!                 }
//!                 Output::Event(_) => continue,
//!                 Output::Timeout(_) => break,
//!             };
//!             links[1 - me].handle(now, Input::Packet { path: PathId(0), bytes: &packet })?;
//!         }
//!     }
//!     now += Duration::from_millis(1);
//! }
//! assert_eq!(heard.as_deref(), Some(&b"hello"[..]));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Hostile, stale and broken bytes are dropped and counted; an `Err` means that the caller misused the machine, and says
//! what to do.

pub mod config;
pub mod id;
pub mod path;
pub mod peer;
pub mod server;
pub mod session;
pub mod time;
pub mod wire;
