//! Two sessions and the two adversarial paths between them, in virtual time. A schedule of acts says what the
//! applications send and what befalls the packets; what came of it is kept for the properties.

mod act;

pub(crate) use act::{Act, Fate, Flaw, KEYS, Kind, Quirk};

use bytes::Bytes;
use core::fmt;
use webstar_core::config::SessionConfig;
use webstar_core::id::{MessageId, PathId, SessionId};
use webstar_core::session::pipe::{Control, PathReading, PipeFacts};
use webstar_core::session::{Outbound, Received, SendError, Session, SessionEvent, SessionIds};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::frame::{Delivery, Priority};

/// Packets on the way from one side; what is beyond is lost, as in any queue.
const MOST_ON_THE_WAY: usize = 256;
/// What a message costs at least while it is held.
const OVERHEAD: usize = 256;

/// One of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Side {
    A,
    B,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::A, Side::B];

    pub(crate) fn other(self) -> Side {
        if self == Side::A { Side::B } else { Side::A }
    }
}

/// A message as its sender or its receiver saw it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Message {
    pub(crate) priority: Priority,
    pub(crate) delivery: Delivery,
    pub(crate) key: u32,
    pub(crate) payload: Bytes,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Message { priority, delivery, key, payload } = self;
        let head = &payload[..payload.len().min(4)];
        write!(f, "{priority:?} {delivery:?} {key} {head:x?} ({} bytes)", payload.len())
    }
}

/// One side: its session, and what its application has seen.
struct Player {
    session: Session,
    sent: Vec<(MessageId, Message)>,
    received: Vec<Message>,
    acked: Vec<MessageId>,
    is_refused: [bool; 4],
    refusals: usize,
    drains: usize,
    excess: Option<String>,
}

/// A packet that has left a side.
struct Flying {
    from: Side,
    path: PathId,
    arrives: Instant,
    bytes: Vec<u8>,
}

/// What befalls the packets of one path for now.
#[derive(Clone, Copy, Debug)]
struct Weather {
    facts: PipeFacts,
    is_open: bool,
    fate: Fate,
}

/// The two players and the world between them.
pub(crate) struct World {
    config: SessionConfig,
    now: Instant,
    players: [Player; 2],
    weather: [Weather; 2],
    flying: Vec<Flying>,
    next_number: u32,
    chance: u64,
    quirk: Option<Quirk>,
}

const FACTS: [PipeFacts; 2] =
    [PipeFacts { max_packet: 1150, control: Control::Own }, PipeFacts { max_packet: 2048, control: Control::Stream }];

impl World {
    pub(crate) fn new(config: SessionConfig, weather: Fate, quirk: Option<Quirk>) -> Self {
        let player = |ours, theirs| {
            let ids = SessionIds { ours: SessionId(ours), theirs: SessionId(theirs) };
            Player {
                session: Session::new(config.clone(), ids, Instant::ZERO).expect("the settings are valid"),
                sent: Vec::new(),
                received: Vec::new(),
                acked: Vec::new(),
                is_refused: [false; 4],
                refusals: 0,
                drains: 0,
                excess: None,
            }
        };
        let players = [player(1, 2), player(2, 1)];
        let weather = FACTS.map(|facts| Weather { facts, is_open: false, fate: weather });
        let mut world = World {
            config,
            now: Instant::ZERO,
            players,
            weather,
            flying: Vec::new(),
            next_number: 0,
            chance: 1,
            quirk,
        };
        for path in [PathId(0), PathId(1)] {
            world.open(path, FACTS[usize::from(path.0)].max_packet);
        }
        Side::BOTH.into_iter().for_each(|side| world.use_path(side, PathId(0)));
        world
    }

    pub(crate) fn sent(&self, side: Side) -> &[(MessageId, Message)] {
        &self.players[side as usize].sent
    }

    pub(crate) fn received(&self, side: Side) -> &[Message] {
        &self.players[side as usize].received
    }

    /// The messages that were acknowledged to a side, sorted.
    pub(crate) fn acked(&self, side: Side) -> Vec<MessageId> {
        let mut acked = self.players[side as usize].acked.clone();
        acked.sort_unstable();
        acked
    }

    /// How often a side was refused, counting a lane once until it drained, and how often it drained.
    pub(crate) fn refusals(&self, side: Side) -> (usize, usize) {
        let player = &self.players[side as usize];
        (player.refusals, player.drains)
    }

    /// Where a side held more than it may, if it ever did.
    pub(crate) fn excess(&self, side: Side) -> Option<&str> {
        self.players[side as usize].excess.as_deref()
    }

    /// What a side has measured of a path.
    pub(crate) fn reading(&self, side: Side, path: PathId) -> PathReading {
        self.players[side as usize].session.reading(self.now, path).expect("the path is open")
    }

