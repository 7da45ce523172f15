//! What the documents name exists: settings and their defaults, flags and events of the program, metrics, files of
//! settings; and the container is built by the compiler that the workspace names.
#![allow(clippy::unwrap_used, reason = "what cannot be here is a failure of the test")]

mod events;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use webstar_core::lan::AnnounceConfig;
use webstar_core::server::ServerConfig;
use webstar_smol::server::{Server, ServerOptions};
use webstar_smol::settings::File;

const CONFIG: &str = include_str!("../../../docs/config.md");
const DEPLOY: &str = include_str!("../../../docs/deploy.md");
const EXAMPLE: &str = include_str!("../../../webstar.example.toml");
/// Where commands of the program stand.
const COMMANDS: &[(&str, &str)] = &[
    ("README.md", include_str!("../../../README.md")),
    ("docs/config.md", CONFIG),
    ("docs/deploy.md", DEPLOY),
    ("docs/events.md", events::EVENTS),
    ("webstar.example.toml", EXAMPLE),
    ("Containerfile", include_str!("../../../Containerfile")),
    ("deploy/webstar.service", include_str!("../../../deploy/webstar.service")),
];

/// The flags of a command, as it tells them itself.
fn flags(command: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_webstar")).args([command, "--help"]).output().unwrap();
    assert!(output.status.success(), "{command}");
    named(str::from_utf8(&output.stdout).unwrap())
}

/// The words of a text that are flags.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
    let flags = words.filter(|word| word.strip_prefix("--").is_some_and(|name| name.starts_with(char::is_alphabetic)));
    flags.map(str::to_owned).collect()
}

/// The rows of all tables that tell of settings: the cells of each.
fn rows(document: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut is_inside = false;
    for line in document.lines() {
        is_inside = line.starts_with("| Setting ") || (is_inside && line.starts_with('|'));
        let cells: Vec<String> = line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
        if is_inside && !line.starts_with("| Setting ") && !line.starts_with("|--") {
            rows.push(cells[1..cells.len() - 1].to_vec());
        }
    }
    rows
}

/// A default as the table writes it.
fn told(value: &Value) -> String {
    match value {
        Value::Object(time) => format!("{} s", time["secs"]),
        number => number.to_string(),
    }
}

fn faults(document: &str) -> Vec<String> {
    let rows: BTreeMap<String, Vec<String>> =
        rows(document).into_iter().map(|row| (row[0].clone(), row[1..].to_vec())).collect();
    let names = File::names();
    let mut faults: Vec<String> =
        names.iter().filter(|name| !rows.contains_key(*name)).map(|name| format!("{name} is not told")).collect();
    faults.extend(rows.keys().filter(|name| !names.contains(name)).map(|name| format!("there is no {name}")));
    let limits = serde_json::to_value(ServerConfig::default()).unwrap();
    let flags = flags("serve");
    for (name, cells) in &rows {
        match name.strip_prefix("limits.") {
            Some(limit) if limits[limit] != Value::Null && cells[0] != told(&limits[limit]) => {
                faults.push(format!("{name} is {}, not {}", told(&limits[limit]), cells[0]));
            }
            Some(_) => {}
            None => {
                let flag = format!("--{}", name.replace('_', "-"));
                let wanted = if flags.contains(&flag) { flag } else { String::new() };
                if cells[0] != wanted {
                    faults.push(format!("the flag of {name} is `{wanted}`, not `{}`", cells[0]));
                }
            }
        }
    }
    faults
}

#[test]
fn the_tables_of_settings_are_true() {
    assert_eq!(faults(CONFIG), Vec::<String>::new());
    let AnnounceConfig { service, interval, .. } = AnnounceConfig::default();
    let lan = format!("{} / {} s", service, interval.as_secs());
    let rows = rows(CONFIG);
    let default = |name: &str| rows.iter().find(|row| row[0] == name).unwrap()[2].clone();
    assert_eq!(lan, format!("{} / {}", default("lan_service"), default("lan_interval")));
    let ServerOptions { listen, port_fallback, shards, .. } = ServerOptions::default();
    let usual =
        [("listen", listen.to_string()), ("port_fallback", port_fallback.to_string()), ("shards", shards.to_string())];
    for (name, value) in usual {
        assert_eq!(default(name), value, "{name}");
    }
}

