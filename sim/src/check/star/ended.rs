//! S10: after its end a machine tells nothing and wants nothing.

use super::{Cast, Check, Life, Seen};
use std::collections::BTreeSet;

/// Watches machines that have ended.
#[derive(Debug, Default)]
pub struct Ended {
    over: BTreeSet<Life>,
}

impl Check for Ended {
    fn name(&self) -> &'static str {
        "ended"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        if !self.over.contains(&life) {
            if matches!(seen, Seen::Ended) {
                self.over.insert(life);
            }
            return Ok(());
        }
        match seen {
            Seen::Rested { wants_more: true, .. } => Err(format!("{life:?} wants to be called after its end")),
            Seen::Rested { .. } | Seen::Holding(_) => Ok(()),
            // What the game does: it may have been asked before the end.
            Seen::Submitted(_) | Seen::Refused(_) | Seen::SnapshotGiven(..) => Ok(()),
            other => Err(format!("{life:?} tells something after its end: {other:?}")),
        }
    }
}
