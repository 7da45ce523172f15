//! Players who talk all the time, and when they are heard: by one clock, that of the test.

use crate::room::Lives;
use crate::stage::{Ending, Mouthpiece};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

static ZERO: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A thread that has players say, each so many times a second, who they are and when that was said.
pub(crate) struct Chatter {
    mouths: Arc<Mutex<BTreeMap<u64, Mouthpiece>>>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Chatter {
    pub(crate) fn of(mouths: BTreeMap<u64, Mouthpiece>, hz: u32) -> Self {
        LazyLock::force(&ZERO);
        let (mouths, is_over) = (Arc::new(Mutex::new(mouths)), Arc::new(AtomicBool::new(false)));
        let (shared, over) = (mouths.clone(), is_over.clone());
        let thread = thread::spawn(move || {
            let mut due = Instant::now();
            while !over.load(Ordering::Relaxed) {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                // What a busy machine is late is not made good by talking faster.
                due = (due + Duration::from_secs(1) / hz).max(Instant::now());
                shared.lock().unwrap().retain(|number, mouth: &mut Mouthpiece| {
                    let at = ZERO.elapsed().as_micros();
                    mouth.say(format!("{number} at {at}\n").as_bytes()).is_ok()
                });
            }
        });
        Chatter { mouths, is_over, thread }
    }

    /// One more talks.
    pub(crate) fn add(&self, number: u64, mouth: Mouthpiece) {
        self.mouths.lock().unwrap().insert(number, mouth);
    }

    /// Nobody says anything more.
    pub(crate) fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it does not panic");
    }
}

/// What was heard of the chatter: by whom it was said, when, and when it was heard.
fn heard(ending: &Ending) -> impl Iterator<Item = (u64, Instant, Instant)> {
    let lines = ending.said.iter().zip(&ending.read_at).filter(|(line, _)| line.contains(" at "));
    lines.filter_map(|(line, read_at)| {
        let message: Value = serde_json::from_str(line).ok()?;
        let (from, at) = message["data"].as_str()?.split_once(" at ")?;
        Some((from.parse().ok()?, *ZERO + Duration::from_micros(at.parse().ok()?), *read_at))
    })
}

/// How long it takes from one player, who is not the host, to another.
pub(crate) fn latencies(lives: &Lives, host: u64) -> Spread {
    let members = lives.all.iter().filter(|(number, _)| **number != host);
    let times = members.flat_map(|(me, ending)| {
        let of_others = heard(ending).filter(move |(from, ..)| from != me && *from != host);
        of_others.map(|(_, said, heard)| heard.saturating_duration_since(said))
    });
    Spread::of(times.collect())
}

/// Something that befell the host while others talked.
pub(crate) struct Blow {
    pub(crate) at: Instant,
    pub(crate) host: u64,
}

/// For each blow and each other player who was there before and after it: the longest silence from then to the next blow.
pub(crate) fn silences(lives: &Lives, blows: &[Blow]) -> Spread {
    let mut times = Vec::new();
    for (me, ending) in &lives.all {
        let heard: Vec<Instant> = heard(ending).map(|(_, _, heard)| heard).collect();
        for (nth, blow) in blows.iter().enumerate().filter(|(_, blow)| blow.host != *me) {
            let next = blows.get(nth + 1).map(|next| next.at);
            let around = |two: &&[Instant]| two[1] > blow.at && next.is_none_or(|next| two[0] < next);
            let was_there = heard.first().is_some_and(|first| *first < blow.at);
            let silence = heard.windows(2).filter(around).map(|two| two[1] - two[0]).max();
            times.extend(silence.filter(|_| was_there));
        }
    }
    Spread::of(times)
}

/// Times, told by how many are no longer.
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Spread(times)
    }

    /// The nearest rank.
    fn share(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(f64::NAN, Duration::as_secs_f64) * 1e3
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p95, p99, most] = [50, 95, 99, 100].map(|percent| self.share(percent));
        write!(f, "p50 {p50:.0} ms, p95 {p95:.0} ms, p99 {p99:.0} ms, at most {most:.0} ms, of {}", self.0.len())
    }
}
