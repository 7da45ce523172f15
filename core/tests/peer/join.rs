//! Joining, one machine fed by hand: what it asks for and when, what it does with every answer, and its exact deadlines.

use crate::alone::{
    SECOND, asked, at, drain, entry, error, hear, inside, joined, joined_under, name, peer, request, tell,
    wait_for_stream, welcome,
};
use bytes::Bytes;
use webstar_core::config::PlayerConfig;
use webstar_core::id::{PlayerId, StreamId};
use webstar_core::peer::{
    Channel, Command, CommandError, Destination, Ended, Input, InputError, PeerEvent, PeerTimer, SendError, Wish,
};
use webstar_core::time::Duration;
use webstar_core::wire::signal::*;

#[test]
fn the_first_thing_is_a_stream_to_the_server() {
    let config = PlayerConfig { signaling_server: "ws://here/ws".into(), ..PlayerConfig::default() };
    let mut peer = peer(config, request(Wish::Named(name("den"))));
    let drained = drain(&mut peer);
    assert_eq!(drained.opened, [(StreamId(1), "ws://here/ws".to_string())]);
    assert_eq!(drained.next, Some((at(10_000), PeerTimer::Server)));
    let drained = tell(&mut peer, at(5), Input::Opened { stream: StreamId(1) });
    let [(StreamId(1), ClientMessage::Hello(hello))] = &drained.said[..] else { panic!("{drained:?}") };
    assert_eq!((&hello.versions[..], hello.key.is_some()), (&[Version::CURRENT, Version::PREVIOUS][..], true));
    assert_eq!(drained.next, Some((at(10_005), PeerTimer::Server)));
    let drained = hear(&mut peer, at(10), StreamId(1), &welcome());
    let [(_, ClientMessage::JoinLobby(join))] = &drained.said[..] else { panic!("{drained:?}") };
    assert_eq!((join.lobby_id.as_ref(), join.create.as_ref()), (Some(&name("den")), None));
    let drained = hear(&mut peer, at(20), StreamId(1), &joined(&[1]));
    let [PeerEvent::Joined { player, host, resumed, members, .. }, PeerEvent::ViewChanged { backups, .. }] =
        &drained.events[..]
    else {
        panic!("{drained:?}")
    };
    assert!(backups.is_empty());
    assert_eq!((*player, *host, *resumed, members.len()), (PlayerId(1), Some(PlayerId(1)), false, 1));
    let mut next = drained.next.expect("it has a time");
    while next.1 == PeerTimer::Star {
        next = tell(&mut peer, next.0, Input::Timeout).next.expect("it has a time");
    }
    assert_eq!(next, (at(5_020), PeerTimer::Server), "the lonely ask whether the server is there");
}

#[test]
fn what_is_wished_is_asked_for() {
    let bob = PeerId::new("bob").expect("it is short");
    let create = |max_players| Some(CreateLobby { max_players, ..CreateLobby::default() });
    let table = [
        (Wish::Named(name("den")), (Some(name("den")), None, None)),
        (Wish::New, (None, None, create(16))),
        (Wish::Peer(bob.clone()), (None, Some(bob.clone()), create(2))),
        (Wish::PeerGame { peer: bob.clone(), room: name("r") }, (Some(name("r")), Some(bob.clone()), create(16))),
    ];
    for (wish, wanted) in table {
        let (_, message) = asked(PlayerConfig::default(), request(wish));
        let ClientMessage::JoinLobby(join) = message else { panic!("{message:?}") };
        assert_eq!((join.lobby_id, join.peer, join.create), wanted);
    }
    let (_, message) = asked(PlayerConfig::default(), request(Wish::Quick(Filter::default())));
    assert!(matches!(message, ClientMessage::QuickJoin(quick) if quick.create.is_none()));
    let config = PlayerConfig { enable_host_migration: false, ..PlayerConfig::default() };
    let (_, message) = asked(config, request(Wish::New));
    let ClientMessage::JoinLobby(join) = message else { panic!("{message:?}") };
    assert!(join.create.is_some_and(|rules| !rules.enable_host_migration));
}

