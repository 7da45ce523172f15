//! One player played by hand: what it is told, and what a drain gives.

use bytes::Bytes;
use webstar_core::config::PlayerConfig;
use webstar_core::id::{Incarnation, PlayerId, StreamId};
use webstar_core::peer::{Input, JoinRequest, Output, Payload, Peer, PeerEvent, PeerTimer, Target, Wish};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::signal::*;
use webstar_core::wire::view::{Certified, Proof, PublicKey, SigningKey, StarId, Statement, View, Voter};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn at(millis: u64) -> Instant {
    Instant::ZERO + Duration::from_millis(millis)
}

pub(crate) fn name(text: &str) -> LobbyName {
    LobbyName::new(text).expect("it is short")
}

pub(crate) fn request(wish: Wish) -> JoinRequest {
    JoinRequest::new(Username::new("ann").expect("it is short"), wish)
}

pub(crate) fn peer(config: PlayerConfig, request: JoinRequest) -> Peer {
    Peer::new(config, request, [7; 32], Instant::ZERO).expect("the settings are valid")
}

/// What a drain gave.
#[derive(Default, Debug)]
pub(crate) struct Drained {
    pub(crate) opened: Vec<(StreamId, String)>,
    pub(crate) closed: Vec<StreamId>,
    pub(crate) said: Vec<(StreamId, ClientMessage)>,
    pub(crate) packets: Vec<StreamId>,
    pub(crate) events: Vec<PeerEvent>,
    pub(crate) ice_servers: Option<Vec<IceServer>>,
    pub(crate) next: Option<(Instant, PeerTimer)>,
}

pub(crate) fn drain(peer: &mut Peer) -> Drained {
    let mut drained = Drained::default();
    loop {
        match peer.poll() {
            Output::Open { stream, target: Target::WebSocket { url, subprotocol } } => {
                assert_eq!(subprotocol, "webstar.postcard");
                drained.opened.push((stream, url));
            }
            Output::Close { stream } => drained.closed.push(stream),
            Output::Transmit { stream, payload: Payload::Binary(bytes) } => {
                let frame = Frame::Binary(Bytes::copy_from_slice(bytes));
                match decode_client(Encoding::Postcard, &frame) {
                    Ok(message) => drained.said.push((stream, message)),
                    Err(_) => drained.packets.push(stream),
                }
            }
            Output::Transmit { .. } => panic!("a player speaks postcard"),
            Output::IceServers { servers } => drained.ice_servers = Some(servers),
            Output::Pipe { .. } | Output::Packet { .. } | Output::Signal { .. } => {
                panic!("no direct paths are configured");
            }
            Output::Event(event) => drained.events.push(event),
            Output::Timeout(next) => {
                drained.next = next;
                return drained;
            }
        }
    }
}

pub(crate) fn tell(peer: &mut Peer, now: Instant, input: Input) -> Drained {
    peer.handle(now, input).expect("the stream is known");
    drain(peer)
}

pub(crate) fn hear(peer: &mut Peer, now: Instant, stream: StreamId, message: &ServerMessage) -> Drained {
    tell(peer, now, Input::Frame { stream, frame: encode_server(Encoding::Postcard, message) })
}

/// Lets time pass until a stream is asked for.
pub(crate) fn wait_for_stream(peer: &mut Peer, mut drained: Drained) -> (Instant, StreamId) {
    loop {
        let (now, _) = drained.next.expect("it tries again");
        drained = tell(peer, now, Input::Timeout);
        if let Some((stream, _)) = drained.opened.first() {
            return (now, *stream);
        }
    }
}

pub(crate) fn welcome() -> ServerMessage {
    ServerMessage::Welcome(Welcome { version: Version::CURRENT })
}

pub(crate) fn error(code: ErrorCode) -> ServerMessage {
    ServerMessage::Error(ServerError { code, message: code.to_string(), request: 0 })
}

pub(crate) fn entry(player: u32) -> PlayerEntry {
    PlayerEntry {
        player_id: PlayerId(player),
        username: Username::new("ann").expect("it is short"),
        role: Role::Player,
        ready: false,
        connected: true,
        hidden: false,
        peer_id: None,
        incarnation: Incarnation(1),
        session: SessionKey(u64::from(player)),
        version: Version::CURRENT,
        key: Some(PublicKey([1; 32])),
    }
}

pub(crate) const STAR: StarId = StarId(3);

/// What the server signs with.
pub(crate) fn server() -> SigningKey {
    SigningKey::from_seed(&[4; 32])
}

pub(crate) fn view(host: PlayerId) -> Certified {
    let epoch = Epoch { term: 1, round: 0 };
    let (base, since) = (Epoch::default(), epoch);
    let voters = vec![Voter { player: host, incarnation: Incarnation(1), key: PublicKey([1; 32]) }];
    let view = View { epoch, base, since, cause: None, host, backups: Vec::new(), voters };
    let proof = Proof::Server(Statement::InForce.sign(&server(), STAR, &view));
    Certified { view, proof }
}

pub(crate) fn joined(players: &[u32]) -> ServerMessage {
    joined_under(1, players)
}

pub(crate) fn joined_under(host: u32, players: &[u32]) -> ServerMessage {
    ServerMessage::LobbyJoined(Box::new(LobbyJoined {
        player_id: PlayerId(1),
        player_list: players.iter().map(|player| entry(*player)).collect(),
        host_id: Some(PlayerId(host)),
        epoch: Epoch { term: 1, round: 0 },
        lobby: LobbyInfo {
            lobby_id: name("den"),
            public: false,
            locked: false,
            started: false,
            has_password: false,
            max_players: 16,
            metadata: Metadata::default(),
        },
        resumed: false,
        token: Some(Secret::new("token").expect("it is short")),
        resume_ms: 120_000,
        relay_token: Some(Secret::new("relay").expect("it is short")),
        star: STAR,
        server_key: server().public(),
        view: Some(view(PlayerId(host))),
    }))
}

/// A player that has said what it wants of the server.
pub(crate) fn asked(config: PlayerConfig, request: JoinRequest) -> (Peer, ClientMessage) {
    let mut peer = peer(config, request);
    let stream = drain(&mut peer).opened[0].0;
    tell(&mut peer, at(0), Input::Opened { stream });
    let mut drained = hear(&mut peer, at(0), stream, &welcome());
    let (_, message) = drained.said.pop().expect("it asks");
    (peer, message)
}

/// A player in a lobby with these.
pub(crate) fn inside(config: PlayerConfig, players: &[u32]) -> (Peer, Drained) {
    let (mut peer, _) = asked(config, request(Wish::Named(name("den"))));
    let drained = hear(&mut peer, at(0), StreamId(1), &joined(players));
    (peer, drained)
}
