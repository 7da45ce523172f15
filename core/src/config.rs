//! Every setting of the machines, with its unit and what happens at its limit.

use crate::path::PathKind;
use crate::session::MAX_PATHS;
use crate::star::StarConfig;
use crate::time::Duration;
use crate::wire::frame::Priority;
use crate::wire::limits::MAX_MESSAGE;
use crate::wire::signal::Version;
use crate::wire::star;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The longest time that may be set: more is a mistake of units.
const LONGEST_TIME: Duration = Duration::from_secs(3600);

/// What holding a message costs beyond its bytes, so that empty ones are bounded too.
pub const MESSAGE_OVERHEAD: usize = 64;

/// What players say to each other about the star may be so much longer than the longest payload: a voter that promises
/// tells what it holds.
const WORDS: usize = 1024 * 1024;

/// The least that `upload` may be, in bytes a second: below it the heartbeats of a small star are all that leaves.
const LEAST_UPLOAD: u64 = 4_000;

/// Messages of the moment, in bytes, that may wait where kept messages do: as much as links are given of the log.
const LOOSE_BUFFER: usize = 256 * 1024;

/// Kept messages of ours, in bytes, that may be unacknowledged; one message in any case.
const WINDOW: usize = 256 * 1024;

/// The settings of a session.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SessionConfig {
    /// The longest message accepted from the application and from the other side. Longer ones are refused.
    pub max_message: usize,
    /// Bytes held for sending per priority, waiting and unacknowledged. When a message would pass it, it is refused
    /// (`SendError::Full`); `Drained` follows once half is free.
    pub send_buffer: usize,
    /// The part of it that unreliable messages and newest state may take at the priorities `Normal` and `Low`; one message
    /// is always taken. What is kept has the rest to itself.
    pub loose_buffer: usize,
    /// Bytes held for the application's sake: ordered messages that wait for an earlier one, and parts of messages.
    /// What would pass it is not acknowledged and comes again; the oldest of each stream is always taken.
    pub receive_buffer: usize,
    /// Latest-only keys per priority, each way. New keys beyond it are refused.
    pub max_keys: usize,
    /// Messages longer than this are compressed when that saves a tenth.
    pub compression_threshold: usize,
    /// Whether messages are compressed at all.
    pub enable_compression: bool,
    /// Unreliable messages that have waited longer than this are dropped instead of sent.
    pub unreliable_expiry: Duration,
    /// When set, messages leave together at most this often; else with every drain.
    pub tick: Option<Duration>,
    /// The longest an acknowledgement waits for company.
    pub max_ack_delay: Duration,
    /// The same where only unreliable messages have come: nothing waits for it but measurements, and it is best spent
    /// on a packet that leaves anyway.
    pub max_idle_ack_delay: Duration,
    /// Packets asking for an acknowledgement that are answered by one.
    pub ack_every: u32,
    /// How many later packets of the same path must be acknowledged before one counts as lost.
    pub packet_threshold: u32,
    /// The share of a round trip, above one, after which an overtaken packet counts as lost.
    pub time_threshold: f64,
    /// The smallest probe time-out.
    pub min_probe_timeout: Duration,
    /// The round trip assumed before the first measurement.
    pub initial_rtt: Duration,
    /// With nothing to say a packet goes this often on the path in use.
    pub heartbeat_interval: Duration,
    /// The quickest rhythm that is announced while the application talks faster.
    pub min_rhythm: Duration,
    /// With nothing to say a packet goes this often on the paths not in use.
    pub warm_interval: Duration,
    /// Whether small kept messages are protected forward under loss.
    pub enable_protection: bool,
    /// Protection begins above this share of lost packets.
    pub protect_above: f64,
    /// The most bytes that a symbol of protection may have.
    pub max_symbol: usize,
    /// Bytes unacknowledged at most in the pipe of an ordered stream (the relay).
    pub stream_window: usize,
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig {
            max_message: 1024 * 1024,
            send_buffer: 2 * 1024 * 1024,
            loose_buffer: 2 * 1024 * 1024,
            receive_buffer: 4 * 1024 * 1024,
            max_keys: 1024,
            compression_threshold: 1024,
            enable_compression: true,
            unreliable_expiry: Duration::from_secs(1),
            tick: None,
            max_ack_delay: Duration::from_millis(10),
            max_idle_ack_delay: Duration::from_millis(40),
            ack_every: 8,
            packet_threshold: 3,
            time_threshold: 1.125,
            min_probe_timeout: Duration::from_millis(20),
            initial_rtt: Duration::from_millis(200),
            heartbeat_interval: Duration::from_millis(100),
            min_rhythm: Duration::from_millis(20),
            warm_interval: Duration::from_secs(15),
            enable_protection: true,
            protect_above: 0.01,
            max_symbol: 1100,
            stream_window: 64 * 1024,
        }
    }
}

