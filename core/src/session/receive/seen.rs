//! Which packet numbers have come, which of them must come again, and of which only the symbol was recovered: rings of
//! bits below the largest.

use crate::wire::limits::{MAX_ACK_RANGES, PACKET_WINDOW};

const WORDS: usize = (PACKET_WINDOW / 64) as usize;
/// Ranges told from the top in any case; the rest is for what came late.
const TOP_RANGES: usize = MAX_ACK_RANGES - 8;

/// The numbers seen on one session.
#[derive(Debug)]
pub(crate) struct Seen {
    came: Box<[u64; WORDS]>,
    recovered: Box<[u64; WORDS]>,
    refused: Box<[u64; WORDS]>,
    /// Came, and not told yet.
    untold: Box<[u64; WORDS]>,
    lowest_untold: u64,
    /// One more than the largest number that came.
    end: u64,
    /// Numbers below are of no interest to the other side any more.
    floor: u64,
}

/// Ranges of numbers that came, from the top down, as many as one acknowledgement holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CameRanges {
    spans: [(u64, u64); MAX_ACK_RANGES],
    count: usize,
    /// How many of them follow each other from the top without one left out.
    whole: usize,
    /// Not all that came found room.
    is_cut: bool,
}

impl CameRanges {
    /// The largest number in them.
    pub(crate) fn largest(&self) -> u64 {
        self.spans[..self.count].first().map_or(0, |span| span.1)
    }

    /// The lowest number in them.
    pub(crate) fn lowest(&self) -> u64 {
        self.spans[..self.count].last().map_or(0, |span| span.0)
    }

    /// The number below which nothing needs to be told again once these ranges have been heard: the largest, so that
    /// there is always a range to tell; but where not all ranges found room, the lowest that did.
    pub(crate) fn told_below(&self) -> u64 {
        match (self.is_cut, self.spans[..self.count].first()) {
            (_, None) => 0,
            (false, Some(top)) => top.1,
            (true, Some(_)) => self.spans[self.whole.saturating_sub(1)].0,
        }
    }

    fn push(&mut self, first: u64, last: u64) {
        self.spans[self.count] = (first, last);
        self.count += 1;
        if !self.is_cut {
            self.whole = self.count;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> + Clone + '_ {
        self.spans[..self.count].iter().copied()
    }
}

impl Seen {
    pub(crate) fn new() -> Self {
        Seen {
            came: Box::new([0; WORDS]),
            recovered: Box::new([0; WORDS]),
            refused: Box::new([0; WORDS]),
            untold: Box::new([0; WORDS]),
            lowest_untold: 0,
            end: 0,
            floor: 0,
        }
    }

    /// One more than the largest number that came.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Whether the number has come, or is too old to tell.
    pub(crate) fn has_come(&self, number: u64) -> bool {
        let is_noted = || bit(&self.came, number) || bit(&self.refused, number);
        number < self.end && (number + PACKET_WINDOW < self.end || is_noted())
    }

    /// Whether nothing is missing directly below the number.
    pub(crate) fn is_gapless_below(&self, number: u64) -> bool {
        number == 0 || self.has_come(number - 1)
    }

    /// Notes a number; false if it has come before or is too old.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if number >= self.end {
            self.advance(number + 1);
        } else if self.has_come(number) {
            return false;
        }
        set(&mut self.came, number);
        set(&mut self.untold, number);
        self.lowest_untold = self.lowest_untold.min(number);
        clear(&mut self.recovered, number);
        // What comes late on a slow path was not told yet, however much of the rest was.
        self.floor = self.floor.min(number);
        true
    }

    /// Notes a number that has come and is not acknowledged: its content must come again, in a packet of another number.
    pub(crate) fn insert_refused(&mut self, number: u64) {
        if self.insert(number) {
            clear(&mut self.came, number);
            clear(&mut self.untold, number);
            set(&mut self.refused, number);
        }
    }

    /// Notes a number below the largest whose packet has not come and whose symbol is known; false if that is no news.
    pub(crate) fn insert_recovered(&mut self, number: u64) -> bool {
        if number >= self.end || self.has_come(number) || bit(&self.recovered, number) {
            return false;
        }
        set(&mut self.recovered, number);
        true
    }

    /// The other side has heard of everything below `floor`.
    pub(crate) fn raise_floor(&mut self, floor: u64) {
        self.floor = self.floor.max(floor.min(self.end));
    }

    fn advance(&mut self, end: u64) {
        if end - self.end >= PACKET_WINDOW {
            self.came.fill(0);
            self.recovered.fill(0);
            self.refused.fill(0);
            self.untold.fill(0);
        } else {
            for number in self.end..end {
                clear(&mut self.came, number);
                clear(&mut self.recovered, number);
                clear(&mut self.refused, number);
                clear(&mut self.untold, number);
            }
        }
        self.end = end;
    }

    fn lowest(&self) -> u64 {
        self.floor.max(self.end.saturating_sub(PACKET_WINDOW))
    }

    /// The numbers to tell, which count as told from then on: the ranges from the top down; where there are more than
    /// find room, the lower ones only if something in them has not been told.
    pub(crate) fn tell(&mut self) -> CameRanges {
        let mut out = CameRanges { spans: [(0, 0); MAX_ACK_RANGES], count: 0, whole: 0, is_cut: false };
        let lowest = self.lowest();
        let mut end = self.end;
        while end > lowest && out.count < MAX_ACK_RANGES {
            let Some(last) = previous(&self.came, end, lowest, true) else { break };
            let first = previous(&self.came, last, lowest, false).map_or(lowest, |gap| gap + 1);
            end = first;
            if out.count >= TOP_RANGES {
                if last < self.lowest_untold {
                    out.is_cut = true;
                    break;
                }
                if previous(&self.untold, last + 1, first, true).is_none() {
                    out.is_cut = true;
                    continue;
                }
            }
            out.push(first, last);
        }
        out.is_cut |= out.count == MAX_ACK_RANGES;
        self.forget_untold(&out);
        out
    }

    fn forget_untold(&mut self, told: &CameRanges) {
        for (first, last) in told.iter() {
            while let Some(number) = previous(&self.untold, last + 1, first.max(self.lowest_untold), true) {
                clear(&mut self.untold, number);
            }
        }
        self.lowest_untold = if told.is_cut { self.lowest_untold } else { self.end };
    }

    /// Whether something has come that the last acknowledgement had no room for.
    pub(crate) fn has_untold(&self) -> bool {
        previous(&self.untold, self.end, self.lowest().max(self.lowest_untold), true).is_some()
    }

    /// The recovered numbers at or above `from` and below `end`, from the top down.
    pub(crate) fn recovered(&self, from: u64, end: u64) -> impl Iterator<Item = u64> + Clone + '_ {
        let lowest = self.lowest().max(from);
        let mut end = end.min(self.end);
        core::iter::from_fn(move || {
            end = previous(&self.recovered, end, lowest, true)?;
            Some(end)
        })
    }
}

