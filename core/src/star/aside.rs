//! What hosts say of views that we do not know yet: it may overtake the word that they are in force.

use super::Frame;
use super::log::bytes_of;
use crate::id::PlayerId;
use crate::wire::signal::Epoch;
use crate::wire::view::View;
use std::collections::VecDeque;

/// The most frames that are kept.
const MOST: usize = 8192;
/// What a frame costs besides its payload.
const FRAME_BYTES: usize = 64;

/// What is kept of them.
#[derive(Debug, Default)]
pub(super) struct Aside {
    frames: VecDeque<(PlayerId, Epoch, Frame)>,
    bytes: usize,
}

impl Aside {
    /// Keeps a frame of another term; false: there is no room. Bounded by count and bytes.
    pub(super) fn keep(&mut self, from: PlayerId, epoch: Epoch, frame: Frame, room: usize) -> bool {
        let bytes = frame_bytes(&frame);
        if self.frames.len() >= MOST || self.bytes + bytes > room {
            return false;
        }
        self.bytes += bytes;
        self.frames.push_back((from, epoch, frame));
        true
    }

    /// A view is in force: what its host said of its term and line, in order. What was said of older ones is forgotten.
    pub(super) fn take(&mut self, view: &View) -> Vec<Frame> {
        let mut taken = Vec::new();
        let epoch = view.epoch;
        for (from, said, frame) in core::mem::take(&mut self.frames) {
            let is_in_line = view.has_in_line(said);
            if said.term == epoch.term && from == view.host && is_in_line {
                taken.push(frame);
            } else if said.term > epoch.term || said > epoch && !is_in_line {
                self.frames.push_back((from, said, frame));
            }
        }
        self.bytes = self.frames.iter().map(|(_, _, frame)| frame_bytes(frame)).sum();
        taken
    }
}

fn frame_bytes(frame: &Frame) -> usize {
    match frame {
        Frame::Entry { entry, .. } => bytes_of(entry),
        Frame::Snapshot { piece, .. } => FRAME_BYTES + piece.len(),
        _ => FRAME_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Content, Entry, Position};
    use super::*;

    const SECOND: Epoch = Epoch { term: 2, round: 0 };

    #[test]
    fn what_comes_too_soon_waits_for_its_view() {
        let mut aside = Aside::default();
        let third = Epoch { term: 3, round: 0 };
        let hold = |stop| Frame::Hold(stop);
        let entry =
            Frame::Entry { epoch: third, entry: Entry { position: Position(1), epoch: third, content: Content::Void } };
        assert!(aside.keep(PlayerId(2), SECOND, hold(true), 1_000));
        assert!(aside.keep(PlayerId(2), SECOND, hold(false), 1_000));
        assert!(aside.keep(PlayerId(3), SECOND, hold(true), 1_000));
        assert!(aside.keep(PlayerId(2), third, entry.clone(), 1_000));
        assert!(!aside.keep(PlayerId(2), third, entry.clone(), 300), "there is no room");
        assert_eq!(aside.take(&view(2, 1, SECOND)), [hold(true), hold(false)]);
        assert_eq!(aside.take(&view(3, 0, SECOND)), [entry]);
        assert_eq!((aside.bytes, aside.frames.len()), (0, 0));
    }

    /// A view of player 2.
    fn view(term: u32, round: u32, since: Epoch) -> View {
        let epoch = Epoch { term, round };
        View { epoch, base: SECOND, since, cause: None, host: PlayerId(2), backups: vec![], voters: vec![] }
    }

    /// A player was to be voted for and was forced upon the lobby in the same term: what it had given as the one was delivered
    /// as if it had said so as the other, before what stands in front of it.
    #[test]
    fn what_was_said_in_another_line_of_the_same_term_waits_for_its_own() {
        let mut aside = Aside::default();
        let (voted, forced) = (Epoch { term: 3, round: 0 }, Epoch { term: 3, round: 70_000 });
        for (said, stop) in [(voted, true), (forced, false)] {
            assert!(aside.keep(PlayerId(2), said, Frame::Hold(stop), 1_000));
        }
        let mut other = Aside::default();
        assert!(other.keep(PlayerId(2), voted, Frame::Hold(true), 1_000));
        assert_eq!(other.take(&view(3, 70_000, forced)), []);
        assert_eq!((other.bytes, other.frames.len()), (0, 0), "that one never was in force");
        assert_eq!(aside.take(&view(3, 0, SECOND)), [Frame::Hold(true)]);
        assert_eq!(aside.take(&view(3, 70_000, forced)), [Frame::Hold(false)], "it may still come in force");
    }
}
