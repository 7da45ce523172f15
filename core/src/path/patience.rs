//! How long a path may be silent and a probe unanswered: the arithmetic of [`Watch`](super::Watch), and its settings.
//! Pure functions of a reading; nothing here knows a state or a moment.

use crate::session::pipe::PathReading;
use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// The settings of a [`Watch`](super::Watch).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct WatchConfig {
    /// The fewest expected packets in a row that must be missing (3: two are lost by chance on any busy Wi-Fi).
    pub missing_least: u32,
    /// The most that are waited for (8: at 30 % loss chance alone loses 8 in a row once in 15,000; waiting longer
    /// would cost a broken path more than a needless switch costs a lossy one).
    pub missing_most: u32,
    /// How rarely chance alone may look like a broken path (1e-5: at 60 Hz about once in half an hour, and then it
    /// costs one round trip on another path).
    pub missing_chance: f64,
    /// Allowed on every expectation for late timers and reordering (5 ms: the jitter of a desktop's scheduler).
    pub grace: Duration,
    /// Allowed on a probe's answer above `srtt + 4 rttvar` (25 ms: the other side's acknowledgement delay of 10 ms,
    /// and one late frame of its game loop).
    pub answer_slack: Duration,
    /// The shortest probe time-out (100 ms: on a nearby path, a pause of the other side's process is no failure).
    pub probe_least: Duration,
    /// The probe time-out before the first round trip is known (250 ms: above most round trips of a continent).
    pub probe_first: Duration,
    /// The longest pause between probes of a path that is not proved (1 s: a path that heals is back within that, and
    /// ten players probing each other so cost nothing).
    pub probe_pause_most: Duration,
    /// The fewest probes in a row that must stay unanswered (2: one datagram lost is no failure).
    pub tries_least: u32,
    /// The most that are sent before an answer is given up (4: at 30 % loss both ways four fail by chance 7 times in
    /// 100; more would take longer than the silence of a busy path).
    pub tries_most: u32,
    /// How rarely lost probes alone may look like a failure (1e-2: far more often than for silence, since it is asked
    /// only where silence has already been longer than promised, or on demand).
    pub tries_chance: f64,
    /// A path whose promised rhythm is slower than this, or not known, is not waited for until it has missed several:
    /// it is asked after one (1 s: above every rhythm of a running game, below the keep-alive of a warm path, which
    /// would need three quarters of a minute to miss three).
    pub ask_after: Duration,
    /// The longest promise that is believed (20 s: above the keep-alive of 15 s). The other side may announce anything.
    pub expected_most: Duration,
    /// How long a path may stay suspect, or open without proof, before it is dead (5 s: shorter outages, such as a
    /// change of the access point, heal by themselves faster than a negotiation). `Duration::MAX` is never.
    pub dead_after: Duration,
}

impl Default for WatchConfig {
    fn default() -> Self {
        WatchConfig {
            missing_least: 3,
            missing_most: 8,
            missing_chance: 1e-5,
            grace: Duration::from_millis(5),
            answer_slack: Duration::from_millis(25),
            probe_least: Duration::from_millis(100),
            probe_first: Duration::from_millis(250),
            probe_pause_most: Duration::from_secs(1),
            tries_least: 2,
            tries_most: 4,
            tries_chance: 1e-2,
            ask_after: Duration::from_secs(1),
            expected_most: Duration::from_secs(20),
            dead_after: Duration::from_secs(5),
        }
    }
}

impl WatchConfig {
    /// For the relay: it never dies of silence. Its pipe, the server connection, is shared by all sessions; a player
    /// who is silent for a while must find it as it was. Only closing ends it.
    pub fn relay() -> Self {
        WatchConfig { dead_after: Duration::MAX, ..WatchConfig::default() }
    }

    /// How many expected packets in a row must be missing: the smallest number that chance explains too rarely.
    pub fn missing(&self, loss: f64) -> u32 {
        smallest_power_below(loss, self.missing_chance, self.missing_least, self.missing_most)
    }

    /// How many probes in a row must stay unanswered. Probe and answer can both be lost.
    pub fn tries(&self, loss: f64) -> u32 {
        let arrives = 1.0 - loss;
        smallest_power_below(1.0 - arrives * arrives, self.tries_chance, self.tries_least, self.tries_most).max(1)
    }

    /// How long nothing may be heard before the path is suspect, or none while the other side has promised nothing.
    ///
    /// The missing packets and the round trip run side by side and the longer counts, so that on a fast path jitter is
    /// covered by the first, which has its own slack (a promise is longer than the mean gap), and not counted twice.
    pub fn silence(&self, reading: &PathReading) -> Option<Duration> {
        let expected = self.expected(reading)?;
        let packets = expected.saturating_mul(self.missing(reading.loss));
        let trip = match reading.rtt {
            Some(rtt) => (rtt.saturating_mul(3) / 2).saturating_add(reading.rtt_var.saturating_mul(4)),
            None => self.probe_first,
        };
        Some(packets.max(trip).saturating_add(self.grace))
    }

    /// How long nothing may be heard before the path is asked, or none if suspicion comes earlier than the question.
    pub fn ask(&self, reading: &PathReading) -> Option<Duration> {
        self.ask_before(reading, self.silence(reading))
    }

