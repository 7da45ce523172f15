//! What the server closes, and whether it had to. In a world that breaks no connection none may be closed for a fault, but
//! for one of which the network has held everything back for as long as the server has patience.

use crate::net::Side;
use crate::world::SeatId;
use std::collections::BTreeMap;
use webstar_core::server::ServerConfig;
use webstar_core::time::{Duration, Instant};
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

/// A word may be on its way for so long without being held back: the longest delay and jitter of a lossy world.
const ON_ITS_WAY: Duration = Duration::from_millis(800);

/// Whose a connection is, and when something last came out of it, at the player's side and at the server.
#[derive(Debug, Default)]
pub(super) struct Closings {
    heard: BTreeMap<usize, (SeatId, [Option<Instant>; 2])>,
}

impl Closings {
    /// A frame has arrived at the player's side (A) or at the server (B).
    pub(super) fn on_arrival(&mut self, now: Instant, seat: SeatId, connection: usize, at: Side) {
        let (_, heard) = self.heard.entry(connection).or_insert((seat, [None; 2]));
        heard[usize::from(at == Side::B)] = Some(now);
    }

    /// Whose it is, if something has ever come out of it.
    pub(super) fn seat(&self, connection: usize) -> Option<SeatId> {
        self.heard.get(&connection).map(|(seat, _)| *seat)
    }

    pub(super) fn judge(&self, now: Instant, connection: usize, reason: CloseReason) -> Closing {
        let [player, server] = self.heard.get(&connection).map(|(_, heard)| *heard).unwrap_or_default();
        let patience = ServerConfig::default().progress_timeout - ON_ITS_WAY;
        match reason {
            CloseReason::HandshakeTimeout if server.is_none() => Closing::Excused("first_words_held_back"),
            CloseReason::TooSlow if player.is_none_or(|at| now.since(at) >= patience) => {
                Closing::Excused("everything_held_back")
            }
            reason if is_fault(reason) => Closing::Fault,
            _ => Closing::Fine,
        }
    }
}

/// Whether somebody is at fault when a connection is closed for this.
fn is_fault(reason: CloseReason) -> bool {
    use CloseReason::{
        BadMessages, FellBehind, HandshakeTimeout, Idle, RateLimited, TimedOut, TokenReused, TooLarge, TooSlow,
    };
    matches!(
        reason,
        BadMessages | FellBehind | HandshakeTimeout | Idle | RateLimited | TimedOut | TokenReused | TooLarge | TooSlow
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_held_back_all_the_time_is_excused() {
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let mut closings = Closings::default();
        let first_words = Closing::Excused("first_words_held_back");
        assert_eq!(closings.judge(at(5_000), 1, CloseReason::HandshakeTimeout), first_words);
        closings.on_arrival(at(100), SeatId(0), 1, Side::B);
        assert_eq!(closings.judge(at(5_000), 1, CloseReason::HandshakeTimeout), Closing::Fault);

        closings.on_arrival(at(1_000), SeatId(0), 1, Side::A);
        assert_eq!(closings.judge(at(5_199), 1, CloseReason::TooSlow), Closing::Fault);
        let everything = Closing::Excused("everything_held_back");
        assert_eq!(closings.judge(at(5_200), 1, CloseReason::TooSlow), everything);
        assert_eq!(closings.judge(at(5_200), 1, CloseReason::Idle), Closing::Fault);
        assert_eq!(closings.judge(at(5_200), 1, CloseReason::Left), Closing::Fine);
    }
}
