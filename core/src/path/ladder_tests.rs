//! Which step a ladder commands at which moment.

use super::*;
use rand::SeedableRng;

fn at(ms: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(ms)
}

fn exact() -> LadderConfig {
    LadderConfig { jitter_percent: 0, ..LadderConfig::default() }
}

fn ladder(rungs: Rungs, config: LadderConfig) -> Ladder {
    Ladder::new(rungs, config, ChaCha8Rng::seed_from_u64(7), at(0))
}

/// The steps commanded until `count` are, all of which run out of time, with their moments.
fn timed_out(ladder: &mut Ladder, count: usize) -> Vec<(u64, Step)> {
    let mut steps = Vec::new();
    while steps.len() < count {
        let now = ladder.deadline().unwrap();
        let millis = now.since(at(0)).as_millis().try_into().unwrap();
        steps.extend(ladder.poll(now).map(|step| (millis, step)));
    }
    steps
}

/// The pauses before each of `count` attempts that fail at once.
fn pauses(ladder: &mut Ladder, count: usize) -> Vec<u64> {
    let mut now = at(0);
    (0..count)
        .map(|_| {
            let due = ladder.deadline().unwrap();
            let pause = due.since(now).as_millis().try_into().unwrap();
            assert!(pause == 0 || ladder.poll(due - Duration::from_nanos(1)).is_none());
            assert!(ladder.poll(due).is_some());
            ladder.on_attempt_failed(due);
            now = due;
            pause
        })
        .collect()
}

#[test]
fn the_ladder_of_webrtc_in_exact_moments() {
    use Step::{Background, QuickRetry, RelayedOnly, Restart};
    let mut ladder = ladder(WEBRTC, exact());
    assert_eq!((ladder.deadline(), ladder.poll(at(0)), ladder.step(), ladder.attempt()), (None, None, None, 0));
    ladder.on_broken(at(1_000));
    assert_eq!((ladder.step(), ladder.attempt()), (Some(QuickRetry), 1));
    let expected = [
        (1_000, QuickRetry),   // 3 s, pause 0.5 s
        (4_500, Restart),      // 5 s, pause 1 s
        (10_500, RelayedOnly), // 6 s, pause 2 s
        (18_500, Background),  // 10 s, pause 4 s
        (32_500, Background),  // 10 s, pause 8 s
        (50_500, Background),  // 10 s, pause 16 s
        (76_500, Background),  // 10 s, pause 30 s
        (116_500, Background),
    ];
    assert_eq!(timed_out(&mut ladder, expected.len()), expected);
}

#[test]
fn the_other_ladders() {
    use Step::{Background, QuickRetry, RelayedOnly};
    let steps = |rungs: Rungs, quick: u32| {
        let mut ladder = ladder(rungs, LadderConfig { max_reconnect_attempts: quick, ..exact() });
        ladder.begin(at(0));
        timed_out(&mut ladder, 4).into_iter().map(|(_, step)| step).collect::<Vec<_>>()
    };
    assert_eq!(steps(RELAY, 3), [QuickRetry, QuickRetry, QuickRetry, Background]);
    assert_eq!(steps(RELAY, 0), [Background; 4]);
    assert_eq!(steps(TURN_ONLY, 2), [RelayedOnly, RelayedOnly, Background, Background]);
    assert_eq!(steps(WEBRTC, 1), [QuickRetry, Background, Background, Background]);
    for kind in [PathKind::External, PathKind::Sctp, PathKind::Srtp] {
        assert_eq!((Rungs::of(kind, false), Rungs::of(kind, true)), (WEBRTC, TURN_ONLY));
    }
    assert_eq!((Rungs::of(PathKind::Relay, false), Rungs::of(PathKind::Relay, true)), (RELAY, RELAY));
}

#[test]
fn pauses_double_and_are_short_while_awaited() {
    let doubling = [0, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000];
    let mut patient = ladder(WEBRTC, exact());
    patient.on_broken(at(0));
    assert_eq!(pauses(&mut patient, 9), doubling);

    let mut hurried = ladder(WEBRTC, exact());
    hurried.set_awaited(true);
    hurried.on_broken(at(0));
    assert_eq!(pauses(&mut hurried, 7), [0, 500, 1_000, 2_000, 4_000, 4_000, 4_000]);

    let since = patient.since;
    assert_eq!(patient.deadline(), Some(since + Duration::from_secs(30)));
    patient.set_awaited(true);
    assert_eq!(patient.deadline(), Some(since + Duration::from_secs(4)), "a running pause is cut short");
}

