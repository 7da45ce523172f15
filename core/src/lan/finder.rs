//! What a listener makes of the announcements that it hears.

use super::announcement::Announcement;
use core::net::IpAddr;
use std::collections::BTreeSet;

/// The most servers that are kept apart.
pub const MAX_FOUND: usize = 256;

/// Searches servers of one service.
#[derive(Debug)]
pub struct Finder {
    service: String,
    known: BTreeSet<(IpAddr, u16)>,
    dropped: u64,
}

impl Finder {
    /// For servers of this service.
    pub fn new(service: impl Into<String>) -> Self {
        Finder { service: service.into(), known: BTreeSet::new(), dropped: 0 }
    }

    /// A datagram has come. Tells of the server, if it is one that was not heard of before.
    pub fn on_datagram(&mut self, from: IpAddr, bytes: &[u8]) -> Option<Announcement> {
        let Ok(announcement) = Announcement::read(bytes) else {
            self.dropped += 1;
            return None;
        };
        // An address of the wide network is only somebody's own: nobody is sent elsewhere by who merely says so.
        if announcement.ip != from && !is_local(announcement.ip) {
            self.dropped += 1;
            return None;
        }
        let place = (announcement.ip, announcement.port);
        let is_news = announcement.service == self.service && self.known.len() < MAX_FOUND && self.known.insert(place);
        is_news.then_some(announcement)
    }

    /// Datagrams that were no announcements, or could not be believed.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(service: &str, ip: &str, port: u16) -> Vec<u8> {
        let ip = ip.parse().expect("an address");
        Announcement { service: service.into(), ip, port, tls: false }.to_json(0)
    }

    #[test]
    fn each_server_of_the_service_is_told_once() {
        let mut finder = Finder::new("webstar");
        let from = "192.168.1.5".parse().expect("an address");
        let mut hear = |bytes: &[u8]| finder.on_datagram(from, bytes).map(|found| found.url());
        assert_eq!(hear(&said("webstar", "192.168.1.5", 1)), Some("ws://192.168.1.5:1/ws".into()));
        assert_eq!(hear(&said("webstar", "192.168.1.5", 1)), None, "it is known");
        assert_eq!(hear(&said("websocket_server", "192.168.1.5", 2)), None, "another service");
        assert_eq!(hear(&said("webstar", "10.0.0.1", 1)), Some("ws://10.0.0.1:1/ws".into()));
        assert_eq!(hear(&said("webstar", "203.0.113.9", 1)), None, "an address of somebody else");
        assert_eq!(hear(b"hello"), None);
        assert_eq!(finder.dropped(), 2);
    }

    #[test]
    fn a_network_full_of_servers_costs_bounded_memory() {
        let mut finder = Finder::new("webstar");
        let from = "192.168.1.5".parse().expect("an address");
        let found = (1..1_000).filter(|port| finder.on_datagram(from, &said("webstar", "10.0.0.1", *port)).is_some());
        assert_eq!(found.count(), MAX_FOUND);
    }
}
