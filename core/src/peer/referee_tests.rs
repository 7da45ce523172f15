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
fn a_second_of_messages_may_come_at_once_and_then_one_for_each_part_of_a_second() {
    let mut referee = Referee::new(&PlayerConfig { referee_rate: Some(4.0), ..PlayerConfig::default() });
    let mut passes = |millis, from| referee.judge(at(millis), from, &kind("k"), b"", None).is_ok();
    assert_eq!([0; 6].map(|millis| passes(millis, ANN)), [true, true, true, true, false, false]);
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
fn a_place_moves_as_fast_as_it_may_and_half_a_second_further() {
    let config = PlayerConfig { referee_speeds: vec![limit(NumberForm::F32)], ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    assert_eq!(moves(&mut referee, 0, 1_000.0, 0.0), Ok(()), "anywhere at first");
    assert_eq!(moves(&mut referee, 0, 1_003.0, 4.0), Ok(()), "5 away, which takes the half second");
    assert_eq!(moves(&mut referee, 99, 1_004.0, 4.0), Err(Rule::Speed));
    assert_eq!(moves(&mut referee, 100, 1_004.0, 4.0), Ok(()));
    assert_eq!(moves(&mut referee, 10_100, 1_104.0, 4.0), Ok(()), "after ten seconds it may be ten seconds away");
    assert_eq!(moves(&mut referee, 10_100, 1_104.5, 4.0), Err(Rule::Speed), "of which nothing was saved");
    assert_eq!(moves(&mut referee, 60_000, 1_104.0, 4.0), Ok(()));
    assert_eq!(moves(&mut referee, 60_000, 1_109.5, 4.0), Err(Rule::Speed), "no more than half a second is");
    let other = referee.judge(at(60_000), ANN, &kind("chat"), &place(0.0, 0.0), None);
    assert_eq!(other, Ok(()), "another kind has no place");
    referee.forget_places();
    assert_eq!(moves(&mut referee, 60_000, 0.0, 0.0), Ok(()));
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
    assert_eq!([go(-3), go(2), go(3)], [Ok(()), Ok(()), Err(Rule::Speed)]);
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
    assert_eq!(wish(2, 1_000, 105.0, Some(Verdict::Reject("a wall".into()))), Ok(()));
    assert_eq!(wish(3, 1_000, 106.0, None), Err(Rule::Speed), "it still is at 100");
    assert_eq!(wish(4, 2_000, 110.0, Some(Verdict::Rewrite(place(104.0, 0.0).into()))), Ok(()));
    assert_eq!(wish(5, 2_000, 110.0, None), Err(Rule::Speed), "it is at 104");
    assert_eq!(wish(6, 2_000, 108.0, None), Ok(()));
    assert_eq!(wish(7, 3_000, 118.0, None), Ok(()), "from where it wants to be");
}

#[test]
fn strikes_are_forgiven_in_time_and_too_many_lead_out() {
    let config = PlayerConfig { referee_size: Some(0), referee_kick_at: Some(3), ..PlayerConfig::default() };
    let mut referee = Referee::new(&config);
    assert_eq!(referee.judge(at(0), ANN, &kind("k"), b"x", None), Err(Rule::Size));
    let strikes = [0, 0, 10_000, 29_999].map(|millis| referee.strike(at(millis), ANN));
    assert_eq!((strikes, referee.take_offenders().is_empty()), ([1, 2, 2, 2], true));
    assert_eq!(referee.strike(at(30_000), ANN), 3);
    assert_eq!(referee.take_offenders().into_iter().collect::<Vec<_>>(), [ANN]);
    assert!(referee.take_offenders().is_empty());
    assert_eq!(referee.strike(at(600_000), ANN), 1);
}
