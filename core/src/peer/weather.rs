//! Bad weather for trying a game: drops, delays, doubles and reorders packets of sessions on their way out. Signalling is
//! spared, so that what is tried is the star. The relay stays the stream that it is: what goes through it comes late or
//! not at all, but in its order and once.

use crate::config::{MESSAGE_OVERHEAD, PlayerConfig};
use crate::id::{PathId, PlayerId};
use crate::time::{Duration, Instant};
use rand::RngExt;
use rand::rngs::ChaCha8Rng;
use std::collections::BTreeMap;

/// Bytes under way at most; more are dropped, like in a full router.
const MAX_UNDER_WAY: usize = 4 * 1024 * 1024;
/// What is reordered leaves later by half of this up to this: at 60 packets a second, one to three overtake it.
const HOLD: Duration = Duration::from_millis(50);

/// Where a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// On the stream that carries.
    Relay,
    /// On a direct path.
    Direct(PlayerId, PathId),
}

#[derive(Debug)]
pub(super) struct Weather {
    loss: f64,
    latency: Duration,
    jitter: Duration,
    duplicates: f64,
    reordering: f64,
    random: ChaCha8Rng,
    /// By when it leaves, and in the order in which it was taken.
    under_way: BTreeMap<(Instant, u64), (Way, Vec<u8>)>,
    taken: u64,
    bytes: usize,
    /// When the last packet for the stream leaves that carries; none has been taken for it: none.
    relay_at: Option<Instant>,
    /// The frame that is lent out.
    lent: Vec<u8>,
}

impl Weather {
    pub(super) fn new(config: &PlayerConfig, random: ChaCha8Rng) -> Self {
        Weather {
            loss: config.simulate_packet_loss,
            latency: config.simulate_latency,
            jitter: config.simulate_jitter,
            duplicates: config.simulate_duplicates,
            reordering: config.simulate_reordering,
            random,
            under_way: BTreeMap::new(),
            taken: 0,
            bytes: 0,
            relay_at: None,
            lent: Vec::new(),
        }
    }

    /// Whether there is any.
    pub(super) fn is_bad(&self) -> bool {
        let is_late = !self.latency.is_zero() || !self.jitter.is_zero();
        is_late || [self.loss, self.duplicates, self.reordering].into_iter().any(|share| share > 0.0)
    }

    /// A frame wants to leave. False: it is dropped.
    pub(super) fn take(&mut self, now: Instant, way: Way, frame: &[u8]) -> bool {
        // Every packet costs the same draws, so that one trouble does not change the luck of another.
        let [loss, late, reordering, hold, copy, copy_late]: [f64; 6] = self.random.random();
        if loss < self.loss {
            return false;
        }
        let base = now + self.latency;
        let at = base + self.jitter.mul_f64(late);
        match way {
            Way::Relay => {
                let at = self.relay_at.map_or(at, |last| last.max(at));
                self.relay_at = Some(at);
                self.push(at, way, frame)
            }
            Way::Direct(..) => {
                let hold = if reordering < self.reordering { HOLD.mul_f64(0.5 + hold / 2.0) } else { Duration::ZERO };
                let is_taken = self.push(at + hold, way, frame);
                if copy < self.duplicates {
                    self.push(base + self.jitter.mul_f64(copy_late), way, frame);
                }
                is_taken
            }
        }
    }

    /// False: there is no room.
    fn push(&mut self, at: Instant, way: Way, frame: &[u8]) -> bool {
        let has_room = self.bytes + frame.len() + MESSAGE_OVERHEAD <= MAX_UNDER_WAY;
        if has_room {
            self.bytes += frame.len() + MESSAGE_OVERHEAD;
            self.taken += 1;
            self.under_way.insert((at, self.taken), (way, frame.to_vec()));
        }
        has_room
    }

