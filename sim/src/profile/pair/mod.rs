//! Two players and one session over one or two wires, with all link faults. First anything may fail; then the faults
//! stop, and everything must arrive. What is drawn stands in [`Plan`]; what is judged, in the checkers.

mod eye;
mod faults;
mod liveness;
mod plan;
mod talk;
mod words;

pub use eye::{Clear, Lens};
pub use faults::{Fault, Harm, Kinds};
pub use plan::{Medium, Plan, WirePlan};
pub use talk::{Burst, Load, Talking, Voice};

use crate::net::{Pipe, Side};
use crate::pair::{Pair, Wire};
use crate::profile::{Mask, Outcome};
use crate::seed::{Draw, Seed};
use crate::trace::{Step, Trace};
use core::time::Duration;
use eye::Eye;
use webstar_core::session::{Outbound, SendError};
use webstar_core::time::Instant;

/// Runs a seed. What the machines say goes through the lens before it is judged.
pub fn run(seed: Seed, trace: &mut Trace, lens: impl Lens) -> Outcome {
    run_without(seed, &Mask::default(), trace, lens)
}

/// Runs a seed of which something is left out.
pub fn run_without(seed: Seed, mask: &Mask, trace: &mut Trace, lens: impl Lens) -> Outcome {
    let plan = Plan::draw(seed);
    trace.begin(&plan);
    let mut world = World::new(seed, &plan, trace, lens);
    world.rage(seed, mask);
    let settled = world.eye.red().is_none() && world.calm_down();
    if settled {
        world.eye.note(world.pair.now(), Step::Settled);
        world.linger();
    }
    world.finish(settled)
}

/// After everything has arrived, copies and stragglers have so long to do harm.
const LINGER: Duration = Duration::from_millis(1_500);

/// A moment of the agenda.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// A side's voices speak.
    Beat(Side),
    /// The load with this number is submitted.
    Load(usize),
    /// The burst with this number is submitted.
    Burst(usize),
    /// The fault with this number happens.
    Fault(usize),
}

/// One run.
struct World<'a, L> {
    plan: &'a Plan,
    pair: Pair,
    eye: Eye<'a, L>,
    /// How many cuts lie on a wire, by sending side.
    cuts: Vec<[u32; 2]>,
    /// By wire: which of its openings died without a word.
    died_at: Vec<Option<u32>>,
}

impl<'a, L: Lens> World<'a, L> {
    fn new(seed: Seed, plan: &'a Plan, trace: &'a mut Trace, lens: L) -> Self {
        let wires: Vec<Wire> = (0..).zip(&plan.wires).map(|(id, wire)| wire.wire(id, seed)).collect();
        let keys = [seed.stream("key a").key(), seed.stream("key b").key()];
        let pair = Pair::new(&plan.config, wires, keys).expect("settings are drawn within their bounds");
        let eye = Eye::new(plan, trace, lens);
        let count = plan.wires.len();
        let mut world = World { plan, pair, eye, cuts: vec![[0; 2]; count], died_at: vec![None; count] };
        Side::BOTH.into_iter().for_each(|side| world.pair.flush(side, &mut world.eye));
        world
    }

    /// Everything on the agenda happens, until the last fault is over or something is broken.
    fn rage(&mut self, seed: Seed, mask: &Mask) {
        let mut words = seed.stream("words");
        for (at, deed) in agenda(self.plan, mask) {
            self.advance(Instant::ZERO + at);
            if self.eye.red().is_some() {
                return;
            }
            match deed {
                Deed::Beat(side) => self.beat(side, &mut words),
                Deed::Load(number) => {
                    let load = self.plan.talking.loads[number];
                    let message = talk::large(&load, self.eye.next_stamp(load.side));
                    self.submit(load.side, &message);
                    let config = &self.plan.config.session;
                    if load.is_text && config.enable_compression && load.bytes > config.compression_threshold {
                        self.eye.tally().mark("compressed");
                    }
                }
                Deed::Burst(number) => {
                    let burst = self.plan.talking.bursts[number];
                    for _ in 0..burst.count {
                        self.speak(burst.side, &self.plan.talking.voices[burst.voice], &mut words);
                    }
                    self.pair.flush(burst.side, &mut self.eye);
                }
                Deed::Fault(number) => self.strike(number),
            }
        }
        self.advance(Instant::ZERO + self.plan.quiet_at);
    }

    fn beat(&mut self, side: Side, words: &mut Draw) {
        for voice in &self.plan.talking.voices {
            if words.chance(voice.share) {
                self.speak(side, voice, words);
            }
        }
        self.pair.flush(side, &mut self.eye);
        self.eye.weigh(&self.pair, side);
    }

