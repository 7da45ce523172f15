//! A host that has the last word: what members want to say passes the referee, and then goes to the game, which decides.
//! Messages of the moment pass the referee alone: by the time a game had decided, a newer one would count.

use super::casting::Cast;
use super::event::{DecideError, PeerEvent};
use super::hub::Hub;
use super::outbox::Outbox;
use super::referee::Rule;
use super::{Peer, Phase};
use crate::id::PlayerId;
use crate::star::{Kind, Proposal, ProposalId, Verdict};
use crate::time::Instant;
use crate::wire::signal::{ClientMessage, Kick};

impl Hub {
    /// A member wants to say something that is kept.
    pub(super) fn on_proposal(&mut self, now: Instant, proposal: Proposal, out: &mut Outbox) {
        let Proposal { id, from, ref kind, ref payload, .. } = proposal;
        let verdict = match self.judge(now, from, kind, payload, Some(id), out) {
            Err(rule) => Verdict::Reject(rule.name().into()),
            Ok(()) if self.config.authority => return out.event(PeerEvent::Proposal(proposal)),
            Ok(()) => Verdict::Accept,
        };
        self.rule(now, id, verdict);
    }

    /// False: nothing of that name waits.
    fn rule(&mut self, now: Instant, proposal: ProposalId, verdict: Verdict) -> bool {
        let decided = verdict.clone();
        let is_taken = self.star.decide(now, proposal, verdict, &mut self.said);
        if is_taken {
            self.referee.on_decided(proposal, &decided);
        }
        is_taken
    }

    /// Whether a message of the moment keeps to the rules. One that does not is dropped.
    pub(super) fn is_fair(&mut self, now: Instant, cast: &Cast, out: &mut Outbox) -> bool {
        !self.config.has_referee() || self.judge(now, cast.from, &cast.kind, &cast.payload, None, out).is_ok()
    }

    /// The game has decided.
    pub(super) fn decide(&mut self, now: Instant, proposal: ProposalId, verdict: Verdict) -> Result<(), DecideError> {
        let max = self.config.max_message;
        if matches!(&verdict, Verdict::Rewrite(payload) if payload.len() > max) {
            return Err(DecideError::TooLong { max });
        }
        if self.rule(now, proposal, verdict) { Ok(()) } else { Err(DecideError::NoSuchProposal(proposal)) }
    }

    fn judge(
        &mut self,
        now: Instant,
        player: PlayerId,
        kind: &Kind,
        payload: &[u8],
        proposal: Option<ProposalId>,
        out: &mut Outbox,
    ) -> Result<(), Rule> {
        if !self.referee.knows(player) {
            let contacts = &self.contacts;
            self.referee.retain(|known| contacts.contains_key(&known));
        }
        let judged = self.referee.judge(now, player, kind, payload, proposal);
        if let Err(rule) = judged {
            let strikes = self.referee.strike(now, player, rule);
            out.event(PeerEvent::Violation { player, rule, strikes });
        }
        judged
    }
}

impl Peer {
    /// Whose strikes are too many is put out, if the server can be asked for it; or upon its next strike.
    pub(super) fn put_out(&mut self) {
        for player_id in self.hub.referee.take_offenders() {
            if self.connection.phase == Phase::In {
                // Zero is not answered: the application did not ask.
                self.say(&ClientMessage::Kick(Kick { player_id, request: 0 }));
            }
        }
    }
}
