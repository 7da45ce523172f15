//! What a host gives to whom, what it acknowledges, and what it cuts, step by step.

use super::*;
use crate::star::snapshots::{Kept, Piece};
use crate::star::{Beyond, Destination, Kind, Mark, To};
use crate::wire::view::SigningKey;

pub(in crate::star) const EPOCH: Epoch = Epoch { term: 2, round: 0 };
pub(in crate::star) const ME: PlayerId = PlayerId(1);
pub(in crate::star) const TWO: PlayerId = PlayerId(2);
pub(in crate::star) const THREE: PlayerId = PlayerId(3);

pub(in crate::star) fn at(millis: i64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

pub(in crate::star) fn member(player: PlayerId, is_connected: bool) -> Member {
    let key = SigningKey::from_seed(&[player.0 as u8; 32]).public();
    Member { player, incarnation: Incarnation(1), key, is_eligible: true, is_connected }
}

pub(in crate::star) fn told(from: PlayerId, channel: Channel, seq: u64, to: Destination, bytes: usize) -> Told {
    let (kind, payload) = (Kind::new("k").expect("a name"), vec![7; bytes].into());
    Told { from, channel, seq, to, kind, payload, ruling: Ruling::AsSent }
}

/// A host, all that belongs to it, and what came of it.
pub(in crate::star) struct Host {
    pub(in crate::star) hosting: Hosting,
    pub(in crate::star) log: Log,
    pub(in crate::star) following: Following,
    pub(in crate::star) publishing: Publishing,
    pub(in crate::star) proposals: Proposals,
    pub(in crate::star) snapshots: Snapshots,
    pub(in crate::star) out: Out,
    pub(in crate::star) now: Instant,
}

macro_rules! ours {
    ($host:expr) => {
        &mut Ours {
            log: &mut $host.log,
            following: &mut $host.following,
            publishing: &mut $host.publishing,
            proposals: &mut $host.proposals,
            snapshots: &mut $host.snapshots,
            out: &mut $host.out,
        }
    };
}
pub(in crate::star) use ours;

impl Host {
    pub(in crate::star) fn prepared(config: &StarConfig, log: Log) -> Host {
        let members = [ME, TWO, THREE].map(|player| member(player, true));
        Host {
            hosting: Hosting::new(at(0), config, &member(ME, true), EPOCH, &members, &log),
            log,
            following: Following::new(config),
            publishing: Publishing::new(config),
            proposals: Proposals::new(config),
            snapshots: Snapshots::new(config),
            out: Out::default(),
            now: at(0),
        }
    }

    /// The first host of a star, with player 2 as backup and player 3; both follow from the beginning.
    pub(in crate::star) fn new(config: &StarConfig) -> Host {
        let mut host = Host::prepared(config, Log::new(EPOCH));
        host.hosting.activate(at(0), &[], ours!(host));
        for player in [TWO, THREE] {
            host.have(player, &Beyond { wants_snapshot: true, ..Beyond::default() });
            let settled = host.log.end();
            host.have(player, &Beyond { settled, ..Beyond::default() });
        }
        host.work(0);
        host.hosting.replicate(TWO, None, &host.log, &host.snapshots);
        host.poll_all(TWO);
        host.stored(3);
        host.take_all(TWO);
        host.hosting.on_light_view(at(0), EPOCH, &[TWO]);
        host.work(0);
        host.out = Out::default();
        host
    }

    pub(in crate::star) fn work(&mut self, millis: i64) {
        self.now = at(millis);
        self.hosting.work(self.now, ours!(self));
    }

    pub(in crate::star) fn have(&mut self, player: PlayerId, beyond: &Beyond) {
        self.hosting.on_have(self.now, player, beyond, ours!(self));
    }

    pub(in crate::star) fn say(&mut self, from: PlayerId, channel: Channel, seq: u64) {
        self.say_to(from, channel, seq, Destination::All, 3);
    }

    pub(in crate::star) fn say_to(
        &mut self,
        from: PlayerId,
        channel: Channel,
        seq: u64,
        to: Destination,
        bytes: usize,
    ) {
        self.hosting.on_publish(self.now, told(from, channel, seq, to, bytes), ours!(self));
        self.hosting.work(self.now, ours!(self));
    }

    pub(in crate::star) fn stored(&mut self, position: u64) {
        self.hosting.on_stored(self.now, TWO, EPOCH, Position(position), &self.log);
        self.hosting.work(self.now, ours!(self));
    }

    pub(in crate::star) fn take(&mut self, player: PlayerId, position: u64) {
        self.hosting.on_taken(self.now, player, EPOCH, Position(position), ours!(self));
    }

    pub(in crate::star) fn take_all(&mut self, player: PlayerId) {
        for position in 1..=self.log.end().0 {
            self.take(player, position);
        }
    }

    /// The places that a player is given now.
    pub(in crate::star) fn poll_all(&mut self, player: PlayerId) -> Vec<u64> {
        let mut given = Vec::new();
        while let Some(Frame::Entry { entry, .. }) = self.hosting.poll(player, &self.log) {
            given.push(entry.position.0);
        }
        given
    }

    pub(in crate::star) fn members(&mut self, members: &[Member]) {
        self.hosting.on_members(self.now, members, ours!(self));
    }

    /// The newest mark told to a player since it was asked last.
    pub(in crate::star) fn mark(&mut self, player: PlayerId) -> Option<Mark> {
        let frames = core::mem::take(&mut self.out.frames);
        let mut newest = None;
        for (to, frame) in frames {
            match frame {
                Frame::Mark { mark, .. } if to == To::One(player) => newest = Some(mark),
                other => self.out.frames.push_back((to, other)),
            }
        }
        newest
    }

    /// A state of the game after this place is there.
    pub(in crate::star) fn keep_state(&mut self, place: u64) {
        let kept = Kept::new(Position(place), "state".into());
        let Some(Frame::Snapshot { position, size, hash, offset, piece, .. }) = kept.piece(EPOCH, 0) else { panic!() };
        self.snapshots.on_piece(&Piece { position, size, hash, offset, bytes: piece });
    }

    pub(in crate::star) fn delivered(&mut self) -> Vec<u64> {
        let place = |event: Event| if let Event::Message(message) = event { Some(message.position.0) } else { None };
        self.out.events.drain(..).filter_map(place).collect()
    }
}

pub(in crate::star) fn config() -> StarConfig {
    StarConfig::default()
}

#[test]
fn a_message_is_acknowledged_once_its_backup_has_stored_it() {
    let mut host = Host::new(&config());
    host.say(THREE, Channel::Ordered, 1);
    host.say(THREE, Channel::Reliable, 2);
    host.publishing
        .send(&Destination::All, Channel::Ordered, Kind::new("k").expect("a name"), "own".into())
        .expect("there is room");
    host.work(50);
    assert_eq!((host.hosting.committed(), host.mark(THREE)), (Position(3), None));
    assert_eq!(host.delivered(), [5], "reliable at once");
    host.stored(4);
    let mark = Mark { committed: Position(4), settled: Position(0), cut: Position(0), acked: [0, 1] };
    assert_eq!((host.mark(THREE), host.delivered()), (Some(mark), vec![4]));
    host.stored(99);
    assert_eq!(host.hosting.committed(), Position(6), "not more than there is");
    assert_eq!(host.mark(THREE).map(|mark| mark.acked), Some([0, 1]), "reliable 1 is missing");
    assert!(host.out.events.contains(&Event::Acked(Channel::Ordered, 1)));
    assert_eq!(host.delivered(), [6]);
    host.say(THREE, Channel::Reliable, 1);
    host.stored(7);
    assert_eq!(host.mark(THREE).map(|mark| mark.acked), Some([2, 1]));
}

#[test]
fn what_was_taken_is_not_taken_again() {
    let mut host = Host::new(&config());
    for seq in [1, 1, 3, 2, 2, 1] {
        host.say(THREE, Channel::Ordered, seq);
    }
    for seq in [3, 3, 1] {
        host.say(THREE, Channel::Reliable, seq);
    }
    let said: Vec<(Channel, u64)> = host
        .log
        .after(Position(3))
        .filter_map(|entry| match &entry.content {
            Content::Message(told) => Some((told.channel, told.seq)),
            _ => None,
        })
        .collect();
    use Channel::{Ordered, Reliable};
    assert_eq!(said, [(Ordered, 1), (Ordered, 2), (Reliable, 3), (Reliable, 1)]);
    host.say(PlayerId(9), Ordered, 1);
    host.say(THREE, Channel::Latest, 1);
    assert_eq!((host.log.end(), host.out.dropped.malformed), (Position(7), 1));
}

#[test]
fn members_get_what_is_meant_for_them_and_backups_get_all() {
    let mut host = Host::new(&config());
    host.say_to(THREE, Channel::Ordered, 1, Destination::Others, 1);
    host.say_to(TWO, Channel::Ordered, 1, Destination::One(THREE), 1);
    host.say_to(THREE, Channel::Ordered, 2, Destination::Host, 1);
    host.say_to(THREE, Channel::Ordered, 3, Destination::All, 1);
    assert_eq!(host.poll_all(TWO), [4, 5, 6, 7]);
    assert_eq!(host.poll_all(THREE), [5, 7]);
    assert_eq!(host.poll_all(THREE), [0_u64; 0]);
}

#[test]
fn a_host_without_the_ear_of_its_backup_tells_members_little() {
    let mut host = Host::new(&config());
    for seq in 1..=70 {
        host.say(THREE, Channel::Ordered, seq);
    }
    assert_eq!(host.poll_all(THREE).len(), 64);
    host.stored(4);
    assert_eq!(host.poll_all(THREE), [68]);
    host.work(249);
    host.stored(5);
    assert_eq!(host.poll_all(THREE), [69]);
    host.work(250);
    assert_eq!(host.poll_all(THREE), [0_u64; 0]);
    host.stored(72);
    assert_eq!(host.poll_all(THREE), [70, 71, 72], "only what is committed, for the next is as old");
    assert_eq!(host.poll_all(TWO).len(), 70, "the backup is always told");
    host.stored(73);
    assert_eq!(host.poll_all(THREE), [73]);
}

#[test]
fn the_log_is_cut_where_everybody_has_it_and_not_before() {
    let mut host = Host::new(&config());
    for seq in 1..=3 {
        host.say(THREE, Channel::Ordered, seq);
    }
    host.poll_all(TWO);
    host.poll_all(THREE);
    host.stored(6);
    host.take_all(TWO);
    host.take(THREE, 6);
    host.take(THREE, 4);
    host.work(100);
    assert_eq!(host.log.cut(), Position(4), "place 5 has not arrived at player 3");
    let mark = host.mark(TWO).expect("the bookkeeping tells everybody");
    assert_eq!((mark.settled, mark.cut), (Position(4), Position(4)));
    host.take(THREE, 5);
    host.work(200);
    assert_eq!((host.log.cut(), host.hosting.unsettled), (Position(6), 0));
    host.say(THREE, Channel::Ordered, 4);
    host.poll_all(TWO);
    host.poll_all(THREE);
    host.take_all(THREE);
    host.take_all(TWO);
    host.work(300);
    assert_eq!(host.log.cut(), Position(6), "it is not committed");
}

#[test]
fn nobody_is_told_to_have_settled_more_than_it_has() {
    let mut host = Host::new(&config());
    host.say(THREE, Channel::Ordered, 1);
    host.poll_all(TWO);
    host.stored(4);
    host.take_all(TWO);
    host.members(&[member(ME, true), member(TWO, true), member(THREE, false)]);
    host.work(100);
    assert_eq!(host.hosting.settled, Position(4), "who is absent is not asked");
    assert_eq!(host.mark(TWO).map(|mark| mark.settled), Some(Position(4)));
    assert_eq!(host.mark(THREE).map_or(Position(3), |mark| mark.settled), Position(3));
    assert_eq!(host.log.cut(), Position(3), "but the log is kept for it");
}

#[test]
fn who_takes_nothing_for_five_seconds_counts_as_absent() {
    let mut host = Host::new(&config());
    host.say(TWO, Channel::Ordered, 1);
    host.poll_all(THREE);
    host.poll_all(TWO);
    host.take_all(TWO);
    host.stored(4);
    for (millis, settled) in [(4_900, 3), (5_950, 4)] {
        host.work(millis);
        assert_eq!(host.hosting.settled, Position(settled), "at {millis} ms");
    }
    assert_eq!(host.log.cut(), Position(3), "there is room");
    host.take_all(THREE);
    host.work(6_100);
    assert_eq!(host.log.cut(), Position(4));
}

#[test]
fn members_hold_while_those_who_are_there_cannot_follow() {
    let config = StarConfig { resume_log: 4_000, ..config() };
    let mut host = Host::new(&config);
    let holds = |host: &mut Host| -> Vec<bool> {
        let hold = |(_, frame)| if let Frame::Hold(stop) = frame { Some(stop) } else { None };
        host.out.frames.drain(..).filter_map(hold).collect()
    };
    for (seq, wanted) in [(1, vec![]), (2, vec![]), (3, vec![true]), (4, vec![])] {
        host.say_to(TWO, Channel::Ordered, seq, Destination::All, 700);
        assert_eq!(holds(&mut host), wanted, "after message {seq}");
    }
    let kind = Kind::new("k").expect("a name");
    host.publishing.send(&Destination::All, Channel::Ordered, kind, Bytes::new()).expect("there is room");
    assert_eq!(host.publishing.poll(), None, "nor does the host itself say anything");
    host.poll_all(TWO);
    host.poll_all(THREE);
    host.stored(7);
    host.take_all(TWO);
    host.take(THREE, 4);
    host.take(THREE, 5);
    host.work(100);
    assert_eq!(holds(&mut host), [true; 0], "more than a quarter is in use");
    host.take(THREE, 6);
    let end = host.log.end();
    host.work(200);
    assert_eq!(holds(&mut host), [false]);
    assert_eq!(host.log.end(), end.next(), "what the host itself had to say waits no longer either");
}

#[test]
fn what_arrives_late_from_an_earlier_reign_does_not_count() {
    let mut host = Host::new(&config());
    host.say(TWO, Channel::Ordered, 1);
    host.poll_all(THREE);
    let earlier = Epoch { term: 1, round: 0 };
    host.hosting.on_taken(at(1), THREE, earlier, Position(4), ours!(host));
    assert_eq!(host.hosting.followers.get(&THREE).map(Follower::taken), Some(Position(3)));
    host.hosting.on_stored(at(1), TWO, earlier, Position(4), &host.log);
    assert_eq!(host.hosting.stored(TWO), Some(Position(3)));
    host.hosting.on_light_view(at(1), Epoch { term: 2, round: 1 }, &[]);
    host.hosting.stop_replicating(TWO);
    host.hosting.replicate(TWO, None, &host.log, &host.snapshots);
    host.hosting.on_stored(at(1), TWO, EPOCH, Position(4), &host.log);
    assert_eq!(host.hosting.stored(TWO), Some(Position(0)), "it may have forgotten that meanwhile");
}

#[test]
fn a_backup_that_stores_nothing_holds_the_commit_back() {
    let mut host = Host::new(&config());
    host.say(THREE, Channel::Ordered, 1);
    host.work(700);
    let behind = host.hosting.behind(TWO, at(700), &host.log);
    assert_eq!(behind, Behind { time: Duration::from_millis(700), bytes: 67 });
    assert_eq!(host.hosting.committed(), Position(3));
    host.hosting.on_light_view(at(700), EPOCH, &[TWO, THREE]);
    host.stored(4);
    assert_eq!(host.hosting.committed(), Position(3), "player 3 keeps no copy");
    host.hosting.on_light_view(at(700), EPOCH, &[]);
    host.work(700);
    assert_eq!(host.hosting.committed(), Position(4), "a lone host acknowledges itself");
}

#[test]
fn a_lone_host_waits_for_the_backup_that_it_is_about_to_have() {
    let mut host = Host::new(&config());
    host.hosting.on_light_view(at(0), EPOCH, &[]);
    host.say(THREE, Channel::Ordered, 1);
    assert_eq!(host.hosting.committed(), Position(4));
    host.hosting.await_also(&[TWO]);
    host.say(THREE, Channel::Ordered, 2);
    assert_eq!((host.hosting.committed(), host.hosting.stored(TWO)), (Position(4), Some(Position(3))));
    host.stored(4);
    assert!(host.hosting.stored(TWO) >= Some(host.hosting.committed()), "the view can come in force");
    host.hosting.await_also(&[]);
    host.work(0);
    assert_eq!(host.hosting.committed(), Position(5));
}

#[test]
fn a_frozen_host_takes_nothing_more() {
    let mut host = Host::new(&config());
    host.say(THREE, Channel::Ordered, 1);
    assert_eq!(host.hosting.freeze(&host.log), Position(4));
    host.say(THREE, Channel::Ordered, 2);
    host.publishing
        .send(&Destination::All, Channel::Ordered, Kind::new("k").expect("a name"), "own".into())
        .expect("there is room");
    host.members(&[member(ME, true), member(TWO, true)]);
    host.stored(4);
    assert_eq!((host.log.end(), host.hosting.committed()), (Position(4), Position(4)));
    host.publishing.rewind();
    assert!(host.publishing.poll().is_some(), "the next host is told");
}

#[test]
fn a_host_with_nothing_to_do_sleeps() {
    let mut host = Host::new(&config());
    host.say(THREE, Channel::Ordered, 1);
    host.poll_all(TWO);
    host.poll_all(THREE);
    host.take_all(TWO);
    host.take_all(THREE);
    host.stored(4);
    assert_eq!(host.hosting.deadline(&host.snapshots), Some(at(100)));
    host.work(100);
    host.work(200);
    assert_eq!((host.hosting.deadline(&host.snapshots), host.log.cut()), (None, Position(4)));
}
