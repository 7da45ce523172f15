//! Two players and the pipes between them, in lock-step: time jumps from one deadline to the next. What they say and
//! what happens to the pipes is decided outside; what is seen is told to an [`Observer`].

use crate::net::{Arrival, Pipe, Side};
use webstar_core::config::ConfigError;
use webstar_core::id::{MessageId, PathId, PlayerId, SessionId};
use webstar_core::path::{Attempt, Command, Fact, Order, PathKind};
use webstar_core::peer::link::{Input, Link, LinkConfig, LinkEvent, LinkTimer, Output, PathSetup};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::session::{Outbound, SendError, SessionIds};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::relay;

/// Drains per moment beyond which the machines are held to be caught in a loop.
const MOST_OUTPUTS: usize = 100_000;

/// Sees everything that leaves the two machines.
pub trait Observer {
    /// A machine tells its application something.
    fn on_event(&mut self, now: Instant, side: Side, event: LinkEvent);
    /// A machine sends a packet.
    fn on_packet(&mut self, _now: Instant, _side: Side, _path: PathId, _bytes: &[u8]) {}
    /// A machine wants a pipe opened or closed.
    fn on_order(&mut self, _now: Instant, _side: Side, _path: PathId, _order: Order) {}
    /// A packet has come out of a pipe at this side, and its machine is about to be told.
    fn on_arrival(&mut self, _now: Instant, _side: Side, _path: PathId, _bytes: &[u8]) {}
    /// A machine has been drained: so many packets and events came of one input.
    fn on_rest(&mut self, _now: Instant, _side: Side, _packets: usize, _events: usize) {}
}

/// One path between the two: what it says of itself, and the pipe below.
#[derive(Debug)]
pub struct Wire {
    /// Its name and kind.
    pub setup: PathSetup,
    /// What it says of itself when it opens.
    pub facts: PipeFacts,
    /// The pipe.
    pub pipe: Pipe,
    /// How long opening takes.
    pub handshake: Duration,
    attempts: [Option<Attempt>; 2],
    is_open: [bool; 2],
    opens_at: Option<Instant>,
    told_buffered: [usize; 2],
}

impl Wire {
    /// A wire that opens `handshake` after both sides have asked for it.
    pub fn new(id: u8, kind: PathKind, facts: PipeFacts, pipe: Pipe, handshake: Duration) -> Self {
        let setup = PathSetup { id: PathId(id), kind, relayed_only: false };
        Wire {
            setup,
            facts,
            pipe,
            handshake,
            attempts: [None; 2],
            is_open: [false; 2],
            opens_at: None,
            told_buffered: [0; 2],
        }
    }

    /// Whether both sides have been told that it is open, and neither that it is not.
    pub fn is_open(&self) -> bool {
        self.is_open == [true; 2]
    }

    fn next_deadline(&self) -> Option<Instant> {
        webstar_core::time::earlier(self.pipe.next_deadline(), self.opens_at)
    }
}

/// Two links and their wires.
#[derive(Debug)]
pub struct Pair {
    links: [Link; 2],
    link_deadlines: [Option<(Instant, LinkTimer)>; 2],
    wires: Vec<Wire>,
    now: Instant,
    /// Rounds made without time going on.
    stalled: usize,
}

const SIDES: [Side; 2] = [Side::A, Side::B];

fn index(side: Side) -> usize {
    match side {
        Side::A => 0,
        Side::B => 1,
    }
}

fn player(side: Side) -> PlayerId {
    PlayerId(index(side) as u32 + 1)
}

