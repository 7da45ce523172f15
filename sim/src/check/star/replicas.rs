//! S7: the logs of a host and of its backups in one term are prefixes of one another: at each place all say the same.

use super::chronicle::{Chronicle, Line, News};
use super::{Cast, Check, Life, Seen};
use std::collections::BTreeMap;
use webstar_core::peer::Position;

/// Watches logs.
#[derive(Debug, Default)]
pub struct Replicas {
    /// By line and term: what stands at each place, and in whose log it was seen first.
    places: BTreeMap<(Line, u32), BTreeMap<Position, (u64, Life)>>,
}

impl Check for Replicas {
    fn name(&self) -> &'static str {
        "replicas"
    }

    fn see(&mut self, _life: Option<Life>, _seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        Ok(())
    }

    fn step(&mut self, news: &News, _chronicle: &Chronicle, _cast: &Cast) -> Result<(), String> {
        if !news.now.is_whole() {
            return Ok(());
        }
        let places = self.places.entry((news.line, news.now.epoch.term)).or_default();
        for (position, written) in &news.fresh {
            let (digest, first) = *places.entry(*position).or_insert((written.digest, news.life));
            if digest != written.digest {
                return Err(format!(
                    "place {} of epoch {} says {} in the log of {:?}, and something else in that of {first:?}",
                    position.0,
                    news.now.epoch,
                    written.name(),
                    news.life
                ));
            }
        }
        Ok(())
    }
}
