//! Games that have the last word: what waits is decided now and then, in any order and at random, so that two hosts may
//! think differently of one message; and what becomes of it is noted.

use super::eye::Book;
use super::{Lens, Run};
use crate::check::star::{Life, Seen, rewritten};
use crate::seed::Draw;
use crate::world::SeatId;
use std::collections::BTreeSet;
use webstar_core::peer::{DecideError, PeerEvent, Proposal, Sent, Verdict};
use webstar_core::time::Instant;
use webstar_core::wire::star::Ruling;

impl<L: Lens> Run<'_, L> {
    /// Games decide about a share of what waits.
    pub(super) fn decide_some(&mut self) {
        self.decide(Draw::chance);
    }

    /// Games decide about all that waits.
    pub(super) fn decide_all(&mut self) {
        self.decide(|_, _| true);
    }

    fn decide(&mut self, mut is_decided: impl FnMut(&mut Draw, f64) -> bool) {
        let mut decided = BTreeSet::new();
        for (life, proposal) in core::mem::take(&mut self.eye.book_mut().proposals) {
            let book = self.eye.book();
            let person = book.cast.person(life);
            let (seat, is_there) = (person.seat, book.sitting(person.seat) == Some(life) && !person.is_over);
            let share = self.plan.lobbies[usize::from(person.room.lobby)].authority.unwrap_or(1.0);
            if !is_there {
                continue;
            }
            if self.world.is_asleep(seat) || !is_decided(&mut self.verdicts, share) {
                self.eye.book_mut().proposals.push((life, proposal));
                continue;
            }
            self.rule(seat, life, &proposal);
            decided.insert(seat);
        }
        for seat in decided {
            self.world.flush(seat, &mut self.eye);
        }
    }

    fn rule(&mut self, seat: SeatId, life: Life, proposal: &Proposal) {
        let (verdict, ruling) = match self.verdicts.below(4) {
            0 => (Verdict::Reject("no".into()), Ruling::Rejected),
            1 => (Verdict::Rewrite(rewritten(&proposal.payload)), Ruling::Rewritten),
            _ => (Verdict::Accept, Ruling::AsSent),
        };
        let now = self.world.now();
        let book = self.eye.book_mut();
        match self.world.decide(seat, proposal.id, verdict) {
            Ok(()) => book.on_decided(now, life, proposal, ruling),
            Err(DecideError::NoSuchProposal(_) | DecideError::Ended) => book.tally.mark("decided_too_late"),
            Err(misuse) => panic!("what is drawn is within the limits: {misuse}"),
        }
    }
}

impl Book<'_> {
    /// A host is asked what is to become of a message.
    pub(super) fn on_proposal(&mut self, now: Instant, life: Life, proposal: &Proposal) {
        self.told(now, Some(life), "proposal", proposal);
        if self.proposed(life, proposal).is_none() && !self.is_distrusted(life, proposal.from) {
            let Proposal { channel, seq, from, .. } = proposal;
            let why =
                format!("{life:?} is to decide about {channel:?} {seq} of player {}, who never said that", from.0);
            self.checks.fail("ruled", why);
        }
        self.proposals.push((life, proposal.clone()));
    }

    /// Which message it is.
    fn proposed(&self, life: Life, proposal: &Proposal) -> Option<u32> {
        let Proposal { from, channel, seq, ref kind, ref payload, .. } = *proposal;
        let mut named = self.cast.named(self.cast.person(life).room, from, channel, seq);
        let same = named.find(|origin| origin.kind == kind.as_str() && origin.payload == payload);
        same.map(|origin| origin.number)
    }

    /// A game has decided, and its machine has taken that.
    fn on_decided(&mut self, now: Instant, life: Life, proposal: &Proposal, ruling: Ruling) {
        self.told(now, Some(life), "decided", &(proposal.id, ruling));
        let Some(number) = self.proposed(life, proposal) else { return };
        let before = &self.cast.submissions()[number as usize].rulings;
        if !before.is_empty() {
            self.tally.mark(if before.contains(&ruling) { "decided_again" } else { "decided_otherwise" });
        }
        self.tally.mark(match ruling {
            Ruling::AsSent => "accepted",
            Ruling::Rewritten => "rewritten",
            Ruling::Rejected => "rejected",
        });
        self.cast.rule(number, ruling);
    }

    /// Somebody hears that what it said was rejected.
    pub(super) fn on_rejected(&mut self, now: Instant, life: Life, event: &PeerEvent) {
        let PeerEvent::Rejected { sent, .. } = event else { return };
        self.told(now, Some(life), "rejected", event);
        let origin = self.said(life, *sent).map(|number| &self.cast.submissions()[number as usize]);
        self.checks.see(Some(life), &Seen::Rejected(*sent, origin), &self.cast);
    }

    /// The message that a life means by its own channel and number.
    pub(super) fn said(&self, life: Life, sent: Sent) -> Option<u32> {
        let person = self.cast.person(life);
        let mut named = self.cast.named(person.room, person.player?, sent.channel, sent.seq);
        named.find(|found| found.life == life).map(|found| found.number)
    }
}
