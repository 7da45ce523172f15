//! What members want of their lobby: ready, start, lock, kick, ban, metadata, another host. Each is checked, done, and
//! answered.

use super::Server;
use super::connection::Place;
use super::lobby::Player;
use super::queue::Class;
use crate::id::{ConnectionId, PlayerId};
use crate::wire::signal::{
    ClientMessage, CloseReason, Done, ErrorCode, GameStarted, HostCause, Kicked, RequestHostMigration, Role,
    ServerMessage,
};

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
            ClientMessage::RequestHostMigration(_) => {
                let view = lobby.star.view().map(|view| view.epoch).ok_or(ErrorCode::NotHost)?;
                self.suspect(place, view);
            }
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
        if lobby.star.view().is_some() && order.to != Some(host.player) {
            return self.hand_over_star(host.lobby, order.to);
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
}
