//! Keeps a connection open that somebody else opens and closes: the embedder's own data channel, or the connection to
//! the lobby server. It joins a [`Ladder`] to what is told of the connection and says what is to be done, and when. It
//! carries no packets and judges no silence; that is for the session and its [`Watch`](super::Watch).
//!
//! Every order has a number. What is told of the connection names the order that it is about; news of an order that
//! was replaced since are dropped, so that the end of an old connection is not taken for the failure of the new one.
//! After each `on_*`, `open` and `close` drain [`Keeper::poll`] and ask for the [`Keeper::deadline`] again.

use super::choose::PathKind;
use super::ladder::{Ladder, LadderConfig, Rungs, Step};
use crate::session::pipe::PipeFacts;
use crate::time::Instant;
use rand::rngs::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What the embedder shall do with its connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Open it, in place of any that is still there.
    Open,
    /// Keep it and look for new ways under it (ICE restart); tell `Opened` again when it carries packets. An embedder
    /// that cannot may treat it as `Open`.
    Restart,
    /// As `Open`, with relayed (TURN) candidates only.
    OpenRelayed,
    /// Close it; nothing more is expected to be told.
    Close,
}

/// The number of an order, rising.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Attempt(pub u32);

/// A command and its number. The connection goes by that number until the next order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Its number. `Close` bears the number of what it closes.
    pub attempt: Attempt,
    /// What to do.
    pub command: Command,
}

/// What the embedder tells of its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Fact {
    /// It carries packets.
    Opened(PipeFacts),
    /// So many bytes wait in it to be sent.
    Buffered(usize),
    /// Whether its packets go over a TURN server. Told before it opens, and whenever that changes.
    Turned(bool),
    /// It could not be opened.
    Failed,
    /// It was open and is no more.
    Closed,
}

/// What the watch of the path is to be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum PipeNews {
    /// [`Watch::on_opened`](super::Watch::on_opened), and the session is told the facts.
    Opened(PipeFacts),
    /// Packets go over a TURN server from now on, or do so no more.
    Turned(bool),
    /// [`Watch::on_closed`](super::Watch::on_closed).
    Closed,
}

/// Keeps one connection open.
#[derive(Debug)]
pub struct Keeper {
    ladder: Ladder,
    relayed_only: bool,
    connection: Connection,
    attempt: Attempt,
    buffered: usize,
    /// The order that is to be closed.
    closing: Option<Attempt>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Connection {
    /// Nobody wants it.
    Unwanted,
    /// Wanted, and not open.
    Absent,
    /// Open.
    Open(PipeFacts),
}

impl Keeper {
    /// For a connection of `kind`, wanted from the first [`Keeper::open`] on. Of [`PathKind::Relay`] it only ever asks
    /// `Open` and `Close`. With `relayed_only`, other kinds are always opened with relayed candidates only.
    pub fn new(kind: PathKind, relayed_only: bool, config: LadderConfig, random: ChaCha8Rng, now: Instant) -> Self {
        let relayed_only = relayed_only && kind != PathKind::Relay;
        Keeper {
            ladder: Ladder::new(Rungs::of(kind, relayed_only), config, random, now),
            relayed_only,
            connection: Connection::Unwanted,
            attempt: Attempt(0),
            buffered: 0,
            closing: None,
        }
    }

    /// The connection is wanted from now on.
    pub fn open(&mut self, now: Instant) {
        if self.connection == Connection::Unwanted {
            self.connection = Connection::Absent;
            self.ladder.begin(now);
        }
    }

    /// The connection is wanted no more. The caller tells its watch, if it had one open.
    pub fn close(&mut self, now: Instant) {
        if self.connection != Connection::Unwanted {
            self.connection = Connection::Unwanted;
            self.buffered = 0;
            self.closing = (self.attempt != Attempt(0)).then_some(self.attempt);
            self.ladder.stop(now);
        }
    }

    /// Whether the lobby is waiting for this player: pauses become shorter.
    pub fn set_awaited(&mut self, awaited: bool) {
        self.ladder.set_awaited(awaited);
    }

