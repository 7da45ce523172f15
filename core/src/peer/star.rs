//! The star as one player sees it: which life of it, who is host, and the spokes that follow from that. The host holds
//! one to every other full player, a member one to the host. Where messages go is told in [`super::routing`].
//!
//! The names of the sessions are mixed of what the roster says and the term ([`session_of`]): sessions of different
//! lives of the star never hear each other, though the roster stays as it is.

use super::event::{Channel, PeerEvent, SendError, Sent};
use super::kinds::Numbering;
use super::lobby::Roster;
use super::outbox::Outbox;
use super::rhythm::StarRhythm;
use super::spoke::{Spoke, channels_of};
use super::{PeerTimer, link};
use crate::config::PlayerConfig;
use crate::id::{PlayerId, SessionId};
use crate::path::{PathKind, WatchConfig};
use crate::session::SessionIds;
use crate::time::{Duration, Instant, earlier};
use crate::wire::frame::Priority;
use crate::wire::relay;
use crate::wire::signal::{Epoch, HostCause, PlayerEntry, Role, SessionKey, Version};
use link::{LinkConfig, LinkEvent};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Allowed on every expectation on the relay: a byte stream that repeats a lost segment is late, not broken.
const RELAY_GRACE: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(super) struct Star {
    pub(super) config: PlayerConfig,
    random: ChaCha8Rng,
    pub(super) me: PlayerId,
    pub(super) epoch: Epoch,
    pub(super) host: Option<PlayerId>,
    /// The version this player speaks.
    version: Version,
    pub(super) spokes: BTreeMap<PlayerId, Spoke>,
    /// Members that fell behind and are still in the roster.
    pub(super) fallen: BTreeSet<PlayerId>,
    /// Relayed frames can leave.
    is_carried: bool,
    pub(super) numbering: Numbering,
    /// Messages sent so far, by channel.
    pub(super) sent: [u64; Channel::ALL.len()],
    /// Channels that refused a message.
    pub(super) full: [bool; Channel::ALL.len()],
    /// Channels that refused a message for a guest.
    full_for_guests: [bool; Channel::ALL.len()],
    pub(super) rhythm: StarRhythm,
    /// When the host was last heard.
    host_heard_at: Instant,
    /// Kept messages that were not acknowledged by a host that has left the roster, until its successor is known.
    orphaned: Option<u64>,
    /// As host: members are asked to stop, because one is slow.
    pub(super) is_holding: bool,
    /// As host: nothing that is kept is taken any more, because another will be host.
    pub(super) is_frozen: bool,
    /// Full players, we included.
    pub(super) population: usize,
}

/// A player's half of the name of its sessions in one life of the star: the finaliser of SplitMix64 over the roster's
/// half and the term.
pub(super) fn session_of(key: SessionKey, term: u32) -> SessionId {
    let mut mixed = key.0 ^ u64::from(term).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    SessionId(mixed ^ (mixed >> 31))
}

impl Star {
    /// Nobody's star yet.
    pub(super) fn new(config: PlayerConfig, random: ChaCha8Rng, now: Instant) -> Self {
        Star {
            rhythm: StarRhythm::new(config.heartbeat_interval, now),
            config,
            random,
            me: PlayerId(0),
            epoch: Epoch::default(),
            host: None,
            version: Version::CURRENT,
            spokes: BTreeMap::new(),
            fallen: BTreeSet::new(),
            is_carried: false,
            numbering: Numbering::default(),
            sent: [0; Channel::ALL.len()],
            full: [false; Channel::ALL.len()],
            full_for_guests: [false; Channel::ALL.len()],
            host_heard_at: now,
            orphaned: None,
            is_holding: false,
            is_frozen: false,
            population: 1,
        }
    }

    /// In the lobby for the first time.
    pub(super) fn enter(&mut self, now: Instant, me: PlayerId, version: Version, epoch: Epoch, host: Option<PlayerId>) {
        (self.me, self.version, self.epoch, self.host) = (me, version, epoch, host);
        self.host_heard_at = now;
        self.rhythm.on_talk(now);
    }

    pub(super) fn is_hosting(&self) -> bool {
        self.host == Some(self.me) && self.me != PlayerId(0)
    }

