//! A player against a script: streams that open, fail and close at will, every message of the server true and false,
//! packets from hosts and members that are none, clocks that run backwards. It never panics, comes to rest after every
//! input, and is silent after its end; and the recording of all that is lived through again without a difference.

use super::script::{Script, within_time};
use std::collections::BTreeSet;
use webstar_core::config::PlayerConfig;
use webstar_core::id::{Incarnation, PlayerId, StreamId};
use webstar_core::peer::{
    Channel, Command, Destination, Input, InputError, JoinRequest, Output, PeerEvent, ProposalId, Verdict, Wish,
};
use webstar_core::recording::{Recorded, Replay};
use webstar_core::time::{Duration, Instant};
use webstar_core::wire::relay;
use webstar_core::wire::signal::{
    BroadcastData, Closing, Data, Done, Encoding, Epoch, ErrorCode, Frame, GameStarted, HostMigration, Kicked,
    LobbyInfo, LobbyJoined, LobbyName, Metadata, PlayerEntry, PlayerList, Pong, Redirect, RelayData, Role, Secret,
    ServerError, ServerMessage, SessionKey, Username, Version, Welcome, encode_server,
};
use webstar_core::wire::view::{PublicKey, StarId};

/// Outputs a player may have for one input.
const MOST_OUTPUTS: usize = 65_536;
/// Times a player may be called again at one moment.
const MOST_ROUNDS: usize = 64;

struct World {
    peer: Recorded,
    streams: BTreeSet<StreamId>,
    is_over: bool,
    latest: Instant,
    proposals: Vec<ProposalId>,
}

/// A player and what a script does to it.
pub fn peer_inputs(data: &[u8]) {
    let mut script = Script::new(data);
    let manner = script.byte();
    let config = PlayerConfig { auto_reconnect: manner < 200, authority: manner % 2 == 1, ..PlayerConfig::default() };
    let request = JoinRequest {
        username: Username::new("me").expect("it is plain"),
        wish: if script.flag() { Wish::New } else { Wish::Named(lobby()) },
        password: None,
        create: None,
        spectator: script.byte() > 200,
        peer_id: None,
        admission: None,
        ticket: None,
    };
    let peer = Recorded::watched(config, request, [5; 32], Instant::ZERO).expect("the settings are good");
    let mut world =
        World { peer, streams: BTreeSet::new(), is_over: false, latest: Instant::ZERO, proposals: Vec::new() };
    world.settle();
    while !script.is_over() {
        let what = script.byte();
        let streams: Vec<StreamId> = world.streams.iter().copied().collect();
        let known = streams.get(usize::from(script.byte()) % streams.len().max(1)).copied();
        let stream = known.unwrap_or(StreamId(u32::from(what)));
        match what {
            0..40 => {
                let pause = Duration::from_millis(script.scaled() % 100_000);
                let now = if what == 0 { Instant::ZERO } else { within_time(world.latest + pause) };
                world.latest = world.latest.max(now);
                world.tell(now, Input::Timeout);
            }
            40..80 => world.tell_now(Input::Opened { stream }),
            80..90 => world.tell_now(Input::Failed { stream, why: "no".into() }),
            90..100 => world.tell_now(Input::Closed { stream, reason: "gone".into() }),
            100..220 => {
                let frame = frame(&mut script);
                world.tell_now(Input::Frame { stream, frame });
            }
            220..228 => world.tell_now(Input::Buffered { stream, bytes: script.scaled() as usize }),
            228..240 => world.say(&mut script),
            240..246 => world.decide(&mut script),
            _ => world.command(&mut script),
        }
    }
    let recording = world.peer.take_all_of_recording().expect("it is recorded");
    let mut replay = Replay::open(&recording).expect("it was made just now");
    loop {
        match replay.next() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(why) => panic!("{why}"),
        }
    }
}

impl World {
    fn tell_now(&mut self, input: Input) {
        self.tell(self.latest, input);
    }

    fn tell(&mut self, now: Instant, input: Input) {
        if let Input::Closed { stream, .. } | Input::Failed { stream, .. } = &input {
            self.streams.remove(stream);
        }
        match self.peer.handle(now, input) {
            Ok(()) => assert!(!self.is_over, "an input was taken after the end"),
            Err(InputError::Ended) => assert!(self.is_over),
            Err(InputError::NoSuchPath(_) | InputError::Unusable(_)) => panic!("no path was told of"),
            Err(InputError::NoSuchStream(stream)) => assert!(!self.streams.contains(&stream)),
        }
        self.settle();
    }

