//! The machine: sorts inputs to players, datagrams by the address that has proved itself, and gives out what all want.

use super::connection::is_stun;
use super::gather::{Gather, Received};
use super::ground::{Act, Ground};
use super::partner::Partner;
use super::reach::Way;
use super::rules;
use super::seam::{Input, InputError, Output, WebrtcConfig, WebrtcDropped};
use super::server::AllocationStats;
use super::{PathKind, facts};
use crate::id::PlayerId;
use crate::time::{Instant, earlier};
use crate::wire::signal::RtcSignal;
use core::net::SocketAddr;
use rand::SeedableRng as _;
use rand::rngs::ChaCha8Rng;
use std::collections::BTreeMap;
use str0m::net::{Protocol, Receive};

/// Players whose offer is kept though nobody here wants it yet.
const MAX_HELD: usize = 64;

/// All WebRTC connections of one player.
#[derive(Debug)]
pub struct Webrtc {
    player: PlayerId,
    ground: Ground,
    partners: BTreeMap<PlayerId, Partner>,
    /// Who has proved to be at an address.
    routes: BTreeMap<SocketAddr, PlayerId>,
    /// The datagram that is lent out.
    lent: Vec<u8>,
}

impl Webrtc {
    /// A machine without addresses and connections.
    pub fn new(config: WebrtcConfig) -> Self {
        let WebrtcConfig { player, stack, seed } = config;
        // Apart, so that names and passwords do not depend on which servers there are.
        let mut asking = ChaCha8Rng::from_seed(seed);
        asking.set_stream(1);
        let ground = Ground::new(stack, ChaCha8Rng::from_seed(seed), Gather::new(asking));
        Webrtc { player, ground, partners: BTreeMap::new(), routes: BTreeMap::new(), lent: Vec::new() }
    }

    /// Tells the machine what has happened. An older `now` is taken as the last one.
    pub fn handle(&mut self, now: Instant, input: Input<'_>) -> Result<(), InputError> {
        self.ground.now = self.ground.now.max(now);
        match input {
            Input::Addresses(addresses) => self.on_addresses(addresses)?,
            Input::Rules(rules) => self.ground.rules = rules,
            Input::Stream { stream, fact } => {
                let handed = self.ground.gather(|gather, now, _, told| gather.on_stream(now, stream, fact, told));
                self.ground.hand(handed);
            }
            Input::Servers(servers) => {
                self.ground.gather(|gather, now, addresses, told| {
                    gather.set_servers(servers);
                    gather.settle(now, addresses, told);
                });
            }
            Input::Order { player, kind, order } => {
                self.check(player, kind)?;
                let partner = self.partners.entry(player).or_insert(Partner::new(player, self.player > player));
                partner.order(&mut self.ground, kind, order);
                self.forget_if_idle(player);
            }
            Input::Signal { player, signal } => self.on_signal(player, &signal)?,
            Input::Datagram { from, to, bytes } => self.on_datagram(from, to, bytes),
            Input::Packet { player, kind, payload } => {
                self.check(player, kind)?;
                match self.partners.get_mut(&player) {
                    Some(partner) => partner.send(&mut self.ground, kind, payload),
                    None => self.ground.dropped.packets += 1,
                }
            }
            Input::Timeout => {}
        }
        Ok(())
    }

