//! Frames of the star: what is written is read, in one form only; they are short; what is broken or too much is refused
//! at a bounded price. Arbitrary frames come back in the fuzzer's body `star_decode`.

use bytes::Bytes;
use quickcheck::quickcheck;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::wire::WireError;
use webstar_core::wire::signal::{Epoch, HostCause};
use webstar_core::wire::star::*;
use webstar_core::wire::varint;
use webstar_core::wire::view::{Certified, Proof, PublicKey, Signature, View, Voter};

/// An hour into a game.
const EPOCH: Epoch = Epoch { term: 3, round: 40 };
const EARLIER: Epoch = Epoch { term: 2, round: 70_000 };
const POSITION: Position = Position(1_500_000);
const SEQ: u64 = 15_000;

/// Kinds with a number are called by it.
fn told(kind: &Kind) -> Option<u16> {
    kind.as_str().strip_prefix('#')?.parse().ok()
}

fn known(told: KindTold<'_>) -> Option<Kind> {
    match told {
        KindTold::Number(number) => Kind::new(&format!("#{number}")),
        KindTold::Name(name) => Kind::new(name).filter(|_| !name.starts_with('#')),
    }
}

fn kind(name: &str) -> Kind {
    Kind::new(name).expect("it has a name's length")
}

fn encode(frame: &Frame) -> Bytes {
    webstar_core::wire::star::encode(frame, &mut told)
}

fn decode(bytes: &Bytes) -> Result<Frame, WireError> {
    match webstar_core::wire::star::decode(bytes, &mut known)? {
        Message::Frame(frame) => Ok(frame),
        other => panic!("{other:?} is no frame"),
    }
}

fn decode_raw(bytes: &[u8]) -> Result<Frame, WireError> {
    decode(&Bytes::copy_from_slice(bytes))
}

/// What is read is written alike.
fn judge(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let again = match webstar_core::wire::star::decode(&bytes, &mut known) {
        Ok(Message::Define { number, name }) => define(number, name),
        Ok(Message::Say { epoch, to, seq, kind, payload }) => say(epoch, &to, seq, by_number(&kind), &payload),
        Ok(Message::Deliver { epoch, from, seq, kind, payload }) => {
            deliver(epoch, from, seq, by_number(&kind), &payload)
        }
        Ok(Message::Frame(frame)) => encode(&frame),
        Err(_) => return,
    };
    assert_eq!(again, bytes);
}

fn by_number(kind: &Kind) -> KindTold<'_> {
    told(kind).map_or(KindTold::Name(kind.as_str()), KindTold::Number)
}

fn message(channel: Channel, to: Destination, name: &str, payload: &[u8]) -> Content {
    let (kind, payload) = (kind(name), Bytes::copy_from_slice(payload));
    Content::Message(Told { from: PlayerId(3), channel, seq: SEQ, to, kind, payload, ruling: Ruling::AsSent })
}

fn ruled(ruling: Ruling, to: Destination, payload: &'static [u8]) -> Content {
    let (from, channel, kind, payload) = (PlayerId(3), Channel::Ordered, kind("#1"), Bytes::from_static(payload));
    Content::Message(Told { from, channel, seq: SEQ, to, kind, payload, ruling })
}

fn entry(content: Content) -> Entry {
    Entry { position: POSITION, epoch: EPOCH, content }
}

fn entry_frame(content: Content) -> Frame {
    Frame::Entry { epoch: EPOCH, entry: entry(content) }
}

fn joined() -> Content {
    Content::Joined { player: PlayerId(4), incarnation: Incarnation(2), taken: [7, 8] }
}

fn view() -> View {
    let voter =
        |player| Voter { player: PlayerId(player), incarnation: Incarnation(1), key: PublicKey([player as u8; 32]) };
    View {
        epoch: EPOCH,
        base: EARLIER,
        since: EARLIER,
        cause: Some(HostCause::CrashSilent),
        host: PlayerId(1),
        backups: vec![PlayerId(2)],
        voters: (1..=3).map(voter).collect(),
    }
}

