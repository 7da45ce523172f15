//! Commands: what is asked of the server for the lobby, numbered, and what became of it; and leaving, which waits for
//! what was sent, and, at a host, for another host.

use super::event::{CommandError, Ended, PeerEvent, Refusal};
use super::{Command, Peer, Phase};
use crate::id::CommandId;
use crate::time::Duration;
use crate::wire::signal::{ClientMessage, ErrorCode, Kick, Lock, Ready, SetHidden, SetMetadata, StartGame};

/// Commands that may wait for their outcome at a time.
pub(super) const MAX_REQUESTS: usize = 256;
/// How long leaving waits for what was sent to arrive.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// How long the server may take to answer a goodbye.
pub(super) const LEAVE_WITHIN: Duration = Duration::from_secs(1);

impl Peer {
    pub(super) fn take_command(&mut self, command: Command) -> Result<CommandId, CommandError> {
        if self.connection.phase == Phase::Ended {
            return Err(CommandError::Ended);
        }
        let waiting = self.requests.len() + self.handing.len();
        match command {
            Command::Leave => return Ok(self.leave()),
            Command::Hidden(hidden) => return Ok(self.set_hidden(hidden)),
            Command::HandOver(to) if self.lobby.is_some() && waiting < MAX_REQUESTS => {
                let id = self.next_command();
                self.hand_over(id, to);
                return Ok(id);
            }
            _ => {}
        }
        if self.connection.phase != Phase::In {
            return Err(CommandError::NotJoined);
        }
        if waiting >= MAX_REQUESTS {
            return Err(CommandError::TooMany { max: MAX_REQUESTS });
        }
        let id = self.next_command();
        let request = id.0;
        let message = match command {
            Command::Ready(ready) => ClientMessage::Ready(Ready { ready, request }),
            Command::Start => ClientMessage::StartGame(StartGame { request }),
            Command::Lock(locked) => ClientMessage::Lock(Lock { locked, request }),
            Command::Kick(player_id) => ClientMessage::Kick(Kick { player_id, request }),
            Command::Ban(player_id) => ClientMessage::Ban(Kick { player_id, request }),
            Command::SetMetadata(metadata) => ClientMessage::SetMetadata(SetMetadata { metadata, request }),
            Command::HandOver(_) | Command::Hidden(_) | Command::Leave => return Ok(id),
        };
        self.requests.insert(request);
        self.say(&message);
        Ok(id)
    }

    fn next_command(&mut self) -> CommandId {
        // Zero would not be answered.
        self.commands = self.commands.checked_add(1).unwrap_or(1);
        CommandId(self.commands)
    }

    /// The server says what became of a request. What we never asked is ignored.
    pub(super) fn on_done(&mut self, request: u32, outcome: Result<(), Refusal>) {
        if self.requests.remove(&request) {
            self.out.event(PeerEvent::Done { command: CommandId(request), outcome });
        }
    }

    /// The connection broke: nobody will answer what was asked on it.
    pub(super) fn lose_requests(&mut self) {
        for request in core::mem::take(&mut self.requests) {
            let message = "the connection broke before the server answered; ask again".into();
            let outcome = Err(Refusal { code: ErrorCode::Busy, message });
            self.out.event(PeerEvent::Done { command: CommandId(request), outcome });
        }
    }

    fn set_hidden(&mut self, hidden: bool) -> CommandId {
        let command = self.next_command();
        self.is_hidden = hidden;
        self.hub.set_hidden(hidden);
        if self.connection.phase == Phase::In {
            self.say(&ClientMessage::SetHidden(SetHidden { hidden }));
        }
        self.out.event(PeerEvent::Done { command, outcome: Ok(()) });
        command
    }

    /// A server takes everybody who comes, or comes back, for visible.
    pub(super) fn resend_hidden(&mut self) {
        if self.is_hidden {
            self.say(&ClientMessage::SetHidden(SetHidden { hidden: true }));
        }
    }

    fn leave(&mut self) -> CommandId {
        let command = self.next_command();
        if self.leave_by.is_none() && self.connection.phase != Phase::Leaving {
            self.leave_by = Some(self.now + FLUSH_WITHIN);
            // A host lets another take over first.
            self.is_succeeded = self.hub.hand_over(self.now, None);
            if self.lobby.is_some() {
                self.connection.hurry(self.now);
            }
        }
        command
    }

    /// Goes as soon as everything has arrived, or the time for it is over. Who has a place and is cut off comes back
    /// first if it can: the server keeps the place of who says no goodbye.
    pub(super) fn leave_if_flushed(&mut self) {
        let Some(by) = self.leave_by else { return };
        let is_host_still = self.is_succeeded && self.hub.is_hosting();
        let is_ready = self.connection.phase == Phase::In && !is_host_still && self.hub.is_flushed();
        if by > self.now && self.lobby.is_some() && !is_ready {
            return;
        }
        self.leave_by = None;
        match self.connection.phase {
            // A join or resume may be granted by now: the server takes the goodbye after it.
            Phase::In | Phase::Joining => self.say_goodbye(),
            Phase::Leaving | Phase::Ended => {}
            Phase::Opening | Phase::Greeting | Phase::Claiming | Phase::Pausing => self.end(Ended::Left),
        }
    }
}
