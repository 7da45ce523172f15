//! The servers that help to find ways: their names are resolved, and how they do is logged.

use std::net::{SocketAddr, ToSocketAddrs};
use webstar_core::path::webrtc::{HelpServer, IceServer, ServerState};
use webstar_core::wire::signal;

/// As the lobby server names them. Those that nobody could use are logged and left out.
pub(super) fn named(servers: &[signal::IceServer]) -> Vec<HelpServer> {
    let usable = servers.iter().filter_map(|server| match HelpServer::named(server) {
        Ok(server) => Some(server),
        Err(why) => {
            tracing::warn!("the lobby server names `{}`, which is of no use: {why}", server.urls);
            None
        }
    });
    usable.collect()
}

/// Asks the system where the servers are. Blocks. What is unknown is logged and left out.
pub(super) fn resolve(servers: &[HelpServer]) -> Vec<IceServer> {
    let mut resolved = Vec::new();
    for server in servers {
        match (server.url.host.as_str(), server.url.port).to_socket_addrs() {
            Ok(found) => resolved.extend(server.at(&found.collect::<Vec<_>>())),
            Err(error) => {
                let host = &server.url.host;
                tracing::warn!("the server {host} is unknown ({error}); direct paths are made without it");
            }
        }
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
