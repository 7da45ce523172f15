//! Several players and a small lobby server played by hand, in lock-step: time jumps to the next moment at which
//! anything happens. The server knows one lobby and just enough of the signalling; what it says can be changed by tests.

pub(crate) mod real;
pub(crate) mod room;

use bytes::Bytes;
use real::Real;
use room::Room;
use std::collections::BTreeMap;
use webstar_core::config::PlayerConfig;
use webstar_core::id::{PathId, PlayerId, StreamId};
use webstar_core::path::{Attempt, Command as PipeCommand, Fact};
use webstar_core::peer::{
    Channel, Command, Destination, Input, JoinRequest, Output, Payload, Peer, PeerEvent, PeerMessage, SendError, Sent,
    Target, Wish,
};
use webstar_core::server::Endpoint;
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{Frame, LobbyName, RtcSignal, Username};

pub(crate) const ONE_WAY: Duration = Duration::from_millis(10);

/// Something on its way.
enum Arrival {
    /// To the player of that seat.
    ToPeer(usize, StreamId, Frame),
    Opened(usize, StreamId, Endpoint),
    Closed(usize, StreamId, String),
    /// To the server, from that seat.
    ToRoom(usize, StreamId, Frame),
    /// The pipe of a direct path of that seat is open.
    Piped(usize, PlayerId, PathId, Attempt),
    /// To the player of that seat, on a direct path.
    Direct(usize, PlayerId, PathId, Bytes),
}

/// A player and what it has told.
pub(crate) struct Seat {
    pub(crate) peer: Peer,
    pub(crate) events: Vec<PeerEvent>,
    pub(crate) stream: Option<StreamId>,
    /// The stream to the relay endpoint.
    pub(crate) relay: Option<StreamId>,
    next: Option<Instant>,
    /// Nothing reaches the player, but nothing is lost.
    pub(crate) is_deaf: bool,
    held: Vec<(StreamId, Frame)>,
    /// It does nothing at all; what reaches it is lost.
    pub(crate) is_frozen: bool,
    /// Connections that it asks for fail.
    pub(crate) is_cut: bool,
    /// Those to the relay endpoint do.
    pub(crate) is_relay_cut: bool,
    /// Nothing comes from the relay endpoint, and nothing reaches it.
    pub(crate) is_relay_dead: bool,
    /// Nothing goes over its direct paths.
    pub(crate) is_direct_cut: bool,
    /// Who it is.
    pub(crate) player: Option<PlayerId>,
    /// Packets that left on direct paths.
    pub(crate) direct: usize,
    /// Bytes of them.
    pub(crate) direct_bytes: usize,
    /// The players with whom it has closed a direct path.
    pub(crate) parted: Vec<PlayerId>,
    /// What others have said about direct paths.
    pub(crate) signals: Vec<(PlayerId, RtcSignal)>,
    /// Bytes of relayed frames that left.
    pub(crate) relayed_bytes: usize,
    pub(crate) frames: usize,
}

impl Seat {
    fn is_dead(&self, stream: StreamId) -> bool {
        self.is_relay_dead && self.relay == Some(stream)
    }

    fn forget(&mut self, stream: StreamId) {
        for open in [&mut self.stream, &mut self.relay] {
            if *open == Some(stream) {
                *open = None;
            }
        }
    }
}

/// All of it.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) seats: Vec<Seat>,
    pub(crate) room: Room,
    /// In the place of the room, if it is there.
    pub(crate) real: Option<Real>,
    wire: BTreeMap<(Instant, u64), Arrival>,
    order: u64,
}

pub(crate) fn request(name: &str) -> JoinRequest {
    JoinRequest {
        username: Username::new(name).expect("it is short"),
        wish: Wish::Named(LobbyName::new("den").expect("it is short")),
        password: None,
        create: Some(webstar_core::wire::signal::CreateLobby::default()),
        spectator: false,
        peer_id: None,
        admission: None,
        ticket: None,
    }
}