    /// Another life of the star, or the same told again. What is older than ours is ignored. A new term is a cold
    /// start: all conversations end, and what was in them and not acknowledged is lost.
    pub(super) fn on_view(
        &mut self,
        now: Instant,
        epoch: Epoch,
        host: PlayerId,
        cause: Option<HostCause>,
        out: &mut Outbox,
    ) {
        if epoch <= self.epoch && self.host.is_some() || epoch < self.epoch {
            return;
        }
        if epoch.term == self.epoch.term && self.host == Some(host) {
            self.epoch = epoch;
            return;
        }
        let had_host = self.host.is_some();
        let orphaned = self.orphaned.take();
        let unacknowledged =
            self.spokes.values().map(|spoke| spoke.unacked.len() as u64).sum::<u64>() + orphaned.unwrap_or(0);
        let talked = !self.spokes.is_empty() || orphaned.is_some();
        self.spokes.clear();
        self.fallen.clear();
        (self.is_holding, self.is_frozen) = (false, false);
        (self.epoch, self.host) = (epoch, Some(host));
        let gap = if had_host { now.since(self.host_heard_at) } else { Duration::ZERO };
        self.host_heard_at = now;
        out.event(PeerEvent::HostChanged { epoch, host, cause, gap });
        if had_host && talked {
            out.event(PeerEvent::ContinuityLost { unacknowledged });
        }
        self.tell_drained(Channel::ALL.into_iter(), out);
    }

    /// The roster has changed: spokes come and go, and open and close with the players' own connections.
    pub(super) fn on_roster(&mut self, now: Instant, roster: &Roster, out: &mut Outbox) {
        let Some(mine) = roster.get(self.me) else { return };
        let ours = session_of(mine.session, self.epoch.term);
        self.fallen.retain(|player| roster.get(*player).is_some());
        self.population = roster.iter().filter(|entry| entry.role != Role::Guest).count();
        let mut wanted = BTreeMap::new();
        for entry in roster.iter().filter(|entry| self.wants(entry)) {
            let ids = SessionIds { ours, theirs: session_of(entry.session, self.epoch.term) };
            wanted.insert(entry.player_id, (ids, entry));
        }
        let gone =
            self.spokes.iter().filter(|(player, spoke)| wanted.get(player).is_none_or(|(ids, _)| *ids != spoke.ids));
        for player in gone.map(|(player, _)| *player).collect::<Vec<_>>() {
            let spoke = self.spokes.remove(&player);
            if let Some(spoke) = spoke.as_ref().filter(|_| self.host == Some(player) && !wanted.contains_key(&player)) {
                *self.orphaned.get_or_insert(0) += spoke.unacked.len() as u64;
            }
            // The host is there and has lost its memory: what it had taken may not have gone round.
            if let Some(spoke) = spoke.filter(|_| self.host == Some(player) && wanted.contains_key(&player)) {
                out.event(PeerEvent::ContinuityLost { unacknowledged: spoke.unacked.len() as u64 });
                self.tell_drained(Channel::ALL.into_iter(), out);
            }
        }
        for (player, (ids, entry)) in wanted {
            if !self.spokes.contains_key(&player) {
                let spoke = self.spoke(now, player, ids, entry.version.min(self.version));
                self.spokes.insert(player, spoke);
            }
            let is_carried = self.is_carried;
            if let Some(spoke) = self.spokes.get_mut(&player) {
                spoke.is_connected = entry.connected;
                spoke.set_open(now, is_carried && entry.connected);
            }
            self.settle(now, player, out);
        }
    }

    fn wants(&self, entry: &PlayerEntry) -> bool {
        let is_partner = self.is_hosting() || self.host == Some(entry.player_id) && entry.role == Role::Player;
        is_partner && entry.role != Role::Guest && entry.player_id != self.me && !self.fallen.contains(&entry.player_id)
    }

    fn spoke(&mut self, now: Instant, player: PlayerId, ids: SessionIds, version: Version) -> Spoke {
        let config = LinkConfig {
            session: self.config.session(),
            relay_watch: WatchConfig { grace: RELAY_GRACE, ..WatchConfig::relay() },
            version,
            ..LinkConfig::default()
        };
        let mut spoke = Spoke::new(config, ids, player, self.random.random(), now);
        spoke.link.set_heartbeat(self.rhythm.interval());
        if self.is_holding {
            spoke.hold(now, true);
        }
        spoke
    }

