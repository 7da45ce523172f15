//! Signalling: what is written is read, in both encodings; what is broken is refused in a sentence, at a bounded price.

use crate::vocabulary::{AnyClient, AnyServer};
use bytes::Bytes;
use quickcheck::quickcheck;
use webstar_core::id::PlayerId;
use webstar_core::wire::signal::*;
use webstar_core::wire::view::{Certified, MAX_BACKUPS, Proof, PublicKey, Signature, StarId, View, Voter};

const ENCODINGS: [Encoding; 2] = [Encoding::Json, Encoding::Postcard];

/// What reading a frame may hold at any moment.
const MOST_MEMORY: u64 = 1024 * 1024;

fn text(json: impl AsRef<[u8]>) -> Frame {
    Frame::Text(Bytes::copy_from_slice(json.as_ref()))
}

fn binary(bytes: impl AsRef<[u8]>) -> Frame {
    Frame::Binary(Bytes::copy_from_slice(bytes.as_ref()))
}

fn of_client(json: &str) -> ClientMessage {
    decode_client(Encoding::Json, &text(json)).expect(json)
}

/// What is wrong with a client's JSON.
fn complaint(json: &str) -> String {
    decode_client(Encoding::Json, &text(json)).expect_err(json).to_string()
}

/// Reads a frame in every way there is, within the price; what is read must be writable and mean the same again.
fn judge(frame: &Frame) {
    for encoding in ENCODINGS {
        let (mut client, mut server) = (None, None);
        let cost = allocation_counter::measure(|| client = decode_client(encoding, frame).ok());
        assert!(cost.bytes_max <= MOST_MEMORY, "{cost:?}");
        let cost = allocation_counter::measure(|| server = decode_server(encoding, frame).ok());
        assert!(cost.bytes_max <= MOST_MEMORY, "{cost:?}");
        for other in ENCODINGS {
            if let Some(message) = &client {
                assert_eq!(decode_client(other, &encode_client(other, message)).as_ref(), Ok(message));
            }
            if let Some(message) = &server {
                let again = encode_server(other, message);
                if again.bytes().len() <= MAX_FRAME {
                    assert_eq!(decode_server(other, &again).as_ref(), Ok(message));
                }
            }
        }
    }
}

quickcheck! {
    fn what_clients_write_is_read(message: AnyClient) -> bool {
        ENCODINGS.iter().all(|&encoding| {
            decode_client(encoding, &encode_client(encoding, &message.0)).as_ref() == Ok(&message.0)
        })
    }

    fn what_the_server_writes_is_read(message: AnyServer) -> bool {
        ENCODINGS.iter().all(|&encoding| {
            decode_server(encoding, &encode_server(encoding, &message.0)).as_ref() == Ok(&message.0)
        })
    }

    fn json_bears_its_type(client: AnyClient, server: AnyServer) -> bool {
        let name = |frame: &Frame| {
            let value: serde_json::Value = serde_json::from_slice(frame.bytes()).expect("JSON");
            value["type"].as_str().map(str::to_string)
        };
        name(&encode_client(Encoding::Json, &client.0)).as_deref() == Some(client.0.name())
            && name(&encode_server(Encoding::Json, &server.0)).as_deref() == Some(server.0.name())
    }

    fn broken_frames_are_refused_or_mean_something(message: AnyClient, server: AnyServer, at: usize, by: u8) -> bool {
        for encoding in ENCODINGS {
            for frame in [encode_client(encoding, &message.0), encode_server(encoding, &server.0)] {
                let mut bytes = frame.bytes().to_vec();
                let at = at % bytes.len();
                judge(&text(&bytes[..at]));
                judge(&binary(&bytes[..at]));
                bytes[at] ^= by;
                judge(&text(&bytes));
                judge(&binary(&bytes));
            }
        }
        true
    }

    fn any_bytes_are_refused_or_mean_something(bytes: Vec<u8>) -> bool {
        judge(&text(&bytes));
        judge(&binary(&bytes));
        judge(&binary([&[SIGNAL_TAG], &bytes[..]].concat()));
        true
    }

    fn bytes_behind_a_message_are_refused(message: AnyClient, more: Vec<u8>) -> bool {
        let frame = encode_client(Encoding::Postcard, &message.0);
        let longer = binary([frame.bytes(), &more[..]].concat());
        let is_refused = decode_client(Encoding::Postcard, &longer) == Err(SignalError::Postcard);
        is_refused != more.is_empty()
    }
}

