//! The servers that help to find ways: from the URLs that they are told by to their addresses.

use std::net::{SocketAddr, ToSocketAddrs};
use webstar_core::path::webrtc::{Credentials, IceServer, IceUrl, ServerState};
use webstar_core::wire::signal;

/// A server that helps to find ways, by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HelpServer {
    /// Where it is.
    pub url: IceUrl,
    /// Who we are to it; a TURN server wants to know.
    pub credentials: Option<Credentials>,
}

impl HelpServer {
    /// As the lobby server names it. None: nobody could use it, which is logged.
    pub(super) fn named(server: signal::IceServer) -> Option<Self> {
        let signal::IceServer { urls, username, credential } = server;
        let credentials = username.zip(credential).map(|(user, password)| Credentials { user, password });
        match IceUrl::parse(&urls) {
            Ok(url) if url.transport.is_none() || credentials.is_some() => Some(HelpServer { url, credentials }),
            Ok(_) => {
                tracing::warn!("the lobby server names the TURN server `{urls}` without credentials; it is left out");
                None
            }
            Err(error) => {
                tracing::warn!("the lobby server names `{urls}`, which is of no use: {error}");
                None
            }
        }
    }
}

/// Asks the system where the servers are: one address of each family. Blocks. What is unknown is logged and left out.
pub(super) fn resolve(servers: &[HelpServer]) -> Vec<IceServer> {
    let mut resolved = Vec::new();
    for HelpServer { url, credentials } in servers {
        let found = match (url.host.as_str(), url.port).to_socket_addrs() {
            Ok(addresses) => addresses.collect::<Vec<_>>(),
            Err(error) => {
                tracing::warn!("the server {} is unknown ({error}); direct paths are made without it", url.host);
                continue;
            }
        };
        let families = [SocketAddr::is_ipv4, SocketAddr::is_ipv6];
        let one_of_each = families.iter().filter_map(|is_of| found.iter().copied().find(is_of));
        resolved.extend(one_of_each.filter_map(|address| url.at(address, credentials.clone())));
    }
    resolved
}

/// Tells how a server does.
pub(super) fn log(address: SocketAddr, state: ServerState) {
    match state {
        ServerState::Works => tracing::info!("the server {address} helps to find ways"),
        ServerState::Silent => tracing::warn!("the server {address} does not answer; it is asked again by and by"),
        ServerState::Refuses(code @ (401 | 441)) => {
            tracing::warn!("the TURN server {address} refuses us ({code}); check its user and password");
        }
        ServerState::Refuses(code) => tracing::warn!("the server {address} refuses to help ({code})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webstar_core::wire::signal::Secret;

    #[test]
    fn what_the_lobby_server_names_is_taken_if_it_can_be_used() {
        let named = |urls: &str, is_known: bool| {
            let username = is_known.then(|| "17:ann".into());
            let credential = is_known.then(|| Secret::new("x").unwrap());
            HelpServer::named(signal::IceServer { urls: urls.into(), username, credential })
        };
        assert!(named("stun:a", false).is_some_and(|server| server.credentials.is_none()));
        let turn = named("turns:a:443", true).unwrap();
        assert_eq!((turn.url.port, turn.credentials.map(|known| known.user)), (443, Some("17:ann".into())));
        assert_eq!((named("turn:a", false), named("http:a", true)), (None, None));
    }
}
