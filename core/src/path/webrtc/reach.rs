//! Ways to us and to others: what is told of ours as candidates, and which candidates of others we are willing to try.

use super::description::Description;
use crate::wire::signal::Candidate as Told;
use core::net::{IpAddr, SocketAddr};
use str0m::net::Protocol;
use str0m::{Candidate, Rtc};

/// Candidates that are taken for one description. Each is paired with each of ours and tried many times, at an address
/// that nobody has proved yet: nobody shall have us send to a whole network.
pub(super) const MOST: usize = 24;

/// Whether others can be told to send there.
pub(super) fn is_usable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

/// A way to us.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Way {
    /// A socket's own address.
    Host(SocketAddr),
    /// Where a router lets through what it hands on to our address `base`.
    Reflexive { mapped: SocketAddr, base: SocketAddr },
}

impl Way {
    /// The way as the stack has it; none if it has no such.
    pub(super) fn candidate(self) -> Option<Candidate> {
        match self {
            Way::Host(address) => Candidate::host(address, Protocol::Udp).ok(),
            Way::Reflexive { mapped, base } => Candidate::server_reflexive(mapped, base, Protocol::Udp).ok(),
        }
    }

    /// The address of ours that it ends at.
    pub(super) fn base(self) -> SocketAddr {
        match self {
            Way::Host(base) | Way::Reflexive { base, .. } => base,
        }
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

/// Which candidates of the other side a connection takes.
#[derive(Debug)]
pub(super) struct Gate {
    fragment: String,
    taken: usize,
    /// Whether we are on one machine with ourselves.
    is_local: bool,
}

impl Gate {
    /// For the candidates of that description. Those of this very machine are tried only if we have such an address.
    pub(super) fn new(description: &Description, ours: &[SocketAddr]) -> Self {
        let is_local = ours.iter().any(|address| address.ip().is_loopback());
        Gate { fragment: description.fragment.clone(), taken: 0, is_local }
    }

    /// Gives a candidate to the stack, or says that it is of no use: not ours to try, of another description, hidden
    /// behind a name of multicast DNS, or one too many.
    pub(super) fn admit(&mut self, rtc: &mut Rtc, text: &str, fragment: Option<&str>) -> bool {
        let is_ours = fragment.is_none_or(|fragment| fragment == self.fragment);
        let text = text.strip_prefix("a=").unwrap_or(text);
        if !is_ours || self.taken == MOST {
            return false;
        }
        let Ok(candidate) = Candidate::from_sdp_string(text) else { return false };
        let address = candidate.addr();
        let is_allowed = is_usable(address) && (self.is_local || !address.ip().is_loopback());
        if candidate.proto() != Protocol::Udp || !is_allowed {
            return false;
        }
        self.taken += 1;
        rtc.add_remote_candidate(candidate);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nobody_can_send() {
        let table = [
            ("10.0.0.1:5000", true),
            ("[2001:db8::1]:5000", true),
            ("127.0.0.1:5000", true),
            ("10.0.0.1:0", false),
            ("0.0.0.0:5000", false),
            ("[::]:5000", false),
            ("224.0.0.251:5353", false),
            ("[ff02::fb]:5353", false),
            ("255.255.255.255:9", false),
        ];
        for (address, usable) in table {
            assert_eq!(is_usable(address.parse().unwrap()), usable, "{address}");
        }
    }

    #[test]
    fn what_is_told_of_an_address() {
        let told = tell(&Way::Host("10.0.0.1:5000".parse().unwrap()).candidate().unwrap());
        assert!(told.candidate.starts_with("candidate:") && told.candidate.contains(" 10.0.0.1 5000 typ host"));
        assert_eq!(told.sdp_m_line_index, Some(0));
    }
}
