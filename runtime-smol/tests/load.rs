//! The load generator against a real server: everybody joins, everything arrives, the summary adds up.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_webstar"))
            .args(["serve", "--listen", "127.0.0.1:0", "--json"])
            .env("XDG_STATE_HOME", std::env::temp_dir().join("webstar-tests"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut first = String::new();
        BufReader::new(child.stdout.as_mut().expect("a pipe")).read_line(&mut first).expect("a line");
        let listening: Value = serde_json::from_str(&first).expect("JSON");
        let url = listening["url"].as_str().expect("a URL").to_owned();
        Server { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn load(url: &str, args: &[&str]) -> (Option<i32>, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_webstar"))
        .args([&["load", url, "--json"], args].concat())
        .output()
        .expect("the program runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    (output.status.code(), last, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn everything_arrives_on_the_ordered_channel() {
    let server = Server::start();
    let args = "--lobbies 3 --players 4 --rate 20 --size 64 --seconds 1 --ramp 0.2 --channel ordered";
    let (code, summary, errors) = load(&server.url, &args.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{summary} {errors}");
    assert_eq!((&summary["event"], &summary["connections"]), (&"summary".into(), &12.into()));
    let number = |field: &str| summary[field].as_u64().unwrap_or_else(|| panic!("{field}: {summary}"));
    assert!((12 * 15..=12 * 21).contains(&number("sent")), "{summary}");
    assert_eq!(number("delivered"), 3 * number("sent"), "{summary}");
    assert_eq!((number("lost"), number("errors")), (0, 0), "{summary}");
    for times in ["connect_ms", "latency_ms"] {
        assert!(summary[times]["p50"].as_f64() <= summary[times]["p99"].as_f64(), "{summary}");
        assert!(summary[times]["p50"].as_f64() > Some(0.0), "{summary}");
    }
}

#[test]
fn idle_members_only_hold_their_places() {
    let server = Server::start();
    let args = "--lobbies 10 --players 8 --rate 0 --size 64 --seconds 1";
    let (code, summary, errors) = load(&server.url, &args.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{summary} {errors}");
    assert_eq!((&summary["connections"], &summary["sent"]), (&80.into(), &0.into()));
    assert_eq!(summary["latency_ms"], serde_json::json!({"p50": null, "p99": null}));
}

#[test]
fn a_server_that_is_not_there_is_an_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let args = ["--lobbies", "1", "--players", "2", "--seconds", "1"];
    let (code, summary, _) = load(&format!("ws://{free}/ws"), &args);
    assert_eq!(code, Some(1), "{summary}");
    assert_eq!(summary["errors"], 2);
    assert!(summary["first_error"].as_str().unwrap().contains("cannot be reached"), "{summary}");
}
