//! Guests speak only the documented JSON: what is meant for them goes through the server.

use super::event::{Channel, SendError, Sent};
use super::{Destination, Peer, Phase};
use crate::id::PlayerId;
use crate::wire::signal::{ClientMessage, Data, RelayData, Role};
use bytes::Bytes;

/// Bytes that may wait for the server before data for guests is refused.
const WINDOW: usize = 256 * 1024;

impl Peer {
    /// A message for a guest goes through the server, whatever its kind.
    pub(super) fn send_to_guest(
        &mut self,
        guest: PlayerId,
        channel: Channel,
        kind: &str,
        payload: &[u8],
    ) -> Result<Sent, SendError> {
        let data = Data::of_bytes(payload);
        if self.connection.phase != Phase::In {
            return Err(SendError::NotJoined);
        }
        if !data.is_sendable() {
            return Err(SendError::TooLong { max: Data::MAX });
        }
        if self.waiting() > WINDOW {
            self.hub.refused_for_guest(channel);
            return Err(SendError::Full { queued: self.waiting() });
        }
        // The star numbers it, and acknowledges what is kept. Nobody there hears it.
        let to = Destination::One(guest);
        let sent = match channel.is_kept() {
            true => self.hub.send(self.now, &to, channel, kind, Bytes::new(), &mut self.out)?,
            false => self.hub.number(channel),
        };
        self.say(&ClientMessage::RelayData(RelayData { from_player: self.hub.me, to_player: guest, data }));
        self.settle_star();
        Ok(sent)
    }

    /// The guests among those meant get it through the server, as far as it carries.
    pub(super) fn send_to_guests(&mut self, to: &Destination, payload: &[u8]) {
        let guests = match to {
            Destination::All | Destination::Others => self.guests(|_| true),
            Destination::AllBut(players) => self.guests(|guest| !players.contains(&guest)),
            Destination::Host | Destination::One(_) => return,
        };
        if guests.is_empty() || self.connection.phase != Phase::In || self.waiting() > WINDOW {
            return;
        }
        let data = Data::of_bytes(payload);
        if !data.is_sendable() {
            return;
        }
        for to_player in guests {
            let data = data.clone();
            self.say(&ClientMessage::RelayData(RelayData { from_player: self.hub.me, to_player, data }));
        }
    }

    /// The guests that a message is meant for.
    fn guests(&self, is_meant: impl Fn(PlayerId) -> bool) -> Vec<PlayerId> {
        let entries = self.lobby.iter().flat_map(|lobby| lobby.roster.iter());
        let guests = entries.filter(|entry| entry.role == Role::Guest && entry.connected && is_meant(entry.player_id));
        guests.map(|entry| entry.player_id).collect()
    }

    /// Bytes that wait for the server, here and in the stream.
    fn waiting(&self) -> usize {
        self.connection.buffered.saturating_add(self.out.bytes)
    }

    /// So much has left for the server that it takes data for guests again.
    pub(super) fn tell_guests_drained(&mut self) {
        if self.waiting() <= WINDOW / 2 {
            self.hub.tell_guests_drained(&mut self.out);
        }
    }
}
