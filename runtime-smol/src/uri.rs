//! What a player types to say where it wants to go: a lobby's name, `new`, or a URI. Errors say which part is at fault
//! and what was expected there. Connects to nothing.
//!
//! | text | means |
//! |---|---|
//! | `room` | the lobby of that name, at the server that is set |
//! | `new` | a new lobby with a coded name, at the server that is set |
//! | `webstar://HOST:PORT/LOBBY` | a lobby at that server; port 8080 if none is named |
//! | `webstars://HOST:PORT/LOBBY` | the same with TLS; port 443 if none is named |
//! | `webrtc://HOST:PORT/LOBBY` | the same as `webstar://` |
//! | `webrtc://PEER` | the two-player lobby of that peer, at the server that is set |
//! | `webrtc-game://PEER?room=R&region=G` | lobby R with that region, PEER preferred as first host |
//!
//! `webrtc://X` is a host when a port or a path follows, else a peer. `new` as the lobby of a URI makes a new one too. A
//! lobby's name is percent-encoded where it has blanks, `/`, `?`, `#` or `%`.

use std::net::Ipv6Addr;
use thiserror::Error;
use webstar_core::wire::signal::{LobbyName, PeerId};

/// Where a player wants to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// The lobby server's WebSocket, if the text names one.
    pub server: Option<String>,
    /// What is wanted there.
    pub place: Place,
}

/// What is wanted at a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The lobby of this name.
    Lobby(LobbyName),
    /// A new lobby with a coded name.
    New,
    /// The two-player lobby of this peer.
    Peer(PeerId),
    /// A lobby of which this peer shall be the first host.
    PeerGame {
        /// Who.
        peer: PeerId,
        /// Which lobby.
        room: LobbyName,
        /// Where it is played, for lists.
        region: Option<String>,
    },
}

/// Why a text leads nowhere.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{text}`: {part} {found}; {expected}")]
pub struct UriError {
    /// All that was given.
    pub text: String,
    /// The part at fault.
    pub part: &'static str,
    /// What is wrong with it.
    pub found: String,
    /// What would be right.
    pub expected: &'static str,
}

/// The port of the lobby server without TLS.
const PORT: u16 = 8080;
/// The port of everything with TLS.
const TLS_PORT: u16 = 443;
/// The port of a plain WebSocket.
const WS_PORT: u16 = 80;
/// Where the server takes WebSockets.
const WS_PATH: &str = "/ws";

const LOBBY_LIKE: &str = "a lobby name has 1 to 64 printable characters without blanks at its ends";
const PEER_LIKE: &str = "a peer id has 1 to 64 of A-Z, a-z, 0-9, _ and -";
const HOST_LIKE: &str = "a host is a name such as play.example.org, 192.0.2.1 or [2001:db8::1]";
const PORT_LIKE: &str = "a port is a number from 1 to 65535, such as 8080";
const SCHEME_LIKE: &str =
    "targets begin with webstar://, webstars://, webrtc:// or webrtc-game://, or are a lobby's name";
const SERVER_LIKE: &str = "a server is ws://HOST:PORT/ws or wss://HOST:PORT/ws";
const URI_LIKE: &str = "write webstar://HOST:PORT/LOBBY";
const GAME_LIKE: &str = "write webrtc-game://PEER?room=ROOM&region=REGION";

type Fault = (&'static str, String, &'static str);

impl Target {
    /// Reads what was typed.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        target(text).map_err(|fault| error(text, fault))
    }
}

/// Reads the address of a lobby server: `ws://`, `wss://`, `webstar://` or `webstars://`. Without a path it is `/ws`.
pub fn server_url(text: &str) -> Result<String, UriError> {
    endpoint(text, WS_PATH).map_err(|fault| error(text, fault))
}

/// Reads the address of a relay: the same, but without a path it is `/relay`.
pub fn relay_url(text: &str) -> Result<String, UriError> {
    endpoint(text, "/relay").map_err(|fault| error(text, fault))
}

fn error(text: &str, (part, found, expected): Fault) -> UriError {
    UriError { text: text.into(), part, found, expected }
}

fn fault<T>(part: &'static str, found: impl Into<String>, expected: &'static str) -> Result<T, Fault> {
    Err((part, found.into(), expected))
}

