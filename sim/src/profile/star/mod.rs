//! A whole world: a lobby server, players, spectators and guests in one to three lobbies. First anything may happen that
//! was drawn; then the faults stop, everybody must be back, and everything that is kept must arrive. What is drawn stands
//! in [`Plan`]; what is judged, in the checkers.

mod application;
mod closings;
mod crashes;
mod deeds;
mod deliveries;
mod equal;
mod eye;
mod faults;
mod forger;
mod goodbye;
mod guests;
mod homes;
mod kinds;
mod ladders;
mod lens;
mod liveness;
mod mischief;
mod plan;
mod sight;
mod strikes;
mod talk;
mod tickets;
mod torn;
mod verdicts;
mod words;

pub use deeds::{Deed, What};
pub use equal::{Equal, Fate};
pub use faults::{Fault, Harm, Ways, Whom};
pub use kinds::Kinds;
pub use lens::{Clear, Lens};
pub use mischief::{Mischief, Trick};
pub use plan::{LobbyPlan, Mood, Part, Plan, SeatPlan};
pub use talk::{Ears, Load, Mouth, Talking, Voice};

use crate::crypto::Carrying;
use crate::profile::{Mask, Outcome};
use crate::seed::{Draw, Seed};
use crate::trace::{StarStep, Step, Trace};
use crate::world::{Clock, Line, SeatId, ServerSetup, World};
use core::time::Duration;
use eye::Eye;
use std::collections::{BTreeMap, BTreeSet};
use strikes::Undo;
use webstar_core::peer::Ticket;
use webstar_core::server::ServerConfig;
use webstar_core::time::Instant;

/// Runs a seed. What the machines say goes through the lens before it is judged.
pub fn run(seed: Seed, mood: Mood, trace: &mut Trace, lens: impl Lens) -> Outcome {
    run_without(seed, mood, &Mask::default(), trace, lens)
}

/// Runs a seed of which something is left out.
pub fn run_without(seed: Seed, mood: Mood, mask: &Mask, trace: &mut Trace, lens: impl Lens) -> Outcome {
    run_plan(seed, &Plan::draw(seed, mood), mask, trace, lens)
}

/// Runs a seed of which something is left out, on one of the stacks.
pub fn run_on(carrying: Carrying, seed: Seed, mood: Mood, mask: &Mask, trace: &mut Trace) -> Outcome {
    run_plan(seed, &Plan { carrying, ..Plan::draw(seed, mood) }, mask, trace, Clear)
}

/// Runs a plan of which something is left out. What the plan leaves open follows from the seed.
pub fn run_plan(seed: Seed, plan: &Plan, mask: &Mask, trace: &mut Trace, lens: impl Lens) -> Outcome {
    trace.begin(plan);
    let mut run = Run::new(seed, plan, trace, lens);
    run.settle_homes();
    run.rage(mask);
    run.judge_ladder();
    let settled = run.eye.red().is_none() && run.calm_down();
    if settled {
        run.eye.note(run.world.now(), Step::Settled);
        run.judge_homes();
        run.part();
    }
    run.finish(settled)
}

/// How often everything that is held is looked at.
const WEIGHED: Duration = Duration::from_millis(250);
/// How often games decide about what waits.
const DECIDED: Duration = Duration::from_millis(40);

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
    /// It is over.
    Over(usize),
    /// The hostile member does what has this number.
    Mischief(usize),
    /// What is held is looked at.
    Weigh,
    /// The server's embedder becomes slow, or quick again.
    SlowAsks(bool),
    /// Games that have the last word decide.
    Decide,
}

/// One run.
struct Run<'a, L> {
    plan: &'a Plan,
    world: World,
    eye: Eye<'a, L>,
    words: Draw,
    /// What games decide.
    verdicts: Draw,
    /// By seat: it wants to be in its lobby.
    wants_in: Vec<bool>,
    /// By seat: how often it has come again after an end that it did not ask for.
    returns: Vec<u32>,
    /// When somebody comes again.
    comebacks: BTreeSet<(Instant, u16)>,
    /// By seat: what a crash left it.
    tickets: BTreeMap<SeatId, Ticket>,
    /// By the number of a fault: who suffers from it, and what is to be undone.
    undo: BTreeMap<usize, (Vec<SeatId>, Undo)>,
    /// Who looks at another tab.
    hidden: BTreeSet<SeatId>,
    /// When the server has come back without its memory last.
    restarted_at: Option<Instant>,
    /// By seat: milliseconds that its clock has gone back and not ahead again.
    behind: BTreeMap<SeatId, i64>,
}

