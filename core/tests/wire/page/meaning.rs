//! What each example of the document means, and how a meaning becomes bytes and bytes a meaning, by the code alone.

use super::star;
use webstar_core::id::{PathId, PlayerId, SessionId};
use webstar_core::session::shield::{self, field};
use webstar_core::time::Duration;
use webstar_core::wire::frame::{self, Delivery, Frame, Frames, MessageFrame, Part, Priority, RepairFrame};
use webstar_core::wire::packet::{self, SealKey};
use webstar_core::wire::relay;
use webstar_core::wire::rhythm::Rhythm;
use webstar_core::wire::signal::{
    self, BroadcastData, ClientMessage, CreateLobby, Data, Encoding, Epoch, HostCause, HostMigration, JoinLobby,
    LobbyName, Metadata, Ping, RtcSignal, ServerMessage, Username, WebrtcSignal,
};
use webstar_core::wire::star::Message;
use webstar_core::wire::varint::{self, Reader};

pub(crate) const SENDER: SessionId = SessionId(0x0102_0304_0506_0708);
pub(crate) const RECEIVER: SessionId = SessionId(0x1112_1314_1516_1718);

/// The packet that the relay carries.
const FAR: &[u8] = &[0xcb, 0xd0, 0x10, 0xd3, 0x11, 0x23, 0x70, 0x11, 0x01];

/// A frame's meaning. An acknowledgement is taken apart, so that its fields can be told one by one.
#[derive(PartialEq, Debug)]
pub(crate) enum Said<'a> {
    Frame(Frame<'a>),
    Ack { largest: u64, delay_micros: u64, ranges: Vec<(u64, u64)>, recovered: Vec<u64> },
}

