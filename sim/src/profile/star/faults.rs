//! What can go wrong in a world: which kinds of fault a run has, how strong they are, and when they strike. Each kind is
//! on with the same probability in a swarm, and its rate is drawn over the full range.

use super::plan::{Mood, Part, SeatPlan, octaves};
use crate::net::{Bandwidth, Bursts, LinkConfig as Conditions, Side};
use crate::seed::Draw;
use crate::world::AskPlan;
use core::time::Duration;
use serde::Serialize;

/// How likely a swarm has a kind of fault.
const LIKELY: f64 = 0.3;

/// Something happens to somebody.
#[derive(Clone, Debug, Serialize)]
pub struct Fault {
    /// When.
    pub at: Duration,
    /// To whom.
    pub seat: u16,
    /// What.
    pub harm: Harm,
}

/// What happens.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Harm {
    /// The way from this side is cut: the player's (A) or the server's (B).
    Cut(Side),
    /// One cut of the way from this side is over.
    Heal(Side),
    /// Its connections break, and both sides hear of it.
    Reset,
    /// Its connections die, and nobody hears of it.
    HalfOpen,
    /// It stops reading.
    Deaf,
    /// It reads again.
    Reads,
    /// Its machine is not called.
    Sleeps,
    /// Its machine is called again.
    Wakes,
    /// The server refuses its connections.
    Refused,
    /// The server lets it in again.
    Admitted,
    /// From now on these are the conditions of its way, by sending side.
    Conditions(Box<[Conditions; 2]>),
}

/// The kinds of fault, each there or not.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Kinds {
    loss: bool,
    bursts: bool,
    delay: bool,
    jitter: bool,
    bandwidth: bool,
    asymmetry: bool,
    redraw: bool,
    stall: bool,
    cut: bool,
    one_way: bool,
    reset: bool,
    half_open: bool,
    deaf: bool,
    pause: bool,
    unreachable: bool,
    drift: bool,
    old_version: bool,
    slow_asks: bool,
}

impl Kinds {
    /// The kinds of one run.
    pub(super) fn draw(draw: &mut Draw, mood: Mood) -> Kinds {
        let is_swarm = mood == Mood::Swarm;
        let mut link = || draw.chance(LIKELY) && mood != Mood::Calm;
        let [loss, bursts, delay, jitter, bandwidth, asymmetry, redraw, stall] = core::array::from_fn(|_| link());
        let mut any = || draw.chance(LIKELY) && is_swarm;
        Kinds {
            // A lossy world without any loss would be a calm one.
            loss: loss || mood == Mood::Lossy && !bursts && !jitter && !stall,
            bursts,
            delay,
            jitter,
            bandwidth,
            asymmetry,
            redraw,
            stall,
            cut: any(),
            one_way: any(),
            reset: any(),
            half_open: any(),
            deaf: any(),
            pause: any(),
            unreachable: any(),
            drift: any(),
            old_version: any(),
            slow_asks: any(),
        }
    }

    /// What somebody has to live with from the start.
    pub(super) fn befall(&self, draw: &mut Draw, seat: &mut SeatPlan) {
        seat.conditions = self.conditions(draw, seat.calm);
        let drift = i64::try_from(draw.between(0, 1_000)).unwrap_or(0) - 500;
        let is_old = draw.chance(0.4);
        seat.drift_ppm = if self.drift { drift } else { 0 };
        seat.is_old = self.old_version && is_old && seat.part != Part::Guest;
    }

    /// The conditions of a way, by sending side.
    fn conditions(&self, draw: &mut Draw, calm: Conditions) -> [Conditions; 2] {
        let (first, second) = (self.one_way(draw, calm), self.one_way(draw, calm));
        if self.asymmetry { [first, second] } else { [first; 2] }
    }

