//! S11: what a machine holds stays below its configured caps, and one input makes it say only so much.

use super::{Check, Seen};
use webstar_core::config::SessionConfig;

/// Packets that may leave because of one input: a window full of small packets, and far below what would hurt.
const MOST_PACKETS: usize = 1_024;
/// Events that one input may cause: one acknowledgement can settle everything that is under way.
const MOST_EVENTS: usize = 65_536;
/// What holding a message in parts costs beyond its bytes.
const PARTIAL_OVERHEAD: usize = 128;
/// The streams of kept messages: two to each priority. The oldest message of each is taken even without room for it.
const KEPT_STREAMS: usize = 8;

/// What a machine holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Holding {
    /// Bytes held for sending, by priority.
    pub queued: [usize; 4],
    /// Bytes held of messages that wait for others, or for the rest of themselves.
    pub held: usize,
}

/// Watches the bounds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    most_queued: usize,
    most_held: usize,
}

impl Bounds {
    /// The bounds of machines with these settings.
    pub fn of(config: &SessionConfig) -> Self {
        let exempt = KEPT_STREAMS * (config.max_message + PARTIAL_OVERHEAD);
        Bounds { most_queued: config.send_buffer, most_held: config.receive_buffer + exempt }
    }
}

impl Check for Bounds {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match *seen {
            Seen::Holding { side, holding: Holding { queued, held } } => {
                if let Some(queued) = queued.into_iter().find(|queued| *queued > self.most_queued) {
                    return Err(format!("{side:?} queues {queued} bytes in a lane of {}", self.most_queued));
                }
                if held > self.most_held {
                    return Err(format!("{side:?} holds {held} received bytes, more than {}", self.most_held));
                }
                Ok(())
            }
            Seen::Rested { side, packets, .. } if packets > MOST_PACKETS => {
                Err(format!("{side:?} sent {packets} packets because of one input"))
            }
            Seen::Rested { side, events, .. } if events > MOST_EVENTS => {
                Err(format!("{side:?} told {events} events because of one input"))
            }
            _ => Ok(()),
        }
    }
}
