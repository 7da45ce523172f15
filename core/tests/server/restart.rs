//! The server loses its memory: lobbies come back from the records of their players, and nobody gets what is not its own.

use crate::hand::{House, Who, joining, key_of, ms, secret, secs};
use crate::stars::{Den, den, epoch, hosts, player};
use webstar_core::id::Incarnation;
use webstar_core::server::{Ask, DirectoryAsk, ServerConfig};
use webstar_core::wire::signal::{
    ClientMessage, CloseReason, CreateLobby, ErrorCode, Grant, HostCause, JoinLobby, Kick, LobbyJoined, LobbyName,
    Lock, Metadata, PeerId, Ping, Restore, Resume, Role, Sealed, Secret, ServerMessage, Username,
};
use webstar_core::wire::view::{Certified, View};

/// What a player keeps.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) token: Secret,
    pub(crate) sealed: Sealed,
    pub(crate) view: Option<Certified>,
    pub(crate) promised: Vec<View>,
}

fn kept(den: &Den, number: usize, token: &Secret) -> Kept {
    let sealed = den.house.clients[den.who(number)].sealed.clone().expect("it was given one");
    let everybody: Vec<usize> = (1..=den.view.voters.len()).collect();
    let view = Some(den.quorum(den.view.clone(), &everybody, None));
    Kept { token: token.clone(), sealed, view, promised: vec![] }
}

/// What all of them keep.
pub(crate) fn all_kept(den: &Den) -> Vec<Kept> {
    (1..=den.members.len()).map(|number| kept(den, number, den.joined[number - 1].token.as_ref().unwrap())).collect()
}

pub(crate) fn with_restore(kept: &Kept, fresh: bool) -> ClientMessage {
    let restore = Restore { sealed: kept.sealed.clone(), view: kept.view.clone(), promised: kept.promised.clone() };
    ClientMessage::Resume(Resume {
        lobby_id: den(),
        token: kept.token.clone(),
        fresh,
        restore: Some(Box::new(restore)),
    })
}

/// A player that comes to the restarted server as this one.
pub(crate) fn back(house: &mut House, kept: &Kept) -> (Who, LobbyJoined) {
    let who = house.player();
    house.say(who, with_restore(kept, false));
    let joined = house.joined(who);
    (who, joined)
}

pub(crate) fn refusal(house: &mut House, kept: &Kept) -> ErrorCode {
    let who = house.player_from(&format!("192.0.2.{}", 2 + house.clients.len()));
    house.say(who, with_restore(kept, false));
    house.refused(who)
}

/// The members are known to the restarted server by new connections.
pub(crate) fn restarted(den: &mut Den, seed: u8) -> Vec<Kept> {
    let kept = all_kept(den);
    den.house = House::reborn(ServerConfig::default(), seed);
    den.house.pass(ms(10));
    kept
}

/// Everybody of these is back.
fn all_back(den: &mut Den, kept: &[Kept], numbers: &[usize]) {
    for number in numbers {
        let (who, joined) = back(&mut den.house, &kept[number - 1]);
        den.members[number - 1] = who;
        den.joined[number - 1] = joined;
    }
}

#[test]
fn a_lobby_comes_back_as_it_was() {
    let mut den = Den::of(3);
    let spectator = den.house.player();
    let watching = den.house.join(spectator, JoinLobby { spectator: true, ..joining("den") });
    den.house.say(den.who(1), ClientMessage::Lock(Lock { locked: true, request: 0 }));
    den.house.say(den.who(1), ClientMessage::Ping(Ping { nonce: 1 }));
    den.members.push(spectator);
    den.joined.push(watching.clone());
    let kept = restarted(&mut den, 1);
    let (_, joined) = back(&mut den.house, &kept[1]);
    assert_eq!((joined.player_id, joined.resumed, joined.host_id), (player(2), true, Some(player(1))));
    assert_eq!((joined.epoch, joined.star, joined.server_key), (epoch(1, 1), den.star, den.server));
    assert!(joined.lobby.locked);
    let view = joined.view.unwrap();
    assert!(view.view == den.view && den.is_certified(&view));
    let there: Vec<(u32, Role, bool)> =
        joined.player_list.iter().map(|entry| (entry.player_id.0, entry.role, entry.connected)).collect();
    let (plays, watches) = (Role::Player, Role::Spectator);
    assert_eq!(there, [(1, plays, false), (2, plays, true), (3, plays, false), (4, watches, false)]);
    for (new, old) in joined.player_list.iter().zip(&watching.player_list) {
        assert_eq!((new.session, new.key, new.incarnation), (old.session, old.key, old.incarnation));
        assert_eq!((&new.username, new.version), (&old.username, old.version));
    }
    for number in [3, 1, 4] {
        let (_, joined) = back(&mut den.house, &kept[number - 1]);
        assert_eq!((joined.player_id, joined.epoch), (player(number), epoch(1, 1)));
    }
    den.house.pass(secs(60));
    assert_eq!(den.house.servers[0].stats().host_changes, 0);
    assert_eq!((den.house.servers[0].stats().players, den.house.servers[0].stats().lobbies), (4, 1));
    // Others have to know what they had to know before.
    let who = den.house.player();
    den.house.say(who, ClientMessage::JoinLobby(joining("den")));
    assert_eq!(den.house.refused(who), ErrorCode::LobbyLocked);
}

