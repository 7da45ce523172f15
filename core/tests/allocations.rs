//! Counts what a steady conversation asks of the allocator: one buffer for each delivered message, its payload, on the
//! receiving side, and nothing at all on the sending side. It does not look at start-up, loss or long messages.

use bytes::Bytes;
use webstar_core::config::SessionConfig;
use webstar_core::id::{PathId, PlayerId, SessionId};
use webstar_core::path::{Command, Fact, PathKind};
use webstar_core::peer::link::{Input, Link, LinkConfig, LinkEvent, Output, PathSetup};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::session::{Outbound, Session, SessionEvent, SessionIds};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::frame::{Delivery, Priority};

const PATH: PathId = PathId(0);
const FACTS: PipeFacts = PipeFacts { max_packet: 1_150, control: Control::Own };
const NAMES: [SessionId; 2] = [SessionId(11), SessionId(22)];
/// Between two rounds of messages: the tick of a game at 60 Hz, roughly.
const TICK: Duration = Duration::from_millis(16);
/// Rounds after which every queue and table has found its size, and rounds that are counted.
const ROUNDS: u64 = 3_000;

/// What a side does next.
enum Said {
    Packet,
    Delivered,
    Other,
    Idle(Option<Instant>),
}

/// One side of the conversation.
trait Side {
    fn send(&mut self, now: Instant, message: Outbound);
    fn on_packet(&mut self, now: Instant, bytes: &[u8]);
    fn on_timeout(&mut self, now: Instant);
    /// A packet replaces the content of `packet`.
    fn poll(&mut self, now: Instant, packet: &mut Vec<u8>) -> Said;
}

impl Side for Session {
    fn send(&mut self, now: Instant, message: Outbound) {
        Session::send(self, now, message).expect("a lane that is acknowledged has room");
    }

    fn on_packet(&mut self, now: Instant, bytes: &[u8]) {
        Session::on_packet(self, now, PATH, bytes);
    }

    fn on_timeout(&mut self, now: Instant) {
        Session::on_timeout(self, now);
    }

    fn poll(&mut self, now: Instant, packet: &mut Vec<u8>) -> Said {
        match self.poll_event() {
            Some(SessionEvent::Message(_)) => return Said::Delivered,
            Some(_) => return Said::Other,
            None => packet.clear(),
        }
        match self.poll_packet(now, packet, &mut |_, _| {}) {
            Some(_) => Said::Packet,
            None => Said::Idle(self.deadline(now).map(|(at, _)| at)),
        }
    }
}

impl Side for Link {
    fn send(&mut self, now: Instant, message: Outbound) {
        Link::send(self, now, message).expect("a lane that is acknowledged has room");
    }

    fn on_packet(&mut self, now: Instant, bytes: &[u8]) {
        self.handle(now, Input::Packet { path: PATH, bytes }).expect("the path exists");
    }

    fn on_timeout(&mut self, now: Instant) {
        self.handle(now, Input::Timeout).expect("the link is open");
    }

    fn poll(&mut self, _now: Instant, packet: &mut Vec<u8>) -> Said {
        match Link::poll(self) {
            Output::Transmit { bytes, .. } => {
                packet.clear();
                packet.extend_from_slice(bytes);
                Said::Packet
            }
            Output::Event(LinkEvent::Message(_)) => Said::Delivered,
            Output::Event(_) | Output::Pipe { .. } => Said::Other,
            Output::Timeout(next) => Said::Idle(next.map(|(at, _)| at)),
        }
    }
}

fn ids(side: usize) -> SessionIds {
    SessionIds { ours: NAMES[side], theirs: NAMES[1 - side] }
}

fn session(side: usize) -> Session {
    let mut session =
        Session::new(SessionConfig::default(), ids(side), Instant::ZERO).expect("the defaults are usable");
    assert!(session.open_path(Instant::ZERO, PATH, FACTS));
    session.use_path(Some(PATH));
    session
}

fn link(side: usize) -> Link {
    let setup = PathSetup { id: PATH, kind: PathKind::Srtp, relayed_only: false };
    let other = PlayerId(2 - side as u32);
    let mut link = Link::new(LinkConfig::default(), ids(side), other, &[setup], [side as u8; 32], Instant::ZERO)
        .expect("the defaults are usable");
    let order = loop {
        match link.poll() {
            Output::Pipe { order, .. } if order.command == Command::Open => break order,
            Output::Timeout(_) => panic!("a new link orders its pipe to be opened"),
            _ => {}
        }
    };
    let opened = Input::Pipe { path: PATH, attempt: order.attempt, fact: Fact::Opened(FACTS) };
    link.handle(Instant::ZERO, opened).expect("the path exists");
    link
}

