//! What the referee lets pass, to the message, the byte and the millisecond.

use super::*;

const ANN: PlayerId = PlayerId(2);

fn at(millis: i64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn kind(name: &str) -> Kind {
    Kind::new(name).expect("it is short")
}

fn limit(form: NumberForm) -> SpeedLimit {
    SpeedLimit { kind: "move".into(), offset: 1, count: 2, form, per_second: 10.0 }
}

fn place(x: f32, y: f32) -> Vec<u8> {
    [&[0][..], &x.to_le_bytes(), &y.to_le_bytes()].concat()
}

fn moves(referee: &mut Referee, millis: i64, x: f32, y: f32) -> Result<(), Rule> {
    referee.judge(at(millis), ANN, &kind("move"), &place(x, y), None)
}

#[test]
fn three_seconds_of_messages_may_come_at_once_and_then_one_for_each_part_of_a_second() {
    let mut referee = Referee::new(&PlayerConfig { referee_rate: Some(4.0), ..PlayerConfig::default() });
    let mut passes = |millis, from| referee.judge(at(millis), from, &kind("k"), b"", None).is_ok();
    assert_eq!([0; 14].map(|millis| passes(millis, ANN)).iter().filter(|passes| **passes).count(), 12);
    assert!(passes(0, PlayerId(3)), "each has its own");
    assert_eq!([249, 250, 251, 500].map(|millis| passes(millis, ANN)), [false, true, false, true]);
}

#[test]
fn a_byte_too_much_is_too_much() {
    let mut referee = Referee::new(&PlayerConfig { referee_size: Some(3), ..PlayerConfig::default() });
    assert_eq!(referee.judge(at(0), ANN, &kind("k"), b"abc", None), Ok(()));
    assert_eq!(referee.judge(at(0), ANN, &kind("k"), b"abcd", None), Err(Rule::Size));
}

#[test]
fn a_place_moves_as_fast_as_it_may_and_three_seconds_further() {
    let config = PlayerConfig { referee_speeds: vec![limit(NumberForm::F32)], ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    assert_eq!(moves(&mut referee, 0, 1_000.0, 0.0), Ok(()), "anywhere at first");
    assert_eq!(moves(&mut referee, 0, 1_018.0, 24.0), Ok(()), "30 away, which takes the three seconds");
    assert_eq!(moves(&mut referee, 99, 1_019.0, 24.0), Err(Rule::Speed));
    assert_eq!(moves(&mut referee, 100, 1_019.0, 24.0), Ok(()));
    assert_eq!(moves(&mut referee, 10_100, 1_119.0, 24.0), Ok(()), "after ten seconds it may be ten seconds away");
    assert_eq!(moves(&mut referee, 10_100, 1_119.5, 24.0), Err(Rule::Speed), "of which nothing was saved");
    assert_eq!(moves(&mut referee, 60_000, 1_119.0, 24.0), Ok(()));
    assert_eq!(moves(&mut referee, 60_000, 1_149.5, 24.0), Err(Rule::Speed), "no more than three seconds are");
    let other = referee.judge(at(60_000), ANN, &kind("chat"), &place(0.0, 0.0), None);
    assert_eq!(other, Ok(()), "another kind has no place");
    referee.forget_places();
    assert_eq!(moves(&mut referee, 60_000, 0.0, 0.0), Ok(()));
}

/// A change of host holds everything back for two seconds and a half; then it comes at once.
#[test]
fn what_the_network_held_back_breaks_no_rule() {
    let config = PlayerConfig {
        referee_rate: Some(20.0),
        referee_speeds: vec![limit(NumberForm::F32)],
        referee_kick_at: Some(2),
        ..PlayerConfig::default()
    };
    let mut referee = Referee::new(&config);
    let mut x = 0.0;
    for step in 0..400 {
        let told_at = step * 50;
        let comes_at = if (5_000..7_500).contains(&told_at) { 7_500 } else { told_at };
        assert_eq!(moves(&mut referee, comes_at, x, 0.0), Ok(()), "at {told_at}");
        x += 0.5;
    }
}

#[test]
fn what_is_decided_later_and_was_said_earlier_moves_nobody_back() {
    let config = PlayerConfig { referee_speeds: vec![limit(NumberForm::F32)], ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    let mut wish = |id, millis, x| {
        referee.judge(at(millis), ANN, &kind("move"), &place(x, 0.0), Some(ProposalId(id))).expect("it is not far");
    };
    wish(1, 0, 0.0);
    wish(2, 3_000, 60.0);
    referee.on_decided(ProposalId(2), &Verdict::Accept);
    referee.on_decided(ProposalId(1), &Verdict::Accept);
    let judged = referee.judge(at(3_100), ANN, &kind("move"), &place(61.0, 0.0), None);
    assert_eq!(judged, Ok(()), "it is at 60");
}

#[test]
fn a_place_that_is_none_breaks_the_rule() {
    let config = PlayerConfig { referee_speeds: vec![limit(NumberForm::F32)], ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    assert_eq!(moves(&mut referee, 0, f32::NAN, 0.0), Err(Rule::Speed));
    assert_eq!(moves(&mut referee, 0, 0.0, f32::INFINITY), Err(Rule::Speed));
    for payload in [&b""[..], &[0; 8]] {
        assert_eq!(referee.judge(at(0), ANN, &kind("move"), payload, None), Err(Rule::Speed));
    }
    let config = PlayerConfig { referee_speeds: vec![limit(NumberForm::I32)], ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    let whole = |x: i32| [&[0][..], &x.to_le_bytes(), &[0; 4]].concat();
    let mut go = |x| referee.judge(at(0), ANN, &kind("move"), &whole(x), None);
    assert_eq!([go(-3), go(27), go(28)], [Ok(()), Ok(()), Err(Rule::Speed)]);
}

#[test]
fn where_a_player_is_follows_from_what_the_game_decides() {
    let config = PlayerConfig { referee_speeds: vec![limit(NumberForm::F32)], ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    let mut wish = |id, millis, x, decided: Option<Verdict>| {
        let judged = referee.judge(at(millis), ANN, &kind("move"), &place(x, 0.0), Some(ProposalId(id)));
        decided.iter().for_each(|verdict| referee.on_decided(ProposalId(id), verdict));
        judged
    };
    assert_eq!(wish(1, 0, 100.0, Some(Verdict::Accept)), Ok(()));
    assert_eq!(wish(2, 1_000, 135.0, Some(Verdict::Reject("a wall".into()))), Ok(()));
    assert_eq!(wish(3, 1_000, 136.0, None), Err(Rule::Speed), "it still is at 100");
    assert_eq!(wish(4, 2_000, 115.0, Some(Verdict::Rewrite(place(104.0, 0.0).into()))), Ok(()));
    assert_eq!(wish(5, 2_000, 110.0, None), Err(Rule::Speed), "it is at 104");
    assert_eq!(wish(6, 2_000, 104.0, None), Ok(()));
    assert_eq!(wish(7, 3_000, 114.0, None), Ok(()), "from where it wants to be");
}

#[test]
fn strikes_are_forgiven_in_time_and_too_many_lead_out() {
    let config = PlayerConfig { referee_size: Some(0), referee_kick_at: Some(3), ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    assert_eq!(referee.judge(at(0), ANN, &kind("k"), b"x", None), Err(Rule::Size));
    let strikes = [0, 0, 10_000, 29_999].map(|millis| referee.strike(at(millis), ANN, Rule::Size));
    assert_eq!((strikes, referee.take_offenders().is_empty()), ([1, 2, 2, 2], true));
    assert_eq!(referee.strike(at(30_000), ANN, Rule::Size), 3);
    assert_eq!(referee.take_offenders().into_iter().collect::<Vec<_>>(), [ANN]);
    assert!(referee.take_offenders().is_empty());
    assert_eq!(referee.strike(at(30_100), ANN, Rule::Size), 4);
    assert!(referee.take_offenders().is_empty(), "that was asked for just now");
    assert_eq!(referee.strike(at(32_100), ANN, Rule::Size), 5);
    assert_eq!(referee.take_offenders().len(), 1, "it is still there");
    assert_eq!(referee.strike(at(600_000), ANN, Rule::Size), 1);
}

#[test]
fn what_is_too_much_at_once_is_one_strike() {
    let config = PlayerConfig { referee_rate: Some(1.0), referee_kick_at: Some(3), ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    let mut says = |millis| {
        let judged = referee.judge(at(millis), ANN, &kind("k"), b"", None);
        judged.map_err(|rule| referee.strike(at(millis), ANN, rule))
    };
    let told = [0; 60].map(&mut says);
    assert_eq!((told[2], told[3], told[59]), (Ok(()), Err(1), Err(1)));
    assert_eq!([999, 1_001].map(&mut says), [Err(1), Ok(())]);
    assert_eq!([1_002, 2_500].map(&mut says), [Err(2), Ok(())]);
}
