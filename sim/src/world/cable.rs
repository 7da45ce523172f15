//! One connection between a player (side A) and the server (side B): the handshake, the frames in both directions with
//! what waits before the pipe, and the closing. What the frames mean is nobody's business here.

use super::line::Line;
use crate::net::{Arrival, Pipe, Refused, Side};
use crate::seed::Seed;
use bytes::Bytes;
use core::time::Duration;
use std::collections::VecDeque;
use webstar_core::id::{ConnectionId, StreamId};
use webstar_core::time::{Instant, earlier};
use webstar_core::wire::signal::Frame;

/// What the system holds of a stream below us, each way.
const PIPE_BUFFER: usize = 64 * 1024;
/// A first packet without answer is sent again after this, doubling.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The system gives up connecting after this.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first byte of a frame in the pipe.
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// The player's side asks for it; the last word of that arrives then.
    Knocking { arrives: Instant, since: Instant, retry: Duration },
    /// The server's side has it; the player's side hears of it then.
    Accepted { heard: Instant },
    /// Both have it.
    Open,
}

/// What a connection tells the world.
#[derive(Debug)]
pub(super) enum News {
    /// The server's side has it.
    Accepted,
    /// The player's side has it.
    Opened,
    /// It could not be had.
    Failed(&'static str),
    /// A frame has arrived at this side.
    Frame(Side, Frame),
    /// It is closed for this side, which heard this.
    Closed(Side, String),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Cable {
    /// Whose it is.
    pub(super) seat: usize,
    /// What the player calls it; nothing once it is closed for the player.
    pub(super) stream: Option<StreamId>,
    /// Where it is at the server: the shard and the name there.
    pub(super) place: Option<(usize, ConnectionId)>,
    /// Bytes that the server has given and that have left, not yet told.
    pub(super) wrote: usize,
    /// What the player was last told to be buffered.
    pub(super) told_buffered: usize,
    phase: Phase,
    pipe: Pipe,
    /// By sending side: what waits before the pipe.
    queues: [VecDeque<Vec<u8>>; 2],
    queued: [usize; 2],
    /// By side: it closes when its queue is empty.
    is_closing: [bool; 2],
    reason: String,
}

impl Cable {
    pub(super) fn new(seed: Seed, now: Instant, seat: usize, stream: StreamId, line: &Line) -> Self {
        // The pipe lives from the start, so that one thing carries all conditions; nothing is in it before `Accepted`.
        let mut pipe = Pipe::stream(seed, now, line.conditions[0], PIPE_BUFFER);
        pipe.set_conditions(now, Side::B, line.conditions[1]);
        let arrives = now + line.round_trip() * 3 / 2;
        let mut cable = Cable {
            seat,
            stream: Some(stream),
            place: None,
            wrote: 0,
            told_buffered: 0,
            phase: Phase::Knocking { arrives, since: now, retry: FIRST_RETRY },
            pipe,
            queues: Default::default(),
            queued: [0; 2],
            is_closing: [false; 2],
            reason: String::new(),
        };
        cable.follow(line);
        cable
    }

    /// Takes over what is true of the line now, cuts and reading.
    pub(super) fn follow(&mut self, line: &Line) {
        for side in Side::BOTH {
            if line.is_up(side) { self.pipe.heal(side) } else { self.pipe.cut(side) }
        }
        if let Pipe::Stream(stream) = &mut self.pipe {
            stream.set_reading(Side::A, line.is_reading);
        }
    }

    pub(super) fn set_conditions(&mut self, now: Instant, line: &Line) {
        for (side, conditions) in Side::BOTH.into_iter().zip(line.conditions) {
            self.pipe.set_conditions(now, side, conditions);
        }
    }

    /// Whether anything can still come of it.
    pub(super) fn is_alive(&self) -> bool {
        self.stream.is_some() || self.place.is_some() || self.next().is_some()
    }

    pub(super) fn reset(&mut self, now: Instant) {
        self.pipe.reset(now);
    }

    pub(super) fn half_open(&mut self) {
        if let Pipe::Stream(stream) = &mut self.pipe {
            stream.half_open();
        }
    }

    /// When to look at it next.
    pub(super) fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::Knocking { arrives, .. } => self.stream.map(|_| arrives),
            Phase::Accepted { heard } if self.stream.is_some() => earlier(self.pipe.next_deadline(), Some(heard)),
            Phase::Accepted { .. } | Phase::Open => self.pipe.next_deadline(),
        }
    }

