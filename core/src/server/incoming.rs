//! What comes in on a connection: counted, read, and handed to whom it concerns. Nothing of it is believed before it has
//! passed here.

use super::connection::{Connection, Passage};
use super::counts::Dropped;
use super::joining::{Goal, Job, Join, Way};
use super::limits::Rate;
use super::queue::FRAME_OVERHEAD;
use super::{Arrival, Endpoint, InputError, Server, ServerEvent};
use crate::id::ConnectionId;
use crate::wire::relay;
use crate::wire::signal::{
    ClientMessage, CloseReason, CreateLobby, Encoding, ErrorCode, Frame, Hello, JoinLobby, LobbyName, PeerId, Pong,
    QuickJoin, Secret, ServerError, ServerMessage, Version, Welcome, decode_client,
};
use sha2::{Digest, Sha256};

/// Unreadable messages in a row that are answered; at one more the connection is closed.
const MAX_BAD: u8 = 10;
/// So often in a minute a connection is told that it asks too often; then it is closed.
const MAX_TOLD: u64 = 20;
/// An address is charged for its connections when one of them owes so much.
const CHARGED: usize = 64 * 1024;
/// What a message that is much work counts.
const HEAVY: u64 = 10;
/// What the names of peers' own lobbies begin with. Nobody chooses such a name.
const PEER_LOBBY: char = '~';

impl Server {
    pub(super) fn on_connected(&mut self, id: ConnectionId, arrival: &Arrival) -> Result<(), InputError> {
        self.check_free(id)?;
        let now = self.exchange.now;
        self.exchange.counts.stats.connected += 1;
        let is_full = self.exchange.counts.stats.connections >= self.config.max_connections as u64;
        let is_free = self.addresses.open(now, arrival.address, &self.config);
        let mut connection = Box::new(Connection::new(now, arrival));
        connection.counted = is_free;
        self.exchange.insert(id, connection);
        if self.closing.is_some() {
            self.refuse(id, ErrorCode::ShuttingDown, 0);
            self.exchange.doom(id, CloseReason::ShuttingDown);
        } else if is_full || !is_free {
            self.refuse(id, ErrorCode::Busy, 0);
            self.exchange.doom(id, CloseReason::Busy);
        }
        Ok(())
    }

    pub(super) fn on_control(&mut self, id: ConnectionId) -> Result<(), InputError> {
        let now = self.exchange.now;
        let connection = self.exchange.get_mut(id).ok_or(InputError::NoSuchConnection(id))?;
        connection.heard = now;
        if !connection.buckets.control(now, &self.config) {
            self.exchange.doom(id, CloseReason::RateLimited);
        }
        Ok(())
    }

    pub(super) fn on_frame(&mut self, id: ConnectionId, frame: Frame) -> Result<(), InputError> {
        let now = self.exchange.now;
        let connection = self.exchange.get_mut(id).ok_or(InputError::NoSuchConnection(id))?;
        connection.heard = now;
        let len = frame.bytes().len();
        let mut passage = connection.buckets.frame(now, &self.config, len);
        connection.owed += len + FRAME_OVERHEAD;
        if connection.owed >= CHARGED {
            if self.addresses.charge(now, connection.address, &self.config, connection.owed) {
                connection.owed = 0;
            } else if passage == Passage::Free {
                connection.owed = CHARGED;
                passage = Passage::Crowded;
            }
        }
        let proven = core::mem::take(&mut connection.unproven).then_some(connection.place).flatten();
        let by_frame = if matches!(frame, Frame::Text(_)) { Encoding::Json } else { Encoding::Postcard };
        let encoding = *connection.encoding.get_or_insert(by_frame);
        self.exchange.counts.stats.frames_in += 1;
        self.exchange.counts.stats.bytes_in += len as u64;
        if let Some(place) = proven {
            self.on_proven(place);
        }
        match (passage, frame) {
            (Passage::Flood, _) => self.exchange.doom(id, CloseReason::RateLimited),
            (Passage::Dropped, _) => self.exchange.counts.dropped(Dropped::Rate),
            (Passage::Crowded, _) => self.exchange.counts.dropped(Dropped::AddressRate),
            (Passage::Free, Frame::Binary(packet)) if packet.first() == Some(&relay::TAG) => self.on_packet(id, packet),
            (Passage::Free, frame) => self.on_signal(id, encoding, &frame),
        }
        Ok(())
    }

