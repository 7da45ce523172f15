//! WebStar's brain: pure state machines. No sockets, clocks, threads, files, OS randomness or async.

pub mod config;
pub mod id;
pub mod path;
pub mod peer;
pub mod session;
pub mod time;
pub mod wire;
