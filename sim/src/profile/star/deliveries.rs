//! Messages as they arrive and as they become safe: what they are is found out, counted and shown to the checkers.

use super::eye::Book;
use super::homes::SETTLED;
use crate::check::star::{Life, Person, Seen};
use crate::trace::{self, StarStep, Step};
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;
use webstar_core::peer::{Channel, PeerMessage, Sent};
use webstar_core::time::Instant;

/// How what somebody hears has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Landed {
    /// The last packet: on this kind of direct way, if on one.
    pub(super) last: Option<PathKind>,
    /// Deliveries of players after the first seconds that came directly.
    pub(super) direct: u64,
    /// And all of them.
    pub(super) all: u64,
}

impl Landed {
    /// Something is delivered: how it has come.
    fn count(&mut self, now: Instant) -> Option<PathKind> {
        if now >= Instant::ZERO + SETTLED {
            self.direct += u64::from(self.last.is_some());
            self.all += 1;
        }
        self.last
    }
}

impl Book<'_> {
    pub(super) fn on_message(&mut self, now: Instant, life: Life, message: &PeerMessage) {
        // Whatever that one says, it says, under whatever number it has been there.
        let star = self.stars[usize::from(self.cast.person(life).seat.0)];
        let was_there = self.is_distrusted(life, message.from);
        if self.forger.as_ref().is_some_and(|forger| was_there || forger.is(star, message.from)) {
            let (room, content) = (self.cast.person(life).room, trace::content(&message.payload));
            self.cast.distrusted.insert((room, message.from));
            return self.note(now, StarStep::Heard { life, number: None, content });
        }
        // Of what is not kept a hostile member may say old words again; what is kept has its number.
        let is_kept = message.seq > 0 && matches!(message.channel, Channel::Ordered | Channel::Reliable);
        if !is_kept && self.is_distrusted(life, message.from) {
            let content = trace::content(&message.payload);
            return self.note(now, StarStep::Heard { life, number: None, content });
        }
        let Book { cast, checks, trace, tally, landed, .. } = self;
        let Person { seat, room, .. } = *cast.person(life);
        let stamped = cast.stamped(&message.payload);
        let origin = cast.origin(room, message, stamped);
        // What brought it, or what set it free.
        let by = match message.seq {
            0 => "server",
            _ => match landed[usize::from(seat.0)].count(now) {
                None | Some(PathKind::Relay) => "relay",
                Some(PathKind::Sctp) => "sctp",
                Some(PathKind::Srtp | PathKind::External) => "srtp",
            },
        };
        *tally.delivered_by.entry(by).or_default() += 1;
        if message.seq == 0 {
            tally.mark("guest_talked");
        } else if message.payload.len() > 2_048 {
            tally.mark("fragmented");
        }
        let content = origin.map_or_else(|| trace::content(&message.payload), |origin| origin.content);
        let number = origin.map(|origin| origin.number);
        trace.note(now, Step::Star(StarStep::Heard { life, number, content }));
        checks.see(Some(life), &Seen::Delivered { message, origin, stamped }, cast);
    }

    /// Whether somebody in the lobby of that life may say anything in its own name.
    pub(super) fn is_distrusted(&self, life: Life, from: PlayerId) -> bool {
        self.cast.distrusted.contains(&(self.cast.person(life).room, from))
    }

    pub(super) fn on_acked(&mut self, now: Instant, life: Life, sent: Sent) {
        self.tally.acked += 1;
        let person = self.cast.person(life);
        let found = person.player.and_then(|player| {
            self.cast.named(person.room, player, sent.channel, sent.seq).find(|found| found.life == life)
        });
        let number = found.map(|found| found.number);
        self.note(now, StarStep::Safe { life, number });
        if let Some(number) = number {
            self.cast.acknowledge(number);
        }
        let origin = number.map(|number| &self.cast.submissions()[number as usize]);
        self.checks.see(Some(life), &Seen::Acked(sent, origin), &self.cast);
    }
}
