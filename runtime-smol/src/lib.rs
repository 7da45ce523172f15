//! WebStar on smol: sockets, TLS, clocks and entropy around the pure machines of `webstar-core`. Nothing is decided here.

pub mod client;
pub mod lan;
pub mod server;
pub mod uri;
