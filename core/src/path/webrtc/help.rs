//! Servers that help to find ways, as people and lobby servers name them: by URLs, whose names the embedder resolves.

use super::server::IceServer;
use super::url::{IceUrl, IceUrlError};
use crate::wire::signal::{self, Credentials};
use core::net::SocketAddr;
use thiserror::Error;

/// A server that helps to find ways, by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HelpServer {
    /// Where it is.
    pub url: IceUrl,
    /// Who we are to it; a TURN server wants to know.
    pub credentials: Option<Credentials>,
}

/// Why nobody could use a server that the lobby server names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum HelpServerError {
    /// Its URL is none.
    #[error(transparent)]
    Url(#[from] IceUrlError),
    /// It is a TURN server.
    #[error("a TURN server serves nobody without credentials, and none are named with it")]
    NoCredentials,
}

impl HelpServer {
    /// As the lobby server names it.
    pub fn named(server: &signal::IceServer) -> Result<Self, HelpServerError> {
        let signal::IceServer { urls, username, credential } = server;
        let credentials = username.clone().zip(credential.clone());
        let credentials = credentials.map(|(user, password)| Credentials { user, password });
        let url = IceUrl::parse(urls)?;
        if url.transport.is_some() && credentials.is_none() {
            return Err(HelpServerError::NoCredentials);
        }
        Ok(HelpServer { url, credentials })
    }

    /// All that are asked: our own go first, and stand for those of the same URL that the lobby server names.
    pub fn all(own: &[HelpServer], named: Vec<HelpServer>) -> Vec<HelpServer> {
        let others = named.into_iter().filter(|named| own.iter().all(|own| own.url != named.url));
        own.iter().cloned().chain(others).collect()
    }

    /// The server at what its name resolves to: one address of each family.
    pub fn at(&self, found: &[SocketAddr]) -> Vec<IceServer> {
        let families = [SocketAddr::is_ipv4, SocketAddr::is_ipv6];
        let one_of_each = families.iter().filter_map(|is_of| found.iter().copied().find(is_of));
        one_of_each.filter_map(|address| self.url.at(address, self.credentials.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::signal::Secret;

    fn named(urls: &str, is_known: bool) -> Result<HelpServer, HelpServerError> {
        let username = is_known.then(|| "17:ann".into());
        let credential = is_known.then(|| Secret::new("x").unwrap());
        HelpServer::named(&signal::IceServer { urls: urls.into(), username, credential })
    }

    #[test]
    fn what_the_lobby_server_names_is_taken_if_it_can_be_used() {
        assert!(named("stun:a", false).is_ok_and(|server| server.credentials.is_none()));
        let turn = named("turns:a:443", true).unwrap();
        assert_eq!((turn.url.port, turn.credentials.map(|known| known.user)), (443, Some("17:ann".into())));
        assert_eq!(named("turn:a", false), Err(HelpServerError::NoCredentials));
        assert_eq!(named("http:a", true), Err(HelpServerError::Url(IceUrlError::Scheme)));
    }

    #[test]
    fn our_own_go_before_those_of_the_lobby_server() {
        let [ours, theirs, other] = [("stun:a", false), ("stun:a", true), ("stun:b", false)];
        let [ours, theirs, other] = [ours, theirs, other].map(|(url, is_known)| named(url, is_known).unwrap());
        let all = HelpServer::all(core::slice::from_ref(&ours), vec![theirs, other.clone()]);
        assert_eq!(all, [ours, other]);
    }

    #[test]
    fn one_address_of_each_family_is_asked() {
        let found = ["192.0.2.1:1", "192.0.2.2:1", "[2001:db8::1]:1", "[2001:db8::2]:1"];
        let asked = named("stun:a", false).unwrap().at(&found.map(|address| address.parse().unwrap()));
        let asked: Vec<_> = asked.iter().map(|server| server.address().to_string()).collect();
        assert_eq!(asked, [found[0], found[2]]);
    }
}
