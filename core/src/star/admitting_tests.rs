//! Where the history of each begins under a new host, and what becomes of who goes and comes back.

use super::*;
use crate::id::Incarnation;
use crate::star::hosting::tests::{EPOCH, Host, ME, THREE, TWO, at, config, member, ours, told};
use crate::star::log::Log;
use crate::star::{Channel, Destination, Event, LogEnd, Out, Ruling, Snapshot, StarConfig, Told};
use crate::wire::signal::Epoch;

#[test]
fn the_first_host_puts_itself_and_those_who_have_heard_it_into_the_log() {
    let mut host = Host::prepared(&config(), Log::new(EPOCH));
    host.hosting.activate(at(0), &[], ours!(host));
    host.have(TWO, &Beyond { wants_snapshot: true, ..Beyond::default() });
    let joined: Vec<Content> = host.log.entries().map(|entry| entry.content.clone()).collect();
    let join = |player| Content::Joined { player, incarnation: Incarnation(1), taken: [0; 2] };
    assert_eq!(joined, [join(ME), join(TWO)]);
    let begins = Snapshot { position: Position(0), state: None };
    assert_eq!(host.out.events, [Event::Started(begins)], "nobody was host before");
    let start = Frame::Start { epoch: EPOCH, position: Position(2), is_joiner: true, snapshot_bytes: 0 };
    assert_eq!(host.out.frames, [(To::One(TWO), start)]);
}

#[test]
fn who_was_absent_for_too_long_is_written_out_and_begins_anew() {
    let config = StarConfig { resume_log: 2_000, ..config() };
    let mut host = Host::new(&config);
    let absent = [member(ME, true), member(TWO, true), member(THREE, false)];
    host.members(&absent);
    for seq in 1..=5 {
        host.say_to(TWO, Channel::Ordered, seq, Destination::All, 400);
        host.poll_all(TWO);
        host.take_all(TWO);
        host.stored(host.log.end().0);
        host.work(100 * seq as i64);
    }
    let last = host.log.entries().last().map(|entry| entry.content.clone());
    assert_eq!(last, Some(Content::Left { player: THREE }));
    assert!(host.hosting.is_cut_off(THREE), "what it is given from now on follows a gap");
    assert_eq!(host.log.cut(), Position(3), "it is not written out before that is committed");
    host.poll_all(TWO);
    host.take_all(TWO);
    host.stored(9);
    host.work(600);
    assert_eq!(host.log.cut(), Position(9));

    host.out = Out::default();
    host.members(&[member(ME, true), member(TWO, true), member(THREE, true)]);
    let start = Frame::Start { epoch: EPOCH, position: Position(10), is_joiner: false, snapshot_bytes: 0 };
    assert_eq!(host.out.frames, [(To::One(THREE), start)]);
    host.say(TWO, Channel::Ordered, 6);
    assert_eq!(host.poll_all(THREE), [0_u64; 0], "not before it has begun");
    host.have(THREE, &Beyond { settled: Position(10), ..Beyond::default() });
    assert_eq!(host.poll_all(THREE), [11]);
}

#[test]
fn who_leaves_the_roster_leaves_the_log() {
    let mut host = Host::new(&config());
    host.members(&[member(ME, true), member(TWO, true)]);
    assert_eq!(host.log.entries().last().map(|entry| entry.content.clone()), Some(Content::Left { player: THREE }));
    host.say(THREE, Channel::Ordered, 1);
    assert_eq!(host.log.end(), Position(4));
}

/// The log of a host that is gone: players 1 to 3 are in it, player 3 has said four messages for all and one for the host.
fn inherited() -> Log {
    let first = Epoch { term: 1, round: 0 };
    let mut log = Log::new(first);
    for player in [ME, TWO, THREE] {
        log.append(first, Content::Joined { player, incarnation: Incarnation(1), taken: [0; 2] });
    }
    for (seq, to) in [Destination::All, Destination::Host, Destination::All, Destination::All].into_iter().enumerate() {
        log.append(first, Content::Message(told(THREE, Channel::Ordered, seq as u64 + 1, to, 1)));
    }
    log.adopt(EPOCH, []);
    log
}

