//! What the members of a lobby are told when it has changed: who is host, who is there. Each message is written once in
//! each encoding, however many get it.

use super::ask::DirectoryAsk;
use super::asks::Question;
use super::connection::{Shared, TimerKey};
use super::elect::{Verdict, review};
use super::lobby::{Lobby, LobbyKey};
use super::queue::Class;
use super::token::Purpose;
use super::{Ask, Server, ServerEvent};
use crate::id::{ConnectionId, PlayerId};
use crate::wire::signal::{
    CloseReason, HostCause, HostMigration, LobbyChanged, LobbyJoined, PlayerList, Role, ServerMessage,
};

impl Server {
    /// The roster is another one: everybody is told.
    pub(super) fn roster_changed(&mut self, key: LobbyKey) {
        if let Some(lobby) = self.lobbies.get_mut(key) {
            lobby.roster_changed = true;
        }
        self.announce(key, None);
    }

    /// What is known of the lobby is something else: everybody is told.
    pub(super) fn lobby_changed(&mut self, key: LobbyKey) {
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        lobby.listing_changed = true;
        let message = ServerMessage::LobbyChanged(LobbyChanged { lobby: lobby.info() });
        self.tell_all(key, &message, None, Class::Signal);
        self.announce(key, None);
    }

    /// Brings everybody up to date after a change. Who has just come, or come back, is greeted instead.
    pub(super) fn announce(&mut self, key: LobbyKey, greeted: Option<(PlayerId, bool)>) {
        let Some(lobby) = self.lobbies.get(key).filter(|lobby| lobby.is_open()) else { return };
        if lobby.players.is_empty() {
            return self.end_lobby(key, CloseReason::LobbyClosed);
        }
        let had_view = lobby.star.view().is_some();
        let Ok(migration) = self.seat_host(key) else { return self.end_lobby(key, CloseReason::HostLost) };
        let is_born = !had_view && self.lobbies.get(key).is_some_and(|lobby| lobby.star.view().is_some());
        if let Some((player, resumed)) = greeted {
            self.greet(key, player, resumed);
        }
        let except = greeted.map(|(player, _)| player);
        // A new host is told before the roster without the old one, and after the roster in which it is first.
        let (is_newcomer, host) =
            (greeted.is_some_and(|(_, resumed)| !resumed), migration.as_ref().map(|m| m.new_host_id));
        let comes_last = is_newcomer && host == except;
        let migration = migration.map(ServerMessage::HostMigration);
        if let Some(migration) = migration.as_ref().filter(|_| !comes_last) {
            self.tell_all(key, migration, except, Class::Signal);
        }
        self.tell_roster(key, except);
        if let Some(migration) = migration.as_ref().filter(|_| comes_last) {
            self.tell_all(key, migration, except, Class::Signal);
        }
        if is_born {
            self.tell_view(key, except);
        }
        if let Some(player) = except {
            self.catch_up(key, player);
        }
        self.tend(key);
        self.record(key);
        self.arm_lobby(key);
    }

    /// Who is host where no view says so: the first who can be begins the star; else it is one in name. An error: the
    /// lobby's host is lost and it wants no other.
    fn seat_host(&mut self, key: LobbyKey) -> Result<Option<HostMigration>, ()> {
        let Some(lobby) = self.lobbies.get_mut(key) else { return Ok(None) };
        if lobby.star.view().is_some() {
            let is_played = lobby.players.iter().any(|player| player.role == Role::Player && player.key.is_some());
            if is_played {
                return Ok(None);
            }
            lobby.star.rest();
            lobby.star.watch.reset();
        }
        if let Some(migration) = self.begin_star(key) {
            return Ok(Some(migration));
        }
        let Some(lobby) = self.lobbies.get_mut(key) else { return Ok(None) };
        if lobby.star.view().is_some() {
            return Ok(None);
        }
        match review(lobby.chair(), lobby.successor(), lobby.rules.enable_host_migration) {
            Verdict::Keep => Ok(None),
            Verdict::Change(host, cause) => Ok(self.set_host(key, host, cause)),
            Verdict::Vacant => {
                lobby.vacated = None;
                Ok(None)
            }
            Verdict::End => Err(()),
        }
    }

    /// Another host, at once.
    pub(super) fn migrate(&mut self, key: LobbyKey, host: PlayerId, cause: HostCause) {
        if let Some(migration) = self.set_host(key, host, Some(cause)) {
            self.tell_all(key, &ServerMessage::HostMigration(migration), None, Class::Signal);
        }
        self.arm_lobby(key);
    }