    fn on_signal(&mut self, id: ConnectionId, encoding: Encoding, frame: &Frame) {
        let now = self.exchange.now;
        let read = decode_client(encoding, frame);
        let Some(connection) = self.exchange.get_mut(id) else { return };
        let weight = read.as_ref().map_or(1, weight);
        if weight > 0 && !connection.buckets.message(now, &self.config, weight) {
            if weight > 1 && connection.buckets.message(now, &self.config, 1) {
                return self.refuse(id, ErrorCode::RateLimited, 0);
            }
            return self.exchange.doom(id, CloseReason::RateLimited);
        }
        let message = match read {
            Ok(message) => message,
            Err(error) => {
                connection.bad += 1;
                let is_last = connection.bad > MAX_BAD;
                self.refuse_saying(id, ErrorCode::BadMessage, format!("{error}; docs/wire.md tells how messages look"));
                if is_last {
                    self.exchange.doom(id, CloseReason::BadMessages);
                }
                return;
            }
        };
        connection.bad = 0;
        connection.greeted |= !matches!(message, ClientMessage::Ping(_));
        match (&mut connection.pending, message) {
            (_, ClientMessage::Ping(ping)) => {
                self.exchange.say(id, &ServerMessage::Pong(Pong { nonce: ping.nonce }));
            }
            (Some(pending), message) => {
                if !pending.defer(message, frame.bytes().len()) {
                    self.refuse(id, ErrorCode::Busy, 0);
                }
            }
            (None, message) => self.on_message(id, message),
        }
    }

    /// A message whose turn has come.
    pub(super) fn on_message(&mut self, id: ConnectionId, message: ClientMessage) {
        let Some(connection) = self.exchange.get(id) else { return };
        if connection.endpoint == Endpoint::Relay && !matches!(message, ClientMessage::JoinRelay(_)) {
            let text = "this endpoint takes join_relay and relayed packets only; connect to /ws for the rest";
            return self.refuse_saying(id, ErrorCode::BadMessage, text.into());
        }
        match message {
            ClientMessage::Hello(hello) => self.on_hello(id, &hello),
            ClientMessage::JoinLobby(join) => self.on_join_lobby(id, join),
            ClientMessage::QuickJoin(join) => self.on_quick_join(id, join),
            ClientMessage::Resume(_) if connection.place.is_some() => self.refuse(id, ErrorCode::AlreadyInLobby, 0),
            ClientMessage::Resume(_) if connection.version.is_none() => self.refuse(id, ErrorCode::GuestsCannot, 0),
            ClientMessage::Resume(resume) => self.on_resume(id, resume),
            ClientMessage::LeaveLobby => self.on_leave(id),
            ClientMessage::ListLobbies(list) => self.start(id, Job::List(list.filter)),
            ClientMessage::PeerId(name) if connection.peer.as_ref() == Some(&name.peer_id) => {
                self.exchange.say(id, &ServerMessage::PeerId(name));
            }
            ClientMessage::PeerId(name) => self.start(id, Job::Claim(name.peer_id)),
            ClientMessage::WebrtcSignal(signal) => self.on_webrtc_signal(id, signal),
            ClientMessage::JoinRelay(_) if connection.endpoint == Endpoint::Lobby => {
                let text = "join_relay is for the /relay endpoint; here packets are relayed without";
                self.refuse_saying(id, ErrorCode::BadMessage, text.into());
            }
            ClientMessage::JoinRelay(_) if connection.place.is_some() => self.refuse(id, ErrorCode::AlreadyInLobby, 0),
            ClientMessage::JoinRelay(join) => self.on_join_relay(id, join),
            ClientMessage::RelayData(data) => self.on_relay_data(id, data),
            ClientMessage::BroadcastData(data) => self.on_broadcast_data(id, data),
            ClientMessage::Ping(ping) => self.exchange.say(id, &ServerMessage::Pong(Pong { nonce: ping.nonce })),
            ClientMessage::InForce(message) => self.on_in_force(id, &message),
            ClientMessage::Grant(message) => self.on_grant(id, &message),
            ClientMessage::Unheard(message) => self.on_unheard(id, &message),
            ClientMessage::Heard(message) => self.on_heard(id, &message),
            order => self.on_order(id, order),
        }
    }

    fn on_hello(&mut self, id: ConnectionId, hello: &Hello) {
        let Some(connection) = self.exchange.get_mut(id) else { return };
        if connection.place.is_some() {
            return self.refuse(id, ErrorCode::AlreadyInLobby, 0);
        }
        match Version::negotiate(&hello.versions) {
            Some(version) => {
                connection.version = Some(version);
                connection.key = hello.key;
                self.exchange.say(id, &ServerMessage::Welcome(Welcome { version }));
            }
            None => {
                self.refuse(id, ErrorCode::UnsupportedVersion, 0);
                self.exchange.doom(id, CloseReason::UnsupportedVersion);
            }
        }
    }

