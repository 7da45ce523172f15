//! What can go wrong on the wires of a run: which kinds of fault it has, how strong they are, and when they strike.
//! Each kind is on with the same probability, and its rate is drawn over the full range.

use super::plan::{Medium, WirePlan, octaves};
use crate::net::{Bandwidth, Bursts, LinkConfig as Conditions, Side};
use crate::seed::Draw;
use core::time::Duration;
use serde::Serialize;

/// How likely a run has a kind of fault.
const LIKELY: f64 = 0.3;

/// Something happens to a wire.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// To which.
    pub wire: u8,
    /// What.
    pub harm: Harm,
}

/// What happens to a wire.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// The way from this side is cut.
    Cut(Side),
    /// One cut of the way from this side is over.
    Heal(Side),
    /// It breaks, and both sides hear of it.
    Reset,
    /// It dies, and nobody hears of it.
    HalfOpen,
    /// From now on these are its conditions, by sending side.
    Conditions(Box<[Conditions; 2]>),
}

/// The kinds of fault, each there or not.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Kinds {
    loss: bool,
    bursts: bool,
    delay: bool,
    jitter: bool,
    reorder: bool,
    duplicate: bool,
    corrupt: bool,
    bandwidth: bool,
    asymmetry: bool,
    redraw: bool,
    partition: bool,
    flap: bool,
    reset: bool,
    half_open: bool,
}

impl Kinds {
    /// The kinds of one run.
    pub(super) fn draw(draw: &mut Draw) -> Kinds {
        let mut is_on = || draw.chance(LIKELY);
        Kinds {
            loss: is_on(),
            bursts: is_on(),
            delay: is_on(),
            jitter: is_on(),
            reorder: is_on(),
            duplicate: is_on(),
            corrupt: is_on(),
            bandwidth: is_on(),
            asymmetry: is_on(),
            redraw: is_on(),
            partition: is_on(),
            flap: is_on(),
            reset: is_on(),
            half_open: is_on(),
        }
    }

    /// The conditions of a wire, by sending side.
    pub(super) fn conditions(&self, draw: &mut Draw, medium: Medium, calm: Conditions) -> [Conditions; 2] {
        let (first, second) = (self.one_way(draw, medium, calm), self.one_way(draw, medium, calm));
        if self.asymmetry { [first, second] } else { [first; 2] }
    }

    /// Draws the same number of times whatever is on, so that taking one kind away leaves the others as they are.
    fn one_way(&self, draw: &mut Draw, medium: Medium, calm: Conditions) -> Conditions {
        let ms = Duration::from_millis;
        let delay = draw.duration(ms(0), ms(500));
        let jitter = draw.duration(ms(0), ms(300));
        let keep_order = draw.chance(0.5);
        let reorder = draw.between_f64(0.0, 0.3);
        let hold = draw.duration(ms(1), ms(100));
        let duplicate = draw.between_f64(0.0, 0.5);
        let corrupt = draw.between_f64(0.0, 0.05);
        let loss = draw.between_f64(0.0, 0.3);
        let bursts = Bursts { mean: draw.duration(ms(100), ms(2_000)), share: draw.between_f64(0.01, 0.3) };
        let queue = u32::try_from(octaves(draw, 2, 1_000)).unwrap_or(u32::MAX);
        let bandwidth = Bandwidth { bits_per_s: octaves(draw, 16_000, 16_000_000), queue };
        let or_none = |is_on: bool, rate: f64| if is_on { rate } else { 0.0 };
        Conditions {
            delay: if self.delay { delay } else { calm.delay },
            jitter: if self.jitter { jitter } else { Duration::ZERO },
            keep_order,
            reorder: or_none(self.reorder, reorder),
            hold,
            duplicate: or_none(self.duplicate, duplicate),
            // What arrives damaged on a stream is sent again by TCP: to us it is loss, which has its own switch.
            corrupt: or_none(self.corrupt && medium != Medium::Relay, corrupt),
            loss: or_none(self.loss, loss),
            bursts: self.bursts.then_some(bursts),
            bandwidth: self.bandwidth.then_some(bandwidth),
        }
    }

