//! L4: nobody becomes host in another's place without a reason that lies in the world: the old host left or died, or its
//! way, the server or the ways of half of the others were harmed not long before. At most once for each view.

use super::{Cast, Check, Life, Room, Seen};
use crate::world::SeatId;
use core::time::Duration;
use std::collections::BTreeMap;
use webstar_core::id::PlayerId;
use webstar_core::time::Instant;
use webstar_core::wire::signal::{Epoch, HostCause};

/// What was harmed so long ago may still be the reason: the time to notice, to ask, and to try several candidates.
const WINDOW: Duration = Duration::from_secs(15);

/// Watches the reasons of host changes.
#[derive(Debug, Default)]
pub struct Provoked {
    /// By seat, or the server: how many harms last, and when the last one ended.
    harms: BTreeMap<Option<SeatId>, (u32, Option<Instant>)>,
    /// By lobby: the newest view and its host.
    hosts: BTreeMap<Room, (Epoch, PlayerId)>,
    /// Lives that have ended, and when.
    over: BTreeMap<Life, Instant>,
}

impl Check for Provoked {
    fn name(&self) -> &'static str {
        "provoked"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        match (life, *seen) {
            (_, Seen::Harm { seat, begins }) => {
                let (lasting, ended) = self.harms.entry(seat).or_default();
                *lasting = if begins { *lasting + 1 } else { lasting.saturating_sub(1) };
                *ended = Some(cast.now);
                Ok(())
            }
            (_, Seen::ServerRestarted) => {
                self.harms.entry(None).or_default().1 = Some(cast.now);
                Ok(())
            }
            (_, Seen::Quiet) => {
                self.harms.values_mut().filter(|(lasting, _)| *lasting > 0).for_each(|(lasting, ended)| {
                    (*lasting, *ended) = (0, Some(cast.now));
                });
                Ok(())
            }
            (Some(life), Seen::Ended | Seen::Crashed) => {
                self.over.insert(life, cast.now);
                Ok(())
            }
            (Some(life), Seen::ViewChanged { epoch, host }) => {
                self.hosts.entry(cast.person(life).room).or_insert((epoch, host));
                Ok(())
            }
            (Some(life), Seen::HostChanged { epoch, host, cause }) => self.host_changed(life, epoch, host, cause, cast),
            _ => Ok(()),
        }
    }
}

impl Provoked {
    fn host_changed(
        &mut self,
        life: Life,
        epoch: Epoch,
        host: PlayerId,
        cause: Option<HostCause>,
        cast: &Cast,
    ) -> Result<(), String> {
        let room = cast.person(life).room;
        let known = self.hosts.get(&room).copied();
        if known.is_some_and(|(known, _)| known >= epoch) {
            return Ok(());
        }
        self.hosts.insert(room, (epoch, host));
        let Some((_, old)) = known.filter(|(_, old)| *old != host) else { return Ok(()) };
        let is_wanted = matches!(cause, None | Some(HostCause::Graceful | HostCause::Chosen));
        if is_wanted || self.has_reason(room, old, cast) {
            return Ok(());
        }
        Err(format!(
            "{life:?} hears that player {} is host in epoch {epoch} ({cause:?}) instead of player {}, and nothing was wrong \
             with that one",
            host.0, old.0
        ))
    }

    fn has_reason(&self, room: Room, old: PlayerId, cast: &Cast) -> bool {
        let recent = |at: Instant| cast.now.since(at) <= WINDOW;
        let harmed = |seat: Option<SeatId>| {
            self.harms.get(&seat).is_some_and(|(lasting, ended)| *lasting > 0 || ended.is_some_and(recent))
        };
        let of_room = || cast.people().filter(|(_, person)| person.room == room && person.player.is_some());
        let hosts = || of_room().filter(|(_, person)| person.player == Some(old));
        let has_suffered =
            |life: Life, seat: SeatId| harmed(Some(seat)) || self.over.get(&life).copied().is_some_and(recent);
        // Who is gone for good is missed however late.
        let is_dead = hosts().last().is_some_and(|(life, _)| self.over.contains_key(&life));
        if is_dead || hosts().any(|(life, person)| has_suffered(life, person.seat)) {
            return true;
        }
        let is_gone = |life: &Life| self.over.get(life).copied();
        let others: Vec<bool> = of_room()
            .filter(|(life, person)| person.player != Some(old) && !person.is_guest && is_gone(life).is_none_or(recent))
            .map(|(life, person)| is_gone(&life).is_some() || harmed(Some(person.seat)))
            .collect();
        let count = others.iter().filter(|harmed| **harmed).count();
        harmed(None) || count > 0 && 2 * count >= others.len()
    }
}