impl World {
    /// So many players that have joined one after the other.
    pub(crate) fn with(players: usize) -> World {
        World::of(players, &PlayerConfig::default())
    }

    pub(crate) fn of(players: usize, config: &PlayerConfig) -> World {
        let mut world = World::empty();
        for _ in 0..players {
            world.join(config.clone());
            world.run(Duration::from_millis(200));
        }
        world
    }

    /// So many players that have joined the real server one after the other, and are settled.
    pub(crate) fn served(players: usize, config: &PlayerConfig) -> World {
        let mut world = World::empty();
        world.real = Some(Real::new());
        for _ in 0..players {
            world.join(config.clone());
            world.run(Duration::from_millis(200));
        }
        world.run(Duration::from_secs(2));
        world
    }

    pub(crate) fn empty() -> World {
        World {
            now: Instant::ZERO,
            seats: Vec::new(),
            room: Room::default(),
            real: None,
            wire: BTreeMap::new(),
            order: 0,
        }
    }

    /// One more player begins to join.
    pub(crate) fn join(&mut self, config: PlayerConfig) -> usize {
        let name = format!("p{}", self.seats.len());
        self.join_as(config, request(&name))
    }

    pub(crate) fn join_as(&mut self, config: PlayerConfig, request: JoinRequest) -> usize {
        let seed = [self.seats.len() as u8; 32];
        let peer = Peer::new(config, request, seed, self.now).expect("the settings are valid");
        self.seats.push(Seat {
            peer,
            events: Vec::new(),
            stream: None,
            relay: None,
            next: None,
            is_deaf: false,
            held: Vec::new(),
            is_frozen: false,
            is_cut: false,
            is_relay_cut: false,
            is_relay_dead: false,
            is_direct_cut: false,
            player: None,
            direct: 0,
            direct_bytes: 0,
            parted: Vec::new(),
            signals: Vec::new(),
            relayed_bytes: 0,
            frames: 0,
        });
        self.drain(self.seats.len() - 1);
        self.seats.len() - 1
    }

    fn post(&mut self, after: Duration, arrival: Arrival) {
        self.order += 1;
        self.wire.insert((self.now + after, self.order), arrival);
    }

    /// Carries out what a player wants.
    pub(crate) fn drain(&mut self, seat: usize) {
        loop {
            let now = self.now;
            let sat = &mut self.seats[seat];
            let arrival = match sat.peer.poll() {
                Output::Open { stream, target: Target::WebSocket { url, .. } } => {
                    let endpoint = if url.ends_with("/relay") { Endpoint::Relay } else { Endpoint::Lobby };
                    match sat.is_cut || sat.is_relay_cut && endpoint == Endpoint::Relay {
                        true => Arrival::Closed(seat, stream, "refused".into()),
                        false => Arrival::Opened(seat, stream, endpoint),
                    }
                }
                Output::Close { stream } => {
                    sat.forget(stream);
                    self.hang_up(seat, stream);
                    continue;
                }
                Output::Transmit { stream, payload: Payload::Binary(bytes) } => {
                    let frame = Frame::Binary(Bytes::copy_from_slice(bytes));
                    sat.frames += 1;
                    sat.relayed_bytes += bytes.len();
                    Arrival::ToRoom(seat, stream, frame)
                }
                Output::Transmit { .. } | Output::IceServers { .. } => panic!("neither text nor help is wanted"),
                Output::Pipe { player, order, .. } if order.command == PipeCommand::Close => {
                    sat.parted.push(player);
                    continue;
                }
                Output::Pipe { player, path, order } => Arrival::Piped(seat, player, path, order.attempt),
                Output::Packet { player, path, payload } => {
                    sat.direct += 1;
                    sat.direct_bytes += payload.len();
                    let (from, payload) = (sat.player.expect("it has joined"), Bytes::copy_from_slice(payload));
                    let is_cut = sat.is_direct_cut;
                    let to = self.seats.iter().position(|seat| seat.player == Some(player) && !seat.is_direct_cut);
                    match to {
                        Some(to) if !is_cut => Arrival::Direct(to, from, path, payload),
                        _ => continue,
                    }
                }
                Output::Signal { player, signal } => {
                    sat.signals.push((player, signal));
                    continue;
                }
                Output::Event(event) => {
                    if let PeerEvent::Joined { player, .. } = event {
                        sat.player = Some(player);
                    }
                    sat.events.push(event);
                    continue;
                }
                Output::Timeout(next) => {
                    let next = next.map(|(at, _)| at);
                    assert!(next.is_none_or(|at| at < now + Duration::from_secs(7200)), "{next:?}");
                    sat.next = next;
                    return self.flush_room();
                }
            };
            self.post(ONE_WAY, arrival);
        }
    }

