//! What was said lately: the state of the only game that `join` plays. The host gives it out as its snapshot, so that
//! who comes late, or has to begin anew, knows what the talk is about.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use webstar_core::id::PlayerId;
use webstar_core::peer::{PeerEvent, PeerMessage, Position, Snapshot};

/// Lines that are remembered; the oldest make room.
const MAX_LINES: usize = 64;
/// Longer ones are not remembered.
const MAX_LINE: usize = 1024;

/// Something that was said to everybody.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(super) from: PlayerId,
    pub(super) kind: String,
    pub(super) data: String,
}

/// The last lines, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct History {
    lines: VecDeque<Said>,
}

impl History {
    /// Something has happened. It goes on from a snapshot; a new host has heard all of it, but for what only a host
    /// hears. Where it begins anew, if it does: people are told what was said before.
    pub(crate) fn on_event(&mut self, event: &PeerEvent) -> Option<Position> {
        match event {
            PeerEvent::Message(message) => self.on_message(message),
            PeerEvent::Promoted { snapshot, tail } => {
                self.restore(snapshot);
                tail.iter().for_each(|message| self.on_message(message));
            }
            PeerEvent::Started { snapshot } | PeerEvent::Resynced { snapshot } => {
                self.restore(snapshot);
                return Some(snapshot.position);
            }
            _ => {}
        }
        None
    }

    /// A message was heard. What is no text, too long, or stands in no log is not remembered.
    fn on_message(&mut self, message: &PeerMessage) {
        let is_kept = message.position.is_some() && message.payload.len() <= MAX_LINE;
        let Some(data) = std::str::from_utf8(&message.payload).ok().filter(|_| is_kept) else { return };
        if self.lines.len() == MAX_LINES {
            self.lines.pop_front();
        }
        let (from, kind) = (message.from, message.kind.as_str().to_owned());
        self.lines.push_back(Said { from, kind, data: data.to_owned() });
    }

    /// The state for a snapshot.
    pub(super) fn state(&self) -> Bytes {
        serde_json::to_vec(&self.lines).expect("lines of text are JSON").into()
    }

    /// Begins anew from a snapshot. What is no state of ours is an empty one.
    fn restore(&mut self, snapshot: &Snapshot) {
        let state = snapshot.state.as_deref().unwrap_or(b"[]");
        self.lines = serde_json::from_slice(state).unwrap_or_default();
        let surplus = self.lines.len().saturating_sub(MAX_LINES);
        self.lines.drain(..surplus);
    }

    pub(super) fn lines(&self) -> impl ExactSizeIterator<Item = &Said> {
        self.lines.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webstar_core::peer::{Channel, Kind};

    fn message(seq: u64, payload: impl Into<Bytes>) -> PeerMessage {
        let kind = Kind::new("chat").unwrap();
        let (from, channel, payload) = (PlayerId(1), Channel::Ordered, payload.into());
        PeerMessage { from, channel, seq, kind, payload, position: Some(Position(seq)), is_rewritten: false }
    }

    #[test]
    fn a_snapshot_brings_back_the_last_lines() {
        let mut history = History::default();
        for seq in 1..=100 {
            history.on_message(&message(seq, format!("line {seq}")));
        }
        history.on_message(&message(101, vec![0xff]));
        history.on_message(&message(102, vec![b'x'; MAX_LINE + 1]));
        history.on_message(&PeerMessage { position: None, ..message(103, "nowhere") });
        let mut restored = History::default();
        restored.on_message(&message(1, "what was here before goes"));
        restored.restore(&Snapshot { position: Position(103), state: Some(history.state()) });
        assert_eq!(restored, history);
        let told: Vec<&str> = restored.lines().map(|said| said.data.as_str()).collect();
        assert_eq!((told.len(), told[0], told[63]), (64, "line 37", "line 100"));
    }

    #[test]
    fn a_foreign_state_is_an_empty_one() {
        let mut history = History::default();
        history.on_message(&message(1, "gone"));
        history.restore(&Snapshot { position: Position(1), state: Some(Bytes::from_static(b"{}")) });
        assert_eq!(history.lines().len(), 0);
    }
}
