//! What host and members say to each other in the messages of their session: how a published and a delivered message
//! lie in bytes, and how the two sides agree on numbers for kinds. Which channel it is follows from the delivery that
//! the session promises, so no byte tells it.
//!
//! ```text
//! define  = 0x01, number, name                                the number stands for the name from now on
//! publish = 0x02, epoch, destination, seq, kind, payload      member to host
//! deliver = 0x03, epoch, from, seq, kind, payload             host to member
//! hold    = 0x04, 1 or 0                                      host to member: stop publishing what is kept, or go on
//!
//! epoch       = term, round
//! destination = 0x00 all | 0x01 others | 0x02 host | 0x03, player | 0x04, count, players    (all but those)
//! kind        = number, or 0 and name
//! name        = length (1 to 64), UTF-8
//! payload     = the rest
//! ```
//! Numbers are varints. A definition goes as a reliable message; until it is acknowledged messages carry the name, so a
//! number never arrives before its meaning, on any channel.

mod frame;
mod words;

pub use frame::{Beyond, Content, Copy, Entry, Frame, LogEnd, Mark, Position, Promise, Span, TableRow, Told};
pub use words::{Channel, Kind};

use super::WireError;
use super::signal::Epoch;
use super::varint::{self, Reader};
use crate::id::PlayerId;
use bytes::Bytes;

const DEFINE: u8 = 0x01;
const PUBLISH: u8 = 0x02;
const DELIVER: u8 = 0x03;
const HOLD: u8 = 0x04;

const ALL: u8 = 0x00;
const OTHERS: u8 = 0x01;
const HOST: u8 = 0x02;
const ONE: u8 = 0x03;
const ALL_BUT: u8 = 0x04;

/// The longest name of a kind, in bytes.
pub const MAX_KIND: usize = 64;
/// Kinds that can have a number, each way; further ones always travel by name.
pub const MAX_KINDS: usize = 256;
/// Players that a destination can leave out: all others of the largest lobby.
pub const MAX_LEFT_OUT: usize = 64;
/// What a message may have in front of its payload at most, rounded up.
pub const MAX_HEAD: usize = 512;

/// Whom a message is for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Destination {
    /// Everybody, the sender included.
    All,
    /// Everybody else.
    Others,
    /// Whoever is host; the host itself if it sends.
    Host,
    /// One player.
    One(PlayerId),
    /// Everybody but these; the sender too, unless it is among them.
    AllBut(Vec<PlayerId>),
}

/// A kind as a message tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KindTold<'a> {
    /// By the number that was defined, from 1.
    Number(u16),
    /// By its name.
    Name(&'a str),
}

/// One star message, read in place: the payload shares the bytes that came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StarMessage<'a> {
    /// The number stands for the name from now on.
    Define {
        /// From 1 to [`MAX_KINDS`].
        number: u16,
        /// The name.
        name: &'a str,
    },
    /// A member wants this to go round.
    Publish {
        /// The life of the star that it was said in.
        epoch: Epoch,
        /// Whom it is for.
        to: Destination,
        /// Its number among its sender's on this channel.
        seq: u64,
        /// What it is.
        kind: KindTold<'a>,
        /// The bytes.
        payload: Bytes,
    },
    /// The host hands this on.
    Deliver {
        /// The life of the star that it was said in.
        epoch: Epoch,
        /// Who sent it.
        from: PlayerId,
        /// Its number among its sender's on this channel.
        seq: u64,
        /// What it is.
        kind: KindTold<'a>,
        /// The bytes.
        payload: Bytes,
    },
    /// The host cannot take more of what is kept, or takes it again.
    Hold(bool),
}

/// Writes that members shall stop, or go on.
pub fn hold(stop: bool) -> Bytes {
    Bytes::copy_from_slice(&[HOLD, u8::from(stop)])
}

/// Writes a definition.
pub fn define(number: u16, name: &str) -> Bytes {
    let mut out = Vec::with_capacity(4 + name.len());
    out.push(DEFINE);
    varint::write(u64::from(number), &mut out);
    write_name(name, &mut out);
    out.into()
}