    /// What has happened by now. Call it until it gives nothing.
    pub(super) fn poll(&mut self, now: Instant, line: &Line, is_served: bool) -> Option<News> {
        match self.phase {
            Phase::Knocking { arrives, .. } if arrives > now || self.stream.is_none() => return None,
            Phase::Knocking { .. } => return self.knock(now, line, is_served),
            Phase::Accepted { heard } if heard <= now && self.stream.is_some() => {
                self.phase = Phase::Open;
                return Some(News::Opened);
            }
            _ => {}
        }
        loop {
            let Some((side, arrival)) = self.pipe.poll(now) else {
                Side::BOTH.into_iter().for_each(|side| self.flush(now, side));
                return None;
            };
            match arrival {
                Arrival::Packet(packet) => {
                    let frame = self.read(&packet);
                    self.pipe.recycle(side, packet);
                    if let Some(frame) = frame {
                        return Some(News::Frame(side, frame));
                    }
                }
                Arrival::Closed if side == Side::A && self.phase != Phase::Open => {
                    self.phase = Phase::Open;
                    return Some(News::Failed("connection reset during the handshake"));
                }
                Arrival::Closed => return Some(News::Closed(side, core::mem::take(&mut self.reason))),
            }
        }
    }

    fn knock(&mut self, now: Instant, line: &Line, is_served: bool) -> Option<News> {
        let Phase::Knocking { since, retry, .. } = self.phase else { return None };
        if line.is_clear() {
            if line.is_refused || !is_served {
                return Some(News::Failed("connection refused"));
            }
            self.phase = Phase::Accepted { heard: now + line.round_trip() / 2 };
            return Some(News::Accepted);
        }
        if now.since(since) > PATIENCE {
            return Some(News::Failed("connection timed out"));
        }
        self.phase = Phase::Knocking { arrives: now + retry, since, retry: retry * 2 };
        None
    }

    /// A frame as it came; nothing if it only tells why the stream closes.
    fn read(&mut self, packet: &[u8]) -> Option<Frame> {
        let (&first, rest) = packet.split_first()?;
        if first == CLOSE {
            self.reason = String::from_utf8_lossy(rest).into_owned();
            return None;
        }
        let bytes = Bytes::copy_from_slice(rest);
        Some(if first == TEXT { Frame::Text(bytes) } else { Frame::Binary(bytes) })
    }

    /// Sends a frame. What finds no room in the pipe waits here; the sender bounds it.
    pub(super) fn send(&mut self, now: Instant, from: Side, is_text: bool, bytes: &[u8]) {
        let mut packet = Vec::with_capacity(bytes.len() + 1);
        packet.push(if is_text { TEXT } else { BINARY });
        packet.extend_from_slice(bytes);
        self.queued[index(from)] += bytes.len();
        self.queues[index(from)].push_back(packet);
        self.flush(now, from);
    }

    /// This side closes after what it has sent, and says why.
    pub(super) fn close(&mut self, now: Instant, by: Side, reason: &str) {
        if !reason.is_empty() {
            let packet = [&[CLOSE], reason.as_bytes()].concat();
            self.queued[index(by)] += reason.len();
            self.queues[index(by)].push_back(packet);
        }
        self.is_closing[index(by)] = true;
        match by {
            Side::A => self.stream = None,
            Side::B => self.place = None,
        }
        self.flush(now, by);
    }

    /// The machine at this side is gone without a word: nothing leaves it any more, and nobody hears of it.
    pub(super) fn forsake(&mut self, by: Side) {
        self.queues[index(by)].clear();
        self.queued[index(by)] = 0;
        match by {
            Side::A => self.stream = None,
            Side::B => self.place = None,
        }
        self.half_open();
    }

    /// Bytes that this side has given and that have not arrived.
    pub(super) fn buffered(&self, from: Side) -> usize {
        self.queued[index(from)] + self.pipe.buffered(from)
    }

    /// Gives the pipe what it takes.
    fn flush(&mut self, now: Instant, from: Side) {
        let side = index(from);
        while let Some(packet) = self.queues[side].front() {
            let taken = self.pipe.send(now, from, packet);
            if taken == Err(Refused::Full) {
                return;
            }
            let length = packet.len() - 1;
            if from == Side::B && self.place.is_some() {
                self.wrote += length;
            }
            self.queued[side] -= length;
            self.queues[side].pop_front();
        }
        if core::mem::take(&mut self.is_closing[side]) {
            self.pipe.close(now, from);
        }
    }
}

fn index(side: Side) -> usize {
    usize::from(side == Side::B)
}
