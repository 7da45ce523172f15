//! Every checker can fail: a story that is well, and the same story with one thing broken.

use super::{Checks, Fact, Game, Id, Item, Life, Standing, Why};
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::star::{Channel, Destination, Position, Role};
use webstar_core::wire::signal::Epoch;

const ONE: Epoch = Epoch { term: 1, round: 0 };
const TWO: Epoch = Epoch { term: 2, round: 0 };
const FORCED: Epoch = Epoch { term: 3, round: 70_000 };

fn life(player: u32) -> Life {
    Life { player: PlayerId(player), incarnation: Incarnation(0) }
}

fn ordered(seq: u64) -> Id {
    Id { by: life(1), channel: Channel::Ordered, seq }
}

fn reliable(seq: u64) -> Id {
    Id { by: life(1), channel: Channel::Reliable, seq }
}

fn sent(id: Id) -> Fact {
    Fact::Sent { id, to: Destination::All }
}

fn delivered(by: u32, epoch: Epoch, id: Id, position: u64) -> Fact {
    Fact::Delivered { by: life(by), epoch, since: ONE, stood: false, id, position: Position(position) }
}

fn committed(epoch: Epoch, position: u64, item: Item) -> Fact {
    Fact::Committed { by: life(1), since: ONE, epoch, position: Position(position), item, absent: Vec::new() }
}

fn began(by: u32, why: Why, position: u64) -> Fact {
    Fact::Began { by: life(by), why, since: ONE, position: Position(position), game: None }
}

/// The verdict on a story.
fn verdict(story: &[Fact]) -> Result<(), String> {
    let mut checks = Checks::new([false, true]);
    story.iter().try_for_each(|fact| checks.on(fact))
}

#[track_caller]
fn is_broken(name: &str, story: &[Fact]) {
    let (last, before) = story.split_last().expect("a story has an end");
    assert_eq!(verdict(before), Ok(()), "the story is well before its last fact");
    let found = verdict(&[before, std::slice::from_ref(last)].concat()).expect_err("the last fact breaks a promise");
    assert!(found.starts_with(&format!("{name} ")), "{found}");
}

#[test]
fn a_good_story_breaks_nothing() {
    let game = |ids: &[Id]| {
        let mut game = Game::default();
        ids.iter().for_each(|id| game.hear(*id));
        game
    };
    let story = [
        began(1, Why::Started, 0),
        began(2, Why::Started, 0),
        sent(ordered(1)),
        sent(ordered(2)),
        sent(reliable(1)),
        Fact::Appended { by: life(1), epoch: ONE, position: Position(1) },
        Fact::Marked { by: life(1), epoch: ONE },
        committed(ONE, 1, Item::Message(ordered(1))),
        Fact::Acked { id: ordered(1), since: ONE, is_alone: false },
        delivered(1, ONE, ordered(1), 1),
        delivered(2, ONE, reliable(1), 2),
        delivered(2, ONE, ordered(1), 1),
        Fact::Promised { by: life(2), epoch: TWO, bars: true },
        committed(ONE, 2, Item::Message(reliable(1))),
        Fact::Hosting {
            by: life(2),
            since: ONE,
            epoch: TWO,
            cut: Position(1),
            items: vec![(Position(2), Item::Message(reliable(1)))],
        },
        Fact::Appended { by: life(2), epoch: TWO, position: Position(3) },
        committed(TWO, 3, Item::Message(ordered(2))),
        delivered(2, TWO, ordered(2), 3),
        delivered(1, TWO, reliable(1), 2),
        delivered(1, TWO, ordered(2), 3),
        Fact::Began {
            by: life(3),
            why: Why::Started,
            since: ONE,
            position: Position(2),
            game: Some(game(&[ordered(1), reliable(1)])),
        },
        delivered(3, TWO, ordered(2), 3),
        Fact::ContinuityLost { by: life(1), since: FORCED },
        Fact::Delivered {
            by: life(1),
            epoch: FORCED,
            since: FORCED,
            stood: false,
            id: ordered(2),
            position: Position(2),
        },
    ];
    assert_eq!(verdict(&story), Ok(()));
}