    fn say(&mut self, script: &mut Script<'_>) {
        let player = PlayerId(u32::from(script.byte() % 8));
        let to = match script.byte() % 5 {
            0 => Destination::All,
            1 => Destination::Others,
            2 => Destination::Host,
            3 => Destination::One(player),
            _ => Destination::AllBut(vec![player]),
        };
        let channel = script.pick(&Channel::ALL);
        let kind = script.pick(&["a", "b", "", "c"]);
        let payload = bytes::Bytes::from(vec![0x33; usize::from(script.word())]);
        let taken = self.peer.send(self.latest, &to, channel, kind, payload);
        assert!(taken.is_err() || !self.is_over && !kind.is_empty());
        self.settle();
    }

    /// The game decides about what it was asked, or about what it was not.
    fn decide(&mut self, script: &mut Script<'_>) {
        let index = usize::from(script.byte());
        let asked = self.proposals.get(index % self.proposals.len().max(1)).copied();
        let verdict = match script.byte() % 3 {
            0 => Verdict::Accept,
            1 => Verdict::Rewrite(bytes::Bytes::copy_from_slice(script.take(20))),
            _ => Verdict::Reject("no".into()),
        };
        let taken = self.peer.decide(self.latest, asked.unwrap_or(ProposalId(u64::from(script.byte()))), verdict);
        assert!(taken.is_err() || asked.is_some() && !self.is_over, "a decision was taken that nobody had asked for");
        self.settle();
    }

    fn command(&mut self, script: &mut Script<'_>) {
        let player = PlayerId(u32::from(script.byte() % 8));
        let command = match script.byte() % 32 {
            0..6 => Command::Ready(script.flag()),
            6..10 => Command::Start,
            10..14 => Command::Lock(script.flag()),
            14..18 => Command::Kick(player),
            18..22 => Command::HandOver(script.flag().then_some(player)),
            22..30 => Command::Hidden(script.flag()),
            _ => Command::Leave,
        };
        let taken = self.peer.command(self.latest, command);
        assert!(taken.is_err() || !self.is_over);
        self.settle();
    }

    /// Follows the law until the player rests.
    fn settle(&mut self) {
        for _ in 0..MOST_ROUNDS {
            match self.drain() {
                Some(at) if at <= self.latest => match self.peer.handle(self.latest, Input::Timeout) {
                    Ok(()) => {}
                    Err(why) => panic!("a player that wants to be called refuses: {why}"),
                },
                _ => return,
            }
        }
        panic!("does not come to rest at {}", self.latest);
    }

    fn drain(&mut self) -> Option<Instant> {
        let was_over = self.is_over;
        for _ in 0..MOST_OUTPUTS {
            match self.peer.poll() {
                Output::Timeout(next) => {
                    assert!(next.is_none() || !self.is_over, "wants to be called after the end");
                    return next.map(|(at, _)| at);
                }
                Output::Transmit { stream, .. } => assert!(self.streams.contains(&stream), "sends where no stream is"),
                Output::Open { stream, .. } => assert!(self.streams.insert(stream), "opens what is open"),
                Output::Close { stream } => assert!(self.streams.remove(&stream), "closes what is not open"),
                Output::IceServers { .. } => {}
                Output::Pipe { .. } | Output::Packet { .. } | Output::Signal { .. } => {
                    panic!("speaks of direct paths where none is configured");
                }
                Output::Event(event) => {
                    assert!(!was_over && !self.is_over, "tells {event:?} after the end");
                    self.is_over = matches!(event, PeerEvent::Closed(_));
                    if let PeerEvent::Proposal(proposal) = event {
                        self.proposals.push(proposal.id);
                    }
                }
            }
        }
        panic!("does not stop talking");
    }
}