    /// Where a frame goes that leaves now; [`Weather::frame`] has it then.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Way> {
        let first = self.under_way.first_entry().filter(|first| first.key().0 <= now)?;
        let (way, frame) = first.remove();
        self.bytes -= frame.len() + MESSAGE_OVERHEAD;
        self.lent = frame;
        Some(way)
    }

    pub(super) fn frame(&self) -> &[u8] {
        &self.lent
    }

    /// No stream carries, and what was under way in it is gone.
    pub(super) fn clear_relay(&mut self) {
        if self.relay_at.take().is_some() {
            self.under_way.retain(|_, (way, _)| *way != Way::Relay);
            self.bytes = self.under_way.values().map(|(_, frame)| frame.len() + MESSAGE_OVERHEAD).sum();
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const DIRECT: Way = Way::Direct(PlayerId(2), PathId(1));
    /// Packets of a run, a millisecond apart.
    const COUNT: u32 = 10_000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn weather(config: &PlayerConfig) -> Weather {
        Weather::new(config, ChaCha8Rng::from_seed([5; 32]))
    }

    /// The numbers of packets and when they leave, in milliseconds.
    fn departures(config: &PlayerConfig, way: Way) -> Vec<(u32, f64)> {
        let mut weather = weather(config);
        let mut left = Vec::new();
        let mut drain = |weather: &mut Weather, until: Option<Instant>| {
            while let Some(due) = weather.deadline().filter(|due| until.is_none_or(|until| *due <= until)) {
                assert_eq!(weather.poll(due), Some(way));
                let number = weather.frame().first_chunk().map_or(u32::MAX, |number| u32::from_le_bytes(*number));
                left.push((number, due.as_millis_f64()));
            }
        };
        for number in 0..COUNT {
            let now = at(number.into());
            weather.take(now, way, &number.to_le_bytes());
            drain(&mut weather, Some(now));
        }
        drain(&mut weather, None);
        assert_eq!(weather.bytes, 0, "all has left");
        left
    }

    fn late(left: &[(u32, f64)], by: f64) -> usize {
        left.iter().filter(|(number, at)| at - f64::from(*number) >= by).count()
    }

    #[test]
    fn without_trouble_the_weather_is_good() {
        let fair = PlayerConfig::default();
        assert!(!weather(&fair).is_bad());
        for bad in [
            PlayerConfig { simulate_packet_loss: 0.1, ..fair.clone() },
            PlayerConfig { simulate_latency: ms(1), ..fair.clone() },
            PlayerConfig { simulate_jitter: ms(1), ..fair.clone() },
            PlayerConfig { simulate_duplicates: 0.1, ..fair.clone() },
            PlayerConfig { simulate_reordering: 0.1, ..fair },
        ] {
            assert!(weather(&bad).is_bad(), "{bad:?}");
        }
    }

    #[test]
    fn jitter_spreads_evenly_and_a_stream_keeps_its_order() {
        let config = PlayerConfig { simulate_latency: ms(50), simulate_jitter: ms(20), ..PlayerConfig::default() };
        let direct = departures(&config, DIRECT);
        let waits: Vec<f64> = direct.iter().map(|(number, at)| at - f64::from(*number)).collect();
        assert!(waits.len() == COUNT as usize && waits.iter().all(|wait| (50.0..=70.0).contains(wait)));
        let mean = waits.iter().sum::<f64>() / waits.len() as f64;
        assert!((59.5..60.5).contains(&mean), "{mean}");
        assert!(!direct.is_sorted_by_key(|(number, _)| *number));
        let relay = departures(&config, Way::Relay);
        assert!(relay.len() == COUNT as usize && relay.is_sorted_by_key(|(number, _)| *number));
        assert!((late(&relay, 50.0), late(&relay, 70.1)) == (COUNT as usize, 0), "all are late, none too late");
    }

    #[test]
    fn reordering_holds_some_back_but_not_on_a_stream() {
        let config = PlayerConfig { simulate_reordering: 0.2, ..PlayerConfig::default() };
        let direct = departures(&config, DIRECT);
        assert!((1_900..2_100).contains(&late(&direct, 25.0)), "{}", late(&direct, 25.0));
        assert_eq!((late(&direct, 0.1), late(&direct, 50.1)), (late(&direct, 25.0), 0), "the others leave at once");
        assert_eq!(late(&departures(&config, Way::Relay), 0.1), 0);
    }

    #[test]
    fn some_leave_twice_but_not_on_a_stream() {
        let config = PlayerConfig { simulate_duplicates: 0.3, ..PlayerConfig::default() };
        let direct = departures(&config, DIRECT).len();
        assert!((12_900..13_100).contains(&direct), "{direct}");
        assert_eq!(departures(&config, Way::Relay).len(), COUNT as usize);
    }

    #[test]
    fn one_trouble_does_not_change_the_luck_of_another_and_the_same_seed_has_the_same() {
        let lossy = PlayerConfig { simulate_packet_loss: 0.3, ..PlayerConfig::default() };
        let all = PlayerConfig {
            simulate_latency: ms(9),
            simulate_jitter: ms(3),
            simulate_duplicates: 0.1,
            simulate_reordering: 0.1,
            ..lossy.clone()
        };
        let numbers = |config| {
            let mut numbers: Vec<u32> = departures(config, DIRECT).iter().map(|(number, _)| *number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let arrived = numbers(&lossy);
        assert!((6_900..7_100).contains(&arrived.len()), "{}", arrived.len());
        assert_eq!(arrived, numbers(&all));
        assert_eq!(departures(&all, DIRECT), departures(&all, DIRECT));
    }

    #[test]
    fn what_is_under_way_is_bounded_copies_included() {
        let config = PlayerConfig { simulate_latency: ms(50), simulate_duplicates: 1.0, ..PlayerConfig::default() };
        let mut weather = weather(&config);
        let taken = (0..100_000).filter(|_| weather.take(at(0), DIRECT, &[0; 100])).count();
        let room = MAX_UNDER_WAY / (100 + MESSAGE_OVERHEAD);
        assert_eq!(taken, room.div_ceil(2));
        assert_eq!(core::iter::from_fn(|| weather.poll(at(50))).count(), room);
        assert!(weather.take(at(50), DIRECT, &[0; 100]), "there is room again");
    }

    #[test]
    fn what_was_in_a_stream_goes_with_it() {
        let config = PlayerConfig { simulate_latency: ms(50), simulate_jitter: ms(50), ..PlayerConfig::default() };
        let mut weather = weather(&config);
        for _ in 0..10 {
            weather.take(at(0), Way::Relay, b"in the stream");
            weather.take(at(0), DIRECT, b"beside it");
        }
        weather.clear_relay();
        let left: Vec<Way> = core::iter::from_fn(|| weather.poll(at(100))).collect();
        assert_eq!((left, weather.bytes), (vec![DIRECT; 10], 0));
    }
}
