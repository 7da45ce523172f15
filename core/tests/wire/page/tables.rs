//! The tables of the document that can be computed again, each by the code that it tells of.

use super::meaning::{RECEIVER, SENDER, encode, message, one, part};
use super::{Example, bytes_of, number, star};
use std::collections::BTreeSet;
use webstar_core::config::SessionConfig;
use webstar_core::session::{self, shield};
use webstar_core::wire::WireError;
use webstar_core::wire::frame::{Delivery, Frame, Frames, MessageFrame, Priority};
use webstar_core::wire::packet::{self, SealKey};
use webstar_core::wire::relay;
use webstar_core::wire::rhythm::Rhythm;
use webstar_core::wire::signal;
use webstar_core::wire::star as wire_star;

const LIMITS_SOURCE: &str = include_str!("../../../src/wire/limits.rs");

/// Seal, head and rhythm.
const IN_FRONT_OF_NUMBER: usize = 6;

/// A table with one computed column.
pub(crate) struct Table {
    /// How its header line begins.
    pub(crate) header: &'static str,
    /// The column that is computed from the others.
    pub(crate) value: usize,
    /// What must stand in it; `None` if the row makes no sense.
    pub(crate) compute: fn(&[Example], &[&str]) -> Option<u64>,
    /// The rows it must have, by what stands in front of the value; any if none is told.
    pub(crate) rows: fn() -> BTreeSet<String>,
}

pub(crate) const TABLES: [Table; 11] = [
    Table { header: "| Bytes of | From byte | Start |", value: 3, compute: checksum, rows: BTreeSet::new },
    Table { header: "| Distance up to |", value: 1, compute: told_bytes, rows: BTreeSet::new },
    Table { header: "| Told | Bytes | Expected |", value: 3, compute: completed, rows: BTreeSet::new },
    Table { header: "| Rhythm | Milliseconds |", value: 1, compute: interval, rows: BTreeSet::new },
    Table { header: "| Kind | Name | Asks |", value: 0, compute: kind_of_example, rows: kind_rows },
    Table { header: "| Star message |", value: 0, compute: star::kind_of_example, rows: star::kind_rows },
    Table { header: "| Tag | Then |", value: 0, compute: star::tag, rows: star::tag_rows },
    Table { header: "| Field | Value | Bits |", value: 2, compute: bits, rows: bit_rows },
    Table { header: "| Carrier | Index | Packet |", value: 3, compute: coefficient, rows: BTreeSet::new },
    Table { header: "| Name | Value | What it bounds |", value: 1, compute: limit, rows: limit_rows },
    Table { header: "| Setting | Default |", value: 1, compute: setting, rows: BTreeSet::new },
];

/// The CRC as the document tells it, bit by bit.
fn checksum(examples: &[Example], row: &[&str]) -> Option<u64> {
    let bytes = bytes_of(examples, row[0])?.get(usize::try_from(number(row[1])?).ok()?..)?;
    let start = u32::try_from(number(row[2])?).ok()?;
    let shift = |register: u32| register >> 1 ^ if register & 1 == 1 { 0xedb8_8320 } else { 0 };
    let byte = |register: u32, byte: &u8| (0..8).fold(register ^ u32::from(*byte), |register, _| shift(register));
    Some(u64::from(!bytes.iter().fold(!start, byte)))
}

/// Holds only for the last distance with so many bytes.
fn told_bytes(_: &[Example], row: &[&str]) -> Option<u64> {
    let distance = number(row[0])?;
    let told = |distance| packet::header_len(distance, 0) - IN_FRONT_OF_NUMBER;
    (told(distance + 1) > told(distance)).then_some(told(distance) as u64)
}

/// The number read from a packet that tells as much of the row's number as the row says.
fn completed(_: &[Example], row: &[&str]) -> Option<u64> {
    let [low, count, expected, whole] = row else { return None };
    let (whole, count) = (number(whole)?, number(count)?);
    let oldest_unknown = whole.saturating_sub(if count == 2 { 0 } else { 1 << 15 });
    let mut bytes = Vec::new();
    packet::begin(whole, oldest_unknown, Rhythm(0), &mut bytes);
    packet::seal(SealKey::new(SENDER, RECEIVER), whole, 0, &mut bytes);
    let told = bytes[IN_FRONT_OF_NUMBER..].iter().rfold(0, |sum, byte| sum << 8 | u64::from(*byte));
    if told != number(low)? || bytes.len() as u64 != IN_FRONT_OF_NUMBER as u64 + count {
        return None;
    }
    packet::open(SealKey::new(SENDER, RECEIVER), number(expected)?, &bytes).ok().map(|packet| packet.number)
}

fn interval(_: &[Example], row: &[&str]) -> Option<u64> {
    u8::try_from(number(row[0])?).ok().map(|byte| Rhythm(byte).interval().as_millis() as u64)
}

fn kind_of_example(examples: &[Example], row: &[&str]) -> Option<u64> {
    bytes_of(examples, row.get(3)?)?.first().map(|byte| u64::from(*byte))
}

/// The kinds that the decoder knows.
pub(crate) fn known_kinds() -> impl Iterator<Item = u8> {
    (0..=u8::MAX).filter(|kind| !matches!(Frames::new(&[*kind]).next(), Some(Err(WireError::UnknownFrame(_)))))
}

fn kind_rows() -> BTreeSet<String> {
    known_kinds().filter(|kind| *kind < 0x80).map(|kind| format!("{kind:#04x}")).collect()
}

