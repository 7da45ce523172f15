//! Doubt about the host: when it is not heard though what carries it is there, the server is told, and judges by how many
//! say so. Nothing is said on a mere guess: first the stream that carries the star must have answered.

use super::{Peer, Phase};
use crate::time::{Duration, Instant};
use crate::wire::signal::{ClientMessage, RequestHostMigration, Role};

/// A byte stream that sends lost bytes again and again, ever more slowly, can make a host that speaks silent for some
/// seconds in bad bursts of loss.
const LEAST: Duration = Duration::from_secs(5);
/// The pause between two words about it.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct Doubt {
    /// When the stream that carries was asked whether it is there.
    asked_at: Option<Instant>,
    said_at: Option<Instant>,
}

impl Peer {
    /// When the host's silence is suspicious, and when the server may be told, if it is for us to tell.
    fn host_silence(&self) -> Option<(Instant, Instant)> {
        let me = self.lobby.as_ref()?.roster.get(self.star.me)?;
        let may_tell = self.connection.phase == Phase::In && me.role == Role::Player && !self.is_hidden;
        self.star.host_silence(LEAST).filter(|_| may_tell)
    }

    pub(super) fn doubt_host(&mut self) {
        let suspicious = self.host_silence().filter(|(suspicious, _)| *suspicious <= self.now);
        if suspicious.is_none() {
            self.doubt.asked_at = None;
            return;
        }
        if self.doubt.asked_at.is_none() {
            self.doubt.asked_at = Some(self.now);
            return self.ask_carrier();
        }
        if self.doubt_deadline().is_some_and(|at| at <= self.now) {
            self.doubt.said_at = Some(self.now);
            // Request 0: no command of the application waits for it.
            self.say(&ClientMessage::RequestHostMigration(RequestHostMigration { to: None, request: 0 }));
            // The next word needs another answer.
            self.doubt.asked_at = Some(self.now);
            self.ask_carrier();
        }
    }

    /// When there is something to ask or to say. While an answer is awaited it wakes us.
    pub(super) fn doubt_deadline(&self) -> Option<Instant> {
        let (suspicious, due) = self.host_silence()?;
        let Some(asked_at) = self.doubt.asked_at else { return Some(suspicious) };
        let again = self.doubt.said_at.map(|said_at| said_at + AGAIN_AFTER);
        (self.carrier_heard_at() > asked_at).then(|| again.map_or(due, |again| again.max(due)))
    }
}
