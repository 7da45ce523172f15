//! The log and its table held to a model that keeps everything and computes everything anew.

use super::*;
use crate::id::Incarnation;
use crate::star::{Channel, Kind, Told};
use bytes::Bytes;
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::BTreeSet;

pub(super) const FIRST: Epoch = Epoch { term: 1, round: 0 };
pub(super) const SECOND: Epoch = Epoch { term: 2, round: 0 };
pub(super) const ROOM: usize = 1 << 20;

fn told(from: u32, channel: Channel, seq: u64, to: Destination) -> Content {
    let kind = Kind::new("k").expect("a name");
    let (from, payload, ruling) = (PlayerId(from), Bytes::from_static(b"pay"), crate::star::Ruling::AsSent);
    Content::Message(Told { from, channel, seq, to, kind, payload, ruling })
}

pub(super) fn ordered(from: u32, seq: u64) -> Content {
    told(from, Channel::Ordered, seq, Destination::All)
}

fn reliable(from: u32, seq: u64) -> Content {
    told(from, Channel::Reliable, seq, Destination::All)
}

fn joined(player: u32, incarnation: u32) -> Content {
    Content::Joined { player: PlayerId(player), incarnation: Incarnation(incarnation), taken: [0; 2] }
}

fn entry(position: u64, epoch: Epoch, content: Content) -> Entry {
    Entry { position: Position(position), epoch, content }
}

/// Two players are there, and each has said one ordered message: four places.
pub(super) fn short() -> Log {
    let mut log = Log::new(FIRST);
    for content in [joined(1, 1), joined(2, 1), ordered(1, 1), ordered(2, 1)] {
        log.append(FIRST, content);
    }
    log
}

fn empty_copy(end: Position) -> Log {
    let copy = Copy { cut: Position(0), end, same: Position(0), table: vec![], spans: vec![] };
    Log::from_copy(&copy, FIRST, Some(reign(1)))
}

pub(super) fn reign(term: u32) -> Reign {
    Reign { host: PlayerId(9), since: FIRST, term }
}

pub(super) fn contents(log: &Log) -> Vec<Content> {
    log.entries().map(|entry| entry.content.clone()).collect()
}

#[test]
fn places_are_given_one_by_one_and_found_again() {
    let log = short();
    assert_eq!((log.cut(), log.end()), (Position(0), Position(4)));
    assert_eq!(log.entry(Position(0)), None);
    assert_eq!(log.entry(Position(4)).map(|entry| entry.position), Some(Position(4)));
    assert_eq!(log.entry(Position(5)), None);
    let after: Vec<u64> = log.after(Position(2)).map(|entry| entry.position.0).collect();
    assert_eq!(after, [3, 4]);
    assert_eq!(log.after(Position(9)).count(), 0);
    assert_eq!(log.log_end(), Some(LogEnd { whole_in: FIRST, end: Position(4) }));
}

#[test]
fn what_was_taken_outlives_the_cut_and_the_copy() {
    let mut log = short();
    log.append(FIRST, reliable(1, 2));
    log.cut_to(Position(4));
    assert_eq!((log.cut(), log.end(), log.entries().count()), (Position(4), Position(5), 1));
    let (copy, _) = log.copy(None);
    let mut other = Log::from_copy(&copy, FIRST, None);
    assert_eq!(other.log_end(), None, "the entries are missing");
    assert!(other.store(entry(5, FIRST, reliable(1, 2)), ROOM));
    assert_eq!(other.log_end(), log.log_end());
    for log in [&log, &other] {
        let taking = |channel, seq| log.table().taking(PlayerId(1), channel, seq);
        assert_eq!(taking(Channel::Ordered, 1), Taking::Known);
        assert_eq!(taking(Channel::Ordered, 2), Taking::New);
        assert_eq!(taking(Channel::Ordered, 3), Taking::Early);
        assert_eq!([1, 2, 3].map(|seq| taking(Channel::Reliable, seq)), [Taking::New, Taking::Known, Taking::New]);
    }
    assert_eq!(log.table().rows(), other.table().rows());
}

#[test]
fn the_cut_never_passes_the_end() {
    let mut log = short();
    log.cut_to(Position(99));
    assert_eq!((log.cut(), log.end(), log.bytes()), (Position(4), Position(4), 0));
    assert_eq!(log.append(FIRST, ordered(1, 2)), Position(5));
}

