//! What a player knows about views: which were in force, which it is, and which it has promised. The promise rule stands
//! here. To whom promises go and what follows from them is not decided here.

use crate::wire::signal::Epoch;
use crate::wire::view::{Certified, Proof, PublicKey, StarId, Trust, View};

/// Views that are remembered to check those that follow them.
const MAX_KNOWN: usize = 64;
/// Views that may be promised before one of them, or another, is in force.
pub(super) const MAX_PROMISED: usize = 32;

/// A view that we have promised.
#[derive(Clone, Debug)]
pub(super) struct Promised {
    pub(super) view: View,
    /// The host of the view in force goes on until it freezes.
    pub(super) is_dormant: bool,
}

impl Promised {
    /// Nothing is taken from the present host any more.
    fn bars(&self) -> bool {
        !self.is_dormant && !self.view.is_light()
    }
}

/// What became of a view that somebody says is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Judged {
    /// It is, from now on.
    Adopted,
    /// It was, or is already.
    Known,
    /// It follows one that is not known here.
    Unlinked,
    /// It is none.
    Forged,
}

/// What becomes of a proposed view.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Nothing stands against it.
    Promise,
    /// It has been promised already.
    Again,
    /// It follows a view that is not in force any more.
    Outdated,
    /// Another promise stands against it.
    Bound,
    /// It makes no sense to us.
    Refuse,
}

/// Known and promised views.
#[derive(Debug, Default)]
pub(super) struct Ballot {
    /// Oldest first, by epoch.
    known: Vec<Certified>,
    in_force: Option<Certified>,
    /// Newer than the one in force, oldest first.
    promised: Vec<Promised>,
}

impl Ballot {
    /// The view in force, as far as known, with its proof.
    pub(super) fn certified(&self) -> Option<&Certified> {
        self.in_force.as_ref()
    }

    /// The view in force, as far as known.
    pub(super) fn view(&self) -> Option<&View> {
        self.in_force.as_ref().map(|certified| &certified.view)
    }

    /// Its epoch; the lowest if there is none.
    pub(super) fn epoch(&self) -> Epoch {
        self.view().map(|view| view.epoch).unwrap_or_default()
    }

    /// The newest epoch that is promised or in force.
    pub(super) fn newest(&self) -> Epoch {
        self.promised.last().map_or(self.epoch(), |promised| promised.view.epoch)
    }

    /// The newest promised view that bars the host of the view in force.
    pub(super) fn bar(&self) -> Option<&View> {
        self.promised.iter().rev().find(|promised| promised.bars()).map(|promised| &promised.view)
    }

    /// What is promised beyond the view in force.
    pub(super) fn promised(&self) -> impl Iterator<Item = &View> {
        self.promised.iter().map(|promised| &promised.view)
    }

    /// A known view.
    pub(super) fn known(&self, epoch: Epoch) -> Option<&View> {
        self.known.iter().find(|known| known.view.epoch == epoch).map(|known| &known.view)
    }

    /// What somebody who knows the view of that epoch needs to check the one in force, oldest first.
    pub(super) fn chain(&self, from: Epoch) -> Vec<Certified> {
        let mut chain = Vec::new();
        let mut link = self.in_force.as_ref();
        while let Some(certified) = link.filter(|certified| certified.view.epoch != from) {
            chain.push(certified.clone());
            if matches!(certified.proof, Proof::Server(_)) {
                break;
            }
            link = self.known.iter().find(|known| known.view.epoch == certified.view.base);
        }
        chain.reverse();
        chain
    }

