//! Records of DTLS in plain: as long as real ones, and sealed against damage. What is in them is the instance's business.

use super::seal::{self, seal};

/// What a record is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// A farewell.
    Alert = 21,
    /// A greeting.
    Handshake = 22,
    /// Something of those above.
    Data = 23,
}

/// Type, version, number and length.
const HEADER: usize = 13;
/// What a real record has before its ciphertext.
const NONCE: usize = 8;

/// A record with this number.
pub(super) fn write(content: Content, key: u64, number: u64, payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::with_capacity(HEADER + NONCE + payload.len() + seal::LENGTH);
    record.extend([content as u8, 254, 253]);
    record.extend(number.to_be_bytes());
    let length = NONCE + payload.len() + seal::LENGTH;
    record.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    record.extend([0; NONCE]);
    record.extend(payload);
    let tag = seal(&key.to_be_bytes(), &[&record]);
    record.extend(tag);
    record
}

/// What a record is of, and what is in it; none if it is damaged or of another connection.
pub(super) fn read(keys: impl Fn(Content) -> Option<u64>, record: &[u8]) -> Option<(Content, &[u8])> {
    let (rest, tag) = record.split_at_checked(record.len().checked_sub(seal::LENGTH)?)?;
    let payload = rest.get(HEADER + NONCE..)?;
    let content = match rest[0] {
        21 => Content::Alert,
        22 => Content::Handshake,
        23 => Content::Data,
        _ => return None,
    };
    (seal(&keys(content)?.to_be_bytes(), &[rest]) == tag).then_some((content, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nothing_else_is() {
        let record = write(Content::Data, 7, 1, b"payload");
        assert_eq!(record.len(), 37 + 7);
        assert_eq!(read(|_| Some(7), &record), Some((Content::Data, &b"payload"[..])));
        assert_eq!(read(|_| Some(8), &record), None);
        assert_eq!(read(|_| None, &record), None);
        for at in 0..record.len() {
            let mut damaged = record.clone();
            damaged[at] ^= 1;
            assert_eq!(read(|_| Some(7), &damaged), None, "byte {at}");
            assert_eq!(read(|_| Some(7), &record[..at]), None, "{at} bytes");
        }
    }
}
