//! The frames of a packet: written one after the other, read in place. A message frame names its stream (priority and
//! delivery) and its number there; the rest is how the two sessions keep each other informed.

use super::WireError;
use super::limits::{MAX_ACK_RANGES, MAX_MESSAGE, MAX_RECOVERED};
use super::varint::{self, Reader};
use crate::id::PathId;
use crate::time::Duration;
use serde::{Deserialize, Serialize};

const PING: u8 = 0x01;
const ACK: u8 = 0x02;
const ACK_RECOVERED: u8 = 0x03;
const PROBE: u8 = 0x04;
const PROBE_ANSWER: u8 = 0x05;
const UNHEARD: u8 = 0x06;
const REPAIR: u8 = 0x07;
const SHIELD: u8 = 0x08;
const MESSAGE: u8 = 0x80;
const MESSAGE_COMPRESSED: u8 = 0x40;
const MESSAGE_PART: u8 = 0x20;

/// The unit of the acknowledgement delay on the wire.
const ACK_DELAY_UNIT_MICROS: u64 = 64;
/// The longest delay that is told, in that unit: about 18 minutes.
const MAX_ACK_DELAY_UNITS: u64 = 1 << 24;

/// How soon a message leaves when there is more than fits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Priority {
    /// Before everything else, and ahead of pacing: inputs.
    Critical,
    /// The largest share of what is left.
    High,
    /// The default.
    Normal,
    /// The smallest share: bulk.
    Low,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Priority; 4] = [Priority::Critical, Priority::High, Priority::Normal, Priority::Low];
}

/// What is promised for a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Delivery {
    /// Sent once.
    Unreliable,
    /// The newest of its key arrives; older ones are dropped wherever a newer one is known.
    Latest,
    /// Arrives once, as soon as it can.
    Reliable,
    /// Arrives once, after everything submitted before it with the same priority.
    Ordered,
}

impl Delivery {
    /// All of them.
    pub const ALL: [Delivery; 4] = [Delivery::Unreliable, Delivery::Latest, Delivery::Reliable, Delivery::Ordered];

    /// Whether what is lost is sent again.
    pub fn is_kept(self) -> bool {
        self != Delivery::Unreliable
    }
}

/// One frame, borrowed from its packet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Frame<'a> {
    /// Asks for an acknowledgement and says nothing else: the heartbeat.
    Ping,
    /// What has been received.
    Ack(Ack<'a>),
    /// "Send this token back on this path."
    Probe(u32),
    /// The token, sent back.
    ProbeAnswer(u32),
    /// "I have not heard you on that path for longer than you promised."
    Unheard(PathId),
    /// A combination of earlier shielded packets.
    Repair(RepairFrame<'a>),
    /// All that follows in this packet is a symbol that repairs may cover.
    Shield,
    /// A message or a part of one.
    Message(MessageFrame<'a>),
}

/// A combination of the symbols of earlier packets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct RepairFrame<'a> {
    /// The newest packet covered, counted back from the packet that carries the repair.
    pub back: u64,
    /// Bit i: the packet i numbers below the newest covered is covered too. Bit 0 is always set.
    pub covered: u64,
    /// The combination.
    pub bytes: &'a [u8],
}

/// A message, or a part of one.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MessageFrame<'a> {
    /// Its priority, which is also the lane in which it is ordered.
    pub priority: Priority,
    /// What is promised for it.
    pub delivery: Delivery,
    /// Its number among the messages of this priority and delivery. Whole unreliable messages carry none and read 0.
    pub seq: u64,
    /// The key of a latest-only message, else 0.
    pub key: u32,
    /// Whether the message's bytes are an original length and an lz4 block.
    pub compressed: bool,
    /// Where this part lies in the message, if it is a part.
    pub part: Option<Part>,
    /// The bytes.
    pub bytes: &'a [u8],
}

/// Where a part lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The length of the whole message as it travels.
    pub total: u32,
    /// Where the part begins.
    pub offset: u32,
}

