//! What a player is delivered, when, and what it tells a new host.

use super::*;
use crate::star::{Destination, Frame, Kind};
use bytes::Bytes;

const FIRST: Epoch = Epoch { term: 1, round: 0 };
const SECOND: Epoch = Epoch { term: 2, round: 0 };

fn told(channel: Channel, seq: u64, to: Destination) -> Content {
    let kind = Kind::new("k").expect("a name");
    let (from, payload, ruling) = (PlayerId(1), Bytes::from_static(b"pay"), Ruling::AsSent);
    Content::Message(Told { from, channel, seq, to, kind, payload, ruling })
}

/// A view that knows of no former term.
fn nothing(epoch: Epoch) -> Adopted<'static> {
    Adopted { epoch, spans: &[], voids: &[] }
}

fn first(position: u64) -> Beginning {
    Beginning { position: Position(position), epoch: FIRST }
}

/// A player whose history has begun at zero, and what it was told.
struct Player {
    following: Following,
    events: VecDeque<Event>,
}

impl Player {
    fn new() -> Self {
        let mut player = Player { following: Following::new(&StarConfig::default()), events: VecDeque::new() };
        player.start(0);
        assert_eq!(player.events.pop_front(), Some(Event::Started(Snapshot { position: Position(0), state: None })));
        player
    }

    fn start(&mut self, position: u64) {
        let none = Snapshots::new(&StarConfig::default());
        assert!(self.following.on_start(first(position), 0, &none, None, &mut self.events), "the host is told");
    }

    fn ordered(&mut self, positions: &[u64]) {
        for position in positions {
            self.entry(*position, FIRST, Channel::Ordered);
        }
    }

    fn reliable(&mut self, positions: &[u64]) {
        for position in positions {
            self.entry(*position, FIRST, Channel::Reliable);
        }
    }

    fn entry(&mut self, position: u64, epoch: Epoch, channel: Channel) {
        let content = told(channel, position, Destination::All);
        self.following.on_entry(Entry { position: Position(position), epoch, content }, &mut self.events);
    }

    fn mark(&mut self, committed: u64, settled: u64) {
        let (committed, settled) = (Position(committed), Position(settled));
        self.following.on_mark(&Mark { committed, settled, ..Mark::default() }, &mut self.events);
    }

    fn activate(&mut self, end: u64, voids: &[u64]) -> bool {
        let voids: Vec<Position> = voids.iter().copied().map(Position).collect();
        let spans = [Span { epoch: FIRST, end: Position(end) }];
        self.following.on_activate(Adopted { epoch: SECOND, spans: &spans, voids: &voids })
    }

    /// The places of what was delivered since it was asked last.
    fn delivered(&mut self) -> Vec<u64> {
        let place = |event: Event| match event {
            Event::Message(message) => message.position.0,
            other => panic!("{other:?}"),
        };
        self.events.drain(..).map(place).collect()
    }

    fn held(&self) -> (u64, Vec<u64>) {
        let have = self.following.have([0; 2]);
        (have.settled.0, have.held.iter().map(|position| position.0).collect())
    }
}

#[test]
fn ordered_waits_for_the_commit_and_reliable_does_not() {
    let mut player = Player::new();
    player.ordered(&[1, 3, 4]);
    assert_eq!(player.delivered(), [0_u64; 0]);
    player.reliable(&[5, 2]);
    assert_eq!(player.delivered(), [5, 2]);
    player.mark(3, 0);
    assert_eq!(player.delivered(), [1, 3]);
    player.mark(9, 0);
    assert_eq!(player.delivered(), [4]);
    player.ordered(&[6]);
    assert_eq!(player.delivered(), [6], "its commit is known already");
}

