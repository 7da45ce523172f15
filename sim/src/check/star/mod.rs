//! The checkers of the star: each watches one property of a whole world and says the first time that it is broken. They
//! see what applications are told and what was submitted, and nothing of how the machines work. Channels promise within
//! one host's life, so what is missing is judged from the last change of host on.

mod acknowledged;
mod agreement;
mod bounds;
mod cast;
mod drained;
mod ended;
mod fresh;
mod lobbies;
mod ordered;
mod provenance;
mod reliable;
mod roster;
mod tokens;

pub use acknowledged::Acknowledged;
pub use agreement::Agreement;
pub use bounds::{Bounds, Holding};
pub use cast::{Cast, Life, Person, Room, STAMP, Said, Submission, bit, stamp};
pub use drained::Drained;
pub use ended::Ended;
pub use fresh::{Latest, Unreliable};
pub use lobbies::Lobbies;
pub use ordered::Ordered;
pub use provenance::Provenance;
pub use reliable::Reliable;
pub use roster::Roster;
pub use tokens::Tokens;

use super::Red;
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, PeerMessage, Sent};
use webstar_core::wire::signal::{Epoch, PlayerEntry};

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
    HostChanged(Epoch),
    /// What was not acknowledged is given up: so many, as the machine says, and as was counted.
    ContinuityLost(u64, u64),
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
    /// Somebody came with a token that was used before: whether it was let in.
    Replayed {
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
    ended: Ended,
    bounds: Bounds,
    roster: Roster,
    red: Option<Red>,
}

impl Checks {
    /// Checkers of machines with these bounds.
    pub fn new(bounds: Bounds) -> Self {
        Checks {
            lobbies: Lobbies,
            provenance: Provenance,
            ordered: Ordered::default(),
            agreement: Agreement::default(),
            reliable: Reliable::default(),
            latest: Latest::default(),
            unreliable: Unreliable::default(),
            acknowledged: Acknowledged::default(),
            drained: Drained::default(),
            tokens: Tokens,
            ended: Ended::default(),
            bounds,
            roster: Roster::default(),
            red: None,
        }
    }

    /// Shows all of them something.
    pub fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) {
        self.each(|check| check.see(life, seen, cast));
    }

    /// Tells all of them that everything that had to arrive was acknowledged.
    pub fn end(&mut self, cast: &Cast) {
        self.each(|check| check.end(cast));
    }

    /// Fails for a reason that only the whole run can know.
    pub fn fail(&mut self, check: &'static str, why: String) {
        self.red.get_or_insert(Red { check, why });
    }

    /// The first property that was broken.
    pub fn red(&self) -> Option<&Red> {
        self.red.as_ref()
    }

    /// Kept messages of a life that are neither acknowledged nor given up.
    pub fn unacknowledged(&self, life: Life) -> usize {
        self.acknowledged.pending(life)
    }

    /// Channels of a life that refused a message and have not said since that there is room.
    pub fn undrained(&self, life: Life) -> usize {
        self.drained.pending(life)
    }

    /// How many messages that had to arrive at somebody have not.
    pub fn missing(&self, cast: &Cast) -> usize {
        self.ordered.missing(cast).count() + self.reliable.missing(cast).count()
    }

    fn each(&mut self, mut look: impl FnMut(&mut dyn Check) -> Result<(), String>) {
        let all: [&mut dyn Check; 13] = [
            &mut self.lobbies,
            &mut self.provenance,
            &mut self.ordered,
            &mut self.agreement,
            &mut self.reliable,
            &mut self.latest,
            &mut self.unreliable,
            &mut self.acknowledged,
            &mut self.drained,
            &mut self.tokens,
            &mut self.ended,
            &mut self.bounds,
            &mut self.roster,
        ];
        for check in all {
            if let Err(why) = look(check) {
                let check = check.name();
                self.red.get_or_insert(Red { check, why });
            }
        }
    }
}

/// The pairs of a submission on this channel and a life that must have received it by now: both are in one lobby and in
/// one life of the star, the receiver was there before and was known to the sender, and nothing was given up.
fn due<'a>(cast: &'a Cast, channel: Channel) -> impl Iterator<Item = (&'a Submission, Life, &'a Person)> {
    let is_here = |person: &Person| person.is_joined && !person.is_over && !person.is_guest;
    let receivers = move |submission: &'a Submission| {
        cast.people().filter(move |(_, person)| {
            let Some(player) = person.player else { return false };
            is_here(person)
                && person.room == submission.room
                && person.epoch == submission.epoch
                && person.since <= submission.at
                && (submission.knows & bit(player) != 0 || player == submission.player)
                && submission.is_for(player, person.host)
        })
    };
    cast.submissions()
        .iter()
        .filter(move |submission| {
            let sender = cast.person(submission.life);
            let is_kept = submission.is_acked || is_here(sender) && sender.epoch == submission.epoch;
            submission.channel == Some(channel) && is_kept && !submission.is_given_up
        })
        .flat_map(move |submission| receivers(submission).map(move |(life, person)| (submission, life, person)))
}