    /// What strikes before `until`, in the order of time. Only a partition may last longer.
    pub(super) fn events(&self, draw: &mut Draw, wires: &[WirePlan], until: Duration) -> Vec<Fault> {
        let mut faults = Vec::new();
        self.redraws(draw, wires, until, &mut faults);
        self.partitions(draw, wires, until, &mut faults);
        self.flaps(draw, wires, until, &mut faults);
        self.breaks(draw, wires, until, &mut faults);
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    fn redraws(&self, draw: &mut Draw, wires: &[WirePlan], until: Duration, faults: &mut Vec<Fault>) {
        for _ in 0..draw.between(1, 3) {
            let (at, wire) = (moment(draw, until), wire(draw, wires));
            let WirePlan { medium, calm, .. } = wires[usize::from(wire)];
            let harm = Harm::Conditions(Box::new(self.conditions(draw, medium, calm)));
            if self.redraw {
                faults.push(Fault { at, wire, harm });
            }
        }
    }

    fn partitions(&self, draw: &mut Draw, wires: &[WirePlan], until: Duration, faults: &mut Vec<Fault>) {
        for _ in 0..draw.between(1, 3) {
            let (at, chosen, is_whole) = (moment(draw, until), wire(draw, wires), draw.chance(0.4));
            let longest = if draw.chance(0.1) { 60_000 } else { 4_000 };
            let lasts = Duration::from_millis(octaves(draw, 200, longest));
            let sides: &[Side] = match draw.below(4) {
                0 => &[Side::A],
                1 => &[Side::B],
                _ => &Side::BOTH,
            };
            if !self.partition {
                continue;
            }
            for wire in (0..).take(wires.len()).filter(|wire| is_whole || *wire == chosen) {
                for &side in sides {
                    cut(faults, wire, side, at, at + lasts);
                }
            }
        }
    }

    fn flaps(&self, draw: &mut Draw, wires: &[WirePlan], until: Duration, faults: &mut Vec<Fault>) {
        let (mut at, wire) = (moment(draw, until), wire(draw, wires));
        let pause = |draw: &mut Draw| Duration::from_millis(octaves(draw, 20, 1_000));
        for _ in 0..draw.between(3, 12) {
            let (lasts, rests) = (pause(draw), pause(draw));
            if self.flap && at + lasts < until {
                Side::BOTH.into_iter().for_each(|side| cut(faults, wire, side, at, at + lasts));
            }
            at += lasts + rests;
        }
    }

    fn breaks(&self, draw: &mut Draw, wires: &[WirePlan], until: Duration, faults: &mut Vec<Fault>) {
        for _ in 0..draw.between(1, 3) {
            let (at, wire) = (moment(draw, until), wire(draw, wires));
            if self.reset {
                faults.push(Fault { at, wire, harm: Harm::Reset });
            }
        }
        let at = moment(draw, until);
        // Only a stream can be half-open: datagrams that vanish are a cut.
        let relay = (0u8..).zip(wires).find(|(_, wire)| wire.medium == Medium::Relay);
        if let (true, Some((wire, _))) = (self.half_open, relay) {
            faults.push(Fault { at, wire, harm: Harm::HalfOpen });
        }
    }
}

fn cut(faults: &mut Vec<Fault>, wire: u8, side: Side, from: Duration, until: Duration) {
    faults.push(Fault { at: from, wire, harm: Harm::Cut(side) });
    faults.push(Fault { at: until, wire, harm: Harm::Heal(side) });
}

fn moment(draw: &mut Draw, until: Duration) -> Duration {
    draw.duration(Duration::ZERO, until)
}

fn wire(draw: &mut Draw, wires: &[WirePlan]) -> u8 {
    draw.below(wires.len() as u64).to_le_bytes()[0]
}
