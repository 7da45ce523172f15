//! What the server knows of views: the first one, those that it adopts, those that it refuses, and what it promises.

use crate::hand::{House, joining, ms, secs};
use crate::stars::{Den, epoch, hosts, player, voter};
use webstar_core::server::ServerConfig;
use webstar_core::wire::signal::{
    ClientMessage, Epoch, Grant, Granted, HostCause, JoinLobby, ServerMessage, SetHidden,
};
use webstar_core::wire::view::{Certified, Proof, Signature, SigningKey, StarId, Statement, View};

/// What the player is answered that asks for a promise: it, or one that binds the server.
fn answer(den: &mut Den, number: usize, view: &View) -> Option<Granted> {
    den.house.forget();
    den.house.say(den.who(number), ClientMessage::Grant(Grant { view: Box::new(view.clone()) }));
    den.house.heard(den.who(number)).into_iter().find_map(|message| match message {
        ServerMessage::Granted(granted) => Some(granted),
        _ => None,
    })
}

/// The promise that the player has asked for.
fn grant(den: &mut Den, number: usize, view: &View) -> Option<Granted> {
    answer(den, number, view).filter(|granted| granted.epoch == view.epoch)
}

fn dropped(den: &Den) -> u64 {
    den.house.servers[0].stats().dropped.get("unproven").copied().unwrap_or(0)
}

#[test]
fn the_first_player_is_host_of_the_first_view() {
    let mut house = House::new(ServerConfig::default());
    let guest = house.guest("den");
    assert_eq!(hosts(&mut house, guest), []);
    let spectator = house.player();
    let watching = house.join(spectator, JoinLobby { spectator: true, ..joining("den") });
    assert_eq!((watching.host_id, &watching.view), (Some(player(1)), &None), "a guest in name");
    house.forget();
    let first = house.player();
    let joined = house.join(first, joining("den"));
    let view = View {
        epoch: epoch(2, 0),
        base: Epoch::default(),
        since: epoch(2, 0),
        cause: None,
        host: player(3),
        backups: vec![],
        voters: vec![voter(3, &[0, 1, 2])],
    };
    let told = joined.view.unwrap();
    assert_eq!((&told.view, joined.host_id, joined.epoch), (&view, Some(player(3)), epoch(2, 0)));
    let Proof::Server(signature) = &told.proof else { panic!("{told:?}") };
    assert!(Statement::InForce.is_signed(&joined.server_key, joined.star, &view, signature));
    assert_eq!(hosts(&mut house, guest), [(3, epoch(2, 0), None)]);
    let told: Vec<_> = house.heard(spectator).into_iter().collect();
    assert!(told.iter().any(|message| matches!(message, ServerMessage::ViewInForce(v) if v.certified.view == view)));
}

#[test]
fn a_hidden_first_player_is_host_when_it_shows_itself() {
    let mut house = House::new(ServerConfig::default());
    let guest = house.guest("den");
    let first = house.player();
    house.say(
        first,
        ClientMessage::Hello(webstar_core::wire::signal::Hello {
            versions: vec![webstar_core::wire::signal::Version::CURRENT],
            key: None,
        }),
    );
    let joined = house.join(first, joining("den"));
    assert_eq!((joined.host_id, joined.view), (Some(player(2)), None), "without a key it is host in name only");
    let second = house.player();
    let joined = house.join(second, joining("den"));
    assert_eq!(joined.host_id, Some(player(3)));
    assert_eq!(joined.view.unwrap().view.host, player(3));
    house.forget();
    house.say(second, ClientMessage::SetHidden(SetHidden { hidden: true }));
    assert_eq!(hosts(&mut house, guest), [], "the host is whom the players have agreed upon");
}

#[test]
fn what_voters_have_promised_is_in_force_and_told_with_the_servers_word() {
    let mut den = Den::of(3);
    let view = den.view.clone();
    let told = den.told();
    assert!(told.view == view && den.is_certified(&told));
    // Two of three are enough, whoever says so.
    let light = den.light(|view| view.backups = vec![player(3)]);
    den.put_in_force(2, light.clone(), &[1, 3]);
    assert_eq!(den.told().view, light);
    assert_eq!(dropped(&den), 0);
}

