//! A relayed packet: how it lies in a binary frame of the lobby server. What is in the packet is the session's.
//!
//! ```text
//! frame = tag (1 byte, 0x01), player (LEB128, at most 5 bytes), packet (the rest)
//! ```
//!
//! On the way to the server `player` is the receiver; the server puts the sender in its place ([`restamp`]), so that
//! nobody can send in another's name.

use crate::id::PlayerId;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// The first byte of a relayed packet. [`super::signal::SIGNAL_TAG`] is that of a message; other values are free.
pub const TAG: u8 = 0x01;

/// The largest frame that is looked at: the lobby server's limit for a WebSocket message.
pub const MAX_FRAME: usize = 64 * 1024;

/// The longest prefix: the tag, and 32 bits in groups of 7.
pub const MAX_PREFIX: usize = 6;

/// Writes the prefix of a frame; the packet is appended behind it.
pub fn begin(to: PlayerId, out: &mut Vec<u8>) {
    out.push(TAG);
    let mut rest = to.0;
    while rest >= 0x80 {
        out.push(rest.to_le_bytes()[0] | 0x80);
        rest >>= 7;
    }
    out.push(rest.to_le_bytes()[0]);
}

/// Takes a frame apart: the player named in it (for a receiver the sender, for the server the receiver) and the packet.
pub fn parse(frame: &[u8]) -> Result<(PlayerId, &[u8]), RelayError> {
    if frame.len() > MAX_FRAME {
        return Err(RelayError::TooLong(frame.len()));
    }
    let (&tag, rest) = frame.split_first().ok_or(RelayError::Truncated)?;
    if tag != TAG {
        return Err(RelayError::UnknownTag(tag));
    }
    let (player, packet) = player(rest)?;
    if packet.is_empty() {
        return Err(RelayError::Truncated);
    }
    Ok((player, packet))
}

/// The frame as the receiver gets it: the sender in the place of the receiver. The packet is not copied when nobody else
/// holds the frame and the sender's number is written no longer than the receiver's.
pub fn restamp(frame: Bytes, to: PlayerId, from: PlayerId) -> Bytes {
    let (old, new) = (prefix_len(to), prefix_len(from));
    let mut prefix = [0; MAX_PREFIX];
    let mut rest = from.0;
    prefix[0] = TAG;
    for byte in &mut prefix[1..new] {
        *byte = rest.to_le_bytes()[0] | 0x80;
        rest >>= 7;
    }
    prefix[new - 1] &= 0x7f;
    match frame.try_into_mut() {
        Ok(mut owned) if new <= old => {
            let skip = old - new;
            owned[skip..old].copy_from_slice(&prefix[..new]);
            owned.advance(skip);
            owned.freeze()
        }
        Ok(owned) => rewritten(&prefix[..new], &owned[old..]),
        Err(shared) => rewritten(&prefix[..new], &shared[old..]),
    }
}

fn rewritten(prefix: &[u8], packet: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(prefix.len() + packet.len());
    frame.put_slice(prefix);
    frame.put_slice(packet);
    frame.freeze()
}

/// The length of a prefix with this player: seven bits a byte.
fn prefix_len(player: PlayerId) -> usize {
    1 + (32 - player.0.max(1).leading_zeros()).div_ceil(7) as usize
}

/// What is wrong with a frame. It is dropped and counted, never answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RelayError {
    /// The frame ends before its packet begins.
    #[error("the relayed frame ends before its packet begins")]
    Truncated,
    /// The frame is no relayed packet.
    #[error("binary frame of unknown kind {0:#04x}")]
    UnknownTag(u8),
    /// The player's number is 0, above 32 bits, or written longer than needed.
    #[error("the player number of the relayed frame is malformed")]
    BadPlayer,
    /// The frame is longer than the server carries.
    #[error("the relayed frame has {0} bytes, more than {MAX_FRAME}")]
    TooLong(usize),
}

