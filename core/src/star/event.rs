//! What the star is told about players, and what it tells: to the application, to other players, to the server.

use super::{Channel, Frame, Kind, Position, Proposal};
use crate::id::{Incarnation, PlayerId};
use crate::time::{Duration, Instant};
use crate::wire::signal::{Epoch, HostCause};
use crate::wire::view::{Certified, PublicKey, Signature, View};
use bytes::Bytes;
use std::collections::VecDeque;

/// A line of the roster, as far as the star cares. Guests are in none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Who.
    pub player: PlayerId,
    /// Which life of its memory.
    pub incarnation: Incarnation,
    /// What its promises are signed with.
    pub key: PublicKey,
    /// It plays, and its tab is not hidden: it may vote, keep copies and be host.
    pub is_eligible: bool,
    /// Its connection to the server stands.
    pub is_connected: bool,
}

/// How a player is heard, over all paths.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ear {
    /// Some path to it is open, so that silence means something.
    pub is_open: bool,
    /// When something came last.
    pub heard_at: Instant,
    /// Silence shorter than this means nothing: its own rhythm, the jitter of its paths, and what they are made of.
    pub patience: Duration,
    /// After a silence of this length several signs of life are missing that it has announced: if others do not hear it
    /// either, nobody need wait for an answer.
    pub rhythm: Duration,
    /// Smoothed round trip, if measured.
    pub rtt: Option<Duration>,
}

/// A message that has arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivered {
    /// Where it stands in the log.
    pub position: Position,
    /// Who sent it, stamped by the host.
    pub from: PlayerId,
    /// What was promised.
    pub channel: Channel,
    /// Its number among its sender's on this channel, from 1.
    pub seq: u64,
    /// What it is.
    pub kind: Kind,
    /// The bytes.
    pub payload: Bytes,
    /// They are not what its sender sent, but what the host's game has made of that.
    pub is_rewritten: bool,
}

/// A state of the host's game, in the game's own bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Snapshot {
    /// It holds the effect of everything up to this place; nothing of what follows.
    pub position: Position,
    /// The bytes; none if the game gives no snapshots.
    pub state: Option<Bytes>,
}

/// Something for the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A message.
    Message(Delivered),
    /// A message of ours was rejected by the host's game: nobody hears it. Its number is used up.
    Rejected {
        /// Its place in the log.
        position: Position,
        /// Where it was sent ..
        channel: Channel,
        /// .. as the so manyeth.
        seq: u64,
        /// What it was.
        kind: Kind,
        /// Why.
        reason: String,
    },
    /// As host, with [`has_authority`](super::StarConfig::has_authority): a member wants to say this, and our game decides
    /// by [`Star::decide`](super::Star::decide). One that was not decided when another becomes host is asked of that one.
    Proposal(Proposal),
    /// Our kept messages on a channel, up to this number, are committed.
    Acked(Channel, u64),
    /// The channel that refused a message takes messages again.
    Drained(Channel),
    /// Another host, or the first one we hear of.
    HostChanged {
        /// The new view's epoch.
        epoch: Epoch,
        /// Who.
        host: PlayerId,
        /// Why.
        cause: Option<HostCause>,
        /// From the last sign of the old host to the first of the new.
        gap: Duration,
    },
    /// What was acknowledged or delivered before may be gone.
    ContinuityLost,
    /// We begin here: what follows is one after the snapshot.
    Started(Snapshot),
    /// What we delivered is not what the others did: we begin anew from here.
    Resynced(Snapshot),
    /// We are host: our game goes on from the snapshot with these messages, among them those that only a host gets.
    Promoted {
        /// The newest snapshot of the old host's game.
        snapshot: Snapshot,
        /// Everything after it that is committed, whomever it was meant for.
        tail: Vec<Delivered>,
    },
    /// The game is asked for its state after everything that was delivered so far; it answers with the position.
    SnapshotWanted {
        /// The place that the state stands for.
        position: Position,
    },
    /// Nobody can be host now: nothing is acknowledged until the others, or the server, are back.
    Paused,
}

/// Something for the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Word {
    /// This view is in force.
    InForce(Box<Certified>),
    /// Please promise this view: we lack your weight.
    Grant(Box<View>),
    /// The host is not heard.
    Unheard {
        /// Which view's host.
        epoch: Epoch,
    },
    /// The answer to the server's question whether we hear the host.
    Heard {
        /// Which view's host.
        epoch: Epoch,
        /// Whether.
        heard: bool,
    },
}

/// What the server says to the star.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ServerSays {
    /// It proposes a view.
    Proposed {
        /// The view.
        view: Box<View>,
        /// Its own promise; none if it has lost its memory, so that its weight must not count.
        signature: Option<Signature>,
        /// Views that it has promised before and that may be in force, as a voter tells them in a promise.
        promised: Vec<View>,
    },
    /// It promises a view that we proposed.
    Granted {
        /// The view's.
        epoch: Epoch,
        /// Its promise.
        signature: Signature,
        /// Views that it has promised before and that may be in force, as a voter tells them in a promise.
        promised: Vec<View>,
    },
    /// This view is in force.
    InForce(Box<Certified>),
    /// Do we hear this view's host?
    Asked(Epoch),
}

/// To whom a frame goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum To {
    /// One player.
    One(PlayerId),
    /// These; the bytes are shared.
    Many(Vec<PlayerId>),
}

/// What the star wants to be done, in order.
#[derive(Debug, Default)]
pub struct Out {
    /// For other players. Entries of the log are not among them: they are taken one by one as links have room.
    pub frames: VecDeque<(To, Frame)>,
    /// For the application.
    pub events: VecDeque<Event>,
    /// For the server.
    pub words: VecDeque<Word>,
    /// What was dropped, by reason.
    pub dropped: Dropped,
}

/// What had no effect, by reason.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dropped {
    /// Frames of an older life of the star.
    pub stale: u64,
    /// Frames that their sender may not say, or that make no sense.
    pub malformed: u64,
    /// Proofs that do not hold.
    pub forged: u64,
}
