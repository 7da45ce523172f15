//! Recordings of a player played by hand: they are lived through without a difference, say where one is, tell no secret,
//! and are as good as they are long.

use crate::alone::{at, error, joined, name, request, welcome};
use bytes::Bytes;
use data_encoding::{BASE64, HEXLOWER};
use webstar_core::config::PlayerConfig;
use webstar_core::id::{PathId, PlayerId, StreamId};
use webstar_core::path::{Attempt, Fact, PathKind};
use webstar_core::peer::{
    Channel, Command, Destination, Ended, Input, JoinRequest, Output, PeerEvent, ProposalId, Ticket, Verdict, Wish,
};
use webstar_core::recording::{FORMAT, MAGIC, Recorded, Replay, ReplayError, Step, Tally, seal};
use webstar_core::session::pipe::{Control, PipeFacts};
use webstar_core::time::Instant;
use webstar_core::wire::signal::*;

const PASSWORD: &str = "correct horse battery";
const ADMISSION: &str = "let-me-in-please";
const TOKENS: [&str; 3] = ["ticket-of-an-earlier-life", "first-resume-token-0001", "second-resume-token-02"];
const RELAY: &str = "relay-token-000000000001";
const SEALED: &[u8] = b"\x01\x02sealed by the server\xff\xfe";
const ICE: &str = "icepasswordofthisside0";
const THEIR_ICE: &str = "icepasswordofthatside1";

/// A player that is watched, and what was stored of it.
struct Session {
    player: Recorded,
    stored: Vec<u8>,
    events: Vec<PeerEvent>,
    streams: Vec<StreamId>,
    said: Vec<ClientMessage>,
}

impl Session {
    fn new(config: PlayerConfig, request: JoinRequest) -> Self {
        let player = Recorded::watched(config, request, [7; 32], at(0)).expect("the settings are good");
        let mut session =
            Session { player, stored: Vec::new(), events: Vec::new(), streams: Vec::new(), said: Vec::new() };
        session.drain();
        session
    }

    fn tell(&mut self, now: Instant, input: Input) {
        self.player.handle(now, input).expect("the stream is known");
        self.drain();
    }

    fn hear(&mut self, now: Instant, message: &ServerMessage) {
        let stream = *self.streams.last().expect("there is one");
        self.tell(now, Input::Frame { stream, frame: encode_server(Encoding::Postcard, message) });
    }

    fn drain(&mut self) {
        loop {
            match self.player.poll() {
                Output::Timeout(_) => break,
                Output::Event(event) => self.events.push(event),
                Output::Open { stream, .. } => self.streams.push(stream),
                Output::Transmit { payload: webstar_core::peer::Payload::Binary(bytes), .. } => {
                    let frame = Frame::Binary(Bytes::copy_from_slice(bytes));
                    self.said.extend(decode_client(Encoding::Postcard, &frame));
                }
                _ => {}
            }
        }
        self.stored.extend(self.player.take_recording().unwrap_or_default());
    }

    fn end(mut self) -> (Vec<u8>, Vec<PeerEvent>) {
        self.stored.extend(self.player.take_all_of_recording().unwrap_or_default());
        (self.stored, self.events)
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text).expect("it is short")
}

fn joined_with(token: &str) -> ServerMessage {
    let ServerMessage::LobbyJoined(mut joined) = joined(&[1, 2]) else { panic!("it is made so") };
    joined.token = Some(secret(token));
    joined.relay_token = Some(secret(RELAY));
    ServerMessage::LobbyJoined(joined)
}

fn description(password: &str) -> String {
    format!("v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:{password}\r\na=candidate:1 1 udp 1 192.0.2.77 9 typ host\r\n")
}

