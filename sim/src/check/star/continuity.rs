//! S6: whoever goes from one view to the next has heard what the others heard, or is told otherwise first. Ordered
//! messages come by rising places, none that is committed and meant for the hearer is passed over, and what was delivered
//! is what is committed there, unless `Resynced`, or `ContinuityLost` where a view was forced, comes before anything else.
//! Where messages are delivered before they are safe, who follows a host that others have left may hear what never counts,
//! and is told so when it learns of the newer host.

use super::chronicle::{Chronicle, Line, News, What, host_life};
use super::{Cast, Check, Life, Lives, Seen};
use webstar_core::id::PlayerId;
use webstar_core::peer::{Channel, Position};
use webstar_core::wire::signal::Epoch;

/// Watches what comes over changes of host.
#[derive(Debug, Default)]
pub struct Continuity {
    lives: Lives<Hearing>,
}

#[derive(Debug, Default)]
struct Hearing {
    /// Everything ordered up to this place was heard; nothing is known before the first.
    last: Option<Position>,
    /// In which line.
    since: Option<Epoch>,
    /// It was told that continuity is lost, and has not come to its new line yet.
    is_lost: bool,
    /// In which life of its host it was given something that a newer host had taken back already.
    misled: Option<Epoch>,
    /// What was told in the present step, whose view is known only at its end.
    told: Vec<Told>,
}

#[derive(Clone, Copy, Debug)]
enum Told {
    /// An ordered message: its place, sender and number.
    Message(Position, PlayerId, u64),
    /// It begins, or begins anew, after this place.
    Begins(Position),
    /// Continuity is lost.
    Lost,
}

impl Check for Continuity {
    fn name(&self) -> &'static str {
        "continuity"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        let told = match *seen {
            Seen::Delivered { message, .. } if message.channel == Channel::Ordered => {
                let Some(position) = message.position else { return Ok(()) };
                Told::Message(position, message.from, message.seq)
            }
            Seen::Started(snapshot) | Seen::Resynced(snapshot) => Told::Begins(snapshot.position),
            Seen::ContinuityLost => Told::Lost,
            _ => return Ok(()),
        };
        self.lives.or_default(life).told.push(told);
        Ok(())
    }

    fn step(&mut self, news: &News, chronicle: &Chronicle, cast: &Cast) -> Result<(), String> {
        let before = news.before.as_ref().map_or(news.line, |before| (news.line.0, before.since));
        self.judge(news.life, before, chronicle, cast)
    }
}

impl Continuity {
    /// A step has changed nothing of the star.
    pub(super) fn unchanged(&mut self, life: Life, chronicle: &Chronicle, cast: &Cast) -> Result<(), String> {
        let has_heard = self.lives.get(life).is_some_and(|hearing| !hearing.told.is_empty());
        if !has_heard {
            return Ok(());
        }
        match chronicle.line(life, cast) {
            Some(line) => self.judge(life, line, chronicle, cast),
            None => Ok(()),
        }
    }

    /// A step is over, before which the life was in this line.
    fn judge(&mut self, life: Life, before: Line, chronicle: &Chronicle, cast: &Cast) -> Result<(), String> {
        let Some(hearing) = self.lives.get_mut(life).filter(|hearing| !hearing.told.is_empty()) else { return Ok(()) };
        let (Some(now), Some(player)) = (chronicle.line(life, cast), cast.person(life).player) else { return Ok(()) };
        let is_trusted = |from| !cast.distrusted.contains(&(now.0, from));
        let hasty = chronicle.known(life).filter(|_| cast.hasty.contains(&now.0.lobby)).map(|known| known.epoch);
        // What came before a word about the new line came in the old one.
        let mut line = before;
        let mut all_told = core::mem::take(&mut hearing.told);
        for told in all_told.drain(..) {
            if !matches!(told, Told::Message(..)) {
                line = now;
            }
            let heard = hearing.hear(told, line, player, chronicle, is_trusted, hasty);
            heard.map_err(|why| format!("{life:?}, player {}, {why}", player.0))?;
        }
        hearing.told = all_told;
        Ok(())
    }
}

impl Hearing {
    fn hear(
        &mut self,
        told: Told,
        line: Line,
        player: PlayerId,
        chronicle: &Chronicle,
        is_trusted: impl Fn(PlayerId) -> bool,
        hasty: Option<Epoch>,
    ) -> Result<(), String> {
        let (position, from, seq) = match told {
            Told::Begins(position) => {
                (self.last, self.misled) = (Some(position), None);
                return Ok(());
            }
            Told::Lost => {
                (self.last, self.misled, self.is_lost) = (None, None, true);
                return Ok(());
            }
            Told::Message(position, from, seq) => (position, from, seq),
        };
        if self.since.replace(line.1).is_some_and(|since| since != line.1) && !core::mem::take(&mut self.is_lost) {
            return Err(format!("is given Ordered {seq} of player {} in another line without a word before", from.0));
        }
        let last = self.last.replace(position);
        if last.is_some_and(|last| position <= last) {
            return Err(format!("is given place {} after place {}", position.0, last.unwrap_or_default().0));
        }
        let Some(last) = last else { return Ok(()) };
        let hasty = hasty.map(host_life);
        if let Some(misled) = self.misled {
            let is_same = hasty == Some(misled);
            return if is_same {
                Ok(())
            } else {
                Err(format!("is given place {} after what never counted", position.0))
            };
        }
        for (place, written) in chronicle.committed(line, last.next()).take_while(|(place, _)| *place <= position) {
            let (by, number) = match written.what {
                What::Message { from, channel: Channel::Ordered, seq, .. } => (from, seq),
                // Nothing is to be heard there: no message has this number.
                What::Rejected(from, ..) => (from, 0),
                _ => continue,
            };
            let is_passed = place < position && written.is_for(player) && is_trusted(by);
            if !is_passed && (place < position || (by, number) == (from, seq)) {
                continue;
            }
            if hasty.is_some_and(|present| present < host_life(written.epoch)) {
                self.misled = hasty;
                return Ok(());
            }
            return Err(if is_passed {
                format!("is given place {} without {} at place {}", position.0, written.name(), place.0)
            } else {
                let given = format!("is given Ordered {seq} of player {} at place {}", from.0, place.0);
                format!("{given}, where {} is committed", written.name())
            });
        }
        Ok(())
    }
}
