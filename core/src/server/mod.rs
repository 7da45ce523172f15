//! The lobby server: who is in which lobby, what the members say to each other through it, and what it refuses. It
//! holds no socket and computes no password: connections, password work, admission and the directory of lobbies are the
//! embedder's, told and asked in one idiom: one [`Server::handle`], then [`Server::poll`] until [`Output::Timeout`].
//!
//! One machine is one **shard**: it owns the lobbies whose names the directory gives to it, and shares nothing with other
//! shards. A connection begins at any shard; the join decides where it belongs, and [`Output::Move`] carries it there.
//!
//! Frames to a connection wait here, not in the embedder: at most [`ServerConfig::window`] bytes are given out before
//! [`Input::Wrote`] tells that they have left. So the server decides what a slow receiver loses: relayed packets and data,
//! the oldest first; never a signalling message.
//!
//! # The life of a connection
//! It comes, and says what it wants within [`ServerConfig::handshake_timeout`]. Who says `hello` first is a player, all
//! others are guests. One thing at a time is asked of the embedder for it; what it says meanwhile is taken afterwards, in
//! its order. From its place in a lobby it talks, until it leaves, is put out, or breaks.
//!
//! | it is | and then | it is |
//! |---|---|---|
//! | new | says `hello` in a version that is spoken | a player, outside |
//! | new | says anything else that can be read | a guest, outside |
//! | outside | asks for a list, a peer name, a place | waiting |
//! | waiting | is refused, or has got its list or its name | outside |
//! | waiting | its lobby is at another shard | waiting, there |
//! | waiting | is let in, or back in | inside |
//! | inside | leaves, is kicked or banned | outside |
//! | any | is silent, floods, does not read, talks nonsense, or its lobby ends without it | closed |
//!
//! # The life of a player
//! | it is | and then | it is |
//! |---|---|---|
//! | connected | its connection closes | away; its place is kept for [`ServerConfig::resume_timeout`] |
//! | connected | resumes on another connection | connected; the old connection is closed, its close changes nothing |
//! | away | resumes | connected, with a whole `lobby_joined` |
//! | away | the time is over | gone: `timed_out` |
//! | either | somebody uses one of its old tokens | gone: `token_reused` |
//! | either | leaves, is kicked or banned | gone |
//!
//! A guest that is away is gone. Nothing is kept for a player that is away: what is relayed to it is dropped and counted.
//!
//! # The life of a lobby
//! | it is | and then | it is |
//! |---|---|---|
//! | not there | a join that may make it gets its name from the directory | opening: other joins wait |
//! | opening | admission and password are there | open, with its maker as first member |
//! | opening | its maker is refused or goes | releasing |
//! | open | its last member is gone, nobody is connected for long, or its host is lost and it wants no other | releasing |
//! | not there | somebody comes back with a record of it, after the server has lost its memory | open |
//! | releasing | the directory knows that its name is free, and all that was asked about it before is answered | not there: joins that waited begin anew |
//!
//! # Who is host
//! The players agree on it by views (`crate::wire::view`). The server makes the first view, when the first player comes who
//! can be host; it keeps the newest that was proven to it, and signs for it. When the host leaves, comes back without its
//! memory, or is lost (`watch` tells when), it proposes the best replica to the voters and promises that view itself
//! (`star` tells what it may promise); again after a second; and it forces a host on the lobby when nothing has come into
//! force for 2.5 s. A lobby that wants no other host ends instead. Guests, and all where nobody votes, have a host in name,
//! elected by pure rules (`elect`).
//!
//! # When the server loses its memory
//! Every player keeps a sealed record of its lobby (`record`). The first who comes back with one and a good token brings the
//! lobby back, with everybody away; later ones correct it if theirs is newer (`reviving`). That works for as long after
//! the server's start as a place is kept. The server proposes nothing before most voters have told what they have
//! promised, and its own promise does not count before all have, or a minute has passed (`recovery`); it forces nothing
//! within ten seconds.

mod announce;
mod ask;
mod asks;
mod config;
mod connection;
mod counts;
pub mod directory;
mod doors;
mod elect;
mod entering;
mod event;
mod hall;
mod helping;
mod incoming;
mod joining;
mod limits;
mod lobby;
mod members;
mod orders;
mod parcel;
mod passwords;
mod queue;
mod record;
mod recovery;
mod relaying;
mod resuming;
mod reviving;
mod star;
mod talking;
mod token;
mod trend;
mod views;
mod watch;

