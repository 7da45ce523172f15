//! Values on the command line: pairs, floods and trouble.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;
use webstar_core::wire::frame::Priority;
pub(crate) use webstar_smol::settings::duration;

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

/// `KIND=high|normal|low`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KindPriority {
    pub(crate) kind: String,
    pub(crate) priority: Priority,
}

impl FromStr for KindPriority {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let priority = |name| match name {
            "high" => Some(Priority::High),
            "normal" => Some(Priority::Normal),
            "low" => Some(Priority::Low),
            _ => None,
        };
        match text.rsplit_once('=').map(|(kind, name)| (kind, priority(name))) {
            Some((kind, Some(priority))) if !kind.is_empty() => Ok(KindPriority { kind: kind.into(), priority }),
            _ => Err("write it as KIND=high, KIND=normal or KIND=low, such as chat=low".into()),
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

/// Longer times are mistakes of units.
const LONGEST_TIME: Duration = Duration::from_secs(3600);

/// `loss=0.1,latency=50ms,jitter=10ms,dup=0.01,reorder=0.01`, any of them.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Net {
    /// The share of packets that is lost.
    pub(crate) loss: f64,
    /// What every packet is late.
    pub(crate) latency: Duration,
    /// What a packet may be late beyond that.
    pub(crate) jitter: Duration,
    /// The share of packets that leave twice.
    pub(crate) duplicates: f64,
    /// The share of packets that others overtake.
    pub(crate) reordering: f64,
}

impl FromStr for Net {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut net = Net::default();
        let mut named = BTreeSet::new();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').unwrap_or((part, ""));
            if !named.insert(key) {
                return Err(format!("`{part}`: {key} stands there twice; write it once"));
            }
            let share = || match value.parse() {
                Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
                _ => Err(format!("`{part}`: write a share from 0 to 1, such as {key}=0.1 for a tenth")),
            };
            let time = || match duration(value) {
                Ok(time) if time <= LONGEST_TIME => Ok(time),
                _ => Err(format!("`{part}`: write a time of at most an hour with its unit, such as {key}=50ms")),
            };
            match key {
                "loss" => net.loss = share()?,
                "latency" => net.latency = time()?,
                "jitter" => net.jitter = time()?,
                "dup" => net.duplicates = share()?,
                "reorder" => net.reordering = share()?,
                _ => {
                    return Err(format!(
                        "`{part}` is not known here; there are loss=0.1, latency=50ms, jitter=10ms, dup=0.01 and \
                         reorder=0.01, with commas between them"
                    ));
                }
            }
        }
        Ok(net)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_floods() {
        assert_eq!("20:64:1000".parse(), Ok(Flood { rate: 20.0, size: 64, count: 1000 }));
        for text in ["", "20", "20:64", "20:64:1:1", "x:64:1", "-1:64:1", "nan:64:1", "1:-1:1"] {
            assert!(text.parse::<Flood>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_of_priorities() {
        let low = |kind: &str| Ok(KindPriority { kind: kind.into(), priority: Priority::Low });
        assert_eq!("chat=low".parse(), low("chat"));
        assert_eq!("a=b=low".parse(), low("a=b"));
        for text in ["", "chat", "=low", "chat=", "chat=critical", "chat=Low"] {
            assert!(text.parse::<KindPriority>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_of_trouble() {
        let ms = Duration::from_millis;
        let net = Net { loss: 0.1, latency: ms(50), jitter: ms(10), duplicates: 0.01, reordering: 0.02 };
        assert_eq!("loss=0.1,latency=50ms,jitter=10ms,dup=0.01,reorder=0.02".parse(), Ok(net));
        assert_eq!("reorder=1,loss=0".parse(), Ok(Net { reordering: 1.0, ..Net::default() }));
        let wrong = [
            ("", "`` is not known here; there are loss=0.1"),
            ("loss=0.1,", "`` is not known here"),
            ("delay=5ms", "`delay=5ms` is not known here"),
            ("loss", "`loss`: write a share from 0 to 1, such as loss=0.1"),
            ("latency=5ms,loss=2", "`loss=2`: write a share"),
            ("loss=nan", "`loss=nan`: write a share"),
            ("dup=1%", "`dup=1%`: write a share from 0 to 1, such as dup=0.1"),
            ("reorder=-0.1", "`reorder=-0.1`: write a share"),
            ("latency=5", "`latency=5`: write a time of at most an hour with its unit, such as latency=50ms"),
            ("jitter=", "`jitter=`: write a time"),
            ("jitter=61m", "`jitter=61m`: write a time of at most an hour"),
            ("loss=0.1,loss=0.2", "`loss=0.2`: loss stands there twice"),
        ];
        for (text, words) in wrong {
            let error = text.parse::<Net>().expect_err(text);
            assert!(error.starts_with(words), "{text}: {error}");
        }
    }
}
