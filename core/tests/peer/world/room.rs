//! A lobby server by hand: one lobby, the first player is host, no limits. It believes every view that it is told to be
//! in force, and proposes one only when a test wants it.

use bytes::Bytes;
use std::collections::BTreeMap;
use webstar_core::id::{Incarnation, PlayerId, StreamId};
use webstar_core::wire::relay;
use webstar_core::wire::signal::*;
use webstar_core::wire::view::{Certified, Proof, PublicKey, SigningKey, StarId, Statement, View, Voter};

const STAR: StarId = StarId(5);

/// What the server signs with.
fn key() -> SigningKey {
    SigningKey::from_seed(&[9; 32])
}

fn voter(member: &Member) -> Option<Voter> {
    let PlayerEntry { player_id: player, incarnation, key, role, hidden, .. } = member.entry;
    key.filter(|_| role == Role::Player && !hidden).map(|key| Voter { player, incarnation, key })
}

/// A member and where it is connected.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) entry: PlayerEntry,
    pub(crate) seat: Option<(usize, StreamId)>,
    token: u32,
}

#[derive(Default)]
pub(crate) struct Room {
    pub(crate) members: BTreeMap<PlayerId, Member>,
    /// The view in force, as far as told.
    pub(crate) view: Option<Certified>,
    pub(crate) out: Vec<(usize, StreamId, Frame)>,
    pub(crate) closing: Vec<(usize, StreamId, String)>,
    /// Everything that clients said, but relayed packets.
    pub(crate) said: Vec<(usize, ClientMessage)>,
    /// What each connection speaks.
    versions: BTreeMap<(usize, StreamId), (Version, Option<PublicKey>)>,
    /// Answers to `join_lobby` before the room is asked.
    pub(crate) refuse: Option<ErrorCode>,
    /// It says nothing any more.
    pub(crate) is_mute: bool,
    next: u32,
    tokens: u32,
    pub(crate) relayed: usize,
}

impl Room {
    pub(crate) fn say(&mut self, seat: usize, stream: StreamId, message: &ServerMessage) {
        if !self.is_mute {
            self.out.push((seat, stream, encode_server(Encoding::Postcard, message)));
        }
    }

    /// To everybody that is connected.
    pub(crate) fn say_all(&mut self, message: &ServerMessage) {
        for (seat, stream) in self.members.values().filter_map(|member| member.seat).collect::<Vec<_>>() {
            self.say(seat, stream, message);
        }
    }

    pub(crate) fn on_closed(&mut self, seat: usize, stream: StreamId) {
        let gone = self.members.values_mut().find(|member| member.seat == Some((seat, stream)));
        if let Some(member) = gone {
            member.seat = None;
            member.entry.connected = false;
            self.tell_roster(Vec::new());
        }
    }

    pub(crate) fn list(&self) -> Vec<PlayerEntry> {
        self.members.values().map(|member| member.entry.clone()).collect()
    }

    pub(crate) fn tell_roster(&mut self, left: Vec<(PlayerId, CloseReason)>) {
        let list = PlayerList { player_list: self.list(), left };
        self.say_all(&ServerMessage::PlayerListUpdated(list));
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.view.as_ref().map_or(Epoch::default(), |certified| certified.view.epoch)
    }

    pub(crate) fn host(&self) -> Option<PlayerId> {
        self.view.as_ref().map(|certified| certified.view.host)
    }

    /// Proposes another host.
    pub(crate) fn migrate(&mut self, to: PlayerId, cause: HostCause) {
        let old = &self.view.as_ref().expect("there is a host").view;
        let backups: Vec<PlayerId> = old.replicas().filter(|player| *player != to && *player != old.host).collect();
        let epoch = Epoch { term: old.epoch.term + 1, round: 0 };
        let view = View { epoch, base: old.epoch, cause: Some(cause), host: to, backups, ..old.clone() };
        let signature = Some(Statement::Granted.sign(&key(), STAR, &view));
        let told = ProposeView { view: Box::new(view), signature, promised: Vec::new() };
        self.say_all(&ServerMessage::ProposeView(told));
    }