impl MessageFrame<'_> {
    /// The bytes the frame takes, when it carries `payload` bytes.
    pub fn len_with(&self, payload: usize) -> usize {
        self.head_len() + varint::len(payload as u64) + payload
    }

    /// The bytes in front of the length and the payload.
    pub fn head_len(&self) -> usize {
        let seq = if self.is_numbered() { varint::len(self.seq) } else { 0 };
        let key = if self.delivery == Delivery::Latest { varint::len(u64::from(self.key)) } else { 0 };
        let part = self.part.map_or(0, |p| varint::len(u64::from(p.total)) + varint::len(u64::from(p.offset)));
        1 + seq + key + part
    }

    fn is_numbered(&self) -> bool {
        self.delivery.is_kept() || self.part.is_some()
    }

    /// Appends the frame.
    pub fn write(&self, out: &mut Vec<u8>) {
        let compressed = if self.compressed { MESSAGE_COMPRESSED } else { 0 };
        let part = if self.part.is_some() { MESSAGE_PART } else { 0 };
        out.push(MESSAGE | compressed | part | (self.delivery as u8) << 3 | (self.priority as u8) << 1);
        if self.is_numbered() {
            varint::write(self.seq, out);
        }
        if self.delivery == Delivery::Latest {
            varint::write(u64::from(self.key), out);
        }
        if let Some(part) = self.part {
            varint::write(u64::from(part.total), out);
            varint::write(u64::from(part.offset), out);
        }
        varint::write(self.bytes.len() as u64, out);
        out.extend_from_slice(self.bytes);
    }
}

impl RepairFrame<'_> {
    /// The bytes such a frame takes around `bytes` of combination.
    pub fn len_with(back: u64, covered: u64, bytes: usize) -> usize {
        1 + varint::len(back) + varint::len(covered) + varint::len(bytes as u64) + bytes
    }

    /// Appends everything in front of the combination, which is `len` bytes and must follow.
    pub fn write_head(back: u64, covered: u64, len: usize, out: &mut Vec<u8>) {
        out.push(REPAIR);
        varint::write(back, out);
        varint::write(covered, out);
        varint::write(len as u64, out);
    }
}

/// Appends a ping.
pub fn write_ping(out: &mut Vec<u8>) {
    out.push(PING);
}

/// Appends the mark after which all is a symbol.
pub fn write_shield(out: &mut Vec<u8>) {
    out.push(SHIELD);
}

/// Appends a probe.
pub fn write_probe(token: u32, out: &mut Vec<u8>) {
    out.push(PROBE);
    varint::write(u64::from(token), out);
}

/// Appends the answer to a probe.
pub fn write_probe_answer(token: u32, out: &mut Vec<u8>) {
    out.push(PROBE_ANSWER);
    varint::write(u64::from(token), out);
}

/// Appends the report that nothing is heard on a path.
pub fn write_unheard(path: PathId, out: &mut Vec<u8>) {
    out.extend_from_slice(&[UNHEARD, path.0]);
}

/// What has been received, as it stands in a packet: ranges of numbers from the largest down.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ack<'a> {
    /// The largest number received.
    pub largest: u64,
    /// How long ago that was.
    pub delay: Duration,
    first_len: u64,
    more: usize,
    ranges: &'a [u8],
    recovered_count: usize,
    recovered: &'a [u8],
}

impl<'a> Ack<'a> {
    /// The ranges (first and last number, both included), from the top down.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u64)> + use<'a> {
        let mut reader = Reader::new(self.ranges);
        let mut last = self.largest;
        let mut first = self.largest - self.first_len;
        let mut more = self.more;
        let mut done = false;
        core::iter::from_fn(move || {
            if done {
                return None;
            }
            let range = (first, last);
            if more == 0 {
                done = true;
            } else {
                more -= 1;
                let (gap, len) = (read_known(&mut reader), read_known(&mut reader));
                last = first - gap - 2;
                first = last - len;
            }
            Some(range)
        })
    }

    /// Numbers of packets between the ranges that have not come and whose symbol was recovered; from the top down.
    pub fn recovered(&self) -> impl Iterator<Item = u64> + use<'a> {
        let mut reader = Reader::new(self.recovered);
        let mut next = self.largest;
        (0..self.recovered_count).map(move |_| {
            next -= read_known(&mut reader);
            let number = next;
            next = next.saturating_sub(1);
            number
        })
    }
}

/// Reads a number that the decoder has read and checked before.
fn read_known(reader: &mut Reader<'_>) -> u64 {
    reader.varint().unwrap_or(0)
}

/// Writes an acknowledgement: ranges from the top down (first and last number, both included), then what was
/// recovered, from the top down. Both stop at their limits.
pub fn write_ack(
    delay: Duration,
    ranges: impl Iterator<Item = (u64, u64)> + Clone,
    recovered: impl Iterator<Item = u64> + Clone,
    out: &mut Vec<u8>,
) {
    let mut ranges = ranges.take(MAX_ACK_RANGES);
    let more = ranges.clone().count().saturating_sub(1);
    let Some((mut first, largest)) = ranges.next() else {
        return;
    };
    // What lies above the largest cannot be told yet.
    let recovered = recovered.skip_while(move |number| *number > largest).take(MAX_RECOVERED);
    let recovered_count = recovered.clone().count();
    out.push(if recovered_count > 0 { ACK_RECOVERED } else { ACK });
    varint::write(largest, out);
    varint::write((delay.as_micros() as u64 / ACK_DELAY_UNIT_MICROS).min(MAX_ACK_DELAY_UNITS), out);
    varint::write(more as u64, out);
    varint::write(largest - first, out);
    for (low, high) in ranges {
        varint::write(first - high - 2, out);
        varint::write(high - low, out);
        first = low;
    }
    if recovered_count > 0 {
        varint::write(recovered_count as u64, out);
        let mut next = largest;
        for number in recovered {
            varint::write(next - number, out);
            next = number.saturating_sub(1);
        }
    }
}