/// One spelling per number: what is written longer than needed is refused, so that a frame can be compared by bytes.
fn player(bytes: &[u8]) -> Result<(PlayerId, &[u8]), RelayError> {
    let mut value: u64 = 0;
    for (index, &byte) in bytes.iter().enumerate().take(MAX_PREFIX - 1) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 != 0 {
            continue;
        }
        let is_padded = index > 0 && byte == 0;
        let player = u32::try_from(value).map_err(|_| RelayError::BadPlayer)?;
        if is_padded || player == 0 {
            return Err(RelayError::BadPlayer);
        }
        return Ok((PlayerId(player), &bytes[index + 1..]));
    }
    Err(if bytes.len() < MAX_PREFIX - 1 { RelayError::Truncated } else { RelayError::BadPlayer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_frames() {
        let table: [(&[u8], Result<_, _>); 15] = [
            (&[1, 1, 0xaa], Ok((1, &[0xaa][..]))),
            (&[1, 0x7f, 0, 0], Ok((127, &[0, 0]))),
            (&[1, 0x80, 0x01, 9], Ok((128, &[9]))),
            (&[1, 0xff, 0xff, 0xff, 0xff, 0x0f, 9], Ok((u32::MAX, &[9]))),
            (&[], Err(RelayError::Truncated)),
            (&[1], Err(RelayError::Truncated)),
            (&[1, 1], Err(RelayError::Truncated)),
            (&[1, 0x80, 0x80], Err(RelayError::Truncated)),
            (&[2, 1, 0xaa], Err(RelayError::UnknownTag(2))),
            (&[1, 0, 0xaa], Err(RelayError::BadPlayer)),
            (&[1, 0x81, 0, 0xaa], Err(RelayError::BadPlayer)),
            (&[1, 0xff, 0xff, 0xff, 0xff, 0x1f, 9], Err(RelayError::BadPlayer)),
            (&[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 9], Err(RelayError::BadPlayer)),
            (&[1, 0x80, 0x80, 0x80, 0x80, 0x80], Err(RelayError::BadPlayer)),
            (&[1; MAX_FRAME + 1], Err(RelayError::TooLong(MAX_FRAME + 1))),
        ];
        for (frame, expected) in table {
            assert_eq!(
                parse(frame),
                expected.map(|(player, packet): (_, &[u8])| (PlayerId(player), packet)),
                "{frame:?}"
            );
        }
    }

    #[test]
    fn what_is_written_is_read() {
        fn round_trip(player: u32, packet: Vec<u8>) -> bool {
            let (player, mut frame) = (PlayerId(player.max(1)), Vec::new());
            begin(player, &mut frame);
            assert!(frame.len() <= MAX_PREFIX);
            let (prefix, is_empty) = (frame.len(), packet.is_empty());
            frame.extend(packet);
            parse(&frame) == if is_empty { Err(RelayError::Truncated) } else { Ok((player, &frame[prefix..])) }
        }
        quickcheck::quickcheck(round_trip as fn(u32, Vec<u8>) -> bool);
    }

    #[test]
    fn what_is_read_is_written_alike() {
        fn any_bytes(mut frame: Vec<u8>, tagged: bool) -> bool {
            if let (true, Some(first)) = (tagged, frame.first_mut()) {
                *first = TAG;
            }
            let Ok((player, packet)) = parse(&frame) else { return true };
            let mut again = Vec::new();
            begin(player, &mut again);
            again.extend_from_slice(packet);
            again == frame
        }
        quickcheck::quickcheck(any_bytes as fn(Vec<u8>, bool) -> bool);
    }

    #[test]
    fn a_restamped_frame_names_the_sender() {
        for to in [1, 127, 128, 20_000, u32::MAX] {
            for from in [1, 127, 128, 20_000, u32::MAX] {
                for is_shared in [false, true] {
                    let mut frame = Vec::new();
                    begin(PlayerId(to), &mut frame);
                    frame.extend([7; 40]);
                    let frame = Bytes::from(frame);
                    let _other = is_shared.then(|| frame.clone());
                    let stamped = restamp(frame, PlayerId(to), PlayerId(from));
                    assert_eq!(parse(&stamped), Ok((PlayerId(from), &[7; 40][..])), "{to} {from}");
                }
            }
        }
    }
}