fn certified() -> Box<Certified> {
    let promises = vec![(PlayerId(1), Signature([1; 64])), (PlayerId(2), Signature([2; 64]))];
    Box::new(Certified { view: view(), proof: Proof::Quorum { server: Some(Signature([9; 64])), promises } })
}

fn spans() -> Vec<Span> {
    vec![Span { epoch: EARLIER, end: Position(9) }, Span { epoch: EPOCH, end: POSITION }]
}

fn positions(numbers: impl IntoIterator<Item = u64>) -> Vec<Position> {
    numbers.into_iter().map(Position).collect()
}

fn promise() -> Promise {
    let elsewhere = |content| Entry { epoch: EARLIER, ..entry(content) };
    Promise {
        epoch: EPOCH,
        signature: Signature([5; 64]),
        active: EARLIER,
        promised: vec![view(), View { epoch: EARLIER, ..view() }],
        log: Some(LogEnd { whole_in: EARLIER, end: POSITION }),
        settled: POSITION,
        beyond: vec![
            elsewhere(message(Channel::Ordered, Destination::All, "#1", b"abc")),
            elsewhere(Content::Void),
            entry(message(Channel::Reliable, Destination::AllBut(vec![PlayerId(1)]), "k", b"")),
            entry(joined()),
            elsewhere(Content::Left { player: PlayerId(5) }),
        ],
    }
}

fn copy() -> Copy {
    let row = |player, beyond| TableRow {
        player: PlayerId(player),
        incarnation: Incarnation(1),
        is_present: player == 1,
        taken: [5, 6],
        beyond,
    };
    Copy {
        cut: Position(3),
        end: POSITION,
        same: Position(4),
        table: vec![row(1, vec![]), row(2, vec![8, 9, 300])],
        spans: spans(),
    }
}

fn snapshot(size: u64, offset: u64, piece: &[u8]) -> Frame {
    let piece = Bytes::copy_from_slice(piece);
    Frame::Snapshot { epoch: EPOCH, position: POSITION, size, hash: [7; 32], offset, piece }
}

fn publish(to: Destination, name: &str, payload: &[u8]) -> Frame {
    let (kind, payload) = (kind(name), Bytes::copy_from_slice(payload));
    Frame::Publish { channel: Channel::Ordered, seq: SEQ, to, kind, payload }
}

/// Every kind of frame, and the bytes that it takes in front of its payload.
fn samples() -> Vec<(Frame, usize)> {
    use Channel::{Ordered, Reliable};
    let elsewhere = Entry { epoch: EARLIER, ..entry(message(Ordered, Destination::All, "#1", b"hi")) };
    let mark = Mark { committed: POSITION, settled: POSITION, cut: Position(1_400_000), acked: [SEQ, SEQ] };
    let beyond =
        Beyond { settled: POSITION, held: positions([1_500_002, 1_500_009]), wants_snapshot: true, acked: [SEQ, 1] };
    vec![
        (entry_frame(message(Ordered, Destination::All, "#1", &[0xab; 64])), 11),
        (entry_frame(message(Reliable, Destination::One(PlayerId(2)), "#200", b"hi")), 13),
        (entry_frame(message(Ordered, Destination::AllBut(vec![PlayerId(2), PlayerId(9)]), "chat", b"")), 19),
        (Frame::Entry { epoch: EPOCH, entry: elsewhere }, 15),
        (entry_frame(ruled(Ruling::Rewritten, Destination::Others, b"cut")), 11),
        (entry_frame(ruled(Ruling::Rejected, Destination::One(PlayerId(3)), b"no")), 12),
        (entry_frame(joined()), 11),
        (entry_frame(Content::Left { player: PlayerId(300) }), 9),
        (entry_frame(Content::Void), 7),
        (publish(Destination::All, "#1", b"payload"), 5),
        (publish(Destination::One(PlayerId(4)), "chat", b""), 11),
        (Frame::Mark { epoch: EPOCH, mark }, 16),
        (Frame::Stored { epoch: EPOCH, position: POSITION }, 6),
        (Frame::Hold(false), 2),
        (Frame::Have { epoch: EPOCH, beyond }, 15),
        (Frame::Start { epoch: EPOCH, position: POSITION, is_joiner: true, snapshot_bytes: 100_000 }, 10),
        (snapshot(1 << 24, 100, b"piece"), 43),
        (Frame::Copy { epoch: EPOCH, copy: copy() }, 36),
        (Frame::Fetch { epoch: EPOCH, log: None }, 4),
        (Frame::Propose { view: view(), is_dormant: true }, 121),
        (Frame::Promise(Box::new(promise())), 372),
        (Frame::Newer(certified()), 318),
        (Frame::Activate { certified: certified(), spans: spans(), voids: positions([8, 9]) }, 332),
        (Frame::Freeze { epoch: EPOCH, end: POSITION }, 6),
    ]
}

