//! Sessions of real programs are recorded and lived through again; a recording tells no secret, and a committed one says
//! whether the machine still does what it did.

use crate::stage::{Ending, Program, Server};
use serde_json::Value;
use std::path::{Path, PathBuf};
use webstar_core::recording::{FORMAT, MAGIC, seal};

/// What is committed: a survivor of a crash of the host, who becomes host.
const COMMITTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/host-crash.rec");
/// With this in the environment the first test makes it anew.
const RECORD_ANEW: &str = "RECORD_ANEW";
const MAKE_ANEW: &str = "if the machine is meant to say something else now, make the recording anew: RECORD_ANEW=1 cargo \
                         test -p webstar-smol --test join a_session_with_a_host_crash";
/// What may be committed, in bytes.
const LARGEST: u64 = 200_000;

/// A directory of its own, which goes with it.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("webstar-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("it can be read and written");
        Place(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").to_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn replay(file: &str, more: &[&str]) -> Ending {
    Program::start(&[&["replay", file], more].concat()).end()
}

fn summary(ending: &Ending) -> Value {
    ending.events().pop().expect("a last line")
}

/// Three players talk, the host is killed, and the others go on. The recordings are those of `host`, `heir` and `other`;
/// the endings those of the last two.
fn a_host_is_killed(place: &Place) -> (Ending, Ending) {
    let server = Server::start();
    let player = |name: &str| Program::join(&server, "room", name, &["--record", &place.file(name)]);
    let (mut host, mut heir) = (player("host"), player("heir"));
    heir.ever("view", |view| view["backups"] == serde_json::json!([2]));
    let mut other = player("other");
    for player in [&mut host, &mut heir, &mut other] {
        player.ever("view", |view| view["voters"] == serde_json::json!([1, 2, 3]));
    }
    for (player, line) in [(&mut host, "from the host"), (&mut heir, "from the heir"), (&mut other, "from the other")] {
        player.say(line);
    }
    for line in ["from the host", "from the heir", "from the other"] {
        for player in [&mut host, &mut heir, &mut other] {
            player.ever("message", |message| message["data"] == line);
        }
    }
    host.kill();
    for player in [&mut heir, &mut other] {
        player.ever("host_changed", |changed| changed["host"] == 2 && changed["cause"] == "crash_closed");
        player.say("after");
    }
    for player in [&mut heir, &mut other] {
        for from in [2, 3] {
            player.ever("message", |message| message["data"] == "after" && message["from"] == from);
        }
    }
    (heir.finish(), other.finish())
}

/// What was told, without the time, and without what is no event of the machine.
fn told(ending: &Ending, wanted: impl Fn(&str) -> bool) -> Vec<Value> {
    let mut events = ending.events();
    events.retain(|event| event["event"].as_str().is_some_and(|name| name != "summary" && wanted(name)));
    for event in &mut events {
        let event = event.as_object_mut().expect("events are objects");
        event.remove("t_ms");
    }
    events
}

#[test]
fn a_session_with_a_host_crash_is_lived_through_again() {
    let place = Place::new("crash");
    let (heir, other) = a_host_is_killed(&place);
    for (name, ending) in [("heir", heir), ("other", other)] {
        let again = replay(&place.file(name), &["--events"]);
        assert_eq!(again.code, Some(0), "{again:?}");
        let last = summary(&again);
        assert_eq!((&last["same"], &last["whole"]), (&true.into(), &true.into()), "{last}");
        // The application sends while it has not read all events yet; the machine knows the true order.
        let is_event = |name: &str| name != "sent";
        assert_eq!(told(&again, is_event), told(&ending, is_event), "{name}");
        assert_eq!(told(&again, |name| name == "sent"), told(&ending, |name| name == "sent"), "{name}");
    }
    let killed = replay(&place.file("host"), &["--events"]);
    assert_eq!(killed.code, Some(0), "{killed:?}");
    assert_eq!(summary(&killed)["whole"], false, "it was killed");
    assert!(killed.events().iter().any(|event| event["event"] == "view"), "it was readable to its end: {killed:?}");
    let plain = replay(&place.file("host"), &[]);
    assert_eq!((plain.code, plain.said.len()), (Some(0), 1), "{plain:?}");
    assert!(plain.said[0].contains("all outputs are the same") && plain.said[0].contains("in the middle"), "{plain:?}");
    if std::env::var_os(RECORD_ANEW).is_some() {
        let recording = std::fs::read(place.file("heir")).expect("it can be read and written");
        std::fs::write(COMMITTED, recording).expect("the recording can be stored");
    }
}

