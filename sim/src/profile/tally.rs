//! What a run counts, and the sum over runs. Every count is a plain sum or a bag, so that the order
//! of the runs is of no account.

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
    /// Views that were in force.
    pub views: u64,
    /// Views that the server forced.
    pub forced_views: u64,
    /// How often another became host.
    pub host_changes: u64,
    /// Packets and frames that left, and their bytes.
    pub sent: [u64; 2],
    /// Hosts that crashed.
    pub host_crashes: u64,
    /// By cause: how many milliseconds it took from the fault of a host to the first acknowledgement under the next.
    pub migrations: BTreeMap<&'static str, Vec<u32>>,
}

impl Tally {
    /// Counts a situation.
    pub fn mark(&mut self, name: &'static str) {
        self.marks_add(name, 1);
    }

    /// Something of so many bytes leaves.
    pub fn count_sent(&mut self, bytes: usize) {
        self.sent[0] += 1;
        self.sent[1] += bytes as u64;
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
        self.views += other.views;
        self.forced_views += other.forced_views;
        self.host_crashes += other.host_crashes;
        self.host_changes += other.host_changes;
        self.sent = core::array::from_fn(|which| self.sent[which] + other.sent[which]);
        for (cause, took) in &other.migrations {
            self.migrations.entry(cause).or_default().extend(took);
        }
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
