//! A host's wishes to be host no more. The star carries them out, whether or not the server is there; the commands are
//! answered when another is host.

use super::event::{PeerEvent, Refusal};
use super::{Peer, Phase};
use crate::id::{CommandId, PlayerId};
use crate::time::{Duration, Instant};
use crate::wire::signal::ErrorCode;

/// How long a successor may take.
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Handing {
    /// Commands that are not answered yet, and when they are answered at the latest.
    commands: Vec<(Instant, CommandId)>,
}

impl Handing {
    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.commands.first().map(|(by, _)| *by)
    }
}

impl Peer {
    /// Another shall be host: this one, or whoever is best.
    pub(super) fn hand_over(&mut self, command: CommandId, to: Option<PlayerId>) {
        let refusal = |code: ErrorCode| Err(Refusal { code, message: code.to_string() });
        if !self.hub.is_hosting() {
            return self.out.event(PeerEvent::Done { command, outcome: refusal(ErrorCode::NotHost) });
        }
        if !self.hub.hand_over(self.now, to) {
            return self.out.event(PeerEvent::Done { command, outcome: refusal(ErrorCode::NoSuchPlayer) });
        }
        self.handing.commands.push((self.now + WITHIN, command));
    }

    /// Answers those that can be answered.
    pub(super) fn settle_handing(&mut self) {
        let is_host = self.hub.is_hosting();
        let is_over = self.connection.phase == Phase::Ended;
        while let Some((by, command)) = self.handing.commands.first().copied() {
            let outcome = if is_over || is_host && by <= self.now {
                let message = "no other player could become host; try again, or name another".into();
                Err(Refusal { code: ErrorCode::Busy, message })
            } else if is_host {
                return;
            } else {
                Ok(())
            };
            self.handing.commands.remove(0);
            self.out.event(PeerEvent::Done { command, outcome });
        }
    }
}
