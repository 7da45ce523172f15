//! One spoke of the star: the link to another player with all that is kept beside it, and what waits when it is full.
//! Where messages go is not decided here.

use super::event::{Channel, Sent};
use super::keys::Keys;
use super::kinds::{Learned, Taught};
use super::link::{Input, Link, LinkConfig, LinkTimer, PathSetup};
use crate::config::MESSAGE_OVERHEAD;
use crate::id::{MessageId, PathId, PlayerId};
use crate::path::{self, Attempt, Command, Fact, Order, PathKind};
use crate::session::{Outbound, SendError, SessionIds};
use crate::time::{Duration, Instant};
use crate::wire::frame::{Delivery, Priority};
use crate::wire::star::{self, Destination};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// The path of every spoke: the relay.
pub(super) const RELAY: PathSetup = PathSetup { id: PathId(0), kind: PathKind::Relay, relayed_only: false };

/// So many of the other side's own intervals may pass before its silence means anything.
const INTERVALS: u32 = 4;

/// What a latest-only value is named by.
pub(super) type LatestKey = (PlayerId, super::Kind, Destination);

/// The conversation with one other player.
#[derive(Debug)]
pub(super) struct Spoke {
    pub(super) link: Link,
    pub(super) ids: SessionIds,
    /// The newest order for the pipe.
    attempt: Option<Attempt>,
    /// The pipe is told to be open.
    is_open: bool,
    /// The server reaches the player.
    pub(super) is_connected: bool,
    /// Something was told to the link since its packets were last written.
    pub(super) is_dirty: bool,
    pub(super) deadline: Option<(Instant, LinkTimer)>,
    /// Our kept messages that are not acknowledged, with what they cost.
    pub(super) unacked: BTreeMap<MessageId, (Sent, usize)>,
    unacked_bytes: usize,
    /// The host has asked us to stop.
    pub(super) is_held: bool,
    pub(super) taught: Taught,
    pub(super) learned: Learned,
    pub(super) keys: Keys<LatestKey>,
    backlog: VecDeque<(Channel, Bytes)>,
    backlog_bytes: usize,
    /// The least that was under way to the other side of late, and when it became that.
    least: (usize, Instant),
    pub(super) heard_at: Instant,
    expected: Duration,
    pub(super) is_suspect: bool,
}

/// A kept message found no room any more.
pub(super) struct FellBehind;

/// How a channel travels: what its session promises, and in which lane. Newest state goes before what waits to be sent
/// again.
fn lane(channel: Channel) -> (Delivery, Priority) {
    match channel {
        Channel::Unreliable => (Delivery::Unreliable, Priority::High),
        Channel::Latest => (Delivery::Latest, Priority::High),
        Channel::Reliable => (Delivery::Reliable, Priority::Normal),
        Channel::Ordered => (Delivery::Ordered, Priority::Normal),
    }
}

/// The channels that share a lane.
pub(super) fn channels_of(priority: Priority) -> impl Iterator<Item = Channel> {
    Channel::ALL.into_iter().filter(move |channel| lane(*channel).1 == priority)
}

/// The channel that a session's promise stands for.
pub(super) fn channel_of(delivery: Delivery) -> Channel {
    match delivery {
        Delivery::Unreliable => Channel::Unreliable,
        Delivery::Latest => Channel::Latest,
        Delivery::Reliable => Channel::Reliable,
        Delivery::Ordered => Channel::Ordered,
    }
}

impl Spoke {
    pub(super) fn new(config: LinkConfig, ids: SessionIds, player: PlayerId, seed: [u8; 32], now: Instant) -> Self {
        let max_keys = config.session.max_keys;
        let link = Link::new(config, ids, player, &[RELAY], seed, now).expect("the settings were checked at the start");
        Spoke {
            link,
            ids,
            attempt: None,
            is_open: false,
            is_connected: false,
            is_dirty: true,
            deadline: None,
            unacked: BTreeMap::new(),
            unacked_bytes: 0,
            is_held: false,
            taught: Taught::default(),
            learned: Learned::default(),
            keys: Keys::new(max_keys),
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            least: (0, now),
            heard_at: now,
            expected: Duration::ZERO,
            is_suspect: false,
        }
    }

    /// Whether packets can leave.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Opens or closes the pipe, as the stream below and the player's own connection are.
    pub(super) fn set_open(&mut self, now: Instant, open: bool) {
        if open == self.is_open {
            return;
        }
        let Some(attempt) = self.attempt else { return };
        self.is_open = open;
        if open {
            // Nothing could be heard while it was closed.
            self.heard_at = now;
        }
        self.tell(now, attempt, if open { Fact::Opened(path::relay::facts()) } else { Fact::Closed });
    }

    /// The link wants its pipe opened or closed. Whatever was given out before is forgotten by it.
    pub(super) fn on_order(&mut self, now: Instant, order: Order, can_open: bool) {
        match order.command {
            Command::Open | Command::Restart | Command::OpenRelayed => {
                self.attempt = Some(order.attempt);
                let (was_open, heard_at) = (self.is_open, self.heard_at);
                self.is_open = false;
                self.set_open(now, can_open);
                if was_open {
                    // The link mends a silent path: the other side is silent all the same.
                    self.heard_at = heard_at;
                }
            }
            Command::Close => self.is_open = false,
        }
    }