/// Why settings cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{setting} must be {must}")]
pub struct ConfigError {
    /// The setting's name.
    pub setting: &'static str,
    /// What it must be.
    pub must: &'static str,
}

impl SessionConfig {
    /// Checks what the machines rely on.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            (self.max_message > 0 && self.max_message <= MAX_MESSAGE, "max_message", "1 to 16777216 bytes"),
            (self.send_buffer >= self.max_message + MESSAGE_OVERHEAD, "send_buffer", "at least max_message + 64 bytes"),
            (self.receive_buffer >= 64 * 1024, "receive_buffer", "at least 65536 bytes"),
            (self.max_keys > 0, "max_keys", "at least 1"),
            (self.ack_every > 0, "ack_every", "at least 1"),
            (self.max_idle_ack_delay >= self.max_ack_delay, "max_idle_ack_delay", "at least max_ack_delay"),
            (self.packet_threshold > 0, "packet_threshold", "at least 1"),
            ((1.0..=10.0).contains(&self.time_threshold), "time_threshold", "1.0 to 10.0"),
            (!self.min_probe_timeout.is_zero(), "min_probe_timeout", "longer than nothing"),
            (!self.heartbeat_interval.is_zero(), "heartbeat_interval", "longer than nothing"),
            (self.min_rhythm <= self.heartbeat_interval, "min_rhythm", "at most heartbeat_interval"),
            (self.warm_interval >= self.heartbeat_interval, "warm_interval", "at least heartbeat_interval"),
            (self.tick.is_none_or(|tick| !tick.is_zero()), "tick", "longer than nothing, or absent"),
            (self.stream_window >= 4096, "stream_window", "at least 4096 bytes"),
        ];
        let times = [
            (self.unreliable_expiry, "unreliable_expiry"),
            (self.tick.unwrap_or_default(), "tick"),
            (self.max_ack_delay, "max_ack_delay"),
            (self.max_idle_ack_delay, "max_idle_ack_delay"),
            (self.min_probe_timeout, "min_probe_timeout"),
            (self.initial_rtt, "initial_rtt"),
            (self.heartbeat_interval, "heartbeat_interval"),
            (self.min_rhythm, "min_rhythm"),
            (self.warm_interval, "warm_interval"),
        ];
        let times = times.into_iter().map(|(time, setting)| (time <= LONGEST_TIME, setting, "at most one hour"));
        match rules.into_iter().chain(times).find(|rule| !rule.0) {
            Some((_, setting, must)) => Err(ConfigError { setting, must }),
            None => Ok(()),
        }
    }
}

