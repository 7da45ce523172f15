//! Commands: what is asked of the server for the lobby, numbered, and what became of it; and leaving, which waits for
//! what was sent.

use super::event::{CommandError, Ended, PeerEvent, Refusal};
use super::{Command, Peer, Phase};
use crate::id::{CommandId, PlayerId};
use crate::time::{Duration, Instant, earlier};
use crate::wire::signal::{
    ClientMessage, ErrorCode, Kick, Lock, Ready, RequestHostMigration, SetHidden, SetMetadata, StartGame,
};
use std::collections::BTreeSet;

/// Commands that may wait for their outcome at a time.
pub(super) const MAX_REQUESTS: usize = 256;
/// How long leaving waits for what was sent to arrive.
const FLUSH_WITHIN: Duration = Duration::from_secs(2);
/// How long the server may take to answer a goodbye.
pub(super) const LEAVE_WITHIN: Duration = Duration::from_secs(1);

/// A host's wishes to be host no more.
#[derive(Debug, Default)]
pub(super) struct Handing {
    /// They wait for what was sent, at the latest until then.
    orders: Vec<(Instant, RequestHostMigration)>,
    /// The server was asked in these requests.
    asked: BTreeSet<u32>,
}

impl Handing {
    fn deadline(&self) -> Option<Instant> {
        self.orders.first().map(|(by, _)| *by)
    }

    fn is_idle(&self) -> bool {
        self.orders.is_empty() && self.asked.is_empty()
    }

    fn clear(&mut self) {
        *self = Handing::default();
    }
}

impl Peer {
    pub(super) fn take_command(&mut self, command: Command) -> Result<CommandId, CommandError> {
        if self.connection.phase == Phase::Ended {
            return Err(CommandError::Ended);
        }
        match command {
            Command::Leave => return Ok(self.leave()),
            Command::Hidden(hidden) => return Ok(self.set_hidden(hidden)),
            _ => {}
        }
        if self.connection.phase != Phase::In {
            return Err(CommandError::NotJoined);
        }
        if self.requests.len() >= MAX_REQUESTS {
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
            Command::HandOver(to) => {
                self.requests.insert(request);
                self.hand_over(RequestHostMigration { to, request });
                return Ok(id);
            }
            Command::Hidden(_) | Command::Leave => return Ok(id),
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
            self.handed_over(request);
            self.out.event(PeerEvent::Done { command: CommandId(request), outcome });
        }
    }

    /// The connection broke: nobody will answer what was asked on it.
    pub(super) fn lose_requests(&mut self) {
        self.handing.clear();
        self.star.freeze(self.leave_by.is_some());
        for request in core::mem::take(&mut self.requests) {
            let message = "the connection broke before the server answered; ask again".into();
            let outcome = Err(Refusal { code: ErrorCode::Busy, message });
            self.out.event(PeerEvent::Done { command: CommandId(request), outcome });
        }
    }

    fn set_hidden(&mut self, hidden: bool) -> CommandId {
        let command = self.next_command();
        self.is_hidden = hidden;
        self.star.set_hidden(hidden);
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
            self.star.freeze(true);
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
        let is_ready = self.connection.phase == Phase::In && self.star.is_flushed();
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

    pub(super) fn leave_deadline(&self) -> Option<Instant> {
        earlier(self.leave_by, self.handing.deadline())
    }

    /// A host that gives up its role takes nothing more that is kept, lets what it has taken arrive, and asks then.
    fn hand_over(&mut self, order: RequestHostMigration) {
        if !self.star.is_hosting() {
            return self.say(&ClientMessage::RequestHostMigration(order));
        }
        self.star.freeze(true);
        self.handing.orders.push((self.now + FLUSH_WITHIN, order));
    }

    pub(super) fn hand_over_if_flushed(&mut self) {
        let Some(by) = self.handing.deadline() else { return };
        // Members know of it once the frost is told and answered; that is part of what is waited for.
        if by > self.now && self.star.is_hosting() && !self.star.is_flushed() {
            return;
        }
        for (_, order) in core::mem::take(&mut self.handing.orders) {
            self.handing.asked.insert(order.request);
            self.say(&ClientMessage::RequestHostMigration(order));
        }
    }

    /// The server has answered: without another host this one goes on.
    fn handed_over(&mut self, request: u32) {
        if self.handing.asked.remove(&request) && self.handing.is_idle() {
            self.star.freeze(self.leave_by.is_some());
        }
    }

    /// Members that cannot be kept in step are put out: the lobby goes on without them, and they may join anew. While
    /// the server cannot be told it waits: all of them are told when it can.
    pub(super) fn put_out_fallen(&mut self) {
        let fallen = core::mem::take(&mut self.out.fallen);
        if self.connection.phase != Phase::In {
            return;
        }
        for player_id in fallen {
            self.out.note(|| format!("player {} has fallen behind and is put out", PlayerId(player_id.0).0));
            // Request 0: no command of the application waits for it.
            self.say(&ClientMessage::Kick(Kick { player_id, request: 0 }));
        }
    }
}
