//! A host that has the last word: its game accepts, rewrites and rejects what members say, and the referee holds them to
//! its rules; several players in lock-step over a lobby server by hand.

use crate::world::{World, player};
use bytes::Bytes;
use webstar_core::config::{NumberForm, PlayerConfig, SpeedLimit};
use webstar_core::peer::{Channel, DecideError, Destination, PeerEvent, ProposalId, Rule, Sent, Verdict};
use webstar_core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn settled(players: usize, config: &PlayerConfig) -> World {
    let mut world = World::of(players, config);
    world.run(2 * SECOND);
    world.forget_events();
    world
}

fn say(world: &mut World, seat: usize, text: &str) {
    world.send(seat, &Destination::All, Channel::Ordered, text).expect("there is room");
}

/// What the game at a seat was asked since it was looked at last.
fn asked(world: &mut World, seat: usize) -> Vec<(ProposalId, String)> {
    let told = |event| match event {
        PeerEvent::Proposal(proposal) => Some((proposal.id, String::from_utf8_lossy(&proposal.payload).into_owned())),
        _ => None,
    };
    world.events(seat).into_iter().filter_map(told).collect()
}

fn decide(world: &mut World, seat: usize, id: ProposalId, verdict: Verdict) -> Result<(), DecideError> {
    let decided = world.seats[seat].peer.decide(world.now, id, verdict);
    world.drain(seat);
    decided
}

/// What somebody heard, and what it was told of its own.
fn heard(world: &mut World, seat: usize) -> Vec<String> {
    let told = |event| match event {
        PeerEvent::Message(message) => {
            let mark = if message.is_rewritten { "~" } else { "" };
            Some(format!("{}{mark}", String::from_utf8_lossy(&message.payload)))
        }
        PeerEvent::Rejected { sent: Sent { seq, .. }, reason, .. } => Some(format!("-{seq} {reason}")),
        PeerEvent::Violation { player, rule, strikes } => Some(format!("!{} {} {strikes}", player.0, rule.name())),
        _ => None,
    };
    world.events(seat).into_iter().filter_map(told).collect()
}

#[test]
fn the_host_accepts_rewrites_and_rejects() {
    let mut world = settled(3, &PlayerConfig { authority: true, ..PlayerConfig::default() });
    for text in ["one", "two", "three"] {
        say(&mut world, 1, text);
    }
    say(&mut world, 0, "the host's own");
    world.run(SECOND);
    for seat in 1..3 {
        assert_eq!(heard(&mut world, seat), ["the host's own"], "the rest is not decided");
    }
    let asked = asked(&mut world, 0);
    let [(one, _), (two, _), (three, _)] = asked[..] else { panic!("{asked:?}") };
    let long = Verdict::Rewrite(vec![0; 2 * 1024 * 1024].into());
    assert_eq!(decide(&mut world, 0, one, long), Err(DecideError::TooLong { max: 1024 * 1024 }));
    decide(&mut world, 0, three, Verdict::Rewrite(Bytes::from_static(b"3"))).expect("it waits");
    decide(&mut world, 0, two, Verdict::Reject("not two".into())).expect("it waits");
    decide(&mut world, 0, one, Verdict::Accept).expect("it waits");
    assert_eq!(decide(&mut world, 0, one, Verdict::Accept), Err(DecideError::NoSuchProposal(one)));
    assert_eq!(decide(&mut world, 2, one, Verdict::Accept), Err(DecideError::NoSuchProposal(one)), "no host");
    world.run(SECOND);
    assert_eq!(heard(&mut world, 0), ["one", "3~"]);
    assert_eq!(heard(&mut world, 1), ["one", "-2 not two", "3~"]);
    assert_eq!(heard(&mut world, 2), ["one", "3~"]);
    say(&mut world, 1, "four");
    world.run(SECOND);
    assert_eq!(self::asked(&mut world, 0).len(), 1, "the rejection has used up its number");
}

#[test]
fn what_is_not_decided_when_the_host_dies_is_asked_of_the_next() {
    let mut world = World::served(4, &PlayerConfig { authority: true, ..PlayerConfig::default() });
    world.forget_events();
    for text in ["rejected", "accepted", "waiting"] {
        say(&mut world, 2, text);
    }
    world.run(SECOND);
    let asked_first = asked(&mut world, 0);
    decide(&mut world, 0, asked_first[0].0, Verdict::Reject("no".into())).expect("it waits");
    decide(&mut world, 0, asked_first[1].0, Verdict::Accept).expect("it waits");
    world.run(SECOND);
    assert_eq!(heard(&mut world, 2), ["-1 no", "accepted"]);
    world.forget_events();
    world.crash(0);
    world.run(5 * SECOND);
    let next =
        (1..4).find(|seat| world.seats[*seat].events.iter().any(|event| matches!(event, PeerEvent::Promoted { .. })));
    let next = next.expect("there is another host");
    let promoted = world.seats[next].events.iter().find_map(|event| match event {
        PeerEvent::Promoted { tail, .. } => {
            Some(tail.iter().map(|message| message.payload.clone()).collect::<Vec<_>>())
        }
        _ => None,
    });
    let was_rejected = promoted.iter().flatten().any(|payload| payload == "rejected" || payload == "no");
    assert!(!was_rejected, "{promoted:?}");
    assert_ne!(next, 2, "the backup came before");
    let again = asked(&mut world, next);
    let [(waiting, text)] = &again[..] else { panic!("{again:?}") };
    assert_eq!(text, "waiting");
    decide(&mut world, next, *waiting, Verdict::Accept).expect("it waits");
    world.run(SECOND);
    for seat in 1..4 {
        let heard = heard(&mut world, seat);
        assert_eq!(heard, ["waiting"], "at {seat}: once, and nothing of before");
    }
}