/// The settings of a player: the options of the original design by name and unit, and what the machines need besides.
/// `docs/config.md` is their table.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlayerConfig {
    /// The lobby server: `ws://HOST:PORT/ws` or `wss://..`.
    pub signaling_server: String,
    /// A relay apart from the lobby server: `ws://HOST:PORT/relay`; none: the lobby server relays.
    pub relay_server: Option<String>,
    /// Whether the lobby server relays while `relay_server` cannot be reached.
    pub use_websocket_fallback: bool,
    /// Whether a connection that breaks is opened again.
    pub auto_reconnect: bool,
    /// Attempts to reach the server at first, before it is given up. A connection that breaks later is tried again for
    /// as long as the player is wanted.
    pub max_reconnect_attempts: u32,
    /// How long opening the connection and joining may take, each.
    pub connection_timeout: Duration,
    /// How long reaching and entering the relay may take.
    pub relay_timeout: Duration,
    /// With nothing to say a packet goes to the host this often. A game that is silent for 10 s, and then for 30 s,
    /// lets it become 500 ms and 2 s, if it is quicker than that.
    pub heartbeat_interval: Duration,
    /// A player of whom nothing is heard for this long, or for four of its own intervals if that is longer, is suspect.
    pub heartbeat_timeout: Duration,
    /// Whether lobbies made by this player go on when their host is lost.
    pub enable_host_migration: bool,
    /// How long the lobby may be without the host it had before this player gives up.
    pub host_migration_timeout: Duration,
    /// Whether messages are compressed.
    pub enable_compression: bool,
    /// Messages longer than this, in bytes, are compressed when that saves a tenth.
    pub compression_threshold: usize,
    /// The longest payload of a message, in bytes. The same everywhere: longer ones are refused, and dropped where they
    /// arrive.
    pub max_message: usize,
    /// Latest-only values, one for each kind and destination of each sender. A sender is refused more; a host lets the
    /// oldest of a member make room.
    pub max_keys: usize,
    /// Bytes of the log that a host keeps for members that are away or slow. While connected members need more than
    /// half, kept messages of everybody are refused as full. Whom all of it is not enough for starts again from a
    /// snapshot (`Resynced`).
    pub resume_log: usize,
    /// Ordered messages are delivered when no crash can take them back; else when they arrive, and a crash of the host
    /// may end in `Resynced`.
    pub safe_ordered: bool,
    /// The same for reliable ones.
    pub safe_reliable: bool,
    /// The game gives snapshots of its state when asked (`PeerEvent::SnapshotWanted`).
    pub snapshots: bool,
    /// When the host of two players is lost while the server is away, the other goes on alone.
    pub allow_fork: bool,
    /// As host: what members say on the kept channels comes to the game as `PeerEvent::Proposal`, and it decides
    /// (`Peer::decide`). The same for all players of a lobby: whoever is host asks its own game.
    pub authority: bool,
    /// As host: messages a second that a member may say; up to as many as those of three seconds at once,
    /// as the network may hold them back so long.
    pub referee_rate: Option<f64>,
    /// As host: the longest message that a member may say.
    pub referee_size: Option<usize>,
    /// As host: how fast places may change that stand in messages of a kind.
    pub referee_speeds: Vec<SpeedLimit>,
    /// As host: who has so many strikes is kicked.
    pub referee_kick_at: Option<u32>,
    /// Pipes between players that the embedder can make, besides the relay: the first is path 1. The same for all
    /// players of a lobby.
    pub direct_paths: Vec<PathKind>,
    /// Direct paths use only addresses that TURN servers lend: others never learn of ours.
    pub relayed_only: bool,
    /// Whether packets to other players may go through the server, or through `relay_server`, where no direct path leads.
    pub allow_relay: bool,
    /// When set, messages to other players leave together at most this often: fewer and fuller packets for a little delay.
    /// Who has said nothing for as long is not held up.
    pub tick: Option<Duration>,
    /// When set, the most bytes a second that leave for all other players together, in packets with their headers; what
    /// carries the packets (UDP, SRTP, TLS) is not counted. For a host behind a line that sends slowly. Links have equal
    /// shares, and one alone may use all; at least 50 ms worth, or two packets, may be saved up. What finds no room waits
    /// in its lane, where newest state is replaced and what is unreliable expires. Heartbeats, acknowledgements and what
    /// the star says leave all the same, and what waits pays for them.
    pub upload: Option<u64>,
    /// The priority of kinds on the channels `Unreliable` and `Latest`: `High` (which all have that are not named), `Normal`
    /// (in turn with kept messages) or `Low` (behind, with an eighth of the share of `High`). The host hands a message on
    /// at the priority at which its sender sent it. Kept messages have one order, and one priority: a kind that is named
    /// here keeps its place there. A kind should have the same priority for as long as its sender is in the lobby: newest
    /// state replaces what waits at the same priority.
    pub priorities: BTreeMap<String, Priority>,
    /// The share of packets, 0 to 1, that are dropped on their way out, to try a game under loss.
    pub simulate_packet_loss: f64,
    /// How much later packets leave, to try a game under delay.
    pub simulate_latency: Duration,
    /// How much later still a packet may leave, drawn evenly for each: on direct paths one may overtake another.
    pub simulate_jitter: Duration,
    /// The share of packets, 0 to 1, that leave twice. The relay is a stream, which doubles nothing.
    pub simulate_duplicates: f64,
    /// The share of packets, 0 to 1, that are held back for 25 to 50 ms so that others overtake them. The relay is a
    /// stream, in which nothing overtakes.
    pub simulate_reordering: f64,
    /// Whether the machine notes what it says to the server and what it drops; see `Peer::poll_note`.
    pub debug: bool,
    /// The versions of the protocol offered to the server. For tests of players of different versions.
    pub versions: Vec<Version>,
}

