//! How many must agree: each voter weighs two, the server one, and more than half of all weight is needed. So a majority
//! of the voters is enough, and exactly half of them with the server.

use super::{View, Voter};

/// Whether these players, with or without the server, are enough of the voters. Nobody is asked beyond what is enough.
pub fn has_quorum(voters: &[Voter], mut agrees: impl FnMut(&Voter) -> bool, server: bool) -> bool {
    let needed = (voters.len() + 2 - usize::from(server)) / 2;
    needed <= voters.len() && voters.iter().filter(|voter| agrees(voter)).take(needed).count() == needed
}

/// Whether enough agree to `view`, which follows `base`: of the voters of both.
pub fn is_agreed(base: &View, view: &View, mut agrees: impl FnMut(&Voter) -> bool, server: bool) -> bool {
    let mut enough_of = |voters: &[Voter]| has_quorum(voters, &mut agrees, server);
    view.base == base.epoch && enough_of(&base.voters) && (base.voters == view.voters || enough_of(&view.voters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Incarnation, PlayerId};
    use crate::wire::view::SigningKey;

    fn voters(count: u32) -> Vec<Voter> {
        let key = SigningKey::from_seed(&[1; 32]).public();
        (1..=count).map(|player| Voter { player: PlayerId(player), incarnation: Incarnation(1), key }).collect()
    }

    #[test]
    fn a_majority_or_half_with_the_server() {
        // (voters, how many are needed without the server, and with it)
        let table = [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 3, 2), (5, 3, 3), (6, 4, 3), (7, 4, 4), (64, 33, 32)];
        for (count, alone, with_server) in table {
            let voters = voters(count);
            for agreeing in 0..=count {
                let agrees = |voter: &Voter| voter.player.0 <= agreeing;
                assert_eq!(has_quorum(&voters, agrees, false), agreeing >= alone, "{agreeing} of {count}");
                assert_eq!(has_quorum(&voters, agrees, true), agreeing >= with_server, "{agreeing} of {count}, server");
            }
        }
    }

    #[test]
    fn two_quorums_share_somebody() {
        for count in 1..=6_u32 {
            let voters = voters(count);
            let is_quorum = |set: u32| has_quorum(&voters, |voter| set >> voter.player.0 & 1 == 1, set & 1 == 1);
            for first in 0..1_u32 << (count + 1) {
                for second in 0..1_u32 << (count + 1) {
                    assert!(!(is_quorum(first) && is_quorum(second)) || first & second != 0);
                }
            }
        }
    }
}
