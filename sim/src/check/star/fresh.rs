//! S3 for what is not kept: an unreliable message arrives at most once, and of latest-only messages none arrives after a
//! newer one of the same sender, kind and destination.

use super::{Cast, Check, Life, Seen, Submission};
use std::collections::{BTreeMap, BTreeSet};
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::peer::{Channel, Destination};

/// Watches unreliable messages, and those through the server.
#[derive(Debug, Default)]
pub struct Unreliable {
    heard: BTreeSet<(Life, u32)>,
}

impl Check for Unreliable {
    fn name(&self) -> &'static str {
        "unreliable"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        let origin = match *seen {
            Seen::Delivered { origin: Some(origin), .. } => origin,
            Seen::Overheard { stamped: Some(origin), .. } => origin,
            _ => return Ok(()),
        };
        let Some(life) = life else { return Ok(()) };
        let is_mine =
            matches!(seen, Seen::Overheard { .. }) || matches!(origin.channel, None | Some(Channel::Unreliable));
        if is_mine && !self.heard.insert((life, origin.number)) {
            return Err(format!("{life:?} was given {} twice", origin.name()));
        }
        Ok(())
    }
}

/// The destination of a message, in words.
type To = String;

/// Which of a sender's values is newer: each life of its memory counts from 1.
type Age = (Incarnation, u64);

/// Watches latest-only messages.
#[derive(Debug, Default)]
pub struct Latest {
    heard: BTreeMap<(Life, PlayerId, &'static str, To), Age>,
}

impl Check for Latest {
    fn name(&self) -> &'static str {
        "latest"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        let (Some(life), &Seen::Delivered { origin: Some(origin), .. }) = (life, seen) else { return Ok(()) };
        if origin.channel != Some(Channel::Latest) {
            return Ok(());
        }
        let to = key(&origin.to);
        let before = self.heard.insert((life, origin.player, origin.kind, to), age(origin));
        match before.filter(|before| *before >= age(origin)) {
            Some((_, seq)) => Err(format!("{life:?} was given {} after the newer {seq}", origin.name())),
            None => Ok(()),
        }
    }

    fn end(&mut self, cast: &Cast) -> Result<(), String> {
        let mut newest = BTreeMap::new();
        for (origin, life, _) in super::due(cast, Channel::Latest) {
            newest.insert((life, origin.player, origin.kind, key(&origin.to)), origin);
        }
        for (place, origin) in newest {
            if self.heard.get(&place).is_none_or(|heard| *heard < age(origin)) {
                return Err(format!("{:?} was never given the newest value, {}", place.0, origin.name()));
            }
        }
        Ok(())
    }
}

fn age(origin: &Submission) -> Age {
    (origin.incarnation, origin.seq)
}

fn key(to: &Destination) -> To {
    format!("{to:?}")
}
