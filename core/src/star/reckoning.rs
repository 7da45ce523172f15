//! A host's bookkeeping, done a few times a second: what has arrived everywhere, what is cut, who is waited for no more,
//! when members are asked to hold; and telling them how far things are.

use super::follower::{Follower, Stage};
use super::hosting::{Hosting, Ours};
use super::log::bytes_of;
use super::snapshots::Snapshots;
use super::{Event, Frame, Mark, Position, To};
use crate::id::PlayerId;
use crate::time::{Duration, Instant};

/// Members are told how far things are at least so often while that changes.
const TICK: Duration = Duration::from_millis(100);
/// As often it is looked after those who take nothing.
const WATCH: Duration = Duration::from_secs(1);
/// Who is connected and took nothing for so long counts as absent.
const STALLED: Duration = Duration::from_secs(5);

impl Hosting {
    /// Something has changed: bookkeeping is due soon.
    pub(super) fn arm(&mut self) {
        let at = self.now + TICK;
        if self.tick_at.is_none() {
            for follower in self.followers.values_mut() {
                follower.taken_at = self.now;
            }
        }
        self.tick_at = Some(self.tick_at.map_or(at, |due| due.min(at)));
    }

    /// Bookkeeping, if it is time or members must hold at once. True: nobody holds any more, nor need we.
    pub(super) fn tick(&mut self, ours: &mut Ours<'_>) -> bool {
        let is_over = self.unsettled > self.config.resume_log / 2 && !self.is_holding;
        let is_due = self.tick_at.is_some_and(|at| self.now >= at);
        if !is_due && !is_over {
            return false;
        }
        let was_holding = self.is_holding;
        self.settle(ours);
        self.take_back(ours);
        self.let_go(ours);
        self.hold(ours);
        if is_due {
            self.cut(ours);
            self.tell_marks(ours, true);
            let end = ours.log.end();
            let is_watched = self.followers.values().any(|follower| follower.is_reckoned() && follower.is_behind(end));
            self.tick_at = is_watched.then(|| self.now + WATCH);
        }
        was_holding && !self.is_holding
    }

    fn is_stuck(&self, follower: &Follower, end: Position) -> bool {
        follower.is_behind(end) && self.now.since(follower.taken_at) >= STALLED
    }

    /// It is waited for.
    fn counts(&self, follower: &Follower, end: Position) -> bool {
        follower.is_reckoned() && follower.is_connected && !self.is_stuck(follower, end)
    }

    fn settle(&mut self, ours: &mut Ours<'_>) {
        let (log, me, end) = (&*ours.log, self.me, ours.log.end());
        for (player, follower) in self.followers.iter_mut() {
            follower.pass(*player, me, log);
            if !follower.is_behind(end) {
                follower.taken_at = self.now;
            }
            if follower.leaves.take_if(|leaves| *leaves <= self.committed).is_some() {
                follower.stage = Stage::Outside;
            }
        }
        let counted = self.followers.values().filter(|follower| self.counts(follower, end));
        let settled = counted.map(Follower::taken).min().unwrap_or(self.committed).min(self.committed);
        if settled >= self.settled {
            let gained = log.after(self.settled).take_while(|entry| entry.position <= settled);
            self.unsettled -= gained.map(bytes_of).sum::<usize>();
        } else {
            self.unsettled = log.after(settled).map(bytes_of).sum();
        }
        self.settled = settled;
        ours.following.on_settled(settled);
    }

    /// There is room for so much only: who is absent or stuck is written out of the log, and begins anew when it returns.
    fn let_go(&mut self, ours: &mut Ours<'_>) {
        if ours.log.bytes() <= self.config.resume_log {
            return;
        }
        let end = ours.log.end();
        let is_absent = |follower: &Follower| follower.is_reckoned() && !self.counts(follower, end);
        let is_kept_for = |follower: &Follower| follower.leaves.is_none() && follower.taken() < self.committed;
        let absent = self.followers.iter().filter(|(_, follower)| is_absent(follower) && is_kept_for(follower));
        let absent: Vec<PlayerId> = absent.map(|(player, _)| *player).collect();
        for player in absent {
            let leaves = self.write_out(player, ours);
            if let Some(follower) = self.followers.get_mut(&player) {
                follower.leaves = Some(leaves);
                follower.was_dropped = true;
                follower.is_cut_off = true;
            }
        }
    }

