//! The file of settings: the flags by their names, and every limit of the server.

use crate::join::values::duration;
use serde::Deserialize;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use webstar_core::server::ServerConfig;

/// What can stand in the file.
#[derive(Deserialize, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) listen: Option<String>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) public_url: Option<String>,
    pub(super) create_token_env: Option<String>,
    pub(super) stun: Vec<String>,
    pub(super) turn: Vec<String>,
    pub(super) turn_secret_env: Option<String>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) port_fallback: Option<u16>,
    pub(super) shards: Option<usize>,
    pub(super) lan: bool,
    pub(super) lan_service: Option<String>,
    pub(super) lan_interval: Option<Time>,
    pub(super) lan_always: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub(super) trusted_proxies: Vec<IpAddr>,
    /// Pages of these origins may connect; none: of all.
    pub(super) allowed_origins: Vec<String>,
    pub(super) limits: Limits,
}

/// A time with its unit: `5s`, `50ms`.
#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(try_from = "String")]
pub(super) struct Time(pub(super) Duration);

impl TryFrom<String> for Time {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        duration(&text).map(Time)
    }
}

macro_rules! limits {
    (times: $($time:ident)*, numbers: $($number:ident: $raw:ty,)*) => {
        /// The limits that differ from the usual ones.
        #[derive(Deserialize, Debug, Default)]
        #[serde(default, deny_unknown_fields)]
        pub(super) struct Limits {
            $($time: Option<Time>,)*
            $($number: Option<$raw>,)*
        }

        impl Limits {
            pub(super) fn apply(self, config: &mut ServerConfig) {
                $(if let Some(Time(time)) = self.$time {
                    config.$time = time;
                })*
                $(if let Some(number) = self.$number {
                    config.$number = number;
                })*
            }

            #[cfg(test)]
            const NAMES: &[&str] = &[$(stringify!($time),)* $(stringify!($number),)*];
        }
    };
}

limits! {
    times: handshake_timeout idle_timeout lobby_idle_timeout resume_timeout progress_timeout token_lifetime,
    numbers:
    max_connections: usize,
    max_connections_per_address: usize,
    connections_per_minute: u32,
    max_lobbies: usize,
    failed_joins_per_minute: u32,
    creations_per_minute: u32,
    frames_per_second: u32,
    bytes_per_second: u32,
    lobby_bytes_per_second: u32,
    messages_per_second: u32,
    control_frames_per_second: u32,
    window: usize,
    queue: usize,
    password_workers: usize,
    password_queue: usize,
    max_lobby_players: u16,
}

impl File {
    /// Reads a file; what is wrong is told with its line.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        File::parse(&text).map_err(|(line, why)| format!("{}, line {line}: {why}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, (usize, String)> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            (before.matches('\n').count() + 1, error.message().replace('\n', " "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set() {
        let config = serde_json::to_value(ServerConfig::default()).unwrap();
        let mut expected: Vec<_> = config.as_object().unwrap().keys().map(String::as_str).collect();
        // That one follows from `create_token_env`.
        expected.retain(|name| *name != "ask_admission");
        let mut names = Limits::NAMES.to_vec();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
        let file = File::parse("[limits]\nhandshake_timeout = '50ms'\nqueue = 70000").unwrap();
        let mut config = ServerConfig::default();
        file.limits.apply(&mut config);
        assert_eq!((config.handshake_timeout, config.queue), (Duration::from_millis(50), 70_000));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let (line, why) = File::parse("listen = '[::]:1'\n\nlistne = 1\n").unwrap_err();
        assert!(line == 3 && why.contains("unknown field `listne`") && why.contains("`listen`"), "{line} {why}");
        let (line, why) = File::parse("[limits]\nidle_timeout = '5 parsecs'").unwrap_err();
        assert!(line == 2 && !why.is_empty(), "{line} {why}");
    }
}
