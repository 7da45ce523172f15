//! A lobby server, players and plain clients in virtual time, with streams between them that fail as real ones do. The
//! machines are the real ones; the world carries out what they ask for and jumps from deadline to deadline. What is
//! said, what goes wrong and what is judged is decided outside: a [`Watch`] sees everything.

mod access;
mod alarms;
mod cable;
mod clock;
mod direct;
mod drain;
mod ether;
mod house;
mod line;
mod meter;
mod mishaps;
mod seat;
mod webrtc;
mod wire;

pub use access::between;
pub use clock::Clock;
pub use house::{AskPlan, REFUSED_TOKEN, ServerSetup};
pub use line::Line;
pub use meter::Meter;
pub use seat::SeatId;
pub use webrtc::KINDS;

use crate::crypto::Carrying;
use crate::net::Side;
use crate::net::nat::turn::Turn;
use crate::seed::Seed;
use alarms::{Alarms, Who};
use bytes::Bytes;
use cable::Cable;
use core::net::{IpAddr, Ipv4Addr};
use direct::Direct;
use ether::Ether;
use house::House;
use seat::{Machine, Plain, Seat};
use webstar_core::config::{ConfigError, PlayerConfig};
use webstar_core::id::{CommandId, PathId, PlayerId, StreamId};
use webstar_core::path::{Order, PathKind};
use webstar_core::peer::{
    Channel, Command, CommandError, DecideError, Destination, Input, JoinRequest, Peer, PeerEvent, PlayerStats,
    Position, ProposalId, SendError, Sent, Verdict,
};
use webstar_core::server::{Input as ServerInput, ServerEvent, ServerStats};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::{ClientMessage, CloseReason, Encoding, Frame, ServerMessage, encode_client};

/// How often the server is told the wall clock.
const WALL_CLOCK: Duration = Duration::from_secs(5);
/// The wall clock at the beginning of every world: some day in 2023.
const UNIX_AT_ZERO: Duration = Duration::from_secs(1_700_000_000);
/// Calls in a row at one moment beyond which a machine is held to be caught in a loop.
const MOST_SPINS: u32 = 64;
/// What a cable tells of a player's stream is told again when it changes by so much.
const MUCH: usize = 4 * 1024;

/// Sees everything that happens in a world.
pub trait Watch {
    /// A player machine tells its application something.
    fn on_event(&mut self, now: Instant, seat: SeatId, event: PeerEvent);
    /// A plain client hears something.
    fn on_heard(&mut self, _now: Instant, _seat: SeatId, _message: ServerMessage) {}
    /// A plain client is sent a packet of another player.
    fn on_relayed(&mut self, _now: Instant, _seat: SeatId, _frame: &[u8]) {}
    /// The connection of a plain client is closed, or could not be had.
    fn on_hung_up(&mut self, _now: Instant, _seat: SeatId, _reason: &str) {}
    /// A frame leaves, from the player's side (A) or from the server's (B).
    fn on_frame(&mut self, _now: Instant, _seat: SeatId, _from: Side, _is_text: bool, _bytes: &[u8]) {}
    /// A frame of a connection, all of which are counted, is about to be told to a player's side (A) or the server (B).
    fn on_arrival(&mut self, _now: Instant, _seat: SeatId, _connection: usize, _at: Side, _frame: &Frame) {}
    /// A player orders a direct way to another.
    fn on_order(&mut self, _now: Instant, _seat: SeatId, _player: PlayerId, _path: PathId, _order: Order) {}
    /// A packet leaves on a direct way.
    fn on_packet(&mut self, _now: Instant, _seat: SeatId, _player: PlayerId, _path: PathId, _bytes: &[u8]) {}
    /// What the game of a player answers, if it was asked for its state.
    fn state(&mut self, _seat: SeatId) -> Option<(Position, Bytes)> {
        None
    }
    /// A player machine has been drained: everybody's may be looked at.
    fn on_step(&mut self, _world: &World, _seat: SeatId) {}
    /// Something is given to a way, out of which it comes at that time if nothing goes wrong.
    fn on_given(&mut self, _now: Instant, _way: Way, _due: Instant) {}
    /// Something comes out of a way.
    fn on_came(&mut self, _now: Instant, _way: Way) {}
    /// A packet is about to be told to a machine that it has reached on a direct way.
    fn on_landed(&mut self, _seat: SeatId, _kind: PathKind) {}
    /// A player's stream is open, or closed.
    fn on_stream(&mut self, _now: Instant, _seat: SeatId, _is_open: bool) {}
    /// The server tells its application something.
    fn on_server_event(&mut self, _now: Instant, _event: ServerEvent) {}
    /// The server closes a connection.
    fn on_server_closes(&mut self, _now: Instant, _connection: usize, _reason: CloseReason) {}
    /// A machine has been drained: so many outputs came of one input. Nobody is the server.
    fn on_rest(&mut self, _now: Instant, _seat: Option<SeatId>, _outputs: usize, _wants_more: bool) {}
}

