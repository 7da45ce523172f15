//! The first block of a recording: the player as it was made, and by which release. In JSON, so that people can read it.

use super::secrets::Secrets;
use crate::config::PlayerConfig;
use crate::peer::{Dice, JoinRequest};
use crate::time::Instant;
use crate::wire::view::PublicKey;
use serde::{Deserialize, Serialize};

/// How a player was made. Its secrets are placeholders, and its key is not there.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    /// The release that made the recording.
    pub(super) release: String,
    /// The time on the embedder's time line.
    pub(super) began: Instant,
    pub(super) dice: Dice,
    /// What the player's signatures are checked with.
    pub(super) key: PublicKey,
    pub(super) config: PlayerConfig,
    pub(super) request: JoinRequest,
}

/// This release.
pub(super) const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// A request with placeholders.
pub(super) fn hidden(mut request: JoinRequest, secrets: &mut Secrets) -> JoinRequest {
    secrets.hide_own(&mut request.password);
    secrets.hide_own(&mut request.admission);
    if let Some(ticket) = &mut request.ticket {
        secrets.hide(&mut ticket.token);
    }
    request
}
