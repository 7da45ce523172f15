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
        let refusal = if !self.hub.is_hosting() {
            (ErrorCode::NotHost, ErrorCode::NotHost.to_string())
        } else if self.handing.len() > 0 {
            (ErrorCode::Busy, "a hand-over is under way; wait for its outcome".into())
        } else if !self.hub.hand_over(self.now, to) {
            (ErrorCode::NoSuchPlayer, nobody_like(to))
        } else {
            return self.handing.commands.push((self.now + WITHIN, command));
        };
        let (code, message) = refusal;
        self.out.event(PeerEvent::Done { command, outcome: Err(Refusal { code, message }) });
    }

    /// Answers those that can be answered.
    pub(super) fn settle_handing(&mut self) {
        let is_host = self.hub.is_hosting();
        // The application hears of the new host first.
        let is_told = self.hub.told.is_some_and(|(_, told)| told != self.hub.me);
        let is_over = self.connection.phase == Phase::Ended;
        while let Some((by, command)) = self.handing.commands.first().copied() {
            let is_late = by <= self.now;
            let outcome = if is_over || is_host && is_late {
                let message = "no other player could become host; try again, or name another".into();
                Err(Refusal { code: ErrorCode::Busy, message })
            } else if is_host || !is_told && !is_late {
                return;
            } else {
                Ok(())
            };
            self.handing.commands.remove(0);
            self.out.event(PeerEvent::Done { command, outcome });
        }
    }
}

fn nobody_like(to: Option<PlayerId>) -> String {
    match to {
        Some(player) => format!(
            "player {} cannot become host; name another player who is here and connected, no spectator and no guest",
            player.0
        ),
        None => "there is nobody else who could become host; wait until another player has come".into(),
    }
}