#[test]
fn a_password_is_asked_for_as_before_and_no_number_is_given_twice() {
    let mut house = House::new(ServerConfig::default());
    let first = house.player();
    let join = JoinLobby { password: Some(secret("word")), ..joining("den") };
    let joined = house.join(first, join.clone());
    let mut den = Den::among(house, vec![first], vec![joined]);
    let kept = restarted(&mut den, 1);
    back(&mut den.house, &kept[0]);
    let who = den.house.player();
    den.house.say(who, ClientMessage::JoinLobby(joining("den")));
    assert_eq!(den.house.refused(who), ErrorCode::NoSuchLobbyOrPassword);
    assert!(den.house.join(who, join).player_id > player(2));
}

#[test]
fn the_record_of_the_largest_lobby_is_not_too_long() {
    let rules = CreateLobby {
        max_players: 64,
        metadata: Metadata::new((0..16).map(|key| (format!("{key:032}"), "m".repeat(128))).collect()).unwrap(),
        ..CreateLobby::default()
    };
    let long = || Username::new("\u{10ffff}".repeat(64)).unwrap();
    let join = JoinLobby {
        lobby_id: Some(LobbyName::new("\u{10ffff}".repeat(64)).unwrap()),
        username: long(),
        create: Some(rules),
        peer: Some(PeerId::new("p".repeat(64)).unwrap()),
        ..joining("unused")
    };
    let mut house = House::new(ServerConfig { creations_per_minute: 1_000, ..ServerConfig::default() });
    let host = house.player_from("127.0.0.1");
    house.join(host, join.clone());
    for number in 2..20 {
        let who = house.player_from("127.0.0.1");
        let username = Username::new(format!("{number:02}{}", "\u{10ffff}".repeat(62))).unwrap();
        house.join(who, JoinLobby { username, ..join.clone() });
        house.say(host, ClientMessage::Ban(Kick { player_id: player(number), request: 0 }));
    }
    let members: Vec<Who> = (1..64).map(|_| house.player_from("127.0.0.2")).collect();
    for who in &members {
        house.join(*who, JoinLobby { username: Username::new("\u{10fffe}".repeat(64)).unwrap(), ..join.clone() });
    }
    let sealed: Vec<usize> =
        members.iter().map(|who| house.clients[*who].sealed.as_ref().unwrap().bytes().len()).collect();
    assert_eq!(house.servers[0].stats().players, 64);
    assert!(sealed.iter().all(|len| *len == sealed[0] && (16_384..Sealed::MAX).contains(len)), "{sealed:?}");
}

#[test]
fn who_does_not_come_back_in_time_is_gone() {
    let mut den = Den::of(2);
    let kept = restarted(&mut den, 1);
    let (who, _) = back(&mut den.house, &kept[0]);
    for _ in 0..12 {
        den.house.pass(secs(10));
        den.house.say(who, ClientMessage::Ping(Ping { nonce: 1 }));
    }
    assert_eq!(den.house.roster(who), (vec![1], vec![(2, CloseReason::TimedOut)]));
    assert_eq!(refusal(&mut den.house, &kept[1]), ErrorCode::BadToken);
}

