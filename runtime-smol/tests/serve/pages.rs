//! What is answered over HTTP.

use crate::clients::{Guest, PATIENCE, ask, body, get, server};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[test]
fn every_page_is_there() {
    let server = server(|_| {});
    let address = server.local_addr();
    let (status, answer) = get(address, "/");
    assert!(status == 200 && answer.contains("text/html") && body(&answer).contains("/api/status"), "{answer}");
    assert_eq!(get(address, "/healthz").0, 200);
    assert_eq!(get(address, "/readyz").0, 200);
    let (status, answer) = get(address, "/api/status");
    assert_eq!(status, 200);
    let told: Value = serde_json::from_str(body(&answer)).unwrap();
    assert_eq!(told["server_running"], true);
    assert_eq!(told["server_port"], address.port());
    assert_eq!(told["connected_clients"], 0);
    assert_eq!((&told["discovery_enabled"], &told["discovery_active"]), (&json!(false), &json!(false)));
    assert_eq!(told["local_ip"], "127.0.0.1");
    assert_eq!(told["url"], format!("ws://{address}/ws"));
    assert!(answer.contains("Content-Type: application/json"), "{answer}");
    let counted =
        ["uptime_s", "shards", "lobbies", "players", "relayed", "signals", "joins", "resumes", "host_changes"];
    let bytes = ["bytes_in", "bytes_out", "queued_bytes", "dropped", "refused"];
    for name in counted.iter().chain(&bytes) {
        assert!(told[name].is_u64(), "{name}: {told}");
    }
    assert_eq!(told["host_changes_by"], json!({}));
    let (status, answer) = ask(address, "HEAD /healthz HTTP/1.1\r\n\r\n");
    assert_eq!((status, body(&answer)), (200, ""));
}

/// The page takes what it needs from this server alone, and nothing in it could be made to run what somebody else has said.
#[test]
fn the_page_is_whole_and_runs_nothing_but_its_own() {
    let server = server(|_| {});
    let address = server.local_addr();
    let (_, page) = get(address, "/");
    let (head, html) = page.split_once("\r\n\r\n").unwrap();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    assert_eq!(header("Content-Type"), Some("text/html; charset=utf-8"));
    assert_eq!(header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(header("Referrer-Policy"), Some("no-referrer"));
    let policy = header("Content-Security-Policy").unwrap();
    let rules: BTreeSet<&str> = policy.split("; ").collect();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    ] {
        assert!(rules.contains(rule), "{rule}: {policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    // What the policy would not let run or load is not there either.
    for word in ["<style", " style=", " onload", " onclick", " onerror", "javascript:", "https://"] {
        assert!(!html.contains(word), "{word}");
    }
    assert_eq!(html.matches("<script").count(), html.matches("<script src=\"./status.js\" defer></script>").count());
    for (path, kind) in [("/status.js", "text/javascript"), ("/status.css", "text/css")] {
        let (status, asset) = get(address, path);
        assert!(status == 200 && asset.contains(&format!("Content-Type: {kind}; charset=utf-8\r\n")), "{asset}");
        assert!(html.contains(&format!("\".{path}\"")) && !body(&asset).contains("innerHTML"), "{path}");
        assert!(!body(&asset).contains("https://") && !body(&asset).contains("@import"), "{path}");
    }
    let (_, answer) = get(address, "/healthz");
    assert!(answer.contains("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"), "{answer}");
}

/// Who is not let in learns of a private lobby that there is one, and nothing else.
#[test]
fn pages_tell_numbers_and_no_secrets() {
    let server = server(|options| options.public_url = Some("wss://play.example/ws".into()));
    let address = server.local_addr();
    let mut ann = Guest::connect(address);
    ann.say(
        &json!({"type": "join_lobby", "lobby_id": "hideout", "username": "annabel", "create": {"password": "sesame"}}),
    );
    ann.hear("lobby_joined");
    let mut bob = Guest::connect(address);
    bob.say(&json!({"type": "join_lobby", "lobby_id": "market", "username": "robert", "create": {"public": true}}));
    bob.hear("lobby_joined");
    let pages = ["/", "/status.js", "/api/status", "/api/trend", "/api/lobbies", "/metrics"];
    let all: String = pages.map(|path| get(address, path).1).concat();
    for secret in ["hideout", "annabel", "sesame", "robert"] {
        assert!(!all.contains(secret), "{secret}");
    }
    assert!(all.contains("market") && all.contains("\"lobbies\":2"), "{all}");
}

#[test]
fn the_servers_own_addresses_are_for_its_own_network() {
    let ask_status = |address, from: &str| -> Value {
        let (_, answer) = ask(address, &format!("GET /api/status HTTP/1.1\r\nX-Forwarded-For: {from}\r\n\r\n"));
        serde_json::from_str(body(&answer)).unwrap()
    };
    let plain = server(|_| {});
    let told = ask_status(plain.local_addr(), "192.168.1.5");
    assert_eq!(told["local_ip"], "127.0.0.1");
    // A proxy of ours passes on what somebody outside asks.
    for from in ["9.9.9.9", "9.9.9.9, 10.0.0.1", "2001:db8::1"] {
        let told = ask_status(plain.local_addr(), from);
        assert_eq!((&told["local_ip"], &told["url"]), (&json!(null), &json!(null)), "{from}");
    }
    let named = server(|options| options.public_url = Some("wss://play.example/ws".into()));
    assert_eq!(ask_status(named.local_addr(), "9.9.9.9")["url"], "wss://play.example/ws");
}

#[test]
fn the_last_minutes_are_drawn_while_nobody_looks() {
    let server = server(|_| {});
    let address = server.local_addr();
    let mut ann = Guest::join(address, "den", "ann");
    let _bob = Guest::join(address, "den", "bob");
    let begun = Instant::now();
    let told = loop {
        ann.say(&json!({"type": "broadcast_data", "data": "hello"}));
        let (_, answer) = get(address, "/api/trend");
        assert!(answer.contains("Content-Type: application/json"), "{answer}");
        let told: Value = serde_json::from_str(body(&answer)).unwrap();
        if told["relaying"].as_array().unwrap().last() == Some(&json!(1.0)) {
            break told;
        }
        assert!(begun.elapsed() < PATIENCE, "{told}");
        sleep(Duration::from_millis(250));
    };
    let lines: Vec<&Value> = told.as_object().unwrap().values().filter(|line| line.is_array()).collect();
    assert!(
        lines.len() == 10
            && lines.iter().all(|line| line.as_array().unwrap().len() == lines[0].as_array().unwrap().len())
    );
    let last = |name: &str| told[name].as_array().unwrap().last().unwrap().as_f64().unwrap();
    assert_eq!(
        (told["every_ms"].as_u64(), last("players"), last("lobbies"), last("connections")),
        (Some(5_000), 2.0, 1.0, 2.0)
    );
    assert!(last("relayed_per_s") > 0.0 && last("bytes_in_per_s") > 0.0 && last("bytes_out_per_s") > 0.0, "{told}");
}

#[test]
fn what_cannot_be_answered_is_refused_with_a_reason() {
    let server = server(|_| {});
    let address = server.local_addr();
    let upgrade = |version: &str, key: &str| {
        format!(
            "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: {version}\r\n\
             Sec-WebSocket-Key: {key}\r\n\r\n"
        )
    };
    let table = [
        (404, "GET /nothing HTTP/1.1\r\n\r\n".to_owned(), "/api/lobbies"),
        (405, "POST /metrics HTTP/1.1\r\n\r\n".to_owned(), "Allow: GET, HEAD"),
        (405, "POST /ws HTTP/1.1\r\n\r\n".to_owned(), "Allow: GET"),
        (426, "GET /ws HTTP/1.1\r\n\r\n".to_owned(), "Upgrade: websocket"),
        (426, upgrade("8", "AAAAAAAAAAAAAAAAAAAAAA=="), "Sec-WebSocket-Version: 13"),
        (400, upgrade("13", "short"), "16 bytes"),
        (400, "\x16\x03\x01 nonsense\r\n\r\n".to_owned(), "no HTTP/1.1"),
        (400, "GET /api/lobbies?where=region HTTP/1.1\r\n\r\n".to_owned(), "key=value"),
        (431, format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9_000)), "8192"),
        (431, format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65)), "64 lines"),
    ];
    for (status, request, words) in table {
        let (answered, answer) = ask(address, &request);
        assert!(answered == status && answer.contains(words), "{request:?}: {answer}");
    }
}