#[test]
fn the_configuration_says_what_is_safe() {
    let config = StarConfig { safe_ordered: false, safe_reliable: true, ..StarConfig::default() };
    let mut player = Player { following: Following::new(&config), events: VecDeque::new() };
    player.start(0);
    player.events.clear();
    player.ordered(&[1]);
    player.reliable(&[2]);
    assert_eq!(player.delivered(), [1]);
    player.mark(2, 0);
    assert_eq!(player.delivered(), [2]);
}

#[test]
fn nothing_is_delivered_twice() {
    let mut player = Player::new();
    player.reliable(&[2, 2, 3]);
    player.ordered(&[4, 4]);
    player.mark(4, 0);
    assert_eq!(player.delivered(), [2, 3, 4]);
    player.reliable(&[2, 3]);
    player.ordered(&[4, 1]);
    player.mark(4, 4);
    assert_eq!(player.held(), (4, vec![]));
    player.reliable(&[2, 3]);
    player.ordered(&[4]);
    assert_eq!(player.delivered(), [0_u64; 0]);
    assert_eq!(player.following.bytes(), 0);
}

#[test]
fn what_is_held_is_forgotten_up_to_what_is_settled_and_delivered() {
    let mut player = Player::new();
    player.ordered(&[1, 2, 3]);
    player.reliable(&[5]);
    player.mark(2, 3);
    assert_eq!(player.held(), (2, vec![3, 5]), "what is in place 3 was not delivered");
    player.mark(1, 1);
    assert_eq!(player.held(), (2, vec![3, 5]), "an older mark");
    player.mark(5, 4);
    assert_eq!(player.held(), (4, vec![5]));
}

#[test]
fn promises_bring_what_a_crash_may_take_back() {
    let mut player = Player::new();
    player.reliable(&[1, 4]);
    player.ordered(&[2, 3]);
    player.mark(2, 0);
    let beyond = player.following.beyond_committed();
    assert_eq!(
        beyond.iter().map(|entry| (entry.position.0, entry.epoch)).collect::<Vec<_>>(),
        [(3, FIRST), (4, FIRST)]
    );
    assert_eq!(beyond[1].content, told(Channel::Reliable, 4, Destination::All));
    player.following.room = 1;
    assert_eq!(player.following.beyond_committed().len(), 1, "one in any case");
}

#[test]
fn what_a_new_log_does_not_have_is_not_delivered() {
    let mut player = Player::new();
    player.ordered(&[1, 2, 3, 4, 5]);
    player.mark(1, 0);
    assert_eq!(player.delivered(), [1]);
    assert!(!player.activate(4, &[3]));
    assert_eq!(player.held(), (0, vec![1, 2, 4]));
    player.mark(5, 0);
    assert_eq!(player.delivered(), [2, 4]);
    player.entry(5, SECOND, Channel::Ordered);
    assert_eq!(player.delivered(), [5]);
}

#[test]
fn who_has_delivered_what_a_new_log_does_not_have_begins_anew() {
    for (end, voids) in [(4, &[][..]), (5, &[5])] {
        let mut player = Player::new();
        player.ordered(&[1]);
        player.reliable(&[5]);
        player.mark(1, 0);
        assert_eq!(player.delivered(), [5, 1]);
        assert!(player.activate(end, voids), "{end} {voids:?}");
        assert!(player.following.have([0; 2]).wants_snapshot);
        player.entry(6, SECOND, Channel::Reliable);
        player.entry(7, SECOND, Channel::Reliable);
        assert_eq!(player.delivered(), [0_u64; 0], "not before it is told where it begins");
        player.start(6);
        assert_eq!(player.events.pop_front(), Some(Event::Resynced(Snapshot { position: Position(6), state: None })));
        assert_eq!(player.delivered(), [7]);
    }
}