/// A session with everything in it that is secret: password, admission, ticket, tokens, a sealed record, negotiations; and
/// with all doors used.
fn session() -> Session {
    let mut wish = request(Wish::Named(name("den")));
    wish.password = Some(secret(PASSWORD));
    wish.admission = Some(secret(ADMISSION));
    wish.ticket = Some(Ticket { lobby: name("den"), token: secret(TOKENS[0]) });
    let config = PlayerConfig { direct_paths: vec![PathKind::Srtp], snapshots: true, ..PlayerConfig::default() };
    let mut session = Session::new(PlayerConfig { relay_server: Some("ws://relay:1/relay".into()), ..config }, wish);
    let first = session.streams[0];
    session.tell(at(1), Input::Opened { stream: first });
    session.hear(at(2), &welcome());
    // The place is gone, so it joins as wished.
    session.hear(at(3), &error(ErrorCode::BadToken));
    session.hear(at(4), &joined_with(TOKENS[1]));
    let relay = *session.streams.last().expect("there is one");
    assert_ne!(relay, first, "a relay is opened");
    session.tell(at(5), Input::Opened { stream: relay });
    session.streams.pop();
    let sealed = Sealed::new(Bytes::from_static(SEALED)).expect("it is short");
    session.hear(at(6), &ServerMessage::Sealed(SealedRecord { sealed }));
    let signal = RtcSignal::Offer { sdp: description(THEIR_ICE) };
    let told = WebrtcSignal { from_player: PlayerId(2), to_player: PlayerId(1), signal };
    session.hear(at(7), &ServerMessage::WebrtcSignal(told));
    let signal = RtcSignal::Answer { sdp: description(ICE) };
    session.tell(at(8), Input::Signal { player: PlayerId(2), signal });
    let facts = PipeFacts { max_packet: 1_100, control: Control::Own };
    let (player, path) = (PlayerId(2), PathId(1));
    session.tell(at(9), Input::Pipe { player, path, attempt: Attempt(1), fact: Fact::Opened(facts) });
    session.tell(at(10), Input::Packet { player, path, bytes: Bytes::from_static(b"no packet") });
    let text = Frame::Text(Bytes::from(format!("{{\"type\":\"lobby_joined\",\"token\":\"{}\"}}", TOKENS[2])));
    session.tell(at(11), Input::Frame { stream: first, frame: text });
    let torn = Frame::Binary(Bytes::from(format!("\0{}", TOKENS[2])));
    session.tell(at(12), Input::Frame { stream: first, frame: torn });
    for to in [Destination::All, Destination::Host, Destination::AllBut(vec![PlayerId(2)])] {
        let _ = session.player.send(at(13), &to, Channel::Ordered, "chat", Bytes::from_static(b"hello"));
        session.drain();
    }
    session.player.command(at(14), Command::Ready(true)).expect("it was made so");
    session.drain();
    session.player.snapshot(at(15), webstar_core::peer::Position(0), Bytes::from_static(b"state"));
    session.drain();
    for verdict in [Verdict::Accept, Verdict::Rewrite(Bytes::from_static(b"less")), Verdict::Reject("no".into())] {
        session.player.decide(at(15), ProposalId(1), verdict).expect_err("nobody proposes anything");
        session.drain();
    }
    session.tell(at(16), Input::Buffered { stream: first, bytes: 9_000 });
    session.tell(at(2_000), Input::Closed { stream: first, reason: String::new() });
    session.tell(at(2_600), Input::Timeout);
    let second = *session.streams.last().expect("there is one");
    assert_ne!(second, relay, "it comes back");
    session.tell(at(2_601), Input::Opened { stream: second });
    session.hear(at(2_602), &welcome());
    session.hear(at(2_603), &joined_with(TOKENS[2]));
    session.player.command(at(2_700), Command::Leave).expect("it was made so");
    session.drain();
    for millis in (4_000..20_000).step_by(1_000) {
        if !matches!(session.events.last(), Some(PeerEvent::Closed(_))) {
            session.tell(at(millis), Input::Timeout);
        }
    }
    assert_eq!(session.events.last(), Some(&PeerEvent::Closed(Ended::Left)));
    session
}

fn replayed(recording: &[u8]) -> (Vec<Step>, Tally, Result<(), ReplayError>) {
    let mut replay = match Replay::open(recording) {
        Ok(replay) => replay,
        Err(error) => return (Vec::new(), Tally::default(), Err(error)),
    };
    let mut steps = Vec::new();
    loop {
        match replay.next() {
            Ok(Some((_, step))) => steps.push(step),
            Ok(None) => return (steps, replay.tally(), Ok(())),
            Err(error) => return (steps, replay.tally(), Err(error)),
        }
    }
}