#[test]
fn what_the_server_has_not_sealed_brings_nothing_back() {
    let mut den = Den::of(2);
    let other = den.house.player();
    let theirs = den.house.join(other, joining("cave"));
    let foreign = den.house.clients[other].sealed.clone().unwrap();
    let kept = restarted(&mut den, 1);
    for at in [0, 31, 32, 40, kept[0].sealed.bytes().len() - 1] {
        let mut bytes = kept[0].sealed.bytes().to_vec();
        bytes[at] ^= 1;
        let sealed = Sealed::new(bytes.into()).unwrap();
        assert_eq!(refusal(&mut den.house, &Kept { sealed, ..kept[0].clone() }), ErrorCode::BadToken, "{at}");
    }
    for bytes in [vec![], vec![7; 31], vec![7; 32], vec![0; 4096]] {
        let sealed = Sealed::new(bytes.into()).unwrap();
        assert_eq!(refusal(&mut den.house, &Kept { sealed, ..kept[0].clone() }), ErrorCode::BadToken);
    }
    assert_eq!(refusal(&mut den.house, &Kept { sealed: foreign, ..kept[0].clone() }), ErrorCode::BadToken);
    let token = theirs.token.unwrap();
    assert_eq!(refusal(&mut den.house, &Kept { token, ..kept[0].clone() }), ErrorCode::BadToken);
    assert_eq!(den.house.servers[0].stats().lobbies, 0);
    back(&mut den.house, &kept[0]);
}

#[test]
fn a_lobby_that_has_ended_does_not_come_back() {
    let mut den = Den::of(2);
    let kept = all_kept(&den);
    let leave = |den: &mut Den| {
        for number in [1, 2] {
            den.house.say(den.who(number), ClientMessage::LeaveLobby);
        }
        assert_eq!(den.house.servers[0].stats().lobbies, 0);
    };
    leave(&mut den);
    assert_eq!(refusal(&mut den.house, &kept[0]), ErrorCode::BadToken, "nothing was lost");
    den.house = House::reborn(ServerConfig::default(), 1);
    all_back(&mut den, &kept, &[1, 2]);
    leave(&mut den);
    assert_eq!(refusal(&mut den.house, &kept[0]), ErrorCode::BadToken, "it was lost once");
    let newer = kept_now(&den);
    assert_eq!(refusal(&mut den.house, &newer), ErrorCode::BadToken);
    // Not even for one who has asked before.
    den.house = House::reborn(ServerConfig::default(), 2);
    all_back(&mut den, &kept, &[1]);
    den.house.hold = |ask| matches!(ask, Ask::Directory(DirectoryAsk::Lobby { .. }));
    let late = den.house.player();
    den.house.say(late, with_restore(&kept[1], false));
    den.house.say(den.who(1), ClientMessage::Ban(Kick { player_id: player(2), request: 0 }));
    den.house.say(den.who(1), ClientMessage::LeaveLobby);
    den.house.hold = |_| false;
    den.house.answer_next();
    assert_eq!(den.house.refused(late), ErrorCode::BadToken);
}

/// What the second player was given last.
fn kept_now(den: &Den) -> Kept {
    let token = den.joined[1].token.clone().unwrap();
    Kept { token, sealed: den.house.clients[den.who(2)].sealed.clone().unwrap(), view: None, promised: vec![] }
}

#[test]
fn lobbies_come_back_at_one_shard_whoever_asks_where() {
    let mut den = Den::of(3);
    let kept = all_kept(&den);
    den.house = House::reborn_as(ServerConfig::default(), 4, 1);
    for (number, shard) in [(1, 3), (2, 0), (3, 2)] {
        let arrival = crate::hand::arrival("192.0.2.1", webstar_core::wire::signal::Encoding::Postcard);
        let who = den.house.connect_to(shard, arrival);
        den.house.hello(who);
        den.house.say(who, with_restore(&kept[number - 1], false));
        let joined = den.house.joined(who);
        assert_eq!(joined.player_id, player(number));
    }
    let lobbies: u64 = den.house.servers.iter().map(|server| server.stats().lobbies).sum();
    assert_eq!(lobbies, 1);
}

#[test]
fn a_used_token_is_refused_by_a_restarted_server() {
    let mut den = Den::of(2);
    let first = den.joined[1].token.clone().unwrap();
    let before = kept(&den, 2, &first);
    den.house.cut(den.who(2));
    let who = den.house.player();
    den.house.say(who, crate::hand::resuming("den", &first));
    let again = den.house.joined(who);
    den.house.say(who, ClientMessage::Ping(Ping { nonce: 1 }));
    den.members[1] = who;
    den.joined[1] = again;
    let kept = restarted(&mut den, 1);
    // With the newest record it is known at once.
    let stolen = Kept { token: first.clone(), ..kept[1].clone() };
    assert_eq!(refusal(&mut den.house, &stolen), ErrorCode::BadToken);

    // With an old one it is known when somebody comes with a newer.
    den.house = House::reborn(ServerConfig::default(), 2);
    let (thief, _) = back(&mut den.house, &before);
    let (_, joined) = back(&mut den.house, &kept[0]);
    assert_eq!(den.house.clients[thief].closed, Some(CloseReason::TokenReused));
    assert!(joined.player_list.iter().all(|entry| entry.player_id == player(1)), "{:?}", joined.player_list);
}

