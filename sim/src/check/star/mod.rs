//! The checkers of the star: each watches one property of a whole world and says the first time that it is broken. They
//! see what applications are told and what was submitted; and, for what must hold inside the star, its views and logs as any
//! embedder could read them.

mod acknowledged;
mod agreement;
mod barred;
mod bounds;
mod cast;
mod chronicle;
mod continuity;
mod drained;
mod due;
mod ended;
mod fresh;
mod hearing;
mod incarnations;
mod kept;
mod lives;
mod lobbies;
mod marks;
mod meter;
mod ordered;
mod provenance;
mod provoked;
mod reliable;
mod replicas;
mod roster;
mod ruled;
mod sequencer;
mod snapshots;
mod tokens;

pub use acknowledged::Acknowledged;
pub use agreement::Agreement;
pub use barred::Barred;
pub use bounds::{Bounds, Holding};
pub use cast::{Cast, Life, Person, Room, STAMP, Said, Submission, bit, rewritten, stamp};
pub use chronicle::{Altered, Chronicle, Known, Line, News, ProofKind, What, Written};
pub use continuity::Continuity;
pub use drained::Drained;
pub use ended::Ended;
pub use fresh::{Latest, Unreliable};
pub use hearing::{Hearing, Silence};
pub use incarnations::Incarnations;
pub use kept::Kept;
pub use lives::Lives;
pub use lobbies::Lobbies;
pub use marks::Marks;
pub use meter::Meter;
pub use ordered::Ordered;
pub use provenance::Provenance;
pub use provoked::Provoked;
pub use reliable::Reliable;
pub use replicas::Replicas;
pub use roster::Roster;
pub use ruled::Ruled;
pub use sequencer::Sequencer;
pub use snapshots::Snapshots;
pub use tokens::Tokens;

use super::Red;
use crate::profile::Tally;
use crate::world::SeatId;
use bytes::Bytes;
use due::{due, excused};
use std::collections::BTreeSet;
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, PeerMessage, Position, Sent, Snapshot};
use webstar_core::star::{Glance, Star};
use webstar_core::wire::signal::{Epoch, HostCause, PlayerEntry};

