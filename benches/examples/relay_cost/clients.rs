//! Clients that load a relay, the same for ours and the bare one but for the words with which they join and send.

use async_executor::LocalExecutor;
use async_io::{Async, Timer};
use async_tungstenite::tungstenite::{Bytes, Message, protocol::WebSocketConfig};
use async_tungstenite::{WebSocketStream, client_async_with_config};
use futures_lite::StreamExt;
use futures_util::SinkExt;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use webstar_core::id::PlayerId;
use webstar_core::wire::relay;
use webstar_core::wire::signal::{
    BroadcastData, ClientMessage, CreateLobby, Data, Encoding, Frame, Hello, JoinLobby, LobbyName, ServerMessage,
    Username, Version, decode_server, encode_client,
};

/// How a relay wants to be spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Bare,
    WebStar,
}

/// Whom a message is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The next member of the lobby.
    One,
    /// The other seven.
    All,
}

const MESSAGE: [u8; 64] = [0x5a; 64];

struct Client {
    socket: WebSocketStream<Async<TcpStream>>,
    /// Its number in the lobby, from 1.
    number: u32,
}

/// All the clients of a run, by lobby.
pub(crate) struct Clients {
    dialect: Dialect,
    clients: Vec<Client>,
}

impl Clients {
    /// Fills so many lobbies with 8 each, one client after the other.
    pub(crate) fn join(address: SocketAddr, dialect: Dialect, lobbies: usize) -> Self {
        async_io::block_on(async {
            let mut clients = Vec::new();
            for lobby in 0..lobbies {
                let first = clients.len();
                for number in 1..=8 {
                    let mut client = Client { socket: connect(address).await, number };
                    client.enter(dialect, lobby).await;
                    clients.push(client);
                    // Everybody hears of it before the next comes.
                    let others = first..clients.len() - 1;
                    for client in &mut clients[others] {
                        client.receive_until(|frame| is_roster(dialect, frame)).await;
                    }
                }
            }
            Clients { dialect, clients }
        })
    }

    /// Everybody sends a batch, waits until as many have come as it must get, and begins anew. Returns how many messages
    /// were delivered.
    pub(crate) fn busy(&mut self, shape: Shape, rounds: usize, batch: usize) -> usize {
        self.each(shape, &async move |client: &mut Client, frame: Bytes, fan: usize| {
            for _ in 0..rounds {
                client.exchange(&frame, batch, batch * fan).await;
            }
            rounds * batch * fan
        })
    }

    /// Everybody sends a message 20 times a second. Returns how many were delivered.
    pub(crate) fn at_20_hz(&mut self, shape: Shape, lasting: Duration) -> usize {
        let rounds = lasting.as_millis() as usize / 50;
        let start = Instant::now() + Duration::from_millis(100);
        self.each(shape, &async move |client: &mut Client, frame: Bytes, fan: usize| {
            // Each has its own moment within the 50 ms.
            let phase = Duration::from_micros(u64::from(client.number) * 6_250);
            for round in 0..rounds {
                Timer::at(start + phase + Duration::from_millis(50) * round as u32).await;
                client.exchange(&frame, 1, fan).await;
            }
            rounds * fan
        })
    }

    fn each(&mut self, shape: Shape, work: &impl AsyncFn(&mut Client, Bytes, usize) -> usize) -> usize {
        let dialect = self.dialect;
        let executor = LocalExecutor::new();
        let tasks: Vec<_> = self
            .clients
            .iter_mut()
            .map(|client| {
                let (frame, fan) = (client.frame(dialect, shape), if shape == Shape::One { 1 } else { 7 });
                executor.spawn(async move { work(client, frame, fan).await })
            })
            .collect();
        async_io::block_on(executor.run(async {
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            sum
        }))
    }
}

impl Client {
    async fn enter(&mut self, dialect: Dialect, lobby: usize) {
        let lobby_id = LobbyName::new(format!("lobby-{lobby}")).expect("a good name");
        let username = Username::new("load").expect("a good name");
        match dialect {
            Dialect::Bare => {
                let name = u16::try_from(lobby).expect("few lobbies").to_le_bytes();
                self.socket.send(Message::Binary(Bytes::copy_from_slice(&name))).await.expect("the server takes it");
            }
            Dialect::WebStar => {
                self.say(&ClientMessage::Hello(Hello { versions: vec![Version::CURRENT], key: None })).await;
                let join = JoinLobby {
                    lobby_id: Some(lobby_id),
                    username,
                    password: None,
                    create: Some(CreateLobby::default()),
                    spectator: false,
                    peer: None,
                    admission: None,
                };
                self.say(&ClientMessage::JoinLobby(join)).await;
            }
        }
        self.receive_until(|frame| is_entry(dialect, frame)).await;
    }

    async fn say(&mut self, message: &ClientMessage) {
        let frame = encode_client(Encoding::Postcard, message);
        self.socket.send(Message::Binary(frame.bytes().clone())).await.expect("the server takes it");
    }

    /// The frame of a message.
    fn frame(&self, dialect: Dialect, shape: Shape) -> Bytes {
        let mut frame = Vec::new();
        match (dialect, shape) {
            (_, Shape::One) => relay::begin(PlayerId(self.number % 8 + 1), &mut frame),
            (Dialect::Bare, Shape::All) => frame.extend([2, 0]),
            (Dialect::WebStar, Shape::All) => {
                // As a text of the same length.
                let data = Data::of_bytes(&MESSAGE);
                let message = ClientMessage::BroadcastData(BroadcastData { from_player: PlayerId(0), data });
                return encode_client(Encoding::Postcard, &message).bytes().clone();
            }
        }
        frame.extend(MESSAGE);
        frame.into()
    }

    /// Sends so many and takes so many.
    async fn exchange(&mut self, frame: &Bytes, send: usize, take: usize) {
        for _ in 0..send {
            self.socket.feed(Message::Binary(frame.clone())).await.expect("the server takes it");
        }
        self.socket.flush().await.expect("the server takes it");
        for _ in 0..take {
            self.next().await;
        }
    }

    async fn receive_until(&mut self, is_it: impl Fn(&Bytes) -> bool) {
        while !is_it(&self.next().await) {}
    }

    async fn next(&mut self) -> Bytes {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Binary(frame))) => return frame,
                Some(Ok(_)) => {}
                other => panic!("the server has closed: {other:?}"),
            }
        }
    }
}

async fn connect(address: SocketAddr) -> WebSocketStream<Async<TcpStream>> {
    let socket = Async::<TcpStream>::connect(address).await.expect("the server listens");
    socket.get_ref().set_nodelay(true).expect("a socket has that option");
    let config = WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(4096);
    let connected = client_async_with_config(format!("ws://{address}/ws"), socket, Some(config)).await;
    connected.expect("the server speaks WebSocket").0
}

/// Whether a frame tells that we are in.
fn is_entry(dialect: Dialect, frame: &Bytes) -> bool {
    dialect == Dialect::Bare || matches!(told(frame), Some(ServerMessage::LobbyJoined(_)))
}

/// Whether a frame tells who is there.
fn is_roster(dialect: Dialect, frame: &Bytes) -> bool {
    dialect == Dialect::Bare || matches!(told(frame), Some(ServerMessage::PlayerListUpdated(_)))
}

fn told(frame: &Bytes) -> Option<ServerMessage> {
    decode_server(Encoding::Postcard, &Frame::Binary(frame.clone())).ok()
}