#[test]
fn two_sequencers_of_one_epoch_are_seen() {
    let one = Fact::Appended { by: life(1), epoch: ONE, position: Position(1) };
    is_broken("S1", &[one.clone(), Fact::Appended { by: life(2), epoch: ONE, position: Position(1) }]);
    is_broken("S1", &[one.clone(), one.clone()]);
    is_broken("S1", &[one, Fact::Marked { by: life(2), epoch: ONE }]);
}

#[test]
fn what_is_older_than_a_promise_is_seen() {
    let promised = Fact::Promised { by: life(2), epoch: TWO, bars: true };
    let begin = [sent(ordered(1)), promised];
    let after = |fact: Fact| [&begin[..], &[fact]].concat();
    is_broken("S2", &after(Fact::Handed { by: life(2), epoch: ONE }));
    is_broken("S2", &after(Fact::Marked { by: life(2), epoch: ONE }));
    is_broken("S2", &after(Fact::Stored { by: life(2), epoch: ONE }));
    is_broken("S2", &after(delivered(2, ONE, ordered(1), 1)));
    let barred =
        Fact::Delivered { by: life(2), epoch: ONE, since: ONE, stood: true, id: ordered(1), position: Position(1) };
    is_broken("S2", &[sent(ordered(1)), barred]);
}

#[test]
fn disorder_is_seen() {
    let begin =
        [sent(ordered(1)), sent(ordered(2)), sent(ordered(3)), sent(reliable(1)), delivered(2, ONE, ordered(1), 1)];
    let after = |facts: &[Fact]| [&begin[..], facts].concat();
    is_broken("S3", &after(&[delivered(2, ONE, ordered(3), 3)]));
    is_broken("S3", &after(&[delivered(2, ONE, ordered(2), 2), delivered(2, ONE, ordered(1), 3)]));
    is_broken("S3", &after(&[delivered(2, ONE, reliable(1), 2), delivered(2, ONE, reliable(1), 4)]));
    is_broken("S3", &after(&[delivered(3, ONE, ordered(2), 1)]));
    is_broken("S3", &after(&[delivered(2, ONE, ordered(9), 2)]));
    is_broken("S3", &after(&[began(3, Why::Started, 4), delivered(3, ONE, ordered(2), 2)]));
    let private = Fact::Sent { id: ordered(2), to: Destination::One(PlayerId(3)) };
    is_broken("S3", &[private, delivered(2, ONE, ordered(2), 1)]);
}

#[test]
fn a_hole_that_was_acknowledged_before_the_line_ended_is_none() {
    let story = [
        sent(ordered(1)),
        sent(ordered(2)),
        sent(ordered(3)),
        committed(ONE, 1, Item::Message(ordered(1))),
        committed(ONE, 2, Item::Message(ordered(2))),
        Fact::Acked { id: ordered(2), since: ONE, is_alone: false },
        delivered(2, ONE, ordered(1), 1),
        Fact::ContinuityLost { by: life(1), since: FORCED },
        delivered(2, ONE, ordered(3), 3),
    ];
    let orders = |story: &[Fact]| verdict(story).err().is_none_or(|what| !what.starts_with("S3"));
    assert!(orders(&story));
}

#[test]
fn lost_acknowledgements_are_seen() {
    is_broken("S5", &[sent(ordered(1)), Fact::Acked { id: ordered(1), since: ONE, is_alone: false }]);
    let absent = vec![PlayerId(2)];
    let item = Item::Message(ordered(1));
    let early = Fact::Committed { by: life(1), since: ONE, epoch: ONE, position: Position(1), item, absent };
    is_broken("S5", &[early]);
    let hosting =
        |items: Vec<(Position, Item)>| Fact::Hosting { by: life(2), since: ONE, epoch: TWO, cut: Position(0), items };
    is_broken("S5", &[committed(ONE, 1, item), hosting(Vec::new())]);
    is_broken("S5", &[committed(ONE, 1, item), hosting(vec![(Position(1), Item::Void)])]);
}

