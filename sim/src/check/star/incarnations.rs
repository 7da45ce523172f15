//! S9: nothing of an old life of a player is put in order after its new life has begun to speak.

use super::chronicle::{Chronicle, Line, News, What};
use super::{Cast, Check, Life, Lives, Seen};
use core::ops::Bound::{Excluded, Unbounded};
use std::collections::BTreeMap;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::peer::Position;
use webstar_core::wire::signal::Epoch;

/// Watches lives that follow one another under one number.
#[derive(Debug, Default)]
pub struct Incarnations {
    /// By line and player: where each of its lives begins in the log, and in which view that was written.
    begins: BTreeMap<(Line, PlayerId), BTreeMap<Incarnation, (Position, Epoch)>>,
    /// What was told in the present step.
    told: Lives<Vec<(PlayerId, Incarnation, Position)>>,
}

impl Check for Incarnations {
    fn name(&self) -> &'static str {
        "incarnations"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        if let (Some(life), &Seen::Delivered { message, origin: Some(origin), .. }) = (life, seen)
            && let Some(position) = message.position
        {
            self.told.or_default(life).push((origin.player, origin.incarnation, position));
        }
        Ok(())
    }

    fn step(&mut self, news: &News, chronicle: &Chronicle, cast: &Cast) -> Result<(), String> {
        for (position, written) in news.fresh.iter().filter(|_| news.now.is_whole()) {
            if let What::Joined(player, incarnation) = written.what {
                let begins = self.begins.entry((news.line, player)).or_default();
                let older = begins.range((Excluded(incarnation), Unbounded)).find(|(_, begin)| begin.0 < *position);
                if let Some((newer, begin)) = older {
                    return Err(format!(
                        "player {} comes as {incarnation:?} at place {} after {newer:?} at place {}",
                        player.0, position.0, begin.0.0
                    ));
                }
                begins.entry(incarnation).or_insert((*position, written.epoch));
            }
        }
        self.judge(news.life, chronicle, cast)
    }
}

impl Incarnations {
    /// A step is over.
    pub(super) fn judge(&mut self, life: Life, chronicle: &Chronicle, cast: &Cast) -> Result<(), String> {
        let Some(told) = self.told.get_mut(life).filter(|told| !told.is_empty()) else { return Ok(()) };
        let (Some(line), Some(known)) = (chronicle.line(life, cast), chronicle.known(life)) else { return Ok(()) };
        for (player, incarnation, position) in told.drain(..) {
            let Some(begins) = self.begins.get(&(line, player)) else { continue };
            // Who has not come to the view in which a life begins has places of its own, and may give them out.
            let is_before = |begin: &(Position, Epoch)| begin.0 < position && begin.1 <= known.epoch;
            let newer = begins.range((Excluded(incarnation), Unbounded)).find(|(_, begin)| is_before(begin));
            if let Some((newer, begin)) = newer {
                return Err(format!(
                    "{life:?} is given place {} of player {} as {incarnation:?}, whose {newer:?} begins at place {}",
                    position.0, player.0, begin.0.0
                ));
            }
        }
        Ok(())
    }
}
