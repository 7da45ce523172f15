//! WebSockets: how they are opened, passed between shards, and closed.

use crate::clients::{Guest, connect, get, server};
use async_tungstenite::tungstenite::Message;
use async_tungstenite::tungstenite::protocol::CloseFrame;
use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use futures_lite::future::block_on;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use webstar_core::server::ServerEvent;
use webstar_core::wire::signal::{
    ClientMessage, Data, Encoding, Frame, Hello, ServerMessage, Version, decode_server, encode_client,
};
use webstar_smol::server::{BindError, Origin, Server, ServerOptions};

#[test]
fn the_subprotocol_chooses_the_encoding() {
    let server = server(|_| {});
    let address = server.local_addr();
    let (mut player, chosen) = Guest::with_protocol(address, Some("chat, webstar.postcard"));
    assert_eq!(chosen.as_deref(), Some("webstar.postcard"));
    let hello = ClientMessage::Hello(Hello { versions: vec![Version::CURRENT], key: None });
    player.0.send(Message::binary(encode_client(Encoding::Postcard, &hello).bytes().clone())).unwrap();
    let Message::Binary(answer) = player.0.read().unwrap() else { panic!("no binary frame") };
    let answer = decode_server(Encoding::Postcard, &Frame::Binary(answer)).unwrap();
    assert!(matches!(answer, ServerMessage::Welcome(welcome) if welcome.version == Version::CURRENT));
    let (mut player, chosen) = Guest::with_protocol(address, Some("webstar.json"));
    assert_eq!(chosen.as_deref(), Some("webstar.json"));
    player.say(&json!({"type": "hello", "versions": [2]}));
    assert_eq!(player.hear("welcome")["version"], 2);
    let (mut plain, chosen) = Guest::with_protocol(address, None);
    assert_eq!(chosen, None);
    plain.say(&json!({"type": "ping", "nonce": 7}));
    assert_eq!(plain.hear("pong")["nonce"], 7);
}

/// Connections are dealt out in turn, so of three that follow each other two are in different shards.
#[test]
fn clients_of_different_shards_meet_in_one_lobby() {
    let server = server(|_| {});
    let address = server.local_addr();
    let mut guests: Vec<_> = ["ann", "bob", "cec"].map(|name| Guest::join(address, "den", name)).into();
    let cec = guests[2].0.get_ref().local_addr().unwrap();
    assert_eq!(cec.ip(), address.ip());
    guests[0].say(&json!({"type": "broadcast_data", "data": "to all"}));
    for guest in &mut guests[1..] {
        let heard = guest.hear("broadcast_data");
        assert_eq!((&heard["from_player"], &heard["data"]), (&json!(1), &json!("to all")));
    }
    guests[2].say(&json!({"type": "relay_data", "to_player": 1, "data": "to one"}));
    let heard = guests[0].hear("relay_data");
    assert_eq!((&heard["from_player"], &heard["data"]), (&json!(3), &json!("to one")));
    let stats = server.stats();
    assert_eq!((stats.connections, stats.lobbies, stats.players, stats.joins), (3, 1, 3, 3));
}

#[test]
fn a_close_frame_is_answered_and_a_ping_too() {
    let server = server(|_| {});
    let mut guest = Guest::connect(server.local_addr());
    guest.0.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(guest.0.read().unwrap(), Message::Pong("are you there".into()));
    guest.0.close(Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() })).unwrap();
    assert_eq!(guest.closed(), Some((1000, "bye".into())));
    while server.stats().connections > 0 {}
}

#[test]
fn the_application_speaks_and_listens() {
    let server = server(|_| {});
    let mut guests = ["one", "two"].map(|lobby| Guest::join(server.local_addr(), lobby, "ann"));
    let opened = block_on(server.next_event()).unwrap();
    assert!(matches!(opened, ServerEvent::LobbyOpened { lobby } if lobby.as_str() == "one"));
    guests[1].say(&json!({"type": "relay_data", "to_player": 0, "data": {"want": "news"}}));
    let asked = block_on(server.next_client_message()).unwrap();
    assert_eq!((asked.lobby.as_str(), asked.player.0), ("two", 1));
    block_on(server.send_to_all(Data::of_bytes(b"news")));
    let [one, two] = guests.each_mut().map(|guest| guest.hear("broadcast_data"));
    assert_eq!(one, two);
    assert_eq!(one["from_player"], 0);
}

#[test]
fn closing_tells_the_clients_and_frees_the_port() {
    let server = server(|_| {});
    let address = server.local_addr();
    let mut guest = Guest::join(address, "den", "ann");
    let telling = std::thread::spawn(move || {
        guest.hear("closing");
        guest.closed()
    });
    block_on(server.close());
    assert_eq!(telling.join().unwrap(), Some((1001, "shutting_down".into())));
    assert!(!server.status().server_running);
    assert!(block_on(server.next_client_message()).is_none());
    let again = Server::bind(ServerOptions { listen: address, ..ServerOptions::default() }).unwrap();
    assert_eq!(get(again.local_addr(), "/healthz").0, 200);
}

#[test]
fn a_taken_port_is_told_or_passed_over() {
    let first = server(|_| {});
    let listen = first.local_addr();
    let taken = Server::bind(ServerOptions { listen, ..ServerOptions::default() }).unwrap_err();
    assert!(matches!(taken, BindError::Taken(address) if address == listen), "{taken}");
    let second = Server::bind(ServerOptions { listen, port_fallback: 20, ..ServerOptions::default() }).unwrap();
    assert!((1..=20).contains(&(second.local_addr().port() - listen.port())));
}

#[test]
fn only_pages_of_listed_origins_may_connect_and_read() {
    let server =
        server(|options| options.allowed_origins = vec![Origin::try_from("https://game.example".to_owned()).unwrap()]);
    let head = |request: &str, origin: &str| {
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
        let mut stream = connect(server.local_addr());
        let request = format!("{request} HTTP/1.1\r\nOrigin: {origin}\r\n{upgrade}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let lines = BufReader::new(stream).lines().map(|line| line.unwrap());
        lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>()
    };
    for (request, status) in
        [("GET /ws", 101), ("GET /api/status", 200), ("OPTIONS /api/status", 204), ("OPTIONS /ws", 204)]
    {
        let allowed = head(request, "https://game.example");
        assert!(allowed[0].contains(&format!(" {status} ")), "{allowed:?}");
        let is_there = |line: &str| allowed.iter().any(|other| other == line);
        if status != 101 {
            assert!(
                is_there("Access-Control-Allow-Origin: https://game.example") && is_there("Vary: Origin"),
                "{allowed:?}"
            );
        }
        let refused = head(request, "https://other.example");
        assert!(refused[0].contains(" 403 ") && !refused.concat().contains("Access-Control"), "{refused:?}");
    }
    assert!(head("GET /healthz", "https://other.example")[0].contains(" 200 "));
}
