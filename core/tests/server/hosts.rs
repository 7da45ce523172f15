//! Who is host after the host has handed over, is not heard, or is lost.

use crate::hand::{House, Who, joining, secs};
use webstar_core::id::PlayerId;
use webstar_core::server::ServerConfig;
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, CreateLobby, ErrorCode, HostCause, JoinLobby, RequestHostMigration, ServerMessage,
    SetHidden,
};

fn request(to: Option<u32>) -> ClientMessage {
    ClientMessage::RequestHostMigration(RequestHostMigration { to: to.map(PlayerId), request: 0 })
}

/// The hosts that were announced: number, term, cause.
fn hosts(house: &mut House, who: Who) -> Vec<(u32, u32, Option<HostCause>)> {
    let heard = house.heard(who).into_iter().filter_map(|message| match message {
        ServerMessage::HostMigration(host) => Some((host.new_host_id.0, host.epoch.term, host.cause)),
        _ => None,
    });
    heard.collect()
}

fn lobby_of(count: usize) -> (House, Vec<Who>) {
    let mut house = House::new(ServerConfig::default());
    let members = (0..count).map(|_| house.member("den")).collect();
    house.forget();
    (house, members)
}

#[test]
fn the_host_hands_over_to_whom_it_names_or_to_the_best() {
    let (mut house, members) = lobby_of(3);
    house.say(members[0], request(Some(3)));
    assert_eq!(hosts(&mut house, members[1]), [(3, 2, Some(HostCause::Chosen))]);
    house.say(members[0], ClientMessage::SetHidden(SetHidden { hidden: true }));
    house.forget();
    house.say(members[2], request(None));
    assert_eq!(hosts(&mut house, members[0]), [(2, 3, Some(HostCause::Graceful))], "a hidden one is not asked first");
    house.say(members[1], request(Some(2)));
    assert!(house.heard(members[1]).iter().all(|message| matches!(message, ServerMessage::HostMigration(_))));
    for nobody in [9, 4] {
        house.say(members[1], request(Some(nobody)));
        assert_eq!(house.refused(members[1]), ErrorCode::NoSuchPlayer);
    }
}

#[test]
fn most_of_the_others_must_not_hear_the_host() {
    let (mut house, members) = lobby_of(5);
    house.say(members[1], request(None));
    house.say(members[1], request(Some(2)));
    house.say(members[2], request(None));
    assert_eq!(hosts(&mut house, members[0]), [], "two of four");
    house.say(members[3], request(None));
    assert_eq!(hosts(&mut house, members[0]), [(2, 2, Some(HostCause::Voted))]);
    // What was said of the old host does not count against the new one.
    house.say(members[2], request(None));
    house.say(members[3], request(None));
    assert_eq!(hosts(&mut house, members[0]), []);
}

#[test]
fn a_suspicion_fades() {
    let (mut house, members) = lobby_of(4);
    house.say(members[1], request(None));
    house.pass(secs(11));
    house.say(members[2], request(None));
    assert_eq!(hosts(&mut house, members[0]), []);
    house.say(members[1], request(None));
    assert_eq!(hosts(&mut house, members[0]).len(), 1);
}

#[test]
fn one_alone_must_be_sure_for_three_seconds() {
    let (mut house, members) = lobby_of(2);
    for _ in 0..3 {
        house.say(members[1], request(None));
        assert_eq!(hosts(&mut house, members[1]), []);
        house.pass(secs(1));
    }
    house.say(members[1], request(None));
    assert_eq!(hosts(&mut house, members[1]), [(2, 2, Some(HostCause::Voted))]);
}

#[test]
fn guests_and_spectators_have_no_say() {
    let (mut house, members) = lobby_of(1);
    let guest = house.guest("den");
    let spectator = house.player();
    house.join(spectator, JoinLobby { spectator: true, ..joining("den") });
    house.forget();
    for who in [guest, spectator] {
        house.say(who, request(None));
        assert_eq!(house.refused(who), ErrorCode::GuestsCannot);
    }
    house.say(members[0], request(None));
    assert_eq!(house.refused(members[0]), ErrorCode::NoSuchPlayer);
}

#[test]
fn a_lobby_that_wants_no_other_host_ends_with_the_one_it_had() {
    for is_cut in [false, true] {
        let mut house = House::new(ServerConfig::default());
        let host = house.player();
        let rules = CreateLobby { enable_host_migration: false, ..CreateLobby::default() };
        house.join(host, JoinLobby { create: Some(rules), ..joining("den") });
        let member = house.member("den");
        if is_cut {
            house.cut(host);
            assert_eq!(house.clients[member].closed, None);
            house.pass(secs(3));
        } else {
            house.say(host, ClientMessage::LeaveLobby);
        }
        assert_eq!(house.clients[member].closed, Some(CloseReason::HostLost), "{is_cut}");
        assert_eq!(house.servers[0].stats().lobbies, 0);
    }
}

#[test]
fn when_nobody_can_be_host_the_next_who_can_is() {
    let (mut house, members) = lobby_of(1);
    let spectator = house.player();
    house.join(spectator, JoinLobby { spectator: true, ..joining("den") });
    house.cut(members[0]);
    house.pass(secs(10));
    house.forget();
    let next = house.member("den");
    assert_eq!(hosts(&mut house, spectator), [(3, 2, Some(HostCause::CrashClosed))]);
    house.say(next, ClientMessage::LeaveLobby);
    assert_eq!(hosts(&mut house, spectator), []);
}
