//! The star: who is host, who keeps copies, what the log says, and how another takes over when the host goes, without a
//! message lost. A pure part of a player: it is told what others say (as [`Frame`]s, whose links keep what is kept and
//! keep its order), how well they are heard, and what the server says; it says what goes to whom. Links, bytes and
//! latest-only or unreliable messages are not its business.
//!
//! # The log
//! Members publish to the host. The host gives each message the next **position**, stamps its sender, keeps it, and hands
//! it to everybody it is meant for and to the backups. A message counts once: the **table** knows for every sender
//! (incarnation and channel) what was taken, so whatever is said twice is taken once.
//!
//! What all backups have stored is **committed**: it is acknowledged to its sender, it may be delivered by those who want
//! it safe, and no crash takes it back. What is committed and has arrived at everybody who is connected is **settled**:
//! nobody needs to keep it, and the log is **cut** below it. For an absent player the log is kept up to a limit; beyond
//! it the player starts again from a snapshot.
//!
//! A host whose backups have not stored what is older than 250 ms, or more than 64 entries, hands on no entries until they
//! have: so a host that is cut off cannot tell its members much that a crash takes back.
//!
//! # Views
//! A [`View`](crate::wire::view::View) names host, backups and voters. It is in force when enough voters of the view it
//! follows, and of its own, have promised it (the server weighs half a voter), its host holds a log that has everything
//! that was ever committed, and its backups have copied that.
//!
//! - **Promising** a view bars every other view of its epoch and everything older: from a host of an older term nothing is
//!   taken any more. Promises of light views and dormant ones do not bar the host that goes on.
//! - A voter refuses a view whose base is older than the view it knows to be in force, and answers with that
//!   ([`Frame::Newer`]), so that whoever proposes learns.
//! - A promise tells all views promised before that may be in force. The new host counts each as if it were: it needs
//!   enough of its voters too, and the word of one of its replicas.
//! - **What the new host adopts**: its own log, or that of the replica with the greatest ([`LogEnd`]: epoch, length), and
//!   behind it whatever the promises bring beyond it from the same epoch. A position that nobody brings is void; an ordered
//!   message whose predecessor is void is void too.
//! - Then it says [`Frame::Activate`] to everybody, with the proof. Each answers [`Frame::Have`] and gets what it lacks; who
//!   has delivered what the log does not have starts again from a snapshot, and says [`Event::Resynced`] first.
//! - Members publish again what was not acknowledged. The table removes doubles.
//!
//! **Light views** keep the host and the term: they take in or let go voters and replace backups, at most one a second
//! except to get a first backup. Messages go on meanwhile; they count as committed when the backups of the view in force
//! have them. **A graceful change** is promised dormant while the host goes on; when the successor has enough promises and a
//! copy, the host freezes and the successor goes on from there: a frozen host never thaws in that epoch, and what it was
//! sent meanwhile is sent again to the next. **A forced view** (by the server, when no quorum is to be had) begins a new line:
//! everybody who comes to it from another line hears [`Event::ContinuityLost`] before anything else is delivered.
//!
//! **Without the server** a backup that has not heard the host for long enough, nor the server for a second, proposes
//! itself. A lobby of two waits; with `allow_fork` the survivor goes on alone in a line of its own, and on meeting again the
//! line with the lower epoch gives way.
//!
//! # What a player is
//! | it is | and then | it is |
//! |---|---|---|
//! | waiting (no view yet, or its host not heard from yet) | the host's `Activate` and `Start` come | following |
//! | following | promises a view that names another | barred: takes and delivers nothing |
//! | following, barred | promises a view that names it as host | collecting |
//! | barred | `Activate` of a newer view comes | following, after `Have` |
//! | collecting | enough promises, a whole log, copies at the backups | hosting |
//! | collecting | hears of a newer view | barred, or following |
//! | hosting | proposes a graceful change and its successor is ready | frozen |
//! | hosting, frozen | hears of a newer view in force, or promises one | following, or barred |
//! | any | a forced view names it | hosting |

mod event;

pub use event::{Delivered, Dropped, Ear, Event, Member, Out, ServerSays, Snapshot, To, Word};