    /// Forces another host upon the lobby.
    pub(crate) fn force(&mut self, to: PlayerId) {
        let old = self.epoch();
        let epoch = Epoch { term: old.term + 1, round: 77_777 };
        let voters = self.members.values().filter(|member| member.seat.is_some()).filter_map(voter).collect();
        let (since, cause) = (epoch, Some(HostCause::Forced));
        self.put_in_force(View { epoch, base: old, since, cause, host: to, backups: Vec::new(), voters });
    }

    /// Says that a view of the first term is in force.
    pub(crate) fn tell_old(&mut self, host: PlayerId) {
        let new = &self.view.as_ref().expect("there is a host").view;
        let (epoch, base) = (Epoch { term: 1, round: 900 }, Epoch { term: 1, round: 899 });
        let view = View { epoch, base, since: Epoch { term: 1, round: 0 }, cause: None, host, ..new.clone() };
        let proof = Proof::Server(Statement::InForce.sign(&key(), STAR, &view));
        let certified = Box::new(Certified { view, proof });
        self.say_all(&ServerMessage::ViewInForce(ViewInForce { certified }));
    }

    fn put_in_force(&mut self, view: View) {
        let proof = Proof::Server(Statement::InForce.sign(&key(), STAR, &view));
        let certified = Certified { view, proof };
        self.view = Some(certified.clone());
        self.say_all(&ServerMessage::ViewInForce(ViewInForce { certified: Box::new(certified) }));
    }

    pub(crate) fn remove(&mut self, player: PlayerId, reason: CloseReason) {
        self.members.remove(&player);
        self.tell_roster(vec![(player, reason)]);
    }

    /// A guest without a connection.
    pub(crate) fn add_guest(&mut self) -> PlayerId {
        let player = self.add("guest", Role::Guest, (Version::CURRENT, None), None);
        self.tell_roster(Vec::new());
        player
    }

    fn add(
        &mut self,
        name: &str,
        role: Role,
        (version, key): (Version, Option<PublicKey>),
        seat: Option<(usize, StreamId)>,
    ) -> PlayerId {
        self.next += 1;
        let player_id = PlayerId(self.next);
        let entry = PlayerEntry {
            player_id,
            username: Username::new(name).expect("it is short"),
            role,
            ready: false,
            connected: true,
            hidden: false,
            peer_id: None,
            incarnation: Incarnation(1),
            session: SessionKey(u64::from(self.next) * 1_000_003),
            version,
            key,
        };
        self.members.insert(player_id, Member { entry, seat, token: 0 });
        player_id
    }

    fn info(&self) -> LobbyInfo {
        LobbyInfo {
            lobby_id: LobbyName::new("den").expect("it is short"),
            public: false,
            locked: false,
            started: false,
            has_password: false,
            max_players: 64,
            metadata: Metadata::default(),
        }
    }

    fn let_in(&mut self, player: PlayerId, resumed: bool) {
        self.tokens += 1;
        let token = self.tokens;
        let Some(member) = self.members.get_mut(&player) else { return };
        member.token = token;
        let Some((seat, stream)) = member.seat else { return };
        let joined = LobbyJoined {
            player_id: player,
            player_list: self.list(),
            host_id: self.host(),
            epoch: self.epoch(),
            lobby: self.info(),
            resumed,
            token: Some(Secret::new(token.to_string()).expect("it is short")),
            resume_ms: 120_000,
            relay_token: Some(Secret::new("relay").expect("it is short")),
            star: STAR,
            server_key: key().public(),
            view: self.view.clone(),
        };
        self.tell_roster(Vec::new());
        self.say(seat, stream, &ServerMessage::LobbyJoined(Box::new(joined)));
    }

