//! Secrets are planted, and looked for in all that a program shows: its log at every level, what it prints, pages,
//! metrics, URLs and recordings. Players come with the right password and with a wrong one, watch, talk over direct paths, lose
//! their connections and their host, and come back with their tokens.

use crate::proxy::{Proxy, Talk};
use crate::search::{self, Search};
use crate::stage::{Ending, Folder, Program, Server};
use crate::turn_server::{PASSWORD as TURN_PASSWORD, TurnServer, USER};
use async_tungstenite::tungstenite::{Message, WebSocket, client};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const TURN_SECRET: &str = "canary-turn-secret-93f1";
const PASSWORD: &str = "canary-lobby-password-51c7";
const WRONG: &str = "canary-wrong-password-a80b";
const CREATE: &str = "canary-create-token-7d2e";
/// The variables that hold them, and all levels of the log.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("CANARY_TURN_SECRET", TURN_SECRET),
    ("CANARY_PASSWORD", PASSWORD),
    ("CANARY_WRONG", WRONG),
    ("CANARY_CREATE", CREATE),
    ("CANARY_TURN_PASSWORD", TURN_PASSWORD),
    ("RUST_LOG", "trace"),
];
const PAGES: &[&str] = &["/", "/status.js", "/metrics", "/healthz", "/api/status", "/api/trend", "/api/lobbies", "/ws"];

fn server(turn: &str, key: &str) -> Server {
    let turn = ["--turn", turn, "--turn-secret-env", "CANARY_TURN_SECRET", "--create-token-env", "CANARY_CREATE"];
    let args = ["serve", "--listen", "127.0.0.1:0", "--json", "--key-file", key];
    let mut program = Program::start_with(&[&args[..], &turn].concat(), ENVIRONMENT);
    let address = program.wait_for("listening")["addr"].as_str().expect("an address").to_owned();
    Server { program, address }
}

fn page(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{path}");
    answer
}

/// A client of our own, which is told its secrets like any other.
struct Own(WebSocket<TcpStream>);

impl Own {
    fn join(address: SocketAddr) -> (Self, Value) {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let (socket, _) = client(format!("ws://{address}/ws"), stream).unwrap();
        let mut own = Own(socket);
        own.say(&json!({"type": "hello", "versions": [2]}));
        own.hear("welcome");
        let create = json!({"password": PASSWORD});
        own.say(
            &json!({"type": "join_lobby", "lobby_id": "own", "username": "own", "admission": CREATE, "create": create}),
        );
        let joined = own.hear("lobby_joined");
        (own, joined)
    }

