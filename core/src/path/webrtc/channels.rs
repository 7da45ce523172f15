//! Which addresses are worth a channel at a TURN server: its frames are smaller, and each costs the server a place.

use super::turn::MAX_OPEN;
use core::net::SocketAddr;
use std::collections::BTreeMap;

/// So many datagrams to one address earn it a channel.
const BEFORE_CHANNEL: u32 = 16;

/// How many datagrams went where.
#[derive(Debug, Default)]
pub(super) struct Channels {
    sent: BTreeMap<SocketAddr, u32>,
}

impl Channels {
    /// One more went there. True: with that one it has earned a channel.
    pub(super) fn on_sent(&mut self, to: SocketAddr) -> bool {
        let count = self.sent.entry(to).or_default();
        *count = count.saturating_add(1);
        let is_earned = *count == BEFORE_CHANNEL && self.sent.len() <= MAX_OPEN;
        if self.sent.len() > 2 * MAX_OPEN {
            self.sent.retain(|_, count| *count >= BEFORE_CHANNEL);
        }
        is_earned
    }

    /// There is none to that one: it has to earn it anew.
    pub(super) fn forget(&mut self, peer: SocketAddr) {
        self.sent.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixteenth_datagram_earns_a_channel_once_until_it_is_forgotten() {
        let (mut channels, to) = (Channels::default(), SocketAddr::from(([192, 0, 2, 7], 1)));
        let earned = |channels: &mut Channels| (1..=40).filter(|_| channels.on_sent(to)).count();
        assert_eq!(earned(&mut channels), 1);
        channels.forget(to);
        assert_eq!(earned(&mut channels), 1);
    }

    #[test]
    fn addresses_without_end_cost_no_memory_and_earn_nothing() {
        let mut channels = Channels::default();
        let to = |port| SocketAddr::from(([192, 0, 2, 7], port));
        assert!(!(1..60_000).any(|port| channels.on_sent(to(port))));
        assert!(channels.sent.len() <= 2 * MAX_OPEN);
    }
}
