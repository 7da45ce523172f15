//! Congestion control of our own, for paths that have none below: how many bytes may be in flight and when the next
//! packet may go. It steers by standing queueing delay (the Copa family), so that random loss does not matter, and
//! holds a queue of a few packets. Loss counts only where it exceeds what the path loses anyway.
//!
//! It does not detect losses, measure round trips, send again or choose what to send: the session does.

mod delay;
mod delivery;
mod pacer;
#[cfg(test)]
mod tests;

use crate::time::{Duration, Instant};
use delay::Delay;
use delivery::{Delivery, Round};
use pacer::Pacer;

pub use delivery::SendMark;

/// Packets that may be in flight before anything is known of the path (RFC 6928).
const INITIAL_PACKETS: f64 = 10.0;

/// The window is never smaller: with one packet a lost acknowledgement would stop everything.
const FLOOR_PACKETS: f64 = 2.0;

/// Below this window the start doubles each round, above it gains less: the queue grows unseen for a round trip, at a
/// factor of 2 by 44 % of what the path holds, at 1.22 by 11 %.
const DOUBLING_PACKETS: f64 = 80.0;

/// Gain of the gentle start per byte acknowledged.
const GENTLE_GAIN: f64 = 0.22;

/// Standing packets of our own that make the start gentle at any size.
const START_DOUBT_PACKETS: f64 = 2.0;

/// Standing packets of our own that end the start.
const START_QUEUE_PACKETS: f64 = 5.0;

/// A queue, in seconds, that ends the start even if most of it is others'.
const START_QUEUE_SECONDS: f64 = 0.005;

/// Rounds without a notable gain in rate that end the start: the path's queue is too short to be seen.
const START_FLAT_ROUNDS: u32 = 3;

/// A notable gain.
const START_GAIN: f64 = 1.25;

/// Standing packets of our own to aim for: enough to keep the path busy between two acknowledgements. Every flow aims
/// for the same number, which is what shares a path evenly.
const TARGET_PACKETS: f64 = 4.5;

/// Seconds of queue beyond which the aim shrinks in proportion: on a thin path a few packets are a long wait. It
/// depends on what all flows see alike, so that they still share evenly.
const TARGET_SECONDS: f64 = 0.015;

/// The aim shrinks no further, or the path would fall idle.
const MIN_TARGET_PACKETS: f64 = 1.0;

/// Packets the window moves each round, when it is as far from the target as an empty queue. The answer to a step
/// takes one and a half rounds; much more than the target would swing.
const STEP_PACKETS: f64 = 4.0;

/// The longest step downwards, in steps of the above.
const MAX_STEP_DOWN: f64 = 3.0;

/// Rounds upwards without a queue to show for it after which the steps become longer each round: the path carries
/// far more than it did.
const STEADY_ROUNDS: u32 = 3;

/// How much longer.
const VELOCITY_GAIN: f64 = 1.5;

/// Steps never move the window by more than this share a round.
const MAX_STEP_SHARE: f64 = 1.0 / 10.0;

/// Standing packets of our own that are too many for steps: the window is cut to what the empty path holds.
const CUT_PACKETS: f64 = 13.0;

/// A queue, in seconds, that is too long for steps where it is also well above the target.
const CUT_SECONDS: f64 = 0.03;

/// A cut takes no more than this.
const MAX_CUT: f64 = 0.5;

/// The window over what the measured rate needs: room to find out that the path can carry more.
const RATE_HEADROOM: f64 = 1.1;

/// Packets of that room which do not depend on the rate: acknowledgements come for several packets at once.
const RATE_SLACK_PACKETS: f64 = 4.0;

/// Loss beyond the path's own that counts as an overrun queue.
const EXCESS_LOSS: f64 = 0.15;

/// Standard deviations by which it must be beyond chance.
const EXCESS_DEVIATIONS: f64 = 1.5;

/// What an overrun queue takes from the window.
const EXCESS_CUT: f64 = 0.8;

/// What a drain leaves of the window for a round trip. It must take more than the whole queue, to which others add.
const DRAIN_SHARE: f64 = 0.7;

/// What cuts may leave of the window without the delay giving way; then it is the path's own: the route has changed.
const REBASE_WINDOW: f64 = 0.2;

/// A queue that is still this share of what it was has not given way.
const REBASE_SHARE: f64 = 0.85;

/// Rounds at the floor after which a delay cannot be of our making.
const REBASE_ROUNDS: u32 = 8;

/// A window unused for so long says nothing of the path any more.
const STALE_NANOS: i64 = 10_000_000_000;

