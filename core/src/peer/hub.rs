//! The star at this player: what the star says goes into the links, and what the links bring goes to the star. Which links
//! there are follows from whom the star wants to speak with, and from who speaks to us. What is kept goes through the
//! star's log; what is only of the moment goes from here ([`super::casting`]).
//!
//! A link lives as long as both players keep their memory: its session is named by what the roster says of both, so the
//! two sides may make it at different times, and views come and go above it.

use super::contacts::Contact;
use super::event::{Channel, PeerEvent};
use super::kinds::Numbering;
use super::outbox::{Act, Outbox};
use super::referee::Referee;
use super::rhythm::{ASLEEP, StarRhythm, interval};
use super::spoke::{RELAY, Spoke};
use super::upload::Upload;
use super::{PeerTimer, link};
use crate::config::PlayerConfig;
use crate::id::{PathId, PlayerId};
use crate::path::{Attempt, Command, Fact, PathKind, WatchConfig};
use crate::players::Players;
use crate::session::pipe::PathState;
use crate::star::{self, Bond, Me, Position, Role, ServerSays, Star, To};
use crate::time::{Duration, Instant, earlier};
use crate::wire::frame::Priority;
use crate::wire::relay;
use crate::wire::signal::{Epoch, SessionKey, Version};
use bytes::Bytes;
use link::{LinkConfig, LinkEvent, PathSetup};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;

/// Allowed on every expectation on the relay: a byte stream that repeats a lost segment is late, not broken.
const RELAY_GRACE: Duration = Duration::from_millis(250);

/// Bytes that come and go in a stream all the time.
const SMALL: usize = 4 * 1024;

#[derive(Debug)]
pub(super) struct Hub {
    pub(super) config: PlayerConfig,
    random: ChaCha8Rng,
    pub(super) me: PlayerId,
    /// The version this player speaks.
    version: Version,
    pub(super) star: Star,
    pub(super) said: star::Out,
    /// Everybody in the roster but guests and us.
    pub(super) contacts: Players<Contact>,
    /// Our half of the names of our sessions.
    pub(super) ours: SessionKey,
    pub(super) spokes: Players<Spoke>,
    paths: Vec<PathSetup>,
    /// What the bonds were last judged by; nothing if the roster has changed since.
    pub(super) standing: Option<(Role, Epoch, Epoch)>,
    /// Relayed frames can leave.
    is_carried: bool,
    /// What waits in it, as the links were told.
    buffered: usize,
    /// When anything was last heard on the stream that carries.
    carrier_heard_at: Instant,
    /// The stream that carries is to be asked whether it is there.
    wants_answer: bool,
    pub(super) numbering: Numbering,
    pub(super) referee: Referee,
    /// Messages sent so far, by channel.
    pub(super) sent: [u64; Channel::ALL.len()],
    /// Kept messages of ours that are safe, by channel.
    pub(super) acked: [u64; Channel::ALL.len()],
    /// Channels that refused a message.
    pub(super) full: [bool; Channel::ALL.len()],
    /// Channels that refused a message for a guest.
    pub(super) full_for_guests: [bool; Channel::ALL.len()],
    rhythm: StarRhythm,
    /// When messages last left together, if there is a tick.
    pub(super) ticked_at: Option<Instant>,
    /// What all links share, if what they send together is limited.
    pub(super) upload: Option<Upload>,
    /// The newest view that the application knows of, and its host.
    pub(super) told: Option<(Epoch, PlayerId)>,
    /// The view that the application was told of last.
    pub(super) told_view: Option<Epoch>,
}

