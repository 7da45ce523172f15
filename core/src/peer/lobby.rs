//! What is known of the lobby: who is in it, what it is called, and how that changes by what the server says.

use super::event::{Channel, Kind, PeerEvent, PeerMessage, Refusal};
use super::outbox::Outbox;
use super::{Peer, Phase};
use crate::id::PlayerId;
use crate::time::Instant;
use crate::wire::signal::{
    CloseReason, Data, HostMigration, LobbyInfo, LobbyJoined, PlayerEntry, PlayerList, ServerError, ServerMessage,
};
use std::collections::BTreeMap;

/// The kind of what comes through the server.
pub(super) const RELAYED: &str = "relay";

/// Everybody in the lobby, by number.
#[derive(Debug, Default)]
pub(super) struct Roster(BTreeMap<PlayerId, PlayerEntry>);

impl Roster {
    pub(super) fn get(&self, player: PlayerId) -> Option<&PlayerEntry> {
        self.0.get(&player)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PlayerEntry> {
        self.0.values()
    }

    /// Everybody as told now. Who has gone is told first, then who has come and what has changed.
    fn update(&mut self, list: Vec<PlayerEntry>, left: &[(PlayerId, CloseReason)], out: &mut Outbox) {
        let new: BTreeMap<_, _> = list.into_iter().map(|entry| (entry.player_id, entry)).collect();
        for player in self.0.keys().filter(|player| !new.contains_key(player)) {
            let told = left.iter().find(|(gone, _)| gone == player);
            out.event(PeerEvent::PlayerLeft {
                player: *player,
                reason: told.map_or(CloseReason::Left, |(_, why)| *why),
            });
        }
        for (player, entry) in &new {
            match self.0.get(player) {
                None => out.event(PeerEvent::PlayerJoined(entry.clone())),
                Some(old) if old != entry => out.event(PeerEvent::PlayerChanged(entry.clone())),
                Some(_) => {}
            }
        }
        self.0 = new;
    }
}

/// The lobby this player is in.
#[derive(Debug)]
pub(super) struct Lobby {
    pub(super) info: LobbyInfo,
    pub(super) roster: Roster,
    /// Since when the host that was there is missing.
    pub(super) hostless_since: Option<Instant>,
}

impl Peer {
    /// The server says something that belongs to the lobby.
    pub(super) fn on_lobby_message(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::PlayerListUpdated(list) => self.on_player_list(list),
            ServerMessage::HostMigration(migration) => self.on_host_migration(&migration),
            ServerMessage::LobbyChanged(changed) => {
                if let Some(lobby) = &mut self.lobby
                    && lobby.info != changed.lobby
                {
                    lobby.info = changed.lobby;
                    self.out.event(PeerEvent::LobbyChanged(lobby.info.clone()));
                }
            }
            ServerMessage::GameStarted(started) => self.out.event(PeerEvent::GameStarted { by: started.by }),
            ServerMessage::RelayData(relayed) => self.on_data(relayed.from_player, relayed.data),
            ServerMessage::BroadcastData(relayed) => self.on_data(relayed.from_player, relayed.data),
            ServerMessage::Done(done) => self.on_done(done.request, Ok(())),
            ServerMessage::Error(error) => self.on_refused(error),
            _ => self.out.dropped.frames += 1,
        }
    }

    /// In, or back in. What has changed in the meantime is told before the player is told to be back.
    pub(super) fn on_lobby_joined(&mut self, joined: LobbyJoined) {
        let LobbyJoined { player_id, player_list, host_id, epoch, lobby: info, token, relay_token, .. } = joined;
        let is_here = player_list.iter().any(|entry| entry.player_id == player_id);
        if !is_here || self.lobby.is_some() && player_id != self.star.me {
            self.out.dropped.frames += 1;
            return;
        }
        self.connection.on_joined(self.now, info.lobby_id.clone(), token);
        let resumed = self.lobby.is_some();
        match &mut self.lobby {
            Some(lobby) => {
                lobby.roster.update(player_list.clone(), &[], &mut self.out);
                lobby.info = info.clone();
                if let Some(host) = host_id {
                    self.star.on_view(self.now, epoch, host, None, &mut self.out);
                }
            }
            None => {
                let roster = player_list.iter().map(|entry| (entry.player_id, entry.clone())).collect();
                self.lobby = Some(Lobby { info: info.clone(), roster: Roster(roster), hostless_since: None });
                self.star.enter(self.now, player_id, self.connection.version, epoch, host_id);
            }
        }
        let (host, epoch) = (self.star.host, self.star.epoch);
        self.out.event(PeerEvent::Joined {
            player: player_id,
            lobby: info,
            members: player_list,
            host,
            epoch,
            resumed,
        });
        self.sync();
        // Who fell behind while the server could not be told is still to be put out.
        self.out.fallen.extend(self.star.fallen.iter().copied());
        self.on_relay_token(relay_token);
        self.resend_hidden();
    }

    fn on_player_list(&mut self, list: PlayerList) {
        let Some(lobby) = &mut self.lobby else { return };
        if !list.player_list.iter().any(|entry| entry.player_id == self.star.me) {
            // Who is put out is told so; a roster without us is none of ours.
            self.out.dropped.frames += 1;
            return;
        }
        lobby.roster.update(list.player_list, &list.left, &mut self.out);
        self.sync();
    }

    fn on_host_migration(&mut self, migration: &HostMigration) {
        if self.lobby.is_some() {
            let HostMigration { new_host_id, epoch, cause } = *migration;
            self.star.on_view(self.now, epoch, new_host_id, cause, &mut self.out);
            self.sync();
        }
    }

    /// The star follows the roster, and the clock of a missing host starts or stops.
    fn sync(&mut self) {
        let Some(lobby) = &mut self.lobby else { return };
        self.star.on_roster(self.now, &lobby.roster, &mut self.out);
        let is_missing =
            self.star.host.is_some_and(|host| !lobby.roster.get(host).is_some_and(|entry| entry.connected));
        lobby.hostless_since = is_missing.then(|| lobby.hostless_since.unwrap_or(self.now));
    }

    /// When the lobby has been without its host for too long. Not counted while we are away ourselves.
    pub(super) fn hostless_until(&self) -> Option<Instant> {
        let since = self.lobby.as_ref()?.hostless_since?;
        (self.connection.phase == Phase::In).then(|| since + self.config.host_migration_timeout)
    }

    /// Something came through the server: from a guest, or from its application.
    fn on_data(&mut self, from: PlayerId, data: Data) {
        if self.lobby.is_none() {
            return;
        }
        if from == PlayerId(0) {
            self.out.event(PeerEvent::ServerData(data));
            return;
        }
        let kind = Kind::new(RELAYED).expect("the name is short");
        let payload = data.to_bytes();
        self.out.event(PeerEvent::Message(PeerMessage { from, channel: Channel::Reliable, seq: 0, kind, payload }));
    }

    fn on_refused(&mut self, error: ServerError) {
        let refusal = Refusal { code: error.code, message: error.message };
        match error.request {
            0 => self.out.event(PeerEvent::Refused(refusal)),
            request => self.on_done(request, Err(refusal)),
        }
    }
}
