//! What the server closes, and whether it had to. In a world that breaks no connection none may be closed for a fault, but
//! for one whose first words the network has held back.

use crate::net::Side;
use std::collections::BTreeSet;
use webstar_core::wire::signal::CloseReason;

/// What is to be said of a closing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Closing {
    /// As it should be.
    Fine,
    /// The world explains it.
    Excused(&'static str),
    /// Somebody must be at fault.
    Fault,
}

/// Which connections the server has heard.
#[derive(Debug, Default)]
pub(super) struct Closings {
    heard: BTreeSet<usize>,
}

impl Closings {
    /// A frame has arrived at the player's side (A) or at the server (B).
    pub(super) fn on_arrival(&mut self, connection: usize, at: Side) {
        if at == Side::B {
            self.heard.insert(connection);
        }
    }

    pub(super) fn judge(&self, connection: usize, reason: CloseReason) -> Closing {
        match reason {
            CloseReason::HandshakeTimeout if !self.heard.contains(&connection) => {
                Closing::Excused("first_words_held_back")
            }
            reason if is_fault(reason) => Closing::Fault,
            _ => Closing::Fine,
        }
    }
}

/// Whether somebody is at fault when a connection is closed for this.
fn is_fault(reason: CloseReason) -> bool {
    use CloseReason::{BadMessages, FellBehind, HandshakeTimeout, Idle, RateLimited, TimedOut, TokenReused, TooSlow};
    matches!(
        reason,
        BadMessages | FellBehind | HandshakeTimeout | Idle | RateLimited | TimedOut | TokenReused | TooSlow
    )
}

/// What it is called in the summary.
pub(super) fn mark(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::TooSlow => "closed_too_slow",
        CloseReason::Idle => "closed_idle",
        CloseReason::Replaced => "closed_replaced",
        CloseReason::HandshakeTimeout => "closed_handshake",
        CloseReason::RateLimited => "closed_rate_limited",
        CloseReason::BadMessages => "closed_bad_messages",
        CloseReason::TimedOut => "closed_timed_out",
        CloseReason::TokenReused => "closed_token_reused",
        CloseReason::FellBehind => "closed_fell_behind",
        CloseReason::Kicked => "closed_kicked",
        _ => "closed_otherwise",
    }
}
