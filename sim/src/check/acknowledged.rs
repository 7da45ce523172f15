//! L2: everything kept is acknowledged, once; nothing else is. When, is for the run to say, which knows the faults.

use super::{Check, Reference, Seen, index};
use std::collections::BTreeMap;
use webstar_core::wire::frame::{Delivery, Priority};

/// Watches acknowledgements.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// By submitting side and number.
    states: [Vec<State>; 2],
    /// The newest message of each latest-only key.
    newest: [BTreeMap<(Priority, u32), usize>; 2],
    pending: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    NotKept,
    Pending,
    /// A newer one of its key was submitted before it was acknowledged: it may be, and need not.
    Replaced,
    Acked,
}

impl Acknowledged {
    /// How many messages are still to be acknowledged.
    pub fn pending(&self) -> usize {
        self.pending
    }
}

impl Check for Acknowledged {
    fn name(&self) -> &'static str {
        "acknowledged"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match *seen {
            Seen::Submitted(submission) => {
                let states = &mut self.states[index(submission.side)];
                if submission.delivery == Delivery::Latest {
                    let key = (submission.priority, submission.key);
                    let replaced = self.newest[index(submission.side)].insert(key, states.len());
                    if let Some(state) = replaced.and_then(|number| states.get_mut(number))
                        && *state == State::Pending
                    {
                        *state = State::Replaced;
                        self.pending -= 1;
                    }
                }
                let is_kept = submission.delivery.is_kept();
                self.pending += usize::from(is_kept);
                states.push(if is_kept { State::Pending } else { State::NotKept });
                Ok(())
            }
            Seen::Acked { side, id, origin } => {
                let state = origin.and_then(|origin| self.states[index(side)].get_mut(origin.number as usize));
                match state.map(|state| core::mem::replace(state, State::Acked)) {
                    Some(State::Pending) => {
                        self.pending -= 1;
                        Ok(())
                    }
                    Some(State::Replaced) => Ok(()),
                    Some(State::Acked) => Err(format!("{side:?} heard twice that message {} has arrived", id.0)),
                    Some(State::NotKept) => Err(format!("{side:?} heard of message {}, which nobody keeps", id.0)),
                    None => Err(format!("{side:?} heard that message {} has arrived, and never sent it", id.0)),
                }
            }
            _ => Ok(()),
        }
    }

    fn end(&mut self, _: &Reference) -> Result<(), String> {
        match self.pending {
            0 => Ok(()),
            pending => Err(format!("{pending} messages were never acknowledged")),
        }
    }
}
