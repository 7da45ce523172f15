//! How frames are read. Whatever comes, it is a frame or an error, and takes no more memory than what came can fill.

use super::entry::{self, Extent};
use super::parts::{self, Kinds};
use super::write::{
    ACTIVATE, COPY, ENTRY, FETCH, FREEZE, HAVE, HOLD, MARK, NEWER, PROMISE, PROPOSE, PUBLISH, SNAPSHOT, START, STORED,
};
use super::{
    Beyond, Copy, Frame, LogEnd, MAX_BEYOND, MAX_HELD, MAX_PROMISED, MAX_REACH, MAX_ROWS, MAX_SPANS, MAX_VOIDS, Mark,
    Position, Promise, Span, TableRow,
};
use crate::wire::WireError;
use crate::wire::limits::MAX_MESSAGE;
use crate::wire::signal::Epoch;
use crate::wire::varint::Reader;
use crate::wire::view::Signature;
use bytes::Bytes;

/// Reads what follows the first byte, which tells the kind of frame.
pub(super) fn frame(kind: u8, bytes: &Bytes, reader: Reader<'_>, kinds: Kinds<'_>) -> Result<Frame, WireError> {
    let mut reader = reader;
    let frame = match kind {
        HOLD => Frame::Hold(parts::read_flag(&mut reader)?),
        PUBLISH => {
            let what = reader.byte()?;
            let (channel, to) = entry::read_message_byte(what, &mut reader)?;
            let seq = parts::read_from_one(&mut reader, "number of a message")?;
            let kind = parts::read_kind(&mut reader, kinds)?;
            let payload = bytes.slice_ref(reader.take(reader.rest().len())?);
            Frame::Publish { channel, seq, to, kind, payload }
        }
        PROPOSE => {
            let is_dormant = parts::read_flag(&mut reader)?;
            Frame::Propose { view: parts::read_block(&mut reader)?, is_dormant }
        }
        NEWER => Frame::Newer(Box::new(parts::read_block(&mut reader)?)),
        ACTIVATE => Frame::Activate {
            certified: Box::new(parts::read_block(&mut reader)?),
            spans: read_spans(&mut reader)?,
            voids: read_positions(&mut reader, MAX_VOIDS, "voids")?,
        },
        ENTRY..=PROMISE | FREEZE => {
            let epoch = parts::read_epoch(&mut reader)?;
            read_of_epoch(kind, epoch, bytes, &mut reader, kinds)?
        }
        other => return Err(WireError::UnknownFrame(other)),
    };
    parts::end(&reader)?;
    Ok(frame)
}

/// The frames that begin with an epoch.
fn read_of_epoch(
    kind: u8,
    epoch: Epoch,
    bytes: &Bytes,
    reader: &mut Reader<'_>,
    kinds: Kinds<'_>,
) -> Result<Frame, WireError> {
    Ok(match kind {
        ENTRY => Frame::Entry { epoch, entry: entry::read(bytes, reader, epoch, Extent::Rest, kinds)? },
        MARK => Frame::Mark { epoch, mark: read_mark(reader)? },
        STORED => Frame::Stored { epoch, position: parts::read_position(reader)? },
        HAVE => Frame::Have { epoch, beyond: read_beyond(reader)? },
        START => {
            let position = parts::read_position(reader)?;
            let is_joiner = parts::read_flag(reader)?;
            let snapshot_bytes = reader.bounded(MAX_MESSAGE as u64, "snapshot")?;
            Frame::Start { epoch, position, is_joiner, snapshot_bytes }
        }
        SNAPSHOT => read_snapshot(epoch, bytes, reader)?,
        COPY => Frame::Copy { epoch, copy: read_copy(reader)? },
        FETCH => Frame::Fetch { epoch, log: read_log(reader)? },
        PROMISE => Frame::Promise(Box::new(read_promise(epoch, bytes, reader, kinds)?)),
        FREEZE => Frame::Freeze { epoch, end: parts::read_position(reader)? },
        other => return Err(WireError::UnknownFrame(other)),
    })
}

