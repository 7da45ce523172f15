//! The direct paths of a player: the machine that makes them, on UDP sockets and streams to TURN servers. What the
//! player orders is handed to the machine, what becomes of it is handed back, and datagrams go in and out. Decides
//! nothing.

mod servers;
mod socket;
mod sockets;
mod streams;

pub(super) use sockets::Sockets;

use super::clock;
use super::driver::Boxed;
use super::interfaces::{self, AddressChange};
use super::options::DirectOptions;
use futures_lite::FutureExt;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::time::Duration;
use streams::Streams;
use webstar_core::config::PlayerConfig;
use webstar_core::id::{PathId, PlayerId};
use webstar_core::path::webrtc::{
    AllocationStats, HelpServer, IceServer, Input as Told, Output, PathKind, Policy, Rules, Stack, Webrtc,
    WebrtcConfig, WebrtcDropped, worth_telling,
};
use webstar_core::path::{Command, Fact, Order};
use webstar_core::peer::Input;
use webstar_core::time::Instant;
use webstar_core::wire::signal::{self, RtcSignal};

/// What connections of this process are built with: the first costs 30 ms.
static STACK: LazyLock<Option<Stack>> = LazyLock::new(|| Stack::aws_lc(clock::zero()));

/// Words that wait until it is known who we are; more are not said in that time.
const MAX_WAITING: usize = 256;
/// System calls that bring datagrams before others get their turn.
const READS_PER_TURN: usize = 8;

/// The direct paths of a player in numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DirectStats {
    /// What TURN servers lend, each with the bytes that went over it.
    pub allocations: Vec<AllocationStats>,
    /// What had no effect, by reason: candidates of others that nobody shall have us send to are among it.
    pub dropped: WebrtcDropped,
}

/// What the player says before there is a machine.
enum Word {
    Order(PlayerId, PathKind, Order),
    Signal(PlayerId, RtcSignal),
}

/// The direct paths of one player.
pub(super) struct Direct {
    /// The kinds of paths, in the order of their numbers from 1.
    kinds: Vec<PathKind>,
    /// Where messages leave together so do they come: datagrams are looked for so long after the last at the soonest ..
    gathering: Option<Duration>,
    /// .. and therefore not before then.
    looks_at: Option<Instant>,
    sockets: Sockets,
    streams: Streams,
    rules: Rules,
    /// The addresses that we may be reached at.
    addresses: Vec<IpAddr>,
    /// Whether they change with those of the interfaces.
    is_watching: bool,
    preparing: Option<Boxed<Option<Stack>>>,
    resolving: Option<Boxed<Vec<IceServer>>>,
    stack: Option<Stack>,
    /// The servers that the application has named.
    own: Vec<HelpServer>,
    /// All that help, by their addresses.
    servers: Vec<IceServer>,
    /// Who we are, and where the lobby server is.
    place: Option<(PlayerId, Option<IpAddr>)>,
    waiting: VecDeque<Word>,
    machine: Option<Box<Webrtc>>,
    /// What the player is to be told.
    fresh: Vec<Input>,
    deadline: Option<Instant>,
}

impl Direct {
    /// On open sockets, with the addresses of this machine. TURN servers over TLS are trusted by the system's
    /// certificates and these.
    pub(super) fn new(
        config: &PlayerConfig,
        sockets: Sockets,
        options: DirectOptions,
        certificates: Option<PathBuf>,
    ) -> Self {
        let DirectOptions { servers, addresses, mut rules } = options;
        if config.relayed_only {
            rules.policy = Policy::RelayOnly;
        }
        let mut direct = Direct {
            kinds: config.direct_paths.clone(),
            gathering: config.tick,
            looks_at: None,
            sockets,
            streams: Streams::new(certificates),
            rules,
            is_watching: addresses.is_none(),
            addresses: addresses.unwrap_or_else(interfaces::addresses),
            preparing: Some(Box::pin(blocking::unblock(|| STACK.clone()))),
            resolving: None,
            stack: None,
            own: servers,
            servers: Vec::new(),
            place: None,
            waiting: VecDeque::new(),
            machine: None,
            fresh: Vec::new(),
            deadline: None,
        };
        direct.resolve(Vec::new());
        direct
    }