    fn set_host(&mut self, key: LobbyKey, host: PlayerId, cause: Option<HostCause>) -> Option<HostMigration> {
        let lobby = self.lobbies.get_mut(key)?;
        let is_replaced = lobby.host.is_some() || lobby.vacated.is_some();
        lobby.seat(host);
        let (name, epoch) = (lobby.name.clone(), lobby.epoch);
        if is_replaced {
            self.exchange.counts.host_changed(cause);
        }
        self.exchange.event(ServerEvent::HostChanged { lobby: name, host, cause });
        Some(HostMigration { new_host_id: host, epoch, cause })
    }

    /// Tells one member all that it needs to know.
    fn greet(&mut self, key: LobbyKey, id: PlayerId, resumed: bool) {
        let Some(lobby) = self.lobbies.get(key) else { return };
        let Some(player) = lobby.player(id) else { return };
        let Some(connection) = player.connection else { return };
        let is_guest = player.role == Role::Guest;
        let token = |purpose| (!is_guest).then(|| self.token(purpose, lobby, player));
        let joined = LobbyJoined {
            player_id: id,
            player_list: lobby.roster(is_guest),
            host_id: lobby.host,
            epoch: lobby.epoch,
            lobby: lobby.info(),
            resumed,
            token: token(Purpose::Resume),
            resume_ms: u32::try_from(self.config.resume_timeout.as_millis()).unwrap_or(u32::MAX),
            relay_token: token(Purpose::Relay),
            star: lobby.star.id,
            server_key: self.seal.public,
            view: lobby.star.current().filter(|_| !is_guest).cloned(),
        };
        self.exchange.say(connection, &ServerMessage::LobbyJoined(Box::new(joined)));
        self.tell_of_helpers(key, id);
    }

    /// Who is there, for everybody who has not just been greeted.
    fn tell_roster(&mut self, key: LobbyKey, except: Option<PlayerId>) {
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        if !core::mem::take(&mut lobby.roster_changed) {
            return;
        }
        lobby.listing_changed = true;
        let left = core::mem::take(&mut lobby.left);
        for role in [true, false] {
            let receivers = receivers(lobby, except, |is_guest| is_guest == role);
            if receivers.is_empty() {
                continue;
            }
            let list = PlayerList { player_list: lobby.roster(role), left: left.clone() };
            let message = ServerMessage::PlayerListUpdated(list);
            let mut shared = Shared::new(&message);
            for receiver in receivers {
                shared.send(&mut self.exchange, receiver, Class::Signal);
            }
        }
        self.unpublished.insert(key);
    }

    /// One message for all members who are connected.
    pub(super) fn tell_all(&mut self, key: LobbyKey, message: &ServerMessage, except: Option<PlayerId>, class: Class) {
        let Some(lobby) = self.lobbies.get(key) else { return };
        let mut shared = Shared::new(message);
        for receiver in receivers(lobby, except, |_| true) {
            shared.send(&mut self.exchange, receiver, class);
        }
    }

    pub(super) fn arm_lobby(&mut self, key: LobbyKey) {
        let (now, config) = (self.exchange.now, &self.config);
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        let deadline = lobby.deadline(now, config.resume_timeout, config.lobby_idle_timeout);
        self.exchange.timers.arm(TimerKey::Lobby(key), &mut lobby.armed, deadline);
        if lobby.listing_changed {
            self.unpublished.insert(key);
        }
    }

    /// Tells the directory what everybody may see of the lobbies that have changed. Once per input, whatever happened.
    pub(super) fn publish(&mut self) {
        while let Some(key) = self.unpublished.pop_first() {
            let Some(lobby) = self.lobbies.get_mut(key).filter(|lobby| lobby.is_open()) else { continue };
            lobby.listing_changed = false;
            let (name, listing) = (lobby.name.clone(), lobby.listing());
            let was_published = core::mem::replace(&mut lobby.published, listing.is_some());
            if was_published || listing.is_some() {
                self.ask(Question::Notice, Ask::Directory(DirectoryAsk::Publish { name, listing }));
            }
        }
    }
}

fn receivers(lobby: &Lobby, except: Option<PlayerId>, takes: impl Fn(bool) -> bool) -> Vec<ConnectionId> {
    let players = lobby.players.iter().filter(|player| Some(player.id) != except && takes(player.role == Role::Guest));
    players.filter_map(|player| player.connection).collect()
}
