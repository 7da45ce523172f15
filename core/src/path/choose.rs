//! Which of the paths carries the next packet. A pure ranking: it neither watches paths nor remembers anything; what
//! favours the present path is told with the question.

use crate::id::PathId;
use crate::session::pipe::PathState;
use crate::time::Duration;
use serde::{Deserialize, Serialize};

/// The best path to send on now, or none if nothing is up. Of two with the same [`Score`] the lower id wins, so that
/// the order of the candidates does not matter.
pub fn choose<'a>(candidates: impl Iterator<Item = &'a Candidate>, current: Option<PathId>) -> Option<PathId> {
    candidates
        .filter_map(|candidate| Some((Score::of(candidate, current)?, core::cmp::Reverse(candidate.id))))
        .max()
        .map(|(_, core::cmp::Reverse(id))| id)
}

/// What a path is made of, from the least liked to the best: derived `Ord` ranks by it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum PathKind {
    /// Binary frames through the lobby server.
    Relay,
    /// A data channel that the embedder drives.
    External,
    /// Our own data channel: a congestion control below that collapses under loss.
    Sctp,
    /// RTP payloads: latency stays flat under loss.
    Srtp,
}

impl PathKind {
    /// Whether paths of the two kinds are pipes of one connection: what cuts the one cuts the other.
    pub fn shares_connection(self, other: PathKind) -> bool {
        [self, other].iter().all(|kind| matches!(kind, PathKind::Sctp | PathKind::Srtp))
    }
}

/// One path as the choice sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name.
    pub id: PathId,
    /// What it is made of.
    pub kind: PathKind,
    /// How its watch judges it.
    pub state: PathState,
    /// Its pipe is open. Tells an `Opening` path that can be sent on from one still being set up.
    pub up: bool,
    /// Datagrams take the way over a TURN server. Of no account for [`PathKind::Relay`].
    pub relayed: bool,
    /// Smoothed round trip, if known.
    pub rtt: Option<Duration>,
}

/// The worth of a path. The order of the fields is the order of importance; greater is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Score {
    standing: Standing,
    /// Among suspects the present path stays: a switch between two silent paths only costs what is on its way.
    held: bool,
    route: Route,
    kind: PathKind,
    near: u8,
    /// The last word is for the present path.
    current: bool,
}

impl Score {
    /// The worth of `candidate`, or none if nothing can be sent on it.
    pub fn of(candidate: &Candidate, current: Option<PathId>) -> Option<Score> {
        let standing = Standing::of(candidate)?;
        let is_current = current == Some(candidate.id);
        Some(Score {
            standing,
            held: is_current && standing == Standing::Suspect,
            route: Route::of(candidate),
            kind: candidate.kind,
            near: nearness(candidate.rtt).saturating_add(u8::from(is_current)),
            current: is_current,
        })
    }
}

/// How far a path has proved itself, worst to best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
enum Standing {
    /// Used only if there is nothing better.
    Suspect,
    /// Open, with no proof of any kind yet.
    Unproved,
    /// An open relay: the handshake with the server is half of the proof, so that the first message may leave on it,
    /// and a direct path that has just opened does not take over before its probe has come back.
    Connected,
    /// A probe has come back.
    Usable,
}

impl Standing {
    fn of(candidate: &Candidate) -> Option<Standing> {
        match (candidate.up, candidate.state, candidate.kind) {
            (false, _, _) | (_, PathState::Dead, _) => None,
            (true, PathState::Usable, _) => Some(Standing::Usable),
            (true, PathState::Opening, PathKind::Relay) => Some(Standing::Connected),
            (true, PathState::Opening, _) => Some(Standing::Unproved),
            (true, PathState::Suspect, _) => Some(Standing::Suspect),
        }
    }
}

/// How much stands in the way, worst to best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
enum Route {
    /// A stream to the lobby server and another from it.
    Server,
    /// Datagrams over a TURN server.
    Turn,
    /// Datagrams straight to the other side.
    Direct,
}

impl Route {
    fn of(candidate: &Candidate) -> Route {
        match (candidate.kind, candidate.relayed) {
            (PathKind::Relay, _) => Route::Server,
            (_, true) => Route::Turn,
            (_, false) => Route::Direct,
        }
    }
}

/// Round trips below this are alike to a player.
const NEAR: Duration = Duration::from_millis(10);
/// Classes told apart; the last holds everything above 10 ms * 2^9, about 5 s, and what was never measured.
const FARTHEST: u8 = 10;

/// Classes of doubled round trips, counted from the far end. The present path is given one class more, so that a
/// challenger has to be clearly nearer (by half at the least), and noise around a boundary moves nothing.
fn nearness(rtt: Option<Duration>) -> u8 {
    let Some(rtt) = rtt else { return 0 };
    let class = (0..FARTHEST).find(|class| rtt < NEAR * (1 << class)).unwrap_or(FARTHEST);
    FARTHEST - class
}

#[cfg(test)]
mod tests {
    use super::*;
    use PathKind::{External, Relay, Sctp, Srtp};
    use PathState::{Dead, Opening, Suspect, Usable};

