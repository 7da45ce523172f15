//! Back after the connection broke: who is let in as whom, once, and what a copied token is worth.

use crate::hand::{House, Who, joining, ms, name, resuming, secs};
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::server::{ServerConfig, ServerEvent};
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, Encoding, ErrorCode, LobbyJoined, PeerId, PeerName, Ping, Resume, Secret, ServerMessage,
};

/// A member of `den` and its token.
fn member(house: &mut House) -> (Who, LobbyJoined, Secret) {
    let who = house.player();
    let joined = house.join(who, joining("den"));
    let token = joined.token.clone().unwrap();
    (who, joined, token)
}

/// Comes back on a new connection.
fn resume(house: &mut House, token: &Secret) -> (Who, LobbyJoined, Secret) {
    let who = house.player();
    house.say(who, resuming("den", token));
    let joined = house.joined(who);
    let token = joined.token.clone().unwrap();
    (who, joined, token)
}

fn is_refused(house: &mut House, token: &Secret) -> ErrorCode {
    let who = house.player();
    house.say(who, resuming("den", token));
    house.refused(who)
}

#[test]
fn a_player_comes_back_as_itself() {
    let mut house = House::new(ServerConfig::default());
    let witness = house.member("den");
    let (who, before, token) = member(&mut house);
    house.forget();
    house.cut(who);
    assert_eq!(house.roster(witness), (vec![1, -2], vec![]));
    house.relay(witness, 2, b"lost");
    assert_eq!(house.servers[0].stats().dropped["away"], 1);
    house.pass(secs(20));
    let (who, after, _) = resume(&mut house, &token);
    assert!(after.resumed);
    assert_eq!((after.player_id, after.host_id), (PlayerId(2), Some(PlayerId(1))));
    assert_eq!(after.player_list, before.player_list, "same incarnation, same session");
    assert_eq!(house.roster(witness), (vec![1, 2], vec![]));
    house.relay(witness, 2, b"found");
    assert_eq!(house.packets(who), [(1, b"found".to_vec())]);
    let event = ServerEvent::PlayerJoined { lobby: name("den"), player: PlayerId(2), resumed: true };
    assert!(house.events.contains(&event));
}

#[test]
fn the_old_connection_is_replaced_and_its_late_close_hurts_nobody() {
    let mut house = House::new(ServerConfig::default());
    let (old, _, token) = member(&mut house);
    let (new, joined, _) = resume(&mut house, &token);
    assert_eq!(house.clients[old].closed, Some(CloseReason::Replaced));
    assert_eq!(joined.host_id, Some(PlayerId(1)));
    house.forget();
    // Its number is used again by a connection that then closes: nobody takes it for the old one.
    let reused = house.connect(Encoding::Json);
    assert_eq!(house.clients[reused].id, house.clients[old].id);
    house.cut(reused);
    assert!(house.heard(new).is_empty());
    house.relay(new, 1, b"me");
    assert_eq!(house.packets(new), [(1, b"me".to_vec())]);
}

/// Found by a stranger in the simulator (swarm, seed 102) who took somebody's place so.
#[test]
fn a_token_of_a_lobby_that_has_ended_is_worth_nothing_in_the_next_of_that_name() {
    let mut house = House::new(ServerConfig::default());
    let (who, _, token) = member(&mut house);
    house.say(who, ClientMessage::LeaveLobby);
    let (next, joined, _) = member(&mut house);
    assert_eq!(joined.player_id, PlayerId(1), "the lobby was made anew");
    assert_eq!(is_refused(&mut house, &token), ErrorCode::BadToken);
    assert_eq!(house.clients[next].closed, None, "and nobody is put out for it");
}

#[test]
fn a_fresh_start_is_a_new_incarnation_with_a_new_session() {
    let mut house = House::new(ServerConfig::default());
    let (who, before, token) = member(&mut house);
    house.cut(who);
    let who = house.player();
    let fresh = Resume { lobby_id: name("den"), token, fresh: true, restore: None };
    house.say(who, ClientMessage::Resume(fresh));
    let after = house.joined(who);
    let [old, new] = [&before.player_list[0], &after.player_list[0]];
    assert_eq!((old.incarnation, new.incarnation), (Incarnation(1), Incarnation(2)));
    assert_ne!(old.session, new.session);
    assert_eq!(after.player_id, PlayerId(1));
}

#[test]
fn a_token_works_once() {
    let mut house = House::new(ServerConfig::default());
    let (_, _, first) = member(&mut house);
    let (who, _, second) = resume(&mut house, &first);
    house.say(who, ClientMessage::Ping(Ping { nonce: 0 }));
    assert_eq!(is_refused(&mut house, &first), ErrorCode::BadToken);
    assert_eq!(house.clients[who].closed, Some(CloseReason::TokenReused), "somebody has copied it");
    assert_eq!(is_refused(&mut house, &second), ErrorCode::BadToken, "the place is lost");
    assert_eq!(house.servers[0].stats().players, 0);
}

