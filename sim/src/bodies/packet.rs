//! The decoder of packets under arbitrary bytes: it reads or refuses, costs nothing to speak of, and what it reads says
//! the same when it is written again.

use super::meter;
use super::script::Script;
use webstar_core::id::SessionId;
use webstar_core::wire::frame::{self, Ack, Frame, Frames, RepairFrame};
use webstar_core::wire::limits::{MAX_ACK_RANGES, MAX_MESSAGE, MAX_PACKET, MAX_RECOVERED};
use webstar_core::wire::packet::{self, Packet, SealKey};
use webstar_core::wire::rhythm::Rhythm;

/// Packet numbers beyond are out of reach: a session of a million packets a second would need 146,000 years.
const NUMBERS: u64 = 1 << 62;

/// What decoding may ask of the allocator for so many bytes.
fn allowance(bytes: usize) -> usize {
    8 * bytes + 64 * 1024
}

/// Reads the bytes as a packet, and as the frames of a packet that is well sealed.
pub fn packet_decode(data: &[u8]) {
    let key = SealKey::new(SessionId(1), SessionId(2));
    let mut script = Script::new(data);
    let number = script.longest() % NUMBERS;
    for expected in [0, 1, number, NUMBERS] {
        if let Ok(packet) = meter::total_within(allowance(data.len()), || packet::open(key, expected, data)) {
            judge_frames(packet.frames);
        }
    }
    let oldest_unknown = number.saturating_sub(script.scaled() % (1 << 30));
    let rhythm = Rhythm(script.byte());
    let frames = script.rest();
    let mut sealed = Vec::new();
    packet::begin(number, oldest_unknown, rhythm, &mut sealed);
    assert_eq!(sealed.len(), packet::header_len(number, oldest_unknown));
    sealed.extend_from_slice(&frames[..frames.len().min(MAX_PACKET - sealed.len())]);
    packet::seal(key, number, 0, &mut sealed);
    for expected in [oldest_unknown, number, number + 1] {
        let packet = meter::total_within(allowance(sealed.len()), || packet::open(key, expected, &sealed));
        let Packet { number: read, rhythm: told, frames } = packet.expect("what is well sealed opens");
        assert_eq!((read, told), (number, rhythm));
        assert_eq!(Rhythm::at_least(rhythm.interval()), rhythm);
        judge_frames(frames);
    }
}

fn judge_frames(bytes: &[u8]) {
    let count = meter::total_within(allowance(bytes.len()), || Frames::new(bytes).map(walk).count());
    let mut again = Vec::new();
    let mut frames = Frames::new(bytes);
    for at in 1.. {
        let before = frames.rest().len();
        let Some(frame) = frames.next() else {
            assert!(frames.rest().is_empty());
            break;
        };
        let Ok(frame) = frame else {
            assert_eq!(at, count, "frames were read behind a broken one");
            assert_eq!(frames.next(), None, "a broken frame ends the packet");
            break;
        };
        again.clear();
        write(&frame, &mut again);
        assert!(again.len() <= before - frames.rest().len(), "{frame:?} was read from a shorter form");
        let mut reader = Frames::new(&again);
        let Some(Ok(same)) = reader.next() else { panic!("{frame:?} cannot be read again") };
        assert!(reader.rest().is_empty(), "{frame:?} leaves bytes behind");
        assert!(says_the_same(&frame, &same), "{frame:?} became {same:?}");
    }
}

/// Reads all there is in a frame, as a session would.
fn walk(frame: Result<Frame<'_>, webstar_core::wire::WireError>) -> usize {
    match frame {
        Ok(Frame::Ack(ack)) => {
            assert_is_orderly(&ack);
            ack.ranges().count() + ack.recovered().count()
        }
        Ok(Frame::Message(message)) => {
            if let Some(part) = message.part {
                assert!(!message.bytes.is_empty() && part.total as usize <= MAX_MESSAGE);
                assert!(part.offset as usize + message.bytes.len() <= part.total as usize);
            }
            message.bytes.len()
        }
        Ok(Frame::Repair(repair)) => repair.bytes.len(),
        _ => 0,
    }
}

/// Ranges and recovered numbers fall strictly, and no two ranges touch.
fn assert_is_orderly(ack: &Ack<'_>) {
    let mut above = None;
    for (first, last) in ack.ranges() {
        assert!(first <= last && above.is_none_or(|above| last + 1 < above), "{ack:?}");
        assert!(above.is_some() || last == ack.largest);
        above = Some(first);
    }
    assert!(above.is_some() && ack.ranges().count() <= MAX_ACK_RANGES);
    assert!(ack.recovered().count() <= MAX_RECOVERED);
    assert!(ack.recovered().zip(ack.recovered().skip(1)).all(|(higher, lower)| lower < higher));
    assert!(ack.recovered().all(|number| number <= ack.largest));
}

fn write(frame: &Frame<'_>, out: &mut Vec<u8>) {
    match frame {
        Frame::Ping => frame::write_ping(out),
        Frame::Ack(ack) => {
            let (ranges, recovered): (Vec<_>, Vec<_>) = (ack.ranges().collect(), ack.recovered().collect());
            frame::write_ack(ack.delay, ranges.iter().copied(), recovered.iter().copied(), out);
        }
        Frame::Probe(token) => frame::write_probe(*token, out),
        Frame::ProbeAnswer(token) => frame::write_probe_answer(*token, out),
        Frame::Unheard(path) => frame::write_unheard(*path, out),
        Frame::Repair(RepairFrame { back, covered, bytes }) => {
            RepairFrame::write_head(*back, *covered, bytes.len(), out);
            out.extend_from_slice(bytes);
        }
        Frame::Shield => frame::write_shield(out),
        Frame::Message(message) => {
            message.write(out);
            assert_eq!(out.len(), message.len_with(message.bytes.len()));
        }
    }
}

/// An acknowledgement may be written in two forms; all else has one.
fn says_the_same(one: &Frame<'_>, other: &Frame<'_>) -> bool {
    match (one, other) {
        (Frame::Ack(one), Frame::Ack(other)) => {
            one.delay == other.delay && one.ranges().eq(other.ranges()) && one.recovered().eq(other.recovered())
        }
        (one, other) => one == other,
    }
}
