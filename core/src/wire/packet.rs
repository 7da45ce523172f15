//! The packet: a seal, a header of four to six bytes, and frames. The seal binds the packet to its session and
//! direction, so that neither session id travels: what is damaged, foreign or reflected fails the same check.
//! It is no cryptographic protection; the paths below bring that.

use super::WireError;
use super::limits::{MAX_PACKET, MIN_PACKET, VERSION};
use super::rhythm::Rhythm;
use crate::id::SessionId;

const SEAL_BYTES: usize = 4;
/// The fewest bytes of a packet number that are told.
const SHORTEST_NUMBER: usize = 2;
/// Spreads the untold part of the number over the seal's start: a CRC cannot tell a change of its start from the same
/// change of the first four bytes, so the plain number could hide a flipped bit of the header.
const UNSEEN_SPREAD: u32 = 0x9e37_79b1;

/// What seals one direction of a session.
#[derive(Clone, Copy, Debug)]
pub struct SealKey(u32);

impl SealKey {
    /// The key of packets from `sender` to `receiver`.
    pub fn new(sender: SessionId, receiver: SessionId) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&sender.0.to_le_bytes());
        hasher.update(&receiver.0.to_le_bytes());
        SealKey(hasher.finalize())
    }

    fn seal(self, number: u64, number_bytes: usize, sealed: &[u8]) -> u32 {
        let unseen = ((number >> (8 * number_bytes)) as u32).wrapping_mul(UNSEEN_SPREAD);
        let mut hasher = crc32fast::Hasher::new_with_initial(self.0 ^ unseen);
        hasher.update(sealed);
        hasher.finalize()
    }
}

/// A packet read and found whole.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its number, complete.
    pub number: u64,
    /// When the sender speaks next on this path, at the latest.
    pub rhythm: Rhythm,
    /// Its frames, not yet read.
    pub frames: &'a [u8],
}

/// Bytes a header takes.
pub fn header_len(number: u64, oldest_unknown: u64) -> usize {
    SEAL_BYTES + 2 + number_len(number, oldest_unknown)
}

/// So many bytes of the number are told that the other side, which has seen something at or above `oldest_unknown`
/// less one, can complete it: the untold window is twice the distance. Never fewer than two: on two paths a packet may
/// be overtaken by thousands.
fn number_len(number: u64, oldest_unknown: u64) -> usize {
    let span = (number.saturating_sub(oldest_unknown) + 1).saturating_mul(2);
    let bits = 64 - span.leading_zeros() as usize;
    bits.div_ceil(8).clamp(SHORTEST_NUMBER, 4)
}

/// Writes a header at the end of `out`; [`seal`] completes it. `oldest_unknown` is the smallest number that the
/// other side is not known to have received.
pub fn begin(number: u64, oldest_unknown: u64, rhythm: Rhythm, out: &mut Vec<u8>) {
    let count = number_len(number, oldest_unknown);
    out.extend_from_slice(&[0; SEAL_BYTES]);
    out.push(VERSION << 4 | (count - 1) as u8);
    out.push(rhythm.0);
    out.extend_from_slice(&number.to_le_bytes()[..count]);
}

/// Seals the packet that [`begin`] started at `start` of `out`.
pub fn seal(key: SealKey, number: u64, start: usize, out: &mut [u8]) {
    let count = usize::from(out[start + SEAL_BYTES] & 3) + 1;
    let (seal, sealed) = out[start..].split_at_mut(SEAL_BYTES);
    seal.copy_from_slice(&key.seal(number, count, sealed).to_le_bytes());
}

/// Reads the header and checks the seal. `expected` is one more than the largest number received so far.
pub fn open(key: SealKey, expected: u64, bytes: &[u8]) -> Result<Packet<'_>, WireError> {
    if bytes.len() < MIN_PACKET {
        return Err(WireError::Truncated);
    }
    if bytes.len() > MAX_PACKET {
        return Err(WireError::OutOfRange("packet length"));
    }
    let (seal, sealed) = bytes.split_at(SEAL_BYTES);
    let head = sealed[0];
    if head >> 4 != VERSION {
        return Err(WireError::Version(head >> 4));
    }
    let count = usize::from(head & 3) + 1;
    if head & 0x0c != 0 || count < SHORTEST_NUMBER {
        return Err(WireError::OutOfRange("header flags"));
    }
    let Some((told, frames)) = sealed[2..].split_at_checked(count) else {
        return Err(WireError::Truncated);
    };
    let mut low = [0; 8];
    low[..count].copy_from_slice(told);
    let number = complete(u64::from_le_bytes(low), count, expected);
    if key.seal(number, count, sealed).to_le_bytes() != seal {
        return Err(WireError::Seal);
    }
    Ok(Packet { number, rhythm: Rhythm(sealed[1]), frames })
}

/// The number nearest to `expected` that ends in the `count` bytes of `low`.
fn complete(low: u64, count: usize, expected: u64) -> u64 {
    let window = 1u64 << (8 * count);
    let candidate = (expected & !(window - 1)) | low;
    if candidate + window / 2 <= expected {
        candidate.saturating_add(window)
    } else if candidate > expected.saturating_add(window / 2) && candidate >= window {
        candidate - window
    } else {
        candidate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(0x0102_0304_0506_0708);
    const B: SessionId = SessionId(0x1112_1314_1516_1718);

    fn packet(number: u64, oldest_unknown: u64, frames: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        begin(number, oldest_unknown, Rhythm(9), &mut out);
        out.extend_from_slice(frames);
        seal(SealKey::new(A, B), number, 0, &mut out);
        out
    }

    #[test]
    fn a_packet_comes_back_with_its_whole_number() {
        for number in [0, 1, 127, 255, 256, 65_535, 65_536, 1 << 24, (1 << 32) + 5, 1 << 40] {
            for behind in [0, 1, 60, 100, 5_000, 1 << 20] {
                let oldest: u64 = u64::saturating_sub(number, behind);
                let bytes = packet(number, oldest, b"frames");
                for expected in [oldest, number, number + 1, number + 40] {
                    let read = open(SealKey::new(A, B), expected, &bytes).expect("a whole packet opens");
                    assert_eq!((read.number, read.rhythm, read.frames), (number, Rhythm(9), &b"frames"[..]));
                }
            }
        }
    }

    #[test]
    fn damaged_foreign_and_reflected_packets_are_refused() {
        let bytes = packet(300, 290, b"frames of some length");
        assert!(open(SealKey::new(A, B), 300, &bytes).is_ok());
        assert_eq!(open(SealKey::new(B, A), 300, &bytes).err(), Some(WireError::Seal));
        assert_eq!(open(SealKey::new(A, SessionId(7)), 300, &bytes).err(), Some(WireError::Seal));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open(SealKey::new(A, B), 300, &damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(open(SealKey::new(A, B), 300, &bytes[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn a_number_completed_wrongly_fails_the_seal() {
        let bytes = packet(1_000, 999, b"x");
        assert_eq!(open(SealKey::new(A, B), 1 << 20, &bytes).err(), Some(WireError::Seal));
    }
}
