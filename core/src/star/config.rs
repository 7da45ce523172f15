//! The settings of the star, taken from those of the player.

use crate::time::Duration;

/// How a star behaves. All players of a lobby should agree on the times; nothing breaks if they do not.
#[derive(Clone, PartialEq, Debug)]
pub struct StarConfig {
    /// Ordered messages are delivered when no crash can take them back; else when they arrive.
    pub safe_ordered: bool,
    /// The same for reliable ones.
    pub safe_reliable: bool,
    /// Bytes of the log that are kept for players that are absent or slow. Half of it in use by connected players: members
    /// are asked to hold.
    pub resume_log: usize,
    /// The longest payload of a message.
    pub max_message: usize,
    /// Bytes of our own messages that may be unacknowledged; one message in any case.
    pub window: usize,
    /// The game gives snapshots of its state.
    pub has_snapshots: bool,
    /// A snapshot is asked for this often ..
    pub snapshot_interval: Duration,
    /// .. and after so many bytes of log, if anything was said.
    pub snapshot_bytes: usize,
    /// The survivor of a lobby of two goes on alone when the server is away too.
    pub allow_fork: bool,
    /// As host: kept messages of members are proposals, about which the game decides.
    pub has_authority: bool,
    /// For tests: as backup it keeps copies and says nothing of it.
    pub withholds_stored: bool,
}

impl Default for StarConfig {
    fn default() -> Self {
        StarConfig {
            safe_ordered: true,
            safe_reliable: false,
            resume_log: 4 * 1024 * 1024,
            max_message: 1024 * 1024,
            window: 256 * 1024,
            has_snapshots: false,
            snapshot_interval: Duration::from_secs(5),
            snapshot_bytes: 256 * 1024,
            allow_fork: false,
            has_authority: false,
            withholds_stored: false,
        }
    }
}
