//! What a player tells its application, and the words it uses for it.

use super::referee::Rule;
use crate::id::{CommandId, PlayerId};
use crate::path::{PathKind, Step};
use crate::session::pipe::PathState;
pub use crate::star::{Proposal, ProposalId, Snapshot, Verdict};
use crate::time::Duration;
use crate::wire::frame::Priority;
use crate::wire::signal::{CloseReason, Data, Epoch, ErrorCode, HostCause, LobbyInfo, PlayerEntry};
pub use crate::wire::star::{Channel, Kind, Position};
use bytes::Bytes;
use thiserror::Error;

/// A message that has arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PeerMessage {
    /// Who sent it, stamped by the host; by the server for what came through it.
    pub from: PlayerId,
    /// What was promised.
    pub channel: Channel,
    /// Its number among its sender's on this channel, from 1; 0 for what came through the server.
    pub seq: u64,
    /// What it is; `relay` for what came through the server.
    pub kind: Kind,
    /// The bytes.
    pub payload: Bytes,
    /// Its place in the log; none for what is not kept, and for what came through the server.
    pub position: Option<Position>,
    /// The bytes are not what its sender sent, but what the host's game has made of that.
    pub is_rewritten: bool,
}

/// A message that was taken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Sent {
    /// On this channel ..
    pub channel: Channel,
    /// .. the so manyeth, from 1.
    pub seq: u64,
}

/// Something that happened to a player.
#[derive(Clone, PartialEq, Debug)]
pub enum PeerEvent {
    /// In the lobby, or back in it.
    Joined {
        /// Who we are.
        player: PlayerId,
        /// The lobby.
        lobby: LobbyInfo,
        /// Everybody, we included.
        members: Vec<PlayerEntry>,
        /// The host.
        host: Option<PlayerId>,
        /// Which life of the star.
        epoch: Epoch,
        /// As who we were.
        resumed: bool,
    },
    /// Somebody has come.
    PlayerJoined(PlayerEntry),
    /// Somebody has gone.
    PlayerLeft {
        /// Who.
        player: PlayerId,
        /// Why.
        reason: CloseReason,
    },
    /// Something of somebody has changed: ready, connected, hidden.
    PlayerChanged(PlayerEntry),
    /// What is known of the lobby has changed.
    LobbyChanged(LobbyInfo),
    /// The game has started.
    GameStarted {
        /// Who started it.
        by: PlayerId,
    },
    /// A message.
    Message(PeerMessage),
    /// The server's application says something.
    ServerData(Data),
    /// A kept message of ours is safe.
    Acked(Sent),
    /// A kept message of ours was rejected by the host: nobody hears it. It counts as acknowledged, before or after this.
    Rejected {
        /// Which.
        sent: Sent,
        /// What it was.
        kind: Kind,
        /// Why: the words of the host's game, or the name of the rule that it breaks.
        reason: String,
    },
    /// As host, with `authority`: a member wants to say this. [`super::Peer::decide`] takes the decision; until then the
    /// ordered messages of that member wait. What is not decided when another becomes host, that one is asked.
    Proposal(Proposal),
    /// As host: a message broke a rule of the referee, and was rejected; one of the moment was dropped.
    Violation {
        /// Whose.
        player: PlayerId,
        /// Which rule.
        rule: Rule,
        /// How many strikes that player has now. One is forgiven every ten seconds.
        strikes: u32,
    },
    /// The channel that refused a message takes messages again.
    Drained(Channel),
    /// A path to a player has changed.
    Path {
        /// To whom.
        player: PlayerId,
        /// What it is made of.
        path: PathKind,
        /// Whether packets on it go over a TURN server.
        is_turned: bool,
        /// How it is now.
        state: PathState,
    },
    /// A direct path to a player is being opened or mended.
    Mending {
        /// To whom.
        player: PlayerId,
        /// What it is made of.
        path: PathKind,
        /// What is tried now. At [`Step::Background`] the relay carries on and nobody waits.
        step: Step,
        /// How many attempts this makes.
        attempt: u32,
    },
    /// Nothing is heard of a player on any path.
    Suspect {
        /// Whom.
        player: PlayerId,
    },
    /// There is another host.
    HostChanged {
        /// Which life of the star.
        epoch: Epoch,
        /// Who.
        host: PlayerId,
        /// Why; none if it is the first that we hear of.
        cause: Option<HostCause>,
        /// From the last sign of the old host to the first of the new.
        gap: Duration,
    },
    /// Another view is in force: who hosts, who would take over, and who is asked.
    ViewChanged {
        /// Which life of the star.
        epoch: Epoch,
        /// Who hosts.
        host: PlayerId,
        /// Who keeps copies of all that is acknowledged, and would take over. While there is nobody, what is acknowledged
        /// is with the host alone.
        backups: Vec<PlayerId>,
        /// Whose votes count.
        voters: Vec<PlayerId>,
    },
    /// The lobby goes on without what may have been lost: messages that were acknowledged, or heard by some, may be gone.
    /// What was not acknowledged is sent again.
    ContinuityLost,
    /// We begin here: the game starts from the snapshot, and what follows is one after it.
    Started {
        /// Where, and the state there.
        snapshot: Snapshot,
    },
    /// What we have heard is not what the others have: the game starts anew from here.
    Resynced {
        /// Where, and the state there.
        snapshot: Snapshot,
    },
    /// We are host: the game goes on from the snapshot with these messages, among them those that only a host gets.
    Promoted {
        /// The newest snapshot of the old host's game.
        snapshot: Snapshot,
        /// Everything kept after it, whomever it was meant for.
        tail: Vec<PeerMessage>,
    },
    /// The game is asked for its state after everything that it was told so far; [`super::Peer::snapshot`] takes it.
    SnapshotWanted {
        /// The place that the state stands for.
        position: Position,
    },
    /// Nobody can be host now: nothing is acknowledged until the others, or the server, are back.
    Paused,
    /// The connection to the server is lost; the next attempt comes.
    Reconnecting {
        /// Which, from 1.
        attempt: u32,
        /// After so long.
        after: Duration,
        /// What went wrong.
        why: String,
    },
    /// What became of a command.
    Done {
        /// Which.
        command: CommandId,
        /// What.
        outcome: Result<(), Refusal>,
    },
    /// The server complains of something that was no command.
    Refused(Refusal),
    /// It is over; nothing follows.
    Closed(Ended),
}

