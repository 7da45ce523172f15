//! One allocation at a TURN server: an address there that hands on what comes, and the ways to keep it, to open it to
//! others, and to ask for it again when it is lost.

use super::channels::Channels;
use super::frames::{self, Frames};
use super::gather::Told;
use super::inquiry::{Answer, Doubt};
use super::reach::Way;
use super::refusals::Refusals;
use super::rules::is_usable;
use super::server::{AllocationStats, ServerState, StreamFact, StreamOrder, Transport, TurnServer};
use super::stun::{FIRST_WAIT, LAST_WAIT, TIMES, pause};
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::Credentials;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use turn_client_proto::api::{TurnClientApi as _, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::DelayedTransmitBuild as _;
use turn_client_proto::stun::agent::Transmit;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

turn_client_proto::impl_client!(pub(super) Client, (Udp, TurnClientUdp), (Tcp, TurnClientTcp));

/// Others that the allocation is opened to. Each costs the server a place and us a request every four minutes.
pub(super) const MAX_OPEN: usize = 256;
/// Datagrams that wait until the allocation is open to their receiver.
const MAX_HELD: usize = 32;
/// How long a refused opening is not asked for again.
const REFUSED: Duration = Duration::from_secs(30);
/// What was there for so long and is lost is asked for again at once: it worked, and servers that take back what they
/// have just given are not asked for ever.
const LASTING: Duration = Duration::from_secs(5);
/// A stream that has not opened by then does not open.
const STREAM_WAIT: Duration = Duration::from_secs(10);
/// The client is asked so often for its next deed before it is left alone for a moment.
pub(super) const MAX_ROUNDS: usize = 256;
/// That moment.
pub(super) const BREATH: Duration = Duration::from_millis(5);

/// Where an allocation stands.
enum Phase {
    /// Nothing is asked until then.
    Pausing(Instant),
    /// A stream to the server is to open.
    Connecting(Instant),
    /// The client works.
    Working(Box<Client>),
}

/// One allocation at a TURN server.
pub(super) struct Allocation {
    server: TurnServer,
    local: SocketAddr,
    /// The number of its stream, if it has one.
    stream: Option<u32>,
    phase: Phase,
    due: Option<Instant>,
    relay: Option<SocketAddr>,
    frames: Frames,
    doubt: Doubt,
    /// Since when it is there.
    lent_at: Option<Instant>,
    failures: u32,
    refusals: Refusals,
    told: Option<ServerState>,
    /// Whom it shall be open to; if refused, until when it is not asked again.
    wanted: BTreeMap<IpAddr, Option<Instant>>,
    /// Those of them that the server was asked to let in, and has not answered yet.
    asked: BTreeSet<IpAddr>,
    held: VecDeque<(SocketAddr, Vec<u8>)>,
    channels: Channels,
    bytes_sent: u64,
    bytes_received: u64,
}

impl fmt::Debug for Allocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = (&self.server, self.local, self.relay, self.due);
        f.debug_struct("Allocation").field("state", &state).finish_non_exhaustive()
    }
}

impl Allocation {
    /// One that is asked for at once, from that address of ours.
    pub(super) fn new(
        now: Instant,
        server: TurnServer,
        local: SocketAddr,
        wanted: impl Iterator<Item = IpAddr>,
    ) -> Self {
        Allocation {
            server,
            local,
            stream: None,
            phase: Phase::Pausing(now),
            due: Some(now),
            relay: None,
            frames: Frames::default(),
            doubt: Doubt::default(),
            lent_at: None,
            failures: 0,
            refusals: Refusals::default(),
            told: None,
            wanted: wanted.map(|ip| (ip, None)).collect(),
            asked: BTreeSet::new(),
            held: VecDeque::new(),
            channels: Channels::default(),
            bytes_sent: 0,
            bytes_received: 0,
        }
    }

    /// What it is asked of.
    pub(super) fn server(&self) -> &TurnServer {
        &self.server
    }

    /// From which address of ours.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The address at the server, while there is one.
    pub(super) fn relay(&self) -> Option<SocketAddr> {
        self.relay
    }

    /// It in numbers.
    pub(super) fn stats(&self) -> AllocationStats {
        let Allocation { relay, bytes_sent, bytes_received, .. } = *self;
        AllocationStats { server: self.server.address, relay, bytes_sent, bytes_received }
    }

    /// Whether it has failed and waits before it is asked for again.
    pub(super) fn is_down(&self) -> bool {
        self.relay.is_none() && self.failures > 0
    }

