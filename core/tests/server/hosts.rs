//! When the host is lost: who is asked, what is proposed and when, what is forced, and when the lobby ends.

use crate::hand::{House, joining, ms, secs};
use crate::stars::{Den, epoch, hosts, player, views};
use webstar_core::id::PlayerId;
use webstar_core::server::ServerConfig;
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, CreateLobby, ErrorCode, Grant, Heard, HostCause, JoinLobby, RequestHostMigration,
    ServerMessage, SetHidden, Unheard,
};
use webstar_core::wire::view::View;

fn hide(den: &mut Den, number: usize) {
    den.house.say(den.who(number), ClientMessage::SetHidden(SetHidden { hidden: true }));
}

/// Something comes from the host.
fn is_alive(den: &mut Den) {
    den.house.pass(ms(1));
    den.house.relay(den.who(1), 2, b"alive");
}

#[test]
fn a_closed_connection_is_asked_about_at_once_and_proposed_over_when_all_have_answered() {
    let mut den = Den::of(3);
    let guest = den.house.guest("den");
    den.house.forget();
    den.house.cut(den.who(1));
    assert_eq!([2, 3].map(|number| den.questions(number)), [1, 1]);
    den.answer(false, &[2]);
    assert_eq!(den.proposals(3), []);
    den.answer(false, &[3]);
    let told = den.proposal(2);
    let wanted = View {
        epoch: epoch(2, 0),
        base: epoch(1, 1),
        since: epoch(1, 0),
        cause: Some(HostCause::CrashClosed),
        host: player(2),
        backups: vec![player(3)],
        voters: den.view.voters.clone(),
    };
    assert_eq!((&*told.view, &told.promised[..]), (&wanted, &[][..]));
    assert!(den.is_granted(&wanted, &told.signature.unwrap()));
    assert_eq!(den.proposal(3), told);
    assert_eq!(hosts(&mut den.house, guest), [], "it is not in force");

    let certified = den.quorum(wanted.clone(), &[2, 3], told.signature);
    den.present(2, certified);
    assert_eq!(hosts(&mut den.house, guest), [(2, epoch(2, 0), Some(HostCause::CrashClosed))]);
    let told = den.views(3);
    assert_eq!(told.len(), 1);
    assert!(told[0].view == wanted && den.is_certified(&told[0]));
    let stats = den.house.servers[0].stats();
    assert_eq!((stats.host_changes, &stats.host_changes_by), (1, &[("crash_closed".to_owned(), 1)].into()));
    den.house.pass(secs(60));
    assert_eq!(den.proposals(3), []);
}

#[test]
fn whoever_hears_the_host_keeps_it_and_is_asked_again() {
    let mut den = Den::of(3);
    den.house.cut(den.who(1));
    den.answer(false, &[2]);
    den.answer(true, &[3]);
    assert_eq!(den.proposals(2), []);
    den.house.forget();
    den.house.pass(secs(1) - ms(1));
    assert_eq!(den.questions(2), 0);
    den.house.pass(ms(1));
    assert_eq!([2, 3].map(|number| den.questions(number)), [1, 1]);
    den.answer(false, &[2, 3]);
    assert_eq!(den.proposal(2).view.host, player(2));
}

#[test]
fn who_does_not_answer_in_time_does_not_count() {
    let mut den = Den::of(3);
    den.house.cut(den.who(1));
    den.answer(false, &[2]);
    den.house.pass(ms(299));
    assert_eq!(den.proposals(2), []);
    den.house.pass(ms(1));
    assert_eq!(den.proposal(2).view.host, player(2));
    // Most voters are enough.
    let mut den = Den::of(5);
    den.house.cut(den.who(1));
    den.answer(false, &[3, 4]);
    assert_eq!(den.proposals(2), []);
    den.answer(false, &[2]);
    assert_eq!(den.proposal(2).view.host, player(2));
    // The first answer is late: the others are waited for a little.
    let mut den = Den::of(3);
    den.house.cut(den.who(1));
    den.house.pass(ms(1_000));
    den.answer(false, &[2]);
    den.house.pass(ms(149));
    assert_eq!(den.proposals(2), []);
    den.house.pass(ms(1));
    assert_eq!(den.proposal(2).view.host, player(2));
    // Nobody knows anything: everybody is asked again.
    let mut den = Den::of(3);
    den.house.cut(den.who(1));
    den.house.forget();
    den.house.pass(ms(2_999));
    assert_eq!(den.questions(2), 0);
    den.house.pass(ms(1));
    assert_eq!(den.questions(2), 1);
}

