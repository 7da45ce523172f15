//! What a star is to its player, in words: who we are in it, what we do, and how it looks from outside.

use super::{LogEnd, Position};
use crate::id::{Incarnation, PlayerId};
use crate::wire::signal::Epoch;
use crate::wire::view::{PublicKey, SigningKey, StarId};
use thiserror::Error;

/// Who we are in which star.
#[derive(Clone, Debug)]
pub struct Me {
    /// Our number.
    pub player: PlayerId,
    /// Which life of our memory.
    pub incarnation: Incarnation,
    /// What we sign with.
    pub key: SigningKey,
    /// Which star.
    pub star: StarId,
    /// The server's key.
    pub server: PublicKey,
}

/// What a player does in the star.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It has not heard from a host yet.
    Waiting,
    /// It follows a host.
    Following,
    /// It has promised a view that is not in force yet.
    Barred,
    /// It gathers promises to become host.
    Collecting,
    /// It is host.
    Hosting,
    /// It was host and has stopped for its successor.
    Frozen,
}

/// A star from outside, for tests and statistics.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Glance {
    /// What the player does.
    pub role: Role,
    /// The view in force, as far as known.
    pub epoch: Epoch,
    /// The newest epoch promised.
    pub promised: Epoch,
    /// Its log, if it holds one: where it begins, how far it goes.
    pub log: Option<(Position, LogEnd)>,
    /// What is known to be committed.
    pub committed: Position,
    /// Bytes kept in log and queues.
    pub bytes: usize,
}

/// A message finds no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the channel holds {queued} bytes and takes no more until it has drained")]
pub struct Full {
    /// Bytes it holds.
    pub queued: usize,
}

/// With whom a link is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bond {
    /// Between host and member, and between host and backup: the quick rhythm.
    Close,
    /// Between a backup and a member: open, in a slow rhythm.
    Standby,
}
