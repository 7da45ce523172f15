//! The last ten minutes of a server as lines that can be drawn: it is told what the shards count, every few seconds, and
//! keeps numbers and rates. Nothing in it names a lobby, a player or an address.

use super::ServerStats;
use crate::time::{Duration, Instant};
use serde::Serialize;
use std::collections::VecDeque;

/// How often [`Trend::on_sample`] wants to be told: ten minutes are enough points for a picture as wide as a hand, and a
/// person who waits for the next one does not get bored.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(5);
/// Ten minutes.
const KEPT: usize = 120;

/// Lines of the same length, the newest point last.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Trend {
    /// Between two points.
    every_ms: u64,
    /// Connections open then.
    connections: VecDeque<f64>,
    /// Lobbies then.
    lobbies: VecDeque<f64>,
    /// Players then.
    players: VecDeque<f64>,
    /// Who talked through the server then.
    relaying: VecDeque<f64>,
    /// Messages passed on, a second.
    relayed_per_s: VecDeque<f64>,
    /// Bytes from clients, a second.
    bytes_in_per_s: VecDeque<f64>,
    /// Bytes to clients, a second.
    bytes_out_per_s: VecDeque<f64>,
    /// Joins since the point before.
    joins: VecDeque<f64>,
    /// Steps of WebRTC negotiations passed on since the point before.
    signals: VecDeque<f64>,
    /// Hosts replaced since the point before.
    host_changes: VecDeque<f64>,
    #[serde(skip)]
    last: Option<(Instant, ServerStats)>,
}

impl Trend {
    /// Without a point.
    pub fn new() -> Self {
        Trend { every_ms: u64::try_from(SAMPLE_EVERY.as_millis()).unwrap_or(u64::MAX), ..Trend::default() }
    }

    /// What all shards count together, and how many talk through the server. The first one only says where the rates
    /// begin.
    pub fn on_sample(&mut self, now: Instant, stats: &ServerStats, relaying: u64) {
        let before = self.last.replace((now, stats.clone()));
        let Some((then, old)) = before.filter(|(then, _)| now > *then) else { return };
        let seconds = now.since(then).as_secs_f64();
        let since = |new: u64, old: u64| as_number(new.saturating_sub(old));
        let rate = |new: u64, old: u64| (since(new, old) / seconds * 10.0).round() / 10.0;
        let points = [
            (&mut self.connections, as_number(stats.connections)),
            (&mut self.lobbies, as_number(stats.lobbies)),
            (&mut self.players, as_number(stats.players)),
            (&mut self.relaying, as_number(relaying)),
            (&mut self.relayed_per_s, rate(stats.relayed, old.relayed)),
            (&mut self.bytes_in_per_s, rate(stats.bytes_in, old.bytes_in)),
            (&mut self.bytes_out_per_s, rate(stats.bytes_out, old.bytes_out)),
            (&mut self.joins, since(stats.joins, old.joins)),
            (&mut self.signals, since(stats.signals, old.signals)),
            (&mut self.host_changes, since(stats.host_changes, old.host_changes)),
        ];
        for (line, point) in points {
            if line.len() == KEPT {
                line.pop_front();
            }
            line.push_back(point);
        }
    }
}

/// Counters stay far below the 2^53 from which on a number of JavaScript is not exact.
#[expect(clippy::cast_precision_loss, reason = "the counters are smaller than that")]
fn as_number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn told(trend: &Trend) -> Value {
        serde_json::to_value(trend).unwrap()
    }

    #[test]
    fn rates_are_what_came_since_the_point_before() {
        let mut trend = Trend::new();
        let mut stats = ServerStats { players: 4, relayed: 1_000, joins: 4, ..ServerStats::default() };
        trend.on_sample(at(10), &stats, 0);
        assert_eq!(told(&trend)["players"], json!([]));
        stats = ServerStats { players: 5, relayed: 1_502, joins: 6, host_changes: 1, ..stats };
        trend.on_sample(at(15), &stats, 3);
        // A moment that is told twice divides by nothing.
        trend.on_sample(at(15), &stats, 3);
        trend.on_sample(at(20), &ServerStats::default(), 0);
        let told = told(&trend);
        assert_eq!(told["every_ms"], 5_000);
        let lines = ["players", "relaying", "relayed_per_s", "joins", "host_changes"].map(|name| told[name].clone());
        let expected = [[5.0, 0.0], [3.0, 0.0], [100.4, 0.0], [2.0, 0.0], [1.0, 0.0]].map(|line| json!(line));
        assert_eq!(lines, expected);
    }

    #[test]
    fn ten_minutes_are_kept() {
        let mut trend = Trend::new();
        for sample in 0..=200 {
            trend.on_sample(at(sample * 5), &ServerStats { lobbies: sample, ..ServerStats::default() }, 0);
        }
        let told = told(&trend);
        let lobbies = told["lobbies"].as_array().unwrap();
        assert_eq!((lobbies.len(), &lobbies[0], &lobbies[119]), (120, &json!(81.0), &json!(200.0)));
    }
}