pub use ask::{Admission, Answer, Ask, Claim, DirectoryAnswer, DirectoryAsk, Found, Owner};
pub use config::ServerConfig;
pub use doors::{Arrival, Endpoint, Fault};
pub use event::{ServerEvent, ServerStats};
pub use hall::{Hall, Standing};
pub use helping::IceHelp;
pub use parcel::Parcel;
pub use trend::{SAMPLE_EVERY, Trend};

use crate::config::ConfigError;
use crate::id::{AskId, ConnectionId, ShardId};
use crate::time::{Duration, Instant};
use crate::wire::signal::{CloseReason, Closing, Data, ErrorCode, Frame, ServerMessage};
use asks::{Asks, Question};
use connection::{Exchange, TimerKey};
use limits::Addresses;
use lobby::{Lobbies, LobbyKey};
use passwords::Passwords;
use rand::rngs::ChaCha20Rng;
use rand::{Rng, SeedableRng};
use record::Wax;
use reviving::Ended;
use star::Seal;
use std::collections::BTreeSet;
use thiserror::Error;
use token::{Mint, mac};

/// What is told to a server.
#[derive(Debug)]
pub enum Input {
    /// A connection is open.
    Connected {
        /// Its name from now on.
        connection: ConnectionId,
        /// Where it comes from.
        arrival: Arrival,
    },
    /// Another shard has sent a connection here.
    Moved {
        /// Its name from now on, in this shard.
        connection: ConnectionId,
        /// What the other shard put out.
        parcel: Box<Parcel>,
    },
    /// A WebSocket message has come.
    Frame {
        /// On this connection.
        connection: ConnectionId,
        /// The message.
        frame: Frame,
    },
    /// A control frame (ping or pong) has come; the embedder has answered it.
    Control {
        /// On this connection.
        connection: ConnectionId,
    },
    /// So many bytes of frames, counted without their headers, have left.
    Wrote {
        /// On this connection.
        connection: ConnectionId,
        /// The sum of the lengths of the frames.
        bytes: usize,
    },
    /// What comes on a connection is no WebSocket messages any more, or is too much of it.
    Broken {
        /// On this connection.
        connection: ConnectionId,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A connection is closed. Its name is free.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// The answer to a question.
    Answered {
        /// The question.
        ask: AskId,
        /// The answer.
        answer: Answer,
    },
    /// Unix time, for the expiry of tokens. Told at the start and now and then.
    WallClock {
        /// Since 1970.
        unix: Duration,
    },
    /// Players are told of these servers, in place of those named before; at most eight.
    IceServers(Vec<IceHelp>),
    /// The server's application says something to everybody in every lobby.
    SendToAll {
        /// What.
        data: Data,
    },
    /// The server goes soon: no new work, clients are told.
    ShutDown {
        /// After so long every connection is closed.
        within: Duration,
    },
    /// Nothing but time has passed.
    Timeout,
}

/// Why an input is misuse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum InputError {
    /// No connection of that name.
    #[error("connection {} is not open; it was closed or never told", .0.0)]
    NoSuchConnection(ConnectionId),
    /// The name is taken.
    #[error("connection {} is open already; close it first or choose another number", .0.0)]
    ConnectionTaken(ConnectionId),
    /// No such question is open, or the answer is to another kind of question.
    #[error("question {} is not open or was of another kind", .0.0)]
    NoSuchAsk(AskId),
    /// More than was given out.
    #[error("connection {} cannot have written more than it was given", .0.0)]
    WroteTooMuch(ConnectionId),
}

/// What a server wants done, or tells.
#[derive(Debug)]
pub enum Output {
    /// Send this on that connection, after what went before. Frames for one connection may share a write.
    Transmit {
        /// The connection.
        connection: ConnectionId,
        /// The frame.
        frame: Frame,
    },
    /// Send what was given out and close. The name is free.
    Close {
        /// The connection.
        connection: ConnectionId,
        /// Told in the close frame, in snake case.
        reason: CloseReason,
    },
    /// Give the connection to another shard, with what it has said and not been answered. The name is free.
    Move {
        /// The connection.
        connection: ConnectionId,
        /// Where it belongs.
        to: ShardId,
        /// For [`Input::Moved`].
        parcel: Box<Parcel>,
    },
    /// Answer this, now or later, by [`Input::Answered`].
    Ask {
        /// The question's name.
        id: AskId,
        /// The question.
        ask: Ask,
    },
    /// Something for the application and the log.
    Event(ServerEvent),
    /// Nothing more to do until then, or until the next input.
    Timeout(Option<(Instant, ServerTimer)>),
}