/// The blocks of a recording: the first is the header.
fn blocks(recording: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    let mut rest = &recording[MAGIC.len() + 1..];
    while let Some((head, tail)) = rest.split_at_checked(12) {
        let length = u32::from_le_bytes(head[..4].try_into().expect("it can be read and written")) as usize;
        blocks.push(tail[..length].to_vec());
        rest = &tail[length..];
    }
    blocks
}

#[test]
fn the_committed_recording_of_a_host_crash_is_lived_through_without_a_difference() {
    let size = std::fs::metadata(COMMITTED).unwrap_or_else(|error| panic!("{COMMITTED}: {error}; {MAKE_ANEW}")).len();
    assert!(size <= LARGEST, "{size} bytes are too many to be committed");
    let ending = replay(COMMITTED, &["--events"]);
    assert_eq!(ending.code, Some(0), "{}\n{MAKE_ANEW}", ending.errors);
    let last = summary(&ending);
    assert_eq!((&last["same"], &last["whole"]), (&true.into(), &true.into()), "{last}\n{MAKE_ANEW}");
    let events = ending.events();
    let has = |name: &str, cause: &str| events.iter().any(|event| event["event"] == name && event["cause"] == cause);
    assert!(has("host_changed", "crash_closed"), "{events:?}");
    assert!(events.iter().any(|event| event["event"] == "path" && event["path"] == "srtp"), "{events:?}");
}

#[test]
fn a_changed_byte_and_a_changed_decision_turn_the_committed_recording_red() {
    let place = Place::new("changed");
    let recording = std::fs::read(COMMITTED).expect("it is committed");
    let red = |name: &str, bytes: &[u8], word: &str| {
        std::fs::write(place.file(name), bytes).expect("it can be read and written");
        let ending = replay(&place.file(name), &["--json"]);
        ending.is_failure(1, &[word]);
        let last = summary(&ending);
        assert_eq!(last["same"], false);
        last
    };
    let mut damaged = recording.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    assert!(red("byte", &damaged, "damaged")["difference"].is_null());
    let mut blocks = blocks(&recording);
    let middle = blocks.len() / 2;
    // A block ends with the hash of an output.
    *blocks[middle].last_mut().expect("it can be read and written") ^= 1;
    let mut changed = [MAGIC, &[FORMAT]].concat();
    blocks.iter().for_each(|block| seal(block, &mut changed));
    let difference = &red("decision", &changed, "differs")["difference"];
    assert!(difference["output"].as_u64().is_some_and(|output| output > 10), "{difference}");
    assert!(difference["t_ms"].as_f64().is_some_and(|time| time > 0.0), "{difference}");
    assert!(difference["said"].as_str().is_some_and(|said| !said.is_empty()), "{difference}");
}

#[test]
fn no_secret_of_the_command_line_is_in_the_recording() {
    let secrets = [("PASSWORD", "correct horse battery"), ("TOKEN", "let-me-in-please"), ("TURN", "turn-password-9")];
    let server = Server::start();
    let place = Place::new("secrets");
    let (target, file) = (server.target("room"), place.file("rec"));
    let args = ["join", &target, "--create", "--json", "--record", &file, "--password-env", "PASSWORD", "--token-env"];
    let turn = ["TOKEN", "--turn", "turn:127.0.0.1:9", "--turn-user", "ann", "--turn-password-env", "TURN"];
    let mut player = Program::start_with(&[&args[..], &turn].concat(), &secrets);
    player.wait_for("joined");
    player.say("hello");
    player.hear("hello");
    assert_eq!(player.finish().code, Some(0));
    let recording = std::fs::read(&file).expect("it can be read and written");
    let is_there = |word: &[u8]| recording.windows(word.len()).any(|window| window == word);
    assert!(is_there(b"hello"), "what is said is there");
    for (_, secret) in secrets {
        assert!(!is_there(secret.as_bytes()), "{secret}");
    }
    assert_eq!(replay(&file, &[]).code, Some(0));
}

#[cfg(unix)]
#[test]
fn a_recording_is_for_nobody_else_to_read() {
    use std::os::unix::fs::PermissionsExt;
    let (server, place) = (Server::start(), Place::new("mode"));
    let file = place.file("rec");
    let player = Program::join(&server, "room", "ann", &["--record", &file]);
    assert_eq!(std::fs::metadata(&file).expect("it can be read and written").permissions().mode() & 0o777, 0o600);
    drop(player);
}

#[test]
fn what_cannot_be_recorded_or_replayed_says_what_to_do() {
    let place = Place::new("wrong");
    let nowhere = place.file("nowhere/rec");
    Program::start(&["join", "room", "--create", "--record", &nowhere]).end().is_failure(2, &["name another file"]);
    replay(&nowhere, &[]).is_failure(2, &[&nowhere, "--record"]);
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    replay(other.to_str().expect("it can be read and written"), &[]).is_failure(2, &["no recording", "--record FILE"]);
}