#[test]
fn a_backup_stores_only_what_is_next() {
    let log = short();
    let mut backup = empty_copy(Position(4));
    let entries: Vec<Entry> = log.entries().cloned().collect();
    for (index, end) in [(3, 0), (1, 0), (0, 2), (0, 2), (3, 2), (2, 4)] {
        assert!(backup.store(entries[index].clone(), ROOM));
        assert_eq!(backup.end(), Position(end), "after entry {index}");
    }
    assert_eq!(contents(&backup), contents(&log));
    assert_eq!(backup.bytes(), log.bytes());
    assert!(!backup.store(entry(9, FIRST, ordered(1, 9)), 10), "there is no room to wait");
    assert_eq!(backup.early().count(), 0);
}

#[test]
fn adopting_fills_gaps_with_nothing_and_goes_on() {
    let mut log = short();
    let beyond = [
        entry(4, FIRST, Content::Void),
        entry(8, FIRST, ordered(2, 2)),
        entry(6, FIRST, ordered(1, 3)),
        entry(7, FIRST, reliable(1, 9)),
        entry(7, FIRST, reliable(1, 9)),
        entry(9, SECOND, ordered(1, 2)),
    ];
    log.adopt(SECOND, beyond);
    // The ordered message in place 6 has lost its predecessor in place 5; what another term says does not count.
    let wanted = [ordered(2, 1), Content::Void, Content::Void, reliable(1, 9), ordered(2, 2)];
    assert_eq!(contents(&log)[3..], wanted);
    assert_eq!(log.voids(), [Position(5), Position(6)]);
    assert_eq!(log.spans(), [Span { epoch: FIRST, end: Position(8) }]);
    assert_eq!(log.log_end(), Some(LogEnd { whole_in: SECOND, end: Position(8) }));
    assert_eq!(log.table().taking(PlayerId(1), Channel::Ordered, 2), Taking::New);
    assert_eq!(log.table().taking(PlayerId(1), Channel::Ordered, 3), Taking::Early);
}

#[test]
fn what_is_said_twice_in_promises_counts_once() {
    let mut log = short();
    log.adopt(SECOND, [entry(5, FIRST, reliable(1, 1)), entry(6, FIRST, reliable(1, 1))]);
    assert_eq!(contents(&log)[4..], [reliable(1, 1), Content::Void]);
}

#[test]
fn a_promise_from_nowhere_does_not_blow_up_the_log() {
    let mut log = short();
    log.adopt(SECOND, [entry(u64::MAX, FIRST, ordered(1, 2)), entry(4 + BEYOND + 1, FIRST, ordered(1, 2))]);
    assert_eq!(log.end(), Position(4));
}

#[test]
fn the_term_counts_for_more_than_the_length() {
    let (mut long, mut short) = (short(), short());
    long.append(FIRST, ordered(1, 2));
    short.adopt(SECOND, []);
    assert!(short.log_end() > long.log_end());
}

#[test]
fn a_copy_goes_on_behind_what_is_the_same() {
    let mut host = short();
    host.adopt(SECOND, [entry(5, FIRST, ordered(1, 2))]);
    let mut backup = short();
    backup.cut_to(Position(2));
    let (copy, from) = host.copy(backup.log_end());
    assert_eq!(from, Position(4));
    backup.renew(&copy, SECOND, reign(2));
    let was = Some(LogEnd { whole_in: FIRST, end: Position(4) });
    assert_eq!((backup.log_end(), backup.stored()), (was, None), "it is still what it was");
    for entry in host.after(from) {
        backup.store(entry.clone(), ROOM);
    }
    assert_eq!((backup.log_end(), backup.stored()), (host.log_end(), Some(Position(5))));
    assert_eq!((backup.cut(), backup.spans()), (Position(2), host.spans()));
    assert_eq!(backup.table().rows(), host.table().rows());
}

#[test]
fn only_what_was_adopted_is_known_to_be_the_same() {
    let mut host = short();
    host.adopt(SECOND, [entry(6, FIRST, reliable(1, 1))]);
    // What stands in place 5 of the longer log is void in the host's.
    let mut longer = short();
    longer.append(FIRST, ordered(2, 2));
    let (copy, from) = host.copy(longer.log_end());
    assert_eq!((from, copy.same), (Position(0), Position(0)));
    longer.renew(&copy, SECOND, reign(2));
    for entry in host.after(from) {
        longer.store(entry.clone(), ROOM);
    }
    assert_eq!(contents(&longer), contents(&host));
}

