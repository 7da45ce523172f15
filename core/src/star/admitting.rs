//! Who is in the log: who comes in, who goes, and where the history of each begins under a new host.

use super::follower::{Follower, Stage};
use super::hosting::{Hosting, Ours};
use super::{Beyond, Content, Frame, Member, Position, To};
use crate::id::PlayerId;
use crate::time::Instant;

impl Hosting {
    /// The roster: who is not in it any more leaves the log; for who is not connected the log is kept as far as there is
    /// room.
    pub(super) fn on_members(&mut self, now: Instant, members: &[Member], ours: &mut Ours<'_>) {
        self.now = self.now.max(now);
        self.meet(members);
        if self.is_active {
            self.leave_if_gone(ours);
            self.take_back(ours);
            self.take_in(ours);
        }
        self.arm();
    }

    /// Who is in the roster, and connected.
    pub(super) fn meet(&mut self, members: &[Member]) {
        for follower in self.followers.values_mut() {
            follower.is_gone = true;
        }
        for member in members.iter().filter(|member| member.player != self.me) {
            let fresh = || Follower::new(self.now, member.incarnation, self.is_active);
            let follower = self.followers.get_or_insert_with(member.player, fresh);
            if follower.incarnation < member.incarnation {
                *follower = fresh();
            }
            follower.is_gone = false;
            if follower.incarnation > member.incarnation {
                // The log knows a later life of it than our roster, which is old: the log is kept for that one.
                follower.is_connected = false;
                continue;
            }
            follower.is_back |= member.is_connected && !follower.is_connected;
            follower.is_connected = member.is_connected;
        }
    }

    /// Who was written out because it was away for too long, and shows itself again, is written in again.
    pub(super) fn take_back(&mut self, ours: &mut Ours<'_>) {
        let is_back =
            |follower: &Follower| follower.stage == Stage::Outside && follower.was_dropped && follower.is_back;
        let back: Vec<PlayerId> =
            self.followers.iter().filter(|(_, follower)| is_back(follower)).map(|(player, _)| *player).collect();
        for player in back {
            self.begin_anew(player, [0; 2], ours);
        }
    }

    pub(super) fn leave_if_gone(&mut self, ours: &mut Ours<'_>) {
        let gone: Vec<PlayerId> =
            self.followers.iter().filter(|(_, follower)| follower.is_gone).map(|(player, _)| *player).collect();
        for player in gone {
            self.followers.remove(&player);
            if ours.log.table().row(player).is_some_and(|row| row.is_present) && !self.is_frozen {
                self.write_out(player, ours);
            }
        }
    }

    /// Writes a player out of the log. What it wanted to say waits no longer: should it come back, it says that again.
    pub(super) fn write_out(&mut self, player: PlayerId, ours: &mut Ours<'_>) -> Position {
        ours.proposals.forget(player);
        self.append(Content::Left { player }, ours)
    }

    /// A follower tells what it has got: it is given the rest, or begins anew.
    pub(super) fn on_have(&mut self, now: Instant, player: PlayerId, beyond: &Beyond, ours: &mut Ours<'_>) {
        self.now = self.now.max(now);
        let Some(follower) = self.followers.get_mut(&player).filter(|_| self.is_active) else { return };
        let is_known = ours.log.table().is_known(player, follower.incarnation, beyond.acked);
        let settled = beyond.settled.min(ours.log.end());
        follower.is_cut_off |= !beyond.wants_snapshot && follower.stage != Stage::Following;
        if follower.leaves.is_some() {
            follower.is_back = true;
        } else if !is_known {
            follower.is_joiner = beyond.wants_snapshot && beyond.settled == Position(0) && beyond.acked == [0; 2];
            self.begin_anew(player, beyond.acked, ours);
        } else if beyond.wants_snapshot {
            follower.is_joiner = beyond.settled == Position(0) && beyond.acked == [0; 2];
            follower.has_begun = beyond.settled >= follower.joined;
            self.start(player, ours);
        } else {
            self.on_running(player, settled, &beyond.held, ours);
        }
        self.arm();
    }