#[test]
fn a_successor_delivers_what_is_left_and_then_tells_its_game_everything() {
    let mut host = Host::prepared(&config(), inherited());
    host.following.start(Snapshot { position: Position(1), state: None }, &mut host.out.events);
    let first = host.log.entry(Position(4)).cloned().expect("it is there");
    host.following.on_entry(first, &mut host.out.events);
    host.following.on_committed(Position(4), &mut host.out.events);
    assert_eq!(host.delivered(), [4]);
    host.hosting.activate(at(0), &[], ours!(host));
    let Some(Event::Promoted { snapshot, tail }) = host.out.events.pop_back() else { panic!("{:?}", host.out.events) };
    assert_eq!(snapshot, Snapshot { position: Position(0), state: None });
    assert_eq!(tail.iter().map(|message| message.position.0).collect::<Vec<_>>(), [4, 5, 6, 7]);
    assert_eq!(host.delivered(), [6, 7]);
    assert_eq!(host.log.end(), Position(7), "everybody is in the log");
}

/// Simulator, calm 2: the next host's game was told words without bytes that stood for those of a guest; and a rejection is
/// nobody's words.
#[test]
fn a_successor_tells_its_game_no_rejections_and_nothing_that_went_another_way() {
    let mut log = inherited();
    let first = Epoch { term: 1, round: 0 };
    let guest = Destination::One(crate::id::PlayerId(9));
    log.append(first, Content::Message(told(TWO, Channel::Reliable, 1, guest, 0)));
    let rejected = Told { ruling: Ruling::Rejected, ..told(TWO, Channel::Reliable, 2, Destination::One(TWO), 2) };
    log.append(first, Content::Message(rejected));
    log.append(first, Content::Message(told(TWO, Channel::Reliable, 3, Destination::One(THREE), 0)));
    let mut host = Host::prepared(&config(), log);
    host.hosting.activate(at(0), &[], ours!(host));
    let Some(Event::Promoted { tail, .. }) = host.out.events.pop_back() else { panic!("{:?}", host.out.events) };
    assert_eq!(tail.iter().map(|message| message.position.0).collect::<Vec<_>>(), [4, 5, 6, 7, 10]);
}

#[test]
fn a_successor_hears_that_what_it_finds_of_its_own_in_the_log_is_acknowledged() {
    let mut log = inherited();
    let first = Epoch { term: 1, round: 0 };
    log.append(first, Content::Message(told(ME, Channel::Ordered, 1, Destination::All, 1)));
    let mut host = Host::prepared(&config(), log);
    let kind = crate::star::Kind::new("k").expect("a name");
    host.publishing.send(&Destination::All, Channel::Ordered, kind, "own".into()).expect("there is room");
    host.hosting.activate(at(0), &[], ours!(host));
    assert_eq!(host.out.events.pop_front(), Some(Event::Acked(Channel::Ordered, 1)));
    host.work(0);
    assert_eq!(host.log.end(), Position(8), "it is not said again");
}

/// Simulator, swarm 3058: the state was of a time before the player came, and what had been said since was passed over.
#[test]
fn a_successor_whose_history_begins_with_an_older_state_hears_all_that_was_said_since() {
    let mut log = inherited();
    log.append(EPOCH, Content::Joined { player: ME, incarnation: Incarnation(1), taken: [0; 2] });
    let mut host = Host::prepared(&StarConfig { has_snapshots: true, ..config() }, log);
    host.keep_state(4);
    host.hosting.activate(at(0), &[], ours!(host));
    assert_eq!(host.delivered(), [6, 7]);
}

