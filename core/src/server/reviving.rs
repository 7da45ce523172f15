//! A lobby that the server has lost with its memory comes back from the records that its players keep. The first who shows
//! one with a good token brings it back with everybody away; whoever comes with a newer one corrects it.

use super::Server;
use super::connection::Shared;
use super::lobby::{Lobby, LobbyKey, Player, Stage};
use super::queue::Class;
use super::record::{LobbyRecord, PlayerRecord, Record};
use super::recovery::Recovery;
use super::star::{Adoption, Seal};
use super::token::{Claims, Edition};
use crate::id::{ConnectionId, PlayerId, ShardId};
use crate::time::Instant;
use crate::wire::signal::{CloseReason, ErrorCode, LobbyName, Restore, Role, SealedRecord, ServerMessage};
use crate::wire::view::{Certified, View};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;

/// Numbers may have been given to players of whom no record tells: by this many steps, drawn anew each time, a lobby that
/// comes back leaves them behind.
const MOST_STEPS: u32 = 1 << 18;
/// A step is as long as the largest lobby.
const STEP: u32 = 64;
/// Lobbies that are remembered to have ended.
const MAX_ENDED: usize = 4096;

/// What a player has shown, as far as it is believed.
#[derive(Debug)]
pub(super) struct Shown {
    /// The record is the server's own.
    pub(super) record: Record,
    view: Option<Certified>,
    promised: Vec<View>,
}

/// Lobbies of which there are records of earlier processes and which are over, the newest.
#[derive(Debug, Default)]
pub(super) struct Ended(VecDeque<Edition>);

impl Ended {
    pub(super) fn push(&mut self, edition: Edition) {
        if self.0.len() == MAX_ENDED {
            self.0.pop_front();
        }
        self.0.push_back(edition);
    }

    fn contains(&self, edition: Edition) -> bool {
        self.0.contains(&edition)
    }
}

impl Server {
    /// The shard to which lobbies of that name come back: it knows which of them have ended since.
    pub(super) fn home(&self, name: &LobbyName) -> ShardId {
        let [low, high, ..]: [u8; 32] = Sha256::digest(name.as_str()).into();
        ShardId(u16::from_le_bytes([low, high]) % self.shards)
    }

    /// What a player shows of the lobby that it wants back into. Nothing if it is not the server's, or of another lobby.
    pub(super) fn shown(&self, name: &LobbyName, claims: &Claims, restore: Restore) -> Option<Box<Shown>> {
        let record = self.wax.open(&restore.sealed)?;
        let is_of_it = record.lobby.name == *name && record.lobby.edition == claims.edition;
        let is_member = record.lobby.player(claims.player).is_some();
        let Restore { view, promised, .. } = restore;
        // What this process has sealed it has not forgotten: that lobby is there, or has ended.
        let may_be_lost = record.process != self.process && !self.ended.contains(record.lobby.edition);
        (is_of_it && is_member && may_be_lost).then(|| Box::new(Shown { record, view, promised }))
    }

    /// The lobby that one can bring back has come back and ended while it waited, or none comes back any more: whoever
    /// belonged to one had its time for it. So what was used long ago, and this process does not know of, is worth nothing.
    pub(super) fn has_ended(&mut self, id: ConnectionId) -> bool {
        let is_late = self.began + self.config.resume_timeout <= self.exchange.now;
        let edition = self.shown_mut(id).and_then(|shown| shown.as_ref()).map(|shown| shown.record.lobby.edition);
        is_late || edition.is_some_and(|edition| self.ended.contains(edition))
    }

    /// The name is ours and no lobby is there: it comes back.
    pub(super) fn revive(&mut self, id: ConnectionId) {
        let now = self.exchange.now;
        let Some(address) = self.exchange.get(id).map(|connection| connection.address) else { return };
        let Some(record) = self.shown_mut(id).and_then(|shown| shown.as_ref()).map(|shown| shown.record.clone()) else {
            return;
        };
        let obstacles = [
            (self.has_ended(id), ErrorCode::BadToken),
            (self.lobbies.len() >= self.config.max_lobbies, ErrorCode::Busy),
        ];
        if let Some((_, code)) = obstacles.into_iter().find(|(is_there, _)| *is_there) {
            self.begin_release(record.lobby.name);
            return self.fail(id, code);
        }
        if !self.addresses.create(now, address, &self.config) {
            self.begin_release(record.lobby.name);
            return self.fail(id, ErrorCode::RateLimited);
        }
        let name = record.lobby.name.clone();
        let mut lobby = Box::new(self.revived(&record));
        lobby.merge(&record.lobby, self.began);
        lobby.empty_since = Some(now);
        self.exchange.counts.stats.lobbies += 1;
        self.exchange.counts.stats.players += lobby.players.len() as u64;
        let key = self.lobbies.insert(lobby);
        self.exchange.event(super::ServerEvent::LobbyOpened { lobby: name });
        if let Some(lobby) = self.lobbies.get_mut(key) {
            lobby.follow();
        }
        self.arm_lobby(key);
        self.on_here(id);
    }