#[test]
fn public_lobbies_are_listed_by_what_is_looked_for() {
    let server = server(|_| {});
    let address = server.local_addr();
    let mut members = Vec::new();
    for (lobby, region) in [("one", "eu"), ("two", "us")] {
        let mut guest = Guest::connect(address);
        let create = json!({"public": true, "metadata": {"region": region}});
        guest.say(&json!({"type": "join_lobby", "lobby_id": lobby, "username": "ann", "create": create}));
        guest.hear("lobby_joined");
        members.push(guest);
    }
    let listed = |query: &str| -> Vec<String> {
        let (status, answer) = get(address, &format!("/api/lobbies{query}"));
        assert_eq!(status, 200, "{answer}");
        let told: Value = serde_json::from_str(body(&answer)).unwrap();
        let name = |lobby: &Value| lobby["lobby_id"].as_str().unwrap().to_owned();
        told["lobbies"].as_array().unwrap().iter().map(name).collect()
    };
    assert_eq!(listed(""), ["one", "two"]);
    assert_eq!(listed("?where=region=us"), ["two"]);
    assert_eq!(listed("?where=region=us&free=64"), [""; 0]);
}

/// Prometheus' text format, line by line: every sample has a type, every type a help, and every value is a number.
#[test]
fn metrics_are_well_formed() {
    let server = server(|_| {});
    let address = server.local_addr();
    let mut guest = Guest::join(address, "den", "ann");
    guest.say(&json!({"type": "start_game"}));
    guest.hear("game_started");
    let (_, answer) = get(address, "/metrics");
    let (mut helped, mut typed, mut samples) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in body(&answer).lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(helped.insert(name.to_owned()) && !text.is_empty(), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            let is_good = (kind == "counter" && name.ends_with("_total")) || kind == "gauge";
            assert!(is_good && helped.contains(name) && typed.insert(name.to_owned()), "{line}");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = sample.split_once('{').unwrap_or((sample, "}"));
            assert!(typed.contains(name) && name.starts_with("webstar_"), "{line}");
            assert!(labels == "}" || labels.strip_suffix("\"}").is_some_and(|label| label.contains("=\"")), "{line}");
            assert!(value.parse::<f64>().unwrap() >= 0.0 && samples.insert(sample.to_owned()), "{line}");
        }
    }
    assert!(body(&answer).contains("\nwebstar_connections 1\n"), "{answer}");
    assert!(body(&answer).contains("\nwebstar_joins_total 1\n"), "{answer}");
}