#[test]
fn strays_that_go_on_are_seen() {
    let begin = [sent(reliable(1)), sent(reliable(2)), delivered(2, ONE, reliable(1), 1)];
    let after = |facts: &[Fact]| [&begin[..], facts].concat();
    is_broken("S6", &after(&[committed(TWO, 1, Item::Void), delivered(2, TWO, reliable(2), 2)]));
    is_broken("S6", &after(&[delivered(2, TWO, reliable(2), 2), committed(TWO, 1, Item::Void)]));
    let anew = after(&[committed(TWO, 1, Item::Void), began(2, Why::Resynced, 1), delivered(2, TWO, reliable(2), 2)]);
    assert_eq!(verdict(&anew), Ok(()));
}

#[test]
fn logs_that_differ_are_seen() {
    let log = |by: u32, items: &[(u64, Item)]| Fact::Log {
        by: life(by),
        whole_in: ONE,
        cut: Position(0),
        items: items.iter().map(|(position, item)| (Position(*position), *item)).collect(),
    };
    let message = Item::Message(ordered(1));
    is_broken("S7", &[log(1, &[(1, message), (2, Item::Void)]), log(2, &[(1, message), (2, message)])]);
    is_broken("S7", &[log(1, &[(1, message), (3, message)])]);
    is_broken("S7", &[committed(ONE, 1, message), committed(TWO, 1, Item::Void)]);
    is_broken("S7", &[committed(ONE, 1, message), committed(TWO, 2, message)]);
}

#[test]
fn gaps_behind_a_snapshot_are_seen() {
    let begin = [
        sent(ordered(1)),
        sent(ordered(2)),
        committed(ONE, 1, Item::Message(ordered(1))),
        committed(ONE, 2, Item::Message(ordered(2))),
        began(2, Why::Started, 0),
    ];
    let after = |fact: Fact| [&begin[..], &[fact]].concat();
    is_broken("S8", &after(delivered(2, ONE, ordered(2), 2)));
    is_broken("S8", &after(began(2, Why::Started, 1)));
    let standings = vec![Standing { life: life(2), role: Role::Hosting, epoch: ONE, unacked: 0 }];
    is_broken("S8", &after(Fact::Quiet { standings }));
    let game = Some(Game::default());
    let wrong = Fact::Began { by: life(3), why: Why::Started, since: ONE, position: Position(2), game };
    is_broken("S8", &after(wrong));
}

#[test]
fn falling_epochs_and_unwarned_lines_are_seen() {
    let changed = |epoch| Fact::HostChanged { by: life(2), epoch };
    is_broken("S12", &[changed(TWO), changed(ONE)]);
    is_broken("S12", &[changed(TWO), changed(TWO)]);
    let other = Fact::Began { by: life(2), why: Why::Resynced, since: FORCED, position: Position(1), game: None };
    is_broken("S12", &[began(2, Why::Started, 0), other]);
}

#[test]
fn who_does_not_come_to_rest_is_seen() {
    let standing =
        |player: u32, role: Role, epoch: Epoch, unacked: u64| Standing { life: life(player), role, epoch, unacked };
    let quiet = |standings: &[Standing]| [Fact::Quiet { standings: standings.to_vec() }];
    let (host, member) = (standing(1, Role::Hosting, ONE, 0), standing(2, Role::Following, ONE, 0));
    assert_eq!(verdict(&quiet(&[host, member])), Ok(()));
    is_broken("L1", &quiet(&[host, standing(2, Role::Hosting, ONE, 0)]));
    is_broken("L1", &quiet(&[host, standing(2, Role::Barred, ONE, 0)]));
    is_broken("L1", &quiet(&[host, standing(2, Role::Following, TWO, 0)]));
    is_broken("L1", &quiet(&[host, standing(2, Role::Following, ONE, 3)]));
    is_broken("L1", &quiet(&[member]));
}
