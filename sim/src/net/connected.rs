//! A pipe of a real connection: two machines with ICE, SCTP and SRTP as they are, and datagrams between them. It is
//! connected before the pipe begins, without faults; what is measured or hurt is what comes after.

use super::config::LinkConfig;
use super::counters::Counters;
use super::{Arrival, Datagrams, Refused, Side};
use crate::crypto::Carrying;
use crate::seed::Seed;
use core::net::{Ipv4Addr, SocketAddr};
use std::collections::VecDeque;
use webstar_core::id::PlayerId;
use webstar_core::path::webrtc::{Input, Output, PathKind, Webrtc, WebrtcConfig};
use webstar_core::path::{Attempt, Command, Fact, Order};
use webstar_core::session::pipe::PipeFacts;
use webstar_core::time::{Duration, Instant, earlier};
use webstar_core::wire::signal::RtcSignal;

/// Without faults a connection takes no longer.
const LONGEST_START: Duration = Duration::from_secs(10);

/// A pipe of a real connection. What it says of its closing is that of the datagrams below, which the connection
/// outlives.
#[derive(Debug)]
pub struct Connected {
    machines: [Webrtc; 2],
    due: [Option<Instant>; 2],
    kind: PathKind,
    way: Datagrams,
    /// How long connecting took: the machines' time is ahead of the pipe's by so much.
    ahead: Duration,
    /// What the pipe says of itself, from the end of each side.
    facts: [Option<PipeFacts>; 2],
    buffered: [usize; 2],
    said: VecDeque<(Side, RtcSignal)>,
    ready: VecDeque<(Side, Vec<u8>)>,
    counters: [Counters; 2],
}

fn player(side: Side) -> PlayerId {
    PlayerId(side.index() as u32 + 1)
}

fn address(side: Side) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, side.index() as u8 + 1), 5_000).into()
}

impl Connected {
    /// An open pipe of this kind with the same conditions both ways. The seed must be the pipe's own, and the thread's
    /// chance must come from it ([`Carrying::alone`]). Nothing if it is carried by a model.
    pub(super) fn new(
        seed: Seed,
        now: Instant,
        carrying: Carrying,
        kind: PathKind,
        config: LinkConfig,
    ) -> Option<Self> {
        let zero = std::time::Instant::now();
        let stack = |side: Side| carrying.stack(seed.child("player", side.index() as u64), zero);
        let machine = |side: Side, stack| {
            let seed = seed.child("player", side.index() as u64).stream("machine").key();
            Webrtc::new(WebrtcConfig { player: player(side), stack, seed })
        };
        let machines = [machine(Side::A, stack(Side::A)?), machine(Side::B, stack(Side::B)?)];
        let mut pipe = Connected {
            machines,
            due: [None; 2],
            kind,
            way: Datagrams::new(seed, Instant::ZERO, LinkConfig::with_delay(config.delay)),
            ahead: Duration::ZERO,
            facts: [None; 2],
            buffered: [0; 2],
            said: VecDeque::new(),
            ready: VecDeque::new(),
            counters: Default::default(),
        };
        pipe.ahead = pipe.connect().since(now);
        let begin = now + pipe.ahead;
        Side::BOTH.into_iter().for_each(|from| pipe.way.set_config(begin, from, config));
        Some(pipe)
    }

    /// What it says of itself.
    pub(super) fn facts(&self) -> PipeFacts {
        self.facts[0].expect("it is connected")
    }

    /// Until both ends say that they are connected; when that was.
    fn connect(&mut self) -> Instant {
        let mut now = Instant::ZERO;
        for side in Side::BOTH {
            self.tell(now, side, Input::Addresses(vec![address(side)]));
            let order = Order { attempt: Attempt(1), command: Command::Open };
            self.tell(now, side, Input::Order { player: player(side.other()), kind: self.kind, order });
        }
        while self.facts.contains(&None) {
            while self.step(now).is_some() {}
            now = now.max(self.due().expect("whoever connects has something to do"));
            assert!(now.since(Instant::ZERO) < LONGEST_START, "two neighbours do not find each other");
        }
        now
    }

    pub(super) fn send(&mut self, now: Instant, from: Side, packet: &[u8]) -> Result<(), Refused> {
        let counters = &mut self.counters[from.index()];
        if !self.way.is_open(from) {
            counters.refused += 1;
            return Err(Refused::Closed);
        }
        counters.sent += 1;
        counters.sent_bytes += packet.len() as u64;
        self.buffered[from.index()] += packet.len();
        let (player, kind) = (player(from.other()), self.kind);
        self.tell(now + self.ahead, from, Input::Packet { player, kind, payload: packet });
        Ok(())
    }

