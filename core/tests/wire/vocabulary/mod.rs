//! Any message of the signalling, for properties.

use quickcheck::{Arbitrary, Gen};
use std::collections::BTreeMap;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::wire::signal::*;
use webstar_core::wire::view::{Certified, MAX_BACKUPS, Proof, PublicKey, Signature, StarId, View, Voter};

/// Any message of a client.
#[derive(Clone, Debug)]
pub(crate) struct AnyClient(pub(crate) ClientMessage);

/// Any message of the server.
#[derive(Clone, Debug)]
pub(crate) struct AnyServer(pub(crate) ServerMessage);

fn any<T: Arbitrary>(g: &mut Gen) -> T {
    T::arbitrary(g)
}

fn maybe<T>(g: &mut Gen, make: impl FnOnce(&mut Gen) -> T) -> Option<T> {
    any::<bool>(g).then(|| make(g))
}

fn some<T>(g: &mut Gen, most: usize, make: impl Fn(&mut Gen) -> T) -> Vec<T> {
    (0..usize::arbitrary(g) % (most + 1)).map(|_| make(g)).collect()
}

fn pick<T: Copy>(g: &mut Gen, of: &[T]) -> T {
    of[usize::arbitrary(g) % of.len()]
}

/// Text of any characters but control characters.
fn plain(g: &mut Gen, most: usize) -> String {
    any::<String>(g).chars().filter(|c| !c.is_control()).take(most).collect()
}

fn lobby_name(g: &mut Gen) -> LobbyName {
    LobbyName::new(plain(g, 64).trim()).unwrap_or_else(|_| LobbyName::new("K7QM2X").expect("it is a good one"))
}

fn username(g: &mut Gen) -> Username {
    Username::new(plain(g, 64)).unwrap_or_else(|_| Username::new("ann").expect("it is a good one"))
}

fn peer_id(g: &mut Gen) -> PeerId {
    let name: String = (0..=usize::arbitrary(g) % 64).map(|_| pick(g, &['a', 'Z', '0', '_', '-'])).collect();
    PeerId::new(name).expect("it is a good one")
}

fn secret(g: &mut Gen) -> Secret {
    Secret::new(any::<String>(g).chars().take(256).collect::<String>()).expect("it is a good one")
}

fn metadata(g: &mut Gen) -> Metadata {
    let text = |g: &mut Gen, most| any::<String>(g).chars().take(most).collect::<String>();
    let entries: BTreeMap<_, _> = some(g, 16, |g| (text(g, 8), text(g, 32))).into_iter().collect();
    Metadata::new(entries).expect("it is a good one")
}

fn player(g: &mut Gen) -> PlayerId {
    PlayerId(any(g))
}

fn version(g: &mut Gen) -> Version {
    Version(any(g))
}

fn epoch(g: &mut Gen) -> Epoch {
    Epoch { term: any(g), round: any(g) }
}

fn public_key(g: &mut Gen) -> PublicKey {
    PublicKey(core::array::from_fn(|_| any(g)))
}

fn signature(g: &mut Gen) -> Signature {
    Signature(core::array::from_fn(|_| any(g)))
}

fn view(g: &mut Gen) -> View {
    let voter = |g: &mut Gen| Voter { player: player(g), incarnation: Incarnation(any(g)), key: public_key(g) };
    View {
        epoch: epoch(g),
        base: epoch(g),
        since: epoch(g),
        cause: maybe(g, |g| pick(g, HostCause::ALL)),
        host: player(g),
        backups: some(g, MAX_BACKUPS, player),
        voters: some(g, 8, voter),
    }
}

fn certified(g: &mut Gen) -> Certified {
    let proof = match u8::arbitrary(g) % 3 {
        0 => Proof::Server(signature(g)),
        1 => Proof::Quorum { server: maybe(g, signature), promises: some(g, 8, |g| (player(g), signature(g))) },
        _ => Proof::Fork(signature(g)),
    };
    Certified { view: view(g), proof }
}

fn ice_server(g: &mut Gen) -> IceServer {
    let username = maybe(g, |g| plain(g, 100));
    IceServer { urls: plain(g, 100), username, credential: maybe(g, secret) }
}

fn sealed(g: &mut Gen) -> Sealed {
    Sealed::new(any::<Vec<u8>>(g).into()).expect("it is short")
}

fn restore(g: &mut Gen) -> Restore {
    Restore { sealed: sealed(g), view: maybe(g, certified), promised: some(g, MAX_PROMISED, view) }
}

