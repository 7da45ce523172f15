//! A lobby server and one lobby in it, without sockets: what the machine gives out has been written at once, and what it
//! asks is answered at once. Time is made up.
//!
//! Whether what it says is right is for the tests of the core.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use webstar_core::id::{AskId, ConnectionId, PlayerId, ShardId};
use webstar_core::server::directory::Table;
use webstar_core::server::{Answer, Arrival, Ask, Endpoint, Identity, Input, Output, Server, ServerConfig};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::relay;
use webstar_core::wire::signal::{
    ClientMessage, CreateLobby, Encoding, Frame, Hello, JoinLobby, LobbyJoined, LobbyName, Resume, Secret,
    ServerMessage, Username, Version, decode_server, encode_client,
};
use webstar_core::wire::view::{PublicKey, SigningKey};

/// Between two things that clients do, so that no bound on rates is reached.
const STEP: Duration = Duration::from_millis(10);
/// Everybody gives a sign of life after so many things.
const SIGN_OF_LIFE: u64 = 500;

/// What a client keeps.
#[derive(Clone, Debug)]
struct Client {
    is_open: bool,
    key: PublicKey,
    /// What it resumes with.
    token: Option<Secret>,
    /// Bytes given out and not yet written.
    unwritten: usize,
}

/// The server, and its clients by number.
pub struct House {
    server: Server,
    table: Table,
    now: Instant,
    clients: Vec<Client>,
    lobby: LobbyName,
    deeds: u64,
    relayed: u64,
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a house of {}", self.clients.len())
    }
}

/// What everybody may do as often as it likes.
fn config() -> ServerConfig {
    ServerConfig {
        max_connections_per_address: 1_000,
        connections_per_minute: 1_000_000,
        creations_per_minute: 1_000_000,
        failed_joins_per_minute: 1_000_000,
        ..ServerConfig::default()
    }
}

impl House {
    /// A lobby with so many players in it.
    pub fn new(players: usize) -> Self {
        let identity = Identity { shard: ShardId(0), shards: 1, key: [0; 32], process: 0 };
        let server = Server::new(config(), identity, [1; 32], Instant::ZERO).expect("the settings are usable");
        let lobby = LobbyName::new("tavern").expect("it is a name");
        let (table, now) = (Table::new(), Instant::ZERO);
        let mut house = House { server, table, now, clients: Vec::new(), lobby, deeds: 0, relayed: 0 };
        for number in 0..players {
            let key = SigningKey::from_seed(&[number as u8; 32]).public();
            house.clients.push(Client { is_open: false, key, token: None, unwritten: 0 });
            house.connect(number);
            house.join(number);
        }
        house
    }

