//! Ways to us and to others: what is told of ours as candidates, and which candidates of others we are willing to try.

use super::description::Description;
use super::rules::Rules;
use crate::time::{Duration, Instant};
use crate::wire::signal::Candidate as Told;
use core::net::{IpAddr, SocketAddr};
use std::collections::VecDeque;
use str0m::CandidateKind;
use str0m::net::Protocol;
use str0m::{Candidate, Rtc};

/// A way to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Way {
    /// A socket's own address.
    Host(SocketAddr),
    /// Where a router lets through what it hands on to our address `base`.
    Reflexive { mapped: SocketAddr, base: SocketAddr },
    /// An address that a TURN server lends us, whom we reach from `local`.
    Relayed { relay: SocketAddr, local: SocketAddr },
}

impl Way {
    /// The way as the stack has it; none if it has no such.
    pub(super) fn candidate(self) -> Option<Candidate> {
        match self {
            Way::Host(address) => Candidate::host(address, Protocol::Udp).ok(),
            Way::Reflexive { mapped, base } => Candidate::server_reflexive(mapped, base, Protocol::Udp).ok(),
            Way::Relayed { relay, local } => Candidate::relayed(relay, local, Protocol::Udp).ok(),
        }
    }

    /// The address that we send from on it.
    pub(super) fn base(self) -> SocketAddr {
        match self {
            Way::Host(base) | Way::Reflexive { base, .. } | Way::Relayed { relay: base, .. } => base,
        }
    }

    /// The address that others send to on it.
    pub(super) fn address(self) -> SocketAddr {
        match self {
            Way::Host(address) | Way::Reflexive { mapped: address, .. } | Way::Relayed { relay: address, .. } => {
                address
            }
        }
    }

    /// Whether others may learn of it.
    pub(super) fn is_shown(self, rules: &Rules) -> bool {
        matches!(self, Way::Relayed { .. }) || rules.shows(self.address())
    }
}

/// What a player is told of one of our candidates. It belongs to the first section, which all others share.
pub(super) fn tell(candidate: &Candidate) -> Told {
    Told {
        candidate: candidate.to_sdp_string(),
        sdp_mid: None,
        sdp_m_line_index: Some(0),
        username_fragment: candidate.ufrag().map(Into::into),
    }
}

/// Whether this is a question of STUN.
pub(super) fn is_question(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0, 1])
}

/// Addresses that the other side asks us from and that it has not told. Behind a router that gives it another address for
/// each of ours it asks us from a new one with each that it learns of us; if we stand behind such a router too, this goes
/// on without end, and each costs checks. A way that there is shows with the first of them.
#[derive(Debug, Default)]
pub(super) struct Untold(Vec<SocketAddr>);

impl Untold {
    const MOST: usize = 16;

    /// It was taken.
    pub(super) fn has(&self, from: SocketAddr) -> bool {
        self.0.contains(&from)
    }

    /// Takes one more; false: there are enough.
    pub(super) fn take(&mut self, from: SocketAddr) -> bool {
        let has_room = self.0.len() < Untold::MOST;
        if has_room {
            self.0.push(from);
        }
        has_room
    }
}

/// The offers of a player that were answered lately. Each costs a connection, and may name as many addresses as a
/// description may, to which we send; who mends a connection makes one a second at most.
#[derive(Debug, Default)]
pub(super) struct Offers(VecDeque<Instant>);

impl Offers {
    const MOST: usize = 20;
    const LATELY: Duration = Duration::from_secs(10);

    /// Takes one more; false: there were enough.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        while self.0.pop_front_if(|at| *at + Offers::LATELY <= now).is_some() {}
        let has_room = self.0.len() < Offers::MOST;
        if has_room {
            self.0.push_back(now);
        }
        has_room
    }
}

/// What became of the candidates of the other side.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// Where it may be: for those who stand between.
    pub(super) addresses: Vec<IpAddr>,
    /// So many were not taken.
    pub(super) refused: u64,
}

