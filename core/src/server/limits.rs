//! How much is too much: token buckets, and what is kept of each address.

use super::ServerConfig;
use crate::time::{Duration, Instant};
use core::net::{IpAddr, Ipv6Addr};
use std::collections::{BTreeMap, VecDeque};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
/// Addresses that are remembered, for every connection that there may be.
const MOST_PER_CONNECTION: usize = 4;
/// Beyond this many times the rate a connection is closed instead of cut.
pub(super) const FLOOD: u64 = 10;

/// So much in so long, and at most `burst` at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    amount: u64,
    per: Duration,
    burst: u64,
}

impl Rate {
    /// With a burst of `seconds` times as much.
    pub(super) fn per_second(amount: u64, seconds: u64) -> Self {
        Rate { amount, per: SECOND, burst: amount.saturating_mul(seconds) }
    }

    pub(super) fn per_minute(amount: u64) -> Self {
        Rate { amount, per: MINUTE, burst: amount }
    }

    /// How long `count` take at this rate.
    fn nanos(&self, count: u64) -> u64 {
        let per = u64::try_from(self.per.as_nanos()).unwrap_or(u64::MAX);
        count.saturating_mul(per).div_ceil(self.amount.max(1))
    }
}

/// A token bucket: the moment at which it is full again says everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(super) fn full() -> Self {
        Bucket { full_at: Instant::from_nanos(i64::MIN) }
    }

    /// Takes `count`, or nothing if there is less.
    pub(super) fn take(&mut self, now: Instant, rate: Rate, count: u64) -> bool {
        let has = self.has(now, rate, count);
        if has {
            self.full_at = self.full_at.max(now) + Duration::from_nanos(rate.nanos(count));
        }
        has
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }

    /// Whether so much is there.
    pub(super) fn has(&self, now: Instant, rate: Rate, count: u64) -> bool {
        let missing = u64::try_from(self.full_at.since(now).as_nanos()).unwrap_or(u64::MAX);
        missing.saturating_add(rate.nanos(count)) <= rate.nanos(rate.burst)
    }
}

/// What is kept of an address.
#[derive(Debug)]
struct Address {
    connections: usize,
    /// Passwords of it that are being computed: each may turn out wrong.
    checking: u64,
    failed: Bucket,
    created: Bucket,
    opened: Bucket,
    bytes: Bucket,
    /// It waits among those that are to be forgotten.
    fades: bool,
}

/// All addresses from which somebody is connected, or was within the last two minutes.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    table: BTreeMap<IpAddr, Address>,
    /// Addresses that nobody was connected from at that time, each once. After a minute all their buckets are full
    /// again if nobody has come since.
    fading: VecDeque<(Instant, IpAddr)>,
}

impl Addresses {
    /// One more connection, unless there are too many.
    pub(super) fn open(&mut self, now: Instant, from: IpAddr, config: &ServerConfig) -> bool {
        self.forget(now);
        if self.table.len() >= MOST_PER_CONNECTION * config.max_connections && !self.table.contains_key(&key(from)) {
            return false;
        }
        let address = self.entry(from);
        let is_free = from.is_loopback()
            || address.connections < config.max_connections_per_address
                && address.opened.take(now, Rate::per_minute(u64::from(config.connections_per_minute)), 1);
        if is_free {
            address.connections += 1;
        } else if address.connections == 0 {
            self.fade(now, from);
        }
        is_free
    }

    /// One more connection that another shard has let in.
    pub(super) fn adopt(&mut self, now: Instant, from: IpAddr) {
        self.forget(now);
        self.entry(from).connections += 1;
    }

    /// One connection less.
    pub(super) fn close(&mut self, now: Instant, from: IpAddr) {
        let address = self.entry(from);
        address.connections = address.connections.saturating_sub(1);
        if address.connections == 0 {
            self.fade(now, from);
        }
    }

    /// Whether the address may try to join: so many that are being checked might fail yet.
    pub(super) fn may_try(&mut self, now: Instant, from: IpAddr, config: &ServerConfig) -> bool {
        let address = self.entry(from);
        address.failed.has(now, failures(config), address.checking + 1)
    }

    /// A password of it is being computed, or is so no more.
    pub(super) fn checking(&mut self, from: IpAddr, starts: bool) {
        let address = self.entry(from);
        address.checking = if starts { address.checking + 1 } else { address.checking.saturating_sub(1) };
    }

    /// How many passwords of it are being computed.
    pub(super) fn is_checking(&mut self, from: IpAddr) -> bool {
        self.entry(from).checking > 0
    }

    /// It has guessed wrong.
    pub(super) fn failed(&mut self, now: Instant, from: IpAddr, config: &ServerConfig) {
        self.entry(from).failed.take(now, failures(config), 1);
    }