/// Something that a checker sees.
#[derive(Clone, Copy, Debug)]
pub enum Seen<'a> {
    /// A machine took a message.
    Submitted(&'a Submission),
    /// A machine refused a message for want of room.
    Refused(Channel),
    /// A machine says that a channel has room again.
    Drained(Channel),
    /// A machine says that a message is safe; what it is, if it submitted it.
    Acked(Sent, Option<&'a Submission>),
    /// A machine says that a host's game has rejected a message; what it is, if it submitted it.
    Rejected(Sent, Option<&'a Submission>),
    /// A message has arrived; what it is, if it is a true copy of a submission in this lobby, and the submission whose
    /// stamp it bears.
    Delivered {
        /// The message.
        message: &'a PeerMessage,
        /// What it is.
        origin: Option<&'a Submission>,
        /// What it says it is.
        stamped: Option<&'a Submission>,
    },
    /// Bytes have arrived at a guest.
    Overheard {
        /// From whom, as the server says.
        from: PlayerId,
        /// The bytes.
        payload: &'a [u8],
        /// What they are.
        origin: Option<&'a Submission>,
        /// What they say they are.
        stamped: Option<&'a Submission>,
    },
    /// In the lobby, with these members.
    Joined {
        /// Everybody.
        members: &'a [PlayerEntry],
        /// In this life of the star.
        epoch: Epoch,
        /// As who it was.
        resumed: bool,
    },
    /// Somebody has come.
    Came(&'a PlayerEntry),
    /// Something of somebody has changed.
    Changed(&'a PlayerEntry),
    /// Somebody has gone.
    Went(PlayerId),
    /// There is another host.
    HostChanged {
        /// In this view.
        epoch: Epoch,
        /// Who.
        host: PlayerId,
        /// Why.
        cause: Option<HostCause>,
    },
    /// Another view is in force, under this host or the one before.
    ViewChanged {
        /// Which.
        epoch: Epoch,
        /// Its host.
        host: PlayerId,
        /// Whose votes count.
        voters: &'a [PlayerId],
    },
    /// What was acknowledged or told before may be gone.
    ContinuityLost,
    /// Nobody can be host now.
    Paused,
    /// It begins here.
    Started(&'a Snapshot),
    /// What it was told is not what the others were: it begins anew here.
    Resynced(&'a Snapshot),
    /// It is host: its game goes on from here with these messages.
    Promoted(&'a Snapshot, &'a [PeerMessage]),
    /// Its game has given its state after this place.
    SnapshotGiven(Position, &'a Bytes),
    /// Its machine is gone with all its memory.
    Crashed,
    /// It is host and asks for another.
    HandsOver,
    /// It is told to leave.
    Leaves,
    /// The server has lost its memory. Of no life.
    ServerRestarted,
    /// Something goes wrong with somebody's way or machine, or with the server if nobody is named; or it is over. Of no
    /// life.
    Harm {
        /// With whom.
        seat: Option<SeatId>,
        /// It begins; else it is over.
        begins: bool,
    },
    /// The server takes the place of whoever sits there. Of no life.
    PutOut(SeatId),
    /// All faults are over. Of no life.
    Quiet,
    /// It is over.
    Ended,
    /// The machine was drained: so many outputs came of one input, and it wants to be called again, or not.
    Rested {
        /// Outputs.
        outputs: usize,
        /// Whether a time was named.
        wants_more: bool,
    },
    /// What is held in memory at this moment.
    Holding(Holding),
    /// The server has let somebody into its place. Of no life.
    LetIn {
        /// Where.
        room: Room,
        /// Who.
        player: PlayerId,
    },
    /// A token has brought its player back, and the server has heard that it knows. Of no life.
    Used {
        /// Which token, by number.
        token: usize,
        /// Into which lobby.
        room: Room,
        /// Whose place it is.
        player: PlayerId,
    },
    /// A stranger came with a token that was used before: whether it was let in. Of no life.
    Replayed {
        /// Which.
        token: usize,
        /// Whether it worked.
        worked: bool,
    },
}

/// One property. What is seen happens to a life; what happens to the server or to strangers, to none.
pub trait Check {
    /// The name of the property.
    fn name(&self) -> &'static str;
    /// Looks at something; an error tells how it breaks the property.
    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String>;
    /// A machine was drained and something of its star has changed. What was seen of that life since the last time, came
    /// of the same input.
    fn step(&mut self, _news: &News, _chronicle: &Chronicle, _cast: &Cast) -> Result<(), String> {
        Ok(())
    }
    /// The run is over and everything that had to arrive was acknowledged.
    fn end(&mut self, _cast: &Cast) -> Result<(), String> {
        Ok(())
    }
}

/// All checkers of a world.
#[derive(Debug)]
pub struct Checks {
    lobbies: Lobbies,
    provenance: Provenance,
    ordered: Ordered,
    agreement: Agreement,
    reliable: Reliable,
    latest: Latest,
    unreliable: Unreliable,
    acknowledged: Acknowledged,
    drained: Drained,
    tokens: Tokens,
    incarnations: Incarnations,
    ended: Ended,
    bounds: Bounds,
    roster: Roster,
    ruled: Ruled,
    sequencer: Sequencer,
    barred: Barred,
    kept: Kept,
    continuity: Continuity,
    replicas: Replicas,
    snapshots: Snapshots,
    provoked: Provoked,
    chronicle: Chronicle,
    meter: Meter,
    marks: Marks,
    red: Option<Red>,
}

/// Asks every checker of [`Checks`]. Each by its own name: what happens ten thousand times a second must cost those nothing
/// whom it does not concern.
macro_rules! each {
    ($checks:ident.$ask:ident $with:tt) => {
        each!($checks.$ask $with of
            lobbies provenance sequencer barred replicas kept continuity snapshots ordered agreement reliable latest
            unreliable acknowledged drained tokens incarnations ended bounds roster provoked
            ruled)
    };
    ($checks:ident.$ask:ident $with:tt of $($check:ident)*) => {
        $(if let Err(why) = $checks.$check.$ask $with {
            let check = $checks.$check.name();
            $checks.red.get_or_insert(Red { check, why });
        })*
    };
}

impl Checks {
    /// Checkers of machines with these bounds, and of lobbies in some of which games decide.
    pub fn new(bounds: Bounds, ruled: Ruled) -> Self {
        Checks {
            lobbies: Lobbies,
            provenance: Provenance::default(),
            ordered: Ordered::default(),
            agreement: Agreement::default(),
            reliable: Reliable::default(),
            latest: Latest::default(),
            unreliable: Unreliable::default(),
            acknowledged: Acknowledged::default(),
            drained: Drained::default(),
            tokens: Tokens::default(),
            incarnations: Incarnations::default(),
            ended: Ended::default(),
            bounds,
            roster: Roster::default(),
            ruled,
            sequencer: Sequencer::default(),
            barred: Barred::default(),
            kept: Kept::default(),
            continuity: Continuity::default(),
            replicas: Replicas::default(),
            snapshots: Snapshots::default(),
            provoked: Provoked::default(),
            chronicle: Chronicle::default(),
            meter: Meter::default(),
            marks: Marks::default(),
            red: None,
        }
    }

    /// Shows all of them something.
    pub fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) {
        if let Seen::Rested { .. } = seen {
            // After every input: shown to those only whom it concerns.
            if let Err(why) = self.bounds.see(life, seen, cast) {
                self.fail("bounds", why);
            }
            if let Err(why) = self.ended.see(life, seen, cast) {
                self.fail("ended", why);
            }
            return;
        }
        self.meter.see(life, seen, &self.chronicle, cast);
        self.marks.see(life, seen, &self.chronicle, cast);
        each!(self.see(life, seen, cast));
    }

    /// Shows all of them the star of a machine that was drained, and how it looks. What has changed goes through `falsify` before it is
    /// judged.
    pub fn step(&mut self, life: Life, star: (&Star, &Glance), cast: &Cast, falsify: impl FnOnce(&mut News)) {
        match self.chronicle.step(life, star, cast) {
            Some(mut news) => {
                falsify(&mut news);
                self.meter.step(&news);
                self.marks.step(&news, cast);
                each!(self.step(&news, &self.chronicle, cast));
            }
            None => {
                let Checks { ordered, barred, continuity, incarnations, chronicle, .. } = self;
                let told = [
                    ("ordered", ordered.unchanged(life)),
                    ("barred", barred.unchanged(life)),
                    ("continuity", continuity.unchanged(life, chronicle, cast)),
                    ("incarnations", incarnations.judge(life, chronicle, cast)),
                ];
                for (check, told) in told {
                    if let Err(why) = told {
                        self.fail(check, why);
                    }
                }
            }
        }
    }

    /// Tells all of them that everything that had to arrive was acknowledged.
    pub fn end(&mut self, cast: &Cast) {
        each!(self.end(cast));
    }

    /// Fails for a reason that only the whole run can know.
    pub fn fail(&mut self, check: &'static str, why: String) {
        self.red.get_or_insert(Red { check, why });
    }

    /// The first property that was broken.
    pub fn red(&self) -> Option<&Red> {
        self.red.as_ref()
    }

    /// Adds what was counted, and tells the first property that was broken.
    pub fn finish(self, tally: &mut Tally) -> Option<Red> {
        self.meter.finish(tally);
        self.marks.finish(tally);
        self.red
    }

    /// Kept messages of a life that are not acknowledged.
    pub fn unacknowledged(&self, life: Life) -> usize {
        self.acknowledged.pending(life)
    }

    /// Channels of a life that refused a message and have not said since that there is room.
    pub fn undrained(&self, life: Life) -> usize {
        self.drained.pending(life)
    }

    /// What had to arrive at somebody and has not, if there is anything: how much, and the first of it.
    pub fn missing(&self, cast: &Cast) -> Option<String> {
        let missing = self.ordered.missing(cast).chain(self.reliable.missing(cast));
        let mut missing = missing.chain(self.ruled.untold(cast));
        let (origin, life) = missing.next()?;
        let (name, to, count) = (origin.name(), &origin.to, missing.count() + 1);
        Some(format!(
            "{count} messages, or that they were rejected, have not arrived at somebody that they are meant for: {life:?} lacks {name}, to {to:?}"
        ))
    }

    /// Why something that would have had to arrive was not missed, each reason once.
    pub fn excuses(&self, cast: &Cast) -> BTreeSet<&'static str> {
        let ordered = excused(cast, Channel::Ordered).filter(|(owed, _)| self.ordered.lacks(owed.0, owed.1));
        let reliable = excused(cast, Channel::Reliable).filter(|(owed, _)| self.reliable.lacks(owed.0, owed.1));
        ordered.chain(reliable).map(|(_, excuse)| excuse.name()).collect()
    }

    /// Whether the server cannot know yet that a token was used.
    pub fn is_forgotten(&self, token: usize) -> bool {
        self.tokens.is_forgotten(token)
    }

    /// What is known of the star of a life.
    pub fn known(&self, life: Life) -> Option<&Known> {
        self.chronicle.known(life)
    }
}