/// Who asked to be called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ServerTimer {
    /// A connection says nothing, reads nothing, or has not said what it wants.
    Connection(ConnectionId),
    /// A lobby: a player that does not come back, a host that is gone, nobody there.
    Lobby,
    /// The server goes.
    ShutDown,
}

/// What a server is made with.
#[derive(Clone)]
pub struct Identity {
    /// Which part of the process it is.
    pub shard: ShardId,
    /// How many parts there are.
    pub shards: u16,
    /// The long-term key from which tokens, records and signatures are made; the same in every shard and after every restart.
    pub key: [u8; 32],
    /// Drawn anew at each start, the same in every shard: what this very process has sealed it has not forgotten.
    pub process: u64,
}

/// One shard of a lobby server.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    shard: ShardId,
    shards: u16,
    process: u64,
    began: Instant,
    mint: Mint,
    seal: Seal,
    wax: Wax,
    random: ChaCha20Rng,
    /// What the password of a lobby that is not there is compared with.
    dummy: [u8; 32],
    /// Unix time, and when it was told.
    unix: (Duration, Instant),
    exchange: Exchange,
    lobbies: Lobbies,
    addresses: Addresses,
    asks: Asks,
    helpers: helping::Helpers,
    passwords: Passwords,
    /// Lobbies of which the directory must hear.
    unpublished: BTreeSet<LobbyKey>,
    /// Lobbies that came back from records and have ended since.
    ended: Ended,
    /// The server goes then.
    closing: Option<Instant>,
}

impl Server {
    /// A server without lobbies. The seed must be a secret: names, salts and session keys come from it.
    #[expect(clippy::needless_pass_by_value, reason = "the key is the server's from now on")]
    pub fn new(config: ServerConfig, identity: Identity, seed: [u8; 32], now: Instant) -> Result<Self, ConfigError> {
        config.check()?;
        let Identity { shard, shards, key, process } = identity;
        if shard.0 >= shards {
            return Err(ConfigError { setting: "shards", must: "more than the number of every shard" });
        }
        let mut random = ChaCha20Rng::from_seed(seed);
        let mut dummy = [0; 32];
        random.fill_bytes(&mut dummy);
        Ok(Server {
            shard,
            shards,
            process,
            began: now,
            mint: Mint::new(&key),
            seal: Seal::new(&mac(&key, &[b"webstar view signatures"])),
            wax: Wax::new(mac(&key, &[b"webstar sealed records"])),
            random,
            dummy,
            unix: (Duration::ZERO, now),
            exchange: Exchange::new(&config, now),
            lobbies: Lobbies::default(),
            addresses: Addresses::default(),
            asks: Asks::default(),
            helpers: helping::Helpers::default(),
            passwords: Passwords::default(),
            unpublished: BTreeSet::new(),
            ended: Ended::default(),
            closing: None,
            config,
        })
    }

    /// Tells the server what has happened. An older `now` is taken as the last one.
    pub fn handle(&mut self, now: Instant, input: Input) -> Result<(), InputError> {
        self.exchange.now = self.exchange.now.max(now);
        let result = self.on_input(input);
        while let Some(key) = self.exchange.timers.pop(self.exchange.now) {
            self.on_due(key);
        }
        while let Some((id, reason)) = self.exchange.next_doomed() {
            self.close(id, reason);
        }
        self.publish();
        result
    }

    /// The next thing to do; drain until [`Output::Timeout`].
    pub fn poll(&mut self) -> Output {
        self.exchange.out.pop_front().unwrap_or_else(|| {
            Output::Timeout(self.exchange.timers.first().map(|(at, key)| {
                let timer = match key {
                    TimerKey::Connection(id) => ServerTimer::Connection(id),
                    TimerKey::Lobby(_) => ServerTimer::Lobby,
                    TimerKey::ShutDown => ServerTimer::ShutDown,
                };
                (at, timer)
            }))
        })
    }

    /// The server in numbers.
    pub fn stats(&self) -> ServerStats {
        self.exchange.counts.told()
    }

