//! How an entry of the log lies in bytes: the same when it is handed on and when a promise tells it.

use super::parts::{self, Kinds, Told};
use super::{Channel, Content, Destination, Entry, MAX_REASON, Position, Ruling};
use crate::wire::WireError;
use crate::wire::signal::Epoch;
use crate::wire::varint::{self, Reader};
use bytes::Bytes;

/// The low bits of the byte that tells what an entry is: a destination, or one of these.
const WHAT: u8 = 0x07;
const JOINED: u8 = 0x05;
const LEFT: u8 = 0x06;
const VOID: u8 = 0x07;
/// The message is ordered.
const ORDERED: u8 = 0x08;
/// The entry tells the epoch in which its place was given out, because it is another one than the reader expects.
const EPOCH: u8 = 0x10;

/// The host's game has rewritten the message ..
const REWRITTEN: u8 = 0x20;
/// .. or rejected it.
const REJECTED: u8 = 0x40;

/// Where a payload ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// At the end of the message.
    Rest,
    /// Where its length says.
    Sized,
}

/// Whom a message is for, and whether it is ordered.
pub(super) fn message_byte(channel: Channel, to: &Destination) -> u8 {
    parts::destination_tag(to) | if channel == Channel::Ordered { ORDERED } else { 0 }
}

fn ruling_bit(ruling: Ruling) -> u8 {
    match ruling {
        Ruling::AsSent => 0,
        Ruling::Rewritten => REWRITTEN,
        Ruling::Rejected => REJECTED,
    }
}

/// Reads what [`message_byte`] wrote.
pub(super) fn read_message_byte(byte: u8, reader: &mut Reader<'_>) -> Result<(Channel, Destination), WireError> {
    let channel = if byte & ORDERED == 0 { Channel::Reliable } else { Channel::Ordered };
    Ok((channel, parts::read_destination(byte & !ORDERED, reader)?))
}

/// Writes an entry for somebody who expects `epoch`.
pub(super) fn write(entry: &Entry, epoch: Epoch, extent: Extent, told: Told<'_>, out: &mut Vec<u8>) {
    varint::write(entry.position.0, out);
    let what = match &entry.content {
        Content::Message(message) => message_byte(message.channel, &message.to) | ruling_bit(message.ruling),
        Content::Joined { .. } => JOINED,
        Content::Left { .. } => LEFT,
        Content::Void => VOID,
    };
    if entry.epoch == epoch {
        out.push(what);
    } else {
        out.push(what | EPOCH);
        parts::write_epoch(entry.epoch, out);
    }
    match &entry.content {
        Content::Message(message) => {
            parts::write_players_of(&message.to, out);
            parts::write_player(message.from, out);
            varint::write(message.seq, out);
            parts::tell(&message.kind, told, out);
            if extent == Extent::Sized {
                varint::write(message.payload.len() as u64, out);
            }
            out.extend_from_slice(&message.payload);
        }
        Content::Joined { player, incarnation, taken } => {
            parts::write_player(*player, out);
            varint::write(u64::from(incarnation.0), out);
            taken.iter().for_each(|number| varint::write(*number, out));
        }
        Content::Left { player } => parts::write_player(*player, out),
        Content::Void => {}
    }
}

/// Reads an entry; a payload is a part of `bytes`.
pub(super) fn read(
    bytes: &Bytes,
    reader: &mut Reader<'_>,
    epoch: Epoch,
    extent: Extent,
    kinds: Kinds<'_>,
) -> Result<Entry, WireError> {
    let position = Position(parts::read_from_one(reader, "position")?);
    let byte = reader.byte()?;
    let own = if byte & EPOCH == 0 { epoch } else { parts::read_epoch(reader)? };
    if byte & EPOCH != 0 && own == epoch {
        return Err(WireError::OutOfRange("epoch"));
    }
    let content = match byte & !EPOCH {
        JOINED => Content::Joined {
            player: parts::read_player(reader)?,
            incarnation: parts::read_incarnation(reader)?,
            taken: parts::read_pair(reader)?,
        },
        LEFT => Content::Left { player: parts::read_player(reader)? },
        VOID => Content::Void,
        what if what & !(WHAT | ORDERED | REWRITTEN | REJECTED) == 0 => {
            read_message(bytes, reader, what, extent, kinds)?
        }
        _ => return Err(WireError::OutOfRange("entry")),
    };
    Ok(Entry { position, epoch: own, content })
}

fn read_message(
    bytes: &Bytes,
    reader: &mut Reader<'_>,
    what: u8,
    extent: Extent,
    kinds: Kinds<'_>,
) -> Result<Content, WireError> {
    let ruling = match what & (REWRITTEN | REJECTED) {
        0 => Ruling::AsSent,
        REWRITTEN => Ruling::Rewritten,
        REJECTED => Ruling::Rejected,
        _ => return Err(WireError::OutOfRange("entry")),
    };
    let (channel, to) = read_message_byte(what & (WHAT | ORDERED), reader)?;
    let from = parts::read_player(reader)?;
    let seq = parts::read_from_one(reader, "number of a message")?;
    let kind = parts::read_kind(reader, kinds)?;
    let payload = match extent {
        Extent::Rest => reader.take(reader.rest().len())?,
        Extent::Sized => reader.sized()?,
    };
    let is_reason = || payload.len() <= MAX_REASON && core::str::from_utf8(payload).is_ok();
    if ruling == Ruling::Rejected && (to != Destination::One(from) || !is_reason()) {
        return Err(WireError::OutOfRange("rejection"));
    }
    Ok(Content::Message(super::Told { from, channel, seq, to, kind, payload: bytes.slice_ref(payload), ruling }))
}