/// Writes what a member publishes.
pub fn publish(epoch: Epoch, to: &Destination, seq: u64, kind: KindTold<'_>, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(MAX_KIND + 32 + payload.len());
    out.push(PUBLISH);
    write_epoch(epoch, &mut out);
    match to {
        Destination::All => out.push(ALL),
        Destination::Others => out.push(OTHERS),
        Destination::Host => out.push(HOST),
        Destination::One(player) => {
            out.push(ONE);
            varint::write(u64::from(player.0), &mut out);
        }
        Destination::AllBut(players) => {
            out.push(ALL_BUT);
            varint::write(players.len() as u64, &mut out);
            players.iter().for_each(|player| varint::write(u64::from(player.0), &mut out));
        }
    }
    write_rest(seq, kind, payload, &mut out);
    out.into()
}

/// Writes what the host hands on. One buffer serves all receivers that know the kind alike.
pub fn deliver(epoch: Epoch, from: PlayerId, seq: u64, kind: KindTold<'_>, payload: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(MAX_KIND + 32 + payload.len());
    out.push(DELIVER);
    write_epoch(epoch, &mut out);
    varint::write(u64::from(from.0), &mut out);
    write_rest(seq, kind, payload, &mut out);
    out.into()
}

/// Takes a star message apart.
pub fn parse(bytes: &Bytes) -> Result<StarMessage<'_>, WireError> {
    let mut reader = Reader::new(bytes);
    match reader.byte()? {
        DEFINE => {
            let number = read_number(&mut reader)?;
            let name = read_name(&mut reader)?;
            if number == 0 || !reader.is_empty() {
                return Err(WireError::OutOfRange("definition of a kind"));
            }
            Ok(StarMessage::Define { number, name })
        }
        PUBLISH => {
            let epoch = read_epoch(&mut reader)?;
            let to = read_destination(&mut reader)?;
            let (seq, kind, payload) = read_rest(bytes, &mut reader)?;
            Ok(StarMessage::Publish { epoch, to, seq, kind, payload })
        }
        DELIVER => {
            let epoch = read_epoch(&mut reader)?;
            let from = read_player(&mut reader)?;
            let (seq, kind, payload) = read_rest(bytes, &mut reader)?;
            Ok(StarMessage::Deliver { epoch, from, seq, kind, payload })
        }
        HOLD => match reader.rest() {
            [stop @ (0 | 1)] => Ok(StarMessage::Hold(*stop == 1)),
            _ => Err(WireError::OutOfRange("hold")),
        },
        other => Err(WireError::UnknownFrame(other)),
    }
}

fn write_epoch(epoch: Epoch, out: &mut Vec<u8>) {
    varint::write(u64::from(epoch.term), out);
    varint::write(u64::from(epoch.round), out);
}

fn write_name(name: &str, out: &mut Vec<u8>) {
    varint::write(name.len() as u64, out);
    out.extend_from_slice(name.as_bytes());
}

fn write_rest(seq: u64, kind: KindTold<'_>, payload: &[u8], out: &mut Vec<u8>) {
    varint::write(seq, out);
    match kind {
        KindTold::Number(number) => varint::write(u64::from(number), out),
        KindTold::Name(name) => {
            out.push(0);
            write_name(name, out);
        }
    }
    out.extend_from_slice(payload);
}

fn read_u32(reader: &mut Reader<'_>, what: &'static str) -> Result<u32, WireError> {
    u32::try_from(reader.varint()?).map_err(|_| WireError::OutOfRange(what))
}

fn read_epoch(reader: &mut Reader<'_>) -> Result<Epoch, WireError> {
    Ok(Epoch { term: read_u32(reader, "term")?, round: read_u32(reader, "round")? })
}

fn read_player(reader: &mut Reader<'_>) -> Result<PlayerId, WireError> {
    match read_u32(reader, "player")? {
        0 => Err(WireError::OutOfRange("player")),
        player => Ok(PlayerId(player)),
    }
}

fn read_number(reader: &mut Reader<'_>) -> Result<u16, WireError> {
    Ok(reader.bounded(MAX_KINDS as u64, "kind")? as u16)
}

fn read_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, WireError> {
    let len = reader.bounded(MAX_KIND as u64, "kind")? as usize;
    let name = core::str::from_utf8(reader.take(len)?).map_err(|_| WireError::OutOfRange("kind"))?;
    if name.is_empty() { Err(WireError::OutOfRange("kind")) } else { Ok(name) }
}

fn read_destination(reader: &mut Reader<'_>) -> Result<Destination, WireError> {
    match reader.byte()? {
        ALL => Ok(Destination::All),
        OTHERS => Ok(Destination::Others),
        HOST => Ok(Destination::Host),
        ONE => Ok(Destination::One(read_player(reader)?)),
        ALL_BUT => {
            let count = reader.bounded(MAX_LEFT_OUT as u64, "players left out")?;
            let players: Result<Vec<_>, _> = (0..count).map(|_| read_player(reader)).collect();
            Ok(Destination::AllBut(players?))
        }
        _ => Err(WireError::OutOfRange("destination")),
    }
}

