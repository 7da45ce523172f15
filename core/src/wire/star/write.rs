//! How frames are written. [`read`](super::read) reads them; the module above tells how they lie.

use super::entry::{self, Extent};
use super::parts::{self, Told};
use super::{
    Channel, Copy, Destination, Entry, Frame, Kind, LogEnd, MAX_BEYOND, MAX_HELD, MAX_PROMISED, MAX_REACH, MAX_ROWS,
    MAX_SPANS, MAX_VOIDS, Mark, Position, Promise, Span, TableRow,
};
use crate::wire::signal::Epoch;
use crate::wire::varint;
use bytes::Bytes;

pub(super) const HOLD: u8 = 0x04;
pub(super) const PUBLISH: u8 = 0x05;
pub(super) const ENTRY: u8 = 0x06;
pub(super) const MARK: u8 = 0x07;
pub(super) const STORED: u8 = 0x08;
pub(super) const HAVE: u8 = 0x09;
pub(super) const START: u8 = 0x0a;
pub(super) const SNAPSHOT: u8 = 0x0b;
pub(super) const COPY: u8 = 0x0c;
pub(super) const FETCH: u8 = 0x0d;
pub(super) const PROPOSE: u8 = 0x0e;
pub(super) const PROMISE: u8 = 0x0f;
pub(super) const NEWER: u8 = 0x10;
pub(super) const ACTIVATE: u8 = 0x11;
pub(super) const FREEZE: u8 = 0x12;

/// Room for what stands in front of a payload, as a rule.
const HEAD: usize = 96;

pub(super) fn frame(frame: &Frame, told: Told<'_>) -> Bytes {
    let mut out = Vec::with_capacity(HEAD + payload_len(frame));
    match frame {
        Frame::Publish { channel, seq, to, kind, payload } => {
            let message = (*channel, *seq, to, kind, payload);
            write_publish(message, told, &mut out);
        }
        Frame::Entry { epoch, entry } => {
            begin(ENTRY, *epoch, &mut out);
            entry::write(entry, *epoch, Extent::Rest, told, &mut out);
        }
        Frame::Hold(stop) => out.extend([HOLD, u8::from(*stop)]),
        Frame::Propose { view, is_dormant } => {
            out.extend([PROPOSE, u8::from(*is_dormant)]);
            parts::write_block(view, &mut out);
        }
        Frame::Promise(promise) => write_promise(promise, told, &mut out),
        Frame::Newer(certified) => {
            out.push(NEWER);
            parts::write_block(certified, &mut out);
        }
        Frame::Activate { certified, spans, voids } => {
            out.push(ACTIVATE);
            parts::write_block(certified, &mut out);
            write_spans(spans, &mut out);
            write_positions(voids, MAX_VOIDS, &mut out);
        }
        _ => write_state(frame, &mut out),
    }
    out.into()
}

/// What is told of one epoch of the host's, without kinds or views.
fn write_state(frame: &Frame, out: &mut Vec<u8>) {
    match frame {
        Frame::Mark { epoch, mark: Mark { committed, settled, cut, acked } } => {
            begin(MARK, *epoch, out);
            write_all([committed.0, settled.0, cut.0, acked[0], acked[1]], out);
        }
        Frame::Stored { epoch, position } => {
            begin(STORED, *epoch, out);
            varint::write(position.0, out);
        }
        Frame::Have { epoch, beyond } => {
            begin(HAVE, *epoch, out);
            varint::write(beyond.settled.0, out);
            out.push(u8::from(beyond.wants_snapshot));
            write_all(beyond.acked, out);
            write_positions(&beyond.held, MAX_HELD, out);
        }
        Frame::Start { epoch, position, is_joiner, snapshot_bytes } => {
            begin(START, *epoch, out);
            varint::write(position.0, out);
            out.push(u8::from(*is_joiner));
            varint::write(*snapshot_bytes, out);
        }
        Frame::Snapshot { epoch, position, size, hash, offset, piece } => {
            begin(SNAPSHOT, *epoch, out);
            write_all([position.0, *size, *offset], out);
            out.extend_from_slice(hash);
            out.extend_from_slice(piece);
        }
        Frame::Copy { epoch, copy } => {
            begin(COPY, *epoch, out);
            write_copy(copy, out);
        }
        Frame::Fetch { epoch, log } => {
            begin(FETCH, *epoch, out);
            write_log(*log, out);
        }
        Frame::Freeze { epoch, end } => {
            begin(FREEZE, *epoch, out);
            varint::write(end.0, out);
        }
        _ => unreachable!("the others are written above"),
    }
}