/// Pacing over the rate that the window makes, so that the window stays what limits.
const PACING_GAIN: f64 = 1.25;

/// The same while the window grows by the round.
const START_PACING_GAIN: f64 = 1.4;

/// The round trip, in seconds, assumed for pacing before one is measured.
const ASSUMED_RTT: f64 = 0.01;

/// The mean time in flight is believed up to so many times the last round trip.
const STALE_FLIGHT: f64 = 2.0;

/// What one acknowledged packet tells.
#[derive(Clone, Copy, Debug)]
pub struct Ack {
    /// The packet's size.
    pub bytes: usize,
    /// When it was sent.
    pub sent_at: Instant,
    /// What [`Congestion::on_sent`] returned for it.
    pub mark: SendMark,
    /// For the newest packet that the acknowledgement newly covers: the round trip, the receiver's delay taken off.
    pub rtt: Option<Duration>,
    /// Bytes still in flight without this packet.
    pub in_flight: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Growing until the path is full.
    Start,
    /// Keeping the target.
    Steady,
}

/// What to do when the first packet sent since the last cut is acknowledged.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Then {
    Go,
    /// Return to this window: the queue was drained only to see the empty path.
    Return(f64),
    /// The start has ended at this window. What the path carried at its end is known by now.
    Settle(f64),
}

/// The congestion control of one path.
#[derive(Debug)]
pub struct Congestion {
    packet: f64,
    window: f64,
    phase: Phase,
    delivery: Delivery,
    delay: Delay,
    pacer: Pacer,
    /// Packets sent earlier tell of a situation that was acted upon.
    settle_from: Instant,
    /// When the window was last in use.
    used_at: Instant,
    round_window: f64,
    steady_rounds: u32,
    velocity: f64,
    flat_rounds: u32,
    flat_rate: f64,
    floor_rounds: u32,
    /// Window and queue at the first of a row of cuts, as long as the queue does not give way.
    vain_since: Option<(f64, f64)>,
    then: Then,
}

impl Congestion {
    /// A fresh path for packets of at most `max_packet` bytes.
    pub fn new(now: Instant, max_packet: usize) -> Self {
        let packet = max_packet.max(1) as f64;
        let window = INITIAL_PACKETS * packet;
        Congestion {
            packet,
            window,
            phase: Phase::Start,
            delivery: Delivery::new(now),
            delay: Delay::new(now),
            pacer: Pacer::new(now, PACING_GAIN * window / ASSUMED_RTT, packet),
            settle_from: now,
            used_at: now,
            round_window: window,
            steady_rounds: 0,
            velocity: 1.0,
            flat_rounds: 0,
            flat_rate: 0.0,
            floor_rounds: 0,
            vain_since: None,
            then: Then::Go,
        }
    }

    /// A packet leaves; the mark comes back with its acknowledgement or loss.
    pub fn on_sent(&mut self, now: Instant, bytes: usize, in_flight_before: usize) -> SendMark {
        self.pacer.on_sent(now, bytes);
        let in_flight = (in_flight_before + bytes) as f64;
        let in_use = 2.0 * (in_flight + self.packet) >= self.window;
        self.delivery.mark(now, in_use, in_flight_before == 0)
    }

    /// A packet was acknowledged; of one acknowledgement in the order of packet numbers.
    pub fn on_ack(&mut self, now: Instant, ack: &Ack) {
        let limited = ack.mark.is_limited();
        let steers = ack.sent_at >= self.settle_from;
        self.delivery.on_acked(now, ack.bytes, &ack.mark);
        self.delay.on_acked(now, ack.sent_at);
        if let Some(rtt) = ack.rtt {
            self.delay.on_rtt(now, rtt, steers);
            self.delivery.sample(now, &ack.mark);
        }
        if limited {
            self.used_at = now;
            if steers {
                self.settle();
                match self.phase {
                    Phase::Start => self.grow(ack.bytes as f64),
                    Phase::Steady => self.step(ack.bytes as f64),
                }
            }
        }
        if let Some(round) = self.delivery.end_round(&ack.mark) {
            self.on_round(now, round, limited && steers, ack.in_flight);
        }
        if ack.rtt.is_some() {
            if limited && steers {
                self.judge_queue(now);
            }
            self.pace(now);
        }
    }

    /// A packet was given up as lost.
    pub fn on_lost(&mut self, now: Instant, _bytes: usize, _mark: SendMark, _in_flight: usize) {
        self.delivery.on_lost(now);
    }

