//! Feeds the shards of a server by hand: clients that speak either encoding, a directory in memory, password work and
//! admission that are done at once unless they are held back.

use bytes::Bytes;
use std::collections::BTreeMap;
use webstar_core::id::{AskId, ConnectionId, PlayerId, ShardId};
use webstar_core::server::directory::Table;
use webstar_core::server::{
    Answer, Arrival, Ask, Endpoint, Identity, Input, Output, Server, ServerConfig, ServerEvent, ServerTimer,
};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::relay;
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, CreateLobby, Encoding, ErrorCode, Frame, Hello, JoinLobby, LobbyJoined, LobbyName,
    PlayerList, Resume, Sealed, Secret, ServerMessage, Username, Version, decode_server, encode_client,
};
use webstar_core::wire::view::SigningKey;

/// A server of some shards, and everybody who is connected to it.
pub(crate) struct House {
    pub(crate) servers: Vec<Server>,
    pub(crate) table: Table,
    pub(crate) now: Instant,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<ServerEvent>,
    /// Questions that were not answered, by shard.
    pub(crate) held: Vec<(usize, AskId, Ask)>,
    /// Whether questions are held back.
    pub(crate) hold: fn(&Ask) -> bool,
    /// Every question, in order.
    pub(crate) asked: Vec<Ask>,
    /// Connections by shard and number.
    names: BTreeMap<(usize, ConnectionId), usize>,
    pub(crate) deadlines: Vec<Option<(Instant, ServerTimer)>>,
}

/// One client: what it has got and not looked at.
pub(crate) struct Client {
    pub(crate) shard: usize,
    pub(crate) id: ConnectionId,
    pub(crate) encoding: Encoding,
    pub(crate) heard: Vec<ServerMessage>,
    pub(crate) packets: Vec<Bytes>,
    pub(crate) closed: Option<CloseReason>,
    pub(crate) is_open: bool,
    /// Whether it reads at once what is sent to it.
    pub(crate) reads: bool,
    pub(crate) unread: usize,
    pub(crate) moves: usize,
    /// The newest record that it was given.
    pub(crate) sealed: Option<Sealed>,
}

/// Who it is to the test.
pub(crate) type Who = usize;

pub(crate) fn name(text: &str) -> LobbyName {
    LobbyName::new(text).unwrap()
}

pub(crate) fn username(text: &str) -> Username {
    Username::new(text).unwrap()
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Joins a lobby by name and makes it if need be.
pub(crate) fn joining(lobby: &str) -> JoinLobby {
    JoinLobby {
        lobby_id: Some(name(lobby)),
        username: username("somebody"),
        password: None,
        create: Some(CreateLobby::default()),
        spectator: false,
        peer: None,
        admission: None,
    }
}

/// Joins a lobby that must be there.
pub(crate) fn entering(lobby: &str) -> JoinLobby {
    JoinLobby { create: None, ..joining(lobby) }
}

pub(crate) fn resuming(lobby: &str, token: &Secret) -> ClientMessage {
    ClientMessage::Resume(Resume { lobby_id: name(lobby), token: token.clone(), fresh: false, restore: None })
}

/// What stands for Argon2id here.
pub(crate) fn hash(password: &Secret, salt: &[u8; 16]) -> [u8; 32] {
    let mut hash = [7; 32];
    for (index, byte) in password.as_str().bytes().chain(*salt).enumerate() {
        hash[index % 32] ^= byte.rotate_left(u32::try_from(index % 8).unwrap());
    }
    hash
}

/// What a client signs with.
pub(crate) fn key_of(who: Who) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(who).unwrap(); 32])
}

impl House {
    pub(crate) fn new(config: ServerConfig) -> Self {
        House::of_shards(config, 1)
    }

    /// A server of the same key, without memory.
    pub(crate) fn reborn(config: ServerConfig, seed: u8) -> Self {
        House::reborn_as(config, 1, seed)
    }

    /// The same, of so many shards.
    pub(crate) fn reborn_as(config: ServerConfig, shards: u16, seed: u8) -> Self {
        House::seeded(config, shards, 100 + seed)
    }

    pub(crate) fn of_shards(config: ServerConfig, shards: u16) -> Self {
        House::seeded(config, shards, 1)
    }

    fn seeded(config: ServerConfig, shards: u16, first: u8) -> Self {
        let server = |shard: u16| {
            let identity = Identity { shard: ShardId(shard), shards, key: [9; 32], process: first.into() };
            let seed = [u8::try_from(shard).unwrap() + first; 32];
            Server::new(config.clone(), identity, seed, Instant::ZERO).unwrap()
        };
        House {
            servers: (0..shards).map(server).collect(),
            table: Table::new(),
            now: Instant::ZERO,
            clients: Vec::new(),
            events: Vec::new(),
            held: Vec::new(),
            hold: |_| false,
            asked: Vec::new(),
            names: BTreeMap::new(),
            deadlines: vec![None; usize::from(shards)],
        }
    }

