//! What is in a message of the demo: who says it, on which channel, its number there, and a hash of all that.

use std::hash::{DefaultHasher, Hash, Hasher};
use webstar_core::id::PlayerId;
use webstar_core::peer::Channel;

/// Bytes of a message.
const SIZE: usize = 64;

/// What a message says of itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Said {
    pub(super) from: PlayerId,
    pub(super) channel: u8,
    /// From 1.
    pub(super) number: u64,
}

impl Said {
    pub(super) fn new(from: PlayerId, channel: Channel, number: u64) -> Self {
        Said { from, channel: channel as u8, number }
    }

    pub(super) fn write(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIZE);
        bytes.extend(self.from.0.to_le_bytes());
        bytes.push(self.channel);
        bytes.extend(self.number.to_le_bytes());
        bytes.resize(SIZE - 8, self.number as u8);
        bytes.extend(hash(&bytes).to_le_bytes());
        bytes
    }

    /// None: it is not what was written.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (body, told) = bytes.split_last_chunk::<8>()?;
        if bytes.len() != SIZE || hash(body) != u64::from_le_bytes(*told) {
            return None;
        }
        let (from, rest) = body.split_first_chunk::<4>()?;
        let (channel, rest) = rest.split_first()?;
        let number = u64::from_le_bytes(*rest.first_chunk::<8>()?);
        Some(Said { from: PlayerId(u32::from_le_bytes(*from)), channel: *channel, number })
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_altered_is_seen() {
        let said = Said::new(PlayerId(7), Channel::Latest, 300);
        let bytes = said.write();
        assert_eq!((bytes.len(), Said::read(&bytes)), (SIZE, Some(said)));
        for at in 0..SIZE {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(Said::read(&altered), None, "{at}");
        }
        assert_eq!(Said::read(&bytes[1..]), None);
        assert_eq!(Said::read(&[]), None);
    }
}