fn slot(number: u64) -> (usize, u64) {
    let index = number % PACKET_WINDOW;
    ((index / 64) as usize, 1 << (index % 64))
}

fn bit(bits: &[u64; WORDS], number: u64) -> bool {
    let (word, mask) = slot(number);
    bits[word] & mask != 0
}

fn set(bits: &mut [u64; WORDS], number: u64) {
    let (word, mask) = slot(number);
    bits[word] |= mask;
}

fn clear(bits: &mut [u64; WORDS], number: u64) {
    let (word, mask) = slot(number);
    bits[word] &= !mask;
}

/// The largest number in `lowest..end` whose bit is `value`; a word at a time.
fn previous(bits: &[u64; WORDS], end: u64, lowest: u64, value: bool) -> Option<u64> {
    let mut end = end;
    while end > lowest {
        let word_start = (end - 1) & !63;
        let word = bits[((word_start % PACKET_WINDOW) / 64) as usize];
        let wanted = if value { word } else { !word };
        let below = end - word_start;
        let masked = if below == 64 { wanted } else { wanted & ((1 << below) - 1) };
        if masked != 0 {
            let number = word_start + 63 - u64::from(masked.leading_zeros());
            return (number >= lowest).then_some(number);
        }
        end = word_start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;
    use std::collections::BTreeSet;

    quickcheck! {
        fn it_tells_the_top_of_a_set_of_numbers_and_what_has_just_come(steps: Vec<u8>, far: u16) -> bool {
            let mut seen = Seen::new();
            let mut model = BTreeSet::new();
            let mut base = u64::from(far);
            steps.iter().all(|&step| {
                let number = base + u64::from(step % 128);
                base += u64::from(step / 128);
                let (is_news, was_news) = (seen.insert(number), model.insert(number));
                let mut expected: Vec<(u64, u64)> = Vec::new();
                for &n in &model {
                    match expected.last_mut() {
                        Some(last) if last.1 + 1 == n => last.1 = n,
                        _ => expected.push((n, n)),
                    }
                }
                expected.reverse();
                let told = seen.tell();
                is_news == was_news
                    && told.iter().take(TOP_RANGES).eq(expected.iter().copied().take(TOP_RANGES))
                    && told.iter().all(|range| expected.contains(&range))
                    && (!is_news || told.iter().any(|range| (range.0..=range.1).contains(&number)))
                    && !seen.has_untold()
            })
        }
    }

    #[test]
    fn a_leap_forgets_what_lies_a_window_back() {
        let mut seen = Seen::new();
        assert!(seen.insert(5) && !seen.insert(5));
        assert!(seen.insert(10 * PACKET_WINDOW));
        assert!(!seen.insert(9 * PACKET_WINDOW - 1), "too old to tell");
        assert!(seen.insert(9 * PACKET_WINDOW + 1));
        assert_eq!(seen.tell().iter().count(), 2);
    }

    #[test]
    fn what_is_recovered_is_told_apart_until_it_comes() {
        let mut seen = Seen::new();
        assert!(seen.insert(3) && seen.insert(8));
        assert!(seen.insert_recovered(6) && !seen.insert_recovered(6));
        assert!(!seen.insert_recovered(3) && !seen.insert_recovered(9), "it came, or nothing above it did");
        assert!(seen.tell().iter().eq([(8, 8), (3, 3)]) && seen.recovered(0, u64::MAX).eq([6]));
        assert_eq!(seen.recovered(7, u64::MAX).count(), 0);
        assert!(seen.insert(6));
        assert_eq!(seen.recovered(0, u64::MAX).count(), 0);
    }

    #[test]
    fn the_floor_cuts_what_is_told() {
        let mut seen = Seen::new();
        for number in [1, 2, 3, 7, 8] {
            seen.insert(number);
        }
        seen.raise_floor(3);
        assert!(seen.tell().iter().eq([(7, 8), (3, 3)]));
    }
}
