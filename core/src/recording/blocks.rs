//! How a recording lies in its file: a beginning that says what it is, and blocks that say whether they are whole. What is
//! in a block is not known here.

use thiserror::Error;

/// What every recording begins with; the format follows in one byte.
pub const MAGIC: &[u8] = b"webstar recording\n";
/// The format that is written, and the only one that is read.
pub const FORMAT: u8 = 1;

/// The length of a block, its own check, and that of what follows.
const HEAD: usize = 12;

/// Appends what is in a block, with what shows that it is whole.
pub fn seal(block: &[u8], out: &mut Vec<u8>) {
    // A block ends long before: it holds what was told and said within moments, of which nothing is longer than 16 MiB.
    let length = u32::try_from(block.len()).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&crc32fast::hash(&length).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(block).to_le_bytes());
    out.extend_from_slice(block);
}

/// Why bytes are no blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(super) enum BlockError {
    #[error("no recording")]
    Foreign,
    #[error("format {0}")]
    Format(u8),
    #[error("damaged at byte {0}")]
    Damaged(usize),
}

/// The blocks of a recording, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Blocks<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn open(all: &'a [u8]) -> Result<Self, BlockError> {
        let rest = all.strip_prefix(MAGIC).ok_or(BlockError::Foreign)?;
        match rest.first() {
            Some(&FORMAT) => Ok(Blocks { all, at: MAGIC.len() + 1 }),
            Some(&format) => Err(BlockError::Format(format)),
            None => Err(BlockError::Foreign),
        }
    }

    /// Where the next block begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What is in the next block; nothing at the end, and where the writing was cut off.
    pub(super) fn next(&mut self) -> Result<Option<&'a [u8]>, BlockError> {
        let rest = self.all.get(self.at..).unwrap_or_default();
        let Some((head, rest)) = rest.split_at_checked(HEAD) else { return Ok(None) };
        let (words, _) = head.as_chunks::<4>();
        let [length, check, sum] = [0, 1, 2].map(|word| words.get(word).copied().unwrap_or_default());
        if crc32fast::hash(&length) != u32::from_le_bytes(check) {
            return Err(BlockError::Damaged(self.at));
        }
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        let Some(block) = rest.get(..length) else { return Ok(None) };
        if crc32fast::hash(block) != u32::from_le_bytes(sum) {
            return Err(BlockError::Damaged(self.at));
        }
        self.at += HEAD + length;
        Ok(Some(block))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(blocks: &[&[u8]]) -> Vec<u8> {
        let mut out = [MAGIC, &[FORMAT]].concat();
        blocks.iter().for_each(|block| seal(block, &mut out));
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<&[u8]>, BlockError> {
        let mut blocks = Blocks::open(bytes)?;
        std::iter::from_fn(|| blocks.next().transpose()).collect()
    }

    #[test]
    fn wherever_it_is_cut_off_the_whole_blocks_before_remain() {
        let all = recording(&[b"header", b"", b"more"]);
        for end in MAGIC.len() + 1..all.len() {
            let read = read(&all[..end]).unwrap();
            let whole = [MAGIC.len() + 1 + 18, MAGIC.len() + 1 + 30].iter().filter(|most| end >= **most).count();
            assert_eq!(read, [&b"header"[..], b""][..whole], "{end}");
        }
        assert_eq!(read(&all), Ok(vec![&b"header"[..], b"", b"more"]));
    }

    #[test]
    fn no_byte_can_change_unnoticed() {
        let all = recording(&[b"header", b"more"]);
        for at in 0..all.len() {
            for bit in 0..8 {
                let mut other = all.clone();
                other[at] ^= 1 << bit;
                assert!(read(&other).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn what_is_no_recording_is_told_from_a_newer_one() {
        assert_eq!(read(b""), Err(BlockError::Foreign));
        assert_eq!(read(MAGIC), Err(BlockError::Foreign));
        assert_eq!(read(b"#!/bin/sh"), Err(BlockError::Foreign));
        assert_eq!(read(&[MAGIC, &[FORMAT + 1, 7]].concat()), Err(BlockError::Format(FORMAT + 1)));
    }
}
