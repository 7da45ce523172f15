//! The hall before the doors: connections that have not said yet what they want. It has places for so many, and who comes
//! is always let in: when it is full, or when an address has more than its share, the oldest of the address that takes
//! the most places has to go. So whoever fills it fills it with itself.

use super::limits::key;
use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

/// A place in the hall.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Standing {
    from: IpAddr,
    /// Who came earlier has a smaller one.
    number: u64,
}

/// Those who stand in the hall. For each a `T` is kept until it leaves or is sent away: dropping it does that.
#[derive(Debug)]
pub struct Hall<T> {
    places: usize,
    /// Of these an address may have so many; a proxy may have all.
    share: usize,
    standing: BTreeMap<Standing, T>,
    counts: BTreeMap<IpAddr, usize>,
    /// The same, the most last.
    crowds: BTreeSet<(usize, IpAddr)>,
    next: u64,
}

impl<T> Hall<T> {
    /// With so many places, and so many of them for one address.
    pub fn new(places: usize, share: usize) -> Self {
        let (standing, counts, crowds) = Default::default();
        Hall { places: places.max(1), share: share.max(1), standing, counts, crowds, next: 0 }
    }

    /// Somebody comes. Returns its place, and who had to go for it.
    pub fn enter(&mut self, from: IpAddr, is_proxy: bool, kept: T) -> (Standing, Option<T>) {
        let from = key(from);
        let of_it = self.counts.get(&from).copied().unwrap_or_default();
        let is_over = of_it >= self.share && !is_proxy;
        let crowd = if is_over {
            Some(from)
        } else if self.standing.len() >= self.places {
            self.crowds.last().map(|(_, crowd)| *crowd)
        } else {
            None
        };
        let gone = crowd.and_then(|crowd| self.send_away(crowd));
        let standing = Standing { from, number: self.next };
        self.next += 1;
        self.standing.insert(standing, kept);
        self.count(from, |count| count + 1);
        (standing, gone)
    }

    /// Somebody has said what it wants, or has gone. Nothing if it was sent away before.
    pub fn leave(&mut self, standing: Standing) -> Option<T> {
        let kept = self.standing.remove(&standing)?;
        self.count(standing.from, |count| count - 1);
        Some(kept)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.standing.len()
    }

    /// Whether nobody is there.
    pub fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    /// The oldest of that address.
    fn send_away(&mut self, from: IpAddr) -> Option<T> {
        let oldest = self.standing.range(Standing { from, number: 0 }..).next().map(|(standing, _)| *standing)?;
        self.leave(oldest)
    }

    fn count(&mut self, from: IpAddr, change: impl FnOnce(usize) -> usize) {
        let before = self.counts.remove(&from).unwrap_or_default();
        self.crowds.remove(&(before, from));
        let after = change(before);
        if after > 0 {
            self.counts.insert(from, after);
            self.crowds.insert((after, from));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    #[test]
    fn who_fills_the_hall_fills_it_with_itself() {
        let mut hall = Hall::new(4, 3);
        let (honest, gone) = hall.enter(address(1), false, "honest");
        assert_eq!(gone, None);
        for name in ["a", "b", "c"] {
            assert_eq!(hall.enter(address(2), false, name).1, None);
        }
        // Its share is used up; then all places are.
        assert_eq!(hall.enter(address(2), false, "d").1, Some("a"));
        assert_eq!(hall.enter(address(3), false, "other").1, Some("b"));
        assert_eq!((hall.leave(honest), hall.len()), (Some("honest"), 3));
        assert_eq!(hall.leave(honest), None);
    }

    #[test]
    fn who_comes_through_a_proxy_has_no_share() {
        let mut hall = Hall::new(3, 1);
        let proxy = address(1);
        let gone: Vec<_> = (0..5).map(|number| hall.enter(proxy, true, number).1).collect();
        assert_eq!(gone, [None, None, None, Some(0), Some(1)]);
    }

    #[test]
    fn an_empty_hall_remembers_nobody() {
        let mut hall = Hall::new(8, 8);
        let standing: Vec<_> = (0..20).map(|last| hall.enter(address(last), false, ()).0).collect();
        assert_eq!(hall.len(), 8);
        for standing in standing {
            hall.leave(standing);
        }
        assert!(hall.is_empty() && hall.counts.is_empty() && hall.crowds.is_empty());
    }
}
