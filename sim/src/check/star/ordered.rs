//! S3 for `Ordered`: of what is meant for a receiver, the messages of each sender are contiguous, in order, and once
//! each, over changes of host too. Where continuity is lost, or a player begins anew from a snapshot, some may be missing
//! and some may come again; but for that none comes twice or late.

use super::{Cast, Check, Life, Person, Seen, Submission, due};
use std::collections::BTreeMap;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::peer::Channel;

/// Watches ordered messages.
#[derive(Debug, Default)]
pub struct Ordered {
    /// By hearer, and by the life of the sender's memory.
    heard: BTreeMap<(Life, PlayerId, Incarnation), Heard>,
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
                    .find(|between| is_missed(between, person));
                match missed {
                    Some(missed) if !before.may_miss => {
                        Err(format!("{life:?} was given {} without {}", origin.name(), missed.name()))
                    }
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
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
    /// What had to arrive by now and has not.
    pub(super) fn missing<'a>(&'a self, cast: &'a Cast) -> impl Iterator<Item = (&'a Submission, Life)> {
        due(cast, Channel::Ordered).filter_map(|(origin, life, _)| {
            let heard = self.heard.get(&(life, origin.player, origin.incarnation)).copied().unwrap_or_default();
            (heard.seq < origin.seq).then_some((origin, life))
        })
    }
}

fn is_missed(submission: &Submission, person: &Person) -> bool {
    let is_for_host = matches!(submission.to, webstar_core::peer::Destination::Host);
    (!is_for_host || submission.epoch == person.epoch)
        && person.since <= submission.at
        && person.player.is_some_and(|player| submission.is_for(player, person.host))
}
