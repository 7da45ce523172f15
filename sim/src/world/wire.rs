//! One direct way between two seats: who has ordered it, how it opens, what is in it. A process that dies says nothing on
//! it. Whose seats these are, and what carries the negotiation, is the world's business.

use super::between;
use crate::net::{Arrival, LinkConfig as Conditions, Pipe, Side};
use crate::seed::Seed;
use core::time::Duration;
use webstar_core::id::{PathId, PlayerId};
use webstar_core::path::{Attempt, Command, Fact, Order, PathKind, webrtc};
use webstar_core::session::pipe::PipeFacts;
use webstar_core::time::{Instant, earlier};

/// What such a pipe says of itself when it opens: RTP payloads.
const FACTS: PipeFacts = webrtc::facts(PathKind::Srtp).expect("connections carry it");
/// A negotiation that failed is tried again after this.
const RETRY: Duration = Duration::from_millis(500);

/// What a wire tells the world.
#[derive(Debug)]
pub(super) enum WireNews {
    /// Something became of the order of this side.
    Fact(Side, Attempt, Fact),
    /// A packet has arrived at this side.
    Packet(Side, Vec<u8>),
}

/// One end of a wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The seat.
    pub(super) seat: usize,
    /// Which of its lives.
    pub(super) life: u32,
    /// What the other end calls it.
    pub(super) player: PlayerId,
    /// The newest order, unless it was to close.
    attempt: Option<Attempt>,
    /// It was told that the pipe carries packets.
    is_open: bool,
    /// It carries packets, which this end is about to hear.
    is_untold: bool,
    /// When it hears that the other end is gone.
    closes: Option<Instant>,
}

impl End {
    pub(super) fn new(seat: usize, life: u32, player: PlayerId) -> Self {
        End { seat, life, player, attempt: None, is_open: false, is_untold: false, closes: None }
    }
}

/// One direct way.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) path: PathId,
    pub(super) ends: [End; 2],
    pipe: Pipe,
    /// When the negotiation is through.
    opens: Option<Instant>,
}

impl Wire {
    /// A way that nobody has ordered yet. The conditions of a seat's access are by direction: from it, to it.
    pub(super) fn new(seed: Seed, now: Instant, path: PathId, ends: [End; 2], access: [&[Conditions; 2]; 2]) -> Self {
        let pipe = Pipe::datagrams(seed, now, between(&access[0][0], &access[1][1]));
        let mut wire = Wire { path, ends, pipe, opens: None };
        wire.set_conditions(now, access);
        wire
    }

    pub(super) fn set_conditions(&mut self, now: Instant, access: [&[Conditions; 2]; 2]) {
        self.pipe.set_conditions(now, Side::A, between(&access[0][0], &access[1][1]));
        self.pipe.set_conditions(now, Side::B, between(&access[1][0], &access[0][1]));
    }

    pub(super) fn set_up(&mut self, from: Side, is_up: bool) {
        if is_up { self.pipe.heal(from) } else { self.pipe.cut(from) }
    }

    /// Which end a seat is.
    pub(super) fn side(&self, seat: usize) -> Side {
        if self.ends[0].seat == seat { Side::A } else { Side::B }
    }

    pub(super) fn end(&self, side: Side) -> &End {
        &self.ends[index(side)]
    }

    /// An end orders.
    pub(super) fn order(&mut self, now: Instant, by: Side, order: Order) {
        let end = &mut self.ends[index(by)];
        let was_open = core::mem::take(&mut end.is_open);
        end.closes = None;
        end.attempt = match order.command {
            Command::Open | Command::Restart | Command::OpenRelayed => Some(order.attempt),
            Command::Close if end.attempt == Some(order.attempt) => None,
            Command::Close => end.attempt,
        };
        let is_wanted = end.attempt.is_some();
        if was_open || is_wanted {
            self.tell_gone(now, by);
        }
        let are_ready = self.ends.iter().all(|end| end.attempt.is_some() && !end.is_open);
        self.opens = (is_wanted || are_ready).then_some(now + self.round_trip());
    }

    /// The other end learns of it, if the word gets through.
    fn tell_gone(&mut self, now: Instant, by: Side) {
        let heard = now + self.pipe.conditions(by).delay;
        let is_up = self.pipe.is_up(by);
        let other = &mut self.ends[index(by.other())];
        if other.is_open && is_up && other.closes.is_none() {
            other.closes = Some(heard);
        }
    }

    /// The machine at this end is gone without a word.
    pub(super) fn forget(&mut self, side: Side) {
        let End { seat, life, player, .. } = self.ends[index(side)];
        self.ends[index(side)] = End::new(seat, life, player);
        self.opens = None;
    }

    fn round_trip(&self) -> Duration {
        self.pipe.conditions(Side::A).delay + self.pipe.conditions(Side::B).delay
    }

    /// How long a packet from this side takes without jitter.
    pub(super) fn delay(&self, from: Side) -> Duration {
        self.pipe.conditions(from).delay
    }

    /// A packet leaves. What is sent before the pipe is open is lost.
    pub(super) fn send(&mut self, now: Instant, from: Side, bytes: &[u8]) {
        if self.ends[index(from)].is_open {
            // A pipe of datagrams that nobody closes refuses nothing.
            let _ = self.pipe.send(now, from, bytes);
        }
    }

    /// When to look at it next.
    pub(super) fn next(&self) -> Option<Instant> {
        let closes = earlier(self.ends[0].closes, self.ends[1].closes);
        earlier(self.pipe.next_deadline(), earlier(closes, self.opens))
    }

