//! The program as scripts see it: the shapes of its outputs, its exit codes, and that a run is the same run however it
//! is cut into threads.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn sim(args: &str) -> Output {
    let args = args.split_whitespace();
    Command::new(env!("CARGO_BIN_EXE_webstar-sim")).args(args).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).expect("what it says is text")
}

fn lines(output: &Output) -> Vec<Value> {
    let lines = text(&output.stdout).lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"))).collect()
}

/// The seeds of a profile that are known to fail.
fn open_seeds(profile: &str) -> Vec<u64> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../.ci/open-seeds");
    let listed = std::fs::read_to_string(path).expect("the list is there");
    let rows = listed.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(' ').collect::<Vec<_>>());
    let rows = rows.filter(|row| row[0] == profile).map(|row| row[1].parse().expect("a seed"));
    rows.collect()
}

/// The summary of a run in which no seed fails but those known to.
fn summary(args: &str) -> Value {
    let output = sim(args);
    let mut lines = lines(&output);
    assert_eq!(lines.len(), 1, "{}", text(&output.stderr));
    let summary = lines.remove(0);
    let open = open_seeds(summary["profile"].as_str().expect("a name"));
    for failure in summary["failed"].as_array().expect("a list") {
        assert!(open.contains(&failure["seed"].as_u64().expect("a seed")), "{failure}");
    }
    summary
}

/// A place for files of one test.
fn scratch(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&dir).expect("the scratch directory can be made");
    dir
}

#[test]
fn two_hundred_seeds_of_two_players_break_nothing() {
    let summary = summary("run --profile pair --seeds 0..200 --json");
    assert_eq!((&summary["seeds"], &summary["failed_count"]), (&200.into(), &0.into()));
    for rare in ["path_switch", "path_died", "reopened", "give_up", "fragmented", "drained", "half_open", "protected"] {
        assert!(summary["marks"][rare].as_u64() > Some(0), "{rare} never came up");
    }
    for path in ["srtp", "sctp", "relay", "external"] {
        assert!(summary["delivered_by"][path].as_u64() > Some(0), "nothing came by {path}");
    }
}

#[test]
fn a_summary_has_every_field_of_the_contract() {
    let summary = summary("run --stack model --profile pair --seeds 3..5 --json");
    for text in ["event", "stack", "profile", "hash"] {
        assert!(summary[text].is_string(), "{text}");
    }
    let numbers = "seeds failed_count world_hours player_hours wall_s cpu_s host_crashes acked views forced_views";
    for number in numbers.split(' ') {
        assert!(summary[number].is_number(), "{number}");
    }
    for object in ["excused", "marks", "delivered_by", "migration_ms"] {
        assert!(summary[object].is_object(), "{object}");
    }
    assert_eq!(summary["event"], "summary");
    assert!(summary["failed"].is_array());
    assert_eq!(summary["hash"].as_str().map(str::len), Some(16));
    let (world, players) = (summary["world_hours"].as_f64(), summary["player_hours"].as_f64());
    assert!(world > Some(0.0) && players == world.map(|world| 2.0 * world));
    for cause in ["crash_silent", "crash_closed", "graceful", "chosen", "voted", "forced"] {
        for field in ["n", "p50", "p90", "p99", "max"] {
            assert!(summary["migration_ms"][cause][field].is_number(), "{cause} {field}");
        }
    }
}

#[test]
fn the_hash_is_the_same_for_any_number_of_threads_and_differs_between_seeds() {
    let hash = |args: &str| summary(&format!("run --json {args}"))["hash"].clone();
    let one = hash("--seeds 1000..1040 --jobs 1");
    assert_eq!(one, hash("--seeds 1000..1040 --jobs 2"));
    assert_eq!(one, hash("--seeds 1000..1040 --jobs 7"));
    assert_ne!(one, hash("--seeds 1001..1041"));
}

/// Counting on behind the last number began again at the first one and came to no end.
#[test]
fn the_last_seeds_of_all_are_run_once() {
    let summary = summary("run --profile pair --seeds 18446744073709551610..18446744073709551615 --json --jobs 2");
    assert_eq!((&summary["seeds"], &summary["failed_count"]), (&5.into(), &0.into()));
}

