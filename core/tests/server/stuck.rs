//! Lobbies in which nobody could go on: a host is forced and cannot be one, or the one that is there lacks what it needs.

use crate::hand::{ms, secs};
use crate::restart::{Kept, back, restarted};
use crate::stars::{Den, epoch, player};
use webstar_core::wire::signal::{ClientMessage, Grant, HostCause};
use webstar_core::wire::view::{Certified, View};

fn grant(den: &mut Den, number: usize, view: &View) {
    den.house.say(den.who(number), ClientMessage::Grant(Grant { view: Box::new(view.clone()) }));
}

/// Players 1 to 3 are gone, and one of the other three is forced upon the lobby.
pub(crate) fn force(den: &mut Den) -> Certified {
    den.live(secs(2), &[4, 5, 6]);
    den.unheard(&[4, 5, 6]);
    den.live(secs(3), &[4, 5, 6]);
    let told = den.views(5);
    let [forced] = &told[..] else { panic!("{told:?}") };
    assert_eq!(forced.view.host, player(4));
    let forced = forced.clone();
    den.house.forget();
    forced
}

fn forced() -> (Den, Certified) {
    let mut den = Den::of(6);
    let forced = force(&mut den);
    (den, forced)
}

/// A forced view named a player that never took it up, and nothing happened any more.
#[test]
fn a_forced_host_that_does_not_take_it_up_is_followed_by_another() {
    let (mut den, first) = forced();
    den.live(ms(2_499), &[4, 5, 6]);
    assert_eq!(den.views(6), []);
    den.live(ms(1), &[4, 5, 6]);
    let second = den.views(6).remove(0);
    assert_eq!((second.view.host, second.view.epoch.term), (player(5), first.view.epoch.term + 1));
    den.live(ms(2_500), &[4, 5, 6]);
    assert_eq!(den.views(6).remove(0).view.host, player(6));
    den.live(ms(2_500), &[4, 5, 6]);
    let fourth = den.views(6).remove(0);
    assert_eq!(fourth.view.host, player(4), "all were named, and the first may be able to by now");
    den.present(4, fourth);
    den.live(secs(20), &[4, 5, 6]);
    assert_eq!(den.views(6), [], "its host says that it goes on");
}

/// The host of a forced view was bound by a newer promise that the server had never heard of.
#[test]
fn a_forced_host_that_is_bound_elsewhere_says_so_and_a_newer_view_is_forced_at_once() {
    let (mut den, first) = forced();
    let term = first.view.epoch.term + 3;
    let binding = View { epoch: epoch(term, 0), cause: Some(HostCause::Voted), host: player(2), ..den.light(|_| {}) };
    grant(&mut den, 5, &binding);
    assert_eq!(den.views(6), [], "another one may be bound, and its host is told so");
    grant(&mut den, 4, &binding);
    let second = den.views(6).remove(0);
    assert!(second.view.epoch > binding.epoch && second.view.begins_line());
    assert_eq!(second.view.host, player(5));
    // It does so once: nobody makes the server force over and over.
    let binding = View { epoch: epoch(term + 9, 0), ..binding };
    grant(&mut den, 5, &binding);
    assert_eq!(den.views(6), []);
}

/// Somebody asked for a promise, and before the others could show that they are there it was forced upon them.
#[test]
fn a_host_that_lacks_promises_is_forced_only_if_its_voters_do_not_answer() {
    let mut den = Den::of(4);
    let light = |den: &Den, round| View { epoch: epoch(1, round), ..den.light(|view| view.backups = vec![player(3)]) };
    let first = light(&den, 2);
    grant(&mut den, 1, &first);
    den.house.pass(secs(4));
    let second = light(&den, 3);
    grant(&mut den, 1, &second);
    assert_eq!(den.views(2), []);
    den.live(ms(499), &[1, 2, 3, 4]);
    assert_eq!(den.views(2), []);
    den.live(secs(2), &[1, 2, 3, 4]);
    assert_eq!(den.views(2), [], "all are there");
    // The others do not answer.
    let mut den = Den::of(4);
    den.live(secs(1), &[1]);
    let first = light(&den, 2);
    grant(&mut den, 1, &first);
    den.live(ms(2_499), &[1]);
    assert_eq!(den.views(1), []);
    den.live(ms(1), &[1]);
    assert_eq!(den.views(1).remove(0).view.host, player(1));
}

/// Enough voters were there and none of them could promise anything: a view that one of them was bound to had died with
/// all who kept its log.
#[test]
fn a_host_that_cannot_go_on_for_long_goes_on_in_a_line_of_its_own() {
    let mut den = Den::of(4);
    let ask = |den: &mut Den, round| {
        let view = View { epoch: epoch(1, round), ..den.light(|view| view.backups = vec![player(3)]) };
        grant(den, 1, &view);
    };
    ask(&mut den, 2);
    den.live(secs(4), &[1, 2, 3, 4]);
    ask(&mut den, 3);
    den.live(ms(3_999), &[1, 2, 3, 4]);
    assert_eq!(den.views(2), []);
    den.live(ms(1), &[1, 2, 3, 4]);
    let view = den.views(2).remove(0).view;
    assert_eq!((view.host, view.begins_line(), view.voters.len()), (player(1), true, 4));
    // The same if it says itself that nobody hosts.
    let mut den = Den::of(4);
    for _ in 0..8 {
        den.unheard(&[1]);
        assert_eq!(den.views(2), []);
        den.live(secs(1), &[1, 2, 3, 4]);
    }
    assert_eq!(den.views(2).remove(0).view.host, player(1));
}

/// The server had lost its memory and nobody could tell it what was promised. The host, bound by that, was heard now and
/// then not, and each time it was heard what it lacked was forgotten: the server never helped (swarm, seed 6026).
#[test]
fn what_a_host_lacks_is_not_forgotten_because_it_is_heard_again() {
    let mut den = Den::of(3);
    let kept = restarted(&mut den, 1);
    for number in 1..=3 {
        let (who, _) = back(&mut den.house, &Kept { view: None, ..kept[number - 1].clone() });
        den.members[number - 1] = who;
    }
    den.house.forget();
    for _ in 0..20 {
        den.unheard(&[1]);
        den.unheard(&[2, 3]);
        den.live(ms(100), &[1, 2, 3]);
        den.answer(true, &[2, 3]);
        den.live(ms(900), &[1, 2, 3]);
    }
    let forced = den.views(2).remove(0);
    assert!(forced.view.begins_line() && forced.view.host == player(1));
}