fn data(g: &mut Gen) -> Data {
    match u8::arbitrary(g) % 4 {
        0 => Data::of_bytes(&any::<Vec<u8>>(g)),
        1 => Data::of_bytes(any::<String>(g).as_bytes()),
        2 => Data::of_json(&format!(" [{}, {{\"type\":\"ping\"}}] ", any::<i64>(g))).expect("it is a good one"),
        _ => Data::of_json(pick(g, &["null", "1.0e5", "{}", "\"\\u0041\"", "{ \"data_b64\" : \"AA==\" }"]))
            .expect("it is a good one"),
    }
}

fn finite(g: &mut Gen) -> f64 {
    Some(any::<f64>(g)).filter(|number| number.is_finite()).unwrap_or(0.1)
}

fn filter(g: &mut Gen) -> Filter {
    let skill = maybe(g, |g| (finite(g), finite(g))).map(|(a, b)| (a.min(b), a.max(b)));
    Filter { equal: metadata(g), skill, free_places: any(g), waiting_only: any(g), open_only: any(g) }
}

fn create(g: &mut Gen) -> CreateLobby {
    CreateLobby {
        public: any(g),
        max_players: any(g),
        metadata: metadata(g),
        join_in_progress: any(g),
        enable_host_migration: any(g),
    }
}

fn rtc(g: &mut Gen) -> RtcSignal {
    let sdp = plain(g, 1000).replace(' ', "\r\n");
    match u8::arbitrary(g) % 3 {
        0 => RtcSignal::Offer { sdp },
        1 => RtcSignal::Answer { sdp },
        _ => RtcSignal::IceCandidate {
            candidate: Candidate {
                candidate: plain(g, 200),
                sdp_mid: maybe(g, |g| plain(g, 60)),
                sdp_m_line_index: any(g),
                username_fragment: maybe(g, |g| plain(g, 60)),
            },
        },
    }
}

fn signal(g: &mut Gen) -> WebrtcSignal {
    WebrtcSignal { from_player: player(g), to_player: player(g), signal: rtc(g) }
}

fn relay_data(g: &mut Gen) -> RelayData {
    RelayData { from_player: player(g), to_player: player(g), data: data(g) }
}

fn broadcast(g: &mut Gen) -> BroadcastData {
    BroadcastData { from_player: player(g), data: data(g) }
}

fn join(g: &mut Gen) -> JoinLobby {
    JoinLobby {
        lobby_id: maybe(g, lobby_name),
        username: username(g),
        password: maybe(g, secret),
        create: maybe(g, create),
        spectator: any(g),
        peer: maybe(g, peer_id),
        admission: maybe(g, secret),
    }
}

impl Arbitrary for AnyClient {
    fn arbitrary(g: &mut Gen) -> Self {
        use ClientMessage as M;
        let request: u32 = any(g);
        AnyClient(match usize::arbitrary(g) % M::TYPES.len() {
            0 => M::Hello(Hello { versions: some(g, 16, version), key: maybe(g, public_key) }),
            1 => M::JoinLobby(join(g)),
            2 => M::QuickJoin(QuickJoin {
                username: username(g),
                filter: filter(g),
                create: maybe(g, create),
                admission: maybe(g, secret),
            }),
            3 => M::Resume(Resume {
                lobby_id: lobby_name(g),
                token: secret(g),
                fresh: any(g),
                restore: maybe(g, |g| Box::new(restore(g))),
            }),
            4 => M::LeaveLobby,
            5 => M::ListLobbies(ListLobbies { filter: filter(g) }),
            6 => M::PeerId(PeerName { peer_id: peer_id(g) }),
            7 => M::Ready(Ready { ready: any(g), request }),
            8 => M::StartGame(StartGame { request }),
            9 => M::Lock(Lock { locked: any(g), request }),
            10 => M::Kick(Kick { player_id: player(g), request }),
            11 => M::Ban(Kick { player_id: player(g), request }),
            12 => M::SetMetadata(SetMetadata { metadata: metadata(g), request }),
            13 => M::SetHidden(SetHidden { hidden: any(g) }),
            14 => M::WebrtcSignal(signal(g)),
            15 => M::RequestHostMigration(RequestHostMigration { to: maybe(g, player), request }),
            16 => M::JoinRelay(JoinRelay { lobby_id: lobby_name(g), token: secret(g) }),
            17 => M::RelayData(relay_data(g)),
            18 => M::BroadcastData(broadcast(g)),
            19 => M::Ping(Ping { nonce: any(g) }),
            20 => M::InForce(InForce { certified: Box::new(certified(g)) }),
            21 => M::Grant(Grant { view: Box::new(view(g)) }),
            22 => M::Unheard(Unheard { epoch: epoch(g) }),
            _ => M::Heard(Heard { epoch: epoch(g), heard: any(g) }),
        })
    }
}

