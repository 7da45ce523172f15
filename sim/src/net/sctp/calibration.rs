//! Holds the SCTP model to the real data channel under the same conditions: 60 messages a second each way, unordered,
//! `maxRetransmits 0`, 50 ms one way, the same loss both ways.
//!
//! Beyond some loss the window cannot carry the load; the latency grows until the buffer is full, and what finds no room
//! is refused. There one run is like no other: a cell is the median over runs of each run's percentile.

use super::SCTP_BUFFER;
use crate::crypto::Carrying;
use crate::net::{Arrival, LinkConfig, Pipe, Side};
use crate::seed::Seed;
use webstar_core::path::PathKind;
use webstar_core::time::{Duration, Instant};

/// The time between two messages: latencies are whole steps of it beyond the delay.
const TICK_MS: f64 = 1_000.0 / 60.0;
const LENGTH: Duration = Duration::from_secs(100);
const RUNS: u64 = 31;

/// The latencies of what arrives in one run, sorted, in milliseconds.
fn latencies(mut pipe: Pipe, size: usize) -> Vec<f64> {
    let mut message = vec![0; size];
    let mut latencies = Vec::new();
    let end = Instant::ZERO + LENGTH;
    let mut next = Instant::ZERO;
    while next < end {
        match pipe.next_deadline().filter(|due| *due < next) {
            Some(due) => {
                while let Some((side, Arrival::Packet(message))) = pipe.poll(due) {
                    let sent = message.first_chunk().map_or(0, |sent| i64::from_le_bytes(*sent));
                    latencies.push((due.as_nanos() - sent) as f64 / 1e6);
                    pipe.recycle(side, message);
                }
            }
            None => {
                message[..8].copy_from_slice(&next.as_nanos().to_le_bytes());
                for side in Side::BOTH {
                    // A full buffer refuses; the game goes on.
                    let _ = pipe.send(next, side, &message);
                }
                next += Duration::from_nanos(1_000_000_000 / 60);
            }
        }
    }
    latencies.sort_by(f64::total_cmp);
    latencies
}

/// The median over the runs of each run's median and 99th percentile.
fn cell(carrying: Carrying, size: usize, loss: f64) -> [f64; 2] {
    let config = LinkConfig { loss, ..LinkConfig::with_delay(Duration::from_millis(50)) };
    let run = |seed| {
        let seed = Seed::new(seed);
        carrying.alone(seed, || {
            let real = Pipe::connected(seed, Instant::ZERO, carrying, PathKind::Sctp, config);
            let pipe = real.map_or_else(|| Pipe::sctp(seed, Instant::ZERO, config, SCTP_BUFFER), |(pipe, _)| pipe);
            latencies(pipe, size)
        })
    };
    let runs: Vec<_> = (1..=RUNS).map(run).collect();
    [50, 99].map(|percent| {
        let mut percentiles: Vec<_> = runs.iter().map(|run| run[run.len() * percent / 100]).collect();
        percentiles.sort_by(f64::total_cmp);
        percentiles[percentiles.len() / 2]
    })
}

/// The model lies within a quarter of what the real channel does, or within one tick.
fn hold(size: usize) {
    for loss in [0.0, 0.02, 0.1, 0.3] {
        let [model, real] = [Carrying::Model, Carrying::Webrtc].map(|carrying| cell(carrying, size, loss));
        println!("{size} bytes, loss {loss}: {model:.0?} ms, really {real:.0?} ms");
        for (model, real) in model.into_iter().zip(real) {
            let allowed = TICK_MS.max(real * 0.25) + 0.1;
            assert!((model - real).abs() <= allowed, "{size} bytes, loss {loss}: {model:.0}, not {real:.0} ms");
        }
    }
}

#[test]
fn small_messages_wait_as_on_a_real_channel() {
    hold(200);
}

#[test]
fn medium_messages_wait_as_on_a_real_channel() {
    hold(420);
}

#[test]
fn large_messages_wait_as_on_a_real_channel() {
    hold(1_000);
}