    /// A client connects and says hello.
    pub fn connect(&mut self, number: usize) {
        let address = IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + self.deeds as u32 % 0x00ff_ffff));
        let arrival = Arrival { address, endpoint: Endpoint::Lobby, encoding: Some(Encoding::Postcard) };
        self.clients[number].is_open = true;
        self.tell(Input::Connected { connection: id(number), arrival });
        let key = Some(self.clients[number].key);
        self.say(number, &ClientMessage::Hello(Hello { versions: vec![Version::CURRENT], key }));
    }

    /// It joins the lobby, which is made if it is not there.
    pub fn join(&mut self, number: usize) {
        let join = JoinLobby {
            lobby_id: Some(self.lobby.clone()),
            username: Username::new("ann").expect("it is a name"),
            password: None,
            create: Some(CreateLobby::default()),
            spectator: false,
            peer: None,
            admission: None,
        };
        self.say(number, &ClientMessage::JoinLobby(join));
    }

    /// It comes back, with the token that it was given last.
    pub fn resume(&mut self, number: usize) {
        let token = self.clients[number].token.take().expect("it was in a lobby");
        let resume = Resume { lobby_id: self.lobby.clone(), token, fresh: false, restore: None };
        self.say(number, &ClientMessage::Resume(resume));
    }

    /// It leaves the lobby and is gone.
    pub fn leave(&mut self, number: usize) {
        self.say(number, &ClientMessage::LeaveLobby);
        self.cut(number);
    }

    /// Its socket breaks.
    pub fn cut(&mut self, number: usize) {
        self.clients[number].is_open = false;
        self.clients[number].unwritten = 0;
        self.tell(Input::Closed { connection: id(number) });
    }

    /// Its packet for another, made by [`packet`].
    pub fn relay(&mut self, from: usize, frame: &Frame) {
        self.tell(Input::Frame { connection: id(from), frame: frame.clone() });
    }

    /// Whether it is in the lobby now.
    pub fn is_in(&self, number: usize) -> bool {
        self.clients[number].token.is_some()
    }

    /// Packets that were relayed.
    pub fn relayed(&self) -> u64 {
        self.relayed
    }

    /// Time goes on between things that clients do; nobody is taken for dead.
    pub fn pass(&mut self) {
        self.now += STEP;
        self.deeds += 1;
        self.tell(Input::Timeout);
        if self.deeds.is_multiple_of(SIGN_OF_LIFE) {
            for number in (0..self.clients.len()).filter(|number| self.clients[*number].is_open).collect::<Vec<_>>() {
                self.tell(Input::Control { connection: id(number) });
            }
        }
    }

    fn say(&mut self, number: usize, message: &ClientMessage) {
        let frame = encode_client(Encoding::Postcard, message);
        self.tell(Input::Frame { connection: id(number), frame });
    }

    fn tell(&mut self, input: Input) {
        self.server.handle(self.now, input).expect("connections are told of in order");
        while let Some((ask, answer)) = self.drain() {
            self.server.handle(self.now, Input::Answered { ask, answer }).expect("it was just asked");
        }
        for number in 0..self.clients.len() {
            let bytes = core::mem::take(&mut self.clients[number].unwritten);
            if bytes > 0 {
                let written = Input::Wrote { connection: id(number), bytes };
                self.server.handle(self.now, written).expect("so much was given out");
                assert!(self.drain().is_none(), "nothing is asked by what was written");
            }
        }
    }

    /// Takes what comes out, up to a question that can be answered.
    fn drain(&mut self) -> Option<(AskId, Answer)> {
        let mut answer = None;
        loop {
            match self.server.poll() {
                Output::Transmit { connection, frame } => self.hear(connection.0 as usize, &frame),
                Output::Ask { id, ask: Ask::Directory(ask) } => {
                    answer = Some((id, Answer::Directory(self.table.answer(ShardId(0), ask))));
                }
                Output::Close { connection, reason } => panic!("{connection:?} is closed: {reason:?}"),
                Output::Timeout(_) => return answer,
                Output::Ask { .. } | Output::Move { .. } | Output::Event(_) => {}
            }
        }
    }

    fn hear(&mut self, number: usize, frame: &Frame) {
        let client = &mut self.clients[number];
        client.unwritten += frame.bytes().len();
        if frame.bytes().first() == Some(&relay::TAG) {
            self.relayed += 1;
            return;
        }
        // Only its own messages of being in are looked at: the work of clients is not to be measured.
        if client.token.is_none()
            && let Ok(ServerMessage::LobbyJoined(joined)) = decode_server(Encoding::Postcard, frame)
        {
            let LobbyJoined { token, .. } = *joined;
            client.token = token;
        }
    }

    /// It has left, and forgets its token.
    pub fn forget(&mut self, number: usize) {
        self.clients[number].token = None;
    }
}

fn id(number: usize) -> ConnectionId {
    ConnectionId(number as u32)
}

/// A frame of the relay with a packet of so many bytes.
pub fn packet(to: PlayerId, bytes: usize) -> Frame {
    let mut frame = Vec::new();
    relay::begin(to, &mut frame);
    frame.resize(frame.len() + bytes, 0x5a);
    Frame::Binary(frame.into())
}
