//! S4: everything delivered was submitted, by the sender it names, unchanged, and meant for whoever received it.

use super::{Cast, Check, Life, Room, Seen, Submission};
use std::collections::BTreeSet;
use webstar_core::id::PlayerId;
use webstar_core::peer::{Destination, PeerMessage};

/// Watches where messages come from.
#[derive(Debug, Default)]
pub struct Provenance {
    /// Whoever was host: what is for the host may come when somebody else is host already.
    hosts: BTreeSet<(Room, PlayerId)>,
}

impl Check for Provenance {
    fn name(&self) -> &'static str {
        "provenance"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        match *seen {
            Seen::Delivered { message, origin: None, .. } => Err(format!(
                "{life:?} was given {:?} {} `{}` of {} bytes in the name of player {}, who never said that",
                message.channel,
                message.seq,
                message.kind.as_str(),
                message.payload.len(),
                message.from.0
            )),
            Seen::Delivered { origin: Some(origin), .. } | Seen::Overheard { origin: Some(origin), .. } => {
                self.meant(life, origin, cast)
            }
            Seen::Promoted(_, tail) => {
                let room = cast.person(life).room;
                let is_foreign = |message: &&PeerMessage| {
                    let origin = cast.origin(room, message, cast.stamped(&message.payload));
                    origin.is_none() && !cast.distrusted.contains(&(room, message.from))
                };
                match tail.iter().find(is_foreign) {
                    Some(message) => Err(format!(
                        "{life:?} goes on as host with {:?} {} of player {}, who never said that",
                        message.channel, message.seq, message.from.0
                    )),
                    None => Ok(()),
                }
            }
            Seen::HostChanged { host, .. } => {
                self.hosts.insert((cast.person(life).room, host));
                Ok(())
            }
            Seen::Overheard { from, payload, .. } => {
                Err(format!("guest {life:?} was given {} bytes that player {} never said", payload.len(), from.0))
            }
            _ => Ok(()),
        }
    }
}

impl Provenance {
    fn meant(&self, life: Life, origin: &Submission, cast: &Cast) -> Result<(), String> {
        let person = cast.person(life);
        let player = person.player.unwrap_or(PlayerId(0));
        let was_host = origin.to == Destination::Host && self.hosts.contains(&(person.room, player));
        if was_host || origin.is_for(player, person.host) {
            return Ok(());
        }
        Err(format!("{life:?}, player {}, was given {}, which is for {:?}", player.0, origin.name(), origin.to))
    }
}
