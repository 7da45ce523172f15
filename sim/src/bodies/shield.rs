//! The shield under arbitrary repairs, and under arbitrary loss of honest ones: what honest repairs give back is what
//! was sent, and lies cost no more than the promised memory.

use super::script::Script;
use std::collections::BTreeMap;
use webstar_core::session::shield::{Decoder, Encoder, MAX_REPAIR, MAX_SYMBOL, Repair};

/// An honest stream under loss, or lies, as the first byte says.
pub fn shield_arbitrary(data: &[u8]) {
    let mut script = Script::new(data);
    match script.flag() {
        true => honest(&mut script),
        false => lies(&mut script),
    }
}

fn honest(script: &mut Script<'_>) {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
    let mut sent = BTreeMap::new();
    let mut arrived = BTreeMap::new();
    let mut number = script.scaled() >> 1;
    let (mut bytes, mut out) = (Vec::new(), Vec::new());
    while !script.is_over() {
        number = number.saturating_add(1 + u64::from(script.byte() >> 5));
        let step = script.byte();
        let symbol = symbol(script, step);
        for index in 0..step & 3 {
            let Some(plan) = encoder.plan(number, usize::from(script.byte() % 70), MAX_REPAIR) else { continue };
            bytes.clear();
            encoder.write(&plan, number, index, &mut bytes);
            assert!(bytes.len() == plan.len && plan.symbols() > 0);
            let repair = Repair { carrier: number, index, base: plan.base, covered: plan.covered, bytes: &bytes };
            assert!(repair.is_well_formed(), "{plan:?}");
            if script.flag() {
                decoder.on_repair(&repair, |packet| arrived.get(&packet) == Some(&true));
            }
        }
        encoder.push(number, &symbol);
        if step & 4 != 0 {
            arrived.insert(number, true);
            decoder.on_source(number, &symbol);
        } else if step & 8 != 0 {
            encoder.forget(number.saturating_sub(u64::from(step >> 4)));
        }
        sent.insert(number, symbol);
        while let Some(packet) = decoder.poll_recovered(&mut out) {
            assert_eq!(Some(&out), sent.get(&packet), "packet {packet} came back changed");
            assert_eq!(arrived.insert(packet, false), None, "packet {packet} came back twice, or had come");
        }
        assert!(decoder.memory() <= Decoder::MAX_MEMORY);
    }
}

fn symbol(script: &mut Script<'_>, step: u8) -> Vec<u8> {
    let length = match step >> 4 {
        15 => MAX_SYMBOL,
        14 => usize::from(script.word()) % MAX_SYMBOL + 1,
        short => usize::from(short) * 4 + 1,
    };
    let fill = script.byte();
    let mut symbol = script.take(length / 4 + 1).to_vec();
    symbol.resize(length, fill);
    symbol
}

fn lies(script: &mut Script<'_>) {
    let mut decoder = Decoder::new();
    let mut near = script.scaled();
    let mut out = Vec::new();
    while !script.is_over() {
        near = match script.byte() {
            250 => script.longest(),
            step => near.saturating_add(u64::from(step % 8)),
        };
        let packet = near.saturating_sub(u64::from(script.byte() % 80));
        if script.flag() {
            let length = usize::from(script.byte());
            decoder.on_source(packet, script.take(length));
        } else {
            let carrier = packet.saturating_add(u64::from(script.byte() % 70));
            let covered = script.longest() | 1;
            let length = script.pick(&[3, 4, 40, 300, MAX_REPAIR, MAX_REPAIR + 1]);
            let mut bytes = script.take(length.min(40)).to_vec();
            bytes.resize(length, 0);
            let mask = script.byte();
            let repair = Repair { carrier, index: mask & 7, base: packet, covered, bytes: &bytes };
            decoder.on_repair(&repair, |number| number as u8 & mask == mask);
        }
        while decoder.poll_recovered(&mut out).is_some() {
            assert!((1..=MAX_SYMBOL).contains(&out.len()));
        }
        assert!(decoder.memory() <= Decoder::MAX_MEMORY, "{} bytes", decoder.memory());
    }
}
