//! What happened in a run: a hash folded over every step, and the steps themselves where somebody wants to read them.
//! The hash is the same whether they are kept or not. What a step means is judged elsewhere.

mod step;

pub use step::{StarStep, Step, channel_name};

use crate::seed::{GOLDEN, mix};
use core::hash::{Hash, Hasher};
use serde::Serialize;
use std::io::{self, Write};
use webstar_core::time::Instant;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// A step and its moment.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Record {
    /// When.
    pub at: Instant,
    /// What.
    pub step: Step,
}

#[derive(Serialize)]
struct Line {
    t_ms: f64,
    #[serde(flatten)]
    step: Step,
}

/// The trace of one run.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    plan: String,
    records: Option<Vec<Record>>,
}

impl Trace {
    /// An empty trace. With `keep` it can be read afterwards.
    pub fn new(keep: bool) -> Self {
        Trace { hash: 0, plan: String::new(), records: keep.then(Vec::new) }
    }

    /// Begins with what was drawn.
    pub fn begin(&mut self, plan: &impl Serialize) {
        self.plan = serde_json::to_string(plan).expect("a plan has no maps with keys that are no text");
        self.hash = content(self.plan.as_bytes());
    }

    /// Notes a step.
    pub fn note(&mut self, at: Instant, step: Step) {
        let mut fold = Fold(self.hash);
        fold.write_i64(at.as_nanos());
        step.hash(&mut fold);
        self.hash = fold.finish();
        if let Some(records) = &mut self.records {
            records.push(Record { at, step });
        }
    }

    /// The hash so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// What was drawn, as JSON; empty if it never began.
    pub fn plan(&self) -> &str {
        &self.plan
    }

    /// The steps, if they were kept.
    pub fn records(&self) -> &[Record] {
        self.records.as_deref().unwrap_or_default()
    }

    /// Writes the plan and the steps, one JSON object a line.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{{\"t_ms\":0.0,\"event\":\"plan\",\"plan\":{}}}", self.plan)?;
        for record in self.records() {
            let line = Line { t_ms: record.at.as_millis_f64(), step: record.step };
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")?;
        }
        writeln!(out, "{{\"event\":\"hash\",\"hash\":\"{:016x}\"}}", self.hash)
    }
}

/// The hash of some bytes: XXH3, the same on every machine.
pub fn content(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

/// One more number folded into a hash, in this order.
pub fn fold(hash: u64, word: u64) -> u64 {
    mix(hash.wrapping_add(GOLDEN) ^ word)
}

/// Folds what is hashed into one word. The same on every machine, as the standard library's hashers promise not to be.
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = fold(self.0, word);
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_i64(word as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Side;

    fn trace(keep: bool, numbers: &[u64]) -> Trace {
        let mut trace = Trace::new(keep);
        trace.begin(&"plan");
        for &number in numbers {
            trace.note(Instant::from_nanos(7), Step::Acked { side: Side::B, number });
        }
        trace
    }

    #[test]
    fn the_hash_tells_order_and_content_and_does_not_care_who_reads() {
        assert_eq!(trace(false, &[1, 2]).hash(), trace(true, &[1, 2]).hash());
        assert_ne!(trace(false, &[1, 2]).hash(), trace(false, &[2, 1]).hash());
        assert_ne!(trace(false, &[1]).hash(), trace(false, &[1, 1]).hash());
    }

    #[test]
    fn the_hash_is_pinned() {
        assert_eq!(trace(false, &[1, 2]).hash(), 8_144_396_002_656_633_130);
    }

    #[test]
    fn a_line_is_one_json_object() {
        let mut out = Vec::new();
        trace(true, &[5]).write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[1]["event"], &lines[1]["number"]), (3, &"acked".into(), &5.into()));
    }
}