#[test]
fn a_peer_id_is_claimed_first() {
    let mut wish = request(Wish::New);
    wish.peer_id = Some(PeerId::new("ann").expect("it is short"));
    let (mut peer, message) = asked(PlayerConfig::default(), wish);
    let ClientMessage::PeerId(claim) = message else { panic!("{message:?}") };
    let drained = hear(&mut peer, at(1), StreamId(1), &ServerMessage::PeerId(claim));
    assert!(matches!(&drained.said[..], [(_, ClientMessage::JoinLobby(_))]));
}

#[test]
fn what_the_server_refuses_is_the_end() {
    for code in [ErrorCode::NoSuchLobbyOrPassword, ErrorCode::LobbyFull, ErrorCode::Busy, ErrorCode::UnsupportedVersion]
    {
        let (mut peer, _) = asked(PlayerConfig::default(), request(Wish::New));
        let drained = hear(&mut peer, at(1), StreamId(1), &error(code));
        assert_eq!(drained.closed, [StreamId(1)]);
        let [PeerEvent::Closed(Ended::Refused(refusal))] = &drained.events[..] else { panic!("{drained:?}") };
        assert_eq!((refusal.code, refusal.message.as_str()), (code, code.to_string().as_str()));
        assert_eq!(drained.next, None);
        assert_eq!(peer.handle(at(2), Input::Timeout), Err(InputError::Ended));
        let payload = Bytes::new();
        let sent = peer.send(at(2), &Destination::All, Channel::Ordered, "x", payload);
        assert_eq!((sent, peer.command(at(2), Command::Leave)), (Err(SendError::Ended), Err(CommandError::Ended)));
    }
}

#[test]
fn a_server_that_cannot_be_reached_is_given_up() {
    for max_reconnect_attempts in [1, 3] {
        let mut peer = peer(PlayerConfig { max_reconnect_attempts, ..PlayerConfig::default() }, request(Wish::New));
        let mut now = at(0);
        let mut drained = drain(&mut peer);
        for attempt in 1..=max_reconnect_attempts {
            assert_eq!(drained.opened[0].0, StreamId(attempt));
            drained = tell(&mut peer, now, Input::Failed { stream: StreamId(attempt), why: "no route".into() });
            if attempt == max_reconnect_attempts {
                break;
            }
            let [PeerEvent::Reconnecting { attempt: told, after, why }] = &drained.events[..] else {
                panic!("{drained:?}")
            };
            assert_eq!((*told, why.as_str()), (attempt, "no route"));
            now += *after;
            assert_eq!(drained.next, Some((now, PeerTimer::Server)));
            drained = tell(&mut peer, now, Input::Timeout);
        }
        assert_eq!(drained.events, [PeerEvent::Closed(Ended::Unreachable { why: "no route".into() })]);
    }
}

#[test]
fn each_step_of_joining_has_its_time() {
    let config = PlayerConfig { connection_timeout: 2 * SECOND, max_reconnect_attempts: 2, ..PlayerConfig::default() };
    let mut peer = peer(config, request(Wish::New));
    assert_eq!(drain(&mut peer).next, Some((at(2_000), PeerTimer::Server)));
    let drained = tell(&mut peer, at(1_500), Input::Opened { stream: StreamId(1) });
    assert_eq!(drained.next, Some((at(3_500), PeerTimer::Server)));
    let drained = tell(&mut peer, at(3_500), Input::Timeout);
    assert_eq!(drained.closed, [StreamId(1)]);
    assert!(matches!(&drained.events[..], [PeerEvent::Reconnecting { attempt: 1, .. }]));
    let again = drained.next.expect("it tries again").0;
    let drained = tell(&mut peer, again, Input::Timeout);
    assert_eq!(drained.opened[0].0, StreamId(2));
    let drained = tell(&mut peer, again + 2 * SECOND, Input::Timeout);
    assert!(matches!(&drained.events[..], [PeerEvent::Closed(Ended::Unreachable { .. })]));
}

