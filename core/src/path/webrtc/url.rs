//! The URLs that servers are named by (RFC 7064 and 7065), which are not of the kind with two slashes.

use super::server::{IceServer, Transport, TurnServer};
use crate::wire::signal::Credentials;
use core::net::SocketAddr;
use thiserror::Error;

/// Where a server answers if its URL does not say.
const PORT: u16 = 3_478;
/// The same for those over TLS.
const PORT_TLS: u16 = 5_349;

/// What a URL says of a server. Its name is still to be resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IceUrl {
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How a TURN server is spoken to; none if it is a STUN server.
    pub transport: Option<Transport>,
}

/// Why a URL names no server that could be asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum IceUrlError {
    /// It begins otherwise.
    #[error("a server's URL begins with `stun:`, `turn:` or `turns:`")]
    Scheme,
    /// Its host is missing or malformed.
    #[error("a server's URL names a host and no user, as in `turn:example.org`")]
    Host,
    /// Its port is none.
    #[error("the port of a server's URL is a number from 1 to 65535")]
    Port,
    /// Its transport is none that is known, or none for such a server.
    #[error("`?transport=` is `udp` or `tcp`, only stands behind `turn:`, or as `tcp` behind `turns:`")]
    Transport,
}

impl IceUrl {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, IceUrlError> {
        let (scheme, rest) = text.split_once(':').ok_or(IceUrlError::Scheme)?;
        let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
        let is_secure = scheme.eq_ignore_ascii_case("turns");
        let (host, port) = place_of(place, if is_secure { PORT_TLS } else { PORT })?;
        let transport = match (scheme.to_ascii_lowercase().as_str(), query) {
            ("stun", None) => None,
            ("turn", None | Some("transport=udp")) => Some(Transport::Udp),
            ("turn", Some("transport=tcp")) => Some(Transport::Tcp),
            ("turns", None | Some("transport=tcp")) => Some(Transport::Tls { name: host.clone() }),
            ("stun" | "turn" | "turns", Some(_)) => return Err(IceUrlError::Transport),
            _ => return Err(IceUrlError::Scheme),
        };
        Ok(IceUrl { host, port, transport })
    }

    /// The server at one of the addresses that its name resolves to. None: it is a TURN server, and nobody is known to
    /// it without credentials.
    pub fn at(&self, address: SocketAddr, credentials: Option<Credentials>) -> Option<IceServer> {
        match (&self.transport, credentials) {
            (None, _) => Some(IceServer::Stun { address }),
            (Some(transport), Some(credentials)) => {
                Some(IceServer::Turn(TurnServer { address, transport: transport.clone(), credentials }))
            }
            (Some(_), None) => None,
        }
    }
}

/// Host and port.
fn place_of(place: &str, usual: u16) -> Result<(String, u16), IceUrlError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(IceUrlError::Host)?;
            host.parse::<core::net::Ipv6Addr>().map_err(|_| IceUrlError::Host)?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(IceUrlError::Host)?) };
            (host, port)
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let is_host = |letter: char| letter.is_ascii_alphanumeric() || "-._:".contains(letter);
    if host.is_empty() || host.len() > 255 || !host.chars().all(is_host) {
        return Err(IceUrlError::Host);
    }
    let is_number = |port: &str| port.chars().all(|digit| digit.is_ascii_digit());
    let port = port.map(|port| Some(port).filter(|port| is_number(port))?.parse().ok().filter(|port| *port != 0));
    Ok((host.into(), port.unwrap_or(Some(usual)).ok_or(IceUrlError::Port)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::signal::Secret;

    #[test]
    fn what_urls_name() {
        let tls = |name: &str| Some(Transport::Tls { name: name.into() });
        let table = [
            ("stun:example.org", "example.org", 3_478, None),
            ("STUN:192.0.2.1:19302", "192.0.2.1", 19_302, None),
            ("turn:example.org", "example.org", 3_478, Some(Transport::Udp)),
            ("turn:example.org?transport=udp", "example.org", 3_478, Some(Transport::Udp)),
            ("turn:[2001:db8::1]:80?transport=tcp", "2001:db8::1", 80, Some(Transport::Tcp)),
            ("turn:[2001:db8::1]", "2001:db8::1", 3_478, Some(Transport::Udp)),
            ("turns:example.org", "example.org", 5_349, tls("example.org")),
            ("turns:example.org:443?transport=tcp", "example.org", 443, tls("example.org")),
        ];
        for (text, host, port, transport) in table {
            assert_eq!(IceUrl::parse(text), Ok(IceUrl { host: host.into(), port, transport }), "{text}");
        }
    }

    #[test]
    fn what_names_no_server() {
        use IceUrlError::{Host, Port, Scheme, Transport};
        let table = [
            ("", Scheme),
            ("example.org", Scheme),
            ("http:example.org", Scheme),
            ("stuns:example.org", Scheme),
            ("stun:", Host),
            ("turn://example.org", Host),
            ("turn:ann@example.org", Host),
            ("turn:[2001:db8::1", Host),
            ("turn:[example.org]", Host),
            ("turn:[2001:db8::1]80", Host),
            ("turn:example.org:0", Port),
            ("turn:example.org:", Port),
            ("turn:example.org:+80", Port),
            ("turn:example.org:65536", Port),
            ("turn:2001:db8::1", Port),
            ("stun:example.org?transport=udp", Transport),
            ("turns:example.org?transport=udp", Transport),
            ("turn:example.org?transport=sctp", Transport),
        ];
        for (text, error) in table {
            assert_eq!(IceUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn what_becomes_of_a_url() {
        let address = "192.0.2.1:3478".parse().unwrap();
        let credentials = Credentials { user: "ann".into(), password: Secret::new("x").unwrap() };
        let url = IceUrl::parse("stun:example.org").unwrap();
        assert_eq!(url.at(address, None), Some(IceServer::Stun { address }));
        let url = IceUrl::parse("turn:example.org").unwrap();
        assert_eq!(url.at(address, None), None);
        let server = TurnServer { address, transport: Transport::Udp, credentials: credentials.clone() };
        assert_eq!(url.at(address, Some(credentials)), Some(IceServer::Turn(server)));
    }
}
