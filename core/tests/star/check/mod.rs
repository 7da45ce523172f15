//! What is watched: facts about each step of each machine, and one checker for each promise.

mod canaries;
mod fence;
mod kept;
mod line;
mod order;
mod prefix;
mod same;
mod sequencer;
mod settle;
mod tail;
mod turns;

pub(crate) use line::Lines;

use core::fmt;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::star::{Channel, Destination, Position, Role};
use webstar_core::wire::signal::Epoch;

/// A player in one life of its memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Life {
    pub(crate) player: PlayerId,
    pub(crate) incarnation: Incarnation,
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}'{}", self.player.0, self.incarnation.0)
    }
}

/// The name of a message: who said it, where, as which.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) by: Life,
    pub(crate) channel: Channel,
    pub(crate) seq: u64,
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = if self.channel == Channel::Ordered { 'o' } else { 'r' };
        write!(f, "{:?}{letter}{}", self.by, self.seq)
    }
}

/// What stands at a place of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Item {
    Message(Id),
    Joined(Life),
    Left(PlayerId),
    Void,
}

/// How a player began anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Why {
    Started,
    Resynced,
    Promoted,
}

/// What the game of a player has heard of messages for all: how many, and sums that tell them apart. The sum of ordered
/// ones tells their order too.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Game {
    pub(crate) count: u64,
    pub(crate) ordered: u64,
    pub(crate) reliable: u64,
}

impl Game {
    pub(crate) fn hear(&mut self, id: Id) {
        let word = (u64::from(id.by.player.0) << 48) ^ (u64::from(id.by.incarnation.0) << 40) ^ id.seq;
        let mixed = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9).wrapping_add(1);
        self.count += 1;
        match id.channel {
            Channel::Ordered => self.ordered = self.ordered.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(mixed),
            _ => self.reliable = self.reliable.wrapping_add(mixed),
        }
    }
}

/// Where somebody stands when all is quiet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Standing {
    pub(crate) life: Life,
    pub(crate) role: Role,
    pub(crate) epoch: Epoch,
    /// Messages that were sent and are not acknowledged.
    pub(crate) unacked: u64,
}

/// Something that happened.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A message was given to the star.
    Sent { id: Id, to: Destination },
    /// A host gave out a place.
    Appended { by: Life, epoch: Epoch, position: Position },
    /// A host said how far things are.
    Marked { by: Life, epoch: Epoch },
    /// A host handed an entry on.
    Handed { by: Life, epoch: Epoch },
    /// A backup said that it has stored.
    Stored { by: Life, epoch: Epoch },
    /// A voter promised; `bars`: the view is neither light nor dormant.
    Promised { by: Life, epoch: Epoch, bars: bool },
    /// A message came to the application. `epoch`: the newest view known in force, `stood`: waits for a newer one.
    Delivered { by: Life, epoch: Epoch, since: Epoch, stood: bool, id: Id, position: Position },
    /// Its messages up to this one are committed, an application was told; `is_alone`: by itself.
    Acked { id: Id, since: Epoch, is_alone: bool },
    /// An application was told of a host.
    HostChanged { by: Life, epoch: Epoch },
    /// An application was told that what was may be gone; the line it is in now.
    ContinuityLost { by: Life, since: Epoch },
    /// An application began from a snapshot.
    Began { by: Life, why: Why, since: Epoch, position: Position, game: Option<Game> },
    /// What a log holds that was not told yet, or all of it if it became whole in another epoch.
    Log { by: Life, whole_in: Epoch, cut: Position, items: Vec<(Position, Item)> },
    /// A host regards a place as committed; these backups of its view do not hold it.
    Committed { by: Life, since: Epoch, epoch: Epoch, position: Position, item: Item, absent: Vec<PlayerId> },
    /// Somebody became host of a new term, with this log.
    Hosting { by: Life, since: Epoch, epoch: Epoch, cut: Position, items: Vec<(Position, Item)> },
    /// Faults are over for long enough: everybody who is there and can reach the others.
    Quiet { standings: Vec<Standing> },
}

/// One promise of the star.
pub(crate) trait Check {
    /// Its name.
    fn name(&self) -> &'static str;
    /// Sees a fact; `lines` has seen it before.
    fn on(&mut self, lines: &Lines, fact: &Fact) -> Result<(), String>;
}

/// All of them.
pub(crate) struct Checks {
    lines: Lines,
    checks: Vec<Box<dyn Check>>,
}

impl Checks {
    pub(crate) fn new(is_safe: [bool; 2]) -> Self {
        let checks: Vec<Box<dyn Check>> = vec![
            Box::<sequencer::Sequencer>::default(),
            Box::<fence::Fence>::default(),
            Box::new(order::Order::new(is_safe)),
            Box::<kept::Kept>::default(),
            Box::<same::Same>::default(),
            Box::<prefix::Prefix>::default(),
            Box::<tail::Tail>::default(),
            Box::<turns::Turns>::default(),
            Box::<settle::Settle>::default(),
        ];
        Checks { lines: Lines::default(), checks }
    }

    /// The first promise that is broken, if one is.
    pub(crate) fn on(&mut self, fact: &Fact) -> Result<(), String> {
        self.lines.on(fact).map_err(|what| format!("S7 {what}"))?;
        for check in &mut self.checks {
            check.on(&self.lines, fact).map_err(|what| format!("{} {what}", check.name()))?;
        }
        Ok(())
    }

    pub(crate) fn lines(&self) -> &Lines {
        &self.lines
    }
}