    /// Members are asked to hold while those who are there cannot follow.
    fn hold(&mut self, ours: &mut Ours<'_>) {
        let room = self.config.resume_log;
        let (is_over, is_free) = (self.unsettled > room / 2, self.unsettled <= room / 4);
        if (is_over && !self.is_holding) || (is_free && self.is_holding) {
            self.is_holding = is_over;
            ours.publishing.hold(is_over);
            let follows = |follower: &Follower| follower.stage == Stage::Following;
            let all = self.followers.iter().filter(|(_, follower)| follows(follower));
            let all: Vec<PlayerId> = all.map(|(player, _)| *player).collect();
            if !all.is_empty() {
                ours.out.frames.push_back((To::Many(all), Frame::Hold(is_over)));
            }
        }
    }

    /// What everybody has who counts or is waited for need not be kept, except for the newest state of the game.
    fn cut(&mut self, ours: &mut Ours<'_>) {
        let end = ours.log.end();
        let stores = |follower: &Follower| follower.replica.is_some() && !self.is_stuck(follower, end);
        let reckoned = self.followers.values().filter(|follower| follower.is_reckoned() || stores(follower));
        let free = reckoned.map(Follower::taken).min().unwrap_or(self.committed).min(self.committed);
        ours.snapshots.cut(ours.log, free, self.config.resume_log);
    }

    /// Our game is asked for its state, if that is due: after a place up to which it has got everything, and nothing else.
    pub(super) fn ask(&mut self, ours: &mut Ours<'_>) {
        let is_needed = self.followers.values().any(|follower| follower.stage == Stage::Waiting);
        if ours.snapshots.give_up(self.now) {
            ours.following.go_on(&mut ours.out.events);
            self.start_those_who_wait(ours);
        }
        if (is_needed || !self.is_travelling())
            && let Some(position) = ours.snapshots.want(self.now, ours.log.end(), is_needed)
        {
            ours.following.stop_at(position);
        }
        if let Some(position) = ours.snapshots.wanted()
            && self.committed >= position
            && ours.following.is_delivered_to(position)
        {
            ours.out.events.push_back(Event::SnapshotWanted { position });
            ours.snapshots.on_asked(self.now);
            ours.following.go_on(&mut ours.out.events);
        }
    }

    /// Tells how far things are: to those who wait for it, or to everybody.
    pub(super) fn tell_marks(&mut self, ours: &mut Ours<'_>, all: bool) {
        let (committed, settled, cut, epoch) = (self.committed, self.settled, ours.log.cut(), self.epoch());
        for (player, follower) in self.followers.iter_mut().filter(|(_, follower)| all || follower.is_due) {
            let is_told = matches!(follower.stage, Stage::Waiting | Stage::Starting | Stage::Following);
            let acked = self.acked.taken(*player, follower.incarnation);
            // What is not kept for who begins anew has not come to it.
            let has_taken = if follower.stage == Stage::Following { follower.taken() } else { Position(0) };
            let mark = Mark { committed, settled: settled.min(has_taken), cut, acked };
            if is_told && mark != follower.told {
                follower.told = mark;
                ours.out.frames.push_back((To::One(*player), Frame::Mark { epoch, mark }));
            }
            follower.is_due &= !is_told;
        }
    }

    /// When something is to be done.
    pub(super) fn deadline(&self, snapshots: &Snapshots) -> Option<Instant> {
        let asks_at = snapshots.deadline().filter(|_| snapshots.is_asking() || !self.is_travelling());
        [self.tick_at, asks_at].into_iter().flatten().min().filter(|_| self.is_active)
    }

    /// A state of our game is on its way to a replica: another is not asked for until it is there.
    fn is_travelling(&self) -> bool {
        self.followers.values().any(|follower| follower.replica.is_some() && follower.is_fed())
    }
}
