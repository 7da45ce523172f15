//! S4: everything delivered was submitted, by the sender it names, unchanged, and meant for whoever received it.

use super::{Cast, Check, Life, Seen, Submission};
use webstar_core::id::PlayerId;

/// Watches where messages come from.
#[derive(Clone, Copy, Debug)]
pub struct Provenance;

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
            Seen::Delivered { origin: Some(origin), .. } => meant(life, origin, cast),
            Seen::Overheard { origin: Some(origin), .. } => meant(life, origin, cast),
            Seen::Overheard { from, payload, .. } => {
                Err(format!("guest {life:?} was given {} bytes that player {} never said", payload.len(), from.0))
            }
            _ => Ok(()),
        }
    }
}

fn meant(life: Life, origin: &Submission, cast: &Cast) -> Result<(), String> {
    let person = cast.person(life);
    let player = person.player.unwrap_or(PlayerId(0));
    if origin.is_for(player, person.host) {
        return Ok(());
    }
    Err(format!("{life:?}, player {}, was given {}, which is for {:?}", player.0, origin.name(), origin.to))
}