#[test]
fn worlds_with_a_server_break_nothing_and_rare_things_come_up() {
    for (profile, rare) in [
        ("calm", "host_changed guest_talked fragmented joined_in_progress lobby_full lobby_locked no_such_lobby"),
        ("lossy", "conditions cut backlog fragmented guest_talked"),
        (
            "swarm",
            "resumed reset half_open deaf paused unreachable_server version_skew closed_replaced replayed_token crash \
             server_crash island_with_server island_without_server mute unheard clock_jump server_jump cut_one_way \
             snapshot promoted",
        ),
        ("hostile", "mischief forgery"),
    ] {
        let summary = summary(&format!("run --profile {profile} --seeds 0..120 --json"));
        assert_eq!(summary["seeds"], 120, "{profile}");
        for path in ["relay", "srtp", "server"] {
            assert!(summary["delivered_by"][path].as_u64() > Some(0), "{profile}: nothing came by {path}");
        }
        assert!(summary["player_hours"].as_f64() > summary["world_hours"].as_f64());
        for mark in rare.split(' ') {
            assert!(summary["marks"][mark].as_u64() > Some(0), "{profile}: {mark} never came up");
        }
    }
}

#[test]
fn worlds_with_a_server_have_the_same_hash_for_any_number_of_threads() {
    for profile in ["calm", "lossy", "swarm", "crashy", "hostile", "speed"] {
        let hash = |args: &str| summary(&format!("run --json --profile {profile} {args}"))["hash"].clone();
        let one = hash("--seeds 1000..1020 --jobs 1");
        assert_eq!(one, hash("--seeds 1000..1020 --jobs 3"), "{profile}");
        assert_ne!(one, hash("--seeds 1001..1021"), "{profile}");
    }
}

#[test]
fn a_swarm_is_replayed_with_its_options_and_drawn_as_lanes() {
    let dir = scratch("swarm");
    let (trace, page) = (dir.join("3.jsonl"), dir.join("3.html"));
    let output = sim(&format!("replay 3 --profile swarm --trace {} --html {}", trace.display(), page.display()));
    let said = text(&output.stdout);
    assert!(
        said.contains("seat  0 ") && said.contains("half_open:") && said.contains("has joined as player"),
        "{said}"
    );
    let trace = std::fs::read_to_string(trace).expect("the trace was written");
    let first: Value = serde_json::from_str(trace.lines().next().expect("it has lines")).expect("one object a line");
    assert!(first["plan"]["kinds"]["reset"].is_boolean() && first["plan"]["seats"].is_array());
    for event in ["entered", "joined", "said", "heard", "safe", "frame", "deed", "quiet", "ended"] {
        assert!(trace.contains(&format!("\"event\":\"{event}\"")), "no {event}");
    }
    let page = std::fs::read_to_string(page).expect("the page was written");
    assert!(page.starts_with("<!doctype html>") && page.contains("prefers-color-scheme:dark"));
    for shown in
        ["class=\"bar host", "class=\"view", "class=\"fault", "class=\"ordered l0", "class=\"area heard", "lobby 0"]
    {
        assert!(page.contains(shown), "no {shown}");
    }
    assert!(!page.contains("http://") && !page.contains("https://"), "the page stands alone");
}

#[test]
fn what_is_left_out_of_a_replay_does_not_happen_and_is_told() {
    let whole = text(&sim("replay 3 --profile swarm").stdout).to_string();
    let said = text(&sim("replay 3 --profile swarm --without-seats 1-63 --without-faults 0-99").stdout).to_string();
    assert!(whole.contains("begins at seat 1") && whole.contains("fault on"), "{whole}");
    assert!(!said.contains("begins at seat 1") && !said.contains("fault on"), "{said}");
    assert!(said.contains("left out: --without-faults 0-99 --without-seats 1-63") && said.contains("(left out)"));
}

#[test]
fn a_seed_that_breaks_nothing_is_not_cut_down() {
    let output = sim("shrink 3 --profile calm");
    assert!(output.status.success() && text(&output.stdout).contains("nothing to cut down"));
}