    fn speak(&mut self, side: Side, voice: &Voice, words: &mut Draw) {
        let message = talk::small(words, voice, self.eye.next_stamp(side));
        self.say(side, &message);
    }

    fn submit(&mut self, side: Side, message: &Outbound) {
        self.say(side, message);
        self.pair.flush(side, &mut self.eye);
        self.eye.weigh(&self.pair, side);
    }

    fn say(&mut self, side: Side, message: &Outbound) {
        let now = self.pair.now();
        match self.pair.send(side, message.clone()) {
            Ok(id) => self.eye.on_submitted(now, side, id, message),
            Err(SendError::Full { .. }) => self.eye.on_refused(now, side, message.priority),
            Err(misuse) => panic!("what is drawn is within the limits: {misuse}"),
        }
    }

    fn strike(&mut self, number: usize) {
        let Fault { wire, harm, .. } = &self.plan.faults[number];
        let (now, index) = (self.pair.now(), usize::from(*wire));
        self.eye.on_fault(now, number, harm);
        let wire = &mut self.pair.wires_mut()[index];
        let is_open = wire.is_open();
        let pipe = &mut wire.pipe;
        let cuts = &mut self.cuts[index];
        match *harm {
            Harm::Cut(side) => {
                cuts[usize::from(side == Side::B)] += 1;
                pipe.cut(side);
            }
            Harm::Heal(side) => {
                let cuts = &mut cuts[usize::from(side == Side::B)];
                *cuts = cuts.saturating_sub(1);
                if *cuts == 0 {
                    pipe.heal(side);
                }
            }
            Harm::Reset => pipe.reset(now),
            Harm::HalfOpen => {
                // One that is closed anyway cannot die; opening makes it whole.
                if let (Pipe::Stream(stream), true) = (pipe, is_open) {
                    stream.half_open();
                    self.died_at[index] = Some(stream.generation());
                }
            }
            Harm::Conditions(ref conditions) => {
                for (side, conditions) in Side::BOTH.into_iter().zip(**conditions) {
                    pipe.set_conditions(now, side, conditions);
                }
            }
        }
    }

    fn advance(&mut self, until: Instant) {
        self.pair.advance(until, &mut self.eye);
    }

    /// What is late comes now or never.
    fn linger(&mut self) {
        self.advance(self.pair.now() + LINGER);
    }

    fn finish(mut self, settled: bool) -> Outcome {
        let lasted = self.pair.now().since(Instant::ZERO);
        self.eye.count_drops(&self.pair);
        let (red, tally, hash) = self.eye.finish(settled);
        Outcome { red, lasted, players: 2, tally, hash, measured: None }
    }
}

/// At how many moments something is said.
fn count_of_messages(plan: &Plan) -> u32 {
    let agenda = agenda(plan, &Mask::default());
    agenda.iter().filter(|(_, deed)| !matches!(deed, Deed::Fault(_))).count() as u32
}

/// Everything that is to happen and is not left out, in the order of time.
fn agenda(plan: &Plan, mask: &Mask) -> Vec<(Duration, Deed)> {
    let talking = &plan.talking;
    let mut agenda = Vec::with_capacity(2_048);
    for (side, period) in Side::BOTH.into_iter().zip(talking.period) {
        let beats = (1..).map(|beat| period * beat).take_while(|at| *at < talking.until);
        agenda.extend(beats.filter(|at| !talking.is_silent(*at)).map(|at| (at, Deed::Beat(side))));
    }
    // While a long partition goes on, somebody says something now and then.
    let murmurs = (1..).map(|second| talking.until + Duration::from_secs(second)).take_while(|at| *at < plan.quiet_at);
    agenda.extend(murmurs.map(|at| (at, Deed::Beat(Side::A))));
    agenda.extend((0..).zip(&talking.loads).map(|(number, load)| (load.at, Deed::Load(number))));
    agenda.extend((0..).zip(&talking.bursts).map(|(number, burst)| (burst.at, Deed::Burst(number))));
    agenda.extend((0..).zip(&plan.faults).map(|(number, fault)| (fault.at, Deed::Fault(number))));
    agenda.sort_by_key(|(at, _)| *at);
    let mut said = 0;
    agenda.retain(|(_, deed)| {
        if let Deed::Fault(number) = deed {
            return !mask.faults.has(*number);
        }
        said += 1;
        !mask.messages.has(said - 1)
    });
    agenda
}
