//! The settings of a server, each with its unit and what happens at its limit.

use super::queue::FRAME_OVERHEAD;
use crate::config::ConfigError;
use crate::time::Duration;
use crate::wire::signal::MAX_FRAME;
use serde::{Deserialize, Serialize};

/// The longest time that may be set: more is a mistake of units.
const LONGEST_TIME: Duration = Duration::from_secs(24 * 3600);
/// Connections are found by their number in a table.
const MOST_CONNECTIONS: usize = 1 << 24;

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
    /// How long a player whose connection broke keeps its place, and so how long its resume token is good.
    pub resume_timeout: Duration,
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
    /// closed. Joins, lists, claims, and what everybody in the lobby is told of count ten, and are refused beforehand.
    pub messages_per_second: u32,
    /// Control frames a second from a connection, with a burst of four times as many; beyond it the connection is closed.
    pub control_frames_per_second: u32,
    /// Bytes given to the embedder for a connection and not yet written, at most.
    pub window: usize,
    /// Bytes that wait for a connection at most, each frame counted with 64 more. Beyond it relayed packets are dropped,
    /// the oldest first; if signalling alone passes it the connection is closed.
    pub queue: usize,
    /// A connection that takes nothing for this long though something waits is closed.
    pub progress_timeout: Duration,
    /// Password computations that a shard has open at a time. An embedder with several shards may do no more than so many
    /// for all of them.
    pub password_workers: usize,
    /// Joins that wait for one of them; more are refused as busy.
    pub password_queue: usize,
    /// The most players a lobby may be made for, at most 64. Wishes for more are refused.
    pub max_lobby_players: u16,
    /// Connections opened a minute and address, with a burst of as many; more are closed as busy. Loopback addresses are
    /// exempt.
    pub connections_per_minute: u32,
    /// Bytes a second from all connections of an address together, each frame counted with 64 more, with a burst of as
    /// many: more are dropped. Loopback addresses are exempt.
    pub address_bytes_per_second: u32,
    /// Bytes a second that a lobby relays, with a burst of as many; more are dropped.
    pub lobby_bytes_per_second: u32,
    /// How long after it was given a resume or relay token can still be used by a player that has been connected all the
    /// while; after a break `resume_timeout` counts.
    pub token_lifetime: Duration,
    /// Whether every join and every new lobby needs the embedder's admission.
    pub ask_admission: bool,
}

impl Default for ServerConfig {
    fn default() -> Self {
        ServerConfig {
            handshake_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            lobby_idle_timeout: Duration::from_secs(120),
            resume_timeout: Duration::from_secs(120),
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
            password_workers: 1,
            password_queue: 64,
            max_lobby_players: 64,
            connections_per_minute: 1_200,
            address_bytes_per_second: 64 * 1024 * 1024,
            lobby_bytes_per_second: 64 * 1024 * 1024,
            token_lifetime: Duration::from_secs(7 * 24 * 3600),
            ask_admission: false,
        }
    }
}

impl ServerConfig {
    /// Checks what the machine relies on.
    pub fn check(&self) -> Result<(), ConfigError> {
        let frame = MAX_FRAME + FRAME_OVERHEAD;
        let rules = [
            ((2..=64).contains(&self.max_lobby_players), "max_lobby_players", "2 to 64"),
            (self.max_connections > 0, "max_connections", "at least 1"),
            (self.max_connections <= MOST_CONNECTIONS, "max_connections", "at most 16777216"),
            (self.max_connections_per_address > 0, "max_connections_per_address", "at least 1"),
            (self.connections_per_minute > 0, "connections_per_minute", "at least 1"),
            (self.max_lobbies > 0, "max_lobbies", "at least 1"),
            (self.failed_joins_per_minute > 0, "failed_joins_per_minute", "at least 1"),
            (self.creations_per_minute > 0, "creations_per_minute", "at least 1"),
            (self.frames_per_second > 0, "frames_per_second", "at least 1"),
            (self.bytes_per_second as usize >= MAX_FRAME, "bytes_per_second", "at least 65536"),
            (self.address_bytes_per_second as usize >= 4 * MAX_FRAME, "address_bytes_per_second", "at least 262144"),
            (self.lobby_bytes_per_second as usize >= MAX_FRAME, "lobby_bytes_per_second", "at least 65536"),
            (self.messages_per_second >= 3, "messages_per_second", "at least 3"),
            (self.control_frames_per_second > 0, "control_frames_per_second", "at least 1"),
            (self.window > 0, "window", "at least 1 byte"),
            (self.queue >= frame, "queue", "at least 65600 bytes"),
            (self.password_workers > 0, "password_workers", "at least 1"),
            (!self.handshake_timeout.is_zero(), "handshake_timeout", "longer than nothing"),
            (!self.idle_timeout.is_zero(), "idle_timeout", "longer than nothing"),
            (!self.progress_timeout.is_zero(), "progress_timeout", "longer than nothing"),
            (self.token_lifetime >= self.resume_timeout, "token_lifetime", "at least resume_timeout"),
        ];
        let times = [
            (self.handshake_timeout, "handshake_timeout"),
            (self.idle_timeout, "idle_timeout"),
            (self.lobby_idle_timeout, "lobby_idle_timeout"),
            (self.resume_timeout, "resume_timeout"),
            (self.progress_timeout, "progress_timeout"),
        ];
        let times = times.into_iter().map(|(time, setting)| (time <= LONGEST_TIME, setting, "at most one day"));
        match rules.into_iter().chain(times).find(|rule| !rule.0) {
            Some((_, setting, must)) => Err(ConfigError { setting, must }),
            None => Ok(()),
        }
    }
}
