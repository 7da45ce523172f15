//! What is known of the lobby: who is in it, what it is called, and how that changes by what the server says.

use super::event::{Channel, Kind, PeerEvent, PeerMessage, Refusal};
use super::outbox::{Act, Outbox};
use super::{Peer, Phase};
use crate::id::PlayerId;
use crate::star::ServerSays;
use crate::time::Instant;
use crate::wire::signal::{
    ClientMessage, CloseReason, Data, LobbyInfo, LobbyJoined, PlayerEntry, PlayerList, RtcSignal, ServerError,
    ServerMessage, WebrtcSignal,
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

    /// Everybody as told now. Who has gone is told first, then who has come and what has changed. Memory that was lost does
    /// not come back: who is told of in an older life is away, as far as a server knows that has lost its own memory.
    fn update(&mut self, list: Vec<PlayerEntry>, left: &[(PlayerId, CloseReason)], out: &mut Outbox) {
        let known = |entry: PlayerEntry| match self.0.get(&entry.player_id) {
            Some(known) if known.incarnation > entry.incarnation => PlayerEntry { connected: false, ..known.clone() },
            _ => entry,
        };
        let new: BTreeMap<_, _> = list.into_iter().map(|entry| (entry.player_id, known(entry))).collect();
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
        let Some(message) = self.on_star_message(message) else { return };
        match message {
            ServerMessage::PlayerListUpdated(list) => self.on_player_list(list),
            // Players know the host from the star.
            ServerMessage::HostMigration(_) => {}
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
            ServerMessage::WebrtcSignal(said) => self.on_signal(said),
            ServerMessage::Done(done) => self.on_done(done.request, Ok(())),
            ServerMessage::Error(error) => self.on_refused(error),
            _ => self.out.dropped.frames += 1,
        }
    }

    /// A player says something about a direct path, which is for whoever makes them.
    fn on_signal(&mut self, said: WebrtcSignal) {
        let from = said.from_player;
        let is_known = from != self.hub.me && self.lobby.as_ref().is_some_and(|lobby| lobby.roster.get(from).is_some());
        if is_known && !self.config.direct_paths.is_empty() {
            self.out.act(Act::Signal(from, said.signal));
        } else {
            self.out.dropped.frames += 1;
        }
    }

    /// Passes on what whoever makes direct paths has to say to a player, if the server knows it.
    pub(super) fn tell_signal(&mut self, player: PlayerId, signal: RtcSignal) {
        let is_known = self.lobby.as_ref().is_some_and(|lobby| lobby.roster.get(player).is_some());
        if self.connection.phase == Phase::In && is_known {
            self.say(&ClientMessage::WebrtcSignal(WebrtcSignal {
                from_player: self.hub.me,
                to_player: player,
                signal,
            }));
        }
    }

    /// In, or back in. What has changed in the meantime is told before the player is told to be back.
    pub(super) fn on_lobby_joined(&mut self, mut joined: LobbyJoined) {
        let is_here = joined.player_list.iter().any(|entry| entry.player_id == joined.player_id);
        if !is_here || self.lobby.is_some() && joined.player_id != self.hub.me {
            self.out.dropped.frames += 1;
            return;
        }
        self.connection.on_joined(self.now, joined.lobby.lobby_id.clone(), joined.token.take());
        let relay_token = joined.relay_token.take();
        let resumed = self.lobby.is_some();
        let lobby = self.lobby.get_or_insert_with(|| Lobby {
            info: joined.lobby.clone(),
            roster: Roster(joined.player_list.iter().map(|entry| (entry.player_id, entry.clone())).collect()),
            hostless_since: None,
        });
        lobby.roster.update(core::mem::take(&mut joined.player_list), &[], &mut self.out);
        joined.player_list = lobby.roster.iter().cloned().collect();
        lobby.info = joined.lobby.clone();
        self.enter_star(&joined);
        self.sync(&[]);
        self.hub.on_server_reachable(self.now, true);
        if let Some(view) = joined.view.take() {
            self.hub.on_server(self.now, ServerSays::InForce(Box::new(view)));
        }
        if resumed {
            self.hub.tell_events(self.now, &mut self.out);
        }
        self.tell_joined(joined, resumed);
        self.on_relay_token(relay_token);
        self.resend_hidden();
    }

    fn on_player_list(&mut self, list: PlayerList) {
        let Some(lobby) = &mut self.lobby else { return };
        if !list.player_list.iter().any(|entry| entry.player_id == self.hub.me) {
            // Who is put out is told so; a roster without us is none of ours.
            self.out.dropped.frames += 1;
            return;
        }
        lobby.roster.update(list.player_list, &list.left, &mut self.out);
        self.sync(&list.left.iter().map(|(player, _)| *player).collect::<Vec<_>>());
    }

    /// The star follows the roster.
    fn sync(&mut self, left: &[PlayerId]) {
        if let Some(lobby) = &self.lobby {
            self.hub.on_roster(self.now, &lobby.roster, left, &mut self.out);
        }
    }

    /// The clock of a missing host starts or stops.
    pub(super) fn watch_host(&mut self) {
        let (now, is_missing) = (self.now, self.hub.is_host_missing());
        if let Some(lobby) = &mut self.lobby {
            lobby.hostless_since = is_missing.then(|| lobby.hostless_since.unwrap_or(now));
        }
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
        let channel = Channel::Reliable;
        let (seq, position, is_rewritten) = (0, None, false);
        let message = PeerMessage { from, channel, seq, kind, payload, position, is_rewritten };
        self.out.event(PeerEvent::Message(message));
    }

    fn on_refused(&mut self, error: ServerError) {
        let refusal = Refusal { code: error.code, message: error.message };
        match error.request {
            0 => self.out.event(PeerEvent::Refused(refusal)),
            request => self.on_done(request, Err(refusal)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Incarnation;
    use crate::wire::signal::SessionKey;
    use crate::wire::signal::{Role, Username, Version};

    fn entry(life: u32, connected: bool) -> PlayerEntry {
        PlayerEntry {
            player_id: PlayerId(7),
            username: Username::new("Player").expect("a name"),
            role: Role::Player,
            ready: false,
            connected,
            hidden: false,
            peer_id: None,
            incarnation: Incarnation(life),
            session: SessionKey(7),
            version: Version::CURRENT,
            key: None,
        }
    }

    /// A server that had lost its memory knew of a player what the first who came back could show; another had heard of its
    /// next life already, and heard of the old one again.
    #[test]
    fn a_server_that_has_forgotten_makes_nobody_what_it_was_before() {
        let mut roster = Roster(BTreeMap::from([(PlayerId(7), entry(3, true))]));
        let mut out = Outbox::new(false);
        roster.update(vec![entry(2, true)], &[], &mut out);
        assert_eq!(roster.get(PlayerId(7)), Some(&entry(3, false)));
        roster.update(vec![entry(3, true)], &[], &mut out);
        roster.update(vec![entry(4, true)], &[], &mut out);
        assert_eq!(roster.get(PlayerId(7)), Some(&entry(4, true)));
    }
}
