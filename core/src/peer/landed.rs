//! How many packets of other players have come, by the kind of the path that brought them.

use crate::path::PathKind;

/// Packets that have come, by the kind of their path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Landed {
    /// Through the server.
    pub relay: u64,
    /// By pipes that the embedder made.
    pub external: u64,
    /// By a data channel.
    pub sctp: u64,
    /// As payloads of RTP.
    pub srtp: u64,
}

impl Landed {
    /// One more.
    pub(super) fn count(&mut self, kind: PathKind) {
        *match kind {
            PathKind::Relay => &mut self.relay,
            PathKind::External => &mut self.external,
            PathKind::Sctp => &mut self.sctp,
            PathKind::Srtp => &mut self.srtp,
        } += 1;
    }
}
