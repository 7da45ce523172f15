//! A scene for scenarios: named players around one server, told what to do in short sentences.

use bytes::Bytes;
use core::time::Duration;
use std::collections::BTreeMap;
use webstar_core::config::PlayerConfig;
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;
use webstar_core::peer::{
    Channel, Command, Destination, Ended, JoinRequest, Peer, PeerEvent, PeerMessage, Proposal, Sent, Ticket, Verdict,
    Wish,
};
use webstar_core::server::ServerEvent;
use webstar_core::time::Instant;
use webstar_core::wire::signal::{
    ClientMessage, CreateLobby, Encoding, ErrorCode, HostCause, JoinLobby, LobbyName, Secret, ServerMessage, Username,
};
use webstar_sim::net::{LinkConfig, Side};
use webstar_sim::seed::Seed;
use webstar_sim::world::{Clock, Line, SeatId, ServerSetup, Watch, World};

/// Everything that everybody heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) events: BTreeMap<SeatId, Vec<PeerEvent>>,
    pub(crate) plain: BTreeMap<SeatId, Vec<ServerMessage>>,
    pub(crate) server: Vec<ServerEvent>,
}

impl Watch for Heard {
    fn on_event(&mut self, _now: Instant, seat: SeatId, event: PeerEvent) {
        self.events.entry(seat).or_default().push(event);
    }

    fn on_heard(&mut self, _now: Instant, seat: SeatId, message: ServerMessage) {
        self.plain.entry(seat).or_default().push(message);
    }

    fn on_server_event(&mut self, _now: Instant, event: ServerEvent) {
        self.server.push(event);
    }
}

/// How somebody joins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Join {
    pub(crate) lobby: &'static str,
    pub(crate) password: Option<&'static str>,
    pub(crate) max_players: u16,
    pub(crate) create: bool,
    /// The survivor of two goes on alone.
    pub(crate) allow_fork: bool,
    /// The host's game decides about what members say.
    pub(crate) authority: bool,
    /// The most that it sends to all others together.
    pub(crate) upload: Option<u64>,
}

impl Default for Join {
    fn default() -> Self {
        let (password, allow_fork, authority, upload) = (None, false, false, None);
        Join { lobby: "room", password, max_players: 16, create: true, allow_fork, authority, upload }
    }
}

/// A server, players by name, and what they heard.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) heard: Heard,
    names: BTreeMap<&'static str, SeatId>,
    /// From everybody to the server.
    delay: Duration,
}

impl Scene {
    /// A server that nobody has come to.
    pub(crate) fn new() -> Self {
        let world = World::new(Seed::new(1), &ServerSetup::default());
        Scene { world, heard: Heard::default(), names: BTreeMap::new(), delay: Duration::from_millis(20) }
    }

    /// The same, in one house with the server.
    pub(crate) fn near() -> Self {
        Scene { delay: Duration::from_micros(100), ..Scene::new() }
    }