#[test]
fn what_is_not_proven_is_not_in_force() {
    let mut den = Den::of(3);
    let light = den.light(|view| view.backups = vec![player(3)]);
    let good = den.quorum(light.clone(), &[1, 2], None);
    let mut forgeries = vec![
        den.quorum(light.clone(), &[1], None),
        den.quorum(light.clone(), &[], None),
        Certified { view: light.clone(), proof: Proof::Server(Signature([7; 64])) },
        Certified { view: light.clone(), proof: Proof::Fork(Signature([7; 64])) },
        // Promised was another view.
        Certified { view: den.light(|view| view.host = player(2)), proof: good.proof.clone() },
        // The base is not known.
        den.quorum(View { epoch: epoch(1, 3), base: epoch(1, 2), ..light.clone() }, &[1, 2, 3], None),
        // Another view of the epoch that is in force.
        den.quorum(View { epoch: den.view.epoch, base: epoch(1, 0), ..light.clone() }, &[1, 2, 3], None),
        // A line of its own.
        den.quorum(View { since: light.epoch, ..light.clone() }, &[1, 2, 3], None),
    ];
    // Somebody else's server.
    let stranger = Statement::InForce.sign(&SigningKey::from_seed(&[200; 32]), den.star, &light);
    forgeries.push(Certified { view: light.clone(), proof: Proof::Server(stranger) });
    // Another lobby, with the same players.
    let star = den.star;
    den.star = StarId(star.0 ^ 1);
    forgeries.push(den.quorum(light.clone(), &[1, 2, 3], None));
    den.star = star;
    // One promise, told often.
    let mut often = den.quorum(light, &[3], None);
    if let Proof::Quorum { promises, .. } = &mut often.proof {
        *promises = vec![promises[0]; 3];
    }
    forgeries.push(often);
    let count = forgeries.len() as u64;
    for forged in forgeries {
        den.house.pass(secs(2));
        den.present(2, forged.clone());
        assert_eq!(den.views(2).len(), 1, "who says so is told what is in force: {forged:?}");
        assert_eq!(den.told().view, den.view);
    }
    assert_eq!(dropped(&den), count);
    den.present(2, good);
    assert_eq!(den.told().view.epoch, epoch(1, 2));
}

#[test]
fn a_certificate_of_another_lobby_is_worth_nothing() {
    let mut den = Den::of(2);
    let mut house = std::mem::replace(&mut den.house, House::new(ServerConfig::default()));
    let other: Vec<_> = (0..2).map(|_| house.player()).collect();
    let joined: Vec<_> = other.iter().map(|who| house.join(*who, joining("cave"))).collect();
    let theirs = joined[0].view.clone().unwrap();
    den.house = house;
    den.house.forget();
    den.present(2, theirs);
    assert_eq!((dropped(&den), den.told().view), (0, den.view.clone()), "it is older anyway");
    den.present(2, joined[1].view.clone().unwrap());
    let ahead = Certified {
        view: View { epoch: epoch(9, 0), since: epoch(9, 0), ..joined[0].view.clone().unwrap().view },
        ..joined[0].view.clone().unwrap()
    };
    den.present(2, ahead);
    assert_eq!((dropped(&den), den.told().view), (1, den.view.clone()));
}

#[test]
fn who_is_behind_is_told_once_a_second() {
    let mut den = Den::of(2);
    let old = den.joined[0].view.clone().unwrap();
    for _ in 0..3 {
        den.present(2, old.clone());
    }
    assert_eq!(den.views(2).len(), 1);
    den.house.pass(secs(1) - ms(1));
    den.present(2, old.clone());
    assert_eq!(den.views(2).len(), 0);
    den.house.pass(ms(1));
    den.present(2, old);
    let told = den.views(2);
    assert!(told[0].view == den.view && den.is_certified(&told[0]));
}

#[test]
fn the_host_is_given_the_promise_that_it_lacks_and_another_of_the_epoch_is_not() {
    let mut den = Den::of(4);
    let light = den.light(|view| view.voters.retain(|voter| voter.player.0 < 3));
    assert_eq!(grant(&mut den, 2, &light), None, "only the host asks for that");
    let first = grant(&mut den, 1, &light).unwrap();
    assert!(den.is_granted(&light, &first.signature));
    assert_eq!((first.epoch, &first.promised[..]), (light.epoch, &[][..]));
    assert_eq!(grant(&mut den, 1, &light), Some(first.clone()), "the same again");
    let other = den.light(|view| view.voters.retain(|voter| voter.player.0 < 4));
    assert!(grant(&mut den, 1, &other).is_none_or(|granted| !den.is_granted(&other, &granted.signature)));
    let next = View { epoch: epoch(2, 0), cause: Some(HostCause::Voted), ..other.clone() };
    let second = grant(&mut den, 1, &next).unwrap();
    assert_eq!(second.promised, core::slice::from_ref(&light), "it may be in force");
    assert!(grant(&mut den, 1, &light).is_some(), "and is promised still");
}

