//! What a player wants done and tells, until it is polled for.

use super::{PeerEvent, Target};
use crate::id::{PathId, PlayerId, StreamId};
use crate::path::Order;
use crate::wire::signal::{Frame, IceServer, RtcSignal};
use std::collections::VecDeque;

/// Notes that wait to be read; the oldest makes room.
const MAX_NOTES: usize = 256;

/// Something for the embedder to carry out.
#[derive(Debug)]
pub(super) enum Act {
    Open(StreamId, Target),
    Close(StreamId),
    Send(StreamId, Frame),
    Pipe(PlayerId, PathId, Order),
    Signal(PlayerId, RtcSignal),
    IceServers(Vec<IceServer>),
}

impl Act {
    fn bytes(&self) -> usize {
        if let Act::Send(_, frame) = self { frame.bytes().len() } else { 0 }
    }
}

/// What had no effect, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PeerDropped {
    /// Frames of the server that cannot be read, or have no meaning now.
    pub frames: u64,
    /// Relayed packets of players that we have no conversation with.
    pub strangers: u64,
    /// Star messages that cannot be read, or that their sender may not send.
    pub malformed: u64,
    /// Star messages of another life of the star.
    pub stale: u64,
    /// Proofs about views that do not hold.
    pub forged: u64,
    /// Star messages whose kind was never told.
    pub unknown_kinds: u64,
    /// Unreliable and latest-only messages for somebody whose conversation is full or broken.
    pub unreliable: u64,
    /// Packets that were dropped by `simulate_packet_loss`.
    pub simulated: u64,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    acts: VecDeque<Act>,
    /// Bytes of messages among them.
    pub(super) bytes: usize,
    events: VecDeque<PeerEvent>,
    notes: Option<VecDeque<String>>,
    is_over: bool,
    pub(super) dropped: PeerDropped,
}

impl Outbox {
    pub(super) fn new(debug: bool) -> Self {
        Outbox { notes: debug.then(VecDeque::new), ..Outbox::default() }
    }

    pub(super) fn act(&mut self, act: Act) {
        self.bytes += act.bytes();
        self.acts.push_back(act);
    }

    /// After the last event there are no more.
    pub(super) fn event(&mut self, event: PeerEvent) {
        if !self.is_over {
            self.is_over = matches!(event, PeerEvent::Closed(_));
            self.events.push_back(event);
        }
    }

    pub(super) fn note(&mut self, note: impl FnOnce() -> String) {
        if let Some(notes) = &mut self.notes {
            if notes.len() == MAX_NOTES {
                notes.pop_front();
            }
            notes.push_back(note());
        }
    }

    pub(super) fn poll_act(&mut self) -> Option<Act> {
        let act = self.acts.pop_front()?;
        self.bytes -= act.bytes();
        Some(act)
    }

    pub(super) fn poll_event(&mut self) -> Option<PeerEvent> {
        self.events.pop_front()
    }

    pub(super) fn poll_note(&mut self) -> Option<String> {
        self.notes.as_mut()?.pop_front()
    }
}
