//! S3 for `Ordered`: of what is meant for a receiver, the messages of each sender are contiguous, in order, and once
//! each, over changes of host too. Where continuity is lost, or a player begins anew from a snapshot, some may be missing
//! and some may come again; but for that none comes twice or late. Who becomes host gets what was for the host with the
//! tail of the log.

use super::chronicle::{Chronicle, News};
use super::{Cast, Check, Life, Lives, Person, Seen, Submission, due};
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::peer::{Channel, Destination, PeerMessage};
use webstar_core::wire::star::Ruling;

/// Watches ordered messages.
#[derive(Debug, Default)]
pub struct Ordered {
    /// By hearer, and by the life of the sender's memory.
    heard: BTreeMap<(Life, PlayerId, Incarnation), Heard>,
    /// Messages for the host that somebody got who became host, by their numbers.
    promoted: BTreeSet<(Life, u32)>,
    /// What was left out in the present step, by its number, and what is wrong unless it comes with a tail.
    left_out: Lives<(u32, String)>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    /// The last number.
    seq: u64,
    /// What comes next may leave some out.
    may_miss: bool,
}

impl Check for Ordered {
    fn name(&self) -> &'static str {
        "ordered"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        match *seen {
            Seen::Joined { resumed: false, .. } | Seen::ContinuityLost | Seen::Started(_) | Seen::Resynced(_) => {
                let (first, last) = (Incarnation(0), Incarnation(u32::MAX));
                let of_life = (life, PlayerId(0), first)..=(life, PlayerId(u32::MAX), last);
                // A game that begins anew from a snapshot may hear again what it had heard beyond it.
                let is_anew = !matches!(seen, Seen::Joined { .. });
                for (_, heard) in self.heard.range_mut(of_life) {
                    *heard = Heard { seq: if is_anew { 0 } else { heard.seq }, may_miss: true };
                }
                Ok(())
            }
            Seen::Delivered { origin: Some(origin), .. } if origin.channel == Some(Channel::Ordered) => {
                let person = cast.person(life);
                let first = Heard { seq: 0, may_miss: true };
                let heard = self.heard.entry((life, origin.player, origin.incarnation)).or_insert(first);
                let before = core::mem::replace(heard, Heard { seq: origin.seq, may_miss: false });
                if origin.seq <= before.seq {
                    return Err(format!("{life:?} was given {} after {}", origin.name(), before.seq));
                }
                let missed = cast
                    .line_from((origin.room, origin.player, origin.incarnation, Channel::Ordered), before.seq + 1)
                    .take_while(|between| between.seq < origin.seq)
                    .filter(|between| is_missed(between, person) && !cast.is_lost(between))
                    .find(|between| !self.promoted.contains(&(life, between.number)));
                if let Some(missed) = missed.filter(|_| !before.may_miss) {
                    let why = format!("{life:?} was given {} without {}", origin.name(), missed.name());
                    self.left_out.or_insert(life, (missed.number, why));
                }
                Ok(())
            }
            Seen::Promoted(_, tail) => {
                self.promoted.extend(for_hosts(cast, life, tail));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, news: &News, _chronicle: &Chronicle, _cast: &Cast) -> Result<(), String> {
        self.unchanged(news.life)
    }

    fn end(&mut self, cast: &Cast) -> Result<(), String> {
        match self.missing(cast).next() {
            Some((origin, life)) => {
                Err(format!("{life:?} was never given {}, everything is acknowledged", origin.name()))
            }
            None => Ok(()),
        }
    }
}

impl Ordered {
    /// A step is over: what was left out in it, and did not come with a tail, is missing.
    pub(super) fn unchanged(&mut self, life: Life) -> Result<(), String> {
        let left_out = self.left_out.remove(life);
        let missing = left_out.filter(|(number, _)| !self.promoted.contains(&(life, *number)));
        missing.map_or(Ok(()), |(_, why)| Err(why))
    }

    /// What had to arrive by now and has not.
    pub(super) fn missing<'a>(&'a self, cast: &'a Cast) -> impl Iterator<Item = (&'a Submission, Life)> {
        due(cast, Channel::Ordered)
            .map(|(origin, life, _)| (origin, life))
            .filter(|(origin, life)| self.lacks(origin, *life))
    }

    /// Whether a life was not given what is meant for it.
    pub(super) fn lacks(&self, origin: &Submission, life: Life) -> bool {
        let heard = self.heard.get(&(life, origin.player, origin.incarnation)).copied().unwrap_or_default();
        heard.seq < origin.seq && !self.promoted.contains(&(life, origin.number))
    }
}

/// What of a tail is for the host, by the numbers of the messages.
pub(super) fn for_hosts(cast: &Cast, life: Life, tail: &[PeerMessage]) -> impl Iterator<Item = (Life, u32)> {
    let room = cast.person(life).room;
    let origins = tail.iter().filter_map(move |message| cast.origin(room, message, cast.stamped(&message.payload)));
    origins.filter(|origin| origin.to == Destination::Host).map(move |origin| (life, origin.number))
}

fn is_missed(submission: &Submission, person: &Person) -> bool {
    let is_for_host = submission.to == Destination::Host;
    (!is_for_host || submission.epoch == person.epoch)
        && person.since <= submission.at
        && person.player.is_some_and(|player| submission.is_for(player, person.host))
        && !submission.rulings.contains(&Ruling::Rejected)
}
