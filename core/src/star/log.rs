//! The log: what stands at which place. A host appends to it, a backup stores what the host hands on; both keep the same
//! table of what was taken. It begins after its cut.

use super::table::{Table, Taking};
use super::{Content, Copy, Destination, Entry, LogEnd, Position, Span, Told};
use crate::id::{Incarnation, PlayerId};
use crate::wire::signal::Epoch;
use std::collections::{BTreeMap, VecDeque};

/// Former terms whose ends are remembered. What somebody holds of older ones counts as lost.
const SPANS: usize = 16;
/// How far beyond the end of the log a promise may bring something: a host that is not stored hands on no more than 64
/// entries, and its backups do not run far ahead of each other.
const BEYOND: u64 = 4096;
/// What an entry costs besides its payload.
pub(super) const ENTRY_BYTES: usize = 64;

/// While a host is gone nothing is meant for a host: that is left to the next.
pub(super) const NOBODY: PlayerId = PlayerId(0);

/// Whether what an entry says is meant for a player while `host` is host. Who keeps copies gets all entries besides.
pub(super) fn is_meant(content: &Content, player: PlayerId, host: PlayerId) -> bool {
    let Content::Message(told) = content else { return false };
    match &told.to {
        Destination::All => true,
        Destination::Others => told.from != player,
        Destination::Host => player == host,
        Destination::One(one) => *one == player,
        Destination::AllBut(out) => !out.contains(&player),
    }
}

/// Whether a message stands in the log for its number alone: whom it is for is not of the star, as guests are not, and
/// gets it in another way.
pub(super) fn is_for_outsider(told: &Told, table: &Table) -> bool {
    let is_outside = |player| table.row(player).is_none_or(|row| !row.is_present);
    matches!(told.to, Destination::One(player) if told.payload.is_empty() && is_outside(player))
}

/// What an entry costs in memory.
pub(super) fn bytes_of(entry: &Entry) -> usize {
    let Content::Message(told) = &entry.content else { return ENTRY_BYTES };
    let left_out = if let Destination::AllBut(out) = &told.to { 4 * out.len() } else { 0 };
    ENTRY_BYTES + told.payload.len() + left_out
}

/// Whose log it is: of which host, in which line and term. While it reigns a host only adds to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Reign {
    /// Who.
    pub(super) host: PlayerId,
    /// The first view of its line.
    pub(super) since: Epoch,
    /// Its term.
    pub(super) term: u32,
}

/// A log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Log {
    /// What was taken up to the cut.
    base: Table,
    /// What was taken up to the end.
    table: Table,
    cut: Position,
    entries: VecDeque<Entry>,
    /// What came before its turn.
    early: BTreeMap<Position, Entry>,
    bytes: usize,
    early_bytes: usize,
    /// The ends of former terms, oldest first.
    spans: Vec<Span>,
    /// The epoch in which it was last known to be whole.
    whole_in: Option<Epoch>,
    /// The end of the log that was adopted, without what promises brought.
    adopted: Position,
    /// Whose log this is a copy of.
    source: Option<Reign>,
    /// While it is being copied: it is whole in this epoch once it goes so far ..
    whole_from: Option<(Position, Epoch)>,
    /// .. and what we had before, which counts until then.
    former: Option<Box<Log>>,
    /// What stands before the cut of a copy that began late, while that comes.
    past: Option<Box<Log>>,
    /// It began late, and absent players may want what stands before its cut.
    is_late: bool,
}

impl Log {
    /// The log of a star's first host, or of one that was forced without any.
    pub(super) fn new(epoch: Epoch) -> Self {
        Log { whole_in: Some(epoch), ..Log::default() }
    }

    /// It begins after here.
    pub(super) fn cut(&self) -> Position {
        self.cut
    }

    /// Its last place.
    pub(super) fn end(&self) -> Position {
        Position(self.cut.0 + self.entries.len() as u64)
    }

    /// Where this life joined; beyond the end, if it is not there.
    pub(super) fn joined(&self, player: PlayerId, incarnation: Incarnation) -> Position {
        let row = self.table.row(player).filter(|row| row.is_present && row.incarnation == incarnation);
        row.map_or(self.end().next(), |row| row.joined)
    }

    /// What it costs.
    pub(super) fn bytes(&self) -> usize {
        let others = [&self.former, &self.past].into_iter().flatten().map(|log| log.bytes());
        self.bytes + self.early_bytes + others.sum::<usize>()
    }

