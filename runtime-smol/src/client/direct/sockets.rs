//! The UDP sockets of a player, one for each family of addresses.

use super::socket::Socket;
use std::io::{Error, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::Context;

/// All sockets of a player.
pub(crate) struct Sockets(Vec<Socket>);

impl Sockets {
    /// Opens them. What the machine has not, such as IPv6, is left out; an error: it has nothing.
    pub(crate) fn open() -> Result<Self> {
        let families = [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()];
        let mut last = Error::other("there is no family of addresses");
        let opened = families.into_iter().filter_map(|any| Socket::open(any).map_err(|error| last = error).ok());
        let sockets: Vec<Socket> = opened.collect();
        if sockets.is_empty() { Err(last) } else { Ok(Sockets(sockets)) }
    }

    /// Where others reach us, if this is an address of ours.
    pub(super) fn at(&self, ip: IpAddr) -> Option<SocketAddr> {
        let socket = self.0.iter().find(|socket| socket.bound().is_ipv4() == ip.is_ipv4())?;
        Some(SocketAddr::new(ip, socket.bound().port()))
    }

    /// Takes a datagram for sending. It leaves with the next flush.
    pub(super) fn push(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        // Candidates of two families are never paired.
        if let Some(socket) = self.0.iter_mut().find(|socket| socket.bound().is_ipv4() == to.is_ipv4()) {
            socket.push(from.ip(), to, payload);
        }
    }

    /// Sends what waits, as far as the system takes it.
    pub(super) fn flush(&mut self, cx: &mut Context<'_>) {
        self.0.iter_mut().for_each(|socket| socket.flush(cx));
    }

    /// Whether the last reading may have left some.
    pub(super) fn has_more(&self) -> bool {
        self.0.iter().any(Socket::has_more)
    }

    /// The next reading asks the system at once.
    pub(super) fn look(&mut self) {
        self.0.iter_mut().for_each(Socket::look);
    }

    /// Tells datagrams that have come. False: there are none now, and the task is woken when there are.
    pub(super) fn receive(
        &mut self,
        cx: &mut Context<'_>,
        tell: &mut impl FnMut(SocketAddr, SocketAddr, &[u8]),
    ) -> bool {
        self.0.iter_mut().fold(false, |has_come, socket| socket.receive(cx, tell) | has_come)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_has_the_port_of_its_socket() {
        let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
        let sockets = Sockets::open().unwrap();
        assert!(sockets.at(loopback).is_some_and(|address| address.ip() == loopback && address.port() != 0));
    }
}
