//! Anything in any order, from many connections, with answers that come late, twice, or are of the wrong kind: the server
//! stays whole, gives out what it says it does, and does the same again.

use crate::hand::{connecting, hash, ms, name, secret, username};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt, SeedableRng};
use std::collections::BTreeMap;
use webstar_core::id::{AskId, ConnectionId, PlayerId, ShardId};
use webstar_core::server::directory::Table;
use webstar_core::server::{
    Answer, Arrival, Ask, DirectoryAnswer, Endpoint, Identity, Input, Output, Parcel, Server, ServerConfig, ServerEvent,
};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::relay;
use webstar_core::wire::signal::{
    BroadcastData, ClientMessage, CreateLobby, Data, Encoding, Filter, Frame, Hello, JoinLobby, JoinRelay, Kick,
    ListLobbies, LobbyName, Lock, Metadata, PeerId, PeerName, Ping, QuickJoin, Ready, RelayData, RequestHostMigration,
    Resume, Secret, ServerMessage, SetHidden, SetMetadata, StartGame, Version, decode_server, encode_client,
};

const SHARDS: u16 = 2;
const CONNECTIONS: u32 = 12;
const STEPS: usize = 3_000;

/// A connection as the outside sees it.
struct Line {
    encoding: Encoding,
    unwritten: usize,
}

/// Everything outside of two shards.
struct Outside {
    random: ChaCha8Rng,
    servers: Vec<Server>,
    table: Table,
    /// Whether the directory can always be reached.
    is_near: bool,
    now: Instant,
    lines: BTreeMap<(usize, ConnectionId), Line>,
    held: Vec<(usize, AskId, Ask)>,
    moving: Vec<(usize, usize, Line, Box<Parcel>)>,
    /// The tokens that were given out last, and the lobbies they are for.
    tokens: Vec<(LobbyName, Secret)>,
    relay_tokens: Vec<(LobbyName, Secret)>,
    trace: Vec<String>,
    /// Who is in, by the events: joined and left take turns.
    inside: BTreeMap<(String, PlayerId), bool>,
}

impl Outside {
    fn new(seed: u64) -> Self {
        let config = ServerConfig {
            ask_admission: seed.is_multiple_of(3),
            queue: 70_000,
            window: 2_000,
            max_lobbies: 5,
            max_connections: 10,
            failed_joins_per_minute: 200,
            messages_per_second: 2_000,
            ..ServerConfig::default()
        };
        let server = |shard: u16| {
            let identity = Identity { shard: ShardId(shard), shards: SHARDS, key: [3; 32], process: 0 };
            Server::new(config.clone(), identity, [u8::try_from(shard).unwrap(); 32], Instant::ZERO).unwrap()
        };
        Outside {
            random: ChaCha8Rng::seed_from_u64(seed),
            servers: (0..SHARDS).map(server).collect(),
            table: Table::new(),
            is_near: seed.is_multiple_of(2),
            now: Instant::ZERO,
            lines: BTreeMap::new(),
            held: Vec::new(),
            moving: Vec::new(),
            tokens: vec![(name("a"), secret("none"))],
            relay_tokens: vec![(name("a"), secret("none"))],
            trace: Vec::new(),
            inside: BTreeMap::new(),
        }
    }

    fn pick(&mut self, count: usize) -> usize {
        self.random.random_range(0..count)
    }

    fn chance(&mut self) -> bool {
        self.random.random_bool(0.5)
    }

    fn player(&mut self) -> PlayerId {
        PlayerId(u32::try_from(self.pick(6)).unwrap())
    }

    fn lobby(&mut self) -> LobbyName {
        name(["a", "b", "c", "~p"][self.pick(4)])
    }

    fn peer(&mut self) -> PeerId {
        PeerId::new(["p", "q"][self.pick(2)]).unwrap()
    }

    fn rules(&mut self) -> CreateLobby {
        let (public, join_in_progress, enable_host_migration) = (self.chance(), self.chance(), self.chance());
        let max_players = u16::try_from(self.pick(7)).unwrap() + 1;
        CreateLobby { public, max_players, join_in_progress, enable_host_migration, ..CreateLobby::default() }
    }

