//! `webstar serve` as a process: its first line, its refusals, and its end.

use crate::clients::{Guest, get};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A folder of its own that is gone afterwards.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("webstar-serve-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_webstar"));
    command.arg("serve").args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("PORT").env_remove("RUST_LOG");
    command.env("XDG_STATE_HOME", std::env::temp_dir().join("webstar-tests"));
    command
}

/// Starts it and reads its first line.
pub(crate) fn start(args: &[&str]) -> (Child, String) {
    let mut child = command(args).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

/// Runs it to its end: exit code and what it says to people.
pub(crate) fn fails(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

pub(crate) fn ends(mut child: Child, signal: &str) -> Option<i32> {
    let status = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    child.wait().unwrap().code()
}

#[test]
fn the_first_line_is_the_contract_and_a_signal_ends_it() {
    for signal in ["-TERM", "-INT"] {
        let (child, line) = start(&["--listen", "127.0.0.1:0", "--json"]);
        let told: Value = serde_json::from_str(&line).unwrap();
        let addr = told["addr"].as_str().unwrap();
        let expected = format!("{{\"event\":\"listening\",\"addr\":\"{addr}\",\"url\":\"ws://{addr}/ws\"}}\n");
        assert_eq!(line, expected);
        let mut guest = Guest::join(addr.parse().unwrap(), "den", "ann");
        let telling = std::thread::spawn(move || {
            guest.hear("closing");
            guest.closed()
        });
        assert_eq!(ends(child, signal), Some(0));
        assert_eq!(telling.join().unwrap(), Some((1001, "shutting_down".into())));
    }
}

#[test]
fn a_taken_port_is_one_line_that_says_what_to_do() {
    let (child, line) = start(&["--listen", "127.0.0.1:0"]);
    let addr = line.split(' ').find_map(|word| word.trim_end_matches(';').parse::<std::net::SocketAddr>().ok());
    let addr = addr.unwrap_or_else(|| panic!("no address: {line}")).to_string();
    let (code, said) = fails(&mut command(&["--listen", &addr]));
    assert_eq!((code, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("is taken") && said.contains("--listen") && said.contains("--port-fallback"), "{said}");
    let (other, line) = start(&["--listen", &addr, "--port-fallback", "20", "--json"]);
    assert!(line.contains("listening"), "{line}");
    assert_eq!((ends(child, "-TERM"), ends(other, "-TERM")), (Some(0), Some(0)));
}

#[test]
fn wrong_flags_and_files_are_one_line() {
    let folder = Folder::new("wrong");
    let [config, pem, short] = ["serve.toml", "cert.pem", "short.key"].map(|name| folder.file(name));
    fs::write(&config, "listen = '127.0.0.1:0'\nlistne = 1\n").unwrap();
    fs::write(&pem, "no certificate").unwrap();
    fs::write(&short, "short").unwrap();
    let free = ["--listen", "127.0.0.1:0"];
    let table: [(&[&str], &str); 11] = [
        (&["--listen", "here"], "ADDR:PORT"),
        (&["--config", &config], "line 2: unknown field `listne`"),
        (&["--config", &config], "did you mean `listen`?"),
        (&["--config", "/nowhere/serve.toml"], "/nowhere/serve.toml"),
        (&["--tls-cert", &pem, "--tls-key", &pem], "cert.pem for TLS"),
        (&["--create-token-env", "WEBSTAR_TEST_UNSET"], "WEBSTAR_TEST_UNSET is not set"),
        (&["--key-file", &short], "exactly 32 bytes"),
        (&["--tls-cert", &pem], "--tls-key"),
        (&["--no-such-flag"], "--no-such-flag"),
        (&["--turn", "turn:a"], "--turn-secret-env"),
        (&["--stun", "turn:a"], "name it with --turn"),
    ];
    for (args, words) in table {
        let listen = if args[0] == "--listen" { &[][..] } else { &free };
        let (code, said) = fails(command(args).args(listen));
        assert!(code == Some(2) && said.contains(words), "{args:?}: {code:?} {said}");
    }
    let (code, said) = fails(command(&[]).env("PORT", "eighty"));
    assert!(code == Some(2) && said.contains("eighty"), "{said}");
}

#[test]
fn file_environment_and_flags_are_heard() {
    let folder = Folder::new("heard");
    let [config, key] = ["serve.toml", "webstar.key"].map(|name| folder.file(name));
    let text =
        format!("listen = '127.0.0.1:0'\nkey_file = '{key}'\npublic_url = 'wss://file.example/ws'\nshards = 1\n");
    fs::write(&config, text).unwrap();
    let (child, line) = start(&["--config", &config, "--public-url", "wss://play.example/ws", "--json"]);
    let told: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(told["url"], "wss://play.example/ws");
    let (_, answer) = get(told["addr"].as_str().unwrap().parse().unwrap(), "/api/status");
    assert!(answer.contains("\"shards\":1"), "{answer}");
    assert_eq!(ends(child, "-TERM"), Some(0));
    let first = fs::read(&key).unwrap();
    assert_eq!(first.len(), 32);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (child, _) = start(&["--config", &config]);
    assert_eq!(ends(child, "-TERM"), Some(0));
    assert_eq!(fs::read(&key).unwrap(), first);
}

/// As it is delivered it changes nothing, so that who copies it begins with the usual server.
#[test]
fn the_example_of_all_settings_starts_a_server() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../webstar.example.toml");
    let (child, line) = start(&["--config", example, "--listen", "127.0.0.1:0"]);
    assert!(line.contains("webstar listens on 127.0.0.1:"), "{line}");
    assert_eq!(ends(child, "-TERM"), Some(0));
}

#[test]
fn making_a_lobby_needs_the_token_and_joining_does_not() {
    let mut command = command(&["--listen", "127.0.0.1:0", "--create-token-env", "WEBSTAR_TEST_TOKEN", "--json"]);
    let mut child = command.env("WEBSTAR_TEST_TOKEN", "right").spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let address = told["addr"].as_str().unwrap().parse().unwrap();
    let join = |admission: Value, create: Value| {
        let mut guest = Guest::connect(address);
        let join = json!({"type": "join_lobby", "lobby_id": "den", "username": "ann", "admission": admission,
                          "create": create});
        guest.say(&join);
        guest
    };
    for wrong in [json!(null), json!("wrong")] {
        assert_eq!(join(wrong, json!({})).hear("error")["code"], "admission_refused");
    }
    let mut maker = join(json!("right"), json!({}));
    maker.hear("lobby_joined");
    join(json!(null), json!(null)).hear("lobby_joined");
    assert_eq!(ends(child, "-TERM"), Some(0));
}
