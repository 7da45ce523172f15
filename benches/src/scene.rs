//! Two machines and one path between them. After every change a machine is polled until it has nothing to say, as
//! its law wants it. Time is made up, so that what is measured is the work of the two machines alone: no clock, no
//! socket, no sleeping.
//!
//! A scene checks nothing beyond counting what arrived; whether it is right is for the tests of the core.

use crate::machine::{Machine, Said};
use bytes::Bytes;
use std::collections::VecDeque;
use webstar_core::config::SessionConfig;
use webstar_core::session::{Outbound, SendError};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::frame::{Delivery, Priority};

/// Moments to wait for a delivery before a scene is held to be stuck.
const PATIENCE: u32 = 1_000_000;

/// How a scene is set up.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Of both sessions.
    pub config: SessionConfig,
    /// How long a packet takes. At zero packets are handed over without a copy.
    pub delay: Duration,
    /// Every so many packets of the first side are lost; 0 for none.
    pub lose_every: u64,
}

/// What has happened so far, told of the first side's words: the second side's are only counted as packets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Packets sent by each side.
    pub packets: [u64; 2],
    /// Bytes in them.
    pub bytes: u64,
    /// Messages delivered to each side.
    pub delivered: [u64; 2],
    /// Bytes in them.
    pub payload: u64,
    /// Messages whose arrival the sender knows of.
    pub acked: u64,
}

/// A packet on its way to a side.
#[derive(Debug)]
struct Flight {
    at: Instant,
    to: usize,
    bytes: Vec<u8>,
}

/// Two machines, by number: 0 and 1.
#[derive(Debug)]
pub struct Scene<M> {
    sides: [M; 2],
    deadlines: [Option<Instant>; 2],
    setup: Setup,
    now: Instant,
    packet: Vec<u8>,
    flying: VecDeque<Flight>,
    spare: Vec<Vec<u8>>,
    counts: Counts,
}

impl<M: Machine> Scene<M> {
    /// Two machines with their path open and in use.
    ///
    /// # Panics
    /// When the settings are not usable.
    pub fn new(setup: Setup) -> Self {
        let mut scene = Scene {
            sides: [M::new(0, &setup.config), M::new(1, &setup.config)],
            deadlines: [Some(Instant::ZERO); 2],
            setup,
            now: Instant::ZERO,
            packet: Vec::new(),
            flying: VecDeque::new(),
            spare: Vec::new(),
            counts: Counts::default(),
        };
        scene.pass(Duration::from_millis(200));
        scene
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether the first side protects its messages forward now.
    pub fn is_protected(&self) -> bool {
        self.sides[0].is_protected(self.now)
    }

    /// A side takes a message.
    pub fn submit(&mut self, side: usize, delivery: Delivery, payload: Bytes) -> Result<(), SendError> {
        let message = Outbound { priority: Priority::High, delivery, key: 1, payload };
        self.sides[side].send(self.now, message)
    }

    /// Sends what was submitted, and lets time pass with all that happens in it.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.drain(0);
        self.drain(1);
        while let Some(at) = self.next_moment().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.land();
            for side in 0..2 {
                if self.deadlines[side].is_some_and(|at| at <= self.now) {
                    self.sides[side].on_timeout(self.now);
                    self.drain(side);
                }
            }
        }
        self.now = until;
    }

    /// Lets as much time pass as it takes until so many messages have been delivered to the second side.
    ///
    /// # Panics
    /// When they never are.
    pub fn pass_until_delivered(&mut self, messages: u64) {
        self.pass(Duration::ZERO);
        for _ in 0..PATIENCE {
            if self.counts.delivered[1] >= messages {
                return;
            }
            let at = self.next_moment().unwrap_or(self.now).max(self.now);
            self.pass(at.since(self.now));
        }
        panic!("only {} of {messages} messages have been delivered", self.counts.delivered[1]);
    }

    fn next_moment(&self) -> Option<Instant> {
        let landing = self.flying.front().map(|flight| flight.at);
        landing.into_iter().chain(self.deadlines.into_iter().flatten()).min()
    }

    fn drain(&mut self, side: usize) {
        loop {
            let mut packet = core::mem::take(&mut self.packet);
            packet.clear();
            let said = self.sides[side].poll(self.now, &mut packet);
            if said == Said::Packet {
                self.carry(side, &packet);
            }
            self.packet = packet;
            match said {
                Said::Delivered(bytes) => {
                    self.counts.delivered[side] += 1;
                    self.counts.payload += bytes as u64;
                }
                Said::Acked => self.counts.acked += 1,
                Said::Packet if self.setup.delay.is_zero() => self.drain(1 - side),
                Said::Packet | Said::Other => {}
                Said::Idle(deadline) => {
                    self.deadlines[side] = deadline;
                    return;
                }
            }
        }
    }

    fn carry(&mut self, from: usize, packet: &[u8]) {
        self.counts.packets[from] += 1;
        self.counts.bytes += packet.len() as u64;
        let lose_every = self.setup.lose_every;
        if from == 0 && lose_every > 0 && self.counts.packets[0].is_multiple_of(lose_every) {
            return;
        }
        if self.setup.delay.is_zero() {
            self.sides[1 - from].on_packet(self.now, packet);
        } else {
            let mut bytes = self.spare.pop().unwrap_or_default();
            bytes.clear();
            bytes.extend_from_slice(packet);
            self.flying.push_back(Flight { at: self.now + self.setup.delay, to: 1 - from, bytes });
        }
    }

    fn land(&mut self) {
        while self.flying.front().is_some_and(|flight| flight.at <= self.now) {
            let Some(Flight { to, bytes, .. }) = self.flying.pop_front() else { return };
            self.sides[to].on_packet(self.now, &bytes);
            self.spare.push(bytes);
            self.drain(to);
        }
    }
}