    /// Whether it may make one more lobby.
    pub(super) fn create(&mut self, now: Instant, from: IpAddr, config: &ServerConfig) -> bool {
        let rate = Rate::per_minute(u64::from(config.creations_per_minute));
        from.is_loopback() || self.entry(from).created.take(now, rate, 1)
    }

    /// Its connections have sent so many bytes. False: together they send too much.
    pub(super) fn charge(&mut self, now: Instant, from: IpAddr, config: &ServerConfig, bytes: usize) -> bool {
        let rate = Rate::per_second(u64::from(config.address_bytes_per_second), 1);
        from.is_loopback() || self.entry(from).bytes.take(now, rate, bytes as u64)
    }

    fn entry(&mut self, from: IpAddr) -> &mut Address {
        self.table.entry(key(from)).or_insert_with(|| Address {
            connections: 0,
            checking: 0,
            failed: Bucket::full(),
            created: Bucket::full(),
            opened: Bucket::full(),
            bytes: Bucket::full(),
            fades: false,
        })
    }

    fn forget(&mut self, now: Instant) {
        while let Some(&(since, from)) = self.fading.front() {
            if since + MINUTE > now {
                return;
            }
            self.fading.pop_front();
            let Some(address) = self.table.get_mut(&from) else { continue };
            address.fades = false;
            if address.connections > 0 {
                continue;
            }
            let is_full = [address.failed, address.created, address.opened, address.bytes]
                .iter()
                .all(|bucket| bucket.is_full(now));
            if is_full && address.checking == 0 {
                self.table.remove(&from);
            } else {
                self.fade(now, from);
            }
        }
    }

    /// It is looked at in a minute. However often somebody comes and goes, it stands there once.
    fn fade(&mut self, now: Instant, from: IpAddr) {
        let address = self.entry(from);
        if !core::mem::replace(&mut address.fades, true) {
            self.fading.push_back((now, key(from)));
        }
    }
}

fn failures(config: &ServerConfig) -> Rate {
    Rate::per_minute(u64::from(config.failed_joins_per_minute))
}

/// Whoever has an IPv6 address has 2^64 of them: these count as one.
pub(super) fn key(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let (mut bucket, rate) = (Bucket::full(), Rate::per_second(10, 2));
        assert!((0..20).all(|_| bucket.take(at(0), rate, 1)));
        for (now, is_taken) in [(0, false), (99, false), (100, true), (199, false), (300, true), (300, true)] {
            assert_eq!(bucket.take(at(now), rate, 1), is_taken, "{now}");
        }
        assert!(bucket.take(at(3_000), rate, 20) && !bucket.take(at(3_000), rate, 1));
        assert!(!Bucket::full().take(at(0), rate, 21), "more than it can ever hold");
    }

    #[test]
    fn an_address_is_forgotten_a_minute_after_its_last_connection() {
        let config = ServerConfig { max_connections_per_address: 2, failed_joins_per_minute: 1, ..Default::default() };
        let mut addresses = Addresses::default();
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        assert_eq!([a, a, a].map(|from| addresses.open(at(0), from, &config)), [true, true, false]);
        addresses.failed(at(0), a, &config);
        addresses.close(at(1), a);
        addresses.close(at(1), a);
        assert!(!addresses.may_try(at(59_999), a, &config));
        assert!(addresses.open(at(60_000), b, &config) && addresses.table.len() == 2);
        assert!(addresses.open(at(60_001), b, &config) && addresses.table.len() == 1);
        assert!(addresses.may_try(at(60_001), a, &config));
    }

    #[test]
    fn an_address_is_kept_once_and_while_its_password_is_computed() {
        let config = ServerConfig::default();
        let mut addresses = Addresses::default();
        let [local, other] = ["127.0.0.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        for _ in 0..1_000 {
            addresses.open(at(0), local, &config);
            addresses.close(at(0), local);
        }
        assert_eq!(addresses.fading.len(), 1);
        addresses.checking(local, true);
        addresses.open(at(70_000), other, &config);
        assert_eq!(addresses.table.len(), 2);
        addresses.checking(local, false);
        addresses.open(at(140_000), other, &config);
        assert_eq!((addresses.table.len(), addresses.fading.len()), (1, 0));
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_loopback_has_no_cap() {
        let config = ServerConfig { max_connections_per_address: 1, ..Default::default() };
        let mut addresses = Addresses::default();
        let open = |addresses: &mut Addresses, text: &str| addresses.open(at(0), text.parse().unwrap(), &config);
        assert!(open(&mut addresses, "2001:db8::1") && !open(&mut addresses, "2001:db8::2"));
        assert!(open(&mut addresses, "2001:db8:0:1::1"));
        assert!((0..9).all(|_| open(&mut addresses, "::1") && open(&mut addresses, "127.0.0.1")));
    }
}