/// What the server refused.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{message}")]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
}

/// Why it is over.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Ended {
    /// We left.
    #[error("left")]
    Left,
    /// The server refused the join.
    #[error("{0}")]
    Refused(Refusal),
    /// The server put us out, or closed the lobby.
    #[error("the server closed this player's place: {0:?}")]
    PutOut(CloseReason),
    /// The lobby lives elsewhere and the redirect led nowhere.
    #[error("the lobby was sent from server to server without end; try again later")]
    RedirectLoop,
    /// The server could not be reached in all attempts.
    #[error("the server cannot be reached: {why}; check the address and that it runs")]
    Unreachable {
        /// What the last attempt said.
        why: String,
    },
}

/// Why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum SendError {
    /// The channel is full; `Drained` follows once.
    #[error("the channel holds {queued} bytes and takes no more until it has drained; try again after `Drained`")]
    Full {
        /// Bytes it holds.
        queued: usize,
    },
    /// The message is longer than the configured limit.
    #[error("the message is longer than max_message ({max} bytes); send it in pieces or raise the limit everywhere")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// The kind is empty or longer than 64 bytes.
    #[error("a kind has 1 to 64 bytes")]
    BadKind,
    /// Nobody of that number is in the lobby.
    #[error("there is no player {} in the lobby", .0.0)]
    NoSuchPlayer(PlayerId),
    /// Not in a lobby yet, or the lobby has no host.
    #[error("there is nobody to send to yet; wait for `Joined` with a host")]
    NotJoined,
    /// Too many kinds on the latest-only channel.
    #[error("all {max} latest-only keys are in use; use fewer kinds or raise max_keys everywhere")]
    TooManyKeys {
        /// The limit.
        max: usize,
    },
    /// It is over.
    #[error("this player has left; make a new one")]
    Ended,
}

/// Why a decision had no effect.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DecideError {
    /// It was decided before, its sender has gone, or we are not host any more.
    #[error("no proposal {} waits to be decided; whoever is host now is asked for those that were not", .0.0)]
    NoSuchProposal(ProposalId),
    /// What it was rewritten to is longer than the configured limit.
    #[error("the message is longer than max_message ({max} bytes); rewrite it to something shorter, or reject it")]
    TooLong {
        /// The limit.
        max: usize,
    },
    /// It is over.
    #[error("this player has left; make a new one")]
    Ended,
}

/// Why a command was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum CommandError {
    /// Not in a lobby, or the connection is broken just now.
    #[error("join a lobby first, or wait until the connection is back")]
    NotJoined,
    /// Too many commands wait for their outcome.
    #[error("{max} commands wait for their outcome; wait for `Done`")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// It is over.
    #[error("this player has left; make a new one")]
    Ended,
}

/// Another player in numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct PlayerStats {
    /// Who.
    pub player: PlayerId,
    /// The kind of path in use, if any.
    pub path: Option<PathKind>,
    /// Whether packets on it go over a TURN server.
    pub is_turned: bool,
    /// Smoothed round trip.
    pub rtt: Option<Duration>,
    /// Mean deviation of the round trip.
    pub jitter: Duration,
    /// The share of packets lost lately.
    pub loss: f64,
    /// Bytes that came, in all.
    pub bytes_received: u64,
    /// Bytes that left, in all.
    pub bytes_sent: u64,
    /// Bytes held for sending, by priority.
    pub queued: [usize; Priority::ALL.len()],
}
