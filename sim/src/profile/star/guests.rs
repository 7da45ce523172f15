//! What guests are told, by the server and through it.

use super::eye::Book;
use crate::check::star::{Life, Person, Seen, bit};
use crate::trace::{self, StarStep, Step};
use webstar_core::id::PlayerId;
use webstar_core::time::Instant;
use webstar_core::wire::signal::ServerMessage;

impl Book<'_> {
    /// A guest hears something.
    pub(super) fn on_guest(&mut self, now: Instant, life: Life, message: &ServerMessage) {
        match message {
            ServerMessage::LobbyJoined(joined) => {
                let Person { seat, room, .. } = *self.cast.person(life);
                self.stars[usize::from(seat.0)] = joined.star;
                let room = self.room(seat, room.lobby);
                let person = self.cast.person_mut(life);
                (person.room, person.player, person.is_joined) = (room, Some(joined.player_id), true);
                person.knows = joined.player_list.iter().fold(0, |known, entry| known | bit(entry.player_id));
                let step = StarStep::Joined {
                    life,
                    player: joined.player_id,
                    host: joined.host_id,
                    epoch: joined.epoch,
                    resumed: false,
                };
                self.note(now, step);
                self.see(life, &Seen::Joined { members: &joined.player_list, epoch: joined.epoch, resumed: false });
            }
            ServerMessage::HostMigration(migration) => {
                self.cast.person_mut(life).host = Some(migration.new_host_id);
                self.told(now, Some(life), "host_migration", migration);
            }
            ServerMessage::RelayData(relayed) => {
                self.overhear(now, life, relayed.from_player, &relayed.data.to_bytes());
            }
            ServerMessage::BroadcastData(relayed) => {
                self.overhear(now, life, relayed.from_player, &relayed.data.to_bytes());
            }
            other => self.told(now, Some(life), "guest", other),
        }
    }

    fn overhear(&mut self, now: Instant, life: Life, from: PlayerId, payload: &[u8]) {
        *self.tally.delivered_by.entry("server").or_default() += 1;
        let (origin, stamped) = (self.cast.overheard(life, from, payload), self.cast.stamped(payload));
        let number = origin.map(|origin| origin.number);
        let content = trace::content(payload);
        self.trace.note(now, Step::Star(StarStep::Heard { life, number, content }));
        if self.is_distrusted(life, from) {
            return;
        }
        let seen = Seen::Overheard { from, payload, origin, stamped };
        self.checks.see(Some(life), &seen, &self.cast);
    }
}