    fn revived(&mut self, record: &Record) -> Lobby {
        let LobbyRecord { name, edition, star, rules, preferred, .. } = record.lobby.clone();
        let mut lobby = Lobby::new(name, edition, star, ConnectionId(0), rules, preferred);
        lobby.stage = Stage::Open;
        lobby.life = record.life.saturating_add(1);
        lobby.star.recovery = Some(Recovery::new(self.exchange.now, (record.life, record.serial)));
        let steps = 1 + u32::from_le_bytes(self.draw()) % MOST_STEPS;
        lobby.next_player = record.lobby.next_player.saturating_add(steps * STEP);
        lobby.take_over(&self.seal, &record.lobby);
        lobby
    }

    /// A record that is newer than the one the lobby came back from, and of an earlier process: it counts. Who is not in
    /// it has gone; who came in with a token that it knows as used has no right to be here.
    pub(super) fn correct_lobby(&mut self, id: ConnectionId, name: &LobbyName) {
        let began = self.began;
        let Some(record) = self.shown_mut(id).and_then(|shown| shown.as_ref()).map(|shown| shown.record.clone()) else {
            return;
        };
        let Some((key, lobby)) = self.lobbies.by_name(name) else { return };
        if lobby.edition != record.lobby.edition {
            return;
        }
        let from = lobby.star.recovery.as_ref().map(|recovery| recovery.from);
        let is_newer = from.is_some_and(|from| (record.life, record.serial) > from) && record.process != self.process;
        if !is_newer {
            return;
        }
        lobby.life = lobby.life.max(record.life.saturating_add(1));
        let known = lobby.star.view().map(|view| view.epoch);
        lobby.take_over(&self.seal, &record.lobby);
        let is_news = known != lobby.star.view().map(|view| view.epoch);
        if let Some(recovery) = &mut lobby.star.recovery {
            recovery.from = (record.life, record.serial);
        }
        let (mut gone, mut copied) = (Vec::new(), Vec::new());
        for player in lobby.players.iter().filter(|player| player.is_revived) {
            match record.lobby.player(player.id) {
                None => gone.push(player.id),
                Some(known) if player.let_in_with < known.oldest => copied.push(player.id),
                Some(_) => {}
            }
        }
        self.exchange.counts.stats.players += lobby.merge(&record.lobby, began);
        lobby.roster_changed = true;
        if is_news {
            self.on_adopted(key, None);
        } else {
            lobby.follow();
        }
        for player in gone {
            self.doom_player(key, player, CloseReason::TimedOut);
            self.remove_player(key, player, CloseReason::TimedOut);
        }
        for player in copied {
            self.doom_player(key, player, CloseReason::TokenReused);
            self.remove_player(key, player, CloseReason::TokenReused);
        }
    }

    fn doom_player(&mut self, key: LobbyKey, player: PlayerId, reason: CloseReason) {
        let connection = self.lobbies.get(key).and_then(|lobby| lobby.player(player)).and_then(|p| p.connection);
        if let Some(connection) = connection {
            self.exchange.doom(connection, reason);
        }
    }

    /// A player is back: what it knows of the star counts.
    pub(super) fn hear_out(&mut self, key: LobbyKey, player: PlayerId, shown: &Shown) {
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let Some(incarnation) = lobby.player(player).map(|player| player.incarnation) else { return };
        let Some(view) = &shown.view else { return };
        let is_news = lobby.star.adopt(&self.seal, view) == Adoption::New;
        if let Some(recovery) = &mut lobby.star.recovery {
            recovery.hear(player, incarnation);
            for promised in &shown.promised {
                lobby.star.note_promised(promised);
            }
        }
        if is_news {
            self.on_adopted(key, Some(player));
        }
    }

