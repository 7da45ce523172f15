//! The hall before the doors: connections that have not said yet what they want. It has places for so many, and who comes
//! is always let in: when it is full, or when an address has more than its share, the oldest of the address that takes
//! the most places has to go, and of several such addresses the oldest of all. So whoever fills it fills it with itself.

use super::limits::key;
use core::cmp::Reverse;
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
    crowds: BTreeMap<IpAddr, Crowd>,
    /// The same; the one that has to go first is last.
    order: BTreeSet<(Crowd, IpAddr)>,
    next: u64,
}

/// Those of one address. Of two that are as many, the one that has been there for longer is greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Crowd {
    count: usize,
    oldest: Reverse<u64>,
}

impl<T> Hall<T> {
    /// With so many places, and so many of them for one address.
    pub fn new(places: usize, share: usize) -> Self {
        let (standing, crowds, order) = Default::default();
        Hall { places: places.max(1), share: share.max(1), standing, crowds, order, next: 0 }
    }

    /// Somebody comes. Returns its place, and who had to go for it.
    pub fn enter(&mut self, from: IpAddr, is_proxy: bool, kept: T) -> (Standing, Option<T>) {
        let from = key(from);
        let of_it = self.crowds.get(&from).map_or(0, |crowd| crowd.count);
        let is_over = of_it >= self.share && !is_proxy;
        let crowd = if is_over {
            Some(from)
        } else if self.standing.len() >= self.places {
            self.order.last().map(|(_, crowd)| *crowd)
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
        let oldest = self.oldest(from)?;
        self.leave(oldest)
    }

    fn oldest(&self, from: IpAddr) -> Option<Standing> {
        let later = self.standing.range(Standing { from, number: 0 }..).next().map(|(standing, _)| *standing);
        later.filter(|standing| standing.from == from)
    }

    fn count(&mut self, from: IpAddr, change: impl FnOnce(usize) -> usize) {
        let before = self.crowds.remove(&from);
        if let Some(before) = before {
            self.order.remove(&(before, from));
        }
        let count = change(before.map_or(0, |crowd| crowd.count));
        if let Some(oldest) = self.oldest(from) {
            let crowd = Crowd { count, oldest: Reverse(oldest.number) };
            self.crowds.insert(from, crowd);
            self.order.insert((crowd, from));
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
    fn where_nobody_takes_more_than_others_the_oldest_goes_whatever_its_address() {
        let mut hall = Hall::new(4, 2);
        let comes = [9, 1, 7, 3, 200, 2, 100, 4];
        let gone: Vec<_> = comes.map(|last| hall.enter(address(last), false, last).1).into_iter().collect();
        assert_eq!(gone, [None, None, None, None, Some(9), Some(1), Some(7), Some(3)]);
    }

    #[test]
    fn an_empty_hall_remembers_nobody() {
        let mut hall = Hall::new(8, 8);
        let entered: Vec<_> = (0..20).map(|last| hall.enter(address(last), false, last)).collect();
        assert_eq!(hall.len(), 8);
        for (standing, _) in entered {
            hall.leave(standing);
        }
        assert!(hall.is_empty() && hall.order.is_empty() && hall.crowds.is_empty());
    }
}