    /// What the embedder tells of the connection ordered as `attempt`.
    pub fn on_fact(&mut self, now: Instant, attempt: Attempt, fact: Fact) -> Option<PipeNews> {
        if attempt != self.attempt {
            return None;
        }
        match (self.connection, fact) {
            // Close has been ordered or will be by the next poll; it covers what opens in the meantime.
            (Connection::Unwanted, _) => None,
            (Connection::Absent | Connection::Open(_), Fact::Opened(facts)) => {
                self.connection = Connection::Open(facts);
                self.buffered = 0;
                self.ladder.on_restored(now);
                Some(PipeNews::Opened(facts))
            }
            (Connection::Open(_), Fact::Buffered(bytes)) => {
                self.buffered = bytes;
                None
            }
            (Connection::Absent, Fact::Buffered(_)) => None,
            (Connection::Absent | Connection::Open(_), Fact::Turned(is_turned)) => Some(PipeNews::Turned(is_turned)),
            (Connection::Absent, Fact::Failed | Fact::Closed) => {
                self.ladder.on_attempt_failed(now);
                None
            }
            (Connection::Open(_), Fact::Failed | Fact::Closed) => {
                self.lose(now);
                Some(PipeNews::Closed)
            }
        }
    }

    /// The watch has given the path up though the embedder holds it for open: it is mended like a closed one.
    pub fn on_dead(&mut self, now: Instant) {
        if self.facts().is_some() {
            self.lose(now);
        }
    }

    /// What the embedder shall do now; ask until none.
    pub fn poll(&mut self, now: Instant) -> Option<Order> {
        if let Some(attempt) = self.closing.take() {
            return Some(Order { attempt, command: Command::Close });
        }
        let step = self.ladder.poll(now)?;
        self.attempt = Attempt(self.attempt.0.wrapping_add(1));
        Some(Order { attempt: self.attempt, command: self.command(step) })
    }

    /// When [`Keeper::poll`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.ladder.deadline()
    }

    /// What the connection said of itself, while it is open.
    pub fn facts(&self) -> Option<PipeFacts> {
        match self.connection {
            Connection::Open(facts) => Some(facts),
            Connection::Unwanted | Connection::Absent => None,
        }
    }

    /// How many bytes wait in the connection, as last told.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// The step of the ladder that is being tried or comes next, and the number of the attempt, from 1.
    pub fn mending(&self) -> Option<(Step, u32)> {
        self.ladder.step().map(|step| (step, self.ladder.attempt()))
    }

    fn lose(&mut self, now: Instant) {
        self.connection = Connection::Absent;
        self.buffered = 0;
        self.ladder.on_broken(now);
    }

