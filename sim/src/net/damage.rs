//! What a faulty wire does to the bytes of a packet. How often is the link's job.

/// Changes one to four bytes of a packet that is not empty, or, one time in four, cuts it short.
pub(super) fn damage(word: u64, packet: &mut Vec<u8>) {
    let position = |shift: u32| {
        let part = (word >> shift) & 0xff_ffff;
        usize::try_from((part * packet.len() as u64) >> 24).unwrap_or(0)
    };
    if word & 0b11 == 0 {
        packet.truncate(position(8));
        return;
    }
    let count = 1 + ((word >> 2) & 0b11);
    let places: [usize; 4] = core::array::from_fn(|index| position(8 + 8 * index as u32));
    for (index, place) in (0..usize::from(count as u8)).zip(places) {
        // A byte is changed once: two changes could undo each other.
        if !places[..index].contains(&place) {
            let change = (word >> (32 + 8 * index)) as u8;
            packet[place] ^= if change == 0 { 0x80 } else { change };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::Seed;

    #[test]
    fn one_to_four_bytes_change_or_the_end_is_missing() {
        let mut draw = Seed::new(4).stream("damage");
        let (mut cut, mut changes) = (0, [0; 5]);
        for _ in 0..10_000 {
            let mut packet = vec![7; 64];
            damage(draw.word(), &mut packet);
            if packet.len() < 64 {
                cut += 1;
            } else {
                changes[packet.iter().filter(|byte| **byte != 7).count()] += 1;
            }
        }
        assert!((2_300..2_700).contains(&cut), "{cut}");
        assert_eq!(changes[0], 0);
        assert!(changes[1..].iter().all(|count| *count > 1_500), "{changes:?}");
    }

    #[test]
    fn a_single_byte_is_changed_or_gone() {
        let mut draw = Seed::new(4).stream("damage");
        for _ in 0..1_000 {
            let mut packet = vec![7];
            damage(draw.word(), &mut packet);
            assert_ne!(packet, [7]);
        }
    }
}