    /// The lobby server names servers that help, in place of those it named before.
    pub(super) fn on_named(&mut self, servers: &[signal::IceServer]) {
        self.resolve(servers::named(servers));
    }

    fn resolve(&mut self, named: Vec<HelpServer>) {
        let all = HelpServer::all(&self.own, named);
        if !(all.is_empty() && self.servers.is_empty()) {
            self.resolving = Some(Box::pin(blocking::unblock(move || servers::resolve(&all))));
        }
    }

    /// It is known who we are, and where the lobby server is. Once is enough: a player keeps its number.
    pub(super) fn enter(&mut self, player: PlayerId, server: Option<IpAddr>) {
        if self.place.is_none() {
            self.place = Some((player, server));
            self.begin();
        }
    }

    /// The addresses of this machine are others.
    pub(super) fn on_addresses(&mut self, change: &AddressChange) {
        self.streams.on_addresses_gone(&change.gone);
        if self.is_watching {
            self.addresses.clone_from(&change.now);
            self.tell_addresses();
        }
    }

    /// The player orders a pipe.
    pub(super) fn order(&mut self, player: PlayerId, path: PathId, order: Order) {
        if let Some(kind) = self.kind_of(path) {
            self.hear(Word::Order(player, kind, order));
        }
    }

    /// Another player says something about its connection with us.
    pub(super) fn signal(&mut self, player: PlayerId, signal: RtcSignal) {
        self.hear(Word::Signal(player, signal));
    }

    /// The player sends a packet.
    pub(super) fn send(&mut self, player: PlayerId, path: PathId, payload: &[u8]) {
        let kind = self.kind_of(path);
        if let (Some(kind), Some(machine)) = (kind, &mut self.machine) {
            tell(machine, Told::Packet { player, kind, payload });
        }
    }

    /// When it has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Time has passed.
    pub(super) fn on_time(&mut self) {
        if let Some(machine) = &mut self.machine {
            tell(machine, Told::Timeout);
        }
    }

    /// The ways of these paths in numbers.
    pub(super) fn stats(&self) -> DirectStats {
        let Some(machine) = &self.machine else { return DirectStats::default() };
        DirectStats { allocations: machine.allocations().collect(), dropped: machine.dropped() }
    }