    fn path(id: u8, kind: PathKind, state: PathState, rtt_ms: u64) -> Candidate {
        let rtt = (rtt_ms > 0).then(|| Duration::from_millis(rtt_ms));
        Candidate { id: PathId(id), kind, state, up: true, relayed: false, rtt }
    }

    fn down(candidate: Candidate) -> Candidate {
        Candidate { up: false, ..candidate }
    }

    fn turned(candidate: Candidate) -> Candidate {
        Candidate { relayed: true, ..candidate }
    }

    #[test]
    fn the_table_of_choices() {
        let table: [(_, &[Candidate], Option<u8>, _); 20] = [
            ("nothing", &[], None, None),
            ("all dead", &[down(path(0, Relay, Dead, 0)), down(path(1, Srtp, Dead, 0))], Some(0), None),
            ("being set up carries nothing", &[down(path(0, Relay, Opening, 0))], None, None),
            ("first message leaves on the relay", &[path(0, Relay, Opening, 0)], None, Some(0)),
            ("unproved direct waits", &[path(0, Relay, Opening, 0), path(1, Srtp, Opening, 0)], Some(0), Some(0)),
            ("without relay it is used", &[path(1, Srtp, Opening, 0)], None, Some(1)),
            ("proof takes over", &[path(0, Relay, Usable, 9), path(1, Sctp, Usable, 90)], Some(0), Some(1)),
            ("suspect is left", &[path(0, Relay, Usable, 90), path(1, Srtp, Suspect, 9)], Some(1), Some(0)),
            ("even for an unproved relay", &[path(0, Relay, Opening, 0), path(1, Srtp, Suspect, 9)], Some(1), Some(0)),
            ("suspect if nothing else", &[down(path(0, Relay, Dead, 0)), path(1, Srtp, Suspect, 9)], None, Some(1)),
            ("suspects: stay", &[path(0, Relay, Suspect, 9), path(1, Srtp, Suspect, 9)], Some(0), Some(0)),
            ("suspects, none current: best", &[path(0, Relay, Suspect, 9), path(1, Srtp, Suspect, 9)], None, Some(1)),
            ("srtp over sctp", &[path(1, Srtp, Usable, 40), path(2, Sctp, Usable, 40)], Some(2), Some(1)),
            ("direct over turn", &[turned(path(1, Srtp, Usable, 40)), path(2, External, Usable, 90)], Some(1), Some(2)),
            ("turn over relay", &[path(0, Relay, Usable, 9), turned(path(1, Sctp, Usable, 90))], Some(0), Some(1)),
            ("alike: stay", &[path(1, Srtp, Usable, 39), path(2, Srtp, Usable, 41)], Some(2), Some(2)),
            ("one class: stay", &[path(1, Srtp, Usable, 21), path(2, Srtp, Usable, 79)], Some(2), Some(2)),
            ("clearly nearer: go", &[path(1, Srtp, Usable, 19), path(2, Srtp, Usable, 79)], Some(2), Some(1)),
            ("no current: the nearer", &[path(1, Srtp, Usable, 79), path(2, Srtp, Usable, 39)], None, Some(2)),
            ("equals: the lower id", &[path(4, Srtp, Usable, 39), path(3, Srtp, Usable, 39)], None, Some(3)),
        ];
        for (name, candidates, current, chosen) in table {
            assert_eq!(choose(candidates.iter(), current.map(PathId)), chosen.map(PathId), "{name}");
            let backwards = choose(candidates.iter().rev(), current.map(PathId));
            assert_eq!(backwards, chosen.map(PathId), "{name}, the other way round");
        }
    }

    #[test]
    fn classes_of_nearness() {
        for (rtt_ms, near) in [(0, 10), (9, 10), (10, 9), (19, 9), (20, 8), (5_119, 1), (5_120, 0), (u64::MAX, 0)] {
            assert_eq!(nearness(Some(Duration::from_millis(rtt_ms))), near, "{rtt_ms} ms");
        }
        assert_eq!(nearness(None), 0);
    }

    #[test]
    fn a_choice_is_stable() {
        fn stable(raw: Vec<(u8, u8, u16)>) -> bool {
            let kinds = [Relay, External, Sctp, Srtp];
            let states = [Opening, Usable, Suspect, Dead];
            let paths: Vec<Candidate> = (0u8..)
                .zip(raw)
                .map(|(id, (kind, state, rtt))| Candidate {
                    up: state & 4 == 0,
                    relayed: kind & 4 == 0,
                    ..path(id, kinds[usize::from(kind % 4)], states[usize::from(state % 4)], u64::from(rtt))
                })
                .collect();
            let first = choose(paths.iter(), None);
            let sendable = paths.iter().any(|path| path.up && path.state != Dead);
            first.is_some() == sendable && choose(paths.iter(), first) == first
        }
        quickcheck::quickcheck(stable as fn(Vec<(u8, u8, u16)>) -> bool);
    }
}
