//! What a player has received of the log: delivered as soon as may be, in order where that was promised, once each; and
//! held until everybody has it, so that it can be told to another host.

use super::log::{Log, NOBODY, bytes_of, is_meant};
use super::snapshots::Snapshots;
use super::table::lane;
use super::{
    Beyond, Channel, Content, Delivered, Destination, Entry, Event, Mark, Position, Ruling, Snapshot, Span, StarConfig,
    Told,
};
use crate::id::PlayerId;
use crate::wire::signal::Epoch;
use std::collections::VecDeque;

/// What a place costs besides the payload of what stands there.
const PLACE_BYTES: usize = 64;

/// What a view that comes in force has of former terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adopted<'a> {
    /// Its epoch.
    pub(super) epoch: Epoch,
    /// The ends of former terms.
    pub(super) spans: &'a [Span],
    /// The places where nothing stands, ascending.
    pub(super) voids: &'a [Position],
}

impl Adopted<'_> {
    /// What was given out for this place in this epoch stands there.
    fn has(&self, position: Position, given: Epoch) -> bool {
        let span = self.spans.iter().rev().find(|span| span.epoch.term == given.term);
        let is_within = span.is_some_and(|span| position <= span.end);
        given.term >= self.epoch.term || (is_within && self.voids.binary_search(&position).is_err())
    }
}

/// Where a history begins: after this place, as was told in this epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Beginning {
    pub(super) position: Position,
    pub(super) epoch: Epoch,
}

#[derive(Debug)]
struct Held {
    position: Position,
    epoch: Epoch,
    /// Nothing once it is delivered and no crash takes it back.
    told: Option<Told>,
    is_delivered: bool,
}

/// What we have received.
#[derive(Debug)]
pub(super) struct Following {
    /// By channel, reliable and ordered: delivered once committed.
    is_safe: [bool; 2],
    /// How much a promise brings.
    room: usize,
    /// Our history has begun, now or earlier in this life.
    has_begun: bool,
    /// Our history goes on: entries are delivered.
    is_running: bool,
    /// Where it began: told twice, it does not begin again.
    begun: Beginning,
    /// What is given does not follow what we have: nothing is taken before the host says where our history begins anew.
    is_cut_off: bool,
    /// Our history begins with this snapshot, which has not arrived.
    awaited: Option<Beginning>,
    /// How far it had come when it stopped last.
    reached: Position,
    /// Everything up to here was delivered.
    settled: Position,
    /// Everybody who is there has everything up to here, as a host has told.
    everywhere: Position,
    committed: Position,
    /// The newest ordered message that was delivered.
    ordered: Position,
    /// What came after `settled`, by position.
    held: VecDeque<Held>,
    /// What stands before this place in `held` was delivered.
    next: usize,
    /// Nothing beyond is delivered: the game is about to be asked for its state after this place.
    stop: Option<Position>,
    bytes: usize,
}

impl Following {
    /// Nothing yet.
    pub(super) fn new(config: &StarConfig) -> Self {
        Following {
            is_safe: [config.safe_reliable, config.safe_ordered],
            room: config.max_message,
            has_begun: false,
            is_running: false,
            begun: Beginning::default(),
            is_cut_off: false,
            awaited: None,
            reached: Position(0),
            settled: Position(0),
            everywhere: Position(0),
            committed: Position(0),
            ordered: Position(0),
            held: VecDeque::new(),
            next: 0,
            stop: None,
            bytes: 0,
        }
    }

    /// Our history has begun, now or earlier in this life.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Entries are delivered.
    pub(super) fn is_running(&self) -> bool {
        self.is_running
    }

    /// What is given does not follow what we have: the host will say where our history begins anew, and until then, or
    /// until another host is told what we have, nothing is taken.
    pub(super) fn cut_off(&mut self) {
        self.is_cut_off = true;
    }