#[test]
fn the_tail_begins_one_after_the_snapshot() {
    let mut host = Host::prepared(&StarConfig { has_snapshots: true, ..config() }, inherited());
    host.following.start(Snapshot { position: Position(7), state: None }, &mut host.out.events);
    host.keep_state(5);
    host.hosting.activate(at(0), &[], ours!(host));
    let Some(Event::Promoted { snapshot, tail }) = host.out.events.pop_back() else { panic!("{:?}", host.out.events) };
    assert_eq!(snapshot, Snapshot { position: Position(5), state: Some("state".into()) });
    assert_eq!(tail.iter().map(|message| message.position.0).collect::<Vec<_>>(), [6, 7]);

    // Who has delivered what the log does not have begins with the same state.
    host.out = Out::default();
    host.have(THREE, &Beyond { settled: Position(4), wants_snapshot: true, ..Beyond::default() });
    let start = Frame::Start { epoch: EPOCH, position: Position(5), is_joiner: false, snapshot_bytes: 5 };
    assert_eq!(host.out.frames.pop_front(), Some((To::One(THREE), start)));
    assert_eq!(host.poll_all(THREE), [0_u64; 0], "nothing overtakes the word where it begins");
    host.have(THREE, &Beyond { wants_snapshot: true, ..Beyond::default() });
    let again = host.out.frames.iter().filter(|(_, frame)| matches!(frame, Frame::Start { .. })).count();
    assert_eq!((again, host.poll_all(THREE)), (1, vec![]), "it was said before that arrived");
    host.have(THREE, &Beyond { settled: Position(5), ..Beyond::default() });
    assert_eq!(host.poll_all(THREE), [6, 7]);
}

#[test]
fn a_follower_of_a_new_host_is_given_what_it_lacks() {
    let mut host = Host::prepared(&config(), inherited());
    host.hosting.activate(at(0), &[], ours!(host));
    assert_eq!(host.poll_all(TWO), [0_u64; 0], "it has not said what it has");
    host.have(TWO, &Beyond { settled: Position(3), held: vec![Position(4), Position(7)], ..Beyond::default() });
    assert_eq!(host.poll_all(TWO), [6]);
    host.work(100);
    assert_eq!(host.log.cut(), Position(2), "player 3 is silent: it is known since place 3");
    host.have(THREE, &Beyond { settled: Position(3), ..Beyond::default() });
    assert_eq!(host.poll_all(THREE), [4, 6, 7]);
    assert_eq!(host.out.frames.iter().filter(|(_, frame)| matches!(frame, Frame::Start { .. })).count(), 0);
}

#[test]
fn a_follower_that_has_not_begun_where_the_log_says_begins_there() {
    let mut host = Host::prepared(&config(), inherited());
    host.hosting.activate(at(0), &[], ours!(host));
    host.out = Out::default();
    host.have(THREE, &Beyond { settled: Position(2), ..Beyond::default() });
    let start = Frame::Start { epoch: EPOCH, position: Position(3), is_joiner: false, snapshot_bytes: 0 };
    assert_eq!(host.out.frames, [(To::One(THREE), start)]);
    assert_eq!(host.poll_all(THREE), [0_u64; 0]);
    host.have(THREE, &Beyond { settled: Position(3), ..Beyond::default() });
    host.say(TWO, Channel::Ordered, 1);
    assert_eq!(host.poll_all(THREE), [4, 6, 7, 8]);
}

#[test]
fn a_newcomer_hears_what_is_said_from_the_moment_it_is_there() {
    let mut host = Host::new(&config());
    let four = PlayerId(4);
    host.members(&[ME, TWO, THREE, four].map(|player| member(player, true)));
    let join = Content::Joined { player: four, incarnation: Incarnation(1), taken: [0; 2] };
    assert_eq!(host.log.entries().last().map(|entry| entry.content.clone()), Some(join));
    host.say(THREE, Channel::Ordered, 1);
    host.stored(5);
    host.have(four, &Beyond { wants_snapshot: true, ..Beyond::default() });
    let start = Frame::Start { epoch: EPOCH, position: Position(4), is_joiner: true, snapshot_bytes: 0 };
    assert!(host.out.frames.contains(&(To::One(four), start)));
    host.have(four, &Beyond { settled: Position(4), ..Beyond::default() });
    assert_eq!(host.poll_all(four), [5]);
    host.members(&[ME, TWO, THREE, four].map(|player| member(player, true)));
    assert_eq!(host.log.end(), Position(5), "it is written in once");
}

