//! How a conversation ended: the word and the exit code for programs, and a sentence for people that says what to do.

use super::print::name_of;
use webstar_core::peer::Ended;
use webstar_core::wire::signal::CloseReason;

/// The word for an end: a refusal's or a reason's own code.
pub(crate) fn reason_of(ended: &Ended) -> String {
    match ended {
        Ended::Left => "left".into(),
        Ended::Refused(refusal) => name_of(&refusal.code),
        Ended::PutOut(reason) => name_of(reason),
        Ended::RedirectLoop => "redirect_loop".into(),
        Ended::Unreachable { .. } => "unreachable".into(),
    }
}

/// The exit code: 0 left, 3 refused by the server, 4 connection lost for good.
pub(crate) fn code_of(ended: &Ended) -> u8 {
    match ended {
        Ended::Left => 0,
        Ended::Refused(_) => 3,
        Ended::PutOut(reason) => match reason {
            CloseReason::Kicked
            | CloseReason::Banned
            | CloseReason::Replaced
            | CloseReason::TokenReused
            | CloseReason::RateLimited
            | CloseReason::BadMessages
            | CloseReason::UnsupportedVersion
            | CloseReason::TooLarge => 3,
            _ => 4,
        },
        Ended::RedirectLoop | Ended::Unreachable { .. } => 4,
    }
}

/// What happened, and what to do.
pub(super) fn sentence(ended: &Ended) -> String {
    let text = match ended {
        Ended::Left | Ended::Refused(_) | Ended::RedirectLoop | Ended::Unreachable { .. } => return ended.to_string(),
        Ended::PutOut(reason) => match reason {
            CloseReason::Kicked => "the host has put you out; you may join again",
            CloseReason::Banned => "the host has put you out for good; join another lobby",
            CloseReason::Replaced => "this player went on elsewhere, on a newer connection",
            CloseReason::TimedOut => "the server does not know this place any more; join again",
            CloseReason::HostLost => "the lobby has lost its host; join again",
            CloseReason::FellBehind => "this connection is too slow for the lobby; join again on a better one",
            CloseReason::LobbyClosed => "the lobby has ended; join another",
            CloseReason::TooSlow => "this connection did not take what the server sent; join again on a better one",
            CloseReason::RateLimited => "too much was sent at once; send less and join again",
            CloseReason::ShuttingDown => "the server is shutting down; join again in a few seconds",
            CloseReason::TokenReused => "somebody else has used this player's token; join again",
            CloseReason::Busy => "the server is busy; join again in a few seconds",
            CloseReason::BadMessages | CloseReason::UnsupportedVersion | CloseReason::TooLarge => {
                "the server does not understand this program; install the same release as there"
            }
            CloseReason::Left | CloseReason::Idle | CloseReason::HandshakeTimeout => {
                "the server has closed this place; join again"
            }
        },
    };
    text.into()
}
