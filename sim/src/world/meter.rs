//! What one machine costs while a world goes on: the time that it takes, and what leaves it. It changes nothing of the run.

use core::time::Duration;
use std::time::Instant as Watch;
use webstar_core::peer::PeerEvent;
use webstar_core::time::Instant;

/// What is measured, and what was.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    /// The seat whose machine is measured.
    seat: usize,
    /// Within these moments of the world.
    span: [Instant; 2],
    /// The processor's time that the machine took.
    pub took: Duration,
    /// Packets and frames that left it.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that anybody was given.
    pub delivered: u64,
}

impl Meter {
    /// Nothing was measured yet.
    pub(super) fn new(seat: usize, span: [Instant; 2]) -> Self {
        Meter { seat, span, took: Duration::ZERO, packets: 0, bytes: 0, delivered: 0 }
    }

    /// How long it is measured, in seconds of the world.
    pub fn seconds(&self) -> f64 {
        self.span[1].since(self.span[0]).as_secs_f64()
    }

    fn runs(&self, now: Instant) -> bool {
        (self.span[0]..self.span[1]).contains(&now)
    }
}

/// Does something with the machine at a seat, which is measured if it is the one.
pub(super) fn timed<T>(meter: &mut Option<Meter>, seat: usize, now: Instant, work: impl FnOnce() -> T) -> T {
    let Some(meter) = meter.as_mut().filter(|meter| meter.seat == seat && meter.runs(now)) else { return work() };
    let began = Watch::now();
    let done = work();
    meter.took += began.elapsed();
    done
}

/// Something leaves the machine at a seat.
pub(super) fn left(meter: &mut Option<Meter>, seat: usize, now: Instant, bytes: usize) {
    if let Some(meter) = meter.as_mut().filter(|meter| meter.seat == seat && meter.runs(now)) {
        meter.packets += 1;
        meter.bytes += bytes as u64;
    }
}

/// Somebody is told something.
pub(super) fn told(meter: &mut Option<Meter>, now: Instant, event: &PeerEvent) {
    if let Some(meter) = meter.as_mut().filter(|meter| meter.runs(now)) {
        meter.delivered += u64::from(matches!(event, PeerEvent::Message(_)));
    }
}
