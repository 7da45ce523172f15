//! Why a TURN server refuses what is asked of it.

use turn_client_proto::types::stun::attribute::ErrorCode;
use turn_client_proto::types::stun::message::{Message, MessageClass};

/// What the server said last.
#[derive(Default)]
pub(super) struct Refusals {
    /// It has told its realm, with the refusal that is part of every beginning.
    is_challenged: bool,
    /// The code of the last one.
    code: Option<u16>,
}

impl Refusals {
    /// It has said this. What is not signed may come from anybody: it says why nothing came of a question, and that only.
    pub(super) fn note(&mut self, bytes: &[u8]) {
        if let Some(code) = code_of(bytes).filter(|code| *code != ErrorCode::STALE_NONCE) {
            let is_first = code == ErrorCode::UNAUTHORIZED && !self.is_challenged;
            self.is_challenged |= is_first;
            self.code = Some(code).filter(|_| !is_first);
        }
    }

    /// It is for a reason of ours that has no code.
    pub(super) fn note_nonsense(&mut self) {
        self.code = Some(0);
    }

    /// The client could not ask for an address: if it was challenged it did not know how to meet that.
    pub(super) fn on_failed(&mut self) {
        if self.is_challenged {
            self.code.get_or_insert(ErrorCode::UNAUTHORIZED);
        }
    }

    /// It knows of nothing that it lends us.
    pub(super) fn is_forgotten(&self) -> bool {
        self.code == Some(ErrorCode::ALLOCATION_MISMATCH)
    }

    /// The code of the last one, if it refused anything since this was asked.
    pub(super) fn take(&mut self) -> Option<u16> {
        self.code.take()
    }
}

fn code_of(bytes: &[u8]) -> Option<u16> {
    let message = Message::from_bytes(bytes).ok().filter(|message| message.has_class(MessageClass::Error))?;
    Some(message.attribute::<ErrorCode>().ok()?.code())
}
