//! What messages are made of: epochs, players, kinds, destinations, rising lists, views. Written and read.

use super::{Destination, Kind, KindTold, MAX_BLOCK, MAX_KIND, MAX_KINDS, MAX_LEFT_OUT, Position};
use crate::id::{Incarnation, PlayerId};
use crate::wire::WireError;
use crate::wire::signal::Epoch;
use crate::wire::varint::{self, Reader};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a kind means that a message tells by number or name; none if that is not known.
pub(super) type Kinds<'a> = &'a mut dyn FnMut(KindTold<'_>) -> Option<Kind>;
/// By which number a kind may be told; none: by its name.
pub(super) type Told<'a> = &'a mut dyn FnMut(&Kind) -> Option<u16>;

const ALL: u8 = 0x00;
const OTHERS: u8 = 0x01;
const HOST: u8 = 0x02;
const ONE: u8 = 0x03;
const ALL_BUT: u8 = 0x04;

pub(super) fn write_epoch(epoch: Epoch, out: &mut Vec<u8>) {
    varint::write(u64::from(epoch.term), out);
    varint::write(u64::from(epoch.round), out);
}

pub(super) fn write_player(player: PlayerId, out: &mut Vec<u8>) {
    varint::write(u64::from(player.0), out);
}

pub(super) fn write_name(name: &str, out: &mut Vec<u8>) {
    varint::write(name.len() as u64, out);
    out.extend_from_slice(name.as_bytes());
}

pub(super) fn write_kind(kind: KindTold<'_>, out: &mut Vec<u8>) {
    match kind {
        KindTold::Number(number) => varint::write(u64::from(number), out),
        KindTold::Name(name) => {
            out.push(0);
            write_name(name, out);
        }
    }
}

/// The number if there is one, else the name.
pub(super) fn tell(kind: &Kind, told: Told<'_>, out: &mut Vec<u8>) {
    let kind = told(kind).map_or(KindTold::Name(kind.as_str()), KindTold::Number);
    write_kind(kind, out);
}

pub(super) fn destination_tag(to: &Destination) -> u8 {
    match to {
        Destination::All => ALL,
        Destination::Others => OTHERS,
        Destination::Host => HOST,
        Destination::One(_) => ONE,
        Destination::AllBut(_) => ALL_BUT,
    }
}

/// The players that a destination names, behind its tag.
pub(super) fn write_players_of(to: &Destination, out: &mut Vec<u8>) {
    match to {
        Destination::All | Destination::Others | Destination::Host => {}
        Destination::One(player) => write_player(*player, out),
        Destination::AllBut(players) => {
            let players = &players[..players.len().min(MAX_LEFT_OUT)];
            varint::write(players.len() as u64, out);
            players.iter().for_each(|player| write_player(*player, out));
        }
    }
}

/// A count, and numbers that rise: each as its distance to the one before, the first to zero.
pub(super) fn write_rising(numbers: impl ExactSizeIterator<Item = u64>, most: usize, out: &mut Vec<u8>) {
    let count = numbers.len().min(most);
    varint::write(count as u64, out);
    numbers.take(count).fold(0, |before, number: u64| {
        debug_assert!(number > before, "such lists rise");
        varint::write(number.wrapping_sub(before), out);
        number
    });
}

/// A view, with or without its proof, and its length in front.
pub(super) fn write_block(view: &impl Serialize, out: &mut Vec<u8>) {
    let block = postcard::to_stdvec(view).expect("a view has lengths that postcard knows");
    varint::write(block.len() as u64, out);
    out.extend_from_slice(&block);
}

pub(super) fn end(reader: &Reader<'_>) -> Result<(), WireError> {
    if reader.is_empty() { Ok(()) } else { Err(WireError::OutOfRange("length")) }
}

pub(super) fn read_u32(reader: &mut Reader<'_>, what: &'static str) -> Result<u32, WireError> {
    u32::try_from(reader.varint()?).map_err(|_| WireError::OutOfRange(what))
}

pub(super) fn read_flag(reader: &mut Reader<'_>) -> Result<bool, WireError> {
    match reader.byte()? {
        flag @ (0 | 1) => Ok(flag == 1),
        _ => Err(WireError::OutOfRange("flag")),
    }
}

pub(super) fn read_epoch(reader: &mut Reader<'_>) -> Result<Epoch, WireError> {
    Ok(Epoch { term: read_u32(reader, "term")?, round: read_u32(reader, "round")? })
}

pub(super) fn read_position(reader: &mut Reader<'_>) -> Result<Position, WireError> {
    reader.varint().map(Position)
}

/// The numbers of the two kept channels: reliable, ordered.
pub(super) fn read_pair(reader: &mut Reader<'_>) -> Result<[u64; 2], WireError> {
    Ok([reader.varint()?, reader.varint()?])
}

pub(super) fn read_incarnation(reader: &mut Reader<'_>) -> Result<Incarnation, WireError> {
    read_u32(reader, "incarnation").map(Incarnation)
}

/// A number that counts from 1.
pub(super) fn read_from_one(reader: &mut Reader<'_>, what: &'static str) -> Result<u64, WireError> {
    match reader.varint()? {
        0 => Err(WireError::OutOfRange(what)),
        number => Ok(number),
    }
}

pub(super) fn read_player(reader: &mut Reader<'_>) -> Result<PlayerId, WireError> {
    match read_u32(reader, "player")? {
        0 => Err(WireError::OutOfRange("player")),
        player => Ok(PlayerId(player)),
    }
}

pub(super) fn read_number(reader: &mut Reader<'_>) -> Result<u16, WireError> {
    Ok(reader.bounded(MAX_KINDS as u64, "kind")? as u16)
}

pub(super) fn read_name<'a>(reader: &mut Reader<'a>) -> Result<&'a str, WireError> {
    let len = reader.bounded(MAX_KIND as u64, "kind")? as usize;
    let name = core::str::from_utf8(reader.take(len)?).map_err(|_| WireError::OutOfRange("kind"))?;
    if name.is_empty() { Err(WireError::OutOfRange("kind")) } else { Ok(name) }
}