    /// What was taken up to its end.
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// The ends of former terms.
    pub(super) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// What counts: while it is being copied, what we had before.
    pub(super) fn in_force(&self) -> &Log {
        self.former.as_deref().map_or(self, Log::in_force)
    }

    /// What it is worth to a new host: nothing until it is whole.
    pub(super) fn log_end(&self) -> Option<LogEnd> {
        let log = self.in_force();
        log.whole_in.map(|whole_in| LogEnd { whole_in, end: log.end() })
    }

    /// Its entries.
    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Somebody may want what stands before its cut.
    pub(super) fn is_late(&self) -> bool {
        self.is_late
    }

    /// The entry at a place.
    pub(super) fn entry(&self, position: Position) -> Option<&Entry> {
        let index = position.0.checked_sub(self.cut.0 + 1)?;
        self.entries.get(usize::try_from(index).ok()?)
    }

    /// The entries after a place.
    pub(super) fn after(&self, position: Position) -> impl Iterator<Item = &Entry> {
        let skipped = position.0.saturating_sub(self.cut.0).min(self.entries.len() as u64);
        self.entries.range(skipped as usize..)
    }

    /// The places where nothing stands.
    pub(super) fn voids(&self) -> Vec<Position> {
        let is_void = |entry: &&Entry| entry.content == Content::Void;
        self.entries.iter().filter(is_void).map(|entry| entry.position).collect()
    }

    /// The host gives out the next place.
    pub(super) fn append(&mut self, epoch: Epoch, content: Content) -> Position {
        let position = self.end().next();
        self.push(Entry { position, epoch, content });
        position
    }

    /// A backup stores what the host hands on. What comes before its turn waits for it; false: there is no room to wait.
    pub(super) fn store(&mut self, entry: Entry, room: usize) -> bool {
        if let Some(past) = self.past.as_mut().filter(|_| entry.position <= self.cut) {
            let has_room = past.store(entry, room);
            if !has_room || past.end() >= self.cut {
                self.join_past();
            }
            return true;
        }
        if entry.position <= self.end() || self.early.contains_key(&entry.position) {
            return true;
        }
        if entry.position != self.end().next() {
            self.early_bytes += bytes_of(&entry);
            if self.early_bytes > room {
                self.early_bytes -= bytes_of(&entry);
                return false;
            }
            self.early.insert(entry.position, entry);
            return true;
        }
        self.push(entry);
        while let Some(next) = self.early.remove(&self.end().next()) {
            self.early_bytes -= bytes_of(&next);
            self.push(next);
        }
        self.become_whole();
        true
    }

    fn become_whole(&mut self) {
        let end = self.end();
        if let Some((_, epoch)) = self.whole_from.take_if(|(position, _)| *position <= end) {
            self.whole_in = Some(epoch);
            self.former = None;
        }
    }

    /// What stands before the cut follows, after what this state tells. False: it does not end where we begin.
    pub(super) fn expect_past(&mut self, copy: &Copy, source: Reign) -> bool {
        let is_past = self.source == Some(source) && copy.cut < self.cut && copy.end == self.cut;
        if is_past {
            self.past = Some(Box::new(Log::from_copy(copy, Epoch::default(), None)));
        }
        is_past
    }

    /// What stands before the cut has come; or not, and is given up.
    fn join_past(&mut self) {
        let Some(past) = self.past.take().filter(|past| past.end() == self.cut) else { return };
        let Log { base, cut, mut entries, bytes, is_late, .. } = *past;
        entries.append(&mut self.entries);
        self.bytes += bytes;
        (self.base, self.cut, self.entries, self.is_late) = (base, cut, entries, is_late);
    }

    fn push(&mut self, entry: Entry) {
        self.table.apply(&entry);
        self.bytes += bytes_of(&entry);
        self.entries.push_back(entry);
    }

    /// What it has for a member after a place, of this reign or an older one: another host of the same term, which never
    /// was in force, has said nothing.
    pub(super) fn for_member(&self, reign: Reign, after: Position, me: PlayerId) -> impl Iterator<Item = &Entry> {
        let is_of_reign = self.source == Some(reign);
        let counts = move |entry: &&Entry| is_of_reign || entry.epoch.term < reign.term;
        let is_for_us = move |entry: &&Entry| is_meant(&entry.content, me, NOBODY);
        self.after(after).chain(self.early()).filter(counts).filter(is_for_us)
    }

