//! Addresses under which the outside sees us: one question to each STUN server from each of our addresses, repeated so
//! that the mapping in between lives.

use super::gather::{Received, Told};
use super::reach::Way;
use super::rules::is_usable;
use super::server::ServerState;
use crate::time::{Duration, Instant};
use core::fmt;
use core::net::SocketAddr;
use rand::RngExt as _;
use rand::rngs::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use stun_proto::agent::{StunAgent, StunAgentPollRet};
use stun_proto::types::TransportType;
use stun_proto::types::attribute::{ErrorCode, XorMappedAddress};
use stun_proto::types::message::{
    BINDING, Message, MessageClass, MessageHeader, MessageType, MessageWriteVec, TransactionId,
};
use stun_proto::types::prelude::MessageWrite as _;

/// The first wait for an answer; it doubles with every repetition.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(500);
/// How often one question is sent in all. Who has not answered five within ten seconds answers no later one either.
pub(super) const TIMES: u32 = 5;
/// How long the last repetition waits.
pub(super) const LAST_WAIT: Duration = Duration::from_secs(2);
/// Between questions to different servers or from different addresses: a burst would be lost as one.
const SPREAD: Duration = Duration::from_millis(50);
/// A mapping that is not used dies after half a minute in the worst of routers.
const REFRESH: Duration = Duration::from_secs(20);
/// How old an answer must be that is doubted. What doubts it does so for many connections at once.
const FRESH: Duration = Duration::from_secs(1);
/// The pause after a server did not answer; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_MOST: Duration = Duration::from_secs(60);

/// The pause after so many failures.
pub(super) fn pause(failures: u32) -> Duration {
    PAUSE_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(PAUSE_MOST)
}

/// All questions. The keys are the server and our address.
pub(super) struct Bindings {
    bindings: BTreeMap<(SocketAddr, SocketAddr), Binding>,
    random: ChaCha8Rng,
    /// When the next question may begin.
    free_at: Instant,
    told: BTreeMap<SocketAddr, ServerState>,
}

/// One question, asked again and again.
struct Binding {
    agent: StunAgent,
    open: Option<TransactionId>,
    /// When its last question began.
    asked: Option<Instant>,
    due: Instant,
    mapped: Option<SocketAddr>,
    failures: u32,
    /// What the last answer was.
    state: Option<ServerState>,
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bindings").field("bindings", &self.bindings.keys()).finish_non_exhaustive()
    }
}

impl Bindings {
    /// Nothing to ask yet.
    pub(super) fn new(random: ChaCha8Rng) -> Self {
        Bindings { bindings: BTreeMap::new(), random, free_at: Instant::ZERO, told: BTreeMap::new() }
    }

    /// From now on these servers are asked from these addresses, and no others.
    pub(super) fn set(&mut self, now: Instant, servers: &[SocketAddr], locals: &[SocketAddr], told: &mut Vec<Told>) {
        let pairs = servers.iter().flat_map(|server| locals.iter().map(|local| (*server, *local)));
        let wanted: BTreeSet<_> = pairs.filter(|(server, local)| server.is_ipv4() == local.is_ipv4()).collect();
        let gone = self.bindings.extract_if(.., |pair, _| !wanted.contains(pair));
        told.extend(gone.filter_map(|((_, local), binding)| Some(Told::Lost(way(binding.mapped?, local)))));
        self.told.retain(|server, _| servers.contains(server));
        for pair in wanted {
            let free_at = self.free_at.max(now);
            self.bindings.entry(pair).or_insert_with(|| {
                self.free_at = free_at + SPREAD;
                Binding::new(pair.1, free_at)
            });
        }
    }

    /// What was answered may be true no longer: all are asked at once, but those that were asked just now.
    pub(super) fn doubt(&mut self, now: Instant) {
        for ((_, local), binding) in &mut self.bindings {
            if binding.asked.is_some_and(|asked| asked + FRESH <= now) {
                self.free_at = self.free_at.max(now) + SPREAD;
                binding.begin_anew(*local, self.free_at - SPREAD);
            }
        }
    }

    /// When there is something to ask.
    pub(super) fn due(&self) -> Option<Instant> {
        self.bindings.values().map(|binding| binding.due).min()
    }

    /// Asks what is due.
    pub(super) fn on_due(&mut self, now: Instant, told: &mut Vec<Told>) {
        let mut silent = Vec::new();
        for ((server, local), binding) in self.bindings.iter_mut().filter(|(_, binding)| binding.due <= now) {
            if binding.open.is_none() {
                binding.ask(now, *server, *local, &mut self.random, told);
            } else if !binding.repeat(now, *server, *local, told) {
                silent.push((*server, *local));
            }
        }
        for pair in silent {
            self.fail(now, pair, ServerState::Silent, told);
        }
    }