fn entry(g: &mut Gen) -> PlayerEntry {
    PlayerEntry {
        player_id: player(g),
        username: username(g),
        role: pick(g, &[Role::Player, Role::Spectator, Role::Guest]),
        ready: any(g),
        connected: any(g),
        hidden: any(g),
        peer_id: maybe(g, peer_id),
        incarnation: Incarnation(any(g)),
        session: SessionKey(any(g)),
        version: version(g),
        key: maybe(g, public_key),
    }
}

fn info(g: &mut Gen) -> LobbyInfo {
    LobbyInfo {
        lobby_id: lobby_name(g),
        public: any(g),
        locked: any(g),
        started: any(g),
        has_password: any(g),
        max_players: any(g),
        metadata: metadata(g),
    }
}

fn listing(g: &mut Gen) -> Listing {
    Listing {
        lobby_id: lobby_name(g),
        players: any(g),
        max_players: any(g),
        started: any(g),
        has_password: any(g),
        metadata: metadata(g),
    }
}

fn joined(g: &mut Gen) -> LobbyJoined {
    LobbyJoined {
        player_id: player(g),
        player_list: some(g, 8, entry),
        host_id: maybe(g, player),
        epoch: epoch(g),
        lobby: info(g),
        resumed: any(g),
        token: maybe(g, secret),
        resume_ms: any(g),
        relay_token: maybe(g, secret),
        star: StarId(any(g)),
        server_key: public_key(g),
        view: maybe(g, certified),
    }
}

impl Arbitrary for AnyServer {
    fn arbitrary(g: &mut Gen) -> Self {
        use ServerMessage as M;
        AnyServer(match usize::arbitrary(g) % M::TYPES.len() {
            0 => M::Welcome(Welcome { version: version(g) }),
            1 => M::LobbyJoined(Box::new(joined(g))),
            2 => M::PlayerListUpdated(PlayerList {
                player_list: some(g, 8, entry),
                left: some(g, 8, |g| (player(g), pick(g, CloseReason::ALL))),
            }),
            3 => M::HostMigration(HostMigration {
                new_host_id: player(g),
                epoch: epoch(g),
                cause: maybe(g, |g| pick(g, HostCause::ALL)),
            }),
            4 => M::LobbyChanged(LobbyChanged { lobby: info(g) }),
            5 => M::GameStarted(GameStarted { by: player(g) }),
            6 => M::LobbyList(LobbyList { lobbies: some(g, 8, listing) }),
            7 => M::PeerId(PeerName { peer_id: peer_id(g) }),
            8 => M::WebrtcSignal(signal(g)),
            9 => M::RelayData(relay_data(g)),
            10 => M::BroadcastData(broadcast(g)),
            11 => M::RelayJoined,
            12 => M::LobbyLeft,
            13 => M::Kicked(Kicked { banned: any(g) }),
            14 => M::Redirect(Redirect { url: plain(g, 200) }),
            15 => M::Closing(Closing { in_ms: any(g) }),
            16 => M::Pong(Pong { nonce: any(g) }),
            17 => M::Done(Done { request: any(g) }),
            18 => M::Error(ServerError { code: pick(g, ErrorCode::ALL), message: plain(g, 200), request: any(g) }),
            19 => M::ProposeView(ProposeView {
                view: Box::new(view(g)),
                signature: maybe(g, signature),
                promised: some(g, MAX_PROMISED, view),
            }),
            20 => {
                M::Granted(Granted { epoch: epoch(g), signature: signature(g), promised: some(g, MAX_PROMISED, view) })
            }
            21 => M::ViewInForce(ViewInForce { certified: Box::new(certified(g)) }),
            22 => M::AskHeard(AskHeard { epoch: epoch(g) }),
            23 => M::Sealed(SealedRecord { sealed: sealed(g) }),
            _ => M::IceServers(IceServers { servers: some(g, MAX_ICE_SERVERS, ice_server) }),
        })
    }
}