impl Hub {
    /// Nobody's star yet.
    pub(super) fn new(config: PlayerConfig, mut random: ChaCha8Rng, now: Instant) -> Self {
        let direct = config.direct_paths.iter().zip(1..);
        let direct =
            direct.map(|(kind, id)| PathSetup { id: PathId(id), kind: *kind, relayed_only: config.relayed_only });
        Hub {
            rhythm: StarRhythm::new(config.heartbeat_interval, now),
            star: Star::new(config.star(), random.random(), now),
            said: star::Out::default(),
            standing: None,
            ticked_at: None,
            upload: config.upload.map(|rate| Upload::new(rate, now)),
            referee: Referee::new(&config),
            paths: core::iter::once(RELAY).chain(direct).collect(),
            config,
            random,
            me: PlayerId(0),
            version: Version::CURRENT,
            contacts: Players::new(),
            ours: SessionKey(0),
            spokes: Players::new(),
            is_carried: false,
            buffered: 0,
            carrier_heard_at: now,
            wants_answer: false,
            numbering: Numbering::default(),
            sent: [0; Channel::ALL.len()],
            acked: [0; Channel::ALL.len()],
            full: [false; Channel::ALL.len()],
            full_for_guests: [false; Channel::ALL.len()],
            told: None,
            told_view: None,
        }
    }

    /// In the lobby for the first time.
    pub(super) fn enter(&mut self, now: Instant, me: Me, version: Version) {
        (self.me, self.version) = (me.player, version);
        self.star.enter(now, me, &mut self.said);
        self.rhythm.on_talk(now);
    }

    /// The server says something about the star.
    pub(super) fn on_server(&mut self, now: Instant, says: ServerSays) {
        let asks = matches!(says, ServerSays::Asked(_));
        self.star.on_server(now, says, &mut self.said);
        let host = self.star.view().map(|view| view.host);
        if let Some(spoke) = host.filter(|_| asks).and_then(|host| self.spokes.get_mut(&host)) {
            // One that lives answers within a round trip, although it may have had nothing to say.
            spoke.ask(now);
        }
    }

    /// The server can be spoken to, or no more.
    pub(super) fn on_server_reachable(&mut self, now: Instant, is_reachable: bool) {
        self.star.on_server_reachable(now, is_reachable, &mut self.said);
    }

    /// The game's state after everything that was delivered up to `position`.
    pub(super) fn on_snapshot(&mut self, now: Instant, position: Position, state: Bytes) {
        self.star.on_snapshot(now, position, state, &mut self.said);
    }

    /// Another shall be host. False: we are not host, or nobody can be.
    pub(super) fn hand_over(&mut self, now: Instant, to: Option<PlayerId>) -> bool {
        self.star.hand_over(now, to, &mut self.said)
    }

    /// The host and its epoch, as far as known.
    pub(super) fn host(&self) -> Option<(PlayerId, Epoch)> {
        self.star.view().map(|view| (view.host, view.epoch))
    }

    pub(super) fn close_spoke(&mut self, now: Instant, player: PlayerId, out: &mut Outbox) {
        if let Some(spoke) = self.spokes.remove(&player) {
            spoke.close(now).for_each(|(path, order)| out.act(Act::Pipe(player, path, order)));
        }
    }

    /// A link with a member, if there is none.
    pub(super) fn ensure_spoke(&mut self, now: Instant, player: PlayerId, out: &mut Outbox) {
        if self.spokes.contains_key(&player) {
            return;
        }
        let (Some(ids), Some(contact)) = (self.ids(player), self.contacts.get(&player).copied()) else { return };
        let config = LinkConfig {
            session: self.config.session(),
            relay_watch: WatchConfig { grace: RELAY_GRACE, ..WatchConfig::relay() },
            version: contact.version.min(self.version),
            ..LinkConfig::default()
        };
        let mut spoke = Spoke::new(config, ids, player, &self.paths, self.random.random(), now);
        spoke.set_bond(None, ASLEEP);
        spoke.is_connected = contact.is_connected;
        self.spokes.insert(player, spoke);
        self.settle_spoke(now, player, out);
    }

