//! The checkers: each watches one property over a whole run and says the first time that it is broken. They see what
//! the machines tell their applications and what was submitted, and nothing of how the machines work.

mod acknowledged;
mod bounds;
mod drained;
mod honesty;
mod latest;
mod ordered;
mod paths;
mod provenance;
mod reference;
mod reliable;
pub mod star;
mod unreliable;

pub use acknowledged::Acknowledged;
pub use bounds::{Bounds, Holding};
pub use drained::Drained;
pub use honesty::Honesty;
pub use latest::Latest;
pub use ordered::Ordered;
pub use paths::Paths;
pub use provenance::Provenance;
pub use reference::{Reference, Submission};
pub use reliable::Reliable;
pub use unreliable::Unreliable;

use crate::net::Side;
use serde::Serialize;
use webstar_core::id::{MessageId, PathId};
use webstar_core::path::Change;
use webstar_core::session::Received;
use webstar_core::wire::frame::Priority;

/// Something that a checker sees.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A side's machine took a message.
    Submitted(&'a Submission),
    /// A side's machine refused a message for want of room.
    Refused {
        /// The side.
        side: Side,
        /// The lane.
        priority: Priority,
    },
    /// A message has arrived.
    Delivered {
        /// At this side.
        side: Side,
        /// The message.
        message: &'a Received,
        /// What it is, if the other side submitted it so.
        origin: Option<&'a Submission>,
    },
    /// A side hears that its message has arrived.
    Acked {
        /// The side.
        side: Side,
        /// What it heard of.
        id: MessageId,
        /// What it is, if this side submitted it.
        origin: Option<&'a Submission>,
    },
    /// A side hears that a lane has room again.
    Drained {
        /// The side.
        side: Side,
        /// The lane.
        priority: Priority,
    },
    /// A side hears that a path has changed its state.
    Path {
        /// The side.
        side: Side,
        /// The path.
        path: PathId,
        /// How.
        change: Change,
    },
    /// A side hears where its packets leave from now on.
    Using {
        /// The side.
        side: Side,
        /// The path.
        path: Option<PathId>,
    },
    /// What a side holds in memory at this moment.
    Holding {
        /// The side.
        side: Side,
        /// How much of what.
        holding: Holding,
    },
    /// How many packets a side has found well sealed, and not what the protocol says.
    Judged {
        /// The side.
        side: Side,
        /// How many.
        invalid: u64,
    },
    /// What came of one input at a side.
    Rested {
        /// The side.
        side: Side,
        /// Packets sent.
        packets: usize,
        /// Events told.
        events: usize,
    },
}

/// One property.
pub trait Check {
    /// The name of the property.
    fn name(&self) -> &'static str;
    /// Looks at something; an error tells how it breaks the property.
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String>;
    /// The run is over and everything that had to arrive was acknowledged.
    fn end(&mut self, _reference: &Reference) -> Result<(), String> {
        Ok(())
    }
}

/// A property that is broken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Red {
    /// Which.
    pub check: &'static str,
    /// How.
    pub why: String,
}

/// All checkers of a conversation between two.
#[derive(Debug)]
pub struct Checks {
    ordered: Ordered,
    reliable: Reliable,
    latest: Latest,
    unreliable: Unreliable,
    provenance: Provenance,
    bounds: Bounds,
    drained: Drained,
    acknowledged: Acknowledged,
    paths: Paths,
    honesty: Honesty,
    red: Option<Red>,
}

impl Checks {
    /// Checkers of two machines with these bounds.
    pub fn new(bounds: Bounds) -> Self {
        Checks {
            ordered: Ordered::default(),
            reliable: Reliable::default(),
            latest: Latest::default(),
            unreliable: Unreliable::default(),
            provenance: Provenance,
            bounds,
            drained: Drained::default(),
            acknowledged: Acknowledged::default(),
            paths: Paths::default(),
            honesty: Honesty,
            red: None,
        }
    }

    /// Shows all of them something.
    pub fn see(&mut self, seen: &Seen<'_>) {
        self.each(|check| check.see(seen));
    }

    /// Tells all of them that everything that had to arrive was acknowledged.
    pub fn end(&mut self, reference: &Reference) {
        self.each(|check| check.end(reference));
    }

    /// Fails for a reason that only the whole run can know.
    pub fn fail(&mut self, check: &'static str, why: String) {
        self.red.get_or_insert(Red { check, why });
    }

    /// The first property that was broken.
    pub fn red(&self) -> Option<&Red> {
        self.red.as_ref()
    }

    /// Messages that are kept and not acknowledged.
    pub fn unacknowledged(&self) -> usize {
        self.acknowledged.pending()
    }

    /// Lanes that refused a message and have not said since that there is room.
    pub fn undrained(&self) -> usize {
        self.drained.pending()
    }

    fn each(&mut self, mut look: impl FnMut(&mut dyn Check) -> Result<(), String>) {
        let all: [&mut dyn Check; 10] = [
            &mut self.provenance,
            &mut self.ordered,
            &mut self.reliable,
            &mut self.latest,
            &mut self.unreliable,
            &mut self.bounds,
            &mut self.drained,
            &mut self.acknowledged,
            &mut self.paths,
            &mut self.honesty,
        ];
        for check in all {
            if let Err(why) = look(check) {
                let check = check.name();
                self.red.get_or_insert(Red { check, why });
            }
        }
    }
}

/// Both sides' share of something, by side.
fn index(side: Side) -> usize {
    usize::from(side == Side::B)
}
