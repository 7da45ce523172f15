//! Our own messages that go through the log: their numbers, kept until they are acknowledged, said again to every new
//! host.

use super::table::{REACH, lane};
use super::{Channel, Destination, Event, Frame, Full, Kind, StarConfig};
use bytes::Bytes;
use std::collections::VecDeque;

/// The channels of the log, as numbered in pairs.
const CHANNELS: [Channel; 2] = [Channel::Reliable, Channel::Ordered];
/// What a message costs besides its payload.
const MESSAGE_BYTES: usize = 64;

#[derive(Debug)]
struct Own {
    to: Destination,
    kind: Kind,
    payload: Bytes,
    /// Which of all our messages it is: they are said in the order in which they were sent.
    order: u64,
}

#[derive(Debug, Default)]
struct Queue {
    /// The number before that of the first message kept.
    acked: u64,
    own: VecDeque<Own>,
    /// How many of them the present host was told.
    told: usize,
    bytes: usize,
    /// A message was refused and nobody was told since that there is room.
    is_full: bool,
}

/// What we publish.
#[derive(Debug)]
pub(super) struct Publishing {
    window: usize,
    queues: [Queue; 2],
    orders: u64,
    /// The host takes nothing now.
    is_held: bool,
}

impl Publishing {
    /// Nothing was sent yet.
    pub(super) fn new(config: &StarConfig) -> Self {
        Publishing { window: config.window, queues: Default::default(), orders: 0, is_held: false }
    }

    /// Keeps a message; tells its number. The channel must be one of the log's.
    pub(super) fn send(&mut self, to: &Destination, channel: Channel, kind: Kind, payload: Bytes) -> Result<u64, Full> {
        let window = self.window;
        let queue = &mut self.queues[lane(channel)];
        let bytes = payload.len() + MESSAGE_BYTES;
        if !queue.own.is_empty() && queue.bytes + bytes > window {
            queue.is_full = true;
            return Err(Full { queued: queue.bytes });
        }
        queue.bytes += bytes;
        queue.own.push_back(Own { to: to.clone(), kind, payload, order: self.orders });
        self.orders += 1;
        Ok(queue.acked + queue.own.len() as u64)
    }

    /// The host was told everything.
    pub(super) fn has_told_all(&self) -> bool {
        self.queues.iter().all(|queue| queue.told == queue.own.len())
    }

    /// The next message for the host that is told with it.
    pub(super) fn poll(&mut self) -> Option<Frame> {
        if self.is_held {
            return None;
        }
        let next = |index: &usize| self.queues[*index].next().map(|own| own.order);
        let index = (0..2).filter(|index| next(index).is_some()).min_by_key(next)?;
        let queue = &mut self.queues[index];
        let own = queue.own.get(queue.told)?;
        queue.told += 1;
        Some(Frame::Publish {
            channel: CHANNELS[index],
            seq: queue.acked + queue.told as u64,
            to: own.to.clone(),
            kind: own.kind.clone(),
            payload: own.payload.clone(),
        })
    }

    /// Another host, or one that may have lost what it was told: everything is said again.
    pub(super) fn rewind(&mut self) {
        self.is_held = false;
        for queue in &mut self.queues {
            queue.told = 0;
        }
    }

    /// The host takes nothing now, or takes it again.
    pub(super) fn hold(&mut self, stop: bool) {
        self.is_held = stop;
    }

    /// Our messages up to these numbers are acknowledged: reliable, ordered.
    pub(super) fn on_acked(&mut self, acked: [u64; 2], events: &mut VecDeque<Event>) {
        for ((queue, channel), acked) in self.queues.iter_mut().zip(CHANNELS).zip(acked) {
            let sent = queue.acked + queue.own.len() as u64;
            if acked > queue.acked && acked <= sent {
                queue.forget(acked);
                events.push_back(Event::Acked(channel, acked));
                if queue.is_full && queue.bytes <= self.window / 2 {
                    queue.is_full = false;
                    events.push_back(Event::Drained(channel));
                }
            }
        }
    }

    /// Up to which numbers everything is acknowledged.
    pub(super) fn acked(&self) -> [u64; 2] {
        [self.queues[0].acked, self.queues[1].acked]
    }

    /// What is kept.
    pub(super) fn bytes(&self) -> usize {
        self.queues.iter().map(|queue| queue.bytes).sum()
    }
}

impl Queue {
    /// The next message that the host was not told. It never runs so far ahead that the host's table has no room.
    fn next(&self) -> Option<&Own> {
        self.own.get(self.told).filter(|_| (self.told as u64) < REACH)
    }

