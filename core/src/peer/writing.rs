//! Which link writes the next packet: each until it has nothing more to say, or in turns where what all send together is
//! limited; and that links with a tick speak at one moment.

use super::hub::Hub;
use crate::id::{PathId, PlayerId};
use crate::time::Instant;

impl Hub {
    /// Writes the next packet of any link, and tells for whom and on which path; [`Hub::packet`] has it then.
    pub(super) fn write_packet(&mut self, now: Instant) -> Option<(PlayerId, PathId)> {
        let (player, path) = if self.upload.is_some() { self.write_in_turn(now) } else { self.write_next() }?;
        self.share_tick(player);
        Some((player, path))
    }

    /// The packet that was written last for a player.
    pub(super) fn packet(&self, player: PlayerId) -> &[u8] {
        self.spokes.get(&player).map_or(&[], |spoke| spoke.link.packet())
    }

    fn write_next(&mut self) -> Option<(PlayerId, PathId)> {
        for (player, spoke) in self.spokes.iter_mut().filter(|(_, spoke)| spoke.is_dirty) {
            if let Some(path) = spoke.link.write_packet() {
                return Some((*player, path));
            }
            spoke.rest(self.config.heartbeat_timeout);
        }
        None
    }

    /// The link that has sent least goes first; what has to wait for the shared bucket stays in its lanes.
    fn write_in_turn(&mut self, now: Instant) -> Option<(PlayerId, PathId)> {
        let upload = self.upload.as_mut()?;
        loop {
            let dirty = self.spokes.iter_mut().filter(|(_, spoke)| spoke.is_dirty);
            let (player, spoke) = dirty.min_by_key(|(_, spoke)| upload.place(spoke.spent))?;
            spoke.link.hold_until(upload.closed_until(now));
            if let Some(path) = spoke.link.write_packet() {
                upload.on_sent(now, spoke.link.packet().len(), &mut spoke.spent);
                return Some((*player, path));
            }
            spoke.rest(self.config.heartbeat_timeout);
        }
    }

    /// With a tick the messages of all links leave at one moment: waking costs more than writing.
    fn share_tick(&mut self, with: PlayerId) {
        let at = self.spokes.get(&with).and_then(|spoke| spoke.link.ticked_at());
        if let Some(at) = at.filter(|at| self.ticked_at < Some(*at)) {
            self.ticked_at = Some(at);
            self.spokes.values_mut().for_each(|spoke| spoke.link.tick_with(at));
        }
    }
}
