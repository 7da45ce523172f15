//! The relay path as a pipe: what it says of itself, and its rhythm. How its packets lie in frames is
//! [`crate::wire::relay`]; the connection is kept by a [`Keeper`](super::Keeper), and the session bounds what is in it.

use crate::session::pipe::{Control, PipeFacts};
use crate::time::Duration;

/// The largest packet of the relay path. On a link of 1 Mbit/s it takes 16 ms, one tick of a game at 60 Hz: no more
/// than that does a packet of bulk delay the critical message behind it. Smaller ones would cost the server more
/// frames and save nobody anything that can be noticed; framing (WebSocket, TLS, prefix: about 35 bytes) is below 2 %.
pub const MAX_PACKET: usize = 2_048;

/// How many bytes a session leaves unacknowledged in the relay. Beyond, the queue stands in TCP, where nothing can
/// overtake, be replaced or expire, and the server begins to drop for a slow receiver.
pub const MAX_IN_PIPE: usize = 64 * 1024;

/// The rhythm of a relay that carries nothing: below the 20 to 30 s after which home routers and proxies begin to
/// forget an idle connection.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What the relay path says of itself when the server connection opens.
pub const fn facts() -> PipeFacts {
    PipeFacts { max_packet: MAX_PACKET, control: Control::Stream }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::relay::{MAX_FRAME, MAX_PREFIX};

    #[test]
    fn a_full_packet_fits_a_frame() {
        const { assert!(MAX_PREFIX + MAX_PACKET <= MAX_FRAME) };
        assert_eq!(facts(), PipeFacts { max_packet: MAX_PACKET, control: Control::Stream });
    }
}
