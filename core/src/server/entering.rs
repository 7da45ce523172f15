//! A place in a lobby: the last checks, the new member, and what it is given.

use super::connection::Place;
use super::joining::Goal;
use super::lobby::{Lobby, Player, Stage};
use super::token::{Claims, Purpose};
use super::{Server, ServerEvent};
use crate::id::{ConnectionId, Incarnation};
use crate::time::Duration;
use crate::wire::signal::{ErrorCode, Role, Secret, SessionKey, Version};

impl Server {
    /// Everything asked for is answered: it comes in, unless the lobby does not take it.
    pub(super) fn enter(&mut self, id: ConnectionId) {
        let Some(connection) = self.exchange.get(id) else { return };
        let (address, version, peer) = (connection.address, connection.version, connection.peer.clone());
        let public = connection.key.filter(|_| version.is_some());

        let Some(join) = self.join_mut(id) else { return };
        let (goal, username, spectator) = (join.goal, join.username.clone(), join.spectator);
        let Some(name) = join.name.clone() else { return };
        let Some((key, lobby)) = self.lobbies.by_name(&name).filter(|(_, lobby)| match goal {
            Goal::Making(_) => lobby.stage == Stage::Opening(id),
            _ => lobby.is_open(),
        }) else {
            return self.fail(id, ErrorCode::NoSuchLobbyOrPassword);
        };
        let obstacles = [
            (lobby.is_banned(address, &username, peer.as_ref()), ErrorCode::Banned),
            (lobby.locked, ErrorCode::LobbyLocked),
            (lobby.started && !lobby.rules.join_in_progress && !spectator, ErrorCode::GameStarted),
            (lobby.is_full(), ErrorCode::LobbyFull),
        ];
        if let Some((_, code)) = obstacles.into_iter().find(|(is_there, _)| *is_there) {
            return self.fail(id, code);
        }
        let is_new = lobby.stage != Stage::Open;
        lobby.stage = Stage::Open;
        lobby.empty_since = None;
        let player = lobby.next_id();
        let waiting = core::mem::take(&mut lobby.waiting);
        let role = role(version, spectator);
        let session = self.draw_session();
        let Some(lobby) = self.lobbies.get_mut(key) else { return };
        lobby.players.push(Player {
            id: player,
            username,
            role,
            ready: false,
            hidden: false,
            peer,
            incarnation: Incarnation(1),
            session: if role == Role::Guest { SessionKey(0) } else { session },
            version: version.unwrap_or(Version::CURRENT),
            key: public,
            connection: Some(id),
            relay: None,
            away_since: None,
            address,
            newest: 1,
            oldest: 1,
            is_revived: false,
            let_in_with: u32::MAX,
            corrected: None,
        });
        lobby.roster_changed = true;
        if let Some(connection) = self.exchange.get_mut(id) {
            connection.place = Some(Place { lobby: key, player });
        }
        let stats = &mut self.exchange.counts.stats;
        stats.joins += 1;
        stats.players += 1;
        if is_new {
            stats.lobbies += 1;
            self.exchange.event(ServerEvent::LobbyOpened { lobby: name.clone() });
        }
        self.exchange.event(ServerEvent::PlayerJoined { lobby: name, player, resumed: false });
        self.hear_newcomer(key, player);
        self.announce(key, Some((player, false)));
        for id in waiting {
            self.proceed(id);
        }
        self.finish(id);
    }

    /// The half of its sessions' names that a player gets with each incarnation.
    pub(super) fn draw_session(&mut self) -> SessionKey {
        loop {
            let key = u64::from_le_bytes(self.draw());
            if key != 0 {
                return SessionKey(key);
            }
        }
    }

    /// A token for a player; its generation is 0 for the relay.
    pub(super) fn token(&self, purpose: Purpose, lobby: &Lobby, player: &Player) -> Secret {
        let expiry = self.unix() + self.config.token_lifetime;
        let claims = Claims {
            player: player.id,
            incarnation: player.incarnation,
            generation: if purpose == Purpose::Resume { player.newest } else { 0 },
            expiry_ms: u64::try_from(expiry.as_millis()).unwrap_or(u64::MAX),
            edition: lobby.edition,
        };
        self.mint.make(purpose, &lobby.name, &claims)
    }

    /// Unix time, as far as it is known.
    pub(super) fn unix(&self) -> Duration {
        let (unix, told_at) = self.unix;
        unix + self.exchange.now.since(told_at)
    }
}

fn role(version: Option<Version>, spectator: bool) -> Role {
    match version {
        None => Role::Guest,
        Some(_) if spectator => Role::Spectator,
        Some(_) => Role::Player,
    }
}