fn read_mark(reader: &mut Reader<'_>) -> Result<Mark, WireError> {
    Ok(Mark {
        committed: parts::read_position(reader)?,
        settled: parts::read_position(reader)?,
        cut: parts::read_position(reader)?,
        acked: parts::read_pair(reader)?,
    })
}

fn read_beyond(reader: &mut Reader<'_>) -> Result<Beyond, WireError> {
    Ok(Beyond {
        settled: parts::read_position(reader)?,
        wants_snapshot: parts::read_flag(reader)?,
        acked: parts::read_pair(reader)?,
        held: read_positions(reader, MAX_HELD, "positions held")?,
    })
}

/// A piece lies within its whole.
fn read_snapshot(epoch: Epoch, bytes: &Bytes, reader: &mut Reader<'_>) -> Result<Frame, WireError> {
    let position = parts::read_position(reader)?;
    let size = reader.bounded(MAX_MESSAGE as u64, "snapshot")?;
    let offset = reader.bounded(size, "piece of a snapshot")?;
    let hash = *reader.take(32)?.first_chunk().expect("32 bytes were taken");
    let piece = bytes.slice_ref(reader.take(reader.rest().len())?);
    if piece.len() as u64 > size - offset {
        return Err(WireError::OutOfRange("piece of a snapshot"));
    }
    Ok(Frame::Snapshot { epoch, position, size, hash, offset, piece })
}

fn read_copy(reader: &mut Reader<'_>) -> Result<Copy, WireError> {
    Ok(Copy {
        cut: parts::read_position(reader)?,
        end: parts::read_position(reader)?,
        same: parts::read_position(reader)?,
        table: parts::read_list(reader, MAX_ROWS, "rows of a table", |reader| {
            Ok(TableRow {
                player: parts::read_player(reader)?,
                incarnation: parts::read_incarnation(reader)?,
                is_present: parts::read_flag(reader)?,
                taken: parts::read_pair(reader)?,
                beyond: parts::read_rising(reader, MAX_REACH, "numbers taken")?,
            })
        })?,
        spans: read_spans(reader)?,
    })
}

fn read_spans(reader: &mut Reader<'_>) -> Result<Vec<Span>, WireError> {
    parts::read_list(reader, MAX_SPANS, "spans", |reader| {
        Ok(Span { epoch: parts::read_epoch(reader)?, end: parts::read_position(reader)? })
    })
}

fn read_positions(reader: &mut Reader<'_>, most: usize, what: &'static str) -> Result<Vec<Position>, WireError> {
    Ok(parts::read_rising(reader, most, what)?.into_iter().map(Position).collect())
}

fn read_log(reader: &mut Reader<'_>) -> Result<Option<LogEnd>, WireError> {
    Ok(match parts::read_flag(reader)? {
        true => Some(LogEnd { whole_in: parts::read_epoch(reader)?, end: parts::read_position(reader)? }),
        false => None,
    })
}

fn read_promise(epoch: Epoch, bytes: &Bytes, reader: &mut Reader<'_>, kinds: Kinds<'_>) -> Result<Promise, WireError> {
    let signature = Signature(*reader.take(64)?.first_chunk().expect("64 bytes were taken"));
    let active = parts::read_epoch(reader)?;
    let promised = parts::read_list(reader, MAX_PROMISED, "views promised", parts::read_block)?;
    let log = read_log(reader)?;
    let settled = parts::read_position(reader)?;
    let mut expected = active;
    let beyond = parts::read_list(reader, MAX_BEYOND, "entries", |reader| {
        let entry = entry::read(bytes, reader, expected, Extent::Sized, &mut *kinds)?;
        expected = entry.epoch;
        Ok(entry)
    })?;
    Ok(Promise { epoch, signature, active, promised, log, settled, beyond })
}