pub(super) fn read_kind(reader: &mut Reader<'_>, kinds: Kinds<'_>) -> Result<Kind, WireError> {
    let number = read_number(reader)?;
    let told = if number == 0 { KindTold::Name(read_name(reader)?) } else { KindTold::Number(number) };
    kinds(told).ok_or(WireError::UnknownKind(number))
}

pub(super) fn read_destination(tag: u8, reader: &mut Reader<'_>) -> Result<Destination, WireError> {
    match tag {
        ALL => Ok(Destination::All),
        OTHERS => Ok(Destination::Others),
        HOST => Ok(Destination::Host),
        ONE => Ok(Destination::One(read_player(reader)?)),
        ALL_BUT => read_list(reader, MAX_LEFT_OUT, "players left out", read_player).map(Destination::AllBut),
        _ => Err(WireError::OutOfRange("destination")),
    }
}

/// A count and as many things. Memory is taken for what is there, whatever the count claims.
pub(super) fn read_list<'a, T>(
    reader: &mut Reader<'a>,
    most: usize,
    what: &'static str,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, WireError>,
) -> Result<Vec<T>, WireError> {
    let count = reader.bounded(most as u64, what)? as usize;
    if count > reader.rest().len() {
        return Err(WireError::Truncated);
    }
    let mut list = Vec::new();
    for _ in 0..count {
        list.push(read(reader)?);
    }
    Ok(list)
}

pub(super) fn read_rising(reader: &mut Reader<'_>, most: usize, what: &'static str) -> Result<Vec<u64>, WireError> {
    let mut before = 0_u64;
    read_list(reader, most, what, |reader| {
        let step = read_from_one(reader, what)?;
        before = before.checked_add(step).ok_or(WireError::OutOfRange(what))?;
        Ok(before)
    })
}

/// A view may be written in one way only: its signatures are about its bytes.
pub(super) fn read_block<T: Serialize + DeserializeOwned>(reader: &mut Reader<'_>) -> Result<T, WireError> {
    let block = reader.sized()?;
    if block.len() > MAX_BLOCK {
        return Err(WireError::OutOfRange("view"));
    }
    let view = postcard::from_bytes(block).map_err(|_| WireError::OutOfRange("view"))?;
    let is_same = postcard::to_stdvec(&view).is_ok_and(|again| again == block);
    if is_same { Ok(view) } else { Err(WireError::OutOfRange("view")) }
}
