//! A lobby server against a script: connections that come and go, frames of every kind from all of them, answers at any
//! time and in any order, tokens copied from one to another. It never panics, comes to rest after every input, sends only
//! where a connection is, and holds only so much for those who do not read.

use super::script::{Script, within_time};
use super::shown::{Shown, key};
use core::net::{IpAddr, Ipv4Addr};
use std::collections::{BTreeMap, VecDeque};
use webstar_core::id::{AskId, ConnectionId, PlayerId, ShardId};
use webstar_core::server::directory::Table;
use webstar_core::server::{
    Answer, Arrival, Ask, DirectoryAnswer, Endpoint, Identity, Input, InputError, Output, Server, ServerConfig,
};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::relay;
use webstar_core::wire::signal::{
    BroadcastData, ClientMessage, CreateLobby, Data, Encoding, Frame, Hello, JoinLobby, Kick, LobbyName, Lock, Ping,
    Ready, RelayData, RequestHostMigration, Resume, Secret, ServerMessage, StartGame, Username, Version, decode_server,
    encode_client,
};

/// Outputs a server may have for one input.
const MOST_OUTPUTS: usize = 65_536;
/// Times a server may be called again at one moment.
const MOST_ROUNDS: usize = 64;
/// Connections that a script can name.
const CONNECTIONS: u32 = 12;

struct World {
    server: Server,
    config: ServerConfig,
    table: Table,
    /// Encoding of the open connections, and the bytes that they have not written.
    open: BTreeMap<ConnectionId, (Encoding, usize)>,
    asks: VecDeque<(AskId, Ask)>,
    tokens: Vec<Secret>,
    shown: Shown,
}

/// A server and what a script does to it.
pub fn server_frames(data: &[u8]) {
    let mut script = Script::new(data);
    let config = config(&mut script);
    let identity = Identity { shard: ShardId(0), shards: 1, key: [7; 32], process: 0 };
    let server = Server::new(config.clone(), identity, [3; 32], Instant::ZERO).expect("the settings are good");
    let mut world = World {
        server,
        config,
        table: Table::new(),
        open: BTreeMap::new(),
        asks: VecDeque::new(),
        tokens: Vec::new(),
        shown: Shown::default(),
    };
    let mut now = Instant::ZERO;
    world.tell(now, Input::WallClock { unix: Duration::from_secs(1_700_000_000) });
    while !script.is_over() {
        let what = script.byte();
        let connection = ConnectionId(u32::from(script.byte()) % CONNECTIONS);
        match what {
            0..30 => {
                now = within_time(now + Duration::from_millis(script.scaled() % 100_000));
                world.tell(now, Input::Timeout);
            }
            30..70 => {
                let encoding = script.pick(&[Encoding::Json, Encoding::Postcard]);
                world.connect(now, connection, encoding, script.byte());
            }
            70..90 => world.tell(now, Input::Closed { connection }),
            90..190 => {
                let frame = world.frame(&mut script, connection);
                world.tell(now, Input::Frame { connection, frame });
            }
            190..215 => {
                let bytes = usize::try_from(script.scaled()).unwrap_or(usize::MAX);
                let given = world.open.get(&connection).map_or(0, |open| open.1);
                world.tell(now, Input::Wrote { connection, bytes: if script.flag() { given } else { bytes } });
            }
            215..240 => world.answer(now, &mut script),
            240..246 => world.tell(now, Input::Control { connection }),
            246..250 => world.tell(now, Input::WallClock { unix: Duration::from_secs(script.scaled() >> 8) }),
            250..253 => world.tell(now, Input::SendToAll { data: Data::of_bytes(script.take(20)) }),
            253 => world.restart(now, script.byte()),
            _ => world.tell(now, Input::ShutDown { within: Duration::from_millis(script.scaled() % 10_000) }),
        }
    }
}

fn config(script: &mut Script<'_>) -> ServerConfig {
    let mut config = ServerConfig::default();
    if script.flag() {
        config.queue = 66_000;
        config.window = 1_000;
        config.max_connections = 6;
        config.max_lobbies = 2;
        config.password_workers = 1;
        config.password_queue = 1;
        config.ask_admission = true;
    }
    config
}

