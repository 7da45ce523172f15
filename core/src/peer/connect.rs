//! The connection to the lobby server: reaching it, joining, noticing that it broke, and coming back as who we were.

use super::event::{Ended, PeerEvent, Refusal};
use super::outbox::Act;
use super::{Peer, Target, Ticket, Wish};
use crate::id::StreamId;
use crate::time::{Duration, Instant};
use crate::wire::signal::{
    self, ClientMessage, CloseReason, CreateLobby, Encoding, ErrorCode, Frame, Hello, JoinLobby, LobbyName, PeerName,
    Ping, QuickJoin, Resume, Secret, ServerMessage, Version,
};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Redirects that are followed before it is a loop.
const MAX_REDIRECTS: u32 = 3;
/// The pause before the first attempt after a failure; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// The longest pause.
const PAUSE_MOST: Duration = Duration::from_secs(30);
/// The longest pause while the server keeps our place, as long as a resume token is good by default.
const PAUSE_MOST_AWAITED: Duration = Duration::from_secs(4);
const AWAITED: Duration = Duration::from_secs(120);
/// A connection that breaks sooner than this after we came back goes on with the pauses where they stood.
const SETTLED_AFTER: Duration = Duration::from_secs(10);
/// When nothing has come from the server for so long it is asked whether it is there. Members of a star hear it every
/// 2 s at least, so this is for the lonely and the cut off.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How far the way into the lobby has been gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// The stream is asked for.
    Opening,
    /// `hello` is said.
    Greeting,
    /// The peer id is claimed.
    Claiming,
    /// The join, or the resume, is asked for.
    Joining,
    /// In the lobby.
    In,
    /// `leave_lobby` is said.
    Leaving,
    /// Between two attempts.
    Pausing,
    /// Over.
    Ended,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) phase: Phase,
    pub(super) stream: Option<StreamId>,
    /// When the phase ends, if it ends by time. In the lobby: when the server is asked, or given up.
    until: Option<Instant>,
    url: String,
    redirects: u32,
    /// Failures in a row.
    failures: u32,
    broke_at: Instant,
    joined_at: Instant,
    /// The server was asked whether it is there.
    is_asked: bool,
    heard_at: Instant,
    /// What we come back with.
    pub(super) place: Option<Ticket>,
    pub(super) version: Version,
    /// Bytes given to the stream that have not left.
    pub(super) buffered: usize,
}

impl Connection {
    pub(super) fn new(url: String, now: Instant) -> Self {
        Connection {
            phase: Phase::Pausing,
            stream: None,
            until: Some(now),
            url,
            redirects: 0,
            failures: 0,
            broke_at: now,
            joined_at: now,
            is_asked: false,
            heard_at: now,
            place: None,
            version: Version::CURRENT,
            buffered: 0,
        }
    }

    pub(super) fn on_joined(&mut self, now: Instant, lobby: LobbyName, token: Option<Secret>) {
        self.phase = Phase::In;
        self.joined_at = now;
        self.redirects = 0;
        self.place = token.map(|token| Ticket { lobby, token });
        self.on_heard(now);
    }

    /// The pause is over.
    pub(super) fn hurry(&mut self, now: Instant) {
        if self.phase == Phase::Pausing {
            self.until = Some(now);
        }
    }

    /// When the server was last heard.
    pub(super) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    fn on_heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.is_asked = false;
        if self.phase == Phase::In {
            self.until = Some(now + ASK_AFTER);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// The pause before the next attempt: half of it is left to chance, so that those who broke together do not return
    /// together.
    fn pause(&self, now: Instant, random: &mut ChaCha8Rng) -> Duration {
        let most = if now.since(self.broke_at) < AWAITED { PAUSE_MOST_AWAITED } else { PAUSE_MOST };
        let doubled = PAUSE_FIRST.saturating_mul(1 << self.failures.saturating_sub(1).min(16)).min(most);
        doubled.mul_f64(random.random_range(0.5..=1.0))
    }
}

/// The reasons after which coming back is of no use.
fn is_final(reason: CloseReason) -> bool {
    match reason {
        CloseReason::Left
        | CloseReason::Kicked
        | CloseReason::Banned
        | CloseReason::TimedOut
        | CloseReason::Replaced
        | CloseReason::BadMessages
        | CloseReason::HostLost
        | CloseReason::FellBehind
        | CloseReason::TokenReused
        | CloseReason::LobbyClosed
        | CloseReason::UnsupportedVersion
        | CloseReason::TooLarge => true,
        CloseReason::HandshakeTimeout
        | CloseReason::Idle
        | CloseReason::TooSlow
        | CloseReason::RateLimited
        | CloseReason::ShuttingDown
        | CloseReason::Busy => false,
    }
}

/// The reason in a close frame.
fn reason_of(text: &str) -> Option<CloseReason> {
    serde_json::from_value(serde_json::Value::from(text)).ok()
}

impl Peer {
    /// Begins an attempt to reach the server.
    fn connect(&mut self) {
        let stream = self.next_stream();
        self.connection.phase = Phase::Opening;
        self.connection.stream = Some(stream);
        self.connection.buffered = 0;
        self.connection.until = Some(self.now + self.config.connection_timeout);
        let url = self.connection.url.clone();
        let subprotocol = Encoding::Postcard.subprotocol();
        self.out.act(Act::Open(stream, Target::WebSocket { url, subprotocol }));
    }