    /// Relayed frames can leave from now on, or no more.
    pub(super) fn set_carried(&mut self, now: Instant, carried: bool, out: &mut Outbox) {
        self.is_carried = carried;
        for player in self.players() {
            if let Some(spoke) = self.spokes.get_mut(&player) {
                spoke.set_open(now, carried && spoke.is_connected);
            }
            self.settle(now, player, out);
        }
    }

    /// A relayed frame has come.
    pub(super) fn on_frame(&mut self, now: Instant, frame: &[u8], out: &mut Outbox) {
        let Ok((player, packet)) = relay::parse(frame) else {
            out.dropped.frames += 1;
            return;
        };
        let Some(spoke) = self.spokes.get_mut(&player) else {
            out.dropped.strangers += 1;
            return;
        };
        spoke.on_packet(now, packet);
        if self.host == Some(player) {
            self.host_heard_at = spoke.heard_at;
        }
        self.settle(now, player, out);
    }

    /// So many bytes wait in the stream below.
    pub(super) fn on_buffered(&mut self, now: Instant, bytes: usize, out: &mut Outbox) {
        for player in self.players() {
            if let Some(spoke) = self.spokes.get_mut(&player) {
                spoke.on_buffered(now, bytes);
            }
            self.settle(now, player, out);
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant, out: &mut Outbox) {
        if self.rhythm.on_timeout(now) {
            self.set_heartbeats();
        }
        let timeout = self.config.heartbeat_timeout;
        let mut due = Vec::new();
        for (player, spoke) in &mut self.spokes {
            if spoke.suspect_at(timeout).is_some_and(|at| at <= now) {
                spoke.is_suspect = true;
                out.event(PeerEvent::Suspect { player: *player });
            }
            if spoke.deadline.is_some_and(|(at, _)| at <= now) {
                spoke.on_timeout(now);
                due.push(*player);
            }
        }
        due.into_iter().for_each(|player| self.settle(now, player, out));
    }

    pub(super) fn set_hidden(&mut self, hidden: bool) {
        self.rhythm.set_hidden(hidden);
        self.set_heartbeats();
    }

    pub(super) fn set_heartbeats(&mut self) {
        let interval = self.rhythm.interval();
        for spoke in self.spokes.values_mut() {
            spoke.link.set_heartbeat(interval);
            spoke.is_dirty = true;
        }
    }

    fn players(&self) -> Vec<PlayerId> {
        self.spokes.keys().copied().collect()
    }

    /// Drains a link: its orders are carried out, its events have their effects.
    fn settle(&mut self, now: Instant, player: PlayerId, out: &mut Outbox) {
        while let Some(spoke) = self.spokes.get_mut(&player) {
            if let Some((_, order)) = spoke.link.poll_order() {
                let can_open = self.is_carried && spoke.is_connected;
                spoke.on_order(now, order, can_open);
                continue;
            }
            let Some(event) = spoke.link.poll_event() else { return };
            self.on_link_event(now, player, event, out);
        }
    }

    fn on_link_event(&mut self, now: Instant, player: PlayerId, event: LinkEvent, out: &mut Outbox) {
        let Some(spoke) = self.spokes.get_mut(&player) else { return };
        match event {
            LinkEvent::Message(received) => self.on_received(now, player, &received, out),
            LinkEvent::Acked(id) => {
                if !spoke.taught.on_acked(id)
                    && let Some(sent) = spoke.on_taken(id)
                {
                    out.event(PeerEvent::Acked(sent));
                }
            }
            LinkEvent::Drained(Priority::Normal) => spoke.flush(now),
            LinkEvent::Drained(priority) => {
                if !self.is_hosting() {
                    self.tell_drained(channels_of(priority), out);
                }
            }
            LinkEvent::Path { change, .. } => {
                out.event(PeerEvent::Path { player, path: PathKind::Relay, state: change.to });
            }
            LinkEvent::Using(_) => {}
        }
    }

    /// The channels that refused a message take messages again.
    pub(super) fn tell_drained(&mut self, channels: impl Iterator<Item = Channel>, out: &mut Outbox) {
        for channel in channels {
            let was_full = core::mem::take(&mut self.full[channel as usize]);
            if was_full && !self.full_for_guests[channel as usize] {
                out.event(PeerEvent::Drained(channel));
            }
        }
    }

    /// The server connection takes data for guests again.
    pub(super) fn tell_guests_drained(&mut self, out: &mut Outbox) {
        for channel in Channel::ALL {
            let was_full = core::mem::take(&mut self.full_for_guests[channel as usize]);
            if was_full && !self.full[channel as usize] {
                out.event(PeerEvent::Drained(channel));
            }
        }
    }

    /// Whether everything that was sent has arrived at those who are there. At a host newest state is always under way:
    /// it is not waited for.
    pub(super) fn is_flushed(&self) -> bool {
        let queued = if self.is_hosting() { Spoke::queued_kept } else { Spoke::queued };
        self.spokes.values().all(|spoke| !spoke.is_connected || queued(spoke) == 0)
    }

    /// When the silence of the host is suspicious, and when it is long enough to tell the server.
    pub(super) fn host_silence(&self, least: Duration) -> Option<(Instant, Instant)> {
        let spoke = self.host.filter(|_| !self.is_hosting()).and_then(|host| self.spokes.get(&host))?;
        let timeout = self.config.heartbeat_timeout;
        Some((spoke.silent_at(timeout)?, spoke.silent_at(timeout.max(least))?))
    }

    /// The number of the next message of ours on a channel.
    pub(super) fn number(&mut self, channel: Channel) -> Sent {
        self.sent[channel as usize] += 1;
        Sent { channel, seq: self.sent[channel as usize] }
    }

    /// The frame that was written last for a player.
    pub(super) fn packet(&self, player: PlayerId) -> &[u8] {
        self.spokes.get(&player).map_or(&[], |spoke| spoke.link.packet())
    }

    /// It is over.
    pub(super) fn end(&mut self) {
        self.spokes.clear();
        self.host = None;
    }

    /// Writes the next packet of any link; [`Link::packet`](link::Link::packet) of that player has it.
    pub(super) fn write_packet(&mut self) -> Option<PlayerId> {
        for (player, spoke) in self.spokes.iter_mut().filter(|(_, spoke)| spoke.is_dirty) {
            if spoke.link.write_packet().is_some() {
                return Some(*player);
            }
            spoke.is_dirty = false;
            spoke.deadline = spoke.link.deadline();
        }
        None
    }

    pub(super) fn deadline(&self) -> Option<(Instant, PeerTimer)> {
        let timeout = self.config.heartbeat_timeout;
        let links =
            self.spokes.iter().filter_map(|(player, spoke)| Some((spoke.deadline?.0, PeerTimer::Link(*player))));
        let suspicion = self.spokes.values().filter_map(|spoke| spoke.suspect_at(timeout)).min();
        let rhythm = if self.spokes.is_empty() { None } else { self.rhythm.deadline() };
        let star = earlier(earlier(suspicion, rhythm), self.stall_deadline()).map(|at| (at, PeerTimer::Star));
        links.chain(star).min_by_key(|(at, _)| *at)
    }

    /// Notes that a channel has refused a message, so that its draining is told.
    pub(super) fn refused(&mut self, channel: Channel, queued: usize) -> SendError {
        self.full[channel as usize] = true;
        SendError::Full { queued }
    }

    /// The same for a message for a guest.
    pub(super) fn refused_for_guest(&mut self, channel: Channel, queued: usize) -> SendError {
        self.full_for_guests[channel as usize] = true;
        SendError::Full { queued }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_different_terms_and_players_have_different_names() {
        let mut seen = BTreeSet::new();
        for term in 0..100 {
            for key in 0..100 {
                assert!(seen.insert(session_of(SessionKey(key), term)), "{key} {term}");
            }
        }
        assert_eq!(session_of(SessionKey(1), 2), SessionId(0xbeeb_8da1_658e_ec67));
    }
}
