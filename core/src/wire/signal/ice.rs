//! Servers that help players to find direct ways to each other, as the lobby server names them to its members, and the
//! credentials for those that lend addresses.

use super::{Secret, bounded};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha1::Sha1;

/// The most servers of a list.
pub const MAX_ICE_SERVERS: usize = 8;

/// See [`ServerMessage::IceServers`](super::ServerMessage::IceServers).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IceServers {
    /// The servers; at most 8.
    #[serde(deserialize_with = "bounded::list::<MAX_ICE_SERVERS, _, _>")]
    pub servers: Vec<IceServer>,
}

/// A server that helps, with the fields that a browser knows it by.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:`, `turn:` or `turns:` and what follows; at most 512 bytes.
    #[serde(deserialize_with = "bounded::text::<512, _>")]
    pub urls: String,
    /// Who we are to a TURN server: the time of its end, and a name.
    #[serde(default, deserialize_with = "bounded::optional_text::<512, _>")]
    pub username: Option<String>,
    /// The password for that.
    #[serde(default)]
    pub credential: Option<Secret>,
}

/// Who we are to a TURN server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// The name. That of credentials which hold for a time only begins with the time of their end.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// Those that hold until a moment only, made of a secret that is shared with the server: `static-auth-secret` of
    /// coturn, which calls it its REST API. None: they would be longer than a secret may be.
    pub fn until(unix_secs: u64, name: &str, secret: &Secret) -> Option<Self> {
        let user = format!("{unix_secs}:{name}");
        let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_str().as_bytes()).ok()?;
        mac.update(user.as_bytes());
        let password = Secret::new(BASE64.encode(&mac.finalize().into_bytes())).ok()?;
        Some(Credentials { user, password })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_for_a_time_are_those_of_coturn() {
        let credentials = Credentials::until(1_700_000_600, "ann", &Secret::new("north").unwrap()).unwrap();
        assert_eq!(credentials.user, "1700000600:ann");
        assert_eq!(credentials.password.as_str(), "7frJsC9X1ENSUqDpiZimUxlaSY8=");
        assert!(!format!("{credentials:?}").contains("7frJ"), "it is not shown");
    }
}
