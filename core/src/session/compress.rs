//! Compression of long messages (lz4 blocks) and its bounded inverse. The original length travels in front, so that a
//! receiver refuses a bomb before it allocates anything.

use crate::wire::varint::{self, Reader};
use bytes::Bytes;

/// The message compressed, if that saves at least a tenth.
pub(crate) fn compress(message: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(lz4_flex::block::get_maximum_output_size(message.len()) + 4);
    varint::write(message.len() as u64, &mut out);
    let head = out.len();
    out.resize(out.capacity(), 0);
    let block = lz4_flex::block::compress_into(message, &mut out[head..]).ok()?;
    out.truncate(head + block);
    if out.len() > message.len() - message.len() / 10 {
        return None;
    }
    out.shrink_to_fit();
    Some(Bytes::from(out))
}

/// The message back, at most `max` bytes long. `None` if the bytes are no such message.
pub fn decompress(compressed: &[u8], max: usize) -> Option<Bytes> {
    let mut reader = Reader::new(compressed);
    let length = usize::try_from(reader.bounded(max as u64, "length").ok()?).ok()?;
    // No lz4 block grows by more than 255 times: a longer claim is a lie, and costs nothing.
    if length > reader.rest().len().saturating_mul(255) {
        return None;
    }
    let mut out = vec![0; length];
    let written = lz4_flex::block::decompress_into(reader.rest(), &mut out).ok()?;
    (written == length).then(|| Bytes::from(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_compresses_comes_back_and_what_does_not_is_left() {
        let text = b"the same words again and again, ".repeat(100);
        let small = compress(&text).expect("repetition compresses");
        assert!(small.len() < text.len() / 10);
        assert_eq!(decompress(&small, text.len()).as_deref(), Some(&text[..]));
        let mut state = 1u32;
        let noise: Vec<u8> = (0..4_000)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert_eq!(compress(&noise), None);
    }

    #[test]
    fn bombs_and_broken_blocks_are_refused_before_they_cost() {
        let zeros = vec![0; 1 << 20];
        let bomb = compress(&zeros).expect("zeros compress");
        assert_eq!(decompress(&bomb, (1 << 20) - 1), None);
        let mut claim = Vec::new();
        varint::write(16 << 20, &mut claim);
        claim.extend_from_slice(&[0x1f, 0, 1, 0, 255]);
        assert_eq!(decompress(&claim, 16 << 20), None);
        for length in 0..bomb.len() {
            assert_eq!(decompress(&bomb[..length], 1 << 20), None);
        }
    }
}