impl<'a, L: Lens> Run<'a, L> {
    fn new(seed: Seed, plan: &'a Plan, trace: &'a mut Trace, lens: L) -> Self {
        let config = ServerConfig { ask_admission: plan.asks_admission, ..ServerConfig::default() };
        let setup = ServerSetup { config, shards: plan.shards, asks: plan.asks };
        let mut world = World::new(seed, &setup);
        world.carry(plan.carrying);
        for seat in &plan.seats {
            let clock = Clock::with_drift(seat.drift_ppm).moved(seat.ahead_s * 1_000_000_000);
            let id = world.seat(Line::new(seat.ways.line), clock);
            world.set_access(id, seat.ways.access);
        }
        if let Some(from) = plan.measured_from {
            world.measure(SeatId(0), [from, plan.quiet_at].map(|at| Instant::ZERO + at));
        }
        Run {
            plan,
            world,
            eye: Eye::new(seed, plan, trace, lens),
            words: seed.stream("words"),
            verdicts: seed.stream("verdicts"),
            wants_in: vec![false; plan.seats.len()],
            returns: vec![0; plan.seats.len()],
            comebacks: BTreeSet::new(),
            tickets: BTreeMap::new(),
            undo: BTreeMap::new(),
            hidden: BTreeSet::new(),
            restarted_at: None,
            behind: BTreeMap::new(),
        }
    }

    /// Everything on the agenda happens, until the last fault is over or something is broken.
    fn rage(&mut self, mask: &Mask) {
        for (at, moment) in agenda(self.plan, mask) {
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
                Moment::Over(number) => self.relieve(number),
                Moment::Mischief(number) => self.scheme(self.plan.mischief[number].trick),
                Moment::Weigh => self.eye.weigh(&self.world),
                Moment::Decide => self.decide_some(),
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

    fn finish(self, settled: bool) -> Outcome {
        let lasted = self.world.now().since(Instant::ZERO);
        let players = self.plan.seats.len() as u32;
        let (red, tally, hash) = self.eye.finish(settled);
        Outcome { red, lasted, players, tally, hash, measured: self.world.measured() }
    }
}

/// At how many moments something is said.
fn count_of_messages(plan: &Plan) -> u32 {
    let agenda = agenda(plan, &Mask::default());
    agenda.iter().filter(|(_, moment)| matches!(moment, Moment::Beat(_) | Moment::Load(_))).count() as u32
}

/// Everything that is to happen and is not left out, in the order of time.
fn agenda(plan: &Plan, mask: &Mask) -> Vec<(Duration, Moment)> {
    let until = plan.quiet_at;
    let mut agenda = Vec::with_capacity(2_048);
    for (seat, mouth) in (0u16..).zip(&plan.talking.mouths) {
        let enters = if mouth.is_steady { Duration::ZERO } else { plan.seats[usize::from(seat)].enters_at };
        let beats = (1..).map(|beat| enters + mouth.period * beat).take_while(|at| *at < until);
        agenda.extend(beats.map(|at| (at, Moment::Beat(seat))));
    }
    agenda.extend((1..).map(|time| WEIGHED * time).take_while(|at| *at < until).map(|at| (at, Moment::Weigh)));
    if plan.lobbies.iter().any(|lobby| lobby.authority.is_some()) {
        agenda.extend((1..).map(|time| DECIDED * time).take_while(|at| *at < until).map(|at| (at, Moment::Decide)));
    }
    agenda.extend((0..).zip(&plan.talking.loads).map(|(number, load)| (load.at, Moment::Load(number))));
    agenda.extend((0..).zip(&plan.deeds).map(|(number, deed)| (deed.at, Moment::Deed(number))));
    agenda.extend((0..).zip(&plan.mischief).map(|(number, mischief)| (mischief.at, Moment::Mischief(number))));
    for (number, fault) in plan.faults.iter().enumerate() {
        agenda.push((fault.at, Moment::Fault(number)));
        if !fault.lasts.is_zero() {
            agenda.push((fault.at + fault.lasts, Moment::Over(number)));
        }
    }
    if plan.slow_asks.is_some() {
        agenda.extend([(until / 4, Moment::SlowAsks(true)), (until * 3 / 4, Moment::SlowAsks(false))]);
    }
    agenda.sort_by_key(|(at, _)| *at);
    let mut said = 0;
    agenda.retain(|(_, moment)| {
        let (seat, is_left_out) = match *moment {
            Moment::Beat(seat) => (seat, mask.messages.has(said)),
            Moment::Load(number) => (plan.talking.loads[number].seat, mask.messages.has(said)),
            Moment::Deed(number) => (plan.deeds[number].seat, false),
            Moment::Fault(number) => match plan.faults[number].whom {
                Whom::Seat(seat) => (seat, mask.faults.has(number)),
                Whom::Host(_) | Whom::Heir(_) | Whom::Server | Whom::Turn => return !mask.faults.has(number),
            },
            Moment::Over(_) | Moment::Mischief(_) | Moment::Weigh | Moment::SlowAsks(_) | Moment::Decide => {
                return true;
            }
        };
        said += usize::from(matches!(moment, Moment::Beat(_) | Moment::Load(_)));
        !is_left_out && !mask.seats.has(seat.into())
    });
    agenda
}
