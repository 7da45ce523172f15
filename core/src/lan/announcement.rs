//! What a server on the local network says of itself, and how it is read when it comes from anybody.

use core::fmt::Write as _;
use core::net::IpAddr;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest announcement that is read.
pub const MAX_ANNOUNCEMENT: usize = 1024;
const MAX_SERVICE: usize = 64;

/// A server on the local network.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Announcement {
    /// Which kind of server it is.
    pub service: String,
    /// Where it is.
    pub ip: IpAddr,
    /// Its port.
    pub port: u16,
    /// It speaks TLS.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub tls: bool,
}

#[derive(Serialize)]
struct Dated<'a> {
    #[serde(flatten)]
    announcement: &'a Announcement,
    timestamp: u64,
}

/// No announcement, or none that can be meant so.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("this is no announcement of a server")]
pub struct Malformed;

impl Announcement {
    /// As it is sent, with the time of sending in milliseconds since 1970.
    pub fn to_json(&self, timestamp: u64) -> Vec<u8> {
        serde_json::to_vec(&Dated { announcement: self, timestamp }).expect("its fields can all be written")
    }

    /// What somebody has sent. What is more than these fields, and when it was sent, is not looked at.
    pub fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_ANNOUNCEMENT {
            return Err(Malformed);
        }
        let read: Announcement = serde_json::from_slice(bytes).map_err(|_| Malformed)?;
        let is_somewhere = !read.ip.is_unspecified() && !read.ip.is_multicast() && read.port != 0;
        let is_broadcast = matches!(read.ip, IpAddr::V4(ip) if ip.is_broadcast());
        let is_named = is_service(&read.service);
        if is_somewhere && !is_broadcast && is_named { Ok(read) } else { Err(Malformed) }
    }

    /// Where players connect.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "wss" } else { "ws" };
        let mut url = format!("{scheme}://");
        let written = match self.ip {
            IpAddr::V4(ip) => write!(url, "{ip}:{}/ws", self.port),
            IpAddr::V6(ip) => write!(url, "[{ip}]:{}/ws", self.port),
        };
        written.expect("a string takes everything");
        url
    }
}

/// A name that a service may have.
pub(super) fn is_service(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_SERVICE && !name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn announcement(ip: &str) -> Announcement {
        Announcement { service: "webstar".into(), ip: ip.parse().expect("an address"), port: 8080, tls: false }
    }

    #[test]
    fn it_is_written_as_listeners_know_it_and_read_again() {
        let plain = announcement("192.168.1.5");
        let json = br#"{"service":"webstar","ip":"192.168.1.5","port":8080,"timestamp":1700000000000}"#;
        assert_eq!(plain.to_json(1_700_000_000_000), json);
        assert_eq!(Announcement::read(json), Ok(plain.clone()));
        assert_eq!(plain.url(), "ws://192.168.1.5:8080/ws");
        let secure = Announcement { tls: true, ..announcement("fd00::5") };
        assert_eq!(Announcement::read(&secure.to_json(0)), Ok(secure.clone()));
        assert_eq!(secure.url(), "wss://[fd00::5]:8080/ws");
    }

    #[test]
    fn whatever_else_older_servers_say_is_not_looked_at() {
        let older =
            br#"{"service":"websocket_server","ip":"10.0.0.2","port":9090,"timestamp":"2024-05-01T10:00:00","x":[1]}"#;
        let read = Announcement::read(older).expect("it has what is needed");
        assert_eq!((read.service.as_str(), read.url().as_str()), ("websocket_server", "ws://10.0.0.2:9090/ws"));
    }

    #[test]
    fn what_cannot_be_meant_so_is_refused() {
        let json = |service: &str, ip: &str, port: u32| format!(r#"{{"service":{service},"ip":"{ip}","port":{port}}}"#);
        let long = format!("{:?}", "a".repeat(65));
        let wrong = [
            json(r#""""#, "10.0.0.1", 1),
            json(&long, "10.0.0.1", 1),
            json(r#""a\u001bb""#, "10.0.0.1", 1),
            json(r#""a""#, "0.0.0.0", 1),
            json(r#""a""#, "255.255.255.255", 1),
            json(r#""a""#, "224.0.0.1", 1),
            json(r#""a""#, "somewhere.else", 1),
            json(r#""a""#, "10.0.0.1", 0),
            json(r#""a""#, "10.0.0.1", 65_536),
            json(r#""a""#, "10.0.0.1", 1) + &" ".repeat(MAX_ANNOUNCEMENT),
            String::from("{}"),
            String::new(),
        ];
        for json in wrong {
            assert_eq!(Announcement::read(json.as_bytes()), Err(Malformed), "{json}");
        }
        assert_eq!(Announcement::read(b"\xff\xfe{"), Err(Malformed));
    }
}