fn payload(frame: &Frame) -> &[u8] {
    match frame {
        Frame::Entry { entry: Entry { content: Content::Message(message), .. }, .. } => &message.payload,
        Frame::Publish { payload, .. } => payload,
        Frame::Snapshot { piece, .. } => piece,
        _ => b"",
    }
}

#[test]
fn every_frame_comes_back_and_is_short() {
    for (frame, head) in samples() {
        let bytes = encode(&frame);
        assert_eq!(bytes.len() - payload(&frame).len(), head, "{frame:?}");
        assert_eq!(decode(&bytes).as_ref(), Ok(&frame));
        assert!(head <= MAX_HEAD || payload(&frame).is_empty());
    }
}

#[test]
fn the_longest_head_is_bounded() {
    let others = Destination::AllBut(vec![PlayerId(u32::MAX); MAX_LEFT_OUT]);
    let epoch = Epoch { term: u32::MAX, round: u32::MAX };
    let (from, kind) = (PlayerId(u32::MAX), kind(&"k".repeat(MAX_KIND)));
    let (channel, payload, ruling) = (Channel::Ordered, Bytes::new(), Ruling::Rewritten);
    let message = Told { from, channel, seq: u64::MAX, to: others, kind, payload, ruling };
    let entry = Entry { position: Position(u64::MAX), epoch, content: Content::Message(message) };
    let frame = Frame::Entry { epoch: EPOCH, entry };
    let bytes = encode(&frame);
    assert!(bytes.len() <= MAX_HEAD, "{}", bytes.len());
    assert_eq!(decode(&bytes), Ok(frame));
}

#[test]
fn payloads_are_read_in_place() {
    for (frame, _) in samples().iter().filter(|(frame, _)| !payload(frame).is_empty()) {
        let bytes = encode(frame);
        let read = decode(&bytes).expect("it was just written");
        assert_eq!(payload(&read).as_ptr_range().end, bytes.as_ptr_range().end);
    }
    let bytes = encode(&Frame::Promise(Box::new(promise())));
    let Ok(Frame::Promise(read)) = decode(&bytes) else { panic!("it was just written") };
    let Content::Message(message) = &read.beyond[0].content else { panic!("it was a message") };
    assert!(bytes.as_ptr_range().contains(&message.payload.as_ptr()));
}

#[test]
fn kinds_go_by_number_to_those_who_know_it() {
    let frame = entry_frame(message(Channel::Ordered, Destination::All, "move", b"hi"));
    let numbered = webstar_core::wire::star::encode(&frame, &mut |kind| (kind.as_str() == "move").then_some(7));
    assert_eq!(encode(&frame).len(), numbered.len() + 5);
    let mut knows = |told: KindTold<'_>| (told == KindTold::Number(7)).then(|| kind("move"));
    assert_eq!(webstar_core::wire::star::decode(&numbered, &mut knows), Ok(Message::Frame(frame.clone())));
    let refused = webstar_core::wire::star::decode(&encode(&frame), &mut knows).err();
    assert_eq!(refused, Some(WireError::UnknownKind(0)));
    let refused = webstar_core::wire::star::decode(&numbered, &mut |_| None).err();
    assert_eq!(refused, Some(WireError::UnknownKind(7)));
}

