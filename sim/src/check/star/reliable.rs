//! S3 for `Reliable`: whoever a message is meant for is given it once, but for who begins anew.

use super::ordered::for_hosts;
use super::{Cast, Check, Life, Seen, Submission, due};
use std::collections::BTreeSet;
use webstar_core::peer::Channel;

/// Watches reliable messages.
#[derive(Debug, Default)]
pub struct Reliable {
    heard: BTreeSet<(Life, u32)>,
    /// Messages for the host that somebody got who became host.
    promoted: BTreeSet<(Life, u32)>,
}

impl Check for Reliable {
    fn name(&self) -> &'static str {
        "reliable"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        let origin = match *seen {
            Seen::Delivered { origin: Some(origin), .. } => origin,
            // A game that begins anew from a snapshot may hear again what it had heard beyond it.
            Seen::ContinuityLost | Seen::Started(_) | Seen::Resynced(_) => {
                self.heard.retain(|(hearer, _)| *hearer != life);
                return Ok(());
            }
            Seen::Promoted(_, tail) => {
                self.promoted.extend(for_hosts(cast, life, tail));
                return Ok(());
            }
            _ => return Ok(()),
        };
        if origin.channel == Some(Channel::Reliable) && !self.heard.insert((life, origin.number)) {
            return Err(format!("{life:?} was given {} twice", origin.name()));
        }
        Ok(())
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

impl Reliable {
    /// What had to arrive by now and has not.
    pub(super) fn missing<'a>(&'a self, cast: &'a Cast) -> impl Iterator<Item = (&'a Submission, Life)> {
        due(cast, Channel::Reliable)
            .map(|(origin, life, _)| (origin, life))
            .filter(|(origin, life)| self.lacks(origin, *life))
    }

    /// Whether a life was not given what is meant for it.
    pub(super) fn lacks(&self, origin: &Submission, life: Life) -> bool {
        let key = (life, origin.number);
        !self.heard.contains(&key) && !self.promoted.contains(&key)
    }
}