    fn join(&mut self) -> JoinLobby {
        JoinLobby {
            lobby_id: self.random.random_bool(0.9).then(|| self.lobby()),
            username: username(["x", "y"][self.pick(2)]),
            password: self.random.random_bool(0.2).then(|| secret("word")),
            create: self.random.random_bool(0.7).then(|| self.rules()),
            spectator: self.random.random_bool(0.2),
            peer: self.random.random_bool(0.2).then(|| self.peer()),
            admission: Some(secret(if self.chance() { "open sesame" } else { "" })),
        }
    }

    fn message(&mut self) -> ClientMessage {
        let request = u32::try_from(self.pick(3)).unwrap();
        let data = Data::of_bytes(&vec![b'd'; [1, 500, 20_000][self.pick(3)]]);
        let (from_player, to_player) = (self.player(), self.player());
        match self.pick(24) {
            0..4 => {
                ClientMessage::Hello(Hello { versions: vec![Version(u8::try_from(self.pick(4)).unwrap())], key: None })
            }
            4..9 => ClientMessage::JoinLobby(self.join()),
            9 => ClientMessage::QuickJoin(QuickJoin {
                username: username("q"),
                filter: Filter::default(),
                create: self.chance().then(|| self.rules()),
                admission: Some(secret("open sesame")),
            }),
            10 | 11 => {
                let index = self.pick(self.tokens.len());
                let (lobby_id, token) = self.tokens[index].clone();
                ClientMessage::Resume(Resume { lobby_id, token, fresh: self.chance(), restore: None })
            }
            12 => ClientMessage::LeaveLobby,
            13 => ClientMessage::ListLobbies(ListLobbies::default()),
            14 => ClientMessage::PeerId(PeerName { peer_id: self.peer() }),
            15 => ClientMessage::Ready(Ready { ready: self.chance(), request }),
            16 => ClientMessage::StartGame(StartGame { request }),
            17 => ClientMessage::Lock(Lock { locked: self.random.random_bool(0.2), request }),
            18 if self.chance() => ClientMessage::Kick(Kick { player_id: to_player, request }),
            18 if self.random.random_bool(0.1) => ClientMessage::Ban(Kick { player_id: to_player, request }),
            18 => ClientMessage::SetMetadata(SetMetadata { metadata: Metadata::default(), request }),
            19 => ClientMessage::SetHidden(SetHidden { hidden: self.chance() }),
            20 => {
                let to = self.random.random_bool(0.8).then_some(to_player);
                ClientMessage::RequestHostMigration(RequestHostMigration { to, request })
            }
            21 => {
                let index = self.pick(self.relay_tokens.len());
                let (lobby_id, token) = self.relay_tokens[index].clone();
                ClientMessage::JoinRelay(JoinRelay { lobby_id, token })
            }
            22 => ClientMessage::RelayData(RelayData { from_player, to_player, data }),
            _ if self.chance() => ClientMessage::BroadcastData(BroadcastData { from_player, data }),
            _ => ClientMessage::Ping(Ping { nonce: 1 }),
        }
    }

    fn frame(&mut self, encoding: Encoding) -> Frame {
        match self.pick(10) {
            0..7 => encode_client(encoding, &self.message()),
            7 => {
                let mut bytes = vec![0; self.pick(40)];
                self.random.fill_bytes(&mut bytes);
                if self.chance() { Frame::Binary(bytes.into()) } else { Frame::Text(bytes.into()) }
            }
            _ => {
                let mut bytes = Vec::new();
                relay::begin(self.player(), &mut bytes);
                bytes.resize(bytes.len() + self.pick(3) * 700, 9);
                Frame::Binary(bytes.into())
            }
        }
    }