fn begin(kind: u8, epoch: Epoch, out: &mut Vec<u8>) {
    out.push(kind);
    parts::write_epoch(epoch, out);
}

fn write_all<const N: usize>(numbers: [u64; N], out: &mut Vec<u8>) {
    numbers.iter().for_each(|number| varint::write(*number, out));
}

fn write_log(log: Option<LogEnd>, out: &mut Vec<u8>) {
    out.push(u8::from(log.is_some()));
    if let Some(log) = log {
        parts::write_epoch(log.whole_in, out);
        varint::write(log.end.0, out);
    }
}

fn write_promise(promise: &Promise, told: Told<'_>, out: &mut Vec<u8>) {
    begin(PROMISE, promise.epoch, out);
    out.extend_from_slice(&promise.signature.0);
    parts::write_epoch(promise.active, out);
    let promised = &promise.promised[..promise.promised.len().min(MAX_PROMISED)];
    varint::write(promised.len() as u64, out);
    promised.iter().for_each(|view| parts::write_block(view, out));
    write_log(promise.log, out);
    varint::write(promise.settled.0, out);
    let beyond = &promise.beyond[..promise.beyond.len().min(MAX_BEYOND)];
    varint::write(beyond.len() as u64, out);
    beyond.iter().fold(promise.active, |expected, entry| {
        entry::write(entry, expected, Extent::Sized, told, out);
        entry.epoch
    });
}

fn write_copy(copy: &Copy, out: &mut Vec<u8>) {
    write_all([copy.cut.0, copy.end.0, copy.same.0], out);
    let table = &copy.table[..copy.table.len().min(MAX_ROWS)];
    varint::write(table.len() as u64, out);
    for TableRow { player, incarnation, is_present, taken, beyond } in table {
        parts::write_player(*player, out);
        varint::write(u64::from(incarnation.0), out);
        out.push(u8::from(*is_present));
        write_all(*taken, out);
        parts::write_rising(beyond.iter().copied(), MAX_REACH, out);
    }
    write_spans(&copy.spans, out);
}

/// The newest, if they are too many.
fn write_spans(spans: &[Span], out: &mut Vec<u8>) {
    let spans = &spans[spans.len().saturating_sub(MAX_SPANS)..];
    varint::write(spans.len() as u64, out);
    for span in spans {
        parts::write_epoch(span.epoch, out);
        varint::write(span.end.0, out);
    }
}

fn write_positions(positions: &[Position], most: usize, out: &mut Vec<u8>) {
    parts::write_rising(positions.iter().map(|position| position.0), most, out);
}

/// The parts of a member's message: channel, number, destination, kind, payload.
type Parts<'a> = (Channel, u64, &'a Destination, &'a Kind, &'a Bytes);

fn write_publish((channel, seq, to, kind, payload): Parts<'_>, told: Told<'_>, out: &mut Vec<u8>) {
    out.extend([PUBLISH, entry::message_byte(channel, to)]);
    parts::write_players_of(to, out);
    varint::write(seq, out);
    parts::tell(kind, told, out);
    out.extend_from_slice(payload);
}

fn payload_len(frame: &Frame) -> usize {
    match frame {
        Frame::Publish { payload, .. } => payload.len(),
        Frame::Entry { entry: Entry { content: super::Content::Message(message), .. }, .. } => message.payload.len(),
        Frame::Snapshot { piece, .. } => piece.len(),
        _ => 0,
    }
}