    pub(super) fn on_server_opened(&mut self) {
        if self.connection.phase == Phase::Opening {
            self.connection.phase = Phase::Greeting;
            self.connection.until = Some(self.now + self.config.connection_timeout);
            self.connection.on_heard(self.now);
            self.say(&ClientMessage::Hello(Hello {
                versions: self.config.versions.clone(),
                key: Some(self.identity.public()),
            }));
        }
    }

    /// The connection is closed from the other side.
    pub(super) fn on_server_closed(&mut self, reason: &str) {
        match reason_of(reason) {
            Some(CloseReason::Left) if self.connection.phase == Phase::Leaving => self.end(Ended::Left),
            Some(reason) if is_final(reason) => self.end(Ended::PutOut(reason)),
            _ => {
                let why = if reason.is_empty() { "the connection was closed" } else { reason };
                self.on_lost(why);
            }
        }
    }

    /// An attempt has failed, or the connection is lost.
    pub(super) fn on_lost(&mut self, why: &str) {
        let was_in = self.connection.phase == Phase::In;
        if self.connection.phase == Phase::Leaving {
            return self.end(Ended::Left);
        }
        if let Some(stream) = self.connection.stream.take() {
            self.out.act(Act::Close(stream));
        }
        self.lose_requests();
        self.choose_carrier();
        self.hub.tell_guests_drained(&mut self.out);
        self.hub.on_server_reachable(self.now, false);
        if was_in {
            self.connection.broke_at = self.now;
            if self.now.since(self.connection.joined_at) >= SETTLED_AFTER {
                self.connection.failures = 0;
            }
        }
        if !was_in {
            // Where we were sent may be gone; whom we know tells where else to go.
            self.connection.redirects = 0;
            self.connection.url.clone_from(&self.config.signaling_server);
        }
        self.connection.failures = self.connection.failures.saturating_add(1);
        let has_place = self.connection.place.is_some();
        let gives_up = match self.lobby {
            Some(_) => !self.config.auto_reconnect || !has_place,
            None => self.connection.failures >= self.config.max_reconnect_attempts,
        };
        if gives_up && self.leave_by.is_some() {
            return self.end(Ended::Left);
        }
        if gives_up {
            return self.end(Ended::Unreachable { why: why.into() });
        }
        let after = self.connection.pause(self.now, &mut self.random);
        self.connection.phase = Phase::Pausing;
        self.connection.until = Some(self.now + after);
        let attempt = self.connection.failures;
        self.out.event(PeerEvent::Reconnecting { attempt, after, why: why.into() });
    }

    pub(super) fn on_server_timeout(&mut self) {
        if self.connection.until.is_none_or(|until| until > self.now) {
            return;
        }
        match self.connection.phase {
            Phase::Pausing => self.connect(),
            Phase::Opening => self.on_lost("the server did not answer in time"),
            Phase::Greeting | Phase::Claiming | Phase::Joining => self.on_lost("the server did not let us in in time"),
            Phase::In if self.connection.is_asked => self.on_lost("the server fell silent"),
            Phase::In => {
                self.connection.is_asked = true;
                self.connection.until = Some(self.now + ANSWER_WITHIN);
                self.say(&ClientMessage::Ping(Ping::default()));
            }
            Phase::Leaving => self.end(Ended::Left),
            Phase::Ended => {}
        }
    }