#[test]
fn most_voters_are_enough_and_two_at_least() {
    let mut den = Den::of(5);
    den.unheard(&[2, 3]);
    is_alive(&mut den);
    den.live(secs(3) - ms(1), &[1, 2, 3, 4, 5]);
    assert_eq!(den.proposals(2), []);
    den.unheard(&[4]);
    assert_eq!(den.proposals(2).len(), 1, "three within three seconds");
    let mut den = Den::of(5);
    den.unheard(&[2, 3]);
    is_alive(&mut den);
    den.house.pass(secs(3));
    den.unheard(&[4]);
    is_alive(&mut den);
    assert_eq!(den.proposals(2), [], "what was said before has faded");
    den.unheard(&[3]);
    den.house.forget();
    den.unheard(&[2]);
    assert_eq!(den.proposal(4).view.cause, Some(HostCause::CrashSilent));
}

#[test]
fn one_alone_must_be_sure_for_three_seconds_if_the_hosts_connection_is_alive() {
    let mut den = Den::of(2);
    for _ in 0..3 {
        den.unheard(&[2]);
        is_alive(&mut den);
        den.house.pass(secs(1) - ms(1));
        assert_eq!(den.proposals(2), []);
    }
    den.unheard(&[2]);
    let told = den.proposal(2);
    assert_eq!((told.view.host, &told.view.backups[..]), (player(2), &[][..]), "nobody else is there");
    assert_eq!(den.proposal(1), told, "the host is a voter too");
}

#[test]
fn a_silent_connection_is_as_good_as_a_closed_one() {
    let mut den = Den::of(2);
    den.unheard(&[2]);
    assert_eq!([1, 2].map(|number| den.questions(number)), [1, 1], "the host itself is asked");
    den.house.pass(ms(499));
    assert_eq!(den.proposals(2), []);
    den.house.pass(ms(1));
    assert_eq!(den.proposal(2).view.cause, Some(HostCause::CrashSilent));
    // Others who hear it are believed.
    let mut den = Den::of(3);
    den.unheard(&[2]);
    den.answer(true, &[3]);
    den.house.pass(secs(1));
    assert_eq!(den.proposals(2), []);
}

/// Only voters were asked, and in a lobby that most had just come to one that heard nothing for a moment cost it its host
/// (swarm, seed 1544).
#[test]
fn who_has_no_vote_yet_and_hears_the_host_keeps_it() {
    for hears in [true, false] {
        let mut den = Den::of(2);
        let late = den.house.player();
        den.house.join(late, joining("den"));
        den.house.forget();
        den.unheard(&[2]);
        let answer = Heard { epoch: den.view.epoch, heard: hears };
        den.house.say(late, ClientMessage::Heard(answer));
        den.house.pass(ms(500));
        assert_eq!(den.proposals(2).len(), usize::from(!hears));
    }
}

/// A host that asked for help in vain and was silent for a moment when somebody asked after it was replaced by force
/// (lossy, seed 273).
#[test]
fn a_host_that_asks_for_help_is_not_replaced_for_that() {
    let mut den = Den::of(3);
    let late = den.house.player();
    den.house.join(late, joining("den"));
    for number in [2, 3] {
        den.house.cut(den.who(number));
    }
    let plead = |den: &mut Den, round: u32| {
        let view = View { epoch: epoch(1, round), ..den.light(|view| view.voters.truncate(2)) };
        den.house.say(den.who(1), ClientMessage::Grant(Grant { view: Box::new(view) }));
    };
    plead(&mut den, 2);
    den.house.pass(ms(1_900));
    plead(&mut den, 3);
    den.house.pass(ms(550));
    den.house.forget();
    den.house.say(late, ClientMessage::Unheard(Unheard { epoch: epoch(1, 1) }));
    den.house.pass(ms(50));
    assert_eq!(views(&mut den.house, late), []);
    assert_eq!(den.questions(1), 2, "it is asked whether it is there");
    plead(&mut den, 4);
    assert_eq!(views(&mut den.house, late), [], "and whoever else is there has the time to say so");
    den.house.pass(ms(500));
    assert_eq!(views(&mut den.house, late)[0].view.host, player(1));
}

