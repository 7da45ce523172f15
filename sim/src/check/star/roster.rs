//! S12: for each observer the epochs of `HostChanged` strictly rise, players come and go in turns and never come again
//! under their number, and incarnations never fall.

use super::{Cast, Check, Life, Lives, Seen};
use std::collections::BTreeMap;
use webstar_core::id::{Incarnation, PlayerId};
use webstar_core::wire::signal::{Epoch, PlayerEntry};

/// Watches who is there, and who is host.
#[derive(Debug, Default)]
pub struct Roster {
    views: Lives<View>,
    /// A server without memory may let a player go that comes back later with what it knows.
    is_restarted: bool,
}

#[derive(Debug, Default)]
struct View {
    epoch: Option<Epoch>,
    /// Everybody ever seen: whether it is there.
    there: BTreeMap<PlayerId, bool>,
    incarnations: BTreeMap<PlayerId, Incarnation>,
}

impl Check for Roster {
    fn name(&self) -> &'static str {
        "roster"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, _cast: &Cast) -> Result<(), String> {
        self.is_restarted |= matches!(seen, Seen::ServerRestarted);
        let is_restarted = self.is_restarted;
        let Some(life) = life else { return Ok(()) };
        let view = self.views.or_default(life);
        let told = match *seen {
            Seen::Joined { members, epoch, .. } => view.joined(members, epoch),
            Seen::Came(entry) => view.came(entry, is_restarted),
            Seen::Changed(entry) => view.changed(entry),
            Seen::Went(player) => view.went(player),
            Seen::HostChanged { epoch, .. } => view.host_changed(epoch),
            _ => Ok(()),
        };
        told.map_err(|why| format!("{life:?} {why}"))
    }
}

impl View {
    fn joined(&mut self, members: &[PlayerEntry], epoch: Epoch) -> Result<(), String> {
        if let Some(known) = self.epoch.filter(|known| epoch < *known) {
            return Err(format!("joined epoch {epoch} after {known}"));
        }
        self.there.values_mut().for_each(|there| *there = false);
        for entry in members {
            self.there.insert(entry.player_id, true);
            self.age(entry)?;
        }
        Ok(())
    }

    fn came(&mut self, entry: &PlayerEntry, is_restarted: bool) -> Result<(), String> {
        let player = entry.player_id;
        match self.there.insert(player, true) {
            None => self.age(entry),
            Some(true) => Err(format!("hears that player {} has come, who is there", player.0)),
            Some(false) if is_restarted => self.age(entry),
            Some(false) => Err(format!("hears that player {} has come, who had gone", player.0)),
        }
    }

    fn changed(&mut self, entry: &PlayerEntry) -> Result<(), String> {
        if self.there.get(&entry.player_id) != Some(&true) {
            return Err(format!("hears that player {} has changed, who is not there", entry.player_id.0));
        }
        self.age(entry)
    }

    fn went(&mut self, player: PlayerId) -> Result<(), String> {
        match self.there.insert(player, false) {
            Some(true) => Ok(()),
            _ => Err(format!("hears that player {} has gone, who was not there", player.0)),
        }
    }

    fn host_changed(&mut self, epoch: Epoch) -> Result<(), String> {
        match self.epoch.replace(epoch) {
            Some(before) if epoch <= before => Err(format!("hears of epoch {epoch} after {before}")),
            _ => Ok(()),
        }
    }

    fn age(&mut self, entry: &PlayerEntry) -> Result<(), String> {
        let known = self.incarnations.insert(entry.player_id, entry.incarnation);
        match known {
            Some(known) if known > entry.incarnation => {
                Err(format!("sees player {} in incarnation {:?} after {known:?}", entry.player_id.0, entry.incarnation))
            }
            _ => Ok(()),
        }
    }
}
