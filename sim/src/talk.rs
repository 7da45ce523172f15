//! A steady conversation over one pipe, measured: how late messages are, and what they cost. The figures of `report`
//! and of the promises come from here.

mod bare;

use crate::crypto::Carrying;
use crate::net::{LinkConfig as Conditions, Pipe, SCTP_BUFFER, Side};
use crate::pair::{Observer, Pair, Wire};
use crate::seed::Seed;
use bare::Bare;
use bytes::Bytes;
use core::time::Duration;
use webstar_core::id::PathId;
use webstar_core::path::{PathKind, relay, webrtc};
use webstar_core::peer::link::{LinkConfig, LinkEvent};
use webstar_core::session::Outbound;
use webstar_core::time::Instant;
use webstar_core::wire::frame::{Delivery, Priority};

/// What carries the conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// Datagrams with nothing below.
    Srtp,
    /// Datagrams with SCTP's congestion control below.
    Sctp,
    /// An ordered stream through the server.
    Relay,
}

impl Carrier {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Carrier::Srtp => "srtp",
            Carrier::Sctp => "sctp",
            Carrier::Relay => "relay",
        }
    }

    /// A wire of this kind that is a real connection; of what there is none, the model.
    pub fn wire_on(self, id: u8, seed: Seed, carrying: Carrying, conditions: Conditions) -> Wire {
        let kind = match self {
            Carrier::Srtp => PathKind::Srtp,
            Carrier::Sctp => PathKind::Sctp,
            Carrier::Relay => PathKind::Relay,
        };
        let pipe = |kind| Pipe::connected(seed, Instant::ZERO, carrying, kind, conditions);
        match (kind != PathKind::Relay).then(|| pipe(kind)).flatten() {
            Some((pipe, facts)) => Wire::new(id, kind, facts, pipe, conditions.delay * 2),
            None => self.wire(id, seed, conditions),
        }
    }

    /// A wire of this kind under the same conditions both ways.
    pub fn wire(self, id: u8, seed: Seed, conditions: Conditions) -> Wire {
        let now = Instant::ZERO;
        let handshake = conditions.delay * 2;
        let facts = |kind| webrtc::facts(kind).expect("connections carry it");
        match self {
            Carrier::Srtp => {
                let pipe = Pipe::datagrams(seed, now, conditions);
                Wire::new(id, PathKind::Srtp, facts(PathKind::Srtp), pipe, handshake)
            }
            Carrier::Sctp => {
                let pipe = Pipe::sctp(seed, now, conditions, SCTP_BUFFER);
                Wire::new(id, PathKind::Sctp, facts(PathKind::Sctp), pipe, handshake)
            }
            Carrier::Relay => {
                let pipe = Pipe::stream(seed, now, conditions, 256 * 1024);
                Wire::new(id, PathKind::Relay, relay::facts(), pipe, handshake)
            }
        }
    }
}

/// A conversation to measure.
#[derive(Clone, Debug)]
pub struct Talk {
    /// What carries it.
    pub carrier: Carrier,
    /// The conditions, both ways.
    pub conditions: Conditions,
    /// What is promised for its messages.
    pub delivery: Delivery,
    /// Their priority.
    pub priority: Priority,
    /// Messages a second, each way.
    pub hz: f64,
    /// Bytes a message.
    pub size: usize,
    /// Not measured before.
    pub warm_up: Duration,
    /// Messages measured, each way.
    pub messages: usize,
    /// The settings of both links.
    pub config: LinkConfig,
}

/// What was measured, both directions pooled.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Submission to delivery, in milliseconds, sorted.
    pub latencies: Vec<f64>,
    /// Messages measured.
    pub sent: usize,
    /// Of these, those that never came.
    pub lost: usize,
    /// Deliveries beyond the first.
    pub duplicated: usize,
    /// All bytes given to the path, both ways, over messages x (size + 40).
    pub bytes_ratio: f64,
}

impl Figures {
    /// A nearest-rank percentile, 0 to 1.
    pub fn percentile(&self, share: f64) -> f64 {
        percentile(&self.latencies, share)
    }
}

/// A nearest-rank percentile of sorted values; zero of none.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// How long after the last message the rest may still arrive.
const AFTERMATH: Duration = Duration::from_secs(60);

struct Ledger {
    since: Instant,
    until: Instant,
    seen: [Vec<bool>; 2],
    latencies: Vec<f64>,
    duplicated: usize,
    bytes: u64,
}

impl Observer for Ledger {
    fn on_event(&mut self, now: Instant, side: Side, event: LinkEvent) {
        if let LinkEvent::Message(message) = event {
            self.take(now, side, &message.payload);
        }
    }

    fn on_packet(&mut self, now: Instant, _side: Side, _path: PathId, bytes: &[u8]) {
        self.count(now, bytes.len());
    }
}

