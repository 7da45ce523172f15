//! The network between two machines: pipes that carry packets in virtual time, with every fault a packet can meet.
//! Pure and deterministic: the same seed and the same calls give the same arrivals. Who is connected to whom, NATs and
//! the plan of the faults are the world's job.
//!
//! # Doors
//! A [`Pipe`] has two sides. [`Pipe::send`] puts a packet in at one; [`Pipe::poll`] gives what has arrived by now at
//! either, and is called until it gives nothing; [`Pipe::next_deadline`] tells when to call it next. Give every buffer
//! back by [`Pipe::recycle`] and nothing is allocated in the long run.
//!
//! # Four kinds
//! - [`Datagrams`]: packets travel alone (UDP, SRTP).
//! - [`Stream`]: frames arrive whole and in order, or not at all (a WebSocket on TCP); loss shows as delay.
//! - [`Sctp`]: packets travel alone but leave only when SCTP's window lets them (an unordered, unreliable data channel).
//! - [`Connected`]: what the first and the third are models of; a real connection.
//!
//! # Cuts
//! Nothing crosses a direction while it is cut: neither what is sent nor what would arrive. A cut is told to nobody.

mod config;
mod connected;
mod counters;
mod damage;
mod datagrams;
mod dice;
mod flight;
mod flow;
mod link;
mod loss;
pub mod nat;
mod sctp;
mod stream;

pub use config::{Bandwidth, Bursts, LinkConfig};
pub use connected::Connected;
pub use counters::Counters;
pub use datagrams::Datagrams;
pub use link::Link;
pub use sctp::{SCTP_BUFFER, Sctp};
pub use stream::Stream;

use crate::crypto::Carrying;
use crate::seed::Seed;
use serde::{Deserialize, Serialize};
use webstar_core::path::PathKind;
use webstar_core::session::pipe::PipeFacts;
use webstar_core::time::Instant;

/// One end of a pipe.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Side {
    /// The first.
    A,
    /// The second.
    B,
}

impl Side {
    /// Both, the first one first.
    pub const BOTH: [Side; 2] = [Side::A, Side::B];

    /// The other end.
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    fn index(self) -> usize {
        match self {
            Side::A => 0,
            Side::B => 1,
        }
    }

    /// Whose moment comes first; A's if they are the same, and if there is none.
    fn earlier(a: Option<Instant>, b: Option<Instant>) -> Side {
        match (a, b) {
            (None, Some(_)) => Side::B,
            (Some(a), Some(b)) if b < a => Side::B,
            _ => Side::A,
        }
    }
}

/// What comes out of a pipe at one side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// A packet, or a frame of a stream.
    Packet(Vec<u8>),
    /// The pipe is closed: nothing more comes out at this side until it is opened again.
    Closed,
}

/// Why a packet was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The send buffer has no room for it.
    Full,
    /// The pipe is closed.
    Closed,
}

/// A two-way pipe of one of the four kinds.
#[derive(Debug)]
pub enum Pipe {
    /// See [`Datagrams`].
    Datagrams(Box<Datagrams>),
    /// See [`Stream`].
    Stream(Box<Stream>),
    /// See [`Sctp`].
    Sctp(Box<Sctp>),
    /// See [`Connected`].
    Connected(Box<Connected>),
}

/// The same call on whichever kind it is.
macro_rules! each {
    ($pipe:expr, $inner:ident => $call:expr) => {
        match $pipe {
            Pipe::Datagrams($inner) => $call,
            Pipe::Stream($inner) => $call,
            Pipe::Sctp($inner) => $call,
            Pipe::Connected($inner) => $call,
        }
    };
}

impl Pipe {
    /// An open datagram pipe. The seed must be the pipe's own.
    pub fn datagrams(seed: Seed, now: Instant, config: LinkConfig) -> Self {
        Pipe::Datagrams(Box::new(Datagrams::new(seed, now, config)))
    }

    /// An open stream whose sides can each have up to `buffer` bytes on the way. The seed must be the pipe's own.
    pub fn stream(seed: Seed, now: Instant, config: LinkConfig, buffer: usize) -> Self {
        Pipe::Stream(Box::new(Stream::new(seed, now, config, buffer)))
    }

    /// An open SCTP data channel whose sides can each have up to `buffer` bytes waiting or in flight; the real one has
    /// [`SCTP_BUFFER`]. The seed must be the pipe's own.
    pub fn sctp(seed: Seed, now: Instant, config: LinkConfig, buffer: usize) -> Self {
        Pipe::Sctp(Box::new(Sctp::new(seed, now, config, buffer)))
    }

