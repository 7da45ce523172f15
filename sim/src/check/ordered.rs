//! S3 for `Ordered`: by sender and priority the deliveries are contiguous, in order, and once each.

use super::{Check, Reference, Seen, index};
use crate::net::Side;
use webstar_core::wire::frame::{Delivery, Priority};

/// Watches ordered messages.
#[derive(Debug, Default)]
pub struct Ordered {
    /// The place that is delivered next, by receiver and priority.
    next: [[u64; 4]; 2],
}

impl Check for Ordered {
    fn name(&self) -> &'static str {
        "ordered"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let &Seen::Delivered { side, origin: Some(origin), .. } = seen else { return Ok(()) };
        if origin.delivery != Delivery::Ordered {
            return Ok(());
        }
        let next = &mut self.next[index(side)][origin.priority as usize];
        let expected = core::mem::replace(next, origin.place + 1);
        if origin.place == expected {
            return Ok(());
        }
        let (priority, place) = (origin.priority, origin.place);
        Err(format!("{side:?} was given Ordered {priority:?} number {place} in the place of number {expected}"))
    }

    fn end(&mut self, reference: &Reference) -> Result<(), String> {
        for side in Side::BOTH {
            for priority in Priority::ALL {
                let is_of_it = |s: &&_| is_ordered(s, priority);
                let submitted = reference.of(side.other()).iter().filter(is_of_it).count() as u64;
                let delivered = self.next[index(side)][priority as usize];
                if delivered != submitted {
                    return Err(format!(
                        "{side:?} was given {delivered} of {submitted} Ordered {priority:?}, all of them acknowledged"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn is_ordered(submission: &super::Submission, priority: Priority) -> bool {
    submission.delivery == Delivery::Ordered && submission.priority == priority
}
