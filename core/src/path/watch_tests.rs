//! What a watch does at which moment.

use super::*;
use crate::time::Duration;
use PathState::{Dead, Opening, Suspect, Usable};

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn at(millis: u64) -> Instant {
    Instant::ZERO + ms(millis)
}

/// 60 Hz over a round trip of 40 ms; what was heard is told by `on_heard` only.
fn playing() -> PathReading {
    PathReading { rtt: Some(ms(40)), rtt_var: ms(2), loss: 0.0, unheard: Duration::MAX, expected: ms(25) }
}

fn change(from: PathState, to: PathState, why: Cause) -> Option<Change> {
    Some(Change { from, to, why })
}

/// Opened at 0 and proved at 40 ms, by token 0.
fn usable(config: WatchConfig) -> Watch {
    let mut watch = Watch::new(config, at(0));
    assert_eq!(watch.on_opened(at(0)), change(Opening, Opening, Cause::Opened));
    assert_eq!(watch.wants_probe(at(0)), Some(Token(0)));
    assert_eq!(watch.on_probe_answered(at(40), Token(0)), change(Opening, Usable, Cause::Answered));
    watch
}

/// Lets time pass until `end` and lists the moments of probes, and of the first change.
fn run(watch: &mut Watch, reading: &PathReading, end: Instant) -> (Vec<u64>, Option<(u64, Change)>) {
    let millis = |now: Instant| now.since(Instant::ZERO).as_millis().try_into().unwrap();
    let mut probes = Vec::new();
    while let Some(now) = watch.deadline(reading).filter(|now| *now <= end) {
        let change = watch.on_timeout(now, reading);
        probes.extend(watch.wants_probe(now).map(|_| millis(now)));
        if let Some(change) = change {
            return (probes, Some((millis(now), change)));
        }
    }
    (probes, None)
}

#[test]
fn before_it_is_up_nothing_happens() {
    let mut watch = Watch::new(WatchConfig::default(), at(0));
    assert_eq!((watch.state(), watch.is_up(), watch.deadline(&playing())), (Opening, false, None));
    watch.on_heard(at(1));
    watch.ask(at(1));
    assert_eq!(watch.wants_probe(at(1)), None);
    assert_eq!(watch.on_peer_report(at(1)), None);
    assert_eq!(watch.on_probe_answered(at(1), Token(0)), None);
    assert_eq!(watch.on_closed(at(2)), change(Opening, Dead, Cause::Closed), "setting up failed");
}

#[test]
fn a_busy_path_is_suspect_after_three_missing_packets() {
    let mut watch = usable(WatchConfig::default());
    watch.on_heard(at(1_000));
    assert_eq!(watch.deadline(&playing()), Some(at(1_080)));
    assert_eq!(watch.on_timeout(at(1_079), &playing()), None);
    assert_eq!(watch.on_timeout(at(1_080), &playing()), change(Usable, Suspect, Cause::Silent));
    assert_eq!(watch.wants_probe(at(1_080)), Some(Token(1)), "probed at once");
    assert_eq!(watch.wants_probe(at(1_080)), None);
}

#[test]
fn a_suspect_is_probed_with_growing_pauses_until_it_is_dead() {
    let mut watch = usable(WatchConfig::default());
    assert_eq!(watch.on_peer_report(at(1_000)), change(Usable, Suspect, Cause::Reported));
    assert_eq!(watch.on_peer_report(at(1_001)), None);
    assert!(watch.wants_probe(at(1_001)).is_some());
    let (probes, last) = run(&mut watch, &playing(), at(60_000));
    assert_eq!(probes, [1_101, 1_301, 1_701, 2_501, 3_501, 4_501, 5_501]);
    assert_eq!(last, change(Suspect, Dead, Cause::Overdue).map(|change| (6_000, change)));
    assert_eq!((watch.is_up(), watch.deadline(&playing())), (false, None));
    watch.on_heard(at(6_001));
    assert_eq!(watch.on_probe_answered(at(6_001), Token(2)), None, "the dead answer to a new pipe only");
    assert_eq!(watch.on_opened(at(7_000)), change(Dead, Opening, Cause::Opened));
    assert_eq!(watch.on_probe_answered(at(7_001), Token(3)), None, "a probe of the opening before");
    let token = watch.wants_probe(at(7_001)).unwrap();
    assert_eq!(watch.on_probe_answered(at(7_041), token), change(Opening, Usable, Cause::Answered));
}

