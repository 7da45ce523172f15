//! What waits for one connection. Frames leave in the order in which they came; when there is too much the oldest
//! relayed ones go, never a signalling message.

use crate::wire::signal::Frame;
use std::collections::VecDeque;

/// What holding a frame costs beyond its bytes, so that tiny ones are bounded too.
pub(super) const FRAME_OVERHEAD: usize = 64;
/// Room that an emptied queue keeps; more is given back.
const KEPT: usize = 16;

/// What becomes of a frame when its receiver is slow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Class {
    /// It is kept whatever happens, or the connection is closed.
    Signal,
    /// It may be dropped.
    Relayed,
}

/// The frames that wait, each with its place in the common order.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: u64,
    /// The frames with what their overhead adds.
    cost: usize,
    signals: VecDeque<(u64, Frame)>,
    relayed: VecDeque<(u64, Frame)>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.signals.is_empty() && self.relayed.is_empty()
    }

    /// What is held counts this much.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    pub(super) fn push(&mut self, frame: Frame, class: Class) {
        self.cost += cost(&frame);
        let lane = match class {
            Class::Signal => &mut self.signals,
            Class::Relayed => &mut self.relayed,
        };
        lane.push_back((self.next, frame));
        self.next += 1;
    }

    /// The length of the frame that leaves next.
    pub(super) fn next_len(&self) -> Option<usize> {
        let lane = if self.is_signal_next() { &self.signals } else { &self.relayed };
        lane.front().map(|(_, frame)| frame.bytes().len())
    }

    pub(super) fn pop(&mut self) -> Option<Frame> {
        let lane = if self.is_signal_next() { &mut self.signals } else { &mut self.relayed };
        let (_, frame) = lane.pop_front()?;
        if lane.is_empty() && lane.capacity() > KEPT {
            *lane = VecDeque::new();
        }
        self.cost -= cost(&frame);
        Some(frame)
    }

    /// Drops the oldest relayed frame, if there is one.
    pub(super) fn drop_oldest(&mut self) -> bool {
        let dropped = self.relayed.pop_front();
        self.cost -= dropped.as_ref().map_or(0, |(_, frame)| cost(frame));
        dropped.is_some()
    }

    fn is_signal_next(&self) -> bool {
        match (self.signals.front(), self.relayed.front()) {
            (Some((signal, _)), Some((relayed, _))) => signal < relayed,
            (signal, _) => signal.is_some(),
        }
    }
}

fn cost(frame: &Frame) -> usize {
    frame.bytes().len() + FRAME_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn the_oldest_relayed_frame_goes_and_the_order_stays() {
        let mut queue = Queue::default();
        let frame = |text: &'static str| Frame::Text(Bytes::from_static(text.as_bytes()));
        for text in ["s1", "r1", "r2", "s2", "r3"] {
            queue.push(frame(text), if text.starts_with('s') { Class::Signal } else { Class::Relayed });
        }
        assert_eq!(queue.cost(), 5 * (2 + FRAME_OVERHEAD));
        assert!(queue.drop_oldest());
        let rest: Vec<_> = std::iter::from_fn(|| queue.next_len().and(queue.pop())).collect();
        assert_eq!(rest, ["s1", "r2", "s2", "r3"].map(frame));
        assert!(!queue.drop_oldest() && queue.is_empty() && queue.cost() == 0);
    }
}
