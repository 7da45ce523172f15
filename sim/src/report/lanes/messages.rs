//! Messages of a run as a picture needs them: a selection that is never a hairball, how busy each lane is, and for how
//! long acknowledgements were missing.

use crate::check::star::Life;
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::peer::Channel;

/// How wide a step of the busyness is, in seconds.
pub(super) const STEP: f64 = 0.2;
/// Acknowledgements that are missing for less are no gap.
const GAP: f64 = 0.3;
/// What takes longer is late, and always shown.
const LATE: f64 = 1.0;
/// Strokes that each level of detail may add.
const STROKES: [usize; 3] = [260, 900, 3_200];
/// Strokes of late messages at most.
const LATE_STROKES: usize = 70;

/// All messages of a run.
#[derive(Debug)]
pub(super) struct Messages {
    said: BTreeMap<u32, SaidAt>,
    heard: Vec<(u32, usize, f64)>,
    /// By lane: how much was said and heard in each step.
    busy: Vec<Vec<[u32; 2]>>,
    /// The same of the server: frames.
    pub(super) relayed: Vec<u32>,
    waiting: BTreeMap<Life, Waiting>,
    /// When acknowledgements were missing, by lane.
    pub(super) gaps: Vec<Gap>,
    /// How many were acknowledged.
    pub(super) acked: u32,
}

#[derive(Clone, Copy, Debug)]
struct SaidAt {
    at: f64,
    seat: usize,
    channel: Option<Channel>,
    bytes: u32,
}

/// Kept messages of a life that are not acknowledged.
#[derive(Debug, Default)]
struct Waiting {
    seat: usize,
    /// By number: when they were said.
    pending: BTreeMap<u32, f64>,
}

/// For so long the oldest unacknowledged message of a lane waited.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) seat: usize,
    pub(super) from: f64,
    pub(super) until: f64,
}

/// One message on its way to one receiver.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stroke {
    pub(super) from: (usize, f64),
    pub(super) to: (usize, f64),
    pub(super) channel: Option<Channel>,
    pub(super) bytes: u32,
    /// From which level of detail on it is shown.
    pub(super) level: usize,
    pub(super) is_late: bool,
}

impl Messages {
    pub(super) fn new(end: f64, lanes: usize) -> Self {
        let steps = (end / STEP) as usize + 1;
        Messages {
            said: BTreeMap::new(),
            heard: Vec::new(),
            busy: vec![vec![[0; 2]; steps]; lanes],
            relayed: vec![0; steps],
            waiting: BTreeMap::new(),
            gaps: Vec::new(),
            acked: 0,
        }
    }

    pub(super) fn said(
        &mut self,
        now: f64,
        life: Life,
        seat: usize,
        number: u32,
        channel: Option<Channel>,
        bytes: u32,
    ) {
        self.count(now, seat, 0);
        self.said.insert(number, SaidAt { at: now, seat, channel, bytes });
        if matches!(channel, Some(Channel::Ordered | Channel::Reliable)) {
            let waiting = self.waiting.entry(life).or_default();
            waiting.seat = seat;
            waiting.pending.insert(number, now);
        }
    }

    pub(super) fn heard(&mut self, now: f64, seat: usize, number: u32) {
        self.count(now, seat, 1);
        self.heard.push((number, seat, now));
    }

    pub(super) fn safe(&mut self, now: f64, life: Life, number: u32) {
        self.acked += 1;
        let Some(waiting) = self.waiting.get_mut(&life) else { return };
        if let Some(since) = waiting.pending.remove(&number) {
            let seat = waiting.seat;
            self.gap(seat, since, now);
        }
    }

    /// Nothing of this life is acknowledged any more.
    pub(super) fn over(&mut self, now: f64, life: Life) {
        let Some(waiting) = self.waiting.remove(&life) else { return };
        if let Some(since) = waiting.pending.values().copied().reduce(f64::min) {
            self.gap(waiting.seat, since, now);
        }
    }

    pub(super) fn relayed(&mut self, now: f64) {
        if let Some(step) = self.relayed.get_mut((now / STEP) as usize) {
            *step += 1;
        }
    }

    fn count(&mut self, now: f64, seat: usize, way: usize) {
        if let Some(step) = self.busy.get_mut(seat).and_then(|lane| lane.get_mut((now / STEP) as usize)) {
            step[way] += 1;
        }
    }

