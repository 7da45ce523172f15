//! When a server announces itself, with which address, and to whom.

use super::SERVICE;
use super::announcement::{Announcement, is_service};
use crate::config::ConfigError;
use crate::time::{Duration, Instant};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Broadcasts reach everybody on this machine.
const LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 255, 255, 255);
/// More often than this is a nuisance.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// How a server announces itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AnnounceConfig {
    /// The name of the service.
    pub service: String,
    /// So often.
    pub interval: Duration,
    /// Also while clients are connected.
    pub always: bool,
}

impl Default for AnnounceConfig {
    fn default() -> Self {
        AnnounceConfig { service: SERVICE.into(), interval: Duration::from_secs(2), always: false }
    }
}

impl AnnounceConfig {
    /// Whether the settings make sense.
    pub fn check(&self) -> Result<(), ConfigError> {
        let rules = [
            (is_service(&self.service), "service", "a name of 1 to 64 bytes without control characters"),
            (self.interval >= SHORTEST_INTERVAL, "interval", "at least 100 ms"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, setting, must)) => Err(ConfigError { setting, must }),
            None => Ok(()),
        }
    }
}

/// An address of this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interface {
    /// The address.
    pub ip: IpAddr,
    /// Where all of its network are reached.
    pub broadcast: Option<Ipv4Addr>,
}

/// What is to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// To whom, on the port of announcements.
    pub to: Ipv4Addr,
    /// What.
    pub announcement: Announcement,
}

/// A server that announces itself on the local network.
#[derive(Debug)]
pub struct Announcer {
    config: AnnounceConfig,
    listens: SocketAddr,
    tls: bool,
    next: Instant,
    has_clients: bool,
    is_asked: bool,
}

impl Announcer {
    /// For a server that listens there.
    pub fn new(config: AnnounceConfig, listens: SocketAddr, tls: bool, now: Instant) -> Self {
        Announcer { config, listens, tls, next: now, has_clients: false, is_asked: false }
    }

    /// So many clients are connected.
    pub fn on_clients(&mut self, count: u64) {
        self.has_clients = count > 0;
    }

    /// The next look at the clock sends, whether clients are connected or not.
    pub fn announce_now(&mut self) {
        self.is_asked = true;
    }

    /// When it is time to look again.
    pub fn due(&self) -> Instant {
        self.next
    }

    /// What is to be sent now, if anything, with these addresses of the machine.
    pub fn poll(&mut self, now: Instant, interfaces: &[Interface]) -> Vec<Call> {
        let is_due = self.next <= now;
        if is_due {
            self.next = now + self.config.interval;
        }
        let is_wanted = core::mem::take(&mut self.is_asked) || is_due && (self.config.always || !self.has_clients);
        if is_wanted { self.calls(interfaces) } else { Vec::new() }
    }

    /// Each network is told the address that it reaches the server by; everybody else the best of all.
    fn calls(&self, interfaces: &[Interface]) -> Vec<Call> {
        let announcement =
            |ip| Announcement { service: self.config.service.clone(), ip, port: self.listens.port(), tls: self.tls };
        let is_reached = |ip: &IpAddr| self.listens.ip().is_unspecified() || self.listens.ip() == *ip;
        let is_outside = |ip: &IpAddr| !ip.is_loopback() && !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let outside = || interfaces.iter().filter(|interface| is_reached(&interface.ip) && is_outside(&interface.ip));
        let mut calls = Vec::new();
        let mut call = |to: Ipv4Addr, ip: IpAddr| {
            if calls.iter().all(|known: &Call| known.to != to) {
                calls.push(Call { to, announcement: announcement(ip) });
            }
        };
        if let Some(best) = outside().min_by_key(|interface| core::cmp::Reverse(rank(interface))) {
            call(Ipv4Addr::BROADCAST, best.ip);
        }
        for Interface { ip, broadcast } in outside() {
            if let Some(broadcast) = broadcast {
                call(*broadcast, *ip);
            }
        }
        if is_reached(&IpAddr::V4(Ipv4Addr::LOCALHOST)) {
            call(LOOPBACK, Ipv4Addr::LOCALHOST.into());
        }
        calls
    }
}

