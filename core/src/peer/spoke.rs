//! One spoke of the star: the link to another player with all that is kept beside it: its pipes, how the player is heard,
//! which frames wait, and which entries are under way. What is said to whom is not decided here.

use super::arrivals::Arrivals;
use super::event::{Channel, Kind};
use super::keys::Keys;
use super::kinds::{Learned, Numbering, Taught};
use super::lanes::delivery_of;
use super::link::{Input, InputError, Link, LinkConfig, PathSetup};
use crate::id::{MessageId, PathId, PlayerId};
use crate::path::{self, Attempt, Command, Fact, Order, PathKind};
use crate::session::{Outbound, SendError, SessionIds};
use crate::star::{Bond, Ear, Frame, Position};
use crate::time::{Duration, Instant};
use crate::wire::frame::{Delivery, Priority};
use crate::wire::signal::Epoch;
use crate::wire::star::{self, Destination};
use bytes::Bytes;
use std::collections::VecDeque;

/// The first path of every spoke: the relay.
pub(super) const RELAY: PathSetup = PathSetup { id: PathId(0), kind: PathKind::Relay, relayed_only: false };

/// So many of the other side's own intervals may pass before its silence means anything.
const INTERVALS: u32 = 4;
/// Nobody with whom a close link is wanted speaks more seldom, unless its time-out is longer.
const SLOWEST: Duration = Duration::from_secs(2);
/// So many deviations of the round trip are no silence yet.
const DEVIATIONS: u32 = 4;
/// .. but for no more than this: who has stood still counts as one with jitter for long, and shall not be waited for longer
/// each time.
const MOST_JITTER: Duration = Duration::from_secs(1);
/// A byte stream that sends lost bytes again and again, ever more slowly, can make a player who speaks silent for some
/// seconds in bad bursts of loss.
const STREAM_PATIENCE: Duration = Duration::from_secs(5);
/// While the stream itself is in doubt, silence on it means nothing.
const UNTIL_ANSWERED: Duration = Duration::from_secs(3600);
/// Bytes of entries, or of a snapshot, that a link is given beyond what has arrived. The rest stays in the log, where
/// it costs nothing.
const ROOM: usize = 256 * 1024;

/// Views that wait to be told at most: each is proved by the one before.
const ACTIVATIONS: usize = 16;

/// What a latest-only value is named by.
pub(super) type LatestKey = (PlayerId, Kind, Destination);

/// The conversation with one other player.
#[derive(Debug)]
pub(super) struct Spoke {
    pub(super) link: Link,
    pub(super) ids: SessionIds,
    /// The newest order for the relay's pipe.
    attempt: Option<Attempt>,
    /// The relay's pipe is told to be open.
    is_relayed: bool,
    /// A direct path has been open: silence means something from then on.
    was_direct: bool,
    /// The server reaches the player.
    pub(super) is_connected: bool,
    /// The player is in no roster; the link ends then.
    absent_until: Option<Instant>,
    /// Something was told to the link since its packets were last written.
    pub(super) is_dirty: bool,
    /// Bytes written, in the reckoning of turns ([`super::upload`]).
    pub(super) spent: u64,
    /// When the link wants to be called, as of then.
    deadline: Option<Instant>,
    /// When its silence becomes suspicious, as of then.
    suspect_at: Option<Instant>,
    taught: Taught,
    pub(super) learned: Learned,
    pub(super) keys: Keys<LatestKey>,
    /// What the star wants with the player.
    bond: Option<Bond>,
    /// Frames for which there is no path, or no room. A newer one takes the place of an older one of its kind.
    waiting: VecDeque<Frame>,
    /// A piece of a snapshot that waits for the word that announces it.
    piece: Option<Frame>,
    arrivals: Arrivals,
    heard_at: Instant,
    expected: Duration,
    /// Since when its silence is suspicious.
    suspect_since: Option<Instant>,
    told: Option<Ear>,
}

/// How the other side is heard, and what of it is to be told.
pub(super) struct Hearing {
    /// It has changed.
    pub(super) ear: Option<Ear>,
    /// Its silence has become suspicious just now.
    pub(super) is_newly_suspect: bool,
}

/// How much longer than usual a player may be silent whose round trip deviates so much.
fn allowed_for(deviation: Duration) -> Duration {
    deviation.saturating_mul(DEVIATIONS).min(MOST_JITTER)
}

