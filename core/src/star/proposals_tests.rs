//! What waits for the game, step by step, and what it is in the log afterwards.

use super::*;
use crate::star::hosting::Ours;
use crate::star::hosting::tests::{Host, ME, THREE, TWO, member, ours};
use crate::star::{Content, Event, Position};

fn judged(id: u64) -> ProposalId {
    ProposalId(id)
}

fn host() -> Host {
    let config = StarConfig { has_authority: true, window: 1_000, max_message: 1_000, ..StarConfig::default() };
    Host::new(&config)
}

/// The names of what the game was asked, and by whom it was said under which number.
fn asked(host: &mut Host) -> Vec<(u64, u32, u64)> {
    let events = core::mem::take(&mut host.out.events);
    let asked = events.into_iter().filter_map(|event| match event {
        Event::Proposal(Proposal { id, from, seq, .. }) => Some((id.0, from.0, seq)),
        _ => None,
    });
    asked.collect()
}

fn decide(host: &mut Host, id: u64, verdict: Verdict) -> bool {
    host.hosting.decide(host.now, judged(id), verdict, ours!(host))
}

/// The messages of the log: who said them, under which number, and what was made of them.
fn logged(host: &Host) -> Vec<(u32, u64, Ruling)> {
    let told = host.log.entries().filter_map(|entry| match &entry.content {
        Content::Message(told) => Some((told.from.0, told.seq, told.ruling)),
        _ => None,
    });
    told.collect()
}

#[test]
fn what_members_say_has_no_place_before_the_game_has_decided() {
    use Ruling::{AsSent, Rejected, Rewritten};
    let mut host = host();
    host.say(THREE, Channel::Ordered, 1);
    host.say(TWO, Channel::Ordered, 1);
    assert_eq!((asked(&mut host), logged(&host)), (vec![(1, 3, 1), (2, 2, 1)], vec![]));
    assert!(decide(&mut host, 2, Verdict::Rewrite(Bytes::from_static(b"less"))));
    assert!(decide(&mut host, 1, Verdict::Reject("no".into())));
    assert_eq!(logged(&host), [(2, 1, Rewritten), (3, 1, Rejected)]);
    assert!(!decide(&mut host, 1, Verdict::Accept), "it is decided");
    assert!(!decide(&mut host, 3, Verdict::Accept), "there is none");
    host.say(TWO, Channel::Ordered, 2);
    assert!(decide(&mut host, 3, Verdict::Accept));
    assert_eq!(logged(&host)[2..], [(2, 2, AsSent)]);
    assert_eq!(host.proposals.bytes(), 0);
}

/// Simulator, swarm 56: the game was asked about words without bytes, for what is for a guest goes another way.
#[test]
fn what_is_for_a_guest_waits_only_for_what_was_said_before_it() {
    use Ruling::AsSent;
    let guest = Destination::One(PlayerId(9));
    let mut host = host();
    host.say_to(THREE, Channel::Reliable, 1, guest.clone(), 0);
    assert_eq!((asked(&mut host), logged(&host)), (vec![], vec![(3, 1, AsSent)]));
    host.say(THREE, Channel::Ordered, 1);
    host.say_to(THREE, Channel::Ordered, 2, guest.clone(), 0);
    assert_eq!((asked(&mut host), logged(&host).len()), (vec![(2, 3, 1)], 1));
    assert!(decide(&mut host, 2, Verdict::Accept));
    assert_eq!(logged(&host)[1..], [(3, 1, AsSent), (3, 2, AsSent)]);
    host.say_to(TWO, Channel::Reliable, 1, guest, 1);
    host.say_to(TWO, Channel::Reliable, 2, Destination::One(THREE), 0);
    assert_eq!(asked(&mut host), [(4, 2, 1), (5, 2, 2)], "those are words, and that is one of us");
}

#[test]
fn a_rejection_is_for_its_sender_alone_and_uses_up_the_number() {
    let mut host = host();
    host.say(THREE, Channel::Ordered, 1);
    decide(&mut host, 1, Verdict::Reject("x".repeat(300)));
    let entry = host.log.entries().last().expect("it was logged");
    let Content::Message(told) = &entry.content else { panic!("{entry:?}") };
    assert_eq!((&told.to, told.payload.len()), (&Destination::One(THREE), MAX_REASON));
    host.say(THREE, Channel::Ordered, 1);
    assert_eq!(asked(&mut host), [(1, 3, 1)], "it was answered");
    host.say(THREE, Channel::Ordered, 2);
    assert_eq!(asked(&mut host), [(2, 3, 2)]);
}

#[test]
fn an_ordered_message_waits_for_those_before_it_and_nothing_else_waits() {
    let mut host = host();
    for seq in 1..=3 {
        host.say(THREE, Channel::Ordered, seq);
    }
    host.say(THREE, Channel::Reliable, 1);
    host.say(TWO, Channel::Ordered, 1);
    for id in [3, 5, 4] {
        assert!(decide(&mut host, id, Verdict::Accept));
    }
    let order = |host: &Host| logged(host).into_iter().map(|(from, seq, _)| (from, seq)).collect::<Vec<_>>();
    assert_eq!(order(&host), [(2, 1), (3, 1)], "the other's, and the reliable one");
    decide(&mut host, 1, Verdict::Accept);
    assert_eq!(order(&host)[2..], [(3, 1)]);
    decide(&mut host, 2, Verdict::Accept);
    assert_eq!(order(&host)[3..], [(3, 2), (3, 3)]);
}