    /// What has happened by now. Call it until it gives nothing. A negotiation needs somebody to carry its words.
    pub(super) fn poll(&mut self, now: Instant, can_negotiate: bool) -> Option<WireNews> {
        if self.opens.is_some_and(|at| at <= now) {
            self.negotiate(now, can_negotiate);
        }
        for side in Side::BOTH {
            let end = &mut self.ends[index(side)];
            if end.closes.take_if(|at| *at <= now).is_some()
                && core::mem::take(&mut end.is_open)
                && let Some(attempt) = end.attempt
            {
                return Some(WireNews::Fact(side, attempt, Fact::Closed));
            }
            // Told once: from then on it is open.
            if let Some(attempt) = end.attempt.filter(|_| end.is_open && end.is_untold) {
                end.is_untold = false;
                return Some(WireNews::Fact(side, attempt, Fact::Opened(FACTS)));
            }
        }
        while let Some((side, arrival)) = self.pipe.poll(now) {
            let Arrival::Packet(packet) = arrival else { continue };
            if self.ends[index(side)].is_open {
                return Some(WireNews::Packet(side, packet));
            }
            self.pipe.recycle(side, packet);
        }
        None
    }

    /// Whether the packet that came out at this side last is not as it was sent.
    pub(super) fn is_damaged(&self, side: Side) -> bool {
        self.pipe.is_damaged(side)
    }

    /// Both ends want it: it opens, if their words get through. Where one of them believes in a former life of it, that
    /// one is told.
    fn negotiate(&mut self, now: Instant, can_negotiate: bool) {
        self.opens = None;
        let is_possible = can_negotiate && Side::BOTH.into_iter().all(|side| self.pipe.is_up(side));
        let wanted = self.ends.map(|end| end.attempt.is_some());
        if wanted == [true; 2] && is_possible && self.ends.iter().all(|end| !end.is_open) {
            self.pipe.reopen();
            for end in &mut self.ends {
                (end.is_open, end.is_untold, end.closes) = (true, true, None);
            }
            return;
        }
        for side in Side::BOTH {
            if can_negotiate && wanted[index(side)] && !self.ends[index(side)].is_open {
                self.tell_gone(now, side);
            }
        }
        if wanted == [true; 2] {
            self.opens = Some(now + RETRY);
        }
    }
}

fn index(side: Side) -> usize {
    usize::from(side == Side::B)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(millis: u64) -> Instant {
        Instant::ZERO + ms(millis)
    }

    fn open(attempt: u32) -> Order {
        Order { attempt: Attempt(attempt), command: Command::Open }
    }

    /// A wire of 20 ms one way.
    fn wire() -> Wire {
        let access = [Conditions::with_delay(ms(10)); 2];
        let ends = [End::new(0, 0, PlayerId(1)), End::new(1, 0, PlayerId(2))];
        Wire::new(Seed::new(1), at(0), PathId(1), ends, [&access; 2])
    }

    /// What it tells until then, and when.
    fn told(wire: &mut Wire, until: Instant) -> Vec<String> {
        let mut told = Vec::new();
        while let Some(next) = wire.next().filter(|next| *next <= until) {
            while let Some(news) = wire.poll(next, true) {
                let word = match news {
                    WireNews::Fact(side, attempt, Fact::Opened(_)) => format!("{side:?}{} opened", attempt.0),
                    WireNews::Fact(side, attempt, fact) => format!("{side:?}{} {fact:?}", attempt.0),
                    WireNews::Packet(side, packet) => format!("{side:?} {}", String::from_utf8_lossy(&packet)),
                };
                told.push(format!("{} {word}", next.as_millis_f64()));
            }
        }
        told
    }

    #[test]
    fn it_opens_a_round_trip_after_both_want_it_and_carries_packets() {
        let mut wire = wire();
        wire.order(at(0), Side::A, open(1));
        assert_eq!(told(&mut wire, at(50)), Vec::<String>::new());
        wire.order(at(50), Side::B, open(1));
        assert_eq!(told(&mut wire, at(200)), ["90 A1 opened", "90 B1 opened"]);
        wire.send(at(200), Side::A, b"hello");
        assert_eq!(told(&mut wire, at(300)), ["220 B hello"]);
    }

    #[test]
    fn a_new_order_of_one_end_is_heard_by_the_other_and_both_begin_anew() {
        let mut wire = wire();
        wire.order(at(0), Side::A, open(1));
        wire.order(at(0), Side::B, open(1));
        told(&mut wire, at(100));
        wire.order(at(100), Side::A, open(2));
        assert_eq!(told(&mut wire, at(120)), ["120 B1 Closed"]);
        wire.order(at(130), Side::B, open(2));
        assert_eq!(told(&mut wire, at(1_000)), ["170 A2 opened", "170 B2 opened"]);
    }

    #[test]
    fn whoever_dies_says_nothing_and_what_is_cut_does_not_open() {
        let mut wire = wire();
        wire.order(at(0), Side::A, open(1));
        wire.order(at(0), Side::B, open(1));
        told(&mut wire, at(100));
        wire.forget(Side::A);
        wire.send(at(100), Side::B, b"lost");
        assert_eq!(told(&mut wire, at(10_000)), Vec::<String>::new());
        wire.set_up(Side::A, false);
        wire.order(at(10_000), Side::A, open(1));
        wire.order(at(10_000), Side::B, open(2));
        assert_eq!(told(&mut wire, at(11_900)), Vec::<String>::new());
        wire.set_up(Side::A, true);
        assert_eq!(told(&mut wire, at(13_000)), ["12040 A1 opened", "12040 B2 opened"]);
    }
}