    /// These players in one lobby; the first is host.
    pub(crate) fn of<const N: usize>(names: [&'static str; N]) -> Self {
        Scene::of_such(names, Join::default())
    }

    /// These players in one lobby, who joined like this.
    pub(crate) fn of_such<const N: usize>(names: [&'static str; N], join: Join) -> Self {
        let mut scene = Scene::new();
        for name in names {
            scene.join(name, join);
            scene.run(300);
        }
        scene
    }

    /// Players with direct paths, after views have taken in all of them.
    pub(crate) fn settled<const N: usize>(names: [&'static str; N]) -> Self {
        let mut scene = Scene::of(names);
        scene.run(3_000);
        scene
    }

    fn sit(&mut self, name: &'static str) -> SeatId {
        let conditions = LinkConfig::with_delay(self.delay);
        let seat = self.world.seat(Line::new([conditions; 2]), Clock::default());
        self.names.insert(name, seat);
        seat
    }

    pub(crate) fn seat(&self, name: &str) -> SeatId {
        self.names[name]
    }

    /// A player begins to join.
    pub(crate) fn join(&mut self, name: &'static str, join: Join) {
        self.join_with(name, join, None);
    }

    /// A player begins to come back with a ticket, or to join without one.
    pub(crate) fn join_with(&mut self, name: &'static str, join: Join, ticket: Option<Ticket>) {
        let seat = self.sit(name);
        let create = CreateLobby { max_players: join.max_players, ..CreateLobby::default() };
        let request = JoinRequest {
            username: Username::new(name).expect("names are plain"),
            wish: Wish::Named(LobbyName::new(join.lobby).expect("names are plain")),
            password: join.password.map(|password| Secret::new(password).expect("it is short")),
            create: join.create.then_some(create),
            spectator: false,
            peer_id: None,
            admission: None,
            ticket,
        };
        let config = PlayerConfig {
            signaling_server: "ws://server.example/ws".into(),
            direct_paths: vec![PathKind::Srtp],
            allow_fork: join.allow_fork,
            authority: join.authority,
            upload: join.upload,
            ..PlayerConfig::default()
        };
        self.world.enter(seat, config, request, &mut self.heard).expect("the settings are good");
    }

    /// A guest connects and joins.
    pub(crate) fn join_as_guest(&mut self, name: &'static str) {
        let seat = self.sit(name);
        let join = JoinLobby {
            lobby_id: LobbyName::new("room").ok(),
            username: Username::new(name).expect("names are plain"),
            password: None,
            create: None,
            spectator: false,
            peer: None,
            admission: None,
        };
        self.world.enter_plain(seat, Encoding::Json, vec![ClientMessage::JoinLobby(join)]);
    }

    /// What somebody can come back with.
    pub(crate) fn ticket(&self, name: &str) -> Ticket {
        self.world.peer(self.seat(name)).and_then(Peer::ticket).expect("it is in the lobby")
    }

    /// So many milliseconds pass.
    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.world.now() + Duration::from_millis(ms);
        self.world.advance(until, &mut self.heard);
    }

    /// Somebody says something to somebody.
    pub(crate) fn say(&mut self, name: &str, to: &Destination, channel: Channel, text: &'static str) -> Sent {
        let seat = self.seat(name);
        let sent = self.world.send(seat, to, channel, "chat", Bytes::from_static(text.as_bytes()));
        self.world.flush(seat, &mut self.heard);
        sent.unwrap_or_else(|why| panic!("{name} cannot say {text}: {why}"))
    }

    /// Somebody says something long.
    pub(crate) fn say_bytes(&mut self, name: &str, channel: Channel, bytes: usize) -> bool {
        let seat = self.seat(name);
        let payload = Bytes::from(vec![b'x'; bytes]);
        let sent = self.world.send(seat, &Destination::Others, channel, "bulk", payload);
        self.world.flush(seat, &mut self.heard);
        sent.is_ok()
    }

    /// Somebody says something as a kind to the others, if it finds room.
    pub(crate) fn say_as(&mut self, name: &str, channel: Channel, kind: &str, text: String) -> Option<Sent> {
        let seat = self.seat(name);
        let sent = self.world.send(seat, &Destination::Others, channel, kind, Bytes::from(text));
        self.world.flush(seat, &mut self.heard);
        sent.ok()
    }

    pub(crate) fn guest_says(&mut self, name: &str, message: &ClientMessage) {
        let seat = self.seat(name);
        assert!(self.world.say(seat, message, &mut self.heard), "{name} has no connection");
    }

    /// The game of somebody decides about everything that it was asked and has not decided yet.
    pub(crate) fn decide(&mut self, name: &str, game: impl Fn(&Proposal) -> Verdict) -> usize {
        let seat = self.seat(name);
        let asked = self.events(name).iter().filter_map(|event| match event {
            PeerEvent::Proposal(proposal) => Some((proposal.id, game(proposal))),
            _ => None,
        });
        let asked: Vec<_> = asked.collect();
        let decided = asked.into_iter().filter(|(id, verdict)| self.world.decide(seat, *id, verdict.clone()).is_ok());
        let decided = decided.count();
        self.world.flush(seat, &mut self.heard);
        decided
    }

    pub(crate) fn command(&mut self, name: &str, command: Command) {
        let seat = self.seat(name);
        self.world.command(seat, command, &mut self.heard).expect("in a lobby");
    }

    /// Both ways between somebody and the server are cut, or heal.
    pub(crate) fn cut(&mut self, name: &str, is_cut: bool) {
        let seat = self.seat(name);
        Side::BOTH.into_iter().for_each(|side| self.world.cut(seat, side, is_cut));
    }

    /// Its connection to the server breaks, and it comes back on another.
    pub(crate) fn reconnect(&mut self, name: &str) {
        let seat = self.seat(name);
        self.world.reset(seat);
        self.run(3_000);
    }

    /// Both ways between two of them are cut, or heal.
    pub(crate) fn part(&mut self, one: &str, other: &str, is_apart: bool) {
        let (one, other) = (self.seat(one), self.seat(other));
        self.world.part(one, other, is_apart);
        self.world.part(other, one, is_apart);
    }

    /// Somebody hears nothing of another, who hears everything.
    pub(crate) fn deafen(&mut self, one: &str, to: &str, is_deaf: bool) {
        let (one, to) = (self.seat(one), self.seat(to));
        self.world.part(to, one, is_deaf);
    }

    /// Somebody's program dies; the system closes its sockets.
    pub(crate) fn kill(&mut self, name: &str) {
        let seat = self.seat(name);
        self.world.vanish(seat);
    }

    /// Somebody's computer dies without a word.
    pub(crate) fn perish(&mut self, name: &str) {
        let seat = self.seat(name);
        self.world.perish(seat);
    }

    pub(crate) fn sleep(&mut self, name: &str) {
        let seat = self.seat(name);
        self.world.lull(seat);
    }

    pub(crate) fn wake(&mut self, name: &str) {
        let seat = self.seat(name);
        self.world.rouse(seat, &mut self.heard);
    }

    pub(crate) fn server_dies(&mut self) {
        self.world.crash_server(true);
    }

    pub(crate) fn server_returns(&mut self) {
        self.world.start_server(&mut self.heard);
    }

    /// Somebody says something, if it finds room.
    pub(crate) fn try_say(&mut self, name: &str, text: String) -> Option<Sent> {
        let seat = self.seat(name);
        let sent = self.world.send(seat, &Destination::All, Channel::Ordered, "chat", Bytes::from(text));
        self.world.flush(seat, &mut self.heard);
        sent.ok()
    }

    /// The hosts that somebody was told of, in order, with the causes.
    pub(crate) fn hosts(&self, name: &str) -> Vec<(PlayerId, Option<HostCause>)> {
        let changes = self.events(name).iter().filter_map(|event| match event {
            PeerEvent::HostChanged { host, cause, .. } => Some((*host, *cause)),
            _ => None,
        });
        changes.collect()
    }

    /// What was acknowledged to somebody.
    pub(crate) fn acked(&self, name: &str) -> Vec<Sent> {
        let acked = self.events(name).iter().filter_map(|event| match event {
            PeerEvent::Acked(sent) => Some(*sent),
            _ => None,
        });
        acked.collect()
    }

    pub(crate) fn events(&self, name: &str) -> &[PeerEvent] {
        self.heard.events.get(&self.seat(name)).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn plain(&self, name: &str) -> &[ServerMessage] {
        self.heard.plain.get(&self.seat(name)).map(Vec::as_slice).unwrap_or_default()
    }

    /// What somebody was given, in order.
    pub(crate) fn messages(&self, name: &str) -> Vec<&PeerMessage> {
        let messages = self.events(name).iter().filter_map(|event| match event {
            PeerEvent::Message(message) => Some(message),
            _ => None,
        });
        messages.collect()
    }

    /// What somebody was given on a channel, in words, in order.
    pub(crate) fn texts(&self, name: &str, channel: Channel) -> Vec<String> {
        let of_channel = self.messages(name).into_iter().filter(|message| message.channel == channel);
        of_channel.map(|message| String::from_utf8_lossy(&message.payload).into_owned()).collect()
    }

    /// The number that somebody had first in the lobby.
    pub(crate) fn player(&self, name: &str) -> PlayerId {
        let joined = self.events(name).iter().find_map(|event| match event {
            PeerEvent::Joined { player, .. } => Some(*player),
            _ => None,
        });
        joined.unwrap_or_else(|| panic!("{name} is not in a lobby: {:?}", self.events(name)))
    }

    /// How it ended for somebody.
    pub(crate) fn end(&self, name: &str) -> Option<&Ended> {
        self.events(name).iter().find_map(|event| match event {
            PeerEvent::Closed(why) => Some(why),
            _ => None,
        })
    }

    /// The code with which somebody was refused.
    pub(crate) fn refusal(&self, name: &str) -> Option<ErrorCode> {
        match self.end(name) {
            Some(Ended::Refused(refusal)) => Some(refusal.code),
            _ => None,
        }
    }

    /// How many events of somebody are of a kind.
    pub(crate) fn count(&self, name: &str, is_it: impl Fn(&PeerEvent) -> bool) -> usize {
        self.events(name).iter().filter(|event| is_it(event)).count()
    }
}