    fn gap(&mut self, seat: usize, from: f64, until: f64) {
        if until - from < GAP {
            return;
        }
        match self.gaps.iter_mut().rev().find(|gap| gap.seat == seat && gap.until >= from) {
            Some(gap) => (gap.from, gap.until) = (gap.from.min(from), gap.until.max(until)),
            None => self.gaps.push(Gap { seat, from, until }),
        }
    }

    /// How many were said, and how often they were heard.
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.said.len(), self.heard.len()]
    }

    /// How busy a lane was in each step, as shares of what all but the busiest steps have.
    pub(super) fn busyness(&self, seat: usize) -> Vec<[f64; 2]> {
        let mut counts: Vec<u32> = self.busy.iter().flatten().flatten().copied().filter(|count| *count > 0).collect();
        counts.sort_unstable();
        let most = counts.get(counts.len() * 19 / 20).copied().unwrap_or(1);
        let share = |count: u32| (f64::from(count) / f64::from(most)).min(1.0);
        self.busy.get(seat).map(|lane| lane.iter().map(|step| step.map(share)).collect()).unwrap_or_default()
    }

    /// The strokes to be drawn: late messages, and an even selection of the others, whole messages each.
    pub(super) fn strokes(&self) -> Vec<Stroke> {
        let late = |number: &u32, at: f64| self.said.get(number).is_some_and(|said| at - said.at > LATE);
        let late_ones: BTreeSet<u32> =
            self.heard.iter().filter(|(number, _, at)| late(number, *at)).map(|(number, ..)| *number).collect();
        let strides = STROKES.map(|most| (self.heard.len() / most).max(1));
        let late_strokes = self.heard.iter().filter(|(number, _, at)| late(number, *at)).count();
        let late_stride = late_strokes.div_ceil(LATE_STROKES).max(1);
        let shown: BTreeSet<u32> = late_ones.into_iter().step_by(late_stride).collect();
        let mut order: BTreeMap<u32, usize> = BTreeMap::new();
        for (at, number) in self.said.keys().enumerate() {
            order.insert(*number, at);
        }
        let stroke = |(number, seat, at): &(u32, usize, f64)| {
            let said = self.said.get(number)?;
            let place = order[number];
            let level = strides.iter().position(|stride| place.is_multiple_of(*stride));
            let is_late = shown.contains(number) && *at - said.at > LATE;
            let level = if is_late { 0 } else { level? };
            let (channel, bytes) = (said.channel, said.bytes);
            Some(Stroke { from: (said.seat, said.at), to: (*seat, *at), channel, bytes, level, is_late })
        };
        self.heard.iter().filter_map(stroke).filter(|stroke| stroke.from.0 != stroke.to.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strokes_are_few_however_much_is_said_and_late_ones_are_among_them() {
        let mut messages = Messages::new(10.0, 2);
        for number in 0..20_000 {
            let now = f64::from(number) / 2_000.0;
            messages.said(now, Life(0), 0, number, Some(Channel::Ordered), 10);
            messages.heard(now + if number == 9_999 { 3.0 } else { 0.05 }, 1, number);
        }
        let strokes = messages.strokes();
        let of_level = |level| strokes.iter().filter(|stroke| stroke.level == level).count();
        assert!((200..=300).contains(&of_level(0)), "{}", of_level(0));
        assert!(of_level(1) <= 1_000 && of_level(2) <= 3_500 && strokes.len() > 2_000);
        assert_eq!(strokes.iter().filter(|stroke| stroke.is_late).count(), 1);
    }

    #[test]
    fn gaps_of_a_lane_that_touch_are_one() {
        let mut messages = Messages::new(10.0, 1);
        for (number, said) in (0u32..).zip([1.0, 1.2, 5.0]) {
            messages.said(said, Life(0), 0, number, Some(Channel::Reliable), 1);
        }
        messages.safe(2.0, Life(0), 0);
        messages.safe(2.5, Life(0), 1);
        messages.safe(5.1, Life(0), 2);
        let gaps: Vec<_> = messages.gaps.iter().map(|gap| (gap.from, gap.until)).collect();
        assert_eq!(gaps, [(1.0, 2.5)]);
    }
}