    pub(crate) fn connect_to(&mut self, shard: usize, arrival: Arrival) -> Who {
        let who = self.clients.len();
        let id = self.free_id(shard);
        self.clients.push(Client {
            shard,
            id,
            encoding: arrival.encoding.unwrap_or(Encoding::Json),
            heard: Vec::new(),
            packets: Vec::new(),
            closed: None,
            is_open: true,
            reads: true,
            unread: 0,
            moves: 0,
            sealed: None,
        });
        self.names.insert((shard, id), who);
        self.tell(shard, Input::Connected { connection: id, arrival });
        who
    }

    /// A connection that says nothing yet.
    pub(crate) fn connect(&mut self, encoding: Encoding) -> Who {
        self.connect_to(0, arrival("192.0.2.1", encoding))
    }

    /// One that has said hello.
    pub(crate) fn player(&mut self) -> Who {
        self.player_from("192.0.2.1")
    }

    pub(crate) fn player_from(&mut self, address: &str) -> Who {
        let who = self.connect_to(0, arrival(address, Encoding::Postcard));
        self.hello(who);
        who
    }

    pub(crate) fn hello(&mut self, who: Who) {
        let key = Some(key_of(who).public());
        self.say(who, ClientMessage::Hello(Hello { versions: vec![Version::CURRENT], key }));
        assert!(matches!(self.last(who), ServerMessage::Welcome(_)));
    }

    /// A player in a lobby.
    pub(crate) fn member(&mut self, lobby: &str) -> Who {
        let who = self.player();
        self.join(who, joining(lobby));
        who
    }

    /// A guest in a lobby.
    pub(crate) fn guest(&mut self, lobby: &str) -> Who {
        let who = self.connect(Encoding::Json);
        self.join(who, joining(lobby));
        who
    }

    pub(crate) fn join(&mut self, who: Who, join: JoinLobby) -> LobbyJoined {
        self.say(who, ClientMessage::JoinLobby(join));
        self.joined(who)
    }

    /// The last message is that it is in, but for what it is asked then.
    pub(crate) fn joined(&mut self, who: Who) -> LobbyJoined {
        let mut heard = self.heard(who);
        let is_question = |message: &ServerMessage| {
            matches!(
                message,
                ServerMessage::AskHeard(_)
                    | ServerMessage::ProposeView(_)
                    | ServerMessage::ViewInForce(_)
                    | ServerMessage::HostMigration(_)
            )
        };
        while heard.last().is_some_and(is_question) {
            heard.pop();
        }
        match heard.pop() {
            Some(ServerMessage::LobbyJoined(joined)) => *joined,
            other => panic!("{who} is not in: {other:?}"),
        }
    }

    pub(crate) fn say(&mut self, who: Who, message: ClientMessage) {
        let frame = encode_client(self.clients[who].encoding, &message);
        self.frame(who, frame);
    }

    pub(crate) fn frame(&mut self, who: Who, frame: Frame) {
        assert!(self.clients[who].is_open, "{who} is closed: {:?}", self.clients[who].closed);
        let (shard, connection) = (self.clients[who].shard, self.clients[who].id);
        self.tell(shard, Input::Frame { connection, frame });
    }

    /// A relayed packet.
    pub(crate) fn relay(&mut self, who: Who, to: u32, content: &[u8]) {
        let mut frame = Vec::new();
        relay::begin(PlayerId(to), &mut frame);
        frame.extend_from_slice(content);
        self.frame(who, Frame::Binary(frame.into()));
    }

    /// The socket breaks.
    pub(crate) fn cut(&mut self, who: Who) {
        let (shard, connection) = (self.clients[who].shard, self.clients[who].id);
        self.clients[who].is_open = false;
        self.names.remove(&(shard, connection));
        self.tell(shard, Input::Closed { connection });
    }

