//! What the ways between seats and to the server have held back: when nothing came out of a way although something should
//! have. Facts of the simulated network alone, whoever is at fault; judges nothing.

use crate::world::{SeatId, Way};
use core::time::Duration;
use std::collections::VecDeque;
use webstar_core::time::Instant;

/// A way out of which nothing came for so long is silent: no player is more impatient ..
const SILENT: Duration = Duration::from_millis(500);
/// .. if something is overdue for so long that was given to it.
const OVERDUE: Duration = Duration::from_millis(300);
/// Of what should come so close together one is enough to know.
const STEP: Duration = Duration::from_millis(10);
/// Silences are remembered for so long.
const MEMORY: Duration = Duration::from_secs(20);

/// Nothing came out of a way between these moments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// Something came then.
    pub from: Instant,
    /// Something came then again, or it is so late now.
    pub until: Instant,
}

impl Silence {
    /// How long it was.
    pub fn length(&self) -> Duration {
        self.until.since(self.from)
    }
}

#[derive(Debug)]
struct Flow {
    /// When something came out of it last, or was given to it for the first time.
    came: Instant,
    /// When what was given to it and has not come should come, as long as it is without jitter, in steps of [`STEP`].
    due: VecDeque<Instant>,
    /// When something was given to it last.
    given: Instant,
    silences: VecDeque<Silence>,
}

impl Flow {
    fn silence(&self, now: Instant) -> Option<Silence> {
        let is_overdue = self.due.front().is_some_and(|due| *due + OVERDUE <= now);
        (is_overdue && self.came + SILENT <= now).then_some(Silence { from: self.came, until: now })
    }
}

/// All ways.
#[derive(Debug, Default)]
pub struct Hearing {
    /// By where a way begins and where it ends: the server, then the seats.
    flows: Vec<Vec<Option<Flow>>>,
}

/// Where a way begins and ends.
fn ends(way: Way) -> [usize; 2] {
    let place = |seat: SeatId| usize::from(seat.0) + 1;
    match way {
        Way::Up(from) => [place(from), 0],
        Way::Down(to) => [0, place(to)],
        Way::Direct(from, to) => [place(from), place(to)],
    }
}

impl Hearing {
    /// Something is given to a way, out of which it comes at that time if nothing goes wrong.
    pub fn given(&mut self, now: Instant, way: Way, due: Instant) {
        let [from, to] = ends(way);
        if self.flows.len() <= from {
            self.flows.resize_with(from + 1, Vec::new);
        }
        let flows = &mut self.flows[from];
        if flows.len() <= to {
            flows.resize_with(to + 1, || None);
        }
        let fresh = || Flow { came: now, due: VecDeque::new(), given: now, silences: VecDeque::new() };
        let flow = flows[to].get_or_insert_with(fresh);
        flow.given = now;
        if flow.due.back().is_none_or(|last| *last + STEP <= due) {
            flow.due.push_back(due);
        }
    }

    fn flow(&self, way: Way) -> Option<&Flow> {
        let [from, to] = ends(way);
        self.flows.get(from)?.get(to)?.as_ref()
    }

    /// Something comes out of it.
    pub fn came(&mut self, now: Instant, way: Way) {
        let [from, to] = ends(way);
        let flow = self.flows.get_mut(from).and_then(|flows| flows.get_mut(to)?.as_mut());
        let Some(flow) = flow else { return };
        flow.silences.extend(flow.silence(now));
        while flow.silences.pop_front_if(|silence| silence.until + MEMORY < now).is_some() {}
        flow.came = now;
        while flow.due.pop_front_if(|due| *due <= now).is_some() {}
    }

    /// Another machine sits there: nothing is on its way from it or to it.
    pub fn forget(&mut self, seat: SeatId) {
        let [own, _] = ends(Way::Up(seat));
        for (from, flows) in self.flows.iter_mut().enumerate() {
            for (to, flow) in flows.iter_mut().enumerate() {
                if from == own || to == own {
                    *flow = None;
                }
            }
        }
    }

    /// The silences of a way that ended after this moment, or last.
    pub fn silences(&self, way: Way, after: Instant, now: Instant) -> impl Iterator<Item = Silence> {
        let flow = self.flow(way);
        let lasting = flow.and_then(|flow| flow.silence(now));
        let over = flow.into_iter().flat_map(|flow| flow.silences.iter().copied());
        over.chain(lasting).filter(move |silence| silence.until >= after)
    }

    /// Whether a way was used since then.
    pub fn is_used(&self, way: Way, since: Instant) -> bool {
        self.flow(way).is_some_and(|flow| flow.given >= since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way::Up(SeatId(1));

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn silences(hearing: &Hearing, now: Instant) -> Vec<(u64, u64)> {
        let millis = |at: Instant| at.since(Instant::ZERO).as_millis() as u64;
        hearing.silences(WAY, at(0), now).map(|silence| (millis(silence.from), millis(silence.until))).collect()
    }

    /// A way of 100 ms to which something is given at these moments, and out of which something comes at those.
    fn hearing(given: &[u64], came: &[u64]) -> Hearing {
        let mut hearing = Hearing::default();
        let mut all: Vec<(u64, bool)> = given.iter().map(|ms| (*ms, true)).collect();
        all.extend(came.iter().map(|ms| (*ms, false)));
        all.sort_unstable();
        for (ms, is_given) in all {
            if is_given { hearing.given(at(ms), WAY, at(ms + 100)) } else { hearing.came(at(ms), WAY) }
        }
        hearing
    }

    #[test]
    fn only_what_should_have_come_and_did_not_makes_a_silence() {
        let idle = hearing(&[0, 5_000], &[100, 5_100]);
        assert_eq!(silences(&idle, at(9_000)), [], "nobody says anything");
        let slow = hearing(&[0, 5_000], &[100, 5_399]);
        assert_eq!(silences(&slow, at(9_000)), [], "what was said was late, but not for long");
        let stalled = hearing(&[0, 100, 200], &[100, 650]);
        assert_eq!(silences(&stalled, at(700)), [(100, 650)]);
        let lost = hearing(&[0, 150], &[100]);
        assert_eq!(silences(&lost, at(599)), []);
        assert_eq!(silences(&lost, at(600)), [(100, 600)], "and it lasts");
        let under_way = hearing(&[0, 50, 600], &[100]);
        assert_eq!(silences(&under_way, at(650)), [(100, 650)], "what was under way when something came is missed too");
    }

    #[test]
    fn whoever_sits_down_anew_has_said_nothing() {
        let mut hearing = hearing(&[0, 150], &[100]);
        assert!(hearing.is_used(WAY, at(150)) && !hearing.is_used(WAY, at(151)));
        hearing.forget(SeatId(1));
        assert_eq!(silences(&hearing, at(5_000)), []);
    }
}
