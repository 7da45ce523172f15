//! What the examples of the chapter about the star mean, and its tables, by the code alone.

use super::meaning::Told;
use super::{Example, bytes_of};
use std::collections::BTreeSet;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::wire::WireError;
use webstar_core::wire::signal::{Epoch, HostCause};
use webstar_core::wire::star::{
    self, Beyond, Channel, Content, Copy, Destination, Entry, Frame, Kind, KindTold, LogEnd, Mark, Message, Position,
    Promise, Ruling, Span, TableRow, Told as Kept,
};
use webstar_core::wire::view::{Certified, Proof, SigningKey, StarId, Statement, View, Voter};

const STAR: StarId = StarId(7);
const EPOCH: Epoch = Epoch { term: 2, round: 0 };
const EARLIER: Epoch = Epoch { term: 1, round: 4 };

/// A kind that goes by number is called by it.
fn number(kind: &Kind) -> Option<u16> {
    kind.as_str().strip_prefix('#')?.parse().ok()
}

fn kind(name: &str) -> Kind {
    Kind::new(name).expect("it has a name's length")
}

fn known(told: KindTold<'_>) -> Option<Kind> {
    match told {
        KindTold::Number(number) => Kind::new(&format!("#{number}")),
        KindTold::Name(name) => Kind::new(name).filter(|_| !name.starts_with('#')),
    }
}

/// The key that grows from 32 bytes of this.
fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn view() -> View {
    let voter = |player: u8| Voter {
        player: PlayerId(u32::from(player)),
        incarnation: Incarnation(1),
        key: key(player).public(),
    };
    View {
        epoch: EPOCH,
        base: EARLIER,
        since: Epoch { term: 1, round: 0 },
        cause: Some(HostCause::CrashSilent),
        host: PlayerId(2),
        backups: vec![],
        voters: vec![voter(2)],
    }
}

fn certified() -> Box<Certified> {
    let signature = Statement::InForce.sign(&key(9), STAR, &view());
    Box::new(Certified { view: view(), proof: Proof::Server(signature) })
}

fn message(channel: Channel, seq: u64, to: Destination, name: &str, payload: &'static [u8]) -> Content {
    let (kind, payload) = (kind(name), payload.into());
    Content::Message(Kept { from: PlayerId(3), channel, seq, to, kind, payload, ruling: Ruling::AsSent })
}

fn ruled(ruling: Ruling, seq: u64, to: Destination, payload: &'static [u8]) -> Content {
    let (from, channel, kind, payload) = (PlayerId(3), Channel::Ordered, kind("#1"), payload.into());
    Content::Message(Kept { from, channel, seq, to, kind, payload, ruling })
}

fn spans() -> Vec<Span> {
    vec![Span { epoch: EARLIER, end: Position(900) }]
}

fn promise() -> Promise {
    let signature = Statement::Promised(PlayerId(2)).sign(&key(2), STAR, &view());
    let beyond = vec![
        Entry {
            position: Position(1001),
            epoch: EARLIER,
            content: message(Channel::Ordered, 13, Destination::All, "#1", b"abc"),
        },
        Entry { position: Position(1003), epoch: EARLIER, content: Content::Left { player: PlayerId(4) } },
    ];
    let log = Some(LogEnd { whole_in: EARLIER, end: Position(1003) });
    Promise { epoch: EPOCH, signature, active: EARLIER, promised: vec![], log, settled: Position(990), beyond }
}

fn copy() -> Copy {
    let row = TableRow {
        player: PlayerId(3),
        incarnation: Incarnation(1),
        is_present: true,
        taken: [20, 12],
        beyond: vec![22, 23],
    };
    Copy { cut: Position(900), end: Position(1000), same: Position(990), table: vec![row], spans: spans() }
}