#[test]
fn three_redirects_are_followed() {
    let (mut peer, _) = asked(PlayerConfig::default(), request(Wish::New));
    for hop in 1..=4 {
        let redirect = ServerMessage::Redirect(Redirect { url: format!("ws://{hop}/ws") });
        let drained = hear(&mut peer, at(hop), StreamId(hop as u32), &redirect);
        assert_eq!(drained.closed, [StreamId(hop as u32)]);
        if hop == 4 {
            assert_eq!(drained.events, [PeerEvent::Closed(Ended::RedirectLoop)]);
            break;
        }
        let stream = StreamId(hop as u32 + 1);
        assert_eq!(drained.opened, [(stream, format!("ws://{hop}/ws"))]);
        tell(&mut peer, at(hop), Input::Opened { stream });
        hear(&mut peer, at(hop), stream, &welcome());
    }
}

#[test]
fn reasons_in_the_close_frame_decide_whether_to_come_back() {
    let table = [
        ("kicked", Some(CloseReason::Kicked)),
        ("host_lost", Some(CloseReason::HostLost)),
        ("lobby_closed", Some(CloseReason::LobbyClosed)),
        ("replaced", Some(CloseReason::Replaced)),
        ("token_reused", Some(CloseReason::TokenReused)),
        ("fell_behind", Some(CloseReason::FellBehind)),
        ("idle", None),
        ("too_slow", None),
        ("shutting_down", None),
        ("rate_limited", None),
        ("", None),
        ("\"kicked\"", None),
    ];
    for (reason, end) in table {
        let (mut peer, _) = inside(PlayerConfig::default(), &[1]);
        let drained = tell(&mut peer, at(20_000), Input::Closed { stream: StreamId(1), reason: reason.into() });
        match end {
            Some(end) => assert_eq!(drained.events, [PeerEvent::Closed(Ended::PutOut(end))]),
            None => assert!(matches!(&drained.events[..], [PeerEvent::Reconnecting { attempt: 1, .. }]), "{reason}"),
        }
    }
}

#[test]
fn what_changed_while_away_is_told_before_being_back() {
    let (mut peer, _) = inside(PlayerConfig::default(), &[1, 2, 3]);
    let lost = tell(&mut peer, at(20_000), Input::Closed { stream: StreamId(1), reason: String::new() });
    let (again, stream) = wait_for_stream(&mut peer, lost);
    tell(&mut peer, again, Input::Opened { stream });
    let drained = hear(&mut peer, again, StreamId(2), &welcome());
    let wanted = Resume {
        lobby_id: name("den"),
        token: Secret::new("token").expect("it is short"),
        fresh: false,
        restore: None,
    };
    assert_eq!(drained.said, [(StreamId(2), ClientMessage::Resume(wanted))]);
    let drained = hear(&mut peer, again, StreamId(2), &joined(&[1, 3, 4]));
    let events: Vec<_> = drained.events.iter().filter(|event| !matches!(event, PeerEvent::Path { .. })).collect();
    let [PeerEvent::PlayerLeft { player, .. }, PeerEvent::PlayerJoined(new), PeerEvent::Joined { resumed: true, .. }] =
        &events[..]
    else {
        panic!("{drained:?}")
    };
    assert_eq!((*player, new.player_id), (PlayerId(2), PlayerId(4)));
}

