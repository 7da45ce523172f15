//! What the system tells the server by signals: to end, or to read its certificate again.

/// What was said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(not(unix), expect(dead_code, reason = "there the system ends the program without asking"))]
pub(super) enum Told {
    /// SIGTERM or SIGINT; or the terminal, in which it was started, is gone.
    End,
    /// SIGHUP.
    ReadAgain,
}

/// Hears from the moment on in which it is opened: the system ends the program no more.
#[cfg(unix)]
pub(super) struct Ears {
    signals: Option<async_signal::Signals>,
    had_terminal: bool,
}

#[cfg(unix)]
impl Ears {
    pub(super) fn open() -> Self {
        use async_signal::{Signal, Signals};
        let signals = Signals::new([Signal::Term, Signal::Int, Signal::Hup]);
        let signals = signals.inspect_err(|error| {
            tracing::warn!(%error, "signals cannot be heard: the program ends at once when it is told to");
        });
        Ears { signals: signals.ok(), had_terminal: has_terminal() }
    }

    pub(super) async fn hear(&mut self) -> Told {
        use async_signal::Signal;
        use futures_lite::StreamExt;
        let Some(signals) = &mut self.signals else { return std::future::pending().await };
        match signals.next().await {
            // Closing a terminal says the same as an operator who has renewed a certificate.
            Some(Ok(Signal::Hup)) if !self.had_terminal || has_terminal() => Told::ReadAgain,
            _ => Told::End,
        }
    }
}

/// Somebody sits before it. Of a terminal that was closed nobody can be told any more.
#[cfg(unix)]
fn has_terminal() -> bool {
    use std::io::{IsTerminal, stderr, stdin, stdout};
    stdin().is_terminal() || stdout().is_terminal() || stderr().is_terminal()
}

/// The system ends the program without asking.
#[cfg(not(unix))]
pub(super) struct Ears;

#[cfg(not(unix))]
impl Ears {
    pub(super) fn open() -> Self {
        Ears
    }

    pub(super) async fn hear(&mut self) -> Told {
        std::future::pending().await
    }
}
