//! The receiving half of the SCTP model: which numbers have arrived, and when to say so.

use super::wire::ACK_DELAY;
use std::collections::VecDeque;
use webstar_core::time::Instant;

/// What has arrived from the other side.
#[derive(Debug, Default)]
pub(super) struct Acks {
    /// Everything up to this number has arrived or was given up by the sender.
    cumulative: u64,
    /// Which numbers after the next have arrived; it begins with one missing and ends with one that is there.
    beyond: VecDeque<bool>,
    state: State,
}

/// When the next acknowledgement goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// None is owed.
    #[default]
    Idle,
    /// One packet waits for a second, at most until then.
    Waiting(Instant),
    /// Now.
    Due,
}

impl Acks {
    /// A number has arrived. False if it is not new.
    pub(super) fn arrived(&mut self, tsn: u64) -> bool {
        let Some(index) = tsn.checked_sub(self.cumulative + 1).and_then(|index| usize::try_from(index).ok()) else {
            return false;
        };
        if self.beyond.get(index).is_some_and(|there| *there) {
            return false;
        }
        if self.beyond.len() <= index {
            self.beyond.resize(index + 1, false);
        }
        self.beyond[index] = true;
        self.step();
        true
    }

    /// After a packet of DATA: every second one is acknowledged at once, and each while something is missing.
    pub(super) fn after_data(&mut self, now: Instant) {
        self.state = match self.state {
            State::Idle if self.beyond.is_empty() => State::Waiting(now + ACK_DELAY),
            _ => State::Due,
        };
    }

    /// The sender has given up everything up to this number.
    pub(super) fn forward(&mut self, now: Instant, tsn: u64) {
        if tsn <= self.cumulative {
            // It did not hear the last acknowledgement.
            self.state = State::Due;
            return;
        }
        let skip = usize::try_from(tsn - self.cumulative).unwrap_or(usize::MAX);
        self.beyond.drain(..skip.min(self.beyond.len()));
        self.cumulative = tsn;
        self.step();
        self.after_data(now);
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        if let State::Waiting(until) = self.state { Some(until) } else { None }
    }

    /// Whether an acknowledgement goes now; it counts as sent.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = match self.state {
            State::Idle => false,
            State::Waiting(until) => until <= now,
            State::Due => true,
        };
        if due {
            self.state = State::Idle;
        }
        due
    }

    pub(super) fn cumulative(&self) -> u64 {
        self.cumulative
    }

    /// The stretches that have arrived beyond the cumulative number, both ends included.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut numbered = (self.cumulative + 1..).zip(&self.beyond).peekable();
        core::iter::from_fn(move || {
            let first = numbered.find(|(_, there)| **there)?.0;
            let mut last = first;
            while let Some((tsn, _)) = numbered.next_if(|(_, there)| **there) {
                last = tsn;
            }
            Some((first, last))
        })
    }

    /// Counts what follows without a gap.
    fn step(&mut self) {
        while self.beyond.pop_front_if(|there| *there).is_some() {
            self.cumulative += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ZERO;

    #[test]
    fn every_second_packet_is_acknowledged_at_once_and_a_lone_one_late() {
        let mut acks = Acks::default();
        assert!(acks.arrived(1));
        acks.after_data(NOW);
        assert!(!acks.take_due(NOW));
        assert!(acks.arrived(2));
        acks.after_data(NOW);
        assert!(acks.take_due(NOW) && !acks.take_due(NOW));
        assert!(acks.arrived(3) && !acks.arrived(3) && !acks.arrived(1));
        acks.after_data(NOW);
        let late = acks.next_deadline().expect("it waits");
        assert!(late == NOW + ACK_DELAY && acks.take_due(late));
        assert_eq!((acks.cumulative(), acks.gaps().count()), (3, 0));
    }

    #[test]
    fn gaps_are_told_at_once_and_closed_by_giving_up() {
        let mut acks = Acks::default();
        for tsn in [1, 3, 4, 7] {
            assert!(acks.arrived(tsn));
            acks.after_data(NOW);
        }
        assert!(acks.take_due(NOW));
        assert_eq!(acks.cumulative(), 1);
        assert!(acks.gaps().eq([(3, 4), (7, 7)]));
        acks.forward(NOW, 2);
        assert_eq!(acks.cumulative(), 4);
        assert!(acks.gaps().eq([(7, 7)]) && acks.take_due(NOW));
        acks.forward(NOW, 2);
        assert!(acks.take_due(NOW));
        acks.forward(NOW, 9);
        assert_eq!((acks.cumulative(), acks.gaps().count()), (9, 0));
    }
}
