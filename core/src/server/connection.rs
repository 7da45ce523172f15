//! The connections of a shard and the way out to them: windows, queues, and the outbox. What is said to whom is decided
//! elsewhere.

use super::counts::{Counts, Dropped};
use super::joining::Pending;
use super::limits::{Bucket, FLOOD, Rate};
use super::lobby::LobbyKey;
use super::queue::{Class, Queue};
use super::talking::Talk;
use super::{Arrival, Endpoint, Output, ServerConfig, ServerEvent};
use crate::id::{ConnectionId, PlayerId};
use crate::time::{Duration, Instant, earlier};
use crate::timer::Timers;
use crate::wire::signal::{CloseReason, Encoding, Frame, MAX_FRAME, PeerId, ServerMessage, Version, encode_server};
use crate::wire::view::PublicKey;
use core::net::IpAddr;
use std::collections::VecDeque;

/// What is kept of a connection. There may be a hundred thousand, most of them silent: nothing is allocated before it is
/// needed.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) address: IpAddr,
    pub(super) endpoint: Endpoint,
    /// Chosen by the sub-protocol or the first frame.
    pub(super) encoding: Option<Encoding>,
    /// What was agreed on; none for guests.
    pub(super) version: Option<Version>,
    /// What its player signs with is checked with this.
    pub(super) key: Option<PublicKey>,
    /// It has said what it wants.
    pub(super) greeted: bool,
    /// It was given a resume token, and nothing has come since that proves it.
    pub(super) unproven: bool,
    /// Its address counts it.
    pub(super) counted: bool,
    /// It is being closed.
    doomed: bool,
    /// Unreadable frames in a row.
    pub(super) bad: u8,
    /// How often it may be told that it asks too often.
    pub(super) patience: Bucket,
    /// Sent and not yet charged to its address.
    pub(super) owed: usize,
    pub(super) place: Option<Place>,
    /// The name that it has claimed.
    pub(super) peer: Option<PeerId>,
    /// What it has asked for and waits for.
    pub(super) pending: Option<Box<Pending>>,
    pub(super) buckets: Buckets,
    pub(super) talk: Talk,
    opened: Instant,
    pub(super) heard: Instant,
    progress: Instant,
    /// Given out and not yet written.
    outstanding: usize,
    queue: Queue,
    armed: Option<Instant>,
}

/// Where a connection sits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) lobby: LobbyKey,
    pub(super) player: PlayerId,
}

/// What a connection may send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Buckets {
    frames: Bucket,
    bytes: Bucket,
    frame_flood: Bucket,
    byte_flood: Bucket,
    messages: Bucket,
    control: Bucket,
}

/// What becomes of a frame by the rates of its connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Passage {
    Free,
    /// The connection sends too much.
    Dropped,
    /// All connections of its address together do.
    Crowded,
    Flood,
}

impl Buckets {
    fn new() -> Self {
        let full = Bucket::full();
        Buckets { frames: full, bytes: full, frame_flood: full, byte_flood: full, messages: full, control: full }
    }

    pub(super) fn frame(&mut self, now: Instant, config: &ServerConfig, len: usize) -> Passage {
        let (frames, bytes) = (u64::from(config.frames_per_second), u64::from(config.bytes_per_second));
        let len = len as u64;
        let is_calm = self.frame_flood.take(now, Rate::per_second(frames * FLOOD, 1), 1)
            && self.byte_flood.take(now, Rate::per_second(bytes * FLOOD, 1), len);
        if !is_calm {
            return Passage::Flood;
        }
        let is_free = self.frames.take(now, Rate::per_second(frames, 1), 1)
            && self.bytes.take(now, Rate::per_second(bytes, 1), len);
        if is_free { Passage::Free } else { Passage::Dropped }
    }

    /// What a broadcast costs beyond its frame.
    pub(super) fn fan_out(&mut self, now: Instant, config: &ServerConfig, bytes: usize) -> bool {
        self.bytes.take(now, Rate::per_second(u64::from(config.bytes_per_second), 1), bytes as u64)
    }

    /// A message that counts so many times.
    pub(super) fn message(&mut self, now: Instant, config: &ServerConfig, weight: u64) -> bool {
        self.messages.take(now, Rate::per_second(u64::from(config.messages_per_second), 4), weight)
    }

    pub(super) fn control(&mut self, now: Instant, config: &ServerConfig) -> bool {
        self.control.take(now, Rate::per_second(u64::from(config.control_frames_per_second), 4), 1)
    }
}