fn bits(_: &[Example], row: &[&str]) -> Option<u64> {
    let plain = message(Delivery::Unreliable, Priority::Critical, 0, &[0]);
    let frame = match row[0] {
        "compressed" => MessageFrame { compressed: true, ..plain },
        "part" => part(plain, 1, 0),
        "delivery" => MessageFrame { delivery: *Delivery::ALL.iter().find(|it| name(it) == row[1])?, ..plain },
        "priority" => MessageFrame { priority: *Priority::ALL.iter().find(|it| name(it) == row[1])?, ..plain },
        _ => plain,
    };
    let kind = |frame| u64::from(encode(&one(Frame::Message(frame)))[0]);
    Some(if row[0] == "message" { kind(frame) } else { kind(frame) - kind(plain) })
}

fn name(thing: &impl core::fmt::Debug) -> String {
    format!("{thing:?}").to_lowercase()
}

fn bit_rows() -> BTreeSet<String> {
    let deliveries = Delivery::ALL.iter().map(|it| format!("delivery {}", name(it)));
    let priorities = Priority::ALL.iter().map(|it| format!("priority {}", name(it)));
    let flags = ["message always", "compressed yes", "part yes"].map(String::from);
    deliveries.chain(priorities).chain(flags).collect()
}

fn coefficient(_: &[Example], row: &[&str]) -> Option<u64> {
    let index = u8::try_from(number(row[1])?).ok()?;
    Some(u64::from(shield::coefficient(number(row[0])?, index, number(row[2])?)))
}

/// The limits beside those of `wire/limits.rs`.
const OTHER_LIMITS: [(&str, u64); 24] = [
    ("session::MAX_PATHS", session::MAX_PATHS as u64),
    ("shield::WINDOW", shield::WINDOW as u64),
    ("shield::MAX_SYMBOL", shield::MAX_SYMBOL as u64),
    ("shield::MAX_REPAIR", shield::MAX_REPAIR as u64),
    ("relay::TAG", relay::TAG as u64),
    ("relay::MAX_PACKET", webstar_core::path::relay::MAX_PACKET as u64),
    ("relay::MAX_FRAME", relay::MAX_FRAME as u64),
    ("relay::MAX_PREFIX", relay::MAX_PREFIX as u64),
    ("star::MAX_KIND", wire_star::MAX_KIND as u64),
    ("star::MAX_KINDS", wire_star::MAX_KINDS as u64),
    ("star::MAX_LEFT_OUT", wire_star::MAX_LEFT_OUT as u64),
    ("star::MAX_HELD", wire_star::MAX_HELD as u64),
    ("star::MAX_BEYOND", wire_star::MAX_BEYOND as u64),
    ("star::MAX_ROWS", wire_star::MAX_ROWS as u64),
    ("star::MAX_REACH", wire_star::MAX_REACH as u64),
    ("star::MAX_SPANS", wire_star::MAX_SPANS as u64),
    ("star::MAX_VOIDS", wire_star::MAX_VOIDS as u64),
    ("star::MAX_PROMISED", wire_star::MAX_PROMISED as u64),
    ("star::MAX_BLOCK", wire_star::MAX_BLOCK as u64),
    ("signal::SIGNAL_TAG", signal::SIGNAL_TAG as u64),
    ("signal::MAX_FRAME", signal::MAX_FRAME as u64),
    ("Data::MAX", signal::Data::MAX as u64),
    ("Data::MAX_DEPTH", signal::Data::MAX_DEPTH as u64),
    ("RtcSignal::MAX_SDP", signal::RtcSignal::MAX_SDP as u64),
];

/// Limits that only the source tells.
const INNER_LIMITS: [(&str, &str); 2] = [
    ("incoming::MAX_REPAIRS_READ", include_str!("../../../src/session/incoming.rs")),
    ("receive::LOOSE_PARTIALS", include_str!("../../../src/session/receive/mod.rs")),
];

/// The names of the constants of a source, and what they are set to: a product of whole numbers.
fn constants(source: &str) -> impl Iterator<Item = (&str, Option<u64>)> {
    source.lines().filter_map(|line| {
        let (name, rest) = line.trim_start_matches("pub ").strip_prefix("const ")?.split_once(": ")?;
        let (_, value) = rest.trim_end_matches(';').split_once(" = ")?;
        Some((name, value.split(" * ").map(|factor| factor.parse::<u64>().ok()).product()))
    })
}

fn limit(_: &[Example], row: &[&str]) -> Option<u64> {
    if let Some((_, value)) = OTHER_LIMITS.iter().find(|(name, _)| *name == row[0]) {
        return Some(*value);
    }
    let (room, name) = row[0].split_once("::")?;
    let source = INNER_LIMITS.iter().find(|(name, _)| *name == row[0]).map(|(_, source)| *source);
    let source = source.or((room == "limits").then_some(LIMITS_SOURCE))?;
    constants(source).find(|constant| constant.0 == name)?.1
}

fn limit_rows() -> BTreeSet<String> {
    let wire = constants(LIMITS_SOURCE).map(|(name, _)| format!("limits::{name}"));
    let others = OTHER_LIMITS.iter().map(|limit| limit.0).chain(INNER_LIMITS.iter().map(|limit| limit.0));
    wire.chain(others.map(String::from)).collect()
}

fn setting(_: &[Example], row: &[&str]) -> Option<u64> {
    let config = SessionConfig::default();
    Some(match row[0] {
        "max_message" => config.max_message as u64,
        "max_keys" => config.max_keys as u64,
        "receive_buffer" => config.receive_buffer as u64,
        "max_ack_delay" => config.max_ack_delay.as_millis() as u64,
        "max_idle_ack_delay" => config.max_idle_ack_delay.as_millis() as u64,
        "ack_every" => u64::from(config.ack_every),
        "heartbeat_interval" => config.heartbeat_interval.as_millis() as u64,
        "warm_interval" => config.warm_interval.as_millis() as u64,
        _ => return None,
    })
}
