//! Copies of the log: taking one, storing what follows, and giving one to a new host that needs ours.

use super::collecting::Stage;
use super::following::Adopted;
use super::log::{Log, Reign, bytes_of, is_meant};
use super::{Copy, Entry, Frame, LogEnd, Out, Position, Star, To};
use crate::id::PlayerId;
use crate::time::Instant;
use crate::wire::signal::Epoch;
use crate::wire::view::View;
use std::collections::VecDeque;

/// Entries that are remembered because a copy which they belong to may come after them.
const RECENT: usize = 512;
const RECENT_BYTES: usize = 256 * 1024;
/// What may come before its turn: a link bears 256 KiB at a time, and an entry costs more in memory than on the wire.
const EARLY_BYTES: usize = 4 * 1024 * 1024;

/// What comes to a replica that is to be.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Whose copy we keep up, and for which view, while that is not in force.
    pub(super) source: Option<(PlayerId, Epoch)>,
    recent: VecDeque<Entry>,
    bytes: usize,
    /// For which view the newest copy was made.
    pub(super) copied_in: Epoch,
}

impl Intake {
    /// A copy may come after its entries: these wait for it.
    pub(super) fn remember(&mut self, entry: Entry) {
        self.bytes += bytes_of(&entry);
        self.recent.push_back(entry);
        while self.recent.len() > RECENT || self.bytes > RECENT_BYTES {
            let Some(oldest) = self.recent.pop_front() else { return };
            self.bytes -= bytes_of(&oldest);
        }
    }

    fn take(&mut self) -> VecDeque<Entry> {
        self.bytes = 0;
        core::mem::take(&mut self.recent)
    }

    /// Another term or line: what its host said before belongs to no copy of this one.
    pub(super) fn forget_recent(&mut self) {
        self.take();
    }

    /// What is kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What we give to a new host that lacks it.
#[derive(Debug)]
pub(super) struct Serving {
    to: PlayerId,
    epoch: Epoch,
    given: Position,
}

/// What our host said after we had promised another view. Its link counts it as arrived, so it must not be lost; but
/// nothing of it is delivered before a newer view tells what counts.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    entries: Vec<Entry>,
    bytes: usize,
    /// There was no room: what we received has a hole.
    is_torn: bool,
}

impl Withheld {
    pub(super) fn keep(&mut self, entry: Entry, room: usize) {
        self.bytes += bytes_of(&entry);
        self.is_torn |= self.bytes > room;
        if self.is_torn {
            self.entries.clear();
        } else {
            self.entries.push(entry);
        }
    }

    /// What there is, for who adopts a log.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What is kept.
    pub(super) fn bytes(&self) -> usize {
        if self.is_torn { 0 } else { self.bytes }
    }
}

impl Star {
    /// An entry of our host, while we are barred.
    pub(super) fn withhold(&mut self, from: PlayerId, entry: Entry) {
        if is_meant(&entry.content, self.my_id(), from) {
            self.withheld.keep(entry, self.config.resume_log);
        }
    }

    /// We go on in our line, with what this view has of former terms: what we have delivered, hold and withheld is judged
    /// by that. Nothing more is delivered before [`super::following::Following::go_on`].
    pub(super) fn take_withheld(&mut self, adopted: Adopted<'_>) {
        let withheld = core::mem::take(&mut self.withheld);
        let follows_gap = self.following.is_cut_off();
        let is_lost = self.following.on_activate(adopted);
        if self.is_to_begin_anew() {
            self.following.cut_off();
        }
        if withheld.is_torn {
            self.following.forget();
        } else if !is_lost && !follows_gap {
            self.following.take_withheld(withheld.entries, adopted);
        }
    }

    /// What our copy of the log has for us, before the host hears what we have got.
    pub(super) fn take_copied(&mut self) {
        let me = self.my_id();
        let Some(log) = self.log.as_ref().filter(|log| log.stored().is_some()) else { return };
        if self.is_to_begin_anew() {
            return;
        }
        let mut events = VecDeque::new();
        self.following.stop_at(Position(0));
        self.following.catch_up(log, me, &mut events);
        debug_assert!(events.is_empty(), "what is stopped delivers nothing");
    }

    /// Our history ends before the place where our copy of the log says that it begins, which is beyond its end if we are
    /// not in it yet, or before the beginning of a copy whose host has no more itself: the host will say where it begins
    /// anew, and what it gives us to store says nothing about what we lack.
    pub(super) fn is_to_begin_anew(&self) -> bool {
        let Some(log) = self.log.as_ref().filter(|log| log.stored().is_some()) else { return false };
        let me = self.me.as_ref().expect("nothing is handled before enter");
        let lacks_its_past = log.is_late() && !self.following.reaches(log.cut());
        let begins = log.joined(me.player, me.incarnation);
        self.following.is_running() && (lacks_its_past || !self.following.reaches(begins))
    }

    /// A new host wants our log.
    pub(super) fn on_fetch(&mut self, from: PlayerId, epoch: Epoch, theirs: Option<LogEnd>, out: &mut Out) {
        let is_promised = self.ballot.bar().is_some_and(|view| view.epoch == epoch && view.host == from);
        let Some(log) = self.log.as_mut().filter(|log| is_promised && log.log_end().is_some()) else {
            out.dropped.stale += 1;
            return;
        };
        log.restore();
        let (copy, given) = log.copy_on(theirs);
        self.intake.source = None;
        self.serving = Some(Serving { to: from, epoch, given });
        out.frames.push_back((To::One(from), Frame::Copy { epoch, copy }));
    }

