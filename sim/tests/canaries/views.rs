//! The checkers that look into the star are worth something only if a broken star turns them red. Here each is shown one
//! thing falsified of what sound machines say or hold, and must be the one that notices.

use bytes::Bytes;
use std::collections::BTreeMap;
use webstar_core::id::Incarnation;
use webstar_core::peer::{Channel, PeerEvent, Position};
use webstar_core::star::Role;
use webstar_core::wire::signal::{Epoch, HostCause};
use webstar_sim::check::star::{Altered, Life, News, Room, What, Written};
use webstar_sim::profile::star::{self, Clear, Lens, Mood};
use webstar_sim::seed::Seed;
use webstar_sim::trace::Trace;

/// Falsifies what is told or what is held, and remembers what it needs for it.
struct Canary<S> {
    memory: S,
    acted: bool,
    /// What becomes of an event; true if it was falsified.
    pass: fn(&mut S, Life, &mut PeerEvent) -> bool,
    /// What becomes of a change in a star; true if it was falsified.
    look: fn(&mut S, &mut News) -> bool,
    /// It goes on after the first time.
    is_stubborn: bool,
}

impl<S: Default> Canary<S> {
    fn telling(pass: fn(&mut S, Life, &mut PeerEvent) -> bool) -> Self {
        Canary { memory: S::default(), acted: false, pass, look: |_, _| false, is_stubborn: false }
    }

    fn holding(look: fn(&mut S, &mut News) -> bool) -> Self {
        Canary { memory: S::default(), acted: false, pass: |_, _, _| false, look, is_stubborn: false }
    }

    fn stubborn(self) -> Self {
        Canary { is_stubborn: true, ..self }
    }
}

impl<S> Lens for Canary<S> {
    fn pass(&mut self, life: Life, mut event: PeerEvent, tell: &mut dyn FnMut(Life, PeerEvent)) {
        if !self.acted || self.is_stubborn {
            self.acted |= (self.pass)(&mut self.memory, life, &mut event);
        }
        tell(life, event);
    }

    fn look(&mut self, news: &mut News) {
        if !self.acted || self.is_stubborn {
            self.acted |= (self.look)(&mut self.memory, news);
        }
    }
}

/// Runs seeds until the canary could act in a world that is sound without it, and demands that this checker, and no other
/// before it, turned red. Where not everything that is falsified must be noticed, the first seed in which it is counts.
fn turns_red<S>(check: &str, mood: Mood, is_certain: bool, canary: impl Fn() -> Canary<S>) {
    for seed in (0..200).map(Seed::new) {
        let mut canary = canary();
        let outcome = star::run(seed, mood, &mut Trace::new(false), &mut canary);
        if !canary.acted || star::run(seed, mood, &mut Trace::new(false), Clear).red.is_some() {
            continue;
        }
        match outcome.red {
            Some(red) => assert_eq!(red.check, check, "seed {}: {}", seed.number(), red.why),
            None if is_certain => panic!("seed {}: nothing noticed", seed.number()),
            None => continue,
        }
        return;
    }
    panic!("in no seed was there anything to falsify");
}

#[test]
fn a_second_host_in_an_epoch_turns_sequencer_red() {
    turns_red("sequencer", Mood::Calm, true, || {
        Canary::holding(|host: &mut Option<(Life, Room, Epoch)>, news| {
            let place = (news.life, news.line.0, news.now.epoch);
            if news.now.hosts() {
                host.get_or_insert(place);
                return false;
            }
            let is_other =
                host.is_some_and(|(life, room, epoch)| life != place.0 && (room, epoch) == (place.1, place.2));
            if is_other {
                news.now.role = Role::Hosting;
            }
            is_other
        })
    });
}

#[test]
fn whoever_has_promised_and_listens_on_turns_barred_red() {
    turns_red("barred", Mood::Crashy, true, || {
        let canary = Canary::holding(|who: &mut Option<Life>, news| {
            let is_it = news.now.role == Role::Following && *who.get_or_insert(news.life) == news.life;
            if is_it {
                news.now.role = Role::Barred;
            }
            is_it
        });
        canary.stubborn()
    });
}