#[test]
fn a_proposal_that_comes_to_nothing_is_followed_by_others_and_then_by_force() {
    let mut den = Den::of(6);
    assert_eq!(den.view.backups, [player(2), player(3)]);
    let guest = den.house.guest("den");
    den.house.cut(den.who(1));
    den.answer(false, &[2, 3, 4, 5, 6]);
    let first = den.proposal(6);
    assert_eq!((first.view.host, &first.view.backups[..]), (player(2), &[player(3)][..]), "five are left");
    den.live(ms(999), &[2, 3, 4, 5, 6]);
    assert_eq!(den.proposals(6), []);
    den.live(ms(1), &[2, 3, 4, 5, 6]);
    let second = den.proposal(6);
    assert_eq!((second.view.host, second.view.epoch), (player(3), epoch(3, 0)));
    assert_eq!(second.promised, [*first.view.clone()], "what may be in force is told");
    den.live(secs(1), &[2, 3, 4, 5, 6]);
    let third = den.proposal(6);
    assert_eq!((third.view.host, third.view.epoch), (player(2), epoch(4, 0)));
    assert_eq!(third.promised, [*first.view, *second.view]);
    assert_eq!(hosts(&mut den.house, guest), []);
    den.live(ms(499), &[2, 3, 4, 5, 6]);
    assert_eq!(den.views(6), []);
    den.live(ms(1), &[2, 3, 4, 5, 6]);
    let told = den.views(6);
    let [forced] = &told[..] else { panic!("{told:?}") };
    let view = &forced.view;
    assert!(den.is_certified(forced) && view.begins_line());
    assert_eq!((view.epoch.term, view.host, view.base), (5, player(2), epoch(1, 1)));
    assert!((1 << 16..1 << 31).contains(&view.epoch.round), "{:?}", view.epoch);
    assert_eq!(view.backups, [], "nobody has a copy yet");
    assert!(view.voters.iter().map(|voter| voter.player).eq((2..=6).map(player)));
    assert_eq!(hosts(&mut den.house, guest), [(2, view.epoch, Some(HostCause::Forced))]);
    den.present(2, forced.clone());
    den.live(secs(60), &[2, 3, 4, 5, 6]);
    assert_eq!((den.proposals(6), hosts(&mut den.house, guest)), (vec![], vec![]));
}

#[test]
fn sockets_that_only_look_open_are_neither_proposed_nor_forced() {
    let mut den = Den::of(6);
    // Host and both backups vanish without a word.
    den.live(secs(2), &[4, 5, 6]);
    den.unheard(&[4, 5, 6]);
    den.live(ms(499), &[4, 5, 6]);
    assert_eq!(den.proposals(4), []);
    den.live(ms(1), &[4, 5, 6]);
    assert_eq!(den.proposals(4), [], "the host is lost, and who is left has no copy");
    den.live(ms(2_499), &[4, 5, 6]);
    assert_eq!(den.views(4), []);
    den.live(ms(1), &[4, 5, 6]);
    let view = den.views(4)[0].view.clone();
    assert_eq!(view.host, player(4));
    assert!(view.voters.iter().map(|voter| voter.player).eq([4, 5, 6].map(player)));
    // A backup that answers after all is proposed as soon as it does.
    let mut den = Den::of(6);
    den.live(secs(2), &[4, 5, 6]);
    den.unheard(&[4, 5, 6]);
    den.live(secs(1), &[4, 5, 6]);
    den.answer(false, &[3]);
    assert_eq!(den.proposal(4).view.host, player(3));
}