#[test]
fn what_another_process_has_sealed_in_between_counts_too() {
    let mut den = Den::of(3);
    let first = all_kept(&den);
    // All three come back to the second process, and use what they had.
    den.house = House::reborn(ServerConfig::default(), 1);
    all_back(&mut den, &first, &[1, 2, 3]);
    for number in [1, 2, 3] {
        den.house.say(den.who(number), ClientMessage::Ping(Ping { nonce: 1 }));
    }
    let second = all_kept(&den);
    // The third is found by one with a record of the first; then somebody knows better.
    den.house = House::reborn(ServerConfig::default(), 2);
    let (thief, _) = back(&mut den.house, &first[0]);
    back(&mut den.house, &second[1]);
    assert_eq!(den.house.clients[thief].closed, Some(CloseReason::TokenReused));
    assert_eq!(refusal(&mut den.house, &first[2]), ErrorCode::BadToken);
}

/// A newer record made one who had been back and was away again what it was before: its used token was good again.
#[test]
fn a_newer_record_takes_nothing_back_from_who_has_been_back() {
    let mut den = Den::of(3);
    let old = all_kept(&den);
    den.house.say(den.who(1), ClientMessage::Lock(Lock { locked: true, request: 0 }));
    let newer = restarted(&mut den, 1);
    let (second, _) = back(&mut den.house, &old[1]);
    den.house.say(second, ClientMessage::Ping(Ping { nonce: 1 }));
    den.house.cut(second);
    back(&mut den.house, &newer[2]);
    assert_eq!(refusal(&mut den.house, &old[1]), ErrorCode::BadToken);
}

/// A newer record of an earlier life brought one back that had left meanwhile, and its used token was good again.
#[test]
fn a_newer_record_does_not_bring_back_who_has_left() {
    let mut den = Den::of(3);
    let old = all_kept(&den);
    den.house.say(den.who(1), ClientMessage::Lock(Lock { locked: true, request: 0 }));
    let newer = restarted(&mut den, 1);
    let (second, _) = back(&mut den.house, &old[1]);
    den.house.say(second, ClientMessage::LeaveLobby);
    let (_, joined) = back(&mut den.house, &newer[2]);
    let there: Vec<u32> = joined.player_list.iter().map(|entry| entry.player_id.0).collect();
    assert_eq!(there, [1, 3]);
    assert_eq!(refusal(&mut den.house, &old[1]), ErrorCode::BadToken);
}

#[test]
fn a_lobby_comes_back_within_the_time_for_which_places_are_kept() {
    let kept = ServerConfig::default().resume_timeout;
    for (after, comes_back) in [(kept - ms(1), true), (kept, false)] {
        let mut den = Den::of(2);
        let records = all_kept(&den);
        den.house = House::reborn(ServerConfig::default(), 1);
        den.house.pass(after);
        match comes_back {
            true => assert_eq!(back(&mut den.house, &records[1]).1.player_id, player(2)),
            false => assert_eq!(refusal(&mut den.house, &records[1]), ErrorCode::BadToken),
        }
    }
}

#[test]
fn who_was_put_out_does_not_come_back_by_an_old_record() {
    let mut den = Den::of(3);
    let old = kept(&den, 3, den.joined[2].token.as_ref().unwrap());
    den.house.say(den.who(1), ClientMessage::Ban(Kick { player_id: player(3), request: 0 }));
    let mut kept = restarted(&mut den, 1);
    kept[2] = old;
    let (out, joined) = back(&mut den.house, &kept[2]);
    assert_eq!(joined.player_list.len(), 3);
    back(&mut den.house, &kept[0]);
    assert_eq!(den.house.clients[out].closed, Some(CloseReason::TimedOut));
    let out = den.house.player();
    den.house.say(out, ClientMessage::JoinLobby(joining("den")));
    assert_eq!(den.house.refused(out), ErrorCode::Banned);
}

#[test]
fn nothing_is_proposed_before_most_voters_have_told_what_they_promised() {
    let mut den = Den::of(5);
    let kept = restarted(&mut den, 1);
    all_back(&mut den, &kept, &[2, 3]);
    den.answer(false, &[2, 3]);
    den.live(secs(5), &[2, 3]);
    assert_eq!((den.proposals(2), den.views(3)), (vec![], vec![]));
    all_back(&mut den, &kept, &[4]);
    den.answer(false, &[4]);
    den.live(ms(999), &[2, 3, 4]);
    let told = den.proposal(2);
    assert_eq!((told.view.host, told.view.base, told.view.epoch), (player(2), epoch(1, 1), epoch(2, 0)));
    assert_eq!(told.signature, None, "who has not come back may hold a promise of before");
}

