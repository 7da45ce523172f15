//! How many must agree: each voter weighs two, the server one, and more than half of all weight is needed. So a majority
//! of the voters is enough, and exactly half of them with the server.

use super::{View, Voter};

/// Whether these players, with or without the server, are enough of the voters.
pub fn has_quorum(voters: &[Voter], agrees: impl Fn(&Voter) -> bool, server: bool) -> bool {
    let count = voters.iter().filter(|voter| agrees(voter)).count();
    2 * (2 * count + usize::from(server)) > 2 * voters.len() + 1
}

/// Whether enough agree to `view`, which follows `base`: of the voters of both.
pub fn is_agreed(base: &View, view: &View, agrees: impl Fn(&Voter) -> bool, server: bool) -> bool {
    let enough_of = |voters: &[Voter]| has_quorum(voters, &agrees, server);
    view.base == base.epoch && enough_of(&base.voters) && (base.voters == view.voters || enough_of(&view.voters))
}