    /// Since it was, nothing was taken.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_cut_off
    }

    /// What is known to be committed.
    pub(super) fn committed(&self) -> Position {
        self.committed
    }

    /// We count places beyond this one as past.
    pub(super) fn reaches_beyond(&self, end: Position) -> bool {
        self.settled.max(self.committed) > end
    }

    /// Everything that was meant for us up to this place has come, as far as we were told.
    pub(super) fn reaches(&self, position: Position) -> bool {
        self.settled >= position
    }

    /// What is held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// An entry that is meant for us.
    pub(super) fn on_entry(&mut self, entry: Entry, events: &mut VecDeque<Event>) {
        let Entry { position, epoch, content } = entry;
        let Content::Message(told) = content else { return };
        let is_late = told.channel == Channel::Ordered && position <= self.ordered;
        let index = self.held.partition_point(|held| held.position < position);
        let is_known = self.held.get(index).is_some_and(|held| held.position == position);
        if position <= self.settled || is_known || is_late || self.is_cut_off {
            return;
        }
        self.bytes += PLACE_BYTES + told.payload.len();
        self.held.insert(index, Held { position, epoch, told: Some(told), is_delivered: false });
        self.next = self.next.min(index);
        self.deliver(events);
    }

    /// How far things are.
    pub(super) fn on_mark(&mut self, mark: &Mark, events: &mut VecDeque<Event>) {
        self.on_committed(mark.committed, events);
        self.on_settled(mark.settled);
    }

    /// Everything up to here is stored by all backups.
    pub(super) fn on_committed(&mut self, committed: Position, events: &mut VecDeque<Event>) {
        if committed > self.committed {
            let first = self.held.partition_point(|held| held.position <= self.committed);
            self.committed = committed;
            let delivered = self.held.range_mut(first..).take_while(|held| held.position <= committed);
            for held in delivered.filter(|held| held.is_delivered) {
                let told = held.told.take();
                self.bytes -= told.map_or(0, |told| told.payload.len());
            }
            self.deliver(events);
        }
    }

    /// We have everything up to here that was meant for us.
    pub(super) fn settled(&self) -> Position {
        self.settled
    }

    /// Up to where everybody who is there has everything.
    pub(super) fn everywhere(&self) -> Position {
        self.everywhere
    }

    /// Everything that is meant for us up to here has arrived, here and everywhere.
    pub(super) fn on_settled(&mut self, settled: Position) {
        self.everywhere = self.everywhere.max(settled);
        if !self.is_running || settled <= self.settled {
            return;
        }
        let undelivered = self.held.get(self.next).map(|held| held.position);
        self.settled = undelivered.map_or(settled, |first| settled.min(Position(first.0 - 1))).max(self.settled);
        while self.held.front().is_some_and(|held| held.position <= self.settled) {
            let held = self.held.pop_front().expect("the loop looked at it");
            self.bytes -= PLACE_BYTES + held.told.map_or(0, |told| told.payload.len());
            self.next -= 1;
        }
    }

    /// Nothing beyond this place is delivered until [`Following::go_on`].
    pub(super) fn stop_at(&mut self, position: Position) {
        self.stop = Some(position);
    }

    /// Everything meant for us up to this place was delivered.
    pub(super) fn is_delivered_to(&self, position: Position) -> bool {
        self.held.get(self.next).is_none_or(|held| held.position > position)
    }

    /// What was stopped goes on.
    pub(super) fn go_on(&mut self, events: &mut VecDeque<Event>) {
        self.stop = None;
        self.deliver(events);
    }

    fn may_deliver(&self, position: Position, channel: Channel) -> bool {
        let is_open = self.stop.is_none_or(|stop| position <= stop);
        is_open && (!self.is_safe[lane(channel)] || position <= self.committed)
    }

    fn deliver(&mut self, events: &mut VecDeque<Event>) {
        if !self.is_running {
            return;
        }
        let mut all_before = true;
        for index in self.next..self.held.len() {
            let held = &self.held[index];
            let channel = held.told.as_ref().filter(|_| !held.is_delivered).map(|told| told.channel);
            if let Some(channel) = channel {
                if self.may_deliver(held.position, channel) {
                    self.deliver_one(index, events);
                } else {
                    all_before = false;
                }
            }
            if all_before {
                self.next = index + 1;
            }
        }
    }

    fn deliver_one(&mut self, index: usize, events: &mut VecDeque<Event>) {
        let held = &mut self.held[index];
        let told = if held.position <= self.committed {
            let told = held.told.take();
            self.bytes -= told.as_ref().map_or(0, |told| told.payload.len());
            told
        } else {
            held.told.clone()
        };
        held.is_delivered = true;
        let told = told.expect("what is not delivered is held");
        if told.channel == Channel::Ordered {
            self.ordered = self.ordered.max(held.position);
        }
        events.push_back(heard(held.position, told));
    }

    /// What a new host is told.
    pub(super) fn have(&self, acked: [u64; 2]) -> Beyond {
        Beyond {
            settled: if self.is_running { self.settled } else { self.reached },
            held: self.held.iter().map(|held| held.position).collect(),
            wants_snapshot: !self.is_running,
            acked,
        }
    }

    /// What a crash might take back, for who collects promises: the first of it as far as there is room.
    pub(super) fn beyond_committed(&self) -> Vec<Entry> {
        let first = self.held.partition_point(|held| held.position <= self.committed);
        let mut room = self.room;
        let entry = |held: &Held| {
            let content = Content::Message(held.told.clone()?);
            Some(Entry { position: held.position, epoch: held.epoch, content })
        };
        let mut is_first = true;
        let fits = |entry: &Entry| {
            let bytes = bytes_of(entry);
            let fits = core::mem::take(&mut is_first) || bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        self.held.range(first..).filter_map(entry).take_while(fits).collect()
    }

    /// Another view of our line is in force. True: we have delivered what its log does not have, or begun where it has
    /// something else, and need a snapshot. What we were to hear as the host that we were is left to the next.
    pub(super) fn on_activate(&mut self, adopted: Adopted<'_>) -> bool {
        self.is_cut_off = false;
        let committed = self.committed;
        let stands = |position, epoch| position <= committed || adopted.has(position, epoch);
        let counts = |held: &Held| stands(held.position, held.epoch);
        let has_begun_beside = self.is_running && !stands(self.begun.position, self.begun.epoch);
        if has_begun_beside || self.held.iter().any(|held| held.is_delivered && !counts(held)) {
            self.stop_running();
            return true;
        }
        let is_left_to_host = |held: &Held| {
            let is_for_host = held.told.as_ref().is_some_and(|told| told.to == Destination::Host);
            is_for_host && !held.is_delivered && held.epoch.term < adopted.epoch.term
        };
        self.held.retain(|held| counts(held) && !is_left_to_host(held));
        self.bytes =
            self.held.iter().map(|held| PLACE_BYTES + held.told.as_ref().map_or(0, |told| told.payload.len())).sum();
        self.next = self.held.iter().position(|held| !held.is_delivered).unwrap_or(self.held.len());
        false
    }

    /// What was said while we were barred, in any order and by several hosts, counts as far as it stands. Nothing is
    /// delivered before [`Following::go_on`].
    pub(super) fn take_withheld(&mut self, withheld: Vec<Entry>, adopted: Adopted<'_>) {
        let mut events = VecDeque::new();
        self.stop_at(Position(0));
        for entry in withheld.into_iter().filter(|entry| adopted.has(entry.position, entry.epoch)) {
            self.on_entry(entry, &mut events);
        }
        debug_assert!(events.is_empty(), "what is stopped delivers nothing");
    }

    /// Another line: nothing that we know says anything about it.
    pub(super) fn forget(&mut self) {
        self.stop_running();
        self.reached = Position(0);
        self.committed = Position(0);
    }

    fn stop_running(&mut self) {
        self.reached = self.reached.max(self.settled);
        self.is_running = false;
        self.is_cut_off = false;
        self.awaited = None;
        self.stop = None;
        self.settled = Position(0);
        self.everywhere = Position(0);
        self.ordered = Position(0);
        self.held.clear();
        self.next = 0;
        self.bytes = 0;
    }

    /// We keep a copy of the log: what it has for us is taken from there, in order, because the host tells replicas first
    /// what they have not stored.
    pub(super) fn catch_up(&mut self, log: &Log, me: PlayerId, events: &mut VecDeque<Event>) {
        let joined = log.table().row(me).filter(|row| row.is_present).map_or(log.end(), |row| row.joined);
        self.take_from(log, self.settled.max(joined), me, events);
    }

    fn take_from(&mut self, log: &Log, after: Position, me: PlayerId, events: &mut VecDeque<Event>) {
        for entry in log.after(after).chain(log.early()) {
            if is_meant(&entry.content, me, NOBODY) {
                self.on_entry(entry.clone(), events);
            }
        }
    }

    /// The host says where our history begins. True: it is to be told by `Have` that we are there.
    pub(super) fn on_start(
        &mut self,
        beginning: Beginning,
        snapshot_bytes: u64,
        snapshots: &Snapshots,
        replica: Option<(&Log, PlayerId)>,
        events: &mut VecDeque<Event>,
    ) -> bool {
        let position = beginning.position;
        if self.is_running && self.begun.position == position {
            self.is_cut_off = false;
            return true;
        }
        if self.is_running {
            self.stop_running();
        }
        self.awaited = Some(beginning);
        if snapshot_bytes > 0 {
            return self.on_snapshot(snapshots, replica, events);
        }
        self.begin(Snapshot { position, state: None }, replica, events);
        true
    }

    /// A snapshot has arrived. True: the host is to be told by `Have` that our history goes on.
    pub(super) fn on_snapshot(
        &mut self,
        snapshots: &Snapshots,
        replica: Option<(&Log, PlayerId)>,
        events: &mut VecDeque<Event>,
    ) -> bool {
        let Some(snapshot) = self.awaited.and_then(|awaited| snapshots.from(awaited.position)) else { return false };
        self.begin(snapshot, replica, events);
        true
    }

    /// Our history begins with this state, which may be older than our being there: what the log has since is ours too.
    pub(super) fn begin(
        &mut self,
        snapshot: Snapshot,
        replica: Option<(&Log, PlayerId)>,
        events: &mut VecDeque<Event>,
    ) {
        if let Some((log, me)) = replica {
            self.take_from(log, snapshot.position, me, events);
        }
        self.start(snapshot, events);
    }

    /// Our history begins here.
    pub(super) fn start(&mut self, snapshot: Snapshot, events: &mut VecDeque<Event>) {
        let position = snapshot.position;
        while self.held.front().is_some_and(|held| held.position <= position) {
            let held = self.held.pop_front().expect("the loop looked at it");
            self.bytes -= PLACE_BYTES + held.told.map_or(0, |told| told.payload.len());
        }
        self.next = 0;
        self.is_running = true;
        self.begun = self.awaited.take().unwrap_or(Beginning { position, epoch: Epoch::default() });
        self.settled = position;
        self.ordered = position;
        let is_first = !core::mem::replace(&mut self.has_begun, true);
        events.push_back(if is_first { Event::Started(snapshot) } else { Event::Resynced(snapshot) });
        self.deliver(events);
    }
}

/// A message as it is delivered; to its sender, if it was rejected, that it was.
fn heard(position: Position, told: Told) -> Event {
    if told.ruling != Ruling::Rejected {
        return Event::Message(delivered(position, told));
    }
    let Told { channel, seq, kind, payload, .. } = told;
    Event::Rejected { position, channel, seq, kind, reason: String::from_utf8_lossy(&payload).into_owned() }
}

/// A message as it is delivered.
pub(super) fn delivered(position: Position, told: Told) -> Delivered {
    let Told { from, channel, seq, kind, payload, ruling, .. } = told;
    Delivered { position, from, channel, seq, kind, payload, is_rewritten: ruling == Ruling::Rewritten }
}

#[cfg(test)]
#[path = "following_tests.rs"]
mod tests;