pub use crate::wire::star::{
    Beyond, Channel, Content, Copy, Destination, Entry, Frame, Kind, LogEnd, Mark, Position, Promise, Span, TableRow,
    Told,
};

mod config;

pub use config::StarConfig;

use crate::id::{Incarnation, PlayerId};
use crate::time::Instant;
use crate::wire::signal::Epoch;
use crate::wire::view::{PublicKey, SigningKey, StarId, View};
use bytes::Bytes;
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

/// The star as one player sees it.
#[derive(Debug)]
pub struct Star {
    config: StarConfig,
}

impl Star {
    /// Nobody's star yet.
    pub fn new(config: StarConfig, seed: [u8; 32], now: Instant) -> Self {
        let _ = (seed, now);
        Star { config }
    }

    /// In the lobby for the first time, or without memory.
    pub fn enter(&mut self, now: Instant, me: Me, out: &mut Out) {
        let _ = (now, me, out);
    }

    /// The roster has changed.
    pub fn on_members(&mut self, now: Instant, members: &[Member], out: &mut Out) {
        let _ = (now, members, out);
    }

    /// The server has said something.
    pub fn on_server(&mut self, now: Instant, says: ServerSays, out: &mut Out) {
        let _ = (now, says, out);
    }

    /// The server can be spoken to, or no more.
    pub fn on_server_reachable(&mut self, now: Instant, is_reachable: bool, out: &mut Out) {
        let _ = (now, is_reachable, out);
    }

    /// How a player is heard. Told whenever something has come from it and when its paths open or close.
    pub fn on_ear(&mut self, now: Instant, player: PlayerId, ear: Ear) {
        let _ = (now, player, ear);
    }

    /// A player has said something.
    pub fn on_frame(&mut self, now: Instant, from: PlayerId, frame: Frame, out: &mut Out) {
        let _ = (now, from, frame, out);
    }

    /// An entry that was given out for a player by [`Star::poll_entry`] has arrived there.
    pub fn on_taken(&mut self, now: Instant, player: PlayerId, position: Position, out: &mut Out) {
        let _ = (now, player, position, out);
    }

    /// The next entry for a player. Asked for while its link has room, after every input; each is given out once.
    pub fn poll_entry(&mut self, player: PlayerId) -> Option<Frame> {
        let _ = player;
        None
    }

    /// The next of our own messages, for the host that is told with it. Asked for while its link has room.
    pub fn poll_publish(&mut self) -> Option<(PlayerId, Frame)> {
        None
    }

    /// Sends a kept message; tells its number.
    pub fn send(
        &mut self,
        now: Instant,
        to: &Destination,
        channel: Channel,
        kind: Kind,
        payload: Bytes,
        out: &mut Out,
    ) -> Result<u64, Full> {
        let _ = (now, to, channel, kind, payload, out);
        Err(Full { queued: 0 })
    }

    /// The game's state after everything that was delivered up to `position`.
    pub fn on_snapshot(&mut self, now: Instant, position: Position, state: Bytes, out: &mut Out) {
        let _ = (now, position, state, out);
    }

    /// The host wants another to be host: this one, or whoever is best. False: we are not host, or nobody can be.
    pub fn hand_over(&mut self, now: Instant, to: Option<PlayerId>, out: &mut Out) -> bool {
        let _ = (now, to, out);
        false
    }

    /// Time has passed.
    pub fn on_timeout(&mut self, now: Instant, out: &mut Out) {
        let _ = (now, out);
    }

    /// When something is to be done.
    pub fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Whom we need a link with now.
    pub fn bonds(&self) -> Vec<(PlayerId, Bond)> {
        let _ = &self.config;
        Vec::new()
    }

    /// The view in force, as far as known.
    pub fn view(&self) -> Option<&View> {
        None
    }

    /// What is to be seen from outside.
    pub fn glance(&self) -> Glance {
        Glance {
            role: Role::Waiting,
            epoch: Epoch::default(),
            promised: Epoch::default(),
            log: None,
            committed: Position(0),
            bytes: 0,
        }
    }

    /// The entries of the log, if we hold one.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        core::iter::empty()
    }
}