#[test]
fn when_no_copy_is_left_the_lobby_waits_and_is_then_forced() {
    let mut den = Den::of(4);
    den.house.cut(den.who(2));
    den.house.cut(den.who(1));
    den.answer(false, &[3, 4]);
    den.house.forget();
    den.live(ms(2499), &[3, 4]);
    assert_eq!((den.proposals(3), den.views(4)), (vec![], vec![]));
    den.live(ms(1), &[3, 4]);
    let told = den.views(4);
    assert_eq!((told[0].view.host, &told[0].view.backups[..]), (player(3), &[][..]));
}

#[test]
fn hidden_tabs_and_spectators_are_never_proposed_and_who_goes_is_replaced_at_once() {
    let mut den = Den::of(6);
    hide(&mut den, 2);
    den.house.cut(den.who(1));
    den.answer(false, &[3, 4, 5, 6]);
    let told = den.proposal(4);
    assert_eq!((told.view.host, &told.view.backups[..]), (player(3), &[player(4)][..]));
    den.house.say(den.who(2), ClientMessage::SetHidden(SetHidden { hidden: false }));
    den.house.forget();
    den.house.cut(den.who(3));
    let told = den.proposal(4);
    assert_eq!((told.view.host, told.view.epoch), (player(2), epoch(3, 0)), "at once");
    hide(&mut den, 2);
    den.live(secs(10), &[2, 4, 5, 6]);
    let told = den.views(4);
    assert_eq!(told[0].view.host, player(4), "nobody of the copies is left");
}

#[test]
fn a_host_that_leaves_is_followed_at_once() {
    let mut den = Den::of(3);
    den.house.say(den.who(1), ClientMessage::LeaveLobby);
    let told = den.proposal(3);
    assert_eq!((told.view.host, told.view.cause), (player(2), Some(HostCause::Graceful)));
    // One that had nobody to vote is followed by a new line.
    let mut den = Den::of(1);
    let next = den.house.member("den");
    den.house.forget();
    den.house.say(den.who(1), ClientMessage::LeaveLobby);
    let told = views(&mut den.house, next);
    assert!(told[0].view.begins_line());
    assert_eq!((told[0].view.host, told[0].view.epoch.term), (player(2), 2));
}

#[test]
fn a_host_that_comes_back_first_stays_host() {
    let mut den = Den::of(3);
    let token = den.joined[0].token.clone().unwrap();
    den.house.cut(den.who(1));
    let back = den.house.player();
    den.house.say(back, crate::hand::resuming("den", &token));
    let joined = den.house.joined(back);
    assert_eq!((joined.host_id, joined.epoch), (Some(PlayerId(1)), epoch(1, 1)));
    den.answer(false, &[2, 3]);
    den.house.pass(secs(1));
    assert_eq!(den.proposals(2).len(), 1, "but most voters do not hear it");

    let mut den = Den::of(3);
    let token = den.joined[0].token.clone().unwrap();
    den.house.cut(den.who(1));
    den.answer(false, &[2, 3]);
    den.house.forget();
    let back = den.house.player();
    den.house.say(back, crate::hand::resuming("den", &token));
    let heard = den.house.heard(back);
    let proposed = heard.iter().any(|message| matches!(message, ServerMessage::ProposeView(_)));
    assert!(proposed, "what the others promise it is asked to promise too: {heard:?}");
}

#[test]
fn players_ask_for_another_host_too() {
    let request = |to: Option<usize>| {
        ClientMessage::RequestHostMigration(RequestHostMigration { to: to.map(player), request: 0 })
    };
    let mut den = Den::of(6);
    den.house.say(den.who(1), request(Some(4)));
    assert_eq!(den.house.refused(den.who(1)), ErrorCode::NoSuchPlayer, "it keeps no copy");
    den.house.say(den.who(1), request(Some(3)));
    let told = den.proposal(2);
    assert_eq!((told.view.host, told.view.cause), (player(3), Some(HostCause::Chosen)));
    let mut den = Den::of(3);
    for number in [2, 3] {
        den.house.say(den.who(number), request(None));
    }
    assert_eq!(den.proposals(2).len(), 1, "as if they had said that they do not hear it");
}

