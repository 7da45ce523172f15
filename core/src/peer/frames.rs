//! How the star's frames travel: in which lane of a link, in which form, and how they are read. A kind has a number that
//! each link's other side must know first, so a frame has two forms; both are written when first needed and shared by
//! all receivers.

use super::casting::Cast;
use super::event::{Channel, Kind};
use super::hub::Hub;
use super::kinds::Numbering;
use super::lanes::{channel_of, handed_on};
use super::outbox::Outbox;
use super::spoke::Spoke;
use crate::id::PlayerId;
use crate::session::{Outbound, Received, SendError};
use crate::star::{Content, Entry, Frame, Position, Star};
use crate::time::Instant;
use crate::wire::WireError;
use crate::wire::frame::{Delivery, Priority};
use crate::wire::signal::Epoch;
use crate::wire::star::{self, KindTold, Message};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Of each latest-only frame there is one, with this key.
const MARK: u32 = 0;
const STORED: u32 = 1;

/// How a frame travels. Marks are overtaken by newer ones; snapshots are bulk; what entries must not overtake goes in
/// their lane.
fn lane(frame: &Frame) -> (Delivery, Priority, u32) {
    match frame {
        Frame::Publish { channel: Channel::Reliable, .. } => (Delivery::Reliable, Priority::Normal, 0),
        Frame::Entry { entry, .. } if is_reliable(entry) => (Delivery::Reliable, Priority::Normal, 0),
        Frame::Publish { .. } | Frame::Entry { .. } | Frame::Start { .. } | Frame::Copy { .. } => {
            (Delivery::Ordered, Priority::Normal, 0)
        }
        Frame::Mark { .. } => (Delivery::Latest, Priority::Critical, MARK),
        Frame::Stored { .. } => (Delivery::Latest, Priority::Critical, STORED),
        Frame::Snapshot { .. } => (Delivery::Ordered, Priority::Low, 0),
        _ => (Delivery::Ordered, Priority::Critical, 0),
    }
}

fn is_reliable(entry: &Entry) -> bool {
    matches!(&entry.content, Content::Message(told) if told.channel == Channel::Reliable)
}

/// The one kind of a frame that has one. Promises tell theirs by name.
fn kind_of(frame: &Frame) -> Option<&Kind> {
    match frame {
        Frame::Publish { kind, .. } => Some(kind),
        Frame::Entry { entry: Entry { content: Content::Message(told), .. }, .. } => Some(&told.kind),
        _ => None,
    }
}

/// Entries as they were written for the first receiver: by name or by number.
#[derive(Debug, Default)]
pub(super) struct Forms(BTreeMap<(Epoch, Position, bool), Bytes>);

impl Forms {
    /// The bytes of a frame for somebody who knows the number of its kind, or does not.
    fn get(&mut self, frame: &Frame, number: Option<u16>) -> Bytes {
        let write = || star::encode(frame, &mut |_| number);
        match frame {
            Frame::Entry { epoch, entry } => {
                self.0.entry((*epoch, entry.position, number.is_some())).or_insert_with(write).clone()
            }
            _ => write(),
        }
    }
}

impl Hub {
    /// Gives a frame to the link. What finds no room waits, unless it is only of the moment.
    pub(super) fn say(&mut self, now: Instant, to: PlayerId, frame: Frame, bytes: Option<Bytes>, out: &mut Outbox) {
        let Some(spoke) = self.spokes.get_mut(&to) else {
            out.dropped.strangers += 1;
            return;
        };
        if spoke.must_wait() {
            spoke.wait(frame);
        } else if let Some(frame) = give(spoke, now, frame, bytes, out) {
            spoke.wait(frame);
        }
    }

    /// A path has opened, or room has come: what waits goes on.
    pub(super) fn say_waiting(&mut self, now: Instant, to: PlayerId, out: &mut Outbox) {
        let Some(spoke) = self.spokes.get_mut(&to) else { return };
        while let Some(frame) = spoke.next_waiting() {
            if let Some(frame) = give(spoke, now, frame, None, out) {
                spoke.wait_on(frame);
                return;
            }
        }
    }

    /// Takes entries, if there can be any, and our own messages from the star for as long as links have room.
    pub(super) fn pump(&mut self, now: Instant, out: &mut Outbox) {
        let mut forms = Forms::default();
        let (has_entries, has_log) = (self.star.has_entries(), self.star.keeps_log());
        for (player, spoke) in self.spokes.iter_mut() {
            if has_entries || has_log && spoke.holds_piece() {
                while let Some(frame) = next_entry(&mut self.star, *player, spoke) {
                    give_entry(spoke, now, frame, &mut forms, &mut self.numbering, out);
                }
            }
        }
        let Some(host) = self.star.view().map(|view| view.host) else { return };
        let Some(spoke) = self.spokes.get_mut(&host) else { return };
        while spoke.has_room()
            && let Some((_, frame)) = self.star.poll_publish()
        {
            give_entry(spoke, now, frame, &mut forms, &mut self.numbering, out);
        }
    }

