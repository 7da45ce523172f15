//! S13: nothing that was said in one lobby is heard in another, and nobody of one lobby is seen in another.

use super::{Cast, Check, Life, Seen};
use webstar_core::wire::signal::PlayerEntry;

/// Watches the walls between lobbies.
#[derive(Clone, Copy, Debug)]
pub struct Lobbies;

impl Check for Lobbies {
    fn name(&self) -> &'static str {
        "lobbies"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        let room = cast.person(life).room;
        match *seen {
            Seen::Delivered { stamped: Some(said), .. } | Seen::Overheard { stamped: Some(said), .. }
                if said.room != room =>
            {
                Err(format!("{life:?} in {room:?} was given {} of {:?}", said.name(), said.room))
            }
            Seen::Joined { members, .. } => members.iter().try_for_each(|entry| known(life, room.lobby, entry)),
            Seen::Came(entry) | Seen::Changed(entry) => known(life, room.lobby, entry),
            _ => Ok(()),
        }
    }
}

/// Names begin with the number of their lobby.
fn known(life: Life, lobby: u8, entry: &PlayerEntry) -> Result<(), String> {
    let name = entry.username.as_str();
    if name.split_once('.').is_some_and(|(of, _)| of == lobby.to_string()) {
        return Ok(());
    }
    Err(format!("{life:?} in lobby {lobby} sees `{name}` among its members"))
}