/// The blocks of a recording, as the format says: the first is the header.
fn blocks(mut recording: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    recording = &recording[MAGIC.len() + 1..];
    while let Some((head, rest)) = recording.split_at_checked(12) {
        let length = u32::from_le_bytes(head[..4].try_into().expect("it was made so")) as usize;
        blocks.push(rest[..length].to_vec());
        recording = &rest[length..];
    }
    blocks
}

fn sealed(blocks: &[Vec<u8>]) -> Vec<u8> {
    let mut recording = [MAGIC, &[FORMAT]].concat();
    blocks.iter().for_each(|block| seal(block, &mut recording));
    recording
}

#[test]
fn a_session_is_lived_through_again_without_a_difference() {
    let session = session();
    let resumed = |said: &ClientMessage| matches!(said, ClientMessage::Resume(back) if back.restore.is_some());
    assert!(session.said.iter().any(resumed), "the record is shown to the server");
    let (recording, events) = session.end();
    let (steps, tally, ended) = replayed(&recording);
    assert_eq!(ended, Ok(()));
    let told: Vec<&PeerEvent> =
        steps.iter().filter_map(|step| if let Step::Event(event) = step { Some(event) } else { None }).collect();
    assert_eq!(told, events.iter().collect::<Vec<_>>());
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Sent { .. })).count(), 3);
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Asked { .. })).count(), 2);
    assert!(tally.is_whole && tally.outputs > 50, "{tally:?}");
    assert!(tally.span > at(2_700).since(at(0)), "{tally:?}");
}

#[test]
fn a_recording_tells_no_secret() {
    let session = session();
    let has_said = |wanted: fn(&ClientMessage) -> bool| session.said.iter().any(wanted);
    assert!(has_said(|said| matches!(said, ClientMessage::JoinLobby(join) if join.password == Some(secret(PASSWORD)))));
    assert!(has_said(|said| matches!(said, ClientMessage::Resume(back) if back.token == secret(TOKENS[0]))));
    assert!(has_said(|said| matches!(said, ClientMessage::Resume(back) if back.token == secret(TOKENS[1]))));
    assert!(has_said(|said| matches!(said, ClientMessage::JoinRelay(join) if join.token == secret(RELAY))));
    assert!(has_said(|said| matches!(said, ClientMessage::WebrtcSignal(_))));
    let (recording, _) = session.end();
    let texts = [PASSWORD, ADMISSION, RELAY, ICE, THEIR_ICE, "192.0.2.77"].into_iter().chain(TOKENS);
    for secret in texts.map(str::as_bytes).chain([SEALED, &[7; 32]]) {
        let forms = [secret.to_vec(), BASE64.encode(secret).into(), HEXLOWER.encode(secret).into()];
        for form in forms {
            let is_there = recording.windows(form.len()).any(|window| window == form);
            assert!(!is_there, "{} is in the recording", form.escape_ascii());
        }
    }
    for known in ["den", "ann", "ws://relay:1/relay"] {
        assert!(recording.windows(known.len()).any(|window| window == known.as_bytes()), "{known} is no secret");
    }
}

#[test]
fn the_same_session_with_other_secrets_has_the_same_recording() {
    let recorded = |password: &str, token: &str| {
        let mut wish = request(Wish::Named(name("den")));
        wish.password = Some(secret(password));
        let mut session = Session::new(PlayerConfig::default(), wish);
        session.tell(at(1), Input::Opened { stream: StreamId(1) });
        session.hear(at(2), &welcome());
        session.hear(at(3), &joined_with(token));
        session.tell(at(50), Input::Closed { stream: StreamId(1), reason: String::new() });
        session.tell(at(1_000), Input::Timeout);
        session.tell(at(1_001), Input::Opened { stream: *session.streams.last().expect("there is one") });
        session.hear(at(1_002), &welcome());
        session.end().0
    };
    assert_eq!(recorded("a", "token-number-1"), recorded("quite another one", "token-number-2"));
}