    fn step(&mut self) {
        let shard = self.pick(usize::from(SHARDS));
        let connection = ConnectionId(u32::try_from(self.pick(CONNECTIONS as usize)).unwrap());
        let key = (shard, connection);
        let Some(encoding) = self.lines.get(&key).map(|line| line.encoding) else {
            return self.come(shard, connection);
        };
        match self.pick(40) {
            0..24 => {
                let frame = self.frame(encoding);
                self.tell(shard, Input::Frame { connection, frame });
            }
            24..30 if !self.held.is_empty() => {
                let index = self.pick(self.held.len());
                let (shard, ask, question) = self.held.remove(index);
                let answer = self.answer(shard, question);
                self.tell(shard, Input::Answered { ask, answer });
            }
            30..34 => {
                let line = self.lines.get_mut(&key).unwrap();
                let bytes = core::mem::take(&mut line.unwritten);
                self.tell(shard, Input::Wrote { connection, bytes });
            }
            34 => self.tell(shard, Input::Control { connection }),
            35 => {
                self.lines.remove(&key);
                self.tell(shard, Input::Closed { connection });
            }
            36 => self.tell(shard, Input::WallClock { unix: Duration::from_secs(1_000) }),
            37 => self.tell(shard, Input::SendToAll { data: Data::of_bytes(b"all") }),
            _ => {
                let time = ms([1, 100, 4_000][self.pick(3)]);
                self.now += time;
                self.tell(shard, Input::Timeout);
            }
        }
    }

    /// Somebody new, or one who has been on the way.
    fn come(&mut self, shard: usize, connection: ConnectionId) {
        if let Some(at) = self.moving.iter().position(|(_, to, ..)| *to == shard) {
            let (_, _, line, parcel) = self.moving.remove(at);
            self.lines.insert((shard, connection), line);
            return self.tell(shard, Input::Moved { connection, parcel });
        }
        let encoding = if self.chance() { Encoding::Json } else { Encoding::Postcard };
        let endpoint = if self.random.random_bool(0.2) { Endpoint::Relay } else { Endpoint::Lobby };
        let address = ["127.0.0.1", "192.0.2.1", "2001:db8::1"][self.pick(3)];
        let arrival = Arrival { endpoint, ..connecting(address, Some(encoding)) };
        self.lines.insert((shard, connection), Line { encoding, unwritten: 0 });
        self.tell(shard, Input::Connected { connection, arrival });
    }

    fn answer(&mut self, shard: usize, ask: Ask) -> Answer {
        match ask {
            Ask::HashPassword { password, salt } => Answer::Hash(hash(&password, &salt)),
            Ask::Admit { token, .. } => Answer::Admitted(token == Some(secret("open sesame"))),
            Ask::Directory(_) if !self.is_near && self.random.random_bool(0.05) => {
                Answer::Directory(DirectoryAnswer::Unavailable)
            }
            Ask::Directory(ask) => Answer::Directory(self.table.answer(ShardId(u16::try_from(shard).unwrap()), ask)),
        }
    }

    fn tell(&mut self, shard: usize, input: Input) {
        self.servers[shard].handle(self.now, input).unwrap();
        let mut outputs = 0;
        loop {
            let output = self.servers[shard].poll();
            self.trace.push(format!("{output:?}"));
            outputs += 1;
            assert!(outputs < 2_000, "outputs per input are bounded");
            match output {
                Output::Transmit { connection, frame } => {
                    let line = self.lines.get_mut(&(shard, connection)).expect("only open connections are written to");
                    line.unwritten += frame.bytes().len();
                    let is_packet = matches!(&frame, Frame::Binary(bytes) if bytes[0] == relay::TAG);
                    let message = (!is_packet).then(|| decode_server(line.encoding, &frame).unwrap());
                    if let Some(ServerMessage::LobbyJoined(joined)) = message {
                        let lobby = joined.lobby.lobby_id;
                        keep(&mut self.tokens, &lobby, joined.token);
                        keep(&mut self.relay_tokens, &lobby, joined.relay_token);
                    }
                }
                Output::Close { connection, .. } => {
                    self.lines.remove(&(shard, connection)).expect("only open connections are closed");
                }
                Output::Move { connection, to, parcel } => {
                    let line = self.lines.remove(&(shard, connection)).expect("only open connections are moved");
                    self.moving.push((shard, usize::from(to.0), line, parcel));
                }
                Output::Ask { id, ask } => self.held.push((shard, id, ask)),
                Output::Event(event) => self.on_event(event),
                Output::Timeout(at) => {
                    assert!(at.is_none_or(|(at, _)| at > self.now), "what is due is done");
                    break;
                }
            }
        }
        let stats = self.servers[shard].stats();
        assert_eq!(stats.connections, self.lines.keys().filter(|(of, _)| *of == shard).count() as u64);
    }