    /// Reads what was given out.
    pub(crate) fn read(&mut self, who: Who) {
        let client = &mut self.clients[who];
        let bytes = core::mem::take(&mut client.unread);
        let (shard, connection) = (client.shard, client.id);
        self.tell(shard, Input::Wrote { connection, bytes });
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let next = self.deadlines.iter().flatten().map(|(at, _)| *at).min().filter(|&at| at <= end);
            self.now = next.unwrap_or(end).max(self.now);
            for shard in 0..self.servers.len() {
                self.tell(shard, Input::Timeout);
            }
            if next.is_none() {
                return;
            }
        }
    }

    pub(crate) fn tell(&mut self, shard: usize, input: Input) {
        self.servers[shard].handle(self.now, input).unwrap();
        self.drain(shard);
    }

    /// Answers a question that was held back: the oldest.
    pub(crate) fn answer_next(&mut self) {
        let (shard, id, ask) = self.held.remove(0);
        let answer = self.answer(shard, ask);
        self.tell(shard, Input::Answered { ask: id, answer });
    }

    pub(crate) fn answer(&mut self, shard: usize, ask: Ask) -> Answer {
        match ask {
            Ask::HashPassword { password, salt } => Answer::Hash(hash(&password, &salt)),
            Ask::Admit { token, .. } => Answer::Admitted(token == Some(secret("open sesame"))),
            Ask::Directory(ask) => Answer::Directory(self.table.answer(ShardId(u16::try_from(shard).unwrap()), ask)),
        }
    }

    fn drain(&mut self, shard: usize) {
        let (mut answers, mut moves, mut written) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            match self.servers[shard].poll() {
                Output::Transmit { connection, frame } => {
                    let client = &mut self.clients[self.names[&(shard, connection)]];
                    let len = frame.bytes().len();
                    if client.reads {
                        written.push((connection, len));
                    } else {
                        client.unread += len;
                    }
                    match frame {
                        Frame::Binary(bytes) if bytes[0] == relay::TAG => client.packets.push(bytes),
                        frame => match decode_server(client.encoding, &frame).unwrap() {
                            ServerMessage::Sealed(record) => client.sealed = Some(record.sealed),
                            message => client.heard.push(message),
                        },
                    }
                }
                Output::Close { connection, reason } => {
                    let who = self.names.remove(&(shard, connection)).unwrap();
                    (self.clients[who].closed, self.clients[who].is_open) = (Some(reason), false);
                    written.retain(|(written, _)| *written != connection);
                }
                Output::Move { connection, to, parcel } => {
                    let who = self.names.remove(&(shard, connection)).unwrap();
                    let (mine, moved): (Vec<_>, Vec<_>) = written.iter().partition(|(id, _)| *id != connection);
                    written = mine;
                    moves.push((who, usize::from(to.0), parcel, moved.iter().map(|(_, len)| len).sum::<usize>()));
                }
                Output::Ask { id, ask } => {
                    self.asked.push(ask.clone());
                    if (self.hold)(&ask) {
                        self.held.push((shard, id, ask));
                    } else {
                        answers.push((id, ask));
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(at) => {
                    self.deadlines[shard] = at;
                    break;
                }
            }
        }
        for (connection, bytes) in written {
            if self.names.contains_key(&(shard, connection)) {
                self.tell(shard, Input::Wrote { connection, bytes });
            }
        }
        for (id, ask) in answers {
            let answer = self.answer(shard, ask);
            self.tell(shard, Input::Answered { ask: id, answer });
        }
        for (who, to, parcel, bytes) in moves {
            let connection = self.free_id(to);
            let client = &mut self.clients[who];
            (client.shard, client.id, client.moves) = (to, connection, client.moves + 1);
            self.names.insert((to, connection), who);
            self.tell(to, Input::Moved { connection, parcel });
            if self.clients[who].is_open {
                let (shard, connection) = (self.clients[who].shard, self.clients[who].id);
                self.tell(shard, Input::Wrote { connection, bytes });
            }
        }
    }

    fn free_id(&self, shard: usize) -> ConnectionId {
        (0..).map(ConnectionId).find(|&id| !self.names.contains_key(&(shard, id))).unwrap()
    }

    /// Everything heard since it was last looked at.
    pub(crate) fn heard(&mut self, who: Who) -> Vec<ServerMessage> {
        core::mem::take(&mut self.clients[who].heard)
    }

    /// The last thing heard; the rest is forgotten.
    pub(crate) fn last(&mut self, who: Who) -> ServerMessage {
        self.heard(who).pop().unwrap_or_else(|| panic!("{who} has heard nothing"))
    }

    /// Nobody has heard anything.
    pub(crate) fn forget(&mut self) {
        for client in &mut self.clients {
            client.heard.clear();
            client.packets.clear();
        }
        self.events.clear();
        self.asked.clear();
    }

    /// The only thing heard is a refusal.
    pub(crate) fn refused(&mut self, who: Who) -> ErrorCode {
        match &self.heard(who)[..] {
            [ServerMessage::Error(error)] => error.code,
            other => panic!("{who} is not refused: {other:?}"),
        }
    }

    pub(crate) fn packets(&mut self, who: Who) -> Vec<(u32, Vec<u8>)> {
        let packets = core::mem::take(&mut self.clients[who].packets);
        let parse = |packet: &Bytes| relay::parse(packet).map(|(from, content)| (from.0, content.to_vec())).unwrap();
        packets.iter().map(parse).collect()
    }

    /// The roster it was last told: numbers, connected ones positive.
    pub(crate) fn roster(&mut self, who: Who) -> (Vec<i64>, Vec<(u32, CloseReason)>) {
        let lists = self.heard(who).into_iter().filter_map(|message| match message {
            ServerMessage::PlayerListUpdated(list) => Some(list),
            ServerMessage::LobbyJoined(joined) => Some(PlayerList { player_list: joined.player_list, left: vec![] }),
            _ => None,
        });
        let list = lists.last().unwrap_or_else(|| panic!("{who} has heard of no roster"));
        let number = |entry: &webstar_core::wire::signal::PlayerEntry| {
            let number = i64::from(entry.player_id.0);
            if entry.connected { number } else { -number }
        };
        (list.player_list.iter().map(number).collect(), list.left.iter().map(|(id, why)| (id.0, *why)).collect())
    }
}

pub(crate) fn arrival(address: &str, encoding: Encoding) -> Arrival {
    connecting(address, Some(encoding))
}

pub(crate) fn connecting(address: &str, encoding: Option<Encoding>) -> Arrival {
    Arrival { address: address.parse().unwrap(), endpoint: Endpoint::Lobby, encoding }
}
