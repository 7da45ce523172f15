//! Random runs: faults of every kind, drawn from a seed, then quiet. `STAR_SEEDS=from..to` runs others than the suite
//! does; `STAR_TRACE=1` tells everything that happened in the run that fails.

use crate::floor::{Dice, Floor, Setup, Weather};
use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use webstar_core::star::StarConfig;
use webstar_core::time::Duration;

/// Seeds of the suite.
const SEEDS: u64 = 300;
/// Seeds that have found something, and what.
const FOUND: [(u64, &str); 11] = [
    (1844, "who was written out and back in while it was barred took what follows a gap"),
    (1983, "an entry overtook the copy that it belonged to, and who was to begin anew took it for its own"),
    (3184, "where nobody said anything a host never heard that somebody could not follow it"),
    (3904, "a host waits for the server's help if those who may have been hosts after it are dead"),
    (6672, "a host that has forgotten which view it proposed is told with the promise"),
    (6786, "an entry overtook its copy, after two changes of hosts"),
    (14222, "a log that needs longer than a round to be copied was begun anew with each, and nothing else arrived"),
    (17932, "who is needed is not waited for as long as its rhythm was slow"),
    (19298, "who was written out while it was away was made a backup before it was written in again"),
    (21576, "a host in whose lobby all were told to go on after a hold held back its own words"),
    (23070, "the same, while others were there"),
];
/// Situations, and in how many seeds of the suite each must occur.
const MARKS: [(&str, usize); 16] = [
    ("a backup elected itself", 3),
    ("a better log was fetched", 1),
    ("a closed host was replaced", 15),
    ("a follower began anew", 8),
    ("a game was promoted from a snapshot", 15),
    ("a host chose its successor", 3),
    ("a host handed over", 6),
    ("a host held its members", 3),
    ("a host was forced", 8),
    ("a place was void", 1),
    ("a player paused", 4),
    ("a promise brought entries", 25),
    ("a silent host was replaced", 8),
    ("another view was promised before", 8),
    ("somebody was resynchronised", 8),
    ("somebody was told a newer view", 15),
];
/// How long after the last fault all must be well. A host that lacks the word of the dead is helped by the server after
/// eight seconds.
const REST: Duration = Duration::from_secs(12);

fn setup(seed: u64, dice: &mut Dice) -> Setup {
    let weather = Weather {
        delay: dice.ms(1, 80),
        jitter: dice.ms(0, 60),
        late_one_in: dice.pick(&[20, 100, u64::MAX]).expect("there is a choice"),
    };
    let far = Weather { delay: dice.ms(1, 60), jitter: dice.ms(0, 40), late_one_in: u64::MAX };
    let config = StarConfig {
        safe_ordered: true,
        safe_reliable: dice.one_in(3),
        has_snapshots: dice.one_in(2),
        snapshot_interval: dice.ms(300, 3000),
        snapshot_bytes: 4096,
        resume_log: dice.pick(&[30_000, 100_000, 4 * 1024 * 1024]).expect("there is a choice"),
        window: dice.pick(&[512, 256 * 1024]).expect("there is a choice"),
        allow_fork: dice.one_in(4),
        ..StarConfig::default()
    };
    let talk_every = dice.ms(50, 500);
    Setup {
        seed,
        weather,
        far,
        config,
        room: dice.pick(&[64, 256]).expect("there is a choice"),
        talk_every,
        size: 300,
        by_bytes: dice.one_in(4),
    }
}