    /// The next time that it is asked for, these are shown. What stands stays: it belongs to the name that asked.
    pub(super) fn set_credentials(&mut self, now: Instant, credentials: Credentials) {
        if self.server.credentials != credentials {
            self.server.credentials = credentials;
            if let Phase::Pausing(at) = &mut self.phase {
                *at = now.min(*at);
                self.due = Some(*at);
            }
        }
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        earlier(self.due, self.doubt.due())
    }

    /// The server may have begun anew. One that is reached by a stream shows that by itself.
    pub(super) fn doubt(&mut self) {
        if self.server.transport == Transport::Udp && self.relay.is_some() {
            self.doubt.raise();
        }
    }

    /// Asks whether the server still lends us what we have, if that is due, and follows the answer.
    fn inquire(&mut self, now: Instant, told: &mut Vec<Told>) {
        if self.doubt.due().is_none_or(|due| now < due) {
            return;
        }
        let (local, address, config) = (self.local, self.server.address, self.config());
        let mut doubt = core::mem::take(&mut self.doubt);
        let ask = || TurnClientUdp::allocate(local, address, config);
        let answer = doubt.work(now, ask, &mut |bytes| self.transmit(now, bytes, told));
        self.doubt = doubt;
        match answer {
            None => {}
            Some(Answer::Stands) => self.tell(ServerState::Works, told),
            Some(Answer::Anew(client, event)) => {
                self.leave(told);
                self.phase = Phase::Working(client);
                self.on_event(now, &event, told);
                self.work(now, told);
            }
            // What it lent stands, should it be there again before that runs out.
            Some(Answer::Silent) => self.tell(ServerState::Silent, told),
        }
    }

    /// Time has come for something. `streams` counts the streams of all.
    pub(super) fn on_due(&mut self, now: Instant, streams: &mut u32, told: &mut Vec<Told>) {
        match &self.phase {
            Phase::Pausing(at) if *at <= now => self.begin(now, streams, told),
            Phase::Connecting(at) if *at <= now => self.lose(now, told),
            Phase::Working(_) => self.work(now, told),
            Phase::Pausing(_) | Phase::Connecting(_) => {}
        }
        self.inquire(now, told);
    }

    fn begin(&mut self, now: Instant, streams: &mut u32, told: &mut Vec<Told>) {
        self.refusals = Refusals::default();
        let name = match &self.server.transport {
            Transport::Udp => {
                let client = TurnClientUdp::allocate(self.local, self.server.address, self.config());
                self.phase = Phase::Working(Box::new(Client::Udp(client)));
                return self.work(now, told);
            }
            Transport::Tcp => None,
            Transport::Tls { name } => Some(name.clone()),
        };
        *streams = streams.wrapping_add(1);
        self.stream = Some(*streams);
        self.frames = Frames::default();
        self.phase = Phase::Connecting(now + STREAM_WAIT);
        self.due = Some(now + STREAM_WAIT);
        told.push(Told::Stream(*streams, StreamOrder::Open { to: self.server.address, name }));
    }

    fn config(&self) -> TurnConfig {
        let Credentials { user, password } = &self.server.credentials;
        let mut config = TurnConfig::new(TurnCredentials::new(user, password.as_str()));
        config.set_request_retransmits(FIRST_WAIT, Duration::MAX, TIMES, LAST_WAIT);
        config
    }

    /// Lets the client do what it has to do by now.
    fn work(&mut self, now: Instant, told: &mut Vec<Told>) {
        for _ in 0..MAX_ROUNDS {
            let Phase::Working(client) = &mut self.phase else { return };
            if let Some(transmit) = client.poll_transmit(now.into()) {
                let bytes = transmit.data.to_vec();
                self.transmit(now, bytes, told);
            } else if let Some(event) = client.poll_event() {
                self.on_event(now, &event, told);
            } else {
                // What times out in one call shows in the next.
                let first = client.poll(now.into());
                match (first, client.poll(now.into())) {
                    (TurnPollRet::Closed, _) | (_, TurnPollRet::Closed) => return self.lose(now, told),
                    (_, TurnPollRet::WaitUntil(at)) if Instant::from(at) > now => {
                        self.due = earlier(Some(at.into()), self.again_at());
                        return self.open(now, told);
                    }
                    _ => {}
                }
            }
        }
        self.due = Some(now + BREATH);
    }

    /// When a refused opening is asked for again.
    fn again_at(&self) -> Option<Instant> {
        self.wanted.values().copied().flatten().min()
    }

