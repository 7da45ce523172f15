//! `shrink`: what a failing seed needs to fail.

use super::progress::Progress;
use super::{Left, Which};
use crate::profile::{Mask, panics};
use crate::seed::Seed;
use crate::shrink::{Parts, shrink};
use crate::trace::Trace;
use clap::Args;
use std::num::NonZeroU32;

/// Cuts a failing seed down to the fewest seats, faults and messages that still break the same property.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  webstar-sim shrink 42 --profile swarm")]
pub(super) struct Shrink {
    /// The seed.
    seed: u64,
    #[command(flatten)]
    which: Which,
    /// The most runs that are made for it.
    #[arg(long, value_name = "N", default_value = "2000")]
    runs: NonZeroU32,
    /// One JSON object on the standard output.
    #[arg(long)]
    json: bool,
}

impl Shrink {
    /// False if the seed fails, as any run that fails.
    pub(super) fn go(&self) -> Result<bool, String> {
        let case = self.which.case()?;
        let profile = case.profile;
        panics::hold();
        let seed = Seed::new(self.seed);
        let run = |mask: &Mask| case.run(seed, mask, &mut Trace::new(false)).red;
        let Some(red) = run(&Mask::default()) else {
            println!("seed {} of {} breaks nothing: there is nothing to cut down", self.seed, profile.name());
            return Ok(true);
        };
        let parts = Parts::of(&profile.tell(seed));
        let most = self.runs.get();
        let progress = Progress::new(most.into(), "runs at most", self.json);
        let mut runs = 0;
        let shrunk = shrink(&parts, most, |mask| {
            runs += 1;
            progress.tell(runs, 0);
            run(mask).is_some_and(|now| now.check == red.check)
        });
        progress.end();
        let why = run(&shrunk.mask).map_or(red.why, |red| red.why);
        let left = Left::of(&shrunk.mask);
        let line = format!("webstar-sim replay {} {}{}", self.seed, case.arguments(), shrunk.mask);
        let kept = |parts: &[Vec<u32>], out: &crate::profile::Numbers| {
            parts.iter().filter(|part| !part.iter().all(|number| out.0.contains(number))).count()
        };
        let counts = [
            ("seats", kept(&parts.seats, &left.without_seats), parts.seats.len()),
            ("faults", kept(&parts.faults, &left.without_faults), parts.faults.len()),
            ("messages", kept(&parts.messages, &left.without_messages), parts.messages.len()),
        ];
        if self.json {
            let [seats, faults, messages] = counts.map(|(_, kept, of)| serde_json::json!({"kept": kept, "of": of}));
            println!(
                "{}",
                serde_json::json!({
                    "event": "shrunk", "seed": self.seed, "profile": profile.name(), "check": red.check, "why": why,
                    "runs": shrunk.runs, "is_smallest": shrunk.is_smallest, "seats": seats, "faults": faults,
                    "messages": messages, "reproduction": line,
                })
            );
        } else {
            println!("{} is broken: {why}", red.check);
            for (what, kept, of) in counts {
                println!("{what:>12}  {kept} of {of} are needed");
            }
            let end = if shrunk.is_smallest { "nothing more can be left out" } else { "the runs are used up" };
            println!("{:>12}  {}, {end}", "runs", shrunk.runs);
            println!("{line}");
        }
        Ok(false)
    }
}
