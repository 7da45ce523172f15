//! The settings of a server, each with its unit and what happens at its limit.

use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// The settings of a server.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerConfig {
    /// A connection that has not joined, resumed or asked for anything within this time is closed.
    pub handshake_timeout: Duration,
    /// A connection from which nothing, not even a control frame, has come for this long is closed.
    pub idle_timeout: Duration,
    /// A lobby in which nobody is connected is removed after this.
    pub lobby_idle_timeout: Duration,
    /// How long a resume token is good, and how long a player whose connection broke keeps its place.
    pub resume_timeout: Duration,
    /// A host whose connection broke is replaced after this if it has not come back.
    pub host_grace: Duration,
    /// Connections of this shard at most; more are closed as busy.
    pub max_connections: usize,
    /// Connections from one address at most. Loopback addresses are exempt: behind them stand proxies.
    pub max_connections_per_address: usize,
    /// Lobbies of this shard at most; more are refused as busy.
    pub max_lobbies: usize,
    /// Failed joins and resumes a minute and address; more are refused as `rate_limited`, right or wrong.
    pub failed_joins_per_minute: u32,
    /// Lobbies made a minute and address. Loopback addresses are exempt.
    pub creations_per_minute: u32,
    /// Frames a second from a connection, with a burst of as many: relayed ones beyond it are dropped; a connection that
    /// goes on at ten times the rate is closed.
    pub frames_per_second: u32,
    /// Bytes a second from a connection, with a burst of as many: as with frames. A broadcast counts once for every
    /// receiver.
    pub bytes_per_second: u32,
    /// Signalling messages a second from a connection, with a burst of four times as many; beyond it the connection is
    /// closed.
    pub messages_per_second: u32,
    /// Control frames a second from a connection, with a burst of four times as many; beyond it the connection is closed.
    pub control_frames_per_second: u32,
    /// Bytes given to the embedder for a connection and not yet written, at most.
    pub window: usize,
    /// Bytes that wait for a connection at most. Beyond it relayed packets are dropped, the oldest first; if signalling
    /// alone passes it the connection is closed.
    pub queue: usize,
    /// A connection that takes nothing for this long though something waits is closed.
    pub progress_timeout: Duration,
    /// Password computations open at a time.
    pub password_workers: usize,
    /// Joins that wait for one of them; more are refused as busy.
    pub password_queue: usize,
    /// Whether a resumed or forwarded message may leave later than the next drain. Zero: never.
    pub max_lobby_players: u16,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            lobby_idle_timeout: Duration::from_secs(120),
            resume_timeout: Duration::from_secs(120),
            host_grace: Duration::from_secs(3),
            max_connections: 100_000,
            max_connections_per_address: 256,
            max_lobbies: 50_000,
            failed_joins_per_minute: 10,
            creations_per_minute: 60,
            frames_per_second: 20_000,
            bytes_per_second: 16 * 1024 * 1024,
            messages_per_second: 100,
            control_frames_per_second: 10,
            window: 32 * 1024,
            queue: 256 * 1024,
            progress_timeout: Duration::from_secs(5),
            password_workers: 2,
            password_queue: 64,
            max_lobby_players: 64,
        }
    }
}