#[test]
fn the_smallest_messages_of_plain_clients() {
    let join = of_client(r#"{"type":"join_lobby","lobby_id":"x","username":"ann"}"#);
    let ClientMessage::JoinLobby(join) = join else { panic!("{join:?}") };
    assert_eq!((join.lobby_id.unwrap().as_str(), join.username.as_str()), ("x", "ann"));
    assert!(join.password.is_none() && join.create.is_none() && !join.spectator);
    assert_eq!(of_client(r#" {"more":[{}],"type":"leave_lobby"} "#), ClientMessage::LeaveLobby);
    assert_eq!(of_client(r#"{"type":"\u0070ing"}"#), ClientMessage::Ping(Ping { nonce: 0 }));
    assert_eq!(of_client(r#"{"type":"ready"}"#), ClientMessage::Ready(Ready { ready: true, request: 0 }));
    let all = r#"{"type":"list_lobbies","filter":{"equal":{"region":"eu"}}}"#;
    let ClientMessage::ListLobbies(list) = of_client(all) else { panic!("{all}") };
    assert_eq!(list.filter.equal.get("region"), Some("eu"));
}

#[test]
fn whole_numbers_may_have_a_point() {
    let kick = |number: &str| format!(r#"{{"type":"kick","player_id":{number}}}"#);
    for number in ["2", "2.0", "2e0", "0.2e1"] {
        assert_eq!(
            of_client(&kick(number)),
            ClientMessage::Kick(Kick { player_id: PlayerId(2), request: 0 }),
            "{number}"
        );
    }
    for number in ["2.5", "-1", "-2.0", "4294967296", "4294967296.0", "1e300", "\"2\"", "null"] {
        assert!(complaint(&kick(number)).contains("a whole number of 32 bits"), "{}", complaint(&kick(number)));
    }
    let migrate = |to: &str| of_client(&format!(r#"{{"type":"request_host_migration","to":{to}}}"#));
    for (to, player) in [("3.0", Some(PlayerId(3))), ("null", None)] {
        assert_eq!(migrate(to), ClientMessage::RequestHostMigration(RequestHostMigration { to: player, request: 0 }));
    }
}

#[test]
fn complaints_say_what_is_wrong() {
    let table = [
        ("", "a message is a JSON object with a `type`"),
        ("[1]", "a message is a JSON object with a `type`"),
        ("{}", "missing field `type`"),
        (r#"{"type":1}"#, "expected a string"),
        (r#"{"type":"ping"} x"#, "trailing characters"),
        (r#"{"type":"ping","type":"ping"}"#, "duplicate field `type`"),
        (r#"{"type":"join"}"#, "there is no type `join`; the types are hello, join_lobby, "),
        (r#"{"type":"welcome","version":1}"#, "there is no type `welcome`"),
        (r#"{"type":"join_lobby","lobby_id":"x"}"#, "`join_lobby`: missing field `username`"),
        (r#"{"type":"join_lobby","username":""}"#, "a player's name must be 1 to 64 characters"),
        (r#"{"type":"join_lobby","username":"a","lobby_id":" x"}"#, "a lobby name must be 1 to 64 printable"),
        (r#"{"type":"peer_id","peer_id":"a b"}"#, "a peer id must be 1 to 64 of A-Z"),
        (r#"{"type":"webrtc_signal","to_player":1,"signal":{"type":"offer"}}"#, "missing field `sdp`"),
        (r#"{"type":"webrtc_signal","to_player":1,"signal":{"type":"ice_candidate"}}"#, "missing field `candidate`"),
        (r#"{"type":"webrtc_signal","to_player":1,"signal":{"type":"rollback"}}"#, "unknown variant `rollback`"),
        (r#"{"type":"webrtc_signal","to_player":1,"signal":{"type":"offer","sdp":"\u0000"}}"#, "control characters"),
        (r#"{"type":"list_lobbies","filter":{"skill":[2,1]}}"#, "the lower one first"),
        (r#"{"type":"broadcast_data"}"#, "missing field `data`"),
    ];
    for (json, says) in table {
        assert!(complaint(json).contains(says), "{json}: {}", complaint(json));
    }
    assert_eq!(
        decode_client(Encoding::Json, &text(b"{\"type\":\"ping\xff\"}")).unwrap_err().to_string(),
        "the text is not UTF-8"
    );
}

#[test]
fn complaints_are_short_and_tell_no_secrets() {
    let long = "ä\n".repeat(8_000).replace('\n', "\\n");
    for json in [
        format!(r#"{{"type":"{long}"}}"#),
        format!(r#"{{"type":"ready","ready":"{long}"}}"#),
        format!(r#"{{"type":"{long}""#),
        format!(r#""{long}""#),
    ] {
        let complaint = complaint(&json);
        assert!(complaint.len() <= 500 && !complaint.contains('\n'), "{complaint}");
    }
    for password in ["4711", "[4711]", "{\"4711\":4711}"] {
        let complaint = complaint(&format!(r#"{{"type":"join_lobby","username":"a","password":{password}}}"#));
        assert!(complaint.contains("a secret must be text") && !complaint.contains("4711"), "{complaint}");
    }
    let join = of_client(r#"{"type":"join_lobby","username":"a","password":"4711","admission":"4711"}"#);
    assert!(format!("{join:?}").contains("***") && !format!("{join:?}").contains("4711"));
}

#[test]
fn a_connection_speaks_one_encoding() {
    let ping = ClientMessage::Ping(Ping { nonce: 7 });
    let pong = ServerMessage::Pong(Pong { nonce: 7 });
    let [json, postcard] = ENCODINGS;
    assert_eq!(encode_client(json, &ping), text(r#"{"type":"ping","nonce":7}"#));
    assert_eq!(encode_client(postcard, &ping), binary([SIGNAL_TAG, 19, 7]));
    for (speaks, other) in [(json, postcard), (postcard, json)] {
        assert_eq!(decode_client(speaks, &encode_client(other, &ping)), Err(SignalError::WrongEncoding));
        assert_eq!(decode_server(speaks, &encode_server(other, &pong)), Err(SignalError::WrongEncoding));
    }
    assert_eq!(decode_client(postcard, &binary([1, 19, 7])), Err(SignalError::WrongEncoding));
    assert_eq!(decode_client(postcard, &binary([])), Err(SignalError::Postcard));
    assert_eq!(decode_client(postcard, &binary([SIGNAL_TAG])), Err(SignalError::Postcard));
    assert_eq!(decode_client(postcard, &binary([SIGNAL_TAG, 24, 7])), Err(SignalError::Postcard));
}

#[test]
fn frames_beyond_the_limit_are_refused() {
    let padded = |length: usize| format!("{}{}", r#"{"type":"ping"}"#, " ".repeat(length - 15));
    assert!(decode_client(Encoding::Json, &text(padded(MAX_FRAME))).is_ok());
    for frame in [text(padded(MAX_FRAME + 1)), binary(padded(MAX_FRAME + 1))] {
        for encoding in ENCODINGS {
            assert_eq!(decode_client(encoding, &frame), Err(SignalError::TooLong(MAX_FRAME + 1)));
        }
    }
}

#[test]
fn numbers_that_are_none_are_refused() {
    let list = |skill| ClientMessage::ListLobbies(ListLobbies { filter: Filter { skill, ..Filter::default() } });
    for skill in [(f64::NAN, 1.0), (0.0, f64::INFINITY), (1.0, 0.0)] {
        let frame = encode_client(Encoding::Postcard, &list(Some(skill)));
        assert_eq!(decode_client(Encoding::Postcard, &frame), Err(SignalError::Postcard), "{skill:?}");
        let frame = encode_client(Encoding::Json, &list(Some(skill)));
        assert!(decode_client(Encoding::Json, &frame).is_err(), "{skill:?}");
    }
    assert!(complaint(r#"{"type":"list_lobbies","filter":{"skill":[0,1e999]}}"#).contains("number out of range"));
}

/// The items, as many as a frame holds, between a head and a tail.
fn stuffed(head: &str, item: &str, tail: &str) -> Frame {
    let count = (MAX_FRAME - head.len() - tail.len()) / item.len();
    text(format!("{head}{}{tail}", item.repeat(count)))
}

#[test]
fn bombs_in_json_cost_little() {
    let entry = r#"{"player_id":1,"username":"a","role":"guest","ready":true,"connected":true,"hidden":true,"peer_id":null,
        "incarnation":0,"session":"0000000000000000","version":0},"#;
    let bombs = [
        stuffed(r#"{"type":"hello","versions":["#, "1,", "1]}"),
        stuffed(r#"{"type":"player_list_updated","player_list":["#, entry, "]}"),
        stuffed(r#"{"type":"player_list_updated","player_list":[],"left":["#, "[1,\"left\"],", "]}"),
        stuffed(r#"{"type":"set_metadata","metadata":{"#, "\"\":\"\",", "\"\":\"\"}}"),
        stuffed(
            r#"{"type":"webrtc_signal","to_player":1,"signal":{"x":["#,
            "1,",
            "1],\"type\":\"offer\",\"sdp\":\"\"}}",
        ),
        stuffed(r#"{"x":["#, "[", ""),
        stuffed(r#"{"type":"broadcast_data","data":"#, "[", ""),
        stuffed(r#"{"type":"broadcast_data","data":""#, "\\u0000", "\"}"),
        stuffed(r#"{"type":""#, "\\n", "\"}"),
        stuffed(r#"{"type":"ready","ready":""#, "\\n", "\"}"),
    ];
    for bomb in &bombs {
        judge(bomb);
    }
    let keys: String = (0..6_000).map(|key| format!("\"{key}\":\"\",")).collect();
    assert!(complaint(&format!(r#"{{"type":"set_metadata","metadata":{{{keys}"":""}}}}"#)).contains("at most 16 keys"));
}

#[test]
fn bombs_in_postcard_cost_little() {
    let filled =
        |head: &[u8], item: &[u8]| binary([head, &item.repeat((MAX_FRAME - head.len()) / item.len())].concat());
    let bombs = [
        // hello, and a length of 2^32 - 1
        filled(&[SIGNAL_TAG, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], &[1]),
        // set_metadata
        filled(&[SIGNAL_TAG, 12, 0xff, 0xff, 0x03], &[1, b'a', 0]),
        // player_list_updated, and entries
        filled(&[SIGNAL_TAG, 2, 0xff, 0xff, 0xff, 0xff, 0x0f], &[1, 1, b'a', 2, 0, 0, 0, 0, 0, 0, 0]),
        // player_list_updated without entries, and who left
        filled(&[SIGNAL_TAG, 2, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], &[1, 0]),
        // lobby_list
        filled(&[SIGNAL_TAG, 6, 0xff, 0xff, 0x03], &[1, b'a', 0, 0, 0, 0, 0]),
        // an offer whose text is said to be longer than the frame
        filled(&[SIGNAL_TAG, 14, 1, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f], b"a"),
        // broadcast_data
        filled(&[SIGNAL_TAG, 18, 1, 0xf0, 0xff, 0x03], b"["),
    ];
    for bomb in &bombs {
        assert!(decode_client(Encoding::Postcard, bomb).is_err() && decode_server(Encoding::Postcard, bomb).is_err());
        judge(bomb);
    }
}

#[test]
fn the_largest_data_and_descriptions_fit_into_frames_of_both_encodings() {
    let (from_player, to_player) = (PlayerId(u32::MAX), PlayerId(u32::MAX));
    let data = Data::of_bytes(&[b'a'; Data::MAX - 2]);
    let sdp = "\n".repeat(RtcSignal::MAX_SDP);
    let messages = [
        ServerMessage::RelayData(RelayData { from_player, to_player, data: data.clone() }),
        ServerMessage::BroadcastData(BroadcastData { from_player, data }),
        ServerMessage::WebrtcSignal(WebrtcSignal { from_player, to_player, signal: RtcSignal::Answer { sdp } }),
    ];
    for message in messages {
        for encoding in ENCODINGS {
            let frame = encode_server(encoding, &message);
            assert!(frame.bytes().len() <= MAX_FRAME);
            assert_eq!(decode_server(encoding, &frame).as_ref(), Ok(&message));
        }
    }
    let longer = "a".repeat(RtcSignal::MAX_SDP + 1);
    let says =
        complaint(&format!(r#"{{"type":"webrtc_signal","to_player":1,"signal":{{"type":"offer","sdp":"{longer}"}}}}"#));
    assert!(says.contains("a text of more than 32000 bytes"), "{says}");
}

#[test]
fn all_that_is_told_of_the_largest_lobby_fits_into_a_frame() {
    let entry = |player| PlayerEntry {
        player_id: PlayerId(player),
        username: Username::new("\u{10ffff}".repeat(64)).unwrap(),
        role: Role::Spectator,
        ready: false,
        connected: false,
        hidden: false,
        peer_id: Some(PeerId::new("a".repeat(64)).unwrap()),
        incarnation: webstar_core::id::Incarnation(u32::MAX),
        session: SessionKey(u64::MAX),
        version: Version(u8::MAX),
        key: Some(PublicKey([255; 32])),
    };
    let voter = |player| Voter {
        player: PlayerId(player),
        incarnation: webstar_core::id::Incarnation(u32::MAX),
        key: PublicKey([255; 32]),
    };
    let last = Epoch { term: u32::MAX, round: u32::MAX };
    let view = View {
        epoch: last,
        base: last,
        since: last,
        cause: Some(HostCause::CrashSilent),
        host: PlayerId(u32::MAX),
        backups: vec![PlayerId(u32::MAX); MAX_BACKUPS],
        voters: (0..64).map(voter).collect(),
    };
    let metadata = (0..16).map(|key| (format!("{key:032}"), "\u{1}".repeat(128))).collect();
    let joined = LobbyJoined {
        player_id: PlayerId(u32::MAX),
        player_list: (0..64).map(entry).collect(),
        host_id: Some(PlayerId(u32::MAX)),
        epoch: last,
        lobby: LobbyInfo {
            lobby_id: LobbyName::new("\u{10ffff}".repeat(64)).unwrap(),
            public: false,
            locked: false,
            started: false,
            has_password: false,
            max_players: u16::MAX,
            metadata: Metadata::new(metadata).unwrap(),
        },
        resumed: false,
        token: Some(Secret::new("f".repeat(88)).unwrap()),
        resume_ms: u32::MAX,
        relay_token: Some(Secret::new("f".repeat(88)).unwrap()),
        star: StarId(u64::MAX),
        server_key: PublicKey([255; 32]),
        view: Some(Certified { view, proof: Proof::Server(Signature([255; 64])) }),
    };
    for encoding in ENCODINGS {
        let message = ServerMessage::LobbyJoined(Box::new(joined.clone()));
        let frame = encode_server(encoding, &message);
        assert!(frame.bytes().len() <= MAX_FRAME, "{encoding:?}: {}", frame.bytes().len());
        assert_eq!(decode_server(encoding, &frame).as_ref(), Ok(&message));
    }
}

#[test]
fn a_list_of_lobbies_is_cut_to_a_frame() {
    let listing = |keys: u32, index: u32| Listing {
        lobby_id: LobbyName::new(format!("lobby {index}")).unwrap(),
        players: 1,
        max_players: 8,
        started: false,
        has_password: false,
        metadata: Metadata::new((0..keys).map(|key| (format!("key {key}"), "\n".repeat(128))).collect()).unwrap(),
    };
    for (keys, fewest, most) in [(0, 256, 256), (16, 14, 15)] {
        let all: Vec<Listing> = (0..300).map(|index| listing(keys, index)).collect();
        let LobbyList { lobbies } = LobbyList::fitting(all.clone());
        assert!((fewest..=most).contains(&lobbies.len()), "{} lobbies", lobbies.len());
        assert_eq!(lobbies[..], all[..lobbies.len()]);
        let message = ServerMessage::LobbyList(LobbyList { lobbies });
        for encoding in ENCODINGS {
            let frame = encode_server(encoding, &message);
            assert_eq!(decode_server(encoding, &frame).as_ref(), Ok(&message));
        }
    }
}

#[test]
fn keys_and_epochs_have_one_spelling() {
    for good in ["0000000000000000", "00000000000000ff"] {
        assert!(serde_json::from_value::<SessionKey>(good.into()).is_ok(), "{good}");
    }
    for bad in ["", "ff", "+000000000000001", "000000000000000g", "00000000000000000"] {
        assert!(serde_json::from_value::<SessionKey>(bad.into()).is_err(), "{bad}");
    }
    let epoch: Epoch = serde_json::from_value("3.14".into()).unwrap();
    assert_eq!(epoch, Epoch { term: 3, round: 14 });
    for bad in ["", "3", "3.", ".3", "+3.1", "03.1", "3.1.", "3.4294967296"] {
        assert!(serde_json::from_value::<Epoch>(bad.into()).is_err(), "{bad}");
    }
}

#[test]
fn the_newest_common_version_is_chosen() {
    let table =
        [(&[1, 2][..], Some(2)), (&[2, 1], Some(2)), (&[1], Some(1)), (&[3, 1], Some(1)), (&[3], None), (&[], None)];
    for (offered, chosen) in table {
        let offered: Vec<_> = offered.iter().copied().map(Version).collect();
        assert_eq!(Version::negotiate(&offered), chosen.map(Version), "{offered:?}");
    }
    for encoding in ENCODINGS {
        assert_eq!(Encoding::of_subprotocol(encoding.subprotocol()), Some(encoding));
    }
    assert_eq!(Encoding::of_subprotocol("webstar"), None);
}