    /// A packet of the other side has come.
    pub(super) fn on_packet(&mut self, now: Instant, bytes: &[u8]) {
        // Misuse is impossible: the link has this path and is not closed.
        let _ = self.link.handle(now, Input::Packet { path: RELAY.id, bytes });
        self.is_dirty = true;
        if let Some(reading) = self.link.reading(RELAY.id)
            && reading.unheard.is_zero()
        {
            self.heard_at = now;
            self.expected = reading.expected;
            self.is_suspect = false;
        }
    }

    pub(super) fn on_buffered(&mut self, now: Instant, bytes: usize) {
        if let (Some(attempt), true) = (self.attempt, self.is_open) {
            self.tell(now, attempt, Fact::Buffered(bytes));
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        let _ = self.link.handle(now, Input::Timeout);
        self.is_dirty = true;
    }

    fn tell(&mut self, now: Instant, attempt: Attempt, fact: Fact) {
        // The relay's packets are large enough for every session.
        let _ = self.link.handle(now, Input::Pipe { path: RELAY.id, attempt, fact });
        self.is_dirty = true;
    }

    /// When the silence of the other side means something; never while it cannot be heard.
    pub(super) fn suspect_at(&self, timeout: Duration) -> Option<Instant> {
        self.silent_at(timeout).filter(|_| !self.is_suspect)
    }

    /// When so long nothing has come, or four of the other side's own intervals if that is longer.
    pub(super) fn silent_at(&self, timeout: Duration) -> Option<Instant> {
        let patience = timeout.max(self.expected.saturating_mul(INTERVALS));
        self.is_open.then(|| self.heard_at + patience)
    }

    /// Gives a message to the link.
    pub(super) fn send(
        &mut self,
        now: Instant,
        channel: Channel,
        key: u32,
        payload: Bytes,
    ) -> Result<MessageId, SendError> {
        let (delivery, priority) = lane(channel);
        self.is_dirty = true;
        self.link.send(now, Outbound { priority, delivery, key, payload })
    }

    /// Tells the other side what a number of ours stands for, if it has not been told.
    pub(super) fn teach(&mut self, now: Instant, number: u16, name: &str) {
        if self.taught.is_untold(number)
            && let Ok(message) = self.send(now, Channel::Reliable, 0, star::define(number, name))
        {
            self.taught.on_told(number, message);
        }
    }

    /// Gives a kept message to the link, or keeps it here, behind those that wait, within `limit` bytes.
    pub(super) fn push(
        &mut self,
        now: Instant,
        channel: Channel,
        payload: Bytes,
        limit: usize,
    ) -> Result<(), FellBehind> {
        if self.backlog.is_empty()
            && !matches!(self.send(now, channel, 0, payload.clone()), Err(SendError::Full { .. }))
        {
            return Ok(());
        }
        let cost = payload.len() + MESSAGE_OVERHEAD;
        if self.backlog_bytes + cost > limit {
            return Err(FellBehind);
        }
        self.backlog_bytes += cost;
        self.least.0 += cost;
        self.backlog.push_back((channel, payload));
        Ok(())
    }

    /// The link has room again: what waited goes on, in order.
    pub(super) fn flush(&mut self, now: Instant) {
        while let Some((channel, payload)) = self.backlog.pop_front() {
            let cost = payload.len() + MESSAGE_OVERHEAD;
            if let Err(SendError::Full { .. }) = self.send(now, channel, 0, payload.clone()) {
                self.backlog.push_front((channel, payload));
                return;
            }
            self.backlog_bytes -= cost;
        }
    }

    /// A kept message of ours has left.
    pub(super) fn on_published(&mut self, id: MessageId, sent: Sent, cost: usize) {
        self.unacked_bytes += cost;
        self.unacked.insert(id, (sent, cost));
    }

    /// The other side has taken a message.
    pub(super) fn on_taken(&mut self, id: MessageId) -> Option<Sent> {
        let (sent, cost) = self.unacked.remove(&id)?;
        self.unacked_bytes -= cost;
        Some(sent)
    }

    /// What we have published and the host has not taken.
    pub(super) fn unacked_bytes(&self) -> usize {
        self.unacked_bytes
    }

    /// From now on it is watched whether the other side gets on.
    pub(super) fn watch_progress(&mut self, now: Instant) {
        self.least = (self.queued(), now);
    }

    /// Since when the other side has not got on.
    pub(super) fn stalled_since(&mut self, now: Instant) -> Instant {
        let queued = self.queued();
        if queued < self.least.0 {
            self.least = (queued, now);
        }
        self.least.1
    }

    /// When the stall began, as last seen.
    pub(super) fn last_progress(&self) -> Instant {
        self.least.1
    }

    /// Bytes that wait here.
    pub(super) fn backlog(&self) -> usize {
        self.backlog_bytes
    }

    /// Bytes of kept messages, and of words about them, that have not reached the other side.
    pub(super) fn queued_kept(&self) -> usize {
        self.backlog_bytes + self.link.queued_in(Priority::Normal) + self.link.queued_in(Priority::Critical)
    }

    /// Bytes that have not reached the other side.
    pub(super) fn queued(&self) -> usize {
        self.backlog_bytes + self.link.queued()
    }
}
