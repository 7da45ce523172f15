//! The file of settings of a server: the flags of `webstar serve` by their names, and every limit; and times as people
//! write them.
//!
//! ```
//! use webstar_core::server::ServerConfig;
//! use webstar_smol::settings::File;
//!
//! let file = File::parse("listen = '[::]:8080'\n[limits]\nidle_timeout = '90s'").unwrap();
//! let mut limits = ServerConfig::default();
//! file.limits.apply(&mut limits);
//! assert_eq!(limits.idle_timeout.as_secs(), 90);
//! ```

mod hint;

use crate::network::Network;
use crate::server::Origin;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use webstar_core::server::ServerConfig;

/// What can stand in the file. What is not there is as usual.
#[derive(Deserialize, Debug, Default)]
#[serde(default, deny_unknown_fields)]
pub struct File {
    /// Where the server listens: an address, with or without a port.
    pub listen: Option<String>,
    /// The certificate, in PEM.
    pub tls_cert: Option<PathBuf>,
    /// Its key, in PEM.
    pub tls_key: Option<PathBuf>,
    /// Where clients connect, if that differs.
    pub public_url: Option<String>,
    /// The environment variable with what clients must show to make a lobby.
    pub create_token_env: Option<String>,
    /// STUN servers that players are told of.
    pub stun: Vec<String>,
    /// TURN servers that players are told of.
    pub turn: Vec<String>,
    /// The environment variable with the secret that users of those are made of.
    pub turn_secret_env: Option<String>,
    /// Where the long-term key is kept; the program has a place of its own for it.
    pub key_file: Option<PathBuf>,
    /// How many ports behind that are tried when it is taken.
    pub port_fallback: Option<u16>,
    /// How many threads serve; 0: one for each processor.
    pub shards: Option<usize>,
    /// The server announces itself on the local network.
    pub lan: bool,
    /// Under this name.
    pub lan_service: Option<String>,
    /// So often.
    pub lan_interval: Option<Time>,
    /// Even while somebody is connected.
    pub lan_always: bool,
    /// Proxies, or networks of them, whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Pages of these origins may connect and read `/api` from a browser; none: of all.
    pub allowed_origins: Vec<Origin>,
    /// The limits of each shard.
    pub limits: Limits,
}

/// A time with its unit: `5s`, `50ms`.
#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(try_from = "String")]
pub struct Time(pub Duration);

impl TryFrom<String> for Time {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        duration(&text).map(Time)
    }
}

macro_rules! limits {
    (times: $($time:ident)*, numbers: $($number:ident: $raw:ty,)*) => {
        /// The limits that differ from the usual ones.
        #[derive(Deserialize, Debug, Default, Clone)]
        #[serde(default, deny_unknown_fields)]
        pub struct Limits {
            $($time: Option<Time>,)*
            $($number: Option<$raw>,)*
        }

        impl Limits {
            /// Over those that are there.
            pub fn apply(self, config: &mut ServerConfig) {
                $(if let Some(Time(time)) = self.$time {
                    config.$time = time;
                })*
                $(if let Some(number) = self.$number {
                    config.$number = number;
                })*
            }
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
    address_bytes_per_second: u32,
    lobby_bytes_per_second: u32,
    messages_per_second: u32,
    control_frames_per_second: u32,
    window: usize,
    queue: usize,
    password_workers: usize,
    password_queue: usize,
    max_lobby_players: u16,
}

/// A time as people write it: `50ms`, `2s`, `1.5s`, `1m`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("a duration has a unit: 50ms, 2s, 1m".into()),
    };
    let wrong = || format!("`{number}` is no number; write a duration as 50ms or 2s");
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| wrong())
}