    fn on_event(&mut self, event: ServerEvent) {
        let (lobby, player, is_in) = match event {
            ServerEvent::PlayerJoined { lobby, player, resumed: false } => (lobby, player, true),
            ServerEvent::PlayerLeft { lobby, player, .. } => (lobby, player, false),
            ServerEvent::LobbyClosed { lobby, .. } => {
                let mut inside = self.inside.iter().filter(|((name, _), _)| name == lobby.as_str());
                assert!(inside.all(|(_, is_in)| !is_in));
                self.inside.retain(|(name, _), _| name != lobby.as_str());
                return;
            }
            _ => return,
        };
        let before = self.inside.insert((lobby.to_string(), player), is_in);
        assert_eq!(before, (!is_in).then_some(true), "{lobby} {player:?}");
    }
}

fn keep(tokens: &mut Vec<(LobbyName, Secret)>, lobby: &LobbyName, token: Option<Secret>) {
    tokens.extend(token.map(|token| (lobby.clone(), token)));
    if tokens.len() > 4 {
        tokens.remove(0);
    }
}

fn run(seed: u64) -> Vec<String> {
    let mut outside = Outside::new(seed);
    for _ in 0..STEPS {
        outside.step();
    }
    // Everybody goes: nothing is left behind.
    outside.now += Duration::from_secs(1);
    while let Some((_, to, line, parcel)) = outside.moving.pop() {
        let connection = (0..).map(ConnectionId).find(|&id| !outside.lines.contains_key(&(to, id))).unwrap();
        outside.lines.insert((to, connection), line);
        outside.tell(to, Input::Moved { connection, parcel });
    }
    while let Some(((shard, connection), _)) = outside.lines.pop_first() {
        outside.tell(shard, Input::Closed { connection });
    }
    for _ in 0..3 {
        outside.now += Duration::from_secs(200);
        for shard in 0..usize::from(SHARDS) {
            outside.tell(shard, Input::Timeout);
        }
    }
    while let Some((shard, ask, question)) = outside.held.pop() {
        let answer = outside.answer(shard, question);
        outside.tell(shard, Input::Answered { ask, answer });
    }
    for server in &mut outside.servers {
        let stats = server.stats();
        assert_eq!((stats.connections, stats.lobbies, stats.players, stats.queued_bytes), (0, 0, 0, 0));
        assert!(matches!(server.poll(), Output::Timeout(None)), "nobody is there and nothing is waited for");
    }
    if outside.is_near {
        assert_eq!(format!("{:?}", outside.table), format!("{:?}", Table::new()), "every name is given back");
    }
    outside.trace
}

#[test]
fn whatever_comes_the_server_stays_whole_and_does_the_same_again() {
    for seed in 0..40 {
        let trace = run(seed);
        assert!(trace.len() > STEPS);
        if seed.is_multiple_of(10) {
            assert_eq!(trace, run(seed), "{seed}");
        }
    }
}

#[test]
fn the_walk_reaches_the_places_that_matter() {
    let trace = (0..80).flat_map(run).collect::<Vec<_>>().join("\n");
    let places = [
        "Move {",
        "resumed: true",
        "TokenReused",
        "HostChanged",
        "CrashClosed",
        "HostLost",
        "Kicked",
        "TimedOut",
        "TooSlow",
        "Replaced",
        "HashPassword",
        "Admit",
        "Release",
        "Publish",
        "LobbyFull",
        "AlreadyInLobby",
    ];
    let missed: Vec<_> = places.into_iter().filter(|place| !trace.contains(place)).collect();
    assert_eq!(missed, [""; 0]);
}