impl Spoke {
    pub(super) fn new(
        config: LinkConfig,
        ids: SessionIds,
        player: PlayerId,
        paths: &[PathSetup],
        seed: [u8; 32],
        now: Instant,
    ) -> Self {
        let max_keys = config.session.max_keys;
        let link = Link::new(config, ids, player, paths, seed, now).expect("the settings were checked at the start");
        Spoke {
            link,
            ids,
            attempt: None,
            is_relayed: false,
            was_direct: false,
            is_connected: false,
            absent_until: None,
            is_dirty: true,
            spent: 0,
            deadline: None,
            suspect_at: None,
            taught: Taught::default(),
            learned: Learned::default(),
            keys: Keys::new(max_keys),
            bond: None,
            waiting: VecDeque::new(),
            piece: None,
            arrivals: Arrivals::default(),
            heard_at: now,
            expected: Duration::ZERO,
            suspect_since: None,
            told: None,
        }
    }

    /// Whether packets can leave.
    pub(super) fn is_open(&self) -> bool {
        self.link.is_up()
    }

    /// The player is missing from the roster and is given until then, or is in it.
    pub(super) fn set_absent(&mut self, until: Option<Instant>) {
        self.absent_until = until;
    }

    pub(super) fn is_absent(&self) -> bool {
        self.absent_until.is_some()
    }

    pub(super) fn absent_until(&self) -> Option<Instant> {
        self.absent_until
    }

    /// What the star wants with the player from now on.
    pub(super) fn set_bond(&mut self, bond: Option<Bond>, heartbeat: Duration) {
        self.bond = bond;
        self.link.set_awaited(bond == Some(Bond::Close));
        self.set_heartbeat(heartbeat);
    }

    pub(super) fn bond(&self) -> Option<Bond> {
        self.bond
    }

    pub(super) fn set_heartbeat(&mut self, interval: Duration) {
        self.link.set_heartbeat(interval);
        self.is_dirty = true;
    }

    /// Opens or closes the relay's pipe, as the stream below and the player's own connection are.
    pub(super) fn set_relayed(&mut self, now: Instant, open: bool) {
        let Some(attempt) = self.attempt.filter(|_| open != self.is_relayed) else { return };
        let was_open = self.is_open();
        self.is_relayed = open;
        if open && !was_open && !self.was_direct {
            // Nothing could be heard while it was closed.
            self.heard_at = now;
        }
        // The relay's packets are large enough for every session.
        let _ = self.tell(now, RELAY.id, attempt, if open { Fact::Opened(path::relay::facts()) } else { Fact::Closed });
    }

    /// The link wants the relay's pipe opened or closed. Whatever was given out before is forgotten by it.
    pub(super) fn on_relay_order(&mut self, now: Instant, order: Order, can_open: bool) {
        match order.command {
            Command::Open | Command::Restart | Command::OpenRelayed => {
                self.attempt = Some(order.attempt);
                let (was_open, heard_at) = (self.is_relayed, self.heard_at);
                self.is_relayed = false;
                self.set_relayed(now, can_open);
                if was_open {
                    // The link mends a silent path: the other side is silent all the same.
                    self.heard_at = heard_at;
                }
            }
            Command::Close => self.is_relayed = false,
        }
    }

    /// What became of an order for a direct path.
    pub(super) fn on_pipe(
        &mut self,
        now: Instant,
        path: PathId,
        attempt: Attempt,
        fact: Fact,
    ) -> Result<(), InputError> {
        let was_open = self.is_open();
        self.tell(now, path, attempt, fact)?;
        if !was_open && self.is_open() && !self.was_direct {
            self.heard_at = now;
        }
        self.was_direct |= self.link.is_direct();
        Ok(())
    }

    /// A packet of the other side has come.
    pub(super) fn on_packet(&mut self, now: Instant, path: PathId, bytes: &[u8]) {
        // Misuse is impossible: the link has this path and is not closed.
        let _ = self.link.handle(now, Input::Packet { path, bytes });
        self.is_dirty = true;
        if self.link.heard_at(path) >= Some(now) {
            self.heard_at = now;
            self.suspect_since = None;
            self.expected = self.link.promised();
        }
    }

    /// The other side is to show that it is there.
    pub(super) fn ask(&mut self, now: Instant) {
        self.link.ask(now);
        self.is_dirty = true;
    }

    pub(super) fn on_buffered(&mut self, now: Instant, bytes: usize) {
        if let (Some(attempt), true) = (self.attempt, self.is_relayed) {
            let _ = self.tell(now, RELAY.id, attempt, Fact::Buffered(bytes));
        }
    }

    pub(super) fn on_timeout(&mut self, now: Instant) {
        let _ = self.link.handle(now, Input::Timeout);
        self.is_dirty = true;
    }