    fn forget(&mut self, acked: u64) {
        while self.acked < acked {
            let own = self.own.pop_front().expect("acknowledged was checked against what is kept");
            self.bytes -= own.payload.len() + MESSAGE_BYTES;
            self.acked += 1;
            self.told = self.told.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publishing(window: usize) -> Publishing {
        Publishing::new(&StarConfig { window, ..StarConfig::default() })
    }

    fn send(publishing: &mut Publishing, channel: Channel, bytes: usize) -> Result<u64, Full> {
        let kind = Kind::new("k").expect("a name");
        publishing.send(&Destination::All, channel, kind, vec![0; bytes].into())
    }

    fn poll(publishing: &mut Publishing) -> Vec<(Channel, u64)> {
        core::iter::from_fn(|| publishing.poll())
            .map(|frame| match frame {
                Frame::Publish { channel, seq, .. } => (channel, seq),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn what_is_not_acknowledged_is_said_again_in_the_order_of_sending() {
        use Channel::{Ordered, Reliable};
        let mut own = publishing(1_000_000);
        let numbers = [Ordered, Reliable, Ordered, Ordered, Reliable].map(|channel| send(&mut own, channel, 1));
        assert_eq!(numbers, [1, 1, 2, 3, 2].map(Ok));
        assert_eq!(poll(&mut own), [(Ordered, 1), (Reliable, 1), (Ordered, 2), (Ordered, 3), (Reliable, 2)]);
        assert_eq!(poll(&mut own), []);
        let mut events = VecDeque::new();
        own.on_acked([0, 2], &mut events);
        assert_eq!(events, [Event::Acked(Ordered, 2)]);
        own.rewind();
        assert_eq!(poll(&mut own), [(Reliable, 1), (Ordered, 3), (Reliable, 2)]);
        own.on_acked([2, 3], &mut events);
        assert_eq!(own.bytes(), 0);
        assert_eq!((send(&mut own, Ordered, 1), own.acked()), (Ok(4), [2, 3]));
    }

    #[test]
    fn what_nobody_sent_cannot_be_acknowledged() {
        let mut own = publishing(1_000_000);
        send(&mut own, Channel::Ordered, 1).expect("there is room");
        let mut events = VecDeque::new();
        own.on_acked([1, 2], &mut events);
        own.on_acked([0, u64::MAX], &mut events);
        assert_eq!((events.len(), own.acked()), (0, [0, 0]));
    }

    #[test]
    fn a_full_channel_says_once_that_it_has_drained() {
        let mut own = publishing(300);
        assert_eq!(send(&mut own, Channel::Ordered, 1_000), Ok(1), "one message in any case");
        assert_eq!(send(&mut own, Channel::Ordered, 1), Err(Full { queued: 1_064 }));
        assert_eq!(send(&mut own, Channel::Reliable, 1), Ok(1), "the other channel has room");
        let mut events = VecDeque::new();
        own.on_acked([1, 1], &mut events);
        let wanted =
            [Event::Acked(Channel::Reliable, 1), Event::Acked(Channel::Ordered, 1), Event::Drained(Channel::Ordered)];
        assert_eq!(events, wanted);
        events.clear();
        for _ in 0..3 {
            send(&mut own, Channel::Ordered, 20).expect("there is room");
        }
        assert_eq!(send(&mut own, Channel::Ordered, 20), Err(Full { queued: 252 }));
        own.on_acked([1, 2], &mut events);
        assert_eq!(events, [Event::Acked(Channel::Ordered, 2)], "more than half is in use");
        own.on_acked([1, 3], &mut events);
        assert_eq!(events.pop_back(), Some(Event::Drained(Channel::Ordered)));
    }

    #[test]
    fn a_host_that_asks_to_hold_is_told_nothing_until_it_takes_again_or_is_another() {
        let mut own = publishing(1_000_000);
        own.hold(true);
        send(&mut own, Channel::Ordered, 1).expect("there is room");
        assert_eq!(poll(&mut own), []);
        own.hold(false);
        assert_eq!(poll(&mut own), [(Channel::Ordered, 1)]);
        own.hold(true);
        own.rewind();
        assert_eq!(poll(&mut own), [(Channel::Ordered, 1)]);
    }

    #[test]
    fn nobody_runs_ahead_of_what_a_table_can_hold() {
        let mut own = publishing(10_000_000);
        for _ in 0..=REACH {
            send(&mut own, Channel::Reliable, 1).expect("there is room");
        }
        assert_eq!(poll(&mut own).len() as u64, REACH);
        own.on_acked([1, 0], &mut VecDeque::new());
        assert_eq!(poll(&mut own), [(Channel::Reliable, REACH + 1)]);
    }
}