fn read_rest<'a>(bytes: &'a Bytes, reader: &mut Reader<'a>) -> Result<(u64, KindTold<'a>, Bytes), WireError> {
    let seq = reader.varint()?;
    let kind = match read_number(reader)? {
        0 => KindTold::Name(read_name(reader)?),
        number => KindTold::Number(number),
    };
    Ok((seq, kind, bytes.slice(bytes.len() - reader.rest().len()..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: Epoch = Epoch { term: 300, round: 1 };

    #[test]
    fn the_bytes_of_every_message() {
        let bytes = define(2, "chat");
        assert_eq!(&bytes[..], b"\x01\x02\x04chat");
        assert_eq!(parse(&bytes), Ok(StarMessage::Define { number: 2, name: "chat" }));

        let bytes = publish(EPOCH, &Destination::One(PlayerId(7)), 1, KindTold::Name("k"), b"hi");
        assert_eq!(&bytes[..], b"\x02\xac\x02\x01\x03\x07\x01\x00\x01khi");

        let bytes = deliver(EPOCH, PlayerId(9), 5, KindTold::Number(1), b"hi");
        assert_eq!(&bytes[..], b"\x03\xac\x02\x01\x09\x05\x01hi");
        let wanted = StarMessage::Deliver {
            epoch: EPOCH,
            from: PlayerId(9),
            seq: 5,
            kind: KindTold::Number(1),
            payload: "hi".into(),
        };
        assert_eq!(parse(&bytes), Ok(wanted));
    }

    #[test]
    fn every_destination_comes_back() {
        let out = (1..=64).map(PlayerId).collect();
        let destinations = [
            Destination::All,
            Destination::Others,
            Destination::Host,
            Destination::One(PlayerId(u32::MAX)),
            Destination::AllBut(Vec::new()),
            Destination::AllBut(out),
        ];
        for to in destinations {
            let bytes = publish(EPOCH, &to, u64::MAX, KindTold::Name(&"x".repeat(MAX_KIND)), b"");
            assert!(bytes.len() <= MAX_HEAD, "{}", bytes.len());
            let Ok(StarMessage::Publish { to: told, seq, .. }) = parse(&bytes) else { panic!("{to:?}") };
            assert_eq!((told, seq), (to, u64::MAX));
        }
    }

    #[test]
    fn the_payload_is_not_copied() {
        let bytes = deliver(EPOCH, PlayerId(1), 1, KindTold::Number(1), b"payload");
        let Ok(StarMessage::Deliver { payload, .. }) = parse(&bytes) else { panic!("it was just written") };
        assert_eq!(payload.as_ptr_range().end, bytes.as_ptr_range().end);
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let table: [&[u8]; 14] = [
            b"",
            b"\x00",
            b"\x05\x01\x00",
            b"\x04\x02",
            b"\x04",
            b"\x01\x00\x01x",
            b"\x01\x01\x00",
            b"\x01\x01\x01xy",
            b"\x01\x81\x02\x01x",
            b"\x01\x01\x02\xff\xff",
            b"\x02\x01\x00\x05\x01\x01",
            b"\x02\x01\x00\x03\x00\x01\x01",
            b"\x02\x01\x00\x04\x41",
            b"\x03\x01\x00\x00\x01\x01",
        ];
        for bytes in table {
            assert!(parse(&Bytes::copy_from_slice(bytes)).is_err(), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_is_read_is_written_alike() {
        fn any(mut bytes: Vec<u8>, tag: u8) -> bool {
            if let Some(first) = bytes.first_mut() {
                *first = tag % 5;
            }
            let bytes = Bytes::from(bytes);
            match parse(&bytes) {
                Ok(StarMessage::Define { number, name }) => define(number, name) == bytes,
                Ok(StarMessage::Publish { epoch, to, seq, kind, payload }) => {
                    publish(epoch, &to, seq, kind, &payload) == bytes
                }
                Ok(StarMessage::Deliver { epoch, from, seq, kind, payload }) => {
                    deliver(epoch, from, seq, kind, &payload) == bytes
                }
                Ok(StarMessage::Hold(stop)) => hold(stop) == bytes,
                Err(_) => true,
            }
        }
        quickcheck::quickcheck(any as fn(Vec<u8>, u8) -> bool);
    }
}