    fn on_join_lobby(&mut self, id: ConnectionId, join: JoinLobby) {
        if join.lobby_id.as_ref().is_some_and(|name| name.as_str().starts_with(PEER_LOBBY)) {
            let text = "names that begin with ~ are the peers' own lobbies; join by peer, or choose another name";
            return self.refuse_saying(id, ErrorCode::BadMessage, text.into());
        }
        let is_guest = self.exchange.get(id).is_some_and(|connection| connection.version.is_none());
        let (name, create) = match (join.lobby_id, &join.peer) {
            (Some(name), Some(_)) => (Some(name), Some(join.create.unwrap_or_default())),
            (Some(name), None) => (Some(name), join.create.or_else(|| is_guest.then(CreateLobby::default))),
            (None, Some(peer)) => (Some(peer_lobby(peer)), Some(of_peer(join.create.unwrap_or_default()))),
            (None, None) => (None, Some(join.create.unwrap_or_default())),
        };
        let wish = Join {
            username: join.username,
            spectator: join.spectator && !is_guest,
            password: given(join.password),
            create,
            preferred: join.peer,
            admission: join.admission,
            way: if name.is_some() { Way::Named } else { Way::Coded },
            name,
            goal: Goal::Asked,
        };
        self.wish(id, wish);
    }

    fn on_quick_join(&mut self, id: ConnectionId, join: QuickJoin) {
        let wish = Join {
            username: join.username,
            spectator: false,
            password: None,
            create: join.create,
            preferred: None,
            admission: join.admission,
            way: Way::Quick(join.filter, Vec::new()),
            name: None,
            goal: Goal::Asked,
        };
        self.wish(id, wish);
    }

    fn wish(&mut self, id: ConnectionId, wish: Join) {
        let most = self.config.max_lobby_players;
        if self.exchange.get(id).is_some_and(|connection| connection.place.is_some()) {
            self.refuse(id, ErrorCode::AlreadyInLobby, 0);
        } else if wish.create.as_ref().is_some_and(|rules| !(2..=most).contains(&rules.max_players)) {
            self.refuse_saying(id, ErrorCode::BadMessage, format!("max_players must be 2 to {most}"));
        } else {
            self.start(id, Job::Join(Box::new(wish)));
        }
    }

    pub(super) fn refuse(&mut self, id: ConnectionId, code: ErrorCode, request: u32) {
        self.refuse_with(id, ServerError { code, message: code.to_string(), request });
    }

    fn refuse_saying(&mut self, id: ConnectionId, code: ErrorCode, message: String) {
        self.refuse_with(id, ServerError { code, message, request: 0 });
    }

    fn refuse_with(&mut self, id: ConnectionId, error: ServerError) {
        let code = error.code;
        self.exchange.counts.refused(code);
        self.exchange.say(id, &ServerMessage::Error(error));
        self.exchange.event(ServerEvent::Refused { connection: id, code });
        if code == ErrorCode::RateLimited {
            self.lose_patience(id);
        }
    }

    /// Whoever goes on asking though it was told so often is closed.
    fn lose_patience(&mut self, id: ConnectionId) {
        let now = self.exchange.now;
        let Some(connection) = self.exchange.get_mut(id) else { return };
        if !connection.patience.take(now, Rate::per_minute(MAX_TOLD), 1) {
            self.exchange.doom(id, CloseReason::RateLimited);
        }
    }
}

/// How often a message counts: what is relayed counts by its bytes; what makes the server search, or tell everybody, is
/// worth many of those that are answered to their sender alone.
fn weight(message: &ClientMessage) -> u64 {
    match message {
        ClientMessage::RelayData(_) | ClientMessage::BroadcastData(_) => 0,
        ClientMessage::JoinLobby(_)
        | ClientMessage::QuickJoin(_)
        | ClientMessage::Resume(_)
        | ClientMessage::ListLobbies(_)
        | ClientMessage::PeerId(_)
        | ClientMessage::Ready(_)
        | ClientMessage::Lock(_)
        | ClientMessage::SetMetadata(_)
        | ClientMessage::SetHidden(_)
        | ClientMessage::RequestHostMigration(_)
        | ClientMessage::InForce(_)
        | ClientMessage::Grant(_) => HEAVY,
        _ => 1,
    }
}

/// The lobby that belongs to a peer, and to no other: the end of a long one is replaced by its hash, and then the name
/// has all 64 characters, as no other has.
fn peer_lobby(peer: &PeerId) -> LobbyName {
    let peer = peer.as_str();
    let name = if peer.len() < 63 {
        format!("{PEER_LOBBY}{peer}")
    } else {
        let start: String = peer.chars().take(31).collect();
        let hash: String = Sha256::digest(peer).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{PEER_LOBBY}{start}{hash}")
    };
    LobbyName::new(name).expect("a peer id has no blanks and no control characters")
}

/// It has two places and is not listed.
fn of_peer(rules: CreateLobby) -> CreateLobby {
    CreateLobby { max_players: 2, public: false, ..rules }
}

/// An empty password is none.
fn given(password: Option<Secret>) -> Option<Secret> {
    password.filter(|password| !password.as_str().is_empty())
}