#[test]
fn a_frame_that_ends_too_early_is_refused() {
    for (frame, head) in samples() {
        let bytes = encode(&frame);
        for cut in 0..head {
            assert!(decode_raw(&bytes[..cut]).is_err(), "{frame:?} cut at {cut}");
        }
        judge(&bytes[..bytes.len() - 1]);
    }
}

#[test]
fn bytes_behind_a_frame_are_refused() {
    for (frame, _) in samples().iter().filter(|(frame, _)| payload(frame).is_empty()) {
        let longer = [&encode(frame)[..], &[0]].concat();
        match frame {
            Frame::Publish { .. } | Frame::Entry { entry: Entry { content: Content::Message(_), .. }, .. } => {
                assert!(decode_raw(&longer).is_ok(), "it is payload");
            }
            _ => assert!(decode_raw(&longer).is_err(), "{frame:?}"),
        }
    }
}

#[test]
fn every_changed_bit_is_refused_or_means_something() {
    for (frame, _) in samples() {
        let bytes = encode(&frame);
        for bit in 0..8 * bytes.len() {
            let mut changed = bytes.to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            judge(&changed);
        }
    }
}

/// A frame's kind and epoch, and what follows.
fn raw(kind: u8, rest: &[u8]) -> Vec<u8> {
    [&[kind, 1, 0], rest].concat()
}

/// A count, and as many bytes.
fn list(count: usize, item: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint::write(count as u64, &mut out);
    out.extend(item.repeat(count));
    out
}

#[test]
fn what_is_malformed_is_refused() {
    let zeros = [0; 32];
    let snapshot = |size: u8, offset: u8, piece: &[u8]| raw(0x0b, &[&[1, size, offset], &zeros[..], piece].concat());
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("no kind of message", vec![0x00]),
        ("nor this", vec![0x13]),
        ("a definition of 0", b"\x01\x00\x01x".to_vec()),
        ("a definition of nothing", b"\x01\x01\x00".to_vec()),
        ("a definition with bytes behind", b"\x01\x01\x01xy".to_vec()),
        ("a definition of 257", b"\x01\x81\x02\x01x".to_vec()),
        ("a name that is no text", b"\x01\x01\x02\xff\xff".to_vec()),
        ("no destination", b"\x02\x01\x00\x05\x01\x01".to_vec()),
        ("player 0", b"\x02\x01\x00\x03\x00\x01\x01".to_vec()),
        ("65 players left out", [b"\x02\x01\x00\x04", &list(65, &[1])[..], &[1, 1]].concat()),
        ("from player 0", b"\x03\x01\x00\x00\x01\x01".to_vec()),
        ("neither stop nor go on", vec![0x04, 2]),
        ("published with number 0", vec![0x05, 0, 0, 1]),
        ("published as joined", vec![0x05, 5, 1, 1, 1]),
        ("published with an epoch", vec![0x05, 0x10, 1, 0, 1, 1]),
        ("position 0", raw(0x06, &[0, 7])),
        ("what is not defined", raw(0x06, &[1, 0x80, 1, 1, 1])),
        ("rewritten and rejected", raw(0x06, &[1, 0x63, 1, 1, 1, 1])),
        ("a rejection for another than its sender", raw(0x06, &[1, 0x43, 2, 1, 1, 1])),
        ("a rejection for all", raw(0x06, &[1, 0x40, 1, 1, 1])),
        ("a reason that is no text", raw(0x06, &[1, 0x43, 1, 1, 1, 1, 0xff])),
        ("a reason of 257 bytes", raw(0x06, &[&[1, 0x43, 1, 1, 1, 1][..], &[b'x'; 257]].concat())),
        ("a rewritten void", raw(0x06, &[1, 0x27])),
        ("an ordered void", raw(0x06, &[1, 0x0f])),
        ("an epoch that goes without saying", raw(0x06, &[1, 0x17, 1, 0])),
        ("an entry with number 0", raw(0x06, &[1, 0, 1, 0, 1])),
        ("player 0 joins", raw(0x06, &[1, 5, 0, 1, 0, 0])),
        ("a position twice", raw(0x09, &[1, 0, 0, 0, 2, 5, 0])),
        ("a position beyond all numbers", raw(0x09, &[&[1, 0, 0, 0, 2, 1][..], &[0xff; 9], &[1]].concat())),
        ("a flag of 2", raw(0x09, &[1, 2, 0, 0, 0])),
        ("a snapshot of more than 16 MiB", raw(0x0a, &[1, 0, 0x81, 0x80, 0x80, 0x08])),
        ("a piece behind the end", snapshot(5, 6, b"")),
        ("a piece beyond the end", snapshot(5, 4, b"ab")),
        ("a longer form of a number", vec![0x0d, 0x81, 0x00, 0]),
        ("a term beyond 32 bits", vec![0x0d, 0x80, 0x80, 0x80, 0x80, 0x10, 0]),
    ];
    for (what, bytes) in table {
        let bytes = Bytes::from(bytes);
        assert!(webstar_core::wire::star::decode(&bytes, &mut known).is_err(), "{what}");
    }
    for good in
        [snapshot(5, 5, b""), snapshot(5, 3, b"ab"), raw(0x06, &[1, 0x17, 1, 1]), raw(0x06, &[1, 0x43, 1, 1, 1, 1])]
    {
        assert!(decode_raw(&good).is_ok(), "{good:02x?}");
    }
}

