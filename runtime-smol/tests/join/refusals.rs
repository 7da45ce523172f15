//! What cannot be: one clear line that says what to do, and the right exit code.

use crate::stage::{Program, Server};
use async_tungstenite::tungstenite::handshake::server::{Request, Response};
use async_tungstenite::tungstenite::{Message, accept_hdr};
use std::net::{TcpListener, TcpStream};
use std::thread;
use webstar_core::wire::signal::{Encoding, ErrorCode, Frame, ServerError, ServerMessage, encode_server};

#[test]
fn usage_is_told() {
    let table: [(&[&str], &str); 16] = [
        (&["join", "webstar://localhost:x/room"], "the port `x` is none"),
        (&["join", "webstar://localhost:1"], "the lobby is missing"),
        (&["join", "webstar://h:1/room", "--server", "ws://h:2/ws"], "leave --server out"),
        (&["join", "room", "--server", "localhost:1"], "the scheme is missing"),
        (&["join", "room", "--public"], "add --create"),
        (&["join", "new", "--max", "1"], "2 to 64"),
        (&["join", "new", "--name", ""], "a player's name must be 1 to 64 characters"),
        (&["join", "new", "--peer-id", "an n"], "a peer id must be"),
        (&["join", "new", "--password-env", "SURELY_NOT_SET"], "SURELY_NOT_SET is not set"),
        (&["join", "new", "--stats", "1ms"], "at most every 10ms"),
        (&["join", "new", "--upload", "3999"], "upload must be at least 4000 bytes a second"),
        (&["join", "new", "--priority", "a=low", "--priority", "a=high"], "a kind stands there twice"),
        (&["lobbies", "localhost"], "the scheme is missing"),
        (&["load", "ws://localhost", "--lobbies", "0"], "--lobbies is at least 1"),
        (&["load", "ws://localhost", "--size", "8"], "--size is at least 16"),
        (&["load", "ws://localhost", "--rate=-1"], "--rate"),
    ];
    for (args, words) in table {
        let ending = Program::start(args).finish();
        assert_eq!(ending.code, Some(2), "{args:?}: {ending:?}");
        assert!(ending.errors.contains(words), "{args:?}: {ending:?}");
    }
    for args in [
        ["join", "new", "--mode", "fast"],
        ["join", "new", "--net", "jitter=10"],
        ["join", "new", "--flood", "1:2"],
        ["join", "new", "--channel", "fast"],
        ["join", "new", "--stats", "1"],
        ["join", "new", "--meta", "region"],
        ["join", "new", "--priority", "chat=critical"],
    ] {
        let ending = Program::start(&args).finish();
        assert_eq!(ending.code, Some(2), "{args:?}: {ending:?}");
        assert!(ending.errors.contains(args[3]), "{args:?}: {ending:?}");
    }
}

#[test]
fn the_log_tells_what_the_server_says_and_no_secret() {
    let server = Server::start();
    let url = server.url();
    let args = ["join", "den", "--create", "--password-env", "PW", "--server", &url, "--log-json"];
    let ending = Program::start_with(&args, &[("PW", "canary-word"), ("RUST_LOG", "debug")]).finish();
    assert_eq!(ending.code, Some(0), "{ending:?}");
    let lines: Vec<serde_json::Value> =
        ending.errors.lines().map(|line| serde_json::from_str(line).expect("a line of the log is JSON")).collect();
    assert!(lines.iter().any(|line| line["fields"]["message"].as_str().is_some_and(|it| it.contains("lobby_joined"))));
    assert!(!ending.errors.contains("canary"), "{ending:?}");
}

#[test]
fn help_has_an_example() {
    for command in ["join", "lobbies", "load"] {
        let ending = Program::start(&[command, "--help"]).finish();
        assert_eq!(ending.code, Some(0));
        assert!(ending.said.iter().any(|line| line.starts_with("Example")), "{command}: {ending:?}");
    }
}

#[test]
fn an_unreachable_server_is_told() {
    // The port was free a moment ago, and nobody listens.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ending = Program::start(&["join", &format!("webstar://{free}/room")]).finish();
    ending.is_failure(
        4,
        &["unreachable", "cannot be reached", "Connection refused", "check the address and that it runs"],
    );
    let ending = Program::start(&["lobbies", &format!("ws://{free}")]).finish();
    ending.is_failure(4, &["cannot be reached", "Connection refused"]);
    let ending = Program::start(&["join", "webstar://surely.not.invalid:1/room"]).finish();
    ending.is_failure(4, &["unreachable", "surely.not.invalid is unknown"]);
}