/// A way that something can be given to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Way {
    /// From a seat to the server.
    Up(SeatId),
    /// From the server to a seat.
    Down(SeatId),
    /// From one seat to another.
    Direct(SeatId, SeatId),
}

/// Everything.
#[derive(Debug)]
pub struct World {
    seed: Seed,
    now: Instant,
    house: House,
    seats: Vec<Seat>,
    cables: Vec<Cable>,
    direct: Direct,
    carrying: Carrying,
    ether: Ether,
    has_stun: bool,
    turn: Option<Turn>,
    /// What libraries take for the beginning of this world.
    zero: std::time::Instant,
    /// The datagram that is leaving.
    leaving: Vec<u8>,
    alarms: Alarms,
    wall_clock: Instant,
    meter: Option<Meter>,
}

impl World {
    /// A server that nobody has come to yet.
    pub fn new(seed: Seed, server: &ServerSetup) -> Self {
        let now = Instant::ZERO;
        let mut alarms = Alarms::default();
        alarms.set(Who::WallClock, Some(now));
        let house = House::new(server, seed, now);
        World {
            seed,
            now,
            house,
            seats: Vec::new(),
            cables: Vec::new(),
            direct: Direct::default(),
            carrying: Carrying::default(),
            ether: Ether::default(),
            has_stun: false,
            turn: None,
            zero: std::time::Instant::now(),
            leaving: Vec::new(),
            alarms,
            wall_clock: now,
            meter: None,
        }
    }

    /// What the machine at a seat costs is measured from one moment to another.
    pub fn measure(&mut self, seat: SeatId, span: [Instant; 2]) {
        self.meter = Some(Meter::new(seat.index(), span));
    }

    /// What was measured.
    pub fn measured(&self) -> Option<Meter> {
        self.meter
    }

    /// This moment.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A new place with its way to the server; nobody sits there yet.
    pub fn seat(&mut self, line: Line, clock: Clock) -> SeatId {
        let number = u16::try_from(self.seats.len()).expect("a world has few seats");
        let [high, low] = number.to_be_bytes();
        let address = IpAddr::V4(Ipv4Addr::new(10, 1, high, low));
        self.seats.push(Seat::new(line, clock, address));
        SeatId(number)
    }

    /// A player sits down and begins to join. Whoever sat there is gone with its sockets.
    pub fn enter(
        &mut self,
        seat: SeatId,
        config: PlayerConfig,
        request: JoinRequest,
        watch: &mut impl Watch,
    ) -> Result<(), ConfigError> {
        self.vanish(seat);
        let index = seat.index();
        let local = self.seats[index].clock.local(self.now);
        let life = self.cables.len() as u64;
        let key = self.seed.child("player", u64::from(seat.0)).child("life", life).stream("machine").key();
        let peer = Peer::new(config, request, key, local)?;
        self.seats[index].machine = Machine::Player(Box::new(peer));
        self.drain_seat(index, watch);
        Ok(())
    }