#[test]
fn what_is_not_decided_before_a_hand_over_is_asked_of_the_next() {
    let mut world = settled(3, &PlayerConfig { authority: true, ..PlayerConfig::default() });
    say(&mut world, 2, "later");
    world.run(SECOND);
    let former = asked(&mut world, 0)[0].0;
    world.command(0, webstar_core::peer::Command::HandOver(Some(player(2))));
    world.run(2 * SECOND);
    assert_eq!(decide(&mut world, 0, former, Verdict::Accept), Err(DecideError::NoSuchProposal(former)));
    let again = asked(&mut world, 1);
    assert_eq!(again.len(), 1);
    decide(&mut world, 1, again[0].0, Verdict::Accept).expect("it waits");
    world.run(SECOND);
    for seat in 0..3 {
        assert_eq!(heard(&mut world, seat), ["later"]);
    }
}

#[test]
fn members_are_held_to_a_rate_without_asking_the_game() {
    let mut world = settled(3, &PlayerConfig { referee_rate: Some(0.7), ..PlayerConfig::default() });
    for text in ["a", "b", "c"] {
        say(&mut world, 1, text);
    }
    for _ in 0..3 {
        say(&mut world, 0, "host");
    }
    world.run(SECOND);
    assert_eq!(heard(&mut world, 2), ["host", "host", "host", "a", "b"]);
    assert_eq!(heard(&mut world, 1)[3..], ["a", "b", "-3 rate"]);
    assert!(heard(&mut world, 0).contains(&"!2 rate 1".into()));
    world.run(SECOND);
    say(&mut world, 1, "d");
    world.run(SECOND);
    assert_eq!(heard(&mut world, 2), ["d"]);
}

#[test]
fn members_are_held_to_a_size_on_all_channels() {
    let mut world = settled(3, &PlayerConfig { referee_size: Some(4), authority: true, ..PlayerConfig::default() });
    for channel in Channel::ALL {
        world.send(1, &Destination::All, channel, "too long").expect("there is room");
    }
    world.send(1, &Destination::Others, Channel::Unreliable, "fits").expect("there is room");
    world.run(SECOND);
    assert_eq!(heard(&mut world, 2), ["fits"], "what is of the moment is not asked about");
    let mut rejected = heard(&mut world, 1);
    rejected.sort();
    assert_eq!(rejected, ["-1 size", "-1 size"], "the kept ones are answered");
    let told = heard(&mut world, 0);
    assert_eq!(told.iter().filter(|told| told.starts_with("!2 size")).count(), 4, "{told:?}");
    assert!(asked(&mut world, 0).is_empty());
}

#[test]
fn members_are_held_to_a_speed() {
    let form = NumberForm::F32;
    let limit = SpeedLimit { kind: "move".into(), offset: 0, count: 1, form, per_second: 10.0 };
    let mut world = settled(3, &PlayerConfig { referee_speeds: vec![limit], ..PlayerConfig::default() });
    let go = |world: &mut World, channel, x: f32| {
        let payload = Bytes::copy_from_slice(&x.to_le_bytes());
        world.seats[1].peer.send(world.now, &Destination::Others, channel, "move", payload).expect("there is room");
        world.drain(1);
        world.run(SECOND);
        world
            .messages(2)
            .into_iter()
            .map(|message| f32::from_le_bytes(message.payload[..].try_into().unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(go(&mut world, Channel::Latest, 100.0), [100.0]);
    assert_eq!(go(&mut world, Channel::Latest, 110.0), [110.0]);
    assert_eq!(go(&mut world, Channel::Latest, 160.0), [0.0_f32; 0]);
    assert_eq!(go(&mut world, Channel::Reliable, 180.0), [0.0_f32; 0]);
    assert_eq!(
        go(&mut world, Channel::Reliable, 165.0),
        [165.0],
        "three seconds after it was at 110, and three saved up"
    );
    let rules = world.events(0).into_iter().filter_map(|event| match event {
        PeerEvent::Violation { player, rule, strikes } => Some((player.0, rule, strikes)),
        _ => None,
    });
    assert_eq!(rules.collect::<Vec<_>>(), [(2, Rule::Speed, 1), (2, Rule::Speed, 2)]);
}

#[test]
fn who_breaks_the_rules_too_often_is_put_out() {
    let config = PlayerConfig { referee_size: Some(1), referee_kick_at: Some(3), ..PlayerConfig::default() };
    let mut world = settled(3, &config);
    for _ in 0..3 {
        assert!(world.seats[1].player.is_some());
        say(&mut world, 1, "xx");
        world.run(SECOND / 10);
    }
    world.run(SECOND);
    let told = world.events(0);
    assert!(told.iter().any(|event| matches!(event, PeerEvent::Violation { strikes: 3, .. })), "{told:?}");
    assert!(told.iter().any(|event| matches!(event, PeerEvent::PlayerLeft { player: gone, .. } if *gone == player(2))));
    let is_answer = |event: &PeerEvent| matches!(event, PeerEvent::Done { .. } | PeerEvent::Refused(_));
    assert!(!told.iter().any(is_answer), "nobody asked for it: {told:?}");
    let told = world.events(1);
    assert!(matches!(told.last(), Some(PeerEvent::Closed(_))), "{told:?}");
}