fn target(text: &str) -> Result<Target, Fault> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(Target { server: None, place: place(text.into())? });
    };
    match scheme.to_ascii_lowercase().as_str() {
        "webstar" => at_host(rest, "ws", PORT),
        "webstars" => at_host(rest, "wss", TLS_PORT),
        "webrtc" if is_host(rest) => at_host(rest, "ws", PORT),
        "webrtc" => Ok(Target { server: None, place: Place::Peer(peer(rest)?) }),
        "webrtc-game" => game(rest),
        "ws" | "wss" => fault("the scheme", format!("{scheme}:// names a server, no lobby"), URI_LIKE),
        _ => fault("the scheme", format!("{scheme}:// is not known"), SCHEME_LIKE),
    }
}

/// Whether what follows `webrtc://` is a host: then a port or a path comes with it.
fn is_host(rest: &str) -> bool {
    rest.contains([':', '/', '['])
}

fn at_host(rest: &str, scheme: &str, port: u16) -> Result<Target, Fault> {
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = authority_with(authority, port)?;
    if let Some(at) = path.find(['?', '#']) {
        return fault("the end", format!("`{}` has no meaning here", &path[at..]), URI_LIKE);
    }
    if path.is_empty() {
        return fault("the lobby", "is missing", URI_LIKE);
    }
    if path.contains('/') {
        return fault("the lobby", format!("`{path}` has a `/` in it"), "a `/` of the name itself is written %2F");
    }
    Ok(Target { server: Some(format!("{scheme}://{authority}{WS_PATH}")), place: place(decoded("the lobby", path)?)? })
}

fn place(name: String) -> Result<Place, Fault> {
    if name == "new" { Ok(Place::New) } else { Ok(Place::Lobby(lobby(name)?)) }
}

fn lobby(name: String) -> Result<LobbyName, Fault> {
    let shown = format!("`{}` is none", name.escape_debug());
    LobbyName::new(name).or_else(|_| fault("the lobby", shown, LOBBY_LIKE))
}

fn peer(text: &str) -> Result<PeerId, Fault> {
    let name = decoded("the peer", text)?;
    let shown = format!("`{}` is none", name.escape_debug());
    PeerId::new(name).or_else(|_| fault("the peer", shown, PEER_LIKE))
}

fn game(rest: &str) -> Result<Target, Fault> {
    let (name, query) = rest.split_once('?').unwrap_or((rest, ""));
    let peer = peer(name.strip_suffix('/').unwrap_or(name))?;
    let (mut room, mut region) = (None, None);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "room" => room = Some(lobby(decoded("the room", value)?)?),
            "region" => region = Some(decoded("the region", value)?),
            _ => return fault("the query", format!("has `{key}`, which is not known"), GAME_LIKE),
        }
    }
    let Some(room) = room else { return fault("the room", "is missing", GAME_LIKE) };
    Ok(Target { server: None, place: Place::PeerGame { peer, room, region } })
}

fn endpoint(text: &str, default_path: &str) -> Result<String, Fault> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return fault("the scheme", "is missing", SERVER_LIKE);
    };
    let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
        "ws" | "http" => ("ws", WS_PORT),
        "webstar" => ("ws", PORT),
        "wss" | "https" | "webstars" => ("wss", TLS_PORT),
        _ => return fault("the scheme", format!("{scheme}:// is not known"), SERVER_LIKE),
    };
    let (authority, path) = match rest.find(['/', '?', '#']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let authority = authority_with(authority, port)?;
    if path.contains('#') {
        return fault("the end", "has a `#`, which has no meaning here", SERVER_LIKE);
    }
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return fault("the path", "has blanks or letters beyond ASCII", "write those as % and two hexadecimal digits");
    }
    Ok(match path {
        "" | "/" => format!("{scheme}://{authority}{default_path}"),
        _ if path.starts_with('?') => format!("{scheme}://{authority}{default_path}{path}"),
        _ => format!("{scheme}://{authority}{path}"),
    })
}

