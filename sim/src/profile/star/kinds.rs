//! Which kinds of fault a run has, how strong they are, and when they strike. Each kind is on with the same probability in
//! a swarm, and its rate is drawn over the full range. What they are stands in the faults.

use super::faults::{Fault, Harm, Ways, Whom};
use super::plan::{Mood, Part, SeatPlan, octaves};
use crate::net::{Bandwidth, Bursts, LinkConfig as Conditions, Side};
use crate::seed::Draw;
use crate::world::AskPlan;
use core::time::Duration;
use serde::Serialize;

/// How likely a swarm has a kind of fault.
const LIKELY: f64 = 0.3;

/// The kinds of fault, each there or not.
#[derive(Clone, Copy, Debug, Default, Serialize)]
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
    stall: bool,
    cut: bool,
    one_way: bool,
    reset: bool,
    half_open: bool,
    deaf: bool,
    pause: bool,
    unreachable: bool,
    mute: bool,
    unheard: bool,
    island: bool,
    crash: bool,
    crash_of_host: bool,
    crash_of_two: bool,
    server_crash: bool,
    drift: bool,
    skew: bool,
    jump: bool,
    server_jump: bool,
    old_version: bool,
    slow_asks: bool,
    relay_only: bool,
    withholding: bool,
}

impl Kinds {
    /// The kinds of one run.
    pub(super) fn draw(draw: &mut Draw, mood: Mood) -> Kinds {
        let has_links = matches!(mood, Mood::Lossy | Mood::Swarm | Mood::Hostile);
        let has_all = matches!(mood, Mood::Swarm | Mood::Hostile);
        let mut link = || draw.chance(LIKELY) && has_links;
        let [loss, bursts, delay, jitter, bandwidth, asymmetry, redraw, stall] = core::array::from_fn(|_| link());
        let [reorder, duplicate, corrupt] = core::array::from_fn(|_| link());
        let mut any = || draw.chance(LIKELY) && has_all;
        Kinds {
            // A lossy world without any loss would be a calm one.
            loss: loss || mood == Mood::Lossy && !bursts && !jitter && !stall,
            bursts,
            delay,
            jitter,
            reorder,
            duplicate,
            corrupt,
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
            mute: any(),
            unheard: any(),
            island: any(),
            crash: any(),
            crash_of_host: any(),
            crash_of_two: any(),
            server_crash: any(),
            drift: any(),
            skew: any(),
            jump: any(),
            server_jump: any(),
            old_version: any(),
            slow_asks: any(),
            // Half of the players of such a run have no direct ways.
            withholding: any(),
            relay_only: draw.chance(LIKELY),
        }
    }

    /// What somebody has to live with from the start.
    pub(super) fn befall(&self, draw: &mut Draw, seat: &mut SeatPlan) {
        seat.ways = self.ways(draw, seat);
        let drift = i64::try_from(draw.between(0, 1_000)).unwrap_or(0) - 500;
        let skew = i64::try_from(draw.between(0, 7_200)).unwrap_or(0);
        let is_old = draw.chance(0.4);
        let (is_relayed, withholds) = (draw.chance(0.5), draw.chance(0.2));
        seat.drift_ppm = if self.drift { drift } else { 0 };
        seat.ahead_s = if self.skew { skew } else { 0 };
        seat.is_old = self.old_version && is_old && seat.part != Part::Guest;
        seat.is_direct = !(self.relay_only && is_relayed);
        seat.withholds = self.withholding && withholds;
    }

    /// The conditions of somebody's ways.
    fn ways(&self, draw: &mut Draw, seat: &SeatPlan) -> Ways {
        let lines = [self.line(draw, seat.calm.line[0]), self.line(draw, seat.calm.line[1])];
        let accesses = [self.access(draw, seat.calm.access[0]), self.access(draw, seat.calm.access[1])];
        if self.asymmetry {
            Ways { line: lines, access: accesses }
        } else {
            Ways { line: [lines[0]; 2], access: [accesses[0]; 2] }
        }
    }