impl Pair {
    /// Two links over the given wires.
    pub fn new(config: &LinkConfig, wires: Vec<Wire>, keys: [[u8; 32]; 2]) -> Result<Self, ConfigError> {
        let setups: Vec<PathSetup> = wires.iter().map(|wire| wire.setup).collect();
        let half = |key: &[u8; 32]| SessionId(u64::from_le_bytes(core::array::from_fn(|i| key[i])));
        let link = |side: Side| {
            let (ours, theirs) = (index(side), index(side.other()));
            let ids = SessionIds { ours: half(&keys[ours]), theirs: half(&keys[theirs]) };
            Link::new(config.clone(), ids, player(side.other()), &setups, keys[ours], Instant::ZERO)
        };
        let links = [link(Side::A)?, link(Side::B)?];
        // Both begin with orders to open their paths.
        let begin = setups.first().map(|setup| (Instant::ZERO, LinkTimer::Ladder(setup.id)));
        Ok(Pair { links, link_deadlines: [begin; 2], wires, now: Instant::ZERO, stalled: 0 })
    }

    /// The present moment.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A link.
    pub fn link(&self, side: Side) -> &Link {
        &self.links[index(side)]
    }

    /// A link, to be told something directly. [`Pair::flush`] it afterwards.
    pub fn link_mut(&mut self, side: Side) -> &mut Link {
        &mut self.links[index(side)]
    }

    /// The wires.
    pub fn wires(&self) -> &[Wire] {
        &self.wires
    }

    /// The wires, to be hurt.
    pub fn wires_mut(&mut self) -> &mut [Wire] {
        &mut self.wires
    }

    /// Gives a message to a side. [`Pair::flush`] it afterwards.
    pub fn send(&mut self, side: Side, message: Outbound) -> Result<MessageId, SendError> {
        self.links[index(side)].send(self.now, message)
    }

    /// When something happens by itself next.
    pub fn next_deadline(&self) -> Option<Instant> {
        let wires = self.wires.iter().filter_map(Wire::next_deadline);
        wires.chain(self.link_deadlines.iter().flatten().map(|deadline| deadline.0)).min()
    }

    /// Lets everything happen that happens up to and at `until`.
    pub fn advance(&mut self, until: Instant, observer: &mut impl Observer) {
        while let Some(at) = self.next_deadline().filter(|at| *at <= until) {
            self.stalled = if at > self.now { 0 } else { self.stalled + 1 };
            assert!(self.stalled < MOST_OUTPUTS, "time does not go on at {}: {:?}", self.now, self.link_deadlines);
            self.now = self.now.max(at);
            self.open_wires(observer);
            self.deliver(observer);
            self.report_buffers(observer);
            for side in SIDES {
                if self.link_deadlines[index(side)].is_some_and(|(at, _)| at <= self.now) {
                    self.tell(side, Input::Timeout);
                    self.flush(side, observer);
                }
            }
        }
        self.now = self.now.max(until);
    }

    /// Drains a side's outputs.
    pub fn flush(&mut self, side: Side, observer: &mut impl Observer) {
        let (mut packets, mut events) = (0, 0);
        for _ in 0..MOST_OUTPUTS {
            match self.links[index(side)].poll() {
                Output::Transmit { path, bytes } => {
                    packets += 1;
                    observer.on_packet(self.now, side, path, bytes);
                    if let Some(wire) = self.wires.iter_mut().find(|wire| wire.setup.id == path) {
                        // What a pipe refuses is lost, as it would be in a full socket buffer.
                        let _ = wire.pipe.send(self.now, side, bytes);
                    }
                    self.report_buffered(side, path);
                }
                Output::Pipe { path, order } => {
                    observer.on_order(self.now, side, path, order);
                    self.carry_out(side, path, order, observer);
                }
                Output::Event(event) => {
                    events += 1;
                    observer.on_event(self.now, side, event);
                }
                Output::Timeout(next) => {
                    self.link_deadlines[index(side)] = next.map(|(at, timer)| (at.max(self.now), timer));
                    observer.on_rest(self.now, side, packets, events);
                    return;
                }
            }
        }
        panic!("{side:?} does not come to rest at {}", self.now);
    }

    fn tell(&mut self, side: Side, input: Input<'_>) {
        // Two honest links are never misused by this world.
        self.links[index(side)].handle(self.now, input).expect("the world speaks only of paths that exist");
    }