    /// Does what the machine wants. What the player is to be told comes out.
    pub(super) fn drain(&mut self) -> Vec<Input> {
        let mut fresh = std::mem::take(&mut self.fresh);
        let Some(machine) = &mut self.machine else { return fresh };
        loop {
            let path_of = |kind| path_of(&self.kinds, kind);
            match machine.poll() {
                Output::Datagram { from, to, payload } => self.sockets.push(from, to, payload),
                Output::Signal { player, signal } => fresh.push(Input::Signal { player, signal }),
                Output::Fact { player, kind, attempt, fact } => {
                    fresh.push(Input::Pipe { player, path: path_of(kind), attempt, fact });
                }
                Output::Packet { player, kind, bytes } => {
                    fresh.push(Input::Packet { player, path: path_of(kind), bytes });
                }
                Output::Server { address, state } => servers::log(address, state),
                Output::Stream { stream, order } => self.streams.carry_out(stream, order),
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return fresh;
                }
            }
        }
    }

    /// When it wants to look for datagrams again.
    pub(super) fn looks_at(&self) -> Option<Instant> {
        self.looks_at
    }

    /// What has come is taken in now, though nobody was woken for it: something is to be done anyway.
    pub(super) fn look(&mut self) {
        if self.looks_at.take().is_some() {
            self.sockets.look();
        }
    }

    /// Takes in what has come. True: there is something to drain.
    pub(super) fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_come = self.prepare(cx);
        if let Some(machine) = &mut self.machine {
            has_come |= self.streams.receive(cx, &mut |stream, fact| tell(machine, Told::Stream { stream, fact }));
        }
        if self.looks_at.is_some_and(|at| at <= clock::now()) {
            self.look();
        }
        if self.looks_at.is_none() {
            has_come |= self.receive_datagrams(cx);
        }
        has_come
    }

    fn receive_datagrams(&mut self, cx: &mut Context<'_>) -> bool {
        let machine = &mut self.machine;
        let mut on_datagram = |from, to, bytes: &[u8]| {
            if let Some(machine) = machine {
                tell(machine, Told::Datagram { from, to, bytes });
            }
        };
        let mut has_come = false;
        for _ in 0..READS_PER_TURN {
            if !self.sockets.receive(cx, &mut on_datagram) {
                return has_come;
            }
            has_come = true;
            if let Some(pause) = self.gathering.filter(|_| !self.sockets.has_more()) {
                // Not to be woken by each that comes is what a pause is for: nobody asks the system before it is over.
                self.looks_at = Some(clock::now() + pause);
                return true;
            }
        }
        has_come
    }

    /// Sends what waits, as far as the system takes it.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        self.sockets.flush(cx);
        self.streams.flush(cx);
    }

    /// What takes its time at the beginning.
    fn prepare(&mut self, cx: &mut Context<'_>) -> bool {
        let mut has_moved = false;
        if let Some(Poll::Ready(stack)) = self.preparing.as_mut().map(|preparing| preparing.poll(cx)) {
            self.preparing = None;
            if stack.is_none() {
                tracing::error!(
                    "the cryptography of WebRTC refuses to work on this machine; there are no direct paths"
                );
            }
            self.stack = stack;
            self.begin();
            has_moved = true;
        }
        if let Some(Poll::Ready(servers)) = self.resolving.as_mut().map(|resolving| resolving.poll(cx)) {
            self.resolving = None;
            self.servers = servers;
            self.tell_servers();
            has_moved = true;
        }
        has_moved
    }

    /// Makes the machine once everything is there.
    fn begin(&mut self) {
        if self.preparing.is_some() || self.machine.is_some() {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        if let (Some((player, _)), Some(stack)) = (self.place, self.stack.clone()) {
            let Ok(seed) = clock::seed() else { return };
            let mut machine = Box::new(Webrtc::new(WebrtcConfig { player, stack, seed }));
            tell(&mut machine, Told::Rules(self.rules.clone()));
            self.machine = Some(machine);
            self.tell_addresses();
            self.tell_servers();
        }
        waiting.into_iter().for_each(|word| self.hear(word));
    }

    fn tell_servers(&mut self) {
        if let Some(machine) = &mut self.machine {
            tell(machine, Told::Servers(self.servers.clone()));
        }
    }

    fn tell_addresses(&mut self) {
        let (Some(machine), Some((_, server))) = (&mut self.machine, self.place) else { return };
        let worth = worth_telling(&self.addresses, server).into_iter();
        tell(machine, Told::Addresses(worth.filter_map(|ip| self.sockets.at(ip)).collect()));
    }

    fn hear(&mut self, word: Word) {
        match (&mut self.machine, word) {
            (Some(machine), Word::Order(player, kind, order)) => tell(machine, Told::Order { player, kind, order }),
            (Some(machine), Word::Signal(player, signal)) => tell(machine, Told::Signal { player, signal }),
            (None, word) if self.preparing.is_some() || self.stack.is_some() => {
                if self.waiting.len() < MAX_WAITING {
                    self.waiting.push_back(word);
                }
            }
            // There never will be a machine.
            (None, Word::Order(player, kind, order)) if order.command != Command::Close => {
                let path = path_of(&self.kinds, kind);
                self.fresh.push(Input::Pipe { player, path, attempt: order.attempt, fact: Fact::Failed });
            }
            (None, Word::Order(..) | Word::Signal(..)) => {}
        }
    }

    fn kind_of(&self, path: PathId) -> Option<PathKind> {
        self.kinds.get(usize::from(path.0).checked_sub(1)?).copied()
    }
}

/// Only what the system itself does not have can be refused, such as an address of no use.
fn tell(machine: &mut Webrtc, told: Told<'_>) {
    if let Err(error) = machine.handle(clock::now(), told) {
        tracing::debug!("{error}");
    }
}

fn path_of(kinds: &[PathKind], kind: PathKind) -> PathId {
    let at = kinds.iter().position(|known| *known == kind).unwrap_or_default();
    PathId(u8::try_from(at + 1).expect("there are at most seven direct paths"))
}
