//! `docs/config.md` says what the code does: the options of its table are those of `PlayerConfig`, with their defaults,
//! and each is known to a test that shows what it changes.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use webstar_core::config::PlayerConfig;

const DOCUMENT: &str = include_str!("../../docs/config.md");

/// Where each option is shown to change what a player does.
const SHOWN: &[(&str, &str, &str)] = &[
    ("signaling_server", include_str!("peer/join.rs"), "the_first_thing_is_a_stream_to_the_server"),
    ("relay_server", include_str!("peer/join.rs"), "a_relay_of_its_own_is_entered_with_the_token"),
    ("use_websocket_fallback", include_str!("peer/relay.rs"), "while_the_relay_is_away_the_server_relays"),
    ("auto_reconnect", include_str!("peer/life.rs"), "without_auto_reconnect_a_cut_is_the_end"),
    ("max_reconnect_attempts", include_str!("peer/join.rs"), "a_server_that_cannot_be_reached_is_given_up"),
    ("connection_timeout", include_str!("peer/join.rs"), "each_step_of_joining_has_its_time"),
    ("relay_timeout", include_str!("peer/join.rs"), "a_relay_of_its_own_is_entered_with_the_token"),
    ("heartbeat_interval", include_str!("peer/options.rs"), "heartbeats_keep_to_their_interval"),
    ("heartbeat_timeout", include_str!("peer/options.rs"), "silence_is_suspect_after_its_time"),
    ("enable_host_migration", include_str!("peer/join.rs"), "what_is_wished_is_asked_for"),
    ("host_migration_timeout", include_str!("peer/life.rs"), "who_waits_too_long_for_a_host_gives_up"),
    ("enable_compression", include_str!("peer/options.rs"), "compression_is_on_above_its_threshold"),
    ("compression_threshold", include_str!("peer/options.rs"), "compression_is_on_above_its_threshold"),
    ("max_message", include_str!("peer/bounds.rs"), "what_cannot_be_sent_is_refused"),
    ("max_keys", include_str!("peer/bounds.rs"), "what_cannot_be_sent_is_refused"),
    ("resume_log", include_str!("peer/bounds.rs"), "a_member_that_falls_behind_begins_anew_and_the_others_go_on"),
    ("safe_ordered", include_str!("peer/delivery.rs"), "what_is_safe_waits_for_the_backup"),
    ("safe_reliable", include_str!("peer/delivery.rs"), "what_is_safe_waits_for_the_backup"),
    ("snapshots", include_str!("peer/delivery.rs"), "who_joins_starts_from_the_state_of_the_game"),
    ("allow_fork", include_str!("peer/migration.rs"), "without_the_server_two_wait_or_one_goes_on_alone"),
    ("authority", include_str!("peer/authority.rs"), "the_host_accepts_rewrites_and_rejects"),
    ("referee_rate", include_str!("peer/authority.rs"), "members_are_held_to_a_rate_without_asking_the_game"),
    ("referee_size", include_str!("peer/authority.rs"), "members_are_held_to_a_size_on_all_channels"),
    ("referee_speeds", include_str!("peer/authority.rs"), "members_are_held_to_a_speed"),
    ("referee_kick_at", include_str!("peer/authority.rs"), "who_breaks_the_rules_too_often_is_put_out"),
    ("direct_paths", include_str!("peer/direct.rs"), "a_direct_path_takes_over_from_the_relay"),
    ("relayed_only", include_str!("peer/direct.rs"), "each_step_of_mending_is_told"),
    ("allow_relay", include_str!("peer/direct.rs"), "without_the_relay_players_talk_over_direct_paths_only"),
    ("tick", include_str!("peer/options.rs"), "messages_leave_together_with_the_tick"),
    ("priorities", include_str!("peer/priorities.rs"), "what_is_urgent_overtakes_bulk_at_the_sender"),
    ("upload", include_str!("peer/upload.rs"), "what_a_host_sends_in_a_second_stays_within_its_limit"),
    (
        "simulate_packet_loss",
        include_str!("peer/bounds.rs"),
        "bad_weather_loses_what_is_unreliable_and_delays_the_rest",
    ),
    ("simulate_latency", include_str!("peer/bounds.rs"), "bad_weather_loses_what_is_unreliable_and_delays_the_rest"),
    ("simulate_jitter", include_str!("peer/direct.rs"), "jitter_doubles_and_reordering_are_for_direct_paths"),
    ("simulate_duplicates", include_str!("peer/direct.rs"), "jitter_doubles_and_reordering_are_for_direct_paths"),
    ("simulate_reordering", include_str!("peer/direct.rs"), "jitter_doubles_and_reordering_are_for_direct_paths"),
    ("debug", include_str!("peer/options.rs"), "notes_are_taken_when_asked_for"),
    ("versions", include_str!("peer/life.rs"), "players_of_the_version_before_talk_with_those_of_this_one"),
];