    /// What came before its turn: nobody but its holder may have it.
    pub(super) fn early(&self) -> impl Iterator<Item = &Entry> {
        self.early.values()
    }

    /// The state for somebody whose log was told to end so, and after which place entries follow.
    pub(super) fn copy(&self, theirs: Option<LogEnd>) -> (Copy, Position) {
        let same = if self.is_late { self.end().next() } else { self.same(theirs) };
        let copy = Copy { cut: self.cut, end: self.end(), same, table: self.base.rows(), spans: self.spans.clone() };
        let from = if self.is_late { self.cut } else { same.max(self.cut) };
        (copy, from)
    }

    /// The same for a new host that fetches our log: of two that are whole in one epoch the longer begins with the shorter.
    pub(super) fn copy_on(&self, theirs: Option<LogEnd>) -> (Copy, Position) {
        let (copy, from) = self.copy(None);
        let begins_ours = |theirs: &LogEnd| {
            let is_within = self.cut <= theirs.end && theirs.end <= self.end();
            is_within && !self.is_late && self.whole_in == Some(theirs.whole_in)
        };
        match theirs.filter(begins_ours) {
            Some(theirs) => (Copy { same: theirs.end, ..copy }, theirs.end),
            None => (copy, from),
        }
    }

    /// The state for somebody who must go on soon: it begins as late as can be, but not after this place. What stands
    /// before follows [`Log::past_of`] it.
    pub(super) fn late_copy(&self, theirs: Option<LogEnd>, latest: Position) -> (Copy, Position) {
        let (copy, from) = self.copy(theirs);
        if copy.same > Position(0) || latest <= self.cut {
            return (copy, from);
        }
        let (mut base, cut) = (self.base.clone(), latest.min(self.end()));
        self.entries.iter().take_while(|entry| entry.position <= cut).for_each(|entry| base.apply(entry));
        (Copy { cut, same: copy.end.next(), table: base.rows(), ..copy }, cut)
    }

    /// The state for somebody whose copy begins after this place: what stands before follows.
    pub(super) fn past_of(&self, cut: Position) -> Option<Copy> {
        let (copy, _) = self.copy(None);
        let same = if self.is_late { cut.next() } else { Position(0) };
        (self.cut < cut).then_some(Copy { end: cut, same, ..copy })
    }

    /// Up to where somebody else's log is the same, if it was told to end so: up to there, if it is of the term that was
    /// adopted last and not longer than what was adopted then.
    fn same(&self, theirs: Option<LogEnd>) -> Position {
        let is_same = |theirs: &LogEnd| {
            let is_of_term = self.spans.last().is_some_and(|span| span.epoch.term == theirs.whole_in.term);
            is_of_term && self.cut <= theirs.end && theirs.end <= self.adopted
        };
        theirs.filter(is_same).map_or(Position(0), |theirs| theirs.end)
    }

    /// A log that begins with somebody else's state. It is whole in this epoch once it reaches the end that was told.
    pub(super) fn from_copy(copy: &Copy, epoch: Epoch, source: Option<Reign>) -> Self {
        let base = Table::from_rows(&copy.table);
        let is_late = copy.same > copy.end;
        let mut log = Log { table: base.clone(), base, cut: copy.cut, is_late, ..Log::default() };
        log.follow(copy, epoch, source);
        log
    }

    /// The log of somebody else that we have fetched: it goes on where ours ends, or is all new.
    pub(super) fn fetched(copy: &Copy, epoch: Epoch, ours: Option<&Log>) -> Self {
        let Some(ours) = ours.filter(|ours| ours.is_same(copy)) else { return Log::from_copy(copy, epoch, None) };
        let mut log = ours.up_to(copy.same);
        log.follow(copy, epoch, None);
        log
    }

    /// What a copy says to be the same is there.
    fn is_same(&self, copy: &Copy) -> bool {
        self.cut <= copy.same && copy.same > Position(0) && copy.same <= self.end().min(copy.end)
    }