/// An example's meaning.
#[derive(PartialEq, Debug)]
pub(crate) enum Told<'a> {
    Bytes(&'a [u8]),
    Number(u64),
    Ids(SessionId, SessionId),
    Frames(Vec<Said<'a>>),
    Packet {
        number: u64,
        oldest_unknown: u64,
        expected: u64,
        rhythm: Duration,
        said: Vec<Said<'a>>,
    },
    /// A symbol with its length in front and zeros behind, to so many bytes.
    Form(&'a [u8], usize),
    /// A form multiplied by a factor.
    Product(u8, Vec<u8>),
    Relay(PlayerId, &'a [u8]),
    Client(ClientMessage),
    Server(ServerMessage),
    Star(Message<'a>),
}

fn ack(delay_micros: u64, ranges: &[(u64, u64)], recovered: &[u64]) -> Said<'static> {
    Said::Ack { largest: ranges[0].1, delay_micros, ranges: ranges.to_vec(), recovered: recovered.to_vec() }
}

/// A whole message without a key.
pub(crate) fn message(delivery: Delivery, priority: Priority, seq: u64, bytes: &[u8]) -> MessageFrame<'_> {
    MessageFrame { priority, delivery, seq, key: 0, compressed: false, part: None, bytes }
}

pub(crate) fn part(whole: MessageFrame<'_>, total: u32, offset: u32) -> MessageFrame<'_> {
    MessageFrame { part: Some(Part { total, offset }), ..whole }
}

fn latest(bytes: &[u8]) -> MessageFrame<'_> {
    MessageFrame { key: 77, ..message(Delivery::Latest, Priority::High, 300, bytes) }
}

pub(crate) fn one(frame: Frame<'_>) -> Told<'_> {
    Told::Frames(vec![Said::Frame(frame)])
}

/// Every example of the document by name, and what it means.
pub(crate) fn meanings() -> Vec<(&'static str, Told<'static>)> {
    use Delivery::{Ordered, Reliable, Unreliable};
    use Priority::{Critical, High, Low, Normal};
    let hi = message(Reliable, High, 4, b"hi");
    let repair = RepairFrame { back: 1, covered: 0b101, bytes: &[0xe1, 0x00, 0xb3, 0x77, 0x4e, 0xe8] };
    let squeezed = b"\x28\x4fstar\x04\x00\x0c\x50rstar";
    let mut all: Vec<(&str, MessageFrame<'static>)> = vec![
        ("message-unreliable", message(Unreliable, Normal, 0, b"abc")),
        ("message-latest", latest(&[0x10, 0x20])),
        ("message-reliable", message(Reliable, Critical, 9, &[42])),
        ("message-ordered", message(Ordered, Low, 128, b"")),
        ("part-unreliable", part(message(Unreliable, Normal, 7, b"abc"), 8, 0)),
        ("part-latest", part(latest(&[0x10, 0x20]), 5_000, 1_000)),
        ("part-reliable", part(message(Reliable, Normal, 12, b"wxyz"), 10, 6)),
        ("part-ordered", part(message(Ordered, Low, 3, &[0]), 1 << 24, (1 << 24) - 1)),
    ];
    all.push(("message-compressed", MessageFrame { compressed: true, ..message(Reliable, Normal, 2, squeezed) }));
    let mut told: Vec<_> = all.into_iter().map(|(name, frame)| (name, one(Frame::Message(frame)))).collect();
    told.extend([
        ("varint-127", Told::Number(127)),
        ("varint-300", Told::Number(300)),
        ("varint-largest", Told::Number(u64::MAX)),
        ("ids", Told::Ids(SENDER, RECEIVER)),
        ("check", Told::Bytes(b"123456789")),
        ("ping", one(Frame::Ping)),
        ("ack", Told::Frames(vec![ack(640, &[(90, 100), (50, 80), (3, 3)], &[])])),
        ("ack-recovered", Told::Frames(vec![ack(0, &[(96, 100), (86, 91)], &[95, 93])])),
        ("probe", one(Frame::Probe(1001))),
        ("probe-answer", one(Frame::ProbeAnswer(1001))),
        ("unheard", one(Frame::Unheard(PathId(1)))),
        ("repair", one(Frame::Repair(repair))),
    ]);
    let in_symbol = [hi, message(Reliable, Critical, 9, b"")].map(|frame| Said::Frame(Frame::Message(frame)));
    told.push(("shield", Told::Frames([Said::Frame(Frame::Shield)].into_iter().chain(in_symbol).collect())));
    let said = vec![ack(640, &[(4, 7)], &[]), Said::Frame(Frame::Message(hi))];
    let rhythm = Duration::from_millis(24);
    told.push(("packet", Told::Packet { number: 9, oldest_unknown: 9, expected: 9, rhythm, said }));
    let (said, rhythm) = (vec![Said::Frame(Frame::Ping)], Duration::from_millis(76));
    let (number, oldest_unknown, expected) = (70_000, 69_800, 69_900);
    told.push(("packet-far", Told::Packet { number, oldest_unknown, expected, rhythm, said }));
    told.extend([
        ("symbol-5", Told::Bytes(&[0x68, 0x69])),
        ("symbol-7", Told::Bytes(&[1, 2, 3, 4])),
        ("form-5", Told::Form(&[0x68, 0x69], 6)),
        ("form-7", Told::Form(&[1, 2, 3, 4], 6)),
        ("product-5", Told::Product(shield::coefficient(8, 0, 5), vec![2, 0, 0x68, 0x69, 0, 0])),
        ("product-7", Told::Product(shield::coefficient(8, 0, 7), vec![4, 0, 1, 2, 3, 4])),
        ("combined", Told::Bytes(repair.bytes)),
        ("relay", Told::Relay(PlayerId(3), FAR)),
        ("relay-player", Told::Relay(PlayerId(u32::MAX), FAR)),
    ]);
    told.extend(messages());
    told.extend(star::meanings());
    told
}

/// The messages between client and server in postcard.
fn messages() -> [(&'static str, Told<'static>); 5] {
    let eu = [("region".to_string(), "eu".to_string())];
    let rules = CreateLobby {
        public: true,
        max_players: 8,
        metadata: Metadata::new(eu.into()).expect("it is small"),
        join_in_progress: true,
        enable_host_migration: false,
    };
    let join = JoinLobby {
        lobby_id: LobbyName::new("x").ok(),
        username: Username::new("ann").expect("it is a name"),
        password: None,
        create: Some(rules),
        spectator: false,
        peer: None,
        admission: None,
    };
    let answer = WebrtcSignal {
        from_player: PlayerId(0),
        to_player: PlayerId(300),
        signal: RtcSignal::Answer { sdp: "v=0\r\n".into() },
    };
    let hi = BroadcastData { from_player: PlayerId(2), data: Data::of_bytes(b"hi") };
    let migration = HostMigration {
        new_host_id: PlayerId(2),
        epoch: Epoch { term: 3, round: 128 },
        cause: Some(HostCause::CrashSilent),
    };
    [
        ("signal-ping", Told::Client(ClientMessage::Ping(Ping { nonce: 7 }))),
        ("signal-join", Told::Client(ClientMessage::JoinLobby(join))),
        ("signal-answer", Told::Client(ClientMessage::WebrtcSignal(answer))),
        ("signal-data", Told::Server(ServerMessage::BroadcastData(hi))),
        ("signal-migration", Told::Server(ServerMessage::HostMigration(migration))),
    ]
}

fn encode_said(said: &Said<'_>, out: &mut Vec<u8>) {
    match said {
        Said::Ack { delay_micros, ranges, recovered, .. } => {
            let delay = Duration::from_micros(*delay_micros);
            frame::write_ack(delay, ranges.iter().copied(), recovered.iter().copied(), out);
        }
        Said::Frame(Frame::Ping) => frame::write_ping(out),
        Said::Frame(Frame::Probe(token)) => frame::write_probe(*token, out),
        Said::Frame(Frame::ProbeAnswer(token)) => frame::write_probe_answer(*token, out),
        Said::Frame(Frame::Unheard(path)) => frame::write_unheard(*path, out),
        Said::Frame(Frame::Shield) => frame::write_shield(out),
        Said::Frame(Frame::Message(message)) => message.write(out),
        Said::Frame(Frame::Repair(repair)) => {
            RepairFrame::write_head(repair.back, repair.covered, repair.bytes.len(), out);
            out.extend_from_slice(repair.bytes);
        }
        Said::Frame(Frame::Ack(_)) => panic!("acknowledgements are told field by field"),
    }
}

pub(crate) fn encode(told: &Told<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    match told {
        Told::Bytes(bytes) => out.extend_from_slice(bytes),
        Told::Number(number) => varint::write(*number, &mut out),
        Told::Ids(sender, receiver) => out.extend([sender.0.to_le_bytes(), receiver.0.to_le_bytes()].concat()),
        Told::Frames(said) => said.iter().for_each(|said| encode_said(said, &mut out)),
        Told::Packet { number, oldest_unknown, rhythm, said, .. } => {
            packet::begin(*number, *oldest_unknown, Rhythm::at_least(*rhythm), &mut out);
            said.iter().for_each(|said| encode_said(said, &mut out));
            packet::seal(SealKey::new(SENDER, RECEIVER), *number, 0, &mut out);
        }
        Told::Form(symbol, len) => {
            out.extend_from_slice(&(symbol.len() as u16).to_le_bytes());
            out.extend_from_slice(symbol);
            out.resize(*len, 0);
        }
        Told::Product(factor, form) => {
            out.extend_from_slice(form);
            field::scale(&mut out, *factor);
        }
        Told::Relay(player, packet) => {
            relay::begin(*player, &mut out);
            out.extend_from_slice(packet);
        }
        Told::Client(message) => out.extend_from_slice(signal::encode_client(Encoding::Postcard, message).bytes()),
        Told::Star(message) => out.extend(star::encode(message)),
        Told::Server(message) => out.extend_from_slice(signal::encode_server(Encoding::Postcard, message).bytes()),
    }
    out
}

fn decode_frames(bytes: &[u8]) -> Option<Vec<Said<'_>>> {
    let said = |frame| match frame {
        Frame::Ack(ack) => Said::Ack {
            largest: ack.largest,
            delay_micros: ack.delay.as_micros() as u64,
            ranges: ack.ranges().collect(),
            recovered: ack.recovered().collect(),
        },
        other => Said::Frame(other),
    };
    Frames::new(bytes).map(|frame| frame.ok().map(said)).collect()
}

/// What `bytes` mean, read as the same kind of thing as `like`. What does not travel is taken from there.
pub(crate) fn decode<'a>(like: &Told<'_>, bytes: &'a [u8]) -> Option<Told<'a>> {
    let binary = || signal::Frame::Binary(bytes.to_vec().into());
    let half = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    Some(match like {
        Told::Bytes(_) => Told::Bytes(bytes),
        Told::Number(_) => {
            let mut reader = Reader::new(bytes);
            Told::Number(reader.varint().ok().filter(|_| reader.is_empty())?)
        }
        Told::Ids(..) if bytes.len() == 16 => Told::Ids(SessionId(half(0)?), SessionId(half(8)?)),
        Told::Ids(..) => return None,
        Told::Frames(_) => Told::Frames(decode_frames(bytes)?),
        Told::Packet { expected, oldest_unknown, .. } => {
            let packet = packet::open(SealKey::new(SENDER, RECEIVER), *expected, bytes).ok()?;
            let said = decode_frames(packet.frames)?;
            let (number, rhythm) = (packet.number, packet.rhythm.interval());
            Told::Packet { number, oldest_unknown: *oldest_unknown, expected: *expected, rhythm, said }
        }
        Told::Form(..) => {
            let len = usize::from(u16::from_le_bytes(bytes.get(..2)?.try_into().ok()?));
            let (symbol, padding) = bytes[2..].split_at_checked(len)?;
            padding.iter().all(|byte| *byte == 0).then_some(Told::Form(symbol, bytes.len()))?
        }
        Told::Product(factor, _) => {
            let mut form = bytes.to_vec();
            field::scale(&mut form, field::inv(*factor));
            Told::Product(*factor, form)
        }
        Told::Relay(..) => relay::parse(bytes).ok().map(|(player, packet)| Told::Relay(player, packet))?,
        Told::Star(_) => Told::Star(star::decode(bytes)?),
        Told::Client(_) => Told::Client(signal::decode_client(Encoding::Postcard, &binary()).ok()?),
        Told::Server(_) => Told::Server(signal::decode_server(Encoding::Postcard, &binary()).ok()?),
    })
}