fn read_ack<'a>(reader: &mut Reader<'a>, with_recovered: bool) -> Result<Ack<'a>, WireError> {
    let largest = reader.varint()?;
    let delay =
        Duration::from_micros(reader.bounded(MAX_ACK_DELAY_UNITS, "acknowledgement delay")? * ACK_DELAY_UNIT_MICROS);
    let more = reader.bounded(MAX_ACK_RANGES as u64 - 1, "number of ranges")? as usize;
    let first_len = reader.bounded(largest, "range")?;
    let start = reader.rest();
    let mut first = largest - first_len;
    for _ in 0..more {
        let gap = reader.varint()?;
        let last = first.checked_sub(gap).and_then(|n| n.checked_sub(2)).ok_or(WireError::OutOfRange("gap"))?;
        first = last - reader.bounded(last, "range")?;
    }
    let ranges = &start[..start.len() - reader.rest().len()];
    let recovered_count = if with_recovered { reader.bounded(MAX_RECOVERED as u64, "recovered")? as usize } else { 0 };
    let start = reader.rest();
    let mut next = Some(largest);
    for _ in 0..recovered_count {
        let below = reader.varint()?;
        let number = next.and_then(|n| n.checked_sub(below)).filter(|n| *n < largest);
        let number = number.ok_or(WireError::OutOfRange("recovered"))?;
        next = number.checked_sub(1);
    }
    let recovered = &start[..start.len() - reader.rest().len()];
    Ok(Ack { largest, delay, first_len, more, ranges, recovered_count, recovered })
}

fn read_message<'a>(kind: u8, reader: &mut Reader<'a>) -> Result<MessageFrame<'a>, WireError> {
    if kind & 1 != 0 {
        return Err(WireError::UnknownFrame(kind));
    }
    let priority = Priority::ALL[usize::from(kind >> 1 & 3)];
    let delivery = Delivery::ALL[usize::from(kind >> 3 & 3)];
    let is_part = kind & MESSAGE_PART != 0;
    let seq = if delivery.is_kept() || is_part { reader.bounded(1 << 62, "message number")? } else { 0 };
    let key = if delivery == Delivery::Latest { reader.bounded(u64::from(u32::MAX), "key")? as u32 } else { 0 };
    let part = if is_part {
        let total = reader.bounded(MAX_MESSAGE as u64, "message length")? as u32;
        let offset = reader.bounded(u64::from(total), "offset")? as u32;
        Some(Part { total, offset })
    } else {
        None
    };
    let bytes = reader.sized()?;
    if let Some(part) = part
        && (bytes.is_empty() || bytes.len() as u64 + u64::from(part.offset) > u64::from(part.total))
    {
        return Err(WireError::OutOfRange("part"));
    }
    let compressed = kind & MESSAGE_COMPRESSED != 0;
    Ok(MessageFrame { priority, delivery, seq, key, compressed, part, bytes })
}

fn read_frame<'a>(reader: &mut Reader<'a>) -> Result<Frame<'a>, WireError> {
    let kind = reader.byte()?;
    Ok(match kind {
        MESSAGE..=0xff => Frame::Message(read_message(kind, reader)?),
        PING => Frame::Ping,
        ACK | ACK_RECOVERED => Frame::Ack(read_ack(reader, kind == ACK_RECOVERED)?),
        PROBE => Frame::Probe(reader.bounded(u64::from(u32::MAX), "token")? as u32),
        PROBE_ANSWER => Frame::ProbeAnswer(reader.bounded(u64::from(u32::MAX), "token")? as u32),
        UNHEARD => Frame::Unheard(PathId(reader.byte()?)),
        SHIELD => Frame::Shield,
        REPAIR => {
            let back = reader.bounded(1 << 32, "repair")?;
            let covered = reader.varint()?;
            let bytes = reader.sized()?;
            if back == 0 || covered & 1 == 0 || bytes.len() < 3 {
                return Err(WireError::OutOfRange("repair"));
            }
            Frame::Repair(RepairFrame { back, covered, bytes })
        }
        _ => return Err(WireError::UnknownFrame(kind)),
    })
}

/// The frames of a packet in order. After an error nothing more comes.
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    reader: Reader<'a>,
    broken: bool,
}

