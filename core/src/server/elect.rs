//! Who is host in name where nobody votes, among guests: pure decisions over what is known of the members. Nothing is
//! changed and nobody told here.

use crate::id::PlayerId;
use crate::wire::signal::{HostCause, Role};
use core::cmp::Reverse;

/// What counts of a member.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Candidate {
    pub(super) id: PlayerId,
    pub(super) role: Role,
    pub(super) connected: bool,
    pub(super) hidden: bool,
    /// The lobby was made for it.
    pub(super) preferred: bool,
}

/// The best first, by derived order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    plays: bool,
    preferred: bool,
    visible: bool,
    older: Reverse<PlayerId>,
}

/// The best host: a connected player, the preferred one before others, a visible one before hidden ones, the oldest
/// first. Where no player is, the first guest has the name of it.
pub(super) fn elect(candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    let eligible = candidates.filter(|candidate| candidate.connected && candidate.role != Role::Spectator);
    eligible.max_by_key(|candidate| Score {
        plays: candidate.role == Role::Player,
        preferred: candidate.preferred && candidate.role == Role::Player,
        visible: !candidate.hidden || candidate.role == Role::Guest,
        older: Reverse(candidate.id),
    })
}

/// The host's chair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Chair {
    /// Nobody has sat on it yet, or nobody does any more and that is known.
    Empty,
    /// A guest sits on it in name.
    Guest,
    /// A player sits on it.
    Taken,
    /// Its player has gone.
    Left(HostCause),
    /// Its guest has gone.
    GuestLeft,
}

/// What is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing.
    Keep,
    /// This one is host from now on.
    Change(PlayerId, Option<HostCause>),
    /// Nobody can be host.
    Vacant,
    /// The lobby ends: its host is lost and it wants no other.
    End,
}

/// What is to be done about the host.
pub(super) fn review(chair: Chair, best: Option<Candidate>, may_migrate: bool) -> Verdict {
    let player = best.filter(|best| best.role == Role::Player);
    match (chair, best) {
        (Chair::Taken, _) => Verdict::Keep,
        (Chair::Left(_), _) if !may_migrate => Verdict::End,
        (Chair::Guest, _) => player.map_or(Verdict::Keep, |player| Verdict::Change(player.id, None)),
        (Chair::Empty, None) => Verdict::Keep,
        (Chair::Empty, Some(best)) => Verdict::Change(best.id, None),
        (Chair::Left(_) | Chair::GuestLeft, None) => Verdict::Vacant,
        (Chair::Left(cause), Some(best)) => Verdict::Change(best.id, Some(cause)),
        (Chair::GuestLeft, Some(best)) => Verdict::Change(best.id, Some(HostCause::Graceful)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: u32, role: Role) -> Candidate {
        Candidate { id: PlayerId(id), role, connected: true, hidden: false, preferred: false }
    }

    #[test]
    fn the_table_of_elections() {
        let [p1, p2, p3] = [1, 2, 3].map(|id| member(id, Role::Player));
        let [g1, g2] = [1, 2].map(|id| member(id, Role::Guest));
        let away = |candidate| Candidate { connected: false, ..candidate };
        let hidden = |candidate| Candidate { hidden: true, ..candidate };
        let preferred = |candidate| Candidate { preferred: true, ..candidate };
        let table: [(&[Candidate], Option<u32>); 12] = [
            (&[], None),
            (&[p1, p2], Some(1)),
            (&[p2, p1], Some(1)),
            (&[away(p1), p2, p3], Some(2)),
            (&[hidden(p1), p2, p3], Some(2)),
            (&[hidden(p1), hidden(p2)], Some(1)),
            (&[p1, preferred(p2)], Some(2)),
            (&[p1, away(preferred(p2))], Some(1)),
            (&[member(1, Role::Spectator)], None),
            (&[g1, p2], Some(2)),
            (&[g1, hidden(p2)], Some(2)),
            (&[preferred(g2), g1], Some(1)),
        ];
        for (members, host) in table {
            assert_eq!(elect(members.iter().copied()).map(|host| host.id.0), host, "{members:?}");
        }
    }

    #[test]
    fn the_table_of_verdicts() {
        use HostCause::Graceful;
        use Verdict::{Change, End, Keep, Vacant};
        let (player, guest) = (member(4, Role::Player), member(5, Role::Guest));
        let table = [
            // The chair, then what happens with nobody, a guest, a player at hand, and a player where hosts are not
            // replaced.
            (Chair::Empty, [Keep, Change(guest.id, None), Change(player.id, None), Change(player.id, None)]),
            (Chair::Guest, [Keep, Keep, Change(player.id, None), Change(player.id, None)]),
            (Chair::Taken, [Keep; 4]),
            (Chair::Left(Graceful), [Vacant, Change(guest.id, Some(Graceful)), Change(player.id, Some(Graceful)), End]),
            (
                Chair::GuestLeft,
                [
                    Vacant,
                    Change(guest.id, Some(Graceful)),
                    Change(player.id, Some(Graceful)),
                    Change(player.id, Some(Graceful)),
                ],
            ),
        ];
        for (chair, expected) in table {
            let found = [(None, true), (Some(guest), true), (Some(player), true), (Some(player), false)]
                .map(|(best, may_migrate)| review(chair, best, may_migrate));
            assert_eq!(found, expected, "{chair:?}");
        }
    }
}
