//! `webstar demo` as scripts see it: a crash and a hand-over over real sockets, and nothing is lost.

use serde_json::Value;
use std::process::{Command, Output};

fn demo(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_webstar")).arg("demo").args(args).output().expect("the program runs")
}

#[test]
fn a_crash_and_a_hand_over_lose_double_and_reorder_nothing() {
    let output = demo(&["--players", "4", "--seconds", "6", "--json"]);
    let text = String::from_utf8(output.stdout).expect("it is text");
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect();
    let summary = events.last().expect("it says something");
    assert_eq!(summary["event"], "summary", "{text}");
    for fault in ["lost", "duplicated", "reordered", "altered"] {
        assert_eq!(summary[fault], 0, "{text}");
    }
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert_eq!(summary["players"], 4);
    let number = |name: &str| summary[name].as_u64().expect("a number");
    assert!(number("migrations") >= 2, "a crash and a hand-over: {text}");
    assert!(summary["crash_gap_ms"].as_f64() > Some(0.0) && summary["graceful_gap_ms"].as_f64() > Some(0.0), "{text}");
    assert!(number("sent") > 0 && number("delivered") > number("sent"), "everything is for all: {text}");
    assert!(summary["paths"]["srtp"].as_u64() > Some(0), "native players talk over SRTP: {text}");
    let named = |name: &str| events.iter().any(|event| event["event"] == name);
    assert!(["listening", "joined", "cut_off", "hands_over", "host_changed"].into_iter().all(named), "{text}");
}

#[test]
fn too_few_players_are_refused_with_what_to_do() {
    let output = demo(&["--players", "2"]);
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8(output.stderr).expect("it is text");
    assert!(errors.contains("--players: 3 to 64"), "{errors}");
}
