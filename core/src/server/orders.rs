//! What members want of their lobby: ready, start, lock, kick, ban, metadata, another host. Each is checked, done, and
//! answered.

use super::Server;
use super::connection::Place;
use super::lobby::Player;
use super::queue::Class;
use crate::id::{ConnectionId, PlayerId};
use crate::time::{Duration, Instant};
use crate::wire::signal::{
    ClientMessage, CloseReason, Done, ErrorCode, GameStarted, HostCause, Kicked, RequestHostMigration, Role,
    ServerMessage,
};

/// A suspicion counts for so long.
const SUSPICION: Duration = Duration::from_secs(10);
/// Where there is only one who can suspect, it must do so for so long.
const ALONE: Duration = Duration::from_secs(3);

impl Server {
    /// An order of a member. What it is about must be known to be in the lobby.
    pub(super) fn on_order(&mut self, id: ConnectionId, message: ClientMessage) {
        let request = match &message {
            ClientMessage::Ready(order) => order.request,
            ClientMessage::StartGame(order) => order.request,
            ClientMessage::Lock(order) => order.request,
            ClientMessage::Kick(order) | ClientMessage::Ban(order) => order.request,
            ClientMessage::SetMetadata(order) => order.request,
            ClientMessage::RequestHostMigration(order) => order.request,
            _ => 0,
        };
        let Some(place) = self.exchange.get(id).and_then(|connection| connection.place) else {
            return self.refuse(id, ErrorCode::NotInLobby, request);
        };
        match self.order(place, message) {
            Ok(()) if request != 0 => self.exchange.say(id, &ServerMessage::Done(Done { request })),
            Ok(()) => {}
            Err(code) => self.refuse(id, code, request),
        }
    }

    fn order(&mut self, place: Place, message: ClientMessage) -> Result<(), ErrorCode> {
        let lobby = self.lobbies.get_mut(place.lobby).ok_or(ErrorCode::NotInLobby)?;
        let is_host = lobby.host == Some(place.player);
        let host = if is_host { Ok(()) } else { Err(ErrorCode::NotHost) };
        match message {
            ClientMessage::Ready(order) => {
                self.change_player(place, |player| core::mem::replace(&mut player.ready, order.ready) != order.ready);
            }
            ClientMessage::SetHidden(order) => {
                let hidden = order.hidden;
                self.change_player(place, |player| core::mem::replace(&mut player.hidden, hidden) != hidden);
            }
            ClientMessage::StartGame(_) => {
                host?;
                if !core::mem::replace(&mut lobby.started, true) {
                    lobby.listing_changed = true;
                    let message = ServerMessage::GameStarted(GameStarted { by: place.player });
                    self.tell_all(place.lobby, &message, None, Class::Signal);
                    self.announce(place.lobby, None);
                }
            }
            ClientMessage::Lock(order) => {
                host?;
                if core::mem::replace(&mut lobby.locked, order.locked) != order.locked {
                    self.lobby_changed(place.lobby);
                }
            }
            ClientMessage::SetMetadata(order) => {
                host?;
                if lobby.rules.metadata != order.metadata {
                    lobby.rules.metadata = order.metadata;
                    self.lobby_changed(place.lobby);
                }
            }
            ClientMessage::Kick(order) => {
                host?;
                self.put_out(place, order.player_id, false)?;
            }
            ClientMessage::Ban(order) => {
                host?;
                self.put_out(place, order.player_id, true)?;
            }
            ClientMessage::RequestHostMigration(order) if is_host => self.hand_over(place, &order)?,
            ClientMessage::RequestHostMigration(_) => self.suspect(place)?,
            _ => return Err(ErrorCode::BadMessage),
        }
        Ok(())
    }

    fn change_player(&mut self, place: Place, change: impl FnOnce(&mut Player) -> bool) {
        let player = self.lobbies.get_mut(place.lobby).and_then(|lobby| lobby.player_mut(place.player));
        if player.is_some_and(change) {
            self.roster_changed(place.lobby);
        }
    }

    /// The host puts somebody else out.
    fn put_out(&mut self, host: Place, target: PlayerId, banned: bool) -> Result<(), ErrorCode> {
        let lobby = self.lobbies.get(host.lobby).ok_or(ErrorCode::NotInLobby)?;
        let player = lobby.player(target).filter(|player| player.id != host.player).ok_or(ErrorCode::NoSuchPlayer)?;
        if let Some(connection) = player.connection {
            self.exchange.say(connection, &ServerMessage::Kicked(Kicked { banned }));
        }
        let reason = if banned { CloseReason::Banned } else { CloseReason::Kicked };
        self.remove_player(host.lobby, target, reason);
        Ok(())
    }

    /// The host gives its role to the one it names, or to the best.
    fn hand_over(&mut self, host: Place, order: &RequestHostMigration) -> Result<(), ErrorCode> {
        let lobby = self.lobbies.get(host.lobby).ok_or(ErrorCode::NotInLobby)?;
        if lobby.player(host.player).is_some_and(|player| player.role == Role::Guest) {
            return Err(ErrorCode::GuestsCannot);
        }
        let (to, cause) = match order.to {
            Some(to) if to == host.player => return Ok(()),
            Some(to) => {
                let able = lobby.player(to).filter(|p| p.role == Role::Player && p.connection.is_some());
                (able.map(|player| player.id), HostCause::Chosen)
            }
            None => {
                let best = lobby.best_host(Some(host.player)).filter(|best| best.role == Role::Player);
                (best.map(|best| best.id), HostCause::Graceful)
            }
        };
        self.migrate(host.lobby, to.ok_or(ErrorCode::NoSuchPlayer)?, cause);
        Ok(())
    }

    /// A player does not hear the host. When most say so there is another one.
    fn suspect(&mut self, place: Place) -> Result<(), ErrorCode> {
        let now = self.exchange.now;
        let lobby = self.lobbies.get_mut(place.lobby).ok_or(ErrorCode::NotInLobby)?;
        let Some(host) = lobby.host else { return Ok(()) };
        let player = lobby.player_mut(place.player).ok_or(ErrorCode::NotInLobby)?;
        if player.role != Role::Player {
            return Err(ErrorCode::GuestsCannot);
        }
        let since = player.suspects.filter(|(_, last)| last.since_within(now)).map_or(now, |(first, _)| first);
        player.suspects = Some((since, now));
        let voters = lobby.players.iter().filter(|p| p.id != host && p.role == Role::Player && p.connection.is_some());
        let voters: Vec<Option<(Instant, Instant)>> = voters.map(|player| player.suspects).collect();
        let suspecting = voters.iter().flatten().filter(|(_, last)| last.since_within(now));
        let is_outvoted = match voters.len() {
            1 => suspecting.clone().any(|&(first, last)| last.since(first) >= ALONE),
            _ => 2 * suspecting.count() > voters.len(),
        };
        let best = lobby.best_host(Some(host)).filter(|best| best.role == Role::Player);
        if let (true, true, Some(best)) = (is_outvoted, lobby.rules.enable_host_migration, best) {
            self.migrate(place.lobby, best.id, HostCause::Voted);
        }
        Ok(())
    }
}

trait Recent {
    fn since_within(&self, now: Instant) -> bool;
}

impl Recent for Instant {
    /// It counts still.
    fn since_within(&self, now: Instant) -> bool {
        now.since(*self) <= SUSPICION
    }
}
