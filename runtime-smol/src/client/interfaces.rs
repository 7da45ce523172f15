//! The addresses of this machine, and when they become others: looked at now and then, as every system tells it in a
//! way of its own. All clients of the process share a look.

use async_io::Timer;
use futures_lite::FutureExt;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How often they are looked at: a player that moves to another network is silent for so long at most before anything
/// is done about it.
const EVERY: Duration = Duration::from_secs(2);

/// The last look, and when that was.
static LOOK: Mutex<Option<(Instant, Vec<IpAddr>)>> = Mutex::new(None);

/// The addresses of this machine's interfaces, in their order.
pub(super) fn addresses() -> Vec<IpAddr> {
    let mut look = LOOK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((at, addresses)) = look.as_ref()
        && at.elapsed() < EVERY / 2
    {
        return addresses.clone();
    }
    // What cannot be seen is as it was.
    let before = look.take().map(|(_, addresses)| addresses).unwrap_or_default();
    let mut addresses = match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.iter().map(if_addrs::Interface::ip).collect(),
        Err(_) => before,
    };
    addresses.sort_unstable();
    addresses.dedup();
    *look = Some((Instant::now(), addresses.clone()));
    addresses
}

/// The addresses have become others.
pub(super) struct AddressChange {
    pub(super) now: Vec<IpAddr>,
    /// Those that were there before.
    pub(super) gone: Vec<IpAddr>,
}

/// Watches them.
#[derive(Debug)]
pub(super) struct Interfaces {
    known: Vec<IpAddr>,
    timer: Timer,
}

impl Interfaces {
    /// As they are now.
    pub(super) fn new() -> Self {
        Interfaces { known: addresses(), timer: Timer::after(EVERY) }
    }

    /// Tells when they have become others. Else the task is woken for the next look.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<AddressChange> {
        while self.timer.poll(cx).is_ready() {
            self.timer.set_after(EVERY);
            let now = addresses();
            if now != self.known {
                let mut gone = std::mem::replace(&mut self.known, now.clone());
                gone.retain(|address| !now.contains(address));
                return Poll::Ready(AddressChange { now, gone });
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_lite::future::{block_on, poll_fn};
    use std::net::Ipv4Addr;

    #[test]
    fn every_machine_has_an_address_of_its_own() {
        assert!(addresses().contains(&Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn addresses_that_have_changed_are_told_once() {
        let mut interfaces = Interfaces::new();
        let now = interfaces.known.clone();
        let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        interfaces.known = vec![Ipv4Addr::LOCALHOST.into(), other];
        let told = block_on(poll_fn(|cx| interfaces.poll(cx)));
        assert_eq!((told.now, told.gone), (now, vec![other]));
        let again = block_on(poll_fn(|cx| Poll::Ready(interfaces.poll(cx))));
        assert!(again.is_pending());
    }
}
