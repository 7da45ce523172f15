//! Whether a TURN server still lends what it lent. One that began anew says nothing to who goes on as before, for minutes;
//! so where it is doubted and silent it is asked as if nothing were lent. Who has forgotten lends anew, who has not refuses
//! that in one way or another, and who is gone says nothing.

use super::stun::{FIRST_WAIT, pause};
use super::turn::{BREATH, Client, MAX_ROUNDS};
use crate::time::{Duration, Instant};
use core::net::SocketAddr;
use turn_client_proto::api::{TurnClientApi as _, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::stun::agent::Transmit;
use turn_client_proto::types::TransportType;
use turn_client_proto::udp::TurnClientUdp;

/// A server that is doubted and has said nothing to us for so long is asked.
const UNANSWERED: Duration = FIRST_WAIT;

/// What came of it.
pub(super) enum Answer {
    /// The server refuses to lend anew: it is lent as before.
    Stands,
    /// The server has forgotten it, and lends what this event tells.
    Anew(Box<Client>, TurnEvent),
    /// The server says nothing. It is asked again after a pause, unless it is heard.
    Silent,
}

/// What makes a server that lends us an address questionable, and the question.
#[derive(Default)]
pub(super) struct Doubt {
    /// Since when it has answered nothing that we sent.
    unanswered: Option<Instant>,
    /// It may have forgotten us, and nothing has come from it since that was told.
    is_raised: bool,
    /// So often in a row it has not answered the question ..
    silences: u32,
    /// .. and then it is asked again.
    again_at: Option<Instant>,
    question: Option<Question>,
}

struct Question {
    client: Box<Client>,
    is_answered: bool,
    due: Instant,
}

impl Doubt {
    /// The server may have forgotten us.
    pub(super) fn raise(&mut self) {
        self.is_raised = true;
    }

    /// The server is being asked.
    pub(super) fn is_asked(&self) -> bool {
        self.question.is_some()
    }

    /// Something leaves for the server.
    pub(super) fn on_sent(&mut self, now: Instant) {
        self.unanswered.get_or_insert(now);
    }

    /// The server is there and knows us: what it said was meant for us.
    pub(super) fn end(&mut self) {
        *self = Doubt { question: self.question.take(), ..Doubt::default() };
    }

    /// A datagram of the server has come. True: it was the answer to the question.
    pub(super) fn on_datagram(&mut self, now: Instant, [from, to]: [SocketAddr; 2], bytes: &[u8]) -> bool {
        let Some(question) = &mut self.question else { return false };
        let transmit = Transmit::new(bytes, TransportType::Udp, from, to);
        let is_taken = matches!(question.client.recv(transmit, now.into()), TurnRecvRet::Handled);
        if is_taken {
            (question.is_answered, question.due) = (true, now);
            self.end();
        }
        is_taken
    }

    fn begins_at(&self) -> Option<Instant> {
        let first_at = self.unanswered.filter(|_| self.is_raised).map(|since| since + UNANSWERED);
        self.again_at.or(first_at).filter(|_| self.question.is_none())
    }

    /// When there is something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.question.as_ref().map(|question| question.due).or_else(|| self.begins_at())
    }

    /// Does what is to be done by now, asking with this if it is time to ask. What leaves for the server goes to `each`.
    pub(super) fn work(
        &mut self,
        now: Instant,
        ask: impl FnOnce() -> TurnClientUdp,
        each: &mut dyn FnMut(Vec<u8>),
    ) -> Option<Answer> {
        if self.begins_at().is_some_and(|at| at <= now) {
            (self.is_raised, self.again_at) = (false, None);
            self.question = Some(Question { client: Box::new(Client::Udp(ask())), is_answered: false, due: now });
        }
        let mut question = self.question.take()?;
        for _ in 0..MAX_ROUNDS {
            while let Some(transmit) = question.client.poll_transmit(now.into()) {
                each(transmit.data.to_vec());
            }
            while let Some(event) = question.client.poll_event() {
                if let TurnEvent::AllocationCreated(..) = event {
                    return Some(Answer::Anew(question.client, event));
                }
            }
            match question.client.poll(now.into()) {
                TurnPollRet::WaitUntil(at) if Instant::from(at) > now => {
                    question.due = at.into();
                    self.question = Some(question);
                    return None;
                }
                TurnPollRet::WaitUntil(_) => {}
                _ if question.is_answered => return Some(Answer::Stands),
                _ => {
                    self.silences += 1;
                    self.again_at = Some(now + pause(self.silences));
                    return Some(Answer::Silent);
                }
            }
        }
        question.due = now + BREATH;
        self.question = Some(question);
        None
    }
}
