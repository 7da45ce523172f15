//! Packets that no honest side sends: well sealed, with frames that are made up or changed.

use super::script::Script;
use webstar_core::id::PathId;
use webstar_core::time::Duration;
use webstar_core::wire::frame::{self, Delivery, MessageFrame, Part, Priority, RepairFrame};
use webstar_core::wire::packet::{self, SealKey};
use webstar_core::wire::rhythm::Rhythm;

/// The longest packet that is made up.
const MAX_FORGED: usize = 2_000;

/// Makes up packets of one direction.
#[derive(Debug)]
pub(super) struct Forger {
    key: SealKey,
    /// The number that an honest packet would have next.
    near: u64,
}

impl Forger {
    pub(super) fn new(key: SealKey) -> Self {
        Forger { key, near: 0 }
    }

    /// Follows the numbers of honest packets.
    pub(super) fn on_honest(&mut self, bytes: &[u8]) {
        if let Ok(packet) = packet::open(self.key, self.near, bytes) {
            self.near = packet.number + 1;
        }
    }

    /// A packet made up from the script.
    pub(super) fn forge(&mut self, script: &mut Script<'_>) -> Vec<u8> {
        let number = match script.byte() {
            step @ 0..128 => self.near + u64::from(step / 16),
            back @ 128..250 => self.near.saturating_sub(u64::from(back - 128)),
            250..=255 => self.near + script.scaled() % (1 << 31),
        };
        self.near = self.near.max(number + 1);
        let mut out = Vec::new();
        packet::begin(number, self.near.saturating_sub(1 << 20), Rhythm(script.byte()), &mut out);
        if script.flag() {
            out.extend_from_slice(script.take(40));
        }
        for _ in 0..script.byte() % 5 {
            write_frame(script, &mut out);
        }
        out.truncate(MAX_FORGED);
        packet::seal(self.key, number, 0, &mut out);
        out
    }

    /// An honest packet with a few bytes changed, sealed again.
    pub(super) fn twist(&self, script: &mut Script<'_>, honest: &[u8]) -> Vec<u8> {
        let mut out = honest.to_vec();
        let Ok(packet) = packet::open(self.key, self.near, honest) else { return out };
        let head = honest.len() - packet.frames.len();
        for _ in 0..=script.byte() % 4 {
            let (at, mask) = (script.word(), script.byte());
            if packet.frames.is_empty() {
                break;
            }
            out[head + usize::from(at) % packet.frames.len()] ^= mask;
        }
        packet::seal(self.key, packet.number, 0, &mut out);
        out
    }
}

fn write_frame(script: &mut Script<'_>, out: &mut Vec<u8>) {
    match script.byte() % 16 {
        0 => frame::write_ping(out),
        1 | 2 => write_ack(script, out),
        3 => frame::write_probe(script.long(), out),
        4 => frame::write_probe_answer(u32::from(script.byte()), out),
        5 => frame::write_unheard(PathId(script.byte()), out),
        6 => {
            let bytes = script.take(30);
            RepairFrame::write_head(script.scaled(), script.longest() | 1, bytes.len(), out);
            out.extend_from_slice(bytes);
        }
        7 => frame::write_shield(out),
        _ => write_message(script, out),
    }
}

fn write_ack(script: &mut Script<'_>, out: &mut Vec<u8>) {
    let mut ranges = Vec::new();
    let mut top = Some(script.scaled());
    for _ in 0..script.byte() % 40 {
        let Some(last) = top else { break };
        let first = last.saturating_sub(u64::from(script.byte() % 16));
        ranges.push((first, last));
        top = first.checked_sub(2 + u64::from(script.byte() % 16));
    }
    let most = ranges.first().map_or(0, |range| range.1);
    let step = u64::from(script.byte() % 8) + 1;
    let recovered = (1..=u64::from(script.byte() % 10)).map_while(|i| most.checked_sub(i * step));
    frame::write_ack(Duration::from_micros(u64::from(script.word())), ranges.into_iter(), recovered, out);
}

fn write_message(script: &mut Script<'_>, out: &mut Vec<u8>) {
    let kind = script.byte();
    let bytes = script.take(usize::from(script.clone().byte() % 24));
    let part = (kind & 0x40 != 0).then(|| {
        let total = script.scaled() as u32;
        Part { total, offset: script.scaled() as u32 }
    });
    let frame = MessageFrame {
        priority: Priority::ALL[usize::from(kind & 3)],
        delivery: Delivery::ALL[usize::from(kind >> 2 & 3)],
        seq: script.scaled(),
        key: u32::from(script.byte() % 8),
        compressed: kind & 0x10 != 0,
        part,
        bytes,
    };
    frame.write(out);
}
