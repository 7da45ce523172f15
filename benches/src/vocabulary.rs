//! The same packet content twice: laid by hand, as the wire of the core does it, and as a serde enum through postcard,
//! the most compact of the common serde formats. Both append to a buffer that is used again and read in place, so that
//! neither allocates. Packet headers and seals are not part of the comparison.

use serde::{Deserialize, Serialize, Serializer};
use webstar_core::time::Duration;
use webstar_core::wire::frame::{self, Delivery, Frame, Frames, MessageFrame, Part, Priority};

/// The unit in which an acknowledgement delay travels.
const DELAY_UNIT_MICROS: u64 = 64;

/// What a typical packet says: an acknowledgement of one unbroken range, and messages.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The largest number received.
    pub largest: u64,
    /// How many numbers the range has, less one.
    pub below: u64,
    /// How long ago the largest came.
    pub delay: Duration,
    /// The number of the first message.
    pub first_seq: u64,
    /// How many messages there are, one after the other.
    pub messages: u64,
    /// What each of them says.
    pub payload: &'a [u8],
}

impl Content<'_> {
    /// Some minutes into a game, with 64 bytes in each message.
    pub const fn typical(messages: u64) -> Content<'static> {
        let delay = Duration::from_millis(4);
        Content { largest: 20_000, below: 3, delay, first_seq: 10_000, messages, payload: &[7; 64] }
    }
}

/// What a reader makes of it: enough of every field that nothing can be skipped.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Digest {
    /// The sum of all numbers.
    pub numbers: u64,
    /// The bytes of all payloads.
    pub bytes: usize,
    /// The frames.
    pub frames: usize,
}

/// The frames of the core's wire as serde would have them.
#[derive(Serialize, Deserialize, Debug)]
enum Laid<'a> {
    Ping,
    Ack {
        largest: u64,
        delay: u64,
        first_len: u64,
        // Empty in the usual case, and then it costs no allocation.
        more: Vec<(u64, u64)>,
        recovered: Vec<u64>,
    },
    Probe(u32),
    ProbeAnswer(u32),
    Unheard(u8),
    Repair {
        back: u64,
        covered: u64,
        #[serde(borrow, serialize_with = "in_one")]
        bytes: &'a [u8],
    },
    Shield,
    Message {
        priority: Priority,
        delivery: Delivery,
        seq: u64,
        key: u32,
        compressed: bool,
        part: Option<LaidPart>,
        #[serde(borrow, serialize_with = "in_one")]
        bytes: &'a [u8],
    },
}

#[derive(Serialize, Deserialize, Debug)]
struct LaidPart {
    total: u32,
    offset: u32,
}

/// Left alone, serde writes a slice byte by byte.
fn in_one<S: Serializer>(bytes: &&[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

/// Writes the content by hand; `out` is emptied first.
pub fn write_by_hand(content: &Content<'_>, out: &mut Vec<u8>) {
    out.clear();
    let range = (content.largest - content.below, content.largest);
    frame::write_ack(content.delay, core::iter::once(range), core::iter::empty(), out);
    for seq in content.first_seq..content.first_seq + content.messages {
        message(content, seq).write(out);
    }
}

fn message<'a>(content: &Content<'a>, seq: u64) -> MessageFrame<'a> {
    let (priority, delivery) = (Priority::High, Delivery::Ordered);
    MessageFrame { priority, delivery, seq, key: 0, compressed: false, part: None, bytes: content.payload }
}

/// Reads what was written by hand.
pub fn read_by_hand(bytes: &[u8]) -> Option<Digest> {
    let mut digest = Digest::default();
    for frame in Frames::new(bytes) {
        digest.frames += 1;
        match frame.ok()? {
            Frame::Ack(ack) => {
                digest.numbers += ack.delay.as_micros() as u64 / DELAY_UNIT_MICROS;
                digest.numbers += ack.ranges().map(|(first, last)| first + last).sum::<u64>();
            }
            Frame::Message(message) => {
                digest.numbers += message.seq + u64::from(message.key) + part_sum(message.part);
                digest.bytes += message.bytes.len();
            }
            _ => return None,
        }
    }
    Some(digest)
}

fn part_sum(part: Option<Part>) -> u64 {
    part.map_or(0, |part| u64::from(part.total) + u64::from(part.offset))
}

/// Writes the content through postcard; gives its length in `out`, which must be long enough.
pub fn write_by_postcard(content: &Content<'_>, out: &mut [u8]) -> Option<usize> {
    let delay = content.delay.as_micros() as u64 / DELAY_UNIT_MICROS;
    let (largest, first_len) = (content.largest, content.below);
    let ack = Laid::Ack { largest, delay, first_len, more: Vec::new(), recovered: Vec::new() };
    let mut len = postcard::to_slice(&ack, out).ok()?.len();
    for seq in content.first_seq..content.first_seq + content.messages {
        let MessageFrame { priority, delivery, key, compressed, bytes, .. } = message(content, seq);
        let laid = Laid::Message { priority, delivery, seq, key, compressed, part: None, bytes };
        len += postcard::to_slice(&laid, &mut out[len..]).ok()?.len();
    }
    Some(len)
}

/// Reads what was written through postcard.
pub fn read_by_postcard(bytes: &[u8]) -> Option<Digest> {
    let mut digest = Digest::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (frame, behind) = postcard::take_from_bytes::<Laid<'_>>(rest).ok()?;
        rest = behind;
        digest.frames += 1;
        match frame {
            Laid::Ack { largest, delay, first_len, more, recovered } => {
                digest.numbers += delay + largest + (largest - first_len) + (more.len() + recovered.len()) as u64;
            }
            Laid::Message { seq, key, part, bytes, .. } => {
                let part = part.map(|LaidPart { total, offset }| Part { total, offset });
                digest.numbers += seq + u64::from(key) + part_sum(part);
                digest.bytes += bytes.len();
            }
            _ => return None,
        }
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_say_the_same_and_the_hand_takes_fewer_bytes() {
        for (messages, by_hand, by_postcard) in [(1, 75, 81), (16, 1_095, 1_176)] {
            let content = Content::typical(messages);
            let (mut hand, mut card) = (Vec::new(), [0; 4_096]);
            write_by_hand(&content, &mut hand);
            let len = write_by_postcard(&content, &mut card).expect("the buffer is long enough");
            assert_eq!((hand.len(), len), (by_hand, by_postcard), "{messages} messages");
            let digest = read_by_hand(&hand).expect("what was written is read");
            assert_eq!(Some(digest), read_by_postcard(&card[..len]));
            assert_eq!((digest.frames, digest.bytes), (1 + messages as usize, 64 * messages as usize));
        }
    }
}