    /// One who comes without memory has promised nothing that the server does not know.
    pub(super) fn hear_newcomer(&mut self, key: LobbyKey, player: PlayerId) {
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let incarnation = lobby.player(player).map(|player| player.incarnation);
        if let (Some(incarnation), Some(recovery)) = (incarnation, &mut lobby.star.recovery) {
            recovery.hear(player, incarnation);
        }
    }

    /// The players get a new record if the lobby is not what stands in the one they have.
    pub(super) fn record(&mut self, key: LobbyKey) {
        let Some(lobby) = self.lobbies.get_mut(key).filter(|lobby| lobby.is_open()) else { return };
        if lobby.players.iter().all(|player| player.role == Role::Guest) {
            return;
        }
        let record = LobbyRecord::of(lobby);
        let content = postcard::to_stdvec(&record).expect("a record has lengths that postcard knows");
        let recorded = Sha256::digest(&content).into();
        if core::mem::replace(&mut lobby.recorded, recorded) == recorded {
            return;
        }
        lobby.serial += 1;
        let record = Record { process: self.process, life: lobby.life, serial: lobby.serial, lobby: record };
        if let Some(sealed) = self.wax.seal(&record) {
            self.tell_players(key, &ServerMessage::Sealed(SealedRecord { sealed }), None);
        }
    }

    /// One message for all members who are connected, guests aside.
    pub(super) fn tell_players(&mut self, key: LobbyKey, message: &ServerMessage, except: Option<PlayerId>) {
        let Some(lobby) = self.lobbies.get(key) else { return };
        let players = lobby.players.iter().filter(|player| player.role != Role::Guest && Some(player.id) != except);
        let receivers: Vec<ConnectionId> = players.filter_map(|player| player.connection).collect();
        let mut shared = Shared::new(message);
        for receiver in receivers {
            shared.send(&mut self.exchange, receiver, Class::Signal);
        }
    }
}

impl Lobby {
    /// Takes over what a record says of the lobby itself.
    fn take_over(&mut self, seal: &Seal, record: &LobbyRecord) {
        self.password = record.password.clone().map(Box::new);
        self.rules = record.rules.clone();
        self.locked = record.locked;
        self.started = record.started;
        self.next_player = self.next_player.max(record.next_player);
        self.banned.clone_from(&record.bans);
        self.star.term = self.star.term.max(record.term);
        self.epoch.term = self.epoch.term.max(record.term);
        self.listing_changed = true;
        let current = self.star.view().map(|view| view.epoch);
        if let Some(view) = record.view.clone().filter(|view| current.is_none_or(|current| current < view.epoch)) {
            self.star.install(seal, view);
        }
    }

    /// Takes over what a newer record says of members. Who has not come back is away since the server began, however late
    /// somebody else has brought the lobby back. Tells how many there are that were not known.
    fn merge(&mut self, record: &LobbyRecord, began: Instant) -> u64 {
        let mut unknown = 0;
        for known in &record.players {
            if self.star.recovery.as_ref().is_some_and(|recovery| recovery.has_gone(known.id)) {
                continue;
            }
            match self.player_mut(known.id) {
                Some(player) => player.newest = player.newest.max(known.newest),
                None => {
                    let index = self.players.partition_point(|player| player.id < known.id);
                    self.players.insert(index, Player::away(known, began));
                    unknown += 1;
                }
            }
            // Who has been back here already is what it has become here.
            let is_out = |player: &&mut Player| player.connection.is_none() && player.let_in_with == u32::MAX;
            let Some(player) = self.player_mut(known.id).filter(is_out) else { continue };
            *player = Player::away(known, began);
        }
        unknown
    }
}

impl Player {
    /// A member as its record tells it, that has not come back yet.
    fn away(record: &PlayerRecord, since: Instant) -> Self {
        let PlayerRecord { id, ref username, role, incarnation, session, version, key, newest, oldest } = *record;
        Player {
            id,
            username: username.clone(),
            role,
            ready: false,
            hidden: false,
            peer: None,
            incarnation,
            session,
            version,
            key,
            connection: None,
            relay: None,
            away_since: Some(since),
            address: core::net::IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED),
            newest,
            oldest,
            corrected: None,
            is_revived: true,
            let_in_with: u32::MAX,
        }
    }
}