    /// What a side still holds.
    pub(crate) fn left_behind(&self, side: Side) -> Option<String> {
        let stats = self.players[side as usize].session.stats(self.now);
        (stats.queued != [0; 4]).then(|| format!("{stats:?}"))
    }

    /// Carries out one act of the schedule.
    pub(crate) fn act(&mut self, act: &Act) {
        match *act {
            Act::Send { side, count, like } => {
                for more in 0..count {
                    self.send(side, Kind { key: (like.key + more) % KEYS, ..like });
                }
                self.drain(side);
            }
            Act::Wait(wait) => self.wait(wait),
            Act::Use { side, path } => self.use_path(side, path),
            Act::GiveUp { side, path } => {
                let now = self.now;
                self.players[side as usize].session.give_up(now, path);
                self.drain(side);
            }
            Act::Close(path) => self.close(path),
            Act::Open { path, max_packet } => self.open(path, max_packet),
            Act::Weather { path, fate } => self.weather[usize::from(path.0)].fate = fate,
        }
    }

    /// From now on nothing is lost, and both sides use the direct path.
    pub(crate) fn become_good(&mut self) {
        let is_never_good = self.quirk == Some(Quirk::NeverGood);
        let fate = if is_never_good { Fate::NOTHING } else { Fate::GOOD };
        for path in [PathId(0), PathId(1)] {
            self.weather[usize::from(path.0)].fate = fate;
            if !self.weather[usize::from(path.0)].is_open {
                self.open(path, FACTS[usize::from(path.0)].max_packet);
            }
        }
        for side in Side::BOTH {
            self.use_path(side, PathId(0));
            let now = self.now;
            self.players[side as usize].session.give_up(now, PathId(1));
            self.drain(side);
        }
    }

    /// Lets time pass, from one event to the next.
    pub(crate) fn wait(&mut self, wait: Duration) {
        let until = self.now + wait;
        loop {
            let arrival = self.flying.iter().map(|packet| packet.arrives).min();
            let deadlines = self.players.iter().filter_map(|player| player.session.deadline(self.now).map(|due| due.0));
            let Some(next) = deadlines.chain(arrival).min().filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.deliver();
            for side in Side::BOTH {
                let now = self.now;
                self.players[side as usize].session.on_timeout(now);
                self.drain(side);
            }
        }
        self.now = until;
    }

    fn send(&mut self, side: Side, like: Kind) {
        let Kind { priority, delivery, key, length, compressible } = like;
        let number = self.next_number;
        self.next_number += 1;
        let payload = payload(number, length, compressible);
        let message = Outbound { priority, delivery, key, payload: payload.clone() };
        let player = &mut self.players[side as usize];
        match player.session.send(self.now, message) {
            Ok(id) => {
                let key = if delivery == Delivery::Latest { key } else { 0 };
                player.sent.push((id, Message { priority, delivery, key, payload }));
            }
            Err(SendError::Full { .. }) => {
                let was_refused = core::mem::replace(&mut player.is_refused[priority as usize], true);
                player.refusals += usize::from(!was_refused);
            }
            Err(SendError::TooLong { .. } | SendError::TooManyKeys { .. } | SendError::Closed) => {}
        }
    }

    fn use_path(&mut self, side: Side, path: PathId) {
        self.players[side as usize].session.use_path(Some(path));
        self.drain(side);
    }

    fn open(&mut self, path: PathId, max_packet: usize) {
        let weather = &mut self.weather[usize::from(path.0)];
        weather.is_open = true;
        weather.facts.max_packet = max_packet;
        let facts = weather.facts;
        self.flying.retain(|packet| packet.path != path);
        for side in Side::BOTH {
            let session = &mut self.players[side as usize].session;
            let was_used = session.path() == Some(path);
            assert!(session.open_path(self.now, path, facts));
            if was_used {
                session.use_path(Some(path));
            }
            self.drain(side);
        }
    }

    fn close(&mut self, path: PathId) {
        self.weather[usize::from(path.0)].is_open = false;
        self.flying.retain(|packet| packet.path != path);
        for side in Side::BOTH {
            let now = self.now;
            let session = &mut self.players[side as usize].session;
            session.close_path(now, path);
            if session.path().is_none() {
                session.use_path(Some(PathId(path.0 ^ 1)));
            }
            self.drain(side);
        }
    }