    /// The next entry of our log for the host that has fetched it.
    pub(super) fn serve(&mut self, player: PlayerId) -> Option<Frame> {
        let serving = self.serving.as_mut().filter(|serving| serving.to == player)?;
        let entry = self.log.as_ref()?.entry(serving.given.next())?.clone();
        serving.given = entry.position;
        Some(Frame::Entry { epoch: serving.epoch, entry })
    }

    /// A state of the log comes: because we are to be a backup, or because we asked for it.
    pub(super) fn on_copy(&mut self, now: Instant, from: PlayerId, epoch: Epoch, copy: &Copy, out: &mut Out) {
        if self.is_fetching(from, epoch) {
            self.on_fetched(copy);
            return;
        }
        let me = self.my_id();
        let is_wanted =
            |view: &View| view.epoch == epoch && view.host == from && view.backups.contains(&me) && !view.is_light();
        let view = self.ballot.promised().find(|view| is_wanted(view)).cloned();
        if let Some(view) = view.clone().filter(|view| self.is_frozen_for(view)) {
            self.bind(now, view, false);
        }
        let is_bar = view.is_some() && self.ballot.bar() == view.as_ref();
        if self.follows(from, epoch) && self.expects_past(from, epoch, copy) {
            self.intake.copied_in = self.intake.copied_in.max(epoch);
        } else if self.follows(from, epoch) && self.is_copy_due(epoch) {
            let whole_in = self.ballot.epoch();
            self.renew(from, copy, whole_in, epoch);
            for entry in self.intake.take() {
                self.store(entry);
            }
        } else if is_bar && !self.is_hosting() {
            self.renew(from, copy, epoch, epoch);
            self.intake.source = Some((from, epoch));
            let kept = view.map(|view| self.aside.take(&view)).unwrap_or_default();
            for frame in kept {
                if let Frame::Entry { entry, .. } = frame {
                    self.store(entry);
                }
            }
        } else {
            out.dropped.stale += 1;
            return;
        }
        self.say_stored(now, from, epoch, out);
    }

    /// We keep copies by the view in force, or are about to. What was on its way when we were let go is of a copy that is
    /// gone: what it tells would seem whole, and is not.
    fn is_copy_due(&self, epoch: Epoch) -> bool {
        self.ballot.view().is_some_and(|view| epoch > view.epoch || view.is_replica(self.my_id()))
    }

    /// We are its predecessor and have stopped.
    fn is_frozen_for(&self, view: &View) -> bool {
        self.handing.as_ref().is_some_and(|handing| handing.is_frozen() && handing.view() == Some(view))
    }

    /// Our copy began late, and what stands before that follows.
    fn expects_past(&mut self, from: PlayerId, epoch: Epoch, copy: &Copy) -> bool {
        let since = self.ballot.view().map(|view| view.since).unwrap_or_default();
        let source = Reign { host: from, since, term: epoch.term };
        self.log.as_mut().is_some_and(|log| log.expect_past(copy, source))
    }

    fn renew(&mut self, from: PlayerId, copy: &Copy, whole_in: Epoch, copied_in: Epoch) {
        let since = self.ballot.view().map(|view| view.since).unwrap_or_default();
        let source = Reign { host: from, since, term: copied_in.term };
        match &mut self.log {
            Some(log) => log.renew(copy, whole_in, source),
            None => self.log = Some(Log::from_copy(copy, whole_in, Some(source))),
        }
        self.serving = None;
        self.intake.copied_in = copied_in;
    }

    /// Keeps an entry in our copy of the log.
    pub(super) fn store(&mut self, entry: Entry) {
        let room = self.early_room();
        if let Some(log) = &mut self.log {
            log.store(entry, room);
        }
    }

    /// What comes before its turn has come all the same, as far as its link is concerned: it is not given again. However
    /// short the log is kept, there is room for what a link holds.
    pub(super) fn early_room(&self) -> usize {
        self.config.resume_log.max(EARLY_BYTES)
    }

    /// Tells the host how far our copy goes.
    pub(super) fn say_stored(&self, _now: Instant, to: PlayerId, epoch: Epoch, out: &mut Out) {
        let Some(position) = self.log.as_ref().and_then(Log::stored) else { return };
        if !self.config.withholds_stored {
            let epoch = epoch.max(self.intake.copied_in);
            out.frames.push_back((To::One(to), Frame::Stored { epoch, position }));
        }
    }

    fn is_fetching(&self, from: PlayerId, epoch: Epoch) -> bool {
        self.collecting.as_ref().is_some_and(|own| {
            own.view.epoch == epoch && matches!(&own.stage, Stage::Fetching { from: source, .. } if *source == from)
        })
    }

    fn on_fetched(&mut self, copy: &Copy) {
        let room = self.early_room();
        let Some(own) = &mut self.collecting else { return };
        let Stage::Fetching { from, log, early, .. } = &mut own.stage else { return };
        let source = own.voices.get(from).and_then(|voice| voice.promise.log);
        let whole_in = source.map(|end| end.whole_in).unwrap_or_default();
        let mut fetched = Log::fetched(copy, whole_in, self.log.as_ref());
        for entry in early.drain(..) {
            fetched.store(entry, room);
        }
        *log = Some(Box::new(fetched));
    }

    /// An entry of the log that we fetch. True: it was one.
    pub(super) fn take_fetched(&mut self, from: PlayerId, epoch: Epoch, entry: &Entry) -> bool {
        if !self.is_fetching(from, epoch) {
            return false;
        }
        let (room, now) = (self.early_room(), self.now);
        let Some(own) = &mut self.collecting else { return false };
        own.moved_at = now;
        if let Stage::Fetching { log, early, .. } = &mut own.stage {
            match log {
                Some(log) => {
                    log.store(entry.clone(), room);
                }
                None if early.len() < RECENT => early.push(entry.clone()),
                None => {}
            }
        }
        true
    }
}