    /// A client without a machine connects and says this. Whoever sat there is gone with its sockets.
    pub fn enter_plain(&mut self, seat: SeatId, encoding: Encoding, greeting: Vec<ClientMessage>) {
        self.vanish(seat);
        self.seats[seat.index()].machine = Machine::Plain(Plain { encoding, greeting, is_open: false });
        self.open(seat.index(), PLAIN_STREAM);
    }

    /// A plain client says something. Tells whether it has a connection to say it on.
    pub fn say(&mut self, seat: SeatId, message: &ClientMessage, watch: &mut impl Watch) -> bool {
        let index = seat.index();
        let Machine::Plain(Plain { encoding, is_open: true, .. }) = self.seats[index].machine else { return false };
        let frame = encode_client(encoding, message);
        let Some(cable) = self.seats[index].cable(PLAIN_STREAM) else { return false };
        let is_text = matches!(frame, Frame::Text(_));
        watch.on_frame(self.now, seat, Side::A, is_text, frame.bytes());
        watch.on_given(self.now, Way::Up(seat), self.now + self.seats[index].line.delay(Side::A));
        self.cables[cable].send(self.now, Side::A, is_text, frame.bytes());
        self.set_cable(cable);
        true
    }

    /// A player sends a message through the star.
    pub fn send(
        &mut self,
        seat: SeatId,
        to: &Destination,
        channel: Channel,
        kind: &str,
        payload: Bytes,
    ) -> Result<Sent, SendError> {
        let now = self.now;
        let Seat { machine, clock, .. } = &mut self.seats[seat.index()];
        let Machine::Player(peer) = machine else { return Err(SendError::Ended) };
        meter::timed(&mut self.meter, seat.index(), now, || peer.send(clock.local(now), to, channel, kind, payload))
    }

    /// A host's game decides about what a member wants to say.
    pub fn decide(&mut self, seat: SeatId, proposal: ProposalId, verdict: Verdict) -> Result<(), DecideError> {
        let now = self.now;
        let Seat { machine, clock, .. } = &mut self.seats[seat.index()];
        let Machine::Player(peer) = machine else { return Err(DecideError::Ended) };
        meter::timed(&mut self.meter, seat.index(), now, || peer.decide(clock.local(now), proposal, verdict))
    }

    /// A player asks for something.
    pub fn command(
        &mut self,
        seat: SeatId,
        command: Command,
        watch: &mut impl Watch,
    ) -> Result<CommandId, CommandError> {
        let now = self.now;
        let Seat { machine, clock, .. } = &mut self.seats[seat.index()];
        let Machine::Player(peer) = machine else { return Err(CommandError::Ended) };
        let done = peer.command(clock.local(now), command);
        self.drain_seat(seat.index(), watch);
        done
    }

    /// A player machine is called although it may want nothing: one that has ended must stay silent.
    pub fn poke(&mut self, seat: SeatId, watch: &mut impl Watch) {
        let now = self.now;
        let Seat { machine, clock, .. } = &mut self.seats[seat.index()];
        if let Machine::Player(peer) = machine {
            // One that has ended may refuse to hear anything.
            let _ = peer.handle(clock.local(now), Input::Timeout);
            self.drain_seat(seat.index(), watch);
        }
    }

    /// What a player has been told to send leaves now.
    pub fn flush(&mut self, seat: SeatId, watch: &mut impl Watch) {
        if !self.seats[seat.index()].is_asleep {
            self.drain_seat(seat.index(), watch);
        }
    }

    /// Whether the machine at a seat is not called now.
    pub fn is_asleep(&self, seat: SeatId) -> bool {
        self.seats[seat.index()].is_asleep
    }

    /// The player machine at a seat, if there is one.
    pub fn peer(&self, seat: SeatId) -> Option<&Peer> {
        match &self.seats[seat.index()].machine {
            Machine::Player(peer) => Some(peer),
            _ => None,
        }
    }

    /// All seats there are.
    pub fn seats(&self) -> impl Iterator<Item = SeatId> + use<> {
        let count = u16::try_from(self.seats.len()).expect("a world has few seats");
        (0..count).map(SeatId)
    }