    /// Relayed frames can leave from now on, or no more.
    pub(super) fn set_carried(&mut self, now: Instant, carried: bool, out: &mut Outbox) {
        self.is_carried = carried;
        self.buffered = 0;
        self.relay_all(now, out);
    }

    pub(super) fn relay_all(&mut self, now: Instant, out: &mut Outbox) {
        for player in self.players() {
            let is_connected = self.contacts.get(&player).is_some_and(|contact| contact.is_connected);
            if let Some(spoke) = self.spokes.get_mut(&player) {
                spoke.is_connected = is_connected;
                spoke.set_relayed(now, self.is_carried && is_connected);
            }
            self.settle_spoke(now, player, out);
        }
    }

    /// A relayed frame has come.
    pub(super) fn on_relayed(&mut self, now: Instant, frame: &[u8], out: &mut Outbox) {
        match relay::parse(frame) {
            Ok((player, packet)) => self.on_packet(now, player, RELAY.id, packet, out),
            Err(_) => out.dropped.frames += 1,
        }
    }

    /// A packet has come.
    pub(super) fn on_packet(&mut self, now: Instant, player: PlayerId, path: PathId, packet: &[u8], out: &mut Outbox) {
        self.ensure_spoke(now, player, out);
        match self.spokes.get_mut(&player).filter(|spoke| !spoke.is_absent()) {
            Some(spoke) => spoke.on_packet(now, path, packet),
            None => out.dropped.strangers += 1,
        }
        self.settle_spoke(now, player, out);
    }

    /// What became of an order for a direct path. Of a player that we do not speak with it means nothing.
    pub(super) fn on_pipe(
        &mut self,
        now: Instant,
        player: PlayerId,
        path: PathId,
        attempt: Attempt,
        fact: Fact,
        out: &mut Outbox,
    ) -> Result<(), link::InputError> {
        let taken = self.spokes.get_mut(&player).map_or(Ok(()), |spoke| spoke.on_pipe(now, path, attempt, fact));
        self.settle_spoke(now, player, out);
        taken
    }

    /// So many bytes wait in the stream below. A small change matters to nobody.
    pub(super) fn on_buffered(&mut self, now: Instant, bytes: usize, out: &mut Outbox) {
        let is_small = bytes.abs_diff(self.buffered) < SMALL && bytes > 0;
        if is_small || bytes == self.buffered {
            return;
        }
        self.buffered = bytes;
        for player in self.players() {
            if let Some(spoke) = self.spokes.get_mut(&player) {
                spoke.on_buffered(now, bytes);
            }
            self.settle_spoke(now, player, out);
        }
    }