/// `HOST:PORT` with every part checked and the port filled in.
fn authority_with(text: &str, default_port: u16) -> Result<String, Fault> {
    if text.contains('@') {
        return fault("the host", "has a user or a password before it", "secrets do not belong in an address");
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(inside) => {
            let Some((address, after)) = inside.split_once(']') else {
                return fault("the host", "has no closing `]`", HOST_LIKE);
            };
            if address.parse::<Ipv6Addr>().is_err() {
                return fault("the host", format!("`[{address}]` is no IPv6 address"), HOST_LIKE);
            }
            let port = match after.strip_prefix(':') {
                None if after.is_empty() => None,
                None => return fault("the host", format!("is followed by `{after}`"), HOST_LIKE),
                Some(port) => Some(port),
            };
            (format!("[{address}]"), port)
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            if port.is_some_and(|port| port.contains(':')) {
                return fault("the host", format!("`{text}` has several `:`"), "an IPv6 address stands in brackets");
            }
            (checked_name(host)?.into(), port)
        }
    };
    let port = match port {
        None => default_port,
        Some(port) => match port.parse::<u16>() {
            Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => number,
            _ => return fault("the port", format!("`{port}` is none"), PORT_LIKE),
        },
    };
    Ok(format!("{host}:{port}"))
}

fn checked_name(host: &str) -> Result<&str, Fault> {
    if host.is_empty() {
        return fault("the host", "is missing", HOST_LIKE);
    }
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    if host.len() > 253 || !host.bytes().all(is_good) {
        return fault("the host", format!("`{}` is none", host.escape_debug()), HOST_LIKE);
    }
    Ok(host)
}

