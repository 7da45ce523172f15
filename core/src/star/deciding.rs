//! Where the host's game has the last word: what members say waits outside of the log until it has decided.

use super::hosting::{Hosting, Ours};
use super::log::is_for_outsider;
use super::proposals::{Offered, ProposalId, Verdict};
use super::table::Taking;
use super::{Content, Event, Told};
use crate::id::{Incarnation, PlayerId};
use crate::time::Instant;

impl Hosting {
    /// A member's message waits until our game has decided.
    pub(super) fn propose(&mut self, told: Told, life: Incarnation, ours: &mut Ours<'_>) {
        let (from, is_for_outsider) = (told.from, is_for_outsider(&told, ours.log.table()));
        match ours.proposals.offer(told, life, ours.log.table()) {
            Offered::New(proposal) if is_for_outsider => {
                ours.proposals.decide(proposal.id, Verdict::Accept);
                self.take_decided(from, ours);
            }
            Offered::New(proposal) => ours.out.events.push_back(Event::Proposal(proposal)),
            Offered::TooMuch => self.take_decided(from, ours),
            Offered::Known => {}
        }
    }

    /// Our game has decided. False: nothing waits under that name.
    pub(super) fn decide(&mut self, now: Instant, id: ProposalId, verdict: Verdict, ours: &mut Ours<'_>) -> bool {
        self.now = self.now.max(now);
        if !self.is_active || self.is_frozen {
            return false;
        }
        let Some(player) = ours.proposals.decide(id, verdict) else { return false };
        self.take_decided(player, ours);
        true
    }

    /// What was decided gets its place. Who has gone meanwhile says nothing any more.
    fn take_decided(&mut self, player: PlayerId, ours: &mut Ours<'_>) {
        while let Some((life, told)) = ours.proposals.take(player) {
            let table = ours.log.table();
            let is_there = table.is_known(player, life, [0; 2]);
            if is_there && table.taking(player, told.channel, told.seq) == Taking::New {
                self.append(Content::Message(told), ours);
            }
        }
    }
}
