//! What players say to each other, while they may.

use super::{Floor, What};
use crate::check::{Fact, Life};
use webstar_core::id::PlayerId;
use webstar_core::star::{Channel, Destination};
use webstar_core::time::Duration;

impl Floor {
    pub(super) fn talk(&mut self, life: Life) {
        let every = self.setup.talk_every;
        let after = every / 2 + Duration::from_micros(self.chat.below(every.as_micros() as u64 + 1));
        self.plan(after, What::Talk { life });
        if !self.may_talk {
            return;
        }
        let channel = if self.chat.one_in(2) { Channel::Ordered } else { Channel::Reliable };
        let players: Vec<PlayerId> = self.room.places.keys().copied().collect();
        let someone = self.chat.pick(&players);
        let to = match (self.chat.below(20), someone) {
            (0 | 1, _) => Destination::Others,
            (2 | 3, Some(one)) => Destination::One(one),
            (4, Some(one)) => Destination::AllBut(vec![one]),
            (5, _) => Destination::Host,
            _ => Destination::All,
        };
        let size = self.chat.below(self.setup.size + 1) as usize;
        self.send(life, &to, channel, size);
    }

    /// A message of a player.
    pub(crate) fn send(&mut self, life: Life, to: &Destination, channel: Channel, size: usize) {
        let mut id = None;
        let Some(mut seat) = self.seats.remove(&life) else { return };
        // The checkers know of it before anybody can hear it.
        if seat.asleep_until <= self.now {
            id = seat.send(self.now, to, channel, size);
        }
        self.seats.insert(life, seat);
        if let Some(id) = id {
            self.note(|| format!("{life:?} says {id:?} to {to:?}"));
            self.fact(&Fact::Sent { id, to: to.clone() });
        }
        self.touch(life, |_, _| {});
    }
}