    fn on_input(&mut self, input: Input) -> Result<(), InputError> {
        match input {
            Input::Connected { connection, arrival } => return self.on_connected(connection, &arrival),
            Input::Moved { connection, parcel } => return self.on_moved(connection, *parcel),
            Input::Frame { connection, frame } => return self.on_frame(connection, frame),
            Input::Control { connection } => return self.on_control(connection),
            Input::Broken { connection, fault } => return self.on_broken(connection, fault),
            Input::Wrote { connection, bytes } => {
                self.exchange.get(connection).ok_or(InputError::NoSuchConnection(connection))?;
                let was_given = self.exchange.wrote(connection, bytes);
                return if was_given { Ok(()) } else { Err(InputError::WroteTooMuch(connection)) };
            }
            Input::Closed { connection } => {
                self.exchange.get(connection).ok_or(InputError::NoSuchConnection(connection))?;
                self.on_closed(connection, None);
            }
            Input::Answered { ask, answer } => return self.on_answered(ask, answer),
            Input::WallClock { unix } => self.on_wall_clock(unix),
            Input::IceServers(servers) => self.on_ice_servers(servers),
            Input::SendToAll { data } => self.on_send_to_all(data),
            Input::ShutDown { within } => self.on_shut_down(within),
            Input::Timeout => {}
        }
        Ok(())
    }

    fn on_answered(&mut self, ask: AskId, answer: Answer) -> Result<(), InputError> {
        use DirectoryAnswer as D;
        let question = self.asks.take(ask, &answer).ok_or(InputError::NoSuchAsk(ask))?;
        match (question, answer) {
            (Question::Find(id, name), Answer::Directory(D::Lobby(found))) => {
                self.on_found(id, found);
                self.free(&name);
            }
            (Question::List(id), Answer::Directory(D::Listed(lobbies))) => self.on_listed(id, lobbies),
            (Question::Quick(id), Answer::Directory(D::Listed(lobbies))) => self.on_quick(id, lobbies),
            (Question::Claim(id, peer), Answer::Directory(D::Peer(Claim::Granted))) => self.on_claimed(id, peer),
            (Question::Claim(id, _), Answer::Directory(D::Peer(Claim::Taken))) => {
                self.fail(id, ErrorCode::PeerIdTaken);
            }
            (Question::Admit(id), Answer::Admitted(is_admitted)) => self.on_admitted(id, is_admitted),
            (Question::Hash(id, address), Answer::Hash(hash)) => self.on_hashed(id, address, hash),
            (Question::Release(name), _) => self.on_released(ask, &name),
            (Question::LostFind(name), Answer::Directory(found)) => {
                if found == D::Lobby(Found::Claimed) {
                    self.begin_release(name.clone());
                }
                self.free(&name);
            }
            (Question::LostClaim(peer), Answer::Directory(D::Peer(Claim::Granted))) => self.release_peer(peer),
            (Question::Find(id, name), _) => {
                self.fail(id, ErrorCode::Busy);
                self.free(&name);
            }
            (Question::List(id) | Question::Quick(id) | Question::Claim(id, _), _) => self.fail(id, ErrorCode::Busy),
            _ => {}
        }
        Ok(())
    }

    fn on_due(&mut self, key: TimerKey) {
        match key {
            TimerKey::Connection(id) => {
                if let Some(reason) = self.exchange.on_due(id) {
                    self.exchange.doom(id, reason);
                }
            }
            TimerKey::Lobby(key) => self.on_lobby_due(key),
            TimerKey::ShutDown => self.close_all(),
        }
    }

    fn on_shut_down(&mut self, within: Duration) {
        let at = self.exchange.now + within;
        self.closing = Some(self.closing.map_or(at, |closing| closing.min(at)));
        self.exchange.timers.arm(TimerKey::ShutDown, &mut None, Some(at));
        let in_ms = u32::try_from(within.as_millis()).unwrap_or(u32::MAX);
        let message = ServerMessage::Closing(Closing { in_ms });
        let ids: Vec<ConnectionId> = self.exchange.ids().collect();
        let mut shared = connection::Shared::new(&message);
        for id in ids {
            shared.send(&mut self.exchange, id, queue::Class::Signal);
        }
    }

    /// Closes a connection for a reason of the server's.
    fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        if self.exchange.get(id).is_none() {
            return;
        }
        self.exchange.counts.closed(reason);
        self.exchange.out.push_back(Output::Close { connection: id, reason });
        self.exchange.event(ServerEvent::Closed { connection: id, reason });
        self.on_closed(id, Some(reason));
    }

    /// So many random bytes.
    fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.random.fill_bytes(&mut bytes);
        bytes
    }
}
