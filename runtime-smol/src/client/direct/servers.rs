//! The servers that help to find ways: from the URLs that they are told by to their addresses.

use std::net::{SocketAddr, ToSocketAddrs};
use webstar_core::path::webrtc::{Credentials, IceServer, IceUrl, ServerState};

/// A server that helps to find ways, by its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HelpServer {
    /// Where it is.
    pub url: IceUrl,
    /// Who we are to it; a TURN server wants to know.
    pub credentials: Option<Credentials>,
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
