//! What a run counts, and the sum over runs. Every count is a plain sum, so that the order of the runs is of no account.

use std::collections::BTreeMap;

/// The counts of one run, or of many.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Messages acknowledged.
    pub acked: u64,
    /// Messages delivered, by the kind of path that brought them.
    pub delivered_by: BTreeMap<&'static str, u64>,
    /// Late arrivals that the world explains, by explanation.
    pub excused: BTreeMap<&'static str, u64>,
    /// Rare situations that did come up, by name.
    pub marks: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts a situation.
    pub fn mark(&mut self, name: &'static str) {
        self.marks_add(name, 1);
    }

    /// Counts a situation that came up so often.
    pub fn marks_add(&mut self, name: &'static str, count: u64) {
        if count > 0 {
            *self.marks.entry(name).or_default() += count;
        }
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Tally) {
        self.acked += other.acked;
        for (sum, part) in [
            (&mut self.delivered_by, &other.delivered_by),
            (&mut self.excused, &other.excused),
            (&mut self.marks, &other.marks),
        ] {
            for (name, count) in part {
                *sum.entry(name).or_default() += count;
            }
        }
    }
}