impl Connection {
    pub(super) fn new(now: Instant, arrival: &Arrival) -> Self {
        Connection {
            address: arrival.address,
            endpoint: arrival.endpoint,
            encoding: arrival.encoding,
            version: None,
            key: None,
            greeted: false,
            unproven: false,
            counted: false,
            doomed: false,
            bad: 0,
            patience: Bucket::full(),
            owed: 0,
            place: None,
            peer: None,
            pending: None,
            buckets: Buckets::new(),
            talk: Talk::default(),
            opened: now,
            heard: now,
            progress: now,
            outstanding: 0,
            queue: Queue::default(),
            armed: None,
        }
    }

    fn deadline(&self, times: &Times) -> (Option<Instant>, CloseReason) {
        let silence = if self.greeted {
            (self.heard + times.idle, CloseReason::Idle)
        } else {
            (self.opened + times.handshake, CloseReason::HandshakeTimeout)
        };
        let stuck = (self.outstanding > 0).then(|| self.progress + times.progress);
        let reason = if stuck.is_some_and(|stuck| stuck < silence.0) { CloseReason::TooSlow } else { silence.1 };
        (earlier(stuck, Some(silence.0)), reason)
    }

    fn has_room(&self, len: usize, window: usize) -> bool {
        self.outstanding == 0 || self.outstanding + len <= window
    }
}

/// Whose deadline it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum TimerKey {
    Connection(ConnectionId),
    Lobby(LobbyKey),
    ShutDown,
}

#[derive(Debug)]
struct Times {
    handshake: Duration,
    idle: Duration,
    progress: Duration,
}

/// All connections, and what goes out.
#[derive(Debug)]
pub(super) struct Exchange {
    slots: Vec<Option<Box<Connection>>>,
    pub(super) out: VecDeque<Output>,
    pub(super) timers: Timers<TimerKey>,
    pub(super) counts: Counts,
    pub(super) now: Instant,
    times: Times,
    window: usize,
    queue: usize,
    /// Connections that must be closed before the input is done with.
    doomed: VecDeque<(ConnectionId, CloseReason)>,
}