#[test]
fn a_client_whose_answer_was_lost_comes_back_with_the_token_it_has() {
    let mut house = House::new(ServerConfig::default());
    let (who, _, first) = member(&mut house);
    house.cut(who);
    // The answers to these never arrive: the sockets break, or only look open.
    let (who, _, _) = resume(&mut house, &first);
    house.cut(who);
    let (half_open, _, _) = resume(&mut house, &first);
    let (who, joined, second) = resume(&mut house, &first);
    assert_eq!(joined.player_id, PlayerId(1));
    assert_eq!(house.clients[half_open].closed, Some(CloseReason::Replaced));
    // What it is given at last is good, and from its first word on nothing else is.
    house.cut(who);
    let (who, _, _) = resume(&mut house, &second);
    house.relay(who, 1, b"here");
    assert_eq!(is_refused(&mut house, &first), ErrorCode::BadToken);
}

#[test]
fn an_old_token_of_an_old_incarnation_is_good_for_a_fresh_start_only() {
    let mut house = House::new(ServerConfig::default());
    let (who, _, first) = member(&mut house);
    house.cut(who);
    let fresh =
        || ClientMessage::Resume(Resume { lobby_id: name("den"), token: first.clone(), fresh: true, restore: None });
    let lost = house.player();
    house.say(lost, fresh());
    house.cut(lost);
    assert_eq!(is_refused(&mut house, &first), ErrorCode::BadToken);
    let who = house.player();
    house.say(who, fresh());
    assert_eq!(house.joined(who).player_list[0].incarnation, Incarnation(3));
}

#[test]
fn a_place_is_kept_so_long_and_no_longer() {
    for (late, is_kept) in [(ms(0), false), (ms(1), true)] {
        let mut house = House::new(ServerConfig::default());
        let mut witness = house.member("den");
        let (who, _, token) = member(&mut house);
        house.cut(who);
        house.forget();
        let mut left = secs(120) - late;
        while left > secs(50) {
            house.pass(secs(50));
            house.say(witness, ClientMessage::Ping(Ping { nonce: 0 }));
            left -= secs(50);
        }
        house.pass(left);
        if is_kept {
            resume(&mut house, &token);
            witness = 0;
        } else {
            assert_eq!(house.roster(witness), (vec![1], vec![(2, CloseReason::TimedOut)]));
            assert_eq!(is_refused(&mut house, &token), ErrorCode::BadToken);
        }
        assert_eq!(witness, 0);
    }
}

#[test]
fn a_token_expires_by_the_wall_clock_even_while_its_player_is_there() {
    let config = ServerConfig { token_lifetime: secs(200), resume_timeout: secs(120), ..ServerConfig::default() };
    let mut house = House::new(config);
    house.tell(0, webstar_core::server::Input::WallClock { unix: secs(1_700_000_000) });
    let (_, _, token) = member(&mut house);
    house.tell(0, webstar_core::server::Input::WallClock { unix: secs(1_700_000_199) });
    let (_, _, token_2) = resume(&mut house, &token);
    house.tell(0, webstar_core::server::Input::WallClock { unix: secs(1_700_000_399) });
    assert_eq!(is_refused(&mut house, &token_2), ErrorCode::BadToken);
}

#[test]
fn who_left_does_not_come_back() {
    let mut house = House::new(ServerConfig::default());
    house.member("den");
    let (who, _, token) = member(&mut house);
    house.say(who, ClientMessage::LeaveLobby);
    assert_eq!(is_refused(&mut house, &token), ErrorCode::BadToken);
    let guest = house.guest("den");
    house.cut(guest);
    assert_eq!(house.servers[0].stats().players, 1, "a guest has no way back");
}

#[test]
fn forged_tokens_count_as_failed_joins() {
    let mut house = House::new(ServerConfig::default());
    let (_, _, token) = member(&mut house);
    let forged = Secret::new("0".repeat(72)).unwrap();
    for _ in 0..10 {
        assert_eq!(is_refused(&mut house, &forged), ErrorCode::BadToken);
    }
    assert_eq!(is_refused(&mut house, &token), ErrorCode::RateLimited);
}

#[test]
fn a_claimed_name_comes_back_with_its_player() {
    let mut house = House::new(ServerConfig::default());
    let (who, _, token) = member(&mut house);
    let ada = PeerId::new("ada").unwrap();
    house.say(who, ClientMessage::PeerId(PeerName { peer_id: ada.clone() }));
    house.cut(who);
    let (who, joined, _) = resume(&mut house, &token);
    assert_eq!(joined.player_list[0].peer_id, Some(ada.clone()));
    let other = house.player();
    house.say(other, ClientMessage::PeerId(PeerName { peer_id: ada.clone() }));
    assert_eq!(house.refused(other), ErrorCode::PeerIdTaken);
    house.say(who, ClientMessage::LeaveLobby);
    house.cut(who);
    house.say(other, ClientMessage::PeerId(PeerName { peer_id: ada.clone() }));
    assert_eq!(house.last(other), ServerMessage::PeerId(PeerName { peer_id: ada }));
}