#[test]
fn the_tables_of_the_star_have_every_field_of_the_contract() {
    for (args, count, fields) in [
        ("--table migration --runs 1", 48, "samples players loss one_way_ms hz p50 p90 p99 max lost duplicated"),
        (
            "--table false-alarms --hours 0.1 --row 500:0.02:50 --row 1000:0:0",
            2,
            "samples t_ms loss jitter_ms hours alarms",
        ),
        ("--table scale", 12, "samples players hz packets_per_s bytes_per_s cpu_ns_per_delivered"),
    ] {
        let output = sim(&format!("report --json {args}"));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let rows = lines(&output);
        assert_eq!(rows.len(), count, "{args}");
        for row in &rows {
            assert_eq!((&row["event"], &row["stack"]), (&"row".into(), &"model".into()));
            assert!(args.contains(row["table"].as_str().expect("a name")), "{row}");
            for field in fields.split(' ') {
                assert!(row[field].is_number(), "{field} in {row}");
            }
            assert!(row["samples"].as_u64() > Some(0), "{row}");
        }
    }
}

#[test]
fn a_replay_tells_what_was_drawn_what_happened_and_the_same_hash_each_time() {
    let output = sim("replay 7");
    let output = text(&output.stdout);
    assert!(output.contains("wire") && output.contains("sends on path") && output.contains("verdict"), "{output}");
    let hash = |output: &str| output.lines().last().and_then(|line| line.split_whitespace().last().map(String::from));
    assert_eq!(hash(output), hash(text(&sim("replay 7 --stack model --profile pair").stdout)));
    assert_eq!(hash(output).map(|hash| hash.len()), Some(16));
}

#[test]
fn a_replay_writes_a_trace_and_a_page_and_comes_to_the_same() {
    let dir = scratch("replay");
    let (trace, page) = (dir.join("7.jsonl"), dir.join("7.html"));
    let output = sim(&format!("replay 7 --trace {} --html {}", trace.display(), page.display()));
    assert!(output.status.success(), "{}", text(&output.stdout));
    assert_eq!(output.stdout, sim("replay 7").stdout);
    let trace = std::fs::read_to_string(trace).expect("the trace was written");
    let lines: Vec<Value> = trace.lines().map(|line| serde_json::from_str(line).expect("one object a line")).collect();
    assert_eq!(lines[0]["event"], "plan");
    assert!(lines[0]["plan"]["wires"].is_array() && lines[0]["plan"]["faults"].is_array());
    for event in ["submitted", "delivered", "acked", "packet", "path", "using", "order", "quiet", "settled"] {
        assert!(lines.iter().any(|line| line["event"] == event && line["t_ms"].is_number()), "no {event}");
    }
    let page = std::fs::read_to_string(page).expect("the page was written");
    assert!(page.starts_with("<!doctype html>") && page.contains("prefers-color-scheme:dark"));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page stands alone");
}

#[test]
fn what_cannot_be_written_is_an_error_that_names_it() {
    let output = sim("replay 7 --trace no-such-directory/7.jsonl");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no-such-directory/7.jsonl"));
}

/// The document in that folder shows every table with a curve that is well formed.
fn shows_every_table(dir: &Path) -> String {
    let document = std::fs::read_to_string(dir.join("measurements.md")).expect("the document was written");
    let curves: Vec<_> = std::fs::read_dir(dir.join("measurements")).expect("curves were written").collect();
    let tables = ["latency", "migration", "false-alarms", "scale"];
    assert_eq!(curves.len(), tables.len());
    for table in tables {
        assert!(document.contains(&format!("`webstar-sim report --table {table}")), "{table}");
        assert!(document.contains(&format!("](measurements/{table}.svg)")), "{table}");
        let svg = std::fs::read_to_string(dir.join(format!("measurements/{table}.svg"))).expect("a curve");
        let tree = roxmltree::Document::parse(&svg).unwrap_or_else(|why| panic!("{table}: {why}"));
        assert!(tree.root_element().has_tag_name(("http://www.w3.org/2000/svg", "svg")), "{table}");
        assert!(tree.descendants().any(|node| node.tag_name().name() == "polyline"), "{table}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{table}");
        assert!(svg.contains("prefers-color-scheme:dark"), "{table}");
    }
    assert_eq!(document.matches("How to read it:").count(), tables.len());
    assert!(document.lines().all(|line| line.len() < 160), "{document}");
    document
}

