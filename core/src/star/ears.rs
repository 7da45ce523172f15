//! How the others are heard, and since when the server is silent. What follows from silence is not decided here.

use super::{Ear, Member};
use crate::id::{Incarnation, PlayerId};
use crate::players::Players;
use crate::time::{Duration, Instant};

/// Who was never heard is waited for so long.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// Who has never answered on an open path may still be on its way for so long.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);
/// A server that cannot be spoken to for so long is away.
const SERVER_PATIENCE: Duration = Duration::from_secs(1);

/// What we hear.
#[derive(Debug)]
pub(super) struct Ears {
    players: Players<(Incarnation, Ear)>,
    has_server: bool,
    /// Since when it is as it is.
    since: Instant,
}

impl Ears {
    pub(super) fn new(now: Instant) -> Self {
        Ears { players: Players::new(), has_server: false, since: now }
    }

    /// The roster: a new life is heard anew.
    pub(super) fn on_members(&mut self, now: Instant, members: &Players<Member>) {
        self.players.retain(|player, (incarnation, _)| {
            members.get(player).is_some_and(|member| member.incarnation == *incarnation)
        });
        for member in members.values() {
            let unheard =
                Ear { is_open: false, heard_at: now, patience: FIRST_PATIENCE, rhythm: FIRST_PATIENCE, rtt: None };
            self.players.get_or_insert_with(member.player, || (member.incarnation, unheard));
        }
    }

    pub(super) fn on_ear(&mut self, player: PlayerId, ear: Ear) {
        if let Some((_, known)) = self.players.get_mut(&player) {
            *known = ear;
        }
    }

    pub(super) fn of(&self, player: PlayerId) -> Option<&Ear> {
        self.players.get(&player).map(|(_, ear)| ear)
    }

    /// From when on silence means that the player is not heard any more.
    pub(super) fn silent_at(&self, player: PlayerId) -> Option<Instant> {
        self.of(player).map(|ear| ear.heard_at + ear.patience)
    }

    pub(super) fn is_heard(&self, player: PlayerId, now: Instant) -> bool {
        self.silent_at(player).is_some_and(|at| now < at)
    }

    /// It could be heard if it were there, and is not: whatever the server says of its connection, it is dead, asleep or
    /// cut off.
    pub(super) fn is_silent(&self, player: PlayerId, now: Instant, least: Duration) -> bool {
        self.of(player).filter(|ear| ear.is_open).is_some_and(|ear| {
            let least = if ear.rtt.is_some() { least } else { least.max(ANSWER_PATIENCE) };
            ear.heard_at + ear.patience.max(least) <= now
        })
    }

    /// It was heard at all, lately enough.
    pub(super) fn is_open(&self, player: PlayerId, now: Instant) -> bool {
        self.of(player).is_some_and(|ear| ear.is_open) && self.is_heard(player, now)
    }

    pub(super) fn on_server(&mut self, now: Instant, is_reachable: bool) {
        if self.has_server != is_reachable {
            self.has_server = is_reachable;
            self.since = now;
        }
    }

    pub(super) fn has_server(&self) -> bool {
        self.has_server
    }

    /// From when on the server counts as away.
    pub(super) fn server_away_at(&self) -> Option<Instant> {
        (!self.has_server).then(|| self.since + SERVER_PATIENCE)
    }

    pub(super) fn is_server_away(&self, now: Instant) -> bool {
        self.server_away_at().is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::view::SigningKey;

    /// A backup died while the host had lost the server and its links: it was heard never again, and kept its place for
    /// ever, because who had not answered yet could be on its way.
    #[test]
    fn who_never_answers_on_an_open_path_is_silent_in_the_end() {
        let player = PlayerId(2);
        let key = SigningKey::from_seed(&[2; 32]).public();
        let member = Member { player, incarnation: Incarnation(1), key, is_eligible: true, is_connected: true };
        let mut ears = Ears::new(Instant::ZERO);
        ears.on_members(Instant::ZERO, &Players::from_iter([(player, member)]));
        let known = *ears.of(player).expect("it is a member");
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        assert!(!ears.is_silent(player, at(60), Duration::ZERO), "no path is open");
        ears.on_ear(player, Ear { is_open: true, ..known });
        assert_eq!([9, 10].map(|s| ears.is_silent(player, at(s), Duration::ZERO)), [false, true]);
        ears.on_ear(player, Ear { is_open: true, rtt: Some(Duration::from_millis(50)), ..known });
        assert_eq!(
            [1, 2].map(|s| ears.is_silent(player, at(s), Duration::ZERO)),
            [false, true],
            "it has answered once"
        );
    }
}