    fn tell(&mut self, now: Instant, path: PathId, attempt: Attempt, fact: Fact) -> Result<(), InputError> {
        self.is_dirty = true;
        self.link.handle(now, Input::Pipe { path, attempt, fact })
    }

    /// The link is wanted no more; gives the orders for its direct pipes.
    pub(super) fn close(mut self, now: Instant) -> impl Iterator<Item = (PathId, Order)> {
        let _ = self.link.handle(now, Input::Close);
        core::iter::from_fn(move || self.link.poll_order()).filter(|(path, _)| *path != RELAY.id)
    }

    /// Nobody could be heard until now.
    pub(super) fn on_slept(&mut self, now: Instant) {
        self.heard_at = now;
        self.suspect_since = None;
        self.is_dirty = true;
    }

    pub(super) fn heard_at(&self) -> Instant {
        self.heard_at
    }

    pub(super) fn is_suspect(&self) -> bool {
        self.suspect_since.is_some()
    }

    /// When the silence of the other side means something; never while it cannot be heard.
    pub(super) fn suspect_at(&self, timeout: Duration) -> Option<Instant> {
        let is_watched = self.bond.is_some() && self.suspect_since.is_none() && (self.is_open() || self.was_direct);
        is_watched.then(|| self.heard_at + timeout.max(self.promised(timeout).saturating_mul(INTERVALS)))
    }

    /// Whether its silence means something now.
    fn is_silent(&self, now: Instant, timeout: Duration) -> bool {
        self.heard_at < now && self.suspect_at(timeout).is_some_and(|at| at <= now)
    }

    /// The longest gap that the other side is believed to have promised. Where a direct way ends, all that is left may be
    /// what the relay was promised while it was not in use: no member of a star that we need is so slow.
    fn promised(&self, timeout: Duration) -> Duration {
        match self.bond {
            Some(Bond::Close) => self.expected.min(timeout.max(SLOWEST)),
            _ => self.expected,
        }
    }

    /// Its packets are written: tells when it wants to be called.
    pub(super) fn rest(&mut self, timeout: Duration) {
        self.is_dirty = false;
        self.deadline = self.link.deadline().map(|(at, _)| at);
        self.suspect_at = self.suspect_at(timeout);
    }

    /// Whether it wants to be called now.
    pub(super) fn is_due(&self, now: Instant, timeout: Duration) -> bool {
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        is_over(self.deadline) || if self.is_dirty { self.is_silent(now, timeout) } else { is_over(self.suspect_at) }
    }

    /// When its link wants to be called, and when its silence becomes suspicious. Write its packets before asking.
    pub(super) fn deadlines(&self) -> (Option<Instant>, Option<Instant>) {
        (self.deadline, self.suspect_at)
    }

    /// How the other side is heard now. A stream that carries others too must have answered since the silence became
    /// suspicious; else the silence is perhaps its own.
    pub(super) fn listen(&mut self, now: Instant, timeout: Duration, carrier_heard_at: Instant) -> Hearing {
        let is_newly_suspect = self.is_silent(now, timeout);
        if is_newly_suspect {
            self.suspect_since = Some(now);
            self.is_dirty = true;
        }
        let deviation = self.link.jitter();
        let is_stream_only = deviation.is_none() && self.is_relayed;
        let jitter = allowed_for(deviation.unwrap_or_default());
        let rhythm = self.promised(timeout).saturating_mul(INTERVALS);
        let least = timeout.saturating_add(jitter);
        let least = if is_stream_only { least.max(STREAM_PATIENCE) } else { least };
        let least = least.max(rhythm);
        let is_answered = self.suspect_since.is_none_or(|since| carrier_heard_at >= since);
        let ear = Ear {
            is_open: self.was_direct || self.is_relayed,
            heard_at: self.heard_at,
            patience: if is_stream_only && !is_answered { UNTIL_ANSWERED } else { least },
            rhythm: if is_stream_only || rhythm.is_zero() { least } else { least.min(rhythm.saturating_add(jitter)) },
            rtt: self.link.rtt(),
        };
        let is_new = self.told.replace(ear) != Some(ear);
        Hearing { ear: is_new.then_some(ear), is_newly_suspect }
    }

    /// Gives a message of the application to the link.
    pub(super) fn send(
        &mut self,
        now: Instant,
        channel: Channel,
        priority: Priority,
        key: u32,
        payload: Bytes,
    ) -> Result<MessageId, SendError> {
        self.give(now, Outbound { priority, delivery: delivery_of(channel), key, payload })
    }

