//! A whole world: a lobby server, players, spectators and guests in one to three lobbies. First anything may happen that
//! was drawn; then the faults stop, everybody must be back, and everything that is kept must arrive. What is drawn stands
//! in [`Plan`]; what is judged, in the checkers.

mod application;
mod closings;
mod eye;
mod faults;
mod goodbye;
mod lens;
mod liveness;
mod plan;
mod talk;
mod words;

pub use faults::{Fault, Harm, Kinds};
pub use lens::{Clear, Lens};
pub use plan::{Deed, LobbyPlan, Mood, Part, Plan, SeatPlan, What};
pub use talk::{Ears, Load, Mouth, Talking, Voice};

use crate::profile::Outcome;
use crate::seed::{Draw, Seed};
use crate::trace::{StarStep, Step, Trace};
use crate::world::{Clock, Line, SeatId, ServerSetup, World};
use core::time::Duration;
use eye::Eye;
use std::collections::BTreeSet;
use webstar_core::server::ServerConfig;
use webstar_core::time::Instant;

/// Runs a seed. What the machines say goes through the lens before it is judged.
pub fn run(seed: Seed, mood: Mood, trace: &mut Trace, lens: impl Lens) -> Outcome {
    let plan = Plan::draw(seed, mood);
    trace.begin(&plan);
    let mut run = Run::new(seed, &plan, trace, lens);
    run.rage();
    let settled = run.eye.red().is_none() && run.calm_down();
    if settled {
        run.eye.note(run.world.now(), Step::Settled);
        run.part();
    }
    run.finish(settled)
}

/// How often everything that is held is looked at.
const WEIGHED: Duration = Duration::from_millis(250);

/// A moment of the agenda.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// A seat's voices speak.
    Beat(u16),
    /// The load with this number is said.
    Load(usize),
    /// The deed with this number is done.
    Deed(usize),
    /// The fault with this number happens.
    Fault(usize),
    /// What is held is looked at.
    Weigh,
    /// The server's embedder becomes slow, or quick again.
    SlowAsks(bool),
}

/// One run.
struct Run<'a, L> {
    plan: &'a Plan,
    world: World,
    eye: Eye<'a, L>,
    words: Draw,
    /// By seat: it wants to be in its lobby.
    wants_in: Vec<bool>,
    /// By seat: how often it has come again after an end that it did not ask for.
    returns: Vec<u32>,
    /// When somebody comes again.
    comebacks: BTreeSet<(Instant, u16)>,
}

impl<'a, L: Lens> Run<'a, L> {
    fn new(seed: Seed, plan: &'a Plan, trace: &'a mut Trace, lens: L) -> Self {
        let config = ServerConfig { ask_admission: plan.asks_admission, ..ServerConfig::default() };
        let setup = ServerSetup { config, shards: plan.shards, asks: plan.asks };
        let mut world = World::new(seed, &setup);
        for seat in &plan.seats {
            world.seat(Line::new(seat.conditions), Clock::with_drift(seat.drift_ppm));
        }
        Run {
            plan,
            world,
            eye: Eye::new(plan, trace, lens),
            words: seed.stream("words"),
            wants_in: vec![false; plan.seats.len()],
            returns: vec![0; plan.seats.len()],
            comebacks: BTreeSet::new(),
        }
    }

    /// Everything on the agenda happens, until the last fault is over or something is broken.
    fn rage(&mut self) {
        for (at, moment) in agenda(self.plan) {
            self.advance(Instant::ZERO + at);
            if self.eye.red().is_some() {
                return;
            }
            match moment {
                Moment::Beat(seat) => self.beat(seat),
                Moment::Load(number) => self.load(number),
                Moment::Deed(number) => {
                    let now = self.world.now();
                    self.eye.note(now, Step::Star(StarStep::Deed { number: number as u32 }));
                    self.perform(self.plan.deeds[number]);
                }
                Moment::Fault(number) => self.strike(number),
                Moment::Weigh => self.eye.weigh(&self.world),
                Moment::SlowAsks(is_slow) => {
                    self.eye.book_mut().tally.mark("slow_asks");
                    let slow = self.plan.slow_asks.filter(|_| is_slow);
                    self.world.set_asks(slow.unwrap_or(self.plan.asks));
                }
            }
        }
        self.advance(Instant::ZERO + self.plan.quiet_at);
    }