#[test]
fn what_was_promised_before_is_told_and_its_term_not_used_again() {
    let mut den = Den::of(3);
    let promised = View {
        epoch: epoch(4, 0),
        base: den.view.epoch,
        host: player(3),
        backups: vec![player(2)],
        cause: Some(HostCause::Voted),
        ..den.view.clone()
    };
    let mut kept = restarted(&mut den, 1);
    kept[2].promised = vec![promised.clone()];
    all_back(&mut den, &kept, &[2, 3]);
    den.answer(false, &[2, 3]);
    let told = den.proposal(2);
    assert_eq!((told.view.epoch, &told.promised[..]), (epoch(5, 0), &[promised.clone()][..]));
    // If it names others they are waited for too.
    let mut den = Den::of(3);
    let mut kept = restarted(&mut den, 1);
    let mut others = promised;
    for (index, voter) in others.voters.iter_mut().enumerate().skip(1) {
        voter.incarnation = Incarnation(2);
        voter.key = key_of(index).public();
    }
    kept[2].promised = vec![others];
    all_back(&mut den, &kept, &[2, 3]);
    den.answer(false, &[2, 3]);
    den.live(secs(9), &[2, 3]);
    assert_eq!(den.proposals(2), []);
    den.live(secs(1), &[2, 3]);
    assert!(den.views(2)[0].view.begins_line(), "but not for ever");
}

#[test]
fn the_servers_weight_counts_again_when_all_have_come_back() {
    let mut den = Den::of(4);
    let kept = restarted(&mut den, 1);
    let light = den.light(|view| view.voters.retain(|voter| voter.player.0 < 4));
    let ask = ClientMessage::Grant(Grant { view: Box::new(light) });
    let granted = |den: &mut Den| {
        den.house.say(den.who(1), ask.clone());
        den.house.heard(den.who(1)).iter().any(|message| matches!(message, ServerMessage::Granted(_)))
    };
    all_back(&mut den, &kept, &[1, 2, 3]);
    assert!(!granted(&mut den));
    all_back(&mut den, &kept, &[4]);
    assert!(granted(&mut den));
}

#[test]
fn a_newer_view_than_the_server_had_heard_of_counts() {
    let mut den = Den::of(3);
    let mut kept = restarted(&mut den, 1);
    let next = den.light(|view| view.backups = vec![player(3)]);
    kept[2].view = Some(den.quorum(next.clone(), &[1, 3], None));
    let (_, joined) = back(&mut den.house, &kept[1]);
    assert_eq!(joined.epoch, epoch(1, 1));
    let (_, joined) = back(&mut den.house, &kept[2]);
    assert_eq!((joined.epoch, joined.view.unwrap().view), (epoch(1, 2), next));
}

#[test]
fn after_ten_seconds_those_who_are_there_go_on() {
    let mut den = Den::of(3);
    let kept = restarted(&mut den, 1);
    let (who, _) = back(&mut den.house, &kept[2]);
    den.members[2] = who;
    den.answer(false, &[3]);
    den.live(secs(10) - ms(1), &[3]);
    assert_eq!(den.views(3), []);
    den.live(ms(1), &[3]);
    let told = den.views(3);
    assert!(told[0].view.begins_line() && told[0].view.host == player(3));
}

#[test]
fn a_lobby_without_migration_waits_longer_for_its_host_after_a_restart() {
    let mut house = House::new(ServerConfig::default());
    let rules = CreateLobby { enable_host_migration: false, ..CreateLobby::default() };
    let join = JoinLobby { create: Some(rules), ..joining("den") };
    let members = vec![house.player(), house.player()];
    let joined = members.iter().map(|who| house.join(*who, join.clone())).collect();
    let mut den = Den::among(house, members, joined);
    let kept = restarted(&mut den, 1);
    all_back(&mut den, &kept, &[2]);
    den.answer(false, &[2]);
    den.house.pass(secs(9));
    assert!(den.house.clients[den.who(2)].is_open);
    all_back(&mut den, &kept, &[1]);
    den.house.pass(secs(9));
    assert!(den.house.clients[den.who(2)].is_open);
    assert_eq!(hosts(&mut den.house, den.members[1]), []);
}