    /// An open pipe of a real connection, and what it says of itself. The seed must be the pipe's own, and the thread's
    /// chance must come from it ([`Carrying::alone`]). Nothing if it is carried by a model.
    pub fn connected(
        seed: Seed,
        now: Instant,
        carrying: Carrying,
        kind: PathKind,
        config: LinkConfig,
    ) -> Option<(Self, PipeFacts)> {
        let pipe = Connected::new(seed, now, carrying, kind, config)?;
        let facts = pipe.facts();
        Some((Pipe::Connected(Box::new(pipe)), facts))
    }

    /// Sends a packet from this side. Taken does not mean that it arrives.
    pub fn send(&mut self, now: Instant, from: Side, bytes: &[u8]) -> Result<(), Refused> {
        each!(self, pipe => pipe.send(now, from, bytes))
    }

    /// What has arrived by now, and at which side. Call it until it gives nothing.
    pub fn poll(&mut self, now: Instant) -> Option<(Side, Arrival)> {
        each!(self, pipe => pipe.poll(now))
    }

    /// When to call `poll` next, if nothing else is done before.
    pub fn next_deadline(&self) -> Option<Instant> {
        each!(self, pipe => pipe.next_deadline())
    }

    /// Whether the packet that came out at this side last is not as it was sent. Streams and SCTP give out none such.
    pub fn is_damaged(&self, at: Side) -> bool {
        matches!(self, Pipe::Datagrams(pipe) if pipe.is_damaged(at))
    }

    /// Takes back the buffer of a packet that arrived at this side.
    pub fn recycle(&mut self, at: Side, buffer: Vec<u8>) {
        match self {
            Pipe::Datagrams(pipe) => pipe.recycle(at, buffer),
            Pipe::Stream(pipe) => pipe.recycle(at, buffer),
            Pipe::Sctp(pipe) => pipe.recycle(buffer),
            Pipe::Connected(_) => drop(buffer),
        }
    }

    /// How many bytes this side has sent that its buffer still holds. A datagram pipe has no buffer.
    pub fn buffered(&self, from: Side) -> usize {
        match self {
            Pipe::Datagrams(_) => 0,
            Pipe::Stream(pipe) => pipe.buffered(from),
            Pipe::Sctp(pipe) => pipe.buffered(from),
            Pipe::Connected(pipe) => pipe.buffered(from),
        }
    }

    /// From now on these are the conditions for what this side sends.
    pub fn set_conditions(&mut self, now: Instant, from: Side, config: LinkConfig) {
        each!(self, pipe => pipe.set_config(now, from, config));
    }

    /// The present conditions for what this side sends.
    pub fn conditions(&self, from: Side) -> &LinkConfig {
        each!(self, pipe => pipe.config(from))
    }

    /// Cuts the way from this side to the other.
    pub fn cut(&mut self, from: Side) {
        each!(self, pipe => pipe.set_up(from, false));
    }

    /// Heals the way from this side to the other.
    pub fn heal(&mut self, from: Side) {
        each!(self, pipe => pipe.set_up(from, true));
    }

    /// Cuts both ways.
    pub fn cut_both(&mut self) {
        Side::BOTH.into_iter().for_each(|from| self.cut(from));
    }

    /// Heals both ways.
    pub fn heal_both(&mut self) {
        Side::BOTH.into_iter().for_each(|from| self.heal(from));
    }

    /// Whether the way from this side to the other is not cut.
    pub fn is_up(&self, from: Side) -> bool {
        each!(self, pipe => pipe.is_up(from))
    }

    /// One side closes, or its process dies and the system closes for it: what comes to it vanishes; what it has sent
    /// still arrives, and then the other side hears of it. Through a cut the word of a datagram pipe is lost, that of a
    /// stream waits for healing. A process that dies with its machine says nothing: cut the pipe instead.
    pub fn close(&mut self, now: Instant, by: Side) {
        each!(self, pipe => pipe.close(now, by));
    }

    /// The pipe breaks: everything under way vanishes, and both sides hear of it at once. A closed pipe stays silent.
    pub fn reset(&mut self, now: Instant) {
        each!(self, pipe => pipe.reset(now));
    }

    /// Opens the pipe afresh: nothing of what was sent before ever arrives. Cuts and conditions stay.
    pub fn reopen(&mut self) {
        each!(self, pipe => pipe.reopen());
    }

    /// Whether this side believes it to be open. `send` refuses once it does not.
    pub fn is_open(&self, side: Side) -> bool {
        each!(self, pipe => pipe.is_open(side))
    }