#[test]
fn wherever_the_writing_was_cut_off_the_rest_is_lived_through() {
    let (recording, _) = session().end();
    let header = MAGIC.len() + 1 + 12 + blocks(&recording)[0].len();
    for end in 0..header {
        let (.., ended) = replayed(&recording[..end]);
        assert_eq!(ended, Err(ReplayError::NotARecording), "{end}");
    }
    let mut last = 0;
    for end in header..recording.len() {
        let (_, tally, ended) = replayed(&recording[..end]);
        assert_eq!((ended, tally.is_whole), (Ok(()), false), "{end}");
        assert!(tally.outputs >= last, "{end}");
        last = tally.outputs;
    }
    assert!(last > 40, "{last}");
}

#[test]
fn a_changed_byte_is_damage_and_a_changed_decision_a_difference() {
    let (recording, _) = session().end();
    let mut damaged = recording.clone();
    let middle = recording.len() / 2;
    damaged[middle] ^= 1;
    assert!(matches!(replayed(&damaged).2, Err(ReplayError::Damaged(at)) if at <= middle));

    // A hash ends each block: it is the last output before the machine rests.
    let whole = replayed(&recording).1;
    let mut other = blocks(&recording);
    assert!(other.len() > 5, "{}", other.len());
    *other.last_mut().expect("it was made so").last_mut().expect("it was made so") ^= 1;
    let Err(ReplayError::Differs(difference)) = replayed(&sealed(&other)).2 else { panic!("it is not the same") };
    assert_eq!((difference.output, difference.after), (whole.outputs, whole.span));
    assert_eq!(difference.recorded, "when it wants to be called");
    assert!(difference.to_string().contains("never wants to be called"), "{difference}");

    // Said otherwise, it is told otherwise: the name of who has come is in the first event.
    let mut other = blocks(&recording);
    let found = other.iter().position(|block| block.windows(3).any(|word| word == b"den"));
    let block = &mut other[found.expect("the lobby is named")];
    let place = block.windows(3).position(|word| word == b"den").expect("it was made so");
    block[place] = b'D';
    assert!(matches!(replayed(&sealed(&other)).2, Err(ReplayError::Differs(_))));
}

#[test]
fn what_is_no_recording_says_what_to_do() {
    let told = |bytes: &[u8]| replayed(bytes).2.expect_err("it is none").to_string();
    assert!(told(b"hello").contains("--record FILE"));
    assert!(told(&[MAGIC, &[FORMAT + 1]].concat()).contains("use the release that made it"));
    let (recording, _) = session().end();
    let mut other = blocks(&recording);
    let header = String::from_utf8(other[0].clone()).expect("it was made so");
    for (from, to) in [("\"began\":0", "\"began\":9223372036854775807"), ("ws://127", "tp://127"), ("config", "konfig")]
    {
        assert!(header.contains(from), "{header}");
        other[0] = header.replace(from, to).into();
        assert!(told(&sealed(&other)).contains("cannot be made"), "{to}");
    }
}

#[test]
fn who_is_not_recorded_behaves_the_same() {
    let mut unwatched = Recorded::unwatched(PlayerConfig::default(), request(Wish::Named(name("den"))), [7; 32], at(0))
        .expect("the settings are good");
    let mut watched = Session::new(PlayerConfig::default(), request(Wish::Named(name("den")))).player;
    let poll = |player: &mut Recorded| format!("{:?}", player.poll());
    unwatched.handle(at(0), Input::Timeout).expect("it was made so");
    while !poll(&mut unwatched).starts_with("Timeout") {}
    for player in [&mut unwatched, &mut watched] {
        player.handle(at(1), Input::Opened { stream: StreamId(1) }).expect("it was made so");
    }
    for _ in 0..2 {
        assert_eq!(poll(&mut unwatched), poll(&mut watched));
    }
    assert_eq!((unwatched.take_recording(), unwatched.take_all_of_recording()), (None, None));
}