impl World {
    /// The server loses its memory, and all connections break.
    fn restart(&mut self, now: Instant, seed: u8) {
        let identity = Identity { shard: ShardId(0), shards: 1, key: [7; 32], process: 1 + u64::from(seed) };
        self.server = Server::new(self.config.clone(), identity, [seed; 32], now).expect("the settings are good");
        self.table = Table::new();
        self.open.clear();
        self.asks.clear();
        self.tell(now, Input::WallClock { unix: Duration::from_secs(1_700_000_000) });
    }

    fn connect(&mut self, now: Instant, connection: ConnectionId, encoding: Encoding, from: u8) {
        let is_taken = self.open.contains_key(&connection);
        if !is_taken {
            self.open.insert(connection, (encoding, 0));
        }
        let arrival = Arrival {
            address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, from & 3)),
            endpoint: if from & 0x10 == 0 { Endpoint::Lobby } else { Endpoint::Relay },
            encoding: (from & 0x20 == 0).then_some(encoding),
        };
        self.tell(now, Input::Connected { connection, arrival });
    }

    /// Tells the server something and follows the law until it rests.
    fn tell(&mut self, now: Instant, input: Input) {
        let closed = match &input {
            Input::Closed { connection } => Some(*connection),
            _ => None,
        };
        if let Input::Wrote { connection, bytes } = &input
            && let Some(open) = self.open.get_mut(connection)
        {
            open.1 = if *bytes <= open.1 { open.1 - bytes } else { open.1 };
        }
        match self.server.handle(now, input) {
            Ok(()) => {}
            Err(InputError::NoSuchConnection(connection)) => assert!(!self.open.contains_key(&connection)),
            Err(InputError::ConnectionTaken(connection)) => assert!(self.open.contains_key(&connection)),
            Err(InputError::NoSuchAsk(_) | InputError::WroteTooMuch(_)) => {}
        }
        if let Some(closed) = closed {
            self.open.remove(&closed);
        }
        for _ in 0..MOST_ROUNDS {
            match self.drain() {
                Some(at) if at <= now => self.server.handle(now, Input::Timeout).expect("time is no misuse"),
                _ => return self.weigh(),
            }
        }
        panic!("does not come to rest at {now}");
    }

    fn drain(&mut self) -> Option<Instant> {
        for _ in 0..MOST_OUTPUTS {
            match self.server.poll() {
                Output::Timeout(next) => return next.map(|(at, _)| at),
                Output::Transmit { connection, frame } => {
                    let open = self.open.get_mut(&connection).expect("it sends where a connection is");
                    open.1 += frame.bytes().len();
                    let most = self.config.window + relay::MAX_FRAME;
                    assert!(open.1 <= most, "{} bytes are given out, {most} are allowed", open.1);
                    self.learn(&frame);
                }
                Output::Close { connection, .. } | Output::Move { connection, .. } => {
                    assert!(self.open.remove(&connection).is_some(), "it closes what is open");
                }
                Output::Ask { id, ask } => self.asks.push_back((id, ask)),
                Output::Event(_) => {}
            }
        }
        panic!("does not stop talking");
    }

    /// Tokens that were given to anybody are known to all.
    fn learn(&mut self, frame: &Frame) {
        let encoding = if matches!(frame, Frame::Text(_)) { Encoding::Json } else { Encoding::Postcard };
        let Ok(message) = decode_server(encoding, frame) else { return };
        if let ServerMessage::LobbyJoined(joined) = &message {
            self.tokens.extend(joined.token.clone());
            self.tokens.extend(joined.relay_token.clone());
        }
        self.shown.learn(message);
    }

    fn weigh(&self) {
        let stats = self.server.stats();
        let most = self.open.len() * (self.config.queue + 2 * relay::MAX_FRAME);
        assert!(stats.queued_bytes <= most as u64, "{} bytes wait, {most} are allowed", stats.queued_bytes);
        assert_eq!(stats.connections, self.open.len() as u64);
    }

    fn answer(&mut self, now: Instant, script: &mut Script<'_>) {
        let is_wrong = script.byte() > 230;
        let taken = if script.flag() { self.asks.pop_front() } else { self.asks.pop_back() };
        let Some((ask, question)) = taken else {
            let ask = AskId(script.scaled());
            return self.tell(now, Input::Answered { ask, answer: Answer::Admitted(true) });
        };
        let answer = match question {
            Ask::HashPassword { password, .. } => Answer::Hash([password.as_str().len() as u8; 32]),
            Ask::Admit { .. } => Answer::Admitted(script.byte() < 200),
            Ask::Directory(_) if script.byte() > 240 => Answer::Directory(DirectoryAnswer::Unavailable),
            Ask::Directory(question) => Answer::Directory(self.table.answer(ShardId(0), question)),
        };
        let answer = if is_wrong { Answer::Hash([0; 32]) } else { answer };
        self.tell(now, Input::Answered { ask, answer });
    }

    fn frame(&self, script: &mut Script<'_>, connection: ConnectionId) -> Frame {
        let encoding = self.open.get(&connection).map_or(Encoding::Json, |open| open.0);
        match script.byte() {
            0..30 => Frame::Text(script_bytes(script)),
            30..60 => Frame::Binary(script_bytes(script)),
            60..110 => {
                let mut frame = Vec::new();
                relay::begin(PlayerId(u32::from(script.byte() % 8) + 1), &mut frame);
                let length = usize::from(script.word());
                frame.resize(frame.len() + length.max(1), 0x55);
                Frame::Binary(frame.into())
            }
            _ => {
                let message = self.message(script);
                encode_client(encoding, &message)
            }
        }
    }

    fn message(&self, script: &mut Script<'_>) -> ClientMessage {
        let request = u32::from(script.byte());
        let player = PlayerId(u32::from(script.byte() % 8));
        if script.byte() > 170
            && let Some(message) = self.shown.message(script)
        {
            return message;
        }
        match script.byte() % 20 {
            0..3 => ClientMessage::Hello(Hello {
                versions: vec![Version(script.byte() % 4)],
                key: (script.byte() < 200).then(|| key(script).public()),
            }),
            3..8 => ClientMessage::JoinLobby(JoinLobby {
                lobby_id: (script.byte() < 240).then(|| lobby(script)),
                username: Username::new("somebody").expect("it is plain"),
                password: script.flag().then(|| Secret::new("secret").expect("it is short")),
                create: script.flag().then(CreateLobby::default),
                spectator: script.byte() > 200,
                peer: None,
                admission: None,
            }),
            8 => ClientMessage::LeaveLobby,
            9 | 10 => ClientMessage::Resume(Resume {
                lobby_id: lobby(script),
                token: self.token(script),
                fresh: script.flag(),
                restore: if script.flag() { self.shown.restore(script) } else { None },
            }),
            11 => ClientMessage::Ready(Ready { ready: script.flag(), request }),
            12 => ClientMessage::StartGame(StartGame { request }),
            13 => ClientMessage::Lock(Lock { locked: script.flag(), request }),
            14 => ClientMessage::Kick(Kick { player_id: player, request }),
            15 => ClientMessage::Ban(Kick { player_id: player, request }),
            16 => ClientMessage::RequestHostMigration(RequestHostMigration {
                to: script.flag().then_some(player),
                request,
            }),
            17 => {
                let data = Data::of_bytes(script.take(30));
                ClientMessage::RelayData(RelayData { from_player: player, to_player: player, data })
            }
            18 => {
                let data = Data::of_bytes(script.take(30));
                ClientMessage::BroadcastData(BroadcastData { from_player: player, data })
            }
            _ => ClientMessage::Ping(Ping { nonce: request }),
        }
    }

    fn token(&self, script: &mut Script<'_>) -> Secret {
        let at = usize::from(script.byte());
        let known = self.tokens.get(self.tokens.len().wrapping_sub(1 + at)).cloned();
        known.unwrap_or_else(|| Secret::new("no token").expect("it is short"))
    }
}

fn lobby(script: &mut Script<'_>) -> LobbyName {
    LobbyName::new(script.pick(&["a", "b", "c"])).expect("it is plain")
}

fn script_bytes(script: &mut Script<'_>) -> bytes::Bytes {
    let count = usize::from(script.byte());
    bytes::Bytes::copy_from_slice(script.take(count))
}