/// Percent-decoding to UTF-8.
fn decoded(part: &'static str, text: &str) -> Result<String, Fault> {
    const LIKE: &str = "% is followed by two hexadecimal digits, and all together is UTF-8";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let Some(digits) = (first == b'%').then_some(tail) else {
            bytes.push(first);
            rest = tail;
            continue;
        };
        let digit = |at: usize| digits.get(at).and_then(|&byte| char::from(byte).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return fault(part, format!("`{text}` has a broken %"), LIKE);
        };
        bytes.push(u8::try_from(high * 16 + low).expect("two hexadecimal digits are a byte"));
        rest = &digits[2..];
    }
    String::from_utf8(bytes).or_else(|_| fault(part, format!("`{text}` is no UTF-8"), LIKE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(server: Option<&str>, lobby: &str) -> Target {
        Target { server: server.map(Into::into), place: Place::Lobby(LobbyName::new(lobby).unwrap()) }
    }

    fn peer_of(name: &str) -> PeerId {
        PeerId::new(name).unwrap()
    }

    #[test]
    fn the_table_of_targets() {
        let table = [
            ("room", named(None, "room")),
            ("two words", named(None, "two words")),
            ("100%", named(None, "100%")),
            ("new", Target { server: None, place: Place::New }),
            ("webstar://localhost:9000/room", named(Some("ws://localhost:9000/ws"), "room")),
            ("WebStar://localhost/room", named(Some("ws://localhost:8080/ws"), "room")),
            ("webstars://play.example.org/room", named(Some("wss://play.example.org:443/ws"), "room")),
            ("webstar://[::1]:9000/a%20b%2fc", named(Some("ws://[::1]:9000/ws"), "a b/c")),
            ("webstar://[2001:db8::1]/r", named(Some("ws://[2001:db8::1]:8080/ws"), "r")),
            ("webstar://h:1/%C3%A4", named(Some("ws://h:1/ws"), "ä")),
            ("webstar://h:1/ä", named(Some("ws://h:1/ws"), "ä")),
            ("webrtc://h:1/room", named(Some("ws://h:1/ws"), "room")),
            ("webrtc://h/room", named(Some("ws://h:8080/ws"), "room")),
            ("webstar://h:1/new", Target { server: Some("ws://h:1/ws".into()), place: Place::New }),
            ("webrtc://ann-1", Target { server: None, place: Place::Peer(peer_of("ann-1")) }),
            (
                "webrtc-game://ann?room=the%20den&region=eu",
                Target {
                    server: None,
                    place: Place::PeerGame {
                        peer: peer_of("ann"),
                        room: LobbyName::new("the den").unwrap(),
                        region: Some("eu".into()),
                    },
                },
            ),
            (
                "webrtc-game://ann/?room=r",
                Target {
                    server: None,
                    place: Place::PeerGame { peer: peer_of("ann"), room: LobbyName::new("r").unwrap(), region: None },
                },
            ),
        ];
        for (text, expected) in table {
            assert_eq!(Target::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn errors_point_at_the_fault() {
        let table = [
            ("", "the lobby `` is none"),
            (" room", "the lobby ` room` is none"),
            ("http://h/room", "the scheme http:// is not known"),
            ("ws://h:1/ws", "the scheme ws:// names a server, no lobby"),
            ("webstar://h:1", "the lobby is missing"),
            ("webstar://h:1/", "the lobby is missing"),
            ("webstar://:1/room", "the host is missing"),
            ("webstar:///room", "the host is missing"),
            ("webstar://h:/room", "the port `` is none"),
            ("webstar://h:0/room", "the port `0` is none"),
            ("webstar://h:+1/room", "the port `+1` is none"),
            ("webstar://h:65536/room", "the port `65536` is none"),
            ("webstar://::1/room", "the host `::1` has several `:`"),
            ("webstar://[::1/room", "the host has no closing `]`"),
            ("webstar://[::g]/room", "the host `[::g]` is no IPv6 address"),
            ("webstar://[::1]9/room", "the host is followed by `9`"),
            ("webstar://a b/room", "the host `a b` is none"),
            ("webstar://ann:pw@h/room", "the host has a user or a password before it"),
            ("webstar://h/a/b", "the lobby `a/b` has a `/` in it"),
            ("webstar://h/room?password=x", "the end `?password=x` has no meaning here"),
            ("webstar://h/room#x", "the end `#x` has no meaning here"),
            ("webstar://h/%2", "the lobby `%2` has a broken %"),
            ("webstar://h/%zz", "the lobby `%zz` has a broken %"),
            ("webstar://h/%ff", "the lobby `%ff` is no UTF-8"),
            ("webstar://h/%0a", "the lobby `\\n` is none"),
            ("webrtc://", "the peer `` is none"),
            ("webrtc://an.n", "the peer `an.n` is none"),
            ("webrtc-game://ann", "the room is missing"),
            ("webrtc-game://ann?room=r&pin=1", "the query has `pin`, which is not known"),
            ("webrtc-game://?room=r", "the peer `` is none"),
        ];
        for (text, fault) in table {
            let error = Target::parse(text).expect_err(text).to_string();
            assert!(error.starts_with(&format!("`{text}`: {fault}; ")), "{error}");
        }
    }

    #[test]
    fn the_table_of_servers() {
        let table = [
            ("ws://h", Ok("ws://h:80/ws")),
            ("ws://h:9000/", Ok("ws://h:9000/ws")),
            ("ws://h:9000/deep/ws?x=1", Ok("ws://h:9000/deep/ws?x=1")),
            ("wss://[::1]", Ok("wss://[::1]:443/ws")),
            ("webstar://h", Ok("ws://h:8080/ws")),
            ("https://h", Ok("wss://h:443/ws")),
            ("h:9000", Err("the scheme is missing")),
            ("ftp://h", Err("the scheme ftp:// is not known")),
            ("ws://", Err("the host is missing")),
            ("ws://h/#x", Err("the end has a `#`, which has no meaning here")),
            ("ws://h/a b", Err("the path has blanks or letters beyond ASCII")),
        ];
        for (text, expected) in table {
            match (server_url(text), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected, "{text}"),
                (Err(error), Err(fault)) => {
                    assert!(error.to_string().starts_with(&format!("`{text}`: {fault}; ")), "{error}");
                }
                (got, _) => panic!("{text}: {got:?}"),
            }
        }
        assert_eq!(relay_url("ws://h:1").as_deref(), Ok("ws://h:1/relay"));
    }

    #[test]
    fn no_text_panics() {
        #[expect(clippy::needless_pass_by_value, reason = "quickcheck gives values")]
        fn any(text: String, scheme: u8) -> bool {
            let scheme =
                ["", "webstar://", "webstars://", "webrtc://", "webrtc-game://x?room="][usize::from(scheme) % 5];
            let _ = (Target::parse(&format!("{scheme}{text}")), server_url(&format!("ws://{text}")));
            true
        }
        quickcheck::quickcheck(any as fn(String, u8) -> bool);
    }
}