/// Everything that is said outside of frames.
fn messages() -> Vec<(&'static str, Message<'static>)> {
    let epoch = Epoch { term: 300, round: 1 };
    let to = Destination::One(PlayerId(7));
    let but = Destination::AllBut(vec![PlayerId(2), PlayerId(3)]);
    let first = Epoch { term: 1, round: 0 };
    let from = PlayerId(9);
    vec![
        ("star-define", Message::Define { number: 2, name: "chat" }),
        ("star-say", Message::Say { epoch, to, seq: 1, kind: kind("k"), payload: "hi".into() }),
        ("star-say-but", Message::Say { epoch: first, to: but, seq: 5, kind: kind("#2"), payload: "".into() }),
        ("star-deliver", Message::Deliver { epoch, from, seq: 5, kind: kind("#1"), payload: "hi".into() }),
    ]
}

/// What is said of the log.
fn log_frames() -> Vec<(&'static str, Frame)> {
    use Channel::{Ordered, Reliable};
    let entry = |position, content| Entry { position: Position(position), epoch: EPOCH, content };
    let hand_on = |entry| Frame::Entry { epoch: EPOCH, entry };
    let but = Destination::AllBut(vec![PlayerId(5)]);
    let old = Entry { epoch: EARLIER, ..entry(900, message(Reliable, 21, but, "k", b"")) };
    let joined = Content::Joined { player: PlayerId(4), incarnation: Incarnation(2), taken: [7, 0] };
    let rewritten = ruled(Ruling::Rewritten, 13, Destination::All, b"hm");
    let rejected = ruled(Ruling::Rejected, 14, Destination::One(PlayerId(3)), b"no");
    let (to, payload) = (Destination::All, "hi".into());
    let publish = Frame::Publish { channel: Ordered, seq: 12, to, kind: kind("#1"), payload };
    let mark = Mark { committed: Position(1000), settled: Position(998), cut: Position(900), acked: [20, 12] };
    let held = vec![Position(1000), Position(1003)];
    let beyond = Beyond { settled: Position(998), held, wants_snapshot: false, acked: [20, 12] };
    let (size, hash, piece) = (20, [0xee; 32], "state".into());
    vec![
        ("star-hold", Frame::Hold(true)),
        ("star-publish", publish),
        ("star-entry", hand_on(entry(1000, message(Ordered, 12, Destination::All, "#1", b"hi")))),
        ("star-entry-earlier", hand_on(old)),
        ("star-entry-rewritten", hand_on(entry(1004, rewritten))),
        ("star-entry-rejected", hand_on(entry(1005, rejected))),
        ("star-joined", hand_on(entry(1001, joined))),
        ("star-left", hand_on(entry(1002, Content::Left { player: PlayerId(4) }))),
        ("star-void", hand_on(entry(1003, Content::Void))),
        ("star-mark", Frame::Mark { epoch: EPOCH, mark }),
        ("star-stored", Frame::Stored { epoch: EPOCH, position: Position(1003) }),
        ("star-have", Frame::Have { epoch: EPOCH, beyond }),
        ("star-start", Frame::Start { epoch: EPOCH, position: Position(998), is_joiner: true, snapshot_bytes: 20 }),
        ("star-snapshot", Frame::Snapshot { epoch: EPOCH, position: Position(998), size, hash, offset: 15, piece }),
        ("star-copy", Frame::Copy { epoch: EPOCH, copy: copy() }),
        ("star-fetch", Frame::Fetch { epoch: EPOCH, log: Some(LogEnd { whole_in: EARLIER, end: Position(990) }) }),
    ]
}

