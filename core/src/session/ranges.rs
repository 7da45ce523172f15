//! A set of byte ranges of one message: which parts have been acknowledged, or have come. Few and mostly growing at
//! the end.

/// Disjoint ranges, sorted, never touching.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub(crate) struct Ranges {
    spans: Vec<(u32, u32)>,
    covered: u32,
}

impl Ranges {
    /// Adds `start..end` and tells how many bytes of it were new.
    pub(crate) fn insert(&mut self, start: u32, end: u32) -> u32 {
        if start >= end {
            return 0;
        }
        let from = self.spans.partition_point(|span| span.1 < start);
        let to = from + self.spans[from..].partition_point(|span| span.0 <= end);
        let (mut low, mut high, mut known) = (start, end, 0);
        for span in &self.spans[from..to] {
            low = low.min(span.0);
            high = high.max(span.1);
            known += span.1 - span.0;
        }
        let added = (high - low) - known;
        if from == to {
            self.spans.insert(from, (low, high));
        } else {
            self.spans[from] = (low, high);
            self.spans.drain(from + 1..to);
        }
        self.covered += added;
        added
    }

    /// Whether all of `start..end` is in.
    pub(crate) fn contains(&self, start: u32, end: u32) -> bool {
        let at = self.spans.partition_point(|span| span.1 < end);
        self.spans.get(at).is_some_and(|span| span.0 <= start && span.1 >= end)
    }

    /// How many bytes are in.
    pub(crate) fn covered(&self) -> u32 {
        self.covered
    }

    /// How many separate spans there are.
    pub(crate) fn spans(&self) -> usize {
        self.spans.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    quickcheck! {
        fn it_equals_a_set_of_bytes(inserts: Vec<(u8, u8)>) -> bool {
            let mut ranges = Ranges::default();
            let mut model = [false; 512];
            inserts.iter().all(|&(start, len)| {
                let (start, end) = (u32::from(start), u32::from(start) + u32::from(len));
                let new = (start..end).filter(|&i| !core::mem::replace(&mut model[i as usize], true)).count();
                let added = ranges.insert(start, end);
                added as usize == new
                    && ranges.covered() as usize == model.iter().filter(|&&b| b).count()
                    && ranges.contains(start, end.max(start + 1)) == model[start as usize..end.max(start + 1) as usize].iter().all(|&b| b)
                    && ranges.spans.windows(2).all(|pair| pair[0].1 < pair[1].0)
            })
        }
    }
}
