//! S3 for `Ordered`: of what is meant for a receiver, the messages of each sender are contiguous, in order, and once
//! each. After a change of host some may be missing, and none comes twice or late.

use super::{Cast, Check, Life, Person, Seen, Submission, due};
use std::collections::BTreeMap;
use webstar_core::id::PlayerId;
use webstar_core::peer::Channel;

/// Watches ordered messages.
#[derive(Debug, Default)]
pub struct Ordered {
    heard: BTreeMap<(Life, PlayerId), Heard>,
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
            Seen::Joined { resumed: false, .. } | Seen::HostChanged(_) | Seen::ContinuityLost(..) => {
                let of_life = (life, PlayerId(0))..=(life, PlayerId(u32::MAX));
                self.heard.range_mut(of_life).for_each(|(_, heard)| heard.may_miss = true);
                Ok(())
            }
            Seen::Delivered { origin: Some(origin), .. } if origin.channel == Some(Channel::Ordered) => {
                let person = cast.person(life);
                let first = Heard { seq: 0, may_miss: true };
                let heard = self.heard.entry((life, origin.player)).or_insert(first);
                let before = core::mem::replace(heard, Heard { seq: origin.seq, may_miss: false });
                if origin.seq <= before.seq {
                    return Err(format!("{life:?} was given {} after {}", origin.name(), before.seq));
                }
                let missed = cast
                    .line_from(origin.room, origin.player, Channel::Ordered, before.seq + 1)
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
            let heard = self.heard.get(&(life, origin.player)).copied().unwrap_or_default();
            (heard.seq < origin.seq).then_some((origin, life))
        })
    }
}

fn is_missed(submission: &Submission, person: &Person) -> bool {
    let is_for_host = matches!(submission.to, webstar_core::peer::Destination::Host);
    !submission.is_given_up
        && (!is_for_host || submission.epoch == person.epoch)
        && person.player.is_some_and(|player| submission.is_for(player, person.host))
}