/// What is said of views.
fn view_frames() -> [(&'static str, Frame); 5] {
    let voids = vec![Position(880), Position(881), Position(890)];
    [
        ("star-propose", Frame::Propose { view: view(), is_dormant: false }),
        ("star-promise", Frame::Promise(Box::new(promise()))),
        ("star-newer", Frame::Newer(certified())),
        ("star-activate", Frame::Activate { certified: certified(), spans: spans(), voids }),
        ("star-freeze", Frame::Freeze { epoch: EPOCH, end: Position(1003) }),
    ]
}

pub(crate) fn meanings() -> Vec<(&'static str, Told<'static>)> {
    let frames = log_frames().into_iter().chain(view_frames()).map(|(name, frame)| (name, Message::Frame(frame)));
    messages().into_iter().chain(frames).map(|(name, message)| (name, Told::Star(message))).collect()
}

fn told(kind: &Kind) -> KindTold<'_> {
    number(kind).map_or(KindTold::Name(kind.as_str()), KindTold::Number)
}

pub(crate) fn encode(message: &Message<'_>) -> Vec<u8> {
    match message {
        Message::Define { number, name } => star::define(*number, name),
        Message::Say { epoch, to, seq, kind, payload } => star::say(*epoch, to, *seq, told(kind), payload),
        Message::Deliver { epoch, from, seq, kind, payload } => star::deliver(*epoch, *from, *seq, told(kind), payload),
        Message::Frame(frame) => star::encode(frame, &mut number),
    }
    .to_vec()
}

/// Reads a message. The names in it are borrowed from what is read, so they are kept for good.
pub(crate) fn decode(bytes: &[u8]) -> Option<Message<'static>> {
    let bytes: &'static bytes::Bytes = Box::leak(Box::new(bytes::Bytes::copy_from_slice(bytes)));
    star::decode(bytes, &mut known).ok()
}

// ---- Tables ----

pub(crate) fn kind_of_example(examples: &[Example], row: &[&str]) -> Option<u64> {
    bytes_of(examples, row.get(3)?)?.first().map(|byte| u64::from(*byte))
}

pub(crate) fn kind_rows() -> BTreeSet<String> {
    let is_known = |kind: &u8| {
        let bytes = bytes::Bytes::copy_from_slice(&[*kind]);
        !matches!(star::decode(&bytes, &mut known), Err(WireError::UnknownFrame(_)))
    };
    (0..=u8::MAX).filter(is_known).map(|kind| format!("{kind:#04x}")).collect()
}

/// The byte behind kind, epoch and position of an entry.
fn what(entry: Entry) -> u64 {
    u64::from(star::encode(&Frame::Entry { epoch: EPOCH, entry }, &mut number)[4])
}

/// A row of the table of what an entry is.
pub(crate) fn tag(_: &[Example], row: &[&str]) -> Option<u64> {
    let player = PlayerId(1);
    let entry = |content| Entry { position: Position(1), epoch: EPOCH, content };
    let to = |to| what(entry(message(Channel::Reliable, 1, to, "#1", b"")));
    let all = to(Destination::All);
    let ruling = |how| what(entry(ruled(how, 1, Destination::All, b""))) - (all | 0x08);
    Some(match row[2] {
        "all, the sender included" => all,
        "all others" => to(Destination::Others),
        "the host" => to(Destination::Host),
        "one player" => to(Destination::One(player)),
        "all but those; the sender too, unless it is among them" => to(Destination::AllBut(Vec::new())),
        "the player has joined" => what(entry(Content::Joined { player, incarnation: Incarnation(1), taken: [0, 0] })),
        "the player has left" => what(entry(Content::Left { player })),
        "nothing stands here" => what(entry(Content::Void)),
        "the message is ordered" => what(entry(message(Channel::Ordered, 1, Destination::All, "#1", b""))) - all,
        "the host's game has rewritten the message" => ruling(Ruling::Rewritten),
        "the host's game has rejected the message" => ruling(Ruling::Rejected),
        "an epoch follows" => {
            let elsewhere =
                Entry { epoch: EARLIER, ..entry(message(Channel::Reliable, 1, Destination::All, "#1", b"")) };
            what(elsewhere) - all
        }
        _ => return None,
    })
}

pub(crate) fn tag_rows() -> BTreeSet<String> {
    (0..=8).chain([0x10, 0x20, 0x40]).map(|tag| format!("{tag:#04x}")).collect()
}