#[test]
fn what_is_said_twice_or_out_of_turn_is_not_asked_about() {
    let mut host = host();
    for seq in [1, 1, 3, 2, 2] {
        host.say(THREE, Channel::Ordered, seq);
    }
    for seq in [7, 7, 8] {
        host.say(THREE, Channel::Reliable, seq);
    }
    assert_eq!(asked(&mut host), [(1, 3, 1), (2, 3, 2), (3, 3, 7), (4, 3, 8)]);
}

#[test]
fn who_says_too_much_before_it_is_decided_is_rejected_unasked() {
    let mut host = host();
    for seq in 1..=4 {
        host.say_to(THREE, Channel::Reliable, seq, Destination::All, 900);
    }
    assert_eq!(asked(&mut host), [(1, 3, 1), (2, 3, 2)]);
    assert_eq!(logged(&host), [(3, 3, Ruling::Rejected), (3, 4, Ruling::Rejected)]);
    assert!(host.proposals.bytes() <= 2_200);
}

#[test]
fn what_a_message_was_rewritten_to_counts_while_it_waits() {
    let mut host = host();
    host.say_to(THREE, Channel::Ordered, 1, Destination::All, 3);
    host.say_to(THREE, Channel::Ordered, 2, Destination::All, 3);
    let before = host.proposals.bytes();
    assert!(decide(&mut host, 2, Verdict::Rewrite(vec![0; 500].into())));
    assert_eq!((host.proposals.bytes(), logged(&host)), (before + 497, vec![]));
    assert!(decide(&mut host, 1, Verdict::Accept));
    assert_eq!((host.proposals.bytes(), logged(&host).len()), (0, 2));
}

#[test]
fn what_somebody_who_has_gone_said_waits_no_longer() {
    let mut host = host();
    host.say(TWO, Channel::Ordered, 1);
    host.say(THREE, Channel::Ordered, 1);
    assert_eq!(asked(&mut host), [(1, 2, 1), (2, 3, 1)]);
    let before = host.proposals.bytes();
    host.members(&[member(ME, true), member(TWO, true)]);
    assert_eq!(host.proposals.bytes(), before / 2);
    assert!(!decide(&mut host, 2, Verdict::Accept), "its sender has gone");
    assert!(decide(&mut host, 1, Verdict::Accept));
}

/// Who was written out for want of room and comes back says again what was not decided, and is asked about it anew.
#[test]
fn who_was_written_out_is_asked_about_it_anew() {
    let config = StarConfig { has_authority: true, resume_log: 2_000, ..StarConfig::default() };
    let mut host = Host::new(&config);
    host.say(THREE, Channel::Ordered, 1);
    host.say(THREE, Channel::Ordered, 2);
    assert_eq!(asked(&mut host), [(1, 3, 1), (2, 3, 2)]);
    host.members(&[member(ME, true), member(TWO, true), member(THREE, false)]);
    for seq in 1..=8 {
        host.say_to(ME, Channel::Reliable, seq, Destination::All, 500);
        host.poll_all(TWO);
        host.stored(host.log.end().0);
        host.take_all(TWO);
        host.work(100 * seq as i64);
    }
    assert!(!host.log.table().row(THREE).is_some_and(|row| row.is_present), "it is written out");
    assert!(!decide(&mut host, 1, Verdict::Accept), "that is over");
    assert_eq!(host.proposals.bytes(), 0);
}

#[test]
fn a_message_of_any_size_may_wait_on_each_channel() {
    let mut host = host();
    host.say_to(THREE, Channel::Reliable, 1, Destination::All, 1_000);
    host.say_to(THREE, Channel::Ordered, 1, Destination::All, 1_000);
    assert_eq!(asked(&mut host), [(1, 3, 1), (2, 3, 1)]);
    assert_eq!(logged(&host), []);
}

#[test]
fn the_host_says_what_it_likes() {
    let mut host = host();
    host.say(ME, Channel::Ordered, 1);
    assert_eq!((asked(&mut host), logged(&host)), (vec![], vec![(1, 1, Ruling::AsSent)]));
}

#[test]
fn a_host_that_has_frozen_decides_nothing_more() {
    let mut host = host();
    host.say(THREE, Channel::Ordered, 1);
    host.hosting.freeze(&host.log);
    assert!(!decide(&mut host, 1, Verdict::Accept));
    assert_eq!(logged(&host), []);
}

#[test]
fn a_new_host_delivers_no_rejection_and_tells_it_to_its_sender() {
    let mut host = host();
    host.say(TWO, Channel::Ordered, 1);
    host.say(TWO, Channel::Ordered, 2);
    decide(&mut host, 1, Verdict::Reject("no".into()));
    decide(&mut host, 2, Verdict::Rewrite(Bytes::from_static(b"less")));
    // Player 2 has the same log, and is host now.
    let mut following = crate::star::following::Following::new(&StarConfig::default());
    let mut events = VecDeque::new();
    following.start(crate::star::Snapshot { position: Position(3), state: None }, &mut events);
    following.catch_up(&host.log, TWO, &mut events);
    following.on_committed(host.log.end(), &mut events);
    let told: Vec<Event> = events.into_iter().skip(1).collect();
    let [Event::Rejected { seq: 1, reason, .. }, Event::Message(message)] = &told[..] else { panic!("{told:?}") };
    assert_eq!((reason.as_str(), &message.payload[..], message.is_rewritten), ("no", &b"less"[..], true));
}