    /// A datagram has come. True: it is an answer, and nobody else's business.
    pub(super) fn receive(&mut self, now: Instant, datagram: Received<'_>, told: &mut Vec<Told>) -> bool {
        let Received { from, to, bytes } = datagram;
        let Some(binding) = self.bindings.get_mut(&(from, to)) else { return false };
        let id = MessageHeader::from_bytes(bytes).map(|header| header.transaction_id());
        if id.is_err() || id.ok() != binding.open {
            return false;
        }
        let Ok(message) = Message::from_bytes(bytes) else { return true };
        if !message.is_response() || !binding.agent.handle_stun_message_with_time(&message, from, now.into()) {
            return true;
        }
        let mapped = message.attribute::<XorMappedAddress>().map(|mapped| mapped.addr(message.transaction_id()));
        match (message.class(), mapped) {
            (MessageClass::Success, Ok(mapped)) if is_usable(mapped) && mapped.is_ipv4() == to.is_ipv4() => {
                self.succeed(now, (from, to), mapped, told);
            }
            _ => {
                let code = message.attribute::<ErrorCode>().map_or(0, |error| error.code());
                self.fail(now, (from, to), ServerState::Refuses(code), told);
            }
        }
        true
    }

    fn succeed(&mut self, now: Instant, pair: (SocketAddr, SocketAddr), mapped: SocketAddr, told: &mut Vec<Told>) {
        let Some(binding) = self.bindings.get_mut(&pair) else { return };
        (binding.open, binding.failures, binding.due) = (None, 0, now + REFRESH);
        binding.state = Some(ServerState::Works);
        let before = binding.mapped.replace(mapped);
        if before != Some(mapped) {
            told.extend(before.map(|before| Told::Lost(way(before, pair.1))));
            told.push(Told::Found(way(mapped, pair.1)));
        }
        self.tell(pair.0, told);
    }

    fn fail(&mut self, now: Instant, pair: (SocketAddr, SocketAddr), state: ServerState, told: &mut Vec<Told>) {
        let Some(binding) = self.bindings.get_mut(&pair) else { return };
        binding.open = None;
        binding.failures = binding.failures.saturating_add(1);
        binding.due = now + pause(binding.failures);
        binding.state = Some(state);
        told.extend(binding.mapped.take().map(|mapped| Told::Lost(way(mapped, pair.1))));
        self.tell(pair.0, told);
    }

    /// A server works if it does from one of our addresses, and fails if it does from all.
    fn tell(&mut self, server: SocketAddr, told: &mut Vec<Told>) {
        let states = || self.bindings.iter().filter(|((of, _), _)| *of == server).map(|(_, binding)| binding.state);
        let state = match states().find(|state| *state == Some(ServerState::Works)) {
            Some(works) => works,
            None if states().all(|state| state.is_some()) => states().next_back().flatten(),
            None => None,
        };
        if let Some(state) = state
            && self.told.insert(server, state) != Some(state)
        {
            told.push(Told::Server(server, state));
        }
    }
}

fn agent(local: SocketAddr) -> StunAgent {
    StunAgent::builder(TransportType::Udp, local)
        .request_retransmits(FIRST_WAIT, Duration::MAX, TIMES, LAST_WAIT)
        .build()
}

fn way(mapped: SocketAddr, base: SocketAddr) -> Way {
    Way::Reflexive { mapped, base }
}

impl Binding {
    fn new(local: SocketAddr, due: Instant) -> Self {
        Binding { agent: agent(local), open: None, asked: None, due, mapped: None, failures: 0, state: None }
    }

    /// Its question is asked then, whatever became of the one before.
    fn begin_anew(&mut self, local: SocketAddr, due: Instant) {
        (self.agent, self.open, self.asked, self.due) = (agent(local), None, None, due);
    }

    fn ask(
        &mut self,
        now: Instant,
        server: SocketAddr,
        local: SocketAddr,
        random: &mut ChaCha8Rng,
        told: &mut Vec<Told>,
    ) {
        let id = TransactionId::from(random.random::<u128>());
        let kind = MessageType::from_class_method(MessageClass::Request, BINDING);
        let question = Message::builder(kind, id, MessageWriteVec::new()).finish();
        if let Ok(transmit) = self.agent.send_request(question, server, now.into()) {
            told.push(Told::Datagram { from: local, to: server, bytes: transmit.data.to_vec() });
            self.open = Some(id);
        }
        self.asked = Some(now);
        self.due = now + FIRST_WAIT;
    }

    /// Asks once more. False: it was asked often enough.
    fn repeat(&mut self, now: Instant, server: SocketAddr, local: SocketAddr, told: &mut Vec<Told>) -> bool {
        while let Some(transmit) = self.agent.poll_transmit(now.into()) {
            told.push(Told::Datagram { from: local, to: server, bytes: transmit.data.to_vec() });
        }
        match self.agent.poll(now.into()) {
            StunAgentPollRet::WaitUntil(at) => {
                self.due = Instant::from(at).max(now + Duration::from_millis(1));
                true
            }
            StunAgentPollRet::TransactionTimedOut(_) | StunAgentPollRet::TransactionCancelled(_) => false,
        }
    }
}

#[cfg(test)]
#[path = "stun_tests.rs"]
mod tests;