    /// The server hears that a connection is closed.
    fn hang_up(&mut self, seat: usize, stream: StreamId) {
        match &mut self.real {
            Some(real) => real.on_closed(self.now, seat, stream),
            None => self.room.on_closed(seat, stream),
        }
    }

    pub(crate) fn flush_room(&mut self) {
        let (out, closing) = match &mut self.real {
            Some(real) => (&mut real.out, &mut real.closing),
            None => (&mut self.room.out, &mut self.room.closing),
        };
        let (out, closing) = (std::mem::take(out), std::mem::take(closing));
        for (seat, stream, frame) in out {
            self.post(ONE_WAY, Arrival::ToPeer(seat, stream, frame));
        }
        for (seat, stream, reason) in closing {
            self.post(ONE_WAY, Arrival::Closed(seat, stream, reason));
        }
    }

    pub(crate) fn tell(&mut self, seat: usize, input: Input) {
        let _ = self.seats[seat].peer.handle(self.now, input);
        self.drain(seat);
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::ToRoom(seat, stream, _) if self.seats[seat].is_dead(stream) => {}
            Arrival::ToRoom(seat, stream, frame) => {
                match &mut self.real {
                    Some(real) => real.on_frame(self.now, seat, stream, &frame),
                    None => self.room.on_frame(seat, stream, &frame),
                }
                self.flush_room();
            }
            Arrival::Opened(seat, stream, endpoint) => {
                match endpoint {
                    Endpoint::Relay => self.seats[seat].relay = Some(stream),
                    _ => self.seats[seat].stream = Some(stream),
                }
                if let Some(real) = &mut self.real {
                    real.on_opened(self.now, seat, stream, endpoint);
                }
                self.tell(seat, Input::Opened { stream });
            }
            Arrival::Closed(seat, stream, reason) => {
                self.hang_up(seat, stream);
                self.seats[seat].forget(stream);
                self.tell(seat, Input::Closed { stream, reason });
                self.flush_room();
            }
            Arrival::ToPeer(seat, ..) | Arrival::Piped(seat, ..) | Arrival::Direct(seat, ..)
                if self.seats[seat].is_frozen => {}
            Arrival::Piped(seat, player, path, attempt) => {
                let facts = PipeFacts { max_packet: 1_150, control: Control::Own };
                self.tell(seat, Input::Pipe { player, path, attempt, fact: Fact::Opened(facts) });
            }
            Arrival::Direct(seat, ..) if self.seats[seat].is_deaf => {}
            Arrival::Direct(seat, player, path, bytes) => self.tell(seat, Input::Packet { player, path, bytes }),
            Arrival::ToPeer(seat, stream, frame) if self.seats[seat].is_deaf => {
                self.seats[seat].held.push((stream, frame));
            }
            Arrival::ToPeer(seat, stream, frame) => {
                let seen = &self.seats[seat];
                if seen.stream == Some(stream) || seen.relay == Some(stream) && !seen.is_dead(stream) {
                    self.tell(seat, Input::Frame { stream, frame });
                }
            }
        }
    }

    /// What was held back arrives.
    pub(crate) fn hear_again(&mut self, seat: usize) {
        self.seats[seat].is_deaf = false;
        for (stream, frame) in std::mem::take(&mut self.seats[seat].held) {
            self.arrive(Arrival::ToPeer(seat, stream, frame));
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            let wire = self.wire.first_key_value().map(|((at, _), _)| *at);
            let server = self.real.as_ref().and_then(|real| real.next);
            let next = self
                .seats
                .iter()
                .filter(|seat| !seat.is_frozen)
                .filter_map(|seat| seat.next)
                .chain(wire)
                .chain(server)
                .min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            if wire.is_some_and(|at| at <= self.now) {
                let (_, arrival) = self.wire.pop_first().expect("it was just seen");
                self.arrive(arrival);
                continue;
            }
            if let Some(real) = self.real.as_mut().filter(|real| real.next.is_some_and(|at| at <= self.now)) {
                real.on_time(self.now);
                self.flush_room();
            }
            for seat in 0..self.seats.len() {
                if !self.seats[seat].is_frozen && self.seats[seat].next.is_some_and(|at| at <= self.now) {
                    self.tell(seat, Input::Timeout);
                }
            }
        }
        self.now = end;
    }

    pub(crate) fn send(
        &mut self,
        seat: usize,
        to: &Destination,
        channel: Channel,
        text: &str,
    ) -> Result<Sent, SendError> {
        self.send_as(seat, to, channel, "chat", text)
    }

    pub(crate) fn send_as(
        &mut self,
        seat: usize,
        to: &Destination,
        channel: Channel,
        kind: &str,
        text: &str,
    ) -> Result<Sent, SendError> {
        let payload = Bytes::copy_from_slice(text.as_bytes());
        let sent = self.seats[seat].peer.send(self.now, to, channel, kind, payload);
        self.drain(seat);
        sent
    }

    /// A player's machine is gone, with its connections.
    pub(crate) fn crash(&mut self, seat: usize) {
        self.seats[seat].is_frozen = true;
        self.seats[seat].is_direct_cut = true;
        for stream in [self.seats[seat].stream.take(), self.seats[seat].relay.take()].into_iter().flatten() {
            self.hang_up(seat, stream);
        }
        self.flush_room();
    }

    /// The connection of a player breaks, without a word to either side.
    pub(crate) fn cut(&mut self, seat: usize) {
        let Some(stream) = self.seats[seat].stream.take() else { return };
        self.hang_up(seat, stream);
        self.tell(seat, Input::Closed { stream, reason: String::new() });
        self.flush_room();
    }

    /// The relay connection of a player breaks, without a word to either side.
    pub(crate) fn cut_relay(&mut self, seat: usize) {
        let Some(stream) = self.seats[seat].relay.take() else { return };
        self.hang_up(seat, stream);
        self.tell(seat, Input::Closed { stream, reason: String::new() });
        self.flush_room();
    }

    pub(crate) fn command(&mut self, seat: usize, command: Command) {
        self.seats[seat].peer.command(self.now, command).expect("it is in the lobby");
        self.drain(seat);
    }

    /// Takes the events of a player.
    pub(crate) fn events(&mut self, seat: usize) -> Vec<PeerEvent> {
        std::mem::take(&mut self.seats[seat].events)
    }

    /// Takes the events of a player that are messages.
    pub(crate) fn messages(&mut self, seat: usize) -> Vec<PeerMessage> {
        let only = |event| match event {
            PeerEvent::Message(message) => Some(message),
            _ => None,
        };
        self.events(seat).into_iter().filter_map(only).collect()
    }

    /// Takes the messages of a player as `sender channel text`.
    pub(crate) fn heard(&mut self, seat: usize) -> Vec<String> {
        let told = |message: &PeerMessage| {
            format!("{} {:?} {}", message.from.0, message.channel, String::from_utf8_lossy(&message.payload))
        };
        self.messages(seat).iter().map(told).collect()
    }

    pub(crate) fn forget_events(&mut self) {
        self.seats.iter_mut().for_each(|seat| seat.events.clear());
    }
}

pub(crate) fn player(number: u32) -> PlayerId {
    PlayerId(number)
}
