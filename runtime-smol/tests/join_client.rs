//! The client of the library against a server that is played here: what it does with streams, time and queues.

#[cfg(test)]
mod played {
    use async_tungstenite::tungstenite::handshake::server::{Request, Response};
    use async_tungstenite::tungstenite::protocol::CloseFrame;
    use async_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
    use async_tungstenite::tungstenite::{Message, WebSocket, accept_hdr};
    use futures_lite::future::block_on;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;
    use webstar_core::id::{Incarnation, PlayerId};
    use webstar_core::peer::{Channel, Destination, Ended, PeerEvent, SendError};
    use webstar_core::wire::signal::{
        BroadcastData, ClientMessage, Data, Encoding, Epoch, Frame, LobbyInfo, LobbyJoined, LobbyName, Metadata,
        PlayerEntry, Role, ServerMessage, SessionKey, Version, Welcome, decode_client, encode_server,
    };
    use webstar_core::wire::view::{Certified, Proof, SigningKey, StarId, Statement, View, Voter};
    use webstar_smol::client::{Client, JoinError, Options};

    type Connection = WebSocket<TcpStream>;

    /// Plays a server, one connection after the other.
    fn serve(play: impl Fn(Connection) + Send + 'static) -> Options {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                #[expect(clippy::result_large_err, reason = "the library's own type")]
                let greet = |request: &Request, mut response: Response| {
                    let name = request.headers()["Sec-WebSocket-Protocol"].clone();
                    response.headers_mut().insert("Sec-WebSocket-Protocol", name);
                    Ok(response)
                };
                play(accept_hdr(stream.unwrap(), greet).unwrap());
            }
        });
        Options::to(&format!("webstar://{address}/room")).unwrap()
    }

    fn say(connection: &mut Connection, message: &ServerMessage) {
        let Frame::Binary(bytes) = encode_server(Encoding::Postcard, message) else { panic!("postcard is binary") };
        connection.send(Message::Binary(bytes)).unwrap();
    }

    fn hear(connection: &mut Connection) -> Option<ClientMessage> {
        loop {
            match connection.read() {
                Ok(Message::Binary(bytes)) => {
                    if let Ok(message) = decode_client(Encoding::Postcard, &Frame::Binary(bytes)) {
                        return Some(message);
                    }
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
    }

    /// A lone player and host.
    fn let_in(connection: &mut Connection) {
        let Some(ClientMessage::Hello(hello)) = hear(connection) else { panic!("no hello") };
        say(connection, &ServerMessage::Welcome(Welcome { version: Version::CURRENT }));
        let Some(ClientMessage::JoinLobby(join)) = hear(connection) else { panic!("no join") };
        let epoch = Epoch { term: 1, round: 0 };
        let key = hello.key.expect("a player has a key");
        let voters = vec![Voter { player: PlayerId(1), incarnation: Incarnation(0), key }];
        let base = Epoch::default();
        let view = View { epoch, base, since: epoch, cause: None, host: PlayerId(1), backups: Vec::new(), voters };
        let server = SigningKey::from_seed(&[7; 32]);
        let proof = Proof::Server(Statement::InForce.sign(&server, StarId(0), &view));
        let player = PlayerEntry {
            player_id: PlayerId(1),
            username: join.username,
            role: Role::Player,
            ready: false,
            connected: true,
            hidden: false,
            peer_id: None,
            incarnation: Incarnation(0),
            session: SessionKey(7),
            version: Version::CURRENT,
            key: Some(key),
        };
        let lobby = LobbyInfo {
            lobby_id: LobbyName::new("room").unwrap(),
            public: false,
            locked: false,
            started: false,
            has_password: false,
            max_players: 16,
            metadata: Metadata::default(),
        };
        let joined = LobbyJoined {
            player_id: PlayerId(1),
            player_list: vec![player],
            host_id: Some(PlayerId(1)),
            epoch,
            lobby,
            resumed: false,
            token: None,
            resume_ms: 0,
            relay_token: None,
            star: StarId(0),
            server_key: server.public(),
            view: Some(Certified { view, proof }),
        };
        say(connection, &ServerMessage::LobbyJoined(Box::new(joined)));
    }

    /// Long, so that few of them fill the pipe.
    fn text(number: usize) -> String {
        format!("{number:01000}")
    }

    fn data(number: usize) -> ServerMessage {
        let data = Data::of_bytes(text(number).as_bytes());
        ServerMessage::BroadcastData(BroadcastData { from_player: PlayerId(0), data })
    }

    /// Until the client is gone.
    fn listen(connection: &mut Connection) {
        while let Some(message) = hear(connection) {
            if message == ClientMessage::LeaveLobby {
                say(connection, &ServerMessage::LobbyLeft);
            }
        }
    }

    #[test]
    fn a_lone_player_hears_itself_by_handler_and_by_event() {
        let options = serve(|mut connection| {
            let_in(&mut connection);
            listen(&mut connection);
        });
        block_on(async {
            let client = Client::join_with(options.name("ann").unwrap()).await.unwrap();
            assert!(matches!(client.next_event().await, Some(PeerEvent::Joined { .. })));
            let (heard, numbers) = async_channel::unbounded();
            let echo = client.clone();
            client.on("number", move |from, number: u32| {
                heard.try_send((from, number)).unwrap();
                echo.send(&Destination::All, Channel::Ordered, "echo", number.to_string()).unwrap();
            });
            client.send_as("number", &7_u32).unwrap();
            assert_eq!(numbers.recv().await, Ok((PlayerId(1), 7)));
            // What is no number is not lost.
            client.send(&Destination::All, Channel::Ordered, "number", "").unwrap();
            let mut kinds = Vec::new();
            while kinds.len() < 2 {
                if let Some(PeerEvent::Message(message)) = client.next_event().await {
                    kinds.push((message.kind.as_str().to_owned(), message.payload));
                }
            }
            kinds.sort();
            assert_eq!(kinds, [("echo".into(), "7".into()), ("number".into(), "".into())]);
            assert_eq!(client.leave().await, Ended::Left);
            assert_eq!(client.send(&Destination::All, Channel::Ordered, "number", "").err(), Some(SendError::Ended));
        });
    }

    #[test]
    fn who_does_not_read_slows_the_server_down_and_loses_nothing() {
        const COUNT: usize = 20_000;
        let said = Arc::new(AtomicUsize::new(0));
        let counter = said.clone();
        let mut options = serve(move |mut connection| {
            let_in(&mut connection);
            for number in 0..COUNT {
                say(&mut connection, &data(number));
                counter.store(number + 1, Ordering::Relaxed);
            }
            listen(&mut connection);
        });
        options.event_queue = 8;
        block_on(async {
            let client = Client::join_with(options).await.unwrap();
            // It is held up when its count stands still.
            let mut last = 0;
            loop {
                thread::sleep(Duration::from_millis(500));
                let count = said.load(Ordering::Relaxed);
                if count == last {
                    break;
                }
                last = count;
            }
            assert!((1..COUNT).contains(&last), "{last} of {COUNT}");
            assert!(matches!(client.try_next_event(), Some(PeerEvent::Joined { .. })));
            assert!(matches!(client.try_next_event(), Some(PeerEvent::Started { .. })));
            assert!(matches!(client.try_next_event(), Some(PeerEvent::ViewChanged { .. })));
            for number in 0..COUNT {
                let event = client.next_event().await;
                let Some(PeerEvent::ServerData(data)) = event else { panic!("{number}: {event:?}") };
                assert_eq!(data.to_bytes(), text(number));
            }
            assert_eq!(client.leave().await, Ended::Left);
        });
    }

    #[test]
    fn who_leaves_without_reading_leaves() {
        let mut options = serve(|mut connection| {
            let_in(&mut connection);
            for number in 0..1000 {
                say(&mut connection, &data(number));
            }
            listen(&mut connection);
        });
        options.event_queue = 2;
        let client = block_on(Client::join_with(options)).unwrap();
        assert_eq!(block_on(client.leave()), Ended::Left);
    }

    #[test]
    fn the_last_handle_that_is_dropped_leaves() {
        let (told, left) = std::sync::mpsc::channel();
        let options = serve(move |mut connection| {
            let_in(&mut connection);
            while let Some(message) = hear(&mut connection) {
                if message == ClientMessage::LeaveLobby {
                    told.send(true).unwrap();
                }
            }
        });
        let client = block_on(Client::join_with(options)).unwrap();
        let other = client.clone();
        drop(client);
        drop(other);
        assert_eq!(left.recv_timeout(Duration::from_secs(30)), Ok(true));
    }

    #[test]
    fn what_the_server_says_in_its_close_frame_is_told() {
        let options = serve(|mut connection| {
            let_in(&mut connection);
            let frame = CloseFrame { code: CloseCode::Normal, reason: "lobby_closed".into() };
            connection.close(Some(frame)).unwrap();
            while connection.read().is_ok() {}
        });
        let client = Client::start(options).unwrap();
        let ended = block_on(async {
            loop {
                if let Some(PeerEvent::Closed(ended)) = client.next_event().await {
                    break ended;
                }
            }
        });
        assert!(matches!(ended, Ended::PutOut(_)), "{ended:?}");
        assert_eq!(block_on(client.next_event()), None);
    }

    #[test]
    fn a_join_that_comes_to_nothing_is_an_error() {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        match block_on(Client::join(&format!("webstar://{free}/room"))) {
            Err(JoinError::Ended(Ended::Unreachable { why })) => assert!(why.contains(&free.to_string()), "{why}"),
            other => panic!("{other:?}"),
        }
        assert!(matches!(block_on(Client::join("webstar://")), Err(JoinError::Start(_))));
    }
}