/// One thing that goes wrong, or stops going wrong.
fn strike(floor: &mut Floor, dice: &mut Dice, most: u64) {
    let players = floor.players();
    let Some(one) = dice.pick(&players) else { return floor_enter(floor, dice, most) };
    match dice.below(20) {
        0 | 1 => floor.crash(floor.host().unwrap_or(one), dice.one_in(2)),
        2 => floor.crash(floor.backup().unwrap_or(one), dice.one_in(2)),
        3 => floor.crash(one, dice.one_in(2)),
        4..=6 => floor_enter(floor, dice, most),
        7 | 8 => {
            let (some, others): (Vec<u32>, Vec<u32>) = players.iter().partition(|_| dice.one_in(2));
            floor.part(&some, &others);
        }
        9 => {
            let others: Vec<u32> = players.iter().copied().filter(|other| *other != one).collect();
            floor.part_one_way(&[one], &others);
        }
        10 | 11 => floor.join_all(),
        12 => floor.cut_off(one),
        13 => players.iter().for_each(|player| floor.reach(*player)),
        14 => floor.sleep(one, dice.between(50, 4000)),
        15 => {
            let to = dice.pick(&players).filter(|_| dice.one_in(2));
            floor.hand_over(to);
        }
        16 => floor.hide(one, dice.one_in(2)),
        17 if dice.one_in(2) => floor.leave(one),
        18 => floor.server_down(),
        19 => floor.server_up(),
        _ => floor.mute_store(one, dice.one_in(2)),
    }
}

fn floor_enter(floor: &mut Floor, dice: &mut Dice, most: u64) {
    let may_enter = |player: &u32| floor.life(*player).is_none() && floor.has_way_to_server(*player);
    let absent: Vec<u32> = (1..=most as u32).filter(may_enter).collect();
    if let Some(player) = dice.pick(&absent) {
        floor.enter(player);
    }
}

/// Runs a seed; what is broken, if anything.
fn run(seed: u64) -> Floor {
    let mut dice = Dice::new(seed, 100);
    let setup = setup(seed, &mut dice);
    let most = dice.between(2, 6);
    let mut floor = Floor::new(setup);
    for player in 1..=most as u32 {
        floor.enter(player);
        floor.run(Duration::from_millis(dice.below(300)));
    }
    floor.run_ms(dice.between(500, 3000));
    for _ in 0..dice.between(1, 12) {
        strike(&mut floor, &mut dice, most);
        let pause = if dice.one_in(2) { dice.ms(0, 400) } else { dice.ms(0, 4000) };
        floor.run(pause);
    }
    floor.players().into_iter().for_each(|player| floor.hide(player, false));
    floor.settle(REST);
    floor
}

/// The seeds to run, and whether they are those of the suite.
fn seeds() -> (Range<u64>, bool) {
    let wanted = std::env::var("STAR_SEEDS").ok();
    let range = wanted.as_deref().and_then(|wanted| {
        let (from, to) = wanted.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    range.map_or((0..SEEDS, true), |range| (range, false))
}

/// Runs a seed; tells what was broken, and what it met.
fn verdict(seed: u64) -> (Result<(), String>, Vec<&'static str>) {
    match catch_unwind(AssertUnwindSafe(|| run(seed))) {
        Ok(floor) => (floor.verdict(), floor.marks.keys().copied().collect()),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
            (Err(format!("panics: {text}")), Vec::new())
        }
    }
}

#[test]
fn random_faults_break_no_promise() {
    let (seeds, suite) = seeds();
    let mut met: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut broken = Vec::new();
    for seed in seeds {
        let (verdict, marks) = verdict(seed);
        broken.extend(verdict.err().map(|what| format!("seed {seed}: {what}")));
        marks.into_iter().for_each(|mark| *met.entry(mark).or_default() += 1);
    }
    assert!(broken.is_empty(), "{} seeds:\n{}", broken.len(), broken[..broken.len().min(20)].join("\n"));
    for (mark, least) in MARKS.iter().filter(|_| suite) {
        let seeds = met.get(mark).copied().unwrap_or_default();
        assert!(seeds >= *least, "{mark}: met by {seeds} seeds, not {least}");
    }
}

#[test]
fn what_seeds_have_found_stays_mended() {
    for (seed, what) in FOUND {
        assert_eq!(verdict(seed).0, Ok(()), "seed {seed}: {what}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in [3, 28, 105] {
        let once = || {
            let floor = run(seed);
            (floor.steps, floor.marks.clone(), floor.players())
        };
        assert_eq!(once(), once(), "seed {seed}");
    }
}
