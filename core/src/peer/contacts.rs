//! With whom links can be: the roster, as the hub sees it. A link ends with the memory of its player, and when the player is
//! told to have left. Who is only missing from a roster is perhaps there: a server that has lost its memory may know of it
//! later, and of an older record first. Its link is kept for a while, and cannot be heard.

use super::hub::Hub;
use super::lobby::Roster;
use super::outbox::Outbox;
use super::spoke::Spoke;
use crate::id::{PlayerId, SessionId};
use crate::session::SessionIds;
use crate::star::Member;
use crate::time::{Duration, Instant};
use crate::wire::signal::{self, SessionKey, Version};
use crate::wire::view::PublicKey;

/// Whoever is missing from a roster for longer has left.
const ABSENCE: Duration = Duration::from_secs(10);
/// Links that are kept for players who are missing.
const MAX_ABSENT: usize = 64;

/// With whom a link can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Contact {
    pub(super) key: SessionKey,
    pub(super) version: Version,
    pub(super) is_connected: bool,
}

impl Hub {
    /// The roster has changed, and these players have left.
    pub(super) fn on_roster(&mut self, now: Instant, roster: &Roster, left: &[PlayerId], out: &mut Outbox) {
        let Some(mine) = roster.get(self.me) else { return };
        self.ours = mine.session;
        self.standing = None;
        let others = roster.iter().filter(|entry| entry.role != signal::Role::Guest && entry.player_id != self.me);
        let contact = |key, version, is_connected| Contact { key, version, is_connected };
        self.contacts =
            others.map(|entry| (entry.player_id, contact(entry.session, entry.version, entry.connected))).collect();
        self.judge_spokes(now, left, out);
        let members = roster.iter().filter(|entry| entry.role != signal::Role::Guest).map(|entry| Member {
            player: entry.player_id,
            incarnation: entry.incarnation,
            key: entry.key.unwrap_or(PublicKey([0; 32])),
            is_eligible: entry.role == signal::Role::Player && !entry.hidden && entry.key.is_some(),
            is_connected: entry.connected,
        });
        self.star.on_members(now, &members.collect::<Vec<_>>(), &mut self.said);
        self.relay_all(now, out);
    }

    /// Which links go on, which end, and which are kept in case.
    fn judge_spokes(&mut self, now: Instant, left: &[PlayerId], out: &mut Outbox) {
        let mut absent = self.spokes.values().filter(|spoke| spoke.is_absent()).count();
        for player in self.players() {
            let ids = self.ids(player);
            let Some(spoke) = self.spokes.get_mut(&player) else { continue };
            let is_kept = match ids {
                Some(ids) => {
                    spoke.set_absent(None);
                    ids == spoke.ids
                }
                None if spoke.is_absent() => !left.contains(&player),
                None => {
                    absent += 1;
                    spoke.set_absent(Some(now + ABSENCE));
                    absent <= MAX_ABSENT && !left.contains(&player)
                }
            };
            if !is_kept {
                self.close_spoke(now, player, out);
            }
        }
    }

    /// Who is missing for too long has left.
    pub(super) fn end_absences(&mut self, now: Instant, out: &mut Outbox) {
        let is_over = |spoke: &Spoke| spoke.absent_until().is_some_and(|until| until <= now);
        let over: Vec<_> = self.spokes.iter().filter(|(_, spoke)| is_over(spoke)).map(|(player, _)| *player).collect();
        over.into_iter().for_each(|player| self.close_spoke(now, player, out));
    }

    /// What the conversation with a player is named by.
    pub(super) fn ids(&self, player: PlayerId) -> Option<SessionIds> {
        let contact = self.contacts.get(&player)?;
        Some(SessionIds { ours: SessionId(self.ours.0), theirs: SessionId(contact.key.0) })
    }
}