    /// Time passes, and whoever was put out comes again when it is time.
    fn advance(&mut self, until: Instant) {
        loop {
            let next = self.comebacks.first().copied().filter(|(at, _)| *at <= until);
            let Some((at, seat)) = next else { break };
            self.comebacks.remove(&(at, seat));
            self.world.advance(at, &mut self.eye);
            self.look_after_ends();
            if self.wants_in[usize::from(seat)] {
                self.enter(seat);
            }
        }
        self.world.advance(until, &mut self.eye);
        self.look_after_ends();
    }

    fn strike(&mut self, number: usize) {
        let Fault { seat, harm, .. } = &self.plan.faults[number];
        let (now, seat) = (self.world.now(), SeatId(*seat));
        self.eye.note(now, Step::Fault { number: number as u32 });
        self.eye.book_mut().tally.mark(match harm {
            Harm::Cut(_) => "cut",
            Harm::Heal(_) => "healed",
            Harm::Reset => "reset",
            Harm::HalfOpen => "half_open",
            Harm::Deaf => "deaf",
            Harm::Sleeps => "paused",
            Harm::Refused => "unreachable_server",
            Harm::Reads | Harm::Wakes | Harm::Admitted => "recovered",
            Harm::Conditions(_) => "conditions",
        });
        match *harm {
            Harm::Cut(side) => self.world.cut(seat, side, true),
            Harm::Heal(side) => self.world.cut(seat, side, false),
            Harm::Reset => self.world.reset(seat),
            Harm::HalfOpen => self.world.half_open(seat),
            Harm::Deaf => self.world.set_reading(seat, false),
            Harm::Reads => self.world.set_reading(seat, true),
            Harm::Sleeps => self.world.lull(seat),
            Harm::Wakes => self.world.rouse(seat, &mut self.eye),
            Harm::Refused => self.world.set_refused(seat, true),
            Harm::Admitted => self.world.set_refused(seat, false),
            Harm::Conditions(ref conditions) => self.world.set_conditions(seat, **conditions),
        }
    }

    fn finish(self, settled: bool) -> Outcome {
        let lasted = self.world.now().since(Instant::ZERO);
        let players = self.plan.seats.len() as u32;
        let (red, tally, hash) = self.eye.finish(settled);
        Outcome { red, lasted, players, tally, hash }
    }
}

/// Everything that is to happen, in the order of time.
fn agenda(plan: &Plan) -> Vec<(Duration, Moment)> {
    let until = plan.quiet_at;
    let mut agenda = Vec::with_capacity(2_048);
    for (seat, mouth) in (0u16..).zip(&plan.talking.mouths) {
        let enters = plan.seats[usize::from(seat)].enters_at;
        let beats = (1..).map(|beat| enters + mouth.period * beat).take_while(|at| *at < until);
        agenda.extend(beats.map(|at| (at, Moment::Beat(seat))));
    }
    agenda.extend((1..).map(|time| WEIGHED * time).take_while(|at| *at < until).map(|at| (at, Moment::Weigh)));
    agenda.extend((0..).zip(&plan.talking.loads).map(|(number, load)| (load.at, Moment::Load(number))));
    agenda.extend((0..).zip(&plan.deeds).map(|(number, deed)| (deed.at, Moment::Deed(number))));
    agenda.extend((0..).zip(&plan.faults).map(|(number, fault)| (fault.at, Moment::Fault(number))));
    if plan.slow_asks.is_some() {
        agenda.extend([(until / 4, Moment::SlowAsks(true)), (until * 3 / 4, Moment::SlowAsks(false))]);
    }
    agenda.sort_by_key(|(at, _)| *at);
    agenda
}