impl File {
    /// Reads a file; what is wrong is told with its line.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        File::parse(&text).map_err(|(line, why)| format!("{}, line {line}: {why}", path.display()))
    }

    /// Reads its text; what is wrong is told with its line, from 1, and with what was probably meant.
    pub fn parse(text: &str) -> Result<Self, (usize, String)> {
        let (top, limits) = (hint::fields::<File>(), hint::fields::<Limits>());
        let file: File = toml::from_str(text).map_err(|error| hint::explain(text, &error, top, limits))?;
        let mut config = ServerConfig::default();
        file.limits.clone().apply(&mut config);
        config.check().map_err(|error| hint::out_of_range(text, error.setting, error.must))?;
        Ok(file)
    }

    /// The names of all settings; those of [`File::limits`] with `limits.` before them.
    pub fn names() -> Vec<String> {
        let top = hint::fields::<File>().iter().filter(|name| **name != "limits").map(|name| (*name).to_owned());
        top.chain(hint::fields::<Limits>().iter().map(|name| format!("limits.{name}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_durations() {
        let good = [("50ms", 50), ("2s", 2000), ("1.5s", 1500), ("1m", 60_000), ("0s", 0)];
        for (text, millis) in good {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "ms", "-1s", "1h", "1e400s", "infs", "nans", "s5"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_limit_can_be_set() {
        let config = serde_json::to_value(ServerConfig::default()).unwrap();
        let mut expected: Vec<_> = config.as_object().unwrap().keys().map(String::as_str).collect();
        // That one follows from `create_token_env`.
        expected.retain(|name| *name != "ask_admission");
        let mut names = hint::fields::<Limits>().to_vec();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
        let file = File::parse("[limits]\nhandshake_timeout = '50ms'\nqueue = 70000").unwrap();
        let mut config = ServerConfig::default();
        file.limits.apply(&mut config);
        assert_eq!((config.handshake_timeout, config.queue), (Duration::from_millis(50), 70_000));
    }

    /// A line of the example that is a setting: with its `#` taken away it is one.
    fn setting(line: &str) -> Option<&str> {
        line.strip_prefix('#').filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
    }

    /// What is missing in an example, not known, told twice, or not explained.
    fn faults(example: &str) -> Vec<String> {
        let lines: Vec<&str> = example.lines().collect();
        let (mut table, mut told, mut faults) = ("", Vec::new(), Vec::new());
        for (at, line) in lines.iter().enumerate() {
            if *line == "[limits]" {
                table = "limits.";
            }
            let Some((name, _)) = setting(line).and_then(|line| line.split_once(" = ")) else { continue };
            // Settings that belong together share what is said above the first.
            let above = lines[..at].iter().rev().find(|line| setting(line).is_none());
            if !above.is_some_and(|line| line.starts_with("# ")) {
                faults.push(format!("{table}{name} is not explained"));
            }
            told.push(format!("{table}{name}"));
        }
        let known = File::names();
        faults.extend(known.iter().filter(|name| !told.contains(name)).map(|name| format!("{name} is missing")));
        faults.extend(told.iter().filter(|name| !known.contains(name)).map(|name| format!("{name} is unknown")));
        let twice = (1..told.len()).filter(|&at| told[..at].contains(&told[at]));
        faults.extend(twice.map(|at| format!("{} is there twice", told[at])));
        faults
    }

    #[test]
    fn every_setting_is_in_the_example_with_its_default() {
        const EXAMPLE: &str = include_str!("../../webstar.example.toml");
        assert_eq!(faults(EXAMPLE), Vec::<String>::new());
        let all: Vec<&str> = EXAMPLE.lines().map(|line| setting(line).unwrap_or(line)).collect();
        let file = File::parse(&all.join("\n")).unwrap();
        let mut limits = ServerConfig::default();
        file.limits.apply(&mut limits);
        assert_eq!(limits, ServerConfig::default());
        assert_eq!(format!("{:?}", File::parse(EXAMPLE).unwrap()), format!("{:?}", File::default()));

        let wrong =
            EXAMPLE.replace("#window = ", "#windows = ").replace("# How many threads serve", "How many threads");
        assert_eq!(
            faults(&wrong),
            ["shards is not explained", "limits.window is missing", "limits.windows is unknown"]
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_was_meant() {
        let table = [
            ("listen = '[::]:1'\n\nlistne = 1\n", 3, "unknown field `listne`; did you mean `listen`?"),
            ("tls-cert = 'a'", 1, "unknown field `tls-cert`; did you mean `tls_cert`?"),
            ("[limits]\nqeue = 70000", 2, "unknown field `qeue`; did you mean `queue`?"),
            ("idle_timeout = '5s'", 1, "`idle_timeout` stands below the line [limits]"),
            ("[limits]\n\nshards = 2", 3, "`shards` stands before the line [limits]"),
            ("colour = 'red'", 1, "unknown field `colour`; all settings are told in webstar.example.toml"),
            ("[limit]\nqueue = 70000", 1, "did you mean `limits`?"),
            (
                "allowed_origins = ['https://a.example/']",
                1,
                "`https://a.example/` is no origin; write it as browsers do",
            ),
            (
                "\nshards = 'four'",
                2,
                "`shards`: invalid type: string \"four\", expected a whole number; it is written like: shards = 0",
            ),
            ("lan = 1", 1, "expected true or false; it is written like: lan = false"),
            ("stun = 'stun:a'", 1, "expected a list in brackets; it is written like: stun = [\"stun:"),
            ("tls_cert = 5", 1, "expected text in quotes; it is written like: tls_cert = \""),
            ("listen = 127.0.0.1", 1, "it is written like: listen = \"127.0.0.1:8080\""),
            ("port_fallback = 70000", 1, "expected a whole number up to 65535"),
            ("[limits]\nidle_timeout = '5 parsecs'", 2, "`idle_timeout`: a duration has a unit"),
            ("[limits]\nidle_timeout = 60", 2, "it is written like: idle_timeout = \"60s\""),
            ("trusted_proxies = [\n  '10.0.0.1/8',\n]", 1, "`trusted_proxies`: `10.0.0.1/8` is no network"),
            ("shards = 1\n[limits]\n\nmax_lobby_players = 65", 4, "`max_lobby_players` must be 2 to 64"),
            ("shards = 1\nshards = 2", 2, "duplicate key"),
        ];
        for (text, line, words) in table {
            let (told, why) = File::parse(text).unwrap_err();
            assert!(told == line && why.contains(words) && !why.contains('\n'), "{text:?}: {told} {why}");
        }
    }
}