    /// Draws the same number of times whatever is on, so that taking one kind away leaves the others as they are. A stream
    /// bears less than datagrams do.
    fn line(&self, draw: &mut Draw, calm: Conditions) -> Conditions {
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

    /// Half of a direct way: the delays of both halves add up.
    fn access(&self, draw: &mut Draw, calm: Conditions) -> Conditions {
        let ms = Duration::from_millis;
        let delay = draw.duration(ms(0), ms(250));
        let jitter = draw.duration(ms(0), ms(300));
        let loss = draw.between_f64(0.0, 0.3);
        let bursts = Bursts { mean: draw.duration(ms(100), ms(2_000)), share: draw.between_f64(0.01, 0.2) };
        let bits_per_s = octaves(draw, 16_000, 16_000_000);
        let bandwidth = Bandwidth { bits_per_s, queue: octaves(draw, 2, 1_000) as u32 };
        let (reorder, hold) = (draw.between_f64(0.0, 0.3), draw.duration(ms(1), ms(100)));
        let (duplicate, corrupt) = (draw.between_f64(0.0, 0.5), draw.between_f64(0.0, 0.05));
        Conditions {
            delay: if self.delay { delay } else { calm.delay },
            jitter: if self.jitter { jitter } else { Duration::ZERO },
            keep_order: !self.reorder,
            reorder: if self.reorder { reorder } else { 0.0 },
            hold: if self.reorder { hold } else { Duration::ZERO },
            duplicate: if self.duplicate { duplicate } else { 0.0 },
            corrupt: if self.corrupt { corrupt } else { 0.0 },
            loss: if self.loss { loss } else { 0.0 },
            bursts: self.bursts.then_some(bursts),
            bandwidth: self.bandwidth.then_some(bandwidth),
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
        for lobby in 0..=seats.iter().map(|seat| seat.lobby).max().unwrap_or(0) {
            self.strike_lobby(&mut faults, lobby);
        }
        self.strike_server(&mut faults);
        let mut list = faults.list;
        list.sort_by_key(|fault| fault.at);
        list
    }

    fn strike(&self, faults: &mut Faults<'_>) {
        let times = faults.draw.between(1, 3);
        for _ in 0..times {
            let (at, seat) = faults.place();
            let harm = Harm::Conditions(Box::new(self.ways(faults.draw, &faults.seats[usize::from(seat)])));
            faults.add(self.redraw, at, Whom::Seat(seat), harm);
            // Short enough that nobody takes the connection for dead.
            faults.span(self.stall, [50, 300], Harm::Cut);
            let longest = if faults.draw.chance(0.2) { 60_000 } else { 8_000 };
            faults.span(self.cut, [200, longest], Harm::Cut);
            let side = if faults.draw.chance(0.5) { Side::A } else { Side::B };
            faults.span(self.one_way, [200, longest], Harm::OneWay(side));
            let (at, seat) = faults.place();
            faults.add(self.reset, at, Whom::Seat(seat), Harm::Reset);
            let (at, seat) = faults.place();
            faults.add(self.half_open, at, Whom::Seat(seat), Harm::HalfOpen);
            faults.span(self.deaf, [500, 20_000], Harm::Deaf);
            faults.span(self.pause, [100, 120_000], Harm::Sleeps);
            faults.span(self.unreachable, [500, 8_000], Harm::Refused);
            let longest = if faults.draw.chance(0.2) { 60_000 } else { 8_000 };
            faults.span(self.mute, [200, longest], Harm::Mute);
            faults.span(self.unheard, [200, longest], Harm::Unheard);
            let (at, seat) = faults.place();
            let harm = faults.crash();
            faults.add(self.crash, at, Whom::Seat(seat), harm);
            let (at, seat) = faults.place();
            let jump = i64::try_from(faults.draw.between(0, 20_000)).unwrap_or(0) - 10_000;
            faults.add(self.jump, at, Whom::Seat(seat), Harm::Jump(jump));
        }
    }

    /// What strikes a whole lobby, or whoever has a role in it.
    fn strike_lobby(&self, faults: &mut Faults<'_>, lobby: u8) {
        let longest = if faults.draw.chance(0.2) { 60_000 } else { 8_000 };
        let group = faults.group(lobby);
        let is_without_server = faults.draw.chance(0.5);
        faults.span(self.island, [200, longest], Harm::Island(group, is_without_server));
        let (at, _) = faults.place();
        let harm = faults.crash();
        faults.add(self.crash_of_host, at, Whom::Host(lobby), harm);
        let harm = if faults.draw.chance(0.5) { Harm::Mute } else { Harm::Unheard };
        let (at, _) = faults.place();
        let lasts = Duration::from_millis(octaves(faults.draw, 200, longest));
        faults.last(self.mute, at, lasts, Whom::Host(lobby), harm);
        let (at, _) = faults.place();
        let (first, second) = (faults.crash(), faults.crash());
        let apart = faults.draw.duration(Duration::ZERO, Duration::from_millis(400));
        let is_together = faults.draw.chance(0.3);
        // Together: the one who would follow first, so that it is still known who that is.
        faults.add(self.crash_of_two, at, if is_together { Whom::Heir(lobby) } else { Whom::Host(lobby) }, first);
        let later = if is_together { at } else { (at + apart).min(faults.until) };
        faults.add(self.crash_of_two, later, if is_together { Whom::Host(lobby) } else { Whom::Heir(lobby) }, second);
    }

    fn strike_server(&self, faults: &mut Faults<'_>) {
        for _ in 0..faults.draw.between(1, 2) {
            let (at, _) = faults.place();
            let longest = if faults.draw.chance(0.2) { 60_000 } else { 5_000 };
            let lasts = Duration::from_millis(octaves(faults.draw, 1, longest));
            let is_closed = faults.draw.chance(0.7);
            faults.last(self.server_crash, at, lasts, Whom::Server, Harm::Crash { is_closed, again: None });
            let (at, _) = faults.place();
            let jump = i64::try_from(faults.draw.between(0, 7_200_000)).unwrap_or(0) - 3_600_000;
            faults.add(self.server_jump, at, Whom::Server, Harm::Jump(jump));
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

    /// Some of a lobby, at least one.
    fn group(&mut self, lobby: u8) -> Vec<u16> {
        let share = self.draw.between_f64(0.2, 0.8);
        let members: Vec<u16> =
            (0..).zip(self.seats).filter(|(_, seat)| seat.lobby == lobby).map(|(seat, _)| seat).collect();
        let drawn: Vec<u16> = members.iter().copied().filter(|_| self.draw.chance(share)).collect();
        if drawn.is_empty() { members.into_iter().take(1).collect() } else { drawn }
    }

    fn crash(&mut self) -> Harm {
        let again = self.draw.duration(Duration::from_millis(50), Duration::from_secs(8));
        let comes_back = self.draw.chance(0.7);
        Harm::Crash { is_closed: self.draw.chance(0.5), again: comes_back.then_some(again) }
    }

    fn add(&mut self, is_on: bool, at: Duration, whom: Whom, harm: Harm) {
        self.last(is_on, at, Duration::ZERO, whom, harm);
    }

    fn last(&mut self, is_on: bool, at: Duration, lasts: Duration, whom: Whom, harm: Harm) {
        if is_on {
            self.list.push(Fault { at, lasts: lasts.min(self.until.saturating_sub(at)), whom, harm });
        }
    }

    /// Something that is over after so many milliseconds, or at the end of the run.
    fn span(&mut self, is_on: bool, [low, high]: [u64; 2], harm: Harm) {
        let (at, seat) = self.place();
        let lasts = Duration::from_millis(octaves(self.draw, low, high));
        self.last(is_on, at, lasts, Whom::Seat(seat), harm);
    }
}