/// Private IPv4 addresses are those of local networks, and a local network has a broadcast address.
fn rank(Interface { ip, broadcast }: &Interface) -> [bool; 4] {
    match ip {
        IpAddr::V4(ip) => [true, ip.is_private(), !ip.is_link_local(), broadcast.is_some()],
        IpAddr::V6(ip) => [false, ip.is_unique_local(), false, false],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn interface(ip: &str, broadcast: Option<&str>) -> Interface {
        let broadcast = broadcast.map(|broadcast| broadcast.parse().expect("an address"));
        Interface { ip: ip.parse().expect("an address"), broadcast }
    }

    fn machine() -> [Interface; 5] {
        [
            interface("127.0.0.1", None),
            interface("203.0.113.7", Some("203.0.113.255")),
            interface("192.168.1.5", Some("192.168.1.255")),
            interface("10.8.0.2", None),
            interface("fe80::1", None),
        ]
    }

    fn announcer(listens: &str, always: bool) -> Announcer {
        let config = AnnounceConfig { always, ..AnnounceConfig::default() };
        Announcer::new(config, listens.parse().expect("an address"), false, at(0))
    }

    fn told(calls: &[Call]) -> Vec<(String, String)> {
        calls.iter().map(|call| (call.to.to_string(), call.announcement.ip.to_string())).collect()
    }

    #[test]
    fn each_network_is_told_the_address_that_it_knows() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(to, ip)| ((*to).into(), (*ip).into())).collect()
        };
        let everywhere = announcer("0.0.0.0:8080", false).poll(at(0), &machine());
        let expected = [
            ("255.255.255.255", "192.168.1.5"),
            ("203.0.113.255", "203.0.113.7"),
            ("192.168.1.255", "192.168.1.5"),
            ("127.255.255.255", "127.0.0.1"),
        ];
        assert_eq!(told(&everywhere), pairs(&expected));
        assert!(everywhere.iter().all(|call| call.announcement.port == 8080 && call.announcement.service == "webstar"));
        let one = announcer("203.0.113.7:1", false).poll(at(0), &machine());
        assert_eq!(told(&one), pairs(&[("255.255.255.255", "203.0.113.7"), ("203.0.113.255", "203.0.113.7")]));
        let alone = announcer("127.0.0.1:1", false).poll(at(0), &machine());
        assert_eq!(told(&alone), pairs(&[("127.255.255.255", "127.0.0.1")]));
        assert_eq!(announcer("198.51.100.1:1", false).poll(at(0), &machine()), [], "no address of this machine");
        let only = announcer("[::]:1", false).poll(at(0), &[interface("fe80::1", None)]);
        assert_eq!(
            told(&only),
            pairs(&[("127.255.255.255", "127.0.0.1")]),
            "nobody else knows by which link it is reached"
        );
    }

    #[test]
    fn it_is_said_every_two_seconds_while_nobody_is_there() {
        let says = |announcer: &mut Announcer, ms| !announcer.poll(at(ms), &machine()).is_empty();
        let mut announcer = announcer("0.0.0.0:8080", false);
        assert_eq!([0, 1, 1_999, 2_000, 2_001].map(|ms| says(&mut announcer, ms)), [true, false, false, true, false]);
        assert_eq!(announcer.due(), at(4_000));
        announcer.on_clients(3);
        assert!(!says(&mut announcer, 4_000) && !says(&mut announcer, 6_000));
        announcer.announce_now();
        assert!(says(&mut announcer, 6_001) && !says(&mut announcer, 6_002), "once, because it was asked for");
        announcer.on_clients(0);
        assert!(!says(&mut announcer, 7_999) && says(&mut announcer, 8_000));
    }

    #[test]
    fn it_may_be_said_always() {
        let mut announcer = announcer("0.0.0.0:8080", true);
        announcer.on_clients(3);
        assert!(!announcer.poll(at(0), &machine()).is_empty());
    }

    #[test]
    fn settings_that_make_no_sense_are_refused() {
        assert!(AnnounceConfig::default().check().is_ok());
        let service = AnnounceConfig { service: String::new(), ..AnnounceConfig::default() };
        let interval = AnnounceConfig { interval: Duration::from_millis(99), ..AnnounceConfig::default() };
        assert!(service.check().is_err() && interval.check().is_err());
    }
}