#[test]
fn a_server_that_is_none_is_told() {
    use std::io::{Read, Write};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let ending = Program::start(&["join", &format!("webstar://{address}/room")]).finish();
    ending.is_failure(4, &["404 Not Found", "is it a WebStar server?"]);
}

#[test]
fn wrong_password_and_unknown_lobby_are_told_alike() {
    let server = Server::start();
    let target = server.target("room");
    let mut ann = Program::start_with(
        &["join", &target, "--create", "--password-env", "PASSWORD", "--json"],
        &[("PASSWORD", "open sesame")],
    );
    ann.wait_for("joined");
    let wrong = ["join", &target, "--password-env", "PASSWORD"];
    let wrong = Program::start_with(&wrong, &[("PASSWORD", "open barley")]).finish();
    wrong.is_failure(3, &["no_such_lobby_or_password", "check both, or create it"]);
    let unknown = Program::start(&["join", &server.target("nowhere")]).finish();
    assert_eq!((wrong.code, &wrong.errors), (unknown.code, &unknown.errors));
    let mut right =
        Program::start_with(&["join", &target, "--password-env", "PASSWORD", "--json"], &[("PASSWORD", "open sesame")]);
    right.wait_for("joined");
}

#[test]
fn a_full_lobby_is_told() {
    let server = Server::start();
    let _ann = Program::join(&server, "room", "ann", &["--max", "2", "--public"]);
    let _bob = Program::join(&server, "room", "bob", &[]);
    let ending = Program::start(&["join", &server.target("room"), "--json"]).finish();
    ending.is_failure(3, &["lobby_full", "wait for a free place or join another"]);
    let events = ending.events();
    let [.., error, closed] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&error["event"], &error["code"]), (&"error".into(), &"lobby_full".into()));
    assert_eq!((&closed["event"], &closed["reason"]), (&"closed".into(), &"lobby_full".into()));
}

#[test]
fn a_taken_port_is_told() {
    let server = Server::start();
    let ending = Program::start(&["serve", "--listen", &server.address]).finish();
    assert_ne!(ending.code, Some(0));
    assert!(ending.errors.contains(server.address.rsplit(':').next().unwrap()), "{ending:?}");
}

#[test]
fn admission_is_asked_for() {
    let server = Program::start_with(
        &["serve", "--listen", "127.0.0.1:0", "--json", "--create-token-env", "TOKEN"],
        &[("TOKEN", "let me in")],
    );
    let mut server = server;
    let listening = server.wait_for("listening");
    let target = format!("webstar://{}/room", listening["addr"].as_str().unwrap());
    let ending = Program::start(&["join", &target, "--create"]).finish();
    ending.is_failure(3, &["admission_refused", "ask its operator"]);
    let args = ["join", &target, "--create", "--token-env", "TOKEN"];
    assert_eq!(Program::start_with(&args, &[("TOKEN", "let me in")]).finish().code, Some(0));
}

/// A server that refuses whatever it is told first.
fn refusing(code: ErrorCode) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            refuse(stream.unwrap(), code);
        }
    });
    address.to_string()
}

fn refuse(stream: TcpStream, code: ErrorCode) {
    let mut encoding = None;
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let greet = |request: &Request, mut response: Response| {
        let name = request.headers()["Sec-WebSocket-Protocol"].clone();
        encoding = Encoding::of_subprotocol(name.to_str().unwrap());
        response.headers_mut().insert("Sec-WebSocket-Protocol", name);
        Ok(response)
    };
    let mut web_socket = accept_hdr(stream, greet).unwrap();
    let _ = web_socket.read();
    let error = ServerError { code, message: code.to_string(), request: 0 };
    let message = match encode_server(encoding.unwrap(), &ServerMessage::Error(error)) {
        Frame::Text(text) => Message::Text(text.try_into().unwrap()),
        Frame::Binary(bytes) => Message::Binary(bytes),
    };
    web_socket.send(message).unwrap();
    while web_socket.read().is_ok() {}
}

#[test]
fn a_server_of_another_age_is_told() {
    let address = refusing(ErrorCode::UnsupportedVersion);
    let ending = Program::start(&["join", &format!("webstar://{address}/room")]).finish();
    ending.is_failure(3, &["unsupported_version", "install a release of WebStar that does"]);
}
