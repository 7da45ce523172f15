//! A seal without cryptography: a hash of the key and of everything that is sealed. Damage breaks it as it would a real
//! one, and whoever wants to forge it can.

use xxhash_rust::xxh3::Xxh3Default;

/// How many bytes a seal has, as many as a real one.
pub(super) const LENGTH: usize = 16;

/// The seal of these parts, one after the other.
pub(super) fn seal(key: &[u8], parts: &[&[u8]]) -> [u8; LENGTH] {
    let mut hash = Xxh3Default::new();
    hash.update(key);
    parts.iter().for_each(|part| hash.update(part));
    hash.digest128().to_be_bytes()
}

/// So many bytes that follow from these parts.
pub(super) fn stretch<const N: usize>(key: &[u8], parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    for (number, chunk) in (0u8..).zip(out.chunks_mut(LENGTH)) {
        let from = seal(&[key, &[number]].concat(), parts);
        chunk.copy_from_slice(&from[..chunk.len()]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts_and_parts_run_together() {
        assert_eq!(seal(b"key", &[b"a", b"bc"]), seal(b"key", &[b"ab", b"c"]));
        assert_ne!(seal(b"key", &[b"abc"]), seal(b"key", &[b"abd"]));
        assert_ne!(seal(b"key", &[b"abc"]), seal(b"kez", &[b"abc"]));
        let long = stretch::<40>(b"key", &[b"abc"]);
        assert_eq!(long[..20], stretch::<20>(b"key", &[b"abc"]));
        assert_ne!(long[..16], long[16..32]);
    }
}