/// A host that could agree with the server only asked for a promise each few seconds: after four it got none any more.
#[test]
fn what_its_host_has_given_up_for_a_newer_round_is_forgotten() {
    let mut den = Den::of(4);
    for round in 2..20 {
        let light = den.light(|view| view.voters.retain(|voter| voter.player.0 < 3));
        let view = View { epoch: epoch(1, round), ..light };
        assert_eq!(grant(&mut den, 1, &view).map(|granted| granted.promised), Some(vec![]), "{round}");
    }
}

/// A host was refused the server's promise for ever and never learnt why.
#[test]
fn who_asks_for_a_promise_is_told_what_binds_the_server() {
    let mut den = Den::of(4);
    let newer = View { epoch: epoch(3, 0), cause: Some(HostCause::Voted), ..den.light(|_| {}) };
    grant(&mut den, 1, &newer).unwrap();
    let light = den.light(|view| view.voters.retain(|voter| voter.player.0 < 3));
    let told = answer(&mut den, 1, &light).unwrap();
    assert_eq!((told.epoch, &told.promised[..]), (newer.epoch, core::slice::from_ref(&newer)));
    assert!(den.is_granted(&newer, &told.signature));
}

#[test]
fn a_server_s_promise_counts_half_a_voter() {
    let mut den = Den::of(4);
    let light = den.light(|view| view.voters.retain(|voter| voter.player.0 < 4));
    let granted = grant(&mut den, 1, &light).unwrap();
    let without = den.quorum(light.clone(), &[1, 2], None);
    den.present(1, without);
    assert_eq!(den.told().view, den.view);
    let with = den.quorum(light.clone(), &[1, 2], Some(granted.signature));
    den.present(1, with);
    assert_eq!(den.told().view, light);
}

#[test]
fn what_follows_something_else_is_never_promised() {
    let mut den = Den::of(3);
    let good = den.light(|view| view.backups = vec![player(3)]);
    let bad = [
        View { base: epoch(1, 0), ..good.clone() },
        View { base: epoch(1, 5), ..good.clone() },
        View { since: epoch(1, 1), ..good.clone() },
        View { since: good.epoch, ..good.clone() },
        View { epoch: epoch(1, 1), ..good.clone() },
        View { epoch: epoch(1, 0), ..good.clone() },
        View { epoch: epoch(5_000, 0), ..good.clone() },
        View { backups: vec![player(1)], ..good.clone() },
        View { voters: good.voters.iter().rev().copied().collect(), ..good.clone() },
    ];
    for view in &bad {
        assert_eq!(grant(&mut den, 1, view), None, "{view:?}");
    }
    assert!(grant(&mut den, 1, &good).is_some());
}

#[test]
fn nobody_is_helped_against_a_host_that_is_there() {
    let mut den = Den::of(2);
    let mine = View {
        epoch: epoch(2, 0),
        base: den.view.epoch,
        cause: Some(HostCause::Voted),
        host: player(2),
        backups: vec![],
        ..den.view.clone()
    };
    assert_eq!(grant(&mut den, 2, &mine), None);
    den.house.cut(den.who(1));
    assert_eq!(grant(&mut den, 2, &mine).map(|granted| granted.epoch), Some(mine.epoch));
    // And what the server proposes is newer.
    den.answer(false, &[2]);
    let told = den.proposal(2);
    assert_eq!((told.view.epoch, &told.promised[..]), (epoch(3, 0), &[mine.clone()][..]));
    assert_eq!(grant(&mut den, 2, &View { epoch: epoch(2, 1), ..mine }), None, "nothing older than what is promised");
}

#[test]
fn promises_that_cannot_be_told_are_not_given() {
    let mut den = Den::of(3);
    let mut count = 0;
    for term in 2..20 {
        let view = View { epoch: epoch(term, 0), cause: Some(HostCause::Voted), ..den.light(|_| {}) };
        if let Some(granted) = grant(&mut den, 1, &view) {
            assert_eq!(granted.promised.len(), count);
            count += 1;
        }
    }
    assert_eq!(count, 4);
    // Something in force ends that.
    let view = View { epoch: epoch(30, 0), ..den.light(|view| view.backups = vec![player(3)]) };
    den.put_in_force(1, view, &[1, 2]);
    let next = den.light(|view| view.backups = vec![player(2)]);
    assert_eq!(grant(&mut den, 1, &next).map(|granted| granted.promised), Some(vec![]));
}

#[test]
fn guests_have_no_say_about_the_star() {
    let mut den = Den::of(2);
    let guest = den.house.guest("den");
    den.house.forget();
    let light = den.light(|view| view.backups.clear());
    den.house.say(guest, ClientMessage::Grant(Grant { view: Box::new(light) }));
    assert!(den.house.heard(guest).is_empty());
    assert_eq!(den.house.servers[0].stats().dropped["not_in_lobby"], 1);
}