#[test]
fn a_suspect_that_answers_is_usable_again() {
    let mut watch = usable(WatchConfig::default());
    watch.on_heard(at(1_000));
    watch.on_timeout(at(1_080), &playing());
    let token = watch.wants_probe(at(1_080)).unwrap();
    watch.on_heard(at(1_090));
    assert_eq!((watch.state(), watch.wants_probe(at(1_090))), (Suspect, None), "heard, and asked a moment ago");
    watch.on_heard(at(1_180));
    assert!(watch.wants_probe(at(1_180)).is_some(), "heard: asked again without waiting for the rhythm");
    assert_eq!(watch.on_probe_answered(at(1_190), token), change(Suspect, Usable, Cause::Answered));
    assert_eq!(watch.on_probe_answered(at(1_191), token), None);
    assert_eq!(watch.deadline(&playing()), Some(at(1_270)), "silence counts anew");
}

#[test]
fn an_open_path_without_proof() {
    let unknown = PathReading { rtt: None, expected: Duration::ZERO, ..playing() };
    let mut watch = Watch::new(WatchConfig::default(), at(0));
    watch.on_opened(at(100));
    assert!(watch.wants_probe(at(100)).is_some());
    assert_eq!(watch.on_peer_report(at(110)), None);
    let (probes, last) = run(&mut watch, &unknown, at(60_000));
    assert_eq!(probes, [350, 850, 1_850, 2_850, 3_850, 4_850]);
    assert_eq!(last, change(Opening, Dead, Cause::Overdue).map(|change| (5_100, change)));

    let mut relay = Watch::new(WatchConfig::relay(), at(0));
    relay.on_opened(at(100));
    relay.wants_probe(at(100));
    let (probes, last) = run(&mut relay, &unknown, at(60_000));
    assert_eq!((probes.len(), last), (61, None), "the relay waits for the other side for as long as it is open");
}

#[test]
fn a_slow_rhythm_is_asked_after_one_missing_packet() {
    let warm = PathReading { expected: ms(15_000), ..playing() };
    let mut watch = usable(WatchConfig::default());
    let (probes, last) = run(&mut watch, &warm, at(60_000));
    assert_eq!(probes, [15_053, 15_153, 15_253], "asked, asked again, and probed as a suspect");
    assert_eq!(last, change(Usable, Suspect, Cause::Unanswered).map(|change| (15_253, change)));

    let silent = PathReading { expected: Duration::ZERO, ..playing() };
    let mut watch = usable(WatchConfig::default());
    assert_eq!(watch.deadline(&silent), Some(at(1_053)), "nothing promised: silence means nothing, so it is asked");
    watch.on_timeout(at(1_053), &silent);
    let token = watch.wants_probe(at(1_053)).unwrap();
    assert_eq!(watch.on_probe_answered(at(1_093), token), None);
    assert_eq!(watch.deadline(&silent), Some(at(2_106)));
}

#[test]
fn it_can_be_asked_at_any_time() {
    let busy = PathReading { loss: 0.1, ..playing() };
    let mut watch = usable(WatchConfig::default());
    watch.ask(at(50));
    assert!(watch.wants_probe(at(50)).is_some());
    watch.ask(at(60));
    assert_eq!(watch.wants_probe(at(60)), None, "asked already");
    let mut changed = None;
    for now in (60..=350).step_by(10).map(at) {
        watch.on_heard(now);
        changed = changed.or(watch.on_timeout(now, &busy).map(|change| (now, change)));
        watch.wants_probe(now);
    }
    let why = change(Usable, Suspect, Cause::Unanswered).unwrap();
    assert_eq!(changed, Some((at(350), why)), "we hear them, they do not hear us: three probes at 10 % loss");
}

#[test]
fn a_path_that_is_shaken_proves_itself_at_once_or_dies() {
    let mut watch = usable(WatchConfig::default());
    assert_eq!(watch.on_shaken(at(100)), change(Usable, Suspect, Cause::Shaken));
    assert_eq!(watch.wants_probe(at(100)), Some(Token(1)));
    assert_eq!(watch.on_shaken(at(110)), None, "once is enough");
    assert_eq!(watch.on_probe_answered(at(140), Token(1)), change(Suspect, Usable, Cause::Answered));
    watch.on_shaken(at(200));
    assert_eq!(watch.wants_probe(at(200)), Some(Token(2)));
    let (probes, last) = run(&mut watch, &playing(), at(6_000));
    assert!(probes.len() > 3, "{probes:?}");
    assert_eq!(last, change(Suspect, Dead, Cause::Overdue).map(|change| (5_200, change)));
}