    fn carry_out(&mut self, side: Side, path: PathId, order: Order, observer: &mut impl Observer) {
        let now = self.now;
        let Some(wire) = self.wires.iter_mut().find(|wire| wire.setup.id == path) else { return };
        let (this, that) = (index(side), index(side.other()));
        if order.command == Command::Close {
            wire.attempts[this] = None;
            wire.is_open[this] = false;
            wire.pipe.close(now, side);
            return;
        }
        wire.attempts[this] = Some(order.attempt);
        wire.is_open[this] = false;
        if wire.is_open[that] {
            // A new connection ends the old one: the other side hears of it and asks for a new one too.
            wire.pipe.reset(now);
        } else if wire.attempts[that].is_some() {
            wire.opens_at = Some(now + wire.handshake);
        }
        self.deliver(observer);
    }

    fn open_wires(&mut self, observer: &mut impl Observer) {
        for at in 0..self.wires.len() {
            let wire = &mut self.wires[at];
            if wire.opens_at.is_none_or(|opens_at| opens_at > self.now) {
                continue;
            }
            wire.opens_at = None;
            let reaches = SIDES.iter().all(|side| wire.pipe.is_up(*side));
            let (true, [Some(ours), Some(theirs)]) = (reaches, wire.attempts) else { continue };
            wire.pipe.reopen();
            wire.is_open = [true; 2];
            let (path, facts) = (wire.setup.id, wire.facts);
            for (side, attempt) in SIDES.into_iter().zip([ours, theirs]) {
                self.tell(side, Input::Pipe { path, attempt, fact: Fact::Opened(facts) });
                self.flush(side, observer);
            }
        }
    }

    fn deliver(&mut self, observer: &mut impl Observer) {
        for at in 0..self.wires.len() {
            while let Some((side, arrival)) = self.wires[at].pipe.poll(self.now) {
                let path = self.wires[at].setup.id;
                match arrival {
                    Arrival::Packet(buffer) => {
                        observer.on_arrival(self.now, side, path, &buffer);
                        self.on_arrival(side, path, &buffer);
                        self.wires[at].pipe.recycle(side, buffer);
                        self.flush(side, observer);
                    }
                    Arrival::Closed => {
                        let was_open = core::mem::take(&mut self.wires[at].is_open[index(side)]);
                        if let Some(attempt) = self.wires[at].attempts[index(side)].filter(|_| was_open) {
                            self.tell(side, Input::Pipe { path, attempt, fact: Fact::Closed });
                            self.flush(side, observer);
                        }
                    }
                }
            }
        }
    }

    fn on_arrival(&mut self, side: Side, path: PathId, bytes: &[u8]) {
        let is_relay = self.wires.iter().any(|wire| wire.setup.id == path && wire.setup.kind == PathKind::Relay);
        if !is_relay {
            return self.tell(side, Input::Packet { path, bytes });
        }
        // The server would put the sender in the receiver's place; between two it is known.
        if let Ok((to, bytes)) = relay::parse(bytes)
            && to == player(side)
        {
            self.tell(side, Input::Packet { path, bytes });
        }
    }

    /// Tells the links what their pipes hold by now.
    fn report_buffers(&mut self, observer: &mut impl Observer) {
        for at in 0..self.wires.len() {
            let path = self.wires[at].setup.id;
            for side in SIDES {
                if self.report_buffered(side, path) {
                    self.flush(side, observer);
                }
            }
        }
    }

    /// Tells a link how much its pipe holds, where that steers it and has changed.
    fn report_buffered(&mut self, side: Side, path: PathId) -> bool {
        let Some(wire) = self.wires.iter_mut().find(|wire| wire.setup.id == path) else { return false };
        let this = index(side);
        let (Some(attempt), true) = (wire.attempts[this], wire.facts.control == Control::Below && wire.is_open[this])
        else {
            return false;
        };
        let buffered = wire.pipe.buffered(side);
        let has_changed = core::mem::replace(&mut wire.told_buffered[this], buffered) != buffered;
        if has_changed {
            self.tell(side, Input::Pipe { path, attempt, fact: Fact::Buffered(buffered) });
        }
        has_changed
    }
}