#[test]
fn a_view_has_one_form_and_a_largest_size() {
    let good = encode(&Frame::Propose { view: view(), is_dormant: false });
    let mut longer = good.to_vec();
    // The term of the view, after kind, flag and length: 3 as `83 00`, which postcard takes.
    assert_eq!(longer[2..4], [118, 3]);
    longer.splice(2..4, [119, 0x83, 0x00]);
    assert_eq!(decode_raw(&longer), Err(WireError::OutOfRange("view")));
    let mut behind = good.to_vec();
    behind[2] += 1;
    behind.push(0);
    assert_eq!(decode_raw(&behind), Err(WireError::OutOfRange("view")));
    let huge = [&[0x0e, 0][..], &list(16 * 1024 + 1, &[0])].concat();
    assert_eq!(decode_raw(&huge), Err(WireError::OutOfRange("view")));
}

/// The largest view there can be fits.
#[test]
fn the_largest_view_is_read() {
    let key = PublicKey([0xff; 32]);
    let voter = |_| Voter { player: PlayerId(u32::MAX), incarnation: Incarnation(u32::MAX), key };
    let epoch = Epoch { term: u32::MAX, round: u32::MAX };
    let view = View {
        epoch,
        base: epoch,
        since: epoch,
        backups: vec![PlayerId(u32::MAX); 2],
        host: PlayerId(u32::MAX),
        voters: (0..64).map(voter).collect(),
        ..view()
    };
    let promises = vec![(PlayerId(u32::MAX), Signature([0xff; 64])); 128];
    let proof = Proof::Quorum { server: Some(Signature([0xff; 64])), promises };
    let frame = Frame::Newer(Box::new(Certified { view, proof }));
    assert_eq!(decode(&encode(&frame)), Ok(frame));
}

