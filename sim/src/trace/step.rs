//! What can happen in a run, of two sides or of a world with a server, as it is told in a line of JSON.

use crate::check::star::Life;
use crate::net::Side;
use crate::world::SeatId;
use serde::Serialize;
use webstar_core::id::{PathId, PlayerId};
use webstar_core::path::{Cause, Command};
use webstar_core::peer::Channel;
use webstar_core::session::pipe::PathState;
use webstar_core::wire::frame::{Delivery, Priority};
use webstar_core::wire::signal::Epoch;

/// One step of a run.
#[derive(Clone, Copy, PartialEq, Hash, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Step {
    /// A side has given a message to its machine, which took it.
    Submitted {
        /// The side.
        side: Side,
        /// Its number among all that this side has submitted.
        number: u64,
        /// Its priority.
        priority: Priority,
        /// What is promised for it.
        delivery: Delivery,
        /// The key of a latest-only message.
        key: u32,
        /// Its length.
        bytes: u32,
        /// The hash of its bytes.
        #[serde(serialize_with = "hex")]
        content: u64,
    },
    /// A machine refused a message.
    Refused {
        /// The side.
        side: Side,
        /// The priority.
        priority: Priority,
    },
    /// A message has arrived at a side.
    Delivered {
        /// The side.
        side: Side,
        /// Its number there where it was submitted, if it is one that was.
        number: Option<u64>,
        /// Its priority.
        priority: Priority,
        /// What was promised for it.
        delivery: Delivery,
        /// Its length.
        bytes: u32,
        /// The hash of its bytes.
        #[serde(serialize_with = "hex")]
        content: u64,
    },
    /// A message of this side has arrived whole.
    Acked {
        /// The side.
        side: Side,
        /// The message.
        number: u64,
    },
    /// A lane has room again.
    Drained {
        /// The side.
        side: Side,
        /// The lane.
        priority: Priority,
    },
    /// A path has changed its state.
    Path {
        /// The side that says so.
        side: Side,
        /// The path.
        path: PathId,
        /// Its state before.
        from: PathState,
        /// Its state now.
        to: PathState,
        /// Why.
        why: Cause,
    },
    /// Packets of this side leave on this path from now on.
    Using {
        /// The side.
        side: Side,
        /// The path.
        path: Option<PathId>,
    },
    /// A side wants a pipe opened or closed.
    Order {
        /// The side.
        side: Side,
        /// The path.
        path: PathId,
        /// What it wants.
        command: Command,
        /// The number of the order.
        attempt: u32,
    },
    /// A packet leaves.
    Packet {
        /// The side that sends it.
        side: Side,
        /// The path.
        path: PathId,
        /// Its length.
        bytes: u32,
        /// The hash of its bytes.
        #[serde(serialize_with = "hex")]
        content: u64,
    },
    /// The fault with this number in the plan happens.
    Fault {
        /// Its number.
        number: u32,
    },
    /// No fault is left and none will come.
    Quiet,
    /// Everything has arrived that had to.
    Settled,
    /// Something happened in a world with a server.
    #[serde(untagged)]
    Star(StarStep),
}