#[test]
fn a_host_that_commits_what_no_backup_has_turns_kept_red() {
    turns_red("kept", Mood::Calm, true, || {
        Canary::holding(|_: &mut (), news| {
            let can_lie = news.now.hosts() && news.now.is_whole() && !news.now.backups.is_empty();
            if can_lie {
                news.now.committed.0 += 1_000;
            }
            can_lie
        })
    });
}

#[test]
fn a_new_host_without_what_was_committed_turns_kept_red() {
    turns_red("kept", Mood::Crashy, false, || {
        Canary::holding(|_: &mut (), news| {
            let is_new = news.now.hosts() && news.is_anew && news.now.epoch.term > 1 && !news.fresh.is_empty();
            if is_new {
                news.fresh.clear();
            }
            is_new
        })
    });
}

#[test]
fn a_committed_place_that_changes_turns_kept_red() {
    turns_red("kept", Mood::Calm, true, || {
        Canary::holding(|_: &mut (), news| {
            let Some((position, now)) = news.fresh.first().cloned() else { return false };
            let before = Written { what: What::Void, ..now.clone() };
            news.altered = Some(Altered { position, before, now });
            true
        })
    });
}

#[test]
fn a_backup_that_writes_something_else_turns_replicas_red() {
    turns_red("replicas", Mood::Calm, true, || {
        Canary::holding(|_: &mut (), news| {
            let is_backup = !news.now.hosts() && news.now.is_whole();
            let Some((_, written)) = news.fresh.last_mut().filter(|_| is_backup) else { return false };
            written.digest ^= 1;
            true
        })
    });
}

#[test]
fn a_place_that_comes_again_turns_continuity_red() {
    turns_red("continuity", Mood::Calm, true, || {
        Canary::telling(|last: &mut BTreeMap<Life, Position>, life, event| {
            let PeerEvent::Message(message) = event else { return false };
            let Some(position) = message.position.filter(|_| message.channel == Channel::Ordered) else { return false };
            let before = last.insert(life, position);
            message.position = before.or(Some(position));
            before.is_some()
        })
    });
}

#[test]
fn a_snapshot_from_later_than_what_follows_turns_snapshots_red() {
    turns_red("snapshots", Mood::Calm, false, || {
        Canary::telling(|_: &mut (), _, event| {
            let PeerEvent::Started { snapshot } = event else { return false };
            snapshot.position.0 += 3;
            snapshot.state.is_none()
        })
    });
}

#[test]
fn a_state_that_no_game_gave_turns_snapshots_red() {
    turns_red("snapshots", Mood::Calm, true, || {
        Canary::telling(|_: &mut (), _, event| {
            let PeerEvent::Started { snapshot } = event else { return false };
            snapshot.state = Some(Bytes::from_static(b"somebody's"));
            true
        })
    });
}

#[test]
fn a_tail_that_begins_too_late_turns_snapshots_red() {
    turns_red("snapshots", Mood::Crashy, false, || {
        Canary::telling(|_: &mut (), _, event| {
            let PeerEvent::Promoted { tail, .. } = event else { return false };
            let is_long = tail.len() > 1;
            if is_long {
                tail.remove(0);
            }
            is_long
        })
    });
}

#[test]
fn an_old_life_that_speaks_after_the_new_one_turns_incarnations_red() {
    turns_red("incarnations", Mood::Crashy, true, || {
        Canary::holding(|_: &mut (), news| {
            let joined = news.fresh.iter().find_map(|(_, written)| match written.what {
                What::Joined(player, _) => Some(player),
                _ => None,
            });
            let Some(player) = joined.filter(|_| news.now.is_whole()) else { return false };
            let what = What::Joined(player, Incarnation(u32::MAX));
            news.fresh.push((Position(0), Written { epoch: news.now.epoch, digest: 7, what }));
            true
        })
    });
}

#[test]
fn a_host_that_is_replaced_without_a_reason_turns_provoked_red() {
    // Whoever has heard of it before from somebody else does not wonder. Bad weather alone is no reason.
    for mood in [Mood::Calm, Mood::Lossy] {
        turns_red("provoked", mood, false, || {
            Canary::telling(|_: &mut (), _, event| {
                let PeerEvent::HostChanged { cause, .. } = event else { return false };
                let is_wanted = matches!(cause, Some(HostCause::Graceful | HostCause::Chosen));
                *cause = if is_wanted { Some(HostCause::CrashSilent) } else { *cause };
                is_wanted
            })
        });
    }
}
