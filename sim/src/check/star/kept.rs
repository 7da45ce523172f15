//! S5: what is committed stays. A host counts as committed only what all backups of its view have stored; whoever becomes
//! host in the same line has it in its log or below its cut; and no place of a line is ever committed with two contents.
//! Of a view that was forced nothing is demanded but that it says so: [`super::Continuity`].

use super::chronicle::{Chronicle, News};
use super::{Cast, Check, Life, Room, Seen};
use std::collections::BTreeMap;
use webstar_core::id::PlayerId;
use webstar_core::peer::Position;
use webstar_core::star::Role;

/// Watches what is committed.
#[derive(Debug, Default)]
pub struct Kept {
    /// By lobby, term and player: how far its log went at most while it was whole in that term.
    stored: BTreeMap<(Room, u32, PlayerId), Position>,
}

impl Check for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn see(&mut self, _life: Option<Life>, _seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        Ok(())
    }

    fn step(&mut self, news: &News, chronicle: &Chronicle, cast: &Cast) -> Result<(), String> {
        self.store(news, cast);
        if let Some(altered) = &news.altered {
            let (place, before, now) = (altered.position.0, altered.before.name(), altered.now.name());
            return Err(format!("place {place} of {:?} says {now}, and {before} was committed there", news.life));
        }
        if !news.now.hosts() || !news.now.is_whole() {
            return Ok(());
        }
        self.backed(news, cast)?;
        let is_new_host = news.before.as_ref().is_none_or(|before| {
            !before.hosts() || before.epoch.term != news.now.epoch.term || before.since != news.now.since
        });
        if is_new_host { complete(news, chronicle) } else { Ok(()) }
    }
}

impl Kept {
    fn store(&mut self, news: &News, cast: &Cast) {
        // A backup may hold a copy for a view that is not in force yet.
        if let (Some(player), Some((_, whole_in, end))) = (cast.person(news.life).player, news.now.log) {
            // Whoever has frozen holds for its successor what it has.
            let terms = [Some(whole_in.term), (news.now.role == Role::Frozen).then_some(news.now.promised.term)];
            for term in terms.into_iter().flatten() {
                let stored = self.stored.entry((news.line.0, term, player)).or_default();
                *stored = end.max(*stored);
            }
            // Who stores the last entry of a host and follows it as host in one step has stored it all the same.
            for (place, written) in &news.fresh {
                let stored = self.stored.entry((news.line.0, written.epoch.term, player)).or_default();
                *stored = (*stored).max(*place);
            }
        }
    }

    /// What the host holds to be committed is with all its backups.
    fn backed(&self, news: &News, cast: &Cast) -> Result<(), String> {
        let before = news.before.as_ref().filter(|before| before.hosts() && before.since == news.now.since);
        let is_forced = news.now.since == news.now.epoch;
        // What a host that was forced brings along is lost with it, until its backups have it too.
        if before.map_or(is_forced, |before| before.committed == news.now.committed) {
            return Ok(());
        }
        let is_watched = |backup: &&PlayerId| !cast.distrusted.contains(&(news.line.0, **backup));
        for backup in news.now.backups.iter().filter(is_watched) {
            let stored = self.stored.get(&(news.line.0, news.now.epoch.term, *backup)).copied().unwrap_or_default();
            if stored < news.now.committed {
                return Err(format!(
                    "{:?} holds {} places to be committed in epoch {}, of which its backup, player {}, has {}",
                    news.life, news.now.committed.0, news.now.epoch, backup.0, stored.0
                ));
            }
        }
        Ok(())
    }
}

/// A new host has everything that was committed in its line.
fn complete(news: &News, chronicle: &Chronicle) -> Result<(), String> {
    let cut = news.now.log.map(|(cut, ..)| cut).unwrap_or_default();
    let log: BTreeMap<Position, u64> = news.fresh.iter().map(|(place, written)| (*place, written.digest)).collect();
    if !news.is_anew {
        return Ok(());
    }
    for (position, written) in chronicle.committed(news.line, cut.next()) {
        // Whoever slept while others went on may take up an old view for a moment: its voters let it commit nothing.
        if written.epoch > news.now.epoch {
            continue;
        }
        match log.get(&position) {
            Some(digest) if *digest == written.digest => {}
            there => {
                let instead = if there.is_some() { "something else" } else { "nothing" };
                return Err(format!(
                    "{:?} is host in epoch {} and has {instead} at place {}, where {} was committed",
                    news.life,
                    news.now.epoch,
                    position.0,
                    written.name()
                ));
            }
        }
    }
    Ok(())
}
