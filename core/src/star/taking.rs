//! What the others say: what is taken from whom, and what falls at the fence.

use super::following::Beginning;
use super::log::is_meant;
use super::snapshots::Piece;
use super::{Content, Entry, Frame, Out, Role, Ruling, Star, To, Told};
use crate::id::PlayerId;
use crate::time::Instant;
use crate::wire::signal::Epoch;

impl Star {
    /// A player has said something.
    pub(super) fn take(&mut self, now: Instant, from: PlayerId, frame: Frame, out: &mut Out) {
        match frame {
            Frame::Publish { channel, seq, to, kind, payload } => {
                let told = Told { from, channel, seq, to, kind, payload, ruling: Ruling::AsSent };
                if let Some((hosting, mut ours)) = self.hosts(out) {
                    hosting.on_publish(now, told, &mut ours);
                } else {
                    out.dropped.stale += 1;
                }
            }
            Frame::Stored { epoch, position } => {
                let counts = self.is_hosted(epoch) && self.rounds.on_stored(from, epoch);
                if counts && self.is_another_life_of_a_backup(from) {
                    self.rounds.on_early_stored(from, epoch, position);
                } else if let (Some(hosting), Some(log)) = (self.hosting.as_mut().filter(|_| counts), &self.log) {
                    hosting.on_stored(now, from, epoch, position, log);
                    if let Some(own) = &mut self.collecting
                        && let Some(copied) = own.copied.get_mut(&from)
                    {
                        *copied = true;
                        own.moved_at = now;
                    }
                } else {
                    out.dropped.stale += 1;
                }
            }
            Frame::Have { epoch, beyond } => {
                let is_ours = self.is_hosting() && self.is_hosted(epoch);
                if let Some((hosting, mut ours)) = self.hosts(out).filter(|_| is_ours) {
                    hosting.on_have(now, from, &beyond, &mut ours);
                    self.rounds.on_have(from);
                } else {
                    out.dropped.stale += 1;
                }
            }
            Frame::Fetch { epoch, log } => self.on_fetch(from, epoch, log, out),
            Frame::Copy { epoch, copy } => self.on_copy(now, from, epoch, &copy, out),
            Frame::Propose { view, is_dormant } => self.on_propose(now, from, view, is_dormant, out),
            Frame::Promise(promise) => self.on_promise(now, from, *promise, out),
            Frame::Newer(certified) => self.on_newer(now, from, &certified, out),
            Frame::Activate { certified, spans, voids } => self.on_activate(now, from, &certified, &spans, &voids, out),
            Frame::Hold(stop) => {
                if self.present_host() == Some(from) && self.hosting.is_none() {
                    self.publishing.hold(stop);
                }
            }
            Frame::Entry { epoch, ref entry } if self.take_fetched(from, epoch, entry) => {}
            Frame::Entry { epoch, .. }
            | Frame::Mark { epoch, .. }
            | Frame::Start { epoch, .. }
            | Frame::Snapshot { epoch, .. }
            | Frame::Freeze { epoch, .. } => self.at_the_fence(now, from, epoch, frame, out),
        }
    }

    /// What only the host of the view in force may say.
    fn at_the_fence(&mut self, now: Instant, from: PlayerId, epoch: Epoch, frame: Frame, out: &mut Out) {
        if self.follows(from, epoch) {
            self.follow(now, from, frame, out);
            return;
        }
        if let Frame::Entry { entry, .. } = &frame
            && self.intake.source == Some((from, epoch))
        {
            self.store(entry.clone());
            self.say_stored(now, from, epoch, out);
            return;
        }
        let present = self.ballot.epoch();
        if let Frame::Entry { entry, .. } = &frame
            && self.is_barred_from(from, epoch)
        {
            self.withhold(from, entry.clone());
        }
        let is_early = epoch.term == present.term && self.role() == Role::Waiting;
        if epoch.term > present.term || is_early {
            let room = self.early_room();
            self.aside.keep(from, epoch, frame, room);
            return;
        }
        out.dropped.stale += 1;
        if epoch.term < present.term {
            self.say_newer(now, from, out);
        } else if self.suspicion.is_barred_long(now) {
            self.say_bound(now, from, out);
        }
    }

    /// The host that we follow says something.
    pub(super) fn follow(&mut self, now: Instant, from: PlayerId, frame: Frame, out: &mut Out) {
        let me = self.my_id();
        match frame {
            Frame::Entry { epoch, entry } => self.on_entry(now, from, epoch, entry, out),
            Frame::Mark { mark, .. } => {
                self.following.on_mark(&mark, &mut out.events);
                self.publishing.on_acked(mark.acked, &mut out.events);
                if let Some(log) = &mut self.log {
                    let free = mark.cut.min(log.end());
                    self.snapshots.cut(log, free, self.config.resume_log);
                }
            }
            Frame::Start { epoch, position, snapshot_bytes, .. } => {
                let beginning = Beginning { position, epoch };
                let replica = self.log.as_ref().map(|log| (log, me));
                if self.following.on_start(beginning, snapshot_bytes, &self.snapshots, replica, &mut out.events) {
                    self.say_have(out);
                }
                self.publishing.rewind();
            }
            Frame::Snapshot { position, size, hash, offset, piece, .. } => {
                let piece = Piece { position, size, hash, offset, bytes: piece };
                let replica = self.log.as_ref().map(|log| (log, me));
                if self.snapshots.on_piece(&piece)
                    && self.following.on_snapshot(&self.snapshots, replica, &mut out.events)
                {
                    self.say_have(out);
                }
            }
            Frame::Freeze { end, .. } => self.on_freeze(now, end),
            _ => out.dropped.malformed += 1,
        }
    }

    fn on_entry(&mut self, now: Instant, from: PlayerId, epoch: Epoch, entry: Entry, out: &mut Out) {
        if self.log.is_some() {
            self.store(entry.clone());
            self.say_stored(now, from, epoch, out);
        } else {
            self.intake.remember(entry.clone());
        }
        let is_ours = matches!(entry.content, Content::Message(_)) && is_meant(&entry.content, self.my_id(), from);
        if is_ours {
            if self.is_to_begin_anew() {
                self.following.cut_off();
            }
            self.following.on_entry(entry, &mut out.events);
        }
    }

    /// Tells the host what we have got.
    pub(super) fn say_have(&self, out: &mut Out) {
        let Some(view) = self.ballot.view() else { return };
        let beyond = self.following.have(self.publishing.acked());
        out.frames.push_back((To::One(view.host), Frame::Have { epoch: view.epoch, beyond }));
    }
}