#[test]
fn a_reading_tells_what_was_not_told() {
    let mut watch = usable(WatchConfig::default());
    let reading = PathReading { unheard: ms(10), ..playing() };
    assert_eq!(watch.deadline(&reading), Some(at(120)));
    assert_eq!(watch.on_timeout(at(120), &reading), None);
    assert_eq!(watch.deadline(&reading), Some(at(190)));
}

#[test]
fn a_wanted_probe_asks_for_no_moment_of_its_own() {
    let mut watch = usable(WatchConfig::default());
    watch.on_peer_report(at(100));
    assert_eq!(watch.deadline(&playing()), Some(at(5_100)), "death only: the probe is there to be taken");
    watch.wants_probe(at(100));
    watch.on_timeout(at(200), &playing());
    assert_eq!(watch.deadline(&playing()), Some(at(5_100)));
    assert_eq!(watch.wants_probe(at(210)), Some(Token(2)));
    assert_eq!(watch.deadline(&playing()), Some(at(410)), "the rhythm goes by what was sent");
}

#[test]
fn time_does_not_run_backwards() {
    let mut watch = usable(WatchConfig::default());
    watch.on_heard(at(1_000));
    watch.on_heard(at(500));
    assert_eq!(watch.deadline(&playing()), Some(at(1_080)));
    assert_eq!(watch.on_peer_report(at(0)), change(Usable, Suspect, Cause::Reported));
    assert_eq!(watch.since(), at(1_000));
}

#[test]
fn a_long_sleep_is_suspicion_first() {
    let mut watch = usable(WatchConfig::default());
    assert_eq!(watch.on_timeout(at(120_000), &playing()), change(Usable, Suspect, Cause::Silent));
    assert_eq!(watch.on_timeout(at(120_000), &playing()), None);
    assert!(watch.wants_probe(at(120_000)).is_some());
    assert_eq!(watch.on_closed(at(120_001)), change(Suspect, Dead, Cause::Closed));
    assert_eq!(watch.on_closed(at(120_002)), None);
}

/// One step of a random life. Returns what changed.
fn step(watch: &mut Watch, now: Instant, what: u8, reading: &PathReading) -> Option<Change> {
    match what % 8 {
        0 => watch.on_opened(now),
        1 => watch.on_closed(now),
        2 => watch.on_probe_answered(now, Token(u32::from(what / 8))),
        3 => watch.on_probe_answered(now, Token(watch.open_tokens.end.saturating_sub(1))),
        4 => watch.on_peer_report(now),
        5 => {
            watch.on_heard(now);
            None
        }
        6 => {
            watch.ask(now);
            None
        }
        _ => watch.on_timeout(now, reading),
    }
}

#[test]
fn every_life_keeps_the_rules() {
    fn life(steps: Vec<(u8, u16, u16)>) -> bool {
        let (mut now, mut opened_at) = (at(0), 0);
        let mut watch = Watch::new(WatchConfig::default(), now);
        for (what, wait, kind) in steps {
            now += ms(u64::from(wait % 3_000));
            let reading = PathReading {
                rtt: (kind & 1 == 0).then(|| ms(u64::from(kind % 500))),
                loss: f64::from(kind % 100) / 100.0,
                expected: ms(u64::from(kind % 5) * 20),
                ..playing()
            };
            let (before, tokens) = (watch.state(), watch.open_tokens.clone());
            if let Some(change) = step(&mut watch, now, what, &reading) {
                assert_eq!((change.from, change.to), (before, watch.state()));
                assert!(before != Dead || change.why == Cause::Opened, "left death by {change:?}");
                assert!(change.to != Suspect || before == Usable, "suspect by {change:?}");
                assert!(change.to != Usable || (tokens.start >= opened_at && !tokens.is_empty()), "no proof");
            } else {
                assert_eq!(before, watch.state());
            }
            if what.is_multiple_of(8) {
                opened_at = watch.open_tokens.end;
            }
            assert!(watch.state() != Dead || (!watch.is_up() && watch.deadline(&reading).is_none()));
            while watch.wants_probe(now).is_some() {
                assert!(watch.is_up());
            }
            // A deadline is of use once: what is due is done, and the next lies ahead.
            for _ in 0..3 {
                let Some(due) = watch.deadline(&reading).filter(|due| *due <= now) else { break };
                watch.on_timeout(now, &reading);
                watch.wants_probe(now);
                assert!(watch.deadline(&reading) != Some(due), "stuck at {due}");
            }
            assert!(watch.deadline(&reading).is_none_or(|due| due > now));
        }
        true
    }
    quickcheck::QuickCheck::new().tests(2_000).quickcheck(life as fn(Vec<(u8, u16, u16)>) -> bool);
}