    /// The next thing to do; drain until [`Output::Timeout`].
    pub fn poll(&mut self) -> Output<'_> {
        loop {
            match self.ground.poll() {
                Some(Act::Datagram { from, to, bytes }) => {
                    self.lent = bytes;
                    return Output::Datagram { from, to, payload: &self.lent };
                }
                Some(Act::Stream(stream, order)) => return Output::Stream { stream, order },
                Some(Act::Found(way)) => {
                    self.on_way(way, true);
                    continue;
                }
                Some(Act::Lost(way)) => {
                    self.on_way(way, false);
                    continue;
                }
                Some(Act::HandedOn(handed)) => {
                    self.sort(handed.from, handed.relay, &handed.bytes);
                    continue;
                }
                Some(Act::Server(address, state)) => return Output::Server { address, state },
                Some(Act::Signal(player, signal)) => return Output::Signal { player, signal },
                Some(Act::Fact(player, kind, attempt, fact)) => return Output::Fact { player, kind, attempt, fact },
                Some(Act::Packet(player, kind, bytes)) => return Output::Packet { player, kind, bytes },
                None => {}
            }
            if self.ground.due().is_some_and(|due| due <= self.ground.now) {
                self.ground.gather(|gather, now, _, told| gather.on_due(now, told));
                continue;
            }
            let next = self.partners.iter().filter_map(|(player, partner)| Some((partner.due()?, *player))).min();
            match next {
                Some((due, player)) if due <= self.ground.now => self.on_due(player),
                next => return Output::Timeout(earlier(next.map(|(due, _)| due), self.ground.due())),
            }
        }
    }

    /// When [`Webrtc::poll`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.partners.values().map(Partner::due).fold(self.ground.due(), earlier)
    }

    /// What had no effect so far, by reason.
    pub fn dropped(&self) -> WebrtcDropped {
        self.ground.dropped
    }

    /// What TURN servers lend us, in numbers.
    pub fn allocations(&self) -> impl Iterator<Item = AllocationStats> {
        self.ground.allocations()
    }

    fn check(&self, player: PlayerId, kind: PathKind) -> Result<(), InputError> {
        if facts(kind).is_none() {
            return Err(InputError::NoSuchPipe(kind));
        }
        if player == self.player { Err(InputError::Ourselves(player)) } else { Ok(()) }
    }

    /// What is new is told first, so that there is always a way to go over to.
    fn on_addresses(&mut self, addresses: Vec<SocketAddr>) -> Result<(), InputError> {
        if let Some(useless) = addresses.iter().find(|address| !rules::is_usable(**address)) {
            return Err(InputError::NoAddress(*useless));
        }
        let before = core::mem::take(&mut self.ground.addresses);
        for address in addresses {
            if !self.ground.addresses.contains(&address) {
                self.ground.addresses.push(address);
            }
        }
        for address in self.ground.addresses.clone().into_iter().filter(|address| !before.contains(address)) {
            self.partners.values_mut().for_each(|partner| partner.on_way(&mut self.ground, Way::Host(address)));
        }
        for address in before.into_iter().filter(|address| !self.ground.addresses.contains(address)) {
            self.partners.values_mut().for_each(|partner| partner.on_way_gone(Way::Host(address)));
        }
        self.ground.gather(Gather::settle);
        Ok(())
    }

    /// A way to us was found or lost: the connections are to know.
    fn on_way(&mut self, way: Way, is_found: bool) {
        if is_found {
            self.partners.values_mut().for_each(|partner| partner.on_way(&mut self.ground, way));
        } else if !self.ground.addresses.contains(&way.base()) {
            self.partners.values_mut().for_each(|partner| partner.on_way_gone(way));
        }
        // Else a server has gone silent: what the router lets through may go on for long.
    }

    fn on_signal(&mut self, player: PlayerId, signal: &RtcSignal) -> Result<(), InputError> {
        if player == self.player {
            return Err(InputError::Ourselves(player));
        }
        if !self.partners.contains_key(&player) {
            let held = self.partners.values().filter(|partner| partner.is_held()).count();
            if held >= MAX_HELD || !matches!(signal, RtcSignal::Offer { .. }) {
                self.ground.dropped.signals += 1;
                return Ok(());
            }
        }
        let partner = self.partners.entry(player).or_insert(Partner::new(player, self.player > player));
        partner.on_signal(&mut self.ground, signal);
        self.forget_if_idle(player);
        Ok(())
    }

    /// What is of a server goes to those who ask it, all else to the connections.
    fn on_datagram(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        match self.ground.gather(|gather, now, _, told| gather.receive(now, Received { from, to, bytes }, told)) {
            Some(handed) => self.ground.hand(handed),
            None => self.sort(from, to, bytes),
        }
    }

    /// Signed STUN goes to whom it is signed for, and proves its address; all else goes to who proved the address.
    fn sort(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let Ok(datagram) = Receive::new(Protocol::Udp, from, to, bytes) else {
            self.ground.dropped.malformed += 1;
            return;
        };
        let is_stun = is_stun(bytes);
        let known = self.routes.get(&from).copied();
        let input = str0m::Input::Receive(self.ground.stack.moment(self.ground.now), datagram);
        let player = match known {
            Some(player) if !is_stun => Some(player),
            _ => self.whose(known, &input),
        };
        let str0m::Input::Receive(_, datagram) = input else { return };
        let player = player.filter(|player| !is_stun || self.learn(from, known, *player, bytes));
        match player.and_then(|player| self.partners.get_mut(&player)) {
            Some(partner) => partner.receive(&mut self.ground, datagram),
            None => self.ground.dropped.strangers += 1,
        }
    }

    /// What is signed by the player has come from there. False: it must not.
    fn learn(&mut self, from: SocketAddr, known: Option<PlayerId>, player: PlayerId, bytes: &[u8]) -> bool {
        // It can be sent in the name of any address. Who was found there keeps the address, or anybody in the lobby
        // could silence others.
        let owner = known.filter(|known| *known != player).and_then(|known| self.partners.get(&known));
        if owner.is_some_and(|owner| owner.is_at(from)) {
            return false;
        }
        let Some(partner) = self.partners.get_mut(&player) else { return false };
        if !partner.hears(from, bytes) {
            return false;
        }
        if known != Some(player) {
            self.routes.insert(from, player);
            if let Some(oldest) = partner.prove(from)
                && self.routes.get(&oldest) == Some(&player)
            {
                self.routes.remove(&oldest);
            }
        }
        true
    }

    /// The player whose connection knows this datagram for its own.
    fn whose(&self, likely: Option<PlayerId>, input: &str0m::Input<'_>) -> Option<PlayerId> {
        let likely = likely.filter(|player| self.partners.get(player).is_some_and(|partner| partner.is_of(input)));
        likely.or_else(|| self.partners.iter().find(|(_, partner)| partner.is_of(input)).map(|(player, _)| *player))
    }

    fn on_due(&mut self, player: PlayerId) {
        if let Some(partner) = self.partners.get_mut(&player) {
            partner.on_due(&mut self.ground);
            self.forget_if_idle(player);
        }
    }

    fn forget_if_idle(&mut self, player: PlayerId) {
        if let Some(partner) = self.partners.get(&player).filter(|partner| partner.is_idle()) {
            for address in partner.proved() {
                if self.routes.get(&address) == Some(&player) {
                    self.routes.remove(&address);
                }
            }
            self.partners.remove(&player);
        }
    }
}