impl Default for PlayerConfig {
    fn default() -> Self {
        PlayerConfig {
            signaling_server: "ws://127.0.0.1:8080/ws".into(),
            relay_server: None,
            use_websocket_fallback: true,
            auto_reconnect: true,
            max_reconnect_attempts: 3,
            connection_timeout: Duration::from_secs(10),
            relay_timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::from_millis(100),
            heartbeat_timeout: Duration::from_millis(500),
            enable_host_migration: true,
            host_migration_timeout: Duration::from_secs(15),
            enable_compression: true,
            compression_threshold: 1024,
            max_message: 1024 * 1024,
            max_keys: 1024,
            resume_log: 4 * 1024 * 1024,
            safe_ordered: true,
            safe_reliable: false,
            snapshots: false,
            allow_fork: false,
            authority: false,
            referee_rate: None,
            referee_size: None,
            referee_speeds: Vec::new(),
            referee_kick_at: None,
            direct_paths: Vec::new(),
            relayed_only: false,
            allow_relay: true,
            tick: None,
            upload: None,
            priorities: BTreeMap::new(),
            simulate_packet_loss: 0.0,
            simulate_latency: Duration::ZERO,
            simulate_jitter: Duration::ZERO,
            simulate_duplicates: 0.0,
            simulate_reordering: 0.0,
            debug: false,
            versions: vec![Version::CURRENT, Version::PREVIOUS],
        }
    }
}

/// Where a place stands in messages of a kind, and how fast it may change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeedLimit {
    /// The kind of the messages.
    pub kind: String,
    /// Bytes in front of the place.
    pub offset: usize,
    /// How many numbers it has, 1 to 4, one behind the other.
    pub count: usize,
    /// What they are.
    pub form: NumberForm,
    /// How far it may move in a second, in a straight line.
    pub per_second: f64,
}

/// A number of four bytes, the lowest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum NumberForm {
    /// As IEEE 754 has it.
    F32,
    /// A whole one, in two's complement.
    I32,
}

impl SpeedLimit {
    /// The most numbers of a place.
    pub const MOST: usize = 4;

    fn is_sound(&self) -> bool {
        let is_kind = (1..=star::MAX_KIND).contains(&self.kind.len());
        let is_place = (1..=Self::MOST).contains(&self.count) && self.offset <= MAX_MESSAGE;
        is_kind && is_place && self.per_second.is_finite() && self.per_second > 0.0
    }
}

/// By which ways packets to other players may go.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Mode {
    /// By WebRTC, and through the server until that is there and when it breaks.
    #[default]
    Hybrid,
    /// By WebRTC alone.
    Webrtc,
    /// By WebRTC alone, and there over TURN servers alone: others never learn of our addresses.
    Turn,
    /// Through the server alone.
    Relay,
}

impl PlayerConfig {
    /// By which ways packets go: `direct_paths`, `relayed_only` and `allow_relay` for an embedder that has WebRTC.
    pub fn set_mode(&mut self, mode: Mode) {
        let is_direct = mode != Mode::Relay;
        self.direct_paths = if is_direct { vec![PathKind::Srtp, PathKind::Sctp] } else { Vec::new() };
        self.relayed_only = mode == Mode::Turn;
        self.allow_relay = matches!(mode, Mode::Hybrid | Mode::Relay);
    }

    /// For lobbies that are mostly idle: a heartbeat every 2 s, and nobody is suspect before 8 s.
    pub fn relaxed() -> Self {
        PlayerConfig {
            heartbeat_interval: Duration::from_secs(2),
            heartbeat_timeout: Duration::from_secs(8),
            ..PlayerConfig::default()
        }
    }

    /// Whether members are held to rules while we are host.
    pub(crate) fn has_referee(&self) -> bool {
        self.referee_rate.is_some() || self.referee_size.is_some() || !self.referee_speeds.is_empty()
    }

    /// The settings of the star.
    pub fn star(&self) -> StarConfig {
        StarConfig {
            safe_ordered: self.safe_ordered,
            safe_reliable: self.safe_reliable,
            resume_log: self.resume_log,
            max_message: self.max_message,
            window: WINDOW.min(self.resume_log / 4),
            has_snapshots: self.snapshots,
            allow_fork: self.allow_fork,
            has_authority: self.authority || self.has_referee(),
            ..StarConfig::default()
        }
    }

