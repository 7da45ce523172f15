//! The words of a recording: what a player was told, and that it said something. They borrow from the recording, so that
//! reading takes no memory that is not there.

use super::digest::Digest;
use crate::id::{PathId, PlayerId, StreamId};
use crate::path::{Attempt, Fact};
use crate::peer::{Channel, Command, Destination, ProposalId, Verdict};
use crate::wire::signal::RtcSignal;
use crate::wire::star::Position;
use crate::wire::view::Signature;
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One thing that happened.
#[derive(Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    /// The player was told something.
    Told {
        /// Nanoseconds since it was told the last.
        after: u64,
        #[serde(borrow)]
        what: Told<'a>,
    },
    /// It has signed something upon what it was told just before.
    Signed(Signature),
    /// It has answered, or was polled and said something.
    Said(Digest),
}

/// Something that a player was told, through whatever door.
#[derive(Serialize, Deserialize)]
pub(super) enum Told<'a> {
    Opened {
        stream: StreamId,
    },
    Failed {
        stream: StreamId,
        why: &'a str,
    },
    Closed {
        stream: StreamId,
        reason: &'a str,
    },
    Frame {
        stream: StreamId,
        is_text: bool,
        #[serde(borrow)]
        bytes: Raw<'a>,
    },
    Buffered {
        stream: StreamId,
        bytes: usize,
    },
    Pipe {
        player: PlayerId,
        path: PathId,
        attempt: Attempt,
        fact: Fact,
    },
    Packet {
        player: PlayerId,
        path: PathId,
        #[serde(borrow)]
        bytes: Raw<'a>,
    },
    Signal {
        player: PlayerId,
        signal: RtcSignal,
    },
    Timeout,
    Send {
        #[serde(borrow)]
        to: To<'a>,
        channel: u8,
        kind: &'a str,
        #[serde(borrow)]
        payload: Raw<'a>,
    },
    Snapshot {
        position: Position,
        #[serde(borrow)]
        state: Raw<'a>,
    },
    Command(Command),
    Decide {
        proposal: ProposalId,
        #[serde(borrow)]
        ruling: Ruling<'a>,
    },
}

/// What a host's game made of a proposal.
#[derive(Serialize, Deserialize)]
pub(super) enum Ruling<'a> {
    Accept,
    Rewrite(#[serde(borrow)] Raw<'a>),
    Reject(&'a str),
}

impl<'a> Ruling<'a> {
    pub(super) fn of(verdict: &'a Verdict) -> Self {
        match verdict {
            Verdict::Accept => Ruling::Accept,
            Verdict::Rewrite(payload) => Ruling::Rewrite(Raw(payload)),
            Verdict::Reject(reason) => Ruling::Reject(reason),
        }
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self {
            Ruling::Accept => Verdict::Accept,
            Ruling::Rewrite(Raw(payload)) => Verdict::Rewrite(Bytes::copy_from_slice(payload)),
            Ruling::Reject(reason) => Verdict::Reject((*reason).into()),
        }
    }
}

/// Bytes as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Raw<'a>(pub(super) &'a [u8]);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'de [u8]>::deserialize(deserializer).map(Raw)
    }
}

/// Whom a message was for.
#[derive(Serialize, Deserialize)]
pub(super) enum To<'a> {
    All,
    Others,
    Host,
    One(PlayerId),
    /// Everybody but these: four bytes each.
    AllBut(#[serde(borrow)] Raw<'a>),
}

/// Who is left out, in bytes.
pub(super) fn left_out(to: &Destination) -> Vec<u8> {
    match to {
        Destination::AllBut(players) => players.iter().flat_map(|player| player.0.to_le_bytes()).collect(),
        Destination::All | Destination::Others | Destination::Host | Destination::One(_) => Vec::new(),
    }
}

impl<'a> To<'a> {
    /// `left_out` is that of the same destination.
    pub(super) fn of(to: &Destination, left_out: &'a [u8]) -> Self {
        match to {
            Destination::All => To::All,
            Destination::Others => To::Others,
            Destination::Host => To::Host,
            Destination::One(player) => To::One(*player),
            Destination::AllBut(_) => To::AllBut(Raw(left_out)),
        }
    }

    pub(super) fn destination(&self) -> Destination {
        match self {
            To::All => Destination::All,
            To::Others => Destination::Others,
            To::Host => Destination::Host,
            To::One(player) => Destination::One(*player),
            To::AllBut(Raw(left_out)) => {
                let (players, _) = left_out.as_chunks::<4>();
                Destination::AllBut(players.iter().map(|player| PlayerId(u32::from_le_bytes(*player))).collect())
            }
        }
    }
}

/// The number of a channel.
pub(super) fn number_of(channel: Channel) -> u8 {
    channel as u8
}

/// The channel of a number; none if there is no such channel.
pub(super) fn channel_of(number: u8) -> Option<Channel> {
    Channel::ALL.into_iter().find(|channel| number_of(*channel) == number)
}
