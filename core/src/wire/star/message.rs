//! Every message between host and members: read, and written. What is logged lies in [`Frame`]s; the rest is told here.

use super::parts::{self, Kinds};
use super::{Destination, Frame, Kind, KindTold, MAX_KIND, read, write};
use crate::id::PlayerId;
use crate::wire::WireError;
use crate::wire::signal::Epoch;
use crate::wire::varint::{self, Reader};
use bytes::Bytes;

const DEFINE: u8 = 0x01;
const SAY: u8 = 0x02;
const DELIVER: u8 = 0x03;

/// One message, read in place: payloads share the bytes that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// The number stands for the name from now on.
    Define {
        /// From 1 to [`MAX_KINDS`](super::MAX_KINDS).
        number: u16,
        /// The name.
        name: &'a str,
    },
    /// A member wants this to go round; nobody keeps it.
    Say {
        /// The life of the star that it was said in.
        epoch: Epoch,
        /// Whom it is for.
        to: Destination,
        /// Its number among its sender's on this channel.
        seq: u64,
        /// What it is.
        kind: Kind,
        /// The bytes.
        payload: Bytes,
    },
    /// The host hands on what a member said.
    Deliver {
        /// The life of the star that it was said in.
        epoch: Epoch,
        /// Who said it.
        from: PlayerId,
        /// Its number among its sender's on this channel.
        seq: u64,
        /// What it is.
        kind: Kind,
        /// The bytes.
        payload: Bytes,
    },
    /// Something about the log or the view.
    Frame(Frame),
}

/// Writes a definition.
pub fn define(number: u16, name: &str) -> Bytes {
    let mut out = Vec::with_capacity(4 + name.len());
    out.push(DEFINE);
    varint::write(u64::from(number), &mut out);
    parts::write_name(name, &mut out);
    out.into()
}

/// Writes what a member says.
pub fn say(epoch: Epoch, to: &Destination, seq: u64, kind: KindTold<'_>, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(MAX_KIND + 32 + payload.len());
    out.push(SAY);
    parts::write_epoch(epoch, &mut out);
    out.push(parts::destination_tag(to));
    parts::write_players_of(to, &mut out);
    write_rest(seq, kind, payload, &mut out);
    out.into()
}

/// Writes what the host hands on. One buffer serves all receivers that know the kind alike.
pub fn deliver(epoch: Epoch, from: PlayerId, seq: u64, kind: KindTold<'_>, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(MAX_KIND + 32 + payload.len());
    out.push(DELIVER);
    parts::write_epoch(epoch, &mut out);
    parts::write_player(from, &mut out);
    write_rest(seq, kind, payload, &mut out);
    out.into()
}

/// Writes a frame. `told` knows which kinds have a number for the receiver; the others go by name. One buffer serves all
/// receivers that know the kind alike. Lists beyond their bounds are cut.
pub fn encode(frame: &Frame, told: &mut dyn FnMut(&Kind) -> Option<u16>) -> Bytes {
    write::frame(frame, told)
}

/// Reads a message. `kinds` knows what a number or a name means here; a message of a kind that it does not know is
/// [`WireError::UnknownKind`].
pub fn decode<'a>(bytes: &'a Bytes, kinds: Kinds<'_>) -> Result<Message<'a>, WireError> {
    let mut reader = Reader::new(bytes);
    match reader.byte()? {
        DEFINE => {
            let number = parts::read_number(&mut reader)?;
            let name = parts::read_name(&mut reader)?;
            parts::end(&reader)?;
            if number == 0 { Err(WireError::OutOfRange("kind")) } else { Ok(Message::Define { number, name }) }
        }
        SAY => {
            let epoch = parts::read_epoch(&mut reader)?;
            let tag = reader.byte()?;
            let to = parts::read_destination(tag, &mut reader)?;
            let (seq, kind) = (reader.varint()?, parts::read_kind(&mut reader, kinds)?);
            Ok(Message::Say { epoch, to, seq, kind, payload: bytes.slice_ref(reader.rest()) })
        }
        DELIVER => {
            let epoch = parts::read_epoch(&mut reader)?;
            let from = parts::read_player(&mut reader)?;
            let (seq, kind) = (reader.varint()?, parts::read_kind(&mut reader, kinds)?);
            Ok(Message::Deliver { epoch, from, seq, kind, payload: bytes.slice_ref(reader.rest()) })
        }
        kind => read::frame(kind, bytes, reader, kinds).map(Message::Frame),
    }
}

fn write_rest(seq: u64, kind: KindTold<'_>, payload: &[u8], out: &mut Vec<u8>) {
    varint::write(seq, out);
    parts::write_kind(kind, out);
    out.extend_from_slice(payload);
}
