//! What members say to each other through the server. The sender is stamped, never believed; the content is not looked
//! at.

use super::connection::Place;
use super::counts::Dropped;
use super::limits::Rate;
use super::queue::Class;
use super::{Server, ServerEvent};
use crate::id::{ConnectionId, PlayerId};
use crate::time::Instant;
use crate::wire::relay;
use crate::wire::signal::{BroadcastData, Data, ErrorCode, Frame, RelayData, Role, ServerMessage, WebrtcSignal};
use bytes::Bytes;

impl Server {
    /// A relayed packet: to one other player of the lobby, over its relay connection if it has one.
    pub(super) fn on_packet(&mut self, from: ConnectionId, frame: Bytes) {
        match self.pass(from, frame) {
            Ok(to) => self.passed_on(from, to, 1),
            Err(why) => self.exchange.counts.dropped(why),
        }
    }

    fn passed_on(&mut self, from: ConnectionId, to: PlayerId, times: u64) {
        let now = self.exchange.now;
        self.exchange.counts.stats.relayed += times;
        if let Some(connection) = self.exchange.get_mut(from) {
            connection.talk.on_passed(now, to);
        }
    }

    /// How many talk through this server at the moment; the others talk by direct paths, or not at all.
    pub fn relaying(&self, now: Instant) -> usize {
        self.exchange.connections().filter(|connection| connection.talk.is_on(now)).count()
    }

    fn pass(&mut self, from: ConnectionId, frame: Bytes) -> Result<PlayerId, Dropped> {
        let connection = self.exchange.get(from).ok_or(Dropped::NotInLobby)?;
        let place = connection.place.ok_or(Dropped::NotInLobby)?;
        connection.version.ok_or(Dropped::Guest)?;
        let (to, _) = relay::parse(&frame).map_err(|_| Dropped::Malformed)?;
        self.charge(place, frame.len())?;
        let lobby = self.lobbies.get(place.lobby).ok_or(Dropped::NotInLobby)?;
        let target = lobby.player(to).ok_or(Dropped::NobodyThere)?;
        if target.role == Role::Guest {
            return Err(Dropped::Guest);
        }
        let receiver = target.relay.or(target.connection).ok_or(Dropped::Away)?;
        let frame = relay::restamp(frame, to, place.player);
        self.exchange.send(receiver, Frame::Binary(frame), Class::Relayed);
        Ok(to)
    }

    /// Takes it from what the lobby may relay.
    fn charge(&mut self, place: Place, bytes: usize) -> Result<(), Dropped> {
        let rate = Rate::per_second(u64::from(self.config.lobby_bytes_per_second), 1);
        let lobby = self.lobbies.get_mut(place.lobby).ok_or(Dropped::NotInLobby)?;
        let is_free = lobby.bytes.take(self.exchange.now, rate, bytes as u64);
        if is_free { Ok(()) } else { Err(Dropped::LobbyRate) }
    }

    /// Something for one member, or for the server's application.
    pub(super) fn on_relay_data(&mut self, from: ConnectionId, message: RelayData) {
        let Some(place) = self.exchange.get(from).and_then(|connection| connection.place) else {
            return self.refuse(from, ErrorCode::NotInLobby, 0);
        };
        let Some(lobby) = self.lobbies.get(place.lobby) else { return };
        if message.to_player == PlayerId(0) {
            let (lobby, player) = (lobby.name.clone(), place.player);
            return self.exchange.event(ServerEvent::ClientMessage { lobby, player, data: message.data });
        }
        let Some(target) = lobby.player(message.to_player) else {
            self.exchange.counts.dropped(Dropped::NobodyThere);
            return self.refuse(from, ErrorCode::NoSuchPlayer, 0);
        };
        let Some(receiver) = target.connection else { return self.exchange.counts.dropped(Dropped::Away) };
        if let Err(why) = self.charge(place, message.data.as_json().len()) {
            return self.exchange.counts.dropped(why);
        }
        self.passed_on(from, message.to_player, 1);
        let stamped = RelayData { from_player: place.player, ..message };
        self.exchange.say_as(receiver, &ServerMessage::RelayData(stamped), Class::Relayed);
    }

    /// Something for all other members.
    pub(super) fn on_broadcast_data(&mut self, from: ConnectionId, message: BroadcastData) {
        let (now, len) = (self.exchange.now, message.data.as_json().len());
        let Some(place) = self.exchange.get(from).and_then(|connection| connection.place) else {
            return self.refuse(from, ErrorCode::NotInLobby, 0);
        };
        let Some(lobby) = self.lobbies.get(place.lobby) else { return };
        let others = lobby.players.iter().filter(|player| player.id != place.player);
        let (there, away): (Vec<_>, Vec<_>) = others.partition(|player| player.connection.is_some());
        let (there, away) = (there.len(), away.len());
        for _ in 0..away {
            self.exchange.counts.dropped(Dropped::Away);
        }
        let Some(connection) = self.exchange.get_mut(from) else { return };
        // The frame itself has been charged once.
        if !connection.buckets.fan_out(now, &self.config, len * there.saturating_sub(1)) {
            return self.exchange.counts.dropped(Dropped::Rate);
        }
        if let Err(why) = self.charge(place, len * there) {
            return self.exchange.counts.dropped(why);
        }
        self.passed_on(from, PlayerId(0), there as u64);
        let stamped = BroadcastData { from_player: place.player, ..message };
        self.tell_all(place.lobby, &ServerMessage::BroadcastData(stamped), Some(place.player), Class::Relayed);
    }

    /// The server's application says something to everybody.
    pub(super) fn on_send_to_all(&mut self, data: Data) {
        let message = ServerMessage::BroadcastData(BroadcastData { from_player: PlayerId(0), data });
        let mut shared = super::connection::Shared::new(&message);
        for key in self.lobbies.keys() {
            let Some(lobby) = self.lobbies.get(key) else { continue };
            let receivers = lobby.players.iter().filter_map(|player| player.connection);
            for receiver in receivers {
                shared.send(&mut self.exchange, receiver, Class::Signal);
            }
        }
    }

    /// A step of a WebRTC negotiation, to another player.
    pub(super) fn on_webrtc_signal(&mut self, from: ConnectionId, message: WebrtcSignal) {
        let Some(place) = self.exchange.get(from).and_then(|connection| connection.place) else {
            return self.refuse(from, ErrorCode::NotInLobby, 0);
        };
        let Some(lobby) = self.lobbies.get(place.lobby) else { return };
        let is_player = |id| lobby.player(id).filter(|player| player.role != Role::Guest);
        if is_player(place.player).is_none() {
            return self.refuse(from, ErrorCode::GuestsCannot, 0);
        }
        let Some(target) = is_player(message.to_player) else {
            return self.refuse(from, ErrorCode::NoSuchPlayer, 0);
        };
        let Some(receiver) = target.connection else { return self.exchange.counts.dropped(Dropped::Away) };
        // It would be closed for reading too slowly, and anybody could do that to anybody.
        if self.exchange.is_crowded(receiver) {
            self.exchange.counts.dropped(Dropped::SlowReceiver);
            return self.refuse(from, ErrorCode::Busy, 0);
        }
        let stamped = WebrtcSignal { from_player: place.player, ..message };
        self.exchange.counts.stats.signals += 1;
        self.exchange.say(receiver, &ServerMessage::WebrtcSignal(stamped));
    }
}