/// Two sides over a path that loses nothing and takes no time; side 0 talks. What each side allocates is counted.
struct Talk<S> {
    sides: [S; 2],
    deadlines: [Option<Instant>; 2],
    now: Instant,
    packet: Vec<u8>,
    allocated: [u64; 2],
    delivered: u64,
    packets: u64,
    /// Every packet is copied by its sender.
    is_wasteful: bool,
}

impl<S: Side> Talk<S> {
    fn new(sides: [S; 2]) -> Self {
        let deadlines = [Some(Instant::ZERO); 2];
        let (packet, allocated) = (Vec::with_capacity(2 * FACTS.max_packet), [0; 2]);
        Talk { sides, deadlines, now: Instant::ZERO, packet, allocated, delivered: 0, packets: 0, is_wasteful: false }
    }

    /// Lets a side do something and counts what it allocates.
    fn count<T>(&mut self, side: usize, work: impl FnOnce(&mut S, Instant, &mut Vec<u8>) -> T) -> T {
        let mut result = None;
        let (machine, now, packet) = (&mut self.sides[side], self.now, &mut self.packet);
        let info = allocation_counter::measure(|| result = Some(work(machine, now, packet)));
        self.allocated[side] += info.count_total;
        result.expect("the work was done")
    }

    fn drain(&mut self, side: usize) {
        loop {
            match self.count(side, S::poll) {
                Said::Packet => {
                    self.packets += u64::from(side == 0);
                    if self.is_wasteful {
                        self.count(side, |_, _, packet| drop(std::hint::black_box(packet.clone())));
                    }
                    self.count(1 - side, |machine, now, packet| machine.on_packet(now, packet));
                    self.drain(1 - side);
                }
                Said::Delivered => self.delivered += 1,
                Said::Other => {}
                Said::Idle(deadline) => {
                    self.deadlines[side] = deadline;
                    return;
                }
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.drain(0);
        self.drain(1);
        while let Some(at) = self.deadlines.into_iter().flatten().min().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            for side in 0..2 {
                if self.deadlines[side].is_some_and(|at| at <= self.now) {
                    self.count(side, |machine, now, _| machine.on_timeout(now));
                    self.drain(side);
                }
            }
        }
        self.now = until;
    }

    fn round(&mut self, delivery: Delivery, batch: u32) {
        for key in 0..batch {
            // Outside the count: the payload is the caller's.
            let message = Outbound { priority: Priority::High, delivery, key, payload: Bytes::from(vec![7; 64]) };
            let mut message = Some(message);
            self.count(0, |machine, now, _| message.take().into_iter().for_each(|message| machine.send(now, message)));
        }
        self.pass(TICK);
    }

    /// Warms up, then gives what each side has allocated, the messages delivered and the packets of the talker.
    fn run(&mut self, delivery: Delivery, batch: u32) -> ([u64; 2], u64, u64) {
        (0..ROUNDS).for_each(|_| self.round(delivery, batch));
        (self.allocated, self.delivered, self.packets) = ([0; 2], 0, 0);
        (0..ROUNDS).for_each(|_| self.round(delivery, batch));
        (self.allocated, self.delivered, self.packets)
    }
}

fn each_delivery_allocates_once<S: Side>(sides: impl Fn() -> [S; 2]) {
    for delivery in Delivery::ALL {
        for batch in [1, 16] {
            let (allocated, delivered, packets) = Talk::new(sides()).run(delivery, batch);
            assert_eq!(delivered, ROUNDS * u64::from(batch), "{delivery:?}, {batch} a packet: all arrive");
            assert!(packets < ROUNDS + ROUNDS / 8, "{delivery:?}, {batch} a packet: {packets} packets");
            assert_eq!(allocated, [0, delivered], "{delivery:?}, {batch} a packet: allocated by talker, listener");
        }
    }
}

#[test]
fn a_session_allocates_once_per_delivered_message() {
    each_delivery_allocates_once(|| [session(0), session(1)]);
}

#[test]
fn a_link_allocates_once_per_delivered_message() {
    each_delivery_allocates_once(|| [link(0), link(1)]);
}

#[test]
fn a_copy_too_many_is_counted() {
    let mut talk = Talk::new([session(0), session(1)]);
    talk.is_wasteful = true;
    let (allocated, _, packets) = talk.run(Delivery::Ordered, 1);
    assert!(packets > 0 && allocated[0] == packets, "{allocated:?} allocations, {packets} copies of packets");
}