    /// A frame of the server has come.
    pub(super) fn on_server_frame(&mut self, frame: &Frame) {
        self.connection.on_heard(self.now);
        if let Frame::Binary(bytes) = frame
            && bytes.first() == Some(&crate::wire::relay::TAG)
        {
            // Without a relay of its own the server connection carries the star.
            return self.on_packet(bytes);
        }
        let message = match signal::decode_server(Encoding::Postcard, frame) {
            Ok(message) => message,
            Err(error) => {
                self.out.dropped.frames += 1;
                return self.out.note(|| format!("dropped what the server says: {error}"));
            }
        };
        self.out.note(|| format!("the server says {}", name_of(&message)));
        self.on_server_message(message);
    }

    fn on_server_message(&mut self, message: ServerMessage) {
        use Phase::{Claiming, Ended as Over, Greeting, In, Joining, Leaving, Opening, Pausing};
        match (self.connection.phase, message) {
            (Over | Pausing | Opening, _) => {}
            (Greeting, ServerMessage::Welcome(welcome)) => {
                self.connection.version = welcome.version;
                self.ask_in();
            }
            (Claiming, ServerMessage::PeerId(_)) => self.ask_to_join(),
            (Joining, ServerMessage::LobbyJoined(joined)) => self.on_lobby_joined(*joined),
            (Greeting | Claiming | Joining, ServerMessage::Redirect(redirect)) => self.on_redirect(redirect.url),
            (Greeting | Claiming | Joining, ServerMessage::Error(error)) => {
                self.on_join_refused(Refusal { code: error.code, message: error.message });
            }
            (In | Leaving, ServerMessage::Kicked(kicked)) => {
                let reason = if kicked.banned { CloseReason::Banned } else { CloseReason::Kicked };
                self.end(Ended::PutOut(reason));
            }
            (Leaving, ServerMessage::LobbyLeft) => self.end(Ended::Left),
            // There is nothing to leave.
            (Leaving, ServerMessage::Error(error)) if error.request == 0 => self.end(Ended::Left),
            (In, ServerMessage::LobbyLeft) => self.end(Ended::PutOut(CloseReason::Left)),
            // The lobby goes on; when the connection closes we come back.
            (_, ServerMessage::Closing(_) | ServerMessage::Pong(_)) => {}
            (In | Leaving, ServerMessage::IceServers(told)) => self.out.act(Act::IceServers(told.servers)),
            (In | Leaving, message) => self.on_lobby_message(message),
            (Greeting | Claiming | Joining, _) => self.out.dropped.frames += 1,
        }
    }

    /// Back to our place, or that of an earlier life; otherwise anew, under our name.
    fn ask_in(&mut self) {
        let fresh = self.lobby.is_none();
        let ticket = if fresh { &self.request.ticket } else { &self.connection.place };
        if let Some(Ticket { lobby: lobby_id, token }) = ticket.clone() {
            self.connection.phase = Phase::Joining;
            let restore = if fresh { None } else { self.restore() };
            return self.say(&ClientMessage::Resume(Resume { lobby_id, token, fresh, restore }));
        }
        match self.request.peer_id.clone().filter(|_| fresh) {
            Some(peer_id) => {
                self.connection.phase = Phase::Claiming;
                self.say(&ClientMessage::PeerId(PeerName { peer_id }));
            }
            None => self.ask_to_join(),
        }
    }

    fn ask_to_join(&mut self) {
        self.connection.phase = Phase::Joining;
        let message = self.join_message();
        self.say(&message);
    }

    fn join_message(&self) -> ClientMessage {
        let request = &self.request;
        let rules = |rules: &CreateLobby| CreateLobby {
            enable_host_migration: rules.enable_host_migration && self.config.enable_host_migration,
            ..rules.clone()
        };
        let asked = request.create.as_ref().map(rules);
        let always = || Some(asked.clone().unwrap_or_else(|| rules(&CreateLobby::default())));
        let for_two =
            || Some(asked.clone().unwrap_or_else(|| CreateLobby { max_players: 2, ..rules(&CreateLobby::default()) }));
        let (lobby_id, peer, create) = match &request.wish {
            Wish::Quick(filter) => {
                return ClientMessage::QuickJoin(QuickJoin {
                    username: request.username.clone(),
                    filter: filter.clone(),
                    create: asked,
                    admission: request.admission.clone(),
                });
            }
            Wish::Named(name) => (Some(name.clone()), None, asked),
            Wish::New => (None, None, always()),
            Wish::Peer(peer) => (None, Some(peer.clone()), for_two()),
            Wish::PeerGame { peer, room } => (Some(room.clone()), Some(peer.clone()), always()),
        };
        ClientMessage::JoinLobby(JoinLobby {
            lobby_id,
            username: request.username.clone(),
            password: request.password.clone(),
            create,
            spectator: request.spectator,
            peer,
            admission: request.admission.clone(),
        })
    }