    /// What happened so far to what this side sent.
    pub fn counters(&self, from: Side) -> Counters {
        each!(self, pipe => pipe.counters(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::hash::{Hash, Hasher};
    use core::time::Duration;
    use std::hash::DefaultHasher;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn storm() -> LinkConfig {
        LinkConfig {
            delay: ms(30),
            jitter: ms(40),
            keep_order: false,
            reorder: 0.1,
            hold: ms(30),
            duplicate: 0.1,
            corrupt: 0.02,
            loss: 0.05,
            bursts: Some(Bursts { mean: ms(100), share: 0.05 }),
            bandwidth: Some(Bandwidth { bits_per_s: 1_000_000, queue: 30 }),
        }
    }

    /// Everything that comes out of a pipe in ten seconds of traffic both ways with cuts and changes, as a hash.
    fn trace(mut pipe: Pipe) -> u64 {
        let mut hash = DefaultHasher::new();
        let mut packet = [0u8; 300];
        for step in 0..10_000u64 {
            let now = Instant::ZERO + ms(step);
            let from = if step % 3 == 0 { Side::A } else { Side::B };
            packet[..8].copy_from_slice(&step.to_le_bytes());
            match step % 1_000 {
                300 => pipe.cut(Side::A),
                400 => pipe.heal(Side::A),
                500 => pipe.set_conditions(now, Side::B, LinkConfig { loss: 0.2, ..storm() }),
                900 if step > 9_000 => pipe.reset(now),
                950 if step > 9_000 => pipe.reopen(),
                _ => {}
            }
            pipe.send(now, from, &packet).is_ok().hash(&mut hash);
            while pipe.next_deadline().is_some_and(|at| at <= now) {
                while let Some((side, arrival)) = pipe.poll(now) {
                    (now.as_nanos(), side).hash(&mut hash);
                    if let Arrival::Packet(packet) = arrival {
                        packet.hash(&mut hash);
                        pipe.recycle(side, packet);
                    }
                }
            }
            pipe.buffered(from).hash(&mut hash);
        }
        hash.finish()
    }

    fn each_kind(seed: u64) -> [u64; 3] {
        let seed = Seed::new(seed);
        [
            trace(Pipe::datagrams(seed, Instant::ZERO, storm())),
            trace(Pipe::stream(seed, Instant::ZERO, storm(), 100_000)),
            trace(Pipe::sctp(seed, Instant::ZERO, storm(), SCTP_BUFFER)),
        ]
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals_and_another_seed_others() {
        let (first, again, other) = (each_kind(1), each_kind(1), each_kind(2));
        assert_eq!(first, again);
        assert!(first.iter().zip(other).all(|(a, b)| *a != b));
    }

    #[test]
    fn a_cut_of_one_way_leaves_the_other() {
        let mut pipe = Pipe::datagrams(Seed::new(3), Instant::ZERO, LinkConfig::default());
        pipe.cut(Side::A);
        pipe.send(Instant::ZERO, Side::A, b"lost").expect("open");
        pipe.send(Instant::ZERO, Side::B, b"there").expect("open");
        assert_eq!(pipe.poll(Instant::ZERO), Some((Side::A, Arrival::Packet(b"there".to_vec()))));
        assert_eq!(pipe.poll(Instant::ZERO), None);
        assert!(!pipe.is_up(Side::A) && pipe.is_up(Side::B));
    }

    #[test]
    fn a_datagram_pipe_tells_its_closing_once_or_not_at_all() {
        let now = Instant::ZERO;
        let later = now + ms(20);
        let mut pipe = Pipe::datagrams(Seed::new(3), now, LinkConfig::with_delay(ms(20)));
        pipe.send(now, Side::A, b"last").expect("open");
        pipe.close(now, Side::A);
        assert_eq!(pipe.send(now, Side::A, b"x"), Err(Refused::Closed));
        assert_eq!(pipe.poll(later), Some((Side::B, Arrival::Packet(b"last".to_vec()))));
        assert_eq!(pipe.poll(later), Some((Side::B, Arrival::Closed)));
        assert_eq!((pipe.poll(later), pipe.is_open(Side::B)), (None, false));
        pipe.reopen();
        pipe.cut_both();
        pipe.close(later, Side::A);
        assert_eq!((pipe.next_deadline(), pipe.is_open(Side::B)), (None, true));
        pipe.reset(later);
        assert_eq!(pipe.poll(later), Some((Side::B, Arrival::Closed)));
        assert_eq!(pipe.poll(later), None);
    }
}
