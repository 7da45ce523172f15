//! Plans that are not drawn but made to measure one thing: one lobby of equal players on equal ways, who speak all the
//! time, and at most one thing that happens to their host.

use super::deeds::{Deed, What};
use super::faults::{Fault, Harm, Ways, Whom};
use super::plan::{LobbyPlan, Mood, Plan, SeatPlan};
use super::talk::{Talking, Voice};
use crate::net::LinkConfig as Conditions;
use core::time::Duration;

/// A lobby of equals.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Equal {
    /// How many players.
    pub players: u16,
    /// How long a packet takes from a player to another, or to the server.
    pub one_way: Duration,
    /// The share of packets that are lost.
    pub loss: f64,
    /// By how much a packet may be later.
    pub jitter: Duration,
    /// How often everybody speaks, in a second.
    pub hz: f64,
    /// How many bytes each time.
    pub bytes: u64,
    /// For how long.
    pub lasts: Duration,
    /// Whoever is silent for so long is suspect, if not as by default.
    pub heartbeat_timeout: Option<Duration>,
    /// What happens to the host, and when.
    pub fate: Option<(Duration, Fate)>,
}

/// What happens to a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Its computer dies, and nobody hears of it.
    Dies,
    /// Its process dies, and the system closes its connections.
    Closes,
    /// It hands over.
    HandsOver,
}

impl Equal {
    /// The plan.
    pub fn plan(&self) -> Plan {
        let Equal { one_way, loss, jitter, .. } = *self;
        let line = Conditions { jitter, keep_order: true, loss, ..Conditions::with_delay(one_way) };
        let access = Conditions { delay: one_way / 2, jitter: jitter / 2, keep_order: false, loss: loss / 2.0, ..line };
        let ways = Ways { line: [line; 2], access: [access; 2] };
        let enters = |seat: u16| Duration::from_millis(50) * u32::from(seat);
        let seats =
            (0..self.players).map(|seat| SeatPlan { enters_at: enters(seat), ..SeatPlan::plain(ways) }).collect();
        let lobby = LobbyPlan { max_players: 64, ..LobbyPlan::plain() };
        let mood = if self.fate.is_some() { Mood::Crashy } else { Mood::Lossy };
        let mut plan = Plan::plain(mood, lobby, seats, self.lasts);
        plan.heartbeat_timeout = self.heartbeat_timeout;
        plan.talking =
            Talking::steady(plan.seats.len(), Duration::from_secs_f64(1.0 / self.hz), &Voice::steady(self.bytes));
        match self.fate {
            Some((at, Fate::HandsOver)) => plan.deeds.push(Deed { at, seat: 0, what: What::HandOver }),
            Some((at, fate)) => {
                let harm = Harm::Crash { is_closed: fate == Fate::Closes, again: None };
                plan.faults.push(Fault { at, lasts: Duration::ZERO, whom: Whom::Host(0), harm });
            }
            None => {}
        }
        plan.deeds.sort_by_key(|deed| deed.at);
        plan
    }
}