    fn on_redirect(&mut self, url: String) {
        self.connection.redirects += 1;
        if self.connection.redirects > MAX_REDIRECTS {
            return self.end(Ended::RedirectLoop);
        }
        if let Some(stream) = self.connection.stream.take() {
            self.out.act(Act::Close(stream));
        }
        self.connection.url = url;
        self.connect();
    }

    /// The server refuses to let us in. To come back later helps only where the server says so.
    fn on_join_refused(&mut self, refusal: Refusal) {
        let is_resuming = self.lobby.is_some();
        match refusal.code {
            ErrorCode::Busy | ErrorCode::RateLimited | ErrorCode::ShuttingDown if is_resuming => {
                self.on_lost(&refusal.message);
            }
            ErrorCode::BadToken | ErrorCode::NoSuchLobbyOrPassword | ErrorCode::NotInLobby if is_resuming => {
                self.end(Ended::PutOut(CloseReason::TimedOut));
            }
            ErrorCode::BadToken | ErrorCode::NoSuchLobbyOrPassword if self.request.ticket.take().is_some() => {
                self.ask_in();
            }
            _ => self.end(Ended::Refused(refusal)),
        }
    }

    /// Says goodbye; the end follows with the answer, or without it.
    pub(super) fn say_goodbye(&mut self) {
        self.connection.phase = Phase::Leaving;
        self.connection.until = Some(self.now + super::LEAVE_WITHIN);
        self.say(&ClientMessage::LeaveLobby);
    }

    /// It is over: streams are closed, and nothing follows.
    pub(super) fn end(&mut self, why: Ended) {
        self.lose_requests();
        for stream in [self.connection.stream.take(), self.carrier.take()].into_iter().flatten() {
            self.out.act(Act::Close(stream));
        }
        self.connection.phase = Phase::Ended;
        self.connection.until = None;
        self.hub.end(self.now, &mut self.out);
        self.settle_handing();
        self.out.event(PeerEvent::Closed(why));
    }

    /// Sends a message to the server.
    pub(super) fn say(&mut self, message: &ClientMessage) {
        if let Some(stream) = self.connection.stream {
            let frame = signal::encode_client(Encoding::Postcard, message);
            self.out.act(Act::Send(stream, frame));
        }
    }
}

/// What kind of message it is, without what is in it.
fn name_of(message: &ServerMessage) -> &'static str {
    match message {
        ServerMessage::Welcome(_) => "welcome",
        ServerMessage::LobbyJoined(_) => "lobby_joined",
        ServerMessage::PlayerListUpdated(_) => "player_list_updated",
        ServerMessage::HostMigration(_) => "host_migration",
        ServerMessage::LobbyChanged(_) => "lobby_changed",
        ServerMessage::GameStarted(_) => "game_started",
        ServerMessage::LobbyList(_) => "lobby_list",
        ServerMessage::PeerId(_) => "peer_id",
        ServerMessage::WebrtcSignal(_) => "webrtc_signal",
        ServerMessage::RelayData(_) => "relay_data",
        ServerMessage::BroadcastData(_) => "broadcast_data",
        ServerMessage::RelayJoined => "relay_joined",
        ServerMessage::LobbyLeft => "lobby_left",
        ServerMessage::Kicked(_) => "kicked",
        ServerMessage::Redirect(_) => "redirect",
        ServerMessage::Closing(_) => "closing",
        ServerMessage::Pong(_) => "pong",
        ServerMessage::Done(_) => "done",
        ServerMessage::Error(_) => "error",
        ServerMessage::ProposeView(_) => "propose_view",
        ServerMessage::Granted(_) => "granted",
        ServerMessage::ViewInForce(_) => "view_in_force",
        ServerMessage::AskHeard(_) => "ask_heard",
        ServerMessage::Sealed(_) => "sealed",
        ServerMessage::IceServers(_) => "ice_servers",
    }
}
