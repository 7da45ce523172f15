//! Stories of players around a server, each a few lines: what a game sees when nothing or one thing goes wrong.

mod authority;
mod hosts;
mod kicks;
mod scene;
mod thieves;
mod upload;

use scene::{Join, Scene};
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, Command, Destination, Ended, PeerEvent};
use webstar_core::wire::signal::{
    BroadcastData, ClientMessage, CloseReason, Data, ErrorCode, RelayData, ServerMessage,
};

#[test]
fn three_players_talk_on_every_channel() {
    let mut scene = Scene::of(["ann", "bob", "cid"]);
    for channel in Channel::ALL {
        scene.say("ann", &Destination::All, channel, "from the host");
        scene.say("bob", &Destination::All, channel, "from a member");
        scene.run(500);
        for name in ["ann", "bob", "cid"] {
            let mut texts = scene.texts(name, channel);
            texts.sort();
            assert_eq!(texts, ["from a member", "from the host"], "{name} on {channel:?}");
        }
    }
    let orders = ["ann", "bob", "cid"].map(|name| scene.texts(name, Channel::Ordered));
    assert!(orders.iter().all(|order| *order == orders[0]), "{orders:?}");
}

#[test]
fn a_message_reaches_whom_it_is_for() {
    let mut scene = Scene::settled(["ann", "bob", "cid"]);
    let (ann, cid) = (scene.player("ann"), scene.player("cid"));
    scene.say("bob", &Destination::Others, Channel::Ordered, "others");
    scene.say("bob", &Destination::Host, Channel::Ordered, "host");
    scene.say("bob", &Destination::One(cid), Channel::Ordered, "cid");
    scene.say("bob", &Destination::AllBut(vec![ann]), Channel::Ordered, "all but ann");
    scene.run(500);
    assert_eq!(scene.texts("ann", Channel::Ordered), ["others", "host"]);
    assert_eq!(scene.texts("bob", Channel::Ordered), ["all but ann"]);
    assert_eq!(scene.texts("cid", Channel::Ordered), ["others", "cid", "all but ann"]);
}

#[test]
fn a_member_cut_for_twenty_seconds_resumes_as_itself_with_what_it_missed() {
    let mut scene = Scene::of(["ann", "bob", "cid"]);
    let cid = scene.player("cid");
    scene.cut("cid", true);
    scene.run(1_000);
    scene.say("ann", &Destination::All, Channel::Ordered, "one");
    scene.say("bob", &Destination::All, Channel::Ordered, "two");
    let said = scene.say("cid", &Destination::All, Channel::Ordered, "three");
    scene.run(19_000);
    scene.cut("cid", false);
    scene.run(15_000);
    for name in ["ann", "bob", "cid"] {
        assert_eq!(scene.texts(name, Channel::Ordered), ["one", "two", "three"], "{name}");
    }
    assert_eq!(scene.count("cid", |event| *event == PeerEvent::Acked(said)), 1);
    assert_eq!(scene.count("cid", |event| matches!(event, PeerEvent::ContinuityLost)), 0);
    let players = scene.events("cid").iter().filter_map(|event| match event {
        PeerEvent::Joined { player, .. } => Some(*player),
        _ => None,
    });
    assert!(players.into_iter().all(|player| player == cid));
    assert_eq!(scene.count("ann", |event| matches!(event, PeerEvent::PlayerLeft { .. })), 0);
}

#[test]
fn a_socket_that_dies_unheard_closes_late_and_changes_nothing() {
    let mut scene = Scene::of(["ann", "bob"]);
    let seat = scene.seat("bob");
    scene.world.half_open(seat);
    // Longer than the server waits for an idle connection.
    scene.run(90_000);
    scene.say("bob", &Destination::All, Channel::Ordered, "still here");
    scene.run(500);
    assert_eq!(scene.texts("ann", Channel::Ordered), ["still here"]);
    assert!(scene.count("bob", |event| matches!(event, PeerEvent::Joined { resumed: true, .. })) > 0);
    assert_eq!(scene.count("ann", |event| matches!(event, PeerEvent::PlayerLeft { .. })), 0);
    assert_eq!(scene.end("bob"), None);
}

#[test]
fn when_the_host_leaves_another_takes_over() {
    let mut scene = Scene::of(["ann", "bob", "cid"]);
    scene.command("ann", Command::Leave);
    scene.run(1_000);
    assert_eq!(scene.end("ann"), Some(&Ended::Left));
    scene.say("bob", &Destination::All, Channel::Reliable, "go on");
    scene.run(500);
    for name in ["bob", "cid"] {
        assert_eq!(scene.texts(name, Channel::Reliable), ["go on"], "{name}");
        assert!(scene.count(name, |event| matches!(event, PeerEvent::HostChanged { .. })) > 0, "{name}");
    }
}

#[test]
fn who_comes_while_others_talk_hears_what_is_said_from_then_on() {
    let mut scene = Scene::of(["ann", "bob"]);
    scene.say("bob", &Destination::All, Channel::Ordered, "before");
    scene.run(300);
    scene.join("cid", Join::default());
    scene.run(300);
    scene.say("bob", &Destination::All, Channel::Ordered, "after");
    scene.run(300);
    assert_eq!(scene.texts("cid", Channel::Ordered), ["after"]);
    assert_eq!(scene.texts("ann", Channel::Ordered), ["before", "after"]);
}