impl Exchange {
    pub(super) fn new(config: &ServerConfig, now: Instant) -> Self {
        Exchange {
            slots: Vec::new(),
            out: VecDeque::new(),
            timers: Timers::new(),
            counts: Counts::default(),
            now,
            times: Times {
                handshake: config.handshake_timeout,
                idle: config.idle_timeout,
                progress: config.progress_timeout,
            },
            window: config.window,
            queue: config.queue,
            doomed: VecDeque::new(),
        }
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        self.slots.get(id.0 as usize)?.as_deref()
    }

    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.slots.get_mut(id.0 as usize)?.as_deref_mut()
    }

    /// The connections that are open, by number.
    pub(super) fn ids(&self) -> impl Iterator<Item = ConnectionId> {
        let numbers = (0..).zip(&self.slots);
        numbers.filter(|(_, slot)| slot.is_some()).map(|(number, _)| ConnectionId(number))
    }

    /// What is kept of those.
    pub(super) fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|slot| slot.as_deref())
    }

    pub(super) fn insert(&mut self, id: ConnectionId, connection: Box<Connection>) {
        let index = id.0 as usize;
        if index >= self.slots.len() {
            self.slots.resize_with(index + 1, || None);
        }
        self.counts.stats.connections += 1;
        self.counts.stats.queued_bytes += connection.queue.cost() as u64;
        self.slots[index] = Some(connection);
        self.arm(id);
    }

    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        let mut connection = self.slots.get_mut(id.0 as usize)?.take()?;
        self.timers.disarm(TimerKey::Connection(id), &mut connection.armed);
        self.counts.stats.connections -= 1;
        self.counts.stats.queued_bytes -= connection.queue.cost() as u64;
        Some(connection)
    }

    /// Says something to one connection.
    pub(super) fn say(&mut self, id: ConnectionId, message: &ServerMessage) {
        self.say_as(id, message, Class::Signal);
    }

    pub(super) fn say_as(&mut self, id: ConnectionId, message: &ServerMessage, class: Class) {
        let Some(connection) = self.get(id) else { return };
        let frame = encode_server(connection.encoding.unwrap_or(Encoding::Json), message);
        self.send(id, frame, class);
    }

    /// Gives a frame out, or lets it wait. What must not wait any more is dropped; so is what has become longer on its
    /// way than its receiver accepts, by its true sender's number or by another encoding.
    pub(super) fn send(&mut self, id: ConnectionId, frame: Frame, class: Class) {
        let (window, limit, now) = (self.window, self.queue, self.now);
        let Some(connection) = self.slots.get_mut(id.0 as usize).and_then(|slot| slot.as_deref_mut()) else { return };
        if connection.doomed {
            return;
        }
        let len = frame.bytes().len();
        if len > MAX_FRAME {
            return self.counts.dropped(Dropped::TooLong);
        }
        if connection.queue.is_empty() && connection.has_room(len, window) {
            if connection.outstanding == 0 {
                connection.progress = now;
            }
            connection.outstanding += len;
            self.give(id, frame);
            self.arm(id);
            return;
        }
        let before = connection.queue.cost();
        connection.queue.push(frame, class);
        while connection.queue.cost() > limit && connection.queue.drop_oldest() {
            self.counts.dropped(Dropped::SlowReceiver);
        }
        let after = connection.queue.cost();
        self.counts.stats.queued_bytes = self.counts.stats.queued_bytes + after as u64 - before as u64;
        if after > limit {
            self.doom(id, CloseReason::TooSlow);
        }
    }

    /// Whether half of what may wait for the connection does.
    pub(super) fn is_crowded(&self, id: ConnectionId) -> bool {
        self.get(id).is_some_and(|connection| 2 * connection.queue.cost() > self.queue)
    }

    /// So much has left. False if it was never given out.
    pub(super) fn wrote(&mut self, id: ConnectionId, bytes: usize) -> bool {
        let (window, now) = (self.window, self.now);
        let Some(connection) = self.get_mut(id) else { return false };
        if bytes > connection.outstanding {
            return false;
        }
        connection.outstanding -= bytes;
        if bytes > 0 {
            connection.progress = now;
        }
        loop {
            let Some(connection) = self.get_mut(id) else { return true };
            let Some(len) = connection.queue.next_len().filter(|&len| connection.has_room(len, window)) else {
                return true;
            };
            let before = connection.queue.cost();
            let Some(frame) = connection.queue.pop() else { return true };
            connection.outstanding += len;
            let freed = before - connection.queue.cost();
            self.counts.stats.queued_bytes -= freed as u64;
            self.give(id, frame);
            self.arm(id);
        }
    }

    fn give(&mut self, connection: ConnectionId, frame: Frame) {
        self.counts.stats.frames_out += 1;
        self.counts.stats.bytes_out += frame.bytes().len() as u64;
        self.out.push_back(Output::Transmit { connection, frame });
    }

    pub(super) fn event(&mut self, event: ServerEvent) {
        self.out.push_back(Output::Event(event));
    }

    /// Closes the connection when what is being done is done. Nothing more is said to it.
    pub(super) fn doom(&mut self, id: ConnectionId, reason: CloseReason) {
        let Some(connection) = self.get_mut(id) else { return };
        if !core::mem::replace(&mut connection.doomed, true) {
            self.doomed.push_back((id, reason));
        }
    }

    pub(super) fn next_doomed(&mut self) -> Option<(ConnectionId, CloseReason)> {
        self.doomed.pop_front()
    }

    /// Sees to it that the deadlines of the connection are kept.
    pub(super) fn arm(&mut self, id: ConnectionId) {
        let Some(connection) = self.slots.get_mut(id.0 as usize).and_then(|slot| slot.as_deref_mut()) else { return };
        let (deadline, _) = connection.deadline(&self.times);
        self.timers.arm(TimerKey::Connection(id), &mut connection.armed, deadline);
    }

    /// Its entry in the timers has come: why it has to be closed, if its deadline has come too.
    pub(super) fn on_due(&mut self, id: ConnectionId) -> Option<CloseReason> {
        let now = self.now;
        let connection = self.slots.get_mut(id.0 as usize)?.as_deref_mut()?;
        connection.armed = None;
        let (deadline, reason) = connection.deadline(&self.times);
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Some(reason);
        }
        self.arm(id);
        None
    }
}

/// A message for many, written once in each encoding that is asked for.
pub(super) struct Shared<'a> {
    message: &'a ServerMessage,
    json: Option<Frame>,
    postcard: Option<Frame>,
}

impl<'a> Shared<'a> {
    pub(super) fn new(message: &'a ServerMessage) -> Self {
        Shared { message, json: None, postcard: None }
    }

    pub(super) fn send(&mut self, exchange: &mut Exchange, to: ConnectionId, class: Class) {
        let Some(connection) = exchange.get(to) else { return };
        let encoding = connection.encoding.unwrap_or(Encoding::Json);
        let written = match encoding {
            Encoding::Json => &mut self.json,
            Encoding::Postcard => &mut self.postcard,
        };
        let frame = written.get_or_insert_with(|| encode_server(encoding, self.message)).clone();
        exchange.send(to, frame, class);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::lobby::Player;

    /// A member that says nothing costs this much besides its names.
    #[test]
    fn an_idle_member_is_small() {
        let sizes = (size_of::<Connection>(), size_of::<Player>());
        assert!(sizes.0 + sizes.1 <= 768, "{sizes:?}");
    }
}
