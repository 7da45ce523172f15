//! The links between players: nothing is lost while both live, everything may be late. A lane in order for what is
//! urgent, one for entries, one for pieces of snapshots; one without order; and places for the newest mark and the
//! newest word about what is stored. What is cut off waits.

use super::Dice;
use crate::check::Life;
use std::collections::BTreeMap;
use webstar_core::star::{Channel, Content, Frame};
use webstar_core::time::{Duration, Instant};

/// How a frame travels.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Lane {
    Urgent,
    Entries,
    Bulk,
    Unordered,
    Mark,
    Stored,
}

impl Lane {
    pub(crate) fn of(frame: &Frame) -> Lane {
        match frame {
            Frame::Publish { channel: Channel::Reliable, .. } => Lane::Unordered,
            Frame::Publish { .. } => Lane::Entries,
            Frame::Entry { entry, .. } => match &entry.content {
                Content::Message(told) if told.channel == Channel::Reliable => Lane::Unordered,
                _ => Lane::Entries,
            },
            Frame::Mark { .. } => Lane::Mark,
            Frame::Stored { .. } => Lane::Stored,
            Frame::Snapshot { .. } => Lane::Bulk,
            _ => Lane::Urgent,
        }
    }

    fn is_latest(self) -> bool {
        matches!(self, Lane::Mark | Lane::Stored)
    }

    fn is_in_order(self) -> bool {
        matches!(self, Lane::Urgent | Lane::Entries | Lane::Bulk)
    }
}

/// How slow links are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) delay: Duration,
    pub(crate) jitter: Duration,
    /// One frame in so many is late by up to a second.
    pub(crate) late_one_in: u64,
}

impl Weather {
    pub(crate) fn draw(&self, dice: &mut Dice) -> Duration {
        let jitter = Duration::from_micros(dice.below(self.jitter.as_micros() as u64 + 1));
        let late = if dice.one_in(self.late_one_in) { dice.ms(50, 900) } else { Duration::ZERO };
        self.delay + jitter + late
    }
}

/// One direction of a link.
#[derive(Default)]
struct Way {
    /// By lane: when the last frame arrives.
    last: BTreeMap<Lane, Instant>,
    /// Latest-only: the number of the newest sent and of the newest that arrived.
    newest: BTreeMap<Lane, (u64, u64)>,
    /// What waits for the way to be open again.
    waiting: Vec<(Lane, Frame)>,
}

/// A frame on its way.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) from: Life,
    pub(crate) to: Life,
    pub(crate) lane: Lane,
    pub(crate) number: u64,
    pub(crate) frame: Frame,
}

#[derive(Default)]
pub(crate) struct Links {
    ways: BTreeMap<(Life, Life), Way>,
}

impl Links {
    /// Puts a frame on its way; it waits if the way is blocked.
    pub(crate) fn send(
        &mut self,
        now: Instant,
        flight: Flight,
        is_blocked: bool,
        delay: Duration,
    ) -> Option<(Instant, Flight)> {
        let Flight { from, to, lane, .. } = flight;
        let way = self.ways.entry((from, to)).or_default();
        if is_blocked {
            if lane.is_latest() {
                way.waiting.retain(|(waiting, _)| *waiting != lane);
            }
            way.waiting.push((lane, flight.frame));
            return None;
        }
        let mut at = now + delay;
        if lane.is_in_order() {
            let last = way.last.entry(lane).or_insert(at);
            at = at.max(*last);
            *last = at;
        }
        let newest = way.newest.entry(lane).or_default();
        newest.0 += 1;
        Some((at, Flight { number: newest.0, ..flight }))
    }

    /// Whether a frame that has come counts: of latest-only ones those that were overtaken do not, and some of those
    /// that have a successor.
    pub(crate) fn arrives(&mut self, flight: &Flight, dice: &mut Dice) -> bool {
        if !flight.lane.is_latest() {
            return true;
        }
        let way = self.ways.entry((flight.from, flight.to)).or_default();
        let (sent, arrived) = way.newest.entry(flight.lane).or_default();
        if flight.number <= *arrived || (flight.number < *sent && dice.one_in(2)) {
            return false;
        }
        *arrived = flight.number;
        true
    }

    /// What waited on ways that are open now.
    pub(crate) fn release(&mut self, is_blocked: impl Fn(Life, Life) -> bool) -> Vec<(Life, Life, Lane, Frame)> {
        let mut released = Vec::new();
        for ((from, to), way) in &mut self.ways {
            if !is_blocked(*from, *to) {
                released.extend(way.waiting.drain(..).map(|(lane, frame)| (*from, *to, lane, frame)));
            }
        }
        released
    }

    /// A life is over: its links are gone.
    pub(crate) fn forget(&mut self, life: Life) {
        self.ways.retain(|(from, to), _| *from != life && *to != life);
    }
}