#[test]
fn guests_and_players_hear_each_other() {
    let mut scene = Scene::of(["ann", "bob"]);
    scene.join_as_guest("guy");
    scene.run(300);
    let guy = scene.plain("guy").iter().find_map(|message| match message {
        ServerMessage::LobbyJoined(joined) => Some(joined.player_id),
        _ => None,
    });
    let guy = guy.expect("the guest is in the lobby");
    let data = || Data::of_bytes(b"hello");
    scene.guest_says("guy", &ClientMessage::BroadcastData(BroadcastData { from_player: PlayerId(0), data: data() }));
    let to_player = scene.player("bob");
    let relay = RelayData { from_player: PlayerId(0), to_player, data: Data::of_bytes(b"only you") };
    scene.guest_says("guy", &ClientMessage::RelayData(relay));
    scene.run(300);
    let relayed = |scene: &Scene, name| -> Vec<(PlayerId, String, Vec<u8>)> {
        let messages = scene.messages(name).into_iter();
        messages.map(|m| (m.from, m.kind.as_str().to_string(), m.payload.to_vec())).collect()
    };
    assert_eq!(relayed(&scene, "ann"), [(guy, "relay".into(), b"hello".to_vec())]);
    assert_eq!(
        relayed(&scene, "bob"),
        [(guy, "relay".into(), b"hello".to_vec()), (guy, "relay".into(), b"only you".to_vec())]
    );
    scene.say("bob", &Destination::One(guy), Channel::Reliable, "and you");
    scene.run(300);
    let heard = scene.plain("guy").iter().any(|message| {
        matches!(message, ServerMessage::RelayData(relayed) if relayed.data.to_bytes() == "and you".as_bytes() && relayed.from_player == to_player)
    });
    assert!(heard, "{:?}", scene.plain("guy"));
}

#[test]
fn a_kicked_player_is_out_and_the_others_see_it() {
    let mut scene = Scene::of(["ann", "bob", "cid"]);
    let bob = scene.player("bob");
    scene.command("ann", Command::Kick(bob));
    scene.run(500);
    assert_eq!(scene.end("bob"), Some(&Ended::PutOut(CloseReason::Kicked)));
    let left = |event: &PeerEvent| matches!(event, PeerEvent::PlayerLeft { player, reason: CloseReason::Kicked } if *player == bob);
    assert_eq!(scene.count("cid", left), 1);
    scene.say("cid", &Destination::Others, Channel::Ordered, "peace");
    scene.run(300);
    assert_eq!(scene.texts("ann", Channel::Ordered), ["peace"]);
}

#[test]
fn a_full_lobby_takes_nobody_until_somebody_leaves() {
    let mut scene = Scene::new();
    for name in ["ann", "bob", "cid"] {
        scene.join(name, Join { max_players: 2, ..Join::default() });
        scene.run(300);
    }
    assert_eq!(scene.refusal("cid"), Some(ErrorCode::LobbyFull));
    scene.command("bob", Command::Leave);
    scene.run(300);
    scene.join("dan", Join { max_players: 2, ..Join::default() });
    scene.run(300);
    assert_eq!(scene.player("dan"), PlayerId(3));
}

#[test]
fn a_wrong_password_and_an_unknown_lobby_are_refused_alike() {
    let mut scene = Scene::new();
    let secret = Join { password: Some("open sesame"), ..Join::default() };
    scene.join("ann", secret);
    scene.run(500);
    scene.join("bob", Join { password: Some("open, barley"), create: false, ..secret });
    scene.join("cid", Join { lobby: "nowhere", create: false, ..secret });
    scene.join("dan", Join { create: false, ..secret });
    scene.run(1_000);
    assert_eq!(scene.refusal("bob"), Some(ErrorCode::NoSuchLobbyOrPassword));
    assert_eq!(scene.end("bob"), scene.end("cid"));
    assert_eq!(scene.player("dan"), PlayerId(2));
}

#[test]
fn two_lobbies_on_one_server_do_not_hear_each_other() {
    let mut scene = Scene::new();
    for (name, lobby) in [("ann", "north"), ("bob", "north"), ("cid", "south"), ("dan", "south")] {
        scene.join(name, Join { lobby, ..Join::default() });
        scene.run(300);
    }
    scene.say("bob", &Destination::All, Channel::Ordered, "snow");
    scene.say("dan", &Destination::All, Channel::Ordered, "sun");
    scene.run(500);
    for (name, text) in [("ann", "snow"), ("bob", "snow"), ("cid", "sun"), ("dan", "sun")] {
        assert_eq!(scene.texts(name, Channel::Ordered), [text], "{name}");
    }
}

#[test]
fn who_does_not_read_is_disconnected_and_the_others_feel_nothing() {
    let mut scene = Scene::of(["ann", "bob", "cid"]);
    let seat = scene.seat("cid");
    scene.world.set_reading(seat, false);
    for _ in 0..100 {
        scene.say_bytes("bob", Channel::Reliable, 20_000);
        scene.say("bob", &Destination::One(scene.player("ann")), Channel::Ordered, "tick");
        scene.run(100);
    }
    scene.run(1_000);
    assert_eq!(scene.texts("ann", Channel::Ordered).len(), 100);
    assert_eq!(scene.count("ann", |event| matches!(event, PeerEvent::HostChanged { .. })), 0);
    scene.world.set_reading(seat, true);
    scene.run(20_000);
    let bulk = scene.messages("cid").iter().filter(|message| message.kind.as_str() == "bulk").count();
    let taken = scene.messages("ann").iter().filter(|message| message.kind.as_str() == "bulk").count();
    assert!(bulk == taken || scene.end("cid").is_some(), "{bulk} of {taken}");
}