#[test]
fn what_was_there_before_counts_until_a_copy_is_whole() {
    let mut host = short();
    host.adopt(SECOND, []);
    host.append(SECOND, ordered(1, 2));
    let third = Epoch { term: 3, round: 0 };
    host.adopt(third, []);
    let mut stale = short();
    stale.append(FIRST, ordered(2, 2));
    let was = (stale.log_end(), contents(&stale));
    let (copy, from) = host.copy(stale.log_end());
    assert_eq!(from, Position(0));
    stale.renew(&copy, third, reign(3));
    stale.store(host.entry(Position(1)).cloned().expect("it is there"), ROOM);
    assert_eq!((stale.log_end(), stale.stored(), stale.end()), (was.0, None, Position(1)));
    let mut given_up = stale.clone();
    given_up.restore();
    assert_eq!((given_up.log_end(), contents(&given_up)), was);
    for entry in host.after(Position(0)) {
        stale.store(entry.clone(), ROOM);
    }
    assert_eq!((stale.log_end(), contents(&stale)), (host.log_end(), contents(&host)));
    stale.restore();
    assert_eq!(stale.log_end(), host.log_end(), "nothing is left of it");
}

#[test]
fn a_second_copy_of_the_same_host_takes_nothing_away() {
    let host = short();
    let (copy, _) = host.copy(None);
    let mut backup = Log::from_copy(&copy, FIRST, Some(reign(1)));
    for entry in host.entries().take(2) {
        backup.store(entry.clone(), ROOM);
    }
    backup.renew(&copy, FIRST, reign(1));
    assert_eq!((backup.end(), backup.log_end()), (Position(2), None));
    for entry in host.entries() {
        backup.store(entry.clone(), ROOM);
    }
    assert_eq!(backup.log_end(), host.log_end());
    let light = Epoch { term: 1, round: 1 };
    backup.renew(&copy, light, reign(1));
    assert_eq!(backup.log_end(), Some(LogEnd { whole_in: light, end: Position(4) }));
    let another_line = Reign { since: SECOND, ..reign(1) };
    backup.renew(&copy, light, another_line);
    assert_eq!(backup.end(), Position(0), "another line may say something else in the same places");
}

#[test]
fn a_view_that_comes_in_force_while_a_copy_is_going_on_counts_when_that_is_whole() {
    let host = short();
    let mut backup = Log::from_copy(&host.copy(None).0, FIRST, Some(reign(1)));
    let light = Epoch { term: 1, round: 1 };
    backup.set_whole_in(light);
    assert_eq!(backup.log_end(), None);
    for entry in host.entries() {
        backup.store(entry.clone(), ROOM);
    }
    assert_eq!(backup.log_end(), Some(LogEnd { whole_in: light, end: Position(4) }));
    backup.set_whole_in(FIRST);
    assert_eq!(backup.log_end().map(|end| end.whole_in), Some(light), "it never goes back");
}

#[test]
fn numbers_begin_anew_with_another_memory_only() {
    let mut log = short();
    log.append(FIRST, Content::Left { player: PlayerId(1) });
    log.append(FIRST, joined(1, 1));
    assert_eq!(log.table().taking(PlayerId(1), Channel::Ordered, 1), Taking::Known);
    log.append(FIRST, joined(1, 2));
    assert_eq!(log.table().taking(PlayerId(1), Channel::Ordered, 1), Taking::New);
    let earlier = Content::Joined { player: PlayerId(3), incarnation: Incarnation(1), taken: [7, 9] };
    log.append(FIRST, earlier);
    assert_eq!(log.table().taking(PlayerId(3), Channel::Ordered, 9), Taking::Known);
    assert_eq!(log.table().taking(PlayerId(3), Channel::Ordered, 10), Taking::New);
    assert_eq!(log.table().taking(PlayerId(4), Channel::Ordered, 1), Taking::Early, "nobody knows it");
}

