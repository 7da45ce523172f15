//! Back-pressure through the star, so that nobody loses its place because somebody else sends faster than it reads.
//!
//! A member publishes within a window: what all members together have under way to the host is at most half of what the
//! host keeps for a slow one. When a connected member has more than half waiting, the host holds: it refuses its own kept
//! messages and asks the members to do the same, until the slow one is down to a quarter. What is under way by then
//! fits into the other half. Who gets nowhere at all for [`STALLED`] while others wait for it is put out. A member that
//! is away holds up nobody; it is put out when it would need more than the host keeps.
//!
//! A host that gives up its role holds, too: what it has taken shall arrive before another is host.

use super::event::Channel;
use super::outbox::Outbox;
use super::spoke::Spoke;
use super::star::Star;
use crate::id::PlayerId;
use crate::session::Outbound;
use crate::time::{Duration, Instant};
use crate::wire::frame::{Delivery, Priority};
use crate::wire::star;

/// How long the lobby waits for a member that takes nothing: as long as the server waits for a connection by default.
const STALLED: Duration = Duration::from_secs(5);

impl Spoke {
    /// Asks the member to stop publishing what is kept, or to go on.
    pub(super) fn hold(&mut self, now: Instant, stop: bool) {
        self.watch_progress(now);
        // Ahead of everything that waits, and in order, so that the last word is the one that counts.
        let payload = star::hold(stop);
        let word = Outbound { priority: Priority::Critical, delivery: Delivery::Ordered, key: 0, payload };
        let _ = self.link.send(now, word);
        self.is_dirty = true;
    }
}

impl Star {
    /// Bytes of kept messages that a member may have under way to the host; one message in any case. The conversation
    /// itself has room for more.
    pub(super) fn window(&self) -> usize {
        let share = self.config.resume_log / 2 / self.population.max(2);
        share.min(self.config.session().send_buffer / 2)
    }

    /// What the slowest connected member still has to get, beyond what its conversation holds.
    pub(super) fn slowest(&self) -> usize {
        self.spokes.values().filter(|spoke| spoke.is_connected).map(Spoke::backlog).max().unwrap_or(0)
    }

    /// Begins or ends holding, puts out who stalls, and tells what has drained.
    pub(super) fn settle_pressure(&mut self, now: Instant, out: &mut Outbox) {
        if !self.is_hosting() {
            return self.tell_member_drained(out);
        }
        if self.is_holding {
            self.put_out_stalled(now, out);
        }
        let (slowest, limit) = (self.slowest(), self.config.resume_log);
        let is_slow = if self.is_holding { slowest > limit / 4 } else { slowest > limit / 2 };
        let holds = is_slow || self.is_frozen;
        if holds != self.is_holding {
            self.is_holding = holds;
            self.spokes.values_mut().for_each(|spoke| spoke.hold(now, holds));
        }
        if !self.is_holding && self.full.contains(&true) {
            self.tell_drained(Channel::ALL.into_iter(), out);
        }
    }

    fn tell_member_drained(&mut self, out: &mut Outbox) {
        let Some(spoke) = self.host.and_then(|host| self.spokes.get(&host)) else { return };
        if !spoke.is_held && spoke.unacked_bytes() <= self.window() / 2 {
            self.tell_drained([Channel::Reliable, Channel::Ordered].into_iter(), out);
        }
    }

    fn put_out_stalled(&mut self, now: Instant, out: &mut Outbox) {
        let limit = self.config.resume_log;
        let holds_up = |spoke: &Spoke| spoke.is_connected && spoke.backlog() > limit / 4;
        let mut stalled: Vec<PlayerId> = Vec::new();
        for (player, spoke) in &mut self.spokes {
            if holds_up(spoke) && spoke.stalled_since(now) + STALLED <= now {
                stalled.push(*player);
            }
        }
        stalled.into_iter().for_each(|player| self.put_out(player, out));
    }

    /// A member cannot be kept in step.
    pub(super) fn put_out(&mut self, player: PlayerId, out: &mut Outbox) {
        self.spokes.remove(&player);
        self.fallen.insert(player);
        out.fallen.push(player);
    }

    /// As host: nothing that is kept is taken from now on, from anybody, or it is taken again.
    pub(super) fn freeze(&mut self, freeze: bool) {
        self.is_frozen = freeze && self.is_hosting();
    }

    /// When somebody has stalled, if nothing more is heard.
    pub(super) fn stall_deadline(&self) -> Option<Instant> {
        let limit = self.config.resume_log;
        let holds_up = |spoke: &&Spoke| spoke.is_connected && spoke.backlog() > limit / 4;
        let stalls = self.spokes.values().filter(holds_up).map(|spoke| spoke.last_progress() + STALLED);
        stalls.min().filter(|_| self.is_holding)
    }
}
