//! A channel that refused a message says once, and only then, that it has room again.

use super::{Cast, Check, Life, Seen};
use std::collections::BTreeSet;
use webstar_core::peer::Channel;

/// Watches full channels.
#[derive(Debug, Default)]
pub struct Drained {
    full: BTreeSet<(Life, Channel)>,
}

impl Check for Drained {
    fn name(&self) -> &'static str {
        "drained"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        match *seen {
            Seen::Refused(channel) => {
                self.full.insert((life, channel));
                Ok(())
            }
            Seen::Drained(channel) if !self.full.remove(&(life, channel)) => {
                Err(format!("{life:?} says that {channel:?} has room again, which refused nothing"))
            }
            _ => Ok(()),
        }
    }
}

impl Drained {
    pub(super) fn pending(&self, life: Life) -> usize {
        self.full.iter().filter(|(of, _)| *of == life).count()
    }
}