    fn say(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    fn hear(&mut self, name: &str) -> Value {
        loop {
            if let Message::Text(text) = self.0.read().unwrap() {
                let message: Value = serde_json::from_str(&text).unwrap();
                if message["type"] == name {
                    return message;
                }
                assert_ne!(message["type"], "error", "{message}");
            }
        }
    }
}

/// A secret that a message tells.
fn told(message: &Value) -> Vec<u8> {
    message.as_str().unwrap_or_else(|| panic!("no secret: {message}")).as_bytes().to_vec()
}

/// What the programs have left behind: logs, what they printed, and recordings.
fn kept(folder: &Folder, endings: Vec<(&str, Ending)>, served: Ending) -> Vec<(String, Vec<u8>)> {
    assert!(served.errors.contains("lobby opened"), "the server has a log: {served:?}");
    let mut shown = Vec::new();
    for (name, ending) in &endings {
        assert!(ending.errors.contains("DEBUG"), "{name} has a log: {ending:?}");
        shown.push((format!("recording of {name}"), std::fs::read(folder.path(name)).unwrap_or_default()));
    }
    assert!(shown.iter().filter(|(_, bytes)| !bytes.is_empty()).count() >= 4, "they have recorded");
    for (name, Ending { said, errors, .. }) in endings.into_iter().chain([("server", served)]) {
        shown.push((format!("output of {name}"), said.join("\n").into_bytes()));
        shown.push((format!("log of {name}"), errors.into_bytes()));
    }
    shown
}

/// Looks for what was planted and for what was made at run time, as the wire has told it. The two messages tell some of
/// it to a client of our own.
fn everything_secret(folder: &Folder, talks: &[Talk], joined: &Value, named: &Value) -> Search {
    let learn = |of: fn(&[u8]) -> BTreeSet<Vec<u8>>| -> BTreeSet<Vec<u8>> {
        talks.iter().flat_map(|talk| of(&talk.answer())).collect()
    };
    let (tokens, credentials) = (learn(search::tokens), learn(search::credentials));
    let passwords = learn(search::ice_passwords);
    // What is learned from the wire is what clients are told.
    assert!(tokens.contains(&told(&joined["token"])) && tokens.contains(&told(&joined["relay_token"])));
    assert!(credentials.contains(&told(&named["servers"][0]["credential"])));
    assert!(tokens.len() >= 16 && credentials.len() >= 4 && passwords.len() >= 2, "too few were learned");

    let mut search = Search::default();
    search.add("the TURN server's secret", TURN_SECRET.as_bytes());
    search.add("the lobby's password", PASSWORD.as_bytes());
    search.add("a wrong password", WRONG.as_bytes());
    search.add("the token for making lobbies", CREATE.as_bytes());
    search.add("a player's own TURN password", TURN_PASSWORD.as_bytes());
    search.add("the server's key", &std::fs::read(folder.path("server.key")).unwrap());
    for (name, learned) in [("a token", tokens), ("a TURN credential", credentials), ("an ICE password", passwords)] {
        learned.iter().for_each(|secret| search.add(name, secret));
    }
    search
}

#[test]
fn no_secret_is_shown_anywhere() {
    let folder = Folder::new("canaries");
    let file = |name: &str| folder.path(name).to_str().expect("a plain path").to_owned();
    let turn = TurnServer::start(None);
    let url = format!("turn:127.0.0.1:{}?transport=tcp", turn.port);
    let server = server(&url, &file("server.key"));
    let proxy = Proxy::to(&server.address);
    let target = proxy.target("canaries");
    let known = ["--turn", &url, "--turn-user", USER, "--turn-password-env", "CANARY_TURN_PASSWORD"];
    let join = |name: &str, password: &str, more: &[&str]| {
        let record = file(name);
        let args = ["join", &target, "--name", name, "--json", "--password-env", password, "--record", &record];
        Program::start_with(&[&args[..], more].concat(), ENVIRONMENT)
    };
    let mut ann = join("ann", "CANARY_PASSWORD", &[&["--create", "--token-env", "CANARY_CREATE"], &known[..]].concat());
    ann.wait_for("joined");
    let refused = join("eve", "CANARY_WRONG", &[]).end();
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let mut bob = join("bob", "CANARY_PASSWORD", &[&known[..], &["--log-json"]].concat());
    bob.wait_for("joined");
    let mut cec = join("cec", "CANARY_PASSWORD", &[]);
    cec.wait_for("joined");
    let mut dan = join("dan", "CANARY_PASSWORD", &["--spectator"]);
    dan.wait_for("joined");
    for player in [&mut bob, &mut cec] {
        player.ever("path", |path| path["state"] == "usable" && path["path"] != "relay");
    }
    for player in [&mut ann, &mut bob, &mut cec] {
        player.ever("view", |view| view["voters"] == json!([1, 2, 3]));
    }
    ann.say("before");
    for player in [&mut ann, &mut bob, &mut cec] {
        player.ever_hears("before");
    }
    let (mut own, joined) = Own::join(proxy.address());
    let named = own.hear("ice_servers");
    let port: SocketAddr = server.address.parse().unwrap();
    let pages = |when: &str| -> Vec<(String, Vec<u8>)> {
        PAGES.iter().map(|path| (format!("{path} {when}"), page(port, path))).collect()
    };
    let mut shown = pages("in the middle");

    // All connections break; the players come back with their tokens. Then their host dies.
    proxy.cut();
    proxy.old_ends().close();
    for player in [&mut ann, &mut bob, &mut cec] {
        player.wait_for("reconnecting");
    }
    proxy.mend();
    for player in [&mut ann, &mut bob, &mut cec] {
        player.ever("joined", |joined| joined["resume"] == true);
    }
    ann.kill();
    for player in [&mut bob, &mut cec] {
        player.ever("host_changed", |changed| changed["host"] != 1);
        player.say("after");
    }
    bob.ever_hears("after");
    shown.extend(pages("at the end"));

    server.program.signal("-TERM");
    let endings =
        [("ann", ann.end()), ("eve", refused), ("bob", bob.finish()), ("cec", cec.finish()), ("dan", dan.finish())];
    shown.extend(kept(&folder, endings.into(), server.program.end()));
    let talks = proxy.talks();
    shown.extend(talks.iter().enumerate().map(|(number, talk)| (format!("request {number}"), talk.head())));

    let search = everything_secret(&folder, &talks, &joined, &named);
    let found: Vec<String> = shown
        .iter()
        .flat_map(|(name, bytes)| search.found_in(bytes).into_iter().map(move |secret| format!("{name}: {secret}")))
        .collect();
    assert!(found.is_empty(), "secrets are shown:\n{}", found.join("\n"));
}
