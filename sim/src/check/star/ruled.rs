//! Where hosts' games have the last word, what they decide is what happens: only what one has accepted is heard as it was
//! sent, only what one has rewritten is heard so, and of what all have rejected nobody hears but its sender, once, that it
//! was. What a host says itself needs nobody's leave, and guests hear everything as it was sent. That all hear the same, the
//! other checkers see to: each decision has its place in the log.

use super::chronicle::{Chronicle, News};
use super::{Cast, Check, Life, Seen, Submission};
use std::collections::BTreeSet;
use webstar_core::wire::star::Ruling;

/// Watches what becomes of proposals.
#[derive(Debug, Default)]
pub struct Ruled {
    /// Lobbies, by number, in which games decide.
    lobbies: BTreeSet<u8>,
    /// Whoever has been host.
    hosts: BTreeSet<Life>,
    /// Messages that were heard as they were sent although no game had accepted them.
    unasked: BTreeSet<u32>,
    /// By sender: messages of which it heard that they were rejected.
    told: BTreeSet<(Life, u32)>,
}

impl Check for Ruled {
    fn name(&self) -> &'static str {
        "ruled"
    }

    fn see(&mut self, life: Option<Life>, seen: &Seen<'_>, cast: &Cast) -> Result<(), String> {
        let Some(life) = life else { return Ok(()) };
        match *seen {
            Seen::Delivered { message, origin: Some(origin), .. } => self.heard(life, origin, &message.payload),
            Seen::Promoted(_, tail) => {
                let room = cast.person(life).room;
                let origins = tail
                    .iter()
                    .filter_map(|message| Some((message, cast.origin(room, message, cast.stamped(&message.payload))?)));
                origins.into_iter().try_for_each(|(message, origin)| self.heard(life, origin, &message.payload))
            }
            Seen::Rejected(sent, None) => {
                Err(format!("{life:?} hears that {:?} {} is rejected, which it never said", sent.channel, sent.seq))
            }
            Seen::Rejected(_, Some(origin)) if !origin.rulings.contains(&Ruling::Rejected) => {
                Err(format!("{life:?} hears that {} is rejected, which no game has done", origin.name()))
            }
            Seen::Rejected(_, Some(origin)) if !self.told.insert((life, origin.number)) => {
                Err(format!("{life:?} hears twice that {} is rejected", origin.name()))
            }
            // A game that begins anew from a snapshot may hear again what it had heard beyond it.
            Seen::ContinuityLost | Seen::Started(_) | Seen::Resynced(_) => {
                self.told.retain(|(sender, _)| *sender != life);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn step(&mut self, news: &News, _chronicle: &Chronicle, _cast: &Cast) -> Result<(), String> {
        if news.now.hosts() {
            self.hosts.insert(news.life);
        }
        Ok(())
    }

    fn end(&mut self, cast: &Cast) -> Result<(), String> {
        let mut unasked = self.unasked.iter().map(|number| &cast.submissions()[*number as usize]);
        let is_trusted = |origin: &Submission| !cast.distrusted.contains(&(origin.room, origin.player));
        match unasked.find(|origin| is_trusted(origin) && !self.hosts.contains(&origin.life)) {
            Some(origin) => Err(format!("{} was heard as it was sent, and no game had accepted it", origin.name())),
            None => Ok(()),
        }
    }
}

impl Ruled {
    /// In these lobbies games decide.
    pub fn new(lobbies: BTreeSet<u8>) -> Self {
        Ruled { lobbies, ..Ruled::default() }
    }

    fn heard(&mut self, life: Life, origin: &Submission, payload: &[u8]) -> Result<(), String> {
        // Empty words may stand for those of a guest, which are not the game's business.
        let is_of_matter = origin.is_kept() && !origin.payload.is_empty();
        let Some(ruling) = origin.ruling_of(payload).filter(|_| is_of_matter) else { return Ok(()) };
        match ruling {
            _ if origin.rulings.contains(&ruling) => {}
            Ruling::AsSent if self.lobbies.contains(&origin.room.lobby) => _ = self.unasked.insert(origin.number),
            Ruling::AsSent => {}
            _ => return Err(format!("{life:?} is given {} rewritten, which no game has done", origin.name())),
        }
        Ok(())
    }

    /// What was rejected and its sender, who is there and has heard everything since, was not told.
    pub(super) fn untold<'a>(&'a self, cast: &'a Cast) -> impl Iterator<Item = (&'a Submission, Life)> {
        let is_rejected = |origin: &&Submission| {
            !origin.rulings.is_empty() && origin.rulings.iter().all(|one| *one == Ruling::Rejected)
        };
        let is_owed = move |origin: &&Submission| {
            let sender = cast.person(origin.life);
            let is_here = sender.is_joined && !sender.is_over && sender.room == origin.room;
            let has_heard = sender.since <= origin.at && origin.acked_at.is_some() && origin.acked_in == sender.line;
            is_here
                && has_heard
                && !self.hosts.contains(&origin.life)
                && !cast.distrusted.contains(&(origin.room, origin.player))
        };
        let owed = cast.submissions().iter().filter(is_rejected).filter(is_owed);
        owed.map(|origin| (origin, origin.life)).filter(|(origin, life)| !self.told.contains(&(*life, origin.number)))
    }
}
