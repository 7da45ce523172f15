//! Networks as operators write them, `10.0.0.0/8` or one address alone, and which address is in them.

use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses that begin with the same bits.
///
/// ```
/// use webstar_smol::network::Network;
///
/// let network: Network = "10.1.0.0/16".parse().unwrap();
/// assert!(network.contains("10.1.2.3".parse().unwrap()));
/// assert!(!network.contains("10.2.0.1".parse().unwrap()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether the address is in it. An IPv4 address in the clothes of an IPv6 one is the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (net, address) = (self.address, address.to_canonical());
        net.is_ipv4() == address.is_ipv4() && head(net, self.bits) == head(address, self.bits)
    }
}

/// The first bits of an address, the rest being zero.
fn head(address: IpAddr, bits: u32) -> u128 {
    let whole = match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    };
    whole & !u128::MAX.checked_shr(bits).unwrap_or(0)
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Network { address, bits: width(address) }
    }
}

impl FromStr for Network {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no network; write 10.0.0.0/8, 2001:db8::/32, or one address");
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let Some(bits) = bits else { return Ok(address.into()) };
        let network = Network { address, bits };
        // Bits behind the mask are a mistake: of the address or of the mask.
        if bits > width(address) || head(address, bits) != head(address, width(address)) {
            return Err(wrong());
        }
        Ok(network)
    }
}

impl TryFrom<String> for Network {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whether an address is of this machine or of a network that is not routed through the world.
pub(crate) fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_table_of_networks() {
        let table = [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "2001:db8::1", "9.9.9.9"),
            ("2001:db8::/33", "2001:db8:7fff::", "2001:db8:8000::"),
            ("127.0.0.1", "::ffff:127.0.0.1", "127.0.0.2"),
            ("::1", "::1", "::2"),
        ];
        for (network, inside, outside) in table {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(ip(inside)) && !network.contains(ip(outside)), "{network}");
        }
        for wrong in ["", "here", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/-1", "10.0.0.0/", "/8", "1.2.3.4:80"]
        {
            assert!(wrong.parse::<Network>().unwrap_err().contains("10.0.0.0/8"), "{wrong}");
        }
    }

    #[test]
    fn what_is_near() {
        for near in
            ["127.0.0.1", "10.1.2.3", "192.168.1.5", "169.254.0.9", "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1"]
        {
            assert!(is_near(ip(near)), "{near}");
        }
        for far in ["9.9.9.9", "100.64.0.1", "2001:db8::1", "::ffff:9.9.9.9", "0.0.0.0"] {
            assert!(!is_near(ip(far)), "{far}");
        }
    }
}