    /// The session had room and nothing to send.
    pub fn on_idle_or_app_limited(&mut self, _now: Instant, in_flight: usize) {
        self.delivery.on_app_limited(in_flight);
    }

    /// Bytes that may be in flight.
    pub fn window(&self) -> usize {
        self.window as usize
    }

    /// The moment pacing lets the next packet go; not after `now`: at once.
    pub fn release(&self, now: Instant) -> Instant {
        self.pacer.release(now)
    }

    /// The pacing rate, bytes a second.
    pub fn rate(&self) -> f64 {
        self.pacer.rate()
    }

    /// The standing queue on the path, freed of jitter.
    pub fn queue_delay(&self) -> Duration {
        Duration::from_secs_f64(self.delay.queue())
    }

    /// Packets of ours that stand in the queue.
    fn own_queue(&self) -> f64 {
        self.window / self.delay.flight() * self.delay.queue() / self.packet
    }

    /// Standing packets of our own to aim for.
    fn target(&self) -> f64 {
        let share = (TARGET_SECONDS / self.delay.queue().max(TARGET_SECONDS)).min(1.0);
        (TARGET_PACKETS * share).max(MIN_TARGET_PACKETS)
    }

    fn grow(&mut self, acked: f64) {
        let own = self.own_queue();
        let doubles = self.window < DOUBLING_PACKETS * self.packet && own < START_DOUBT_PACKETS;
        let gain = if doubles { 1.0 } else { GENTLE_GAIN };
        self.window += acked * gain * (1.0 - own / START_QUEUE_PACKETS).max(0.0);
    }

    fn step(&mut self, acked: f64) {
        let room = 1.0 - self.own_queue() / self.target();
        let speed = if room > 0.0 { self.velocity } else { 1.0 };
        let step = speed * STEP_PACKETS * self.packet * acked / self.window * room.max(-MAX_STEP_DOWN);
        let highest = if step > 0.0 { self.ceiling().max(self.window) } else { f64::INFINITY };
        self.window = (self.window + step).min(highest).max(FLOOR_PACKETS * self.packet);
    }

    /// What the measured rate can fill, and some.
    fn ceiling(&self) -> f64 {
        self.sent_rate() * self.delay.flight() * RATE_HEADROOM + RATE_SLACK_PACKETS * self.packet
    }

    /// Ends the start, or cuts, when the queue is longer than steps can mend.
    fn judge_queue(&mut self, now: Instant) {
        let own = self.own_queue();
        match self.phase {
            Phase::Start if own > START_QUEUE_PACKETS || self.is_path_busy(own) => self.end_start(now),
            Phase::Steady if own > CUT_PACKETS || self.delay.queue() > CUT_SECONDS && own > 2.0 * self.target() => {
                self.cut_queue_of_ours(now);
            }
            _ => {}
        }
    }

    /// Others fill the path: little of the queue is ours, and yet it is long.
    fn is_path_busy(&self, own: f64) -> bool {
        own > START_DOUBT_PACKETS && self.delay.queue() > START_QUEUE_SECONDS + 2.0 * self.delay.jitter()
    }

    /// Cuts the window to what the empty path holds. If that is in vain again and again, the path is not what it was.
    fn cut_queue_of_ours(&mut self, now: Instant) {
        let queue = self.delay.queue();
        match self.vain_since {
            Some((window, before)) if queue > before * REBASE_SHARE => {
                if self.window < window * REBASE_WINDOW {
                    self.rebase(now);
                    return;
                }
            }
            _ => self.vain_since = Some((self.window, queue)),
        }
        let held = self.window * (1.0 - queue / self.delay.flight()) + self.target() * self.packet;
        self.delivery.forget_rates();
        self.cut(now, (held / self.window).max(MAX_CUT));
    }

    fn end_start(&mut self, now: Instant) {
        self.phase = Phase::Steady;
        let empty = (self.delay.flight() - self.delay.queue()).max(0.0);
        let window = self.window;
        self.cut(now, (self.held(empty) / window).clamp(MAX_CUT, 1.0));
        self.then = Then::Settle(window);
    }

    fn cut(&mut self, now: Instant, share: f64) {
        self.window = (self.window * share).max(FLOOR_PACKETS * self.packet);
        self.settle_from = now;
        self.then = Then::Go;
        self.delay.forget_standing();
        self.velocity = 1.0;
        self.steady_rounds = 0;
        self.round_window = self.window;
    }