impl<'a> Frames<'a> {
    /// Reads the frames of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Frames { reader: Reader::new(bytes), broken: false }
    }

    /// The bytes behind the frame that was read last.
    pub fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken || self.reader.is_empty() {
            return None;
        }
        let frame = read_frame(&mut self.reader);
        self.broken = frame.is_err();
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(delivery: Delivery, part: Option<Part>, bytes: &[u8]) -> MessageFrame<'_> {
        let key = if delivery == Delivery::Latest { 77 } else { 0 };
        let seq = if delivery.is_kept() || part.is_some() { 300 } else { 0 };
        MessageFrame { priority: Priority::High, delivery, seq, key, compressed: false, part, bytes }
    }

    #[test]
    fn every_frame_comes_back() {
        let payload = [7u8; 200];
        let part = Some(Part { total: 5_000, offset: 1_000 });
        let mut out = Vec::new();
        write_ping(&mut out);
        write_ack(
            Duration::from_micros(640),
            [(90, 100), (50, 80), (3, 3)].into_iter(),
            [95, 60, 59].into_iter(),
            &mut out,
        );
        write_probe(5, &mut out);
        write_probe_answer(u32::MAX, &mut out);
        write_unheard(PathId(3), &mut out);
        RepairFrame::write_head(1, 0b101, payload.len(), &mut out);
        out.extend_from_slice(&payload);
        write_shield(&mut out);
        for delivery in Delivery::ALL {
            for part in [None, part] {
                let frame = message(delivery, part, &payload);
                let before = out.len();
                frame.write(&mut out);
                assert_eq!(out.len() - before, frame.len_with(payload.len()));
            }
        }
        let frames: Vec<_> = Frames::new(&out).map(|f| f.expect("what was written is read")).collect();
        assert_eq!(frames[0], Frame::Ping);
        let Frame::Ack(ack) = frames[1] else { panic!("{:?}", frames[1]) };
        assert_eq!((ack.largest, ack.delay), (100, Duration::from_micros(640)));
        assert_eq!(ack.ranges().collect::<Vec<_>>(), [(90, 100), (50, 80), (3, 3)]);
        assert_eq!(ack.recovered().collect::<Vec<_>>(), [95, 60, 59]);
        assert_eq!(frames[2..5], [Frame::Probe(5), Frame::ProbeAnswer(u32::MAX), Frame::Unheard(PathId(3))]);
        assert_eq!(frames[5], Frame::Repair(RepairFrame { back: 1, covered: 5, bytes: &payload }));
        assert_eq!(frames[6], Frame::Shield);
        assert_eq!(frames.len(), 15);
        let mut expected = Delivery::ALL.iter().flat_map(|&d| [message(d, None, &payload), message(d, part, &payload)]);
        for frame in &frames[7..] {
            assert_eq!(*frame, Frame::Message(expected.next().expect("as many as written")));
        }
    }

    #[test]
    fn frames_that_lie_are_refused() {
        let cases: [(&[u8], WireError); 9] = [
            (&[0x00], WireError::UnknownFrame(0)),
            (&[0x7f], WireError::UnknownFrame(0x7f)),
            (&[0x81], WireError::UnknownFrame(0x81)),
            (&[ACK, 5, 0, 0, 6], WireError::OutOfRange("range")),
            (&[ACK, 5, 0, 1, 1, 3, 0], WireError::OutOfRange("gap")),
            (&[ACK, 5, 0, 32, 1], WireError::OutOfRange("number of ranges")),
            (&[ACK_RECOVERED, 5, 0, 0, 1, 2, 5, 0], WireError::OutOfRange("recovered")),
            (&[REPAIR, 0, 1, 3, 0, 0, 0], WireError::OutOfRange("repair")),
            (&[0xb0, 0, 10, 8, 3, 1, 2, 3], WireError::OutOfRange("part")),
        ];
        for (bytes, error) in cases {
            let mut frames = Frames::new(bytes);
            assert_eq!(frames.next(), Some(Err(error)), "{bytes:?}");
            assert_eq!(frames.next(), None);
        }
    }

    #[test]
    fn an_acknowledgement_stops_at_its_limits() {
        let ranges = (0..100u64).rev().map(|i| (3 * i, 3 * i));
        let mut out = Vec::new();
        write_ack(Duration::ZERO, ranges, (0..99u64).rev().map(|i| 3 * i + 1), &mut out);
        let Some(Ok(Frame::Ack(ack))) = Frames::new(&out).next() else { panic!("an acknowledgement") };
        assert_eq!(ack.ranges().count(), MAX_ACK_RANGES);
        assert_eq!(ack.recovered().count(), MAX_RECOVERED);
    }
}