    /// A follower's history goes on: where it was told to begin, or where it was under the host before.
    fn on_running(&mut self, player: PlayerId, settled: Position, held: &[Position], ours: &mut Ours<'_>) {
        let Some(follower) = self.followers.get(&player) else { return };
        match follower.stage {
            Stage::Starting if settled >= follower.begins_at => self.follow(player, settled, held, ours),
            // What it lacks is not there.
            Stage::Silent if ours.log.is_late() && settled < ours.log.cut() => self.start(player, ours),
            Stage::Silent if settled >= follower.joined => {
                self.follow(player, settled.max(ours.log.cut()), held, ours);
            }
            Stage::Silent => self.start(player, ours),
            Stage::Starting | Stage::Waiting | Stage::Following | Stage::Outside => {}
        }
    }

    /// Who is new is written in at once, so that it hears what is said from now on. What anybody has said to another host
    /// is known only once it has told.
    fn take_in(&mut self, ours: &mut Ours<'_>) {
        let comes = |follower: &Follower| follower.is_new && follower.is_connected && !self.is_frozen;
        let new = self.followers.iter().filter(|(_, follower)| comes(follower));
        let new: Vec<PlayerId> = new.map(|(player, _)| *player).collect();
        for player in new {
            self.write_in(player, [0; 2], ours);
        }
    }

    fn write_in(&mut self, player: PlayerId, taken: [u64; 2], ours: &mut Ours<'_>) {
        let Some(incarnation) = self.followers.get(&player).map(|follower| follower.incarnation) else { return };
        let joined = self.append(Content::Joined { player, incarnation, taken }, ours);
        if let Some(follower) = self.followers.get_mut(&player) {
            follower.reckon_from(joined, Position(0));
        }
    }

    /// Writes a follower into the log, behind whatever it has of it.
    fn begin_anew(&mut self, player: PlayerId, acked: [u64; 2], ours: &mut Ours<'_>) {
        if self.is_frozen {
            return;
        }
        self.write_in(player, acked, ours);
        self.start(player, ours);
    }

    /// Tells a follower where its history begins: with a state of the game if there is one, and else without. It is given
    /// nothing more until it has said that it is there: nothing may overtake that.
    fn start(&mut self, player: PlayerId, ours: &mut Ours<'_>) {
        let (committed, epoch) = (self.committed, self.epoch());
        let Some(follower) = self.followers.get_mut(&player) else { return };
        let least = follower.joined.max(follower.begins_at).max(ours.log.cut());
        let newest = ours.snapshots.newest().filter(|kept| kept.position >= least);
        let is_told = follower.stage == Stage::Starting;
        if newest.is_none() && ours.snapshots.is_given() && !is_told {
            follower.stage = Stage::Waiting;
            self.arm();
            return;
        }
        let bare = match (is_told, follower.has_begun || follower.joined <= ours.log.cut()) {
            (true, _) => follower.begins_at,
            (false, true) => committed.max(least),
            (false, false) => least,
        };
        let position = newest.map_or(bare, |kept| kept.position);
        let snapshot_bytes = newest.map_or(0, |kept| kept.state.len() as u64);
        if let Some(kept) = newest {
            follower.feed(kept);
        }
        let is_joiner = core::mem::take(&mut follower.is_joiner);
        let frame = Frame::Start { epoch, position, is_joiner, snapshot_bytes };
        ours.out.frames.push_back((To::One(player), frame));
        follower.start_at(position);
    }

    fn follow(&mut self, player: PlayerId, has: Position, held: &[Position], ours: &mut Ours<'_>) {
        let Some(follower) = self.followers.get_mut(&player) else { return };
        follower.begin_at(has, held);
        follower.stage = Stage::Following;
        follower.is_cut_off = false;
        follower.taken_at = self.now;
        follower.is_due = true;
        if self.is_holding {
            ours.out.frames.push_back((To::One(player), Frame::Hold(true)));
        }
    }

    pub(super) fn start_those_who_wait(&mut self, ours: &mut Ours<'_>) {
        let is_waiting = |follower: &Follower| follower.stage == Stage::Waiting;
        let waiting: Vec<PlayerId> =
            self.followers.iter().filter(|(_, follower)| is_waiting(follower)).map(|(player, _)| *player).collect();
        for player in waiting {
            self.start(player, ours);
        }
    }
}

#[cfg(test)]
#[path = "admitting_tests.rs"]
mod tests;