    /// Somebody says that a view is in force.
    pub(super) fn judge(&mut self, star: StarId, server: &PublicKey, certified: &Certified) -> Judged {
        let view = &certified.view;
        let is_of_server = |known: &Certified| matches!(known.proof, Proof::Server(_));
        // One proof is enough: another may rest on a view that we have never heard of.
        if let Some(known) = self.in_force.as_ref().filter(|known| known.view == *view)
            && (is_of_server(known) || !is_of_server(certified))
        {
            return Judged::Known;
        }
        let base = self.known(view.base);
        if base.is_none() && !matches!(certified.proof, Proof::Server(_)) {
            return Judged::Unlinked;
        }
        if !self.known.contains(certified) && !certified.is_proven(&Trust { star, server, base }) {
            return Judged::Forged;
        }
        if matches!(certified.proof, Proof::Fork(_)) && !self.forks_here(view) {
            return Judged::Unlinked;
        }
        self.know(certified.clone());
        match &mut self.in_force {
            Some(in_force) if in_force.view.epoch > view.epoch => Judged::Known,
            Some(in_force) if in_force.view.epoch == view.epoch => {
                // The server's word is the shorter proof.
                if in_force.view == *view && matches!(certified.proof, Proof::Server(_)) {
                    in_force.proof = certified.proof.clone();
                }
                Judged::Known
            }
            _ => {
                self.in_force = Some(certified.clone());
                self.forget_older(view);
                Judged::Adopted
            }
        }
    }

    /// What was promised before is settled. Of views of another line only the newest still binds.
    fn forget_older(&mut self, view: &View) {
        let newest = self.newest();
        let counts = |other: &View| other.since == view.since || other.epoch == newest;
        self.promised.retain(|promised| promised.view.epoch > view.epoch && counts(&promised.view));
    }

    /// A fork counts only for those whose line has not gone on without it: the rest of a lobby does not follow one who
    /// was alone.
    fn forks_here(&self, fork: &View) -> bool {
        self.view().is_some_and(|view| {
            let parted_alike = view.begins_line() && view.voters.len() == 1 && view.base == fork.base;
            fork.base == view.epoch || fork.epoch == view.epoch || parted_alike
        })
    }

    fn know(&mut self, certified: Certified) {
        match self.known.binary_search_by_key(&certified.view.epoch, |known| known.view.epoch) {
            Ok(at) if matches!(certified.proof, Proof::Server(_)) => self.known[at] = certified,
            Ok(_) => {}
            Err(at) => self.known.insert(at, certified),
        }
        if self.known.len() > MAX_KNOWN {
            self.known.remove(0);
        }
    }

    /// Whether a view may be promised.
    pub(super) fn weigh(&self, view: &View) -> Verdict {
        let Some(base) = self.view().filter(|_| view.is_well_formed()) else { return Verdict::Refuse };
        if self.promised().any(|promised| promised == view) {
            return Verdict::Again;
        }
        if view.base < base.epoch {
            return Verdict::Outdated;
        }
        let continues = view.base == base.epoch && view.since == base.since && !view.begins_line();
        let keeps_host = !view.is_light() || view.host == base.host;
        if !continues || !keeps_host {
            return Verdict::Refuse;
        }
        if view.epoch <= self.newest() {
            return Verdict::Bound;
        }
        let kept = self.promised.iter().filter(|promised| !view.supersedes(&promised.view)).count();
        if kept < MAX_PROMISED { Verdict::Promise } else { Verdict::Refuse }
    }

    /// Promises what was weighed.
    pub(super) fn promise(&mut self, view: View, is_dormant: bool) {
        debug_assert_eq!(self.weigh(&view), Verdict::Promise, "only what the rule allows is promised");
        self.promised.retain(|promised| !view.supersedes(&promised.view));
        self.promised.push(Promised { view, is_dormant });
    }

