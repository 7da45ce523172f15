//! How much a path takes now: three answers for three kinds of pipe. The congestion control itself is next door.

use super::budget::Budget;
use super::congestion::{Ack, Congestion, SendMark};
use super::pipe::{Control, PipeFacts};
use super::sent::SentPacket;
use crate::config::SessionConfig;
use crate::time::{Duration, Instant};

/// What the pacer says of the next packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// It may leave.
    Now,
    /// It may leave then.
    At(Instant),
    /// It may leave when something has been acknowledged or has left the pipe.
    Later,
}

/// The pacer of one path.
#[derive(Debug)]
pub(crate) enum Pacer {
    /// Nothing below limits the rate.
    Own(Box<Congestion>),
    /// A congestion control below that must not be provoked.
    Below(Budget),
    /// A byte stream below: so many bytes in the pipe.
    Stream(usize),
}

impl Pacer {
    pub(crate) fn new(now: Instant, facts: PipeFacts, config: &SessionConfig) -> Self {
        match facts.control {
            Control::Own => Pacer::Own(Box::new(Congestion::new(now, facts.max_packet))),
            Control::Below => Pacer::Below(Budget::new(now, facts.max_packet)),
            Control::Stream => Pacer::Stream(config.stream_window),
        }
    }

    /// Whether the next packet may leave. `in_flight` is what has left and is not accounted for.
    pub(crate) fn room(&self, now: Instant, in_flight: usize, loss: f64) -> Room {
        match self {
            Pacer::Own(control) if in_flight >= control.window() => Room::Later,
            Pacer::Own(control) => match control.release(now) {
                at if at <= now => Room::Now,
                at => Room::At(at),
            },
            Pacer::Below(budget) => budget.room(now, loss),
            Pacer::Stream(window) if in_flight >= *window => Room::Later,
            Pacer::Stream(_) => Room::Now,
        }
    }

    /// Whether a critical message may leave although the rest may not.
    pub(crate) fn bears_critical(&self, in_flight: usize) -> bool {
        match self {
            Pacer::Own(control) => in_flight < control.window() + control.window() / 4,
            Pacer::Below(budget) => budget.bears_critical(),
            Pacer::Stream(window) => in_flight < window + window / 4,
        }
    }

    /// Whether bytes beyond the first copies do no harm now.
    pub(crate) fn has_spare(&self, in_flight: usize) -> bool {
        match self {
            Pacer::Own(control) => in_flight + in_flight / 3 <= control.window(),
            // A byte more brings the collapse nearer: measured, protection costs here what it saves.
            Pacer::Below(_) => false,
            // Nothing is lost.
            Pacer::Stream(_) => false,
        }
    }

    pub(crate) fn on_sent(&mut self, now: Instant, bytes: usize, in_flight: usize, loss: f64) -> Option<SendMark> {
        match self {
            Pacer::Own(control) => Some(control.on_sent(now, bytes, in_flight)),
            Pacer::Below(budget) => {
                budget.on_sent(now, bytes, loss);
                None
            }
            Pacer::Stream(_) => None,
        }
    }

    pub(crate) fn on_ack(&mut self, now: Instant, packet: &SentPacket, rtt: Option<Duration>, in_flight: usize) {
        if let (Pacer::Own(control), Some(mark)) = (self, packet.mark) {
            control.on_ack(now, &Ack { bytes: packet.bytes as usize, sent_at: packet.at, mark, rtt, in_flight });
        }
    }

    pub(crate) fn on_lost(&mut self, now: Instant, bytes: usize, mark: Option<SendMark>, in_flight: usize) {
        if let (Pacer::Own(control), Some(mark)) = (self, mark) {
            control.on_lost(now, bytes, mark, in_flight);
        }
    }

    pub(crate) fn on_app_limited(&mut self, now: Instant, in_flight: usize) {
        if let Pacer::Own(control) = self {
            control.on_idle_or_app_limited(now, in_flight);
        }
    }

    pub(crate) fn on_buffered(&mut self, bytes: usize) {
        if let Pacer::Below(budget) = self {
            budget.on_buffered(bytes);
        }
    }
}
