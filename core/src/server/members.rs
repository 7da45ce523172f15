//! How members go: by leaving, by a broken connection, put out, too late. And how a lobby goes.

use super::ask::DirectoryAsk;
use super::asks::Question;
use super::connection::{Connection, Place, TimerKey};
use super::lobby::{Lobby, LobbyKey, Stage};
use super::{Ask, Endpoint, Server, ServerEvent};
use crate::id::{AskId, ConnectionId, PlayerId};
use crate::time::Instant;
use crate::wire::signal::{CloseReason, ErrorCode, HostCause, LobbyName, Role, ServerMessage};

impl Server {
    /// The connection is closed, by the other side or, with a reason, by this one.
    pub(super) fn on_closed(&mut self, id: ConnectionId, reason: Option<CloseReason>) {
        self.abandon(id);
        let Some(connection) = self.exchange.remove(id) else { return };
        if connection.counted {
            self.addresses.close(self.exchange.now, connection.address);
        }
        let Connection { place, peer, endpoint, .. } = *connection;
        match place {
            Some(place) if endpoint == Endpoint::Lobby => self.on_disconnected(id, place, reason),
            Some(place) => {
                let player = self.lobbies.get_mut(place.lobby).and_then(|lobby| lobby.player_mut(place.player));
                if let Some(player) = player.filter(|player| player.relay == Some(id)) {
                    player.relay = None;
                }
            }
            None => {
                if let Some(peer) = peer {
                    self.release_peer(peer);
                }
            }
        }
    }