    /// A dormant view is asked for in earnest.
    pub(super) fn awaken(&mut self, epoch: Epoch) {
        for promised in self.promised.iter_mut().filter(|promised| promised.view.epoch == epoch) {
            promised.is_dormant = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Incarnation, PlayerId};
    use crate::wire::view::{SigningKey, Statement, Voter};

    const STAR: StarId = StarId(3);

    fn key(player: u32) -> SigningKey {
        SigningKey::from_seed(&[player as u8; 32])
    }

    fn server() -> SigningKey {
        key(200)
    }

    fn epoch(term: u32, round: u32) -> Epoch {
        Epoch { term, round }
    }

    fn birth() -> View {
        let voters = [1, 2].map(|player| Voter {
            player: PlayerId(player),
            incarnation: Incarnation(1),
            key: key(player).public(),
        });
        View {
            epoch: epoch(1, 0),
            base: epoch(0, 0),
            since: epoch(1, 0),
            cause: None,
            host: PlayerId(1),
            backups: vec![PlayerId(2)],
            voters: voters.into(),
        }
    }

    fn light(base: &View) -> View {
        View { epoch: epoch(base.epoch.term, base.epoch.round + 1), base: base.epoch, ..base.clone() }
    }

    fn voted(base: &View, term: u32) -> View {
        let (host, backups) = (PlayerId(2), vec![]);
        View { epoch: epoch(term, 0), base: base.epoch, host, backups, ..base.clone() }
    }

    fn by_server(view: &View) -> Certified {
        Certified { view: view.clone(), proof: Proof::Server(Statement::InForce.sign(&server(), STAR, view)) }
    }

    fn by_quorum(view: &View) -> Certified {
        let sign = |player| (PlayerId(player), Statement::Promised(PlayerId(player)).sign(&key(player), STAR, view));
        Certified { view: view.clone(), proof: Proof::Quorum { server: None, promises: vec![sign(1), sign(2)] } }
    }

    fn by_fork(view: &View) -> Certified {
        let signature = Statement::Forked(view.host).sign(&key(view.host.0), STAR, view);
        Certified { view: view.clone(), proof: Proof::Fork(signature) }
    }

    fn fork(base: &View, host: u32, round: u32) -> View {
        let voters = vec![*base.voter(PlayerId(host)).expect("both vote")];
        let own = epoch(base.epoch.term + 1, round);
        View { since: own, epoch: own, host: PlayerId(host), backups: vec![], voters, ..voted(base, 0) }
    }

    fn judge(ballot: &mut Ballot, certified: &Certified) -> Judged {
        ballot.judge(STAR, &server().public(), certified)
    }

    fn ballot() -> Ballot {
        let mut ballot = Ballot::default();
        assert_eq!(judge(&mut ballot, &by_server(&birth())), Judged::Adopted);
        ballot
    }

    #[test]
    fn nothing_old_and_nothing_else_of_an_epoch_is_promised() {
        let mut ballot = ballot();
        let view = voted(&birth(), 5);
        assert_eq!(ballot.weigh(&view), Verdict::Promise);
        ballot.promise(view.clone(), false);
        assert_eq!(ballot.weigh(&view), Verdict::Again);
        assert_eq!(ballot.weigh(&View { backups: vec![PlayerId(1)], ..view.clone() }), Verdict::Bound);
        assert_eq!(ballot.weigh(&voted(&birth(), 4)), Verdict::Bound);
        assert_eq!(ballot.weigh(&light(&birth())), Verdict::Bound);
        assert_eq!(ballot.weigh(&voted(&birth(), 6)), Verdict::Promise);
        assert_eq!((ballot.newest(), ballot.bar()), (epoch(5, 0), Some(&view)));
    }

    #[test]
    fn who_came_by_the_word_of_the_server_knows_a_view_whose_base_it_has_never_seen() {
        let mut late = Ballot::default();
        let round = light(&birth());
        assert_eq!(judge(&mut late, &by_quorum(&round)), Judged::Unlinked);
        assert_eq!(judge(&mut late, &by_server(&round)), Judged::Adopted);
        assert_eq!(judge(&mut late, &by_quorum(&round)), Judged::Known);
        assert_eq!(late.certified(), Some(&by_server(&round)));
    }

    #[test]
    fn light_and_dormant_promises_do_not_bar() {
        let mut ballot = ballot();
        ballot.promise(light(&birth()), false);
        ballot.promise(voted(&birth(), 2), true);
        assert_eq!(ballot.bar(), None);
        ballot.awaken(epoch(2, 0));
        assert_eq!(ballot.bar(), Some(&voted(&birth(), 2)));
    }

    #[test]
    fn views_upon_what_is_past_or_unknown_are_refused() {
        let mut ballot = ballot();
        let first = light(&birth());
        assert_eq!(ballot.weigh(&light(&first)), Verdict::Refuse, "its base is not known to be in force");
        assert_eq!(judge(&mut ballot, &by_quorum(&first)), Judged::Adopted);
        assert_eq!(ballot.weigh(&voted(&birth(), 2)), Verdict::Outdated);
        assert_eq!(ballot.weigh(&voted(&first, 2)), Verdict::Promise);
        assert_eq!(ballot.weigh(&View { host: PlayerId(2), backups: vec![], ..light(&first) }), Verdict::Refuse);
        assert_eq!(ballot.weigh(&View { since: epoch(2, 0), ..voted(&first, 2) }), Verdict::Refuse);
        assert_eq!(Ballot::default().weigh(&voted(&first, 2)), Verdict::Refuse);
    }

    #[test]
    fn promises_outlive_older_views_only() {
        let mut ballot = ballot();
        ballot.promise(light(&birth()), false);
        ballot.promise(voted(&birth(), 2), false);
        assert_eq!(judge(&mut ballot, &by_quorum(&light(&birth()))), Judged::Adopted);
        assert_eq!(ballot.promised().map(|view| view.epoch).collect::<Vec<_>>(), [epoch(2, 0)]);
        assert!(ballot.bar().is_some(), "what was promised is not taken back");
        assert_eq!(judge(&mut ballot, &by_quorum(&voted(&birth(), 2))), Judged::Adopted);
        assert_eq!((ballot.bar(), ballot.newest()), (None, epoch(2, 0)));
    }

    #[test]
    fn a_chain_leads_from_what_one_knows_to_the_present() {
        let (first, mut host, mut late) = (light(&birth()), ballot(), ballot());
        let second = light(&first);
        for view in [&first, &second] {
            assert_eq!(judge(&mut host, &by_quorum(view)), Judged::Adopted);
        }
        assert_eq!(judge(&mut late, &by_quorum(&second)), Judged::Unlinked);
        let chain = host.chain(late.epoch());
        assert_eq!(chain.iter().map(|link| link.view.epoch).collect::<Vec<_>>(), [epoch(1, 1), epoch(1, 2)]);
        assert!(chain.iter().all(|link| judge(&mut late, link) == Judged::Adopted));
        assert_eq!(judge(&mut host, &by_server(&second)), Judged::Known);
        assert_eq!(host.chain(late.epoch()), [], "it knows already");
        assert_eq!(host.chain(epoch(0, 0)), [by_server(&second)], "the server's word is enough");
    }

    #[test]
    fn forged_views_change_nothing() {
        let mut ballot = ballot();
        let mut forged = by_quorum(&voted(&birth(), 2));
        forged.view.term_up();
        assert_eq!(judge(&mut ballot, &forged), Judged::Forged);
        assert_eq!(ballot.epoch(), epoch(1, 0));
    }

    #[test]
    fn of_two_forks_the_higher_counts_and_none_for_a_line_that_went_on() {
        let (low, high) = (fork(&birth(), 1, 70_000), fork(&birth(), 2, 80_000));
        let mut parted = ballot();
        assert_eq!(judge(&mut parted, &by_fork(&low)), Judged::Adopted);
        assert_eq!(judge(&mut parted, &by_fork(&high)), Judged::Adopted);
        assert_eq!(judge(&mut parted, &by_fork(&low)), Judged::Known);
        let mut other = ballot();
        assert_eq!(judge(&mut other, &by_quorum(&light(&birth()))), Judged::Adopted);
        assert_eq!(judge(&mut other, &by_fork(&high)), Judged::Unlinked);
        assert_eq!(other.epoch(), epoch(1, 1));
    }

    impl View {
        fn term_up(&mut self) {
            self.epoch.term += 1;
        }
    }
}
