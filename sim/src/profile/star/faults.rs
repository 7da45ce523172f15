//! What can go wrong in a world, as data: when, to whom, for how long. Which of it a run has is drawn in the kinds; how it
//! is done stands in the strikes.

use crate::net::{LinkConfig as Conditions, Side};
use core::time::Duration;
use serde::Serialize;

/// Something happens to somebody.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// It is over after so long; nothing if it is a matter of a moment.
    pub lasts: Duration,
    /// To whom.
    pub whom: Whom,
    /// What.
    pub harm: Harm,
}

/// To whom something happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whom {
    /// To this one.
    Seat(u16),
    /// To whoever is host of this lobby then.
    Host(u8),
    /// To whoever would be host next.
    Heir(u8),
    /// To the server.
    Server,
    /// To the TURN server.
    Turn,
}

/// What happens.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// The way to the server is cut both ways.
    Cut,
    /// The way from this side is cut: the player's (A) or the server's (B).
    OneWay(Side),
    /// Its connections to the server break, and both sides hear of it.
    Reset,
    /// Its connections to the server die, and nobody hears of it.
    HalfOpen,
    /// It reads nothing that comes from the server.
    Deaf,
    /// Its machine is not called.
    Sleeps,
    /// The server refuses its connections.
    Refused,
    /// From now on these are the conditions of its ways.
    Conditions(Box<Ways>),
    /// Nothing that it sends on direct ways arrives anywhere.
    Mute,
    /// Nothing that is sent to it on direct ways arrives.
    Unheard,
    /// Neither the server nor anybody else reaches it, nor does it reach them.
    Alone,
    /// These seats and all others do not reach each other on direct ways; if it says so, the server and they neither.
    Island(Vec<u16>, bool),
    /// Its process dies, and the system closes its connections; or the whole computer does, and nobody hears of it. It
    /// comes back after so long, if ever.
    Crash {
        /// The system closes its connections.
        is_closed: bool,
        /// It comes back after so long, without memory.
        again: Option<Duration>,
    },
    /// The box before it begins anew: everybody behind it has other addresses.
    Rebinds,
    /// Its clock jumps by so many milliseconds; of the server: the wall clock.
    Jump(i64),
}

/// The conditions of somebody's ways, by direction: from it, to it.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Ways {
    /// To the server.
    pub line: [Conditions; 2],
    /// To other players.
    pub access: [Conditions; 2],
}

impl Harm {
    /// What it is called in the summary.
    pub(super) fn mark(&self) -> &'static str {
        match self {
            Harm::Cut => "cut",
            Harm::OneWay(_) => "cut_one_way",
            Harm::Reset => "reset",
            Harm::HalfOpen => "half_open",
            Harm::Deaf => "deaf",
            Harm::Sleeps => "paused",
            Harm::Refused => "unreachable_server",
            Harm::Conditions(_) => "conditions",
            Harm::Mute => "mute",
            Harm::Unheard => "unheard",
            Harm::Island(_, true) => "island_without_server",
            Harm::Island(_, false) => "island_with_server",
            Harm::Alone => "alone",
            Harm::Crash { .. } => "crash",
            Harm::Rebinds => "rebound",
            Harm::Jump(_) => "clock_jump",
        }
    }
}