/// The next host gives that place out again, and may tell the player to begin there: it must not believe that it has.
#[test]
fn who_has_begun_at_a_place_that_a_crash_takes_back_begins_anew() {
    let begin_at_seven = || {
        let mut player = Player::new();
        player.start(7);
        assert_eq!(player.events.pop_front(), Some(Event::Resynced(Snapshot { position: Position(7), state: None })));
        player
    };
    let mut player = begin_at_seven();
    assert!(player.activate(5, &[]), "the log of the term in which it was told so ends at five");
    assert!(player.following.have([0; 2]).wants_snapshot);
    player.start(7);
    assert_eq!(player.events.pop_front(), Some(Event::Resynced(Snapshot { position: Position(7), state: None })));
    assert!(begin_at_seven().activate(9, &[7]), "nothing stands there");
    assert!(!begin_at_seven().activate(9, &[]), "what it was told stands");
    let mut player = begin_at_seven();
    player.mark(7, 0);
    assert!(!player.activate(5, &[]), "what is committed needs no span");
}

#[test]
fn what_is_committed_needs_no_span() {
    let mut player = Player::new();
    player.reliable(&[1, 2]);
    player.mark(2, 0);
    assert!(!player.following.on_activate(nothing(SECOND)));
    player.reliable(&[3]);
    assert!(player.following.on_activate(nothing(SECOND)), "the spans do not go back so far");
}

#[test]
fn a_light_view_takes_nothing_back() {
    let mut player = Player::new();
    player.reliable(&[1, 2]);
    assert!(!player.following.on_activate(nothing(Epoch { term: 1, round: 1 })));
}

#[test]
fn what_a_host_did_not_hear_is_left_to_the_next() {
    let mut player = Player::new();
    for (position, to) in [(1, Destination::Host), (2, Destination::All)] {
        let content = told(Channel::Ordered, position, to);
        player.following.on_entry(Entry { position: Position(position), epoch: FIRST, content }, &mut player.events);
    }
    assert!(!player.activate(2, &[]));
    player.mark(2, 0);
    assert_eq!(player.delivered(), [2]);
}

#[test]
fn a_history_begins_with_its_snapshot_and_goes_on_one_after_it() {
    let kept = crate::star::snapshots::Kept::new(Position(3), "state".into());
    let Some(Frame::Snapshot { position, size, hash, offset, piece, .. }) = kept.piece(FIRST, 0) else { panic!() };
    let mut snapshots = Snapshots::new(&StarConfig::default());
    let mut player = Player { following: Following::new(&StarConfig::default()), events: VecDeque::new() };
    player.reliable(&[2, 3, 4, 5]);
    assert!(!player.following.on_start(first(3), 5, &snapshots, None, &mut player.events));
    player.mark(9, 9);
    assert_eq!((player.delivered(), player.following.is_running()), (vec![], false));
    let piece = crate::star::snapshots::Piece { position, size, hash, offset, bytes: piece };
    assert!(snapshots.on_piece(&piece) && player.following.on_snapshot(&snapshots, None, &mut player.events));
    let begins = Snapshot { position: Position(3), state: Some("state".into()) };
    assert_eq!(player.events.pop_front(), Some(Event::Started(begins)));
    assert_eq!(player.delivered(), [4, 5]);
    assert!(!player.following.on_snapshot(&snapshots, None, &mut player.events), "once");
}

#[test]
fn a_later_snapshot_does_as_well() {
    let mut snapshots = Snapshots::new(&StarConfig::default());
    for place in [3, 5] {
        let kept = crate::star::snapshots::Kept::new(Position(place), "state".into());
        let Some(Frame::Snapshot { position, size, hash, offset, piece, .. }) = kept.piece(FIRST, 0) else { panic!() };
        assert!(snapshots.on_piece(&crate::star::snapshots::Piece { position, size, hash, offset, bytes: piece }));
    }
    let mut player = Player { following: Following::new(&StarConfig::default()), events: VecDeque::new() };
    player.reliable(&[4, 6]);
    for _ in 0..2 {
        assert!(player.following.on_start(first(3), 5, &snapshots, None, &mut player.events));
    }
    let begins = Snapshot { position: Position(5), state: Some("state".into()) };
    assert_eq!(player.events.pop_front(), Some(Event::Started(begins)));
    assert_eq!((player.delivered(), player.held()), (vec![6], (5, vec![6])));
}

