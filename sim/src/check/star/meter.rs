//! What a run's star did in figures: views, crashes of hosts, and how long it took from each fault of a host to the first
//! acknowledgement of something that was said after it. Judges nothing.

use super::chronicle::{Chronicle, News};
use super::{Cast, Life, Room, Seen};
use crate::profile::Tally;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::time::Instant;
use webstar_core::wire::signal::{Epoch, HostCause};

/// A lobby is active if somebody says something kept so soon after the fault.
const ACTIVE: Duration = Duration::from_millis(300);

/// Within so long a wish to hand over is fulfilled, or refused.
const WISH: Duration = Duration::from_secs(5);

/// What is measured.
#[derive(Debug, Default)]
pub struct Meter {
    views: BTreeSet<(Room, Epoch)>,
    forced: BTreeSet<(Room, Epoch)>,
    /// By lobby: the term that was heard of last.
    terms: BTreeMap<Room, u32>,
    host_changes: u64,
    host_crashes: u64,
    changing: BTreeMap<Room, Change>,
    took: BTreeMap<&'static str, Vec<u32>>,
}

/// A host is to be followed by another.
#[derive(Clone, Copy, Debug)]
struct Change {
    since: Instant,
    /// Whose fault it was.
    of: Life,
    /// In which term that was.
    term: u32,
    /// It is alive and wants to be host no more.
    is_wish: bool,
    cause: Option<HostCause>,
    is_active: bool,
}

impl Meter {
    pub(super) fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, chronicle: &Chronicle, cast: &Cast) {
        let Some(life) = life else { return };
        let room = cast.person(life).room;
        match *seen {
            Seen::Crashed | Seen::HandsOver => {
                let Some(known) = chronicle.known(life).filter(|known| known.hosts()) else { return };
                self.host_crashes += u64::from(matches!(seen, Seen::Crashed));
                let (term, since) = (known.epoch.term, cast.now);
                let is_wish = matches!(seen, Seen::HandsOver);
                let change = Change { since, of: life, term, is_wish, cause: None, is_active: false };
                // One that dies while it takes over makes the change longer, not another one. A wish of which nothing has
                // come, because it was refused or its host died, is no fault.
                let is_void = |known: &Change| {
                    known.is_wish && known.cause.is_none() && (!is_wish || since.since(known.since) > WISH)
                };
                if self.changing.get(&room).is_none_or(is_void) {
                    self.changing.insert(room, change);
                }
            }
            Seen::Submitted(said) => {
                if let Some(change) = self.changing.get_mut(&room).filter(|change| change.of != life) {
                    change.is_active |= said.at.since(change.since) <= ACTIVE && said.channel.is_some_and(is_kept);
                }
            }
            Seen::HostChanged { epoch, cause, .. } => {
                match self.terms.get(&room) {
                    Some(term) if *term >= epoch.term => {}
                    known => {
                        self.host_changes += u64::from(known.is_some());
                        self.terms.insert(room, epoch.term);
                    }
                }
                if cause == Some(HostCause::Forced) {
                    self.forced.insert((room, epoch));
                }
                if let Some(change) = self.changing.get_mut(&room).filter(|change| epoch.term > change.term) {
                    // Who has just come in is told of a host without a cause.
                    change.cause = cause.or(change.cause);
                }
            }
            Seen::Acked(_, Some(said)) => {
                let Some(change) = self.changing.get(&room) else { return };
                let is_after = said.at > change.since && life != change.of;
                if let (true, Some(cause)) = (is_after, change.cause) {
                    let took = cast.now.since(change.since).as_millis();
                    if change.is_active {
                        self.took.entry(word(cause)).or_default().push(u32::try_from(took).unwrap_or(u32::MAX));
                    }
                    self.changing.remove(&room);
                }
            }
            _ => {}
        }
    }

    pub(super) fn step(&mut self, news: &News) {
        if news.before.as_ref().is_none_or(|before| before.epoch != news.now.epoch)
            && news.now.epoch != Epoch::default()
        {
            self.views.insert((news.line.0, news.now.epoch));
        }
    }

    pub(super) fn finish(self, tally: &mut Tally) {
        tally.views += self.views.len() as u64;
        tally.forced_views += self.forced.len() as u64;
        tally.host_crashes += self.host_crashes;
        tally.host_changes += self.host_changes;
        for (cause, took) in self.took {
            tally.migrations.entry(cause).or_default().extend(took);
        }
    }
}

/// What a cause is called in summaries.
fn word(cause: HostCause) -> &'static str {
    match cause {
        HostCause::CrashSilent => "crash_silent",
        HostCause::CrashClosed => "crash_closed",
        HostCause::Graceful => "graceful",
        HostCause::Chosen => "chosen",
        HostCause::Forced => "forced",
        HostCause::Voted => "voted",
    }
}

fn is_kept(channel: webstar_core::peer::Channel) -> bool {
    use webstar_core::peer::Channel::{Ordered, Reliable};
    matches!(channel, Ordered | Reliable)
}