#[test]
fn chance_only_ever_shortens() {
    let (whole, second) = (Duration::from_secs(8), Duration::from_secs(1));
    for (percent, draw, expected) in
        [(50, 0, 0), (50, 1 << 31, 2), (100, 1 << 31, 4), (25, 1 << 31, 1), (0, 1 << 31, 0)]
    {
        assert_eq!(share(whole, percent, draw), second * expected, "{percent} % {draw}");
    }
    assert!(share(whole, 50, u32::MAX) < second * 4);
    assert!(share(Duration::MAX, u32::MAX, u32::MAX) <= Duration::MAX);

    let mut ladder = ladder(WEBRTC, LadderConfig::default());
    let mut draws = ChaCha8Rng::seed_from_u64(7);
    ladder.on_broken(at(0));
    let _first: u32 = draws.random();
    assert!(ladder.poll(at(0)).is_some(), "at once, whatever chance says");
    ladder.on_attempt_failed(at(100));
    let pause = Duration::from_millis(500);
    assert_eq!(ladder.deadline(), Some(at(600) - share(pause, 50, draws.random())));
}

#[test]
fn the_first_return_to_a_server_is_spread() {
    let mut ladder = ladder(RELAY, exact());
    let draw: u32 = ChaCha8Rng::seed_from_u64(7).random();
    ladder.on_broken(at(0));
    let due = at(0) + share(Duration::from_millis(250), 100, draw);
    assert!(due > at(0) && due < at(250));
    assert_eq!(ladder.deadline(), Some(due));
    assert_eq!(ladder.poll(due), Some(Step::QuickRetry));
}

#[test]
fn mended_means_forgotten_once_it_has_held() {
    let mut ladder = ladder(WEBRTC, exact());
    ladder.begin(at(0));
    assert_eq!(ladder.poll(at(0)), Some(Step::QuickRetry));
    ladder.on_restored(at(100));
    assert_eq!((ladder.deadline(), ladder.step()), (None, None));
    ladder.on_attempt_failed(at(101));
    ladder.on_restored(at(5_000));
    assert_eq!(ladder.deadline(), None, "late news");
    ladder.on_broken(at(10_099));
    ladder.on_broken(at(10_100));
    assert_eq!((ladder.deadline(), ladder.step()), (Some(at(10_599)), Some(Step::Restart)), "broke too soon");
    assert_eq!(ladder.poll(at(10_599)), Some(Step::Restart));
    ladder.on_restored(at(11_000));
    ladder.on_broken(at(21_000));
    assert_eq!(ladder.poll(at(21_000)), Some(Step::QuickRetry), "held, so from the bottom");
    ladder.stop(at(21_001));
    assert_eq!((ladder.deadline(), ladder.poll(at(99_000))), (None, None));
    ladder.begin(at(0));
    assert_eq!(ladder.deadline(), Some(at(99_000)), "time does not run backwards");
    ladder.on_restored(at(99_000));
    ladder.stop(at(99_001));
    ladder.on_broken(at(99_002));
    assert_eq!(ladder.deadline(), Some(at(99_002)), "stopped: nothing is held against it");
}

#[test]
fn every_life_keeps_the_rules() {
    fn life(seed: u64, steps: Vec<(u8, u16)>) -> bool {
        let mut ladder = Ladder::new(RELAY, LadderConfig::default(), ChaCha8Rng::seed_from_u64(seed), Instant::ZERO);
        let mut now = Instant::ZERO;
        for (what, wait) in steps {
            now += Duration::from_millis(u64::from(wait));
            match what % 8 {
                0 => ladder.begin(now),
                1 | 2 => ladder.on_broken(now),
                3 => ladder.on_restored(now),
                4 => ladder.on_attempt_failed(now),
                5 => ladder.stop(now),
                6 => ladder.set_awaited(what & 8 == 0),
                _ => {}
            }
            while ladder.poll(now).is_some() {
                assert_eq!(ladder.phase, Phase::Trying);
            }
            let most = match ladder.phase {
                Phase::Resting => None,
                Phase::Pausing if ladder.awaited => Some(Duration::from_secs(4)),
                Phase::Pausing => Some(Duration::from_secs(30)),
                Phase::Trying => Some(Duration::from_secs(10)),
            };
            assert_eq!(ladder.deadline().is_some(), most.is_some());
            assert!(ladder.deadline().is_none_or(|due| due > now && due <= now + most.unwrap()));
        }
        true
    }
    quickcheck::QuickCheck::new().tests(2_000).quickcheck(life as fn(u64, Vec<(u8, u16)>) -> bool);
}