/// Name and default of every row.
fn rows(document: &str) -> BTreeMap<&str, &str> {
    let rows = document.lines().skip_while(|line| !line.starts_with("| Option ")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cell = |line: &'static str, at: usize| line.split('|').nth(at).unwrap_or_default().trim().trim_matches('`');
    let lines: Vec<String> = rows.map(str::to_string).collect();
    let leaked = lines.into_iter().map(|line| &*line.leak());
    leaked.map(|line| (cell(line, 1), cell(line, 3))).collect()
}

/// A default as the table writes it.
fn told(value: &Value) -> String {
    match value {
        Value::Null => "absent".into(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "none".into(),
        Value::Array(values) => values.iter().map(told).collect::<Vec<_>>().join(", "),
        Value::Object(values) if values.is_empty() => "none".into(),
        Value::Object(time) => {
            let millis =
                time["secs"].as_u64().expect("a time") * 1000 + time["nanos"].as_u64().expect("a time") / 1_000_000;
            if millis > 0 && millis % 1000 == 0 { format!("{} s", millis / 1000) } else { format!("{millis} ms") }
        }
        number => number.to_string(),
    }
}

fn faults(document: &str) -> Vec<String> {
    let defaults = serde_json::to_value(PlayerConfig::default()).expect("settings are data");
    let Value::Object(defaults) = defaults else { panic!("settings have names") };
    let rows = rows(document);
    let mut faults = Vec::new();
    for (name, value) in &defaults {
        match rows.get(name.as_str()) {
            None => faults.push(format!("{name} is not told")),
            Some(default) if *default != told(value) => {
                faults.push(format!("{name} is {}, not {default}", told(value)));
            }
            Some(_) => {}
        }
    }
    faults.extend(rows.keys().filter(|name| !defaults.contains_key(**name)).map(|name| format!("there is no {name}")));
    faults
}

#[test]
fn the_table_is_true() {
    assert_eq!(faults(DOCUMENT), Vec::<String>::new());
}

#[test]
fn a_wrong_table_is_found() {
    let wrong = DOCUMENT.replace("| 500 ms |", "| 501 ms |").replace("| `debug` |", "| `bugs` |");
    let wanted = ["debug is not told", "heartbeat_timeout is 500 ms, not 501 ms", "there is no bugs"];
    assert_eq!(faults(&wrong), wanted);
}

#[test]
fn every_option_has_a_test_that_shows_it() {
    let rows = rows(DOCUMENT);
    let shown: BTreeMap<_, _> = SHOWN.iter().map(|(name, file, test)| (*name, (*file, *test))).collect();
    assert_eq!(shown.keys().collect::<Vec<_>>(), rows.keys().collect::<Vec<_>>());
    for (name, (file, test)) in shown {
        let at = file.find(&format!("fn {test}()")).unwrap_or_else(|| panic!("{name}: there is no {test}"));
        let end = file[at..].find("\n}\n").expect("a function ends");
        let helpers = file.split("#[test]").next().unwrap_or_default();
        assert!(file[at..at + end].contains(name) || helpers.contains(name), "{test} does not set {name}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let of = |name: &str, value: Value| {
        let config: PlayerConfig = serde_json::from_value(json!({ name: value })).expect("it is of the right type");
        config.check().map_err(|error| error.setting)
    };
    let hours = json!({ "secs": 4000, "nanos": 0 });
    let nothing = json!({ "secs": 0, "nanos": 0 });
    for (name, value) in [
        ("signaling_server", json!("http://x")),
        ("relay_server", json!("x")),
        ("max_reconnect_attempts", json!(0)),
        ("connection_timeout", nothing.clone()),
        ("relay_timeout", nothing.clone()),
        ("heartbeat_interval", nothing.clone()),
        ("heartbeat_timeout", nothing.clone()),
        ("host_migration_timeout", hours.clone()),
        ("max_message", json!(0)),
        ("max_keys", json!(0)),
        ("resume_log", json!(0)),
        ("direct_paths", json!(["Relay"])),
        ("referee_rate", json!(0.0)),
        ("referee_speeds", json!([{ "kind": "move", "offset": 0, "count": 5, "form": "F32", "per_second": 1.0 }])),
        ("referee_kick_at", json!(0)),
        ("tick", nothing),
        ("upload", json!(3_999)),
        ("priorities", json!({ "move": "Critical" })),
        ("priorities", json!({ "": "Low" })),
        ("simulate_packet_loss", json!(1.5)),
        ("simulate_latency", hours.clone()),
        ("simulate_jitter", hours),
        ("simulate_duplicates", json!(-0.1)),
        ("simulate_reordering", json!(1.5)),
        ("versions", json!([77])),
    ] {
        assert_eq!(of(name, value), Err(name));
    }
    assert_eq!(PlayerConfig::default().check(), Ok(()));
    assert_eq!(PlayerConfig::relaxed().check(), Ok(()));
    assert!(serde_json::from_value::<PlayerConfig>(json!({ "turn_servers": [] })).is_err());
}