    /// One frame for many: written once, if it looks alike for all.
    pub(super) fn say_to_many(&mut self, now: Instant, players: &[PlayerId], frame: &Frame, out: &mut Outbox) {
        let bytes = star::encode(frame, &mut |_| None);
        for player in players {
            self.ensure_spoke(now, *player, out);
            self.say(now, *player, frame.clone(), Some(bytes.clone()), out);
        }
    }

    /// A message of the star has come from the other side of a spoke.
    pub(super) fn on_received(&mut self, now: Instant, player: PlayerId, received: &Received, out: &mut Outbox) {
        let (channel, priority) = (channel_of(received.delivery), handed_on(received.priority));
        let Some(spoke) = self.spokes.get_mut(&player) else { return };
        let (numbering, learned) = (&mut self.numbering, &mut spoke.learned);
        let mut kinds = |told: KindTold<'_>| match told {
            KindTold::Name(name) => numbering.find(name).map(|(kind, _)| kind),
            KindTold::Number(number) => learned.get(number).cloned(),
        };
        match star::decode(&received.payload, &mut kinds) {
            Ok(Message::Define { number, name }) => {
                if let Some((kind, _)) = numbering.find(name) {
                    learned.learn(number, kind);
                }
            }
            Ok(Message::Say { epoch, to, seq, kind, payload }) if !channel.is_kept() => {
                self.on_said(now, epoch, &Cast { from: player, channel, priority, seq, kind, payload }, &to, out);
            }
            Ok(Message::Deliver { epoch, from, seq, kind, payload }) if !channel.is_kept() => {
                self.on_delivered(now, player, epoch, Cast { from, channel, priority, seq, kind, payload }, out);
            }
            Ok(Message::Say { .. } | Message::Deliver { .. }) => out.dropped.malformed += 1,
            Ok(Message::Frame(frame)) => {
                if matches!(frame, Frame::Publish { .. } | Frame::Entry { .. }) {
                    self.on_talk(now);
                }
                self.star.on_frame(now, player, frame, &mut self.said);
            }
            Err(WireError::UnknownKind(_)) => out.dropped.unknown_kinds += 1,
            Err(_) => out.dropped.malformed += 1,
        }
    }
}

/// The next that a player is to be given now.
fn next_entry(star: &mut Star, player: PlayerId, spoke: &mut Spoke) -> Option<Frame> {
    if !spoke.has_room() {
        None
    } else if spoke.holds_piece() {
        spoke.take_piece()
    } else {
        star.poll_entry(player)
    }
}

fn give_entry(
    spoke: &mut Spoke,
    now: Instant,
    frame: Frame,
    forms: &mut Forms,
    numbering: &mut Numbering,
    out: &mut Outbox,
) {
    if matches!(frame, Frame::Snapshot { .. }) && !spoke.is_settled() {
        return spoke.hold_piece(frame);
    }
    let number = kind_of(&frame).and_then(|kind| spoke.teach(now, numbering, kind));
    let bytes = forms.get(&frame, number);
    if give(spoke, now, frame, Some(bytes), out).is_some() {
        // A link has room for the longest entry beyond what `has_room` allows.
        out.dropped.malformed += 1;
    }
}

/// Writes a frame into the link; gives it back if there is no room.
fn give(spoke: &mut Spoke, now: Instant, frame: Frame, bytes: Option<Bytes>, out: &mut Outbox) -> Option<Frame> {
    let (mut delivery, priority, key) = lane(&frame);
    let is_entry = matches!(frame, Frame::Entry { .. });
    if is_entry && !spoke.is_settled() {
        delivery = Delivery::Ordered;
    }
    let payload = bytes.unwrap_or_else(|| star::encode(&frame, &mut |_| None));
    match spoke.give(now, Outbound { priority, delivery, key, payload }) {
        Ok(id) => {
            match &frame {
                Frame::Entry { epoch, entry } => spoke.on_entry_sent(id, *epoch, entry.position),
                Frame::Start { .. } | Frame::Copy { .. } => spoke.put_ahead(id),
                _ => {}
            }
            None
        }
        Err(SendError::Full { .. }) => Some(frame),
        Err(SendError::TooLong { .. } | SendError::TooManyKeys { .. } | SendError::Closed) => {
            out.dropped.malformed += 1;
            None
        }
    }
}
