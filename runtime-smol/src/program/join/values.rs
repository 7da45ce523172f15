//! Values on the command line: durations, pairs, floods and trouble.

use std::str::FromStr;
use std::time::Duration;

/// `50ms`, `2s`, `1.5s`, `1m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return Err("a duration has a unit: 50ms, 2s, 1m".into()),
    };
    let wrong = || format!("`{number}` is no number; write a duration as 50ms or 2s");
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * factor).map_err(|_| wrong())
}

/// `key=value`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pair(pub(crate) String, pub(crate) String);

impl FromStr for Pair {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Pair(key.into(), value.into())),
            _ => Err("write it as key=value".into()),
        }
    }
}

/// `RATE:SIZE:COUNT`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Flood {
    /// Messages a second; 0: as fast as they are taken.
    pub(crate) rate: f64,
    /// Bytes of each.
    pub(crate) size: usize,
    /// How many.
    pub(crate) count: u64,
}

impl FromStr for Flood {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write it as RATE:SIZE:COUNT, such as 20:64:1000".to_owned();
        let parts: Vec<&str> = text.split(':').collect();
        let [rate, size, count] = parts[..] else { return Err(wrong()) };
        let flood = Flood {
            rate: rate.parse().map_err(|_| wrong())?,
            size: size.parse().map_err(|_| wrong())?,
            count: count.parse().map_err(|_| wrong())?,
        };
        if (0.0..=1e6).contains(&flood.rate) { Ok(flood) } else { Err("the rate is 0 to 1000000 a second".into()) }
    }
}

/// `loss=0.1,latency=50ms`.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Net {
    /// The share of packets that is lost.
    pub(crate) loss: f64,
    /// What every packet is late.
    pub(crate) latency: Duration,
}

impl FromStr for Net {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut net = Net::default();
        for part in text.split(',') {
            let Pair(key, value) = part.parse()?;
            match key.as_str() {
                "loss" => {
                    net.loss = value.parse().map_err(|_| format!("`{value}` is no share; write 0.1 for a tenth"))?;
                    if !(0.0..=1.0).contains(&net.loss) {
                        return Err("loss is a share from 0 to 1".into());
                    }
                }
                "latency" => net.latency = duration(&value)?,
                _ => return Err(format!("`{key}` is not known here; loss and latency are")),
            }
        }
        Ok(net)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_durations() {
        let good = [("50ms", 50), ("2s", 2000), ("1.5s", 1500), ("1m", 60_000), ("0s", 0)];
        for (text, millis) in good {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "ms", "-1s", "1h", "1e400s", "infs", "nans", "s5"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_of_floods_and_trouble() {
        assert_eq!("20:64:1000".parse(), Ok(Flood { rate: 20.0, size: 64, count: 1000 }));
        for text in ["", "20", "20:64", "20:64:1:1", "x:64:1", "-1:64:1", "nan:64:1", "1:-1:1"] {
            assert!(text.parse::<Flood>().is_err(), "{text}");
        }
        let net = Net { loss: 0.1, latency: Duration::from_millis(50) };
        assert_eq!("loss=0.1,latency=50ms".parse(), Ok(net));
        for text in ["", "loss", "loss=2", "loss=nan", "latency=5", "jitter=10ms"] {
            assert!(text.parse::<Net>().is_err(), "{text}");
        }
    }
}