    pub(crate) fn on_frame(&mut self, seat: usize, stream: StreamId, frame: &Frame) {
        if frame.bytes().first() == Some(&relay::TAG) {
            return self.relay(seat, stream, frame.bytes().clone());
        }
        let message = decode_client(Encoding::Postcard, frame).expect("players write well");
        self.said.push((seat, message.clone()));
        let me = self.members.values().find(|member| member.seat == Some((seat, stream)));
        let me = me.map(|member| member.entry.player_id);
        let done = |request| ServerMessage::Done(Done { request });
        match message {
            ClientMessage::Hello(hello) => {
                let version = Version::negotiate(&hello.versions).expect("the tests speak what is spoken");
                self.versions.insert((seat, stream), (version, hello.key));
                self.say(seat, stream, &ServerMessage::Welcome(Welcome { version }));
            }
            ClientMessage::PeerId(name) => self.say(seat, stream, &ServerMessage::PeerId(name)),
            ClientMessage::JoinLobby(join) => self.join(seat, stream, &join),
            ClientMessage::Resume(resume) => self.resume(seat, stream, &resume),
            ClientMessage::Ping(ping) => self.say(seat, stream, &ServerMessage::Pong(Pong { nonce: ping.nonce })),
            ClientMessage::LeaveLobby => {
                self.say(seat, stream, &ServerMessage::LobbyLeft);
                if let Some(me) = me {
                    self.remove(me, CloseReason::Left);
                }
            }
            ClientMessage::Kick(kick) => {
                let kicked = self.members.get(&kick.player_id).and_then(|member| member.seat);
                if let Some((seat, stream)) = kicked {
                    self.say(seat, stream, &ServerMessage::Kicked(Kicked { banned: false }));
                }
                self.remove(kick.player_id, CloseReason::Kicked);
                self.say(seat, stream, &done(kick.request));
            }
            ClientMessage::Ready(ready) => {
                if let Some(member) = me.and_then(|me| self.members.get_mut(&me)) {
                    member.entry.ready = ready.ready;
                }
                self.tell_roster(Vec::new());
                self.say(seat, stream, &done(ready.request));
            }
            ClientMessage::SetHidden(hidden) => {
                if let Some(member) = me.and_then(|me| self.members.get_mut(&me)) {
                    member.entry.hidden = hidden.hidden;
                }
                self.tell_roster(Vec::new());
            }
            ClientMessage::InForce(told) if told.certified.view.epoch > self.epoch() => {
                self.put_in_force(told.certified.view);
            }
            ClientMessage::Grant(grant) => {
                let signature = Statement::Granted.sign(&key(), STAR, &grant.view);
                let told = Granted { epoch: grant.view.epoch, signature, promised: Vec::new() };
                self.say(seat, stream, &ServerMessage::Granted(told));
            }
            ClientMessage::StartGame(start) => {
                let (code, message) = (ErrorCode::NotHost, "only the host".to_string());
                self.say(seat, stream, &ServerMessage::Error(ServerError { code, message, request: start.request }));
            }
            _ => {}
        }
    }

    fn join(&mut self, seat: usize, stream: StreamId, join: &JoinLobby) {
        if let Some(code) = self.refuse {
            let message = code.to_string();
            return self.say(seat, stream, &ServerMessage::Error(ServerError { code, message, request: 0 }));
        }
        let role = if join.spectator { Role::Spectator } else { Role::Player };
        let said = self.versions[&(seat, stream)];
        let player = self.add(join.username.as_str(), role, said, Some((seat, stream)));
        if self.view.is_none() && role == Role::Player {
            let epoch = Epoch { term: 1, round: 0 };
            let voters = self.members.get(&player).and_then(voter).into_iter().collect();
            let (base, since) = (Epoch::default(), epoch);
            let view = View { epoch, base, since, cause: None, host: player, backups: Vec::new(), voters };
            let proof = Proof::Server(Statement::InForce.sign(&key(), STAR, &view));
            self.view = Some(Certified { view, proof });
        }
        self.let_in(player, false);
    }

    fn resume(&mut self, seat: usize, stream: StreamId, resume: &Resume) {
        let mut members = self.members.values_mut();
        match members.find(|member| member.token.to_string() == resume.token.as_str()) {
            Some(member) => {
                member.seat = Some((seat, stream));
                member.entry.connected = true;
                let player = member.entry.player_id;
                self.let_in(player, true);
            }
            None => {
                let (code, message) = (ErrorCode::BadToken, ErrorCode::BadToken.to_string());
                self.say(seat, stream, &ServerMessage::Error(ServerError { code, message, request: 0 }));
            }
        }
    }

    fn relay(&mut self, seat: usize, stream: StreamId, frame: Bytes) {
        let (to, _) = relay::parse(&frame).expect("players write well");
        let from = self.members.values().find(|member| member.seat == Some((seat, stream)));
        let Some(from) = from.map(|member| member.entry.player_id) else { return };
        let Some((seat, stream)) = self.members.get(&to).and_then(|member| member.seat) else { return };
        self.relayed += 1;
        self.out.push((seat, stream, Frame::Binary(relay::restamp(frame, to, from))));
    }
}