    fn on_round(&mut self, now: Instant, round: Round, limited: bool, in_flight: usize) {
        if !limited {
            self.forget_unused(now, in_flight);
            return;
        }
        if self.phase == Phase::Steady && self.delay.wants_drain(now) {
            let window = self.window;
            self.cut(now, DRAIN_SHARE);
            self.then = Then::Return(window);
            return;
        }
        match self.phase {
            Phase::Start => self.on_start_round(now),
            Phase::Steady if self.is_overrun(round) => self.cut(now, EXCESS_CUT),
            Phase::Steady => {
                if self.own_queue() <= self.target() {
                    self.vain_since = None;
                }
                self.turn();
                self.cap();
                self.doubt_base(now);
            }
        }
    }

    /// Whether the round lost more than the path loses anyway and chance explains.
    fn is_overrun(&self, round: Round) -> bool {
        let lost = f64::from(round.lost);
        lost - f64::from(round.packets) * (self.delivery.own_loss() + EXCESS_LOSS) > EXCESS_DEVIATIONS * lost.sqrt()
    }

    fn settle(&mut self) {
        let least = match std::mem::replace(&mut self.then, Then::Go) {
            Then::Go => return,
            Then::Return(window) => window,
            Then::Settle(window) => window.min(self.held(self.delay.min())),
        };
        self.window = self.window.max(least);
    }

    /// What the path holds at the measured rate and this time in flight, with the target queue.
    fn held(&self, flight: f64) -> f64 {
        self.sent_rate() * flight + TARGET_PACKETS * self.packet
    }

    /// The rate of sending that makes the measured rate of delivery.
    fn sent_rate(&self) -> f64 {
        self.delivery.rate() / (1.0 - self.delivery.own_loss()).max(0.1)
    }

    fn on_start_round(&mut self, now: Instant) {
        let rate = self.delivery.rate();
        if rate > self.flat_rate * START_GAIN {
            self.flat_rate = rate;
            self.flat_rounds = 0;
        } else {
            self.flat_rounds += 1;
        }
        if self.flat_rounds >= START_FLAT_ROUNDS {
            self.end_start(now);
        }
    }

    /// Steps that keep leading upwards become longer; a queue makes them short again.
    fn turn(&mut self) {
        let rising = self.window > self.round_window && self.own_queue() < self.target() / 2.0;
        self.round_window = self.window;
        if !rising {
            self.steady_rounds = 0;
            self.velocity = 1.0;
            return;
        }
        self.steady_rounds += 1;
        if self.steady_rounds > STEADY_ROUNDS {
            let longest = self.window * MAX_STEP_SHARE / (STEP_PACKETS * self.packet);
            self.velocity = (self.velocity * VELOCITY_GAIN).min(longest).max(1.0);
        }
    }

    /// A queue too short to be seen is overrun without delay: what is delivered bounds what is sent.
    fn cap(&mut self) {
        self.window = self.window.min(self.ceiling()).max(FLOOR_PACKETS * self.packet);
    }

    /// With the window at its floor for rounds the delay cannot be ours: it is the path's.
    fn doubt_base(&mut self, now: Instant) {
        if self.window > FLOOR_PACKETS * self.packet * 1.25 || self.delay.queue() == 0.0 {
            self.floor_rounds = 0;
            return;
        }
        self.floor_rounds += 1;
        if self.floor_rounds >= REBASE_ROUNDS {
            self.rebase(now);
        }
    }

    fn rebase(&mut self, now: Instant) {
        (self.floor_rounds, self.vain_since) = (0, None);
        self.delay.rebase(now);
        self.restart();
    }

    fn restart(&mut self) {
        self.phase = Phase::Start;
        self.flat_rounds = 0;
        self.flat_rate = 0.0;
    }

    /// A window that was not needed for long shrinks towards what is needed.
    fn forget_unused(&mut self, now: Instant, in_flight: usize) {
        if now.as_nanos() - self.used_at.as_nanos() < STALE_NANOS {
            return;
        }
        self.used_at = now;
        let needed = (2.0 * in_flight as f64).max(INITIAL_PACKETS * self.packet);
        self.window = (self.window / 2.0).max(needed);
        self.restart();
    }

    fn pace(&mut self, now: Instant) {
        let gain = if self.phase == Phase::Start { START_PACING_GAIN } else { PACING_GAIN };
        // Where a silence has ended, the mean time in flight is a memory of it; what limits then is the window.
        let flight = self.delay.flight().min(STALE_FLIGHT * self.delay.last()).max(1e-4);
        self.pacer.set_rate(now, gain * self.window / flight, self.packet);
    }
}