    fn on_event(&mut self, now: Instant, event: &TurnEvent, told: &mut Vec<Told>) {
        match *event {
            TurnEvent::AllocationCreated(_, relay) if !is_usable(relay) || relay == self.local => {
                self.refusals.note_nonsense();
                self.lose(now, told);
            }
            TurnEvent::AllocationCreated(_, relay) if self.relay.is_none() => {
                self.relay = Some(relay);
                self.failures = 0;
                self.lent_at = Some(now);
                told.push(Told::Found(Way::Relayed { relay, local: self.local }));
                self.tell(ServerState::Works, told);
                for again in self.wanted.values_mut() {
                    *again = None;
                }
                self.open(now, told);
            }
            TurnEvent::PermissionCreated(_, ip) => {
                self.asked.remove(&ip);
                let held = core::mem::take(&mut self.held);
                for (to, bytes) in held {
                    if to.ip() == ip { self.send(now, to, bytes, told) } else { self.held.push_back((to, bytes)) }
                }
            }
            TurnEvent::PermissionCreateFailed(..) | TurnEvent::ChannelCreateFailed(..)
                if self.refusals.is_forgotten() =>
            {
                self.lose(now, told);
            }
            TurnEvent::PermissionCreateFailed(_, ip) => {
                self.asked.remove(&ip);
                self.held.retain(|(to, _)| to.ip() != ip);
                if let Some(again) = self.wanted.get_mut(&ip) {
                    *again = Some(now + REFUSED);
                }
            }
            TurnEvent::AllocationCreateFailed(_) => self.refusals.on_failed(),
            TurnEvent::ChannelCreateFailed(_, peer) => self.channels.forget(peer),
            _ => {}
        }
    }

    /// It shall be open to that one.
    pub(super) fn want(&mut self, now: Instant, ip: IpAddr, told: &mut Vec<Told>) {
        if self.wanted.len() < MAX_OPEN && !self.wanted.contains_key(&ip) {
            self.wanted.insert(ip, None);
            self.work(now, told);
        }
    }

    /// Asks for what is wanted and not there.
    fn open(&mut self, now: Instant, told: &mut Vec<Told>) {
        let Phase::Working(client) = &mut self.phase else { return };
        if self.relay.is_none() {
            return;
        }
        let mut is_asked = false;
        for (ip, again) in &mut self.wanted {
            if again.is_none_or(|again| again <= now) {
                *again = None;
                if !self.asked.contains(ip)
                    && !client.have_permission(TransportType::Udp, *ip)
                    && client.create_permission(TransportType::Udp, *ip, now.into()).is_ok()
                {
                    self.asked.insert(*ip);
                    is_asked = true;
                }
            }
        }
        if is_asked {
            self.work(now, told);
        }
    }

    /// Sends a datagram from the address at the server.
    pub(super) fn send(&mut self, now: Instant, to: SocketAddr, bytes: Vec<u8>, told: &mut Vec<Told>) {
        let Phase::Working(client) = &mut self.phase else { return };
        if !client.have_permission(TransportType::Udp, to.ip()) {
            if self.held.len() == MAX_HELD {
                self.held.pop_front();
            }
            self.held.push_back((to, bytes));
            return self.want(now, to.ip(), told);
        }
        let length = bytes.len() as u64;
        let Ok(Some(transmit)) = client.send_to(TransportType::Udp, to, bytes, now.into()) else { return };
        self.bytes_sent += length;
        self.transmit(now, transmit.data.build(), told);
        if self.channels.on_sent(to)
            && let Phase::Working(client) = &mut self.phase
            && client.bind_channel(TransportType::Udp, to, now.into()).is_ok()
        {
            self.work(now, told);
        }
    }

    fn transmit(&mut self, now: Instant, mut bytes: Vec<u8>, told: &mut Vec<Told>) {
        self.doubt.on_sent(now);
        match self.stream {
            None => told.push(Told::Datagram { from: self.local, to: self.server.address, bytes }),
            Some(stream) => {
                frames::pad(&mut bytes);
                told.push(Told::Stream(stream, StreamOrder::Send(bytes)));
            }
        }
    }