#[test]
fn a_host_without_enough_voters_goes_on_in_a_line_of_its_own() {
    let plead = |den: &mut Den, round: u32| {
        let view = View { epoch: epoch(1, round), ..den.light(|view| view.voters.truncate(2)) };
        den.house.say(den.who(1), ClientMessage::Grant(Grant { view: Box::new(view) }));
    };
    for gone in [vec![2, 3, 4], vec![3, 4]] {
        let mut den = Den::of(4);
        let there: Vec<usize> = (1..=4).filter(|number| !gone.contains(number)).collect();
        for number in &gone {
            den.house.cut(den.who(*number));
        }
        for round in 2..4 {
            plead(&mut den, round);
            den.live(secs(1), &there);
        }
        den.live(ms(499), &there);
        assert_eq!(den.views(1), []);
        den.live(ms(1), &there);
        let told = den.views(1);
        if gone.len() == 2 {
            assert_eq!(told, [], "half of them and the server are enough");
        } else {
            assert_eq!((told[0].view.host, told[0].view.voters.len()), (player(1), 1));
            assert!(told[0].view.begins_line() && den.is_certified(&told[0]));
        }
    }
    // What comes into force meanwhile was help enough.
    let mut den = Den::of(4);
    for number in [2, 3, 4] {
        den.house.cut(den.who(number));
    }
    plead(&mut den, 2);
    den.house.pass(secs(2));
    let view = den.light(|view| view.backups = vec![player(3)]);
    den.put_in_force(1, view, &[1, 2, 3]);
    den.house.pass(secs(10));
    assert_eq!(den.views(1), []);
}

#[test]
fn who_does_not_vote_yet_is_believed_where_nobody_else_is() {
    let mut den = Den::of(1);
    let next = den.house.player();
    den.house.join(next, joining("den"));
    den.members.push(next);
    den.house.cut(den.who(1));
    den.house.pass(secs(20));
    den.house.forget();
    den.house.say(next, ClientMessage::Unheard(Unheard { epoch: epoch(1, 0) }));
    den.live(ms(2_499), &[2]);
    assert_eq!(views(&mut den.house, next), []);
    den.live(ms(1), &[2]);
    assert_eq!(views(&mut den.house, next)[0].view.host, player(2));
}

#[test]
fn a_lobby_that_wants_no_other_host_ends_with_the_one_it_had() {
    for is_cut in [false, true] {
        let mut house = House::new(ServerConfig::default());
        let rules = CreateLobby { enable_host_migration: false, ..CreateLobby::default() };
        let members: Vec<_> = (0..2).map(|_| house.player()).collect();
        let join = JoinLobby { create: Some(rules), ..joining("den") };
        let joined = members.iter().map(|who| house.join(*who, join.clone())).collect();
        let mut den = Den::among(house, members, joined);
        if is_cut {
            den.house.cut(den.who(1));
            den.answer(false, &[2]);
            assert_eq!(den.proposals(2), []);
            den.house.pass(secs(3) - ms(1));
            assert_eq!(den.house.clients[den.who(2)].closed, None);
            den.house.pass(ms(1));
        } else {
            den.house.say(den.who(1), ClientMessage::LeaveLobby);
        }
        assert_eq!(den.house.clients[den.who(2)].closed, Some(CloseReason::HostLost), "{is_cut}");
        assert_eq!(den.house.servers[0].stats().lobbies, 0);
    }
}

#[test]
fn when_nobody_can_be_host_the_next_who_can_is() {
    let mut den = Den::of(1);
    let spectator = den.house.player();
    den.house.join(spectator, JoinLobby { spectator: true, ..joining("den") });
    den.house.cut(den.who(1));
    den.house.pass(secs(10));
    den.house.forget();
    let next = den.house.player();
    den.house.join(next, joining("den"));
    den.members.push(next);
    den.house.say(next, ClientMessage::Heard(webstar_core::wire::signal::Heard { epoch: epoch(1, 0), heard: false }));
    den.live(ms(2499), &[2]);
    assert_eq!(hosts(&mut den.house, spectator), []);
    den.live(ms(1), &[2]);
    assert_eq!(hosts(&mut den.house, spectator).len(), 1);
    den.house.say(next, ClientMessage::LeaveLobby);
    den.house.pass(secs(10));
    assert_eq!(hosts(&mut den.house, spectator), []);
}