#[test]
fn another_life_is_heard_and_acknowledged_only_once_it_is_in_the_log() {
    let mut host = Host::new(&config());
    host.say(THREE, Channel::Ordered, 1);
    host.stored(4);
    let returned = Member { incarnation: Incarnation(2), ..member(THREE, false) };
    host.members(&[member(ME, true), member(TWO, true), returned]);
    host.say(THREE, Channel::Ordered, 2);
    assert_eq!(host.log.end(), Position(4), "it would count as said in its earlier life");
    host.out = Out::default();
    host.have(THREE, &Beyond { wants_snapshot: true, ..Beyond::default() });
    host.say(THREE, Channel::Ordered, 1);
    assert_eq!(host.log.end(), Position(6));
    host.work(100);
    assert_eq!(
        host.mark(THREE).map(|mark| mark.acked),
        Some([0, 0]),
        "what is acknowledged was said in its earlier life"
    );
    host.stored(6);
    assert_eq!(host.mark(THREE).map(|mark| mark.acked), Some([0, 1]));
}

/// A host whose roster was old forgot the later life of a player, cut the log above what that had got, and the next host
/// did not give it what was missing (hostile, seed 95).
#[test]
fn a_life_that_only_the_log_knows_is_kept_what_it_has_not_got() {
    let mut log = inherited();
    let first = Epoch { term: 1, round: 0 };
    log.append(first, Content::Joined { player: THREE, incarnation: Incarnation(2), taken: [0; 2] });
    log.adopt(EPOCH, []);
    let mut host = Host::prepared(&config(), log);
    host.hosting.activate(at(0), &[], ours!(host));
    host.have(TWO, &Beyond { settled: Position(8), ..Beyond::default() });
    host.say(TWO, Channel::Ordered, 1);
    host.poll_all(TWO);
    host.take_all(TWO);
    host.work(100);
    assert_eq!((host.log.end(), host.log.cut()), (Position(9), Position(7)), "it is there since place 8");
    let three = Member { incarnation: Incarnation(2), ..member(THREE, true) };
    host.members(&[member(ME, true), member(TWO, true), three]);
    host.have(THREE, &Beyond { settled: Position(8), ..Beyond::default() });
    assert_eq!(host.poll_all(THREE), [9]);
}

/// Who waited to begin anew was told that everything had arrived, took that for true, and passed over what it got next.
#[test]
fn who_waits_to_begin_anew_is_not_told_that_anything_has_arrived() {
    let mut host = Host::prepared(&StarConfig { has_snapshots: true, ..config() }, inherited());
    host.hosting.activate(at(0), &[], ours!(host));
    host.have(TWO, &Beyond { settled: Position(7), ..Beyond::default() });
    host.have(THREE, &Beyond { settled: Position(3), acked: [0, 9], ..Beyond::default() });
    host.work(100);
    assert_eq!(host.mark(THREE).map(|mark| (mark.committed, mark.settled)), Some((Position(8), Position(0))));
}

#[test]
fn numbers_go_on_where_a_lost_log_ended() {
    let mut host = Host::prepared(&config(), Log::new(EPOCH));
    host.hosting.activate(at(0), &[], ours!(host));
    host.have(TWO, &Beyond { wants_snapshot: true, acked: [4, 6], ..Beyond::default() });
    host.say(TWO, Channel::Ordered, 7);
    host.say(TWO, Channel::Reliable, 6);
    host.say(TWO, Channel::Reliable, 4);
    host.work(1);
    assert_eq!(host.log.end(), Position(4));
    assert_eq!(host.hosting.acked(TWO, Incarnation(1)), [4, 7]);
}