fn frame(script: &mut Script<'_>) -> Frame {
    match script.byte() {
        0..20 => Frame::Text(script_bytes(script)),
        20..50 => Frame::Binary(script_bytes(script)),
        50..100 => {
            let mut frame = Vec::new();
            relay::begin(PlayerId(u32::from(script.byte() % 8) + 1), &mut frame);
            frame.extend_from_slice(&script_bytes(script));
            Frame::Binary(frame.into())
        }
        _ => encode_server(Encoding::Postcard, &message(script)),
    }
}

fn message(script: &mut Script<'_>) -> ServerMessage {
    let player = PlayerId(u32::from(script.byte() % 8));
    let epoch = Epoch { term: u32::from(script.byte() % 4), round: u32::from(script.byte() % 4) };
    match script.byte() % 24 {
        0..4 => ServerMessage::Welcome(Welcome { version: Version(script.byte() % 4) }),
        4..10 => ServerMessage::LobbyJoined(Box::new(LobbyJoined {
            player_id: player,
            player_list: roster(script),
            host_id: script.flag().then_some(PlayerId(u32::from(script.byte() % 8))),
            epoch,
            lobby: info(script.flag()),
            resumed: script.flag(),
            token: script.flag().then(|| Secret::new("token").expect("it is short")),
            resume_ms: u32::from(script.word()),
            relay_token: None,
            star: StarId(0),
            server_key: PublicKey([0; 32]),
            view: None,
        })),
        10..13 => ServerMessage::PlayerListUpdated(PlayerList {
            player_list: roster(script),
            left: vec![(player, webstar_core::wire::signal::CloseReason::Left)],
        }),
        13..16 => ServerMessage::HostMigration(HostMigration { new_host_id: player, epoch, cause: None }),
        16 => ServerMessage::GameStarted(GameStarted { by: player }),
        17 => {
            let data = Data::of_bytes(script.take(30));
            ServerMessage::RelayData(RelayData { from_player: player, to_player: player, data })
        }
        18 => {
            let data = Data::of_bytes(script.take(30));
            ServerMessage::BroadcastData(BroadcastData { from_player: player, data })
        }
        19 => match script.byte() {
            0..40 => ServerMessage::Kicked(Kicked { banned: false }),
            40..80 => ServerMessage::Redirect(Redirect { url: "ws://other.example/ws".into() }),
            80..120 => ServerMessage::LobbyLeft,
            _ => ServerMessage::RelayJoined,
        },
        20 => ServerMessage::Closing(Closing { in_ms: u32::from(script.word()) }),
        21 => ServerMessage::Pong(Pong { nonce: script.long() }),
        22 => ServerMessage::Done(Done { request: u32::from(script.byte()) }),
        _ => {
            let code = script.pick(&[ErrorCode::Busy, ErrorCode::BadToken, ErrorCode::LobbyFull, ErrorCode::NotHost]);
            ServerMessage::Error(ServerError { code, message: "no".into(), request: u32::from(script.byte() % 4) })
        }
    }
}

fn roster(script: &mut Script<'_>) -> Vec<PlayerEntry> {
    let count = script.byte() % 6;
    (0..count).map(|_| entry(script)).collect()
}

fn entry(script: &mut Script<'_>) -> PlayerEntry {
    let flags = script.byte();
    PlayerEntry {
        player_id: PlayerId(u32::from(script.byte() % 8)),
        username: Username::new("somebody").expect("it is plain"),
        role: match flags & 3 {
            0 => Role::Guest,
            1 => Role::Spectator,
            _ => Role::Player,
        },
        ready: flags & 4 != 0,
        connected: flags & 8 != 0,
        hidden: flags & 16 != 0,
        peer_id: None,
        incarnation: Incarnation(u32::from(flags >> 6)),
        session: SessionKey(u64::from(script.byte() % 4)),
        version: Version(1 + (flags >> 5 & 1)),
        key: None,
    }
}

fn info(started: bool) -> LobbyInfo {
    LobbyInfo {
        lobby_id: lobby(),
        public: false,
        locked: false,
        started,
        has_password: false,
        max_players: 8,
        metadata: Metadata::default(),
    }
}

fn lobby() -> LobbyName {
    LobbyName::new("room").expect("it is plain")
}

fn script_bytes(script: &mut Script<'_>) -> bytes::Bytes {
    let count = usize::from(script.byte());
    bytes::Bytes::copy_from_slice(script.take(count))
}
