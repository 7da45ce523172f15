//! S2: whoever has promised another host takes nothing from the old one: until the new view is in force nothing kept is
//! delivered to its application, and nothing is acknowledged.

use super::chronicle::{Chronicle, News};
use super::{Cast, Check, Life, Lives, Seen};
use webstar_core::wire::signal::Epoch;

/// Watches those who have promised.
#[derive(Debug, Default)]
pub struct Barred {
    /// Who was barred after its last step: in which epoch, and by which promise.
    barred: Lives<(Epoch, Epoch)>,
    /// What it was told since.
    told: Lives<String>,
}

impl Check for Barred {
    fn name(&self) -> &'static str {
        "barred"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        let Some(life) = life.filter(|life| self.barred.get(*life).is_some()) else { return Ok(()) };
        let told = match *seen {
            Seen::Delivered { message, .. } if message.position.is_some() => {
                format!("is given {:?} {} of player {}", message.channel, message.seq, message.from.0)
            }
            Seen::Acked(sent, _) => format!("hears that {:?} {} is safe", sent.channel, sent.seq),
            _ => return Ok(()),
        };
        self.told.or_insert(life, told);
        Ok(())
    }

    fn step(&mut self, news: &News, _chronicle: &Chronicle, _cast: &Cast) -> Result<(), String> {
        let state = (news.now.epoch, news.now.promised);
        let was = if news.now.is_barred() {
            self.barred.insert(news.life, state)
        } else {
            self.barred.remove(news.life);
            None
        };
        if was == Some(state) {
            return self.unchanged(news.life);
        }
        // What was told in the step in which it became barred, or free, may have come before or after.
        self.told.remove(news.life);
        Ok(())
    }
}

impl Barred {
    /// A step has changed nothing of the star: whoever is barred was so all the time.
    pub(super) fn unchanged(&mut self, life: Life) -> Result<(), String> {
        let Some((epoch, promised)) = self.barred.get(life) else { return Ok(()) };
        match self.told.remove(life) {
            Some(told) => Err(format!("{life:?} has promised {promised} and {told} in epoch {epoch}")),
            None => Ok(()),
        }
    }
}