#[test]
fn a_prepared_host_gives_to_replicas_only() {
    let mut host = Host::prepared(&config(), inherited());
    let theirs = LogEnd { whole_in: Epoch { term: 1, round: 0 }, end: Position(5) };
    let copy = host.hosting.replicate(TWO, Some(theirs), &host.log, &host.snapshots);
    assert_eq!((copy.cut, copy.end), (Position(0), Position(7)));
    assert_eq!((host.poll_all(TWO), host.poll_all(THREE)), (vec![6, 7], vec![]));
    host.say(THREE, Channel::Ordered, 5);
    assert_eq!((host.log.end(), host.hosting.deadline(&host.snapshots)), (Position(7), None));
    assert_eq!(host.hosting.stored(TWO), Some(Position(5)));
    host.stored(7);
    host.hosting.activate(at(0), &[TWO], ours!(host));
    host.have(TWO, &Beyond { settled: Position(3), ..Beyond::default() });
    assert_eq!(host.poll_all(TWO), [4, 6, 7], "what it has stored it may not have delivered");
}

#[test]
fn a_joiner_waits_for_a_state_of_the_game_and_goes_on_behind_it() {
    let config = StarConfig { has_snapshots: true, safe_reliable: false, ..config() };
    let mut host = Host::prepared(&config, Log::new(EPOCH));
    host.hosting.activate(at(0), &[], ours!(host));
    host.hosting.replicate(TWO, None, &host.log, &host.snapshots);
    host.hosting.on_light_view(at(0), EPOCH, &[TWO]);
    host.have(THREE, &Beyond { wants_snapshot: true, ..Beyond::default() });
    host.out = Out::default();
    host.work(0);
    assert_eq!(host.out.events, [], "its joining is not committed");
    host.say(THREE, Channel::Reliable, 1);
    assert_eq!(host.delivered(), [0_u64; 0], "the game gets nothing beyond the place that it is asked for");
    host.stored(2);
    let wanted = Event::SnapshotWanted { position: Position(2) };
    assert_eq!(host.out.events.pop_front(), Some(wanted));
    assert_eq!(host.delivered(), [3]);
    host.out = Out::default();
    host.hosting.on_state(at(1), Position(2), "state".into(), ours!(host));
    let start = Frame::Start { epoch: EPOCH, position: Position(2), is_joiner: true, snapshot_bytes: 5 };
    assert_eq!(host.out.frames.pop_front(), Some((To::One(THREE), start)));
    host.have(THREE, &Beyond { settled: Position(2), ..Beyond::default() });
    assert_eq!(host.poll_all(THREE), [3]);
    assert!(matches!(host.hosting.poll(TWO, &host.log), Some(Frame::Entry { .. })));
    let mut pieces = 0;
    while let Some(frame) = host.hosting.poll(TWO, &host.log) {
        pieces += usize::from(matches!(frame, Frame::Snapshot { position: Position(2), .. }));
    }
    assert_eq!(pieces, 1, "backups keep it too");
}

#[test]
fn a_joiner_does_not_wait_for_a_game_that_is_silent() {
    let mut host = Host::prepared(&StarConfig { has_snapshots: true, ..config() }, Log::new(EPOCH));
    host.hosting.activate(at(0), &[], ours!(host));
    host.have(THREE, &Beyond { wants_snapshot: true, ..Beyond::default() });
    host.work(0);
    host.out = Out::default();
    host.work(4_999);
    assert_eq!(host.out.frames.iter().filter(|(_, frame)| matches!(frame, Frame::Start { .. })).count(), 0);
    host.work(5_000);
    let start = Frame::Start { epoch: EPOCH, position: Position(2), is_joiner: true, snapshot_bytes: 0 };
    assert!(host.out.frames.contains(&(To::One(THREE), start)));
}