    /// We were not there for a while: what was not heard meanwhile was not silent.
    pub(super) fn on_slept(&mut self, now: Instant, out: &mut Outbox) {
        for player in self.players() {
            if let Some(spoke) = self.spokes.get_mut(&player) {
                spoke.on_slept(now);
            }
            self.listen(now, player, out);
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant, out: &mut Outbox) {
        self.end_absences(now, out);
        if self.rhythm.on_timeout(now) {
            self.set_heartbeats();
        }
        let timeout = self.config.heartbeat_timeout;
        let due = self.spokes.iter().filter(|(_, spoke)| spoke.is_due(now, timeout));
        let due: Vec<_> = due.map(|(player, _)| *player).collect();
        for player in due {
            if let Some(spoke) = self.spokes.get_mut(&player) {
                spoke.on_timeout(now);
            }
            self.settle_spoke(now, player, out);
        }
        if self.star.is_due(now) {
            self.star.on_timeout(now, &mut self.said);
        }
    }

    pub(super) fn set_hidden(&mut self, hidden: bool) {
        self.rhythm.set_hidden(hidden);
        self.set_heartbeats();
    }

    fn set_heartbeats(&mut self) {
        for spoke in self.spokes.values_mut() {
            spoke.set_heartbeat(interval(&self.rhythm, spoke.bond()));
        }
    }

    pub(super) fn on_talk(&mut self, now: Instant) {
        if self.rhythm.on_talk(now) {
            self.set_heartbeats();
        }
    }

    pub(super) fn players(&self) -> Vec<PlayerId> {
        self.spokes.keys().copied().collect()
    }

    /// Drains a link: its orders are carried out, its events have their effects, and the star hears how it is heard.
    fn settle_spoke(&mut self, now: Instant, player: PlayerId, out: &mut Outbox) {
        while let Some(spoke) = self.spokes.get_mut(&player) {
            match spoke.link.poll_order() {
                Some((path, order)) if path == RELAY.id => {
                    let can_open = self.is_carried && spoke.is_connected;
                    spoke.on_relay_order(now, order, can_open);
                    continue;
                }
                Some((path, order)) => {
                    let mending = spoke.link.mending(path).filter(|_| order.command != Command::Close);
                    out.act(Act::Pipe(player, path, order));
                    if let Some((step, attempt)) = mending {
                        out.event(PeerEvent::Mending { player, path: self.kind(path), step, attempt });
                    }
                    continue;
                }
                None => {}
            }
            let Some(event) = spoke.link.poll_event() else { break };
            self.on_link_event(now, player, event, out);
        }
        self.say_waiting(now, player, out);
        self.listen(now, player, out);
    }

    fn listen(&mut self, now: Instant, player: PlayerId, out: &mut Outbox) {
        let Some(spoke) = self.spokes.get_mut(&player) else { return };
        let hearing = spoke.listen(now, self.config.heartbeat_timeout, self.carrier_heard_at);
        if hearing.is_newly_suspect {
            self.wants_answer = true;
            out.event(PeerEvent::Suspect { player });
        }
        if let Some(ear) = hearing.ear {
            self.star.on_ear(now, player, ear);
        }
    }

    fn on_link_event(&mut self, now: Instant, player: PlayerId, event: LinkEvent, out: &mut Outbox) {
        match event {
            LinkEvent::Message(received) => self.on_received(now, player, &received, out),
            LinkEvent::Acked(id) => {
                let Some(spoke) = self.spokes.get_mut(&player) else { return };
                spoke.on_acked(id);
                while let Some((epoch, position)) = spoke.next_arrived() {
                    self.star.on_taken(now, player, epoch, position, &mut self.said);
                }
            }
            LinkEvent::Drained(Priority::Critical) | LinkEvent::Using(_) => {}
            LinkEvent::Drained(_) => self.tell_link_drained(player, out),
            LinkEvent::Path { path, change } => self.tell_path(player, path, change.to, out),
            LinkEvent::Turned { path } => {
                let state = self.spokes.get(&player).and_then(|spoke| spoke.link.state(path));
                if state == Some(PathState::Usable) {
                    self.tell_path(player, path, PathState::Usable, out);
                }
            }
        }
    }

    fn tell_path(&self, player: PlayerId, path: PathId, state: PathState, out: &mut Outbox) {
        let is_turned = self.spokes.get(&player).is_some_and(|spoke| spoke.link.is_turned(path));
        out.event(PeerEvent::Path { player, path: self.kind(path), is_turned, state });
    }

    fn kind(&self, path: PathId) -> PathKind {
        self.paths.iter().find(|setup| setup.id == path).map_or(PathKind::Relay, |setup| setup.kind)
    }

    /// The stream that carries was heard then. True: it is to be asked whether it is there.
    pub(super) fn on_carrier_heard(&mut self, now: Instant, heard_at: Instant, out: &mut Outbox) -> bool {
        if heard_at > self.carrier_heard_at {
            self.carrier_heard_at = heard_at;
            let doubted = self.spokes.iter().filter(|(_, spoke)| spoke.is_suspect()).map(|(player, _)| *player);
            for player in doubted.collect::<Vec<_>>() {
                self.listen(now, player, out);
            }
        }
        core::mem::take(&mut self.wants_answer)
    }

    /// Everything that the star has said goes its way, and links get what they have room for.
    pub(super) fn settle(&mut self, now: Instant, out: &mut Outbox) {
        self.tell_events(now, out);
        self.tell_view(out);
        self.follow_bonds(now, out);
        while let Some((to, frame)) = self.said.frames.pop_front() {
            match to {
                To::One(player) => {
                    self.ensure_spoke(now, player, out);
                    self.say(now, player, frame, None, out);
                }
                To::Many(players) => self.say_to_many(now, &players, &frame, out),
            }
        }
        self.pump(now, out);
        self.tell_events(now, out);
        let dropped = core::mem::take(&mut self.said.dropped);
        out.dropped.stale += dropped.stale;
        out.dropped.malformed += dropped.malformed;
        out.dropped.forged += dropped.forged;
    }

    /// There is a link with everybody whom the star wants one with, in its rhythm.
    fn follow_bonds(&mut self, now: Instant, out: &mut Outbox) {
        let standing = Some(self.star.standing());
        if core::mem::replace(&mut self.standing, standing) == standing {
            return;
        }
        let bonds: Players<Bond> = self.star.bonds().into_iter().collect();
        bonds.keys().for_each(|player| self.ensure_spoke(now, *player, out));
        for (player, spoke) in self.spokes.iter_mut() {
            let bond = bonds.get(player).copied();
            if bond != spoke.bond() {
                spoke.set_bond(bond, interval(&self.rhythm, bond));
            }
        }
    }

    /// Whether everything of ours is safe, and what we have to hand on has arrived at those who can be reached. Newest
    /// state is always under way at a host: it is not waited for.
    pub(super) fn is_flushed(&self) -> bool {
        let is_safe = |channel: Channel| self.acked[channel as usize] == self.sent[channel as usize];
        let queued = if self.is_hosting() { Spoke::queued_kept } else { Spoke::queued };
        is_safe(Channel::Reliable)
            && is_safe(Channel::Ordered)
            && self
                .spokes
                .values()
                .all(|spoke| !spoke.is_open() || spoke.bond() != Some(Bond::Close) || queued(spoke) == 0)
    }

    /// Whether the host cannot be heard: the server does not reach it, and we do not.
    pub(super) fn is_host_missing(&self) -> bool {
        let Some((host, _)) = self.host().filter(|(host, _)| *host != self.me) else { return false };
        let is_connected = self.contacts.get(&host).is_some_and(|contact| contact.is_connected);
        let is_heard = || self.spokes.get(&host).is_some_and(|spoke| spoke.is_open() && !spoke.is_suspect());
        !is_connected && !is_heard()
    }

    /// It is over.
    pub(super) fn end(&mut self, now: Instant, out: &mut Outbox) {
        for player in self.players() {
            self.close_spoke(now, player, out);
        }
        self.contacts.clear();
    }

    pub(super) fn deadline(&self) -> Option<(Instant, PeerTimer)> {
        let (mut link, mut suspicion): (Option<(Instant, PlayerId)>, _) = (None, None);
        for (player, spoke) in self.spokes.iter() {
            let (deadline, suspect_at) = spoke.deadlines();
            if let Some(at) = deadline.filter(|at| link.is_none_or(|(soonest, _)| *at < soonest)) {
                link = Some((at, *player));
            }
            suspicion = earlier(suspicion, earlier(suspect_at, spoke.absent_until()));
        }
        let rhythm = if self.spokes.is_empty() { None } else { self.rhythm.deadline() };
        let star = earlier(earlier(suspicion, rhythm), self.star.deadline());
        match (link, star) {
            (Some((at, player)), star) if star.is_none_or(|star| at <= star) => Some((at, PeerTimer::Link(player))),
            (_, star) => star.map(|at| (at, PeerTimer::Star)),
        }
    }
}
