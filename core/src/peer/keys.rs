//! Numbers for latest-only values: a session replaces the old value of a number by the new one.

use crate::id::PlayerId;
use core::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// Gives every value a number below a limit.
#[derive(Debug)]
pub(super) struct Keys<K: Ord> {
    numbers: BTreeMap<K, u32>,
    /// Of each sender, from the oldest to the newest.
    orders: BTreeMap<PlayerId, VecDeque<K>>,
    max: usize,
}

impl<K: Ord + Clone> Keys<K> {
    pub(super) fn new(max: usize) -> Self {
        Keys { numbers: BTreeMap::new(), orders: BTreeMap::new(), max }
    }

    /// The number of a value; `None` if it would be one too many.
    pub(super) fn number(&mut self, key: &K, from: PlayerId) -> Option<u32> {
        if let Some(number) = self.numbers.get(key) {
            return Some(*number);
        }
        let next = self.numbers.len();
        (next < self.max).then(|| self.give(key, from, next as u32))
    }

    /// The number of a value. If all are given, the oldest value of the sender that has most makes room: so nobody with
    /// many takes the numbers of somebody with few. The newest message of that value may be lost.
    pub(super) fn number_or_oldest(&mut self, key: &K, from: PlayerId) -> u32 {
        if let Some(number) = self.number(key, from) {
            return number;
        }
        let greediest = self.orders.iter_mut().max_by_key(|(sender, order)| (order.len(), Reverse(**sender)));
        let oldest = greediest.and_then(|(_, order)| order.pop_front());
        let number = oldest.and_then(|oldest| self.numbers.remove(&oldest));
        self.give(key, from, number.unwrap_or(0))
    }

    fn give(&mut self, key: &K, from: PlayerId, number: u32) -> u32 {
        self.numbers.insert(key.clone(), number);
        self.orders.entry(from).or_default().push_back(key.clone());
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_the_limit() {
        let mut keys = Keys::new(2);
        let me = PlayerId(1);
        assert_eq!(['a', 'b', 'a'].map(|key| keys.number(&key, me)), [Some(0), Some(1), Some(0)]);
        assert_eq!(keys.number(&'c', me), None);
        assert_eq!(keys.number_or_oldest(&'c', me), 0);
        assert_eq!(keys.number_or_oldest(&'b', me), 1);
        assert_eq!(keys.number_or_oldest(&'a', me), 1, "`b` is the oldest now");
        assert_eq!(keys.number_or_oldest(&'c', me), 0);
    }

    #[test]
    fn who_has_most_makes_room() {
        let mut keys = Keys::new(10);
        let key = |from: u32, value: u32| (from, value);
        assert_eq!(keys.number_or_oldest(&key(1, 0), PlayerId(1)), 0);
        for value in 0..1_000 {
            assert_ne!(keys.number_or_oldest(&key(2, value), PlayerId(2)), 0);
        }
        assert_eq!(keys.number(&key(1, 0), PlayerId(1)), Some(0));
        for value in 0..5 {
            keys.number_or_oldest(&key(3, value), PlayerId(3));
        }
        assert_eq!(keys.orders.values().map(VecDeque::len).collect::<Vec<_>>(), [1, 4, 5]);
    }
}