    /// Takes everything a session has to say and to tell.
    fn drain(&mut self, side: Side) {
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            let session = &mut self.players[side as usize].session;
            let Some(path) = session.poll_packet(self.now, &mut buffer, &mut |_, _| {}) else { break };
            self.launch(side, path, &buffer);
        }
        while let Some(event) = self.players[side as usize].session.poll_event() {
            self.on_event(side, event);
        }
        self.weigh(side);
    }

    fn on_event(&mut self, side: Side, event: SessionEvent) {
        match event {
            SessionEvent::Message(message) => self.on_message(side, message),
            SessionEvent::Acked(id) => self.players[side as usize].acked.push(id),
            SessionEvent::Drained(_) if self.quirk == Some(Quirk::Observer(Flaw::Forget)) => {}
            SessionEvent::Drained(priority) => {
                let player = &mut self.players[side as usize];
                player.drains += 1;
                let was_refused = core::mem::take(&mut player.is_refused[priority as usize]);
                player.drains += usize::from(!was_refused);
            }
            SessionEvent::ProbeAnswered { .. }
            | SessionEvent::Unheard(_)
            | SessionEvent::Unanswered(_)
            | SessionEvent::Heard(_) => {}
        }
    }

    fn on_message(&mut self, side: Side, message: Received) {
        let Received { priority, delivery, key, payload } = message;
        let mut seen = Message { priority, delivery, key, payload };
        let received = &mut self.players[side as usize].received;
        match self.quirk {
            Some(Quirk::Observer(Flaw::Change)) => seen.payload = Bytes::from_static(b"something else"),
            Some(Quirk::Observer(Flaw::Double)) => received.push(seen.clone()),
            Some(Quirk::Observer(Flaw::Swap)) => {
                let last = received.len().saturating_sub(1);
                received.insert(last, seen);
                return;
            }
            _ => {}
        }
        received.push(seen);
    }

    /// Notes what a side holds beyond what it may.
    fn weigh(&mut self, side: Side) {
        let stats = self.players[side as usize].session.stats(self.now);
        // The oldest message of each of the eight kept streams is taken in any case, and one may grow by decompression.
        let may_hold = self.config.receive_buffer + 9 * (self.config.max_message + OVERHEAD);
        let may_hold = if self.quirk == Some(Quirk::NoRoom) { 0 } else { may_hold };
        let is_over = stats.held > may_hold || stats.queued.iter().any(|queued| *queued > self.config.send_buffer);
        let player = &mut self.players[side as usize];
        if is_over && player.excess.is_none() {
            player.excess = Some(format!("held {}, queued {:?} at {}", stats.held, stats.queued, self.now));
        }
    }

    /// A packet leaves a side; its fate is drawn.
    fn launch(&mut self, from: Side, path: PathId, bytes: &[u8]) {
        let Weather { facts, is_open, fate } = self.weather[usize::from(path.0)];
        assert!(bytes.len() <= facts.max_packet, "{} bytes on a path for {}", bytes.len(), facts.max_packet);
        let is_stream = facts.control == Control::Stream;
        let copies = 1 + usize::from(!is_stream && self.draws(fate.double));
        for _ in 0..copies {
            let on_the_way = self.flying.iter().filter(|packet| packet.from == from).count();
            if !is_open || on_the_way >= MOST_ON_THE_WAY || self.draws(fate.lose) {
                continue;
            }
            let jitter = if is_stream { 0 } else { self.draw() % (u64::from(fate.jitter) + 1) };
            let mut arrives = self.now + Duration::from_millis(u64::from(fate.delay) + jitter);
            if is_stream {
                // In order: never before what left earlier.
                let earlier = self.flying.iter().filter(|packet| packet.from == from && packet.path == path);
                arrives = earlier.map(|packet| packet.arrives).max().unwrap_or(arrives).max(arrives);
            }
            let mut bytes = bytes.to_vec();
            if !is_stream && self.draws(fate.damage) {
                let at = self.draw() as usize % bytes.len();
                bytes[at] ^= 1 << (self.draw() % 8);
            }
            self.flying.push(Flying { from, path, arrives, bytes });
        }
    }

    fn deliver(&mut self) {
        while let Some(at) = self.next_arrival() {
            let packet = self.flying.remove(at);
            let to = packet.from.other();
            let now = self.now;
            self.players[to as usize].session.on_packet(now, packet.path, &packet.bytes);
            self.drain(to);
        }
    }

    /// The packet that arrives first, if one has arrived by now; of those at one moment, the one that left first.
    fn next_arrival(&self) -> Option<usize> {
        let due = self.flying.iter().enumerate().filter(|(_, packet)| packet.arrives <= self.now);
        due.min_by_key(|(at, packet)| (packet.arrives, *at)).map(|(at, _)| at)
    }

    /// A number drawn in the order of events, so that a schedule means the same each time it is played.
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.chance >> 33
    }

    fn draws(&mut self, percent: u8) -> bool {
        self.draw() % 100 < u64::from(percent)
    }
}

/// A payload that tells its number where it is long enough to.
fn payload(number: u32, length: usize, compressible: bool) -> Bytes {
    let mut state = number;
    let filler = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        if compressible { number as u8 } else { (state >> 24) as u8 }
    };
    let head = number.to_le_bytes();
    head.into_iter().take(length).chain((head.len()..length).map(filler)).collect()
}
