//! One who follows a host: which entry it is given next, which of them have arrived, and how its history begins.

use super::log::{Log, is_meant};
use super::snapshots::Kept;
use super::{Entry, Frame, Mark, Position};
use crate::id::{Incarnation, PlayerId};
use crate::time::Instant;
use crate::wire::signal::Epoch;
use std::collections::VecDeque;

/// Where a follower's history is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It is not in the log: nothing is kept for it.
    Outside,
    /// It is in the log and has not told what it has got.
    Silent,
    /// It needs a state of the game that is not there yet.
    Waiting,
    /// It was told to begin anew and has not said that it has.
    Starting,
    /// It is given what is meant for it.
    Following,
}

/// What a replica has stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Replica {
    /// Everything up to here.
    pub(super) stored: Position,
    /// It has been one since this epoch: what it said before does not count, for it may have forgotten that.
    pub(super) since: Epoch,
}

#[derive(Debug)]
pub(super) struct Follower {
    pub(super) incarnation: Incarnation,
    pub(super) is_connected: bool,
    pub(super) stage: Stage,
    /// What stands up to here is not meant for it.
    pub(super) joined: Position,
    /// It came into the roster while we were host: it has said nothing to anybody before.
    pub(super) is_new: bool,
    /// It has delivered nothing yet in its life.
    pub(super) is_joiner: bool,
    /// As far as it has told, its history has begun where the log says, or later.
    pub(super) has_begun: bool,
    /// Its history does not go on here: until it says that it has begun anew, what it were given would follow a gap.
    pub(super) is_cut_off: bool,
    /// Where it was told to begin last.
    pub(super) begins_at: Position,
    /// It is not in the roster.
    pub(super) is_gone: bool,
    /// It was written out of the log because it was away for too long.
    pub(super) was_dropped: bool,
    /// It has shown itself since.
    pub(super) is_back: bool,
    /// It keeps everything.
    pub(super) replica: Option<Replica>,
    /// Where it was written out of the log, until that is committed.
    pub(super) leaves: Option<Position>,
    /// While it is not known what it has: everything after here is kept for it.
    floor: Position,
    /// Everything up to here was given or is not meant for it.
    cursor: Position,
    /// What was given and has not arrived, and what arrived behind that.
    given: VecDeque<(Position, bool)>,
    /// As a member it has said to have everything up to here ..
    has: Position,
    /// .. and these, ascending.
    held: VecDeque<Position>,
    /// A replica whose copy began late: what it was given before that, and where that ends.
    past: Option<(Position, Position)>,
    /// When something arrived last, or nothing was on its way.
    pub(super) taken_at: Instant,
    /// The state that it is given, and how much it was given of it.
    feed: Option<(Kept, usize)>,
    /// The state that comes after that.
    next_feed: Option<Kept>,
    /// What it was told last.
    pub(super) told: Mark,
    /// It is to be told at once.
    pub(super) is_due: bool,
}

impl Follower {
    /// Somebody who is not in the log; new: it was not in the roster before.
    pub(super) fn new(now: Instant, incarnation: Incarnation, is_new: bool) -> Self {
        Follower {
            incarnation,
            is_connected: false,
            stage: Stage::Outside,
            joined: Position(0),
            is_new,
            is_joiner: false,
            has_begun: false,
            is_cut_off: false,
            begins_at: Position(0),
            is_gone: true,
            was_dropped: false,
            is_back: false,
            replica: None,
            leaves: None,
            floor: Position(0),
            cursor: Position(0),
            given: VecDeque::new(),
            has: Position(0),
            held: VecDeque::new(),
            past: None,
            taken_at: now,
            feed: None,
            next_feed: None,
            told: Mark::default(),
            is_due: false,
        }
    }

    /// It is in the log since `joined`: that is kept until it is known where its history is. So another host will know too
    /// whether it has begun there.
    pub(super) fn reckon_from(&mut self, joined: Position, cut: Position) {
        self.stage = Stage::Silent;
        self.joined = joined;
        self.floor = cut.max(Position(joined.0.saturating_sub(1)));
        self.leaves = None;
        self.was_dropped = false;
        self.is_back = false;
        self.is_new = false;
        self.has_begun = false;
        if self.replica.is_none() {
            self.begin_at(self.floor, &[]);
        }
    }

    /// It was told to begin here, and is given nothing until it has said that it does.
    pub(super) fn start_at(&mut self, position: Position) {
        if self.joined <= self.floor {
            self.floor = self.floor.max(position);
        }
        self.begins_at = position;
        self.stage = Stage::Starting;
    }

    /// As a member it has everything up to here, and these. A replica goes on storing where it is.
    pub(super) fn begin_at(&mut self, position: Position, held: &[Position]) {
        let first = if self.replica.is_some() { self.cursor.min(position) } else { position };
        let again = self.given.partition_point(|(given, _)| *given <= first);
        self.given.truncate(if self.replica.is_some() { again } else { 0 });
        self.cursor = first;
        self.has = position;
        self.held = held.iter().copied().filter(|held| *held > position).collect();
    }

