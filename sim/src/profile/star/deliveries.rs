//! Messages as they arrive and as they become safe: what they are is found out, counted and shown to the checkers.

use super::eye::Book;
use super::homes::SETTLED;
use crate::check::star::{Life, Person, Seen};
use crate::trace::{self, StarStep, Step};
use core::time::Duration;
use webstar_core::id::PlayerId;
use webstar_core::path::PathKind;
use webstar_core::peer::{Channel, PeerMessage, Sent};
use webstar_core::time::Instant;

/// Of fewer deliveries no share is worth speaking of.
const FEW: u64 = 50;

/// How what somebody hears has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Landed {
    /// The last packet: on this kind of direct way, if on one.
    pub(super) last: Option<PathKind>,
    /// Deliveries of players after the first seconds that came directly.
    pub(super) direct: u64,
    /// And all of them.
    pub(super) all: u64,
    /// When something of somebody else was last delivered, after the first seconds.
    heard_at: Option<Instant>,
    /// The longest time between two of those.
    longest_silence: Duration,
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

    /// Something of somebody else is delivered.
    fn hear(&mut self, now: Instant) {
        if now >= Instant::ZERO + SETTLED {
            self.longest_silence = self.silence(now);
            self.heard_at = Some(now);
        }
    }

    /// For how long nothing of anybody else was delivered at the longest, up to now.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        self.heard_at.map_or(Duration::ZERO, |heard| now.since(heard)).max(self.longest_silence)
    }

    /// Whether nearly all of what was delivered came directly, or so little that its share says nothing.
    pub(super) fn is_direct(&self) -> bool {
        self.all < FEW || self.direct * 10 >= self.all * 9
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
        let Person { seat, room, player, .. } = *cast.person(life);
        let stamped = cast.stamped(&message.payload);
        let origin = cast.origin(room, message, stamped);
        if player != Some(message.from) {
            landed[usize::from(seat.0)].hear(now);
        }
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
        let number = self.said(life, sent);
        self.note(now, StarStep::Safe { life, number });
        if let Some(number) = number {
            self.cast.acknowledge(number);
        }
        let origin = number.map(|number| &self.cast.submissions()[number as usize]);
        self.checks.see(Some(life), &Seen::Acked(sent, origin), &self.cast);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::ZERO + SETTLED + Duration::from_millis(ms)
    }

    #[test]
    fn nine_of_ten_deliveries_are_to_come_directly() {
        let mut landed = Landed::default();
        for number in 0..100 {
            landed.last = (number >= 10).then_some(PathKind::Srtp);
            landed.count(at(number));
        }
        assert!((landed.direct, landed.all) == (90, 100) && landed.is_direct());
        landed.last = None;
        landed.count(at(200));
        assert!(!landed.is_direct());
        let few = Landed { direct: 0, all: FEW - 1, ..Landed::default() };
        assert!(few.is_direct());
    }

    #[test]
    fn a_silence_lasts_from_one_delivery_to_the_next_or_until_now() {
        let mut landed = Landed::default();
        landed.hear(Instant::ZERO);
        assert_eq!(landed.silence(at(0)), Duration::ZERO, "the first seconds do not count");
        for ms in [0, 50, 250, 300] {
            landed.hear(at(ms));
        }
        assert_eq!(landed.silence(at(320)), Duration::from_millis(200));
        assert_eq!(landed.silence(at(900)), Duration::from_millis(600));
    }
}