#[test]
fn whom_a_message_is_for() {
    let is_meant =
        |to: Destination, player: u32| is_meant(&told(1, Channel::Ordered, 1, to), PlayerId(player), PlayerId(3));
    let for_whom = |to: Destination| [1, 2, 3].map(|player| is_meant(to.clone(), player));
    assert_eq!(for_whom(Destination::All), [true, true, true]);
    assert_eq!(for_whom(Destination::Others), [false, true, true]);
    assert_eq!(for_whom(Destination::Host), [false, false, true]);
    assert_eq!(for_whom(Destination::One(PlayerId(2))), [false, true, false]);
    assert_eq!(for_whom(Destination::AllBut(vec![PlayerId(2)])), [true, false, true]);
    assert!(!super::is_meant(&joined(1, 1), PlayerId(1), PlayerId(3)));
}

/// What may happen to a log and its backup.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody says something, perhaps again or too early.
    Say {
        from: u32,
        is_ordered: bool,
        seq: u64,
    },
    Join {
        player: u32,
        incarnation: u32,
    },
    Leave {
        player: u32,
    },
    /// The backup gets an entry, perhaps again or too early.
    Tell(usize),
    CutHost(u64),
    CutBackup(u64),
    /// A new backup takes the place of the old one.
    Renew,
    /// The backup becomes host with what a member has of the rest; a backup follows it.
    TakeOver {
        keeps: u64,
    },
}

impl Arbitrary for Step {
    fn arbitrary(g: &mut Gen) -> Self {
        let (player, small) = (u32::from(u8::arbitrary(g) % 3 + 1), u64::from(u8::arbitrary(g) % 12));
        match u8::arbitrary(g) % 20 {
            0..=7 => Step::Say { from: player, is_ordered: bool::arbitrary(g), seq: small % 6 + 1 },
            8..=9 => Step::Join { player, incarnation: u32::from(u8::arbitrary(g) % 2 + 1) },
            10 => Step::Leave { player },
            11..=15 => Step::Tell(usize::from(u8::arbitrary(g))),
            16 => Step::CutHost(small),
            17 => Step::CutBackup(small),
            18 => Step::Renew,
            _ => Step::TakeOver { keeps: u64::arbitrary(g) },
        }
    }
}

/// Everything that ever was in the log.
#[derive(Default)]
struct Model(Vec<Entry>);

impl Model {
    /// What was taken of a player in its present life: computed from all that was ever said.
    fn taken(&self, player: u32, is_ordered: bool) -> Option<BTreeSet<u64>> {
        let mut found: Option<(Incarnation, BTreeSet<u64>)> = None;
        for entry in &self.0 {
            match &entry.content {
                Content::Joined { player: who, incarnation, .. } if who.0 == player => match &found {
                    Some((known, _)) if known == incarnation => {}
                    _ => found = Some((*incarnation, BTreeSet::new())),
                },
                Content::Message(told) if told.from.0 == player && (told.channel == Channel::Ordered) == is_ordered => {
                    found.as_mut().expect("only who is known says something").1.insert(told.seq);
                }
                _ => {}
            }
        }
        found.map(|(_, taken)| taken)
    }

    fn taking(&self, player: u32, is_ordered: bool, seq: u64) -> Taking {
        match self.taken(player, is_ordered) {
            None => Taking::Early,
            Some(taken) if taken.contains(&seq) => Taking::Known,
            Some(taken) if is_ordered && seq != taken.len() as u64 + 1 => Taking::Early,
            Some(_) => Taking::New,
        }
    }

    fn push(&mut self, epoch: Epoch, content: Content) {
        self.0.push(Entry { position: Position(self.0.len() as u64 + 1), epoch, content });
    }

    fn agrees(&self, log: &Log) -> bool {
        let known = &self.0[log.cut().0 as usize..log.end().0 as usize];
        let bytes: usize = known.iter().map(bytes_of).sum();
        known.iter().eq(log.entries()) && (log.early().count() > 0 || log.former.is_some() || bytes == log.bytes())
    }

    fn agrees_whole(&self, log: &Log) -> bool {
        let all = (1..=3).flat_map(|player| [false, true].map(|is_ordered| (player, is_ordered)));
        let mut all = all.flat_map(|(player, is_ordered)| (1..=7).map(move |seq| (player, is_ordered, seq)));
        let channel = |is_ordered| if is_ordered { Channel::Ordered } else { Channel::Reliable };
        log.end().0 == self.0.len() as u64
            && self.agrees(log)
            && all.all(|(player, is_ordered, seq)| {
                log.table().taking(PlayerId(player), channel(is_ordered), seq) == self.taking(player, is_ordered, seq)
            })
    }
}