    /// As `ask`, with the silence known.
    pub fn ask_before(&self, reading: &PathReading, silence: Option<Duration>) -> Option<Duration> {
        let quiet = self.expected(reading).unwrap_or_default().max(self.ask_after);
        let ask = quiet.saturating_add(reading.rtt_var.saturating_mul(4)).saturating_add(self.grace);
        match silence {
            Some(silence) if silence <= ask => None,
            _ => Some(ask),
        }
    }

    /// How long a probe's answer may take.
    pub fn probe_timeout(&self, reading: &PathReading) -> Duration {
        let Some(rtt) = reading.rtt else { return self.probe_first };
        rtt.saturating_add(reading.rtt_var.saturating_mul(4)).saturating_add(self.answer_slack).max(self.probe_least)
    }

    /// The pause after the `tries`-th probe of a path that is not proved: a probe time-out, doubling.
    pub fn probe_pause(&self, reading: &PathReading, tries: u32) -> Duration {
        let first = self.probe_timeout(reading);
        let doubled = first.saturating_mul(1 << tries.saturating_sub(1).min(16));
        doubled.min(self.probe_pause_most.max(first))
    }

    fn expected(&self, reading: &PathReading) -> Option<Duration> {
        (!reading.expected.is_zero()).then(|| reading.expected.min(self.expected_most))
    }
}

/// The smallest `n` from `least` to `most` with `p^n < chance`, by multiplication: the same on every target. What is
/// no probability is taken as certain loss.
fn smallest_power_below(p: f64, chance: f64, least: u32, most: u32) -> u32 {
    let p = if (0.0..=1.0).contains(&p) { p } else { 1.0 };
    let mut power = 1.0;
    for n in 1..=most {
        power *= p;
        if n >= least && power < chance {
            return n;
        }
    }
    most.max(least)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn reading(rtt: u64, rtt_var: u64, loss: f64, expected: u64) -> PathReading {
        let rtt = (rtt > 0).then(|| ms(rtt));
        PathReading { rtt, rtt_var: ms(rtt_var), loss, unheard: Duration::ZERO, expected: ms(expected) }
    }

    #[test]
    fn how_many_must_be_missing() {
        let config = WatchConfig::default();
        let table = [
            (0.0, 3, 2),
            (0.01, 3, 2),
            (0.021, 3, 2),
            (0.022, 4, 2),
            (0.05, 4, 2),
            (0.1, 6, 3),
            (0.2, 8, 4),
            (0.3, 8, 4),
            (1.0, 8, 4),
            (f64::NAN, 8, 4),
            (f64::INFINITY, 8, 4),
        ];
        for (loss, missing, tries) in table {
            assert_eq!((config.missing(loss), config.tries(loss)), (missing, tries), "loss {loss}");
        }
    }

    #[test]
    fn the_table_of_patience() {
        let config = WatchConfig::default();
        // What, reading, silence, ask, probe time-out.
        let table = [
            ("60 Hz, 40 ms", reading(40, 2, 0.0, 25), Some(80), None, 100),
            ("60 Hz, 40 ms, shaky", reading(40, 5, 0.0, 25), Some(85), None, 100),
            ("60 Hz, 40 ms, lossy", reading(40, 2, 0.1, 25), Some(155), None, 100),
            ("60 Hz, 200 ms", reading(200, 10, 0.0, 25), Some(345), None, 265),
            ("heartbeat", reading(40, 2, 0.05, 110), Some(445), None, 100),
            ("quiet lobby", reading(40, 2, 0.0, 500), Some(1_505), Some(1_013), 100),
            ("warm", reading(40, 2, 0.0, 15_000), Some(45_005), Some(15_013), 100),
            ("nothing promised", reading(40, 2, 0.0, 0), None, Some(1_013), 100),
            ("nothing known", reading(0, 0, 0.0, 25), Some(255), None, 250),
            ("no honest promise", reading(40, 2, 0.0, u64::MAX), Some(60_005), Some(20_013), 100),
        ];
        for (name, reading, silence, ask, timeout) in table {
            assert_eq!(config.silence(&reading), silence.map(ms), "{name}");
            assert_eq!(config.ask(&reading), ask.map(ms), "{name}");
            assert_eq!(config.probe_timeout(&reading), ms(timeout), "{name}");
        }
    }

    #[test]
    fn pauses_double_up_to_a_limit() {
        let config = WatchConfig::default();
        let near = reading(40, 2, 0.0, 25);
        for (tries, pause) in [(0, 100), (1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (u32::MAX, 1_000)] {
            assert_eq!(config.probe_pause(&near, tries), ms(pause), "{tries}");
        }
        let far = reading(2_000, 0, 0.0, 25);
        assert_eq!(config.probe_pause(&far, 3), ms(2_025), "no second probe before the answer to the first");
    }

    #[test]
    fn no_reading_overflows() {
        let worst = PathReading {
            rtt: Some(Duration::MAX),
            rtt_var: Duration::MAX,
            loss: f64::NEG_INFINITY,
            unheard: Duration::MAX,
            expected: Duration::MAX,
        };
        let config = WatchConfig { expected_most: Duration::MAX, grace: Duration::MAX, ..WatchConfig::relay() };
        assert_eq!(config.silence(&worst), Some(Duration::MAX));
        assert_eq!(config.probe_pause(&worst, 9), Duration::MAX);
    }
}