impl Ledger {
    /// A message has come.
    fn take(&mut self, now: Instant, side: Side, payload: &[u8]) {
        let (number, at) = read_stamp(payload);
        let seen = &mut self.seen[usize::from(side == Side::B)];
        if core::mem::replace(&mut seen[number as usize], true) {
            self.duplicated += 1;
        } else if at >= self.since {
            self.latencies.push(now.since(at).as_secs_f64() * 1e3);
        }
    }

    /// So many bytes were given to the path.
    fn count(&mut self, now: Instant, bytes: usize) {
        if now >= self.since && now <= self.until {
            self.bytes += bytes as u64;
        }
    }
}

/// A payload of `size` bytes (at least 16) that tells its number and when it was submitted.
pub fn stamped(number: u64, at: Instant, size: usize) -> Bytes {
    let mut payload = vec![0x5a; size.max(16)];
    payload[..8].copy_from_slice(&number.to_le_bytes());
    payload[8..16].copy_from_slice(&at.as_nanos().to_le_bytes());
    Bytes::from(payload)
}

/// What a [`stamped`] payload tells.
pub fn read_stamp(payload: &[u8]) -> (u64, Instant) {
    let word = |at: usize| payload[at..at + 8].try_into().expect("a stamped payload has 16 bytes");
    (u64::from_le_bytes(word(0)), Instant::from_nanos(i64::from_le_bytes(word(8))))
}

impl Talk {
    /// The conversation of the latency table.
    pub fn new(carrier: Carrier, delivery: Delivery, loss: f64, size: usize) -> Self {
        Talk {
            carrier,
            conditions: Conditions { loss, ..Conditions::with_delay(Duration::from_millis(50)) },
            delivery,
            priority: Priority::Normal,
            hz: 60.0,
            size,
            warm_up: Duration::from_secs(5),
            messages: 20_000,
            config: LinkConfig::default(),
        }
    }

    /// Holds it. The same seed gives the same figures on every machine.
    pub fn measure(&self, seed: Seed) -> Figures {
        self.measure_on(Carrying::Model, seed)
    }

    /// Holds it over real connections, where the carrier has any. Chance in this thread must come from the seed
    /// ([`Carrying::alone`]).
    pub fn measure_on(&self, carrying: Carrying, seed: Seed) -> Figures {
        let keys = [seed.stream("key a").key(), seed.stream("key b").key()];
        let wires = vec![self.carrier.wire_on(0, seed.child("wire", 0), carrying, self.conditions)];
        let pair = Pair::new(&self.config, wires, keys).expect("the settings of a measurement are valid");
        self.hold(pair)
    }

    /// Holds it over a reliable and ordered data channel with nothing of ours in it. Chance in this thread must come from
    /// the seed ([`Carrying::alone`]).
    pub fn measure_bare(&self, seed: Seed) -> Figures {
        self.hold(Bare::new(seed, self.conditions))
    }

    fn hold(&self, mut ends: impl Ends) -> Figures {
        let period = Duration::from_secs_f64(1.0 / self.hz);
        let warm_ups = (self.warm_up.as_secs_f64() * self.hz) as u64;
        let total = warm_ups + self.messages as u64;
        let since = Instant::ZERO + self.warm_up;
        let mut ledger = Ledger {
            since,
            until: Instant::ZERO + period.mul_f64(total as f64),
            seen: [vec![false; total as usize], vec![false; total as usize]],
            latencies: Vec::with_capacity(2 * self.messages),
            duplicated: 0,
            bytes: 0,
        };
        let mut measured = 0;
        for tick in 0..total {
            // The two sides tick apart, as two machines do: by a phase that wanders through all values.
            let at = Instant::ZERO + period.mul_f64(tick as f64);
            let phase = period.mul_f64((tick as f64 * 0.013_7).fract());
            for (side, at) in [(Side::A, at), (Side::B, at + phase)] {
                ends.advance(at, &mut ledger);
                measured += usize::from(at >= since);
                let message = Outbound {
                    priority: self.priority,
                    delivery: self.delivery,
                    key: 0,
                    payload: stamped(tick, at, self.size),
                };
                ends.say(side, message, &mut ledger);
            }
        }
        ends.advance(ledger.until + AFTERMATH, &mut ledger);
        let mut latencies = ledger.latencies;
        latencies.sort_by(f64::total_cmp);
        Figures {
            sent: measured,
            lost: measured.saturating_sub(latencies.len()),
            duplicated: ledger.duplicated,
            bytes_ratio: ledger.bytes as f64 / (measured as f64 * (self.size as f64 + 40.0)),
            latencies,
        }
    }
}

/// Two who talk.
trait Ends {
    /// Lets everything happen that happens up to then.
    fn advance(&mut self, until: Instant, ledger: &mut Ledger);
    /// One of them says something now. What is refused shows as lost.
    fn say(&mut self, side: Side, message: Outbound, ledger: &mut Ledger);
}

impl Ends for Pair {
    fn advance(&mut self, until: Instant, ledger: &mut Ledger) {
        Pair::advance(self, until, ledger);
    }

    fn say(&mut self, side: Side, message: Outbound, ledger: &mut Ledger) {
        let _ = self.send(side, message);
        self.flush(side, ledger);
    }
}