    /// Gives anything to the link.
    pub(super) fn give(&mut self, now: Instant, message: Outbound) -> Result<MessageId, SendError> {
        self.is_dirty = true;
        let keeps_turn = message.delivery == Delivery::Ordered && message.priority == Priority::Normal;
        let id = self.link.send(now, message)?;
        if keeps_turn {
            self.arrivals.on_sent_in_turn(id);
        }
        Ok(id)
    }

    /// The number by which the other side knows a kind of ours. It is told what the number stands for, if it has not
    /// been.
    pub(super) fn teach(&mut self, now: Instant, numbering: &mut Numbering, kind: &Kind) -> Option<u16> {
        let (_, number) = numbering.find(kind.as_str())?;
        let number = number?;
        if self.taught.is_untold(number)
            && let Ok(message) =
                self.send(now, Channel::Reliable, Priority::Normal, 0, star::define(number, kind.as_str()))
        {
            self.taught.on_told(number, message);
        }
        self.taught.is_known(number).then_some(number)
    }

    /// A frame for the other side. It leaves after those that wait.
    pub(super) fn wait(&mut self, frame: Frame) {
        let kind = core::mem::discriminant(&frame);
        let most = if matches!(frame, Frame::Activate { .. }) { ACTIVATIONS } else { 1 };
        let is_alike = |older: &Frame| core::mem::discriminant(older) == kind;
        let mut spare = (self.waiting.iter().filter(|older| is_alike(older)).count() + 1).saturating_sub(most);
        self.waiting.retain(|older| {
            let goes = spare > 0 && is_alike(older);
            spare -= usize::from(goes);
            !goes
        });
        self.waiting.push_back(frame);
    }

    /// Whether a frame must wait: nothing can leave, or others wait already.
    pub(super) fn must_wait(&self) -> bool {
        !self.waiting.is_empty() || !self.is_open()
    }

    /// The next frame that can leave now, if there is a path.
    pub(super) fn next_waiting(&mut self) -> Option<Frame> {
        if self.is_open() { self.waiting.pop_front() } else { None }
    }

    /// It found no room; it is still the next.
    pub(super) fn wait_on(&mut self, frame: Frame) {
        self.waiting.push_front(frame);
    }

    /// Whether the link takes more entries.
    pub(super) fn has_room(&self) -> bool {
        let has = |priority| self.kept_in(priority) < ROOM;
        self.is_open() && has(Priority::Normal) && has(Priority::Low) && self.waiting.is_empty()
    }

    /// A piece of a snapshot that may leave now.
    pub(super) fn take_piece(&mut self) -> Option<Frame> {
        if self.is_settled() { self.piece.take() } else { None }
    }

    /// A piece of a snapshot waits for what was said before it. Nothing else is taken meanwhile.
    pub(super) fn hold_piece(&mut self, piece: Frame) {
        self.piece = Some(piece);
    }

    pub(super) fn holds_piece(&self) -> bool {
        self.piece.is_some()
    }

    /// Everything that entries must not overtake has arrived.
    pub(super) fn is_settled(&self) -> bool {
        self.arrivals.is_settled()
    }

    /// Entries must not overtake this.
    pub(super) fn put_ahead(&mut self, id: MessageId) {
        self.arrivals.put_ahead(id);
    }

    /// An entry has left.
    pub(super) fn on_entry_sent(&mut self, id: MessageId, epoch: Epoch, position: Position) {
        self.arrivals.on_entry_sent(id, epoch, position);
    }

    /// The other side has got a message.
    pub(super) fn on_acked(&mut self, id: MessageId) {
        if !self.taught.on_acked(id) {
            self.arrivals.on_acked(id);
        }
    }

    /// The next entry that has arrived at the other side.
    pub(super) fn next_arrived(&mut self) -> Option<(Epoch, Position)> {
        self.arrivals.next_arrived()
    }

    /// Bytes of kept messages, and of words about them, that have not reached the other side.
    pub(super) fn queued_kept(&self) -> usize {
        self.kept_in(Priority::Normal) + self.link.queued_in(Priority::Critical)
    }

    /// Bytes of kept messages in a lane.
    fn kept_in(&self, priority: Priority) -> usize {
        self.link.queued_in(priority) - self.link.loose_in(priority)
    }

    /// Bytes that have not reached the other side.
    pub(super) fn queued(&self) -> usize {
        self.link.queued()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who has stood still counts as one with much jitter for a while, and is not waited for without end.
    #[test]
    fn jitter_is_allowed_for_up_to_a_second() {
        let ms = Duration::from_millis;
        let allowed = [0, 25, 250, 900].map(|deviation| allowed_for(ms(deviation)));
        assert_eq!(allowed, [0, 100, 1_000, 1_000].map(ms));
    }
}