    /// The same over a log that we have. What is the same in both stays; what we had counts until the new one is whole.
    pub(super) fn renew(&mut self, copy: &Copy, epoch: Epoch, source: Reign) {
        let is_of_host = self.source == Some(source) && self.end() >= copy.cut;
        if is_of_host {
            self.follow(copy, epoch, Some(source));
            return;
        }
        self.restore();
        let former = core::mem::take(self);
        if former.is_same(copy) {
            *self = former.up_to(copy.same);
            self.follow(copy, epoch, Some(source));
        } else {
            *self = Log::from_copy(copy, epoch, Some(source));
        }
        if self.whole_from.is_some() && former.whole_in.is_some() {
            self.former = Some(Box::new(former));
        }
    }

    /// A copy of it that ends earlier.
    fn up_to(&self, end: Position) -> Log {
        let (base, is_late) = (self.base.clone(), self.is_late);
        let mut log = Log { table: base.clone(), base, cut: self.cut, is_late, ..Log::default() };
        for entry in self.entries.iter().take_while(|entry| entry.position <= end) {
            log.push(entry.clone());
        }
        log
    }

    /// What is being copied is given up: we have what we had before.
    pub(super) fn restore(&mut self) {
        if let Some(former) = self.former.take() {
            *self = *former;
        }
    }

    fn follow(&mut self, copy: &Copy, epoch: Epoch, source: Option<Reign>) {
        self.take_spans(&copy.spans);
        self.source = source;
        self.whole_from = Some((copy.end, epoch));
        self.become_whole();
    }

    /// Where the places of former terms end. Who was host until now is given no copy that would tell.
    pub(super) fn take_spans(&mut self, spans: &[Span]) {
        let skipped = spans.len().saturating_sub(SPANS);
        self.spans = spans[skipped..].to_vec();
    }

    /// It is whole in a newer view, that has come in force.
    pub(super) fn set_whole_in(&mut self, epoch: Epoch) {
        if self.former.is_none() {
            self.whole_in = self.whole_in.map(|known| known.max(epoch));
        }
        if let Some((_, known)) = &mut self.whole_from {
            *known = epoch.max(*known);
        }
    }

    /// What a backup may say to have stored: nothing until it is whole.
    pub(super) fn stored(&self) -> Option<Position> {
        (self.whole_from.is_none() && self.whole_in.is_some()).then(|| self.end())
    }

    /// A new host takes what promises bring beyond the end, closes the term in which that was given out, and goes on in
    /// the epoch of its view. A place that nobody brings is void, and so is a message whose predecessor is.
    pub(super) fn adopt(&mut self, epoch: Epoch, beyond: impl IntoIterator<Item = Entry>) {
        self.restore();
        let whole_in = self.whole_in.unwrap_or_default();
        let term = whole_in.term;
        let end = self.end();
        let counts =
            |entry: &Entry| entry.epoch.term == term && entry.position > end && entry.position.0 - end.0 <= BEYOND;
        let own = core::mem::take(&mut self.early).into_values();
        self.early_bytes = 0;
        let found: BTreeMap<Position, Entry> =
            beyond.into_iter().chain(own).filter(counts).map(|entry| (entry.position, entry)).collect();
        for (position, entry) in found {
            while self.end().next() < position {
                self.append(entry.epoch, Content::Void);
            }
            let is_new = match &entry.content {
                Content::Message(told) => self.table.taking(told.from, told.channel, told.seq) == Taking::New,
                _ => true,
            };
            let content = if is_new { entry.content } else { Content::Void };
            self.append(entry.epoch, content);
        }
        self.close(Span { epoch: whole_in, end: self.end() });
        self.whole_in = Some(epoch);
        self.adopted = end;
        self.source = None;
        self.whole_from = None;
        self.past = None;
    }

    fn close(&mut self, span: Span) {
        match self.spans.last_mut() {
            Some(last) if last.epoch.term == span.epoch.term => *last = span,
            _ => self.spans.push(span),
        }
        if self.spans.len() > SPANS {
            self.spans.remove(0);
        }
    }

    /// Forgets what stands up to a place.
    pub(super) fn cut_to(&mut self, position: Position) {
        if self.cut < position {
            // Whoever told us so needs nothing of what stands before.
            self.past = None;
            self.is_late = false;
        }
        while self.cut < position {
            let Some(entry) = self.entries.pop_front() else { return };
            self.base.apply(&entry);
            self.bytes -= bytes_of(&entry);
            self.cut = entry.position;
        }
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "log_past_tests.rs"]
mod past_tests;