struct Pair {
    epoch: Epoch,
    host: Log,
    backup: Log,
    model: Model,
}

impl Pair {
    fn append(&mut self, content: Content) {
        self.host.append(self.epoch, content.clone());
        self.model.push(self.epoch, content);
    }

    fn tell_all(&mut self) {
        for entry in self.host.after(self.backup.end()) {
            self.backup.store(entry.clone(), ROOM);
        }
    }

    /// The backup holds less than the host; of what is beyond, a member has some places.
    fn take_over(&mut self, keeps: u64) {
        self.backup.restore();
        let before = self.backup.clone();
        let end = before.end();
        let reigned = before.log_end().expect("what is restored is whole").whole_in;
        let counts = |entry: &&Entry| entry.epoch.term == reigned.term && entry.content != Content::Void;
        let has = |entry: &&Entry| counts(entry) && keeps >> (entry.position.0 % 64) & 1 == 1;
        let early: Vec<Entry> = self.backup.early().filter(counts).cloned().collect();
        let mut beyond: Vec<Entry> = self.host.after(end).filter(has).cloned().collect();
        let next = Epoch { term: self.epoch.term + 1, round: 0 };
        self.backup.adopt(next, beyond.iter().rev().cloned());
        beyond.extend(early);
        self.model.0.truncate(end.0 as usize);
        let last = beyond.iter().map(|entry| entry.position.0).max().unwrap_or(0);
        for position in end.0 + 1..=last {
            let found = beyond.iter().find(|entry| entry.position.0 == position).map(|entry| entry.content.clone());
            let content = found.filter(|content| match content {
                Content::Message(told) => {
                    self.model.taking(told.from.0, told.channel == Channel::Ordered, told.seq) == Taking::New
                }
                _ => true,
            });
            self.model.push(reigned, content.unwrap_or(Content::Void));
        }
        self.epoch = next;
        self.host = core::mem::replace(&mut self.backup, before);
        let (copy, _) = self.host.copy(self.backup.log_end());
        self.backup.renew(&copy, next, reign(next.term));
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Say { from, is_ordered, seq } => {
                let channel = if is_ordered { Channel::Ordered } else { Channel::Reliable };
                let taking = self.host.table().taking(PlayerId(from), channel, seq);
                assert_eq!(taking, self.model.taking(from, is_ordered, seq));
                if taking == Taking::New {
                    self.append(told(from, channel, seq, Destination::All));
                }
            }
            Step::Join { player, incarnation } => self.append(joined(player, incarnation)),
            Step::Leave { player } => self.append(Content::Left { player: PlayerId(player) }),
            Step::Tell(index) => {
                let count = self.host.entries().count();
                if let Some(entry) = self.host.entries().nth(index % count.max(1)).cloned() {
                    assert!(self.backup.store(entry, ROOM));
                }
            }
            Step::CutHost(by) => self.host.cut_to(Position((self.host.cut().0 + by).min(self.backup.end().0))),
            Step::CutBackup(by) => self.backup.cut_to(Position(self.backup.cut().0 + by)),
            Step::Renew => {
                let (copy, _) = self.host.copy(None);
                self.backup = Log::from_copy(&copy, self.epoch, Some(reign(self.epoch.term)));
            }
            Step::TakeOver { keeps } => {
                if self.backup.log_end().is_some() {
                    self.take_over(keeps);
                }
            }
        }
    }
}

#[test]
fn a_log_and_its_backup_agree_with_the_model() {
    fn agree(steps: Vec<Step>) -> bool {
        let (copy, _) = Log::new(FIRST).copy(None);
        let backup = Log::from_copy(&copy, FIRST, Some(reign(1)));
        let mut pair = Pair { epoch: FIRST, host: Log::new(FIRST), backup, model: Model::default() };
        for step in steps {
            pair.step(&step);
            if !pair.model.agrees_whole(&pair.host) || !pair.model.agrees(&pair.backup) {
                return false;
            }
        }
        pair.tell_all();
        pair.model.agrees_whole(&pair.backup) && pair.backup.table().rows() == pair.host.table().rows()
    }
    quickcheck(agree as fn(Vec<Step>) -> bool);
}