#[test]
fn a_wrong_table_is_found() {
    let wrong = CONFIG.replace("| `limits.window` | 32768 |", "| `limits.window` | 32767 |");
    let wrong = wrong
        .replace("| `shards` | `--shards` |", "| `shards` | `--threads` |")
        .replace("`lan_always` |", "`lan_ever` |");
    let wanted = [
        "lan_always is not told",
        "there is no lan_ever",
        "the flag of lan_ever is ``, not `--lan-always`",
        "limits.window is 32768, not 32767",
        "the flag of shards is `--shards`, not `--threads`",
    ];
    assert_eq!(faults(&wrong), wanted);
}

/// Every `webstar serve --flag ..`, up to the end of the command.
fn wrong_flags(text: &str, known: &BTreeMap<&str, BTreeSet<String>>) -> Vec<String> {
    // A command may go on in the next line.
    let text = text.replace("\\\n", " ");
    let mut wrong = Vec::new();
    for line in text.lines() {
        for (command, flags) in known {
            for start in
                [format!("webstar {command} "), format!(" -- {command} "), format!("\"webstar\", \"{command}\", ")]
            {
                for (at, _) in line.match_indices(&start) {
                    let rest = &line[at + start.len()..];
                    let end = rest.find(['`', '#', ';', ')', '\'']).unwrap_or(rest.len());
                    let strange = named(&rest[..end]).into_iter().filter(|flag| !flags.contains(flag));
                    wrong.extend(strange.map(|flag| format!("webstar {command} {flag}")));
                }
            }
        }
    }
    wrong
}

#[test]
fn every_flag_that_is_named_exists() {
    let commands = ["serve", "join", "demo", "lobbies", "discover", "load", "replay"];
    let known: BTreeMap<&str, BTreeSet<String>> = commands.into_iter().map(|name| (name, flags(name))).collect();
    for (name, text) in COMMANDS {
        assert_eq!(wrong_flags(text, &known), Vec::<String>::new(), "{name}");
    }
    let found = wrong_flags("`webstar serve --lan \\\n --loud` webstar serve --tls --shards 2", &known);
    assert_eq!(found, ["webstar serve --loud", "webstar serve --tls"]);
    // The container's own, that stand behind those of its entry.
    let container = COMMANDS.iter().find(|(name, _)| *name == "Containerfile").unwrap().1;
    let last = container.lines().find(|line| line.starts_with("CMD ")).unwrap();
    assert!(
        container.contains("ENTRYPOINT [\"webstar\", \"serve\"]") && named(last).is_subset(&known["serve"]),
        "{last}"
    );
}

/// The settings that the documents show can be read.
#[test]
fn every_piece_of_a_file_of_settings_can_be_read() {
    let mut count = 0;
    for document in [CONFIG, DEPLOY] {
        for piece in document.split("```toml\n").skip(1) {
            let piece = piece.split("```").next().unwrap();
            File::parse(piece).unwrap_or_else(|why| panic!("{why:?} in\n{piece}"));
            count += 1;
        }
    }
    assert!(count >= 3);
    let named = DEPLOY.split('`').skip(1).step_by(2);
    let settings: Vec<String> = File::names().iter().map(|name| name.trim_start_matches("limits.").into()).collect();
    let strange = named.filter(|word| {
        let is_name = word.contains('_') && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        is_name && !word.starts_with("webstar_") && !settings.iter().any(|name| name == word)
    });
    // Labels of metrics look the same.
    let labels = ["slow_receiver", "lobby_rate", "rate_limited", "crash_silent"];
    assert_eq!(strange.filter(|word| !labels.contains(word)).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_metric_that_is_named_exists() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(ServerOptions { listen, shards: 1, ..ServerOptions::default() }).unwrap();
    let mut stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    let words = DEPLOY.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let named: BTreeSet<&str> = words.filter(|word| word.starts_with("webstar_")).collect();
    assert!(named.len() > 5);
    for name in named {
        assert!(metrics.contains(&format!("# TYPE {name} ")), "{name}");
    }
}

#[test]
fn the_container_is_built_by_the_compiler_of_the_workspace() {
    let toolchain = include_str!("../../../rust-toolchain.toml");
    let version = toolchain.split('"').nth(1).unwrap();
    let container = COMMANDS.iter().find(|(name, _)| *name == "Containerfile").unwrap().1;
    assert!(container.contains(&format!("rust:{version}-slim")), "{version}");
}
