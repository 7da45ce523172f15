//! `run`: many seeds on all cores, summed up. The sum is the same for any number of threads.

use super::progress::Progress;
use super::{Case, Seeds, Which};
use crate::profile::{Mask, panics};
use crate::report::{Failure, Summary};
use crate::seed::Seed;
use crate::trace::Trace;
use clap::Args;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Seeds that a thread takes at a time: enough to be rarely in the others' way, and few enough to end together.
const HANDFUL: u64 = 16;

/// Runs many seeds and sums up; a seed that fails is told with the command that replays it.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  webstar-sim run --profile pair --seeds 0..100000 --json")]
pub(super) struct Run {
    /// From the first up to, not including, the second.
    #[arg(long, value_name = "A..B", default_value = "0..1000")]
    seeds: Seeds,
    #[command(flatten)]
    which: Which,
    /// Threads; one for each core if not given.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// One JSON object on the standard output, and failures on the standard error output.
    #[arg(long)]
    json: bool,
}

impl Run {
    /// True if no seed failed.
    pub(super) fn go(&self) -> Result<bool, String> {
        let case = self.which.case()?;
        panics::hold();
        let summary = self.run(case);
        let is_good = summary.failed_count == 0;
        if self.json {
            println!("{}", summary.to_json());
        } else {
            print!("{summary}");
        }
        Ok(is_good)
    }

    fn run(&self, case: Case) -> Summary {
        let seeds = self.seeds.0.clone();
        let total = seeds.end - seeds.start;
        let jobs = self.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
        let progress = Progress::new(total, "seeds", self.json);
        let (next, done, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let began = Instant::now();
        let work = || {
            let mut summary = Summary::new(case.carrying.name(), case.profile.name(), seeds.start);
            loop {
                let first = next.fetch_add(HANDFUL, Ordering::Relaxed);
                if first >= total {
                    return summary;
                }
                let count = HANDFUL.min(total - first);
                for seed in (first..first + count).map(|at| seeds.start + at) {
                    let outcome = case.run(Seed::new(seed), &Mask::default(), &mut Trace::new(false));
                    if let Some(red) = &outcome.red {
                        failed.fetch_add(1, Ordering::Relaxed);
                        self.tell(case, &Failure { seed, why: format!("{}: {}", red.check, red.why) });
                    }
                    summary.add(seed, &outcome);
                }
                let done = done.fetch_add(count, Ordering::Relaxed) + count;
                progress.tell(done, failed.load(Ordering::Relaxed));
            }
        };
        let mut summary = Summary::new(case.carrying.name(), case.profile.name(), seeds.start);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
            for thread in threads {
                summary.merge(thread.join().expect("a seed's panic is caught"));
            }
        });
        progress.end();
        summary.finish(began.elapsed(), jobs);
        summary
    }

    /// One line from which the failure can be seen again.
    fn tell(&self, case: Case, failure: &Failure) {
        let line = format!("webstar-sim replay {} {}  # {}", failure.seed, case.arguments(), failure.why);
        if self.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }
}