    /// A player in numbers; nothing of plain clients and empty seats.
    pub fn stats(&self, seat: SeatId) -> Vec<PlayerStats> {
        self.peer(seat).map(Peer::stats).unwrap_or_default()
    }

    /// The server in numbers, by shard.
    pub fn server_stats(&self) -> Vec<ServerStats> {
        self.house.shards.iter().map(|shard| shard.server.stats()).collect()
    }

    /// Bytes that the machine at a seat has given to its streams and that have not arrived, and those on the way to it in
    /// the stream in which they are most: what lies in a broken one is held until that is given up. What a machine that is
    /// gone has left to its streams is nobody's.
    pub fn buffered(&self, seat: SeatId) -> [usize; 2] {
        let cables = self.cables.iter().filter(|cable| cable.seat == seat.index());
        let given = |cable: &Cable| if cable.stream.is_some() { cable.buffered(Side::A) } else { 0 };
        cables.fold([0; 2], |[up, down], cable| [up + given(cable), down.max(cable.buffered(Side::B))])
    }

    /// Tells the server something that is no matter of a connection.
    pub fn tell_server(&mut self, shard: usize, input: ServerInput, watch: &mut impl Watch) {
        self.house.pending.push_back((shard, None, input));
        self.run_house(watch);
    }

    /// From now on the server's embedder answers questions after so long.
    pub fn set_asks(&mut self, asks: AskPlan) {
        self.house.set_asks(asks);
    }

    /// Time passes until then.
    pub fn advance(&mut self, until: Instant, watch: &mut impl Watch) {
        while let Some((at, who)) = self.alarms.take(until) {
            self.now = self.now.max(at);
            match who {
                Who::Answer(number) => {
                    self.house.answer(number);
                    self.run_house(watch);
                }
                Who::WallClock => self.tell_wall_clock(watch),
                Who::Shard(shard) => self.tell_server(shard, ServerInput::Timeout, watch),
                Who::Cable(cable) => self.serve_cable(cable, watch),
                Who::Wire(wire) => self.serve_wire(wire, watch),
                Who::Seat(seat) => self.wake(seat, watch),
                Who::Cord(cord) => self.serve_cord(cord, watch),
                Who::Connections(seat) => self.wake_connections(seat, watch),
            }
        }
        self.now = self.now.max(until);
    }

    fn tell_wall_clock(&mut self, watch: &mut impl Watch) {
        let unix = self.house.unix(UNIX_AT_ZERO + self.now.since(Instant::ZERO));
        for shard in 0..self.house.shards.len() {
            self.house.pending.push_back((shard, None, ServerInput::WallClock { unix }));
        }
        self.wall_clock = self.now + WALL_CLOCK;
        self.alarms.set(Who::WallClock, Some(self.wall_clock));
        self.run_house(watch);
    }

    /// The moment that a seat's machine has asked for has come.
    fn wake(&mut self, seat: usize, watch: &mut impl Watch) {
        let Seat { spins, .. } = &mut self.seats[seat];
        *spins = if spins.0 == self.now { (self.now, spins.1 + 1) } else { (self.now, 0) };
        assert!(spins.1 < MOST_SPINS, "player machine {seat} wants to be called again and again at {}", self.now);
        self.tell_seat(seat, None, Input::Timeout, watch);
    }

    /// A seat wants a connection.
    fn open(&mut self, seat: usize, stream: StreamId) {
        let number = self.cables.len();
        let seed = self.seed.child("cable", number as u64);
        let Seat { line, streams, .. } = &mut self.seats[seat];
        let cable = Cable::new(seed, self.now, seat, stream, line);
        streams.push((stream, number));
        self.cables.push(cable);
        self.set_cable(number);
    }

    fn set_cable(&mut self, cable: usize) {
        let next = self.cables[cable].next();
        self.alarms.set(Who::Cable(cable), next.map(|at| at.max(self.now)));
    }
}

/// What a plain client calls its only stream.
const PLAIN_STREAM: StreamId = StreamId(0);