    pub(super) fn poll(&mut self, now: Instant) -> Option<(Side, Arrival)> {
        self.step(now + self.ahead)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let at_once = (!self.ready.is_empty()).then_some(Instant::ZERO);
        let ahead = i64::try_from(self.ahead.as_nanos()).expect("connecting takes less than a century");
        earlier(at_once, self.due().map(|at| Instant::from_nanos(at.as_nanos() - ahead)))
    }

    fn due(&self) -> Option<Instant> {
        earlier(self.way.next_deadline(), earlier(self.due[0], self.due[1]))
    }

    /// Does what is due by now, in the machines' time, up to the next arrival.
    fn step(&mut self, now: Instant) -> Option<(Side, Arrival)> {
        loop {
            if let Some((to, packet)) = self.ready.pop_front() {
                let counters = &mut self.counters[to.other().index()];
                counters.delivered += 1;
                counters.delivered_bytes += packet.len() as u64;
                return Some((to, Arrival::Packet(packet)));
            }
            if let Some((to, signal)) = self.said.pop_front() {
                self.tell(now, to, Input::Signal { player: player(to.other()), signal });
                continue;
            }
            match self.way.poll(now) {
                Some((to, Arrival::Packet(bytes))) => {
                    let (from, here) = (address(to.other()), address(to));
                    self.tell(now, to, Input::Datagram { from, to: here, bytes: &bytes });
                    self.way.recycle(to, bytes);
                }
                Some((to, Arrival::Closed)) => return Some((to, Arrival::Closed)),
                None => {
                    let due = |side: &Side| self.due[side.index()].is_some_and(|due| due <= now);
                    let side = Side::BOTH.into_iter().find(due)?;
                    self.tell(now, side, Input::Timeout);
                }
            }
        }
    }

    fn tell(&mut self, now: Instant, side: Side, input: Input<'_>) {
        self.machines[side.index()].handle(now, input).expect("the pipe does not misuse its machines");
        loop {
            match self.machines[side.index()].poll() {
                Output::Datagram { payload, .. } => {
                    // Whoever has closed sends nothing that matters.
                    let _ = self.way.send(now, side, payload);
                }
                Output::Signal { signal, .. } => self.said.push_back((side.other(), signal)),
                Output::Fact { fact: Fact::Opened(facts), .. } => self.facts[side.index()] = Some(facts),
                Output::Fact { fact: Fact::Buffered(bytes), .. } => self.buffered[side.index()] = bytes,
                Output::Fact { fact: Fact::Failed | Fact::Closed, .. } => self.way.reset(now),
                Output::Packet { bytes, .. } => self.ready.push_back((side, bytes.to_vec())),
                Output::Timeout(due) => {
                    self.due[side.index()] = due;
                    return;
                }
                Output::Fact { fact: Fact::Turned(_), .. } | Output::Server { .. } | Output::Stream { .. } => {}
            }
        }
    }

    /// What the end at this side has told of its fill, and what was given to it since.
    pub(super) fn buffered(&self, from: Side) -> usize {
        self.buffered[from.index()]
    }

    pub(super) fn set_config(&mut self, now: Instant, from: Side, config: LinkConfig) {
        self.way.set_config(now + self.ahead, from, config);
    }

    pub(super) fn config(&self, from: Side) -> &LinkConfig {
        self.way.config(from)
    }

    pub(super) fn set_up(&mut self, from: Side, up: bool) {
        self.way.set_up(from, up);
    }

    pub(super) fn is_up(&self, from: Side) -> bool {
        self.way.is_up(from)
    }

    pub(super) fn close(&mut self, now: Instant, by: Side) {
        self.way.close(now + self.ahead, by);
    }

    pub(super) fn reset(&mut self, now: Instant) {
        self.way.reset(now + self.ahead);
    }

    pub(super) fn reopen(&mut self) {
        self.way.reopen();
        self.ready.clear();
    }

    pub(super) fn is_open(&self, side: Side) -> bool {
        self.way.is_open(side)
    }

    /// Packets sent, delivered and refused; what befell the datagrams that carried them.
    pub(super) fn counters(&self, from: Side) -> Counters {
        let Counters { sent, sent_bytes, delivered, delivered_bytes, refused, .. } = self.counters[from.index()];
        Counters { sent, sent_bytes, delivered, delivered_bytes, refused, ..self.way.counters(from) }
    }
}