    /// Draws the same number of times whatever is on, so that taking one kind away leaves the others as they are.
    fn one_way(&self, draw: &mut Draw, calm: Conditions) -> Conditions {
        let ms = Duration::from_millis;
        let delay = draw.duration(ms(0), ms(250));
        let jitter = draw.duration(ms(0), ms(150));
        let loss = draw.between_f64(0.0, 0.1);
        let bursts = Bursts { mean: draw.duration(ms(100), ms(1_000)), share: draw.between_f64(0.01, 0.1) };
        let bandwidth = Bandwidth { bits_per_s: octaves(draw, 256_000, 16_000_000), queue: 64 };
        Conditions {
            delay: if self.delay { delay } else { calm.delay },
            jitter: if self.jitter { jitter } else { Duration::ZERO },
            keep_order: true,
            loss: if self.loss { loss } else { 0.0 },
            bursts: self.bursts.then_some(bursts),
            bandwidth: self.bandwidth.then_some(bandwidth),
            ..Conditions::default()
        }
    }

    /// How slow the server's embedder is for the middle of the run, if it is.
    pub(super) fn slow_asks(&self, draw: &mut Draw) -> Option<AskPlan> {
        let mut slow = || [Duration::from_millis(50), Duration::from_millis(octaves(draw, 200, 3_000))];
        let asks = AskPlan { password: slow(), admit: slow(), directory: slow() };
        self.slow_asks.then_some(asks)
    }

    /// What strikes before `until`, in the order of time; everything is over by then.
    pub(super) fn events(&self, draw: &mut Draw, seats: &[SeatPlan], until: Duration) -> Vec<Fault> {
        let mut faults = Faults { draw, seats, until, list: Vec::new() };
        let rounds = 1 + seats.len() as u64 / 4;
        for _ in 0..rounds {
            self.strike(&mut faults);
        }
        let mut list = faults.list;
        list.sort_by_key(|fault| fault.at);
        list
    }

    fn strike(&self, faults: &mut Faults<'_>) {
        let times = faults.draw.between(1, 3);
        for _ in 0..times {
            let (at, seat) = faults.place();
            let harm = Harm::Conditions(Box::new(self.conditions(faults.draw, faults.seats[usize::from(seat)].calm)));
            faults.add(self.redraw, at, seat, harm);
            // Short enough that nobody takes the connection for dead.
            faults.span(
                self.stall,
                [50, 300],
                [Harm::Cut(Side::A), Harm::Cut(Side::B)],
                [Harm::Heal(Side::A), Harm::Heal(Side::B)],
            );
            let longest = if faults.draw.chance(0.2) { 60_000 } else { 8_000 };
            faults.span(
                self.cut,
                [200, longest],
                [Harm::Cut(Side::A), Harm::Cut(Side::B)],
                [Harm::Heal(Side::A), Harm::Heal(Side::B)],
            );
            let side = if faults.draw.chance(0.5) { Side::A } else { Side::B };
            faults.span(self.one_way, [200, longest], [Harm::Cut(side)], [Harm::Heal(side)]);
            let (at, seat) = faults.place();
            faults.add(self.reset, at, seat, Harm::Reset);
            let (at, seat) = faults.place();
            faults.add(self.half_open, at, seat, Harm::HalfOpen);
            faults.span(self.deaf, [500, 20_000], [Harm::Deaf], [Harm::Reads]);
            faults.span(self.pause, [100, 20_000], [Harm::Sleeps], [Harm::Wakes]);
            faults.span(self.unreachable, [500, 8_000], [Harm::Refused], [Harm::Admitted]);
        }
    }
}

/// Faults being drawn.
struct Faults<'a> {
    draw: &'a mut Draw,
    seats: &'a [SeatPlan],
    until: Duration,
    list: Vec<Fault>,
}

impl Faults<'_> {
    fn place(&mut self) -> (Duration, u16) {
        let at = self.draw.duration(Duration::from_millis(500), self.until);
        (at, self.draw.below(self.seats.len() as u64) as u16)
    }

    fn add(&mut self, is_on: bool, at: Duration, seat: u16, harm: Harm) {
        if is_on {
            self.list.push(Fault { at, seat, harm });
        }
    }

    /// Something that begins and is over after so many milliseconds, or at the end of the run.
    fn span<const N: usize>(&mut self, is_on: bool, [low, high]: [u64; 2], begin: [Harm; N], end: [Harm; N]) {
        let (at, seat) = self.place();
        let lasts = Duration::from_millis(octaves(self.draw, low, high));
        begin.into_iter().for_each(|harm| self.add(is_on, at, seat, harm));
        let over = (at + lasts).min(self.until);
        end.into_iter().for_each(|harm| self.add(is_on, over, seat, harm));
    }
}
