//! Cutting a failure down: the smallest set of seats, faults and messages that still breaks the same property, found by
//! leaving out ever smaller parts of what was drawn (delta debugging). What a run is, and when it fails, is told from
//! outside.

use crate::profile::{Mask, Nature, Numbers, Telling};
use std::collections::{BTreeMap, BTreeSet};

/// What there is to be left out of a run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// Faults that are left out together: one with what ends it.
    pub faults: Vec<Vec<u32>>,
    /// Seats, each for itself.
    pub seats: Vec<Vec<u32>>,
    /// Moments at which something is said, each for itself.
    pub messages: Vec<Vec<u32>>,
}

impl Parts {
    /// The parts of a plan.
    pub fn of(telling: &Telling) -> Parts {
        let mut spans: BTreeMap<_, Vec<u32>> = BTreeMap::new();
        for (number, fault) in (0u32..).zip(&telling.faults) {
            let ends = if fault.nature == Nature::Relief { Some(fault.at) } else { fault.until };
            let alone = if ends.is_none() { number } else { u32::MAX };
            spans.entry((fault.wire, ends, alone)).or_default().push(number);
        }
        let each = |count: u32| (0..count).map(|number| vec![number]).collect();
        let seats = telling.lanes.len() as u32;
        Parts { faults: spans.into_values().collect(), seats: each(seats), messages: each(telling.messages) }
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shrunk {
    /// As much as can be left out.
    pub mask: Mask,
    /// How many runs it took.
    pub runs: u32,
    /// No part that is left can be left out. If not, the runs were used up.
    pub is_smallest: bool,
}

/// Leaves out what a failure does not need, in at most so many runs. `fails` tells whether a run of which this is left
/// out still breaks the same property.
pub fn shrink(parts: &Parts, most_runs: u32, mut fails: impl FnMut(&Mask) -> bool) -> Shrunk {
    let mut runs = 0;
    let mut mask = Mask::default();
    loop {
        let before = mask.clone();
        for (of, which) in
            [(&parts.seats, Which::Seats), (&parts.faults, Which::Faults), (&parts.messages, Which::Messages)]
        {
            let left_out = reduce(of, &which.of(&mut mask).0.clone(), |numbers| {
                let mut tried = mask.clone();
                *which.of(&mut tried) = Numbers(numbers.clone());
                runs += 1;
                runs <= most_runs && fails(&tried)
            });
            *which.of(&mut mask) = Numbers(left_out);
        }
        if mask == before || runs > most_runs {
            return Shrunk { mask, runs: runs.min(most_runs), is_smallest: runs <= most_runs };
        }
    }
}

#[derive(Clone, Copy)]
enum Which {
    Seats,
    Faults,
    Messages,
}

impl Which {
    fn of(self, mask: &mut Mask) -> &mut Numbers {
        match self {
            Which::Seats => &mut mask.seats,
            Which::Faults => &mut mask.faults,
            Which::Messages => &mut mask.messages,
        }
    }
}

/// The numbers that can be left out: first everything is tried at once, then halves, and so on down to single parts.
fn reduce(parts: &[Vec<u32>], out: &BTreeSet<u32>, mut fails: impl FnMut(&BTreeSet<u32>) -> bool) -> BTreeSet<u32> {
    let mut out = out.clone();
    let mut kept: Vec<&Vec<u32>> =
        parts.iter().filter(|part| !part.iter().all(|number| out.contains(number))).collect();
    let mut size = kept.len();
    while size > 0 {
        let mut at = 0;
        while at < kept.len() {
            let end = (at + size).min(kept.len());
            let tried: BTreeSet<u32> = out.iter().chain(kept[at..end].iter().copied().flatten()).copied().collect();
            if fails(&tried) {
                out = tried;
                kept.drain(at..end);
            } else {
                at = end;
            }
        }
        size = if size > 1 { size.div_ceil(2).min(kept.len()) } else { 0 };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Misfortune;
    use core::time::Duration;

    fn parts(faults: u32, seats: u32, messages: u32) -> Parts {
        let each = |count: u32| (0..count).map(|number| vec![number]).collect();
        Parts { faults: each(faults), seats: each(seats), messages: each(messages) }
    }

    #[test]
    fn what_is_left_is_what_the_failure_needs() {
        let needs = |numbers: &Numbers, needed: &[u32]| needed.iter().all(|number| !numbers.0.contains(number));
        let fails = |mask: &Mask| {
            needs(&mask.faults, &[3, 17]) && needs(&mask.seats, &[0, 5]) && needs(&mask.messages, &[2, 400, 401])
        };
        let shrunk = shrink(&parts(20, 16, 1_000), 2_000, fails);
        assert_eq!(
            shrunk.mask.to_string(),
            " --without-faults 0-2,4-16,18-19 --without-seats 1-4,6-15 --without-messages 0-1,3-399,402-999"
        );
        assert!(shrunk.is_smallest && shrunk.runs < 300, "{}", shrunk.runs);
    }

    #[test]
    fn when_the_runs_are_used_up_what_was_found_so_far_still_fails() {
        let fails = |mask: &Mask| !mask.messages.has(7);
        let shrunk = shrink(&parts(4, 4, 1_000), 8, fails);
        assert!(!shrunk.is_smallest && shrunk.runs == 8 && fails(&shrunk.mask), "{shrunk:?}");
    }

    #[test]
    fn a_fault_and_its_end_are_left_out_together() {
        let fault = |at, until: Option<u64>, wire, nature| Misfortune {
            at: Duration::from_secs(at),
            until: until.map(Duration::from_secs),
            wire,
            what: String::new(),
            nature,
            is_left_out: false,
        };
        let faults = vec![
            fault(1, Some(4), 0, Nature::Harm),
            fault(2, None, 0, Nature::Harm),
            fault(3, Some(4), 1, Nature::Harm),
            fault(4, None, 0, Nature::Relief),
            fault(4, None, 1, Nature::Relief),
        ];
        let telling = Telling { faults, ..Telling::default() };
        assert_eq!(Parts::of(&telling).faults, [vec![1], vec![0, 3], vec![2, 4]]);
    }
}