#[test]
fn a_relay_of_its_own_is_entered_with_the_token() {
    let relay_server = Some("ws://relay/relay".to_string());
    let config = PlayerConfig {
        relay_server,
        relay_timeout: 3 * SECOND,
        use_websocket_fallback: false,
        ..PlayerConfig::default()
    };
    let (mut peer, _) = asked(config, request(Wish::Named(name("den"))));
    let drained = hear(&mut peer, at(0), StreamId(1), &joined_under(2, &[1, 2]));
    assert_eq!(drained.opened, [(StreamId(2), "ws://relay/relay".to_string())]);
    let mut next = drained.next.expect("it has a time");
    while next.1 != PeerTimer::Server {
        assert!(next.0 < at(3_000));
        let drained = tell(&mut peer, next.0, Input::Timeout);
        assert!(drained.packets.is_empty(), "nothing carries yet");
        next = drained.next.expect("it has a time");
    }
    assert_eq!(next.0, at(3_000));
    let drained = tell(&mut peer, at(2_900), Input::Opened { stream: StreamId(2) });
    let token = Secret::new("relay").expect("it is short");
    let wanted = ClientMessage::JoinRelay(JoinRelay { lobby_id: name("den"), token });
    assert_eq!(drained.said, [(StreamId(2), wanted)]);
    let drained = hear(&mut peer, at(2_910), StreamId(2), &ServerMessage::RelayJoined);
    assert_eq!(drained.packets, [StreamId(2)]);
    // It breaks and is tried again; the lobby does not notice.
    let drained = tell(&mut peer, at(4_000), Input::Closed { stream: StreamId(2), reason: String::new() });
    assert!(drained.events.iter().all(|event| matches!(event, PeerEvent::Path { .. })));
    let (again, stream) = wait_for_stream(&mut peer, drained);
    assert!(again > at(4_000) && again <= at(4_500) && stream == StreamId(3));
    let drained = tell(&mut peer, again + 3 * SECOND, Input::Timeout);
    assert_eq!(drained.closed, [StreamId(3)]);
}

#[test]
fn streams_that_are_closed_are_of_no_interest_and_unknown_ones_are_misuse() {
    let (mut peer, _) = inside(PlayerConfig::default(), &[1]);
    tell(&mut peer, at(20_000), Input::Closed { stream: StreamId(1), reason: String::new() });
    let drained = hear(&mut peer, at(20_001), StreamId(1), &ServerMessage::Kicked(Kicked { banned: false }));
    assert!(drained.events.is_empty());
    for stream in [StreamId(0), StreamId(9)] {
        let told = peer.handle(at(20_002), Input::Opened { stream });
        assert_eq!(told, Err(InputError::NoSuchStream(stream)));
    }
}

#[test]
fn broken_frames_are_dropped_and_counted() {
    let (mut peer, _) = inside(PlayerConfig::default(), &[1, 2]);
    for frame in [
        Frame::Text("{}".into()),
        Frame::Binary(Bytes::new()),
        Frame::Binary(Bytes::from_static(&[0])),
        Frame::Binary(Bytes::from_static(&[1, 0, 0])),
        Frame::Binary(Bytes::from_static(&[9, 9, 9])),
    ] {
        let drained = tell(&mut peer, at(1), Input::Frame { stream: StreamId(1), frame });
        assert!(drained.events.is_empty());
    }
    assert_eq!(peer.dropped().frames, 5);
    let stranger = Frame::Binary(Bytes::from_static(&[1, 99, 0, 0, 0, 0]));
    tell(&mut peer, at(1), Input::Frame { stream: StreamId(1), frame: stranger });
    assert_eq!(peer.dropped().strangers, 1);
}

#[test]
fn leaving_before_being_in_ends_at_once() {
    let mut peer = peer(PlayerConfig::default(), request(Wish::New));
    drain(&mut peer);
    let payload = Bytes::new();
    let sent = peer.send(at(1), &Destination::All, Channel::Ordered, "x", payload);
    assert_eq!(sent, Err(SendError::NotJoined));
    assert_eq!(peer.command(at(1), Command::Start), Err(CommandError::NotJoined));
    peer.command(at(1), Command::Leave).expect("it has not ended");
    let drained = drain(&mut peer);
    assert_eq!((drained.closed, drained.events), (vec![StreamId(1)], vec![PeerEvent::Closed(Ended::Left)]));
}