    /// The settings of the conversations with other players.
    pub fn session(&self) -> SessionConfig {
        let defaults = SessionConfig::default();
        let max_message = self.max_message.saturating_add(WORDS).min(MAX_MESSAGE);
        SessionConfig {
            max_message,
            // A loose message and a kept one of the longest, and what links are given of the log besides.
            send_buffer: defaults.send_buffer.max(max_message.saturating_mul(2).saturating_add(2 * LOOSE_BUFFER)),
            loose_buffer: LOOSE_BUFFER,
            max_keys: self.max_keys,
            compression_threshold: self.compression_threshold,
            enable_compression: self.enable_compression,
            heartbeat_interval: self.heartbeat_interval,
            tick: self.tick,
            min_rhythm: defaults.min_rhythm.min(self.heartbeat_interval),
            warm_interval: defaults.warm_interval.max(self.heartbeat_interval),
            ..defaults
        }
    }

    /// Checks what the machines rely on.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_url = |url: &str| url.starts_with("ws://") || url.starts_with("wss://");
        let relay = self.relay_server.as_deref();
        let is_direct = self.direct_paths.len() < MAX_PATHS && !self.direct_paths.contains(&PathKind::Relay);
        let speeds = &self.referee_speeds;
        let kinds: BTreeSet<&str> = speeds.iter().map(|limit| limit.kind.as_str()).collect();
        let are_speeds = speeds.len() <= 64 && kinds.len() == speeds.len() && speeds.iter().all(SpeedLimit::is_sound);
        let is_named = |(kind, priority): (&String, &Priority)| {
            (1..=star::MAX_KIND).contains(&kind.len()) && *priority != Priority::Critical
        };
        let are_priorities = self.priorities.len() <= 256 && self.priorities.iter().all(is_named);
        let rules = [
            (is_url(&self.signaling_server), "signaling_server", "a URL that begins with ws:// or wss://"),
            (relay.is_none_or(is_url), "relay_server", "a URL that begins with ws:// or wss://, or absent"),
            ((1..=1000).contains(&self.max_reconnect_attempts), "max_reconnect_attempts", "1 to 1000"),
            (!self.connection_timeout.is_zero(), "connection_timeout", "longer than nothing"),
            (!self.relay_timeout.is_zero(), "relay_timeout", "longer than nothing"),
            (self.heartbeat_timeout >= self.heartbeat_interval, "heartbeat_timeout", "at least heartbeat_interval"),
            (
                self.max_message > 0 && self.max_message <= MAX_MESSAGE - star::MAX_HEAD,
                "max_message",
                "1 to 16776704 bytes",
            ),
            (self.resume_log >= self.max_message, "resume_log", "at least max_message"),
            (
                self.referee_rate.is_none_or(|rate| (0.1..=1e6).contains(&rate)),
                "referee_rate",
                "0.1 to 1000000 messages a second, or absent",
            ),
            (are_speeds, "referee_speeds", "at most 64, each of another kind, with 1 to 4 numbers and a speed above 0"),
            (self.referee_kick_at != Some(0), "referee_kick_at", "at least 1, or absent"),
            (
                self.referee_kick_at.is_none() || self.has_referee(),
                "referee_kick_at",
                "for who breaks a rule: set referee_rate, referee_size or referee_speeds too",
            ),
            (
                self.upload.is_none_or(|rate| rate >= LEAST_UPLOAD),
                "upload",
                "at least 4000 bytes a second, or absent; less would not carry the heartbeats of a small lobby",
            ),
            (are_priorities, "priorities", "at most 256 kinds of 1 to 64 bytes, each High, Normal or Low"),
            (is_direct, "direct_paths", "at most 7, none of them the relay"),
            ((0.0..=1.0).contains(&self.simulate_packet_loss), "simulate_packet_loss", "0 to 1"),
            ((0.0..=1.0).contains(&self.simulate_duplicates), "simulate_duplicates", "0 to 1"),
            ((0.0..=1.0).contains(&self.simulate_reordering), "simulate_reordering", "0 to 1"),
            (Version::negotiate(&self.versions).is_some(), "versions", "one or more of those spoken here"),
            (self.versions.len() <= 16, "versions", "at most 16"),
        ];
        let times = [
            (self.connection_timeout, "connection_timeout"),
            (self.relay_timeout, "relay_timeout"),
            (self.heartbeat_timeout, "heartbeat_timeout"),
            (self.host_migration_timeout, "host_migration_timeout"),
            (self.simulate_latency, "simulate_latency"),
            (self.simulate_jitter, "simulate_jitter"),
        ];
        let times = times.into_iter().map(|(time, setting)| (time <= LONGEST_TIME, setting, "at most one hour"));
        match rules.into_iter().chain(times).find(|rule| !rule.0) {
            Some((_, setting, must)) => Err(ConfigError { setting, must }),
            None => self.session().check(),
        }
    }
}
