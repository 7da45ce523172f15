//! S1: in one epoch at most one life ever puts messages in order, and in one term but for those whose rounds are drawn.

use super::chronicle::{Chronicle, News, host_life};
use super::{Cast, Check, Life, Room, Seen};
use std::collections::BTreeMap;
use webstar_core::wire::signal::Epoch;

/// Watches who is host.
#[derive(Debug, Default)]
pub struct Sequencer {
    hosts: BTreeMap<(Room, Epoch), Life>,
}

impl Check for Sequencer {
    fn name(&self) -> &'static str {
        "sequencer"
    }

    fn see(&mut self, _life: Option<Life>, _seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        Ok(())
    }

    fn step(&mut self, news: &News, _chronicle: &Chronicle, _cast: &Cast) -> Result<(), String> {
        if !news.now.hosts() {
            return Ok(());
        }
        let host = *self.hosts.entry((news.line.0, host_life(news.now.epoch))).or_insert(news.life);
        if host == news.life {
            return Ok(());
        }
        Err(format!("{:?} puts messages in order in epoch {}, as {host:?} did", news.life, news.now.epoch))
    }
}