/// What the server may say, and what only a broken one would.
fn any_message(choice: u8, player: u32) -> ServerMessage {
    let player_id = PlayerId(player % 6);
    let data = Data::of_bytes(b"data");
    let epoch = Epoch { term: player % 5, round: player % 3 };
    match choice % 18 {
        0 => welcome(),
        1 | 2 => joined(&[1, 2, 3]),
        3 => joined(&[player % 6]),
        4 => ServerMessage::PlayerListUpdated(PlayerList {
            player_list: vec![entry(1), entry(player % 6)],
            left: Vec::new(),
        }),
        5 => {
            let mut guest = entry(player % 6);
            guest.role = Role::Guest;
            ServerMessage::PlayerListUpdated(PlayerList { player_list: vec![guest, entry(1)], left: Vec::new() })
        }
        6 | 7 => ServerMessage::HostMigration(HostMigration { new_host_id: player_id, epoch, cause: None }),
        8 => ServerMessage::RelayData(RelayData { from_player: player_id, to_player: PlayerId(1), data }),
        9 => ServerMessage::BroadcastData(BroadcastData { from_player: player_id, data }),
        10 => ServerMessage::Done(Done { request: player % 4 }),
        11 => ServerMessage::Error(ServerError { code: ErrorCode::Busy, message: "x".into(), request: player % 4 }),
        12 => ServerMessage::Closing(Closing { in_ms: player }),
        13 => ServerMessage::Pong(Pong { nonce: player }),
        14 => ServerMessage::GameStarted(GameStarted { by: player_id }),
        15 => ServerMessage::RelayJoined,
        16 => ServerMessage::Redirect(Redirect { url: "ws://x/ws".into() }),
        _ => ServerMessage::LobbyList(LobbyList { lobbies: Vec::new() }),
    }
}

#[test]
fn nothing_that_is_told_panics_and_nothing_follows_the_end() {
    fn walk(steps: Vec<(u8, u8, u32, Vec<u8>)>) -> bool {
        let (mut peer, _) = inside(PlayerConfig::default(), &[1, 2, 3]);
        let (mut now, mut stream, mut is_over) = (at(0), StreamId(1), false);
        for (what, choice, number, bytes) in steps {
            now += Duration::from_millis(u64::from(number % 3_000));
            let input = match what % 8 {
                0 | 1 => {
                    Input::Frame { stream, frame: encode_server(Encoding::Postcard, &any_message(choice, number)) }
                }
                2 => {
                    let mut frame = vec![choice % 3];
                    frame.push(choice % 5);
                    frame.extend(bytes);
                    Input::Frame { stream, frame: Frame::Binary(frame.into()) }
                }
                3 if choice < 40 => Input::Closed { stream, reason: String::new() },
                3 => Input::Opened { stream },
                4 => Input::Buffered { stream, bytes: number as usize },
                5 => {
                    let to = [Destination::All, Destination::Others, Destination::Host, Destination::One(PlayerId(2))];
                    let channel = Channel::ALL[usize::from(choice) % 4];
                    let sent = peer.send(now, &to[usize::from(choice / 4) % 4], channel, "kind", bytes.into());
                    assert!(!is_over || sent == Err(SendError::Ended));
                    Input::Timeout
                }
                6 => {
                    let commands = [Command::Ready(true), Command::Hidden(choice < 100), Command::HandOver(None)];
                    let _ = peer.command(now, commands[usize::from(choice) % 3].clone());
                    // Time passes with a command, too: it may be over by that.
                    let events = drain(&mut peer).events;
                    is_over |= matches!(events.last(), Some(PeerEvent::Closed(_)));
                    Input::Timeout
                }
                _ => Input::Timeout,
            };
            let told = peer.handle(now, input);
            assert_eq!(told == Err(InputError::Ended), is_over);
            let drained = drain(&mut peer);
            assert!(!is_over || drained.events.is_empty() && drained.next.is_none());
            is_over |= matches!(drained.events.last(), Some(PeerEvent::Closed(_)));
            stream = drained.opened.last().map_or(stream, |(stream, _)| *stream);
        }
        true
    }
    quickcheck::QuickCheck::new().tests(1_000).quickcheck(walk as fn(Vec<(u8, u8, u32, Vec<u8>)>) -> bool);
}

#[test]
fn servers_that_help_are_handed_to_whoever_makes_direct_paths() {
    let (mut peer, _) = inside(PlayerConfig::default(), &[1]);
    let servers = vec![IceServer { urls: "stun:a".into(), username: None, credential: None }];
    let told = ServerMessage::IceServers(IceServers { servers: servers.clone() });
    let drained = hear(&mut peer, at(10), StreamId(1), &told);
    assert_eq!((drained.ice_servers, drained.events), (Some(servers), Vec::new()));
}