#[test]
fn a_document_of_measurements_is_made_by_one_command() {
    let dir = scratch("docs");
    let sizes = "--messages 40 --runs 1 --hours 0.002 --most-players 4";
    let output = sim(&format!("report --docs {} {sizes}", dir.display()));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let document = shows_every_table(&dir);
    assert!(document.contains(&format!("report --docs docs {sizes}\n")), "{document}");
    assert!(!document.contains(&dir.display().to_string()), "a path of this machine");
}

#[test]
fn the_committed_document_of_measurements_is_whole() {
    shows_every_table(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs"));
}

#[test]
fn the_latency_table_has_every_row_of_the_contract() {
    let dir = scratch("report");
    let output = sim(&format!("report --table latency --json --out {}", dir.display()));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let rows = lines(&output);
    assert_eq!(rows.len(), 3 * 2 * 4 * 2);
    for row in &rows {
        assert_eq!((&row["event"], &row["table"], &row["stack"]), (&"row".into(), &"latency".into(), &"model".into()));
        let numbers = "samples loss size one_way_ms hz p50 p99 p999 max lost duplicated bytes_ratio";
        for number in numbers.split(' ') {
            assert!(row[number].is_number(), "{number} in {row}");
        }
        let sent = row["samples"].as_u64().zip(row["lost"].as_u64()).map(|(came, lost)| came + lost);
        assert_eq!(sent, Some(40_000), "20,000 each way");
    }
    let has = |pipe: &str, channel: &str| rows.iter().any(|row| row["pipe"] == pipe && row["channel"] == channel);
    for pipe in ["srtp", "sctp", "relay"] {
        assert!(has(pipe, "ordered") && has(pipe, "unreliable"), "{pipe}");
    }
    let json = std::fs::read_to_string(dir.join("latency.json")).expect("the rows were written");
    assert_eq!(serde_json::from_str::<Vec<Value>>(&json).expect("they are JSON"), rows);
    let svg = std::fs::read_to_string(dir.join("latency.svg")).expect("the chart was written");
    assert!(
        svg.starts_with("<svg") && svg.contains("prefers-color-scheme:dark") && svg.matches("<polyline").count() == 12
    );
}

#[test]
fn what_does_not_exist_yet_is_said_in_one_line() {
    for (args, exists) in [
        ("run --stack webrtc --seeds 0..1", "`model`"),
        ("replay 1 --stack dtls", "`model`"),
        ("report --table migration --stack dtls", "`model`"),
    ] {
        let output = sim(args);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args}: {said}");
        assert!(said.lines().count() == 1 && said.contains(exists), "{args}: {said}");
        assert!(output.stdout.is_empty(), "{args}");
    }
}

#[test]
fn wrong_usage_leaves_with_two() {
    for args in [
        "",
        "walk",
        "run --seeds 5",
        "run --seeds 5..5",
        "run --seeds b..c",
        "run --profile mob",
        "run --jobs 0",
        "run --colour",
        "replay",
        "replay x",
        "report --table size",
        "report --table false-alarms --row 500",
        "report --table false-alarms --row 99:0:0",
        "report --table false-alarms --hours 0",
        "report --table latency --check",
        "report --table scale --check --most-players 8",
        "report --docs docs --table scale",
        "report --messages 0",
        "replay 1 --without-faults 3-1",
        "shrink",
    ] {
        let output = sim(args);
        assert_eq!(output.status.code(), Some(2), "`{args}`");
        assert!(!output.stderr.is_empty(), "`{args}`");
    }
}

#[test]
fn every_command_shows_an_example() {
    for command in ["", "run", "replay", "shrink", "report"] {
        let output = sim(&format!("{command} --help"));
        assert!(output.status.success());
        assert!(text(&output.stdout).contains("Example:\n  webstar-sim"), "{command}");
    }
}
