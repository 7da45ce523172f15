//! What is answered over HTTP.

use crate::clients::{Guest, ask, body, get, server};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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
    let (status, answer) = ask(address, "HEAD /healthz HTTP/1.1\r\n\r\n");
    assert_eq!((status, body(&answer)), (200, ""));
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