/// One step of a world with a server.
#[derive(Clone, Copy, PartialEq, Hash, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum StarStep {
    /// Somebody sits down: a life begins.
    Entered {
        /// Where.
        seat: SeatId,
        /// Which life.
        life: Life,
    },
    /// A life is in the lobby, or back in it.
    Joined {
        /// Which.
        life: Life,
        /// Under this number.
        player: PlayerId,
        /// With this host, if there is one.
        host: Option<PlayerId>,
        /// In this life of the star.
        epoch: Epoch,
        /// As who it was.
        resumed: bool,
    },
    /// A life hears that somebody has come.
    Came {
        /// Which.
        life: Life,
        /// Who.
        player: PlayerId,
    },
    /// A life hears that somebody has gone.
    Went {
        /// Which.
        life: Life,
        /// Who.
        player: PlayerId,
    },
    /// A life hears of another host.
    HostChanged {
        /// Which.
        life: Life,
        /// Who.
        host: PlayerId,
        /// In this life of the star.
        epoch: Epoch,
    },
    /// What a life does in the star has changed, or the view that it knows to be in force, or what it has promised.
    Role {
        /// Which.
        life: Life,
        /// What it does, in a word.
        role: &'static str,
        /// The view in force, as far as it knows.
        epoch: Epoch,
        /// The newest view that it has promised.
        promised: Epoch,
    },
    /// A life begins from a snapshot.
    Started {
        /// Which.
        life: Life,
        /// What it has begins after this place of the log.
        position: u64,
    },
    /// A life begins anew from a snapshot: what it had is not what the others have.
    Resynced {
        /// Which.
        life: Life,
        /// What it has begins after this place of the log.
        position: u64,
    },
    /// A life is host and its game goes on.
    Promoted {
        /// Which.
        life: Life,
        /// From the snapshot that stands for this place of the log.
        position: u64,
        /// With so many messages after it.
        tail: u32,
    },
    /// A life hears that nobody can be host now.
    Paused {
        /// Which.
        life: Life,
    },
    /// A life no longer hears somebody.
    Suspects {
        /// Which.
        life: Life,
        /// Whom.
        player: PlayerId,
    },
    /// What a life was told before, or what was acknowledged to it, may be gone.
    ContinuityLost {
        /// Which.
        life: Life,
    },
    /// A life has lost its connection and tries again.
    Reconnecting {
        /// Which.
        life: Life,
        /// The number of the attempt.
        attempt: u32,
    },
    /// A life has given a message to its machine, which took it.
    Said {
        /// Which.
        life: Life,
        /// Its number among all of the run.
        number: u32,
        /// What is promised for it; nothing for what goes through the server.
        #[serde(serialize_with = "word")]
        channel: Option<Channel>,
        /// Its length.
        bytes: u32,
        /// The hash of its bytes.
        #[serde(serialize_with = "hex")]
        content: u64,
    },
    /// A message has arrived at a life.
    Heard {
        /// Which.
        life: Life,
        /// The message, if it is one.
        number: Option<u32>,
        /// The hash of its bytes.
        #[serde(serialize_with = "hex")]
        content: u64,
    },
    /// A message of a life is safe.
    Safe {
        /// Which.
        life: Life,
        /// The message, if it is one.
        number: Option<u32>,
    },
    /// A machine refused a message for want of room.
    Full {
        /// Which.
        life: Life,
    },
    /// A channel has room again.
    Drained {
        /// Which.
        life: Life,
    },
    /// Something else was told; the hash of its words.
    Told {
        /// To which life.
        life: Option<Life>,
        /// What, in a word.
        what: &'static str,
        /// The hash.
        #[serde(serialize_with = "hex")]
        content: u64,
    },
    /// It is over for a life.
    Ended {
        /// Which.
        life: Life,
        /// Why, in a word.
        why: &'static str,
    },
    /// A frame leaves.
    Frame {
        /// On the way of this seat.
        seat: SeatId,
        /// From the player's side (A) or the server's (B).
        from: Side,
        /// Its length.
        bytes: u32,
        /// The hash of its bytes.
        #[serde(serialize_with = "hex")]
        content: u64,
    },
    /// A packet leaves on a direct way.
    Packet {
        /// From this seat.
        seat: SeatId,
        /// Its length.
        bytes: u32,
        /// The hash of its bytes.
        #[serde(serialize_with = "hex")]
        content: u64,
    },
    /// A player does something, or its lobby's host does it.
    Deed {
        /// The number in the plan.
        number: u32,
    },
}

fn hex<S: serde::Serializer>(content: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{content:016x}"))
}

fn word<S: serde::Serializer>(channel: &Option<Channel>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(channel.map_or("server", channel_name))
}

/// What a channel is called.
pub fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Unreliable => "unreliable",
        Channel::Latest => "latest",
        Channel::Reliable => "reliable",
        Channel::Ordered => "ordered",
    }
}
