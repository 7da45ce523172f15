//! Which ways are shown and taken: what others may learn of our addresses, and where others may make us send.

use core::net::{IpAddr, SocketAddr};

/// What others may learn of our addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Policy {
    /// All of them.
    #[default]
    All,
    /// None that lies within a private network. They are tried all the same: who stands in the same network may find us.
    HidePrivate,
    /// Only those that TURN servers lend us. Nothing is sent to others from our own.
    RelayOnly,
}

/// A network: all addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Network {
    /// One of its addresses.
    pub address: IpAddr,
    /// How many bits its addresses share.
    pub bits: u8,
}

/// Which ways are shown and taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// What others may learn of our addresses.
    pub policy: Policy,
    /// Candidates that are taken for one description. Each is paired with each of ours and tried many times, at an
    /// address that nobody has proved yet: nobody shall have us send to a whole network.
    pub most_candidates: usize,
    /// Networks that nobody shall have us send to, such as the one that a server of ours stands in.
    pub refused: Vec<Network>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { policy: Policy::All, most_candidates: 24, refused: Vec::new() }
    }
}

impl Network {
    /// Whether the address lies within.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= self.bits.min(32).into(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= self.bits.min(128).into(),
            _ => false,
        }
    }
}

impl Rules {
    /// Whether others may send us to that address, as far as we are concerned that receive at `ours`. What only this
    /// machine or this wire knows is tried only if we have such an address ourselves.
    pub(super) fn allows(&self, address: SocketAddr, ours: &[SocketAddr]) -> bool {
        let ip = address.ip().to_canonical();
        let have = |of: fn(IpAddr) -> bool| ours.iter().any(|ours| of(ours.ip().to_canonical()));
        is_usable(address)
            && (!ip.is_loopback() || have(|ip| ip.is_loopback()))
            && (!is_link_local(ip) || have(is_link_local))
            && !ours.contains(&address)
            && !self.refused.iter().any(|network| network.contains(ip))
    }

    /// Whether others may learn of that address of ours.
    pub(super) fn shows(&self, address: SocketAddr) -> bool {
        match self.policy {
            Policy::All => true,
            Policy::HidePrivate => !is_private(address.ip().to_canonical()),
            Policy::RelayOnly => false,
        }
    }
}

/// Which addresses of this machine others shall try, of all that its interfaces have. What only this machine knows is of
/// use to nobody else: it is taken where the lobby server, and maybe others, are on this machine, or if there is nothing
/// else. What only one wire knows cannot be sent to without naming the wire.
pub fn worth_telling(interfaces: &[IpAddr], server: Option<IpAddr>) -> Vec<IpAddr> {
    let is_here = server.is_some_and(|server| server.to_canonical().is_loopback());
    let is_usable = |ip: &IpAddr| !is_link_local(*ip) && is_usable(SocketAddr::new(*ip, 1));
    let (loopback, wide): (Vec<_>, Vec<_>) =
        interfaces.iter().copied().filter(is_usable).partition(IpAddr::is_loopback);
    if is_here || wide.is_empty() { [loopback, wide].concat() } else { wide }
}

/// Whether anybody can be told to send there.
pub(super) fn is_usable(address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !is_broadcast
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

fn is_private(ip: IpAddr) -> bool {
    let is_ours_alone = match ip {
        IpAddr::V4(ip) => ip.is_private() || matches!(ip.octets(), [100, 64..128, ..]),
        IpAddr::V6(ip) => ip.is_unique_local(),
    };
    is_ours_alone || ip.is_loopback() || is_link_local(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn where_others_may_send_us() {
        let office = Network { address: "198.51.100.0".parse().unwrap(), bits: 24 };
        let rules = Rules { refused: vec![office], ..Rules::default() };
        let ours = [address("10.0.0.9:5000"), address("203.0.113.9:6000")];
        let table = [
            ("10.0.0.1:5000", true),
            ("10.0.0.9:5001", true),
            ("[2001:db8::1]:5000", true),
            ("198.51.101.1:5000", true),
            ("10.0.0.9:5000", false),
            ("203.0.113.9:6000", false),
            ("198.51.100.200:5000", false),
            ("[::ffff:198.51.100.200]:5000", false),
            ("127.0.0.1:5000", false),
            ("[::1]:5000", false),
            ("[::ffff:127.0.0.1]:5000", false),
            ("169.254.1.1:5000", false),
            ("[fe80::1]:5000", false),
            ("10.0.0.1:0", false),
            ("0.0.0.0:5000", false),
            ("[::]:5000", false),
            ("224.0.0.251:5353", false),
            ("[ff02::fb]:5353", false),
            ("[::ffff:224.0.0.251]:5353", false),
            ("255.255.255.255:9", false),
        ];
        for (text, allowed) in table {
            assert_eq!(rules.allows(address(text), &ours), allowed, "{text}");
        }
        assert!(rules.allows(address("127.0.0.1:9"), &[address("127.0.0.1:5000")]), "we are there ourselves");
        assert!(rules.allows(address("[fe80::1]:9"), &[address("[fe80::7]:5000")]));
    }

    #[test]
    fn which_addresses_of_a_machine_are_told() {
        let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
        let all = ips(&["127.0.0.1", "::1", "10.0.0.9", "2001:db8::9", "fe80::9", "0.0.0.0"]);
        assert_eq!(worth_telling(&all, None), ips(&["10.0.0.9", "2001:db8::9"]));
        assert_eq!(worth_telling(&all, ips(&["203.0.113.1"]).pop()), ips(&["10.0.0.9", "2001:db8::9"]));
        for here in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let told = worth_telling(&all, ips(&[here]).pop());
            assert_eq!(told, ips(&["127.0.0.1", "::1", "10.0.0.9", "2001:db8::9"]), "{here}");
        }
        assert_eq!(worth_telling(&ips(&["127.0.0.1", "fe80::9"]), None), ips(&["127.0.0.1"]), "there is nothing else");
        assert!(worth_telling(&[], None).is_empty());
    }

    #[test]
    fn what_others_may_learn() {
        let rules = |policy| Rules { policy, ..Rules::default() };
        let private = ["10.0.0.1:1", "192.168.1.1:1", "172.31.0.1:1", "100.64.0.1:1", "[fd00::1]:1", "[fe80::1]:1"];
        for text in private {
            assert!(rules(Policy::All).shows(address(text)) && !rules(Policy::HidePrivate).shows(address(text)));
        }
        for text in ["203.0.113.1:1", "100.128.0.1:1", "172.32.0.1:1", "[2001:db8::1]:1"] {
            assert!(rules(Policy::HidePrivate).shows(address(text)) && !rules(Policy::RelayOnly).shows(address(text)));
        }
    }

    #[test]
    fn what_lies_within_a_network() {
        let all = Network { address: "10.0.0.0".parse().unwrap(), bits: 0 };
        assert!(all.contains("255.0.0.1".parse().unwrap()) && !all.contains("2001:db8::".parse().unwrap()));
        let one = Network { address: "2001:db8::1".parse().unwrap(), bits: 200 };
        assert!(one.contains("2001:db8::1".parse().unwrap()) && !one.contains("2001:db8::2".parse().unwrap()));
    }
}
