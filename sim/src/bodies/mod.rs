//! What is done with a fuzzer's bytes: one function for each target of `fuzz/`, callable from any test as well. Each
//! takes whatever it is given and panics only where a promise is broken.

mod decompression;
mod forge;
mod frames;
mod ledger;
mod link;
pub mod meter;
mod packet;
mod peer;
mod recording;
mod rtc;
mod script;
mod server;
mod session;
mod shield;
mod shown;
mod signal;
mod star;
mod world;

pub use decompression::decompression;
pub use link::link_arbitrary;
pub use packet::packet_decode;
pub use peer::peer_inputs;
pub use recording::recordings;
pub use rtc::{rtc_packets, rtc_signals, turn_frames};
pub use server::server_frames;
pub use session::session_arbitrary;
pub use shield::shield_arbitrary;
pub use signal::signal_decode;
pub use star::star_decode;
pub use world::small_world;

/// Something to do with arbitrary bytes.
pub type Body = fn(&[u8]);

/// Every body under the name of its target, which is also that of its corpus.
pub const ALL: [(&str, Body); 14] = [
    ("packet_decode", packet_decode),
    ("session_arbitrary", session_arbitrary),
    ("decompression", decompression),
    ("link_arbitrary", link_arbitrary),
    ("shield_arbitrary", shield_arbitrary),
    ("signal_decode", signal_decode),
    ("star_decode", star_decode),
    ("server_frames", server_frames),
    ("peer_inputs", peer_inputs),
    ("small_world", small_world),
    ("rtc_signals", rtc_signals),
    ("turn_frames", turn_frames),
    ("rtc_packets", rtc_packets),
    ("recordings", recordings),
];