/// What the lists of a frame may hold: (what, the frame with so many, the most).
type Bounded = (&'static str, fn(usize) -> Frame, usize);

const BOUNDED: [Bounded; 7] = [
    ("positions held", |count| have(1..=count as u64), MAX_HELD),
    ("voids", |count| activate(vec![], positions(1..=count as u64)), MAX_VOIDS),
    ("spans", |count| activate(vec![spans()[0]; count], vec![]), MAX_SPANS),
    (
        "rows",
        |count| Frame::Copy { epoch: EPOCH, copy: Copy { table: vec![copy().table[0].clone(); count], ..copy() } },
        MAX_ROWS,
    ),
    (
        "numbers taken",
        |count| Frame::Copy { epoch: EPOCH, copy: Copy { table: vec![reaching(count)], ..copy() } },
        MAX_REACH,
    ),
    (
        "views promised",
        |count| Frame::Promise(Box::new(Promise { promised: vec![view(); count], ..promise() })),
        MAX_PROMISED,
    ),
    (
        "entries",
        |count| Frame::Promise(Box::new(Promise { beyond: vec![entry(Content::Void); count], ..promise() })),
        MAX_BEYOND,
    ),
];

fn have(held: impl IntoIterator<Item = u64>) -> Frame {
    Frame::Have { epoch: EPOCH, beyond: Beyond { held: positions(held), ..Beyond::default() } }
}

fn activate(spans: Vec<Span>, voids: Vec<Position>) -> Frame {
    Frame::Activate { certified: certified(), spans, voids }
}

fn reaching(count: usize) -> TableRow {
    TableRow { beyond: (7..7 + count as u64).collect(), ..copy().table[0].clone() }
}

#[test]
fn lists_are_bounded_where_they_are_written() {
    for (what, frame, most) in BOUNDED {
        let longest = frame(most);
        assert_eq!(decode(&encode(&longest)).as_ref(), Ok(&longest), "{what}");
        assert_eq!(decode(&encode(&frame(most + 1))), Ok(longest), "{what}");
    }
}

#[test]
fn lists_are_bounded_where_they_are_read() {
    let head = |kind: u8, front: &[u8]| raw(kind, front);
    let promise = [&raw(0x0f, &[0; 64])[..], &[0, 0]].concat();
    let block = encode(&Frame::Newer(certified()))[1..].to_vec();
    let fronts: [(&str, Vec<u8>, Vec<u8>, usize); 7] = [
        ("positions held", head(0x09, &[0, 0, 0, 0]), list(MAX_HELD + 1, &[1]), MAX_HELD),
        ("voids", [&[0x11][..], &block, &[0]].concat(), list(MAX_VOIDS + 1, &[1]), MAX_VOIDS),
        ("spans", [&[0x11][..], &block].concat(), list(MAX_SPANS + 1, &[1, 0, 1]), MAX_SPANS),
        ("rows of a table", head(0x0c, &[0, 0, 0]), list(MAX_ROWS + 1, &[1, 1, 1, 0, 0, 0]), MAX_ROWS),
        ("numbers taken", head(0x0c, &[0, 0, 0, 1, 1, 1, 1, 0, 0]), list(MAX_REACH + 1, &[1]), MAX_REACH),
        ("views promised", promise.clone(), list(MAX_PROMISED + 1, &[1, 0]), MAX_PROMISED),
        ("entries", [&promise[..], &[0, 0, 0]].concat(), list(MAX_BEYOND + 1, &[1, 7]), MAX_BEYOND),
    ];
    for (what, front, items, most) in fronts {
        let bytes = [&front[..], &items].concat();
        assert_eq!(decode_raw(&bytes), Err(WireError::OutOfRange(what)), "more than {most}");
        let mut claim = front;
        varint::write(most as u64, &mut claim);
        let bytes = Bytes::from(claim);
        let mut refused = None;
        let cost = allocation_counter::measure(|| refused = decode(&bytes).err());
        assert_eq!(refused, Some(WireError::Truncated), "{what} that are not there");
        assert!(cost.bytes_max < 2_048, "{what} that are not there take {} bytes", cost.bytes_max);
    }
}

quickcheck! {
    fn any_bytes_are_refused_or_mean_something(bytes: Vec<u8>, kind: u8) -> bool {
        judge(&bytes);
        judge(&[&[kind % 0x13][..], &bytes].concat());
        judge(&raw(kind % 0x13, &bytes));
        true
    }
}