    /// A datagram of the server has come. True: it is taken. What it hands on goes to `each`.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        bytes: &[u8],
        told: &mut Vec<Told>,
        each: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> bool {
        let (transport, local) = (self.transport(), self.local);
        if self.doubt.on_datagram(now, [self.server.address, local], bytes) {
            self.inquire(now, told);
            return true;
        }
        let Phase::Working(client) = &mut self.phase else { return false };
        let transmit = Transmit::new(bytes, transport, self.server.address, local);
        let is_taken = match client.recv(transmit, now.into()) {
            TurnRecvRet::PeerData(data) => {
                self.bytes_received += data.data().len() as u64;
                each(data.peer, data.data());
                self.on_heard(told);
                return true;
            }
            TurnRecvRet::Handled | TurnRecvRet::PeerIcmp { .. } => true,
            TurnRecvRet::Ignored(_) => false,
        };
        self.refusals.note(bytes);
        if is_taken {
            self.on_heard(told);
            self.work(now, told);
        }
        is_taken
    }

    /// The server knows us.
    fn on_heard(&mut self, told: &mut Vec<Told>) {
        self.doubt.end();
        if self.relay.is_some() {
            self.tell(ServerState::Works, told);
        }
    }

    fn transport(&self) -> TransportType {
        if self.stream.is_some() { TransportType::Tcp } else { TransportType::Udp }
    }

    /// What became of its stream.
    pub(super) fn on_stream(
        &mut self,
        now: Instant,
        fact: StreamFact<'_>,
        told: &mut Vec<Told>,
        each: &mut dyn FnMut(SocketAddr, &[u8]),
    ) {
        match (fact, &self.phase) {
            (StreamFact::Opened, Phase::Connecting(_)) => {
                let client = TurnClientTcp::allocate(self.local, self.server.address, self.config());
                self.phase = Phase::Working(Box::new(Client::Tcp(client)));
                self.work(now, told);
            }
            (StreamFact::Bytes(bytes), Phase::Working(_)) => {
                let (mut frames, mut whole) = (core::mem::take(&mut self.frames), Vec::new());
                let is_in_step = frames.push(bytes, |frame| whole.push(frame.to_vec()));
                self.frames = frames;
                for frame in whole {
                    self.receive(now, &frame, told, each);
                }
                if is_in_step.is_err() {
                    self.lose(now, told);
                }
            }
            (StreamFact::Closed, Phase::Connecting(_) | Phase::Working(_)) => {
                self.stream = None;
                self.lose(now, told);
            }
            _ => {}
        }
    }

    /// The number of its stream.
    pub(super) fn stream(&self) -> Option<u32> {
        self.stream
    }

    /// The server knows us no longer, unless it is being asked already or has just lent this: it is asked for at once.
    pub(super) fn begin_anew(&mut self, now: Instant, told: &mut Vec<Told>) {
        if self.doubt.is_asked() || self.lent_at.is_some_and(|at| now < at + LAST_WAIT) {
            return;
        }
        self.leave(told);
        self.phase = Phase::Pausing(now);
        self.due = Some(now);
    }

    /// It is no more, or did not come about. It is asked for again: at once if it was there for a while, else after a
    /// pause.
    fn lose(&mut self, now: Instant, told: &mut Vec<Told>) {
        let was_there = self.lent_at.take().is_some_and(|at| at + LASTING <= now);
        self.leave(told);
        self.failures = self.failures.saturating_add(1);
        let at = if was_there { now } else { now + pause(self.failures) };
        self.phase = Phase::Pausing(at);
        self.due = Some(at);
        let state = self.refusals.take().map_or(ServerState::Silent, ServerState::Refuses);
        self.tell(state, told);
    }

    /// It is wanted no more. The server is told, though not whether it heard.
    pub(super) fn close(mut self, now: Instant, told: &mut Vec<Told>) {
        if let Phase::Working(client) = &mut self.phase
            && client.delete(now.into()).is_ok()
        {
            while let Phase::Working(client) = &mut self.phase
                && let Some(transmit) = client.poll_transmit(now.into())
            {
                let bytes = transmit.data.to_vec();
                self.transmit(now, bytes, told);
            }
        }
        self.leave(told);
    }

    fn leave(&mut self, told: &mut Vec<Told>) {
        let lost = self.relay.take().map(|relay| Told::Lost(Way::Relayed { relay, local: self.local }));
        told.extend(lost);
        let closed = self.stream.take().map(|stream| Told::Stream(stream, StreamOrder::Close));
        told.extend(closed);
        self.asked.clear();
        self.held.clear();
        self.channels = Channels::default();
        self.doubt = Doubt::default();
    }

    fn tell(&mut self, state: ServerState, told: &mut Vec<Told>) {
        if self.told.replace(state) != Some(state) {
            told.push(Told::Server(self.server.address, state));
        }
    }
}