    /// The connection of a member broke. A guest is gone; a player keeps its place for a while.
    fn on_disconnected(&mut self, id: ConnectionId, place: Place, reason: Option<CloseReason>) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(place.lobby) else { return };
        let Some(player) = lobby.player_mut(place.player).filter(|player| player.connection == Some(id)) else {
            return;
        };
        player.connection = None;
        if player.role == Role::Guest {
            return self.remove_player(place.lobby, place.player, reason.unwrap_or(CloseReason::Left));
        }
        player.away_since = Some(now);
        lobby.star.watch.forget(place.player);
        if lobby.players.iter().all(|player| player.connection.is_none()) {
            lobby.empty_since = Some(now);
        }
        self.roster_changed(place.lobby);
    }

    pub(super) fn on_leave(&mut self, id: ConnectionId) {
        let Some(place) = self.exchange.get(id).and_then(|connection| connection.place) else {
            return self.refuse(id, ErrorCode::NotInLobby, 0);
        };
        self.exchange.say(id, &ServerMessage::LobbyLeft);
        self.remove_player(place.lobby, place.player, CloseReason::Left);
    }

    /// The member is gone for good. Its connection, if it stands, is in no lobby any more.
    pub(super) fn remove_player(&mut self, key: LobbyKey, id: PlayerId, reason: CloseReason) {
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let Some(player) = lobby.remove_player(id) else { return };
        if reason == CloseReason::Banned {
            lobby.ban(&player);
        }
        lobby.star.forget(id);
        if let Some(recovery) = lobby.star.recovery.as_mut().filter(|_| player.is_revived) {
            recovery.let_go(id);
        }
        lobby.left.push((id, reason));
        lobby.roster_changed = true;
        if lobby.host == Some(id) {
            let is_broken = player.away_since.is_some() || reason == CloseReason::TokenReused;
            lobby.vacate(&player, if is_broken { HostCause::CrashClosed } else { HostCause::Graceful });
        }
        if lobby.empty_since.is_none() && lobby.players.iter().all(|player| player.connection.is_none()) {
            lobby.empty_since = Some(self.exchange.now);
        }
        let name = lobby.name.clone();
        self.exchange.counts.stats.players -= 1;
        self.exchange.event(ServerEvent::PlayerLeft { lobby: name, player: id, reason });
        match player.connection.and_then(|connection| self.exchange.get_mut(connection)) {
            Some(connection) => {
                connection.place = None;
                connection.unproven = false;
            }
            None => {
                if let Some(peer) = player.peer {
                    self.release_peer(peer);
                }
            }
        }
        if let Some(relay) = player.relay {
            if let Some(connection) = self.exchange.get_mut(relay) {
                connection.place = None;
            }
            self.exchange.doom(relay, reason);
        }
        self.announce(key, None);
    }

    /// A lobby's timer has come.
    pub(super) fn on_lobby_due(&mut self, key: LobbyKey) {
        let now = self.exchange.now;
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        lobby.armed = None;
        if lobby.empty_since.is_some_and(|since| since + self.config.lobby_idle_timeout <= now) {
            return self.end_lobby(key, CloseReason::LobbyClosed);
        }
        let resume_timeout = self.config.resume_timeout;
        let is_late = |since: Instant| since + resume_timeout <= now;
        let late = lobby.players.iter().filter(|player| player.away_since.is_some_and(is_late));
        let late: Vec<PlayerId> = late.map(|player| player.id).collect();
        for player in late {
            self.remove_player(key, player, CloseReason::TimedOut);
        }
        self.announce(key, None);
    }

    /// The lobby is over: whoever is in it is closed for that reason.
    pub(super) fn end_lobby(&mut self, key: LobbyKey, reason: CloseReason) {
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let players = core::mem::take(&mut lobby.players);
        let name = lobby.name.clone();
        for player in players {
            self.exchange.counts.stats.players -= 1;
            let event = ServerEvent::PlayerLeft { lobby: name.clone(), player: player.id, reason };
            self.exchange.event(event);
            if let (None, Some(peer)) = (player.connection, player.peer) {
                self.release_peer(peer);
            }
            for id in [player.connection, player.relay].into_iter().flatten() {
                if let Some(connection) = self.exchange.get_mut(id) {
                    connection.place = None;
                }
                self.exchange.doom(id, reason);
            }
        }
        if let Some(lobby) = self.lobbies.get(key).filter(|lobby| lobby.life > 0) {
            self.ended.push(lobby.edition);
        }
        self.exchange.counts.stats.lobbies -= 1;
        self.exchange.event(ServerEvent::LobbyClosed { lobby: name, reason });
        self.release(key);
    }

    /// The server goes: every lobby ends, so that the directory forgets its name, and every connection.
    pub(super) fn close_all(&mut self) {
        for key in self.lobbies.keys() {
            if self.lobbies.get(key).is_some_and(Lobby::is_open) {
                self.end_lobby(key, CloseReason::ShuttingDown);
            }
        }
        let ids: Vec<ConnectionId> = self.exchange.ids().collect();
        for id in ids {
            self.exchange.doom(id, CloseReason::ShuttingDown);
        }
    }

    /// The lobby is not there any more; its name is ours until the directory has heard of it.
    pub(super) fn release(&mut self, key: LobbyKey) {
        let Some(mut lobby) = self.lobbies.remove(key) else { return };
        self.exchange.timers.disarm(TimerKey::Lobby(key), &mut lobby.armed);
        if lobby.published {
            let ask = DirectoryAsk::Publish { name: lobby.name.clone(), listing: None };
            self.ask(Question::Notice, Ask::Directory(ask));
        }
        self.begin_release(lobby.name);
        // Who waited for it to open waits for its name now.
        for id in lobby.waiting {
            self.proceed(id);
        }
    }

    /// Tells the directory that the name is free, unless it is in use. Until it has answered, joins for it wait.
    pub(super) fn begin_release(&mut self, name: LobbyName) {
        let old = self.lobbies.by_name(&name).map(|(_, lobby)| lobby.stage);
        if matches!(old, Some(Stage::Open | Stage::Opening(_))) {
            return;
        }
        let question = Question::Release(name.clone());
        let ask = self.ask(question, Ask::Directory(DirectoryAsk::Release { name: name.clone() }));
        match self.lobbies.by_name(&name) {
            Some((_, lobby)) => lobby.stage = Stage::Releasing(Some(ask)),
            None => {
                self.lobbies.insert(Box::new(Lobby::releasing(name, ask)));
            }
        }
    }

    /// The directory knows that the name is free.
    pub(super) fn on_released(&mut self, ask: AskId, name: &LobbyName) {
        if let Some((_, lobby)) = self.lobbies.by_name(name)
            && lobby.stage == Stage::Releasing(Some(ask))
        {
            lobby.stage = Stage::Releasing(None);
            self.free(name);
        }
    }

    /// Nothing is there of the lobby any more, unless an answer is due that may say that its name is ours: it cannot be
    /// told from one that was given before the name was let go.
    pub(super) fn free(&mut self, name: &LobbyName) {
        let Some((key, lobby)) = self.lobbies.by_name(name) else { return };
        if lobby.stage != Stage::Releasing(None) || self.asks.is_asked_for(name) {
            return;
        }
        let waiting = self.lobbies.remove(key).map(|lobby| lobby.waiting).unwrap_or_default();
        for id in waiting {
            self.proceed(id);
        }
    }
}