#[test]
fn a_running_history_that_begins_anew_forgets_what_it_held() {
    let mut player = Player::new();
    player.ordered(&[5, 6]);
    player.start(5);
    assert_eq!(player.events.pop_front(), Some(Event::Resynced(Snapshot { position: Position(5), state: None })));
    assert_eq!(player.held(), (5, vec![]), "what is behind is given once more");
    player.ordered(&[6]);
    player.start(5);
    assert_eq!(player.delivered(), [0_u64; 0], "it is told twice");
    player.mark(6, 5);
    assert_eq!(player.delivered(), [6]);
}

#[test]
fn a_game_that_is_to_be_asked_gets_nothing_beyond() {
    let mut player = Player::new();
    player.ordered(&[1, 2]);
    player.following.stop_at(Position(2));
    player.reliable(&[3]);
    player.mark(1, 0);
    assert_eq!((player.delivered(), player.following.is_delivered_to(Position(2))), (vec![1], false));
    player.mark(3, 3);
    assert_eq!((player.delivered(), player.following.is_delivered_to(Position(2))), (vec![2], true));
    assert_eq!(player.held(), (2, vec![3]));
    player.following.go_on(&mut player.events);
    assert_eq!(player.delivered(), [3]);
}

#[test]
fn another_line_knows_nothing() {
    let mut player = Player::new();
    player.reliable(&[1]);
    player.mark(1, 1);
    player.following.forget();
    assert_eq!(player.following.committed(), Position(0));
    let wanted = Beyond { wants_snapshot: true, acked: [3, 4], ..Beyond::default() };
    assert_eq!(player.following.have([3, 4]), wanted);
}

#[test]
fn a_place_that_came_to_nothing_does_not_stand_in_the_way_of_what_stands_there() {
    let third = Epoch { term: 3, round: 0 };
    let spans = [Span { epoch: FIRST, end: Position(2) }, Span { epoch: SECOND, end: Position(4) }];
    let entry = |place: u64, epoch: Epoch| Entry {
        position: Position(place),
        epoch,
        content: told(Channel::Ordered, place, Destination::All),
    };
    for withheld in [
        vec![entry(3, FIRST), entry(3, SECOND), entry(4, SECOND)],
        vec![entry(4, SECOND), entry(3, SECOND), entry(3, FIRST)],
    ] {
        let mut player = Player::new();
        player.ordered(&[1, 2]);
        let adopted = Adopted { epoch: third, spans: &spans, voids: &[] };
        assert!(!player.following.on_activate(adopted));
        player.following.take_withheld(withheld, adopted);
        player.following.go_on(&mut player.events);
        player.mark(4, 0);
        assert_eq!(player.delivered(), [1, 2, 3, 4]);
    }
}

#[test]
fn who_is_cut_off_takes_nothing_until_it_is_told_where_to_begin_or_another_host_hears_what_it_has() {
    let mut player = Player::new();
    player.ordered(&[1]);
    player.following.cut_off();
    player.ordered(&[3]);
    player.mark(3, 0);
    assert_eq!(player.following.have([0; 2]).held, [Position(1)], "3 would be delivered without 2");
    player.start(4);
    player.ordered(&[5]);
    assert_eq!(player.following.have([0; 2]).held, [Position(5)]);
    player.following.cut_off();
    player.start(4);
    player.ordered(&[6]);
    assert_eq!(player.following.have([0; 2]).held, [Position(5), Position(6)], "it begins where it began");
    player.following.cut_off();
    assert!(!player.activate(6, &[]));
    player.ordered(&[7]);
    assert_eq!(player.following.have([0; 2]).held.last(), Some(&Position(7)), "another host gives what it has not got");
}