impl Met {
    /// One candidate more: its address, if it was taken.
    pub(super) fn note(&mut self, taken: Option<IpAddr>) {
        self.refused += u64::from(taken.is_none());
        self.addresses.extend(taken);
    }
}

/// Which candidates of the other side a connection takes.
#[derive(Debug)]
pub(super) struct Gate {
    fragment: String,
    taken: Vec<SocketAddr>,
    /// Those of them that TURN servers lend.
    relays: Vec<SocketAddr>,
    /// Candidates that the rules do not allow: they may once we have other addresses.
    barred: Vec<Candidate>,
}

impl Gate {
    /// For the candidates of that description.
    pub(super) fn new(description: &Description) -> Self {
        Gate { fragment: description.fragment.clone(), taken: Vec::new(), relays: Vec::new(), barred: Vec::new() }
    }

    /// Whether a candidate with this address was taken.
    pub(super) fn has(&self, address: SocketAddr) -> bool {
        self.taken.contains(&address)
    }

    /// Whether a TURN server lends this address to the other side.
    pub(super) fn is_relay(&self, address: SocketAddr) -> bool {
        self.relays.contains(&address)
    }

    /// Gives a candidate to the stack and its address back, or says that it is of no use: not ours to try, of another
    /// description, hidden behind a name of multicast DNS, or one too many.
    pub(super) fn admit(
        &mut self,
        rtc: &mut Rtc,
        text: &str,
        fragment: Option<&str>,
        rules: &Rules,
        ours: &[SocketAddr],
    ) -> Option<IpAddr> {
        let is_of_it = fragment.is_none_or(|fragment| fragment == self.fragment);
        let text = text.strip_prefix("a=").unwrap_or(text);
        if !is_of_it || self.taken.len() >= rules.most_candidates {
            return None;
        }
        let candidate = Candidate::from_sdp_string(text).ok().filter(|told| told.proto() == Protocol::Udp)?;
        if rules.allows(candidate.addr(), ours) {
            return Some(self.take(rtc, candidate));
        }
        if self.barred.len() < rules.most_candidates {
            self.barred.push(candidate);
        }
        None
    }

    /// Our addresses are others than before: what was barred is looked at again. The addresses of what is taken.
    pub(super) fn admit_barred(&mut self, rtc: &mut Rtc, rules: &Rules, ours: &[SocketAddr]) -> Vec<IpAddr> {
        let mut admitted = Vec::new();
        for candidate in core::mem::take(&mut self.barred) {
            if self.taken.len() < rules.most_candidates && rules.allows(candidate.addr(), ours) {
                admitted.push(self.take(rtc, candidate));
            } else {
                self.barred.push(candidate);
            }
        }
        admitted
    }

    fn take(&mut self, rtc: &mut Rtc, candidate: Candidate) -> IpAddr {
        let address = candidate.addr();
        self.taken.push(address);
        if candidate.kind() == CandidateKind::Relayed {
            self.relays.push(address);
        }
        rtc.add_remote_candidate(candidate);
        address.ip()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_addresses_may_ask_that_nobody_told_and_no_more() {
        let at = |port| SocketAddr::from(([203, 0, 113, 1], port));
        let mut untold = Untold::default();
        for port in 0..Untold::MOST as u16 {
            assert!(!untold.has(at(port)) && untold.take(at(port)), "{port}");
        }
        assert!(!untold.take(at(999)) && !untold.has(at(999)), "one too many");
        assert!(untold.has(at(1)));
    }

    #[test]
    fn what_is_told_of_an_address() {
        let told = tell(&Way::Host("10.0.0.1:5000".parse().unwrap()).candidate().unwrap());
        assert!(told.candidate.starts_with("candidate:") && told.candidate.contains(" 10.0.0.1 5000 typ host"));
        assert_eq!(told.sdp_m_line_index, Some(0));
    }
}