    /// It becomes a replica: everything after `from` is given, once more if need be.
    pub(super) fn replicate(&mut self, epoch: Epoch, from: Position, newest: Option<&Kept>) {
        let again = self.given.partition_point(|(position, _)| *position <= from);
        self.given.truncate(again);
        self.cursor = from;
        self.past = None;
        self.replica = Some(Replica { stored: from, since: epoch });
        if let Some(kept) = newest {
            self.feed_next(kept);
        }
    }

    /// A replica whose copy began late gets what stands before that, when nothing newer is to be given.
    pub(super) fn give_past(&mut self, from: Position, to: Position) {
        self.past = Some((from, to));
    }

    /// The next of that. What is cut meanwhile is not given any more, nor what follows it.
    fn poll_past<'a>(&mut self, log: &'a Log) -> Option<&'a Entry> {
        let (given, to) = self.past.take_if(|_| self.replica.is_some())?;
        let entry = log.entry(given.next()).filter(|entry| entry.position <= to)?;
        self.past = Some((entry.position, to));
        Some(entry)
    }

    /// It counts: the log is kept for it.
    pub(super) fn is_reckoned(&self) -> bool {
        self.stage != Stage::Outside
    }

    /// Everything that is meant for it up to here has arrived.
    pub(super) fn taken(&self) -> Position {
        if matches!(self.stage, Stage::Silent | Stage::Waiting | Stage::Starting) {
            return self.floor;
        }
        self.given.front().map_or(self.cursor, |(position, _)| Position(position.0 - 1))
    }

    /// Whether something that is meant for it has not arrived.
    pub(super) fn is_behind(&self, end: Position) -> bool {
        !self.given.is_empty() || self.cursor < end
    }

    /// Passes what is not for it, so that it does not seem to be behind.
    pub(super) fn pass(&mut self, player: PlayerId, host: PlayerId, log: &Log) {
        let may_pass = self.stage == Stage::Following;
        while let Some(entry) = log.entry(self.cursor.next()).filter(|_| may_pass) {
            if self.wants(entry, player, host) {
                return;
            }
            self.cursor = entry.position;
        }
    }

    fn wants(&self, entry: &Entry, player: PlayerId, host: PlayerId) -> bool {
        let position = entry.position;
        let is_stored = self.replica.is_none_or(|replica| position <= replica.stored);
        let is_there = position <= self.joined.max(self.has) || self.held.binary_search(&position).is_ok();
        !is_stored || (!is_there && self.stage == Stage::Following && is_meant(&entry.content, player, host))
    }

    /// It was given everything up to the end, and no state is on its way to it.
    pub(super) fn has_all(&self, end: Position) -> bool {
        self.cursor >= end && self.past.is_none() && self.feed.is_none()
    }

    /// The next entry up to `limit`; to replicas up to the end.
    pub(super) fn poll_entry<'a>(
        &mut self,
        player: PlayerId,
        host: PlayerId,
        limit: Position,
        log: &'a Log,
    ) -> Option<&'a Entry> {
        let limit = if self.replica.is_some() { log.end() } else { limit };
        if self.replica.is_none() && self.stage != Stage::Following {
            return None;
        }
        self.cursor = self.cursor.max(log.cut());
        while self.cursor < limit {
            let entry = log.entry(self.cursor.next())?;
            let is_wanted = self.wants(entry, player, host);
            self.cursor = entry.position;
            while self.held.front().is_some_and(|held| *held <= self.cursor) {
                self.held.pop_front();
            }
            if is_wanted {
                self.given.push_back((entry.position, false));
                return Some(entry);
            }
        }
        self.poll_past(log)
    }

    /// Something that was given has arrived.
    pub(super) fn on_taken(&mut self, now: Instant, position: Position) {
        self.taken_at = now;
        if let Ok(index) = self.given.binary_search_by_key(&position, |(given, _)| *given) {
            self.given[index].1 = true;
        }
        while self.given.front().is_some_and(|(_, is_taken)| *is_taken) {
            self.given.pop_front();
        }
    }

    /// It is given a state now; what it was being given is of no use to it.
    pub(super) fn feed(&mut self, kept: &Kept) {
        self.feed = Some((kept.clone(), 0));
        self.next_feed = None;
    }

    /// It is given a state once it has the one that is on its way.
    pub(super) fn feed_next(&mut self, kept: &Kept) {
        match self.feed {
            Some(_) => self.next_feed = Some(kept.clone()),
            None => self.feed = Some((kept.clone(), 0)),
        }
    }

    /// It is given no states any more.
    pub(super) fn stop_replicating(&mut self) {
        self.replica = None;
        self.past = None;
        self.next_feed = None;
    }

    /// A state is on its way.
    pub(super) fn is_fed(&self) -> bool {
        self.feed.is_some()
    }

    /// The next piece of the state that it is given.
    pub(super) fn poll_piece(&mut self, now: Instant, epoch: Epoch) -> Option<Frame> {
        let (kept, offset) = self.feed.as_mut()?;
        let piece = kept.piece(epoch, *offset);
        self.taken_at = now;
        *offset = kept.after(*offset);
        if *offset >= kept.state.len() {
            self.feed = self.next_feed.take().map(|kept| (kept, 0));
        }
        piece
    }
}
