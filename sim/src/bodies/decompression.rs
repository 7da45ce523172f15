//! Decompression under arbitrary bytes: within its limit, at a bounded price, and never another message than a plain
//! reading of the LZ4 block format gives.

use super::meter;
use super::script::Script;
use webstar_core::session::decompress;
use webstar_core::wire::limits::MAX_MESSAGE;
use webstar_core::wire::varint::{self, Reader};

/// The shortest match of the format.
const LEAST_MATCH: usize = 4;

/// What the decompressor may need besides the message itself.
const SLACK: usize = 4 * 1024;

/// Decompresses the bytes as they are, and as a block whose claimed length is true.
pub fn decompression(data: &[u8]) {
    let mut script = Script::new(data);
    let max = (script.long() as usize) % (MAX_MESSAGE + 1);
    judge(script.rest(), max);
    let block = script.rest();
    let Some(message) = reference(block, MAX_MESSAGE) else { return };
    let mut truthful = Vec::new();
    varint::write(message.len() as u64, &mut truthful);
    truthful.extend_from_slice(block);
    judge(&truthful, max);
    judge(&truthful, message.len());
}

fn judge(compressed: &[u8], max: usize) {
    // A byte of a block stands for at most 255 of the message.
    let most = max.min(255 * compressed.len()) + SLACK;
    let Some(message) = meter::total_within(most, || decompress(compressed, max)) else { return };
    assert!(message.len() <= max, "{} bytes, {max} are allowed", message.len());
    let mut reader = Reader::new(compressed);
    assert_eq!(reader.varint(), Ok(message.len() as u64), "the length told is the length given");
    assert_eq!(reference(reader.rest(), message.len()).as_deref(), Some(&message[..]));
}

/// The message of a block, read as the format says; none if it is no block or longer than `max`.
fn reference(block: &[u8], max: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = block.iter().copied();
    loop {
        let token = rest.next()?;
        for _ in 0..length(usize::from(token >> 4), &mut rest)? {
            out.push(rest.next()?);
        }
        if out.len() > max {
            return None;
        }
        let Some(low) = rest.next() else { return Some(out) };
        let distance = usize::from(u16::from_le_bytes([low, rest.next()?]));
        let count = length(usize::from(token & 15), &mut rest)? + LEAST_MATCH;
        if distance == 0 || distance > out.len() || out.len() + count > max {
            return None;
        }
        for _ in 0..count {
            out.push(out[out.len() - distance]);
        }
    }
}

/// A length of the format: what the token tells, and bytes added to it as long as they are full.
fn length(told: usize, rest: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let mut length = told;
    let mut is_more = told == 15;
    while is_more {
        let byte = rest.next()?;
        length += usize::from(byte);
        is_more = byte == 255;
    }
    Some(length)
}
