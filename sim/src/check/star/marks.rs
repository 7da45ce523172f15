//! Rare situations of a star, noted once in each run in which they come up: a simulator that never meets them proves
//! nothing about them. Judges nothing.

use super::chronicle::{Chronicle, News, ProofKind, What};
use super::{Cast, Life, Lives, Room, Seen};
use crate::profile::Tally;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::star::Role;
use webstar_core::time::Instant;
use webstar_core::wire::signal::{Epoch, HostCause};

/// A host that dies so soon after it has become one, dies in the middle of a migration.
const FRESH: Duration = Duration::from_millis(500);

/// What has come up.
#[derive(Debug, Default)]
pub struct Marks {
    seen: BTreeSet<&'static str>,
    /// Who is in the middle of a change of host.
    changing: BTreeMap<Life, Room>,
    /// Since when somebody is host.
    hosts: Lives<Instant>,
    lost: BTreeSet<Life>,
    forked: BTreeSet<(Room, Epoch)>,
}

impl Marks {
    pub(super) fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, chronicle: &Chronicle, cast: &Cast) {
        if let (None, Seen::ServerRestarted) = (life, seen)
            && !self.changing.is_empty()
        {
            self.seen.insert("server_restarted_in_migration");
        }
        let Some(life) = life else { return };
        let room = cast.person(life).room;
        let is_changing = self.changing.iter().any(|(other, of)| *other != life && *of == room);
        match *seen {
            Seen::Joined { resumed, .. } if is_changing => {
                self.seen.insert(if resumed { "resumed_in_migration" } else { "joined_in_migration" });
            }
            Seen::Crashed => {
                self.crashed(life, is_changing, chronicle, cast);
                self.changing.remove(&life);
            }
            Seen::Ended => {
                self.changing.remove(&life);
            }
            Seen::ContinuityLost => {
                self.lost.insert(life);
            }
            Seen::Resynced(_) => {
                let is_late = !self.lost.remove(&life);
                self.seen.insert(match is_late {
                    true if is_cut_off(life, chronicle, cast) => "resynced_by_cut",
                    true => "resynced",
                    false => "resynced_after_loss",
                });
            }
            Seen::Started(snapshot) if snapshot.state.is_some() => {
                self.seen.insert("snapshot_joiner");
            }
            Seen::Promoted(_, tail) if !tail.is_empty() => {
                self.seen.insert("promoted_with_tail");
            }
            Seen::Paused => {
                self.seen.insert("paused_star");
            }
            Seen::HostChanged { cause: Some(cause), .. } => {
                self.seen.insert(match cause {
                    HostCause::CrashSilent => "view_crash_silent",
                    HostCause::CrashClosed => "view_crash_closed",
                    HostCause::Graceful => "view_graceful",
                    HostCause::Chosen => "view_chosen",
                    HostCause::Forced => "view_forced",
                    HostCause::Voted => "view_voted",
                });
            }
            _ => {}
        }
    }

    fn crashed(&mut self, life: Life, is_changing: bool, chronicle: &Chronicle, cast: &Cast) {
        let Some(known) = chronicle.known(life) else { return };
        let is_fresh = self.hosts.get(life).is_some_and(|since| cast.now.since(*since) < FRESH);
        if known.role == Role::Collecting || known.hosts() && known.epoch.term > 1 && is_fresh {
            self.seen.insert("successor_died");
        }
        if is_changing && !known.hosts() {
            self.seen.insert("died_in_migration");
        }
        if known.hosts() && known.promised > known.epoch && known.promised.term == known.epoch.term {
            self.seen.insert("light_view_interrupted");
        }
    }

    pub(super) fn step(&mut self, news: &News, cast: &Cast) {
        let News { life, line, before, now, fresh, is_anew, .. } = news;
        if now.role == Role::Collecting && *is_anew && before.as_ref().is_some_and(|before| before.log != now.log) {
            self.seen.insert("copied_while_collecting");
        }
        if now.is_barred() {
            self.changing.insert(*life, line.0);
        } else {
            self.changing.remove(life);
        }
        if now.hosts() {
            self.hosts.or_insert(*life, cast.now);
        } else {
            self.hosts.remove(*life);
        }
        if fresh.iter().any(|(_, written)| written.what == What::Void) {
            self.seen.insert("void_position");
        }
        let Some(before) = before.as_ref().filter(|before| before.epoch != now.epoch) else { return };
        if before.epoch.term == now.epoch.term {
            self.seen.insert("light_view");
        }
        match now.proof {
            Some(ProofKind::Voters) if before.epoch.term != now.epoch.term => {
                self.seen.insert("certificate_without_server");
            }
            Some(ProofKind::Fork) => {
                self.forked.insert(*line);
                self.seen.insert("forked");
            }
            _ => {}
        }
        if before.since != now.since && self.forked.contains(&(line.0, before.since)) {
            self.seen.insert("fork_healed");
        }
        if before.since != now.since && before.host.is_some() && now.proof == Some(ProofKind::Server) {
            self.seen.insert("forced_line_joined");
        }
        let is_new_term = before.epoch.term < now.epoch.term;
        match (before.role, now.role) {
            (Role::Frozen, Role::Hosting) if is_new_term => _ = self.seen.insert("hand_over_failed"),
            (Role::Hosting, Role::Hosting) if is_new_term => _ = self.seen.insert("host_renewed"),
            (Role::Hosting, _) if !now.hosts() && is_new_term => _ = self.seen.insert("host_deposed"),
            (Role::Frozen, _) if !now.hosts() => _ = self.seen.insert("frozen_and_replaced"),
            _ => {}
        }
    }

    pub(super) fn finish(self, tally: &mut Tally) {
        self.seen.into_iter().for_each(|name| tally.mark(name));
    }
}

/// The log of its host does not go back to what it knows to be committed.
fn is_cut_off(life: Life, chronicle: &Chronicle, cast: &Cast) -> bool {
    let Some(own) = chronicle.known(life) else { return false };
    let room = cast.person(life).room;
    let mut others = cast.people().filter(|(other, person)| *other != life && person.room == room && !person.is_over);
    others.any(|(other, _)| {
        let known = chronicle.known(other).filter(|known| known.hosts() && known.since == own.since);
        known.and_then(|known| known.log).is_some_and(|(cut, ..)| cut > own.committed)
    })
}
