//! Worlds whose players have real connections: the same seed is the same run, in any process and thread, and what the
//! connections carry is what their players say.

use serde_json::Value;
use std::process::Command;
use std::time::Duration;
use webstar_sim::crypto::Carrying;
use webstar_sim::profile::star::{Clear, Fault, Harm, Mood, Plan, Whom, run_plan};
use webstar_sim::profile::{Mask, Outcome, Profile};
use webstar_sim::seed::Seed;
use webstar_sim::trace::Trace;

fn run(carrying: Carrying, profile: Profile, seed: u64) -> Outcome {
    profile.run_on(carrying, Seed::new(seed), &Mask::default(), &mut Trace::new(false))
}

/// The summary of a run in a process of its own.
fn summary(args: &str) -> Value {
    let args = args.split_whitespace().chain(["--json"]);
    let output = Command::new(env!("CARGO_BIN_EXE_webstar-sim")).args(args).output().expect("the program runs");
    serde_json::from_slice(&output.stdout).expect("a summary")
}

#[test]
#[cfg(target_os = "linux")]
fn the_same_seed_is_the_same_run_in_two_processes() {
    for (stack, profile, seeds) in [("webrtc", "lossy", "0..4"), ("webrtc", "swarm", "0..2"), ("dtls", "lossy", "3..5")]
    {
        let [one, two] = [1, 3]
            .map(|jobs| summary(&format!("run --stack {stack} --profile {profile} --seeds {seeds} --jobs {jobs}")));
        assert_eq!((one["failed_count"].as_u64(), &one["stack"]), (Some(0), &Value::from(stack)), "{one}");
        assert_eq!(one["hash"], two["hash"], "{stack} {profile}");
        assert_eq!(one["delivered_by"], two["delivered_by"]);
    }
}

#[test]
fn another_stack_is_another_run_of_the_same_plan() {
    let seed = 6;
    let [model, plain, real] = [Carrying::Model, Carrying::Webrtc, Carrying::Dtls].map(|carrying| {
        let outcome = run(carrying, Profile::Calm, seed);
        assert!(outcome.red.is_none(), "{carrying:?}: {:?}", outcome.red);
        outcome
    });
    assert!(model.hash != plain.hash && plain.hash != real.hash && model.hash != real.hash);
    assert_eq!(model.players, plain.players);
    for outcome in [&plain, &real] {
        assert!(outcome.tally.delivered_by["srtp"] > 0, "{:?}", outcome.tally.delivered_by);
    }
}

#[test]
fn nearly_everything_goes_over_connections_where_nothing_is_in_their_way() {
    let outcome = run(Carrying::Webrtc, Profile::Speed, 1);
    assert!(outcome.red.is_none(), "{:?}", outcome.red);
    let by = &outcome.tally.delivered_by;
    let all: u64 = by.values().sum();
    assert!(by["srtp"] * 100 > all * 97, "{by:?}");
}

/// Runs a plan of a mood that was changed, from seed to seed, until something is broken.
fn first_red(mood: Mood, change: impl Fn(&mut Plan)) -> &'static str {
    let red = (0..20).map(Seed::new).find_map(|seed| {
        let mut plan = Plan { carrying: Carrying::Webrtc, ..Plan::draw(seed, mood) };
        change(&mut plan);
        run_plan(seed, &plan, &Mask::default(), &mut Trace::new(false), Clear).red
    });
    red.expect("something is broken").check
}

#[test]
fn players_that_have_no_direct_ways_though_they_could_turn_homes_red() {
    for mood in [Mood::Nat, Mood::Ladder] {
        let check = first_red(mood, |plan| plan.seats.iter_mut().for_each(|seat| seat.is_direct = false));
        assert_eq!(check, "homes", "{mood:?}");
    }
}

#[test]
fn a_player_that_nobody_hears_for_a_second_turns_silence_red() {
    let (at, lasts) = (Duration::from_secs(8), Duration::from_secs(1));
    let alone = Fault { at, lasts, whom: Whom::Seat(0), harm: Harm::Alone };
    assert_eq!(first_red(Mood::Ladder, |plan| plan.faults = vec![alone.clone()]), "silence");
}
