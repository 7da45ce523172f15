//! L2 and its honesty: what is kept is acknowledged once, and nothing else is acknowledged.

use super::{Cast, Check, Life, Lives, Seen};
use std::collections::BTreeSet;

/// Watches acknowledgements.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// By sender: the kept messages that are not acknowledged.
    pending: Lives<BTreeSet<u32>>,
    acked: BTreeSet<u32>,
}

impl Check for Acknowledged {
    fn name(&self) -> &'static str {
        "acknowledged"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        match *seen {
            Seen::Submitted(submission) => {
                if submission.is_kept() {
                    self.pending.or_default(life).insert(submission.number);
                }
                Ok(())
            }
            Seen::Acked(sent, None) => {
                Err(format!("{life:?} hears that {:?} {} is safe, which it never said", sent.channel, sent.seq))
            }
            Seen::Acked(_, Some(origin)) => {
                self.pending.or_default(life).remove(&origin.number);
                if self.acked.insert(origin.number) {
                    return Ok(());
                }
                Err(format!("{life:?} hears twice that {} is safe", origin.name()))
            }
            _ => Ok(()),
        }
    }
}

impl Acknowledged {
    pub(super) fn pending(&self, life: Life) -> usize {
        self.pending.get(life).map_or(0, BTreeSet::len)
    }
}
