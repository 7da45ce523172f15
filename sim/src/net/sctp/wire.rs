//! The packets of the SCTP model: the fields the model needs, at the sizes real ones have.

use webstar_core::path::webrtc;
use webstar_core::time::Duration;

/// What surrounds the chunks of a packet: 12 bytes of SCTP and 37 of DTLS 1.2 with AES-GCM.
const HEADER: usize = 49;
/// The header of a DATA chunk.
const CHUNK: usize = 16;
/// The largest message that fits one chunk of the real stack: a datagram less 48 bytes for DTLS and 40 for SCTP.
const PAYLOAD: usize = webrtc::MTU - 48 - 40;
/// The MTU that the congestion control counts in: a chunk with its own and the common header.
pub(super) const MTU: usize = PAYLOAD + 12 + CHUNK;
/// How long an acknowledgement may wait for a second packet.
pub(super) const ACK_DELAY: Duration = Duration::from_millis(200);

const DATA: u8 = 0;
const SACK: u8 = 1;
const FORWARD: u8 = 2;

/// A packet being written. The buffer is kept from one to the next.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// The payloads and chunk headers in it.
    used: usize,
}

impl Writer {
    pub(super) fn sack(&mut self, cumulative: u64, gaps: impl Iterator<Item = (u64, u64)>) -> &[u8] {
        self.start(SACK);
        self.bytes.extend_from_slice(&cumulative.to_le_bytes());
        self.bytes.extend_from_slice(&[0; 8]);
        for (first, last) in gaps {
            let (Ok(first), Ok(last)) = (u16::try_from(first - cumulative), u16::try_from(last - cumulative)) else {
                break;
            };
            self.bytes.extend_from_slice(&first.to_le_bytes());
            self.bytes.extend_from_slice(&last.to_le_bytes());
        }
        &self.bytes
    }

    pub(super) fn forward(&mut self, cumulative: u64) -> &[u8] {
        self.start(FORWARD);
        self.bytes.extend_from_slice(&cumulative.to_le_bytes());
        &self.bytes
    }

    pub(super) fn data(&mut self) {
        self.start(DATA);
    }

    /// Whether a message finds room beside what is there already. A longer one than fits goes alone.
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.used == 0 || 12 + self.used + length <= MTU
    }

    pub(super) fn chunk(&mut self, tsn: u64, message: &[u8]) {
        self.bytes.extend_from_slice(&tsn.to_le_bytes());
        self.bytes.extend_from_slice(&(message.len() as u64).to_le_bytes());
        self.bytes.extend_from_slice(message);
        self.used += CHUNK + message.len();
    }

    /// The packet of DATA chunks, if it has any.
    pub(super) fn finish(&self) -> Option<&[u8]> {
        (self.used > 0).then_some(&self.bytes)
    }

    fn start(&mut self, kind: u8) {
        self.bytes.clear();
        self.bytes.resize(HEADER, kind);
        self.used = 0;
    }
}

/// A packet being read.
pub(super) enum Reader<'a> {
    Data(Chunks<'a>),
    Sack(u64, Gaps<'a>),
    Forward(u64),
}

/// The messages of a DATA packet with their numbers.
#[derive(Clone)]
pub(super) struct Chunks<'a>(&'a [u8]);

/// The stretches of numbers, both ends included, that arrived beyond the cumulative one.
#[derive(Clone)]
pub(super) struct Gaps<'a>(u64, &'a [u8]);

/// Reads what a `Writer` wrote; nothing of anything else.
pub(super) fn read(packet: &[u8]) -> Option<Reader<'_>> {
    let (kind, body) = (packet.first()?, packet.get(HEADER..)?);
    match *kind {
        DATA => Some(Reader::Data(Chunks(body))),
        SACK => {
            let cumulative = u64::from_le_bytes(*body.first_chunk()?);
            Some(Reader::Sack(cumulative, Gaps(cumulative, body.get(16..)?)))
        }
        FORWARD => Some(Reader::Forward(u64::from_le_bytes(*body.first_chunk()?))),
        _ => None,
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = (u64, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.0.split_first_chunk::<CHUNK>()?;
        let tsn = u64::from_le_bytes(*header.first_chunk()?);
        let length = usize::try_from(u64::from_le_bytes(*header.last_chunk()?)).ok()?;
        let (message, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tsn, message))
    }
}

impl Iterator for Gaps<'_> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d], rest) = self.1.split_first_chunk::<4>()?;
        self.1 = rest;
        let at = |low, high| self.0 + u64::from(u16::from_le_bytes([low, high]));
        Some((at(a, b), at(c, d)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        writer.data();
        assert!(writer.finish().is_none());
        writer.chunk(7, b"seven");
        writer.chunk(8, b"");
        let Some(Reader::Data(chunks)) = writer.finish().and_then(read) else { panic!("no data") };
        assert!(chunks.eq([(7, b"seven".as_slice()), (8, b"".as_slice())]));
        let gaps = [(12, 12), (14, 20)];
        let Some(Reader::Sack(10, read_gaps)) = read(writer.sack(10, gaps.into_iter())) else { panic!("no sack") };
        assert!(read_gaps.eq(gaps));
        assert!(matches!(read(writer.forward(99)), Some(Reader::Forward(99))));
        assert!(read(&[]).is_none() && read(&[9; 100]).is_none());
    }

    #[test]
    fn a_packet_holds_an_mtu() {
        let mut writer = Writer::default();
        writer.data();
        assert!(writer.has_room(5_000), "alone it may be of any length");
        writer.chunk(1, &[0; 500]);
        assert!(writer.has_room(612) && !writer.has_room(613));
    }
}
