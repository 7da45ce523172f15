//! Numbers for latest-only values: a session replaces the old value of a number by the new one.

use std::collections::{BTreeMap, VecDeque};

/// Gives every value a number below a limit.
#[derive(Debug)]
pub(super) struct Keys<K: Ord> {
    numbers: BTreeMap<K, u32>,
    /// From the oldest to the newest.
    order: VecDeque<K>,
    max: usize,
}

impl<K: Ord + Clone> Keys<K> {
    pub(super) fn new(max: usize) -> Self {
        Keys { numbers: BTreeMap::new(), order: VecDeque::new(), max }
    }

    /// The number of a value; `None` if it would be one too many.
    pub(super) fn number(&mut self, key: &K) -> Option<u32> {
        if let Some(number) = self.numbers.get(key) {
            return Some(*number);
        }
        (self.order.len() < self.max).then(|| self.give(key, self.order.len() as u32))
    }

    /// The number of a value; the value that got its number longest ago makes room. If it is still in use it gets
    /// another number with its next message; all that is lost by that is one it would have replaced anyway.
    pub(super) fn number_or_oldest(&mut self, key: &K) -> u32 {
        if let Some(number) = self.number(key) {
            return number;
        }
        let oldest = self.order.pop_front().and_then(|oldest| self.numbers.remove(&oldest));
        self.give(key, oldest.unwrap_or(0))
    }

    fn give(&mut self, key: &K, number: u32) -> u32 {
        self.numbers.insert(key.clone(), number);
        self.order.push_back(key.clone());
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_the_limit() {
        let mut keys = Keys::new(2);
        assert_eq!([keys.number(&'a'), keys.number(&'b'), keys.number(&'a')], [Some(0), Some(1), Some(0)]);
        assert_eq!(keys.number(&'c'), None);
        assert_eq!(keys.number_or_oldest(&'c'), 0);
        assert_eq!(keys.number_or_oldest(&'b'), 1);
        assert_eq!(keys.number_or_oldest(&'a'), 1, "`b` is the oldest now");
        assert_eq!(keys.number_or_oldest(&'c'), 0);
    }
}
