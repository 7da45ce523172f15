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
    let url = format!("ws://{free}/ws");
    for kind in ["--seconds 60", "--seconds 60 --churn"] {
        let args = [&["--lobbies", "1", "--players", "2"], &kind.split(' ').collect::<Vec<_>>()[..]].concat();
        let (code, summary, errors) = load(&url, &args);
        assert_eq!(code, Some(4), "{summary}");
        assert!(summary["errors"].as_u64() > Some(0) && summary["connections"] == 0, "{summary}");
        assert!(summary["first_error"].as_str().unwrap().contains("cannot be reached"), "{summary}");
        assert!(errors.contains("nobody got in") && errors.contains("check the address and that it runs"), "{errors}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_webstar")).args(["load", &url, "--players", "2"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(4), 0), "people read one sentence, and no table");
}

#[test]
fn a_hybrid_load_tells_by_which_paths_packets_came_and_players_reached_their_host() {
    let server = Server::start();
    // On a busy machine it takes a while until the direct paths are there.
    for seconds in ["2", "10", "40"] {
        let args = "--lobbies 2 --players 3 --rate 10 --size 64 --mode hybrid --channel ordered --seconds";
        let (code, summary, errors) = load(&server.url, &args.split(' ').chain([seconds]).collect::<Vec<_>>());
        assert_eq!(code, Some(0), "{summary} {errors}");
        assert_eq!((&summary["lost"], &summary["connections"]), (&0.into(), &6.into()), "{summary}");
        let number = |field: &str, kind: &str| summary[field][kind].as_u64().unwrap();
        let all: u64 = ["srtp", "sctp", "relay"].map(|kind| number("players_by_path", kind)).iter().sum();
        assert_eq!(all, 4, "two in each lobby are not its host: {summary}");
        assert!(number("paths", "relay") > 0, "nobody waits for the direct paths: {summary}");
        if number("players_by_path", "srtp") == 4 && number("paths", "srtp") > 0 {
            return;
        }
    }
    panic!("no direct path in forty seconds");
}

#[test]
fn a_relay_load_goes_by_the_relay_alone() {
    let server = Server::start();
    let args = "--lobbies 1 --players 3 --rate 10 --size 64 --seconds 1";
    let (code, summary, errors) = load(&server.url, &args.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{summary} {errors}");
    assert_eq!(summary["players_by_path"], serde_json::json!({"srtp": 0, "sctp": 0, "relay": 2}));
    assert_eq!((&summary["paths"]["srtp"], &summary["paths"]["sctp"]), (&0.into(), &0.into()));
}

#[test]
fn players_who_come_leave_and_crash_are_all_served_and_nobody_is_stuck() {
    let server = Server::start();
    let args = "--churn --lobbies 6 --players 4 --rate 1 --size 64 --seconds 8 --life 4 --patience 60 --seed 7";
    let (code, summary, errors) = load(&server.url, &args.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{summary} {errors}");
    let churn = &summary["churn"];
    let number = |field: &str| churn[field].as_u64().unwrap_or_else(|| panic!("{field}: {churn}"));
    assert_eq!((number("joins_failed"), number("stuck_count"), number("seed")), (0, 0, 7), "{churn}");
    assert_eq!(number("lobbies_opened"), number("lobbies_closed"), "{churn}");
    assert!(number("lobbies_opened") >= 6, "{churn}");
    assert_eq!(Some(number("left") + number("crashed")), summary["connections"].as_u64(), "all are gone: {summary}");
    assert!(churn["settle_ms"]["p50"].is_number(), "{churn}");
    let slowest = churn["slowest"].as_array().expect("the slowest are told");
    assert!(slowest.iter().all(|slow| slow["ms"].is_u64() && slow["after"].is_string()), "{churn}");
    assert!(slowest.windows(2).all(|pair| pair[0]["ms"].as_u64() >= pair[1]["ms"].as_u64()), "{churn}");
    assert_eq!(summary["lost"], Value::Null);
}