    fn command(&self, step: Step) -> Command {
        match step {
            Step::RelayedOnly => Command::OpenRelayed,
            Step::QuickRetry | Step::Background if self.relayed_only => Command::OpenRelayed,
            Step::QuickRetry | Step::Background => Command::Open,
            Step::Restart => Command::Restart,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::pipe::Control;
    use crate::time::Duration;
    use rand::SeedableRng;

    const FACTS: PipeFacts = PipeFacts { max_packet: 1_050, control: Control::Below };

    fn at(ms: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(ms)
    }

    fn keeper(kind: PathKind, relayed_only: bool) -> Keeper {
        let config = LadderConfig { jitter_percent: 0, ..LadderConfig::default() };
        Keeper::new(kind, relayed_only, config, ChaCha8Rng::seed_from_u64(1), at(0))
    }

    fn order(attempt: u32, command: Command) -> Option<Order> {
        Some(Order { attempt: Attempt(attempt), command })
    }

    /// The commands of the first attempts, all of which fail at once.
    fn climb(mut keeper: Keeper) -> Vec<Command> {
        keeper.open(at(0));
        (0..5)
            .map(|_| {
                let now = keeper.deadline().unwrap();
                let order = keeper.poll(now).unwrap();
                keeper.on_fact(now, order.attempt, Fact::Failed);
                order.command
            })
            .collect()
    }

    #[test]
    fn each_kind_has_its_commands() {
        use Command::{Open, OpenRelayed, Restart};
        assert_eq!(climb(keeper(PathKind::External, false)), [Open, Restart, OpenRelayed, Open, Open]);
        assert_eq!(climb(keeper(PathKind::External, true)), [OpenRelayed; 5]);
        assert_eq!(climb(keeper(PathKind::Relay, true)), [Open; 5]);
    }

    #[test]
    fn a_life_in_exact_moments() {
        let mut keeper = keeper(PathKind::External, false);
        assert_eq!((keeper.poll(at(0)), keeper.deadline()), (None, None));
        keeper.open(at(5));
        assert_eq!(keeper.poll(at(5)), order(1, Command::Open));
        assert_eq!(keeper.poll(at(5)), None);
        assert_eq!(keeper.deadline(), Some(at(3_005)));
        assert_eq!(keeper.on_fact(at(300), Attempt(1), Fact::Opened(FACTS)), Some(PipeNews::Opened(FACTS)));
        assert_eq!((keeper.facts(), keeper.deadline(), keeper.mending()), (Some(FACTS), None, None));
        assert_eq!(keeper.on_fact(at(400), Attempt(1), Fact::Buffered(7_000)), None);
        assert_eq!(keeper.buffered(), 7_000);

        assert_eq!(keeper.on_fact(at(20_000), Attempt(1), Fact::Closed), Some(PipeNews::Closed));
        assert_eq!((keeper.facts(), keeper.buffered()), (None, 0));
        assert_eq!(keeper.poll(at(20_000)), order(2, Command::Open));
        assert_eq!(keeper.mending(), Some((Step::QuickRetry, 1)));
        assert_eq!(keeper.poll(at(23_000)), None);
        assert_eq!(keeper.deadline(), Some(at(23_500)));
        assert_eq!(keeper.poll(at(23_500)), order(3, Command::Restart));
        assert_eq!(keeper.on_fact(at(23_600), Attempt(2), Fact::Closed), None, "of the one replaced");
        assert_eq!(keeper.deadline(), Some(at(28_500)), "the restart goes on");
        assert_eq!(keeper.on_fact(at(24_000), Attempt(3), Fact::Opened(FACTS)), Some(PipeNews::Opened(FACTS)));

        keeper.close(at(25_000));
        assert_eq!(keeper.poll(at(25_000)), order(3, Command::Close));
        assert_eq!((keeper.poll(at(99_000)), keeper.deadline()), (None, None));
        assert_eq!(keeper.on_fact(at(99_000), Attempt(3), Fact::Closed), None);
    }

    #[test]
    fn late_success_counts_and_a_dead_path_is_mended() {
        let mut keeper = keeper(PathKind::External, false);
        keeper.open(at(0));
        keeper.poll(at(0));
        assert_eq!(keeper.poll(at(3_000)), None, "the first attempt is over, the second not due");
        assert_eq!(keeper.on_fact(at(3_100), Attempt(1), Fact::Opened(FACTS)), Some(PipeNews::Opened(FACTS)));
        assert_eq!(keeper.deadline(), None);
        keeper.on_dead(at(8_100));
        assert_eq!(keeper.deadline(), Some(at(9_100)), "it opened and proved nothing: on with the ladder");
        assert_eq!(keeper.poll(at(9_100)), order(2, Command::OpenRelayed));
        keeper.on_dead(at(9_200));
        assert_eq!(keeper.deadline(), Some(at(15_100)), "nothing was open");
    }

    #[test]
    fn closing_and_opening_again_loses_no_command() {
        let mut keeper = keeper(PathKind::Relay, false);
        keeper.open(at(0));
        keeper.close(at(0));
        assert_eq!(keeper.poll(at(0)), None, "nothing was ordered, so nothing is closed");
        keeper.open(at(1));
        assert_eq!(keeper.poll(at(1)), order(1, Command::Open));
        keeper.close(at(2));
        keeper.open(at(2));
        assert_eq!(keeper.poll(at(2)), order(1, Command::Close));
        assert_eq!(keeper.poll(at(2)), order(2, Command::Open));
        assert_eq!(keeper.on_fact(at(3), Attempt(1), Fact::Opened(FACTS)), None);
    }
}
