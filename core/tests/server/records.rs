//! What old records of a lobby are worth to a server that has lost its memory: nothing for another lobby, nothing too late.

use crate::hand::{House, joining, secs};
use crate::restart::{Kept, all_kept, back, refusal, restarted, with_restore};
use crate::stars::{Den, views};
use crate::stuck::force;
use webstar_core::server::ServerConfig;
use webstar_core::wire::signal::{ClientMessage, ErrorCode, LobbyJoined, Lock, Ping};

/// A record of an older lobby of the same name was taken for a newer one of this: players of both got links that did not fit,
/// and what was under way on the old ones was lost (swarm, seed 1609).
#[test]
fn a_record_of_an_older_lobby_of_the_name_changes_nothing() {
    let mut den = Den::of(3);
    for locked in [true, false, true, false] {
        den.house.say(den.who(1), ClientMessage::Lock(Lock { locked, request: 0 }));
    }
    let older = restarted(&mut den, 1);
    let who = den.house.player();
    let joined = den.house.join(who, joining("den"));
    let mut den = Den::among(den.house, vec![who], vec![joined]);
    let newer = restarted(&mut den, 2);
    let (who, joined) = back(&mut den.house, &newer[0]);
    den.house.say(who, ClientMessage::Ping(Ping { nonce: 1 }));
    assert_eq!(refusal(&mut den.house, &older[1]), ErrorCode::BadToken);
    let newest = Kept { token: joined.token.clone().unwrap(), ..newer[0].clone() };
    let (_, again) = back(&mut den.house, &newest);
    let there = |joined: &LobbyJoined| joined.player_list.iter().map(|entry| entry.session).collect::<Vec<_>>();
    assert_eq!(there(&again), there(&joined));
}

/// A place was kept from when somebody else had brought the lobby back: a token that the server did not know as used was good
/// for longer than lobbies come back (swarm, seed 850).
#[test]
fn a_place_in_a_lobby_that_came_back_late_is_kept_no_longer_for_that() {
    let kept = ServerConfig::default().resume_timeout;
    let mut den = Den::of(3);
    let records = all_kept(&den);
    den.house = House::reborn(ServerConfig::default(), 1);
    den.house.pass(kept - secs(1));
    back(&mut den.house, &records[0]);
    back(&mut den.house, &records[1]);
    den.house.pass(secs(1));
    assert_eq!(refusal(&mut den.house, &records[2]), ErrorCode::BadToken);
}

/// A server without memory gave a player that came back without memory the number of a life that it had had: its token told
/// of that life, the record that came with it did not (swarm, seed 2298).
#[test]
fn no_life_is_counted_twice_although_the_record_is_older_than_the_token() {
    let mut den = Den::of(2);
    let records = all_kept(&den);
    let afresh = |house: &mut House, kept: &Kept| {
        let who = house.player();
        house.say(who, with_restore(kept, true));
        house.joined(who)
    };
    let life = |joined: &LobbyJoined| joined.player_list.iter().map(|entry| entry.incarnation.0).collect::<Vec<_>>();
    let second = afresh(&mut den.house, &records[1]);
    assert_eq!(life(&second), [1, 2]);
    den.house = House::reborn(ServerConfig::default(), 1);
    let old = Kept { token: second.token.unwrap(), ..records[1].clone() };
    let third = afresh(&mut den.house, &old);
    assert_eq!(life(&third), [1, 3]);
}

/// Who had come back first did not hear of the view that a newer record told of: it followed the old one for ever (swarm,
/// seed 14191).
#[test]
fn a_forced_view_that_only_a_newer_record_tells_of_is_told_to_those_who_are_back_already() {
    let mut den = Den::of(6);
    let older = all_kept(&den);
    let forced = force(&mut den);
    let newer = Kept { view: Some(forced.clone()), ..all_kept(&den)[4].clone() };
    den.house = House::reborn(ServerConfig::default(), 1);
    let (early, joined) = back(&mut den.house, &older[5]);
    assert_eq!(joined.epoch, den.view.epoch);
    back(&mut den.house, &newer);
    let told = views(&mut den.house, early);
    assert_eq!(told.into_iter().map(|certified| certified.view).collect::<Vec<_>>(), [forced.view]);
}
